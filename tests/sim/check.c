/*
 * Invariants, on what really is.  After every event that changed the truth: check(); every ten seconds: check_slow().
 */
#include <string.h>

#include "engine/place.h"
#include "sim.h"

static bool young(const struct world *w, const struct vm *v)
{
    return w->now - v->fault_ms < DETECT_MS || w->now - v->quiet_ms < DETECT_MS;
}

bool role_works(const struct world *w, const struct vm *v, int role, int64_t version)
{
    return vm_works(v) && v->health[role] == HEALTH_OK && doc_has(&v->applied, role) &&
           (version == 0 || set_has(&v->staged, version));
}

/* The machine behind a record, unless the record names another one. */
static bool is_record_of(struct world *w, const struct vm *v)
{
    const struct rec *r = rec_find(w, v->node);
    return r && r->vm == v->id && !r->orphan;
}

bool is_lying(struct world *w)
{
    for (int i = 1; i <= w->n_vms; i++) {
        if (w->mgr[i] && w->mgr[i]->lying) {
            return true;
        }
    }
    return false;
}

/* ---- I1: nobody names what an action took away ---- */

static void check_named(struct world *w, int k, struct vm *p, int role, int64_t node)
{
    const struct service_type *t = w->db.s[k].type;
    struct vm *v = vm_of(w, node);
    if (!v) {
        const struct rec *r = rec_find(w, node);
        if (!r || !r->orphan) {
            bad(w, "I1 node %lld names unknown node %lld", (long long)p->node, (long long)node);
        }
        return;
    }
    v->named_ms[role] = w->now;
    bool code = t->roles[role].flags & ROLE_SERVES_CODE;
    if (!is_record_of(w, v)) {
        return;
    }
    if (v->run && !v->rebooting && !doc_has(&v->applied, role)) {
        bad(w, "I1 node %lld names node %lld without role %s", (long long)p->node, (long long)node,
            t->roles[role].name);
    } else if (v->run && code && !set_has(&v->staged, p->applied.route)) {
        bad(w, "I1 node %lld routes version %lld to node %lld, which lacks it", (long long)p->node,
            (long long)p->applied.route, (long long)node);
    } else if (v->run && !v->rebooting && !set_has(&v->applied.callers, p->node)) {
        bad(w, "I1 node %lld names node %lld, whose firewall does not let it in", (long long)p->node,
            (long long)node);
    } else if (!v->run && v->killed == BY_ACTION && !v->hung && !v->kill_excused &&
               !t->roles[role].volume.name && w->db.s[k].want.run == RUN_RUNNING) {
        bad(w, "I1 node %lld names node %lld, which we have destroyed", (long long)p->node, (long long)node);
    }
}

static void check_names(struct world *w, int k)
{
    const struct service *s = &w->db.s[k];
    int entry = type_entry(s->type);
    for (int i = 1; i <= w->n_vms; i++) {
        struct vm *p = w->vm[i];
        if (!p->run || p->svc != k || !doc_has(&p->applied, entry) || !is_record_of(w, p)) {
            continue;
        }
        bool leaves = rec_find(w, p->node)->status >= NODE_DYING;
        if (leaves && !set_has(&s->facts[FACT_ENTRIES].v.ids, p->node)) {
            continue; /* fenced */
        }
        for (int r = 0; r < s->type->n_roles; r++) {
            for (int64_t n = 0; n < p->applied.names[r].n; n++) {
                check_named(w, k, p, r, p->applied.names[r].id[n]);
            }
        }
    }
}

/* ---- I2, I12: serving paths ---- */

/* Targets of a role that visitors reach now. With `nominal` also those whose fault is too young to be known, or that
 * may have been given up for one, and those behind entries of which this is true. */
static int capacity(struct world *w, int k, int role, bool nominal)
{
    const struct service *s = &w->db.s[k];
    const struct id_set *listed = &s->facts[FACT_ENTRIES].v.ids;
    int entry = type_entry(s->type);
    bool reached[VMS_MAX] = {false};
    int n = 0;
    for (int i = 1; i <= w->n_vms; i++) {
        const struct vm *p = w->vm[i];
        bool serves = vm_works(p) && p->health[entry] == HEALTH_OK && set_has(listed, p->node) &&
                      vm_of(w, p->node) == p;
        if (p->svc != k || !doc_has(&p->applied, entry) || !(serves || (nominal && young(w, p)))) {
            continue;
        }
        for (int64_t j = 0; j < p->applied.names[role].n; j++) {
            const struct vm *v = vm_of(w, p->applied.names[role].id[j]);
            int64_t version = s->type->roles[role].flags & ROLE_SERVES_CODE ? p->applied.route : 0;
            if (v && !reached[v->id] && role_works(w, v, role, version)) {
                reached[v->id] = true;
                n++;
            }
        }
    }
    for (int i = 1; i <= w->n_vms && nominal; i++) {
        const struct vm *v = w->vm[i];
        n += v->svc == k && !reached[i] && young(w, v) &&
             (doc_has(&v->applied, role) || doc_has(&v->applied, entry));
    }
    return n;
}

