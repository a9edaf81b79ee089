/*
 * Decoding of request targets and cookies.
 */
#include "net/http_uri.h"

#define HTTP_TARGET_MAX 8192
#define HTTP_QUERY_MAX 64
#define HTTP_COOKIES_MAX 64

void http_pairs_done(struct http_pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->v[i].name);
        free(p->v[i].value);
    }
    free(p->v);
    *p = (struct http_pairs){0};
}

const char *http_pairs_get(const struct http_pairs *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++) {
        if (str_eq(p->v[i].name, name)) {
            return p->v[i].value;
        }
    }
    return NULL;
}

/* Takes name and value. */
static void http_pairs_add(struct http_pairs *p, char *name, char *value)
{
    p->v = xreallocarray(p->v, p->n + 1, sizeof(*p->v));
    p->v[p->n++] = (struct http_pair){.name = name, .value = value};
}

static int http_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Percent-decoding; NULL for a bad escape, a control character or what is not UTF-8. Caller frees. */
static char *http_decode(const char *s, size_t n, bool plus_is_blank)
{
    _cleanup_buf_ struct buf b = {0};
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '%') {
            int high = i + 1 < n ? http_hex(s[i + 1]) : -1;
            int low = i + 2 < n ? http_hex(s[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return NULL;
            }
            c = high << 4 | low;
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        bool text = plus_is_blank && (c == '\n' || c == '\r' || c == '\t'); /* values may have lines */
        if ((c < 0x20 && !text) || c == 0x7f) {
            return NULL;
        }
        buf_addc(&b, (char)c);
    }
    char *out = buf_take(&b);
    if (!str_is_utf8(out)) {
        free(out);
        return NULL;
    }
    return out;
}

/* No empty segment but the last, none that is "." or "..". */
static bool http_segments_ok(const char *path)
{
    for (const char *p = path; *p == '/';) {
        p++;
        size_t n = strcspn(p, "/");
        bool dots = (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
        if (dots || (n == 0 && *p == '/')) {
            return false;
        }
        p += n;
    }
    return true;
}

static int http_query_parse(const char *s, struct http_pairs *ret, struct err *e)
{
    while (*s) {
        size_t n = strcspn(s, "&");
        const char *equals = memchr(s, '=', n);
        size_t name_len = equals ? (size_t)(equals - s) : n;
        if (n > 0) {
            _cleanup_free_ char *name = http_decode(s, name_len, true);
            _cleanup_free_ char *value =
                equals ? http_decode(equals + 1, n - name_len - 1, true) : xstrdup("");
            if (!name || !value) {
                return err_set(e, ERR_INVALID, "the query string is malformed");
            }
            if (ret->n == HTTP_QUERY_MAX || http_pairs_get(ret, name)) {
                return err_set(e, ERR_INVALID, "%s query parameter \"%.64s\"",
                               ret->n == HTTP_QUERY_MAX ? "too many: the" : "repeated", name);
            }
            http_pairs_add(ret, TAKE_PTR(name), TAKE_PTR(value));
        }
        s += n + (s[n] == '&');
    }
    return 0;
}

static bool http_raw_ok(const char *raw)
{
    size_t n = 0;
    for (; raw[n]; n++) {
        unsigned char c = (unsigned char)raw[n];
        if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\' || n >= HTTP_TARGET_MAX) {
            return false;
        }
    }
    return raw[0] == '/';
}

int http_target_parse(const char *raw, struct http_target *ret, struct err *e)
{
    if (!http_raw_ok(raw)) {
        return err_set(e, ERR_INVALID, "the request target is malformed or too long");
    }
    struct http_target t = {0};
    size_t n = strcspn(raw, "?");
    t.path = http_decode(raw, n, false);
    int r = 0;
    if (!t.path || !http_segments_ok(t.path)) {
        r = err_set(e, ERR_INVALID, "the path is malformed: bad escape, empty or dot segment");
    } else if (raw[n] == '?') {
        r = http_query_parse(raw + n + 1, &t.query, e);
    }
    if (r < 0) {
        http_target_done(&t);
        return r;
    }
    *ret = t;
    return 0;
}

void http_target_done(struct http_target *t)
{
    free(t->path);
    http_pairs_done(&t->query);
    *t = (struct http_target){0};
}

static const char *http_skip_blank(const char *s)
{
    while (*s == ' ' || *s == '\t') {
        s++;
    }
    return s;
}

void http_cookies_parse(const char *header, struct http_pairs *ret)
{
    for (const char *s = http_skip_blank(header); *s && ret->n < HTTP_COOKIES_MAX;) {
        size_t n = strcspn(s, ";"), len = n;
        while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t')) {
            len--;
        }
        const char *equals = memchr(s, '=', len);
        if (equals && equals > s) {
            const char *value = equals + 1;
            size_t value_len = len - (size_t)(value - s);
            if (value_len >= 2 && value[0] == '"' && value[value_len - 1] == '"') {
                value++;
                value_len -= 2;
            }
            _cleanup_free_ char *name = xstrndup(s, (size_t)(equals - s));
            if (!http_pairs_get(ret, name)) {
                http_pairs_add(ret, TAKE_PTR(name), xstrndup(value, value_len));
            }
        }
        s = http_skip_blank(s + n + (s[n] == ';'));
    }
}
