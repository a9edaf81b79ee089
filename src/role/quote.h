/*
 * Text from elsewhere in configuration files: one function a target language.
 *
 * Each appends the value, quoted, so that the engine reads exactly the given bytes as one word, or refuses
 * (ERR_INVALID) what the language cannot express. Control characters, newlines and bytes that are no UTF-8
 * are always refused, except in redis, whose language has an escape for every byte.
 */
#pragma once

#include "base/str.h"

/* haproxy.cfg: a word in single quotes. Not for arguments of sample expressions: those take quote_is_plain.
 */
int quote_haproxy(struct buf *b, const char *s, struct err *e) WARN_UNUSED;
/* nginx.conf: a word in double quotes; "$" is refused, nginx has no escape for it. */
int quote_nginx(struct buf *b, const char *s, struct err *e) WARN_UNUSED;
/* php.ini and php-fpm.conf: a value in double quotes; `"`, `\`, `$` and newlines are refused. */
int quote_ini(struct buf *b, const char *s, struct err *e) WARN_UNUSED;
/* A value of a Java properties file; control characters are refused although the language has an escape: nothing we
 * write there may hold one. */
int quote_properties(struct buf *b, const char *s, struct err *e) WARN_UNUSED;
/* redis.conf: a word in double quotes. */
void quote_redis(struct buf *b, const char *s);
/* SQL: a text in single quotes, for a session without NO_BACKSLASH_ESCAPES. */
int quote_sql(struct buf *b, const char *s, struct err *e) WARN_UNUSED;
/* The characters of s as hexadecimal digits (haproxy's send-binary). */
void quote_hex(struct buf *b, const char *s);
/* Percent-encodes everything but [A-Za-z0-9_.~-]; what haproxy's url_enc does. */
void quote_url(struct buf *b, const char *s);
/* Only [A-Za-z0-9/_.-]: needs no quoting in any of the languages. */
bool quote_is_plain(const char *s);
