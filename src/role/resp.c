/*
 * RESP2, as much as the agent needs.
 */
#include "role/resp.h"

#include "base/clock.h"

#define RESP_BULK_MAX (64 * 1024)

static void resp_add(struct buf *b, const struct resp_command *c)
{
    int n = 0;
    while (n < (int)ARRAY_LEN(c->word) && c->word[n]) {
        n++;
    }
    buf_addf(b, "*%d\r\n", n);
    for (int i = 0; i < n; i++) {
        buf_addf(b, "$%zu\r\n%s\r\n", strlen(c->word[i]), c->word[i]);
    }
}

/* One line without its end. */
static int resp_line(int fd, int64_t deadline, struct buf *out, struct err *e)
{
    buf_reset(out);
    for (;;) {
        char c;
        int r = local_recv(fd, &c, 1, deadline, e);
        if (r <= 0) {
            return r < 0 ? r : err_set(e, ERR_UNAVAILABLE, "redis closed the connection");
        }
        if (c == '\n') {
            return 0;
        }
        if (c != '\r') {
            buf_addc(out, c);
        }
        if (out->len > RESP_BULK_MAX) {
            return err_set(e, ERR_FAILED, "redis sends an endless line");
        }
    }
}

static int resp_bulk(int fd, int64_t n, int64_t deadline, struct buf *out, struct err *e)
{
    buf_reset(out);
    if (n < 0) {
        return 0; /* nil */
    }
    if (n > RESP_BULK_MAX) {
        return err_set(e, ERR_TOO_LARGE, "redis sends %lld bytes", (long long)n);
    }
    for (int64_t left = n + 2; left > 0;) {
        char chunk[1024];
        int r = local_recv(fd, chunk, left < 1024 ? (size_t)left : sizeof(chunk), deadline, e);
        if (r <= 0) {
            return r < 0 ? r : err_set(e, ERR_UNAVAILABLE, "redis closed the connection");
        }
        buf_add(out, chunk, (size_t)r);
        left -= r;
    }
    out->len = (size_t)n;
    out->data[n] = '\0';
    return 0;
}

static int resp_answer(int fd, int64_t deadline, struct buf *out, struct err *e)
{
    int r = resp_line(fd, deadline, out, e);
    if (r < 0) {
        return r;
    }
    if (out->len == 0) {
        return err_set(e, ERR_FAILED, "redis sends an empty line");
    }
    char kind = out->data[0];
    if (kind == '-') {
        return err_set(e, ERR_FAILED, "redis: %s", out->data + 1);
    }
    if (kind == '$') {
        int64_t n;
        r = str_to_int(out->data + 1, -1, INT32_MAX, &n);
        return r < 0 ? err_set(e, ERR_FAILED, "redis sends a bad length")
                     : resp_bulk(fd, n, deadline, out, e);
    }
    if (kind != '+' && kind != ':') {
        return err_set(e, ERR_FAILED, "redis sends an unexpected answer");
    }
    memmove(out->data, out->data + 1, out->len);
    out->len--;
    return 0;
}

int resp_run(const struct local_addr *where, const char *password, const struct resp_command *commands,
             size_t n, int timeout_ms, struct buf *out, struct err *e)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    _cleanup_buf_ struct buf text = {0}, own = {0};
    if (password) {
        const struct resp_command auth = {{"AUTH", password}};
        resp_add(&text, &auth);
    }
    for (size_t i = 0; i < n; i++) {
        resp_add(&text, &commands[i]);
    }
    _cleanup_close_ int fd = local_connect(where, deadline, e);
    if (fd < 0) {
        return fd;
    }
    int r = local_send(fd, text.data, text.len, deadline, e);
    mem_wipe(text.data, text.len);
    for (size_t i = 0; i < n + (password ? 1 : 0) && r >= 0; i++) {
        r = resp_answer(fd, deadline, out ? out : &own, e);
    }
    return r;
}

char *resp_info(const char *info, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = info; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        if (strncmp(p, key, n) == 0 && p[n] == ':') {
            return xstrndup(p + n + 1, strcspn(p + n + 1, "\r\n"));
        }
    }
    return NULL;
}
