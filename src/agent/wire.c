/*
 * Connection and calls.  The socket does not block; every wait has the call's deadline and the stop
 * descriptor.
 */
#include "agent/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"

#define WIRE_ANSWER_MAX (16 << 20)
#define WIRE_HEAD_MAX 16384
#define WIRE_CONNECT_MS 5000
#define WIRE_CALL_MS 30000

struct wire {
    char *name, *host, *port; /* name: of the certificate; host, port: dialled */
    int connect_timeout_ms, stop_fd;
    gnutls_certificate_credentials_t cred;
    gnutls_session_t session; /* NULL: not connected */
    int fd;
    bool used; /* something was answered on this connection */
};

/* ---- construction ---- */

static int wire_tls(struct err *e, int rc, const char *what)
{
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", what, gnutls_strerror(rc));
}

static void wire_close(struct wire *w)
{
    if (w->session) {
        gnutls_deinit(w->session);
        w->session = NULL;
    }
    closep(&w->fd);
}

void wire_free(struct wire *w)
{
    if (w) {
        wire_close(w);
        if (w->cred) {
            gnutls_certificate_free_credentials(w->cred);
        }
        free(w->name);
        free(w->host);
        free(w->port);
        free(w);
    }
}

static gnutls_datum_t wire_datum(const char *pem)
{
    return (gnutls_datum_t){.data = (unsigned char *)pem, .size = (unsigned)strlen(pem)};
}

static int wire_credentials(struct wire *w, const struct http_client_config *c, struct err *e)
{
    gnutls_datum_t ca = wire_datum(c->ca_pem);
    int rc = gnutls_certificate_allocate_credentials(&w->cred);
    rc = rc < 0 ? rc : gnutls_certificate_set_x509_trust_mem(w->cred, &ca, GNUTLS_X509_FMT_PEM);
    if (rc >= 0 && c->key_pem) {
        gnutls_datum_t key = wire_datum(c->key_pem), cert = wire_datum(c->cert_pem);
        rc = gnutls_certificate_set_x509_key_mem(w->cred, &cert, &key, GNUTLS_X509_FMT_PEM);
    }
    return rc < 0 ? wire_tls(e, rc, "the certificates are unusable") : 0;
}

int wire_new(const struct http_client_config *c, int stop_fd, struct wire **ret, struct err *e)
{
    _cleanup_(wire_freep) struct wire *w = xcalloc(1, sizeof(*w));
    const char *colon = c->connect_to ? strrchr(c->connect_to, ':') : NULL;
    w->fd = -1;
    w->stop_fd = stop_fd;
    w->connect_timeout_ms = c->connect_timeout_ms ? c->connect_timeout_ms : WIRE_CONNECT_MS;
    if (!str_starts(c->url, "https://") || !colon || !c->ca_pem) {
        return err_set(e, ERR_INVALID, "%s cannot be dialled", c->url);
    }
    const char *name = c->url + strlen("https://");
    w->name = xstrndup(name, strcspn(name, ":/"));
    w->host = xstrndup(c->connect_to, (size_t)(colon - c->connect_to));
    w->port = xstrdup(colon + 1);
    int rc = wire_credentials(w, c, e);
    if (rc < 0) {
        return rc;
    }
    *ret = TAKE_PTR(w);
    return 0;
}

/* ---- waiting ---- */

static int wire_wait(struct wire *w, short events, int64_t deadline, struct err *e)
{
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0) {
            return err_set(e, ERR_TIMEOUT, "no answer in time");
        }
        struct pollfd p[2] = {{.fd = w->fd, .events = events}, {.fd = w->stop_fd, .events = POLLIN}};
        int n = poll(p, 2, left > 60000 ? 60000 : (int)left);
        if (n > 0 && p[1].revents) {
            return err_set(e, ERR_UNAVAILABLE, "the agent is ending");
        }
        if (n > 0) {
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return err_errno(e, errno, "poll");
        }
    }
}

/* After a result of GnuTLS: 1 = again, negative = failed for good. */
static int wire_again(struct wire *w, ssize_t rc, int64_t deadline, const char *what, struct err *e)
{
    if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED) {
        int r = wire_wait(w, gnutls_record_get_direction(w->session) ? POLLOUT : POLLIN, deadline, e);
        return r < 0 ? r : 1;
    }
    return gnutls_error_is_fatal((int)rc) ? wire_tls(e, (int)rc, what) : 1;
}

/* ---- connection ---- */

