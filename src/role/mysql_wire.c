/*
 * The client's half of MariaDB's protocol, as far as statements with text results need it.
 */
#include "role/mysql_wire.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "role/local_io.h"

#define WIRE_MAX (1 << 20)
#define CAPABILITIES 0x00088201u /* long password, protocol 4.1, secure connection, plugin auth */
#define CHARSET_UTF8MB4 45

struct wire {
    int fd;
    int64_t deadline_ms;
    unsigned char seq; /* of the next packet of ours */
    struct buf in;     /* payload of the last packet */
    size_t total;
};

static int wire_exactly(struct wire *w, unsigned char *p, size_t n, struct err *e)
{
    while (n > 0) {
        int r = local_recv(w->fd, p, n, w->deadline_ms, e);
        if (r <= 0) {
            return r < 0 ? r : err_set(e, ERR_UNAVAILABLE, "the server closed the connection");
        }
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

/* Reads one packet into w->in. */
static int wire_read(struct wire *w, struct err *e)
{
    unsigned char head[4], chunk[4096];
    int r = wire_exactly(w, head, sizeof(head), e);
    size_t left = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
    buf_reset(&w->in);
    if (r == 0 && (w->total += left) > WIRE_MAX) {
        return err_set(e, ERR_TOO_LARGE, "the server's answer is too long");
    }
    while (r == 0 && left > 0) {
        size_t n = left < sizeof(chunk) ? left : sizeof(chunk);
        r = wire_exactly(w, chunk, n, e);
        if (r == 0) {
            buf_add(&w->in, chunk, n);
        }
        left -= n;
    }
    w->seq = (unsigned char)(head[3] + 1);
    return r;
}

static int wire_write(struct wire *w, const void *p, size_t n, struct err *e)
{
    unsigned char head[4] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16), w->seq};
    if (n > WIRE_MAX) {
        return err_set(e, ERR_TOO_LARGE, "the statement is too long");
    }
    int r = local_send(w->fd, head, sizeof(head), w->deadline_ms, e);
    return r < 0 ? r : local_send(w->fd, p, n, w->deadline_ms, e);
}

static unsigned wire_byte(const struct wire *w, size_t at)
{
    return at < w->in.len ? (unsigned char)w->in.data[at] : 0u;
}

/* 0xff, number, '#' and state, message */
static int wire_refused(const struct wire *w, struct err *e)
{
    unsigned number = wire_byte(w, 1) | wire_byte(w, 2) << 8;
    size_t at = wire_byte(w, 3) == '#' ? 9 : 3;
    int n = w->in.len > at ? (int)(w->in.len - at) : 0;
    return err_set(e, ERR_FAILED, "%u: %.*s", number, n > 400 ? 400 : n, n ? w->in.data + at : "");
}

/* The server offers ways to prove who we are; unix_socket asks for nothing, the rest is answered with nothing. */
static int wire_login(struct wire *w, struct err *e)
{
    static const char answer[] = "root\0\0mysql_native_password"; /* user, no proof, and its kind */
    unsigned char hello[32] = {
        CAPABILITIES & 0xff,           CAPABILITIES >> 8 & 0xff, CAPABILITIES >> 16 & 0xff, 0, 0, 0, 0,
        1 /* largest packet: 16 MB */, CHARSET_UTF8MB4};
    _cleanup_buf_ struct buf b = {0};
    int r = wire_read(w, e);
    if (r == 0 && wire_byte(w, 0) == 0xff) {
        return wire_refused(w, e);
    }
    if (r == 0 && wire_byte(w, 0) != 10) {
        return err_set(e, ERR_FAILED, "this is no MariaDB");
    }
    buf_add(&b, hello, sizeof(hello));
    buf_add(&b, answer, sizeof(answer));
    r = r < 0 ? r : wire_write(w, b.data, b.len, e);
    for (int turn = 0; r == 0 && turn < 4; turn++) {
        r = wire_read(w, e);
        if (r < 0 || wire_byte(w, 0) == 0) {
            return r;
        }
        if (wire_byte(w, 0) == 0xff) {
            return wire_refused(w, e);
        }
        r = wire_write(w, "", 0, e);
    }
    return r < 0 ? r : err_set(e, ERR_FAILED, "the server does not let root in");
}

