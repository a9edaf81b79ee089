/*
 * The sink that writes members below a directory; runs in the sandboxed child only.
 */
#pragma once

#include "base/archive_read.h"

struct arc_unpack {
    int root; /* the directory */
    int fd;   /* the file being written, -1 */
    unsigned mode;
};
/* The sink's hooks over u, which must stay where it is. */
struct arc_sink arc_unpack_sink(struct arc_unpack *u);
