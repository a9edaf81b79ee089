/*
 * Connections of the HTTP server: a registry with one deadline per phase, kept by a small reaper thread
 * that shuts sockets down (the library has inactivity timers only, which a slow dribble never meets), and
 * the identities at both ends.
 */
#include <arpa/inet.h>
#include <linux/tcp.h>

#include "base/clock.h"
#include "net/http_private.h"

/* A body must come with this many bytes a millisecond on average, after the idle time as a grace. */
#define HTTP_BODY_RATE 1

/* ---- identity of the server ---- */

static void http_identity_free(struct http_identity *id)
{
    for (unsigned i = 0; i < id->n; i++) {
        gnutls_pcert_deinit(&id->chain[i]);
    }
    if (id->key) {
        gnutls_privkey_deinit(id->key);
    }
    free(id);
}
DEFINE_CLEANUP(struct http_identity *, http_identity_free);

/* A key that does not belong to the certificate would only show in failing handshakes. */
static int http_identity_check(gnutls_x509_privkey_t key, gnutls_x509_crt_t crt, struct err *e)
{
    uint8_t a[64], b[64];
    size_t na = sizeof(a), nb = sizeof(b);
    if (gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, a, &na) < 0 ||
        gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, b, &nb) < 0 || na != nb ||
        memcmp(a, b, na) != 0) {
        return err_set(e, ERR_INVALID, "the private key does not belong to the certificate");
    }
    return 0;
}

int http_identity_new(const char *key_pem, const char *cert_pem, struct http_identity **ret, struct err *e)
{
    _cleanup_(gnutls_x509_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    _cleanup_(gnutls_x509_crt_deinitp) gnutls_x509_crt_t crt = NULL;
    _cleanup_(http_identity_freep) struct http_identity *id = xcalloc(1, sizeof(*id));
    int r = tls_read_key(key_pem, &key, e);
    r = r < 0 ? r : tls_read_cert(cert_pem, &crt, e);
    r = r < 0 ? r : http_identity_check(key, crt, e);
    if (r < 0) {
        return r;
    }
    gnutls_datum_t pem = {.data = (unsigned char *)cert_pem, .size = (unsigned)strlen(cert_pem)};
    unsigned n = ARRAY_LEN(id->chain);
    r = gnutls_pcert_list_import_x509_raw(id->chain, &n, &pem, GNUTLS_X509_FMT_PEM, 0);
    if (r >= 0) {
        id->n = n;
        r = gnutls_privkey_init(&id->key);
    }
    if (r >= 0) {
        r = gnutls_privkey_import_x509(id->key, key, GNUTLS_PRIVKEY_IMPORT_COPY);
    }
    if (r < 0) {
        return tls_fail(e, r, "cannot use the server's certificate");
    }
    id->refs = 1;
    *ret = TAKE_PTR(id);
    return 0;
}

void http_identity_unref(struct http_server *s, struct http_identity *id)
{
    if (!id) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    bool last = --id->refs == 0;
    pthread_mutex_unlock(&s->lock);
    if (last) {
        http_identity_free(id);
    }
}

/* ---- registry ---- */

static void http_conn_read_address(struct http_conn *c, struct MHD_Connection *mhd)
{
    str_copy(c->address, sizeof(c->address), "unknown");
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr) {
        return;
    }
    const struct sockaddr *sa = info->client_addr;
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
        (void)inet_ntop(AF_INET, &in->sin_addr, c->address, sizeof(c->address));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, c->address, sizeof(c->address));
    }
}

struct http_conn *http_conn_new(struct http_server *s, struct MHD_Connection *mhd)
{
    struct http_conn *c = xcalloc(1, sizeof(*c));
    c->server = s;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    c->fd = info ? info->connect_fd : -1;
    int on = 1; /* answers and events are small and wait for nothing */
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    http_conn_read_address(c, mhd);
    c->phase = HTTP_HEAD;
    c->since_ms = clock_mono_ms();
    pthread_mutex_lock(&s->lock);
    if (s->identity) {
        c->identity = s->identity;
        c->identity->refs++;
    }
    c->next = s->conns;
    if (c->next) {
        c->next->prev = c;
    }
    s->conns = c;
    pthread_mutex_unlock(&s->lock);
    return c;
}

