/*
 * Passwords are hashed outside every lock.  Tokens carry 256 random bits, so a plain SHA-256 of them is
 * enough in the database, and looking the hash up compares nothing secret byte by byte.
 */
#include "director/account.h"

#include <crypt.h>
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "model/names.h"

#define HASH_WAIT_S 20
#define DAY_MS (24LL * 3600 * 1000)
#define USED_EVERY_MS 60000
/* Of no password: what an unknown user is checked against, so that it takes as long as a known one. */
#define NO_HASH "$y$j9T$PKLRYz1WB0e7NAxBl2rAo1$Ds4cHsN8AaP5HbVnOiWk.HZ5RS3agNSPw1ei1w8yKh1"

void caller_done(struct caller *c)
{
    user_done(&c->user);
    token_done(&c->token);
}

/* ---- passwords ---- */

static int hashing_begin(struct director *d, struct err *e)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HASH_WAIT_S;
    while (sem_timedwait(&d->hashing, &until) < 0) {
        if (errno != EINTR) {
            return err_set_hint(e, ERR_UNAVAILABLE, "try again in a minute",
                                "too many logins at the same time");
        }
    }
    return 0;
}

static char *hash_with(const char *password, const char *setting)
{
    struct crypt_data *data = xcalloc(1, sizeof(*data));
    const char *hash = crypt_r(password, setting, data);
    char *copy = hash && hash[0] != '*' ? xstrdup(hash) : NULL;
    mem_wipe(data, sizeof(*data));
    free(data);
    return copy;
}

int account_hash(struct director *d, const char *password, char **ret, struct err *e)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting))) {
        return err_errno(e, errno, "no salt for a password");
    }
    int rc = hashing_begin(d, e);
    if (rc < 0) {
        return rc;
    }
    char *hash = hash_with(password, setting);
    sem_post(&d->hashing);
    if (!hash) {
        return err_set(e, ERR_INTERNAL, "the password could not be hashed");
    }
    *ret = hash;
    return 0;
}

int account_check(struct director *d, const char *hash, const char *password, struct err *e)
{
    int rc = hashing_begin(d, e);
    if (rc < 0) {
        return rc;
    }
    bool usable = hash && hash[0] == '$';
    const char *setting = usable ? hash : NO_HASH;
    char *got = hash_with(password, setting);
    sem_post(&d->hashing);
    size_t n = strlen(setting);
    bool same = usable && got && strlen(got) == n && mem_equal_secret(got, setting, n);
    if (got) {
        mem_wipe(got, strlen(got));
        free(got);
    }
    return same ? 0 : err_set(e, ERR_UNAUTHENTICATED, "the user name or the password is wrong");
}

/* ---- registration ---- */

static int check_free(struct director *d, const struct account_new *n, const char *email, struct err *e)
{
    _cleanup_user_ struct user by_name = {0};
    _cleanup_user_ struct user by_mail = {0};
    if (store_user_by_name(d->store, n->username, &by_name, NULL) == 0) {
        return err_set_hint(e, ERR_EXISTS, "choose another name", "the user name %s is taken", n->username);
    }
    if (store_user_by_email(d->store, email, &by_mail, NULL) == 0) {
        return err_set(e, ERR_EXISTS, "the e-mail address %s is already registered", email);
    }
    return 0;
}

static char *lower(const char *s)
{
    char *copy = xstrdup(s);
    for (char *p = copy; *p; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    }
    return copy;
}

