/*
 * A conpaas-hostd for tests, beside whatever else runs on this machine.
 */
#pragma once

#include <sys/types.h>

#include "base/json.h"
#include "hostd/config.h"

struct hostd_world {
    char *dir, *config, *hostd; /* its directory, configuration file, program */
    struct config conf;
    pid_t pid; /* 0 = not running */
};

/* Makes directory and configuration (with the node image, built if missing) and starts it. */
int hostd_world_start(struct hostd_world *w, struct err *e) WARN_UNUSED;
/* Starts the daemon again after it ended; waits until it answers. */
int hostd_world_launch(struct hostd_world *w, struct err *e) WARN_UNUSED;
/* Ends the daemon with a signal and waits for it; returns its wait status. */
int hostd_world_kill(struct hostd_world *w, int signal);
/* Runs `conpaas-hostd ACTION` and returns its exit status; what it printed in out (may be NULL). */
int hostd_world_run(struct hostd_world *w, const char *action, struct buf *out);
/* Ends it and everything of it; adds a line to left for everything that remains. */
void hostd_world_end(struct hostd_world *w, struct buf *left);

/* One line to the socket, one line back; *ret is the whole answer. */
int hostd_world_ask(struct hostd_world *w, const char *line, json_t **ret, struct err *e) WARN_UNUSED;
int hostd_world_connect(struct hostd_world *w); /* descriptor or -1 */
