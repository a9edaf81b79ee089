/*
 * The planner's reading of what is known: ranks, possible documents, preconditions.
 */
#include "engine/plan_ctx.h"

#include <assert.h>
#include <string.h>

/* ---- ranks (L rules) ---- */

static uint64_t roles_of_node(const struct ctx *c, const struct node *n)
{
    uint64_t roles = 1ull << n->role;
    for (int r = 0; r < c->t->n_roles; r++) {
        roles |= c->t->roles[r].with == n->role ? 1ull << r : 0;
    }
    return roles;
}

static int64_t latest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool is_sick(const struct ctx *c, const struct pn *p)
{
    if (roles_of_node(c, p->n) & c->stateful) {
        return false; /* L3: data is not thrown away because an engine is ill */
    }
    bool ill = p->a->bad_since_ms != 0 && c->now - p->a->bad_since_ms > SICK_AFTER_MS;
    return p->a->r.refusals >= REFUSE_MAX || ill;
}

/* When the director looked: an old view proves nothing about silence. */
static int64_t looked_ms(const struct ctx *c)
{
    return c->s->looked_ms ? c->s->looked_ms : c->now;
}

static enum rank rank_up(const struct ctx *c, const struct pn *p)
{
    const struct have_node *a = p->a;
    int64_t start = bug(NO_UP_AT) ? c->have->started_ms : latest(c->have->started_ms, p->n->up_ms);
    int64_t seen = latest(a ? a->seen_ms : 0, start);
    int64_t heard = bug(ONE_OBSERVER) ? seen : latest(start, p->n->heard_ms);
    int64_t looked = bug(ONE_OBSERVER) ? c->now : looked_ms(c);
    bool silent = c->now - seen > LOST_AFTER_MS && looked - heard > LOST_AFTER_MS;
    if (silent || c->now - seen > UNREACH_MAX_MS) {
        return RANK_LOST; /* L1 */
    }
    if (!a || !a->claimed || c->now - seen > LOST_AFTER_MS) {
        return RANK_UNKNOWN;
    }
    if (is_sick(c, p)) {
        return RANK_SICK;
    }
    return a->bad_since_ms != 0 ? RANK_STARTING : RANK_GOOD;
}

static enum rank rank_of(const struct ctx *c, const struct pn *p)
{
    if (!node_alive(p->n) || have_doomed(c->have, p->n->id)) {
        return RANK_LEAVING;
    }
    if (p->n->status != NODE_UP) {
        return c->now - p->n->created_ms > BOOT_MAX_MS ? RANK_LOST : RANK_BOOTING; /* L2 */
    }
    return rank_up(c, p);
}

/* ---- set-up ---- */

static void read_type(struct ctx *c)
{
    c->entry = c->pair = c->boot = c->unique = -1;
    for (int r = 0; r < c->t->n_roles; r++) {
        unsigned f = c->t->roles[r].flags;
        uint64_t bit = 1ull << r;
        c->targets |= f & ROLE_TARGET ? bit : 0;
        c->serves_code |= f & ROLE_SERVES_CODE ? bit : 0;
        c->canaries |= f & ROLE_CANARY ? bit : 0;
        c->uses_pair |= f & ROLE_USES_PAIR ? bit : 0;
        c->stateful |= f & ROLE_STATEFUL ? bit : 0;
        c->holds |= f & ROLE_HOLDS ? bit : 0;
        c->packable |= f & ROLE_PACKABLE ? bit : 0;
        c->entry = f & ROLE_ENTRY ? r : c->entry;
        c->pair = f & ROLE_PAIR ? r : c->pair;
        c->boot = f & ROLE_BOOT ? r : c->boot;
        c->unique = f & ROLE_UNIQUE ? r : c->unique;
    }
}

void ctx_init(struct ctx *c, const struct service *view, bool credit_ok, const struct have *have,
              int64_t now_ms, struct plan *out)
{
    memset(c, 0, sizeof *c);
    c->s = view;
    c->t = view->type;
    c->have = have;
    c->now = now_ms;
    c->credit_ok = credit_ok;
    c->running = view->want.run == RUN_RUNNING;
    c->out = out;
    c->n = view->n_nodes;
    c->prober = c->canary = -1;
    read_type(c);
    enum rank rank[NODES_MAX];
    for (int i = 0; i < c->n; i++) {
        struct pn *p = &c->x[i];
        p->n = &view->nodes[i];
        p->a = have_find(have, p->n->id);
        rank[i] = p->rank = rank_of(c, p);
        p->director_hears =
            p->n->status == NODE_UP && looked_ms(c) - latest(p->n->heard_ms, p->n->up_ms) <= LOST_AFTER_MS;
        p->up = p->rank <= RANK_STARTING;
        /* a sick node gets no documents, else the loss of the role would seem to heal it; but a primary hands over */
        bool hands_over = p->rank == RANK_SICK && c->pair >= 0 && p->a->r.health[c->pair] == HEALTH_OK &&
                          maybe_fact_node(c, FACT_PRIMARY, p->n->id);
        p->hears = p->up || hands_over;
    }
    place(view, rank, &c->place);
    for (int i = 0; i < c->n; i++) {
        c->x[i].wanted = c->place.roles[i];
        c->x[i].kept = c->place.kept[i];
        c->x[i].victim = c->place.victim[i];
    }
}

