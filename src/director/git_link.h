/*
 * The socket of conpaas-git (doc/PROTOCOL.md section 6): one thread a connection, one JSON object a line. What it may
 * ask is little: whether a key is known, which service a key and a name mean, and that this archive is a push to it.
 */
#pragma once

#include "director/director.h"

/* Nothing when no socket is configured. */
int git_link_start(struct director *d, struct err *e) WARN_UNUSED;
/* Ends connections and waits for them. */
void git_link_stop(struct director *d);

/* ---- for git_push.c ---- */
struct git_peer {
    struct director *d;
    int fd;
};
/* One line to the other side; takes line. ERR_GONE when nobody is there any more. */
int git_link_tell(const struct git_peer *p, json_t *line) WARN_UNUSED;
/* The other side has gone. */
bool git_link_gone(const struct git_peer *p);
