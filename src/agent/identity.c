/*
 * Who this node is: user data from the cloud, a key of its own, a certificate from the director for its
 * token.
 */
#include <errno.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fs.h"
#include "net/tls.h"

#define RENEW_LOOK_MS (3600 * 1000LL)
#define RENEW_LEFT_MS (60 * 24 * RENEW_LOOK_MS) /* of 90 days */

int identity_read(struct agent *a, const char *path, struct err *e)
{
    struct fields_of {
        const char *installation, *kind, *ca, *token;
        json_t *director;
        int64_t node, app;
    } u = {0};
    static const struct json_field fields[] = {
        {"installation", JSON_F_STRING, offsetof(struct fields_of, installation), true, 1, 63},
        {"kind", JSON_F_STRING, offsetof(struct fields_of, kind), true, 1, 16},
        {"ca", JSON_F_STRING, offsetof(struct fields_of, ca), true, 1, 65536},
        {"token", JSON_F_STRING, offsetof(struct fields_of, token), true, 1, 256},
        {"director", JSON_F_OBJECT, offsetof(struct fields_of, director), true, 0, 0},
        {"node", JSON_F_INT, offsetof(struct fields_of, node), true, 1, INT64_MAX},
        {"app", JSON_F_INT, offsetof(struct fields_of, app), true, 1, INT64_MAX},
        {NULL, 0, 0, false, 0, 0},
    };
    _cleanup_buf_ struct buf text = {0};
    int r = fs_read(path, 1 << 20, &text, e);
    r = r < 0 ? r : json_parse(text.data, text.len, 1 << 20, &a->user_data, e);
    r = r < 0 ? r : json_read(a->user_data, fields, &u, e);
    if (r < 0) {
        return err_wrap(e, r, "%s", path);
    }
    a->installation = u.installation;
    a->kind = u.kind;
    a->ca = u.ca;
    a->token = u.token;
    a->node = u.node;
    a->app = u.app;
    a->director_name = json_str(u.director, "name", "");
    a->director_address = json_str(u.director, "address", "");
    return 0;
}

static int read_or_make_key(struct agent *a, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/key.pem", a->state_dir);
    _cleanup_buf_ struct buf text = {0};
    if (fs_exists(path)) {
        int r = fs_read(path, 65536, &text, e);
        a->key_pem = r < 0 ? NULL : buf_take(&text);
        return r;
    }
    int r = tls_key_new(&a->key_pem, e);
    return r < 0 ? r : fs_write_atomic(path, a->key_pem, strlen(a->key_pem), 0600, e);
}

static int new_client(struct agent *a, bool identified, struct wire **ret, struct err *e)
{
    const char *port = strrchr(a->director_address, ':');
    _cleanup_free_ char *url = str_printf("https://%s%s", a->director_name, port ? port : ":9998");
    struct http_client_config c = {.url = url,
                                   .connect_to = a->director_address,
                                   .ca_pem = a->ca,
                                   .key_pem = identified ? a->key_pem : NULL,
                                   .cert_pem = identified ? a->cert_pem : NULL};
    return wire_new(&c, a->stop_fd, ret, e);
}

int identity_director(struct agent *a, struct wire **ret, struct err *e)
{
    pthread_mutex_lock(&a->lock); /* the certificate may be renewed by another thread */
    int r = new_client(a, true, ret, e);
    pthread_mutex_unlock(&a->lock);
    return r;
}

static int make_csr(const struct agent *a, char **ret, struct err *e)
{
    struct tls_name name = {
        .kind = str_eq(a->kind, "manager") ? TLS_MANAGER : TLS_AGENT, .node = a->node, .app = a->app};
    (void)str_copy(name.installation, sizeof name.installation, a->installation);
    _cleanup_free_ char *dns = tls_name_text(&name);
    return tls_csr_new(a->key_pem, dns, ret, e);
}

/* Sends body, stores and takes the certificate of the answer. */
static int fetch_certificate(struct agent *a, struct wire *c, const char *path, const json_t *body,
                             struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    struct http_call call = {.method = "POST", .path = path, .body = body};
    int r = wire_do(c, &call, NULL, &answer, e);
    if (r < 0) {
        return r;
    }
    const char *pem = json_str(answer, "certificate", NULL);
    if (!pem) {
        return err_set(e, ERR_INTERNAL, "the director's answer has no certificate");
    }
    _cleanup_free_ char *file = str_printf("%s/cert.pem", a->state_dir);
    r = fs_write_atomic(file, pem, strlen(pem), 0600, e);
    if (r == 0) {
        pthread_mutex_lock(&a->lock);
        free(a->cert_pem);
        a->cert_pem = xstrdup(pem);
        a->cert_rev++;
        pthread_mutex_unlock(&a->lock);
    }
    return r;
}

static int ask_certificate(struct agent *a, struct err *e)
{
    _cleanup_free_ char *csr = NULL;
    _cleanup_(wire_freep) struct wire *c = NULL;
    int r = make_csr(a, &csr, e);
    r = r < 0 ? r : new_client(a, false, &c, e);
    if (r < 0) {
        return r;
    }
    _cleanup_json_ json_t *body =
        json_pack("{s:I, s:s, s:s}", "node", (json_int_t)a->node, "token", a->token, "csr", csr);
    return fetch_certificate(a, c, "/node/v1/enrol", body, e);
}

int identity_renew(struct agent *a, struct wire *c, struct err *e)
{
    _cleanup_free_ char *name = NULL, *serial = NULL, *csr = NULL;
    int64_t end = 0, now = clock_mono_ms();
    if (a->renew_look_ms != 0 && now - a->renew_look_ms < RENEW_LOOK_MS) {
        return 0;
    }
    a->renew_look_ms = now;
    int r = tls_cert_info(a->cert_pem, &name, &serial, &end, e);
    if (r < 0 || end - clock_wall_ms() > RENEW_LEFT_MS) {
        return r;
    }
    r = make_csr(a, &csr, e);
    if (r < 0) {
        return r;
    }
    _cleanup_json_ json_t *body = json_pack("{s:s}", "csr", csr);
    return fetch_certificate(a, c, "/node/v1/renew", body, e);
}

int identity_enrol(struct agent *a, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/cert.pem", a->state_dir);
    _cleanup_buf_ struct buf text = {0};
    int r = read_or_make_key(a, e);
    if (r < 0) {
        return r;
    }
    if (fs_exists(path)) {
        r = fs_read(path, 65536, &text, e);
        a->cert_pem = r < 0 ? NULL : buf_take(&text);
        return r;
    }
    return ask_certificate(a, e);
}
