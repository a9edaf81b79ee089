/*
 * Threads with small stacks: a node's agent is to be small.
 */
#pragma once

#include <pthread.h>

#include "base/err.h"

/* All signals are blocked in it. */
int threads_start(pthread_t *ret, void *(*f)(void *arg), void *arg, struct err *e) WARN_UNUSED;
