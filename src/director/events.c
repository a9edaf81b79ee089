/*
 * A stream remembers what it has told about each object as canonical text, and tells again what differs.
 */
#include "director/events.h"

#include "base/clock.h"
#include "director/objects.h"

#define QUIET_MS 8000
#define BATCH 100

struct stream {
    struct director *d;
    struct slot *slot;
    const struct http_request *req;
    int64_t token;  /* of the caller */
    int64_t last;   /* id of the last history line */
    uint64_t pulse; /* of the last look */
    bool began;
    json_t *told; /* "service:5" -> canonical text */
};

static void stream_free(void *arg)
{
    struct stream *s = arg;
    slot_unref(s->slot);
    json_decref(s->told);
    free(s);
}

static void add_event(struct buf *out, const char *name, int64_t id, const json_t *data)
{
    _cleanup_free_ char *text = json_text(data);
    buf_addf(out, "event: %s\n", name);
    if (id) {
        buf_addf(out, "id: %lld\n", (long long)id);
    }
    buf_addf(out, "data: %s\n\n", text);
}

/* quiet: the client has it from elsewhere. Takes object. */
static void tell(struct stream *s, struct buf *out, json_t *now, const char *name, json_t *object, bool quiet)
{
    _cleanup_free_ char *key = str_printf("%s:%lld", name, (long long)json_int(object, "id", 0));
    _cleanup_free_ char *text = json_canonical(object);
    if (!quiet && !str_eq(json_string_value(json_object_get(s->told, key)), text)) {
        add_event(out, name, 0, object);
    }
    json_object_set_new(now, key, json_string(text));
    json_decref(object);
}

static void tell_operations(struct stream *s, struct buf *out, json_t *now, const struct service *v)
{
    for (int i = 0; i < v->n_ops; i++) {
        _cleanup_op_row_ struct op_row o = {0};
        if (store_op(s->d->store, v->ops[i].id, &o, NULL) == 0) {
            tell(s, out, now, "operation", object_operation(s->d, s->slot, &o), false);
        }
    }
}

static void tell_jobs(struct stream *s, struct buf *out, json_t *now)
{
    struct job_filter f = {.app = s->slot->row.app.id, .active = true, .limit = 10};
    struct job *list = NULL;
    size_t n = 0;
    if (store_jobs(s->d->store, &f, &list, &n, NULL) == 0) {
        for (size_t i = 0; i < n; i++) {
            tell(s, out, now, "job", object_job(&list[i]), false);
        }
        jobs_free(list, n);
    }
}

static void tell_all(struct stream *s, struct buf *out, json_t *now, bool quiet_rest)
{
    struct slot *slot = s->slot;
    tell(s, out, now, "app", object_app(s->d, slot), quiet_rest);
    tell_jobs(s, out, now);
    for (int i = 0; i < slot->row.app.n_nodes; i++) {
        tell(s, out, now, "node", object_node(s->d, slot, NULL, &slot->row.app.nodes[i]), quiet_rest);
    }
    for (int k = 0; k < slot->n; k++) {
        struct slot_service *v = slot->services[k];
        tell_operations(s, out, now, &v->row.service);
        tell(s, out, now, "service", object_service(s->d, slot, v), false);
        for (int i = 0; i < v->row.service.n_nodes; i++) {
            tell(s, out, now, "node", object_node(s->d, slot, v, &v->row.service.nodes[i]), quiet_rest);
        }
    }
}

/* What was told and is not there any more: an operation has ended, the rest is gone. */
static void tell_gone(struct stream *s, struct buf *out, const json_t *now)
{
    const char *key;
    json_t *value;
    json_object_foreach(s->told, key, value)
    {
        if (json_object_get(now, key)) {
            continue;
        }
        const char *colon = strchr(key, ':');
        _cleanup_free_ char *kind = xstrndup(key, (size_t)(colon - key));
        int64_t id = 0;
        if (str_to_int(colon + 1, 0, INT64_MAX, &id) < 0) {
            continue;
        }
        _cleanup_op_row_ struct op_row o = {0};
        _cleanup_json_ json_t *data = NULL;
        _cleanup_job_ struct job j = {0};
        if (str_eq(kind, "job")) {
            data = store_job(s->d->store, id, &j, NULL) == 0 ? object_job(&j) : json_object();
            add_event(out, "job", 0, data);
        } else if (!str_eq(kind, "operation")) {
            data = json_pack("{s:s, s:I}", "kind", kind, "id", (json_int_t)id);
            add_event(out, "gone", 0, data);
        } else if (store_op(s->d->store, id, &o, NULL) == 0) {
            data = object_operation(s->d, s->slot, &o);
            add_event(out, "operation", 0, data);
        }
    }
}

static int tell_history(struct stream *s, struct buf *out)
{
    struct event *ev = NULL;
    size_t n = 0;
    if (store_events_after(s->d->store, s->slot->row.app.id, 0, s->last, BATCH, &ev, &n, NULL) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        _cleanup_json_ json_t *o = object_history(&ev[i]);
        add_event(out, "history", ev[i].id, o);
        s->last = ev[i].id;
    }
    events_free(ev, n);
    return n == BATCH ? 1 : 0;
}

static void tell_changes(struct stream *s, struct buf *out)
{
    json_t *now = json_object();
    tell_all(s, out, now, !s->began);
    tell_gone(s, out, now);
    json_decref(s->told);
    s->told = now;
    s->began = true;
}

/* Blocks for at most QUIET_MS. */
static int next(void *arg, struct buf *out)
{
    struct stream *s = arg;
    int64_t until = clock_mono_ms() + QUIET_MS;
    int rc = 0;
    slot_lock(s->slot);
    while (s->began && s->pulse == s->slot->pulse && !s->slot->gone && clock_mono_ms() < until &&
           !s->d->stopping) {
        slot_wait(s->slot, until);
    }
    if (store_token_live(s->d->store, s->token, clock_steady_ms(), NULL) <= 0) {
        rc = -1; /* revoked meanwhile, or logged out */
    } else if (s->slot->gone || s->d->stopping) {
        _cleanup_json_ json_t *gone =
            json_pack("{s:s, s:I}", "kind", "app", "id", (json_int_t)s->slot->row.app.id);
        (void)tell_history(s, out);
        if (s->slot->gone && s->began) {
            add_event(out, "gone", 0, gone);
            s->began = false; /* the next round ends it */
        } else {
            rc = -1;
        }
    } else if (s->began && s->pulse == s->slot->pulse) {
        buf_adds(out, ": still here\n\n");
    } else {
        s->pulse = s->slot->pulse;
        if (tell_history(s, out) > 0) {
            s->pulse--; /* more lines than a batch */
        }
        tell_changes(s, out);
    }
    slot_unlock(s->slot);
    if (rc == 0 && out->len == 0) {
        buf_adds(out, ": nothing\n\n");
    }
    return rc;
}

int events_stream(struct director *d, struct http_request *req, int64_t app, int64_t token, int64_t after,
                  struct err *e)
{
    struct slot *slot = NULL;
    int rc = world_app(d->world, app, &slot, e);
    if (rc < 0) {
        return rc;
    }
    struct stream *s = xcalloc(1, sizeof(*s));
    s->d = d;
    s->slot = slot_ref(slot);
    s->token = token;
    s->last = after;
    s->told = json_object();
    if (after < 0) {
        rc = store_event_last(d->store, app, &s->last, e);
    }
    slot_put(slot);
    if (rc < 0) {
        stream_free(s);
        return rc;
    }
    return http_reply_stream(req, "text/event-stream", next, s, stream_free);
}
