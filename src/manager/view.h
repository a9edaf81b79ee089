/*
 * Takes in the director's view: the services of the application, on our own clock.
 */
#pragma once

#include "manager/manager.h"

/* view: the member of the answer. Older ones than the last (F6) are ignored. now_ms: steady clock when the answer
 * came. Lock is held. Marks changed services for planning and wakes who waits. A service that cannot be read is
 * left as it was and named in e (negative), the others are taken. */
int view_take(struct manager *m, const json_t *view, int64_t now_ms, struct err *e) WARN_UNUSED;
