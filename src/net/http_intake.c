/*
 * A request on its way in: framing rules the library does not keep, certificate, admission by the handler,
 * the body into memory or an unlinked file.
 *
 * A refusal is sent at once and the connection closed. Only a small body that is announced and on its way
 * anyway is read and thrown away first: the client then gets the answer without a reset.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"
#include "net/http_private.h"

#define HTTP_DISCARD_MAX 65536   /* an announced body that is read for the sake of the answer */
#define HTTP_OVERRUN_MAX 1048576 /* read past the limit of an unannounced body before hanging up */

struct http_request *http_request_new(struct http_server *s, struct http_conn *c, struct MHD_Connection *m,
                                      const char *raw_target)
{
    struct http_request *r = xcalloc(1, sizeof(*r));
    r->server = s;
    r->conn = c;
    r->mhd = m;
    r->raw_target = xstrdup(raw_target);
    r->body_fd = -1;
    return r;
}

void http_request_free(struct http_request *r)
{
    if (r->data && r->data_free) {
        r->data_free(r->data);
    }
    for (size_t i = 0; i < r->n_headers; i++) {
        free(r->headers[i].name);
        free(r->headers[i].value);
    }
    if (r->response) {
        MHD_destroy_response(r->response);
    }
    free(r->headers);
    free(r->raw_target);
    http_target_done(&r->target);
    http_pairs_done(&r->cookies);
    mem_wipe(r->body.data, r->body.len); /* passwords come this way */
    buf_done(&r->body);
    closep(&r->body_fd);
    err_done(&r->refusal_why);
    free(r);
}

/* ---- the head ---- */

struct http_framing {
    int hosts, lengths, encodings, singles;
    bool malformed, chunked;
    int64_t length; /* -1: not announced */
};

