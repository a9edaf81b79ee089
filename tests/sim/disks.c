/*
 * Disks that outlive machines: what the cloud does about volumes, and the data on them (U rules).
 *
 * A disk is attached to one machine at a time; the dead hold nothing. What a member of a cluster with volumes has is on
 * its disk: a machine that gets the disk has that position.
 */
#include <string.h>

#include "sim.h"

static struct disk *by_token(struct world *w, const char *token)
{
    for (int i = 1; i <= w->n_disks; i++) {
        if (w->disks[i].exists && str_eq(w->disks[i].token, token)) {
            return &w->disks[i];
        }
    }
    return NULL;
}

static struct disk *by_id(struct world *w, const char *cloud_id)
{
    int64_t id = 0;
    bool ok = cloud_id[0] == 'd' && str_to_int(cloud_id + 1, 1, w->n_disks, &id) == 0;
    return ok && w->disks[id].exists ? &w->disks[id] : NULL;
}

struct disk *disk_of(struct world *w, int64_t volume)
{
    for (int i = w->n_disks; i > 0; i--) {
        if (w->disks[i].exists && w->disks[i].volume == volume) {
            return &w->disks[i];
        }
    }
    return NULL;
}

/* The machine that has it. */
static struct vm *holder(struct world *w, const struct disk *d)
{
    struct vm *v = d->vm ? w->vm[d->vm] : NULL;
    return v && v->exists ? v : NULL;
}

/* After a restore records are older than what is; then the cloud is the last judge. */
static bool excused(struct world *w)
{
    return is_lying(w) || w->reconciled_ms != 0 || w->recovery;
}

static void make(struct world *w, const struct volume *v, int svc)
{
    if (by_token(w, v->token) && w->pf.idempotent_cloud) {
        return;
    }
    struct disk *old = by_token(w, v->token);
    if (old && !old->looked && !excused(w)) {
        bad(w, "U2 volume %lld is made a second time without a look", (long long)v->id);
    }
    if (old || w->n_disks == DISKS_MAX - 1) {
        return;
    }
    struct disk *d = &w->disks[++w->n_disks];
    memset(d, 0, sizeof *d);
    d->exists = true;
    d->svc = svc;
    d->volume = v->id;
    d->born_ms = w->now;
    d->position = -1;
    (void)str_copy(d->token, sizeof d->token, v->token);
    SAY(w, "cloud: disk %d for volume %lld", w->n_disks, (long long)v->id);
}

static int attach(struct world *w, const struct volume *v)
{
    struct disk *d = by_id(w, v->cloud_id);
    const struct service *s = &w->db.s[d ? d->svc : 0];
    const struct node *n = service_node((struct service *)s, v->node);
    struct vm *to = n ? w->vm[vm_from_cloud_id(n->cloud_id)] : NULL;
    if (!d || !to || !to->exists) {
        return CLOUD_NOTFOUND;
    }
    struct vm *now = holder(w, d);
    if (now && now != to) {
        if (!excused(w)) {
            bad(w, "U4 volume %lld is attached to machine %d while machine %d has it", (long long)v->id,
                to->id, now->id);
        }
        return CLOUD_CONFLICT;
    }
    d->vm = to->id;
    SAY(w, "cloud: disk of volume %lld is at machine %d", (long long)v->id, to->id);
    return CLOUD_OK;
}

static bool in_use(const struct vm *v, int64_t volume)
{
    return v && v->run && set_has(&v->applied.volumes, volume);
}

static int detach(struct world *w, const struct volume *v)
{
    struct disk *d = by_id(w, v->cloud_id);
    if (!d) {
        return CLOUD_NOTFOUND;
    }
    if (in_use(holder(w, d), v->id)) {
        if (!excused(w)) {
            bad(w, "U4 volume %lld is detached while machine %d uses it", (long long)v->id, d->vm);
        }
        return CLOUD_CONFLICT;
    }
    d->vm = 0;
    return CLOUD_OK;
}

static int erase(struct world *w, const struct volume *v)
{
    struct disk *d = by_id(w, v->cloud_id);
    if (!d) {
        return CLOUD_NOTFOUND;
    }
    if (holder(w, d)) {
        if (!excused(w)) {
            bad(w, "U4 volume %lld is deleted while machine %d has it", (long long)v->id, d->vm);
        }
        return CLOUD_CONFLICT;
    }
    d->exists = false;
    return CLOUD_OK;
}

static int carry_out(struct world *w, int svc, const struct volume *v, enum cloud_step step)
{
    switch (step) {
    case STEP_VOL_CREATE:
        make(w, v, svc);
        return CLOUD_OK;
    case STEP_VOL_FIND:
        if (by_token(w, v->token)) {
            by_token(w, v->token)->looked = true;
        }
        return by_token(w, v->token) ? CLOUD_OK : CLOUD_NOTFOUND;
    case STEP_VOL_ATTACH:
        return attach(w, v);
    case STEP_VOL_DETACH:
        return detach(w, v);
    default:
        return erase(w, v);
    }
}

static void reply(struct world *w, struct event *e)
{
    if (w->dir_down || e->b != w->dir_inc) {
        return;
    }
    struct truth t;
    struct effects x;
    dir_begin(w, e->a, &t, &x);
    truth_volume_outcome(&t, e->x, e->p);
    dir_commit(w, e->a, &t);
}

