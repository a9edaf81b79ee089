/*
 * What every node may ask: enrolment, renewal, heartbeat, code archives.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "director/artifact.h"
#include "director/director.h"
#include "director/node_call.h"

#define MANAGER_PORT 9997
#define CSR_MAX 16384
/* One is due each 60 days; the rest is for lost answers. */
#define RENEWALS_MAX 10
#define DAY_MS (24LL * 3600 * 1000)

/* The node of a slot, of the application (service 0) or of a service. */
static struct node *find_node(struct slot *s, int64_t id, struct slot_service **ret_service)
{
    struct node *n = app_node(&s->row.app, id);
    *ret_service = NULL;
    for (int i = 0; i < s->n && !n; i++) {
        n = service_node(&s->services[i]->row.service, id);
        *ret_service = n ? s->services[i] : NULL;
    }
    return n;
}

static int locked_node(struct director *d, int64_t app, int64_t id, struct slot **ret,
                       struct slot_service **ret_service, struct node **ret_node, struct err *e)
{
    struct slot *s = NULL;
    if (world_app(d->world, app, &s, NULL) < 0) {
        return err_set(e, ERR_GONE, "the node's application is gone");
    }
    struct node *n = find_node(s, id, ret_service);
    if (!n || !node_alive(n)) {
        slot_put(s);
        return err_set(e, ERR_GONE, "node %lld is not wanted any more", (long long)id);
    }
    *ret = s;
    *ret_node = n;
    return 0;
}

/* ---- enrolment ---- */

struct enrol_args {
    int64_t node;
    const char *token, *csr;
};
static const struct json_field enrol_fields[] = {
    {.name = "node",
     .kind = JSON_F_INT,
     .offset = offsetof(struct enrol_args, node),
     .required = true,
     .min = 1,
     .max = INT64_MAX},
    {.name = "token",
     .kind = JSON_F_STRING,
     .offset = offsetof(struct enrol_args, token),
     .required = true,
     .max = 256},
    {.name = "csr",
     .kind = JSON_F_STRING,
     .offset = offsetof(struct enrol_args, csr),
     .required = true,
     .max = CSR_MAX},
    {0},
};

static int reply_certificate(struct node_call *c, const char *pem)
{
    _cleanup_json_ json_t *body = json_pack("{s:s, s:s}", "certificate", pem, "ca", ca_certificate(c->d->ca));
    return http_reply_json(c->req, 200, body);
}

static int another_key(struct node_call *c, const struct node_row *row, struct err *e)
{
    struct log_ctx ctx = {.logger = "director.nodes", .app = row->app, .node = row->node.id};
    _cleanup_free_ char *text =
        str_printf("node %lld: its enrolment token was used again, with another key, from %s",
                   (long long)row->node.id, http_peer_address(c->req));
    log_warn(&ctx, "ALARM %s", text);
    if (store_begin(c->d->store, NULL) == 0) {
        if (store_alarm(c->d->store, row->app, clock_steady_ms(), text, NULL) < 0) {
            store_abort(c->d->store);
        } else if (store_commit(c->d->store, NULL) < 0) {
            log_error(&ctx, "the alarm could not be stored");
        }
    }
    return err_set(e, ERR_FORBIDDEN, "the enrolment token was used with another key");
}

