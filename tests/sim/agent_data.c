/*
 * Data on nodes, as crude models: a cluster with positions, chunks with two replicas, sessions on a pair.
 */
#include <string.h>

#include "sim.h"

static int boot_role(const struct world *w, const struct vm *v)
{
    return v->svc < 0 ? -1 : type_with(w->db.s[v->svc].type, ROLE_BOOT);
}

/* ---- cluster ---- */

static struct vm *serving_member(struct world *w, int svc, const struct vm *but, enum health health)
{
    int boot = type_with(w->db.s[svc].type, ROLE_BOOT);
    for (int i = 1; i <= w->n_vms && boot >= 0; i++) {
        struct vm *v = w->vm[i];
        if (v != but && v->svc == svc && vm_works(v) && v->health[boot] == health) {
            return v;
        }
    }
    return NULL;
}

static void member_up(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    int boot = boot_role(w, v);
    if (!vm_alive(v, e->b) || v->health[boot] != HEALTH_STARTING) {
        return;
    }
    if (v->hung) {
        (void)at(w, 2 * SECOND, member_up, e->a, e->b);
        return;
    }
    v->health[boot] = HEALTH_OK;
    v->synced = true;
    w->dirty = true;
    agent_poke(w, v);
}

/* Old machines of the cluster that a start as first member would throw away. */
static void check_start(struct world *w, struct vm *v, bool first)
{
    const struct vm *other = serving_member(w, v->svc, v, HEALTH_OK);
    const struct rec *known = other ? rec_find(w, other->node) : NULL;
    if (known && !known->orphan) { /* an orphan of a restore is being taken away */
        bad(w, "I7 node %lld starts a new cluster while node %lld serves", (long long)v->node,
            (long long)other->node);
    }
    if (first && v->position > 0) {
        bad(w, "I7 node %lld is bootstrapped over its own data", (long long)v->node);
    }
    for (int i = 1; i <= w->n_vms; i++) {
        const struct vm *o = w->vm[i];
        const struct rec *r = rec_find(w, o->node);
        bool counts = o != v && o->svc == v->svc && o->exists && !o->hung && r && r->vm == o->id &&
                      !r->orphan && r->status != NODE_DYING && r->status != NODE_GONE;
        if (counts && first && o->position > 0) {
            bad(w, "I7 bootstrap on node %lld while node %lld holds data", (long long)v->node,
                (long long)o->node);
        }
        if (counts && !first && r->status == NODE_UP && o->position > v->position) {
            bad(w, "I7 recovery from %lld while node %lld has %lld", (long long)v->position,
                (long long)o->node, (long long)o->position);
        }
    }
}

static void start_cluster(struct world *w, struct vm *v, bool first)
{
    check_start(w, v, first);
    disks_check_start(w, v, first);
    SAY(w, "node %lld %s its cluster", (long long)v->node, first ? "bootstraps" : "recovers");
    v->token_done = v->applied.boot_token;
    if (first) {
        w->bootstraps++;
        v->position = 0;
        disk_keep(w, v);
    }
    w->truth[v->svc].cluster_pos = v->position;
    v->health[boot_role(w, v)] = HEALTH_STARTING;
    v->synced = false;
    (void)at(w, between(w, 2 * SECOND, 8 * SECOND), member_up, v->id, v->gen);
}

static void member_step(struct world *w, struct event *e);

static void member_join(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    int boot = boot_role(w, v);
    if (!vm_alive(v, e->b) || v->health[boot] != HEALTH_BAD) {
        return;
    }
    if (v->hung) {
        (void)at(w, 3 * SECOND, member_join, e->a, e->b);
        return;
    }
    if (serving_member(w, v->svc, v, HEALTH_OK)) {
        v->health[boot] = HEALTH_OK;
        v->synced = true;
        v->position = w->truth[v->svc].cluster_pos;
        disk_keep(w, v);
        w->dirty = true;
    } else {
        v->health[boot] = HEALTH_DOWN;
        (void)at(w, SECOND, member_step, e->a, e->b);
    }
    agent_poke(w, v);
}

static bool undisturbed(struct world *w, const struct vm *v)
{
    const struct rec *r = rec_find(w, v->node);
    return w->now - v->fault_ms > 400 * SECOND && w->now - w->last_fault > 400 * SECOND && r &&
           r->status == NODE_UP;
}

static void check_joins(struct world *w, const struct vm *v)
{
    int boot = boot_role(w, v);
    for (int i = 1; i <= w->n_vms && v->position < 0; i++) {
        const struct vm *o = w->vm[i];
        bool too =
            o != v && o->svc == v->svc && vm_works(o) && o->health[boot] == HEALTH_BAD && o->position < 0;
        if (too && undisturbed(w, o) && undisturbed(w, v)) {
            bad(w, "I7 nodes %lld and %lld join at once", (long long)v->node, (long long)o->node);
        }
    }
}

