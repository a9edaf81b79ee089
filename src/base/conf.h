/*
 * Configuration files: INI with one schema table a program.  Unknown sections and keys, bad values and
 * repeated keys are fatal and name file and line.  `--dump-config` prints the table with its help texts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum conf_kind { CONF_STRING, CONF_INT, CONF_BOOL, CONF_PATH };
struct conf_key {
    const char *section; /* a section "cloud *" stands for any "[cloud NAME]" and fills nothing: see
                            conf_each_section */
    const char *key;     /* NULL ends the table */
    enum conf_kind kind;
    size_t offset; /* of char * (owned), int64_t, bool in the target */
    const char *fallback;
    int64_t min, max;
    const char *help;
};

/* path NULL: only defaults.  Strings in target are owned by it: conf_free. */
int conf_load(const char *path, const struct conf_key *schema, void *target, struct err *e) WARN_UNUSED;
void conf_free(const struct conf_key *schema, void *target);
void conf_dump(const struct conf_key *schema, FILE *out);

/* Calls f for every section "prefix NAME" of the file; its keys are read by schema (section "prefix *")
 * into target (conf_free'd by the caller inside f when it kept nothing). Stops at the first non-zero. */
int conf_each_section(const char *path, const char *prefix, const struct conf_key *schema, size_t size,
                      int (*f)(void *arg, const char *name, void *target, struct err *e), void *arg,
                      struct err *e) WARN_UNUSED;
