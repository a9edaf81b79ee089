/*
 * Which code version is held and routed to (A rules), and who gets new settings first (S rules).
 */
#include <string.h>

#include "engine/bug.h"
#include "engine/plan_int.h"

static const struct op *op_of(const struct planner *p, enum facet f)
{
    for (int i = 0; i < p->s->n_ops; i++) {
        if (p->s->ops[i].facet == f) {
            return &p->s->ops[i];
        }
    }
    return NULL;
}

static void add_version(struct id_set *s, int64_t v)
{
    if (v != 0) {
        set_add(s, v);
    }
}

/* A1: also every version that a proxy may still route to. */
static void routed_versions(struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (!plan_may_entry(p, i)) {
            continue;
        }
        const struct doc *d[PENDING_MAX + 1];
        int n = plan_possible(p->h[i], d);
        p->unknown_entry = p->unknown_entry || n == 0; /* A6 */
        for (int k = 0; k < n; k++) {
            if (doc_has(d[k], p->entry)) {
                add_version(&p->codes, d[k]->route);
            }
        }
    }
}

/* A2: a result counts only for this version and this operation. */
static void read_probes(struct planner *p, int64_t version)
{
    p->probe_ok = bug(NO_PROBE);
    for (int i = 0; i < p->s->n_nodes; i++) {
        for (int k = 0; plan_up(p, i) && k < p->h[i]->r.n_probes; k++) {
            const struct probe_result *x = &p->h[i]->r.probes[k];
            if (x->version == version && x->op == p->probe_op) {
                p->probe_ok = p->probe_ok || x->ok;
                p->probe_bad = x->ok ? p->probe_bad : x->evidence;
            }
        }
    }
    if (p->probe_ok) {
        p->probe_bad = NULL;
    }
}

/* A3: every wanted, healthy target has it, and each role has one. */
static bool all_staged(const struct planner *p, int64_t version)
{
    for (int r = 0; r < p->t->n_roles; r++) {
        if (!(p->targets >> r & 1)) {
            continue;
        }
        bool any = false;
        for (int i = 0; i < p->s->n_nodes; i++) {
            if (!(p->pl.roles[i] >> r & 1) || !plan_healthy(p, i, r) || !plan_must(p, i, r, 0)) {
                continue;
            }
            any = true;
            if (!plan_must(p, i, r, plan_version_of(p, r, version))) {
                return false;
            }
        }
        if (!any) {
            return false;
        }
    }
    return true;
}

void plan_code(struct planner *p)
{
    int64_t next = p->s->want.code, last = p->s->good.code;
    p->route = last;
    p->probe_ok = true;
    if (!p->t->code) {
        return;
    }
    add_version(&p->codes, next);
    if (!bug(DROP_EARLY)) {
        add_version(&p->codes, last);
        routed_versions(p);
    }
    if (p->entry < 0 || next == last) {
        return;
    }
    const struct op *o = op_of(p, FACET_CODE);
    p->probe_op = o ? o->id : p->s->gen;
    read_probes(p, next);
    if (p->probe_ok && (all_staged(p, next) || bug(FLIP_UNSTAGED))) {
        p->route = next;
    }
}

/* The lowest ordinal among those that try things first (S1). */
static int find_canary(const struct planner *p)
{
    int best = -1;
    for (int i = 0; i < p->s->n_nodes; i++) {
        bool canary = false;
        for (int r = 0; r < p->t->n_roles; r++) {
            canary = canary || ((p->pl.roles[i] >> r & 1) && service_type_has(p->t, r, ROLE_CANARY));
        }
        if (canary && plan_up(p, i) && (best < 0 || p->s->nodes[i].ord < p->s->nodes[best].ord)) {
            best = i;
        }
    }
    return best;
}

void plan_settings(struct planner *p)
{
    int64_t next = p->s->want.settings;
    p->canary = find_canary(p);
    p->settings_ok = true;
    if (next == p->s->good.settings) {
        return;
    }
    int c = p->canary;
    if (c < 0) {
        return; /* nobody to try them on */
    }
    p->settings_ok = false;
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (!plan_up(p, i)) {
            continue;
        }
        const struct report *r = &p->h[i]->r;
        bool has = plan_settled(p->h[i]) && r->applied.roles != 0 && r->applied.settings == next;
        p->settings_ok = p->settings_ok || (has && p->rank[i] == RANK_GOOD); /* S2 */
        if (r->refused.seq != 0 && r->refused.content.settings == next && str_starts(r->refused.why, "settings")) {
            p->settings_bad = r->refused.why; /* S3 */
        }
    }
}