/* The planner may act on a want of a moment ago. */
static int least_wanted(const struct world *w, int k, int role)
{
    const struct service *s = &w->db.s[k];
    int a = s->want.counts[role], b = s->good.counts[role];
    int n = a < b ? a : b;
    n = w->now - w->truth[k].asked_ms < DETECT_MS && w->truth[k].asked[role] < n ? w->truth[k].asked[role]
                                                                                 : n;
    return n > 1 ? n : 1;
}

/* An entry that its manager could not reach may apply today what was right a while ago, or was given up for it. */
static bool estranged(struct world *w, int k)
{
    int entry = type_entry(w->db.s[k].type);
    const struct vm *m = vm_of(w, w->db.app.manager_node);
    for (int i = 1; m && i <= w->n_vms; i++) {
        const struct vm *p = w->vm[i];
        if (p->svc == k && doc_has(&p->applied, entry) && was_cut(w, i, m->id)) {
            return true;
        }
    }
    return w->silent_until != 0 && w->now - w->silent_until < DETECT_MS;
}

static void check_paths(struct world *w, int k)
{
    const struct service *s = &w->db.s[k];
    struct svc_truth *t = &w->truth[k];
    bool running = s->want.run == RUN_RUNNING && !is_lying(w), whole = true;
    for (int r = 0; r < s->type->n_roles; r++) {
        whole = whole && (!(s->type->roles[r].flags & ROLE_TARGET) || t->capacity[r] > 0);
    }
    for (int r = 0; r < s->type->n_roles; r++) {
        if (!(s->type->roles[r].flags & ROLE_TARGET)) {
            continue;
        }
        int now = capacity(w, k, r, false), before = t->capacity[r];
        int floor = before < least_wanted(w, k, r) ? before : least_wanted(w, k, r);
        floor = (whole && !estranged(w, k)) || floor < 2
                    ? floor
                    : 1; /* what lacks another class is given up for what has all */
        if (!w->by_fault && running && now < floor && capacity(w, k, r, true) < floor) {
            bad(w,
                now == 0 ? "I2 service %d: the last path to %s is taken away by an action"
                         : "I12 service %d: an action leaves fewer %s than there were and are wanted",
                k, s->type->roles[r].name);
        }
        t->capacity[r] = now;
        t->served[r] = now > 0;
        if (now > 0) {
            t->unserved_since[r] = 0;
        } else if (t->unserved_since[r] == 0) {
            t->unserved_since[r] = w->now;
        }
    }
}

void check(struct world *w)
{
    for (int k = 0; k < w->db.n; k++) {
        if (type_entry(w->db.s[k].type) >= 0) {
            if (!is_lying(w)) {
                check_names(w, k);
            }
            check_paths(w, k);
        }
    }
}

/* ---- at the director's door ---- */

/* T3 */
void check_create(struct world *w, int svc)
{
    const struct service *s = &w->db.s[svc];
    for (int r = 0; r < s->type->n_roles; r++) {
        int surge = s->type->roles[r].surge > 0 ? s->type->roles[r].surge : 1;
        int n = 0;
        for (int i = 0; i < s->n_nodes; i++) {
            n += s->nodes[i].role == r && s->nodes[i].status < NODE_UP && w->now == s->nodes[i].created_ms;
        }
        if (n > s->want.counts[r] + surge ||
            (n > 0 && place_counted(s, r, w->now) > s->want.counts[r] + surge)) {
            bad(w, "T3 %d new nodes of role %s are more than wanted", n, s->type->roles[r].name);
        }
    }
}

void check_destroy(struct world *w, int svc, int64_t node, const char *why, bool lying)
{
    const struct service *s = &w->db.s[svc];
    const struct vm *v = vm_of(w, node);
    bool lost = str_eq(why, "lost") || str_eq(why, "sick") || str_starts(why, "it did not boot") ||
                str_starts(why, "lost while");
    if (lying || !service_node(&w->db.s[svc], node) || s->want.run != RUN_RUNNING) {
        return;
    }
    if (s->facts[FACT_MASTER].v.node == node && !lost) {
        bad(w, "I8 master node %lld is removed without being lost", (long long)node);
    }
    bool stray = s->facts[FACT_PRIMARY].v.node == node && s->n_nodes > 1;
    if (stray && v && !is_lying(w)) {
        bad(w, "Z5 node %lld is destroyed while it is the published primary", (long long)node);
    }
}

