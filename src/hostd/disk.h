/*
 * Disks as sparse files with an ext4 file system: the size limit of a node, and volumes.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* Makes the file with an empty file system of this size whose root belongs to uid. An existing complete file
 * is left alone. */
int disk_make(const char *path, int64_t megabytes, int64_t uid, struct err *e) WARN_UNUSED;
/* Mounts it through a loop device that goes away with the mount. */
int disk_mount(const char *path, const char *where, struct err *e) WARN_UNUSED;
