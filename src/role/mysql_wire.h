/*
 * A conversation with a MariaDB on this machine, as root over its unix socket: no password, no process.
 */
#pragma once

#include "base/str.h"

/* Runs the statements, in order, on one connection; stops at the first that fails (the server's message, with its
 * number as "1047: ..."). The rows of the last one are added to out (may be NULL): columns by tab, rows by newline,
 * NULL as "\N"; tabs and newlines in values become spaces. More than a megabyte of answer is ERR_TOO_LARGE. */
int mysql_run(const char *socket, const char *const *statements, size_t n, int timeout_ms, struct buf *out,
              struct err *e) WARN_UNUSED;
/* One statement. */
int mysql_ask(const char *socket, const char *statement, int timeout_ms, struct buf *out,
              struct err *e) WARN_UNUSED;
/* Value of the row NAME<tab>VALUE in an answer (`SHOW STATUS`), or NULL; the caller owns it. */
char *mysql_value(const char *rows, const char *name);
int64_t mysql_number(const char *rows, const char *name, int64_t fallback);
