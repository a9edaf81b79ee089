/*
 * Whom proxies name (N rules) and which proxies are entry points (E rules).
 */
#include <string.h>

#include "engine/bug.h"
#include "engine/plan_int.h"

/* N6: the target's firewall lets the proxy in, in all possible documents. */
static bool lets_in(const struct planner *p, int i, int64_t proxy)
{
    const struct doc *d[PENDING_MAX + 1];
    int n = plan_possible(p->h[i], d);
    if (p->s->nodes[i].id == proxy || bug(NO_CALLERS)) {
        return true;
    }
    for (int k = 0; k < n; k++) {
        if (!set_has(&d[k]->callers, proxy)) {
            return false;
        }
    }
    return n > 0;
}

/* N1 */
static bool qualifies(const struct planner *p, int i, int role, int64_t version, int64_t proxy)
{
    return plan_healthy(p, i, role) && plan_must(p, i, role, plan_version_of(p, role, version)) && lets_in(p, i, proxy);
}

/* N4: of the names it has now, those that may still serve. */
static void keep_names(const struct planner *p, const struct id_set *now, int role, int64_t version,
                       struct id_set *ret)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct node *n = &p->s->nodes[i];
        bool lost_it = plan_up(p, i) && !plan_must(p, i, role, plan_version_of(p, role, version));
        if (set_has(now, n->id) && n->status == NODE_UP && !lost_it) {
            set_add(ret, n->id);
        }
    }
}

static void names_of_role(const struct planner *p, int proxy, const struct doc *now, int role, int64_t version,
                          struct id_set *ret)
{
    int64_t id = p->s->nodes[proxy].id;
    for (int i = 0; i < p->s->n_nodes; i++) {
        bool wanted = p->pl.roles[i] >> role & 1;
        if (wanted && (bug(NAME_UNAPPLIED) ? plan_up(p, i) : qualifies(p, i, role, version, id))) {
            set_add(ret, p->s->nodes[i].id);
        }
    }
    if ((ret->n < p->need[role] || !p->running) && !bug(SHRINK_FIRST)) { /* N2: grow before shrink */
        for (int i = 0; i < p->s->n_nodes; i++) {
            if (!(p->pl.roles[i] >> role & 1) && qualifies(p, i, role, version, id)) {
                set_add(ret, p->s->nodes[i].id);
            }
        }
    }
    if (ret->n == 0 && now) {
        keep_names(p, &now->names[role], role, version, ret);
    }
}

bool plan_names(const struct planner *p, int proxy, int64_t version, struct id_set ret[ROLES_MAX])
{
    const struct doc *now = p->h[proxy] ? plan_newest(p->h[proxy]) : NULL;
    now = now && doc_has(now, p->entry) ? now : NULL;
    memset(ret, 0, ROLES_MAX * sizeof ret[0]);
    for (int r = 0; r < p->t->n_roles; r++) {
        if (p->targets >> r & 1) {
            names_of_role(p, proxy, now, r, version, &ret[r]);
            if (ret[r].n == 0) {
                return false;
            }
        }
    }
    return true;
}

/* E2: it serves what it was told, and each class of its applied names contains a target that qualifies now. */
static bool entry_ready(const struct planner *p, int i)
{
    const struct have_node *a = p->h[i];
    if (!plan_healthy(p, i, p->entry) || !plan_settled(a) || !doc_serves(&a->r.applied, p->entry)) {
        return false;
    }
    const struct doc *d = &a->r.applied;
    for (int r = 0; r < p->t->n_roles && !bug(STALE_ENTRY); r++) {
        if (!(p->targets >> r & 1)) {
            continue;
        }
        bool any = false;
        for (int k = 0; k < p->s->n_nodes; k++) {
            any = any || (set_has(&d->names[r], p->s->nodes[k].id) &&
                          qualifies(p, k, r, d->route, p->s->nodes[i].id));
        }
        if (!any) {
            return false;
        }
    }
    return true;
}

/* E1, E3 */
static void choose_entries(struct planner *p, const struct id_set *listed)
{
    int wanted = p->pl.create[p->entry] > 0 ? p->pl.create[p->entry] : 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->pl.roles[i] >> p->entry & 1) {
            wanted++;
            if (entry_ready(p, i)) {
                set_add(&p->new_entries, p->s->nodes[i].id);
            }
        }
    }
    bool none = p->new_entries.n == 0;
    if (p->new_entries.n >= wanted && !none) {
        return;
    }
    for (int i = 0; i < p->s->n_nodes; i++) {
        bool works = plan_up(p, i) && entry_ready(p, i);
        if (set_has(listed, p->s->nodes[i].id) && p->s->nodes[i].status == NODE_UP && (works || none)) {
            set_add(&p->new_entries, p->s->nodes[i].id);
        }
    }
    if (p->new_entries.n == 0) {
        p->new_entries = *listed; /* never an empty list while running: there is nothing better to say */
    }
}

void plan_entries(struct planner *p)
{
    if (p->entry < 0) {
        return;
    }
    const struct fact *f = &p->s->facts[FACT_ENTRIES];
    bool differs = false;
    p->maybe_entries = f->v.ids;
    if (p->running) {
        choose_entries(p, &f->v.ids);
    }
    for (int k = 0; k < p->have->n_flying && !bug(PUBLISH_FORGOTTEN); k++) { /* F9 */
        const struct have_publish *x = &p->have->flying[k];
        if (x->fact != FACT_ENTRIES || x->rev != f->rev) {
            continue;
        }
        differs = differs || !set_equal(&x->value.ids, &p->new_entries);
        for (int64_t i = 0; i < x->value.ids.n; i++) {
            set_add(&p->maybe_entries, x->value.ids.id[i]);
        }
    }
    if (differs || !set_equal(&f->v.ids, &p->new_entries)) {
        struct action *a = plan_add(p, ACT_PUBLISH);
        a->fact = FACT_ENTRIES;
        a->rev = f->rev;
        a->value.ids = p->new_entries;
    }
}
