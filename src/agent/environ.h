/*
 * The environment of processes: engines that run a service's own code, and its scripts.
 */
#pragma once

#include "base/json.h"

/* "NAME=value" of PATH and LANG, of the service's variables (`env` of a document, {NAME: TEXT}; NULL = none) and of
 * `more`, NULL-terminated like the result. A name stands there once: `more` goes before the service's, and what the
 * service says before LANG. Caller frees with environ_free. */
char **environ_new(const json_t *env, const char *const *more);
/* Wipes the values: some are secrets. */
void environ_free(char **env);
DEFINE_CLEANUP(char **, environ_free);
