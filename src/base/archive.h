/*
 * Code archives (tar, tar.gz, tar.bz2, tar.xz, zip) by libarchive, in a forked child with resource limits
 * that has no privilege to spare.  Refused as a whole, before anything is written: absolute names, a
 * component "..", backslashes and control characters in names, links that leave the tree, devices,
 * fifos, sockets; more members, bytes or depth than the limits; truncated or trailing data.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct archive_limits {
    int64_t max_bytes;   /* unpacked, all members; 0 = default 2 GiB */
    int64_t max_file;    /* one member; 0 = default 1 GiB */
    int64_t max_members; /* 0 = default 200,000 */
    int max_depth;       /* components; 0 = default 64 */
    int max_name;        /* bytes; 0 = default 1024 */
};
struct archive_info {
    char format[16]; /* "tar", "tar.gz", "tar.bz2", "tar.xz", "zip" */
    int64_t members, bytes;
};

/* Reads the whole archive from fd (from its start) and checks it; writes nothing. ERR_INVALID with a
 * message that names the member and the rule. */
int archive_check(int fd, const struct archive_limits *limits, struct archive_info *ret,
                  struct err *e) WARN_UNUSED;
/* Checks as above, then unpacks below the existing empty directory dir as uid/gid (0 = unchanged; else dir is
 * given to them first);
 * mode bits masked to 0755, owners from the archive ignored. On failure dir's content is undefined:
 * the caller unpacks into a temporary name and renames. */
int archive_extract(int fd, const char *dir, uid_t uid, gid_t gid, const struct archive_limits *limits,
                    struct err *e) WARN_UNUSED;
/* Packs the regular files of a list into a tar in memory; for default code. Caller frees *ret. */
struct archive_file {
    const char *name;
    const char *text;
};
int archive_make_tar(const struct archive_file *files, size_t n, void **ret, size_t *ret_len,
                     struct err *e) WARN_UNUSED;
