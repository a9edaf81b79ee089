/*
 * N and E: what the entries name, and which entries are published.
 */
#include <string.h>

#include "engine/plan_ctx.h"

void plan_names_init(struct ctx *c)
{
    c->maybe_entries = c->s->facts[FACT_ENTRIES].v.ids;
    for (int i = 0; i < c->have->n_flying && !bug(PUBLISH_FORGOTTEN); i++) { /* F9 */
        const struct have_publish *p = &c->have->flying[i];
        bool counts = p->fact == FACT_ENTRIES && p->rev == c->s->facts[FACT_ENTRIES].rev;
        for (int64_t k = 0; counts && k < p->value.ids.n; k++) {
            if (c->maybe_entries.n < NODES_MAX) {
                set_add(&c->maybe_entries, p->value.ids.id[k]);
            }
        }
    }
    for (int r = 0; r < c->t->n_roles; r++) { /* N3 */
        int wanted = bug(ONE_IS_ENOUGH) ? 0 : c->place.create[r];
        for (int i = 0; i < c->n && !bug(ONE_IS_ENOUGH); i++) {
            wanted += c->x[i].wanted >> r & 1;
        }
        c->need[r] = wanted > 1 ? wanted : 1;
    }
}

/* The newest document of the proxy that has the entry role. */
static const struct doc *newest_entry_doc(const struct ctx *c, const struct pn *proxy)
{
    for (int k = poss_n(proxy) - 1; k >= 0; k--) {
        if (doc_has(poss_at(proxy, k), c->entry)) {
            return poss_at(proxy, k);
        }
    }
    return NULL;
}

/* N8: a node that only this manager does not hear goes on, since those that use it have checks of their own; so does
 * one that is sick in another role, or that is given up because only the director hears it, until it is replaced. */
bool still_serves(const struct pn *p, int role)
{
    bool heard =
        p->rank == RANK_UNKNOWN || p->rank == RANK_SICK || (p->rank == RANK_LOST && p->director_hears);
    bool usable = p->up || (heard && p->a && p->a->claimed);
    return usable && p->a->r.health[role] == HEALTH_OK;
}

/* N8: given up because only the director hears it, and it has never reported to this manager: it goes on. */
static bool stays_unclaimed(const struct pn *p)
{
    return p->rank == RANK_LOST && p->director_hears && !(p->a && p->a->claimed) && !bug(UNNAMES_UNCLAIMED);
}

/* N1, N6, N7 */
static bool may_be_named(const struct ctx *c, const struct pn *proxy, const struct pn *p, int role,
                         int64_t version, const struct doc *now)
{
    if (bug(NAME_UNAPPLIED)) {
        return p->up && (p->wanted >> role & 1);
    }
    if (bug(WHOLE_HASH) && !is_settled(p)) {
        return false;
    }
    bool named = now && set_has(&now->names[role], p->n->id);
    if (named && stays_unclaimed(p) && (version == 0 || version == now->route)) {
        return true;
    }
    if (!(named ? still_serves(p, role) : is_healthy(p, role))) {
        return false;
    }
    if (!must(p, role, bug(FLIP_UNSTAGED) ? 0 : version, proxy->n->id)) {
        return false;
    }
    return named || !(c->uses_pair >> role & 1) || pair_reached(c, p);
}

/* N4: what is named now and may still serve, rather than nothing; a version that it is not known to have it does not
 * serve, but for the one that is routed to it now. */
static void keep_names(const struct ctx *c, const struct doc *now, int role, int64_t version,
                       struct id_set *ret)
{
    bool same = version == 0 || version == now->route || bug(KEEP_BLIND);
    for (int64_t k = 0; k < now->names[role].n; k++) {
        int i = ctx_index(c, now->names[role].id[k]);
        if (i >= 0 && c->x[i].n->status == NODE_UP &&
            ((!c->x[i].up && same) || must(&c->x[i], role, version, 0))) {
            set_add(ret, c->x[i].n->id);
        }
    }
}

static void names_of_role(const struct ctx *c, const struct pn *proxy, int role, int64_t version,
                          struct id_set *ret)
{
    const struct doc *now = newest_entry_doc(c, proxy);
    bool formed = c->boot != role || c->s->facts[FACT_CLUSTER].v.state == CLUSTER_FORMED; /* M2 */
    for (int i = 0; formed && i < c->n; i++) {
        const struct pn *p = &c->x[i];
        if ((p->wanted >> role & 1) && may_be_named(c, proxy, p, role, version, now)) {
            set_add(ret, p->n->id);
        }
    }
    bool more = formed && (ret->n < c->need[role] || !c->running) && !bug(SHRINK_FIRST);
    for (int i = 0; more && i < c->n; i++) { /* N2 */
        const struct pn *p = &c->x[i];
        if (!(p->wanted >> role & 1) && p->rank < RANK_LEAVING &&
            may_be_named(c, proxy, p, role, version, now)) {
            set_add(ret, p->n->id);
        }
    }
    if (ret->n == 0 && now) {
        keep_names(c, now, role, version, ret);
    }
}

