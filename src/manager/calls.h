/*
 * Requests to the director that wait to be made: a bounded queue between the planner's thread, which must not
 * block, and the worker that makes them.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define CALLS_MAX 256

struct queued_call {
    const char *path; /* static text */
    json_t *body;     /* owned, with epoch */
    int64_t service;  /* 0 = the application */
    char what[128];   /* for the log */
};
struct calls {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct queued_call items[CALLS_MAX];
    int first, n;
    bool closed;
};

void calls_init(struct calls *c);
void calls_done(struct calls *c);
/* Takes body. False when the queue is full or closed (body is released; the planner will ask again). */
bool calls_push(struct calls *c, const struct queued_call *call);
/* Waits for one; false when closed. The caller releases ret->body. */
bool calls_pop(struct calls *c, struct queued_call *ret);
/* Drops everything: the epoch is over. */
void calls_clear(struct calls *c);
void calls_close(struct calls *c);