int ctx_index(const struct ctx *c, int64_t node)
{
    for (int i = 0; i < c->n; i++) {
        if (c->x[i].n->id == node) {
            return i;
        }
    }
    return -1;
}

/* ---- possible documents (F7) ---- */

int poss_n(const struct pn *p)
{
    if (!p->a || !p->a->claimed) {
        return -1;
    }
    return bug(APPLIED_ONLY) ? 1 : 1 + p->a->n_pending;
}

const struct doc *poss_at(const struct pn *p, int k)
{
    return k == 0 ? &p->a->r.applied : &p->a->pending[k - 1].doc;
}

const struct doc *poss_newest(const struct pn *p)
{
    return poss_at(p, p->a->n_pending);
}

bool is_settled(const struct pn *p)
{
    return p->a && p->a->claimed && p->a->n_pending == 0;
}

bool is_healthy(const struct pn *p, int role)
{
    return p->up && p->a->r.health[role] == HEALTH_OK;
}

bool must(const struct pn *p, int role, int64_t version, int64_t caller)
{
    int n = poss_n(p);
    for (int k = 0; k < n; k++) {
        const struct doc *d = poss_at(p, k);
        bool ok = doc_serves(d, role) && (version == 0 || set_has(&d->code, version)) &&
                  (caller == 0 || set_has(&d->callers, caller) || bug(NO_CALLERS));
        if (!ok) {
            return false;
        }
    }
    return n > 0 && (version == 0 || set_has(&p->a->r.staged, version));
}

bool may_have(const struct pn *p, int role)
{
    int n = poss_n(p);
    for (int k = 0; k < n; k++) {
        if (doc_has(poss_at(p, k), role)) {
            return true;
        }
    }
    return n < 0;
}

/* May the node be living under a document with the entry role, so that visitors reach what it names? */
bool may_entry(const struct ctx *c, const struct pn *p)
{
    if (c->entry < 0 || (p->n->status != NODE_UP && p->n->status != NODE_DYING)) {
        return false;
    }
    if (p->n->status == NODE_DYING && !set_has(&c->maybe_entries, p->n->id)) {
        return false; /* fenced (R2): unlisted and being killed */
    }
    if (poss_n(p) < 0) {
        return p->n->role == c->entry || p->n->role == c->t->host;
    }
    return may_have(p, c->entry);
}

bool may_name(const struct ctx *c, const struct pn *proxy, int64_t target, int role)
{
    if (!may_entry(c, proxy)) {
        return false;
    }
    int n = poss_n(proxy);
    for (int k = 0; k < n; k++) {
        const struct doc *d = poss_at(proxy, k);
        if (doc_has(d, c->entry) && set_has(&d->names[role], target)) {
            return true;
        }
    }
    return n < 0;
}

bool anyone_may_name(const struct ctx *c, const struct pn *target, int role)
{
    for (int i = 0; i < c->n; i++) {
        if (may_name(c, &c->x[i], target->n->id, role)) {
            return true;
        }
    }
    return false;
}

bool maybe_fact_node(const struct ctx *c, enum fact_id fact, int64_t node)
{
    const struct fact *f = &c->s->facts[fact];
    if (f->v.node == node || set_has(&f->v.ids, node)) {
        return true;
    }
    for (int i = 0; i < c->have->n_flying && !bug(PUBLISH_FORGOTTEN); i++) {
        const struct have_publish *p = &c->have->flying[i];
        if (p->fact == fact && p->rev == f->rev && (p->value.node == node || set_has(&p->value.ids, node))) {
            return true;
        }
    }
    return false;
}

/* ---- actions ---- */

struct action *plan_add(struct ctx *c, enum action_kind kind)
{
    struct plan *p = c->out;
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 8;
        p->actions = xreallocarray(p->actions, (size_t)p->cap, sizeof *p->actions);
    }
    struct action *a = &p->actions[p->n++];
    memset(a, 0, sizeof *a);
    a->kind = kind;
    return a;
}

void plan_publish(struct ctx *c, enum fact_id fact, const struct fact_value *v)
{
    struct action *a = plan_add(c, ACT_PUBLISH);
    a->fact = fact;
    a->rev = c->s->facts[fact].rev;
    a->value = *v;
}

void plan_finish(struct ctx *c, const struct op *o, enum op_state outcome, const char *why)
{
    struct action *a = plan_add(c, ACT_FINISH);
    a->op = o->id;
    a->outcome = outcome;
    (void)str_copy(a->why, sizeof a->why, why);
}

void plan_waits(struct ctx *c, const char *fmt, ...)
{
    if (c->out->waits_for[0]) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(c->out->waits_for, sizeof c->out->waits_for, fmt, ap);
    va_end(ap);
}
