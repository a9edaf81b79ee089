/*
 * The schema, as numbered steps that are never changed once released; the last number is the version this
 * program writes.  A new step goes to the end of the list in migrations.c.
 */
#pragma once

#include "base/err.h"

struct migration {
    int version;
    const char *sql;
};
/* Ends with sql NULL. */
extern const struct migration migrations[];
int migrations_latest(void);
