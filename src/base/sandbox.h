/*
 * Gives away, in a forked child, everything that reading somebody's bytes does not need: descriptors,
 * resources, privilege, network, the right to start programs.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct sandbox_limits {
    uid_t uid; /* 0: keep */
    gid_t gid; /* 0: the same number as uid */
    int cpu_seconds;
    int64_t memory; /* bytes beyond what the process has now */
    int64_t file_size;
};
/* keep[i] becomes descriptor 3 + i; all others but 0, 1, 2 are closed and 0, 1 are /dev/null. At most 4.
 * 0, or a negative errno: the caller must not go on. Only after fork, in the child. */
int sandbox_enter(const struct sandbox_limits *l, const int *keep, int n_keep);
