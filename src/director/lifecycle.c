/*
 * Birth and death.  A deletion marks; the records go when the last node is gone, seen by the ticker's sweep.
 */
#include "director/lifecycle.h"

#include "base/clock.h"
#include "director/artifact.h"
#include "director/director.h"
#include "director/questions.h"
#include "director/revision.h"

static int check_app_quota(struct director *d, int64_t owner, struct err *e)
{
    size_t n = 0;
    struct slot **all = world_all(d->world, owner, &n);
    for (size_t i = 0; i < n; i++) {
        slot_unref(all[i]);
    }
    free(all);
    return (int64_t)n < d->config.apps_per_user
               ? 0
               : err_set(e, ERR_QUOTA, "you have %zu applications, which is the limit", n);
}

/* A slot with an open transaction that has written the application's row; not in the world yet. Locked. */
static int begin_app(struct director *d, const struct new_app *n, bool own, struct slot **ret,
                     struct txn **ret_x, struct err *e)
{
    const char *cloud = NULL;
    int rc = check_app_quota(d, n->owner, e);
    if (rc < 0 || (rc = director_pick_cloud(d, n->cloud, &cloud, e)) < 0) {
        return rc;
    }
    struct app_row row = {.own = own, .created_ms = clock_steady_ms()};
    row.app.owner = n->owner;
    row.app.txn = 1;
    row.app.next_sid = 1;
    row.app.incarnation = d->info.incarnation;
    (void)str_copy(row.app.name, sizeof(row.app.name), n->name);
    (void)str_copy(row.app.cloud, sizeof(row.app.cloud), cloud);
    struct slot *s = slot_new(&row);
    slot_lock(s);
    rc = txn_begin(d, s, NULL, ret_x, e);
    if (rc >= 0) {
        struct txn *x = *ret_x;
        s->id = s->row.app.id = x->app.id = store_new_id(d->store);
        x->wrote = true;
        rc = store_app_add(d->store, &s->row, e);
        rc = rc < 0 ? rc : txn_note(x, 0, "note", 0, 0, "application %s created by %s", n->name, n->actor);
    }
    if (rc < 0) {
        txn_free(TAKE_PTR(*ret_x));
        slot_put(s);
        return rc;
    }
    *ret = s;
    return 0;
}

int lifecycle_new_app(struct director *d, const struct new_app *n, struct slot **ret, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct slot *s = NULL;
    int rc = begin_app(d, n, false, &s, &x, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = txn_commit(x, e)) < 0) {
        slot_put(s);
        return rc;
    }
    world_add(d->world, slot_ref(s));
    *ret = s;
    return 0;
}

/* ---- services ---- */

static int add_secrets(struct txn *x, const struct service *v, struct revision *r, struct err *e)
{
    int rc = 0;
    for (const char *const *name = v->type->secrets; name && *name && rc >= 0; name++) {
        _cleanup_free_ char *value = random_name("", 40);
        rc = revision_secret(x, v->id, r->own, *name, value, e);
        mem_wipe(value, strlen(value));
    }
    return rc;
}

static int add_settings(struct txn *x, const struct service *v, struct err *e)
{
    _cleanup_json_ json_t *none = json_object();
    _cleanup_json_ json_t *values = NULL;
    _cleanup_revision_ struct revision first = revision_new();
    int rc = service_type_settings(v->type, NULL, none, &values, e);
    if (rc < 0) {
        return rc;
    }
    json_object_update(first.settings, values);
    rc = add_secrets(x, v, &first, e);
    return rc < 0 ? rc : store_revision_add(x->d->store, v->id, v->want.settings, &first, x->now_ms, e);
}

static int add_default_code(struct director *d, const struct service *v, const struct artifact *a,
                            int64_t now_ms, struct err *e)
{
    if (!v->type->code) {
        return 0;
    }
    struct version code = {
        .id = v->want.code,
        .service = v->id,
        .size = a->size,
        .created_ms = now_ms,
        .name = (char *)"code-default",
        .filename = (char *)"code-default.tar",
        .description = (char *)"Initial version",
        .format = (char *)"tar",
    };
    (void)str_copy(code.sha256, sizeof(code.sha256), a->sha256);
    return store_version_add(d->store, &code, e);
}

