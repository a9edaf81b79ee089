/*
 * One thread; nothing that it does itself takes long. Cancelling and taking up jobs hold the same lock as its round.
 */
#include "director/job.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "director/lifecycle.h"
#include "director/seal.h"
#include "director/txn.h"

#define ROUND_MS 1000 /* the longest pause between two looks */
#define WAIT_MAX_MS (3600 * 1000LL)
#define SAME_MAX 3
#define SEALED_AS "manifest" /* it may hold secrets */

static const struct log_ctx here = {.logger = "director.job"};

struct jobs {
    pthread_t thread;
    pthread_mutex_t lock; /* rows of jobs: held while one is read, advanced and written */
    pthread_mutex_t wake_lock;
    pthread_cond_t wake;
    bool woken, runs;
};

/* ---- ends ---- */

static int save(struct director *d, struct job *j, struct err *e)
{
    int rc = store_begin(d->store, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = store_job_save(d->store, j, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    if ((rc = store_commit(d->store, e)) < 0) {
        return rc;
    }
    j->dirty = false;
    _cleanup_slot_ struct slot *s = NULL;
    if (world_app(d->world, j->app, &s, NULL) == 0) {
        slot_pulse(s);
    }
    return 0;
}

static int end(struct director *d, struct job *j, enum op_state state, const char *why, struct err *e)
{
    int64_t now = clock_steady_ms();
    job_end_step(j, state == OP_DONE, now);
    j->state = state;
    j->op = 0;
    j->ended_ms = j->changed_ms = now;
    free(j->why);
    j->why = xstrdup(why);
    j->manifest[0] = '\0';
    log_info(&here, "job %lld: %s%s%s", (long long)j->id, op_state_to_str(state), *why ? ": " : "", why);
    return save(d, j, e);
}

static int fail(struct director *d, struct job *j, const struct err *why, struct err *e)
{
    _cleanup_free_ char *text = why->hint ? str_printf("%s (%s)", why->message, why->hint)
                                          : xstrdup(why->message ? why->message : "failed");
    return end(d, j, OP_FAILED, text, e);
}

/* ---- a round of one job ---- */

/* 1: still under way; 0: nothing is; negative: the job has ended with it. */
static int look_at_op(struct director *d, struct job *j, struct err *why)
{
    _cleanup_op_row_ struct op_row o = {0};
    if (!j->op) {
        return 0;
    }
    int rc = store_op(d->store, j->op, &o, why);
    if (rc < 0 || o.op.state == OP_ACTIVE) {
        return rc < 0 ? rc : 1;
    }
    j->op = 0;
    if (o.op.state != OP_DONE) {
        return err_set(why, ERR_FAILED, "%s: %s%s%s", o.title,
                       o.op.state == OP_FAILED ? "failed" : "cancelled", o.op.why[0] ? ": " : "", o.op.why);
    }
    job_end_step(j, true, clock_steady_ms());
    return 0;
}

static int look_at_fetch(struct director *d, struct job *j, struct err *why)
{
    _cleanup_free_ char *source = NULL;
    json_t *found = NULL;
    int rc = job_fetch_poll(d, j, &source, &found, why);
    if (rc == -ENOENT) {
        return 0;
    }
    if (rc == 0) {
        json_object_set_new(j->files, source, found);
        j->dirty = true;
        job_end_step(j, true, clock_steady_ms());
    }
    return rc;
}

static void tell_problem(const struct manifest *m, struct err *why)
{
    const struct manifest_problem *p = &m->problems[0];
    _cleanup_free_ char *more =
        m->n_problems > 1 ? str_printf(", and %d more", m->n_problems - 1) : xstrdup("");
    (void)!err_set_hint(why, ERR_INVALID, p->hint, "line %d, column %d: %s%s", p->place.line, p->place.column,
                        p->message, more);
}

/* A change that is always the first again does not do what it says. */
static bool repeats(const struct job *j, const char *title)
{
    size_t n = json_array_size(j->steps);
    if (n < SAME_MAX) {
        return false;
    }
    for (size_t i = n - SAME_MAX; i < n; i++) {
        if (!str_eq(json_str(json_array_get(j->steps, i), "title", ""), title)) {
            return false;
        }
    }
    return true;
}

/* 1: not now; 0: something was done; 2: nothing is left to do. */
static int compare(struct director *d, struct job *j, struct err *why)
{
    char *text = NULL;
    int rc = seal_read(&d->seal, j->id, SEALED_AS, j->manifest, &text, why);
    if (rc < 0) {
        return rc;
    }
    _cleanup_(manifest_freep) struct manifest *m = manifest_read(text, strlen(text));
    _cleanup_present_ struct present p = {0};
    mem_wipe(text, strlen(text));
    free(text);
    _cleanup_manifest_plan_ struct manifest_plan plan = {0};
    int64_t app = 0;
    rc = manifest_present(d, j->owner, j->app_name, m, j->files, &p, &app, why);
    if (rc < 0) {
        return rc;
    }
    if (app != j->app) {
        return err_set(why, ERR_GONE, "the application %s is gone", j->app_name);
    }
    manifest_check(m, &p);
    if (m->n_problems) {
        tell_problem(m, why);
        return ERR_INVALID;
    }
    manifest_plan(m, &p, j->prune, &plan);
    if (plan.n == 0) {
        return 2;
    }
    const struct manifest_change *c = &plan.changes[0];
    if (c->step == STEP_MAKE_APP || repeats(j, c->title)) {
        return err_set(why, ERR_FAILED, "\"%s\" does not take effect", c->title);
    }
    return job_step(d, j, m, c, why);
}

/* Advances as far as it goes without waiting. */
static void advance(struct director *d, struct job *j)
{
    _cleanup_err_ struct err e = {0};
    int rc = 0;
    for (int i = 0; i < 64 && rc == 0 && j->state == OP_ACTIVE && !d->stopping; i++) {
        _cleanup_err_ struct err why = {0};
        int64_t op = j->op;
        int r = look_at_op(d, j, &why);
        r = r == 0 ? look_at_fetch(d, j, &why) : r;
        if (r == 0) {
            r = compare(d, j, &why);
        }
        if (r == 2) {
            rc = end(d, j, OP_DONE, "", &e);
            break;
        }
        if (r < 0) {
            rc = fail(d, j, &why, &e);
            break;
        }
        if (clock_steady_ms() - j->changed_ms > WAIT_MAX_MS && !j->op) {
            rc = end(d, j, OP_FAILED, "nothing has moved for an hour", &e);
            break;
        }
        rc = j->dirty || op != j->op ? save(d, j, &e) : 0;
        if (r == 1) {
            break;
        }
    }
    if (rc < 0) {
        log_error(&here, "job %lld: %s", (long long)j->id, e.message);
    }
}

static size_t round_of_all(struct director *d)
{
    struct job_filter f = {.active = true, .limit = 1000};
    struct job *list = NULL;
    size_t n = 0;
    _cleanup_err_ struct err e = {0};
    pthread_mutex_lock(&d->jobs->lock);
    if (store_jobs(d->store, &f, &list, &n, &e) < 0) {
        log_error(&here, "%s", e.message);
    }
    for (size_t i = n; i-- > 0 && !d->stopping;) { /* the oldest first */
        advance(d, &list[i]);
    }
    jobs_free(list, n);
    pthread_mutex_unlock(&d->jobs->lock);
    return n;
}

/* ---- the thread ---- */

void jobs_wake(struct director *d)
{
    struct jobs *k = d->jobs;
    if (!k) {
        return;
    }
    pthread_mutex_lock(&k->wake_lock);
    k->woken = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->wake_lock);
}

static void wait_for_more(struct director *d, bool any)
{
    struct jobs *k = d->jobs;
    int64_t until = clock_mono_ms() + (any ? ROUND_MS : 30 * ROUND_MS);
    struct timespec t = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    pthread_mutex_lock(&k->wake_lock);
    while (!k->woken && !d->stopping && pthread_cond_timedwait(&k->wake, &k->wake_lock, &t) == 0) {
    }
    k->woken = false;
    pthread_mutex_unlock(&k->wake_lock);
}

static void *jobs_main(void *arg)
{
    struct director *d = arg;
    while (!d->stopping) {
        size_t n = atomic_load(&d->recovery) ? 0 : round_of_all(d);
        wait_for_more(d, n > 0);
    }
    return NULL;
}

int jobs_start(struct director *d, struct err *e)
{
    struct jobs *k = xcalloc(1, sizeof(*k));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->wake_lock, NULL);
    pthread_cond_init(&k->wake, &attr);
    pthread_condattr_destroy(&attr);
    d->jobs = k;
    int rc = pthread_create(&k->thread, NULL, jobs_main, d);
    if (rc != 0) {
        return err_errno(e, rc, "the thread of jobs");
    }
    k->runs = true;
    return 0;
}

