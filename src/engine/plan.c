/*
 * The planner: its steps, in order.  Each step reads what is known and what the steps before it have found out.
 */
#include "engine/plan.h"

#include <string.h>

#include "engine/plan_ctx.h"

/* W1, W2: returns false when nothing may be decided yet. */
static bool knows_enough(struct ctx *c)
{
    int live = 0, unknown = 0, unclaimed = 0, unheard = 0;
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        if (p->n->status != NODE_UP || p->rank == RANK_LEAVING) {
            continue;
        }
        live++;
        unknown += p->rank == RANK_UNKNOWN;
        unclaimed += p->rank == RANK_UNKNOWN && (!p->a || !p->a->claimed);
        int64_t since = p->a && p->a->seen_ms > p->n->up_ms ? p->a->seen_ms : p->n->up_ms;
        unheard += c->now - since > MASS_WAIT_MS;
    }
    bool cut_off = live > 0 && unknown == live && c->now - c->have->started_ms > MASS_WAIT_MS;
    if (cut_off && unheard == live && !bug(NO_STEP_DOWN)) {
        struct action *a = plan_add(c, ACT_STEP_DOWN);
        (void)str_copy(a->why, sizeof a->why, "it reaches no agent, the director does");
        return false;
    }
    if (unclaimed > 0) {
        plan_waits(c, "%d node%s to report to this manager", unclaimed, unclaimed == 1 ? "" : "s");
        return bug(NO_WARMUP);
    }
    return true;
}

/* C1: one request, all purposes together; no more than the director admits. */
/* J2: a start makes no node before the services that it refers to are there. */
static bool start_waits(struct ctx *c)
{
    for (int i = 0; i < c->s->n_ops; i++) {
        const struct op *o = &c->s->ops[i];
        if (o->facet == FACET_RUN && o->value.run == RUN_RUNNING && c->s->refs_wait[0] &&
            !bug(NO_START_ORDER)) {
            plan_waits(c, "%s", c->s->refs_wait);
            return true;
        }
    }
    return false;
}

static void plan_create(struct ctx *c)
{
    if (!c->running || !c->credit_ok || c->now < c->s->create_after_ms || start_waits(c)) {
        return;
    }
    int counts[ROLES_MAX] = {0};
    int total = 0;
    for (int r = 0; r < c->t->n_roles; r++) {
        int room = c->place.create[r] > 0 ? place_room(c->s, r, c->now) : 0;
        counts[r] = c->place.create[r] < room || bug(NO_SURGE) ? c->place.create[r] : room;
        total += counts[r];
    }
    if (total == 0) {
        return;
    }
    struct action *a = plan_add(c, ACT_CREATE);
    memcpy(a->counts, counts, sizeof counts);
    a->nodes_rev = c->s->nodes_rev;
    a->gen = c->s->gen;
}

void plan_service(const struct service *view, bool credit_ok, const struct have *have, int64_t now_ms,
                  struct plan *ret)
{
    memset(ret, 0, sizeof *ret);
    struct ctx *c = xmalloc(sizeof *c);
    ctx_init(c, view, credit_ok, have, now_ms, ret);
    if (knows_enough(c)) {
        plan_create(c);
        plan_pair(c);
        plan_names_init(c);
        plan_code(c);
        plan_entries(c);
        plan_cluster(c);
        plan_facts(c);
        plan_docs(c);
        plan_release(c);
        plan_destroy(c);
        plan_ops(c);
    }
    ret->wake_ms = now_ms + (ret->converged ? POLL_MS : SECOND);
    free(c);
}

void plan_done(struct plan *p)
{
    for (int i = 0; i < p->n; i++) {
        free(p->actions[i].doc);
    }
    free(p->actions);
    memset(p, 0, sizeof *p);
}
