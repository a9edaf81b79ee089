/*
 * Applications.
 */
#include "director/api.h"
#include "director/lifecycle.h"

static int app_of(struct api_call *c, struct slot **ret, struct err *e)
{
    return world_app(c->d->world, call_match_id(&c->match, "app"), ret, e);
}

static int app_create(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct new_app n = {
        .owner = c->caller.user.id,
        .name = api_text(c, "name"),
        .cloud = api_text(c, "cloud"),
        .actor = c->caller.user.username,
    };
    int rc = lifecycle_new_app(c->d, &n, &s, e);
    return rc < 0 ? rc : api_reply(c, object_app(c->d, s));
}

static int app_list(struct api_call *c, struct err *e)
{
    size_t n = 0;
    struct slot **all = world_all(c->d->world, c->caller.user.admin ? 0 : c->caller.user.id, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        if (!all[i]->gone) {
            json_array_append_new(list, object_app(c->d, all[i]));
        }
        slot_put(all[i]);
    }
    free(all);
    return api_reply_list(c, list);
}

static int app_show(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    int rc = app_of(c, &s, e);
    return rc < 0 ? rc : api_reply(c, object_app(c->d, s));
}

static int app_rename(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    const char *name = api_text(c, "name");
    int rc = app_of(c, &s, e);
    if (rc < 0 || (rc = txn_begin(c->d, s, NULL, &x, e)) < 0 ||
        (rc = store_app_rename(c->d->store, s->row.app.id, name, e)) < 0) {
        return rc;
    }
    (void)txn_note(x, 0, "note", 0, 0, "application renamed from %s to %s by %s", x->app.name, name,
                   c->caller.user.username);
    (void)str_copy(x->app.name, sizeof(x->app.name), name);
    rc = txn_commit(x, e);
    return rc < 0 ? rc : api_reply(c, object_app(c->d, s));
}

static int app_delete(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    int rc = app_of(c, &s, e);
    if (rc < 0 || (rc = lifecycle_delete_app(c->d, s, c->caller.user.username, e)) < 0) {
        return rc;
    }
    return api_reply_empty(c);
}

static int app_stop(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    int rc = app_of(c, &s, e);
    if (rc < 0 || (rc = lifecycle_stop_app(c->d, s, c->caller.user.username, e)) < 0) {
        return rc;
    }
    return api_reply(c, object_app(c->d, s));
}

static int app_start(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    int rc = app_of(c, &s, e);
    if (rc < 0 || (rc = lifecycle_start_app(c->d, s, c->caller.user.username, e)) < 0) {
        return rc;
    }
    return api_reply(c, object_app(c->d, s));
}

const struct api_row api_app_rows[] = {
    {"app.create", app_create}, {"app.list", app_list},
    {"app.show", app_show},     {"app.rename", app_rename},
    {"app.start", app_start},   {"app.stop", app_stop},
    {"app.delete", app_delete}, {0},
};
