/*
 * R: the whole document of every reachable node.
 */
#include <string.h>

#include "engine/plan_ctx.h"

/* R3: told to drain, settled on that, and drained: it goes. */
static bool has_drained(const struct pn *p, int role)
{
    bool told = is_settled(p) && doc_has(&p->a->r.applied, role) && !doc_serves(&p->a->r.applied, role);
    return (told && (p->a->r.drained >> role & 1)) || !doc_has(poss_newest(p), role);
}

/* A role that the node may have and shall not keep for ever. */
static void leave_role(const struct ctx *c, const struct pn *p, int role, struct doc *d)
{
    uint64_t bit = 1ull << role;
    bool entry = role == c->entry, target = c->targets & bit;
    if (entry || target) {
        bool named = anyone_may_name(c, p, role) || set_has(&c->named[role], p->n->id);
        bool needed = entry ? !can_unentry(c, p->n->id) : named && !bug(UNDRAINED); /* R2 */
        if (needed) {
            d->roles |= bit;
        } else if (!has_drained(p, role) && !bug(UNDRAINED)) {
            d->roles |= bit;
            d->drain |= bit;
        }
    } else if (role == c->pair) {
        d->roles |= pair_keeps(c, p) ? bit : 0;
    } else if ((c->holds & bit) && c->running) {
        d->roles |= still_holds(c, p->n->id) ? bit : 0; /* D3 */
    }
}

static void choose_roles(const struct ctx *c, const struct pn *p, struct doc *d)
{
    d->roles = p->wanted;
    if (p->rank == RANK_SICK) { /* Z4: it only lets its successor in */
        d->roles = poss_newest(p)->roles;
        d->drain = poss_newest(p)->drain;
    }
    if (c->pair >= 0 && c->primary == 0) {
        d->roles &= ~(1ull << c->pair); /* Z2 */
    }
    for (int r = 0; r < c->t->n_roles; r++) {
        if (!doc_has(d, r) && may_have(p, r) && !(r == c->pair && c->primary == 0)) {
            leave_role(c, p, r, d);
        }
    }
}

static void choose_code(const struct ctx *c, const struct pn *p, struct doc *d)
{
    uint64_t using = c->serves_code | (c->entry >= 0 ? 1ull << c->entry : 0);
    if (!c->t->code || (c->t->scripts ? d->roles == 0 : (d->roles & using) == 0)) {
        return;
    }
    d->code = c->codes;
    for (int k = 0; c->unknown_entry && k < poss_n(p); k++) { /* A6 */
        const struct id_set *code = &poss_at(p, k)->code;
        for (int64_t i = 0; i < code->n && d->code.n < NODES_MAX; i++) {
            set_add(&d->code, code->id[i]);
        }
    }
}

/* What the entry routes to and names; without targets it keeps what it has, or does not get the role (N4, N5, A4). */
static void choose_entry(const struct ctx *c, const struct pn *p, struct doc *d)
{
    const struct doc *now = NULL;
    for (int k = poss_n(p) - 1; k >= 0 && !now; k--) {
        now = doc_has(poss_at(p, k), c->entry) ? poss_at(p, k) : NULL;
    }
    bool knows = !c->t->code || !now || now->route == c->route || set_has(&p->a->r.staged, c->route);
    d->route = c->route;
    if (knows && names_for(c, p, c->route, d)) { /* the entry itself has to have the files first */
        return;
    }
    if (now && now->route != c->route) {
        d->route = now->route;
        if (names_for(c, p, now->route, d)) {
            return;
        }
    }
    if (now) {
        d->route = now->route;
        memcpy(d->names, now->names, sizeof d->names);
        return;
    }
    d->roles &= ~(1ull << c->entry);
    d->route = 0;
    memset(d->names, 0, sizeof d->names);
}

static void choose_boot(const struct ctx *c, const struct pn *p, struct doc *d)
{
    if (p->boot_kind != BOOT_NONE) {
        d->boot_kind = p->boot_kind;
        d->boot_token = p->boot_token;
    } else {
        const struct doc *now = doc_has(poss_newest(p), c->boot) ? poss_newest(p) : &p->a->r.applied;
        if (!doc_has(now, c->boot)) {
            d->roles &= ~(1ull << c->boot); /* not its turn yet (M1, M6) */
            return;
        }
        d->boot_kind = now->boot_kind;
        d->boot_token = now->boot_token;
    }
    for (int i = 0; i < c->n; i++) {
        const struct pn *q = &c->x[i];
        if (q != p && q->n->role == c->boot && q->n->status == NODE_UP && q->rank < RANK_SICK) {
            set_add(&d->peers, q->n->id);
        }
    }
}

static void add_cmd(struct doc *d, const char *id, const char *kind)
{
    if (d->n_cmds == CMDS_MAX) {
        return; /* more than OPS_MAX operations can not be */
    }
    (void)str_copy(d->cmds[d->n_cmds].id, sizeof d->cmds[0].id, id);
    (void)str_copy(d->cmds[d->n_cmds].kind, sizeof d->cmds[0].kind, kind);
    d->n_cmds++;
}

/* K1, K2 */
static void choose_cmds(const struct ctx *c, const struct pn *p, struct doc *d)
{
    const struct fact *m = &c->s->facts[FACT_MEMBERS];
    char id[48];
    if (c->t->scripts) {
        d->members = m->v.ids;
        d->members_rev = m->rev;
    }
    if (c->unique >= 0 && d->master == 0 && !bug(CMD_BEFORE_MASTER)) {
        return; /* K8 */
    }
    if (c->t->scripts) {
        cmd_id_init(c, id);
        add_cmd(d, id, "init");
    }
    if (c->t->scripts && set_has(&m->v.ids, p->n->id)) {
        cmd_id_notify(c, id);
        add_cmd(d, id, "notify");
    }
    for (int i = 0; i < c->s->n_ops; i++) {
        const struct op *o = &c->s->ops[i];
        if (o->facet == FACET_CMD && set_has(&o->targets, p->n->id)) {
            cmd_id_op(o, id);
            add_cmd(d, id, o->kind);
        }
    }
}

