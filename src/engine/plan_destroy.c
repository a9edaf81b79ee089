/*
 * X: which nodes may go now.
 */
#include "engine/plan_ctx.h"

static void destroy(struct ctx *c, const struct pn *p, const char *why)
{
    struct action *a = plan_add(c, ACT_DESTROY);
    a->node = p->n->id;
    (void)str_copy(a->why, sizeof a->why, why);
}

/* X2, X3, Z5: somebody may still depend on it. */
static bool is_needed(const struct ctx *c, const struct pn *p)
{
    if (!can_unentry(c, p->n->id)) {
        return true;
    }
    for (int i = 0; i < c->n && !bug(DESTROY_NAMED); i++) {
        for (int r = 0; r < c->t->n_roles && c->x[i].n != p->n; r++) {
            if ((c->targets >> r & 1) && may_name(c, &c->x[i], p->n->id, r)) {
                return true;
            }
        }
    }
    return c->pair >= 0 && c->running && !bug(PRIMARY_DROPPED) && !bug(PRIMARY_STUCK) &&
           maybe_fact_node(c, FACT_PRIMARY, p->n->id);
}

/* X5: every place of the purpose is filled by a good node that has the role; where the surge is used up, one after the
 * other. */
static bool is_replaced(const struct ctx *c, int purpose)
{
    if (c->place.create[purpose] > 0 && place_room(c->s, purpose, c->now) > 0) {
        return false;
    }
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        bool serves = p->rank == RANK_GOOD && is_settled(p) && doc_serves(&p->a->r.applied, purpose);
        if (p->kept && p->n->role == purpose && !serves) {
            return false;
        }
    }
    return true;
}

/* X5 for nodes with data. */
static bool data_is_safe(const struct ctx *c, const struct pn *p)
{
    int purpose = p->n->role;
    if (purpose == c->unique && (c->stateful >> purpose & 1)) {
        return false; /* only the cloud may say that it is gone */
    }
    if (c->holds >> purpose & 1) {
        return !still_holds(c, p->n->id);
    }
    if (purpose != c->boot) {
        return true;
    }
    for (int i = 0; i < c->n; i++) {
        const struct pn *q = &c->x[i];
        if (q->kept && q->n->role == purpose && is_healthy(q, purpose) && q->a->r.synced) {
            return true;
        }
    }
    return false;
}

/* U5: it is lost, nobody else serves its role, and nobody can before its volume is free: what still names it (it may be
 * the entry itself) has nobody else to name. */
static bool waits_for_its_volume(const struct ctx *c, const struct pn *p)
{
    bool waits = p->rank == RANK_LOST && role_has_volume(c, p->n->role);
    for (int i = 0; i < c->n && waits; i++) {
        const struct pn *q = &c->x[i];
        waits = q == p || q->n->role != p->n->role || !q->up || !is_healthy(q, q->n->role) ||
                !doc_serves(&q->a->r.applied, q->n->role);
    }
    return waits;
}

static void consider(struct ctx *c, const struct pn *p)
{
    if (p->n->status != NODE_UP) { /* X1 */
        destroy(c, p, p->rank == RANK_LOST ? "it did not boot in time" : "not needed any more");
        return;
    }
    if (waits_for_its_volume(c, p)) { /* U5 */
        destroy(c, p, "lost");
        return;
    }
    if (is_needed(c, p)) {
        plan_waits(c, "node %lld is not needed any more by others", (long long)p->n->id);
        return;
    }
    if (p->up) { /* X4 */
        if (is_settled(p) && p->a->r.applied.roles == 0) {
            destroy(c, p, "not needed any more");
        } else {
            plan_waits(c, "node %lld drains", (long long)p->n->id);
        }
        return;
    }
    if (p->rank == RANK_SICK || p->rank == RANK_LOST) {
        bool holds = (c->holds >> p->n->role & 1) != 0;
        bool replaced = !c->running || bug(LOST_NOW) || role_has_volume(c, p->n->role) ||
                        (data_is_safe(c, p) && (holds || is_replaced(c, p->n->role)));
        if (replaced) {
            destroy(c, p, p->rank == RANK_LOST ? "lost" : "sick");
        } else {
            plan_waits(c, "node %lld is replaced", (long long)p->n->id);
        }
    }
}

void plan_destroy(struct ctx *c)
{
    for (int i = 0; i < c->n; i++) {
        if (c->x[i].victim && c->x[i].rank != RANK_LEAVING) {
            consider(c, &c->x[i]);
        }
    }
}
