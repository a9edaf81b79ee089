/*
 * The document that each reachable node shall have (R rules), and who can be destroyed (X rules).
 */
#include <string.h>

#include "engine/bug.h"
#include "engine/plan_int.h"

/* R3: the role drains, or is gone already in what was sent last. */
static bool drained(const struct have_node *a, int role)
{
    const struct doc *newest = plan_newest(a);
    bool reported = plan_settled(a) && (a->r.drained >> role & 1) && (newest->drain >> role & 1);
    return !doc_has(newest, role) || reported;
}

/* A role that the node may have and shall lose. */
static void keep_or_drain(struct planner *p, int i, int role, struct doc *d)
{
    bool needed = false, drains = false;
    if (role == p->entry) {
        needed = !plan_unlisted(p, i);
        drains = true;
    } else if (p->targets >> role & 1) {
        needed = !bug(UNDRAINED) && plan_named_by_any(p, i, role);
        drains = !bug(UNDRAINED);
    }
    if (!needed && (!drains || drained(p->h[i], role))) {
        return;
    }
    d->roles |= 1ull << role;
    d->drain |= needed ? 0 : 1ull << role;
}

static void doc_roles(struct planner *p, int i, struct doc *d)
{
    const struct doc *possible[PENDING_MAX + 1];
    int n = plan_possible(p->h[i], possible);
    uint64_t has = 0;
    for (int k = 0; k < n; k++) {
        has |= possible[k]->roles;
    }
    d->roles = p->pl.roles[i]; /* R1 */
    for (int r = 0; r < p->t->n_roles; r++) {
        if ((has >> r & 1) && !(p->pl.roles[i] >> r & 1)) {
            keep_or_drain(p, i, r, d); /* R2, R3 */
        }
    }
}

static void doc_code(struct planner *p, int i, struct doc *d)
{
    if (!p->t->code || d->roles == 0) {
        return;
    }
    d->code = p->codes;
    const struct doc *possible[PENDING_MAX + 1];
    int n = p->unknown_entry ? plan_possible(p->h[i], possible) : 0;
    while (n-- > 0) { /* A6 */
        for (int64_t k = 0; k < possible[n]->code.n; k++) {
            set_add(&d->code, possible[n]->code.id[k]);
        }
    }
}

/* The version and the names change together (A3, A4, N4, N5). */
static void doc_entry(struct planner *p, int i, struct doc *d)
{
    if (p->entry < 0 || !doc_has(d, p->entry)) {
        return;
    }
    const struct doc *newest = plan_newest(p->h[i]);
    const struct doc *now = doc_has(newest, p->entry) ? newest : NULL;
    d->route = p->route;
    if (now && now->route != p->route && p->t->code && !set_has(&p->h[i]->r.staged, p->route)) {
        d->route = now->route; /* the proxy itself has to know the files first */
    }
    if (plan_names(p, i, d->route, d->names)) {
        return;
    }
    if (!now) {
        d->roles &= ~(1ull << p->entry);
        d->drain &= ~(1ull << p->entry);
        d->route = 0;
        memset(d->names, 0, sizeof d->names);
        return;
    }
    d->route = now->route;
    if (!plan_names(p, i, d->route, d->names)) {
        memcpy(d->names, now->names, sizeof d->names);
    }
}

static void doc_probe(struct planner *p, int i, struct doc *d)
{
    int64_t v = p->s->want.code;
    bool open = p->probe_op != 0 && !p->probe_ok && !p->probe_bad;
    if (open && i == p->canary && set_has(&p->h[i]->r.staged, v)) {
        d->probe_version = v;
        d->probe_op = p->probe_op;
    }
}

static void doc_pair(struct planner *p, const struct doc *roles, struct doc *d)
{
    for (int r = 0; r < p->t->n_roles; r++) {
        if (doc_has(roles, r) && (p->t->roles[r].flags & (ROLE_PAIR | ROLE_USES_PAIR))) {
            d->primary = p->s->facts[FACT_PRIMARY].v.node;
            d->holders = p->holders;
        }
    }
}

static struct doc *make_doc(struct planner *p, int i)
{
    struct doc *d = xcalloc(1, sizeof *d);
    doc_roles(p, i, d);
    doc_entry(p, i, d);
    doc_code(p, i, d);
    if (d->roles == 0) {
        return d;
    }
    bool new_settings = p->settings_ok || i == p->canary;
    d->settings = new_settings && !p->settings_bad ? p->s->want.settings : p->s->good.settings;
    for (int k = 0; k < p->s->n_nodes; k++) {
        if (p->s->nodes[k].status == NODE_UP) {
            set_add(&d->callers, p->s->nodes[k].id);
        }
    }
    doc_probe(p, i, d);
    doc_pair(p, d, d);
    return d;
}

void plan_documents(struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (plan_up(p, i)) {
            struct doc *d = make_doc(p, i);
            struct action *a = plan_add(p, ACT_DOC);
            a->node = p->s->nodes[i].id;
            a->doc = d;
        }
    }
}

/* X5: its successors serve. */
static bool replaced(const struct planner *p, int purpose)
{
    if (!p->running || bug(LOST_NOW)) {
        return true;
    }
    if (service_type_has(p->t, purpose, ROLE_STATEFUL)) {
        return false; /* its data may be the last: only the cloud may say that it is gone */
    }
    if (p->pl.create[purpose] > 0) {
        return false;
    }
    for (int i = 0; i < p->s->n_nodes; i++) {
        bool kept = p->pl.kept[i] && p->s->nodes[i].role == purpose;
        if (kept && (p->rank[i] != RANK_GOOD || !plan_settled(p->h[i]))) {
            return false;
        }
    }
    return true;
}

static bool named(const struct planner *p, int i)
{
    for (int r = 0; r < p->t->n_roles && !bug(DESTROY_NAMED); r++) {
        for (int k = 0; (p->targets >> r & 1) && k < p->s->n_nodes; k++) {
            if (k != i && plan_may_name(p, k, i, r)) {
                return true;
            }
        }
    }
    return false;
}

static const char *why_destroy(const struct planner *p, int i)
{
    const struct node *n = &p->s->nodes[i];
    if (n->status != NODE_UP) { /* X1 */
        return p->rank[i] == RANK_LOST ? "it did not boot in time" : "it is not needed any more";
    }
    if ((p->entry >= 0 && !plan_unlisted(p, i)) || named(p, i)) { /* X2, X3 */
        return NULL;
    }
    if (plan_up(p, i)) { /* X4 */
        return plan_settled(p->h[i]) && p->h[i]->r.applied.roles == 0 ? "removed" : NULL;
    }
    if (p->rank[i] == RANK_SICK || p->rank[i] == RANK_LOST) {
        const char *why = p->rank[i] == RANK_LOST ? "lost: neither manager nor director hears it" : "sick";
        return replaced(p, n->role) ? why : NULL;
    }
    return NULL;
}

void plan_destroys(struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (!p->pl.victim[i] || p->rank[i] == RANK_LEAVING) {
            continue;
        }
        const char *why = why_destroy(p, i);
        if (why) {
            struct action *a = plan_add(p, ACT_DESTROY);
            a->node = p->s->nodes[i].id;
            (void)str_copy(a->why, sizeof a->why, why);
        }
    }
}
