/*
 * Files: whole-file reads with a limit, atomic durable writes, and opens that cannot leave a directory
 * (openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

int fs_read(const char *path, size_t max, struct buf *out, struct err *e) WARN_UNUSED;
/* All of it, however often the kernel takes only a part; 0 or -errno. */
int fs_write_all(int fd, const void *data, size_t len) WARN_UNUSED;
/* Temporary file in the same directory, fsync, rename, fsync of the directory. */
int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *e) WARN_UNUSED;
int fs_mkdirs(const char *path, mode_t mode, struct err *e) WARN_UNUSED;
/* Opens rel below the directory dirfd; rel may contain slashes, never leaves the tree, follows no link. */
int fs_open_beneath(int dirfd, const char *rel, int flags, mode_t mode, struct err *e) WARN_UNUSED;
/* Removes path and all below it without following links. A missing path is fine. */
int fs_remove_tree(const char *path, struct err *e) WARN_UNUSED;
/* From the offset of `from` to its end; more than max bytes (max < 0: no limit) is ERR_TOO_LARGE. */
int fs_copy_fd(int from, int to, int64_t max, int64_t *ret_n, struct err *e) WARN_UNUSED;
/* The last `lines` lines of a file, at most max_bytes. */
int fs_tail(const char *path, int lines, size_t max_bytes, struct buf *out, struct err *e) WARN_UNUSED;
bool fs_exists(const char *path);
