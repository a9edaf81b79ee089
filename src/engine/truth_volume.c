/*
 * Volumes: the places they belong to, and the steps of each between cloud and node (U rules).
 *
 * A volume is attached to at most one machine: `node` is set before the cloud is asked to attach it, and cleared only
 * when the cloud has confirmed that it is detached.
 */
#include <string.h>

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/truth_int.h"
#include "model/cloud_result.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- records ---- */

static void set_status(struct truth *t, struct volume *v, enum volume_status status)
{
    struct service *s = t->service;
    v->status = status;
    v->retry_ms = t->now_ms;
    if (status == VOLUME_AVAILABLE) {
        v->node = 0;
        v->tries = 0;
    }
    effect_add(t, EFF_VOLUME)->volume = *v;
    if (status == VOLUME_GONE) {
        int64_t at = v - s->volumes;
        memmove(v, v + 1, (size_t)(s->n_volumes - at - 1) * sizeof *v);
        s->n_volumes--;
        memset(&s->volumes[s->n_volumes], 0, sizeof *v);
    }
    truth_touch(t);
}

/* U2: a record before the cloud is asked. */
static struct volume *add(struct truth *t, const char *name, int64_t megabytes)
{
    struct service *s = t->service;
    struct volume *v = &s->volumes[s->n_volumes++];
    memset(v, 0, sizeof *v);
    v->id = (*t->next_id)++;
    v->role = -1;
    v->megabytes = megabytes;
    v->created_ms = v->retry_ms = t->now_ms;
    (void)str_copy(v->name, sizeof v->name, name);
    (void)str_copy(v->cloud, sizeof v->cloud, s->cloud);
    t->token(t->token_arg, v->id, v->token);
    set_status(t, v, VOLUME_INTENT);
    return v;
}

static struct op *op_of(struct truth *t, int64_t volume)
{
    for (int i = 0; i < t->service->n_ops; i++) {
        struct op *o = &t->service->ops[i];
        if (o->facet == FACET_VOLUME && o->volume == volume) {
            return o;
        }
    }
    return NULL;
}

static void end_op(struct truth *t, int64_t volume, const char *kind, enum op_state outcome, const char *why)
{
    struct op *o = op_of(t, volume);
    if (o && (!kind || str_eq(o->kind, kind))) {
        truth_end(t, o, outcome, why, false);
    }
}

/* ---- places ---- */

static struct volume *data_of(struct service *s, int role, int64_t slot)
{
    for (int i = 0; i < s->n_volumes; i++) {
        struct volume *v = &s->volumes[i];
        if (v->data && v->role == role && v->slot == slot && !v->doomed) {
            return v;
        }
    }
    return NULL;
}

static const struct node *in_place(const struct service *s, int role, int64_t slot)
{
    for (int i = 0; i < s->n_nodes; i++) {
        const struct node *n = &s->nodes[i];
        if (n->role == role && n->slot == slot && node_alive(n)) {
            return n;
        }
    }
    return NULL;
}

static int places_filled(const struct service *s, int role)
{
    int filled = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        filled += s->nodes[i].role == role && s->nodes[i].slot != 0 && node_alive(&s->nodes[i]);
    }
    return filled;
}

/* U1: an empty place that owns volumes first, else the lowest number that is free. */
static int64_t free_place(const struct service *s, int role)
{
    int64_t best = 0;
    for (int i = 0; i < s->n_volumes && !bug(VOLUME_FORGOTTEN); i++) {
        const struct volume *v = &s->volumes[i];
        bool empty = v->role == role && v->slot != 0 && !v->doomed && !in_place(s, role, v->slot);
        if (empty && (best == 0 || v->slot < best)) {
            best = v->slot;
        }
    }
    bool taken = best == 0;
    while (taken) {
        taken = in_place(s, role, ++best) != NULL;
        for (int i = 0; i < s->n_volumes && bug(VOLUME_FORGOTTEN); i++) {
            taken = taken || (s->volumes[i].role == role && s->volumes[i].slot == best);
        }
    }
    return best;
}