static struct slot_service *service_new(struct director *d, struct txn *x, const struct new_service *n,
                                        const char *cloud)
{
    struct slot_service *sv = xcalloc(1, sizeof(*sv));
    struct service *v = &sv->row.service;
    sv->row.created_ms = sv->row.state_ms = x->now_ms;
    v->id = store_new_id(d->store);
    v->app = x->app.id;
    v->sid = x->app.next_sid++;
    v->type = n->type;
    v->gen = 1;
    v->want.run = RUN_STOPPED;
    v->want.settings = 1;
    v->want.code = n->type->code ? store_new_id(d->store) : 0;
    for (int r = 0; r < n->type->n_roles; r++) {
        v->want.counts[r] = n->type->roles[r].flags & ROLE_PURPOSE ? n->type->roles[r].start : 0;
    }
    v->good = v->want;
    (void)str_copy(v->name, sizeof(v->name), n->name);
    (void)str_copy(v->cloud, sizeof(v->cloud), cloud);
    return sv;
}

static int write_service(struct director *d, struct txn *x, const struct slot_service *sv,
                         const struct artifact *a, const struct new_service *n, struct err *e)
{
    const struct service *v = &sv->row.service;
    int rc = store_service_add(d->store, &sv->row, e);
    if (rc < 0 || (rc = add_settings(x, v, e)) < 0 || (rc = add_default_code(d, v, a, x->now_ms, e)) < 0) {
        return rc;
    }
    x->wrote = true;
    rc = txn_note(x, v->id, "note", 0, 0, "%s service %s created by %s", v->type->name, v->name, n->actor);
    bool stopped = x->t.app->instance > 0 && !x->t.app->manager_wanted; /* the application stays so */
    return rc < 0 || stopped ? rc : truth_want_manager(&x->t, e);
}

static int check_room(const struct slot *s, struct err *e)
{
    if (s->row.app.deleting) {
        return err_set(e, ERR_STATE, "the application is being deleted");
    }
    return s->n < SERVICES_MAX
               ? 0
               : err_set(e, ERR_QUOTA, "an application has at most %d services", SERVICES_MAX);
}

static int open_app(struct director *d, const struct new_service *n, struct slot **slot, bool *own,
                    struct txn **ret, struct err *e)
{
    if (*slot) {
        int rc = check_room(*slot, e);
        return rc < 0 ? rc : txn_begin(d, *slot, NULL, ret, e);
    }
    struct new_app a = {.owner = n->owner, .name = n->name, .cloud = n->cloud, .actor = n->actor};
    *own = true;
    return begin_app(d, &a, true, slot, ret, e);
}

int lifecycle_new_service(struct director *d, const struct new_service *n, struct slot **slot,
                          struct slot_service **ret, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct artifact a = {0};
    const char *cloud = NULL;
    bool own = false;
    int rc = director_pick_cloud(d, n->cloud ? n->cloud : *slot ? (*slot)->row.app.cloud : NULL, &cloud, e);
    if (rc < 0) {
        return rc;
    }
    if (n->type->code && (rc = artifact_put_default(d, n->type, &a, e)) < 0) {
        return rc;
    }
    if ((rc = open_app(d, n, slot, &own, &x, e)) < 0) {
        return rc;
    }
    struct slot_service *sv = service_new(d, x, n, cloud);
    rc = write_service(d, x, sv, &a, n, e);
    if (rc < 0 || (rc = txn_commit(x, e)) < 0) {
        free(sv);
        if (own) {
            txn_free(TAKE_PTR(x));
            slot_put(TAKE_PTR(*slot));
        }
        return rc;
    }
    if (own) {
        world_add(d->world, slot_ref(*slot));
    }
    slot_add_service(d->world, *slot, sv);
    *ret = sv;
    return 0;
}

/* ---- the end ---- */

static int mark_app(struct director *d, struct slot *s, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    int rc = txn_begin(d, s, NULL, &x, e);
    if (rc < 0) {
        return rc;
    }
    truth_delete_app(&x->t);
    rc = txn_commit(x, e);
    return rc < 0 ? rc : 0;
}

static bool last_of_own(const struct slot *s, const struct slot_service *v)
{
    return s->row.own && s->n == 1 && s->services[0] == v;
}

