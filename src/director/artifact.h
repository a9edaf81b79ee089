/*
 * Code archives by content hash: DATA/artifacts/SHA256.  A file is complete when it has its name.
 */
#pragma once

#include "director/director.h"

struct artifact {
    char sha256[SHA256_HEX];
    int64_t size;
    char format[16];
};

/* Held from putting a file to the commit that refers to it, so that the collector does not take it between.
 */
struct director *artifact_lock(struct director *d);
void artifact_unlockp(struct director **d);

/* Makes the directories; sweeps what an interrupted upload left. */
int artifact_init(struct director *d, struct err *e) WARN_UNUSED;
/* Copies fd (from its start), checks it as an archive, and puts it in place under its hash. The lock is taken
 * inside and kept when it succeeds. */
int artifact_put(struct director *d, int fd, struct artifact *ret, struct err *e) WARN_UNUSED;
/* The type's first code version. The lock is held. */
int artifact_put_default(struct director *d, const struct service_type *t, struct artifact *ret,
                         struct err *e) WARN_UNUSED;
int artifact_open(struct director *d, const char *sha256, int *ret_fd, struct err *e) WARN_UNUSED;
/* Removes files that no version uses, and those that no version came to use. */
int artifact_collect(struct director *d, struct err *e) WARN_UNUSED;