/* U1: as many places as are wanted; who comes while all are filled waits for one. */
static void fill_places(struct truth *t)
{
    struct service *s = t->service;
    for (int i = 0; i < s->n_nodes; i++) { /* in the order of their ordinals */
        struct node *n = &s->nodes[i];
        bool waits = n->slot == 0 && n->role >= 0 && node_alive(n);
        if (waits && places_filled(s, n->role) < s->want.counts[n->role]) {
            n->slot = free_place(s, n->role);
            effect_add(t, EFF_NODE)->node = *n;
            truth_touch(t);
        }
    }
}

/* U1: a node whose own volume was made after that of an empty place had been freed goes there: what it has is empty, and
 * the data waits for somebody. Its own place is not wanted then. */
static void move_to_data(struct truth *t)
{
    struct service *s = t->service;
    for (int i = 0; i < s->n_volumes; i++) {
        const struct volume *v = &s->volumes[i];
        bool waits = v->data && v->used && !v->doomed && v->status == VOLUME_AVAILABLE &&
                     !in_place(s, v->role, v->slot) && places_filled(s, v->role) >= s->want.counts[v->role];
        for (int k = 0; k < s->n_nodes && waits; k++) {
            struct node *n = &s->nodes[k];
            const struct volume *own = n->role == v->role && n->slot ? data_of(s, n->role, n->slot) : NULL;
            if (own && node_alive(n) && !own->used && own->created_ms >= v->retry_ms) {
                n->slot = v->slot;
                effect_add(t, EFF_NODE)->node = *n;
                truth_touch(t);
                waits = false;
            }
        }
    }
}

static int64_t data_mb(const struct truth *t, int role)
{
    return t->volume_mb[role] > 0 ? t->volume_mb[role] : t->service->type->roles[role].volume.megabytes;
}

/* U2: each filled place of a role with a volume has one. */
static void make_data(struct truth *t)
{
    struct service *s = t->service;
    for (int i = 0; i < s->n_nodes; i++) {
        const struct node *n = &s->nodes[i];
        bool needs = n->slot != 0 && node_alive(n) && s->type->roles[n->role].volume.name;
        if (needs && !data_of(s, n->role, n->slot) && s->n_volumes < VOLUMES_MAX) {
            struct volume *v = add(t, s->type->roles[n->role].volume.name, data_mb(t, n->role));
            v->data = true;
            v->role = n->role;
            v->slot = n->slot;
            effect_add(t, EFF_VOLUME)->volume = *v;
        }
    }
}

static void doom(struct truth *t, struct volume *v)
{
    if (!v->doomed) {
        v->doomed = true;
        effect_add(t, EFF_VOLUME)->volume = *v;
        truth_touch(t);
    }
}

static bool same_counts(const struct service *s)
{
    return memcmp(s->want.counts, s->good.counts, sizeof s->want.counts) == 0;
}

static int places_owned(const struct service *s, int role)
{
    int n = places_filled(s, role);
    for (int i = 0; i < s->n_volumes; i++) {
        const struct volume *v = &s->volumes[i];
        bool first = v->role == role && v->slot != 0 && !v->doomed && !in_place(s, role, v->slot);
        for (int k = 0; k < i && first; k++) {
            first = s->volumes[k].role != role || s->volumes[k].slot != v->slot || s->volumes[k].doomed;
        }
        n += first;
    }
    return n;
}

/* U6: the place is not wanted any more, and all is well without it. */
static bool place_is_surplus(struct truth *t, const struct volume *v)
{
    struct service *s = t->service;
    bool calm = s->want.run == RUN_RUNNING && s->converged && same_counts(s) &&
                !truth_active(t, FACET_COUNTS) && !truth_active(t, FACET_RUN);
    return calm && v->slot != 0 && !in_place(s, v->role, v->slot) &&
           places_filled(s, v->role) >= s->want.counts[v->role] &&
           places_owned(s, v->role) > s->want.counts[v->role];
}

