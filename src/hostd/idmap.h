/*
 * Id-mapped mounts: a tree on this machine, seen with the uids of a node.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Descriptor of a user name space that maps 0..65535 to base..; the caller is single-threaded root. */
int idmap_userns(int64_t base, struct err *e) WARN_UNUSED;
/* Descriptor of a detached clone of the mount at path, mapped by the user name space. */
int idmap_clone(const char *path, int userns, bool read_only, struct err *e) WARN_UNUSED;
/* Attaches it at path. */
int idmap_attach(int tree, const char *path, struct err *e) WARN_UNUSED;
