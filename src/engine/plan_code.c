/*
 * A and S: which versions nodes hold, which one entries route to, and who tries new settings first.
 */
#include "engine/plan_ctx.h"

static const struct op *find_op(const struct ctx *c, enum facet f)
{
    for (int i = 0; i < c->s->n_ops; i++) {
        if (c->s->ops[i].facet == f) {
            return &c->s->ops[i];
        }
    }
    return NULL;
}

static void add_version(struct id_set *s, int64_t version)
{
    if (version != 0 && s->n < NODES_MAX) {
        set_add(s, version);
    }
}

/* A1: the new one, the good one, and whatever an entry may be routing to. */
static void versions_to_hold(struct ctx *c)
{
    add_version(&c->codes, c->s->want.code);
    if (c->entry < 0 || bug(DROP_EARLY)) {
        return;
    }
    add_version(&c->codes, c->s->good.code);
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        if (!may_entry(c, p)) {
            continue;
        }
        c->unknown_entry = c->unknown_entry || poss_n(p) < 0; /* A6 */
        for (int k = 0; k < poss_n(p); k++) {
            if (doc_has(poss_at(p, k), c->entry)) {
                add_version(&c->codes, poss_at(p, k)->route);
            }
        }
    }
    c->unknown_entry = c->unknown_entry && !bug(FORGET_UNKNOWN);
}

/* A2: a result counts only for this version and this operation. */
static void read_probes(struct ctx *c)
{
    int64_t version = c->s->want.code;
    c->probe_ok = bug(NO_PROBE);
    c->remark = "";
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        for (int k = 0; p->up && k < p->a->r.n_probes; k++) {
            const struct probe_result *r = &p->a->r.probes[k];
            if (r->version == version && (r->op == c->probe_op || bug(PROBE_REUSED))) {
                c->probe_ok = c->probe_ok || r->ok;
                c->remark = r->ok ? r->evidence : c->remark;
                if (!r->ok && !c->probe_bad) {
                    c->probe_bad = r->evidence;
                    c->probe_node = p->n->id;
                }
            }
        }
        bool can = p->up && (p->wanted & c->canaries) && set_has(&p->a->r.staged, version);
        if (can && c->prober < 0) {
            c->prober = i;
        }
    }
    if (c->probe_ok) {
        c->probe_bad = NULL;
    }
}

/* Targets of the role that serve and have the version (0: any). */
static int having(const struct ctx *c, int role, int64_t version, bool only_wanted)
{
    int n = 0;
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        bool counts = !only_wanted || (p->wanted >> role & 1);
        n += counts && still_serves(p, role) && must(p, role, version, 0);
    }
    return n;
}

/* A3: every wanted target that serves has it staged, also one that is not heard just now; and no class gets less than
 * it has, as far as it is needed. */
static bool all_staged(const struct ctx *c, int64_t version)
{
    for (int r = 0; r < c->t->n_roles && !bug(FLIP_UNSTAGED); r++) {
        if (!(c->targets & c->serves_code & 1ull << r)) {
            continue;
        }
        int wanted = having(c, r, 0, true), ready = having(c, r, version, true);
        int before = having(c, r, c->s->good.code, false), after = having(c, r, version, false);
        if (ready == 0 || ready < wanted || after < (before < c->need[r] ? before : c->need[r])) {
            return false;
        }
    }
    return true;
}

static void plan_settings(struct ctx *c)
{
    int64_t wanted = c->s->want.settings;
    c->settings_ok = true;
    if (wanted == c->s->good.settings) {
        return;
    }
    c->settings_ok = false;
    uint64_t where = c->canaries ? c->canaries : c->targets;
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        if (!p->up) {
            continue;
        }
        bool judge = where == 0 ? p->wanted != 0 : (p->wanted & where) != 0;
        if (judge && c->canary < 0) {
            c->canary = i; /* S1 */
        }
        bool on_it = is_settled(p) && p->a->r.applied.settings == wanted && p->rank == RANK_GOOD;
        c->settings_ok = c->settings_ok || (judge && on_it); /* S2 */
        const struct report *r = &p->a->r;
        if (r->refused.seq != 0 && !r->refused.own && r->refused.content.settings == wanted &&
            str_starts(r->refused.why, "settings")) {
            c->settings_bad = r->refused.why; /* S3 */
        }
    }
}

void plan_code(struct ctx *c)
{
    plan_settings(c);
    if (!c->t->code) {
        return;
    }
    versions_to_hold(c);
    c->route = c->s->good.code;
    if (c->entry < 0 || c->s->want.code == c->s->good.code) {
        return;
    }
    const struct op *o = find_op(c, FACET_CODE);
    c->probe_op = o ? o->id : 0;
    c->probing = c->canaries != 0;
    c->probe_ok = true;
    if (c->probing) {
        read_probes(c);
    }
    if (c->probe_ok && all_staged(c, c->s->want.code)) {
        c->route = c->s->want.code;
    }
}
