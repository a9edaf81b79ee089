/*
 * For tests of the network layer: an authority with identities, a server on a free port of 127.0.0.1 whose
 * handler does what the path says, clients, and raw sockets for requests no client would send.
 */
#pragma once

#include "cm.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tls.h"

struct fixture_identity {
    char *key, *cert;
};
static inline void fixture_identity_done(struct fixture_identity *i)
{
    free(i->key);
    free(i->cert);
}

struct fixture_ca {
    char *key, *cert;
};
static inline void fixture_ca_init(struct fixture_ca *ca)
{
    assert_int_equal(tls_ca_new("test", &ca->key, &ca->cert, NULL), 0);
}
static inline void fixture_ca_done(struct fixture_ca *ca)
{
    free(ca->key);
    free(ca->cert);
}

static inline void fixture_sign(const struct fixture_ca *ca, const struct tls_leaf *leaf,
                                struct fixture_identity *ret)
{
    struct err e = {0};
    _cleanup_free_ char *csr = NULL;
    assert_int_equal(tls_key_new(&ret->key, &e), 0);
    assert_int_equal(tls_csr_new(ret->key, "anything.example", &csr, &e), 0);
    if (tls_ca_sign(ca->key, ca->cert, csr, leaf, &ret->cert, &e) != 0) {
        fail_msg("%s", e.message);
    }
}

struct fixture_server {
    struct fixture_ca ca;
    struct fixture_identity director, agent;
    struct http_server *server;
    int waiting_pipe[2]; /* a byte is written when a handler of /wait has begun, another when it ends */
    int freed;           /* per-request data given back */
};

/* ---- the handler ---- */

static inline int fixture_admit(void *arg, struct http_request *r, struct http_admission *ret, struct err *e)
{
    ret->max_body = 1000;
    if (str_eq(http_path(r), "/refuse")) {
        return err_set_hint(e, ERR_FORBIDDEN, "ask the owner", "not for you");
    }
    if (str_eq(http_path(r), "/spool")) {
        ret->max_body = 64 << 20;
        ret->spool = true;
    }
    return 0;
}

static inline int fixture_next(void *arg, struct buf *out)
{
    int *n = arg;
    if (++*n > 3) {
        return -1;
    }
    buf_addf(out, "event: tick\nid: %d\ndata: first %d\ndata: second\n\n", *n, *n);
    return 0;
}

static inline int fixture_spool_answer(struct http_request *r)
{
    struct sha256 *h = sha256_new();
    char chunk[4096], hex[SHA256_HEX];
    int64_t total = 0;
    ssize_t n = 0;
    while ((n = read(http_body_fd(r), chunk, sizeof(chunk))) > 0) {
        sha256_add(h, chunk, (size_t)n);
        total += n;
    }
    sha256_final(h, hex);
    _cleanup_json_ json_t *j = json_pack("{s:s, s:I}", "sha256", hex, "size", (json_int_t)total);
    return http_reply_json(r, 200, j);
}

static inline int fixture_wait(struct fixture_server *f, struct http_request *r)
{
    if (write(f->waiting_pipe[1], "b", 1) != 1) {
        return ERR_INTERNAL;
    }
    struct pollfd none = {.fd = -1};
    while (!http_stopping(r)) {
        (void)poll(&none, 1, 10);
    }
    if (write(f->waiting_pipe[1], "e", 1) != 1) {
        return ERR_INTERNAL;
    }
    return http_reply_empty(r, 200);
}

static inline int fixture_echo(struct http_request *r)
{
    size_t len = 0;
    const char *body = http_body(r, &len);
    const char *q = http_query(r, "q"), *cookie = http_cookie(r, "session"), *name = http_peer_name(r);
    _cleanup_json_ json_t *j =
        json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:I, s:s, s:s*}", "method", http_method(r), "path",
                  http_path(r), "q", q, "cookie", cookie, "peer", name, "length", (json_int_t)len, "address",
                  http_peer_address(r), "serial", http_peer_serial(r));
    if (len > 0) {
        json_object_set_new(j, "body", json_stringn(body, len));
    }
    http_set_header(r, "X-Test", "yes");
    return http_reply_json(r, 200, j);
}

static inline void fixture_count_free(void *data)
{
    ++*(int *)data;
}

