/*
 * Services: create, show, start, stop, delete.
 */
#include "director/api.h"
#include "director/artifact.h"
#include "director/lifecycle.h"
#include "director/node_call.h"

/* "New php service", with a number when the user's applications (or the application's services) have it. */
static char *free_name(struct director *d, struct slot *s, int64_t owner, const char *type)
{
    size_t n = 0;
    struct slot **all = world_all(d->world, owner, &n);
    char *name = NULL;
    for (int k = 1; !name; k++) {
        char *tried =
            k == 1 ? str_printf("New %s service", type) : str_printf("New %s service (%d)", type, k);
        bool taken = false;
        for (size_t i = 0; i < n && !s; i++) {
            slot_lock(all[i]);
            taken = taken || str_eq(all[i]->row.app.name, tried);
            slot_unlock(all[i]);
        }
        for (int i = 0; s && i < s->n; i++) {
            taken = taken || str_eq(s->services[i]->row.service.name, tried);
        }
        if (taken) {
            free(tried);
        } else {
            name = tried;
        }
    }
    for (size_t i = 0; i < n; i++) {
        slot_unref(all[i]);
    }
    free(all);
    return name;
}

static int service_create(struct api_call *c, struct err *e)
{
    const struct service_type *type = service_type_find(api_text(c, "type"));
    if (!type) {
        return err_set_hint(e, ERR_INVALID, "see `conpaas type list`", "there is no service type %s",
                            api_text(c, "type"));
    }
    _cleanup_(artifact_unlockp) struct director *locked = artifact_lock(c->d);
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int64_t app = api_int(c, "app");
    int rc = app ? world_app(c->d->world, app, &s, e) : 0;
    if (rc < 0) {
        return rc;
    }
    const char *given = api_text(c, "name");
    _cleanup_free_ char *name = given ? xstrdup(given) : free_name(c->d, s, c->caller.user.id, type->name);
    struct new_service n = {
        .type = type,
        .name = name,
        .cloud = api_text(c, "cloud"),
        .actor = c->caller.user.username,
        .owner = c->caller.user.id,
    };
    rc = lifecycle_new_service(locked, &n, &s, &v, e);
    return rc < 0 ? rc : api_reply(c, object_service(c->d, s, v));
}

static int service_list(struct api_call *c, struct err *e)
{
    int64_t app = api_int(c, "app");
    size_t n = 0;
    struct slot **all = world_all(c->d->world, app || c->caller.user.admin ? 0 : c->caller.user.id, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        for (int k = 0; k < all[i]->n && !all[i]->gone && (!app || all[i]->row.app.id == app); k++) {
            json_array_append_new(list, object_service(c->d, all[i], all[i]->services[k]));
        }
        slot_put(all[i]);
    }
    free(all);
    return api_reply_list(c, list);
}

static int service_show(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = api_service(c, &s, &v, e);
    return rc < 0 ? rc : api_reply(c, object_service(c->d, s, v));
}

static int service_rename(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct slot_service *v = NULL;
    const char *name = api_text(c, "name");
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 || (rc = txn_begin(c->d, s, v, &x, e)) < 0 ||
        (rc = store_service_rename(c->d->store, v->row.service.id, name, e)) < 0) {
        return rc;
    }
    (void)txn_note(x, x->service.id, "note", 0, 0, "renamed from %s to %s by %s", x->service.name, name,
                   c->caller.user.username);
    (void)str_copy(x->service.name, sizeof(x->service.name), name);
    rc = txn_commit(x, e);
    return rc < 0 ? rc : api_reply(c, object_service(c->d, s, v));
}

/* Services that refer to each other start and stop in order (J2, J3). */
static int check_run(struct api_call *c, struct slot *s, struct slot_service *v, enum run run, struct err *e)
{
    if (run == RUN_RUNNING) {
        return api_check_references(c, s, &v->row.service, e);
    }
    return json_flag(c->args, "force", false)
               ? 0
               : api_check_users(c, s, v->row.service.id, true, "stop those first, or say --force", e);
}

static int change_run(struct api_call *c, enum run run, const char *title, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct slot_service *v = NULL;
    const char *cloud = api_text(c, "cloud");
    int rc = api_service(c, &s, &v, e);
    rc = rc < 0 ? rc : check_run(c, s, v, run, e);
    if (rc < 0 || (cloud && (rc = director_pick_cloud(c->d, cloud, &cloud, e)) < 0) ||
        (rc = txn_begin(c->d, s, v, &x, e)) < 0) {
        return rc;
    }
    if (cloud) {
        (void)str_copy(x->service.cloud, sizeof(x->service.cloud), cloud);
    }
    struct change change = {.facet = FACET_RUN, .value.run = run};
    return api_accept(c, x, &change, title, e);
}

static int service_start(struct api_call *c, struct err *e)
{
    return change_run(c, RUN_RUNNING, "start", e);
}

static int service_stop(struct api_call *c, struct err *e)
{
    return change_run(c, RUN_STOPPED, "stop", e);
}

static int service_delete(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 ||
        (rc = api_check_users(c, s, v->row.service.id, false, "conpaas service unlink SERVICE NAME", e)) <
            0 ||
        (rc = lifecycle_delete_service(c->d, s, v, c->caller.user.username, e)) < 0) {
        return rc;
    }
    return api_reply_empty(c);
}

static int service_performance(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = api_service(c, &s, &v, e);
    if (rc < 0) {
        return rc;
    }
    struct performance p;
    node_performance(v, &p);
    return api_reply(c,
                     json_pack("{s:o, s:f, s:f, s:f, s:f}", "time", object_time(p.known ? v->live.at_ms : 0),
                               "request_rate", p.request_rate, "error_rate", p.error_rate, "throughput",
                               p.throughput, "response_time", p.response_ms));
}

const struct api_row api_service_rows[] = {
    {"service.create", service_create},
    {"service.list", service_list},
    {"service.show", service_show},
    {"service.rename", service_rename},
    {"service.start", service_start},
    {"service.stop", service_stop},
    {"service.delete", service_delete},
    {"service.link", api_link},
    {"service.unlink", api_unlink},
    {"service.performance", service_performance},
    {0},
};
