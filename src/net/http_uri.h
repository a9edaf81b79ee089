/*
 * The request target and the Cookie header: pure functions from text to names and values, used inside
 * net/ only (and by the fuzzers).
 */
#pragma once

#include "base/str.h"

struct http_pair {
    char *name, *value;
};
struct http_pairs {
    struct http_pair *v;
    size_t n;
};
void http_pairs_done(struct http_pairs *p);
const char *http_pairs_get(const struct http_pairs *p, const char *name); /* NULL: absent */

struct http_target {
    char *path; /* decoded once */
    struct http_pairs query;
};
/* raw is the target as it stood in the request line. Refused: anything but "/...", bad escapes, NUL,
 * control characters, invalid UTF-8, empty and dot segments, a repeated query name, too much. */
int http_target_parse(const char *raw, struct http_target *ret, struct err *e) WARN_UNUSED;
void http_target_done(struct http_target *t);

/* What a Cookie header holds; malformed parts are left out, of repeated names the first counts. */
void http_cookies_parse(const char *header, struct http_pairs *ret);
