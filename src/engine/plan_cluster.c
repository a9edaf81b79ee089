/*
 * M: a cluster that is bootstrapped once, recovered from the furthest member, and joined one by one.
 */
#include "engine/plan_ctx.h"

static bool is_member(const struct ctx *c, const struct pn *p)
{
    return p->n->role == c->boot;
}
static bool is_synced(const struct ctx *c, const struct pn *p)
{
    return is_member(c, p) && is_healthy(p, c->boot) && p->a->r.synced;
}
static bool is_down(const struct ctx *c, const struct pn *p)
{
    return p->up && p->a->r.health[c->boot] == HEALTH_DOWN;
}

/* Its engine certainly does not run: down, or in no document. */
static bool is_at_rest(const struct ctx *c, const struct pn *p)
{
    return is_down(c, p) || (p->up && is_settled(p) && !may_have(p, c->boot) && !bug(BARE_BLOCKS));
}

static struct pn *first_kept_up(struct ctx *c)
{
    for (int i = 0; i < c->n; i++) {
        if (is_member(c, &c->x[i]) && c->x[i].kept && c->x[i].up) {
            return &c->x[i];
        }
    }
    return NULL;
}

static void publish_cluster(struct ctx *c, enum cluster_state state, int64_t node, bool new_token)
{
    const struct fact *f = &c->s->facts[FACT_CLUSTER];
    struct fact_value v = {.state = state, .node = node, .token = new_token ? f->rev + 1 : f->v.token};
    plan_publish(c, FACT_CLUSTER, &v);
}

static bool any_data(const struct ctx *c)
{
    for (int i = 0; i < c->n; i++) {
        if (is_member(c, &c->x[i]) && c->x[i].up && c->x[i].a->r.position >= 0) {
            return true;
        }
    }
    return false;
}

static void bootstrap(struct ctx *c)
{
    struct pn *p = first_kept_up(c);
    if (!p) {
        return;
    }
    /* M8, U8: the facts are older than the data (a restore, a stop): never bootstrap over it */
    if (any_data(c) || has_used_volume(c, c->boot, NULL)) {
        publish_cluster(c, CLUSTER_FORMED, p->n->id, false);
        return;
    }
    publish_cluster(c, CLUSTER_BOOT, p->n->id, true); /* M1 */
    if (bug(BOOT_UNPUBLISHED)) {
        p->boot_kind = BOOT_FIRST;
        p->boot_token = c->have->epoch * 1000 + p->n->id;
    }
}

/* M2, M3: the token was executed; the engine is up, or it went down again and recovery follows. */
static bool token_is_spent(const struct ctx *c, const struct pn *p)
{
    return p->up && p->a->r.token == c->s->facts[FACT_CLUSTER].v.token &&
           (is_synced(c, p) || (is_down(c, p) && !bug(SPENT_TOKEN)));
}

static void while_booting(struct ctx *c)
{
    const struct fact_value *v = &c->s->facts[FACT_CLUSTER].v;
    int i = ctx_index(c, v->node);
    if (i < 0) {
        publish_cluster(c, CLUSTER_NONE, 0, false); /* M4 */
        return;
    }
    struct pn *p = &c->x[i];
    if (p->rank == RANK_LEAVING) {
        return; /* until the cloud says that it is gone */
    }
    p->boot_kind = BOOT_FIRST;
    p->boot_token = v->token;
    if (token_is_spent(c, p)) {
        publish_cluster(c, CLUSTER_FORMED, v->node, false);
    } else if (p->rank == RANK_LOST) {
        struct action *a = plan_add(c, ACT_DESTROY);
        a->node = p->n->id;
        (void)str_copy(a->why, sizeof a->why, "lost while bootstrapping");
    }
}