int lifecycle_delete_service(struct director *d, struct slot *s, struct slot_service *v, const char *actor,
                             struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    int rc = txn_begin(d, s, v, &x, e);
    if (rc < 0 || (rc = truth_delete_service(&x->t, e)) < 0 ||
        (rc = txn_note(x, v->row.service.id, "note", 0, 0, "to be deleted, asked by %s", actor)) < 0 ||
        (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    if (last_of_own(s, v) && (rc = mark_app(d, s, e)) < 0) {
        return rc;
    }
    return lifecycle_sweep(d, s, e);
}

static int mark_services(struct director *d, struct slot *s, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < s->n && rc >= 0; i++) {
        _cleanup_(txn_freep) struct txn *x = NULL;
        if (s->services[i]->row.service.deleting) {
            continue;
        }
        if ((rc = txn_begin(d, s, s->services[i], &x, e)) >= 0) {
            truth_delete_app(&x->t);
            rc = txn_commit(x, e);
        }
    }
    return rc;
}

int lifecycle_delete_app(struct director *d, struct slot *s, const char *actor, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    int rc = txn_begin(d, s, NULL, &x, e);
    if (rc < 0) {
        return rc;
    }
    truth_delete_app(&x->t);
    if ((rc = txn_note(x, 0, "note", 0, 0, "application to be deleted, asked by %s", actor)) < 0 ||
        (rc = txn_commit(x, e)) < 0 || (rc = mark_services(d, s, e)) < 0) {
        return rc;
    }
    return lifecycle_sweep(d, s, e);
}

int lifecycle_stop_app(struct director *d, struct slot *s, const char *actor, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < s->n && rc >= 0; i++) {
        _cleanup_(txn_freep) struct txn *x = NULL;
        if ((rc = txn_begin(d, s, s->services[i], &x, e)) >= 0 && (rc = truth_stop_app(&x->t, e)) >= 0) {
            rc = txn_commit(x, e);
        }
    }
    _cleanup_(txn_freep) struct txn *x = NULL;
    if (rc < 0 || (rc = txn_begin(d, s, NULL, &x, e)) < 0 || (rc = truth_stop_app(&x->t, e)) < 0 ||
        (rc = txn_note(x, 0, "note", 0, 0, "application to be stopped, asked by %s", actor)) < 0 ||
        (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    return lifecycle_sweep(d, s, e);
}

int lifecycle_start_app(struct director *d, struct slot *s, const char *actor, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    int rc = txn_begin(d, s, NULL, &x, e);
    if (rc < 0 || (rc = truth_start_app(&x->t, e)) < 0 ||
        (rc = txn_note(x, 0, "note", 0, 0, "application started, asked by %s", actor)) < 0) {
        return rc;
    }
    rc = txn_commit(x, e);
    return rc < 0 ? rc : 0;
}

/* The manager of an application that is stopped, when its services have gone. */
static int end_manager(struct director *d, struct slot *s, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct service *services[SERVICES_MAX];
    if (s->row.app.manager_wanted || s->row.app.n_nodes == 0) {
        return 0;
    }
    for (int i = 0; i < s->n; i++) {
        services[i] = &s->services[i]->row.service;
    }
    int rc = txn_begin(d, s, NULL, &x, e);
    if (rc < 0) {
        return rc;
    }
    truth_end_manager(&x->t, services, s->n);
    rc = txn_commit(x, e);
    return rc < 0 ? rc : 0;
}

static int drop_service(struct director *d, struct slot *s, struct slot_service *v, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    int rc = txn_begin(d, s, NULL, &x, e);
    if (rc < 0 || (rc = txn_note(x, 0, "note", 0, 0, "service %s is gone", v->row.service.name)) < 0 ||
        (rc = store_service_delete(d->store, v->row.service.id, e)) < 0 || (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    questions_forget_lines(d, v->row.service.id);
    slot_remove_service(d->world, s, v);
    return 0;
}

static int drop_app(struct director *d, struct slot *s, struct err *e)
{
    int rc = store_begin(d->store, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = store_app_delete(d->store, s->row.app.id, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    if ((rc = store_commit(d->store, e)) < 0) {
        return rc;
    }
    world_remove(d->world, s);
    return 0;
}

int lifecycle_sweep(struct director *d, struct slot *s, struct err *e)
{
    int rc = 0;
    if (s->gone) {
        return 0;
    }
    if (s->row.app.deleting &&
        (rc = mark_services(d, s, e)) < 0) { /* a crash may have come between the two marks */
        return rc;
    }
    if ((rc = end_manager(d, s, e)) < 0) {
        return rc;
    }
    for (int i = s->n - 1; i >= 0 && rc >= 0; i--) {
        struct slot_service *v = s->services[i];
        if (v->row.service.deleting && v->row.service.n_nodes == 0 && v->row.service.n_volumes == 0) {
            bool last = last_of_own(s, v);
            rc = drop_service(d, s, v, e);
            if (rc >= 0 && last && !s->row.app.deleting) {
                rc = mark_app(d, s, e);
            }
        }
    }
    if (rc >= 0 && s->row.app.deleting && s->n == 0 && s->row.app.n_nodes == 0) {
        rc = drop_app(d, s, e);
    }
    return rc < 0 ? rc : 0;
}
