/*
 * Master, members, and whose data still counts (K5, K6, D rules).
 */
#include "engine/plan_ctx.h"

/* K6: the master moves only when the old record is gone, or being killed because it was lost; with data only when it
 * is gone. */
static void plan_master(struct ctx *c)
{
    int first = c->unique < 0 ? -1 : c->place.first[c->unique];
    if (first < 0 || !c->running || !c->x[first].up) {
        return;
    }
    int64_t master = c->s->facts[FACT_MASTER].v.node;
    int i = ctx_index(c, master);
    bool data = c->stateful >> c->unique & 1;
    bool free = master == 0 || i < 0 || (!data && c->x[i].n->status == NODE_DYING) || bug(MASTER_MOVES);
    if (free && c->x[first].n->id != master) {
        struct fact_value v = {.node = c->x[first].n->id};
        plan_publish(c, FACT_MASTER, &v);
    }
}

const struct cmd_result *report_cmd(const struct report *r, const char *id)
{
    for (int i = 0; i < r->n_cmds; i++) {
        if (str_eq(r->cmds[i].id, id)) {
            return &r->cmds[i];
        }
    }
    return NULL;
}

/* K2: ids are derived, so that a new manager says the same. */
void cmd_id_init(const struct ctx *c, char id[48])
{
    snprintf(id, 48, "init:%lld", (long long)c->s->want.code);
}
void cmd_id_notify(const struct ctx *c, char id[48])
{
    snprintf(id, 48, "notify:%lld", (long long)c->s->facts[FACT_MEMBERS].rev);
}
void cmd_id_op(const struct op *o, char id[48])
{
    snprintf(id, 48, "%s#%lld", o->kind, (long long)o->id);
}

/* K5: members are those whose init has ended; a listed one stays until it is lost. */
static void plan_members(struct ctx *c)
{
    if (!c->t->scripts) {
        return;
    }
    const struct fact *f = &c->s->facts[FACT_MEMBERS];
    struct fact_value v = {0};
    char id[48];
    cmd_id_init(c, id);
    for (int i = 0; i < c->n && c->running; i++) {
        const struct pn *p = &c->x[i];
        const struct cmd_result *init = p->up ? report_cmd(&p->a->r, id) : NULL;
        bool ready = init && init->state == CMD_STOPPED;
        if (p->kept && (ready || (set_has(&f->v.ids, p->n->id) && p->rank < RANK_LOST))) {
            set_add(&v.ids, p->n->id);
        }
    }
    if (!set_equal(&v.ids, &f->v.ids)) {
        plan_publish(c, FACT_MEMBERS, &v);
    }
}

/* D1, D2 */
static void plan_draining(struct ctx *c)
{
    for (int i = 0; i < c->n && c->holds; i++) {
        const struct pn *p = &c->x[i];
        bool holder =
            (c->holds >> p->n->role & 1) || (p->a && p->a->claimed && may_have(p, __builtin_ctzll(c->holds)));
        if (holder && p->victim && (p->up || !bug(DRAIN_SELF)) && p->rank < RANK_LEAVING &&
            p->n->status == NODE_UP) {
            set_add(&c->draining, p->n->id);
        }
    }
    int m = ctx_index(c, c->s->facts[FACT_MASTER].v.node);
    bool known = m >= 0 && c->x[m].up && is_settled(&c->x[m]) && c->unique >= 0 &&
                 doc_has(&c->x[m].a->r.applied, c->unique) &&
                 set_equal(&c->x[m].a->r.applied.draining, &c->draining);
    c->held_known = c->holds && known;
    c->held = c->held_known ? &c->x[m].a->r : NULL;
}

/* D3: unknown counts as yes. */
bool still_holds(const struct ctx *c, int64_t node)
{
    if (bug(DRAIN_IGNORED)) {
        return false;
    }
    if (!c->held_known) {
        return true;
    }
    for (int64_t i = 0; i < c->held->held.n; i++) {
        if (c->held->held.id[i] == node) {
            return c->held->held_n[i] > 0;
        }
    }
    return bug(DRAIN_SELF);
}

void plan_facts(struct ctx *c)
{
    plan_master(c);
    plan_members(c);
    plan_draining(c);
}