/* M5: every member that may hold data has to be seen, down, with its position. */
static struct pn *furthest(struct ctx *c, bool *ret_no_data)
{
    struct pn *best = NULL;
    int holders = 0, seen = 0;
    for (int i = 0; i < c->n; i++) {
        struct pn *p = &c->x[i];
        if (!is_member(c, p)) {
            continue;
        }
        /* one that joins may have joined by now */
        bool joins = p->up && may_have(p, c->boot) && !is_down(c, p) && !bug(JOINER_EMPTY);
        bool holds = p->up ? joins || p->a->r.position >= 0 : p->n->status == NODE_UP;
        bool counts = holds && is_at_rest(c, p);
        holders += holds;
        seen += counts;
        bool better = !best || (p->up && p->a->r.position > best->a->r.position && !bug(RECOVER_ANY));
        if (counts && better) {
            best = p;
        }
    }
    *ret_no_data = holders == 0;
    return seen > 0 && (seen == holders || bug(RECOVER_PARTIAL) || bug(RECOVER_ANY)) ? best : NULL;
}

static bool any_synced(const struct ctx *c)
{
    for (int i = 0; i < c->n; i++) {
        if (is_synced(c, &c->x[i])) {
            return true;
        }
    }
    return false;
}

static void recover(struct ctx *c)
{
    bool no_data = false;
    if (!volumes_seen(c, c->boot)) {
        return;
    }
    struct pn *p = furthest(c, &no_data);
    if (p) {
        publish_cluster(c, CLUSTER_RECOVER, p->n->id, true);
    } else if (no_data && (p = first_kept_up(c))) {
        publish_cluster(c, CLUSTER_BOOT, p->n->id, true); /* nothing is left to be lost */
    } else {
        plan_waits(c, "a member of the cluster that may hold the newest data");
    }
}

static void while_recovering(struct ctx *c)
{
    const struct fact_value *v = &c->s->facts[FACT_CLUSTER].v;
    int i = ctx_index(c, v->node);
    if (i < 0) {
        publish_cluster(c, CLUSTER_FORMED, v->node, false);
    } else if (c->x[i].n->status == NODE_UP && c->x[i].rank < RANK_SICK) {
        c->x[i].boot_kind = BOOT_RECOVER;
        c->x[i].boot_token = v->token;
        if (token_is_spent(c, &c->x[i])) {
            publish_cluster(c, CLUSTER_FORMED, v->node, false);
        }
    }
}

/* M6: one joiner at a time; a member that may have the role and is not known to be synced is joining. */
static void join(struct ctx *c)
{
    bool joining = false, synced = any_synced(c);
    for (int i = 0; i < c->n; i++) {
        struct pn *p = &c->x[i];
        bool at_it = is_member(c, p) && !is_synced(c, p) && p->rank <= RANK_UNKNOWN &&
                     p->n->status == NODE_UP && p->boot_kind == BOOT_NONE && may_have(p, c->boot);
        if (at_it && p->kept && p->up) {
            p->boot_kind = BOOT_JOIN;
        }
        joining = joining || (at_it && (p->up || !bug(JOINER_FORGOTTEN)));
    }
    for (int i = 0; i < c->n; i++) {
        struct pn *p = &c->x[i];
        if (!is_member(c, p) || !p->kept || !p->up || p->boot_kind != BOOT_NONE) {
            continue;
        }
        if (is_synced(c, p)) {
            p->boot_kind = BOOT_JOIN;
        } else if (synced && (!joining || bug(JOIN_ALL))) {
            p->boot_kind = BOOT_JOIN;
            joining = true;
        } else if (!synced && has_used_volume(c, c->boot, p) && volume_ready(c, p, c->boot)) {
            p->boot_kind = BOOT_JOIN; /* U8: it waits for somebody to join, and tells its position */
        }
    }
}

void plan_cluster(struct ctx *c)
{
    if (c->boot < 0 || !c->running) {
        return;
    }
    switch (c->s->facts[FACT_CLUSTER].v.state) {
    case CLUSTER_NONE:
        bootstrap(c);
        return;
    case CLUSTER_BOOT:
        while_booting(c);
        return;
    case CLUSTER_RECOVER:
        while_recovering(c);
        break;
    default:
        if (!any_synced(c)) {
            recover(c);
        }
    }
    join(c);
}
