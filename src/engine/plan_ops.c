/*
 * O: which operations have reached their end, and whether all is as wanted.
 */
#include "engine/plan_ctx.h"

static bool serves_all(const struct pn *p)
{
    return p->rank == RANK_GOOD && is_settled(p) &&
           (p->a->r.applied.roles & ~p->a->r.applied.drain & p->wanted) == p->wanted;
}

/* Every wanted role is where it shall be, applied and healthy. */
static bool nodes_ok(struct ctx *c)
{
    for (int r = 0; r < c->t->n_roles; r++) {
        if (c->place.create[r] > 0) {
            plan_waits(c, "%d %s node%s to be made%s%s", c->place.create[r], c->t->roles[r].name,
                       c->place.create[r] == 1 ? "" : "s", c->s->fails ? ", last try: " : "",
                       c->s->fails ? c->s->fail_why : "");
            return false;
        }
    }
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        if (p->wanted && !serves_all(p)) {
            plan_waits(c, p->n->status == NODE_UP ? "node %lld applies its configuration" : "node %lld boots",
                       (long long)p->n->id);
            return false;
        }
    }
    return c->running;
}

static bool entries_ok(struct ctx *c)
{
    struct id_set wanted = {0};
    for (int i = 0; i < c->n && c->entry >= 0; i++) {
        if (c->x[i].wanted >> c->entry & 1) {
            set_add(&wanted, c->x[i].n->id);
        }
    }
    bool ok = c->entry < 0 || set_equal(&wanted, &c->s->facts[FACT_ENTRIES].v.ids);
    if (!ok) {
        plan_waits(c, "the list of entry points");
    }
    return ok;
}

/* O6: entries name exactly what is wanted. */
static bool names_ok(struct ctx *c)
{
    for (int r = 0; r < c->t->n_roles; r++) {
        struct id_set wanted = {0};
        for (int i = 0; i < c->n && (c->targets >> r & 1); i++) {
            if (c->x[i].wanted >> r & 1) {
                set_add(&wanted, c->x[i].n->id);
            }
        }
        for (int i = 0; i < c->n; i++) {
            const struct pn *p = &c->x[i];
            bool entry = c->entry >= 0 && (p->wanted >> c->entry & 1);
            if (entry && (c->targets >> r & 1) && !(p->up && set_equal(&p->a->r.applied.names[r], &wanted))) {
                plan_waits(c, "node %lld takes up the new %s nodes", (long long)p->n->id,
                           c->t->roles[r].name);
                return false;
            }
        }
    }
    return true;
}

static bool facts_ok(struct ctx *c)
{
    if (c->boot >= 0 && c->s->facts[FACT_CLUSTER].v.state != CLUSTER_FORMED) {
        plan_waits(c, "the cluster forms");
        return false;
    }
    int m = c->unique < 0 ? -1 : ctx_index(c, c->s->facts[FACT_MASTER].v.node);
    if (c->unique >= 0 && (m < 0 || !c->x[m].kept)) {
        plan_waits(c, "a master");
        return false;
    }
    if (!pair_ok(c)) {
        plan_waits(c, "%s on two nodes", c->t->roles[c->pair].title);
        return false;
    }
    return true;
}

/* K5: every kept node is a member; with `notified` each has also heard of the others. */
static bool members_ok(struct ctx *c, bool notified)
{
    char id[48];
    cmd_id_notify(c, id);
    for (int i = 0; i < c->n && c->t->scripts; i++) {
        const struct pn *p = &c->x[i];
        if (set_has(&c->s->facts[FACT_MEMBERS].v.ids, p->n->id) != p->kept) {
            plan_waits(c, "init on node %lld", (long long)p->n->id);
            return false;
        }
        const struct cmd_result *r = p->kept && p->up ? report_cmd(&p->a->r, id) : NULL;
        if (p->kept && notified && (!r || r->state == CMD_RUNNING)) {
            plan_waits(c, "notify on node %lld", (long long)p->n->id);
            return false;
        }
    }
    return true;
}

/* Nothing is left of what was: no victims, no roles that only drain (so that people see where what runs). */
static bool no_remains(struct ctx *c)
{
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        bool victim = p->victim && p->rank != RANK_LEAVING;
        bool remains = p->kept && p->up && p->a->r.applied.roles != p->wanted;
        if (victim || remains) {
            plan_waits(c, "node %lld %s", (long long)p->n->id, victim ? "leaves" : "gives up roles");
            return false;
        }
    }
    return true;
}

/* ---- ends ---- */

static void end_growth(struct ctx *c, const struct op *o, bool done)
{
    if (done) {
        plan_finish(c, o, OP_DONE, "");
    } else if (c->s->fails >= FAILS_MAX) { /* C3 */
        char why[WHY_MAX];
        snprintf(why, sizeof why, "nodes cannot be made: %.200s", c->s->fail_why);
        plan_finish(c, o, OP_FAILED, why);
    }
}

static bool routes_new(const struct ctx *c)
{
    const struct id_set *entries = &c->s->facts[FACT_ENTRIES].v.ids;
    for (int64_t k = 0; k < entries->n; k++) {
        int i = ctx_index(c, entries->id[k]);
        if (i < 0 || !c->x[i].up || !is_settled(&c->x[i]) || c->x[i].a->r.applied.route != c->s->want.code) {
            return false;
        }
    }
    return entries->n > 0 && c->route == c->s->want.code;
}

