/*
 * Start and stop of the HTTP server, and the callbacks of libmicrohttpd.  One thread a connection: a
 * handler may block. The library's suspend and resume are not used (broken in 0.9.75 beside connections
 * that are ready).
 */
#include "net/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/http_private.h"

#define HTTP_POOL_BYTES 32768    /* a connection's head must fit, else 431 */
#define HTTP_STACK_BYTES 1048576 /* of a connection's thread */
#define HTTP_BACKLOG 512
#define HTTP_PRIORITIES                                                                                      \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:"   \
    "-RSA:-DHE-RSA:%SERVER_PRECEDENCE"

static const struct log_ctx http_log = {.logger = "net.http"};

/* ---- callbacks ---- */

static struct http_conn *http_conn_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void http_on_connection(void *cls, struct MHD_Connection *c, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = http_conn_new(cls, c);
    } else if (*context) {
        http_conn_free(*context);
        *context = NULL;
    }
}

/* The identity is picked per connection, so that a renewed one is used from the next connection on. The
 * library keeps its connection in the session's pointer. */
static int http_on_certificate(gnutls_session_t session, const gnutls_datum_t *ca_names, int n_names,
                               const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                               gnutls_pcert_st **chain, unsigned *ret_n, gnutls_privkey_t *key)
{
    struct MHD_Connection *mhd = gnutls_session_get_ptr(session);
    struct http_conn *c = mhd ? http_conn_of(mhd) : NULL;
    if (!c || !c->identity) {
        return -1;
    }
    *chain = c->identity->chain;
    *ret_n = c->identity->n;
    *key = c->identity->key;
    return 0;
}

/* The first the library tells of a request: its undecoded target. */
static void *http_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http_conn *c = http_conn_of(mhd);
    return c ? http_request_new(cls, c, mhd, target) : NULL;
}

static enum MHD_Result http_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                      const char *method, const char *version, const char *data, size_t *n,
                                      void **request)
{
    struct http_request *r = *request;
    if (!r) {
        return MHD_NO;
    }
    if (!r->begun) {
        return http_intake_head(r, method, version);
    }
    if (*n > 0) {
        enum MHD_Result result = http_intake_body(r, data, *n);
        *n = 0;
        return result;
    }
    return http_intake_end(r);
}

static void http_on_completed(void *cls, struct MHD_Connection *mhd, void **request,
                              enum MHD_RequestTerminationCode why)
{
    struct http_request *r = *request;
    if (!r) {
        return;
    }
    http_conn_phase(r->conn, HTTP_IDLE);
    http_request_free(r);
    *request = NULL;
}

__attribute__((format(printf, 2, 0))) static void http_on_log(void *cls, const char *fmt, va_list ap)
{
    _cleanup_buf_ struct buf b = {0};
    buf_vaddf(&b, fmt, ap);
    while (b.len > 0 && b.data[b.len - 1] == '\n') {
        b.data[--b.len] = '\0';
    }
    log_debug(&http_log, "%s", b.data ? b.data : "");
}

/* ---- start ---- */

static int http_address(const struct http_server_config *c, struct sockaddr_storage *ret, socklen_t *ret_n,
                        struct err *e)
{
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    if (inet_pton(AF_INET, c->address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(c->port);
        *ret_n = sizeof(*in);
        return 0;
    }
    if (inet_pton(AF_INET6, c->address, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(c->port);
        *ret_n = sizeof(*in6);
        return 0;
    }
    return err_set(e, ERR_INVALID, "%s is not an address to listen on", c->address);
}

static int http_listen(const struct http_server_config *c, uint16_t *ret_port, struct err *e)
{
    struct sockaddr_storage address = {0};
    socklen_t n = 0;
    int r = http_address(c, &address, &n, e);
    if (r < 0) {
        return r;
    }
    _cleanup_close_ int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, n) != 0 || listen(fd, HTTP_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n) != 0) {
        return err_errno(e, errno, "cannot listen on %s port %d", c->address, (int)c->port);
    }
    *ret_port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                   : ((struct sockaddr_in6 *)&address)->sin6_port);
    return TAKE_FD(fd);
}

