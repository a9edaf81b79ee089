/*
 * One thread.  It holds the lease "clock": a second director on the same database would not tick.
 */
#include "director/ticker.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "director/artifact.h"
#include "director/lifecycle.h"
#include "director/provision.h"
#include "director/txn.h"

#define PAUSE_MS 1000
#define LEASE_FOR_MS 60000
#define RETRY_MS 2000

static const struct log_ctx here = {.logger = "director.clock"};

/* ---- applications ---- */

static int64_t tick_one(struct director *d, struct slot *s, struct slot_service *v, struct cloud_tasks *tasks)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_err_ struct err e = {0};
    int64_t next = 0;
    tasks->n = 0;
    int rc = txn_begin(d, s, v, &x, &e);
    if (rc >= 0) {
        next = truth_tick(&x->t, tasks);
        rc = txn_commit(x, &e);
    }
    if (rc < 0) {
        log_error(&here, "tick of application %lld: %s", (long long)s->row.app.id, e.message);
        tasks->n = 0; /* nothing was stored, so nothing is asked for */
        return clock_steady_ms() + RETRY_MS;
    }
    return next;
}

static void tick_due(struct director *d, struct slot *s, struct slot_service *v, int64_t *due, int64_t now)
{
    struct cloud_tasks tasks;
    if (*due > now) {
        return;
    }
    int64_t next = tick_one(d, s, v, &tasks);
    *due = next <= now ? now + 1 : next;
    for (int i = 0; i < tasks.n; i++) {
        provision_add(d, s->row.app.id, &tasks.t[i]);
    }
}

static int64_t tick_slot(struct director *d, struct slot *s)
{
    _cleanup_err_ struct err e = {0};
    int64_t now = clock_steady_ms(), next = INT64_MAX;
    if (s->gone) {
        return next;
    }
    tick_due(d, s, NULL, &s->due_ms, now);
    for (int i = 0; i < s->n; i++) {
        tick_due(d, s, s->services[i], &s->services[i]->due_ms, now);
    }
    if (lifecycle_sweep(d, s, &e) < 0) {
        log_error(&here, "application %lld: %s", (long long)s->row.app.id, e.message);
    }
    next = s->due_ms;
    for (int i = 0; i < s->n; i++) {
        next = s->services[i]->due_ms < next ? s->services[i]->due_ms : next;
    }
    return next;
}

static int64_t tick_all(struct director *d)
{
    size_t n = 0;
    struct slot **all = world_all(d->world, 0, &n);
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        int64_t due = tick_slot(d, all[i]);
        next = due < next ? due : next;
        slot_put(all[i]);
    }
    free(all);
    return next;
}

/* ---- chores ---- */

static int expire_tokens(struct director *d, struct err *e)
{
    int rc = store_begin(d->store, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = store_tokens_expire(d->store, clock_steady_ms(), e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    return store_commit(d->store, e);
}

static int look_for_leaks(struct director *d, struct err *e)
{
    for (int i = 0; i < d->n_clouds; i++) {
        provision_add_leaks(d, i);
    }
    return 0;
}

static int look_for_ended(struct director *d, struct err *e)
{
    for (int i = 0; i < d->n_clouds; i++) {
        if (d->clouds[i].cloud.driver && d->clouds[i].cloud.driver->watched) {
            provision_add_ended(d, i);
        }
    }
    return 0;
}

static int renew_own(struct director *d, struct err *e)
{
    int rc = ca_renew_own(d->ca, d->store, clock_steady_ms(), e);
    if (rc <= 0) {
        return rc;
    }
    _cleanup_free_ char *cert = ca_server_certificate(d->ca);
    rc = http_server_set_identity(d->users, ca_server_key(d->ca), cert, e);
    return rc < 0 ? rc : http_server_set_identity(d->nodes, ca_server_key(d->ca), cert, e);
}

static int mark(struct director *d, struct err *e)
{
    return store_mark(d->store, e);
}

static const struct {
    const char *name;
    int64_t every_ms;
    int (*run)(struct director *d, struct err *e);
} chores[] = {
    {"ended", 1000, look_for_ended},        {"mark", 10000, mark},
    {"leaks", 60000, look_for_leaks},       {"sessions", 600000, expire_tokens},
    {"archives", 300000, artifact_collect}, {"certificate", 3600000, renew_own},
};

static void do_chores(struct director *d, int64_t done[ARRAY_LEN(chores)])
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < ARRAY_LEN(chores); i++) {
        _cleanup_err_ struct err e = {0};
        if (now - done[i] < chores[i].every_ms) {
            continue;
        }
        done[i] = now;
        if (chores[i].run(d, &e) < 0) {
            log_error(&here, "%s: %s", chores[i].name, e.message);
        }
    }
}

/* ---- the thread ---- */

static void wait_for_more(struct director *d, int64_t next)
{
    int64_t pause = next - clock_steady_ms();
    pause = pause < 10 ? 10 : pause > PAUSE_MS ? PAUSE_MS : pause;
    int64_t until = clock_mono_ms() + pause;
    struct timespec t = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    pthread_mutex_lock(&d->tick_lock);
    while (!d->woken && !d->stopping && pthread_cond_timedwait(&d->tick, &d->tick_lock, &t) == 0) {
    }
    d->woken = false;
    pthread_mutex_unlock(&d->tick_lock);
}

static bool lease(struct director *d, char *holder, int64_t *until)
{
    _cleanup_err_ struct err e = {0};
    int64_t now = clock_mono_ms();
    if (now < *until - LEASE_FOR_MS / 2) {
        return true;
    }
    int rc = store_lease(d->store, "clock", holder, clock_steady_ms(), LEASE_FOR_MS, &e);
    if (rc > 0) {
        *until = now + LEASE_FOR_MS;
    } else if (rc < 0) {
        log_error(&here, "lease: %s", e.message);
    }
    return now < *until;
}

static void *tick_main(void *arg)
{
    struct director *d = arg;
    char holder[256] = "";
    int64_t done[ARRAY_LEN(chores)] = {0}, until = 0;
    (void)!gethostname(holder, sizeof(holder) - 1);
    while (!d->stopping) {
        int64_t next = clock_steady_ms() + PAUSE_MS;
        if (lease(d, holder, &until)) {
            next = tick_all(d);
            do_chores(d, done);
        }
        wait_for_more(d, next);
    }
    store_lease_drop(d->store, "clock", holder);
    return NULL;
}

int ticker_start(struct director *d, struct err *e)
{
    int rc = pthread_create(&d->ticker, NULL, tick_main, d);
    if (rc != 0) {
        return err_errno(e, rc, "the clock's thread");
    }
    d->ticker_runs = true;
    return 0;
}

void ticker_stop(struct director *d)
{
    if (!d->ticker_runs) {
        return;
    }
    director_wake(d);
    pthread_join(d->ticker, NULL);
    d->ticker_runs = false;
}

static int restarted_one(struct director *d, struct slot *s, struct slot_service *v, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    int rc = txn_begin(d, s, v, &x, e);
    if (rc < 0) {
        return rc;
    }
    truth_restarted(&x->t);
    rc = txn_commit(x, e);
    return rc < 0 ? rc : 0;
}

int ticker_restarted(struct director *d, struct err *e)
{
    size_t n = 0;
    struct slot **all = world_all(d->world, 0, &n);
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        rc = rc < 0 ? rc : restarted_one(d, all[i], NULL, e);
        for (int k = 0; k < all[i]->n; k++) {
            rc = rc < 0 ? rc : restarted_one(d, all[i], all[i]->services[k], e);
        }
        slot_put(all[i]);
    }
    free(all);
    return rc;
}