static inline int fixture_handle(void *arg, struct http_request *r, struct err *e)
{
    struct fixture_server *f = arg;
    const char *path = http_path(r);
    if (str_eq(path, "/json")) {
        _cleanup_json_ json_t *j = NULL;
        int x = http_body_json(r, &j, e);
        return x < 0 ? x : http_reply_json(r, 201, j);
    }
    if (str_eq(path, "/spool")) {
        return fixture_spool_answer(r);
    }
    if (str_eq(path, "/error")) {
        return err_set_hint(e, ERR_CONFLICT, "wait for it", "operation %d is running", 7);
    }
    if (str_eq(path, "/stream")) {
        return http_reply_stream(r, "text/event-stream", fixture_next, xcalloc(1, sizeof(int)), free);
    }
    if (str_eq(path, "/wait")) {
        return fixture_wait(f, r);
    }
    if (str_eq(path, "/file")) {
        return http_reply_file(r, open("/etc/passwd", O_RDONLY | O_CLOEXEC), "text/plain", "a\"b/../c.txt");
    }
    if (str_eq(path, "/moved")) {
        http_set_header(r, "Location", "/file");
        return http_reply_text(r, 302, "text/plain", "");
    }
    if (str_eq(path, "/sleep")) { /* a handler that takes longer than all the timers of its test */
        struct pollfd none = {.fd = -1};
        (void)poll(&none, 1, 1800);
    }
    if (str_eq(path, "/none")) {
        return 0;
    }
    if (str_eq(path, "/data")) {
        http_set_data(r, &f->freed, fixture_count_free);
    }
    return fixture_echo(r);
}

static inline bool fixture_optional(const char *path)
{
    return str_eq(path, "/open");
}

/* ---- start and stop ---- */

static inline void fixture_identities(struct fixture_server *f)
{
    static const char *const extra[] = {"127.0.0.1", NULL};
    fixture_ca_init(&f->ca);
    fixture_sign(
        &f->ca,
        &(struct tls_leaf){.dns_name = "director.test", .extra_names = extra, .server = true, .days = 9},
        &f->director);
    fixture_sign(&f->ca, &(struct tls_leaf){.dns_name = "n12.a7.agent.test", .client = true, .days = 9},
                 &f->agent);
}

/* c holds what a test wants otherwise; the rest is filled in here. */
static inline void fixture_start(struct fixture_server *f, bool tls, struct http_server_config *c)
{
    struct err e = {0};
    fixture_identities(f);
    assert_int_equal(pipe2(f->waiting_pipe, O_CLOEXEC), 0);
    c->address = "127.0.0.1";
    c->spool_dir = "/tmp";
    c->handler = (struct http_handler){.admit = fixture_admit, .handle = fixture_handle, .arg = f};
    if (tls) {
        c->key_pem = f->director.key;
        c->cert_pem = f->director.cert;
        c->ca_pem = f->ca.cert;
        c->optional_cert = fixture_optional;
    }
    if (http_server_start(c, &f->server, &e) != 0) {
        fail_msg("%s", e.message);
    }
}

static inline void fixture_stop(struct fixture_server *f)
{
    http_server_stop(f->server);
    fixture_identity_done(&f->director);
    fixture_identity_done(&f->agent);
    fixture_ca_done(&f->ca);
    close(f->waiting_pipe[0]);
    close(f->waiting_pipe[1]);
}

/* A client of the server: over TLS by name, dialled by address. */
static inline struct http_client *fixture_client(struct fixture_server *f, bool tls,
                                                 const struct fixture_identity *id)
{
    int port = http_server_port(f->server);
    _cleanup_free_ char *url = str_printf(tls ? "https://director.test:%d" : "http://127.0.0.1:%d", port);
    _cleanup_free_ char *to = str_printf("127.0.0.1:%d", port);
    struct http_client_config c = {.url = url,
                                   .connect_to = tls ? to : NULL,
                                   .ca_pem = tls ? f->ca.cert : NULL,
                                   .key_pem = id ? id->key : NULL,
                                   .cert_pem = id ? id->cert : NULL};
    struct http_client *client = NULL;
    struct err e = {0};
    if (http_client_new(&c, &client, &e) != 0) {
        fail_msg("%s", e.message);
    }
    return client;
}

/* ---- raw sockets ---- */

static inline int raw_connect(const struct fixture_server *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(http_server_port(f->server))};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static inline void raw_send(int fd, const void *text, size_t n)
{
    const char *p = text;
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0) {
            return; /* the server has closed: what it answered is what counts */
        }
        p += k;
        n -= (size_t)k;
    }
}

/* Everything until the server closes or nothing came for `ms`. Caller frees. */
static inline char *raw_read_all(int fd, int ms, bool *ret_closed)
{
    struct buf b = {0};
    char chunk[4096];
    *ret_closed = false;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, ms) <= 0) {
            return buf_take(&b);
        }
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        if (n <= 0) {
            *ret_closed = true;
            return buf_take(&b);
        }
        buf_add(&b, chunk, (size_t)n);
    }
}