void http_conn_free(struct http_conn *c)
{
    struct http_server *s = c->server;
    pthread_mutex_lock(&s->lock);
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        s->conns = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
    pthread_mutex_unlock(&s->lock);
    http_identity_unref(s, c->identity);
    tls_peer_done(&c->peer);
    free(c->peer_why);
    free(c);
}

static uint64_t http_conn_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 ? info.tcpi_bytes_received : 0;
}

void http_conn_phase(struct http_conn *c, enum http_phase phase)
{
    uint64_t received = phase == HTTP_IDLE ? http_conn_received(c->fd) : 0;
    pthread_mutex_lock(&c->server->lock);
    c->phase = phase;
    c->since_ms = clock_mono_ms();
    c->body_bytes = 0;
    c->idle_received = received;
    pthread_mutex_unlock(&c->server->lock);
}

void http_conn_body(struct http_conn *c, size_t n)
{
    pthread_mutex_lock(&c->server->lock);
    c->body_bytes += (int64_t)n;
    pthread_mutex_unlock(&c->server->lock);
}

/* ---- deadlines ---- */

/* True when the connection has used up the time of its phase. Caller holds the lock. */
static bool http_conn_overdue(struct http_conn *c, int64_t now)
{
    const struct http_server *s = c->server;
    int64_t age = now - c->since_ms;
    switch (c->phase) {
    case HTTP_IDLE:
        /* The library reads at once, so the kernel's counter is what shows a first byte. */
        if (http_conn_received(c->fd) > c->idle_received) {
            c->phase = HTTP_HEAD;
            c->since_ms = now;
        }
        return false; /* the library ends what stays idle */
    case HTTP_HEAD:
        return age > s->head_timeout_ms;
    case HTTP_BODY:
        return age > (int64_t)s->idle_timeout_s * 1000 + c->body_bytes / HTTP_BODY_RATE;
    case HTTP_REPLY:
        return false;
    }
    return false;
}

void *http_reaper_main(void *server)
{
    struct http_server *s = server;
    int64_t tick = s->head_timeout_ms / 10;
    tick = tick < 20 ? 20 : tick > 500 ? 500 : tick;
    pthread_mutex_lock(&s->lock);
    while (!s->reaper_stop) {
        int64_t now = clock_mono_ms(), wake = now + tick;
        for (struct http_conn *c = s->conns; c; c = c->next) {
            if (http_conn_overdue(c, now)) {
                (void)shutdown(c->fd, SHUT_RDWR);
            }
        }
        struct timespec until = {.tv_sec = wake / 1000, .tv_nsec = wake % 1000 * 1000000};
        (void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- identity of the client ---- */

void http_conn_check_peer(struct http_conn *c, struct MHD_Connection *mhd)
{
    struct http_server *s = c->server;
    if (!s->tls || !s->trust) {
        return;
    }
    if (!c->peer_checked) {
        c->peer_checked = true;
        struct err why = {0};
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        gnutls_session_t session = info ? (gnutls_session_t)info->tls_session : NULL;
        if (!session || tls_peer_verify(session, s->trust, &c->peer, &why) < 0) {
            c->peer_why = xstrdup(why.message ? why.message : "no TLS session");
        }
        err_done(&why);
    }
    /* A kept connection must not outlive the certificate it was opened with. */
    if (c->peer.name && clock_wall_ms() > c->peer.not_after_ms) {
        tls_peer_done(&c->peer);
        free(c->peer_why);
        c->peer_why = xstrdup("the client certificate has expired");
    }
}
