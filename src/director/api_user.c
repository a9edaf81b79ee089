/*
 * Accounts: register, login, logout, password, administration.
 */
#include "base/clock.h"
#include "director/api.h"

#define HOUR 3600000LL

static int check_credit(const struct api_call *c, int64_t *ret, struct err *e)
{
    const struct config *k = &c->d->config;
    bool given = json_object_get(c->args, "credit") != NULL;
    int64_t credit = given                               ? api_int(c, "credit")
                     : k->initial_credit < k->max_credit ? k->initial_credit
                                                         : k->max_credit;
    if (!c->caller.user.admin && credit > k->max_credit) {
        return err_set(e, ERR_INVALID, "a credit of %lld is above the maximum of %lld", (long long)credit,
                       (long long)k->max_credit);
    }
    *ret = credit;
    return 0;
}

static int reply_user(struct api_call *c, int64_t id, struct err *e)
{
    _cleanup_user_ struct user u = {0};
    int rc = store_user(c->d->store, id, &u, e);
    return rc < 0 ? rc : api_reply(c, object_user(&u));
}

static int user_register(struct api_call *c, struct err *e)
{
    bool admin = c->caller.user.admin;
    bool wants_admin = str_eq(api_text(c, "rank"), "admin");
    if (!admin && !c->d->config.registration) {
        return err_set_hint(e, ERR_FORBIDDEN, "ask an administrator", "nobody can register here");
    }
    if (wants_admin && !admin) {
        return err_set(e, ERR_FORBIDDEN, "only administrators may make administrators");
    }
    struct account_new n = {
        .username = api_text(c, "username"),
        .email = api_text(c, "email"),
        .password = api_text(c, "password"),
        .first_name = api_text(c, "first_name"),
        .last_name = api_text(c, "last_name"),
        .affiliation = api_text(c, "affiliation"),
        .admin = wants_admin,
    };
    /* the specification's order: names first, credit last */
    _cleanup_user_ struct user by_name = {0};
    int64_t id = 0;
    if (store_user_by_name(c->d->store, n.username, &by_name, NULL) == 0) {
        return err_set_hint(e, ERR_EXISTS, "choose another name", "the user name %s is taken", n.username);
    }
    _cleanup_user_ struct user by_mail = {0};
    if (store_user_by_email(c->d->store, n.email, &by_mail, NULL) == 0) {
        return err_set(e, ERR_EXISTS, "the e-mail address %s is already registered", n.email);
    }
    int rc = check_credit(c, &n.credit, e);
    if (rc < 0 || (rc = account_register(c->d, &n, &id, e)) < 0) {
        return rc;
    }
    return reply_user(c, id, e);
}

static void set_cookies(struct api_call *c, const char *secret)
{
    char csrf[SHA256_HEX];
    account_csrf(secret, csrf);
    _cleanup_free_ char *session =
        str_printf(COOKIE_SESSION "=%s; Path=/; HttpOnly; Secure; SameSite=Strict", secret);
    _cleanup_free_ char *token = str_printf(COOKIE_CSRF "=%s; Path=/; Secure; SameSite=Strict", csrf);
    http_set_header(c->req, "Set-Cookie", session);
    http_set_header(c->req, "Set-Cookie", token);
    mem_wipe(session, strlen(session));
}

/* Guesses at one account are counted wherever they come from; hash NULL: there is no such user. */
static int check_password(struct api_call *c, const char *username, const char *hash, const char *password,
                          struct err *e)
{
    int64_t now = clock_steady_ms();
    _cleanup_free_ char *key = str_printf("account %s", username);
    int rc = limit_take(c->d->login_limit, key, now, e);
    if (rc >= 0 && (rc = account_check(c->d, hash, password, e)) >= 0) {
        limit_give(c->d->login_limit, key, now);
    }
    return rc;
}

static int login_user(struct api_call *c, struct user *u, struct err *e)
{
    const char *username = api_text(c, "username");
    bool known = store_user_by_name(c->d->store, username, u, NULL) == 0 && !u->disabled;
    return check_password(c, username, known ? u->password : NULL, api_text(c, "password"), e);
}