static int add_user(struct director *d, const struct account_new *n, const char *email, char *hash,
                    int64_t *ret_id, struct err *e)
{
    struct user u = {
        .username = (char *)n->username,
        .email = (char *)email,
        .password = hash,
        .first_name = (char *)n->first_name,
        .last_name = (char *)n->last_name,
        .affiliation = (char *)n->affiliation,
        .admin = n->admin,
        .created_ms = clock_steady_ms(),
    };
    int rc = store_begin(d->store, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = store_user_add(d->store, &u, ret_id, e)) < 0 ||
        (rc = store_grant(d->store, *ret_id, n->credit, "initial credit", u.created_ms, NULL, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    return store_commit(d->store, e);
}

int account_register(struct director *d, const struct account_new *n, int64_t *ret_id, struct err *e)
{
    int rc = name_check_user(n->username, e);
    if (rc < 0 || (rc = name_check_email(n->email, e)) < 0) {
        return rc;
    }
    _cleanup_free_ char *email = lower(n->email);
    if ((rc = check_free(d, n, email, e)) < 0) {
        return rc;
    }
    _cleanup_free_ char *hash = NULL;
    if ((rc = account_hash(d, n->password, &hash, e)) < 0) {
        return rc;
    }
    return add_user(d, n, email, hash, ret_id, e);
}

/* ---- sessions and tokens ---- */

static int add_token(struct director *d, struct token *t, char **ret, struct err *e)
{
    char *secret = random_name(t->session ? "cps_s_" : "cps_t_", 52);
    int rc = store_begin(d->store, e);
    if (rc >= 0) {
        rc = store_token_add(d->store, t, secret, &t->id, e);
        if (rc < 0) {
            store_abort(d->store);
        } else {
            rc = store_commit(d->store, e);
        }
    }
    if (rc < 0) {
        mem_wipe(secret, strlen(secret));
        free(secret);
        return rc;
    }
    *ret = secret;
    return 0;
}

int account_new_session(struct director *d, int64_t user, const char *name, int64_t lasts_ms, char **ret,
                        struct err *e)
{
    int64_t now = clock_steady_ms();
    struct token t = {.user = user,
                      .session = true,
                      .name = (char *)name,
                      .created_ms = now,
                      .used_ms = now,
                      .expires_ms = now + lasts_ms};
    return add_token(d, &t, ret, e);
}

int account_new_token(struct director *d, int64_t user, const char *name, int64_t days,
                      struct token *ret_token, char **ret, struct err *e)
{
    int64_t now = clock_steady_ms();
    struct token t = {
        .user = user, .name = (char *)name, .created_ms = now, .expires_ms = days ? now + days * DAY_MS : 0};
    int rc = add_token(d, &t, ret, e);
    if (rc < 0) {
        return rc;
    }
    *ret_token = t;
    ret_token->name = xstrdup(name);
    return 0;
}

void account_csrf(const char *session, char hex[SHA256_HEX])
{
    _cleanup_free_ char *text = str_printf("csrf:%s", session);
    sha256_hex(text, strlen(text), hex);
    mem_wipe(text, strlen(text));
}

/* ---- who asks ---- */

static const char *bearer(const struct http_request *req)
{
    const char *h = http_header(req, "Authorization");
    return h && strncasecmp(h, "Bearer ", 7) == 0 ? h + 7 : NULL;
}

static int check_csrf(const struct http_request *req, const char *session, struct err *e)
{
    const char *method = http_method(req);
    if (str_eq(method, "GET") || str_eq(method, "HEAD")) {
        return 0;
    }
    char want[SHA256_HEX];
    account_csrf(session, want);
    const char *got = http_header(req, "X-CSRF-Token");
    if (!got || strlen(got) != strlen(want) || !mem_equal_secret(got, want, strlen(want))) {
        return err_set_hint(e, ERR_FORBIDDEN, "load the page again",
                            "the request did not come from the page");
    }
    return 0;
}

/* Last use, to the minute; a session of the page lives on with it. */
static void note_use(struct director *d, struct caller *c, int64_t now)
{
    if (now - c->token.used_ms < USED_EVERY_MS || store_begin(d->store, NULL) < 0) {
        return;
    }
    int64_t expires = c->cookie ? now + d->config.session_hours * 3600 * 1000 : c->token.expires_ms;
    if (store_token_used(d->store, c->token.id, now, expires, NULL) < 0) {
        store_abort(d->store);
        return;
    }
    if (store_commit(d->store, NULL) == 0) {
        c->token.expires_ms = expires;
    }
}

int account_caller(struct director *d, const struct http_request *req, struct caller *ret, struct err *e)
{
    const char *secret = bearer(req);
    bool cookie = !secret;
    if (cookie) {
        secret = http_cookie(req, COOKIE_SESSION);
    }
    *ret = (struct caller){.cookie = cookie && secret};
    if (!secret || !*secret) {
        return http_header(req, "Authorization")
                   ? err_set(e, ERR_UNAUTHENTICATED, "only bearer tokens are understood")
                   : 0;
    }
    int64_t now = clock_steady_ms();
    _cleanup_caller_ struct caller c = {.cookie = cookie};
    int rc = store_token_find(d->store, secret, now, &c.token, &c.user, e);
    if (rc < 0 || (cookie && (rc = check_csrf(req, secret, e)) < 0)) {
        return rc;
    }
    note_use(d, &c, now);
    *ret = c;
    c = (struct caller){0};
    return 0;
}
