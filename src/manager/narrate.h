/*
 * The log lines that people know from the deck: states with counts, nodes requested, polled and ready, credit
 * timers.  Nothing decides by these.  Lock is held by the caller.
 */
#pragma once

#include "manager/manager.h"

/* A fresh view was taken. */
void narrate_view(struct manager *m, struct managed *s, int64_t now_ms);
/* A report was taken: a node that was waited for may be ready now. */
void narrate_report(struct manager *m, struct managed *s, int64_t node);
void narrate_create(struct manager *m, const struct managed *s, const int counts[ROLES_MAX]);
void narrate_destroy(struct manager *m, const struct managed *s, int64_t node, const char *why);
void narrate_converged(struct manager *m, const struct managed *s);
