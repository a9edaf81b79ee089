/*
 * A poll is held until there is something for the node.  `echo` is our steady clock when an answer left: the next
 * report of that agent can not have been made before, so it is as fresh as that at least (F5).
 */
#include "manager/agents.h"

#include "base/clock.h"
#include "engine/constants.h"
#include "manager/narrate.h"
#include "net/tls.h"

#define BODY_MAX (4 * 1024 * 1024)
#define HOLD_MAX_MS 30000

static const struct log_ctx here = {.logger = "manager.agents"};

struct call {
    int64_t node;
    json_t *report; /* borrowed from the body */
    int64_t echo, wait_ms;
};

static int peer_node(const struct manager *m, const struct http_request *r, int64_t *ret, struct err *e)
{
    struct tls_name name;
    const char *text = http_peer_name(r);
    if (!text) {
        return err_set(e, ERR_UNAUTHENTICATED, "a client certificate is needed");
    }
    int rc = tls_name_parse(text, &name, e);
    if (rc < 0) {
        return rc;
    }
    if (name.kind != TLS_AGENT || name.app != m->config->app ||
        !str_eq(name.installation, m->config->installation)) {
        return err_set(e, ERR_FORBIDDEN, "%s is no agent of this application", text);
    }
    *ret = name.node;
    return 0;
}

static int admit(void *arg, struct http_request *r, struct http_admission *ret, struct err *e)
{
    int64_t node;
    ret->max_body = BODY_MAX;
    return peer_node(arg, r, &node, e);
}

/* An echo of ours, or of another process: then nothing is known but that the report came now. */
static int64_t seen_of(const struct managed *s, int64_t echo, int64_t now_ms)
{
    return echo >= s->have.started_ms && echo <= now_ms ? echo : s->have.started_ms;
}

static void keep(json_t **slot, json_t *value)
{
    if (json_is_object(value)) {
        json_decref(*slot);
        *slot = json_incref(value);
    }
}

/* What people see and the planner does not. */
static void keep_metrics(struct managed *s, int64_t node, const json_t *report)
{
    struct box *b = managed_box(s, node);
    if (b) {
        keep(&b->metrics, json_object_get(report, "metrics"));
        keep(&b->scripts, json_object_get(report, "scripts"));
    }
}

static int take_report(struct manager *m, struct managed *s, const struct call *c, struct err *e)
{
    _cleanup_json_ json_t *core = json_copy(c->report);
    _cleanup_free_ struct report *rep = xcalloc(1, sizeof(*rep));
    json_object_del(core, "metrics");
    json_object_del(core, "scripts");
    int r = report_from_json(core, s->view.type, rep, e);
    if (r < 0) {
        return err_wrap(e, r, "report");
    }
    int64_t now = clock_steady_ms();
    r = have_report(&s->have, c->node, rep, seen_of(s, c->echo, now), now);
    if (r == ERR_FENCED) {
        return err_set(e, ERR_FENCED, "the agent has promised epoch %lld, this manager has %lld",
                       (long long)rep->promised, (long long)m->epoch);
    }
    if (r > 0) {
        keep_metrics(s, c->node, c->report);
        narrate_report(m, s, c->node);
        managed_touch(m, s);
    }
    return 0;
}

/* The document to give now: a new one at once, one that was given already again after a while (F8). */
static json_t *due_document(struct managed *s, int64_t node, int64_t now_ms)
{
    const struct have_node *h = have_find(&s->have, node);
    struct box *b = managed_box(s, node);
    if (!h || !b || !b->document || h->n_pending == 0 || h->pending[h->n_pending - 1].seq != b->seq) {
        return NULL;
    }
    if (b->delivered_ms != 0 && now_ms - b->delivered_ms < RESEND_MS) {
        return NULL;
    }
    b->delivered_ms = now_ms;
    return json_incref(b->document);
}

static int parse_call(const json_t *body, bool poll, struct call *c, struct err *e)
{
    static const struct json_field fields[] = {
        {"report", JSON_F_OBJECT, offsetof(struct call, report), true, 0, 0},
        {"echo", JSON_F_INT, offsetof(struct call, echo), false, 0, 0},
        {"wait_ms", JSON_F_INT, offsetof(struct call, wait_ms), false, 0, HOLD_MAX_MS},
        {NULL, 0, 0, false, 0, 0},
    };
    int r = json_read(body, fields, c, e);
    if (!poll) {
        c->wait_ms = 0;
    }
    return r;
}

