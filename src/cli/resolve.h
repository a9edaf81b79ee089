/*
 * Names to ids: applications, services and the rest may be given by name or by id everywhere.
 */
#pragma once

#include "cli/cli.h"

/* text names a thing; service is the service it is looked for in (THING_VERSION), 0 otherwise. ERR_NOT_FOUND
 * with the nearest name as advice; ERR_CONFLICT listing the candidates when several match. */
int resolve(struct cli *cli, enum call_thing thing, const char *text, int64_t service, int64_t *ret,
            struct err *e) WARN_UNUSED;
