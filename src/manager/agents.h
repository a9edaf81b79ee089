/*
 * The side towards the agents (doc/PROTOCOL.md section 3): reports in, documents and questions out.
 */
#pragma once

#include "manager/manager.h"

/* Starts the HTTPS server on the configured address. Only agents of the same application are served. */
int agents_start(struct manager *m, struct err *e) WARN_UNUSED;
