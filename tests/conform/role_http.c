#include "role_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>

void http_got_done(struct http_got *g)
{
    buf_done(&g->body);
}

int http_dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int fill(int fd, struct buf *in)
{
    char chunk[8192];
    ssize_t n;
    do {
        n = recv(fd, chunk, sizeof(chunk), 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        buf_add(in, chunk, (size_t)n);
    }
    return n > 0 ? 0 : -1;
}

static const char *header(const char *head, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = strstr(head, "\r\n"); p && p[2] != '\r'; p = strstr(p + 2, "\r\n")) {
        if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':') {
            return p + 3 + n + strspn(p + 3 + n, " ");
        }
    }
    return NULL;
}

static void copy_value(char *dst, size_t size, const char *value, const char *stop)
{
    size_t n = value ? strcspn(value, stop) : 0;
    n = n < size ? n : size - 1;
    memcpy(dst, value ? value : "", n);
    dst[n] = '\0';
}

static int chunked(int fd, struct buf *in, size_t at, struct buf *out)
{
    for (;;) {
        char *end;
        while (!(end = in->data + at, end = strstr(end, "\r\n"))) {
            if (fill(fd, in) != 0) {
                return -1;
            }
        }
        size_t n = strtoul(in->data + at, NULL, 16);
        at = (size_t)(end - in->data) + 2;
        while (in->len < at + n + 2) {
            if (fill(fd, in) != 0) {
                return -1;
            }
        }
        buf_add(out, in->data + at, n);
        at += n + 2;
        if (n == 0) {
            return 0;
        }
    }
}

static int body_of(int fd, const char *method, struct buf *in, size_t at, struct http_got *ret)
{
    const char *length = header(in->data, "content-length"), *coding = header(in->data, "transfer-encoding");
    if (str_eq(method, "HEAD") || ret->status == 204 || ret->status == 304) {
        return 0;
    }
    if (coding && strncasecmp(coding, "chunked", 7) == 0) {
        return chunked(fd, in, at, &ret->body);
    }
    size_t want = length ? strtoul(length, NULL, 10) : SIZE_MAX;
    while (in->len - at < want) {
        if (fill(fd, in) != 0) {
            if (length) {
                return -1;
            }
            break;
        }
    }
    buf_add(&ret->body, in->data + at, want < in->len - at ? want : in->len - at);
    return 0;
}

int http_on(int fd, const char *method, const char *target, const char *headers, const char *body,
            struct http_got *ret)
{
    _cleanup_buf_ struct buf out = {0}, in = {0};
    *ret = (struct http_got){0};
    buf_addf(&out, "%s %s HTTP/1.1\r\nHost: site.example:8000\r\n%s", method, target, headers);
    if (body) {
        buf_addf(&out, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n",
                 strlen(body));
    }
    buf_addf(&out, "\r\n%s", body ? body : "");
    if (send(fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len) {
        return -1;
    }
    char *end = NULL;
    while (!in.data || !(end = strstr(in.data, "\r\n\r\n"))) {
        if (fill(fd, &in) != 0) {
            return -1;
        }
    }
    int status = (int)strtol(in.data + 9, NULL, 10);
    const char *connection = header(in.data, "connection");
    ret->close = connection && strncasecmp(connection, "close", 5) == 0;
    copy_value(ret->location, sizeof(ret->location), header(in.data, "location"), "\r");
    copy_value(ret->cookie, sizeof(ret->cookie), header(in.data, "set-cookie"), ";\r");
    ret->status = status;
    if (body_of(fd, method, &in, (size_t)(end - in.data) + 4, ret) != 0) {
        ret->status = 0;
        return -1;
    }
    buf_adds(&ret->body, "");
    return 0;
}

int http_once(int port, const char *method, const char *target, const char *headers, const char *body,
              struct http_got *ret)
{
    *ret = (struct http_got){0};
    int fd = http_dial(port);
    if (fd < 0) {
        return -1;
    }
    int r = http_on(fd, method, target, headers, body, ret);
    close(fd);
    return r;
}

static void failed(struct load *l, const struct load_line *line, const struct http_got *got, bool reused)
{
    atomic_fetch_add(&l->failed, 1);
    bool expected = false;
    if (atomic_compare_exchange_strong(&l->have_failure, &expected, true)) {
        snprintf(l->first_failure, sizeof(l->first_failure), "%s %s (%s): status %d, body \"%.100s\"",
                 line->method, line->target, reused ? "kept connection" : "new connection", got->status,
                 got->body.data ? got->body.data : "");
    }
}

static void *load_thread(void *arg)
{
    struct load_arg *a = arg;
    const struct load_line *line = &a->line;
    int fd = -1;
    while (!atomic_load(&a->load->stop)) {
        struct http_got got = {0};
        bool reused = fd >= 0;
        fd = reused ? fd : http_dial(a->load->port);
        bool good = fd >= 0 && http_on(fd, line->method, line->target, "", line->body, &got) == 0 &&
                    got.status == 200 && (!line->expect || strstr(got.body.data, line->expect));
        if (!good) {
            failed(a->load, line, &got, reused);
        }
        atomic_fetch_add(&a->load->done, 1);
        if (fd >= 0 && (!good || got.close || !line->keep_alive)) {
            close(fd);
            fd = -1;
        }
        http_got_done(&got);
    }
    if (fd >= 0) {
        close(fd);
    }
    return NULL;
}

void load_start(struct load *l, int port, const struct load_line *lines, int n)
{
    memset(l, 0, sizeof(*l));
    l->port = port;
    for (int i = 0; i < n; i++) {
        l->args[i] = (struct load_arg){.load = l, .line = lines[i]};
        if (pthread_create(&l->threads[i], NULL, load_thread, &l->args[i]) == 0) {
            l->n++;
        }
    }
}

void load_stop(struct load *l)
{
    atomic_store(&l->stop, true);
    for (int i = 0; i < l->n; i++) {
        pthread_join(l->threads[i], NULL);
    }
}
