/*
 * One supervised engine: a role driver, its process and a thread that starts, watches, checks and restarts
 * it.
 *
 * A change has two phases, so that a document is all or nothing: engine_configure writes and checks files
 * (the running process does not notice, except for what the driver can do live and undo by configuring the
 * old section again); engine_switch makes the process use them.  What others want to know is in a snapshot
 * that the thread keeps fresh; reading it never waits for the engine.
 */
#pragma once

#include "model/report.h"
#include "role/role_driver.h"

struct engine;

/* Where things are; every path without a slash at its end. */
struct engine_place {
    const char *run_root;  /* /run/conpaas */
    const char *log_dir;   /* /var/log/conpaas */
    const char *data_root; /* /var/lib/conpaas/data */
    const char *data_dir;  /* its own, on a volume; NULL = below data_root */
    const char *code_root; /* /var/lib/conpaas/code */
};

struct engine_status {
    enum health health;
    char why[WHY_MAX];
    pid_t pid;
    int busy;     /* as last asked while draining */
    bool drained; /* nothing was under way twice in a row, or it took too long */
    bool has_progress;
    struct role_progress progress;
    int restarts; /* since the engine was made */
};

/* changed: called (from any thread, without locks) when health, drained or synced changed; may be NULL. */
struct engine *engine_new(const struct engine_place *place, const char *name,
                          const struct role_driver *driver, int64_t service, void (*changed)(void *arg),
                          void *arg, struct err *e);
const char *engine_name(const struct engine *g);
const struct role_driver *engine_driver(const struct engine *g);

/* The environment of the service, for what is configured and started from now on; NULL = none. */
void engine_environment(struct engine *g, const json_t *env);
/* <= 15 s. */
int engine_configure(struct engine *g, const json_t *section, enum role_change *ret,
                     struct err *e) WARN_UNUSED;
/* Makes the process use what was configured for `section` (which becomes the engine's), starting it if it is
 * not running. An engine that does not come up is no error here: its health says so. Fails when a reload or
 * an overlapped restart did not work: the old process goes on then. */
int engine_switch(struct engine *g, const json_t *section, enum role_change change,
                  struct err *e) WARN_UNUSED;
/* Applied section, borrowed until the next switch; NULL before the first. Only for the thread that applies.
 */
const json_t *engine_section(const struct engine *g);
/* Watches for the moment when nothing is under way; taken back by false. */
void engine_drain(struct engine *g, bool on);
int engine_try(struct engine *g, int64_t version, struct err *e) WARN_UNUSED;

/* What run_command gets: a copy of its own, to be given to engine_copy_done. */
void engine_copy(struct engine *g, struct role_engine *ret);
void engine_copy_done(struct role_engine *r);

void engine_status(struct engine *g, struct engine_status *ret);
/* Its own numbers, and memory and processor time of its processes. Caller owns the result. */
json_t *engine_metrics(struct engine *g);
/* After its logs were rotated. */
void engine_reopen_logs(struct engine *g);

/* Asks the process to end, waits at most timeout_ms (0: the driver's own) and frees everything. */
void engine_free(struct engine *g, int timeout_ms);
/* Is pid the main process of this engine, or one it is waiting for? (the reaper leaves those alone) */
bool engine_owns(struct engine *g, pid_t pid);
