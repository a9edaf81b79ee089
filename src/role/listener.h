/*
 * A listening socket that outlives the processes that serve it: the agent keeps it, every process of the engine
 * inherits it.  What nobody has taken yet waits in its queue for the next one.
 */
#pragma once

#include "base/str.h"

struct listener {
    int fd;     /* -1: none */
    char *name; /* "address:port" of fd, NULL without one */
};
/* Opens it, or keeps the one there is when address and port are the same. */
int listener_open(struct listener *l, const char *address, int port, struct err *e) WARN_UNUSED;
void listener_close(struct listener *l);
