/*
 * The socket: peer credentials, one line a call, a thread a connection, bounded.
 */
#pragma once

#include "hostd/nodes.h"

/* Serves until stop_fd becomes readable; then waits for the calls under way. */
int server_run(struct hostd *h, int stop_fd, struct err *e) WARN_UNUSED;
