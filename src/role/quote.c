/*
 * Quoting for the configuration languages of the engines.
 */
#include "role/quote.h"

#include <ctype.h>

static int quote_check(const char *s, const char *language, const char *refused, struct err *e)
{
    if (!str_is_utf8(s)) {
        return err_set(e, ERR_INVALID, "a value for %s is no UTF-8", language);
    }
    for (const char *p = s; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f) {
            return err_set(e, ERR_INVALID, "a value for %s holds a control character (0x%02x)", language, c);
        }
        if (strchr(refused, c)) {
            return err_set(e, ERR_INVALID, "a value for %s may not hold '%c'", language, c);
        }
    }
    return 0;
}

int quote_haproxy(struct buf *b, const char *s, struct err *e)
{
    int r = quote_check(s, "haproxy.cfg", "", e);
    if (r < 0) {
        return r;
    }
    buf_addc(b, '\'');
    for (; *s; s++) {
        if (*s == '\'') {
            buf_adds(b, "'\\''"); /* end the quotes, a literal quote, begin again */
        } else {
            buf_addc(b, *s);
        }
    }
    buf_addc(b, '\'');
    return 0;
}

int quote_nginx(struct buf *b, const char *s, struct err *e)
{
    int r = quote_check(s, "nginx.conf", "$", e);
    if (r < 0) {
        return r;
    }
    buf_addc(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') {
            buf_addc(b, '\\');
        }
        buf_addc(b, *s);
    }
    buf_addc(b, '"');
    return 0;
}

int quote_sql(struct buf *b, const char *s, struct err *e)
{
    int r = quote_check(s, "SQL", "", e);
    if (r < 0) {
        return r;
    }
    buf_addc(b, '\'');
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\') {
            buf_addc(b, '\\');
        }
        buf_addc(b, *s);
    }
    buf_addc(b, '\'');
    return 0;
}

int quote_ini(struct buf *b, const char *s, struct err *e)
{
    int r = quote_check(s, "php.ini", "\"\\$", e);
    if (r < 0) {
        return r;
    }
    buf_addf(b, "\"%s\"", s);
    return 0;
}

/* The escapes matter to the reader only at the beginning or for keys, but are understood anywhere. */
int quote_properties(struct buf *b, const char *s, struct err *e)
{
    int r = quote_check(s, "a properties file", "", e);
    for (; r == 0 && *s; s++) {
        if (strchr("\\ :=#!", *s)) {
            buf_addc(b, '\\');
        }
        buf_addc(b, *s);
    }
    return r;
}

void quote_redis(struct buf *b, const char *s)
{
    buf_addc(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x80 && (isalnum(c) || strchr("_-./:", c))) {
            buf_addc(b, (char)c);
        } else {
            buf_addf(b, "\\x%02x", c);
        }
    }
    buf_addc(b, '"');
}

void quote_hex(struct buf *b, const char *s)
{
    for (; *s; s++) {
        buf_addf(b, "%02x", (unsigned char)*s);
    }
}

void quote_url(struct buf *b, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x80 && (isalnum(c) || strchr("_.~-", c))) {
            buf_addc(b, (char)c);
        } else {
            buf_addf(b, "%%%02X", c);
        }
    }
}

bool quote_is_plain(const char *s)
{
    for (const char *p = s; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x80 || !(isalnum(c) || strchr("/_.-", c))) {
            return false;
        }
    }
    return *s != '\0';
}
