#include "api/validate.h"

json_t *call_args_start(const struct call_match *m)
{
    json_t *args = json_object();
    int i = 0;
    for (const struct call_param *p = m->call->params; p->name && i < m->n_ids; p++) {
        if (p->in == IN_PATH) {
            json_object_set_new(args, p->name, json_integer(m->ids[i++]));
        }
    }
    return args;
}

int call_args_query(const struct call *c, json_t *args, const char *name, const char *value, struct err *e)
{
    const struct call_param *p = call_param_find(c, name);
    if (!p || p->in != IN_QUERY) {
        return err_set(e, ERR_INVALID, "%s takes no query argument \"%.64s\"", c->id, name);
    }
    if (json_object_get(args, name)) {
        return err_set(e, ERR_INVALID, "\"%s\" is given twice", name);
    }
    json_t *v = NULL;
    int r = call_param_parse(p, value ? value : "", &v, e);
    if (r == 0) {
        json_object_set_new(args, name, v);
    }
    return r;
}

int call_args_body(const struct call *c, json_t *args, const json_t *body, struct err *e)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)body, name, v)
    {
        const struct call_param *p = call_param_find(c, name);
        if (!p || p->in != IN_BODY) {
            return err_set(e, ERR_INVALID, "%s takes no member \"%.64s\"", c->id, name);
        }
        if (json_is_null(v)) { /* the same as absent, so that a client may send a whole form */
            continue;
        }
        int r = call_param_check(p, v, e);
        if (r < 0) {
            return r;
        }
        json_object_set(args, name, v);
    }
    return 0;
}

int call_args_finish(const struct call *c, json_t *args, struct err *e)
{
    for (const struct call_param *p = c->params; p->name; p++) {
        if (json_object_get(args, p->name)) {
            continue;
        }
        if (p->required) {
            return err_set_hint(e, ERR_INVALID, p->help, "\"%s\" is missing", p->name);
        }
        if (p->fallback) {
            json_t *v = NULL;
            int r = call_param_parse(p, p->fallback, &v, e);
            if (r < 0) {
                return r;
            }
            json_object_set_new(args, p->name, v);
        }
    }
    return 0;
}

struct query_reader {
    const struct call *call;
    json_t *args;
    struct err *e;
    int r;
};

static void on_query(void *arg, const char *name, const char *value)
{
    struct query_reader *q = arg;
    if (q->r == 0) {
        q->r = call_args_query(q->call, q->args, name, value, q->e);
    }
}

static int read_body(const struct call *c, json_t *args, const struct http_request *req, struct err *e)
{
    _cleanup_json_ json_t *body = NULL;
    if (c->body == BODY_STREAM) {
        return 0;
    }
    if (c->body == BODY_NONE) {
        size_t len = 0;
        (void)http_body(req, &len);
        if (len == 0) {
            return 0;
        }
    }
    int r = http_body_json(req, &body, e);
    return r < 0 ? r : call_args_body(c, args, body, e);
}

int call_args_from_request(const struct call_match *m, const struct http_request *req, json_t **ret,
                           struct err *e)
{
    _cleanup_json_ json_t *args = call_args_start(m);
    struct query_reader q = {.call = m->call, .args = args, .e = e};
    http_each_query(req, on_query, &q);
    if (q.r < 0) {
        return q.r;
    }
    int r = read_body(m->call, args, req, e);
    r = r < 0 ? r : call_args_finish(m->call, args, e);
    if (r == 0) {
        *ret = TAKE_PTR(args);
    }
    return r;
}

void call_admission(const struct call *c, struct http_admission *ret)
{
    ret->spool = c->body == BODY_STREAM;
    ret->max_body = c->body == BODY_STREAM ? c->max_body : CALL_JSON_MAX;
}
