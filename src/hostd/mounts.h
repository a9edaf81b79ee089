/*
 * A mount name space of the helper's own processes.
 */
#pragma once

#include "base/err.h"

/* New name space for the calling process: what the host unmounts later is unmounted here too (slave), nothing mounted
 * here shows there. In a chroot, whose root is no mount, the root becomes one at the top of the name space, as the
 * start of a system does it: only so can a container be given another root, and only so is nothing left above it that
 * a container could climb to. inside: any directory below the root. The caller is single-threaded root; the working
 * directory is "/" afterwards. Does not block. */
int mounts_separate(const char *inside, struct err *e) WARN_UNUSED;
