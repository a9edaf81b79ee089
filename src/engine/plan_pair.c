/*
 * Z: the pair role, a primary and a replica on two nodes of the service that the planner chooses itself.
 */
#include "engine/plan_ctx.h"

/* Z3: a replica of the present primary that has everything it has. */
static bool in_step(const struct ctx *c, const struct pn *p)
{
    return is_healthy(p, c->pair) && is_settled(p) && doc_serves(&p->a->r.applied, c->pair) &&
           p->a->r.applied.primary == c->primary && (p->n->id == c->primary || p->a->r.synced);
}

/* Z1: the published primary, holders in step, other holders, then the lowest ordinal. */
static int standing(const struct ctx *c, const struct pn *p)
{
    if (p->n->id == c->primary) {
        return 0;
    }
    bool holds = p->a && p->a->claimed && may_have(p, c->pair);
    return holds && in_step(c, p) ? 1 : holds ? 2 : 3;
}

/* Z1: of the kept nodes two; those not heard for a moment only if they hold already. */
static void choose_holders(struct ctx *c)
{
    for (int chosen = 0; chosen < 2; chosen++) {
        struct pn *best = NULL;
        for (int i = 0; i < c->n; i++) {
            struct pn *p = &c->x[i];
            bool fit = p->kept && !(p->wanted >> c->pair & 1) &&
                       (p->up || (p->rank == RANK_UNKNOWN && standing(c, p) < 3));
            if (fit && (!best || standing(c, p) < standing(c, best))) {
                best = p;
            }
        }
        if (!best) {
            return;
        }
        best->wanted |= 1ull << c->pair;
    }
}

/* Z6: who takes over from a primary that is lost: the one whose data goes furthest. */
static struct pn *successor_of_lost(struct ctx *c)
{
    struct pn *best = NULL;
    int64_t best_key = -1;
    for (int i = 0; i < c->n; i++) {
        struct pn *p = &c->x[i];
        bool holder = p->up && p->n->id != c->primary && may_have(p, c->pair);
        if (!p->up || p->n->id == c->primary || (!holder && !p->kept)) {
            continue;
        }
        int64_t position = holder ? p->a->r.position + 2 : 0; /* -1: has none */
        int64_t key = (position > 1 && p->a->r.synced ? 1LL << 61 : 0) + position * 4 + 2 * holder + p->kept;
        if (key > best_key) {
            best = p;
            best_key = key;
        }
    }
    return best;
}

/* Z4: those who use the pair will find p there, and it will let them in. */
static bool users_know(const struct ctx *c, const struct pn *p)
{
    for (int i = 0; i < c->n; i++) {
        const struct pn *u = &c->x[i];
        if (!u->up || !(u->wanted & c->uses_pair)) {
            continue;
        }
        for (int k = 0; k < poss_n(u); k++) {
            if (!set_has(&poss_at(u, k)->holders, p->n->id)) {
                return false;
            }
        }
        if (!must(p, c->pair, 0, u->n->id)) {
            return false;
        }
    }
    return true;
}

static struct pn *successor_of_victim(struct ctx *c)
{
    for (int i = 0; i < c->n; i++) {
        struct pn *p = &c->x[i];
        bool fit = p->kept && (p->wanted >> c->pair & 1) && p->n->id != c->primary;
        if (fit && ((in_step(c, p) && users_know(c, p)) || (bug(PRIMARY_HASTY) && p->up))) {
            return p;
        }
    }
    return NULL;
}

/* Its node is gone, lost, or too ill to hand anything over: a successor that has been there for long gets nothing. */
static bool is_past(const struct ctx *c, const struct pn *old)
{
    if (old->victim && old->hears && !may_have(old, c->pair)) {
        return true; /* it never took the role up: there is nothing to hand over */
    }
    if (old->rank != RANK_SICK) {
        return old->rank > RANK_SICK;
    }
    bool overdue = false;
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        overdue =
            overdue || ((p->wanted >> c->pair & 1) && p->up && c->now - p->n->up_ms > UNREACH_MAX_MS &&
                        c->now - old->a->bad_since_ms > SICK_AFTER_MS + UNREACH_MAX_MS && !in_step(c, p));
    }
    return old->a->r.health[c->pair] != HEALTH_OK || old->a->r.refusals >= REFUSE_MAX || overdue;
}

