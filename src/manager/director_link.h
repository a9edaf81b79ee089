/*
 * All talk with the director: registration and view (long poll), queued requests, reports.  Each thread has its
 * own connection.  Every answer to a call under our epoch renews the lease, counted from when the call was sent.
 */
#pragma once

#include "manager/manager.h"

/* Threads; arg is the manager; they end when it does. */
void *link_view_main(void *arg);
void *link_caller_main(void *arg);
void *link_reporter_main(void *arg);

/* Loads key and certificate of the state directory if they are new. 1 = changed, 0 = as before. Lock is held. */
int link_load_identity(struct manager *m, struct err *e) WARN_UNUSED;
