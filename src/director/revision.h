/*
 * Changing what the settings facet of a service owns: settings, environment, secrets, startup script, references.
 * A handler loads the wanted revision, changes the copy and saves it: that gives the number for its change.
 */
#pragma once

#include "director/director.h"
#include "director/txn.h"

/* The revision that v wants. Caller owns *ret. */
int revision_load(struct director *d, const struct service *v, struct revision *ret,
                  struct err *e) WARN_UNUSED;
/* Seals a secret and names it in `in` (secrets or own of a revision of the service): {NAME: ID}. */
int revision_secret(struct txn *x, int64_t service, json_t *in, const char *name, const char *value,
                    struct err *e) WARN_UNUSED;
/* Opens all secrets of `in`: {NAME: TEXT}. Caller owns *ret. */
int revision_open(struct director *d, const json_t *in, json_t **ret, struct err *e) WARN_UNUSED;
/* Limits on what it holds together. */
int revision_check(const struct revision *r, struct err *e) WARN_UNUSED;
/* The number of the revision that says what r says: the wanted one when nothing differs, else a new one, written in
 * x. */
int revision_save(struct txn *x, const struct revision *r, int64_t *ret, struct err *e) WARN_UNUSED;
