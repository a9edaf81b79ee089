/*
 * Accounts: password hashes, logins, sessions and tokens, and who a request is from.
 */
#pragma once

#include "director/director.h"

/* Who asks. Anonymous: user.id is 0. */
struct caller {
    struct user user;
    struct token token;
    bool cookie; /* came with the page's cookie */
};
void caller_done(struct caller *c);
#define _cleanup_caller_ _cleanup_(caller_done)

/* By Authorization: Bearer, else by the session cookie. A cookie alone never changes anything: that also
 * needs the header X-CSRF-Token. No credentials: anonymous and 0; bad ones: ERR_UNAUTHENTICATED. */
int account_caller(struct director *d, const struct http_request *req, struct caller *ret,
                   struct err *e) WARN_UNUSED;

/* yescrypt; a few at a time, others wait at most 20 s. Caller wipes and frees. */
int account_hash(struct director *d, const char *password, char **ret, struct err *e) WARN_UNUSED;
/* ERR_UNAUTHENTICATED when it is wrong; takes as long when hash is NULL (no such user). */
int account_check(struct director *d, const char *hash, const char *password, struct err *e) WARN_UNUSED;

/* Checks in the order of the specification: names, e-mail, credit. Adds the user with its credit. */
struct account_new {
    const char *username, *email, *password, *first_name, *last_name, *affiliation;
    int64_t credit;
    bool admin;
};
int account_register(struct director *d, const struct account_new *n, int64_t *ret_id,
                     struct err *e) WARN_UNUSED;

/* A new session or token of the user; the secret is returned once. days 0: never ends. Caller wipes and
 * frees. */
int account_new_session(struct director *d, int64_t user, const char *name, int64_t lasts_ms, char **ret,
                        struct err *e) WARN_UNUSED;
int account_new_token(struct director *d, int64_t user, const char *name, int64_t days,
                      struct token *ret_token, char **ret, struct err *e) WARN_UNUSED;
/* What X-CSRF-Token must say for a session. hex holds SHA256_HEX. */
void account_csrf(const char *session, char hex[SHA256_HEX]);

#define COOKIE_SESSION "conpaas_session"
#define COOKIE_CSRF "conpaas_csrf"
