/*
 * Clock, events, the run of a seed, and what "converged" means.
 */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "engine/place.h"
#include "service/php.h"
#include "sim.h"

/* ---- chance: splitmix64 ---- */

static uint64_t next_random(struct world *w)
{
    uint64_t z = (w->rng += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
int rnd(struct world *w, int n)
{
    return (int)(next_random(w) % (uint64_t)n);
}
bool chance(struct world *w, int per_mille)
{
    return per_mille > 0 && rnd(w, 1000) < per_mille;
}
int64_t between(struct world *w, int64_t lo_ms, int64_t hi_ms)
{
    return lo_ms + (int64_t)(next_random(w) % (uint64_t)(hi_ms - lo_ms + 1));
}

/* ---- words ---- */

void say(struct world *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("%9.2f ", (double)w->now / 1000);
    (void)vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
}

void say_doc(struct world *w, const char *what, int64_t node, int64_t epoch, int64_t seq, const struct doc *d)
{
    if (!w->trace) {
        return;
    }
    printf("%9.2f %s node %lld %lld.%lld: roles %llx", (double)w->now / 1000, what, (long long)node,
           (long long)epoch, (long long)seq, (unsigned long long)d->roles);
    if (d->drain) {
        printf(" drain %llx", (unsigned long long)d->drain);
    }
    printf(" settings %lld route %lld primary %lld boot %lld.%lld", (long long)d->settings,
           (long long)d->route, (long long)d->primary, (long long)d->boot_kind, (long long)d->boot_token);
    for (int r = 0; r < ROLES_MAX; r++) {
        for (int64_t i = 0; i < d->names[r].n; i++) {
            printf("%s%lld", i ? "," : " names ", (long long)d->names[r].id[i]);
        }
    }
    const struct id_set *const sets[] = {&d->code, &d->callers, &d->holders, &d->draining};
    for (int k = 0; k < 4; k++) {
        for (int64_t i = 0; i < sets[k]->n; i++) {
            printf("%s%lld",
                   i        ? ","
                   : k == 0 ? " code "
                   : k == 1 ? " callers "
                   : k == 2 ? " holders "
                            : " draining ",
                   (long long)sets[k]->id[i]);
        }
    }
    printf("\n");
}

void bad(struct world *w, const char *fmt, ...)
{
    if (w->violation[0]) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    int n = snprintf(w->violation, sizeof w->violation, "%.1f: ", (double)w->now / 1000);
    (void)vsnprintf(w->violation + n, sizeof w->violation - (size_t)n, fmt, ap);
    va_end(ap);
    SAY(w, "VIOLATION %s", w->violation);
}

/* ---- events: a binary heap by (time, order of making) ---- */

static bool sooner(const struct event *a, const struct event *b)
{
    return a->t != b->t ? a->t < b->t : a->seq < b->seq;
}

struct event *at(struct world *w, int64_t in_ms, void (*fn)(struct world *, struct event *), int a, int b)
{
    if (w->n_heap == w->cap_heap) {
        w->cap_heap = w->cap_heap ? 2 * w->cap_heap : 256;
        w->heap = xreallocarray(w->heap, (size_t)w->cap_heap, sizeof *w->heap);
    }
    struct event e = {.t = w->now + in_ms, .seq = ++w->seq, .fn = fn, .a = a, .b = b};
    int i = w->n_heap++;
    while (i > 0 && sooner(&e, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = e;
    return &w->heap[i]; /* valid until the next event is made */
}

static struct event pop(struct world *w)
{
    struct event first = w->heap[0], last = w->heap[--w->n_heap];
    int i = 0;
    for (;;) {
        int c = 2 * i + 1;
        if (c >= w->n_heap) {
            break;
        }
        if (c + 1 < w->n_heap && sooner(&w->heap[c + 1], &w->heap[c])) {
            c++;
        }
        if (!sooner(&w->heap[c], &last)) {
            break;
        }
        w->heap[i] = w->heap[c];
        i = c;
    }
    if (w->n_heap > 0) {
        w->heap[i] = last;
    }
    return first;
}

/* ---- convergence ---- */

static const char *vm_unconverged(struct world *w, const struct vm *v, const struct service *s)
{
    static const char *const reasons[] = {"a machine hangs", "a role is not healthy",
                                          "settings are not applied", "a node has no role", "a role drains"};
    if (!vm_works(v)) {
        return reasons[0];
    }
    for (int r = 0; r < s->type->n_roles; r++) {
        if (doc_has(&v->applied, r) && v->health[r] != HEALTH_OK) {
            return reasons[1];
        }
    }
    return v->applied.settings != s->want.settings ? reasons[2]
           : v->applied.roles == 0                 ? reasons[3]
           : v->applied.drain                      ? reasons[4]
                                                   : NULL;
}

static const char *entries_unconverged(struct world *w, int k)
{
    const struct service *s = &w->db.s[k];
    int entry = type_entry(s->type);
    if (entry < 0) {
        return NULL;
    }
    const struct id_set *ids = &s->facts[FACT_ENTRIES].v.ids;
    int wanted = s->want.counts[entry] > 0 ? s->want.counts[entry] : 1;
    if (ids->n != wanted) {
        return "entries";
    }
    for (int64_t i = 0; i < ids->n; i++) {
        const struct vm *v = vm_of(w, ids->id[i]);
        if (!v || !doc_serves(&v->applied, entry) || (s->type->code && v->applied.route != s->want.code)) {
            return "an entry does not route the wanted version";
        }
        for (int r = 0; r < s->type->n_roles; r++) {
            int n = s->want.counts[r] > 0 ? s->want.counts[r] : 1;
            if ((s->type->roles[r].flags & ROLE_TARGET) && v->applied.names[r].n != n) {
                return "names of an entry";
            }
        }
    }
    for (int r = 0; r < s->type->n_roles; r++) {
        if ((s->type->roles[r].flags & ROLE_TARGET) && !w->truth[k].served[r]) {
            return "not served";
        }
    }
    return NULL;
}

static const char *roles_unconverged(struct world *w, int k)
{
    const struct service *s = &w->db.s[k];
    int pair = type_with(s->type, ROLE_PAIR), unique = type_with(s->type, ROLE_UNIQUE);
    int holders = 0;
    for (int i = 1; i <= w->n_vms && pair >= 0; i++) {
        const struct vm *v = w->vm[i];
        holders += v->exists && v->svc == k && doc_has(&v->applied, pair);
    }
    if (pair >= 0 &&
        (holders != (s->n_nodes > 1 ? 2 : 1) || !service_node(&w->db.s[k], s->facts[FACT_PRIMARY].v.node))) {
        return "holders of the pair";
    }
    if (unique >= 0 && !service_node(&w->db.s[k], s->facts[FACT_MASTER].v.node)) {
        return "master";
    }
    return s->type->scripts && s->facts[FACT_MEMBERS].v.ids.n != s->n_nodes ? "members" : NULL;
}

static const char *service_unconverged(struct world *w, int k)
{
    struct service *s = &w->db.s[k];
    if (s->n_ops > 0) {
        return "an operation is active";
    }
    int machines = 0;
    for (int i = 1; i <= w->n_vms; i++) {
        machines += w->vm[i]->exists && w->vm[i]->svc == k;
    }
    if (s->want.run == RUN_STOPPED) {
        return s->n_nodes > 0 ? "stopped but has nodes" : machines > 0 ? "stopped but has machines" : NULL;
    }
    int missing = place_growth(s, s->want.counts);
    if (missing > 0 && w->db.purse.balance < missing && !w->db.purse.unlimited) {
        return NULL; /* what is missing can not be bought any more */
    }
    if (s->want.code != s->good.code || s->want.settings != s->good.settings) {
        return "want differs from good";
    }
    for (int r = 0; r < s->type->n_roles; r++) {
        int n = 0;
        for (int i = 0; i < s->n_nodes; i++) {
            n += s->nodes[i].role == r;
        }
        if (n != s->want.counts[r]) {
            return "number of nodes";
        }
    }
    if (machines != s->n_nodes) {
        return "machines differ from records";
    }
    for (int i = 0; i < s->n_nodes; i++) {
        const struct vm *v = vm_of(w, s->nodes[i].id);
        const char *why = v ? vm_unconverged(w, v, s) : "a record without a machine";
        if (why) {
            return why;
        }
    }
    const char *why = entries_unconverged(w, k);
    why = why ? why : roles_unconverged(w, k);
    return why ? why : s->state != SERVICE_RUNNING ? "state is not RUNNING" : NULL;
}

const char *unconverged(struct world *w)
{
    for (int k = 0; k < w->db.n; k++) {
        const char *why = service_unconverged(w, k);
        if (why) {
            return why;
        }
    }
    return w->recovery ? "not reconciled" : NULL;
}

/* ---- a run ---- */

static void step(struct world *w)
{
    struct event e = pop(w);
    w->now = e.t;
    w->events++;
    w->by_fault = false;
    w->dirty = false;
    e.fn(w, &e);
    free(e.p);
    if (w->dirty && !w->violation[0]) {
        check(w);
    }
    if (w->events > 3000000) {
        bad(w, "event storm");
    }
}

bool world_step(struct world *w, int64_t end)
{
    if (w->violation[0]) {
        return false;
    }
    if (w->n_heap > 0 && w->heap[0].t <= end) {
        step(w);
        return true;
    }
    w->now = w->now < end ? end : w->now;
    return false;
}

void world_run(struct world *w)
{
    int64_t end = w->faults_end + 4600 * SECOND, next = w->faults_end + 60 * SECOND;
    int calm = 0;
    while (!w->violation[0]) {
        while (world_step(w, next)) {
        }
        users_settle(w);
        const char *why = w->violation[0] ? NULL : unconverged(w);
        calm = why ? 0 : calm + 1;
        if (calm >= 4) {
            return;
        }
        if (w->now > end && why) {
            bad(w, "not converged: %s", why);
        }
        next = w->now + 10 * SECOND;
    }
}

static void slow_tick(struct world *w, struct event *e)
{
    (void)at(w, 10 * SECOND, slow_tick, 0, 0);
    check_slow(w);
}

void profile_random(struct world *w)
{
    static const int loss[] = {0, 20, 100, 250}, late[] = {0, 30, 100, 250}, cloud[] = {0, 100, 300},
                     boot[] = {0, 100, 250}, every[] = {0, 500, 150, 150, 75};
    struct profile *p = &w->pf;
    p->fault_every_s = every[rnd(w, 5)];
    bool f = p->fault_every_s > 0;
    p->loss = f ? loss[rnd(w, 4)] : 0;
    p->dup = f && rnd(w, 2) ? 50 : 0;
    p->late = f ? late[rnd(w, 4)] : 0;
    p->cloud_bad = f ? cloud[rnd(w, 3)] : 0;
    p->boot_bad = f ? boot[rnd(w, 3)] : 0;
    p->refuse = f && rnd(w, 2) ? 50 : 0;
    p->idempotent_cloud = rnd(w, 2);
    p->one_late = rnd(w, 3) == 0;
    p->credit = rnd(w, 5) ? 9999 : 14;
    p->long_run = rnd(w, 6) == 0;
    p->restore = f && rnd(w, 8) == 0;
    p->lying = f && !p->restore && rnd(w, 12) == 0;
}

void world_add(struct world *w, const struct service_type *type)
{
    int k = w->db.n++;
    struct service *s = &w->db.s[k];
    memset(s, 0, sizeof *s);
    s->id = k + 1;
    s->app = 1;
    s->sid = k + 1;
    s->type = type;
    s->gen = 1;
    s->want.code = s->good.code = 1;
    for (int r = 0; r < type->n_roles; r++) {
        s->want.counts[r] = s->good.counts[r] = type->roles[r].start;
    }
    w->versions[k] = 1;
}

void world_init(struct world *w, uint64_t seed, bool trace)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->rng = seed * 0x2545f4914f6cdd1dull + 1;
    w->trace = trace;
    w->pf.credit = 9999;
    w->db.next_id = 1;
    w->db.app.id = 1;
    w->faults_end = 1200 * SECOND;
}

void world_add_random(struct world *w, const char *type)
{
    static const char *const names[] = {"php", "php", "php", "quorum", "drain", "generic"};
    int more = rnd(w, 4) ? 0 : 1 + rnd(w, SVC_MAX - 1);
    for (int i = 0; i < 1 + more; i++) {
        world_add(w, sim_type(type ? type : names[rnd(w, 6)]));
    }
}

void world_start(struct world *w)
{
    if (w->pf.long_run) {
        w->faults_end = 4500 * SECOND;
    }
    w->db.purse.user = 1;
    w->db.purse.balance = w->row_sum = w->pf.credit;
    dir_start(w);
    (void)at(w, 5 * SECOND, data_tick, 0, 0);
    (void)at(w, 10 * SECOND, slow_tick, 0, 0);
    for (int k = 0; k < w->db.n && !w->script; k++) {
        (void)at(w, SECOND, user_step, k, 0);
    }
    if (w->pf.fault_every_s) {
        (void)at(w, between(w, SECOND, 400 * SECOND), fault_step, 0, 0);
        (void)at(w, w->faults_end, faults_stop, 0, 0);
    }
}

void world_done(struct world *w)
{
    for (int i = 0; i < w->n_heap; i++) {
        free(w->heap[i].p);
    }
    free(w->heap);
    for (int i = 1; i <= w->n_vms; i++) {
        free(w->vm[i]);
        if (w->mgr[i]) {
            for (int k = 0; k < SVC_MAX; k++) {
                have_done(&w->mgr[i]->s[k].have);
            }
            free(w->mgr[i]);
        }
    }
}
