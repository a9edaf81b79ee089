/*
 * Strings: the growing buffer, bounded parsing, vectors, hex, random names.  Hashes are in sha256.c.
 */
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

/* ---- buffer ---- */

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

/* Room for n more bytes and the terminator. */
static void buf_grow(struct buf *b, size_t n)
{
    size_t need = 0;
    if (__builtin_add_overflow(b->len, n, &need) || __builtin_add_overflow(need, (size_t)1, &need)) {
        abort();
    }
    if (b->data && need <= b->cap) {
        return;
    }
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) {
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    }
    b->data = xrealloc(b->data, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    buf_grow(b, n);
    if (n) {
        memcpy(b->data + b->len, p, n);
    }
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(b, fmt, ap);
    va_end(ap);
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    assert(fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0) {
        abort(); /* only a wrong format or more than INT_MAX bytes */
    }
    buf_grow(b, (size_t)n);
    (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    b->len += (size_t)n;
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->data) {
        b->data[0] = '\0';
    }
}

char *buf_take(struct buf *b)
{
    char *s = b->data ? b->data : xstrdup("");
    *b = (struct buf){0};
    return s;
}

/* ---- strings ---- */

char *str_printf(const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    return buf_take(&b);
}

bool str_eq(const char *a, const char *b)
{
    if (!a || !b) {
        return a == b;
    }
    return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    if (!s) {
        return false;
    }
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

int str_to_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    if (!s) {
        return ERR_INVALID;
    }
    const char *digits = *s == '-' ? s + 1 : s;
    if (*digits < '0' || *digits > '9') {
        return ERR_INVALID; /* strtoll would take blanks and a plus */
    }
    char *end = NULL;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno || *end != '\0' || v < min || v > max) {
        return ERR_INVALID;
    }
    *ret = v;
    return 0;
}

bool str_copy(char *dst, size_t size, const char *src)
{
    assert(size > 0);
    size_t n = strlen(src);
    bool fits = n < size;
    if (!fits) {
        n = size - 1;
    }
    memcpy(dst, src, n);
    dst[n] = '\0';
    return fits;
}

/* Length of the well-formed UTF-8 sequence at s (Unicode table 3-7), 0 when there is none. */
static int utf8_sequence(const uint8_t *s)
{
    if (s[0] < 0x80) {
        return 1;
    }
    int n = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
            : s[0] >= 0xE0 && s[0] <= 0xEF ? 3
            : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                           : 0;
    uint8_t low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    uint8_t high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    for (int i = 1; i < n; i++) {
        if (s[i] < low || s[i] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xBF;
    }
    return n;
}

bool str_is_utf8(const char *s)
{
    const uint8_t *p = (const uint8_t *)s;
    while (*p) {
        int n = utf8_sequence(p);
        if (n == 0) {
            return false;
        }
        p += n;
    }
    return true;
}

char **str_split(const char *s, char sep)
{
    size_t n = 1;
    for (const char *p = s; *p; p++) {
        n += *p == sep;
    }
    char **v = xcalloc(n + 1, sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        const char *end = s;
        while (*end && *end != sep) {
            end++;
        }
        v[i] = xstrndup(s, (size_t)(end - s));
        s = end + 1;
    }
    return v;
}

void strv_free(char **v)
{
    for (size_t i = 0; v && v[i]; i++) {
        free(v[i]);
    }
    free(v);
}

size_t strv_len(char *const *v)
{
    size_t n = 0;
    while (v && v[n]) {
        n++;
    }
    return n;
}

/* ---- hex and random ---- */

void hex_encode(const void *p, size_t n, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[b[i] >> 4];
        hex[2 * i + 1] = digits[b[i] & 15];
    }
    hex[2 * n] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(const char *hex, void *p, size_t n)
{
    if (!hex || strlen(hex) != 2 * n) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < 2 * n; i++) {
        if (hex_value(hex[i]) < 0) {
            return ERR_INVALID;
        }
    }
    uint8_t *b = p;
    for (size_t i = 0; i < n; i++) {
        b[i] = (uint8_t)(hex_value(hex[2 * i]) * 16 + hex_value(hex[2 * i + 1]));
    }
    return 0;
}

void random_bytes(void *p, size_t n)
{
    uint8_t *b = p;
    while (n > 0) {
        ssize_t got = getrandom(b, n, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            abort();
        }
        b += got;
        n -= (size_t)got;
    }
}

char *random_name(const char *prefix, int n)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct buf b = {0};
    buf_adds(&b, prefix);
    while (n > 0) {
        uint8_t byte = 0;
        random_bytes(&byte, 1);
        if (byte < 252) { /* 7 * 36: each letter equally likely */
            buf_addc(&b, letters[byte % 36]);
            n--;
        }
    }
    return buf_take(&b);
}
