/*
 * A node's root file system: overlay of the image and the programs layer (both seen through id-mapped
 * mounts, so that one unmodified tree serves every node's uid range) with an upper directory of its own.
 * Runs in the launcher, in a mount name space that only the node's monitor stays in: nothing of it shows on
 * the host, and everything goes when the node goes.
 */
#pragma once

#include "hostd/record.h"

/* Enters a mount name space of its own, mounts everything and writes the node's first files; *ret_root is the
 * merged tree (caller frees). user_data may be empty. */
int rootfs_mount(const struct config *c, const struct record *n, const char *user_data, char **ret_root,
                 struct err *e) WARN_UNUSED;
