/*
 * A plain HTTP client for the conformance test of the role drivers, and a load of several threads.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/str.h"

struct http_got {
    int status; /* 0: no complete answer */
    bool close; /* the server closes the connection */
    char location[512];
    char cookie[256]; /* name=value of Set-Cookie */
    struct buf body;
};
void http_got_done(struct http_got *g);

int http_dial(int port);
/* One request on an open connection. headers: "Name: value\r\n"... or "". */
int http_on(int fd, const char *method, const char *target, const char *headers, const char *body,
            struct http_got *ret);
/* The same on a connection of its own. */
int http_once(int port, const char *method, const char *target, const char *headers, const char *body,
              struct http_got *ret);

struct load_line {
    const char *method, *target, *body;
    const char *expect; /* substring of the body; NULL: any */
    bool keep_alive;
};
struct load {
    int port;
    atomic_bool stop;
    atomic_long done, failed;
    pthread_t threads[16];
    int n;
    struct load_arg {
        struct load *load;
        struct load_line line;
    } args[16];
    char first_failure[256];
    atomic_bool have_failure;
};
void load_start(struct load *l, int port, const struct load_line *lines, int n);
void load_stop(struct load *l);
