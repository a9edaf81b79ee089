/*
 * Strings: a growing buffer, bounded parsing, name tables for enums, random tokens, hex, SHA-256.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* Growing text or bytes; data is always NUL-terminated (never NULL after the first add). */
struct buf {
    char *data;
    size_t len, cap;
};
void buf_done(struct buf *b);
#define _cleanup_buf_ _cleanup_(buf_done)
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap);
void buf_reset(struct buf *b);
/* Gives the string to the caller (never NULL), leaves b empty. */
char *buf_take(struct buf *b);

char *str_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Whole string must be a decimal number in [min, max]. Returns 0 or ERR_INVALID. */
int str_to_int(const char *s, int64_t min, int64_t max, int64_t *ret) WARN_UNUSED;
/* Copies into a fixed field, always terminated; returns false (and cuts) when it does not fit. */
bool str_copy(char *dst, size_t size, const char *src);
bool str_is_utf8(const char *s);
/* NULL-terminated vector of strings: split at sep (empty fields kept), free. */
char **str_split(const char *s, char sep);
void strv_free(char **v);
size_t strv_len(char *const *v);
/* Bytes <-> lower-case hex. hex must hold 2n+1. */
void hex_encode(const void *p, size_t n, char *hex);
int hex_decode(const char *hex, void *p, size_t n) WARN_UNUSED;

/* n random bytes from the kernel; aborts when it has none. */
void random_bytes(void *p, size_t n);
/* "prefix" + n random characters of [a-z0-9] (about 5 bits each); caller frees. */
char *random_name(const char *prefix, int n);

#define SHA256_HEX 65
void sha256_hex(const void *p, size_t n, char hex[SHA256_HEX]);
/* Incremental; NULL on no memory never happens (aborts). final frees. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *h, const void *p, size_t n);
void sha256_final(struct sha256 *h, char hex[SHA256_HEX]);

/*
 * Enum <-> word through one table.  In the header:  STR_TABLE_DECLARE(app_state, enum app_state)
 * In the source: static const char *const app_state_table[APP_STATE_MAX] = {[APP_INIT] = "INIT"};
 *                STR_TABLE_DEFINE(app_state, enum app_state, APP_STATE_MAX)
 * gives const char *app_state_to_str(enum app_state) and int app_state_from_str(const char *)
 * (-1 for an unknown word).
 */
#define STR_TABLE_DECLARE(name, type)                                                                        \
    const char *name##_to_str(type v);                                                                       \
    int name##_from_str(const char *s)
#define STR_TABLE_DEFINE(name, type, max)                                                                    \
    const char *name##_to_str(type v)                                                                        \
    {                                                                                                        \
        return (unsigned)v < (unsigned)(max) ? name##_table[v] : NULL;                                       \
    }                                                                                                        \
    int name##_from_str(const char *s)                                                                       \
    {                                                                                                        \
        for (int i = 0; s && i < (int)(max); i++) {                                                          \
            if (name##_table[i] && str_eq(name##_table[i], s)) {                                             \
                return i;                                                                                    \
            }                                                                                                \
        }                                                                                                    \
        return -1;                                                                                           \
    }                                                                                                        \
    struct semicolon_after_macro_
