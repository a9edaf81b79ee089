/*
 * Reading an archive member by member under the limits; runs in the sandboxed child only.
 */
#pragma once

#include "base/archive.h"

/* Where members go; every path is clean, its parents were given before or are to be made. */
struct arc_sink {
    int (*dir)(void *arg, const char *path, unsigned mode, struct err *e);
    int (*file_begin)(void *arg, const char *path, unsigned mode, struct err *e);
    int (*file_data)(void *arg, const void *data, size_t n, struct err *e);
    int (*file_end)(void *arg, struct err *e);
    int (*symlink)(void *arg, const char *path, const char *target, struct err *e);
    int (*hardlink)(void *arg, const char *path, const char *earlier, struct err *e);
    void *arg;
};

/* Limits without zeros. */
struct archive_limits arc_limits(const struct archive_limits *l);
/* sink NULL: only checks. */
int arc_walk(int fd, const struct archive_limits *limits, const struct arc_sink *sink,
             struct archive_info *ret, struct err *e) WARN_UNUSED;
