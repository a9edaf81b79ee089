/*
 * Questions of people about a node (the tail of a log): they come with the director's view, go to the agent with
 * the next answer, and the agent's text goes back.  Held by the manager's lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define QUERIES_MAX 32
#define QUERY_LIFE_MS 60000

struct query {
    int64_t id, node, lines;
    int64_t born_ms;
    bool given, answered; /* kept after the answer, so that a repeated question is known */
    char kind[16], name[64];
};
struct queries {
    int n;
    struct query q[QUERIES_MAX];
};

/* Takes those of a view's `queries` that are new. Returns how many. */
int queries_take(struct queries *qs, const json_t *list, int64_t now_ms);
/* The open questions to a node as JSON, marked as given; NULL when there are none. */
json_t *queries_give(struct queries *qs, int64_t node);
/* An open question to this manager's own node, or NULL. */
struct query *queries_own(struct queries *qs, int64_t node);
/* True when id is an open question to that node; it is answered then. */
bool queries_answered(struct queries *qs, int64_t id, int64_t node);
/* Is something to be given to this node? */
bool queries_waiting(const struct queries *qs, int64_t node);