/* N6: those whose documents may make them call this node. */
static bool calls(const struct ctx *c, const struct pn *q, const struct doc *d)
{
    uint64_t others = d->roles & ~c->targets & ~(c->entry >= 0 ? 1ull << c->entry : 0) &
                      ~(c->pair >= 0 ? 1ull << c->pair : 0);
    bool entry = c->entry >= 0 && ((q->wanted >> c->entry & 1) || may_entry(c, q));
    bool user = c->pair >= 0 && doc_has(d, c->pair) &&
                ((q->wanted & c->uses_pair) || set_has(&c->holders, q->n->id) || (q->wanted >> c->pair & 1));
    for (int r = 0; r < c->t->n_roles && c->pair >= 0 && doc_has(d, c->pair) && !user; r++) {
        user = (c->uses_pair >> r & 1) && q->a && q->a->claimed && may_have(q, r);
    }
    return others != 0 || (entry && (d->roles & c->targets)) || user || (c->boot >= 0 && doc_has(d, c->boot));
}

static void choose_callers(const struct ctx *c, struct doc *d)
{
    for (int i = 0; i < c->n; i++) {
        const struct pn *q = &c->x[i];
        bool here = q->n->status == NODE_UP && q->rank < RANK_LEAVING;
        if (q->n->address[0] && (here || may_entry(c, q)) && calls(c, q, d)) {
            set_add(&d->callers, q->n->id);
        }
    }
}

static bool has_settings(const struct pn *p, int64_t revision)
{
    return p->a && p->a->claimed && poss_newest(p)->settings == revision;
}

/* S4: members of a cluster one after the other, because an engine may have to restart. */
static bool settings_turn(const struct ctx *c, int i)
{
    int64_t wanted = c->s->want.settings;
    if (c->boot < 0 || !doc_has(&c->x[i].a->r.applied, c->boot) || has_settings(&c->x[i], wanted)) {
        return true;
    }
    for (int k = 0; k < c->n; k++) {
        const struct pn *q = &c->x[k];
        if (k == i || !q->up || !(q->wanted >> c->boot & 1)) {
            continue;
        }
        bool done = is_settled(q) && is_healthy(q, c->boot) && q->a->r.synced;
        if (has_settings(q, wanted) ? !done : k < i) {
            return false;
        }
    }
    return true;
}

static void choose_settings(const struct ctx *c, int i, struct doc *d)
{
    if (!settings_turn(c, i)) {
        d->settings = poss_newest(&c->x[i])->settings;
        return;
    }
    bool go = (c->settings_ok && !c->settings_bad) || i == c->canary;
    d->settings = go ? c->s->want.settings : c->s->good.settings;
}

static void wanted_doc(const struct ctx *c, int i, struct doc *d)
{
    const struct pn *p = &c->x[i];
    choose_roles(c, p, d);
    choose_volumes(c, p, d);
    if (c->entry >= 0 && doc_has(d, c->entry)) {
        choose_entry(c, p, d);
    }
    if (c->boot >= 0 && doc_has(d, c->boot)) {
        choose_boot(c, p, d);
    }
    if (d->roles == 0) {
        d->settings = p->a->r.applied.settings; /* a bare document says nothing about settings */
        return;
    }
    choose_settings(c, i, d);
    d->refs = bug(REFS_STALE) ? p->a->r.applied.refs : c->s->refs; /* J1 */
    choose_code(c, p, d);
    if (c->pair >= 0 && (doc_has(d, c->pair) || (d->roles & c->uses_pair))) {
        d->holders = c->holders;
        d->primary = doc_has(d, c->pair) ? c->primary : 0;
    }
    if (c->unique >= 0) {
        d->master = c->s->facts[FACT_MASTER].v.node;
        d->draining = doc_has(d, c->unique) ? c->draining : (struct id_set){0};
    }
    if (c->probing && !c->probe_ok && !c->probe_bad && i == c->prober) { /* A2 */
        d->probe_version = c->s->want.code;
        d->probe_op = c->probe_op;
    }
    choose_cmds(c, p, d);
    choose_callers(c, d);
}

/* R2: what the entries are told to name now is no target that may drain now. */
static void read_names(struct ctx *c)
{
    for (int i = 0; i < c->n && c->entry >= 0 && !bug(DRAINS_NAMED); i++) {
        const struct pn *p = &c->x[i];
        struct doc d = {.roles = 1ull << c->entry};
        if (!p->hears || !((p->wanted >> c->entry & 1) || may_have(p, c->entry))) {
            continue;
        }
        choose_entry(c, p, &d);
        for (int r = 0; r < c->t->n_roles; r++) {
            for (int64_t k = 0; k < d.names[r].n; k++) {
                set_add(&c->named[r], d.names[r].id[k]);
            }
        }
    }
}

void plan_docs(struct ctx *c)
{
    read_names(c);
    for (int i = 0; i < c->n; i++) {
        if (c->x[i].hears) {
            struct doc *d = xcalloc(1, sizeof *d);
            wanted_doc(c, i, d);
            struct action *a = plan_add(c, ACT_DOC);
            a->node = c->x[i].n->id;
            a->doc = d;
        }
    }
}