/* A member that is down looks for one that serves. HEALTH_BAD stands for joining. */
static void member_step(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    int boot = boot_role(w, v);
    if (!vm_alive(v, e->b) || v->health[boot] != HEALTH_DOWN) {
        return;
    }
    if (v->hung || !serving_member(w, v->svc, v, HEALTH_OK)) {
        (void)at(w, between(w, 3 * SECOND, 8 * SECOND), member_step, e->a, e->b);
        return;
    }
    check_joins(w, v);
    v->health[boot] = HEALTH_BAD;
    (void)at(w, between(w, 5 * SECOND, 40 * SECOND), member_join, e->a, e->b);
    agent_poke(w, v);
}

void cluster_mode(struct world *w, struct vm *v)
{
    int boot = boot_role(w, v);
    bool token = v->applied.boot_kind == BOOT_FIRST || v->applied.boot_kind == BOOT_RECOVER;
    if (token && v->token_done != v->applied.boot_token && v->health[boot] != HEALTH_OK) {
        start_cluster(w, v, v->applied.boot_kind == BOOT_FIRST);
    } else if (v->health[boot] == HEALTH_DOWN) {
        (void)at(w, SECOND, member_step, v->id, v->gen);
    }
}

static void cluster_tick(struct world *w, int k)
{
    struct service *s = &w->db.s[k];
    int boot = type_with(s->type, ROLE_BOOT);
    if (boot < 0 || !w->truth[k].served[boot] || s->facts[FACT_CLUSTER].v.state != CLUSTER_FORMED) {
        return;
    }
    w->truth[k].cluster_pos++;
    for (int i = 1; i <= w->n_vms; i++) {
        struct vm *v = w->vm[i];
        if (v->svc == k && vm_works(v) && v->health[boot] == HEALTH_OK) {
            v->position = w->truth[k].cluster_pos;
            disk_keep(w, v);
        }
    }
}

/* ---- chunks: two replicas each, on holders ---- */

static bool good_holder(const struct vm *v, int svc, int role, const struct id_set *draining)
{
    return v->svc == svc && vm_works(v) && v->health[role] == HEALTH_OK && !set_has(draining, v->node);
}

static bool chunk_on(const struct svc_truth *t, int c, int vm)
{
    for (int i = 0; i < t->chunk[c].n; i++) {
        if (t->chunk[c].node[i] == vm) {
            return true;
        }
    }
    return false;
}

static struct vm *acting_master(struct world *w, int k)
{
    int unique = type_with(w->db.s[k].type, ROLE_UNIQUE);
    struct vm *m = vm_of(w, w->db.s[k].facts[FACT_MASTER].v.node);
    return m && vm_works(m) && unique >= 0 && m->health[unique] == HEALTH_OK ? m : NULL;
}

/* Picks a good holder that does not have chunk c yet; 0 = none. */
static int pick_holder(struct world *w, int k, int role, int c, const struct id_set *draining)
{
    int fit[VMS_MAX], n = 0;
    for (int i = 1; i <= w->n_vms; i++) {
        if (good_holder(w->vm[i], k, role, draining) && (c < 0 || !chunk_on(&w->truth[k], c, i))) {
            fit[n++] = i;
        }
    }
    return n ? fit[rnd(w, n)] : 0;
}

static int good_replicas(struct world *w, int k, int role, int c, const struct id_set *draining)
{
    int n = 0;
    for (int i = 0; i < w->truth[k].chunk[c].n; i++) {
        n += good_holder(w->vm[w->truth[k].chunk[c].node[i]], k, role, draining);
    }
    return n;
}

static int holders_in_reach(struct world *w, int k, int role, const struct id_set *draining)
{
    int n = 0;
    for (int i = 1; i <= w->n_vms; i++) {
        n += good_holder(w->vm[i], k, role, draining);
    }
    return n;
}

static void write_chunk(struct world *w, int k, int role, const struct id_set *draining)
{
    struct svc_truth *t = &w->truth[k];
    int first = t->n_chunks < 40 && rnd(w, 2) ? pick_holder(w, k, role, -1, draining) : 0;
    if (!first) {
        return;
    }
    int c = t->n_chunks++;
    t->chunk[c].id = ++t->chunk_n;
    t->chunk[c].n = 1;
    t->chunk[c].node[0] = first;
    int second = pick_holder(w, k, role, c, draining);
    if (second) {
        t->chunk[c].node[t->chunk[c].n++] = second;
    }
}

static void chunk_tick(struct world *w, int k)
{
    static const struct id_set none;
    struct service *s = &w->db.s[k];
    int role = type_with(s->type, ROLE_HOLDS);
    struct vm *m = role >= 0 ? acting_master(w, k) : NULL;
    if (!m) {
        return;
    }
    const struct id_set *draining = &m->applied.draining;
    struct svc_truth *t = &w->truth[k];
    write_chunk(w, k, role, draining);
    int wanted = holders_in_reach(w, k, role, draining);
    wanted = wanted > 2 ? 2 : wanted;
    for (int c = 0, copies = 6; c < t->n_chunks && copies > 0; c++) {
        bool source = good_replicas(w, k, role, c, &none) > 0;
        int to = good_replicas(w, k, role, c, draining) < wanted && source
                     ? pick_holder(w, k, role, c, draining)
                     : 0;
        if (to && t->chunk[c].n < REPLICAS_MAX) {
            t->chunk[c].node[t->chunk[c].n++] = to;
            copies--;
        }
    }
    agent_poke(w, m);
}

