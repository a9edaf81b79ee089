/*
 * An engine on a node (HAProxy, nginx, php-fpm, Redis ...), for those who write one.  Agent only.
 *
 * The agent owns the processes: it starts, watches, restarts with back-off and stops them.  A driver turns a
 * section of the document into configuration files, says how to start and reload the engine, and looks at its
 * health.  Every hook is idempotent, may block for at most its stated time, and never logs.  Adding an
 * engine: one file here, one row in role_list.c.
 */
#pragma once

#include <sys/types.h>

#include "base/json.h"

/* One engine of a role on this node; name is unique on the node. Owned by the agent. */
struct role_engine {
    char name[64]; /* section's name, e.g. "backend" */
    const struct role_driver *driver;
    char run_dir[128];  /* /run/conpaas/NAME, exists, root 0755 */
    char log_dir[128];  /* /var/log/conpaas */
    char code_dir[256]; /* /var/lib/conpaas/code/SERVICE: versions below it as directories */
    char data_dir[256]; /* /var/lib/conpaas/data/NAME, exists, 0755 root: survives restarts of the node */
    pid_t pid;          /* main process, 0 = not running */
    json_t *section;    /* applied one, NULL before the first */
    const json_t *env;  /* environment of the service, {NAME: TEXT}, as it is to be; NULL = none */
    void *state;        /* the driver's own, freed by `forget` */
    int longest_ms;     /* that a request may take, as configured; 0 = what stop_timeout_ms says */
    bool coming_up;     /* set by check(): it is at something long that must not be cut short */
    bool alone; /* there is no room for two processes: the next restart ends the old one first, although
                           the driver overlaps. Set by `configure`. */
};

/* Pair roles and clusters; see struct report. */
struct role_progress {
    bool synced;
    int64_t position; /* how far its data goes, also while it does not run; -1 = has none */
    int64_t token;    /* last bootstrap token that was used */
};

enum role_change {
    CHANGE_NONE,    /* nothing to do */
    CHANGE_LIVE,    /* done already through the running engine */
    CHANGE_RELOAD,  /* call reload */
    CHANGE_RESTART, /* stop and start */
};

#define ROLE_ARGS_MAX 16
struct role_command {
    const char *argv[ROLE_ARGS_MAX]; /* borrowed from `text` or static */
    char *text[ROLE_ARGS_MAX];       /* owned strings, freed by the agent */
    const char *user;                /* NULL = root of the node */
    char log[64];                    /* file below log_dir for stdout and stderr */
    char error_log[64];              /* file below log_dir for stderr alone; "" = the same */
    const char *env;                 /* one more "NAME=value", borrowed as argv; NULL = none */
    int keep;                        /* a descriptor of the agent that the engine inherits; 0 = none */
    bool keep_is_stdin;              /* it inherits `keep` as its standard input */
};

/* A command that a driver carries out (run_command). */
struct role_run {
    const char *id, *kind, *parameters;
    const char *dir; /* its own empty directory, 0700 root; goes when it has ended */
    int stop_fd;     /* readable when it shall end early: cancelled, or the agent ends */
    char text[256];  /* what people should see of its success, in a line; "" = nothing */
};

struct role_driver {
    const char *name;    /* "haproxy" */
    int stop_signal;     /* asks it to end gracefully */
    int stop_timeout_ms; /* then SIGKILL */
    int leave_ms; /* before a restart it is called starting for so long, and until nothing is under way, so that
                                entries send their visitors elsewhere first; 0 = it restarts at once */
    const char *const *logs; /* its files below log_dir: what follows the engine's name, NULL-terminated */
    int reopen_signal;       /* makes it reopen its logs after rotation; 0 = copy-truncate */
    bool
        user_code; /* runs the service's own code: its process gets the environment of the service, and is started
                       anew when that changes */
    int start_ms; /* a fresh process answers within; 0 = 15 s */
    bool overlap; /* a restart starts the new process beside the old one (they share `keep`), and sends
                     the old one stop_signal only when check() finds the new one healthy */

    /* Writes the files for `section` below run_dir and lets the engine itself check them (<= 15 s). A content
     * error is ERR_INVALID with a message that begins "settings: "; the running engine must not notice. Old
     * section in engine->section. When it runs (pid != 0) it may apply the change through the engine's own
     * control channel. */
    int (*configure)(struct role_engine *r, const json_t *section, enum role_change *ret, struct err *e);
    int (*command)(const struct role_engine *r, struct role_command *ret, struct err *e);
    /* Before each start, in the engine's own thread: may take minutes. ERR_UNAVAILABLE: not now; the role is down with
     * that reason, and it is asked again in a second. Any other error: the role is bad. Until its first answer after
     * an end of the process the role is starting, not down: an engine with this hook is down only when progress()
     * knows what it has. NULL = start. */
    int (*prepare)(struct role_engine *r, struct err *e);
    /* The process that `command` was asked for, beside a running one, did not come up: the running one goes on.
     * NULL = nothing to take back. */
    void (*undo)(struct role_engine *r);
    /* Makes the running engine use the files, without losing a request (<= 15 s; until new code is
     * started: <= start_ms); NULL = always restart. */
    int (*reload)(struct role_engine *r, struct err *e);
    /* Healthy now? (<= 1 s, rarely 10) 0, or negative with a reason. With r->coming_up set it is starting, however
     * long that takes. */
    int (*check)(struct role_engine *r, struct err *e);
    /* Requests or connections in flight; 0 = drained. (<= 1 s) NULL = always 0. */
    int (*busy)(struct role_engine *r);
    /* Tries a staged version before it is routed to (<= 30 s): 0 (e may hold a remark), or negative with the
     * evidence in e. NULL = ok. */
    int (*try_version)(struct role_engine *r, int64_t version, struct err *e);
    /* Adds what the engine knows about its work to the object `out` (<= 1 s). NULL = nothing. An engine that answers
     * visitors adds the counters served, served_errors, served_bytes and the mean response_ms: of the counters the
     * agent makes rates, and the service's performance is the sum over its entries. */
    int (*metrics)(struct role_engine *r, json_t *out);
    /* Pair roles and clusters: after each check(), and after prepare(). NULL = none. */
    int (*progress)(struct role_engine *r, struct role_progress *ret);
    /* Carries out a command of the type that names this driver (struct command_def), at most once unless that says
     * `again`: 0, or negative with what people should know in e. It may take as long as it needs: a thread of its
     * own runs it, beside the engine. r is a copy of the engine as it was at the beginning, without `state`. NULL =
     * there are none. */
    int (*run_command)(const struct role_engine *r, struct role_run *x, struct err *e);
    /* The engine does not stay up: gives back what would make clients wait for it (a listening socket), so
     * that they fail over at once. NULL = nothing. */
    void (*release)(struct role_engine *r);
    void (*forget)(struct role_engine *r);
};

/* All drivers, in the order in which the engines of a node are configured (what others lean on comes first,
 * what shows changes to visitors comes last); ends with NULL. */
extern const struct role_driver *const role_drivers[];
const struct role_driver *role_driver_find(const char *name);