bool names_for(const struct ctx *c, const struct pn *proxy, int64_t version, struct doc *d)
{
    memset(d->names, 0, sizeof d->names);
    for (int r = 0; r < c->t->n_roles; r++) {
        if (!(c->targets >> r & 1)) {
            continue;
        }
        int64_t v = c->serves_code >> r & 1 ? version : 0;
        names_of_role(c, proxy, r, v, &d->names[r]);
        if (d->names[r].n == 0) {
            return false;
        }
    }
    return true;
}

/* ---- entries ---- */

/* Each class of the document has a target that qualifies now (E2). */
static bool doc_leads_somewhere(const struct ctx *c, const struct pn *p, const struct doc *d)
{
    for (int r = 0; r < c->t->n_roles && !bug(STALE_ENTRY); r++) {
        bool served = !(c->targets >> r & 1);
        int64_t v = c->serves_code >> r & 1 ? d->route : 0;
        for (int64_t k = 0; !served && k < d->names[r].n; k++) {
            int i = ctx_index(c, d->names[r].id[k]);
            served = i >= 0 && still_serves(&c->x[i], r) && must(&c->x[i], r, v, p->n->id);
        }
        if (!served) {
            return false;
        }
    }
    return true;
}

/* E1: a listed entry that works stays, whatever is on its way to it; also one that only this manager does not hear
 * (N8). */
static bool entry_works(const struct ctx *c, const struct pn *p)
{
    bool listed = set_has(&c->s->facts[FACT_ENTRIES].v.ids, p->n->id);
    if (!(listed ? still_serves(p, c->entry) : is_healthy(p, c->entry))) {
        return false;
    }
    for (int k = 0; k < poss_n(p); k++) {
        if (!doc_serves(poss_at(p, k), c->entry) || !doc_leads_somewhere(c, p, poss_at(p, k))) {
            return false;
        }
    }
    return true;
}

/* E2: a new one also has to be settled. */
static bool entry_ready(const struct ctx *c, const struct pn *p)
{
    return p->up && is_settled(p) && entry_works(c, p);
}

/* Targets of a role that visitors certainly reach through these entries. */
static int covered(const struct ctx *c, const struct id_set *entries, int role)
{
    int n = 0;
    for (int i = 0; i < c->n; i++) {
        bool reached = false;
        for (int64_t k = 0; !reached && k < entries->n && still_serves(&c->x[i], role); k++) {
            int e = ctx_index(c, entries->id[k]);
            const struct pn *p = e >= 0 ? &c->x[e] : NULL;
            reached = p && entry_works(c, p);
            for (int j = 0; reached && j < poss_n(p); j++) {
                reached = set_has(&poss_at(p, j)->names[role], c->x[i].n->id);
            }
        }
        n += reached;
    }
    return n;
}

/* E4: the new list reaches as many targets as the old one and it together, as far as they are needed. */
static bool covers_as_much(const struct ctx *c, const struct id_set *entries, const struct id_set *listed)
{
    struct id_set both = *entries;
    for (int64_t k = 0; k < listed->n && both.n < NODES_MAX; k++) {
        set_add(&both, listed->id[k]);
    }
    for (int r = 0; r < c->t->n_roles; r++) {
        int now = c->targets >> r & 1 ? covered(c, &both, r) : 0;
        if (now > 0 && covered(c, entries, r) < (now < c->need[r] ? now : c->need[r])) {
            return false;
        }
    }
    return true;
}

static void choose_entries(struct ctx *c, struct id_set *ret)
{
    const struct id_set *listed = &c->s->facts[FACT_ENTRIES].v.ids;
    int wanted = 0;
    for (int i = 0; i < c->n; i++) {
        const struct pn *p = &c->x[i];
        if (!(p->wanted >> c->entry & 1)) {
            continue;
        }
        wanted++;
        if (set_has(listed, p->n->id) ? entry_works(c, p) : entry_ready(c, p)) {
            set_add(ret, p->n->id);
        }
    }
    bool none = ret->n == 0;
    bool missing = ret->n < wanted || c->place.create[c->entry] > 0 || !covers_as_much(c, ret, listed);
    for (int64_t k = 0; missing && k < listed->n; k++) { /* E1 */
        int i = ctx_index(c, listed->id[k]);
        if (i >= 0 && c->x[i].n->status == NODE_UP && (none || entry_works(c, &c->x[i]))) {
            set_add(ret, listed->id[k]);
        }
    }
    if (ret->n == 0) {
        *ret = *listed; /* E3: never an empty list, even when nobody on it lives */
    }
}

void plan_entries(struct ctx *c)
{
    if (c->entry < 0) {
        return;
    }
    const struct fact *f = &c->s->facts[FACT_ENTRIES];
    if (c->running) {
        choose_entries(c, &c->new_entries);
    }
    bool differs = !set_equal(&c->new_entries, &f->v.ids);
    /* F9: publish the present list again to void an older request */
    for (int i = 0; i < c->have->n_flying && !bug(PUBLISH_BLIND); i++) {
        const struct have_publish *p = &c->have->flying[i];
        differs =
            differs || (p->fact == FACT_ENTRIES && p->rev == f->rev && !set_equal(&p->value.ids, &f->v.ids));
    }
    if (differs) {
        struct fact_value v = {.ids = c->new_entries};
        plan_publish(c, FACT_ENTRIES, &v);
    }
}

bool can_unentry(const struct ctx *c, int64_t node)
{
    return c->entry < 0 || (!set_has(&c->maybe_entries, node) && !set_has(&c->new_entries, node));
}
