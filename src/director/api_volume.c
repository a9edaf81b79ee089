/*
 * Volumes: list, create, attach, detach, delete.
 */
#include "director/api.h"

static void add_service(json_t *list, const struct slot *s, const struct slot_service *v)
{
    for (int i = 0; i < v->row.service.n_volumes; i++) {
        json_array_append_new(list, object_volume(s, v, &v->row.service.volumes[i]));
    }
}

static int list_of_service(struct api_call *c, int64_t service, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = world_service(c->d->world, service, &s, &v, e);
    if (rc < 0) {
        return rc;
    }
    json_t *list = json_array();
    add_service(list, s, v);
    return api_reply_list(c, list);
}

static int volume_list(struct api_call *c, struct err *e)
{
    int64_t app = api_int(c, "app");
    if (api_int(c, "service")) {
        return list_of_service(c, api_int(c, "service"), e);
    }
    size_t n = 0;
    struct slot **all = world_all(c->d->world, app || c->caller.user.admin ? 0 : c->caller.user.id, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        for (int k = 0; k < all[i]->n && !all[i]->gone && (!app || all[i]->row.app.id == app); k++) {
            add_service(list, all[i], all[i]->services[k]);
        }
        slot_put(all[i]);
    }
    free(all);
    return api_reply_list(c, list);
}

/* By its name, which is unique in the application; NULL = none. */
static const struct volume *find(const struct slot *s, const char *name, const struct slot_service **ret_of)
{
    for (int i = 0; i < s->n; i++) {
        const struct service *v = &s->services[i]->row.service;
        for (int k = 0; k < v->n_volumes; k++) {
            if (!v->volumes[k].data && str_eq(v->volumes[k].name, name)) {
                *ret_of = s->services[i];
                return &v->volumes[k];
            }
        }
    }
    return NULL;
}

static int check_free(const struct slot *s, const char *name, struct err *e)
{
    const struct slot_service *of = NULL;
    return find(s, name, &of) ? err_set_hint(e, ERR_EXISTS, "choose another name",
                                             "service %s has a volume %s already", of->row.service.name, name)
                              : 0;
}

static int find_own(const struct slot *s, const struct slot_service *v, const char *name, int64_t *ret,
                    struct err *e)
{
    const struct slot_service *of = NULL;
    const struct volume *volume = find(s, name, &of);
    if (!v->row.service.type->volumes) {
        return err_set(e, ERR_INVALID, "%s has no volumes of users", v->row.service.type->title);
    }
    if (!volume || of != v) {
        return err_set_hint(e, ERR_NOT_FOUND, "see `conpaas volume list`", "service %s has no volume %s",
                            v->row.service.name, name);
    }
    *ret = volume->id;
    return 0;
}

static int change(struct api_call *c, const char *kind, const char *title, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct slot_service *v = NULL;
    const char *name = api_text(c, "volume");
    struct change change = {
        .facet = FACET_VOLUME,
        .volume = {.name = name, .megabytes = api_int(c, "size"), .node = api_int(c, "node")}};
    (void)str_copy(change.kind, sizeof(change.kind), kind);
    int rc = api_service(c, &s, &v, e);
    if (rc < 0) {
        return rc;
    }
    rc = str_eq(kind, "create") ? check_free(s, name, e) : find_own(s, v, name, &change.volume.id, e);
    if (rc < 0 || (rc = txn_begin(c->d, s, v, &x, e)) < 0) {
        return rc;
    }
    return api_accept(c, x, &change, title, e);
}

static int volume_create(struct api_call *c, struct err *e)
{
    _cleanup_free_ char *title =
        str_printf("create volume %s of %lld MB", api_text(c, "volume"), (long long)api_int(c, "size"));
    return change(c, "create", title, e);
}

static int volume_attach(struct api_call *c, struct err *e)
{
    _cleanup_free_ char *title =
        str_printf("attach volume %s to node %lld", api_text(c, "volume"), (long long)api_int(c, "node"));
    return change(c, "attach", title, e);
}

static int volume_detach(struct api_call *c, struct err *e)
{
    _cleanup_free_ char *title = str_printf("detach volume %s", api_text(c, "volume"));
    return change(c, "detach", title, e);
}

static int volume_delete(struct api_call *c, struct err *e)
{
    _cleanup_free_ char *title = str_printf("delete volume %s", api_text(c, "volume"));
    return change(c, "delete", title, e);
}

const struct api_row api_volume_rows[] = {
    {"volume.list", volume_list},     {"volume.create", volume_create}, {"volume.attach", volume_attach},
    {"volume.detach", volume_detach}, {"volume.delete", volume_delete}, {0},
};