static int http_set_trust(struct http_server *s, struct err *e)
{
    gnutls_datum_t pem = {.data = (unsigned char *)s->ca_pem, .size = (unsigned)strlen(s->ca_pem)};
    int r = gnutls_x509_trust_list_init(&s->trust, 0);
    if (r >= 0) {
        r = gnutls_x509_trust_list_add_trust_mem(s->trust, &pem, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
    }
    return r > 0 ? 0 : err_set(e, ERR_INVALID, "the authority for client certificates cannot be read");
}

static int http_or(int value, int fallback)
{
    return value > 0 ? value : fallback;
}

static int http_start_daemon(struct http_server *s, const struct http_server_config *c, struct err *e)
{
    int fd = http_listen(c, &s->port, e);
    if (fd < 0) {
        return fd;
    }
    struct MHD_OptionItem options[16] = {
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_on_connection, s},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_on_completed, s},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_on_target, s},
        {MHD_OPTION_CONNECTION_LIMIT, http_or(c->max_connections, 512), NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, http_or(c->max_per_address, 128), NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, s->idle_timeout_s, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_POOL_BYTES, NULL},
        {MHD_OPTION_THREAD_STACK_SIZE, HTTP_STACK_BYTES, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
    };
    size_t n = 10;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                     MHD_USE_ITC | MHD_USE_ERROR_LOG;
    if (s->tls) {
        flags |= MHD_USE_TLS;
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)HTTP_PRIORITIES};
        options[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)http_on_certificate};
        if (s->ca_pem) {
            options[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, s->ca_pem};
        }
    }
    options[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    /* The logger must come first: the library complains about options while it reads them. */
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, http_on_access, s, MHD_OPTION_EXTERNAL_LOGGER,
                                 http_on_log, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (!s->daemon) {
        close(fd);
        return err_set(e, ERR_INTERNAL, "the HTTP server cannot be started on %s port %d", c->address,
                       (int)c->port);
    }
    return 0;
}

static void http_server_free(struct http_server *s)
{
    http_identity_unref(s, s->identity);
    if (s->trust) {
        gnutls_x509_trust_list_deinit(s->trust, 1);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->ca_pem);
    free(s->spool_dir);
    free(s);
}
DEFINE_CLEANUP(struct http_server *, http_server_free);

static struct http_server *http_server_new(const struct http_server_config *c)
{
    struct http_server *s = xcalloc(1, sizeof(*s));
    s->handler = c->handler;
    s->ca_pem = c->ca_pem ? xstrdup(c->ca_pem) : NULL;
    s->spool_dir = c->spool_dir ? xstrdup(c->spool_dir) : NULL;
    s->tls = c->key_pem != NULL;
    s->need_client_cert = c->need_client_cert;
    s->optional_cert = c->optional_cert;
    s->head_timeout_ms = http_or(c->head_timeout_ms, 10000);
    s->idle_timeout_s = http_or(c->idle_timeout_s, 60);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    return s;
}

static void http_stop_reaper(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->reaper_stop = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->reaper, NULL);
}

int http_server_start(const struct http_server_config *c, struct http_server **ret, struct err *e)
{
    if (!c->key_pem != !c->cert_pem || (c->need_client_cert && (!c->ca_pem || !c->key_pem))) {
        return err_set(e, ERR_INVALID, "key, certificate and authority do not fit together");
    }
    _cleanup_(http_server_freep) struct http_server *s = http_server_new(c);
    int r = 0;
    if (s->tls) {
        r = http_identity_new(c->key_pem, c->cert_pem, &s->identity, e);
    }
    if (r == 0 && s->ca_pem) {
        r = http_set_trust(s, e);
    }
    if (r < 0) {
        return r;
    }
    r = pthread_create(&s->reaper, NULL, http_reaper_main, s);
    if (r != 0) {
        return err_errno(e, r, "cannot start a thread");
    }
    r = http_start_daemon(s, c, e);
    if (r < 0) {
        http_stop_reaper(s);
        return r;
    }
    *ret = TAKE_PTR(s);
    return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

int http_server_set_identity(struct http_server *s, const char *key_pem, const char *cert_pem, struct err *e)
{
    if (!s->tls) {
        return err_set(e, ERR_INVALID, "this server does not speak TLS");
    }
    struct http_identity *fresh = NULL;
    int r = http_identity_new(key_pem, cert_pem, &fresh, e);
    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&s->lock);
    struct http_identity *old = s->identity;
    s->identity = fresh;
    pthread_mutex_unlock(&s->lock);
    http_identity_unref(s, old);
    return 0;
}

void http_server_stop(struct http_server *s)
{
    if (!s) {
        return;
    }
    atomic_store(&s->stopping, true);
    MHD_stop_daemon(s->daemon);
    http_stop_reaper(s);
    http_server_free(s);
}
