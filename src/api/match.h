/*
 * From a request line to a row of the call table.
 */
#pragma once

#include "api/calls.h"
#include "base/json.h"

#define CALL_PATH_IDS 2

struct call_match {
    const struct call *call;
    int n_ids;
    int64_t ids[CALL_PATH_IDS]; /* of the {names} of the path, in order */
};

/* path: decoded, without query. ERR_NOT_FOUND for an unknown path, ERR_METHOD for a known path with another
 * method (the hint lists the right ones), ERR_INVALID for an id that is not an integer from 1 to 2^63-1. */
int call_match(const char *method, const char *path, struct call_match *ret, struct err *e) WARN_UNUSED;
/* The id of path argument `name`; 0 when the path has none. */
int64_t call_match_id(const struct call_match *m, const char *name);