void jobs_stop(struct director *d)
{
    struct jobs *k = d->jobs;
    if (!k) {
        return;
    }
    if (k->runs) {
        jobs_wake(d);
        pthread_join(k->thread, NULL);
    }
    job_fetch_stop(d);
    d->jobs = NULL;
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->wake_lock);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* ---- what people ask ---- */

static int make_app(struct director *d, const struct job_order *o, const char *name, int64_t *ret,
                    struct err *e)
{
    struct slot *s = NULL;
    struct new_app n = {.owner = o->owner, .name = name, .actor = o->actor};
    int rc = lifecycle_new_app(d, &n, &s, e);
    if (rc >= 0) {
        *ret = s->id;
        slot_put(s);
    }
    return rc;
}

static int add_job(struct director *d, const struct job_order *o, const char *name, int64_t app, bool made,
                   struct job *ret, struct err *e)
{
    int64_t now = clock_steady_ms();
    struct job j = {.owner = o->owner, .app = app, .state = OP_ACTIVE, .prune = o->prune};
    j.app_name = xstrdup(name);
    j.files = manifest_hashes(o->hashes);
    j.steps = json_array();
    j.why = xstrdup("");
    j.actor = xstrdup(o->actor);
    j.created_ms = j.changed_ms = now;
    if (made) {
        _cleanup_free_ char *title = str_printf("make application %s", name);
        job_begin_step(&j, title, now);
        job_end_step(&j, true, now);
    }
    int rc = store_begin(d->store, e);
    if (rc >= 0) {
        j.id = store_new_id(d->store);
        j.manifest = seal_text(&d->seal, j.id, SEALED_AS, o->manifest);
        rc = store_job_add(d->store, &j, e);
        if (rc < 0) {
            store_abort(d->store);
        } else {
            rc = store_commit(d->store, e);
        }
    }
    if (rc < 0) {
        job_done(&j);
        return rc == ERR_EXISTS ? err_set_hint(e, ERR_CONFLICT, "conpaas manifest list",
                                               "another manifest is being applied to %s", name)
                                : rc;
    }
    *ret = j;
    return 0;
}

