/*
 * Errors a user may see: a code, a message that says what happened, a hint that says what to do.
 *
 * Functions that can fail return 0 or a positive value on success and a negative code on failure:
 * -errno, or one of the codes below (-1001 and down).  The HTTP status, the word in the JSON body
 * and the exit code of the command line are all made from the one table in err.c.
 */
#pragma once

#include <stdarg.h>

#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* X(symbol, value, word, HTTP status, exit code of the command line) */
#define ERR_TABLE(X)                                                                                         \
    X(ERR_INVALID, -1001, "invalid", 400, 2)                                                                 \
    X(ERR_UNAUTHENTICATED, -1002, "unauthenticated", 401, 3)                                                 \
    X(ERR_FORBIDDEN, -1003, "forbidden", 403, 4)                                                             \
    X(ERR_NOT_FOUND, -1004, "not_found", 404, 5)                                                             \
    X(ERR_STATE, -1005, "wrong_state", 409, 6)                                                               \
    X(ERR_CONFLICT, -1006, "conflict", 409, 6)                                                               \
    X(ERR_EXISTS, -1007, "exists", 409, 6)                                                                   \
    X(ERR_CREDIT, -1008, "no_credit", 402, 7)                                                                \
    X(ERR_TOO_LARGE, -1009, "too_large", 413, 2)                                                             \
    X(ERR_RATE, -1010, "too_many_requests", 429, 8)                                                          \
    X(ERR_UNAVAILABLE, -1011, "unavailable", 503, 9)                                                         \
    X(ERR_TIMEOUT, -1012, "timeout", 504, 10)                                                                \
    X(ERR_FENCED, -1013, "fenced", 412, 11)                                                                  \
    X(ERR_STALE, -1014, "stale", 412, 11)                                                                    \
    X(ERR_METHOD, -1015, "method_not_allowed", 405, 2)                                                       \
    X(ERR_QUOTA, -1016, "quota", 409, 6)                                                                     \
    X(ERR_FAILED, -1017, "failed", 500, 1)                                                                   \
    X(ERR_INTERNAL, -1018, "internal", 500, 1)                                                               \
    X(ERR_GONE, -1019, "gone", 410, 5)

enum err_code {
#define X(sym, value, word, status, exit_code) sym = value,
    ERR_TABLE(X)
#undef X
};

/* Zero-initialise: struct err e = {0}; message is NULL while nothing is set. */
struct err {
    int code;
    char *message; /* owned */
    char *hint;    /* owned, may be NULL */
};

/* Replaces what e holds; e may be NULL (the caller does not want the text).  Returns code. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As err_set with a hint: what the reader can do about it. */
int err_set_hint(struct err *e, int code, const char *hint, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Puts "context: " in front of the message, keeps code and hint.  Returns e->code (or code if e is
 * NULL). */
int err_wrap(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* errno_ is positive, as in errno. Message is "<fmt>: <strerror>".  Returns -errno_. */
int err_errno(struct err *e, int errno_, const char *fmt, ...) PRINTF_LIKE(3, 4);
void err_done(struct err *e);

/* Word ("not_found"), HTTP status and exit code of any negative code; -errno values are mapped to
 * the nearest row (ENOENT -> not_found, EINVAL -> invalid ...), others to "internal". */
const char *err_word(int code);
int err_http_status(int code);
int err_exit_code(int code);
/* Inverse of err_word; ERR_INTERNAL for an unknown word. */
int err_from_word(const char *word);

#define _cleanup_err_ __attribute__((cleanup(err_done)))
