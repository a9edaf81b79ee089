/*
 * The clock: ticks of every application and service when they are due, and the director's own chores (leaks,
 * expired sessions, unused archives, its certificate, the mark against restored databases).
 */
#pragma once

#include "director/director.h"

int ticker_start(struct director *d, struct err *e) WARN_UNUSED;
void ticker_stop(struct director *d);
/* After a start: calls that were under way have unknown outcomes. */
int ticker_restarted(struct director *d, struct err *e) WARN_UNUSED;
