/*
 * The client's side of the table: from named arguments to method, path and body.
 */
#pragma once

#include "api/calls.h"
#include "base/json.h"

struct call_request {
    const char *method; /* static */
    char *path;         /* with query, encoded */
    json_t *body;       /* NULL: none, or a stream that the caller sends */
};
void call_request_done(struct call_request *r);
#define _cleanup_call_request_ _cleanup_(call_request_done)

/* args: flat object, name -> value. Checked by the same rules as on the server, so that most mistakes are
 * told before anything is sent. */
int call_encode(const struct call *c, const json_t *args, struct call_request *ret,
                struct err *e) WARN_UNUSED;
