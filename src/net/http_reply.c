/*
 * Answers.  A reply function makes the library's response and keeps it in the request; it is queued when
 * the handler has returned.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#include "net/http_private.h"

#define HTTP_STREAM_BLOCK 16384
#define HTTP_STREAM_IDLE_S 60 /* a reader that takes nothing for so long is gone */

void http_set_header(struct http_request *r, const char *name, const char *value)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->headers[i].name, name) == 0 && strcasecmp(name, "Set-Cookie") != 0) {
            free(r->headers[i].value);
            r->headers[i].value = xstrdup(value);
            return;
        }
    }
    r->headers = xreallocarray(r->headers, r->n_headers + 1, sizeof(*r->headers));
    r->headers[r->n_headers++] = (struct http_out_header){.name = xstrdup(name), .value = xstrdup(value)};
}

static bool http_has_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void http_default_header(struct http_request *r, const char *name, const char *value)
{
    if (!http_has_header(r, name)) {
        http_set_header(r, name, value);
    }
}

static int http_keep_response(struct http_request *r, int status, struct MHD_Response *response)
{
    assert(!r->response); /* exactly one answer a request */
    if (!response) {
        return -ENOMEM;
    }
    r->response = response;
    r->status = status;
    return 0;
}

enum MHD_Result http_reply_send(struct http_request *r)
{
    if (!r->response) {
        return MHD_NO;
    }
    http_default_header(r, "X-Content-Type-Options", "nosniff");
    http_default_header(r, "Cache-Control", "no-store");
    for (size_t i = 0; i < r->n_headers; i++) {
        /* The library refuses values with line ends: a header that would split the answer is left out. */
        (void)MHD_add_response_header(r->response, r->headers[i].name, r->headers[i].value);
    }
    enum MHD_Result result = MHD_queue_response(r->mhd, (unsigned)r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    return result;
}

/* Takes text. */
static int http_reply_buffer(struct http_request *r, int status, const char *content_type, char *text,
                             size_t len)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text);
    } else if (content_type) {
        http_set_header(r, "Content-Type", content_type);
    }
    return http_keep_response(r, status, response);
}

int http_reply_json(struct http_request *r, int status, const json_t *body)
{
    char *text = json_text(body);
    return http_reply_buffer(r, status, "application/json", text, strlen(text));
}

int http_reply_text(struct http_request *r, int status, const char *content_type, const char *text)
{
    return http_reply_buffer(r, status, content_type, xstrdup(text), strlen(text));
}

int http_reply_empty(struct http_request *r, int status)
{
    return http_reply_buffer(r, status, NULL, xstrdup(""), 0);
}

int http_reply_error(struct http_request *r, int code, const struct err *e)
{
    const char *message = e && e->message ? e->message : err_word(code);
    if (code == ERR_UNAUTHENTICATED) {
        http_default_header(r, "WWW-Authenticate", "Bearer");
    }
    /* Texts may quote what the client sent; only UTF-8 can be sent back. */
    json_t *hint = e && e->hint && str_is_utf8(e->hint) ? json_string(e->hint) : json_null();
    _cleanup_json_ json_t *body = json_pack("{s:{s:s, s:s, s:o}}", "error", "code", err_word(code), "message",
                                            str_is_utf8(message) ? message : err_word(code), "hint", hint);
    return http_reply_json(r, err_http_status(code), body);
}

/* ---- files ---- */

/* A name that needs no quoting rules: everything unusual becomes an underscore. */
static char *http_disposition(const char *filename)
{
    struct buf b = {0};
    buf_adds(&b, "attachment; filename=\"");
    for (const char *p = filename; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                     *p == '.' || *p == '-' || *p == '_';
        buf_addc(&b, plain ? *p : '_');
    }
    buf_addc(&b, '"');
    return buf_take(&b);
}

int http_reply_file(struct http_request *r, int fd, const char *content_type, const char *filename)
{
    struct stat st = {0};
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -EINVAL;
    }
    struct MHD_Response *response = MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
    if (!response) {
        close(fd);
        return -ENOMEM;
    }
    http_set_header(r, "Content-Type", content_type ? content_type : "application/octet-stream");
    if (filename) {
        _cleanup_free_ char *disposition = http_disposition(filename);
        http_set_header(r, "Content-Disposition", disposition);
    }
    return http_keep_response(r, 200, response);
}

/* ---- streams ---- */

struct http_stream {
    struct http_request *request; /* lives until the answer is complete */
    int (*next)(void *arg, struct buf *out);
    void *arg;
    void (*free_arg)(void *);
    struct buf pending;
    size_t sent; /* of pending */
};

static void http_stream_free(void *cls)
{
    struct http_stream *s = cls;
    buf_done(&s->pending);
    if (s->free_arg) {
        s->free_arg(s->arg);
    }
    free(s);
}

/* Blocks until there is something to send: returning nothing would make the library ask again at once. */
static ssize_t http_stream_read(void *cls, uint64_t pos, char *out, size_t max)
{
    struct http_stream *s = cls;
    while (s->sent == s->pending.len) {
        buf_reset(&s->pending);
        s->sent = 0;
        if (http_stopping(s->request) || s->next(s->arg, &s->pending) < 0) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        if (s->pending.len == 0) {
            /* It had nothing and did not wait either: wait here, but notice a client that goes. */
            struct pollfd p = {.fd = s->request->conn->fd, .events = POLLRDHUP};
            (void)poll(&p, 1, 50);
        }
    }
    size_t n = s->pending.len - s->sent;
    n = n < max ? n : max;
    memcpy(out, s->pending.data + s->sent, n);
    s->sent += n;
    return (ssize_t)n;
}

int http_reply_stream(struct http_request *r, const char *content_type,
                      int (*next)(void *arg, struct buf *out), void *arg, void (*free_arg)(void *))
{
    struct http_stream *s = xcalloc(1, sizeof(*s));
    *s = (struct http_stream){.request = r, .next = next, .arg = arg, .free_arg = free_arg};
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK,
                                                                      http_stream_read, s, http_stream_free);
    if (!response) {
        http_stream_free(s);
        return -ENOMEM;
    }
    http_set_header(r, "Content-Type", content_type);
    if (r->server->idle_timeout_s < HTTP_STREAM_IDLE_S) {
        r->stream_timeout_s = HTTP_STREAM_IDLE_S;
    }
    return http_keep_response(r, 200, response);
}
