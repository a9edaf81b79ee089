/*
 * The director's socket, from this side (doc/PROTOCOL.md section 6).
 */
#pragma once

#include "base/json.h"
#include "git/config.h"

struct director_link {
    int fd;
    struct buf in;
};
int director_link_open(const struct git_config *c, struct director_link *ret, struct err *e) WARN_UNUSED;
void director_link_done(struct director_link *l);
#define _cleanup_director_link_ _cleanup_(director_link_done)
/* One call; takes call. fd: goes with it, -1 none. on_line (may be NULL) gets what is told before the answer. *ret is
 * the member "ok" of the answer (may be NULL); an error of the director's becomes its code, message and hint. */
int director_link_call(struct director_link *l, json_t *call, int fd, void (*on_line)(const char *text),
                       json_t **ret, struct err *e) WARN_UNUSED;
