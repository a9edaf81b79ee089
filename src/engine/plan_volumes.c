/*
 * U: which volumes a node is to use, when one may leave it, and what has to wait for one.
 */
#include "engine/plan_ctx.h"

static bool stays(const struct ctx *c, const struct volume *v)
{
    const struct node *to = volume_target(c->s, v);
    return to && to->id == v->node;
}

bool role_has_volume(const struct ctx *c, int role)
{
    return c->t->roles[role].volume.name != NULL;
}

/* U5 */
bool volume_ready(const struct ctx *c, const struct pn *p, int role)
{
    bool there = !role_has_volume(c, role) || bug(VOLUME_LATE);
    for (int i = 0; i < c->s->n_volumes && !there; i++) {
        const struct volume *v = &c->s->volumes[i];
        there = v->data && v->role == role && v->node == p->n->id && v->status == VOLUME_ATTACHED;
    }
    return there;
}

/* A user's volume leaves its documents when it is to leave the node; a role's only goes with the node itself. What a
 * restored director does not know to be attached stays as it is (T7). */
void choose_volumes(const struct ctx *c, const struct pn *p, struct doc *d)
{
    for (int i = 0; i < c->s->n_volumes; i++) {
        const struct volume *v = &c->s->volumes[i];
        bool here = v->node == p->n->id && v->status == VOLUME_ATTACHED;
        bool needed = v->data && (doc_has(d, v->role) || may_have(p, v->role));
        if (here && (needed || stays(c, v)) && d->volumes.n < NODES_MAX) {
            set_add(&d->volumes, v->id);
        }
    }
    for (int r = 0; r < c->t->n_roles; r++) {
        if (!doc_has(d, r) || volume_ready(c, p, r)) {
            continue;
        }
        if (doc_has(poss_newest(p), r)) {
            d->volumes = poss_newest(p)->volumes;
            return;
        }
        d->roles &= ~(1ull << r);
    }
}

static bool may_use(const struct pn *p, int64_t volume)
{
    int n = poss_n(p);
    for (int k = 0; k < n; k++) {
        if (set_has(&poss_at(p, k)->volumes, volume)) {
            return true;
        }
    }
    return n < 0;
}

/* U4 */
void plan_release(struct ctx *c)
{
    for (int i = 0; i < c->s->n_volumes; i++) {
        const struct volume *v = &c->s->volumes[i];
        int at = v->node ? ctx_index(c, v->node) : -1;
        bool leaves = v->status == VOLUME_ATTACHED && !stays(c, v) && at >= 0;
        if (leaves && c->x[at].up && (!may_use(&c->x[at], v->id) || bug(VOLUME_RELEASED))) {
            plan_add(c, ACT_RELEASE)->volume = v->id;
        }
    }
}

/* Every wanted place of the role is filled by others: what is on it counts no more (U6 takes it when all is well). */
static bool is_surplus(const struct ctx *c, const struct volume *v)
{
    int filled = 0;
    for (int i = 0; i < c->n; i++) {
        filled += c->x[i].n->role == v->role && c->x[i].n->slot != 0 && node_alive(c->x[i].n);
    }
    return !volume_target(c->s, v) && filled >= c->s->want.counts[v->role];
}

/* U8: every volume that may hold data of the cluster is with a member that has it, has the role, and is at rest, so that
 * its position counts. Members that are up with a volume of their own from the start are looked at without this. */
bool volumes_seen(struct ctx *c, int role)
{
    bool data = false; /* that somebody has */
    for (int i = 0; i < c->n; i++) {
        data = data || (c->x[i].n->role == role && c->x[i].up && c->x[i].a->r.position >= 0);
    }
    for (int i = 0; i < c->s->n_volumes && !bug(VOLUME_UNSEEN); i++) {
        const struct volume *v = &c->s->volumes[i];
        int at = v->node ? ctx_index(c, v->node) : -1;
        const struct pn *p = at >= 0 && c->x[at].up ? &c->x[at] : NULL;
        bool attached = v->status == VOLUME_ATTACHED;
        bool counts = v->data && v->role == role && !v->doomed && (v->used || (attached && !p)) &&
                      !(!p && data && is_surplus(c, v));
        bool seen = p && attached && set_has(&p->a->r.applied.volumes, v->id) &&
                    doc_has(&p->a->r.applied, role) && p->a->r.health[role] == HEALTH_DOWN;
        if (counts && !seen) {
            plan_waits(c, "volume %lld, which may hold the newest data", (long long)v->id);
            return false;
        }
    }
    return true;
}

bool has_used_volume(const struct ctx *c, int role, const struct pn *p)
{
    for (int i = 0; i < c->s->n_volumes && !bug(VOLUME_UNSEEN); i++) {
        const struct volume *v = &c->s->volumes[i];
        if (v->data && v->role == role && v->used && !v->doomed && (!p || v->node == p->n->id)) {
            return true;
        }
    }
    return false;
}

/* A volume that shall be somewhere is there and in use; one that shall not is nowhere. */
bool volume_settled(const struct ctx *c, const struct volume *v)
{
    const struct node *to = volume_target(c->s, v);
    int at = to ? ctx_index(c, to->id) : -1;
    if (!to) {
        return v->node == 0 && !v->doomed && v->status == VOLUME_AVAILABLE;
    }
    return at >= 0 && v->node == to->id && v->status == VOLUME_ATTACHED && c->x[at].up &&
           is_settled(&c->x[at]) && set_has(&c->x[at].a->r.applied.volumes, v->id);
}

bool volumes_ok(struct ctx *c)
{
    for (int i = 0; i < c->s->n_volumes; i++) {
        const struct volume *v = &c->s->volumes[i];
        if (v->data ? volume_target(c->s, v) && !volume_settled(c, v) : !volume_settled(c, v)) {
            plan_waits(c, "volume %s", v->name);
            return false;
        }
    }
    return true;
}