static void drop_surplus(struct truth *t)
{
    struct service *s = t->service;
    for (int i = s->n_volumes - 1; i >= 0; i--) {
        struct volume *v = &s->volumes[i];
        bool stopped = s->want.run == RUN_STOPPED && s->n_nodes == 0 && bug(VOLUME_DROPPED);
        if (s->deleting || stopped) {
            doom(t, v);
        } else if (!v->doomed && place_is_surplus(t, v)) {
            if (v->data) {
                truth_history(t, "volume %lld goes with its place", (long long)v->id);
                doom(t, v);
            } else {
                truth_history(t, "volume %s is detached and kept: its node was removed", v->name);
                v->role = -1;
                v->slot = 0;
                effect_add(t, EFF_VOLUME)->volume = *v;
                truth_touch(t);
            }
        }
    }
}

/* ---- steps ---- */

static void add_task(struct truth *t, struct cloud_tasks *ret, const struct volume *v, enum cloud_step step)
{
    ret->t[ret->n++] =
        (struct cloud_task){.service = t->service->id, .node = v->node, .volume = v->id, .step = step};
}

/* INTENT, ASKED, UNSURE. */
static void step_new(struct truth *t, struct volume *v, struct cloud_tasks *ret)
{
    if (v->status == VOLUME_INTENT && v->doomed) {
        set_status(t, v, VOLUME_GONE); /* the cloud has none: it was never asked, or said so */
    } else if (v->status == VOLUME_INTENT && t->now_ms >= v->retry_ms) {
        v->asked_ms = t->now_ms;
        set_status(t, v, VOLUME_ASKED);
        add_task(t, ret, v, STEP_VOL_CREATE);
    } else if (v->status == VOLUME_ASKED && t->now_ms >= v->asked_ms + ASKED_MAX_MS) {
        set_status(t, v, bug(VOLUME_TWICE) ? VOLUME_INTENT : VOLUME_UNSURE);
        v->retry_ms = t->now_ms + FIND_WAIT_MS;
    } else if (v->status == VOLUME_UNSURE && t->now_ms >= v->retry_ms) {
        v->retry_ms = t->now_ms + ASKED_MAX_MS;
        add_task(t, ret, v, STEP_VOL_FIND);
    }
}

/* U3, U4: what the state says is to be done, when it is due. */
static void step_made(struct truth *t, struct volume *v, struct cloud_tasks *ret)
{
    const struct node *to = volume_target(t->service, v);
    bool leaves = !to || to->id != v->node;
    const struct node *at = v->node != 0 ? service_node(t->service, v->node) : NULL;
    bool gone = !at || (bug(VOLUME_EAGER) && at->status == NODE_DYING);
    if (v->status == VOLUME_AVAILABLE && v->doomed) {
        set_status(t, v, VOLUME_DELETING);
    } else if (v->status == VOLUME_AVAILABLE && to && to->status == NODE_UP && to->cloud_id[0]) {
        v->node = to->id;
        set_status(t, v, VOLUME_ATTACHING);
    } else if (v->status == VOLUME_ATTACHING && leaves) {
        set_status(t, v, VOLUME_DETACHING); /* no document has named it yet */
    } else if (v->status == VOLUME_ATTACHED && leaves && gone) {
        v->used = true;
        set_status(t, v, VOLUME_DETACHING);
    }
    enum cloud_step step = v->status == VOLUME_ATTACHING   ? STEP_VOL_ATTACH
                           : v->status == VOLUME_DETACHING ? STEP_VOL_DETACH
                           : v->status == VOLUME_DELETING  ? STEP_VOL_DELETE
                                                           : STEP_NONE;
    if (step != STEP_NONE && t->now_ms >= v->retry_ms) {
        v->retry_ms = t->now_ms + ASKED_MAX_MS / 2; /* unless the cloud answers before */
        add_task(t, ret, v, step);
    }
}

