/*
 * Rate limits: a token bucket for each key (an address, an account), in a table of fixed size.
 */
#pragma once

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