static int wire_dial(struct wire *w, int64_t deadline, struct err *e)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int on = 1, rc = getaddrinfo(w->host, w->port, &hints, &found);
    if (rc != 0) {
        return err_set(e, ERR_UNAVAILABLE, "%s: %s", w->host, gai_strerror(rc));
    }
    w->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = w->fd < 0 ? -1 : connect(w->fd, found->ai_addr, found->ai_addrlen);
    int why = errno;
    freeaddrinfo(found);
    if (w->fd < 0 || (rc != 0 && why != EINPROGRESS)) {
        return err_set(e, ERR_UNAVAILABLE, "cannot connect to %s:%s: %s", w->host, w->port, strerror(why));
    }
    (void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    rc = wire_wait(w, POLLOUT, deadline, e);
    socklen_t n = sizeof(why);
    if (rc == 0 && (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &why, &n) != 0 || why)) {
        return err_set(e, ERR_UNAVAILABLE, "cannot connect to %s:%s: %s", w->host, w->port, strerror(why));
    }
    return rc;
}

static int wire_handshake(struct wire *w, int64_t deadline, struct err *e)
{
    int rc = gnutls_init(&w->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
    rc = rc < 0 ? rc : gnutls_set_default_priority(w->session);
    rc = rc < 0 ? rc : gnutls_credentials_set(w->session, GNUTLS_CRD_CERTIFICATE, w->cred);
    rc = rc < 0 ? rc : gnutls_server_name_set(w->session, GNUTLS_NAME_DNS, w->name, strlen(w->name));
    if (rc < 0) {
        return wire_tls(e, rc, "TLS");
    }
    gnutls_session_set_verify_cert(w->session, w->name, 0);
    gnutls_transport_set_int(w->session, w->fd);
    while ((rc = gnutls_handshake(w->session)) < 0) {
        if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
            return err_set(e, ERR_UNAVAILABLE, "the peer at %s:%s is not %s", w->host, w->port, w->name);
        }
        int r = wire_again(w, rc, deadline, "TLS handshake", e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int wire_connect(struct wire *w, int64_t deadline, struct err *e)
{
    int64_t limit = clock_mono_ms() + w->connect_timeout_ms;
    limit = limit < deadline ? limit : deadline;
    w->used = false;
    int r = wire_dial(w, limit, e);
    r = r < 0 ? r : wire_handshake(w, limit, e);
    if (r < 0) {
        wire_close(w);
    }
    return r;
}

static int wire_send(struct wire *w, const char *p, size_t n, int64_t deadline, struct err *e)
{
    while (n > 0) {
        ssize_t done = gnutls_record_send(w->session, p, n);
        if (done < 0) {
            int r = wire_again(w, done, deadline, "send", e);
            if (r < 0) {
                return r;
            }
            continue;
        }
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

/* At least one byte more in `in`; ERR_UNAVAILABLE at the end of the stream. */
static int wire_fill(struct wire *w, struct buf *in, int64_t deadline, struct err *e)
{
    char chunk[8192];
    for (;;) {
        ssize_t n = gnutls_record_recv(w->session, chunk, sizeof(chunk));
        if (n > 0) {
            buf_add(in, chunk, (size_t)n);
            return 0;
        }
        if (n == 0 || n == GNUTLS_E_PREMATURE_TERMINATION) {
            return err_set(e, ERR_UNAVAILABLE, "the peer closed the connection");
        }
        int r = wire_again(w, n, deadline, "receive", e);
        if (r < 0) {
            return r;
        }
    }
}

/* ---- answers ---- */

static bool wire_is(const char *line, size_t len, const char *name, const char **ret_value)
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':') {
        return false;
    }
    *ret_value = line + n + 1 + strspn(line + n + 1, " \t");
    return true;
}

static int wire_header(const char *line, size_t len, struct wire_head *h, struct err *e)
{
    const char *v = NULL;
    if (wire_is(line, len, "content-length", &v)) {
        _cleanup_free_ char *text = xstrndup(v, (size_t)(line + len - v));
        if (h->length >= 0 || str_to_int(text, 0, INT64_MAX, &h->length) < 0) {
            return err_set(e, ERR_UNAVAILABLE, "the answer has a bad Content-Length");
        }
    } else if (wire_is(line, len, "transfer-encoding", &v)) {
        h->chunked = strncasecmp(v, "chunked", 7) == 0;
    } else if (wire_is(line, len, "connection", &v)) {
        h->close = strncasecmp(v, "close", 5) == 0;
    }
    return 0;
}

int wire_parse_head(const char *text, size_t len, struct wire_head *ret, struct err *e)
{
    struct wire_head h = {.length = -1};
    int64_t status = 0;
    _cleanup_free_ char *code = len > 12 ? xstrndup(text + 9, 3) : NULL;
    if (!code || !str_starts(text, "HTTP/1.") || str_to_int(code, 100, 599, &status) < 0) {
        return err_set(e, ERR_UNAVAILABLE, "the answer is no HTTP");
    }
    h.status = (int)status;
    for (const char *p = memchr(text, '\n', len); p && p + 1 < text + len;) {
        const char *line = p + 1, *end = memchr(line, '\n', (size_t)(text + len - line));
        if (!end) {
            break;
        }
        size_t n = (size_t)(end - line);
        n -= n > 0 && line[n - 1] == '\r';
        int r = wire_header(line, n, &h, e);
        if (r < 0) {
            return r;
        }
        p = end;
    }
    if (h.chunked && h.length >= 0) {
        return err_set(e, ERR_UNAVAILABLE, "the answer has two lengths");
    }
    *ret = h;
    return 0;
}

static int wire_read_head(struct wire *w, struct buf *in, struct wire_head *ret, int64_t deadline,
                          struct err *e)
{
    for (;;) {
        const char *end = in->len ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
        if (end) {
            size_t n = (size_t)(end - in->data) + 4;
            int r = wire_parse_head(in->data, n, ret, e);
            memmove(in->data, in->data + n, in->len - n);
            in->len -= n;
            return r;
        }
        if (in->len > WIRE_HEAD_MAX) {
            return err_set(e, ERR_UNAVAILABLE, "the head of the answer is too long");
        }
        int r = wire_fill(w, in, deadline, e);
        if (r < 0) {
            return r;
        }
    }
}

/* Where a body goes: memory or a file. */
struct wire_sink {
    struct buf *text;
    int fd; /* -1: text */
    int64_t max, got;
};

static int wire_put(struct wire_sink *s, const char *p, size_t n, struct err *e)
{
    s->got += (int64_t)n;
    if (s->got > s->max) {
        return err_set(e, ERR_TOO_LARGE, "the answer is longer than %lld bytes", (long long)s->max);
    }
    if (s->fd < 0) {
        buf_add(s->text, p, n);
        return 0;
    }
    while (n > 0) {
        ssize_t done = write(s->fd, p, n);
        if (done < 0 && errno != EINTR) {
            return err_errno(e, errno, "cannot store the answer");
        }
        p += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return 0;
}

/* Moves n bytes of the stream (what is left in `in` first) into the sink. */
static int wire_move(struct wire *w, struct buf *in, int64_t n, struct wire_sink *s, int64_t deadline,
                     struct err *e)
{
    while (n > 0) {
        if (in->len == 0) {
            int r = wire_fill(w, in, deadline, e);
            if (r < 0) {
                return r;
            }
        }
        size_t take = (int64_t)in->len < n ? in->len : (size_t)n;
        int r = wire_put(s, in->data, take, e);
        if (r < 0) {
            return r;
        }
        memmove(in->data, in->data + take, in->len - take);
        in->len -= take;
        n -= (int64_t)take;
    }
    return 0;
}

/* A line of the stream without its end. */
static int wire_line(struct wire *w, struct buf *in, char *line, size_t size, int64_t deadline, struct err *e)
{
    for (;;) {
        const char *end = in->len ? memmem(in->data, in->len, "\r\n", 2) : NULL;
        if (end && (size_t)(end - in->data) < size) {
            size_t n = (size_t)(end - in->data);
            memcpy(line, in->data, n);
            line[n] = '\0';
            memmove(in->data, in->data + n + 2, in->len - n - 2);
            in->len -= n + 2;
            return 0;
        }
        if (in->len >= size) {
            return err_set(e, ERR_UNAVAILABLE, "the answer has a line that is too long");
        }
        int r = wire_fill(w, in, deadline, e);
        if (r < 0) {
            return r;
        }
    }
}

static int wire_chunks(struct wire *w, struct buf *in, struct wire_sink *s, int64_t deadline, struct err *e)
{
    char line[256], *end = NULL;
    for (;;) {
        int r = wire_line(w, in, line, sizeof(line), deadline, e);
        long long n = r < 0 ? 0 : strtoll(line, &end, 16);
        if (r == 0 && (end == line || n < 0 || n > INT32_MAX || (*end && *end != ';'))) {
            r = err_set(e, ERR_UNAVAILABLE, "the answer has a bad chunk");
        }
        if (r == 0 && n == 0) {
            do { /* trailers */
                r = wire_line(w, in, line, sizeof(line), deadline, e);
            } while (r == 0 && line[0]);
            return r;
        }
        r = r < 0 ? r : wire_move(w, in, n, s, deadline, e);
        r = r < 0 ? r : wire_line(w, in, line, sizeof(line), deadline, e);
        if (r < 0) {
            return r;
        }
    }
}

static int wire_read_body(struct wire *w, struct buf *in, const struct wire_head *h, struct wire_sink *s,
                          int64_t deadline, struct err *e)
{
    if (h->chunked) {
        return wire_chunks(w, in, s, deadline, e);
    }
    if (h->length >= 0) {
        return wire_move(w, in, h->length, s, deadline, e);
    }
    return h->status == 204 ? 0 : err_set(e, ERR_UNAVAILABLE, "the answer has no length");
}

/* ---- a call ---- */

static int wire_error(int status, const json_t *body, struct err *e)
{
    const json_t *error = json_object_get(body, "error");
    const char *word = json_str(error, "code", NULL), *text = json_str(error, "message", NULL);
    int code = word ? err_from_word(word) : status == 404 ? ERR_NOT_FOUND : ERR_UNAVAILABLE;
    return err_set(e, code, "%s", text ? text : "the peer answered with an error");
}

static void wire_request(const struct wire *w, const struct http_call *call, struct buf *out)
{
    _cleanup_free_ char *text = call->body ? json_text(call->body) : NULL;
    buf_addf(out, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: conpaas-agent/" CONPAAS_VERSION "\r\n",
             call->method, call->path, w->name);
    if (text) {
        buf_addf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", strlen(text));
        buf_adds(out, text);
    } else {
        buf_adds(out, str_eq(call->method, "GET") ? "\r\n" : "Content-Length: 0\r\n\r\n");
    }
}

static int wire_exchange(struct wire *w, const struct http_call *call, const struct buf *request,
                         struct wire_head *ret_head, struct buf *text, int64_t deadline, struct err *e)
{
    _cleanup_buf_ struct buf in = {0};
    int r = wire_send(w, request->data, request->len, deadline, e);
    do { /* interim answers */
        r = r < 0 ? r : wire_read_head(w, &in, ret_head, deadline, e);
    } while (r == 0 && ret_head->status < 200);
    if (r < 0) {
        return r;
    }
    w->used = true;
    bool to_file = call->use_out_fd && ret_head->status < 300;
    struct wire_sink s = {.text = text,
                          .fd = to_file ? call->out_fd : -1,
                          .max = call->max_answer ? call->max_answer : WIRE_ANSWER_MAX};
    r = wire_read_body(w, &in, ret_head, &s, deadline, e);
    return r < 0 ? (w->used = false, r) : 0;
}

static int wire_attempt(struct wire *w, const struct http_call *call, struct wire_head *head,
                        struct buf *text, int64_t deadline, struct err *e)
{
    _cleanup_buf_ struct buf request = {0};
    wire_request(w, call, &request);
    bool kept = w->session != NULL;
    int r = kept ? 0 : wire_connect(w, deadline, e);
    bool was_used = w->used;
    w->used = false;
    r = r < 0 ? r : wire_exchange(w, call, &request, head, text, deadline, e);
    if (r < 0 || head->close) {
        wire_close(w);
    }
    /* The peer may have closed a kept connection just as we spoke: that is no failure yet. */
    if (r == ERR_UNAVAILABLE && kept && was_used && text->len == 0 && clock_mono_ms() < deadline) {
        err_done(e);
        return 1;
    }
    return r;
}

int wire_do(struct wire *w, const struct http_call *call, int *ret_status, json_t **ret_body, struct err *e)
{
    int64_t deadline = clock_mono_ms() + (call->timeout_ms ? call->timeout_ms : WIRE_CALL_MS);
    _cleanup_buf_ struct buf text = {0};
    _cleanup_json_ json_t *body = NULL;
    struct wire_head head = {0};
    int r = wire_attempt(w, call, &head, &text, deadline, e);
    r = r == 1 ? wire_attempt(w, call, &head, &text, deadline, e) : r;
    if (r < 0) {
        return r;
    }
    if (text.len > 0) {
        r = json_parse(text.data, text.len, (size_t)WIRE_ANSWER_MAX, &body, e);
    }
    if (head.status >= 400) {
        return wire_error(head.status, body, e);
    }
    if (r < 0) {
        return err_wrap(e, ERR_UNAVAILABLE, "the answer");
    }
    if (ret_status) {
        *ret_status = head.status;
    }
    if (ret_body) {
        *ret_body = body ? TAKE_PTR(body) : json_null();
    }
    return 0;
}
