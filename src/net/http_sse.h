/*
 * Event streams (text/event-stream) cut into events: a pure push parser, used by the client only.
 */
#pragma once

#include "base/str.h"

struct sse_parser {
    struct buf line, event, id, data;
    bool has_data, after_cr;
    int (*on_event)(void *arg, const char *event, const char *id, const char *data);
    void *arg;
};
void sse_done(struct sse_parser *p);
/* Feeds bytes. Returns 0, what on_event returned when that was not 0, or ERR_TOO_LARGE. */
int sse_feed(struct sse_parser *p, const char *text, size_t n);
