/*
 * The manager's view, and what its reports tell people.
 */
#include "base/clock.h"
#include "director/director.h"
#include "director/node_call.h"
#include "director/revision.h"

#define SETTINGS_KEPT 8
#define STALE_MS 30000 /* reports come every five seconds */

static int add_versions(struct director *d, json_t *o, int64_t service, struct err *e)
{
    struct version *v = NULL;
    size_t n = 0;
    int rc = store_versions(d->store, service, &v, &n, e);
    if (rc < 0) {
        return rc;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:I, s:s}", "id", (json_int_t)v[i].id, "name",
                                              v[i].name, "sha256", v[i].sha256, "size", (json_int_t)v[i].size,
                                              "format", v[i].format));
    }
    versions_free(v, n);
    json_object_set_new(o, "versions", list);
    return 0;
}

/* Nodes may be told to take it up, or to go back to it. */
static bool in_use(const struct service *v, int64_t rev)
{
    bool used = rev == v->want.settings || rev == v->good.settings;
    for (int i = 0; i < v->n_ops; i++) {
        used = used || (v->ops[i].facet == FACET_SETTINGS && v->ops[i].value.settings == rev);
    }
    return used;
}

static int add_contents(struct director *d, json_t *o, const struct revision *r, struct err *e)
{
    json_t *secrets = NULL, *own = NULL;
    json_object_set(o, "env", r->env);
    json_object_set(o, "links", r->links);
    int rc = revision_open(d, r->secrets, &secrets, e);
    if (rc < 0) {
        return rc;
    }
    json_object_set_new(o, "secrets", secrets);
    rc = revision_open(d, r->own, &own, e);
    return rc < 0 ? rc : json_object_set_new(o, "own", own);
}

/* Of one that no node takes up any more the settings are enough: documents that take roles away name it. */
static int add_revision(struct director *d, json_t *list, const struct service *v, int64_t rev, struct err *e)
{
    _cleanup_revision_ struct revision r = {0};
    int rc = store_revision(d->store, v->id, rev, &r, e);
    if (rc < 0) {
        return rc;
    }
    json_t *o = json_pack("{s:I, s:O}", "rev", (json_int_t)rev, "values", r.settings);
    json_array_append_new(list, o);
    return in_use(v, rev) ? add_contents(d, o, &r, e) : 0;
}

static int add_settings(struct director *d, json_t *o, const struct service *v, struct err *e)
{
    int64_t last = 0;
    int rc = store_settings_last(d->store, v->id, &last, e);
    json_t *list = json_array();
    for (int64_t rev = 1; rc >= 0 && rev <= last; rev++) {
        if (rev > last - SETTINGS_KEPT || in_use(v, rev)) {
            rc = add_revision(d, list, v, rev, e);
        }
    }
    json_object_set_new(o, "settings", list);
    return rc < 0 ? rc : 0;
}

static int one_service(struct director *d, const struct service *v, bool credit_ok, json_t **ret,
                       struct err *e)
{
    _cleanup_json_ json_t *o = service_to_json(v);
    int rc = add_versions(d, o, v->id, e);
    if (rc < 0 || (rc = add_settings(d, o, v, e)) < 0) {
        return rc;
    }
    json_object_set_new(o, "credit_ok", json_boolean(credit_ok));
    *ret = TAKE_PTR(o);
    return 0;
}

int node_view(struct director *d, struct slot *s, json_t **ret, struct err *e)
{
    _cleanup_user_ struct user owner = {0};
    _cleanup_json_ json_t *services = json_array();
    int rc = store_user(d->store, s->row.app.owner, &owner, e);
    for (int i = 0; i < s->n && rc >= 0; i++) {
        json_t *o = NULL;
        rc = one_service(d, &s->services[i]->row.service, owner.broke_ms == 0, &o, e);
        if (rc >= 0) {
            json_array_append_new(services, o);
        }
    }
    if (rc < 0) {
        return rc;
    }
    *ret = json_pack("{s:I, s:I, s:I, s:O}", "txn", (json_int_t)s->row.app.txn, "app",
                     (json_int_t)s->row.app.id, "now", (json_int_t)clock_steady_ms(), "services", services);
    return 0;
}

/* ---- reports ---- */

void node_take_report(struct slot_service *v, json_t *performance, int64_t now_ms)
{
    struct live *l = &v->live;
    if (!json_is_object(performance)) {
        return;
    }
    json_decref(l->performance);
    l->performance = json_incref(performance);
    l->at_ms = now_ms;
}

static void add_engine(struct performance *sum, const json_t *m)
{
    double rate = json_number_value(json_object_get(m, "request_rate"));
    if (!json_is_number(json_object_get(m, "request_rate"))) {
        return;
    }
    sum->known = true;
    sum->request_rate += rate;
    sum->error_rate += json_number_value(json_object_get(m, "error_rate"));
    sum->throughput += json_number_value(json_object_get(m, "throughput"));
    sum->response_ms += rate * json_number_value(json_object_get(m, "response_ms"));
}

void node_performance(const struct slot_service *v, struct performance *ret)
{
    size_t i;
    json_t *n, *m;
    const char *engine;
    *ret = (struct performance){.known = false};
    if (clock_steady_ms() - v->live.at_ms > STALE_MS) {
        return;
    }
    json_array_foreach(json_object_get(v->live.performance, "nodes"), i, n)
    {
        json_object_foreach(json_object_get(json_object_get(n, "metrics"), "engines"), engine, m)
        {
            add_engine(ret, m);
        }
    }
    ret->response_ms = ret->request_rate > 0 ? ret->response_ms / ret->request_rate : 0;
}
