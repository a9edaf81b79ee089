/*
 * Whom to trust: the installation's certificate authority, learnt once (its fingerprint is shown) or given as
 * a file, and nobody else from then on.
 */
#pragma once

#include "cli/settings.h"

struct authority {
    char *installation, *ca; /* owned */
    char fingerprint[SHA256_HEX];
};
void authority_done(struct authority *a);

/* Asks the director at url for its authority, without being able to check the answer. Sends no secret. */
int trust_fetch(const char *url, struct authority *ret, struct err *e) WARN_UNUSED;
/* SHA-256 of a certificate in PEM, lower-case hex. */
int trust_fingerprint(const char *pem, char hex[SHA256_HEX], struct err *e) WARN_UNUSED;
/* "12:34:..." in groups that can be read out; caller frees. */
char *trust_show(const char *hex);
/* After a failed connection: true when the director shows another authority than the remembered one; e then
 * explains what that can mean and what to do. */
bool trust_explain(const struct settings *s, struct err *e);