int64_t truth_volumes(struct truth *t, struct cloud_tasks *ret)
{
    struct service *s = t->service;
    int64_t next = INT64_MAX;
    if (!s || !service_type_has_volumes(s->type) || t->recovery) { /* T7 */
        return next;
    }
    if (s->want.run == RUN_RUNNING) {
        fill_places(t);
        move_to_data(t);
        make_data(t);
    }
    drop_surplus(t);
    for (int i = s->n_volumes - 1; i >= 0; i--) {
        struct volume *v = &s->volumes[i];
        bool fresh = v->status <= VOLUME_UNSURE;
        int before = s->n_volumes;
        fresh ? step_new(t, v, ret) : step_made(t, v, ret);
        if (s->n_volumes < before) {
            continue;
        }
        int64_t at = v->status == VOLUME_ASKED ? v->asked_ms + ASKED_MAX_MS : v->retry_ms;
        bool idle = v->status == VOLUME_AVAILABLE || v->status == VOLUME_ATTACHED;
        next = idle ? next : earlier(next, at);
    }
    return next;
}

/* ---- outcomes ---- */

static const char *reason(const struct cloud_outcome *o)
{
    return o->why[0] ? o->why : "the cloud refused";
}

static void again(struct truth *t, struct volume *v, const struct cloud_outcome *o, int64_t wait_ms)
{
    (void)str_copy(v->why, sizeof v->why, reason(o));
    v->tries++;
    v->retry_ms = t->now_ms + wait_ms * (o->result == CLOUD_THROTTLED ? 2 : 1);
}

static void made(struct truth *t, struct volume *v, const struct cloud_outcome *o)
{
    (void)str_copy(v->cloud_id, sizeof v->cloud_id, o->cloud_id);
    v->why[0] = '\0';
    set_status(t, v, VOLUME_AVAILABLE);
    if (v->slot == 0 && !v->doomed) {
        end_op(t, v->id, "create", OP_DONE, "");
    }
}

/* The cloud will not make it: a user hears it, a role's is tried again like a node that cannot be made (C2). */
static void refused(struct truth *t, struct volume *v, const struct cloud_outcome *o)
{
    char why[WHY_MAX];
    (void)str_copy(why, sizeof why, reason(o));
    again(t, v, o, VOLUME_WAIT_MS);
    if (v->data && !v->doomed) {
        truth_create_failed(t, why);
        set_status(t, v, VOLUME_INTENT);
        v->tries = 0;
        v->retry_ms = t->service->create_after_ms;
        return;
    }
    int64_t id = v->id;
    truth_history(t, "volume %s could not be made: %s", v->name, why);
    set_status(t, v, VOLUME_GONE);
    end_op(t, id, NULL, OP_FAILED, why);
}

static void outcome_create(struct truth *t, struct volume *v, const struct cloud_outcome *o)
{
    if (o->result == CLOUD_OK && v->status <= VOLUME_UNSURE) {
        made(t, v, o);
        return;
    }
    if (v->status != VOLUME_ASKED) {
        return; /* late: what to do was decided without it */
    }
    switch (o->result) {
    case CLOUD_RETRY:
    case CLOUD_THROTTLED:
    case CLOUD_CONFLICT:
        if (v->tries >= CREATE_TRIES_MAX) {
            refused(t, v, o);
            return;
        }
        set_status(t, v, VOLUME_INTENT);
        again(t, v, o, CREATE_WAIT_MS << (v->tries + 1));
        return;
    case CLOUD_CAPACITY:
    case CLOUD_QUOTA:
    case CLOUD_AUTH:
    case CLOUD_NOTFOUND:
    case CLOUD_INVALID:
    case CLOUD_UNSUPPORTED:
    case CLOUD_PERMANENT:
        refused(t, v, o);
        return;
    default:
        set_status(t, v, bug(VOLUME_TWICE) ? VOLUME_INTENT : VOLUME_UNSURE);
        v->retry_ms = bug(VOLUME_TWICE) ? t->now_ms : t->now_ms + FIND_WAIT_MS;
    }
}

