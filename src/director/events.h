/*
 * Server-sent events of one application: history lines (with ids, so that a stream can be resumed) and the
 * objects that changed.
 */
#pragma once

#include "director/director.h"

/* Answers with the stream, which ends with the caller's token. after: id of the last line that is known; -1:
 * begin with the present state. */
int events_stream(struct director *d, struct http_request *req, int64_t app, int64_t token, int64_t after,
                  struct err *e) WARN_UNUSED;
