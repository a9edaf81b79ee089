/*
 * The process that looks at archives for the director: started before any thread, so that the children it
 * forks for each archive inherit no lock that somebody holds.
 */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>

#include "base/archive.h"

struct reader {
    int sock; /* requests; -1 = not started */
    pid_t pid;
    atomic_bool gone; /* it died: this process has to start anew */
};

/* While this process has one thread. The reader keeps none of its descriptors. */
int reader_start(struct reader *r, struct err *e) WARN_UNUSED;
/* It ends by itself when the director does. */
void reader_stop(struct reader *r);
/* archive_check with the default limits, in a child of the reader; from any thread. ERR_TIMEOUT after ten
 * minutes. ERR_UNAVAILABLE when the reader is gone: sets `gone` and sends this process SIGTERM, since only a fresh
 * one can fork another. */
int reader_check(struct reader *r, int fd, struct archive_info *ret, struct err *e) WARN_UNUSED;
