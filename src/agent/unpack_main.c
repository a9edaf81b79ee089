/*
 * conpaas-unpack DIR UID GID < ARCHIVE: checks and unpacks a code archive into an empty directory.  A program
 * of its own so that the agent, which lives in every node for ever, does not carry the archive library in its
 * memory.
 */
#include <stdio.h>

#include "base/archive.h"

int main(int argc, char **argv)
{
    _cleanup_err_ struct err e = {0};
    int64_t uid = 0, gid = 0;
    if (argc != 4 || str_to_int(argv[2], 0, INT32_MAX, &uid) < 0 ||
        str_to_int(argv[3], 0, INT32_MAX, &gid) < 0) {
        fprintf(stderr, "Usage: conpaas-unpack DIR UID GID < ARCHIVE\n");
        return 2;
    }
    if (archive_extract(0, argv[1], (uid_t)uid, (gid_t)gid, NULL, &e) < 0) {
        fprintf(stderr, "%s\n", e.message);
        return 1;
    }
    return 0;
}