/* What the client says it has must be here. */
static int check_sent(struct director *d, const struct job_order *o, struct err *e)
{
    const char *source;
    json_t *hash;
    json_object_foreach((json_t *)o->hashes, source, hash)
    {
        _cleanup_upload_ struct upload u = {0};
        int rc = store_upload(d->store, o->owner, json_string_value(hash), &u, NULL);
        if (rc < 0) {
            return err_set_hint(e, ERR_NOT_FOUND, "conpaas manifest upload FILE", "%.200s has not been sent",
                                source);
        }
    }
    return 0;
}

int job_apply(struct director *d, const struct job_order *o, struct job *ret, struct err *e)
{
    _cleanup_(manifest_freep) struct manifest *m = manifest_read(o->manifest, strlen(o->manifest));
    _cleanup_present_ struct present p = {0};
    _cleanup_free_ char *name = xstrdup(o->name ? o->name : m->app);
    _cleanup_json_ json_t *files = manifest_hashes(o->hashes);
    int64_t app = 0;
    int rc = check_sent(d, o, e);
    if (rc < 0) {
        return rc;
    }
    if (o->fresh && *name) {
        char *fresh = NULL;
        if ((rc = manifest_fresh_name(d, o->owner, name, &fresh, e)) < 0) {
            return rc;
        }
        free(name);
        name = fresh;
    }
    if ((rc = manifest_present(d, o->owner, name, m, files, &p, &app, e)) < 0) {
        return rc;
    }
    manifest_check(m, &p);
    if (m->n_problems) {
        tell_problem(m, e);
        return ERR_INVALID;
    }
    _cleanup_json_ json_t *asks = manifest_asks(m, &p);
    if (json_array_size(asks)) {
        const json_t *first = json_array_get(asks, 0);
        return err_set_hint(e, ERR_INVALID, "give it in the manifest; `conpaas manifest apply` asks for it",
                            "the secret %s of %s has no value", json_str(first, "name", ""),
                            json_str(first, "service", ""));
    }
    bool made = !p.exists;
    if (made && (rc = make_app(d, o, name, &app, e)) < 0) {
        return rc;
    }
    pthread_mutex_lock(&d->jobs->lock);
    rc = add_job(d, o, name, app, made, ret, e);
    pthread_mutex_unlock(&d->jobs->lock);
    jobs_wake(d);
    return rc;
}

static void cancel_op(struct director *d, int64_t op, const char *why)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_op_row_ struct op_row o = {0};
    _cleanup_err_ struct err e = {0};
    struct slot_service *v = NULL;
    int rc = store_op(d->store, op, &o, &e);
    if (rc < 0 || (rc = world_service(d->world, o.service, &s, &v, &e)) < 0 ||
        (rc = txn_begin(d, s, v, &x, &e)) < 0 || (rc = truth_cancel(&x->t, op, why, &e)) < 0 ||
        (rc = txn_commit(x, &e)) < 0) {
        log_warn(&here, "operation %lld is not cancelled: %s", (long long)op, e.message);
    }
}

int job_cancel(struct director *d, int64_t id, const char *actor, struct err *e)
{
    _cleanup_job_ struct job j = {0};
    _cleanup_free_ char *why = str_printf("cancelled by %s", actor);
    pthread_mutex_lock(&d->jobs->lock);
    int rc = store_job(d->store, id, &j, e);
    if (rc == 0 && j.state != OP_ACTIVE) {
        rc = err_set(e, ERR_STATE, "job %lld has ended already: %s", (long long)id, op_state_to_str(j.state));
    }
    int64_t op = j.op;
    rc = rc < 0 ? rc : end(d, &j, OP_CANCELLED, why, e);
    pthread_mutex_unlock(&d->jobs->lock);
    if (rc >= 0 && op) {
        cancel_op(d, op, why);
    }
    return rc;
}
