/*
 * One pass of the planner: rank, place, then each group of rules in order.
 */
#include "engine/plan.h"

#include <string.h>

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/plan_int.h"

struct action *plan_add(struct planner *p, enum action_kind kind)
{
    struct plan *x = p->out;
    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 16;
        x->actions = xreallocarray(x->actions, (size_t)x->cap, sizeof *x->actions);
    }
    struct action *a = &x->actions[x->n++];
    memset(a, 0, sizeof *a);
    a->kind = kind;
    return a;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* L rules for a node whose agent has enrolled. */
static enum rank rank_up(const struct planner *p, const struct node *n, const struct have_node *a)
{
    int64_t seen = later(a ? a->seen_ms : 0, p->have->started_ms);
    seen = bug(NO_UP_AT) ? seen : later(seen, n->up_ms);
    int64_t heard = bug(ONE_OBSERVER) ? seen : later(seen, n->heard_ms);
    if (p->now - heard > LOST_AFTER_MS || p->now - seen > UNREACH_MAX_MS) {
        return RANK_LOST;
    }
    if (!a || !a->claimed || p->now - seen > LOST_AFTER_MS) {
        return RANK_UNKNOWN;
    }
    bool stateful = service_type_has(p->t, n->role, ROLE_STATEFUL);
    bool long_bad = a->bad_since_ms != 0 && p->now - a->bad_since_ms > SICK_AFTER_MS;
    if (!stateful && (a->r.refusals >= REFUSE_MAX || long_bad)) {
        return RANK_SICK;
    }
    return a->bad_since_ms != 0 ? RANK_STARTING : RANK_GOOD;
}

void plan_classify(struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct node *n = &p->s->nodes[i];
        p->h[i] = have_find(p->have, n->id);
        if (!node_alive(n) || (have_doomed(p->have, n->id) && !bug(DOOM_FORGOTTEN))) {
            p->rank[i] = RANK_LEAVING;
        } else if (n->status != NODE_UP) {
            p->rank[i] = p->now - n->created_ms > BOOT_MAX_MS ? RANK_LOST : RANK_BOOTING;
        } else {
            p->rank[i] = rank_up(p, n, p->h[i]);
        }
    }
}

bool plan_warm(struct planner *p)
{
    bool any = false, all_unknown = true, unclaimed = false, mass = true;
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->s->nodes[i].status != NODE_UP || p->rank[i] == RANK_LEAVING) {
            continue;
        }
        any = true;
        all_unknown = all_unknown && p->rank[i] == RANK_UNKNOWN;
        unclaimed = unclaimed || (p->rank[i] == RANK_UNKNOWN && !(p->h[i] && p->h[i]->claimed));
        mass = mass && p->now - (p->h[i] ? p->h[i]->seen_ms : 0) > MASS_WAIT_MS;
    }
    if (any && all_unknown && mass && p->now - p->have->started_ms > MASS_WAIT_MS) { /* W2 */
        (void)str_copy(plan_add(p, ACT_STEP_DOWN)->why, WHY_MAX, "reaches no agent while the director does");
        return false;
    }
    if (unclaimed && !bug(NO_WARMUP)) { /* W1 */
        (void)str_copy(p->out->waits_for, WHY_MAX, "every node to report");
        return false;
    }
    return true;
}

static void find_roles(struct planner *p)
{
    p->entry = p->pair = -1;
    for (int r = 0; r < p->t->n_roles; r++) {
        unsigned f = p->t->roles[r].flags;
        p->entry = f & ROLE_ENTRY ? r : p->entry;
        p->pair = f & ROLE_PAIR ? r : p->pair;
        p->targets |= f & ROLE_TARGET ? 1ull << r : 0;
    }
}

static void add_create(struct planner *p)
{
    int total = 0;
    for (int r = 0; r < p->t->n_roles; r++) {
        total += p->pl.create[r] > 0 ? p->pl.create[r] : 0;
    }
    if (total == 0 || !p->running || !p->credit_ok || p->now < p->s->create_after_ms) { /* C1 */
        return;
    }
    struct action *a = plan_add(p, ACT_CREATE);
    a->nodes_rev = p->s->nodes_rev;
    a->gen = p->s->gen;
    for (int r = 0; r < p->t->n_roles; r++) {
        a->counts[r] = p->pl.create[r] > 0 ? p->pl.create[r] : 0;
    }
}

static void count_needs(struct planner *p)
{
    for (int r = 0; r < p->t->n_roles; r++) { /* N3 */
        int n = p->pl.create[r] > 0 ? p->pl.create[r] : 0;
        for (int i = 0; i < p->s->n_nodes; i++) {
            n += p->pl.roles[i] >> r & 1;
        }
        p->need[r] = n > 1 && !bug(ONE_IS_ENOUGH) ? n : 1;
    }
}

void plan_service(const struct service *view, bool credit_ok, const struct have *have, int64_t now_ms,
                  struct plan *ret)
{
    struct planner p = {
        .s = view,
        .t = view->type,
        .have = have,
        .now = now_ms,
        .credit_ok = credit_ok,
        .running = view->want.run == RUN_RUNNING,
        .out = ret,
    };
    memset(ret, 0, sizeof *ret);
    ret->wake_ms = now_ms + POLL_MS;
    find_roles(&p);
    plan_classify(&p);
    if (!plan_warm(&p)) {
        return;
    }
    place(view, p.rank, &p.pl);
    add_create(&p);
    count_needs(&p);
    plan_code(&p);
    plan_settings(&p);
    plan_pair(&p);
    plan_entries(&p);
    plan_documents(&p);
    plan_destroys(&p);
    plan_operations(&p);
}

void plan_done(struct plan *p)
{
    for (int i = 0; i < p->n; i++) {
        free(p->actions[i].doc);
    }
    free(p->actions);
    memset(p, 0, sizeof *p);
}
