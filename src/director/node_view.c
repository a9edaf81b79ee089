/*
 * The manager's view, and what its reports tell people.
 */
#include "base/clock.h"
#include "director/director.h"
#include "director/node_call.h"

#define SETTINGS_KEPT 8
#define SAMPLE_MS 4000

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

static bool needs_revision(const struct service *v, int64_t rev, int64_t last)
{
    bool needed = rev > last - SETTINGS_KEPT || rev == v->want.settings || rev == v->good.settings;
    for (int i = 0; i < v->n_ops; i++) {
        needed = needed || (v->ops[i].facet == FACET_SETTINGS && v->ops[i].value.settings == rev);
    }
    return needed;
}

static int add_settings(struct director *d, json_t *o, const struct service *v, struct err *e)
{
    int64_t last = 0;
    int rc = store_settings_last(d->store, v->id, &last, e);
    json_t *list = json_array();
    for (int64_t rev = 1; rc >= 0 && rev <= last; rev++) {
        json_t *values = NULL;
        if (!needs_revision(v, rev, last)) {
            continue;
        }
        rc = store_settings(d->store, v->id, rev, &values, e);
        if (rc >= 0) {
            json_array_append_new(list, json_pack("{s:I, s:o}", "rev", (json_int_t)rev, "values", values));
        }
    }
    json_object_set_new(o, "settings", list);
    return rc < 0 ? rc : 0;
}

static int one_service(struct director *d, const struct service *v, bool credit_ok, json_t **ret,
                       struct err *e)
{
    _cleanup_json_ json_t *o = service_to_json(v);
    json_t *secrets = NULL;
    int rc = add_versions(d, o, v->id, e);
    if (rc < 0 || (rc = add_settings(d, o, v, e)) < 0 ||
        (rc = store_secrets(d->store, v->id, &secrets, e)) < 0) {
        return rc;
    }
    json_object_set_new(o, "secrets", secrets);
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

struct sums {
    double requests, errors, bytes, busy_ms, served;
    bool any;
};

/* Metrics of all engines of a node; only entry proxies count "requests", so nothing counts twice. */
static void add_engines(struct sums *sum, const json_t *metrics)
{
    const char *engine;
    json_t *m;
    json_object_foreach((json_t *)metrics, engine, m)
    {
        const json_t *requests = json_object_get(m, "requests");
        if (!json_is_number(requests) || !json_object_get(m, "bytes_out")) {
            continue;
        }
        double web = json_number_value(json_object_get(m, "web_requests"));
        double php = json_number_value(json_object_get(m, "backend_requests"));
        sum->any = true;
        sum->requests += json_number_value(requests);
        sum->errors += json_number_value(json_object_get(m, "errors_5xx"));
        sum->bytes += json_number_value(json_object_get(m, "bytes_out"));
        sum->served += web + php;
        sum->busy_ms += web * json_number_value(json_object_get(m, "web_ms")) +
                        php * json_number_value(json_object_get(m, "backend_ms"));
    }
}

static void sum_up(const json_t *performance, struct sums *ret)
{
    size_t i;
    json_t *n;
    *ret = (struct sums){0};
    json_array_foreach(json_object_get(performance, "nodes"), i, n)
    {
        add_engines(ret, json_object_get(n, "metrics"));
    }
}

static double per_second(double now, double before, int64_t ms)
{
    return now > before ? (now - before) * 1000.0 / (double)ms : 0; /* a restarted proxy counts from zero */
}

/* Reports come whenever something happens: figures need two that are some seconds apart. */
static void take_rates(struct live *l, const struct sums *now, int64_t now_ms)
{
    int64_t ms = now_ms - l->base_ms;
    if (!now->any || (l->base_ms && ms < SAMPLE_MS)) {
        return;
    }
    if (l->base_ms && ms < 10 * SAMPLE_MS) {
        json_decref(l->rates);
        l->rates =
            json_pack("{s:f, s:f, s:f, s:f}", "request_rate", per_second(now->requests, l->base_requests, ms),
                      "error_rate", per_second(now->errors, l->base_errors, ms), "throughput",
                      per_second(now->bytes, l->base_bytes, ms), "response_time",
                      now->served > 0 ? now->busy_ms / now->served : 0.0);
        l->rates_ms = now_ms;
    }
    l->base_requests = now->requests;
    l->base_errors = now->errors;
    l->base_bytes = now->bytes;
    l->base_ms = now_ms;
}

void node_take_report(struct slot_service *v, json_t *performance, int64_t now_ms)
{
    struct live *l = &v->live;
    struct sums now;
    if (!json_is_object(performance)) {
        return;
    }
    sum_up(performance, &now);
    take_rates(l, &now, now_ms);
    json_decref(l->performance);
    l->performance = json_incref(performance);
    l->at_ms = now_ms;
}
