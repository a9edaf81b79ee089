/*
 * What a manager may ask, all of it under its epoch.
 */
#include <assert.h>

#include "base/clock.h"
#include "director/director.h"
#include "director/node_call.h"
#include "director/questions.h"
#include "engine/constants.h"

#define WAIT_MAX_MS 20000

/* Everything that any of the calls has; each checks what it needs. */
struct args {
    int64_t epoch, service, nodes_rev, gen, node, rev, op, id, volume, txn, wait_ms;
    const char *why, *fact, *outcome, *nonce, *text, *error;
    json_t *counts, *value, *services, *log;
};
#define INT_FIELD(n)                                                                                         \
    {                                                                                                        \
        .name = #n, .kind = JSON_F_INT, .offset = offsetof(struct args, n)                                   \
    }
#define TEXT_FIELD(n, longest)                                                                               \
    {                                                                                                        \
        .name = #n, .kind = JSON_F_STRING, .offset = offsetof(struct args, n), .max = (longest)              \
    }
static const struct json_field fields[] = {
    INT_FIELD(epoch),
    INT_FIELD(service),
    INT_FIELD(nodes_rev),
    INT_FIELD(gen),
    INT_FIELD(node),
    INT_FIELD(rev),
    INT_FIELD(op),
    INT_FIELD(id),
    INT_FIELD(volume),
    INT_FIELD(txn),
    INT_FIELD(wait_ms),
    TEXT_FIELD(why, 4096),
    TEXT_FIELD(fact, 32),
    TEXT_FIELD(outcome, 16),
    TEXT_FIELD(nonce, TOKEN_MAX - 1),
    TEXT_FIELD(text, 4 << 20),
    TEXT_FIELD(error, 4096),
    {.name = "counts", .kind = JSON_F_OBJECT, .offset = offsetof(struct args, counts), .max = ROLES_MAX},
    {.name = "value", .kind = JSON_F_OBJECT, .offset = offsetof(struct args, value), .max = 16},
    {.name = "services",
     .kind = JSON_F_ARRAY,
     .offset = offsetof(struct args, services),
     .max = SERVICES_MAX},
    {.name = "log", .kind = JSON_F_ARRAY, .offset = offsetof(struct args, log), .max = 1000},
    {0},
};

static int reply_empty(struct node_call *c)
{
    _cleanup_json_ json_t *body = json_object();
    return http_reply_json(c->req, 200, body);
}

/* Reads the arguments, locks the application, checks the epoch, and notes that the manager was heard. */
static int begin(struct node_call *c, struct args *a, struct slot **ret, struct err *e)
{
    *a = (struct args){.why = ""};
    int rc = json_read(c->body, fields, a, e);
    struct slot *s = NULL;
    if (rc < 0) {
        return rc;
    }
    if (world_app(c->d->world, c->peer.app, &s, NULL) < 0) {
        return err_set(e, ERR_GONE, "the application is gone");
    }
    if ((rc = truth_fence(&s->row.app, c->peer.node, a->epoch, e)) < 0) {
        slot_put(s);
        return rc;
    }
    s->row.app.manager_heard_ms = clock_steady_ms();
    *ret = s;
    return 0;
}

static int begin_service(struct node_call *c, struct args *a, struct slot **ret, struct txn **ret_x,
                         struct err *e)
{
    int rc = begin(c, a, ret, e);
    if (rc < 0) {
        return rc;
    }
    struct slot_service *v = slot_service(*ret, a->service);
    if (!v) {
        return err_set(e, ERR_NOT_FOUND, "no service %lld in this application", (long long)a->service);
    }
    return txn_begin(c->d, *ret, v, ret_x, e);
}

/* A refusal may have changed something too (a back-off): what the transition left is stored either way. */
static int end(struct node_call *c, struct txn *x, int result, struct err *e)
{
    _cleanup_err_ struct err why = {0};
    int rc = txn_commit(x, result < 0 ? &why : e);
    if (result < 0) {
        return result;
    }
    return rc < 0 ? rc : reply_empty(c);
}