static bool http_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool http_header_ok(const char *key, size_t key_len, const char *value, size_t value_len)
{
    for (size_t i = 0; i < key_len; i++) {
        if (!http_token_char(key[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < value_len; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return key_len > 0;
}

static void http_framing_length(struct http_framing *f, const char *value)
{
    f->lengths++;
    /* Digits only: signs, lists and blanks are read differently by others on the way. */
    if (value[0] == '-' || str_to_int(value, 0, INT64_MAX, &f->length) < 0) {
        f->malformed = true;
    }
}

static enum MHD_Result http_framing_add(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                        const char *value, size_t value_len)
{
    static const char *const single[] = {"Authorization", "Content-Type", "Cookie", "Expect"};
    struct http_framing *f = arg;
    value = value ? value : "";
    if (!http_header_ok(key, key_len, value, value_len)) {
        f->malformed = true;
        return MHD_NO;
    }
    if (strcasecmp(key, "Host") == 0) {
        f->hosts += value_len > 0 ? 1 : 2;
    } else if (strcasecmp(key, "Content-Length") == 0) {
        http_framing_length(f, value);
    } else if (strcasecmp(key, "Transfer-Encoding") == 0) {
        f->encodings++;
        f->chunked = strcasecmp(value, "chunked") == 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(single); i++) {
        if (strcasecmp(key, single[i]) == 0) {
            int bit = 1 << i;
            f->malformed = f->malformed || (f->singles & bit);
            f->singles |= bit;
        }
    }
    return MHD_YES;
}

static int http_check_framing(struct http_request *r, const char *version, struct http_framing *f,
                              struct err *e)
{
    f->length = -1;
    MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, http_framing_add, f);
    bool http11 = str_eq(version, "HTTP/1.1");
    if (!http11 && !str_eq(version, "HTTP/1.0")) {
        return err_set(e, ERR_INVALID, "only HTTP/1.1 is spoken here");
    }
    if (f->malformed) {
        return err_set(e, ERR_INVALID, "a header is malformed or repeated");
    }
    if (f->hosts != 1) {
        return err_set(e, ERR_INVALID, "the request needs exactly one Host header");
    }
    if (f->lengths > 1) {
        return err_set(e, ERR_INVALID, "the request has more than one Content-Length header");
    }
    if (f->encodings > 0 && (f->lengths > 0 || f->encodings > 1 || !f->chunked || !http11)) {
        return err_set(e, ERR_INVALID, "the request's Transfer-Encoding is not accepted");
    }
    return 0;
}

static int http_check_certificate(struct http_request *r, struct err *e)
{
    struct http_server *s = r->server;
    http_conn_check_peer(r->conn, r->mhd);
    if (!s->need_client_cert || r->conn->peer.name ||
        (s->optional_cert && s->optional_cert(r->target.path))) {
        return 0;
    }
    return err_set(e, ERR_UNAUTHENTICATED, "%s",
                   r->conn->peer_why ? r->conn->peer_why : "a client certificate is needed");
}

static int http_open_spool(struct http_request *r, int64_t length, struct err *e)
{
    if (!r->server->spool_dir) {
        return err_set(e, ERR_INTERNAL, "this server keeps no bodies on disk");
    }
    r->body_fd = open(r->server->spool_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (r->body_fd < 0) {
        return err_errno(e, errno, "cannot make a file for the request's body");
    }
    /* Better to refuse now than after gigabytes. */
    if (length > 0 && fallocate(r->body_fd, FALLOC_FL_KEEP_SIZE, 0, length) != 0 && errno != EOPNOTSUPP) {
        return err_errno(e, errno, "no room for the request's body");
    }
    return 0;
}

static int http_check_admission(struct http_request *r, const struct http_framing *f, struct err *e)
{
    int x = r->server->handler.admit(r->server->handler.arg, r, &r->admission, e);
    if (x < 0) {
        return x;
    }
    if (f->length > r->admission.max_body) {
        return err_set(e, ERR_TOO_LARGE, "the request's body has %lld bytes, at most %lld are accepted",
                       (long long)f->length, (long long)r->admission.max_body);
    }
    return r->admission.spool ? http_open_spool(r, f->length, e) : 0;
}

static int http_check_head(struct http_request *r, const char *version, struct http_framing *f, struct err *e)
{
    int x = http_check_framing(r, version, f, e);
    if (x < 0) {
        f->length = -1; /* where the body ends is not known: nothing of it may be read */
        return x;
    }
    x = http_target_parse(r->raw_target, &r->target, e);
    if (x < 0) {
        return x;
    }
    const char *cookies = http_header(r, "Cookie");
    if (cookies) {
        http_cookies_parse(cookies, &r->cookies);
    }
    x = http_check_certificate(r, e);
    return x < 0 ? x : http_check_admission(r, f, e);
}

/* Answers an error and ends the connection: what follows the head is never taken for a request. */
static enum MHD_Result http_refuse(struct http_request *r, int code, const struct err *e)
{
    http_set_header(r, "Connection", "close");
    (void)http_reply_error(r, code, e);
    http_conn_phase(r->conn, HTTP_REPLY);
    return http_reply_send(r);
}

enum MHD_Result http_intake_head(struct http_request *r, const char *method, const char *version)
{
    _cleanup_err_ struct err e = {0};
    struct http_framing f = {0};
    r->begun = true;
    r->method = method;
    http_conn_phase(r->conn, HTTP_BODY);
    int code = http_check_head(r, version, &f, &e);
    if (code >= 0) {
        return MHD_YES;
    }
    if (code != ERR_TOO_LARGE && f.length > 0 && f.length <= HTTP_DISCARD_MAX && !http_header(r, "Expect")) {
        r->discard = true;
        r->refusal = code;
        r->refusal_why = e;
        e = (struct err){0};
        return MHD_YES;
    }
    return http_refuse(r, code, &e);
}

/* ---- the body ---- */

enum MHD_Result http_intake_body(struct http_request *r, const char *data, size_t n)
{
    http_conn_body(r->conn, n);
    r->received += (int64_t)n;
    if (r->discard) {
        return r->received <= r->admission.max_body + HTTP_OVERRUN_MAX ? MHD_YES : MHD_NO;
    }
    if (r->received > r->admission.max_body) {
        r->discard = true;
        r->refusal = err_set(&r->refusal_why, ERR_TOO_LARGE, "the request's body has more than %lld bytes",
                             (long long)r->admission.max_body);
        return MHD_YES;
    }
    if (r->body_fd < 0) {
        buf_add(&r->body, data, n);
        return MHD_YES;
    }
    int x = fs_write_all(r->body_fd, data, n);
    if (x < 0) {
        r->discard = true;
        r->refusal = err_errno(&r->refusal_why, -x, "cannot keep the request's body");
    }
    return MHD_YES;
}

/* ---- the whole request ---- */

/* The library's timer would count the handler's time as silence of the client. */
static void http_pause_timer(struct http_request *r, bool pause)
{
    int idle = r->stream_timeout_s ? r->stream_timeout_s : r->server->idle_timeout_s;
    unsigned seconds = pause ? 0U : (unsigned)idle;
    (void)MHD_set_connection_option(r->mhd, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

enum MHD_Result http_intake_end(struct http_request *r)
{
    if (r->discard) {
        return http_refuse(r, r->refusal, &r->refusal_why);
    }
    _cleanup_err_ struct err e = {0};
    if (r->body_fd >= 0 && lseek(r->body_fd, 0, SEEK_SET) != 0) {
        return MHD_NO;
    }
    http_conn_phase(r->conn, HTTP_REPLY);
    http_pause_timer(r, true);
    int code = r->server->handler.handle(r->server->handler.arg, r, &e);
    http_pause_timer(r, false);
    if (code < 0 && r->response) {
        MHD_destroy_response(r->response); /* it had begun an answer and then failed */
        r->response = NULL;
    }
    if (code < 0 || !r->response) {
        code = code < 0 ? code : err_set(&e, ERR_INTERNAL, "the handler gave no answer");
        (void)http_reply_error(r, code, &e);
    }
    return http_reply_send(r);
}