void data_held(struct world *w, struct vm *v, struct report *r)
{
    int role = v->svc < 0 ? -1 : type_with(w->db.s[v->svc].type, ROLE_HOLDS);
    if (role < 0) {
        return;
    }
    const struct id_set *draining = &v->applied.draining;
    int wanted = holders_in_reach(w, v->svc, role, draining);
    wanted = wanted > 2 ? 2 : wanted;
    r->held = *draining;
    for (int64_t i = 0; i < draining->n; i++) {
        const struct vm *d = vm_of(w, draining->id[i]);
        for (int c = 0; d && c < w->truth[v->svc].n_chunks; c++) {
            int ok = good_replicas(w, v->svc, role, c, draining);
            r->held_n[i] += chunk_on(&w->truth[v->svc], c, d->id) && (ok < wanted || wanted == 0);
        }
    }
}

static bool calm(const struct world *w, int svc, int64_t ms)
{
    for (int i = 1; i <= w->n_vms; i++) {
        if (w->vm[i]->svc == svc && w->now - w->vm[i]->fault_ms < ms) {
            return false;
        }
    }
    return w->now - w->reconciled_ms > ms || w->reconciled_ms == 0;
}

void data_drop(struct world *w, struct vm *v, bool by_action)
{
    struct svc_truth *t = v->svc < 0 ? NULL : &w->truth[v->svc];
    const struct rec *r = rec_find(w, v->node);
    if (!t) {
        return;
    }
    bool ours =
        !r || (r->vm == v->id && !r->orphan); /* else a duplicate, or younger than the restored database */
    for (int c = t->n_chunks - 1; c >= 0; c--) {
        int n = 0;
        for (int i = 0; i < t->chunk[c].n; i++) {
            if (t->chunk[c].node[i] != v->id) {
                t->chunk[c].node[n++] = t->chunk[c].node[i];
            }
        }
        t->chunk[c].n = n;
        if (n > 0) {
            continue;
        }
        if (by_action && ours && !is_lying(w) && w->db.s[v->svc].want.run == RUN_RUNNING &&
            !v->kill_excused && calm(w, v->svc, DETECT_MS)) {
            bad(w, "I9 the last replica of chunk %d goes with node %lld", t->chunk[c].id, (long long)v->node);
        }
        t->chunk[c] = t->chunk[--t->n_chunks];
        t->lost_chunks++;
    }
}

/* ---- sessions ---- */

static struct vm *acting_primary(struct world *w, int k)
{
    struct service *s = &w->db.s[k];
    int pair = type_with(s->type, ROLE_PAIR);
    struct vm *p = vm_of(w, s->facts[FACT_PRIMARY].v.node);
    bool acts =
        p && vm_works(p) && pair >= 0 && p->health[pair] == HEALTH_OK && p->applied.primary == p->node;
    return acts ? p : NULL;
}

static void replica_tick(struct world *w, struct vm *v, const struct vm *primary, int pair)
{
    bool linked = primary && v != primary && vm_works(v) && v->health[pair] == HEALTH_OK &&
                  v->applied.primary == primary->node && set_has(&primary->applied.callers, v->node) &&
                  !is_cut(w, v->id, primary->id);
    if (!linked) {
        if (v->applied.primary != v->node && v->synced) {
            v->synced = false; /* the link is down; what it has it keeps */
            agent_poke(w, v);
        }
        v->sync_ticks = 0;
        return;
    }
    if (v->synced || ++v->sync_ticks >= 2) {
        if (!v->synced) {
            v->synced = true;
            agent_poke(w, v);
        }
        v->position = primary->position;
    }
}

static void session_tick(struct world *w, int k)
{
    struct service *s = &w->db.s[k];
    int pair = type_with(s->type, ROLE_PAIR);
    struct svc_truth *t = &w->truth[k];
    if (pair < 0 || s->want.run != RUN_RUNNING) {
        t->sessions = 0;
        return;
    }
    struct vm *p = acting_primary(w, k);
    if (p) {
        p->synced = true;
        p->position++;
        if (p->position < t->sessions - 3 && !is_lying(w) && calm(w, k, 400 * SECOND)) {
            bad(w, "Z4 sessions are lost: the primary, node %lld, has %lld of %lld", (long long)p->node,
                (long long)p->position, (long long)t->sessions);
        }
        t->sessions = p->position;
    }
    for (int i = 1; i <= w->n_vms; i++) {
        struct vm *v = w->vm[i];
        if (v->exists && v->svc == k && doc_has(&v->applied, pair)) {
            replica_tick(w, v, p, pair);
        }
    }
}

void data_tick(struct world *w, struct event *e)
{
    (void)at(w, 3 * SECOND, data_tick, 0, 0);
    for (int k = 0; k < w->db.n; k++) {
        cluster_tick(w, k);
        chunk_tick(w, k);
        session_tick(w, k);
    }
}
