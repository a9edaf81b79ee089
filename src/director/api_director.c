/*
 * The director itself, clouds and service types.
 */
#include "base/clock.h"
#include "director/api.h"
#include "director/git_repo.h"

static int director_version(struct api_call *c, struct err *e)
{
    _cleanup_free_ char *git = git_address(c->d);
    return api_reply(c, json_pack("{s:s, s:i, s:s, s:I, s:b, s:I, s:o}", "version", CONPAAS_VERSION, "api", 1,
                                  "installation", c->d->info.name, "now", (json_int_t)clock_wall_ms(),
                                  "registration", c->d->config.registration, "max_credit",
                                  (json_int_t)c->d->config.max_credit, "git", object_text(git)));
}

static int director_ca(struct api_call *c, struct err *e)
{
    return api_reply(c, json_pack("{s:s, s:s, s:s}", "installation", c->d->info.name, "certificate",
                                  ca_certificate(c->d->ca), "fingerprint", ca_fingerprint(c->d->ca)));
}

static json_t *alarms(struct director *d)
{
    struct event *ev = NULL;
    size_t n = 0;
    json_t *list = json_array();
    if (store_alarms(d->store, 50, &ev, &n, NULL) == 0) {
        for (size_t i = 0; i < n; i++) {
            json_array_append_new(
                list, json_pack("{s:I, s:s}", "time", (json_int_t)ev[i].at_ms, "text", ev[i].text));
        }
        events_free(ev, n);
    }
    return list;
}

static json_t *status(struct director *d)
{
    struct user *users = NULL;
    size_t n_users = 0, n_apps = 0;
    int64_t services = 0, nodes = 0;
    if (store_users(d->store, &users, &n_users, NULL) == 0) {
        users_free(users, n_users);
    }
    struct slot **all = world_all(d->world, 0, &n_apps);
    for (size_t i = 0; i < n_apps; i++) {
        slot_lock(all[i]);
        services += all[i]->n;
        nodes += all[i]->row.app.n_nodes;
        for (int k = 0; k < all[i]->n; k++) {
            nodes += all[i]->services[k]->row.service.n_nodes;
        }
        slot_put(all[i]);
    }
    free(all);
    return json_pack("{s:s, s:s, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "version", CONPAAS_VERSION,
                     "installation", d->info.name, "incarnation", (json_int_t)d->info.incarnation, "recovery",
                     (int)atomic_load(&d->recovery), "started", (json_int_t)d->started_ms, "users",
                     (json_int_t)n_users, "apps", (json_int_t)n_apps, "services", (json_int_t)services,
                     "nodes", (json_int_t)nodes, "alarms", alarms(d));
}

static int director_status(struct api_call *c, struct err *e)
{
    return api_reply(c, status(c->d));
}

static int director_reconcile(struct api_call *c, struct err *e)
{
    struct director *d = c->d;
    int rc = store_begin(d->store, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = store_reconciled(d->store, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    if ((rc = store_commit(d->store, e)) < 0) {
        return rc;
    }
    atomic_store(&d->recovery, false);
    director_wake(d);
    return api_reply(c, status(d));
}

const struct api_row api_director_rows[] = {
    {"director.version", director_version},
    {"director.ca", director_ca},
    {"director.status", director_status},
    {"director.reconcile", director_reconcile},
    {0},
};

static int cloud_list(struct api_call *c, struct err *e)
{
    json_t *list = json_array();
    for (int i = 0; i < c->d->n_clouds; i++) {
        json_array_append_new(list, object_cloud(c->d, &c->d->clouds[i]));
    }
    return api_reply_list(c, list);
}

static int type_list(struct api_call *c, struct err *e)
{
    json_t *list = json_array();
    for (const struct service_type *const *t = service_types; *t; t++) {
        json_array_append_new(list, object_type(*t));
    }
    return api_reply_list(c, list);
}

const struct api_row api_catalog_rows[] = {{"cloud.list", cloud_list}, {"type.list", type_list}, {0}};
