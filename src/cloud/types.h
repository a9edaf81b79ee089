/*
 * Instance types as one line of text, for clouds that are told theirs by the configuration:
 *   small:500m:512M:256p:4096d:1c medium:1000m:1024M:512p:8192d:2c
 * name, then in any order millicores (m), memory in MB (M), processes (p), disk in MB (d, 0 = no limit),
 * credits an hour (c, up to three decimals).  The first one is the default.
 */
#pragma once

#include "cloud/cloud.h"

/* With a limit of the disk: a tenant must not fill the one that the director's database is on. */
#define TYPES_DEFAULT "small:500m:512M:256p:4096d:1c"
#define TYPES_MAX 32

/* Caller frees *ret. ERR_INVALID names the word that is wrong. */
int types_parse(const char *text, struct cloud_type **ret, size_t *ret_n, struct err *e) WARN_UNUSED;
/* The type with this name, the first for ""; NULL when there is none. */
const struct cloud_type *types_find(const struct cloud_type *list, size_t n, const char *name);
