/*
 * Questions about what nodes may be running: everything is asked of all possible documents (F7).
 */
#include "engine/bug.h"
#include "engine/plan_int.h"

int plan_possible(const struct have_node *a, const struct doc *ret[PENDING_MAX + 1])
{
    if (!a || !a->claimed) {
        return 0;
    }
    int n = 0;
    ret[n++] = &a->r.applied;
    for (int k = 0; k < a->n_pending && !bug(APPLIED_ONLY); k++) {
        ret[n++] = &a->pending[k].doc;
    }
    return n;
}

const struct doc *plan_newest(const struct have_node *a)
{
    return a->n_pending > 0 ? &a->pending[a->n_pending - 1].doc : &a->r.applied;
}

bool plan_settled(const struct have_node *a)
{
    return a && a->claimed && a->n_pending == 0;
}

bool plan_healthy(const struct planner *p, int i, int role)
{
    return plan_up(p, i) && p->h[i]->r.health[role] == HEALTH_OK;
}

int64_t plan_version_of(const struct planner *p, int role, int64_t version)
{
    return service_type_has(p->t, role, ROLE_SERVES_CODE) ? version : 0;
}

bool plan_must(const struct planner *p, int i, int role, int64_t version)
{
    const struct doc *d[PENDING_MAX + 1];
    int n = plan_possible(p->h[i], d);
    for (int k = 0; k < n; k++) {
        if (!doc_serves(d[k], role) || (version != 0 && !set_has(&d[k]->code, version))) {
            return false;
        }
    }
    return n > 0 && (version == 0 || set_has(&p->h[i]->r.staged, version));
}

bool plan_may_entry(const struct planner *p, int i)
{
    const struct node *n = &p->s->nodes[i];
    if (p->entry < 0 || (n->status != NODE_UP && n->status != NODE_DYING)) {
        return false;
    }
    if (n->status == NODE_DYING && !set_has(&p->maybe_entries, n->id)) {
        return false; /* fenced: unlisted and being killed (R2) */
    }
    const struct doc *d[PENDING_MAX + 1];
    int k = plan_possible(p->h[i], d);
    if (k == 0) {
        return !bug(FORGET_UNKNOWN) && (n->role == p->entry || n->role == p->t->host);
    }
    while (k-- > 0) {
        if (doc_has(d[k], p->entry)) {
            return true;
        }
    }
    return false;
}

bool plan_may_name(const struct planner *p, int proxy, int i, int role)
{
    if (!plan_may_entry(p, proxy)) {
        return false;
    }
    const struct doc *d[PENDING_MAX + 1];
    int n = plan_possible(p->h[proxy], d);
    for (int k = 0; k < n; k++) {
        if (doc_has(d[k], p->entry) && set_has(&d[k]->names[role], p->s->nodes[i].id)) {
            return true;
        }
    }
    return n == 0; /* an unclaimed proxy may name everything */
}

bool plan_named_by_any(const struct planner *p, int i, int role)
{
    for (int k = 0; k < p->s->n_nodes; k++) {
        if (plan_may_name(p, k, i, role)) {
            return true;
        }
    }
    return false;
}

bool plan_unlisted(const struct planner *p, int i)
{
    int64_t id = p->s->nodes[i].id;
    return !set_has(&p->maybe_entries, id) && !set_has(&p->new_entries, id);
}