static struct pn *choose_primary(struct ctx *c)
{
    int i = ctx_index(c, c->primary);
    const struct pn *old = i >= 0 ? &c->x[i] : NULL;
    if (c->primary == 0) {
        for (int k = 0; k < c->n; k++) {
            if (c->x[k].up && (c->x[k].wanted >> c->pair & 1)) {
                return &c->x[k];
            }
        }
        return NULL;
    }
    if (!old || is_past(c, old)) {
        return bug(PRIMARY_STUCK) ? NULL : successor_of_lost(c); /* Z6 */
    }
    return old->victim && old->hears ? successor_of_victim(c) : NULL; /* Z4 */
}

/* F9: a request that may be late or lost is taken back by publishing the present primary again. */
static bool another_is_flying(const struct ctx *c)
{
    const struct fact *f = &c->s->facts[FACT_PRIMARY];
    for (int i = 0; i < c->have->n_flying && !bug(PUBLISH_BLIND); i++) {
        const struct have_publish *p = &c->have->flying[i];
        if (p->fact == FACT_PRIMARY && p->rev == f->rev && p->value.node != c->primary) {
            return true;
        }
    }
    return false;
}

void plan_pair(struct ctx *c)
{
    if (c->pair < 0) {
        return;
    }
    c->primary = c->s->facts[FACT_PRIMARY].v.node;
    if (c->running) {
        choose_holders(c);
        const struct pn *p = choose_primary(c);
        if (p || another_is_flying(c)) { /* Z2: read back before a document says it */
            struct fact_value v = {.node = p ? p->n->id : c->primary};
            plan_publish(c, FACT_PRIMARY, &v);
        }
    }
    for (int i = 0; i < c->n; i++) {
        struct pn *p = &c->x[i];
        bool holds = (p->wanted >> c->pair & 1) || (p->a && p->a->claimed && may_have(p, c->pair));
        if (p->rank < RANK_LOST && p->n->status == NODE_UP && (holds || p->n->id == c->primary)) {
            set_add(&c->holders, p->n->id);
        }
    }
}

/* N7: the primary is known to the user of the pair, and lets it in; a primary that is away blocks nobody. */
bool pair_reached(const struct ctx *c, const struct pn *user)
{
    if (c->pair < 0) {
        return true;
    }
    for (int k = 0; k < poss_n(user); k++) {
        if (!set_has(&poss_at(user, k)->holders, c->primary)) {
            return false;
        }
    }
    int i = ctx_index(c, c->primary);
    return c->primary != 0 && (i < 0 || !c->x[i].up || must(&c->x[i], c->pair, 0, user->n->id));
}

/* Z5: a holder that is not wanted any more goes when nobody depends on it. */
bool pair_keeps(const struct ctx *c, const struct pn *p)
{
    if (!c->running || bug(PRIMARY_DROPPED)) {
        return false;
    }
    if (maybe_fact_node(c, FACT_PRIMARY, p->n->id)) {
        return true;
    }
    if (!doc_has(poss_newest(p), c->pair) && !bug(PAIR_FLAPS)) {
        return false; /* it was told already: what it drops is not given back while it drops it */
    }
    if (!is_settled(p) || p->a->r.applied.primary != c->primary) {
        return true; /* may still act as the primary it was */
    }
    for (int i = 0; i < c->n; i++) {
        const struct pn *h = &c->x[i];
        bool heir = h->n->id == c->primary || (h->wanted >> c->pair & 1);
        if (heir && !in_step(c, h)) {
            return true;
        }
    }
    return ctx_index(c, c->primary) < 0;
}

bool pair_ok(const struct ctx *c)
{
    if (c->pair < 0) {
        return true;
    }
    int i = ctx_index(c, c->primary);
    if (i < 0 || !(c->x[i].wanted >> c->pair & 1)) {
        return false;
    }
    for (int k = 0; k < c->n; k++) {
        const struct pn *p = &c->x[k];
        bool wanted = p->wanted >> c->pair & 1;
        if (wanted ? !in_step(c, p) : p->rank < RANK_SICK && p->a && p->a->claimed && may_have(p, c->pair)) {
            return false;
        }
    }
    return true;
}