/* A call takes effect when it is made; it may fail before or after that, or its outcome is never heard. */
void disk_do(struct world *w, int svc, const struct cloud_task *t)
{
    static const int wrong[] = {CLOUD_RETRY,
                                CLOUD_THROTTLED,
                                CLOUD_CONFLICT,
                                CLOUD_CAPACITY,
                                CLOUD_UNKNOWN,
                                CLOUD_PERMANENT,
                                1 /* mute */};
    const struct volume *v = service_volume(&w->db.s[svc], t->volume);
    struct cloud_outcome o = {.step = t->step};
    bool errs = chance(w, w->pf.cloud_bad);
    int result = errs ? wrong[rnd(w, (int)ARRAY_LEN(wrong))] : CLOUD_OK;
    bool doubtful = result == CLOUD_UNKNOWN || result == 1;
    if (!errs || (doubtful && rnd(w, 2))) {
        int done = carry_out(w, svc, v, t->step);
        result = errs ? result : done;
    }
    if (t->step == STEP_VOL_CREATE && w->disk_doubts > 0) {
        w->disk_doubts--;
        result = CLOUD_UNKNOWN;
    }
    const struct disk *d = by_token(w, v->token);
    if (d) {
        snprintf(o.cloud_id, sizeof o.cloud_id, "d%d", (int)(d - w->disks));
    }
    if (result == 1) {
        return;
    }
    o.result = result;
    struct event *e = at(w, between(w, 200, 3 * SECOND), reply, svc, w->dir_inc);
    e->x = v->id;
    e->p = xmemdup(&o, sizeof o);
}

/* U6, U7: it was asked for, or its place is not wanted any more. */
void disks_doomed(struct world *w, int svc, const struct volume *v)
{
    const struct service *s = &w->db.s[svc];
    struct disk *d = disk_of(w, v->id);
    bool may = s->deleting || !v->data || (s->want.run == RUN_RUNNING && s->converged);
    if (d && !d->doomed && !may && !excused(w)) {
        bad(w, "U7 volume %lld is to be deleted although it is wanted", (long long)v->id);
    }
    if (d) {
        d->doomed = true;
    }
}

/* ---- on the machine ---- */

static struct disk *data_disk(struct world *w, const struct vm *v, const struct doc *d)
{
    for (int64_t i = 0; i < d->volumes.n; i++) {
        struct disk *disk = disk_of(w, d->volumes.id[i]);
        if (disk && disk->vm == v->id) {
            return disk;
        }
    }
    return NULL;
}

bool disks_there(struct world *w, const struct vm *v, const struct doc *d)
{
    for (int64_t i = 0; i < d->volumes.n; i++) {
        const struct disk *disk = disk_of(w, d->volumes.id[i]);
        if (!disk || disk->vm != v->id) {
            return false;
        }
    }
    return true;
}

void disks_applied(struct world *w, struct vm *v, const struct doc *old, const struct doc *d)
{
    const struct service_type *t = w->db.s[v->svc].type;
    struct disk *disk = data_disk(w, v, d);
    for (int r = 0; r < t->n_roles; r++) {
        if (t->roles[r].volume.name && doc_has(d, r) && !disk && !excused(w)) {
            bad(w, "U5 node %lld has role %s without its volume", (long long)v->node, t->roles[r].name);
        }
    }
    if (disk && old->volumes.n == 0 && disk->position > v->position) {
        v->position = disk->position;
        SAY(w, "node %lld finds position %lld on its disk", (long long)v->node, (long long)v->position);
    }
}

void disk_keep(struct world *w, const struct vm *v)
{
    struct disk *disk = v->svc >= 0 ? data_disk(w, v, &v->applied) : NULL;
    if (disk) {
        disk->position = v->position;
    }
}

/* U8: what is on disks that no member has must not be older data's loss. */
void disks_check_start(struct world *w, const struct vm *v, bool first)
{
    for (int i = 1; i <= w->n_disks; i++) {
        const struct disk *d = &w->disks[i];
        const struct volume *of =
            d->svc == v->svc && d->exists ? service_volume(&w->db.s[v->svc], d->volume) : NULL;
        if (!of || !of->data || of->doomed || !volume_target(&w->db.s[v->svc], of) || excused(w)) {
            continue;
        }
        if (first && d->position > 0) {
            bad(w, "U8 node %lld bootstraps a cluster while volume %lld has data", (long long)v->node,
                (long long)of->id);
        } else if (!first && d->position > v->position) {
            bad(w, "U8 recovery from %lld while volume %lld has %lld", (long long)v->position,
                (long long)of->id, (long long)d->position);
        }
    }
}

/* Every place that is wanted has at most one volume of the role, and every disk a record. */
void disks_check(struct world *w)
{
    for (int i = 1; i <= w->n_disks; i++) {
        const struct disk *d = &w->disks[i];
        bool known = d->exists && service_volume(&w->db.s[d->svc], d->volume);
        if (d->exists && !known && !excused(w)) {
            bad(w, "U9 disk %d has no record", i);
        }
    }
    for (int k = 0; k < w->db.n; k++) {
        const struct service *s = &w->db.s[k];
        for (int i = 0; i < s->n_volumes; i++) {
            for (int j = 0; j < i; j++) {
                const struct volume *a = &s->volumes[i], *b = &s->volumes[j];
                if (a->data && b->data && !a->doomed && !b->doomed && a->role == b->role &&
                    a->slot == b->slot) {
                    bad(w, "U1 a place of service %d has two volumes", k);
                }
            }
        }
    }
}
