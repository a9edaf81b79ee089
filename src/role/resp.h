/*
 * A small client of Redis' protocol: authenticates, runs commands in order, gives the last answer.
 */
#pragma once

#include "base/str.h"
#include "role/local_io.h"

struct resp_command {
    const char *word[6]; /* ends with NULL */
};
/* password NULL: none. Simple strings, numbers and bulk strings end in out (may be NULL); an error answer of
 * any of the commands is ERR_FAILED with its text. */
int resp_run(const struct local_addr *where, const char *password, const struct resp_command *commands,
             size_t n, int timeout_ms, struct buf *out, struct err *e) WARN_UNUSED;
/* "key:value" in the answer of INFO; NULL when absent. Caller frees. */
char *resp_info(const char *info, const char *key);