/* First use: certificate, token, and the node's status in one transaction. */
static int enrol_now(struct node_call *c, const struct node_row *row, const struct enrol_args *a,
                     const char *key_id, char **ret_pem, struct err *e)
{
    struct director *d = c->d;
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_free_ char *pem = NULL;
    struct slot_service *v = NULL;
    struct node *n = NULL;
    int rc = locked_node(d, row->app, a->node, &s, &v, &n, e);
    if (rc < 0) {
        return rc;
    }
    assert(n);
    const char *address = n->address[0] ? "" : http_peer_address(c->req);
    enum tls_kind kind = v ? TLS_AGENT : TLS_MANAGER;
    if ((rc = txn_begin(d, s, v, &x, e)) < 0) {
        return rc;
    }
    x->wrote = true;
    if ((rc = truth_enrolled(&x->t, a->node, "", address, e)) < 0 ||
        (rc = ca_sign_node(d->ca, d->store, kind, row->app, a->node, a->csr, x->now_ms, &pem, e)) < 0 ||
        (rc = store_enrolment_use(d->store, a->node, key_id, pem, x->now_ms, e)) < 0 ||
        (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    *ret_pem = TAKE_PTR(pem);
    return 0;
}

int node_enrol(struct node_call *c, struct err *e)
{
    struct enrol_args a = {0};
    struct node_row row;
    _cleanup_enrolment_ struct enrolment used = {0};
    _cleanup_free_ char *pem = NULL;
    char key_id[SHA256_HEX];
    int rc = json_read(c->body, enrol_fields, &a, e);
    if (rc < 0) {
        return rc;
    }
    if (store_enrolment(c->d->store, a.node, a.token, &used, e) < 0 ||
        store_node(c->d->store, a.node, &row, e) < 0) {
        return err_set(e, ERR_FORBIDDEN, "the enrolment token is not valid for this node");
    }
    if (tls_csr_key_id(a.csr, key_id, e) < 0) {
        return err_set(e, ERR_INVALID, "the certificate request cannot be read");
    }
    if (used.key_id && !str_eq(used.key_id, key_id)) {
        return another_key(c, &row, e);
    }
    if (used.certificate) {
        return reply_certificate(c, used.certificate);
    }
    rc = enrol_now(c, &row, &a, key_id, &pem, e);
    return rc < 0 ? rc : reply_certificate(c, pem);
}

static int check_renewals(struct director *d, int64_t node, struct err *e)
{
    int64_t n = 0;
    int rc = store_certificates_since(d->store, node, clock_steady_ms() - DAY_MS, &n, e);
    return rc < 0              ? rc
           : n <= RENEWALS_MAX ? 0
                               : err_set(e, ERR_RATE, "node %lld had %lld certificates within a day",
                                         (long long)node, (long long)n);
}

int node_renew(struct node_call *c, struct err *e)
{
    struct director *d = c->d;
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_free_ char *pem = NULL;
    struct slot_service *v = NULL;
    struct node *n = NULL;
    struct enrol_args a = {0};
    static const struct json_field fields[] = {
        {.name = "csr",
         .kind = JSON_F_STRING,
         .offset = offsetof(struct enrol_args, csr),
         .required = true,
         .max = CSR_MAX},
        {0},
    };
    int rc = json_read(c->body, fields, &a, e);
    if (rc < 0 || (rc = locked_node(d, c->peer.app, c->peer.node, &s, &v, &n, e)) < 0 ||
        (rc = check_renewals(d, c->peer.node, e)) < 0 || (rc = store_begin(d->store, e)) < 0) {
        return rc;
    }
    if ((rc = ca_sign_node(d->ca, d->store, c->peer.kind, c->peer.app, c->peer.node, a.csr, clock_steady_ms(),
                           &pem, e)) < 0) {
        store_abort(d->store);
        return rc == ERR_EXISTS ? rc : err_set(e, ERR_INVALID, "the certificate request cannot be signed");
    }
    if ((rc = store_commit(d->store, e)) < 0) {
        return rc;
    }
    _cleanup_json_ json_t *body = json_pack("{s:s}", "certificate", pem);
    return http_reply_json(c->req, 200, body);
}

/* ---- heartbeat ---- */

static json_t *manager_of(struct director *d, struct slot *s)
{
    const struct node *m = app_node(&s->row.app, s->row.app.manager_node);
    if (!m || m->status != NODE_UP || !m->address[0]) {
        return json_null();
    }
    struct tls_name name = {.kind = TLS_MANAGER, .node = m->id, .app = s->row.app.id};
    (void)str_copy(name.installation, sizeof(name.installation), d->info.name);
    _cleanup_free_ char *text = tls_name_text(&name);
    bool v6 = strchr(m->address, ':') != NULL;
    _cleanup_free_ char *address = str_printf(v6 ? "[%s]:%d" : "%s:%d", m->address, MANAGER_PORT);
    return json_pack("{s:s, s:s}", "name", text, "address", address);
}

int node_heartbeat(struct node_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    struct node *n = NULL;
    int rc = locked_node(c->d, c->peer.app, c->peer.node, &s, &v, &n, e);
    if (rc < 0) {
        return rc;
    }
    assert(n);
    n->heard_ms = clock_steady_ms();
    _cleanup_json_ json_t *body = json_pack("{s:o}", "manager", manager_of(c->d, s));
    return http_reply_json(c->req, 200, body);
}

int node_artifact(struct node_call *c, struct err *e)
{
    const char *sha256 = strrchr(http_path(c->req), '/') + 1;
    int fd = -1;
    int rc = store_app_uses(c->d->store, c->peer.app, sha256, e);
    if (rc <= 0) {
        return rc < 0 ? rc : err_set(e, ERR_NOT_FOUND, "no such artifact");
    }
    if ((rc = artifact_open(c->d, sha256, &fd, e)) < 0) {
        return rc;
    }
    return http_reply_file(c->req, fd, "application/octet-stream", NULL);
}
