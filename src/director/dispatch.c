/*
 * The head decides: who asks, whether he may, and how much body is read. Everything that can refuse a request
 * does so before its body is taken, except wrong arguments.
 */
#include "director/dispatch.h"

#include "api/validate.h"
#include "base/clock.h"
#include "base/log.h"
#include "director/api.h"
#include "director/page.h"

#define UPLOADS_EACH 4

static const struct api_row *const tables[] = {
    api_user_rows,    api_token_rows,     api_credit_rows,   api_app_rows,     api_key_rows,
    api_git_rows,     api_service_rows,   api_node_rows,     api_volume_rows,  api_code_rows,
    api_config_rows,  api_env_rows,       api_secret_rows,   api_log_rows,     api_script_rows,
    api_history_rows, api_operation_rows, api_director_rows, api_catalog_rows, api_manifest_rows,
};

api_handler api_find(const char *id)
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        for (const struct api_row *r = tables[i]; r->id; r++) {
            if (str_eq(r->id, id)) {
                return r->handle;
            }
        }
    }
    return NULL;
}

static void end_upload(struct api_call *c)
{
    if (c->uploading) {
        gate_leave(&c->d->uploads, c->caller.user.id);
    }
    c->uploading = false;
}

static void call_free(void *data)
{
    struct api_call *c = data;
    end_upload(c);
    caller_done(&c->caller);
    json_decref(c->args);
    free(c->address);
    free(c);
}

/* ---- who may ---- */

static bool may(const struct caller *who, int64_t owner)
{
    return who->user.admin || (owner != 0 && owner == who->user.id);
}

static int app_owner(struct director *d, int64_t app, int64_t *ret)
{
    return app ? store_app_owner(d->store, app, ret, NULL) : ERR_NOT_FOUND;
}

/* *ret is 0 when there is no such thing, or none of an application that is still there. */
static void thing_owner(struct director *d, enum call_thing thing, int64_t id, int64_t *ret)
{
    struct node_row node;
    _cleanup_op_row_ struct op_row op = {0};
    int64_t app = 0;
    *ret = 0;
    if (thing == THING_APP) {
        app = id;
    } else if (thing == THING_SERVICE || thing == THING_VERSION) {
        (void)!store_service_app(d->store, id, &app, NULL);
    } else if (thing == THING_NODE && store_node(d->store, id, &node, NULL) == 0) {
        app = node.app;
    } else if (thing == THING_OPERATION && store_op(d->store, id, &op, NULL) == 0) {
        app = op.app;
    } else if (thing == THING_JOB) {
        _cleanup_job_ struct job j = {0};
        *ret = store_job(d->store, id, &j, NULL) == 0 ? j.owner : 0;
        return;
    } else if (thing == THING_TOKEN) {
        (void)!store_token_user(d->store, id, ret, NULL);
        return;
    }
    if (app_owner(d, app, ret) < 0) {
        *ret = 0;
    }
}

int api_check_thing(struct director *d, const struct caller *who, enum call_thing thing, int64_t id,
                    int64_t service, struct err *e)
{
    if (thing == THING_USER) {
        _cleanup_user_ struct user u = {0};
        return who->user.admin ? store_user(d->store, id, &u, e)
                               : err_set(e, ERR_FORBIDDEN, "only administrators may do this");
    }
    int64_t owner = 0;
    thing_owner(d, thing, thing == THING_VERSION ? service : id, &owner);
    bool ok = owner != 0 && may(who, owner);
    if (ok && thing == THING_VERSION) {
        _cleanup_version_ struct version v = {0};
        ok = store_version(d->store, service, id, &v, NULL) == 0;
    }
    return ok ? 0 : err_set(e, ERR_NOT_FOUND, "there is no %s %lld", call_thing_to_str(thing), (long long)id);
}

static int check_rank(const struct api_call *c, struct err *e)
{
    enum call_who who = c->match.call->who;
    if (who == WHO_ANYONE) {
        return 0;
    }
    if (c->caller.user.id == 0) {
        return err_set_hint(e, ERR_UNAUTHENTICATED, "conpaas login URL, or an API token",
                            "this needs a login");
    }
    if (who == WHO_ADMIN && !c->caller.user.admin) {
        return err_set(e, ERR_FORBIDDEN, "only administrators may do this");
    }
    return who > WHO_UNSET && who < WHO_MAX ? 0
                                            : err_set(e, ERR_INTERNAL, "the call table does not say who may");
}

/* Ids in the path, before the body; those elsewhere with the arguments. */
static int check_path(const struct api_call *c, struct err *e)
{
    int64_t service = call_match_id(&c->match, "service");
    int rc = 0;
    for (const struct call_param *p = c->match.call->params; p->name && rc >= 0; p++) {
        if (p->in == IN_PATH) {
            rc = api_check_thing(c->d, &c->caller, p->thing, call_match_id(&c->match, p->name), service, e);
        }
    }
    return rc;
}

static int check_args(const struct api_call *c, struct err *e)
{
    int rc = 0;
    for (const struct call_param *p = c->match.call->params; p->name && rc >= 0; p++) {
        const json_t *v = json_object_get(c->args, p->name);
        if (p->in != IN_PATH && p->kind == PARAM_ID && p->thing != THING_NONE && v) {
            rc = api_check_thing(c->d, &c->caller, p->thing, json_integer_value(v), 0, e);
        }
    }
    return rc;
}

/* ---- the listener's hooks ---- */

static bool is_api(const struct http_request *req)
{
    return str_starts(http_path(req), "/v1/") || str_eq(http_path(req), "/v1");
}