static void end_code(struct ctx *c, const struct op *o, bool nodes)
{
    if (c->entry >= 0) {
        if (c->probe_bad) {
            char why[WHY_MAX];
            snprintf(why, sizeof why, "probe on node %lld: %.200s", (long long)c->probe_node, c->probe_bad);
            plan_finish(c, o, OP_FAILED, why);
        } else if (nodes && routes_new(c)) { /* A5 */
            plan_finish(c, o, OP_DONE, c->remark);
        }
        return;
    }
    bool all = nodes;
    char id[48];
    cmd_id_init(c, id);
    for (int i = 0; i < c->n && c->t->scripts; i++) {
        const struct pn *p = &c->x[i];
        const struct cmd_result *r = p->up && p->wanted ? report_cmd(&p->a->r, id) : NULL;
        if (r && r->state == CMD_STOPPED && r->rc != 0) {
            plan_finish(c, o, OP_FAILED, "init.sh failed");
            return;
        }
        all = all && (!p->wanted || (r && r->state == CMD_STOPPED));
    }
    if (all) {
        plan_finish(c, o, OP_DONE, "");
    }
}

static void end_settings(struct ctx *c, const struct op *o, bool nodes)
{
    if (c->settings_bad) {
        plan_finish(c, o, OP_FAILED, c->settings_bad); /* S3 */
        return;
    }
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        nodes = nodes && (!p->wanted || p->a->r.applied.settings == c->s->want.settings);
    }
    if (nodes) {
        plan_finish(c, o, OP_DONE, "");
    }
}

/* What a node's answer says against DONE; "" = nothing. */
static void judge_result(const struct cmd_result *r, const struct command_def *d, int64_t node,
                         char why[WHY_MAX])
{
    const char *text = r ? r->text : "it left before it was over";
    why[0] = '\0';
    if (r && r->state == CMD_REFUSED) {
        text = text[0] ? text : "another script still running"; /* K3 */
    } else if (!d->lasts || bug(CMD_HASTY) || (r && r->state == CMD_STOPPED && r->rc == 0)) {
        return;
    } else if (r && !text[0]) {
        text = r->rc < 0 ? "it restarted meanwhile" : "it failed";
    }
    snprintf(why, WHY_MAX, "node %lld: %.*s", (long long)node, WHY_MAX - 32, text);
}

/* K7: each target has the command in its journal (one that lasts: has ended it), or is leaving. */
static void end_cmd(struct ctx *c, const struct op *o)
{
    const struct command_def *d = service_type_command(c->t, o->kind);
    char id[48], bad[WHY_MAX] = "";
    const char *said = "";
    cmd_id_op(o, id);
    for (int64_t k = 0; k < o->targets.n && d; k++) {
        int i = ctx_index(c, o->targets.id[k]);
        const struct pn *p = i >= 0 && node_alive(c->x[i].n) ? &c->x[i] : NULL;
        const struct cmd_result *r = p && p->a && p->a->claimed ? report_cmd(&p->a->r, id) : NULL;
        if (p && (!r || (d->lasts && r->state == CMD_RUNNING && !bug(CMD_HASTY)))) {
            plan_waits(c, "node %lld %s %s", (long long)p->n->id, r ? "is at" : "starts", o->kind);
            return;
        }
        if (!bad[0]) {
            judge_result(r, d, o->targets.id[k], bad);
        }
        said = r && r->text[0] ? r->text : said;
    }
    plan_finish(c, o, bad[0] ? OP_FAILED : OP_DONE, bad[0] ? bad : said);
}

static void end_volume(struct ctx *c, const struct op *o)
{
    const struct volume *v = service_volume((struct service *)c->s, o->volume);
    bool brings = str_eq(o->kind, "create") || str_eq(o->kind, "attach");
    if (brings && v && v->slot != 0 && volume_settled(c, v)) { /* the director itself ends the others */
        plan_finish(c, o, OP_DONE, "");
    }
}

void plan_ops(struct ctx *c)
{
    bool nodes = nodes_ok(c);
    bool facts = nodes && facts_ok(c) && entries_ok(c);
    bool exact = facts && names_ok(c) && no_remains(c) && members_ok(c, true);
    for (int i = 0; i < c->s->n_ops; i++) {
        const struct op *o = &c->s->ops[i];
        switch (o->facet) {
        case FACET_RUN:
            if (o->value.run == RUN_RUNNING && c->s->refs_failed) {
                plan_finish(c, o, OP_FAILED, c->s->refs_wait); /* J2 */
            } else if (o->value.run == RUN_RUNNING) {
                end_growth(c, o, facts && members_ok(c, false));
            } else if (c->n == 0) {
                plan_finish(c, o, OP_DONE, "");
            }
            break;
        case FACET_COUNTS:
            end_growth(c, o, exact);
            break;
        case FACET_CODE:
            end_code(c, o, nodes);
            break;
        case FACET_SETTINGS:
            end_settings(c, o, nodes);
            break;
        case FACET_VOLUME:
            end_volume(c, o);
            break;
        default:
            end_cmd(c, o);
        }
    }
    bool idle = c->s->want.code == c->s->good.code && c->s->want.settings == c->s->good.settings;
    c->out->converged = exact && idle && volumes_ok(c);
}
