/*
 * Log lines: one line an event, `YYYY-MM-DD HH:MM:SS,mmm LEVEL logger message key=value ...`, to stderr
 * or a file that is rotated by size.  Only main.c, request dispatch and job runners log at error.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* What a line is about; zero fields are left out. */
struct log_ctx {
    const char *logger; /* "director", "manager.plan", ... */
    int64_t app, service, node, op;
};

void log_to_stderr(enum log_level level);
/* Appends to path; at max_bytes renames to path.1 ... path.<keep> and starts anew. */
int log_to_file(const char *path, enum log_level level, int64_t max_bytes, int keep,
                struct err *e) WARN_UNUSED;
/* Called with every formatted line (without newline) besides the file; NULL takes it away. For shipping
 * lines elsewhere; must not log itself, must not block. */
void log_set_tap(void (*tap)(void *arg, enum log_level level, const char *line), void *arg);

void log_at(enum log_level level, const struct log_ctx *ctx, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_error(ctx, ...) log_at(LOG_ERROR, ctx, __VA_ARGS__)
#define log_warn(ctx, ...) log_at(LOG_WARN, ctx, __VA_ARGS__)
#define log_info(ctx, ...) log_at(LOG_INFO, ctx, __VA_ARGS__)
#define log_debug(ctx, ...) log_at(LOG_DEBUG, ctx, __VA_ARGS__)

/* True at most `burst` times per `per_ms`: guards lines that a peer can trigger. */
struct log_limit {
    int64_t window_start_ms;
    int count;
};
bool log_allowed(struct log_limit *l, int burst, int64_t per_ms);
