/*
 * A push becomes an ordinary code version, and an ordinary operation when it is to take effect.
 */
#pragma once

#include "director/git_link.h"
#include "model/ssh_key.h"

struct git_push {
    struct ssh_key key;
    int64_t service;
    const char *commit;  /* 40 or 64 hex digits */
    const char *subject; /* first line of its message, as it came */
    int archive;         /* a regular file */
};
/* Tells {"line": text} as it goes; the answer says what became of it. A version whose activation failed stays, to be
 * tried again or looked at. */
int git_push_take(const struct git_peer *p, const struct git_push *push, json_t **ret,
                  struct err *e) WARN_UNUSED;
