/*
 * Inside of an engine (engine.c, engine_process.c, engine_watch.c).
 */
#pragma once

#include <pthread.h>
#include <signal.h>

#include "agent/engine.h"

#define ENGINE_RETIRED_MAX 8
#define ENGINE_BACKOFF0_MS 200
#define ENGINE_BACKOFF_MAX_MS 10000
#define ENGINE_CRASH_WINDOW_MS 60000
#define ENGINE_CRASHES 5

/* A process that was asked to end. */
struct retired {
    pid_t pid;
    int fd;              /* pidfd; -1: the leader is dead, only its group is left */
    int64_t deadline_ms; /* SIGKILL to the group then */
};

struct engine {
    pthread_mutex_t lock; /* the driver, the process and everything down to `snapshot` */
    struct role_engine r;
    json_t *env, *started_env; /* of the service: as it is to be (r.env); of the newest process */
    int pid_fd;                /* of r.pid, -1 */
    bool wanted;               /* to be running */
    int n_retired;
    struct retired retired[ENGINE_RETIRED_MAX];
    int64_t started_ms, next_start_ms, backoff_ms;
    int64_t crash_ms[ENGINE_CRASHES]; /* ring */
    int crashes;
    char last_end[WHY_MAX]; /* how the last process ended */
    bool seen_ok;           /* since its start */
    int failed_checks;
    int64_t failing_since_ms, next_check_ms, next_metrics_ms, drain_since_ms;
    int idle_looks;
    bool draining;

    pthread_mutex_t view; /* what follows; never held while anything blocks */
    struct engine_status snapshot;
    json_t *metrics;
    int64_t metrics_ms; /* when they were taken */

    pthread_t thread;
    int wake; /* eventfd */
    bool ending;
    void (*changed)(void *arg);
    void *arg;
};

/* How long a fresh process may take until it answers. */
static inline int engine_start_ms(const struct engine *g)
{
    return g->r.driver->start_ms ? g->r.driver->start_ms : 15000;
}

/* engine_process.c: with the lock held. */
int engine_start_process(struct engine *g, pid_t *ret_pid, int *ret_fd, struct err *e) WARN_UNUSED;
/* Sends the stop signal; SIGKILL to its group when time is up (engine_tend). */
void engine_retire(struct engine *g, pid_t pid, int fd, int timeout_ms);
/* Looks after retired processes: reaps, kills overdue ones. Returns ms until the next look is due, -1 = none.
 */
int engine_tend(struct engine *g, int64_t now_ms);
/* The process ended by itself: reaps it, ends what is left of its group, plans the restart. */
void engine_died(struct engine *g, int64_t now_ms);
int engine_overlap(struct engine *g, struct err *e) WARN_UNUSED;

/* engine_watch.c */
void *engine_thread(void *arg);
void engine_publish(struct engine *g, enum health health, const char *why);
