/*
 * Errors a user may see.  The one table of err.h is expanded here into word, status and exit code.
 */
#include "base/err.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"

struct err_row {
    int code;
    const char *word;
    int status, exit_code;
};
static const struct err_row err_rows[] = {
#define X(sym, value, word, status, exit_code) {sym, word, status, exit_code},
    ERR_TABLE(X)
#undef X
};

/* Nearest row of the table for what the kernel says. */
static const struct {
    int errno_, code;
} err_errnos[] = {
    {EINVAL, ERR_INVALID},        {ENAMETOOLONG, ERR_INVALID},   {ELOOP, ERR_INVALID},
    {ERANGE, ERR_INVALID},        {EILSEQ, ERR_INVALID},         {ENOENT, ERR_NOT_FOUND},
    {ESRCH, ERR_NOT_FOUND},       {ENXIO, ERR_NOT_FOUND},        {EACCES, ERR_FORBIDDEN},
    {EPERM, ERR_FORBIDDEN},       {EEXIST, ERR_EXISTS},          {ENOTEMPTY, ERR_EXISTS},
    {EBUSY, ERR_CONFLICT},        {EFBIG, ERR_TOO_LARGE},        {E2BIG, ERR_TOO_LARGE},
    {EMSGSIZE, ERR_TOO_LARGE},    {ETIMEDOUT, ERR_TIMEOUT},      {EAGAIN, ERR_UNAVAILABLE},
    {ENOSPC, ERR_UNAVAILABLE},    {EDQUOT, ERR_QUOTA},           {ECONNREFUSED, ERR_UNAVAILABLE},
    {EPIPE, ERR_UNAVAILABLE},     {ECONNRESET, ERR_UNAVAILABLE}, {EHOSTUNREACH, ERR_UNAVAILABLE},
    {EMFILE, ERR_UNAVAILABLE},    {ENFILE, ERR_UNAVAILABLE},     {ENETUNREACH, ERR_UNAVAILABLE},
    {ECANCELED, ERR_UNAVAILABLE},
};

static const struct err_row *err_find(int code)
{
    const struct err_row *internal = NULL;
    for (size_t i = 0; i < ARRAY_LEN(err_errnos); i++) {
        if (code == -err_errnos[i].errno_) {
            code = err_errnos[i].code;
            break;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(err_rows); i++) {
        if (err_rows[i].code == code) {
            return &err_rows[i];
        }
        if (err_rows[i].code == ERR_INTERNAL) {
            internal = &err_rows[i];
        }
    }
    return internal;
}

static char *err_format(const char *fmt, va_list ap)
{
    struct buf b = {0};
    buf_vaddf(&b, fmt, ap);
    return buf_take(&b);
}

/* Takes message and hint; they may be made from what e held, so the old texts go last. */
static int err_replace(struct err *e, int code, char *message, char *hint)
{
    char *old_message = e->message, *old_hint = e->hint;
    e->code = code;
    e->message = message;
    e->hint = hint;
    free(old_message);
    free(old_hint);
    return code;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (!e) {
        return code;
    }
    va_list ap;
    va_start(ap, fmt);
    char *message = err_format(fmt, ap);
    va_end(ap);
    return err_replace(e, code, message, NULL);
}

int err_set_hint(struct err *e, int code, const char *hint, const char *fmt, ...)
{
    if (!e) {
        return code;
    }
    va_list ap;
    va_start(ap, fmt);
    char *message = err_format(fmt, ap);
    va_end(ap);
    return err_replace(e, code, message, hint ? xstrdup(hint) : NULL);
}

int err_wrap(struct err *e, int code, const char *fmt, ...)
{
    if (!e) {
        return code;
    }
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *context = err_format(fmt, ap);
    va_end(ap);
    if (!e->code) {
        e->code = code;
    }
    char *message = str_printf("%s: %s", context, e->message ? e->message : err_word(e->code));
    free(e->message);
    e->message = message;
    return e->code;
}

int err_errno(struct err *e, int errno_, const char *fmt, ...)
{
    int code = errno_ > 0 ? -errno_ : ERR_INTERNAL;
    if (!e) {
        return code;
    }
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *context = err_format(fmt, ap);
    va_end(ap);
    char text[128];
    const char *why = strerror_r(errno_, text, sizeof(text));
    return err_replace(e, code, str_printf("%s: %s", context, why), NULL);
}

void err_done(struct err *e)
{
    if (!e) {
        return;
    }
    free(e->message);
    free(e->hint);
    *e = (struct err){0};
}

const char *err_word(int code)
{
    return err_find(code)->word;
}

int err_http_status(int code)
{
    return err_find(code)->status;
}

int err_exit_code(int code)
{
    return err_find(code)->exit_code;
}

int err_from_word(const char *word)
{
    for (size_t i = 0; word && i < ARRAY_LEN(err_rows); i++) {
        if (str_eq(err_rows[i].word, word)) {
            return err_rows[i].code;
        }
    }
    return ERR_INTERNAL;
}