static void outcome_find(struct truth *t, struct volume *v, const struct cloud_outcome *o)
{
    if (v->status != VOLUME_UNSURE) {
        return;
    }
    v->retry_ms = t->now_ms + FIND_WAIT_MS;
    if (o->result == CLOUD_OK) {
        made(t, v, o);
    } else if (o->result == CLOUD_NOTFOUND && ++v->finds >= 2) { /* as V2 */
        v->finds = 0;
        set_status(t, v, VOLUME_INTENT);
    }
}

/* Nothing of the other kind is known to help: a user hears it and the volume is taken back, a role waits. */
static void attach_failed(struct truth *t, struct volume *v, const struct cloud_outcome *o)
{
    bool hard = o->result == CLOUD_INVALID || o->result == CLOUD_UNSUPPORTED ||
                o->result == CLOUD_PERMANENT || o->result == CLOUD_QUOTA || o->result == CLOUD_AUTH;
    again(t, v, o, VOLUME_WAIT_MS);
    struct op *op = op_of(t, v->id);
    if (op && (hard || v->tries >= VOLUME_TRIES_MAX)) {
        char why[WHY_MAX];
        (void)snprintf(why, sizeof why, "it cannot be attached: %.200s", reason(o));
        truth_end(t, op, OP_FAILED, why, false);
    } else if (v->data && (hard || v->tries % VOLUME_TRIES_MAX == 0)) {
        truth_create_failed(t, reason(o));
        v->retry_ms = t->service->create_after_ms;
    }
}

void truth_volume_outcome(struct truth *t, int64_t volume, const struct cloud_outcome *o)
{
    struct volume *v = t->service ? service_volume(t->service, volume) : NULL;
    bool absent = o->result == CLOUD_NOTFOUND, done = o->result == CLOUD_OK || absent;
    if (!v) {
        return;
    }
    switch (o->step) {
    case STEP_VOL_CREATE:
        outcome_create(t, v, o);
        break;
    case STEP_VOL_FIND:
        outcome_find(t, v, o);
        break;
    case STEP_VOL_ATTACH:
        if (v->status == VOLUME_ATTACHING && o->result == CLOUD_OK) {
            v->tries = 0;
            v->why[0] = '\0';
            set_status(t, v, VOLUME_ATTACHED);
        } else if (v->status == VOLUME_ATTACHING) {
            attach_failed(t, v, o);
        }
        break;
    case STEP_VOL_DETACH:
        if (v->status == VOLUME_DETACHING && done) {
            set_status(t, v, VOLUME_AVAILABLE);
            end_op(t, volume, "detach", OP_DONE, "");
        } else if (v->status == VOLUME_DETACHING) {
            again(t, v, o, VOLUME_WAIT_MS);
        }
        break;
    case STEP_VOL_DELETE:
        if (v->status == VOLUME_DELETING && done) {
            truth_history(t, "volume %s is deleted", v->name);
            set_status(t, v, VOLUME_GONE);
            end_op(t, volume, "delete", OP_DONE, "");
        } else if (v->status == VOLUME_DELETING) {
            again(t, v, o, VOLUME_WAIT_MS);
        }
        break;
    default:
        break;
    }
    truth_update_state(t);
}

void truth_volumes_restarted(struct truth *t)
{
    struct service *s = t->service;
    for (int i = 0; i < s->n_volumes; i++) {
        struct volume *v = &s->volumes[i];
        if (v->status == VOLUME_ASKED) {
            set_status(t, v, bug(VOLUME_TWICE) ? VOLUME_INTENT : VOLUME_UNSURE);
            v->retry_ms = t->now_ms + FIND_WAIT_MS;
        } else if (v->status == VOLUME_UNSURE) {
            v->retry_ms = t->now_ms;
        }
        v->used = v->used || t->recovery; /* the records are older than what is on it (T7) */
    }
}

