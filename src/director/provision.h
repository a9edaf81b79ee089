/*
 * Calls to clouds: worker threads take what the ticks ask for, call the driver without holding anything, and
 * feed the outcome back.  Leak collection is one of their tasks.
 */
#pragma once

#include "director/director.h"

int provision_start(struct director *d, struct err *e) WARN_UNUSED;
void provision_stop(struct director *d);
/* One that is under way or queued already is not added again. */
void provision_add(struct director *d, int64_t app, const struct cloud_task *task);
/* Looks for machines of this installation that no record wants, in the background. */
void provision_add_leaks(struct director *d, int cloud);
/* Looks in the cloud's list for machines that ended by themselves, in the background. For watched clouds. */
void provision_add_ended(struct director *d, int cloud);
/* What the records say of a machine that a cloud lists. An error is no answer: nothing may follow from it. */
int provision_leak(struct director *d, const struct cloud_machine *m, struct leak_machine *ret,
                   struct err *e) WARN_UNUSED;