/* A planner may take it for lost: it is, or nobody has heard it in time. */
static bool may_be_lost(struct world *w, const struct node *n, const struct vm *v)
{
    struct vm *m = vm_of(w, w->db.app.manager_node);
    bool unheard = w->now - n->heard_ms > LOST_AFTER_MS;
    return !vm_works(v) || young(w, v) || !m || was_cut(w, v->id, m->id) || unheard || !node_alive(n) ||
           w->now - w->dir_up_ms < DETECT_MS || w->now - w->reconciled_ms < DETECT_MS ||
           (w->silent_until != 0 && w->now - w->silent_until < DETECT_MS);
}

void check_publish(struct world *w, int svc, enum fact_id fact, const struct fact_value *v)
{
    struct service *s = &w->db.s[svc];
    const struct fact_value *old = &s->facts[fact].v;
    const struct node *n = service_node(s, old->node);
    if (is_lying(w) || s->want.run != RUN_RUNNING) {
        return;
    }
    if (fact == FACT_MASTER && old->node != 0 && n && node_alive(n)) {
        bad(w, "I8 the master moves from living node %lld to %lld", (long long)old->node, (long long)v->node);
    }
    const struct vm *from = vm_of(w, old->node), *to = vm_of(w, v->node);
    if (fact != FACT_PRIMARY || old->node == 0 || old->node == v->node || !to) {
        return;
    }
    if (!n || !from) {
        w->truth[svc].sessions = 0;
        return;
    }
    int pair = type_with(s->type, ROLE_PAIR);
    bool worked = from->health[pair] == HEALTH_OK && from->applied.primary == from->node;
    if (may_be_lost(w, n, from) || !worked) {
        w->truth[svc].sessions = 0; /* what the other has is all that there is */
    } else if (to->position < from->position - 3 && !young(w, to)) {
        bad(w, "Z4 the primary moves from node %lld to %lld, which is not in step (%lld of %lld)",
            (long long)from->node, (long long)to->node, (long long)to->position, (long long)from->position);
    }
}

/* ---- slow ---- */

static void check_hours(struct world *w)
{
    bool charged = w->db.purse.broke_ms == 0 && !w->recovery &&
                   (w->reconciled_ms == 0 || w->now - w->reconciled_ms > 10 * SECOND);
    for (int i = 1; i <= w->n_recs; i++) {
        const struct rec *r = &w->recs[i];
        bool alive = r->status != NODE_DYING && r->status != NODE_GONE && !r->orphan;
        int64_t hour = (w->now - r->created_ms) / HOUR_MS;
        if (alive && charged && r->hours_paid <= hour) {
            bad(w, "I4 hour %lld of node %lld is not paid", (long long)hour, (long long)r->node);
        }
    }
    int64_t held = 0;
    for (int i = 0; i < w->db.n_rows; i++) {
        bool hold = w->rows[i].kind == LEDGER_HOLD || w->rows[i].kind == LEDGER_RELEASE;
        held -= hold ? w->rows[i].amount : 0;
    }
    for (int k = 0; k < w->db.n; k++) {
        for (int i = 0; i < w->db.s[k].n_ops; i++) {
            held -= w->db.s[k].ops[i].held_credits;
        }
    }
    if (held != 0 && !w->db.purse.unlimited) {
        bad(w, "B8 %lld held credits belong to no operation", (long long)held);
    }
}

static void check_leaks(struct world *w)
{
    for (int i = 1; i <= w->n_vms; i++) {
        const struct vm *v = w->vm[i];
        const struct rec *r = rec_find(w, v->node);
        bool wanted = r && !r->orphan && r->status != NODE_GONE && (r->vm == 0 || r->vm == v->id);
        int64_t since = w->now - (r && r->gone_ms > v->born_ms ? r->gone_ms : v->born_ms);
        bool settled =
            w->now - w->dir_up_ms > 400 * SECOND && w->now - w->reconciled_ms > 400 * SECOND && !w->recovery;
        if (v->exists && !wanted && since > 600 * SECOND && settled) {
            bad(w, "I5 machine %d (node %lld) has leaked", v->id, (long long)v->node);
        }
    }
}

static void check_ops(struct world *w, int k)
{
    static const int64_t deadline[FACET_MAX] = {DEADLINE_RUN_MS,      DEADLINE_COUNTS_MS, DEADLINE_CODE_MS,
                                                DEADLINE_SETTINGS_MS, DEADLINE_CMD_MS,    DEADLINE_VOLUME_MS};
    const struct service *s = &w->db.s[k];
    for (int i = 0; i < s->n_ops; i++) {
        const struct op *o = &s->ops[i];
        const struct command_def *d = o->facet == FACET_CMD ? service_type_command(s->type, o->kind) : NULL;
        int64_t most = d && d->deadline_ms ? d->deadline_ms : deadline[o->facet];
        int64_t idle = w->now - o->progress_ms, age = w->now - o->born_ms;
        bool over = idle > most + 150 * SECOND || age > 3 * most + 150 * SECOND;
        if (over && !w->dir_down && w->now - w->dir_up_ms > 60 * SECOND) {
            bad(w, "I6 operation %lld does not end", (long long)o->id);
        }
    }
}