int truth_release(struct truth *t, int64_t volume, struct err *e)
{
    struct volume *v = service_volume(t->service, volume);
    if (t->recovery) {
        return err_set(e, ERR_UNAVAILABLE, "the installation was restored and is not reconciled yet");
    }
    if (!v || v->status != VOLUME_ATTACHED) {
        return 0; /* repeated */
    }
    const struct node *to = volume_target(t->service, v);
    if (to && to->id == v->node) {
        return err_set(e, ERR_STALE, "volume %lld shall stay where it is", (long long)volume);
    }
    v->used = true;
    set_status(t, v, VOLUME_DETACHING);
    return 0;
}

/* ---- users' changes ---- */

int truth_check_volume_room(const struct truth *t, const int counts[ROLES_MAX], struct err *e)
{
    const struct service *s = t->service;
    int64_t need = 0;
    for (int r = 0; r < s->type->n_roles; r++) {
        int have = 0;
        for (int i = 0; i < s->n_volumes; i++) {
            have += s->volumes[i].data && s->volumes[i].role == r && !s->volumes[i].doomed;
        }
        bool role = s->type->roles[r].volume.name != NULL;
        need += role && counts[r] > have ? (counts[r] - have) * data_mb(t, r) : 0;
    }
    return need <= 0 || need <= t->volume_room_mb
               ? 0
               : err_set_hint(e, ERR_QUOTA,
                              "delete volumes that are not needed, or ask your administrator for more",
                              "its nodes need %lld MB of volumes, you may have %lld MB more", (long long)need,
                              (long long)(t->volume_room_mb > 0 ? t->volume_room_mb : 0));
}