/* A length as the protocol packs it; false: NULL, or beyond the packet. */
static bool wire_length(const struct wire *w, size_t *at, size_t *ret)
{
    unsigned first = wire_byte(w, *at);
    int more = first == 0xfc ? 2 : first == 0xfd ? 3 : first == 0xfe ? 8 : 0;
    *at += 1;
    if (first == 0xfb) {
        return false;
    }
    uint64_t n = more ? 0 : first;
    for (int i = 0; i < more; i++) {
        n |= (uint64_t)wire_byte(w, *at + (size_t)i) << (8 * i);
    }
    *at += (size_t)more;
    if (*at > w->in.len || n > w->in.len - *at) {
        return false;
    }
    *ret = (size_t)n;
    return true;
}

static void wire_row(const struct wire *w, uint64_t columns, struct buf *out)
{
    size_t at = 0;
    for (uint64_t c = 0; c < columns && at < w->in.len; c++) {
        size_t n = 0;
        if (c > 0) {
            buf_addc(out, '\t');
        }
        if (!wire_length(w, &at, &n)) {
            buf_adds(out, "\\N");
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            char ch = w->in.data[at + i];
            buf_addc(out, ch == '\t' || ch == '\n' || ch == '\0' ? ' ' : ch);
        }
        at += n;
    }
    buf_addc(out, '\n');
}

static bool wire_is_end(const struct wire *w)
{
    return wire_byte(w, 0) == 0xfe && w->in.len < 9;
}

/* Definitions of columns, an end, rows, an end. */
static int wire_result(struct wire *w, uint64_t columns, struct buf *out, struct err *e)
{
    int r = 0;
    for (int part = 0; r == 0 && part < 2; part++) {
        for (;;) {
            r = wire_read(w, e);
            if (r == 0 && wire_byte(w, 0) == 0xff) {
                return wire_refused(w, e);
            }
            if (r < 0 || wire_is_end(w)) {
                break;
            }
            if (part == 1 && out) {
                wire_row(w, columns, out);
            }
        }
    }
    return r;
}

static int wire_query(struct wire *w, const char *statement, struct buf *out, struct err *e)
{
    _cleanup_buf_ struct buf b = {0};
    buf_addc(&b, 3); /* COM_QUERY */
    buf_adds(&b, statement);
    w->seq = 0;
    w->total = 0;
    int r = wire_write(w, b.data, b.len, e);
    r = r < 0 ? r : wire_read(w, e);
    if (r < 0 || wire_byte(w, 0) == 0) {
        return r;
    }
    if (wire_byte(w, 0) == 0xff) {
        return wire_refused(w, e);
    }
    if (wire_byte(w, 0) > 0xfa) {
        return err_set(e, ERR_FAILED, "the server asks for something unexpected");
    }
    return wire_result(w, wire_byte(w, 0), out, e);
}

int mysql_run(const char *socket, const char *const *statements, size_t n, int timeout_ms, struct buf *out,
              struct err *e)
{
    const struct local_addr where = {.path = socket};
    struct wire w = {.deadline_ms = clock_mono_ms() + timeout_ms};
    _cleanup_close_ int fd = w.fd = local_connect(&where, w.deadline_ms, e);
    int r = fd < 0 ? fd : wire_login(&w, e);
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = wire_query(&w, statements[i], i + 1 == n ? out : NULL, e);
    }
    buf_done(&w.in);
    if (r == 0 && out) {
        buf_adds(out, "");
    }
    return r;
}

int mysql_ask(const char *socket, const char *statement, int timeout_ms, struct buf *out, struct err *e)
{
    return mysql_run(socket, &statement, 1, timeout_ms, out, e);
}

char *mysql_value(const char *rows, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = rows; p && *p;) {
        const char *end = strchrnul(p, '\n');
        if (strncasecmp(p, name, n) == 0 && p[n] == '\t') {
            return xstrndup(p + n + 1, (size_t)(end - p) - n - 1);
        }
        p = *end ? end + 1 : end;
    }
    return NULL;
}

int64_t mysql_number(const char *rows, const char *name, int64_t fallback)
{
    _cleanup_free_ char *v = mysql_value(rows, name);
    int64_t n = fallback;
    return v && str_to_int(v, INT64_MIN, INT64_MAX, &n) == 0 ? n : fallback;
}