static int user_login(struct api_call *c, struct err *e)
{
    _cleanup_user_ struct user u = {0};
    int rc = login_user(c, &u, e);
    if (rc < 0) {
        return rc;
    }
    bool cookie = json_flag(c->args, "cookie", false);
    const struct config *k = &c->d->config;
    int64_t lasts = cookie ? k->session_hours * HOUR : k->token_days * 24 * HOUR;
    _cleanup_free_ char *name = str_printf("%s from %s", cookie ? "page" : "login", c->address);
    _cleanup_free_ char *secret = NULL;
    if ((rc = account_new_session(c->d, u.id, name, lasts, &secret, e)) < 0) {
        return rc;
    }
    if (cookie) {
        set_cookies(c, secret);
    }
    json_t *body =
        json_pack("{s:o, s:o}", "token", cookie ? json_null() : json_string(secret), "user", object_user(&u));
    mem_wipe(secret, strlen(secret));
    return api_reply(c, body);
}

static int user_logout(struct api_call *c, struct err *e)
{
    int rc = store_begin(c->d->store, e);
    if (rc < 0) {
        return rc;
    }
    rc = store_token_delete(c->d->store, c->caller.user.id, c->caller.token.id, e);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        store_abort(c->d->store);
        return rc;
    }
    if ((rc = store_commit(c->d->store, e)) < 0) {
        return rc;
    }
    if (c->caller.cookie) {
        http_set_header(c->req, "Set-Cookie",
                        COOKIE_SESSION "=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict");
        http_set_header(c->req, "Set-Cookie", COOKIE_CSRF "=; Path=/; Max-Age=0; Secure; SameSite=Strict");
    }
    return api_reply_empty(c);
}

static int user_show(struct api_call *c, struct err *e)
{
    return reply_user(c, c->caller.user.id, e);
}

static int user_passwd(struct api_call *c, struct err *e)
{
    struct director *d = c->d;
    _cleanup_free_ char *hash = NULL;
    _cleanup_user_ struct user u = {0};
    int rc = check_password(c, c->caller.user.username, c->caller.user.password, api_text(c, "old"), e);
    if (rc < 0) {
        return rc == ERR_UNAUTHENTICATED ? err_set(e, ERR_FORBIDDEN, "the present password is wrong") : rc;
    }
    if ((rc = account_hash(d, api_text(c, "new"), &hash, e)) < 0 || (rc = store_begin(d->store, e)) < 0) {
        return rc;
    }
    if ((rc = store_user(d->store, c->caller.user.id, &u, e)) >= 0) {
        mem_wipe(u.password, strlen(u.password));
        free(u.password);
        u.password = TAKE_PTR(hash);
        rc = store_user_update(d->store, &u, e);
    }
    if (rc < 0 || (rc = store_tokens_delete_all(d->store, u.id, c->caller.token.id, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    rc = store_commit(d->store, e);
    return rc < 0 ? rc : api_reply_empty(c);
}

static int user_list(struct api_call *c, struct err *e)
{
    struct user *u = NULL;
    size_t n = 0;
    int rc = store_users(c->d->store, &u, &n, e);
    if (rc < 0) {
        return rc;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, object_user(&u[i]));
    }
    users_free(u, n);
    return api_reply_list(c, list);
}

static int user_credit(struct api_call *c, struct err *e)
{
    struct director *d = c->d;
    int64_t id = call_match_id(&c->match, "user");
    _cleanup_free_ char *text = str_printf("by %s", c->caller.user.username);
    int rc = store_begin(d->store, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = store_grant(d->store, id, api_int(c, "amount"), text, clock_steady_ms(), NULL, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    rc = store_commit(d->store, e);
    return rc < 0 ? rc : reply_user(c, id, e);
}

static int user_delete(struct api_call *c, struct err *e)
{
    struct director *d = c->d;
    int64_t id = call_match_id(&c->match, "user");
    if (id == c->caller.user.id) {
        return err_set(e, ERR_INVALID, "you cannot delete your own account");
    }
    int rc = store_begin(d->store, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = store_user_delete(d->store, id, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    rc = store_commit(d->store, e);
    return rc < 0 ? rc : api_reply_empty(c);
}

const struct api_row api_user_rows[] = {
    {"user.register", user_register}, {"user.login", user_login},   {"user.logout", user_logout},
    {"user.show", user_show},         {"user.passwd", user_passwd}, {"user.list", user_list},
    {"user.credit", user_credit},     {"user.delete", user_delete}, {0},
};
