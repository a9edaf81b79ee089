/*
 * When is an operation done, and what does the next step wait for (O rules).
 */
#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/plan_int.h"

/* Every wanted node has settled on exactly its roles and is healthy, none is to be made. */
static bool nodes_done(struct planner *p)
{
    for (int r = 0; r < p->t->n_roles; r++) {
        if (p->pl.create[r] > 0) {
            (void)str_copy(p->out->waits_for, WHY_MAX, "nodes to be made");
            return false;
        }
    }
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->pl.roles[i] == 0 || p->pl.victim[i]) {
            continue;
        }
        const struct have_node *a = p->h[i];
        bool ok = p->rank[i] == RANK_GOOD && plan_settled(a) && a->r.applied.roles == p->pl.roles[i] &&
                  a->r.applied.drain == 0;
        if (!ok) {
            snprintf(p->out->waits_for, WHY_MAX, "node %lld to have its roles", (long long)p->s->nodes[i].id);
            return false;
        }
    }
    return true;
}

static bool no_victims(struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->pl.victim[i] && p->rank[i] != RANK_LEAVING) {
            snprintf(p->out->waits_for, WHY_MAX, "node %lld to leave", (long long)p->s->nodes[i].id);
            return false;
        }
    }
    return true;
}

static void wanted_ids(const struct planner *p, int role, struct id_set *ret)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->pl.roles[i] >> role & 1) {
            set_add(ret, p->s->nodes[i].id);
        }
    }
}

/* O6: the entries are the wanted proxies, each names exactly the wanted targets and routes to the version. */
static bool entries_done(const struct planner *p, int64_t version)
{
    if (p->entry < 0) {
        return true;
    }
    struct id_set proxies = {0};
    wanted_ids(p, p->entry, &proxies);
    if (proxies.n == 0 || !set_equal(&proxies, &p->s->facts[FACT_ENTRIES].v.ids)) {
        return false;
    }
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (!set_has(&proxies, p->s->nodes[i].id)) {
            continue;
        }
        const struct doc *d = &p->h[i]->r.applied;
        if (p->t->code && d->route != version) {
            return false;
        }
        for (int r = 0; r < p->t->n_roles; r++) {
            struct id_set ids = {0};
            wanted_ids(p, r, &ids);
            if ((p->targets >> r & 1) && !set_equal(&ids, &d->names[r])) {
                return false;
            }
        }
    }
    return true;
}

static bool pair_done(const struct planner *p)
{
    return p->pair < 0 || p->s->facts[FACT_PRIMARY].v.node != 0;
}

static bool settings_done(const struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        bool counts = p->pl.roles[i] != 0 && !p->pl.victim[i];
        if (counts && (!p->h[i] || p->h[i]->r.applied.settings != p->s->want.settings)) {
            return false;
        }
    }
    return true;
}

static void finish(struct planner *p, const struct op *o, enum op_state outcome, const char *why)
{
    struct action *a = plan_add(p, ACT_FINISH);
    a->op = o->id;
    a->outcome = outcome;
    (void)str_copy(a->why, sizeof a->why, why);
}

static void judge(struct planner *p, const struct op *o, bool conv, bool all)
{
    bool routed = entries_done(p, p->s->want.code);
    bool grows = (o->facet == FACET_RUN && o->value.run == RUN_RUNNING) || o->facet == FACET_COUNTS;
    bool done = false;
    switch (o->facet) {
    case FACET_RUN:
        done = o->value.run == RUN_RUNNING ? conv && pair_done(p) && entries_done(p, p->route) : p->s->n_nodes == 0;
        break;
    case FACET_COUNTS:
        done = all;
        break;
    case FACET_CODE:
        if (p->probe_bad) {
            char why[WHY_MAX];
            snprintf(why, sizeof why, "probe: %.200s", p->probe_bad);
            finish(p, o, OP_FAILED, why); /* A2 */
            return;
        }
        done = conv && routed && p->route == p->s->want.code; /* A5 */
        break;
    case FACET_SETTINGS:
        if (p->settings_bad) {
            finish(p, o, OP_FAILED, p->settings_bad); /* S3 */
            return;
        }
        done = conv && settings_done(p);
        break;
    default:
        return;
    }
    if (done) {
        finish(p, o, OP_DONE, "");
    } else if (grows && p->s->fails >= FAILS_MAX) { /* C3 */
        char why[WHY_MAX];
        snprintf(why, sizeof why, "nodes cannot be created: %.200s", p->s->fail_why);
        finish(p, o, OP_FAILED, why);
    }
}

void plan_operations(struct planner *p)
{
    bool conv = p->running && nodes_done(p);
    bool all = conv && no_victims(p) && pair_done(p) && entries_done(p, p->route);
    p->out->converged = p->running ? all && p->route == p->s->want.code && settings_done(p) : p->s->n_nodes == 0;
    for (int i = 0; i < p->s->n_ops; i++) {
        judge(p, &p->s->ops[i], conv, all);
    }
}