static int find_caller(struct api_call *c, struct err *e)
{
    int rc = account_caller(c->d, c->req, &c->caller, e);
    if (rc < 0 && c->match.call->who == WHO_ANYONE) {
        err_done(e); /* stale credentials are no reason to refuse a login */
        return 0;
    }
    return rc;
}

/* Each may take as much disk as a body may have, and a process that reads it. */
static int check_uploads(struct api_call *c, struct err *e)
{
    if (c->match.call->body != BODY_STREAM) {
        return 0;
    }
    int rc = gate_enter(&c->d->uploads, c->caller.user.id, UPLOADS_EACH, e);
    c->uploading = rc >= 0;
    return rc < 0 ? err_wrap(e, rc, "uploads") : 0;
}

int dispatch_admit(void *arg, struct http_request *req, struct http_admission *ret, struct err *e)
{
    struct director *d = arg;
    if (!atomic_load(&d->ready)) {
        return err_set(e, ERR_UNAVAILABLE, "the director is starting");
    }
    if (!is_api(req)) {
        *ret = (struct http_admission){.max_body = 0};
        return 0;
    }
    struct api_call *c = xcalloc(1, sizeof(*c));
    http_set_data(req, c, call_free);
    c->d = d;
    c->req = req;
    c->address = xstrdup(http_peer_address(req));
    int rc = call_match(http_method(req), http_path(req), &c->match, e);
    if (rc < 0 || (rc = find_caller(c, e)) < 0 || (rc = check_rank(c, e)) < 0 ||
        (rc = check_path(c, e)) < 0 || (rc = check_uploads(c, e)) < 0) {
        return rc;
    }
    if (c->match.call->guarded) {
        bool registers = str_eq(c->match.call->id, "user.register");
        struct limit *l = registers ? d->register_limit : d->login_limit;
        _cleanup_free_ char *key = str_printf("address %s", c->address);
        if (!(registers && c->caller.user.admin) && (rc = limit_take(l, key, clock_steady_ms(), e)) < 0) {
            return rc;
        }
    }
    call_admission(c->match.call, ret);
    return 0;
}

/* What only the log may know stays there. */
static int hide_internal(const struct api_call *c, int rc, struct err *e)
{
    if (err_http_status(rc) < 500) {
        return rc;
    }
    struct log_ctx ctx = {.logger = "director.api"};
    if (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT) {
        log_warn(&ctx, "%s: %s", c->match.call->id, e->message ? e->message : "failed");
        return rc;
    }
    log_error(&ctx, "%s: %s", c->match.call->id, e->message ? e->message : "failed");
    return err_set_hint(e, ERR_INTERNAL, "the director's log says more",
                        "the request failed inside the director");
}

int dispatch_handle(void *arg, struct http_request *req, struct err *e)
{
    if (!is_api(req)) {
        return page_handle(arg, req, e);
    }
    struct api_call *c = http_data(req);
    api_handler handle = api_find(c->match.call->id);
    if (!handle) {
        return err_set(e, ERR_INTERNAL, "%s is not implemented", c->match.call->id);
    }
    int rc = call_args_from_request(&c->match, req, &c->args, e);
    if (rc < 0 || (rc = check_args(c, e)) < 0) {
        return rc;
    }
    rc = handle(c, e);
    end_upload(c); /* before the answer, so that the client's next one finds its place free */
    return rc < 0 ? hide_internal(c, rc, e) : 0;
}

/* ---- for handlers ---- */

int64_t api_int(const struct api_call *c, const char *name)
{
    return json_int(c->args, name, 0);
}

const char *api_text(const struct api_call *c, const char *name)
{
    return json_str(c->args, name, NULL);
}

int api_reply(struct api_call *c, json_t *body)
{
    int rc = http_reply_json(c->req, c->match.call->status, body);
    json_decref(body);
    return rc;
}

int api_reply_list(struct api_call *c, json_t *items)
{
    return api_reply(c, json_pack("{s:o}", c->match.call->list, items));
}

int api_reply_empty(struct api_call *c)
{
    return http_reply_empty(c->req, c->match.call->status);
}

int api_service(struct api_call *c, struct slot **ret, struct slot_service **ret_service, struct err *e)
{
    struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = world_service(c->d->world, call_match_id(&c->match, "service"), &s, &v, e);
    if (rc < 0) {
        return rc;
    }
    rc = call_check_state(c->match.call, (int)v->row.service.state, e);
    if (rc < 0) {
        slot_put(s);
        return rc;
    }
    *ret = s;
    *ret_service = v;
    return 0;
}

int api_accept(struct api_call *c, struct txn *x, struct change *change, const char *title, struct err *e)
{
    int64_t op = 0;
    change->expect_gen = api_int(c, "expect_gen");
    change->supersede = json_flag(c->args, "supersede", false);
    x->actor = c->caller.user.username;
    x->call = c->match.call->id;
    x->title = title;
    int rc = truth_accept(&x->t, change, &op, e);
    if (rc < 0) {
        return rc;
    }
    if (op || x->service.gen != x->sv->row.service.gen) {
        rc = txn_note(x, x->service.id, "op", op, 0, "%s, asked by %s", title, x->actor);
    }
    if (rc < 0 || (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    _cleanup_op_row_ struct op_row row = {0};
    bool have = op && store_op(c->d->store, op, &row, NULL) == 0;
    json_t *operation = have ? object_operation(c->d, x->slot, &row) : json_null();
    return api_reply(
        c, json_pack("{s:o, s:o}", "operation", operation, "service", object_service(c->d, x->slot, x->sv)));
}
