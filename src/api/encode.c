#include "api/encode.h"

#include "api/validate.h"
#include "net/http_client.h"

void call_request_done(struct call_request *r)
{
    free(r->path);
    json_decref(r->body);
    *r = (struct call_request){.method = NULL};
}

/* A scalar as it stands in a path or query. */
static char *scalar_text(const json_t *v)
{
    if (json_is_string(v)) {
        return xstrdup(json_string_value(v));
    }
    if (json_is_boolean(v)) {
        return xstrdup(json_is_true(v) ? "true" : "false");
    }
    return str_printf("%lld", (long long)json_integer_value(v));
}

static int add_path(const struct call *c, const json_t *args, struct buf *out)
{
    const char *p = c->path;
    while (*p) {
        size_t plain = strcspn(p, "{");
        buf_add(out, p, plain);
        p += plain;
        if (*p == '{') {
            _cleanup_free_ char *name = xstrndup(p + 1, strcspn(p + 1, "}"));
            _cleanup_free_ char *text = scalar_text(json_object_get(args, name));
            buf_adds(out, text);
            p += strlen(name) + 2;
        }
    }
    return 0;
}

static void add_query(const struct call *c, const json_t *args, struct buf *out)
{
    char sep = '?';
    for (const struct call_param *p = c->params; p->name; p++) {
        const json_t *v = json_object_get(args, p->name);
        if (p->in != IN_QUERY || !v) {
            continue;
        }
        _cleanup_free_ char *text = scalar_text(v);
        _cleanup_free_ char *encoded = http_encode(text);
        buf_addf(out, "%c%s=%s", sep, p->name, encoded);
        sep = '&';
    }
}

static int check_args(const struct call *c, const json_t *args, struct err *e)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)args, name, v)
    {
        const struct call_param *p = call_param_find(c, name);
        if (!p) {
            return err_set(e, ERR_INVALID, "%s takes no argument \"%.64s\"", c->id, name);
        }
        int r = call_param_check(p, v, e);
        if (r < 0) {
            return r;
        }
    }
    for (const struct call_param *p = c->params; p->name; p++) {
        if (p->required && !json_object_get(args, p->name)) {
            return err_set_hint(e, ERR_INVALID, p->help, "\"%s\" is missing", p->name);
        }
    }
    return 0;
}

int call_encode(const struct call *c, const json_t *args, struct call_request *ret, struct err *e)
{
    int r = check_args(c, args, e);
    if (r < 0) {
        return r;
    }
    struct buf path = {0};
    add_path(c, args, &path);
    add_query(c, args, &path);
    json_t *body = c->body == BODY_JSON ? json_object() : NULL;
    for (const struct call_param *p = c->params; p->name; p++) {
        json_t *v = json_object_get(args, p->name);
        if (p->in == IN_BODY && v) {
            json_object_set(body, p->name, v);
        }
    }
    *ret = (struct call_request){.method = c->method, .path = buf_take(&path), .body = body};
    return 0;
}
