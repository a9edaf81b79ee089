/*
 * Rate limits: a token bucket for each key (an address, an account), in a table of fixed size.  Gates: how
 * many at once.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "base/err.h"

struct limit;
/* burst tries at once, refilled over per_ms. */
struct limit *limit_new(int64_t burst, int64_t per_ms);
void limit_free(struct limit *l);
/* Takes one; ERR_RATE with the time to wait when there is none left. */
int limit_take(struct limit *l, const char *key, int64_t now_ms, struct err *e) WARN_UNUSED;
/* Gives one back: the try was a good one. */
void limit_give(struct limit *l, const char *key, int64_t now_ms);

/* How many of something are under way at once, in all and for each key (a user's id, not 0). */
#define GATE_PLACES 32
struct gate {
    pthread_mutex_t lock;
    int64_t holders[GATE_PLACES]; /* keys; 0 = free */
};
void gate_init(struct gate *g);
void gate_done(struct gate *g);
/* ERR_RATE when the key holds `each` places already, or no place is free. */
int gate_enter(struct gate *g, int64_t key, int each, struct err *e) WARN_UNUSED;
void gate_leave(struct gate *g, int64_t key);