/* With the lock: waits until there is an answer. Returns the document or NULL; *ret_queries may become set. */
static int wait_answer(struct manager *m, struct http_request *r, const struct call *c, json_t **ret_document,
                       json_t **ret_queries, struct err *e)
{
    int64_t deadline = clock_mono_ms() + c->wait_ms;
    int64_t taken_epoch = 0;
    while (m->end == END_NONE) {
        struct managed *s = m->epoch ? manager_service_of(m, c->node) : NULL;
        if (s && taken_epoch == 0) {
            int rc = take_report(m, s, c, e);
            if (rc < 0) {
                return rc;
            }
            taken_epoch = m->epoch;
        }
        if (s && taken_epoch == m->epoch) {
            *ret_document = due_document(s, c->node, clock_steady_ms());
            *ret_queries = queries_give(&m->queries, c->node);
        }
        /* Without a valid echo the report's age is unknown: answer at once, the next one will bring it. */
        bool blind = s && seen_of(s, c->echo, clock_steady_ms()) != c->echo;
        bool again = taken_epoch != 0 && taken_epoch != m->epoch;
        int64_t left = deadline - clock_mono_ms();
        if (*ret_document || *ret_queries || blind || again || left <= 0 || http_stopping(r)) {
            return 0;
        }
        manager_sleep(m, &m->deliver, left < 1000 ? left : 1000);
    }
    return err_set(e, ERR_UNAVAILABLE, "this manager is ending");
}

static int exchange(struct manager *m, struct http_request *r, const struct call *c, struct err *e)
{
    json_t *document = NULL;
    json_t *queries = NULL;
    pthread_mutex_lock(&m->lock);
    int rc = wait_answer(m, r, c, &document, &queries, e);
    int64_t epoch = m->epoch;
    pthread_mutex_unlock(&m->lock);
    if (rc == 0 && epoch == 0) {
        rc = err_set(e, ERR_UNAVAILABLE, "this manager is not registered yet");
    }
    if (rc < 0) {
        json_decref(document);
        json_decref(queries);
        return rc;
    }
    _cleanup_json_ json_t *answer =
        json_pack("{s:I, s:I, s:o, s:o}", "epoch", (json_int_t)epoch, "echo", (json_int_t)clock_steady_ms(),
                  "document", document ? document : json_null(), "queries", queries ? queries : json_array());
    return http_reply_json(r, 200, answer);
}

static int take_answer(struct manager *m, struct http_request *r, int64_t node, const json_t *body,
                       struct err *e)
{
    int64_t id = json_int(body, "id", 0);
    const char *text = json_str(body, "text", NULL);
    const char *error = json_str(body, "error", NULL);
    pthread_mutex_lock(&m->lock);
    bool open = queries_answered(&m->queries, id, node);
    int64_t epoch = m->epoch;
    pthread_mutex_unlock(&m->lock);
    if (!open) {
        return err_set(e, ERR_NOT_FOUND, "no open question %lld to this node", (long long)id);
    }
    json_t *out = json_pack("{s:I, s:I, s:s}", "epoch", (json_int_t)epoch, "id", (json_int_t)id,
                            error ? "error" : "text",
                            error  ? error
                            : text ? text
                                   : "");
    struct queued_call call = {.path = "/node/v1/answer", .body = out, .what = "answer"};
    if (!out || !calls_push(&m->calls, &call)) {
        return err_set(e, ERR_UNAVAILABLE, "the answer could not be passed on");
    }
    return http_reply_json(r, 200, json_object());
}

static int handle(void *arg, struct http_request *r, struct err *e)
{
    struct manager *m = arg;
    struct call c = {0};
    _cleanup_json_ json_t *body = NULL;
    int rc = peer_node(m, r, &c.node, e);
    if (rc < 0 || (rc = http_body_json(r, &body, e)) < 0) {
        return rc;
    }
    if (!str_eq(http_method(r), "POST")) {
        return err_set(e, ERR_METHOD, "POST only");
    }
    if (str_eq(http_path(r), "/agent/v1/answer")) {
        return take_answer(m, r, c.node, body, e);
    }
    bool poll = str_eq(http_path(r), "/agent/v1/poll");
    if (!poll && !str_eq(http_path(r), "/agent/v1/report")) {
        return err_set(e, ERR_NOT_FOUND, "no such call: %s", http_path(r));
    }
    rc = parse_call(body, poll, &c, e);
    if (rc == 0) {
        rc = exchange(m, r, &c, e);
    }
    if (rc < 0 && rc != ERR_UNAVAILABLE) {
        pthread_mutex_lock(&m->lock);
        bool say = log_allowed(&m->agent_limit, 5, 30000);
        pthread_mutex_unlock(&m->lock);
        if (say) {
            log_warn(&here, "n%lld: %s", (long long)c.node, e->message);
        }
    }
    return rc;
}

int agents_start(struct manager *m, struct err *e)
{
    struct http_server_config c = {.address = m->config->listen_address,
                                   .port = m->config->listen_port,
                                   .key_pem = m->id.key_pem,
                                   .cert_pem = m->id.cert_pem,
                                   .ca_pem = m->config->ca_pem,
                                   .need_client_cert = true,
                                   .handler = {.admit = admit, .handle = handle, .arg = m}};
    return http_server_start(&c, &m->server, e);
}