/* A name that makes a directory of /media. */
static bool name_ok(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    return n > 0 && n <= NAME_MAX_LEN &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static int check_create(const struct truth *t, const struct change *c, struct err *e)
{
    const struct service *s = t->service;
    if (!name_ok(c->volume.name)) {
        return err_set(e, ERR_INVALID, "the name of a volume is 1 to %d of A-Z a-z 0-9 _ -", NAME_MAX_LEN);
    }
    for (int i = 0; i < s->n_volumes; i++) {
        if (str_eq(s->volumes[i].name, c->volume.name)) {
            return err_set_hint(e, ERR_EXISTS, "choose another name", "there is a volume %s already",
                                c->volume.name);
        }
    }
    if (c->volume.megabytes < 1 || c->volume.megabytes > t->volume_max_mb) {
        return err_set(e, ERR_QUOTA, "a volume has 1 to %lld MB here", (long long)t->volume_max_mb);
    }
    if (c->volume.megabytes > t->volume_room_mb) {
        return err_set_hint(e, ERR_QUOTA,
                            "delete volumes that are not needed, or ask your administrator for more",
                            "%lld MB asked for, you may have %lld MB more", (long long)c->volume.megabytes,
                            (long long)(t->volume_room_mb > 0 ? t->volume_room_mb : 0));
    }
    return s->n_volumes < VOLUMES_MAX
               ? 0
               : err_set(e, ERR_QUOTA, "a service has at most %d volumes", VOLUMES_MAX);
}

static int check_node(struct service *s, int64_t id, struct err *e)
{
    const struct node *n = service_node(s, id);
    if (!n || n->role < 0) {
        return err_set(e, ERR_NOT_FOUND, "the service has no node %lld", (long long)id);
    }
    if (n->status != NODE_UP || n->slot == 0) {
        return err_set_hint(e, ERR_STATE, "wait until it is up", "node %lld cannot take a volume now",
                            (long long)id);
    }
    return 0;
}

/* One change of a volume at a time; its deletion ends the others. */
static int check_busy(struct truth *t, const struct change *c, struct err *e)
{
    const struct op *o = c->volume.id ? op_of(t, c->volume.id) : NULL;
    bool ends = str_eq(c->kind, "delete") && o && !str_eq(o->kind, "delete");
    if (o && !ends) {
        return err_set_hint(e, ERR_CONFLICT, "wait for it, or cancel it",
                            "operation %lld (%s) is still running", (long long)o->id, o->kind);
    }
    struct op *script = truth_active(t, FACET_CMD);
    script = script || !t->service->type->scripts ? script : truth_active(t, FACET_CODE);
    if (script) {
        return err_set_hint(e, ERR_CONFLICT, "wait for it, or interrupt it",
                            "operation %lld (%s) runs scripts, which may use volumes", (long long)script->id,
                            script->facet == FACET_CMD ? script->kind : "init");
    }
    return t->service->n_ops == OPS_MAX ? err_set(e, ERR_RATE, "too many operations at once") : 0;
}

static int check_change(struct truth *t, const struct change *c, const struct volume *v, struct err *e)
{
    struct service *s = t->service;
    int r = check_busy(t, c, e);
    if (r < 0) {
        return r;
    }
    if (!s->type->volumes) {
        return err_set(e, ERR_INVALID, "%s has no volumes of users", s->type->title);
    }
    if (str_eq(c->kind, "create")) {
        r = check_create(t, c, e);
        return r < 0 || c->volume.node == 0 ? r : check_node(s, c->volume.node, e);
    }
    if (!v || v->doomed) {
        return err_set(e, ERR_NOT_FOUND, "no such volume");
    }
    if (v->data) {
        return err_set(e, ERR_STATE, "this volume belongs to its node's role and goes with that");
    }
    if (str_eq(c->kind, "attach")) {
        return v->slot != 0
                   ? err_set_hint(e, ERR_STATE, "detach it first", "volume %s is attached already", v->name)
                   : check_node(s, c->volume.node, e);
    }
    return str_eq(c->kind, "detach") && v->slot == 0
               ? err_set(e, ERR_STATE, "volume %s is attached to no node", v->name)
               : 0;
}

static void place_volume(struct service *s, struct volume *v, int64_t node)
{
    const struct node *n = node ? service_node(s, node) : NULL;
    v->role = n ? n->role : -1;
    v->slot = n ? n->slot : 0;
}

int truth_accept_volume(struct truth *t, const struct change *c, int64_t *ret_op, struct err *e)
{
    struct service *s = t->service;
    struct volume *v = c->volume.id ? service_volume(s, c->volume.id) : NULL;
    int r = check_change(t, c, v, e);
    if (r < 0) {
        return r;
    }
    bool create = str_eq(c->kind, "create"), del = str_eq(c->kind, "delete");
    if (v && op_of(t, v->id)) {
        int64_t id = v->id;
        truth_end(t, op_of(t, id), OP_CANCELLED, "the volume is deleted", true);
        v = service_volume(s, id);
    }
    v = create ? add(t, c->volume.name, c->volume.megabytes) : v;
    place_volume(s, v, create || str_eq(c->kind, "attach") ? c->volume.node : 0);
    v->doomed = del;
    v->tries = 0;
    v->retry_ms = t->now_ms;
    effect_add(t, EFF_VOLUME)->volume = *v;
    s->converged = false;
    s->gen++;
    struct change with = *c;
    with.volume.id = v->id;
    *ret_op = 0;
    if (!str_eq(c->kind, "detach") || v->node != 0) {
        struct op *o = truth_add_op(t, &with);
        effect_add(t, EFF_OP)->op = *o;
        *ret_op = o->id;
    }
    truth_touch(t);
    truth_update_state(t);
    return 0;
}

void truth_settle_volume(struct truth *t, const struct op *o)
{
    struct volume *v = service_volume(t->service, o->volume);
    if (!v || o->state == OP_DONE) {
        return;
    }
    if (str_eq(o->kind, "create") || str_eq(o->kind, "attach")) { /* as before */
        v->role = -1;
        v->slot = 0;
        v->doomed = v->doomed || str_eq(o->kind, "create");
        v->tries = 0;
        effect_add(t, EFF_VOLUME)->volume = *v;
    }
}
