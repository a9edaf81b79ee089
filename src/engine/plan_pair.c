/*
 * A pair role, primary and replica, that the planner itself places on two nodes (Z rules).
 */
#include "engine/bug.h"
#include "engine/plan_int.h"

static int index_of(const struct planner *p, int64_t id)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->s->nodes[i].id == id) {
            return i;
        }
    }
    return -1;
}

static bool may_carry(const struct planner *p, int i)
{
    const struct doc *d[PENDING_MAX + 1];
    int n = plan_possible(p->h[i], d);
    while (n-- > 0) {
        if (doc_has(d[n], p->pair)) {
            return true;
        }
    }
    return false;
}

/* A replica that has all of this primary's data. */
static bool in_step(const struct planner *p, int i, int64_t primary)
{
    return plan_healthy(p, i, p->pair) && plan_must(p, i, p->pair, 0) && plan_settled(p->h[i]) &&
           p->h[i]->r.applied.primary == primary && p->h[i]->r.synced;
}

/* Z1: published primary first, then replicas in step, then the lowest ordinal. */
static bool preferred(const struct planner *p, int64_t primary, int a, int b)
{
    const struct node *na = &p->s->nodes[a], *nb = &p->s->nodes[b];
    if ((na->id == primary) != (nb->id == primary)) {
        return na->id == primary;
    }
    bool sa = in_step(p, a, primary), sb = in_step(p, b, primary);
    if (sa != sb) {
        return sa;
    }
    bool ca = may_carry(p, a), cb = may_carry(p, b);
    return ca != cb ? ca : na->ord < nb->ord;
}

static int best_kept(const struct planner *p, int64_t primary, int except)
{
    int best = -1;
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (i != except && p->pl.kept[i] && plan_up(p, i) && (best < 0 || preferred(p, primary, i, best))) {
            best = i;
        }
    }
    return best;
}

static void publish_primary(struct planner *p, int i)
{
    struct action *a = plan_add(p, ACT_PUBLISH);
    a->fact = FACT_PRIMARY;
    a->rev = p->s->facts[FACT_PRIMARY].rev;
    a->value.node = p->s->nodes[i].id;
}

/* Z3: a lost primary is replaced at once; Z4: one that leaves hands over to a replica in step. */
static void move_primary(struct planner *p, int64_t primary, int at, int first)
{
    bool usable = at >= 0 && p->rank[at] < RANK_SICK;
    if (first < 0 || (usable && p->pl.kept[at])) {
        return;
    }
    bool gone = at < 0 || p->rank[at] >= RANK_SICK;
    if (gone ? !bug(PRIMARY_STUCK) || at < 0 : in_step(p, first, primary) || bug(PRIMARY_HASTY)) {
        publish_primary(p, first);
    }
}

/* Z5: who is neither wanted nor primary goes only when the primary is known to act as one. */
static bool may_drop(const struct planner *p, int i, int64_t primary)
{
    int at = index_of(p, primary);
    return !p->running || (p->s->nodes[i].id != primary && at >= 0 && at != i && in_step(p, at, primary)) ||
           bug(PRIMARY_DROPPED);
}

void plan_pair(struct planner *p)
{
    if (p->pair < 0) {
        return;
    }
    int64_t primary = p->s->facts[FACT_PRIMARY].v.node;
    int at = index_of(p, primary);
    int first = p->running ? best_kept(p, primary, -1) : -1;
    int second = first >= 0 ? best_kept(p, primary, first) : -1;
    if (p->running) {
        move_primary(p, primary, at, first);
    }
    if (primary != 0) { /* Z2: only what was published and read back is told to nodes (P4) */
        if (first >= 0) {
            p->pl.roles[first] |= 1ull << p->pair;
        }
        if (second >= 0) {
            p->pl.roles[second] |= 1ull << p->pair;
        }
    }
    for (int i = 0; i < p->s->n_nodes; i++) {
        bool wanted = p->pl.roles[i] >> p->pair & 1;
        bool keeps = may_carry(p, i) && plan_up(p, i) && !may_drop(p, i, primary);
        if (keeps && !wanted) {
            p->pl.roles[i] |= 1ull << p->pair;
        }
        if (wanted || (may_carry(p, i) && p->rank[i] < RANK_SICK)) {
            set_add(&p->holders, p->s->nodes[i].id);
        }
    }
}
