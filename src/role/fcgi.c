/*
 * FastCGI 1.0 by hand: begin, parameters, empty input; then records until the end of the request.
 */
#include "role/fcgi.h"

#include <ctype.h>
#include <errno.h>

#include "base/clock.h"

enum { FCGI_BEGIN = 1, FCGI_END = 3, FCGI_PARAMS = 4, FCGI_STDIN = 5, FCGI_STDOUT = 6, FCGI_STDERR = 7 };
#define FCGI_RESPONDER 1
#define FCGI_HEAD 8
#define FCGI_RECORD_MAX 65535

void fcgi_answer_done(struct fcgi_answer *a)
{
    buf_done(&a->body);
    buf_done(&a->errors);
}

static void fcgi_record(struct buf *b, int type, const void *p, size_t n)
{
    const unsigned char head[FCGI_HEAD] = {1, (unsigned char)type,     0,
                                           1, (unsigned char)(n >> 8), (unsigned char)n};
    buf_add(b, head, sizeof(head));
    buf_add(b, p, n);
}

static void fcgi_length(struct buf *b, size_t n)
{
    if (n < 128) {
        buf_addc(b, (char)n);
    } else {
        const unsigned char four[4] = {(unsigned char)(n >> 24 | 0x80), (unsigned char)(n >> 16),
                                       (unsigned char)(n >> 8), (unsigned char)n};
        buf_add(b, four, sizeof(four));
    }
}

static int fcgi_request(const struct fcgi_param *params, struct buf *out, struct err *e)
{
    static const unsigned char begin[8] = {0, FCGI_RESPONDER};
    _cleanup_buf_ struct buf pairs = {0};
    for (; params->name; params++) {
        fcgi_length(&pairs, strlen(params->name));
        fcgi_length(&pairs, strlen(params->value));
        buf_adds(&pairs, params->name);
        buf_adds(&pairs, params->value);
    }
    if (pairs.len > FCGI_RECORD_MAX) {
        return err_set(e, ERR_TOO_LARGE, "the parameters of the request are too long");
    }
    fcgi_record(out, FCGI_BEGIN, begin, sizeof(begin));
    fcgi_record(out, FCGI_PARAMS, pairs.data, pairs.len);
    fcgi_record(out, FCGI_PARAMS, "", 0);
    fcgi_record(out, FCGI_STDIN, "", 0);
    return 0;
}

static int fcgi_read(int fd, void *p, size_t n, int64_t deadline, struct err *e)
{
    for (char *at = p; n > 0;) {
        int r = local_recv(fd, at, n, deadline, e);
        if (r < 0) {
            return r;
        }
        if (r == 0) {
            return err_set(e, -ECONNRESET, "the connection ended in the middle of the answer");
        }
        at += r;
        n -= (size_t)r;
    }
    return 0;
}

static void fcgi_keep(struct buf *b, const char *p, size_t n, size_t max)
{
    size_t room = b->len < max ? max - b->len : 0;
    buf_add(b, p, n < room ? n : room);
}

static int fcgi_receive(int fd, size_t max, int64_t deadline, struct buf *out, struct buf *errors,
                        struct err *e)
{
    _cleanup_free_ char *content = xmalloc(FCGI_RECORD_MAX + 256);
    for (;;) {
        unsigned char h[FCGI_HEAD];
        int r = fcgi_read(fd, h, sizeof(h), deadline, e);
        size_t n = (size_t)h[4] << 8 | h[5];
        r = r < 0 ? r : fcgi_read(fd, content, n + h[6], deadline, e);
        if (r < 0) {
            return r;
        }
        if (h[0] != 1) {
            return err_set(e, ERR_FAILED, "the answer is no FastCGI");
        }
        if (h[1] == FCGI_STDOUT) {
            fcgi_keep(out, content, n, max);
        } else if (h[1] == FCGI_STDERR) {
            fcgi_keep(errors, content, n, max);
        } else if (h[1] == FCGI_END) {
            return 0;
        }
    }
}

int fcgi_parse_head(const char *raw, size_t len, int *ret_status, size_t *ret_body, struct err *e)
{
    int status = 200;
    for (size_t at = 0; at < len;) {
        const char *line = raw + at, *end = memchr(line, '\n', len - at);
        if (!end) {
            break;
        }
        size_t n = (size_t)(end - line);
        at += n + 1;
        n -= n > 0 && line[n - 1] == '\r';
        if (n == 0) {
            *ret_status = status;
            *ret_body = at;
            return 0;
        }
        if (n >= 11 && strncasecmp(line, "Status: ", 8) == 0 && isdigit((unsigned char)line[8]) &&
            isdigit((unsigned char)line[9]) && isdigit((unsigned char)line[10])) {
            status = (line[8] - '0') * 100 + (line[9] - '0') * 10 + (line[10] - '0');
        }
    }
    return err_set(e, ERR_FAILED, "the answer has no complete head");
}

int fcgi_get(const struct local_addr *where, const struct fcgi_param *params, size_t max, int timeout_ms,
             struct fcgi_answer *ret, struct err *e)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    _cleanup_buf_ struct buf request = {0}, raw = {0}, errors = {0};
    int r = fcgi_request(params, &request, e);
    if (r < 0) {
        return r;
    }
    _cleanup_close_ int fd = local_connect(where, deadline, e);
    if (fd < 0) {
        return fd;
    }
    r = local_send(fd, request.data, request.len, deadline, e);
    r = r < 0 ? r : fcgi_receive(fd, max, deadline, &raw, &errors, e);
    size_t body = 0;
    int status = 0;
    buf_adds(&raw, "");
    r = r < 0 ? r : fcgi_parse_head(raw.data, raw.len, &status, &body, e);
    if (r < 0) {
        return r;
    }
    *ret = (struct fcgi_answer){.status = status};
    buf_add(&ret->body, raw.data + body, raw.len - body);
    buf_add(&ret->errors, errors.data ? errors.data : "", errors.len);
    return 0;
}
