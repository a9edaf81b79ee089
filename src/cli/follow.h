/*
 * Waiting for something to become so: by the application's event stream, and by asking again when the stream
 * is silent or broken.
 */
#pragma once

#include "cli/progress.h"

#define FOLLOW_TIMEOUT_MS 1860000 /* a little over the longest deadline of an operation */

/* What is waited for. */
struct follow {
    const char *object; /* "operation", "service" or "app": event name and argument of show_call */
    const char *show_call;
    int64_t id, app;
    bool until_gone; /* the end is that it does not exist any more */
    /* Called with every state that is seen; returns true at the end. */
    bool (*seen)(void *arg, const json_t *item);
    /* Called with every line of history of the application; may be NULL. */
    void (*history)(void *arg, const json_t *line);
    void *arg;
};

/* Returns 0 at the end, ERR_TIMEOUT when the time (cli->timeout_ms or the default) is up, -EINTR at Ctrl-C,
 * or what asking answered. A director that is away for a while is waited for. */
int follow_run(struct cli *cli, struct progress *p, const struct follow *f, struct err *e) WARN_UNUSED;

/* Follows an operation to its end with a line per step and reports it: exit code, or a negative code with e
 * set. *ret_op is its last state (owned by the caller), also when that is FAILED. */
int follow_operation(struct cli *cli, const json_t *op, json_t **ret_op, struct err *e) WARN_UNUSED;

/* The end of what failed: a line "why: ...", and the last log lines of the part that the reason names (a node, else
 * the manager of the service). service 0: only the reason. */
void follow_why(struct cli *cli, int64_t service, const char *why);

/* A step or a line of history that says no more than how the operation ended: that is told at the end, and it was
 * nothing that was done. */
bool follow_repeats_end(const json_t *op, const char *text);