int manager_register(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct args a = {0};
    int64_t epoch = 0;
    int rc = json_read(c->body, fields, &a, e);
    if (rc < 0) {
        return rc;
    }
    if (!a.nonce || strlen(a.nonce) < 8) {
        return err_set(e, ERR_INVALID, "a nonce of 8 characters at least is needed");
    }
    if (world_app(c->d->world, c->peer.app, &s, NULL) < 0) {
        return err_set(e, ERR_GONE, "the application is gone");
    }
    if ((rc = txn_begin(c->d, s, NULL, &x, e)) < 0 ||
        (rc = truth_register(&x->t, c->peer.node, a.nonce, &epoch, e)) < 0 || (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    _cleanup_json_ json_t *body =
        json_pack("{s:I, s:I}", "epoch", (json_int_t)epoch, "lease_ms", (json_int_t)LEASE_MS);
    return http_reply_json(c->req, 200, body);
}

int manager_view(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct args a;
    json_t *view = NULL;
    int rc = begin(c, &a, &s, e);
    if (rc < 0) {
        return rc;
    }
    assert(s);
    int64_t wait = a.wait_ms < 0 ? 0 : a.wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : a.wait_ms;
    int64_t until = clock_mono_ms() + wait;
    while (s->row.app.txn <= a.txn && !questions_waiting(s, a.epoch) && !s->gone && clock_mono_ms() < until &&
           !http_stopping(c->req)) {
        slot_wait(s, until);
    }
    if (s->gone) {
        return err_set(e, ERR_GONE, "the application is gone");
    }
    if ((rc = truth_fence(&s->row.app, c->peer.node, a.epoch, e)) < 0) {
        return rc;
    }
    s->row.app.manager_heard_ms = clock_steady_ms();
    if (s->row.app.txn > a.txn && (rc = node_view(c->d, s, &view, e)) < 0) {
        return rc;
    }
    _cleanup_json_ json_t *body =
        json_pack("{s:I, s:I, s:o, s:o}", "txn", (json_int_t)s->row.app.txn, "lease_ms", (json_int_t)LEASE_MS,
                  "view", view ? view : json_null(), "queries", questions_give(s, a.epoch));
    return http_reply_json(c->req, 200, body);
}

static int read_counts(const struct service_type *t, const json_t *j, int counts[ROLES_MAX], struct err *e)
{
    const char *role;
    json_t *value;
    memset(counts, 0, ROLES_MAX * sizeof(counts[0]));
    json_object_foreach((json_t *)j, role, value)
    {
        int r = service_type_role(t, role);
        int64_t n = json_integer_value(value);
        if (r < 0 || !json_is_integer(value) || n < 0 || n > NODES_MAX) {
            return err_set(e, ERR_INVALID, "counts: %.32s", role);
        }
        counts[r] = (int)n;
    }
    return 0;
}

int manager_create(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct args a;
    int counts[ROLES_MAX];
    int rc = begin_service(c, &a, &s, &x, e);
    if (rc < 0) {
        return rc;
    }
    assert(x);
    if ((rc = read_counts(x->service.type, a.counts, counts, e)) < 0) {
        return rc;
    }
    rc = truth_create(&x->t, a.nodes_rev, a.gen, counts, e);
    return end(c, x, rc, e);
}

int manager_destroy(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct args a;
    int rc = begin_service(c, &a, &s, &x, e);
    if (rc < 0) {
        return rc;
    }
    rc = truth_destroy(&x->t, a.node, a.why, e);
    return end(c, x, rc, e);
}

int manager_release(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct args a;
    int rc = begin_service(c, &a, &s, &x, e);
    if (rc < 0) {
        return rc;
    }
    rc = truth_release(&x->t, a.volume, e);
    return end(c, x, rc, e);
}

int manager_publish(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct args a;
    struct fact_value value;
    int rc = begin_service(c, &a, &s, &x, e);
    int fact = rc < 0 ? -1 : fact_id_from_str(a.fact);
    if (rc < 0) {
        return rc;
    }
    if (fact < 0 || !a.value) {
        return err_set(e, ERR_INVALID, "no such fact");
    }
    if ((rc = fact_value_from_json(a.value, &value, e)) < 0) {
        return rc;
    }
    rc = truth_publish(&x->t, (enum fact_id)fact, a.rev, &value, e);
    return end(c, x, rc, e);
}

int manager_finish(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct args a;
    int rc = begin_service(c, &a, &s, &x, e);
    int outcome = rc < 0 ? -1 : op_state_from_str(a.outcome);
    if (rc < 0) {
        return rc;
    }
    if (outcome < 0) {
        return err_set(e, ERR_INVALID, "an operation ends DONE or FAILED");
    }
    rc = truth_finish(&x->t, a.op, (enum op_state)outcome, a.why, e);
    return end(c, x, rc, e);
}

static int take_converged(struct node_call *c, struct slot *s, struct slot_service *v, bool converged,
                          struct err *e)
{
    const struct service *now = &v->row.service;
    if (now->converged == (converged && now->want.run == RUN_RUNNING) && !(converged && now->in_error)) {
        return 0;
    }
    _cleanup_(txn_freep) struct txn *x = NULL;
    int rc = txn_begin(c->d, s, v, &x, e);
    if (rc < 0) {
        return rc;
    }
    truth_converged(&x->t, converged);
    rc = txn_commit(x, e);
    return rc < 0 ? rc : 0;
}

int manager_report(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct args a;
    int rc = begin(c, &a, &s, e);
    size_t i;
    json_t *j;
    if (rc < 0) {
        return rc;
    }
    json_array_foreach(a.services, i, j)
    {
        struct slot_service *v = slot_service(s, json_int(j, "service", 0));
        if (!v) {
            continue;
        }
        node_take_report(v, json_object_get(j, "performance"), clock_steady_ms());
        if ((rc = take_converged(c, s, v, json_flag(j, "converged", false), e)) < 0) {
            return rc;
        }
    }
    questions_keep_lines(c->d, s, a.log);
    slot_pulse(s);
    return reply_empty(c);
}

int manager_answer(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct args a;
    int rc = begin(c, &a, &s, e);
    if (rc < 0) {
        return rc;
    }
    questions_answer(s, a.id, a.text, a.error);
    return reply_empty(c);
}
