/*
 * A new code version of a service: what an upload and a push have in common.
 */
#pragma once

#include "director/artifact.h"
#include "director/txn.h"

/* ERR_QUOTA when the application's code would be larger than allowed with that many bytes more. */
int code_check_quota(struct director *d, int64_t app, int64_t more, struct err *e) WARN_UNUSED;
/* Bytes that the application's code may still grow by; 0 when none are left. */
int code_room(struct director *d, int64_t app, int64_t *ret, struct err *e) WARN_UNUSED;

struct code_new {
    const struct artifact *artifact;
    const char *name, *filename;
    const char *description; /* NULL: none */
    const char *commit;      /* of a push, NULL: an upload */
    const char *actor;
};
/* Stores it and notes it in the history. The service is locked, the artifacts too. */
int code_add(struct director *d, struct slot *s, struct slot_service *v, const struct code_new *n,
             struct version *ret, struct err *e) WARN_UNUSED;
