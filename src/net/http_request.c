/*
 * What a handler may ask about its request (declared in http_server.h).
 */
#include <poll.h>

#include "net/http_private.h"

const char *http_method(const struct http_request *r)
{
    return r->method;
}

const char *http_path(const struct http_request *r)
{
    return r->target.path;
}

const char *http_header(const struct http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_request *r, const char *name)
{
    return http_pairs_get(&r->target.query, name);
}

const char *http_cookie(const struct http_request *r, const char *name)
{
    return http_pairs_get(&r->cookies, name);
}

void http_each_query(const struct http_request *r, void (*f)(void *, const char *, const char *), void *arg)
{
    for (size_t i = 0; i < r->target.query.n; i++) {
        f(arg, r->target.query.v[i].name, r->target.query.v[i].value);
    }
}

const char *http_peer_address(const struct http_request *r)
{
    return r->conn->address;
}

const char *http_peer_name(const struct http_request *r)
{
    return r->conn->peer.name;
}

const char *http_peer_serial(const struct http_request *r)
{
    return r->conn->peer.serial;
}

const void *http_body(const struct http_request *r, size_t *ret_len)
{
    *ret_len = r->body.len;
    return r->body.data ? r->body.data : "";
}

int http_body_fd(const struct http_request *r)
{
    return r->body_fd;
}

/* The bare media type, whatever its parameters. */
static bool http_is_json(const char *content_type)
{
    static const char json[] = "application/json";
    size_t n = strcspn(content_type, "; \t");
    return n == strlen(json) && strncasecmp(content_type, json, n) == 0;
}

int http_body_json(const struct http_request *r, json_t **ret, struct err *e)
{
    if (r->body_fd >= 0) {
        return err_set(e, ERR_INTERNAL, "the body was sent to disk");
    }
    if (r->body.len == 0) {
        *ret = json_object();
        return 0;
    }
    /* A page of somebody else's can send forms and plain text with our cookie, but not this type. */
    const char *type = http_header(r, "Content-Type");
    if (!type || !http_is_json(type)) {
        return err_set_hint(e, ERR_INVALID, "send the header Content-Type: application/json",
                            "the body's type must be application/json");
    }
    _cleanup_json_ json_t *j = NULL;
    int x = json_parse(r->body.data, r->body.len, r->body.len, &j, e);
    if (x < 0) {
        return x;
    }
    if (!json_is_object(j)) {
        return err_set(e, ERR_INVALID, "the body must be a JSON object");
    }
    *ret = TAKE_PTR(j);
    return 0;
}

void http_set_data(struct http_request *r, void *data, void (*free_f)(void *))
{
    if (r->data && r->data_free) {
        r->data_free(r->data);
    }
    r->data = data;
    r->data_free = free_f;
}

void *http_data(const struct http_request *r)
{
    return r->data;
}

bool http_stopping(const struct http_request *r)
{
    if (atomic_load(&r->server->stopping)) {
        return true;
    }
    struct pollfd p = {.fd = r->conn->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