#define REPAIR_MAX_MS (900 * SECOND)

/* I13: what no fault disturbs is served within bounded time; T4 may hold it up for an hour. */
static void check_repair(struct world *w, int k)
{
    const struct service *s = &w->db.s[k];
    struct svc_truth *t = &w->truth[k];
    bool undisturbed = w->faults_over || w->pf.fault_every_s == 0;
    bool hopeful = s->want.run == RUN_RUNNING && !s->in_error && w->db.purse.broke_ms == 0 && !w->recovery &&
                   w->db.purse.balance > 3 && s->n_ops == 0 && undisturbed && !w->dir_down;
    if (!hopeful || t->last_gen != s->gen) {
        t->calm_since = w->now;
        t->last_gen = s->gen;
    }
    int64_t since = t->calm_since > w->last_fault ? t->calm_since : w->last_fault;
    since = since > w->reconciled_ms ? since : w->reconciled_ms;
    for (int r = 0; r < s->type->n_roles; r++) {
        bool target = s->type->roles[r].flags & ROLE_TARGET;
        int64_t from = t->unserved_since[r] > since ? t->unserved_since[r] : since;
        if (target && t->unserved_since[r] != 0 && w->now - from > REPAIR_MAX_MS) {
            bad(w, "I13 service %d: %s is not served for too long", k, s->type->roles[r].name);
        }
    }
}

/* Z: a primary as soon as there is a good node, and never more than two holders for long. */
static void check_pair(struct world *w, int k)
{
    const struct service *s = &w->db.s[k];
    struct svc_truth *t = &w->truth[k];
    int pair = type_with(s->type, ROLE_PAIR), holders = 0, good = 0;
    if (pair < 0 || s->want.run != RUN_RUNNING) {
        t->no_primary_since = t->crowded_since = w->now;
        return;
    }
    for (int i = 1; i <= w->n_vms; i++) {
        const struct vm *v = w->vm[i];
        holders += v->exists && v->svc == k && is_record_of(w, v) && doc_has(&v->applied, pair);
        good += v->svc == k && vm_works(v) && is_record_of(w, v) && doc_has(&v->applied, pair) &&
                v->health[pair] == HEALTH_OK;
    }
    const struct vm *p = vm_of(w, s->facts[FACT_PRIMARY].v.node);
    bool acts = p && vm_works(p) && p->health[pair] == HEALTH_OK && p->applied.primary == p->node;
    bool quiet = w->now - w->last_fault > DETECT_MS && w->pf.loss == 0 && w->pf.late == 0 && !w->dir_down &&
                 !w->recovery && mgr_current(w) && !mgr_current(w)->dead && !is_lying(w) && s->n_ops == 0;
    if (acts || good == 0 || !quiet || s->in_error) {
        t->no_primary_since = w->now;
    }
    /* T4, or a lack of credit, holds up replacements */
    if (holders <= 2 || !quiet || s->in_error || s->fails > 0) {
        t->crowded_since = w->now;
    }
    if (w->now - t->no_primary_since > 200 * SECOND) {
        bad(w, "Z6 service %d has a good holder and no primary", k);
    }
    if (w->now - t->crowded_since > 600 * SECOND) {
        bad(w, "Z7 service %d has %d holders of the pair", k, holders);
    }
}

/* Nobody has heard the node for too long, because messages were lost: a planner may take it for lost. */
static void note_quiet(struct world *w)
{
    for (int k = 0; k < w->db.n; k++) {
        for (int i = 0; i < w->db.s[k].n_nodes; i++) {
            const struct node *n = &w->db.s[k].nodes[i];
            struct vm *v = vm_of(w, n->id);
            if (v && n->status == NODE_UP && w->now - n->heard_ms > LOST_AFTER_MS - 10 * SECOND) {
                v->quiet_ms = w->now;
                for (int r = 0; r < ROLES_MAX; r++) {
                    v->had_ms[r] = v->health[r] == HEALTH_OK ? w->now : v->had_ms[r];
                }
            }
        }
    }
}

void check_slow(struct world *w)
{
    if (w->db.purse.broke_ms != 0) {
        w->seen[SEEN_BROKE] = 1;
    }
    note_quiet(w);
    disks_check(w);
    check_hours(w);
    check_leaks(w);
    for (int k = 0; k < w->db.n; k++) {
        check_ops(w, k);
        check_repair(w, k);
        check_pair(w, k);
    }
}
