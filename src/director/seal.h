/*
 * Secrets at rest: sealed with a key in a file of its own, so that the database, and a backup of it, holds none that can
 * be read.  Values are bound to their service and name: a row that is moved elsewhere does not open.
 */
#pragma once

#include "base/err.h"
#include "store/store.h"

struct seal {
    unsigned char key[32];
    char id[17]; /* names the key without telling it */
};

/* Reads DIR/secrets.key, or makes it (0600) at the first start. ERR_FAILED when the database has secrets that another
 * key has sealed. What an older program stored unsealed is sealed, once. */
int seal_open(struct seal *ret, const char *dir, struct store *store, struct err *e) WARN_UNUSED;
void seal_done(struct seal *s);
/* The sealed text; caller frees. */
char *seal_text(const struct seal *s, int64_t service, const char *name, const char *text);
/* Caller wipes and frees *ret. ERR_FAILED: it was changed, or belongs elsewhere. */
int seal_read(const struct seal *s, int64_t service, const char *name, const char *sealed, char **ret,
              struct err *e) WARN_UNUSED;
