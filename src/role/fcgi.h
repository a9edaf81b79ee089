/*
 * A small FastCGI client: one request without a body, its answer, a deadline.
 */
#pragma once

#include "base/str.h"
#include "role/local_io.h"

struct fcgi_param {
    const char *name, *value;
};
struct fcgi_answer {
    int status;        /* of the "Status:" header, 200 without one */
    struct buf body;   /* after the headers; cut at the limit */
    struct buf errors; /* what the script or its interpreter wrote to standard error */
};
void fcgi_answer_done(struct fcgi_answer *a);

/* params ends with name NULL. max: of body and of errors, each. */
int fcgi_get(const struct local_addr *where, const struct fcgi_param *params, size_t max, int timeout_ms,
             struct fcgi_answer *ret, struct err *e) WARN_UNUSED;
/* The status and what follows the head of raw CGI output (exposed for its test). */
int fcgi_parse_head(const char *raw, size_t len, int *ret_status, size_t *ret_body,
                    struct err *e) WARN_UNUSED;
