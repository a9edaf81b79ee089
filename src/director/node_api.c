/*
 * Table, peer, dispatch.
 */
#include "director/node_api.h"

#include "base/log.h"
#include "director/node_call.h"

#define BODY_MAX (1 << 20)
#define REPORT_MAX (8 << 20)

static const struct {
    const char *method, *path;
    bool prefix;  /* the rest of the path is an argument */
    bool manager; /* managers only */
    bool open;    /* without certificate */
    int64_t max_body;
    int (*handle)(struct node_call *c, struct err *e);
} table[] = {
    {.method = "POST", .path = "/node/v1/enrol", .open = true, .max_body = 65536, .handle = node_enrol},
    {.method = "POST", .path = "/node/v1/renew", .max_body = 65536, .handle = node_renew},
    {.method = "POST", .path = "/node/v1/heartbeat", .max_body = 65536, .handle = node_heartbeat},
    {.method = "GET", .path = "/node/v1/artifacts/", .prefix = true, .handle = node_artifact},
    {.method = "POST",
     .path = "/node/v1/register",
     .manager = true,
     .max_body = BODY_MAX,
     .handle = manager_register},
    {.method = "POST",
     .path = "/node/v1/view",
     .manager = true,
     .max_body = BODY_MAX,
     .handle = manager_view},
    {.method = "POST",
     .path = "/node/v1/create",
     .manager = true,
     .max_body = BODY_MAX,
     .handle = manager_create},
    {.method = "POST",
     .path = "/node/v1/destroy",
     .manager = true,
     .max_body = BODY_MAX,
     .handle = manager_destroy},
    {.method = "POST",
     .path = "/node/v1/release",
     .manager = true,
     .max_body = BODY_MAX,
     .handle = manager_release},
    {.method = "POST",
     .path = "/node/v1/publish",
     .manager = true,
     .max_body = BODY_MAX,
     .handle = manager_publish},
    {.method = "POST",
     .path = "/node/v1/finish",
     .manager = true,
     .max_body = BODY_MAX,
     .handle = manager_finish},
    {.method = "POST",
     .path = "/node/v1/report",
     .manager = true,
     .max_body = REPORT_MAX,
     .handle = manager_report},
    {.method = "POST",
     .path = "/node/v1/answer",
     .manager = true,
     .max_body = REPORT_MAX,
     .handle = manager_answer},
};

bool node_api_open_path(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].open && str_eq(table[i].path, path)) {
            return true;
        }
    }
    return false;
}

static int find_row(const struct http_request *req, size_t *ret, struct err *e)
{
    const char *path = http_path(req);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].prefix ? str_starts(path, table[i].path) : str_eq(path, table[i].path)) {
            *ret = i;
            return str_eq(table[i].method, http_method(req))
                       ? 0
                       : err_set_hint(e, ERR_METHOD, table[i].method, "another method is needed");
        }
    }
    return err_set(e, ERR_NOT_FOUND, "there is nothing at this address");
}

/* Issued by us, for this installation, not revoked. The chain was verified by the listener. */
static int find_peer(struct node_call *c, struct err *e)
{
    const char *name = http_peer_name(c->req), *serial = http_peer_serial(c->req);
    struct certificate cert;
    if (!name || !serial) {
        return err_set(e, ERR_UNAUTHENTICATED, "this needs a certificate of the installation");
    }
    int rc = tls_name_parse(name, &c->peer, e);
    if (rc < 0) {
        return err_set(e, ERR_FORBIDDEN, "the certificate is not one of a node");
    }
    bool ours = c->peer.kind != TLS_DIRECTOR && str_eq(c->peer.installation, c->d->info.name) &&
                store_certificate(c->d->store, serial, &cert, NULL) == 0 && str_eq(cert.name, name);
    if (!ours) {
        return err_set(e, ERR_FORBIDDEN, "the certificate is not one of a node of this installation");
    }
    return cert.revoked_ms ? err_set(e, ERR_FORBIDDEN, "the certificate was revoked") : 0;
}

static void call_free(void *data)
{
    struct node_call *c = data;
    json_decref(c->body);
    free(c);
}

int node_api_admit(void *arg, struct http_request *req, struct http_admission *ret, struct err *e)
{
    struct director *d = arg;
    if (!atomic_load(&d->ready)) {
        return err_set(e, ERR_UNAVAILABLE, "the director is starting");
    }
    struct node_call *c = xcalloc(1, sizeof(*c));
    size_t row = 0;
    http_set_data(req, c, call_free);
    c->d = d;
    c->req = req;
    int rc = find_row(req, &row, e);
    if (rc < 0 || (!table[row].open && (rc = find_peer(c, e)) < 0)) {
        return rc;
    }
    if (table[row].manager && c->peer.kind != TLS_MANAGER) {
        return err_set(e, ERR_FORBIDDEN, "only a manager may ask this");
    }
    *ret = (struct http_admission){.max_body = table[row].max_body};
    return 0;
}

int node_api_handle(void *arg, struct http_request *req, struct err *e)
{
    struct node_call *c = http_data(req);
    size_t row = 0;
    int rc = find_row(req, &row, e);
    if (rc < 0 || (rc = http_body_json(req, &c->body, e)) < 0) {
        return rc;
    }
    rc = table[row].handle(c, e);
    if (rc < 0 && err_http_status(rc) >= 500 && rc != ERR_UNAVAILABLE) {
        struct log_ctx ctx = {.logger = "director.nodes", .app = c->peer.app, .node = c->peer.node};
        log_error(&ctx, "%s: %s", table[row].path, e->message ? e->message : "failed");
    }
    return rc;
}
