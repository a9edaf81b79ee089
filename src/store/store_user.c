/*
 * Users, sessions and tokens.
 */
#include <assert.h>

#include "store/store_db.h"

#define USER_COLUMNS                                                                                         \
    "id, username, email, password, admin, disabled, first_name, last_name, affiliation, created_ms, "       \
    "balance, broke_ms"

void user_done(struct user *u)
{
    if (u->password) {
        mem_wipe(u->password, strlen(u->password));
    }
    free(u->username);
    free(u->email);
    free(u->password);
    free(u->first_name);
    free(u->last_name);
    free(u->affiliation);
    *u = (struct user){0};
}

void users_free(struct user *u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        user_done(&u[i]);
    }
    free(u);
}

static void user_read(struct user *u, sqlite3_stmt *row, int c)
{
    *u = (struct user){
        .id = DB_INT(row, c),
        .username = db_dup(row, c + 1),
        .email = db_dup(row, c + 2),
        .password = db_dup(row, c + 3),
        .admin = DB_INT(row, c + 4),
        .disabled = DB_INT(row, c + 5),
        .first_name = db_dup(row, c + 6),
        .last_name = db_dup(row, c + 7),
        .affiliation = db_dup(row, c + 8),
        .created_ms = DB_INT(row, c + 9),
        .balance = DB_INT(row, c + 10),
        .broke_ms = DB_INT(row, c + 11),
    };
}

static int user_row(void *arg, sqlite3_stmt *row)
{
    user_read(arg, row, 0);
    return 1;
}

static int one_user(int rc, const char *what, struct err *e)
{
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no user %s", what) : 0;
}

int store_user(struct store *s, int64_t id, struct user *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, user_row, ret, "SELECT " USER_COLUMNS " FROM users WHERE id = ?", "i", id);
    store_read_end(s, db);
    _cleanup_free_ char *what = str_printf("%lld", (long long)id);
    return one_user(rc, what, e);
}

int store_user_by_name(struct store *s, const char *username, struct user *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, user_row, ret, "SELECT " USER_COLUMNS " FROM users WHERE username = ?", "s",
                      username);
    store_read_end(s, db);
    return one_user(rc, username, e);
}

int store_user_by_email(struct store *s, const char *email, struct user *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, user_row, ret, "SELECT " USER_COLUMNS " FROM users WHERE email = ?", "s", email);
    store_read_end(s, db);
    return one_user(rc, email, e);
}

struct user_list {
    struct user *v;
    size_t n;
};

static int user_list_row(void *arg, sqlite3_stmt *row)
{
    struct user_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    user_read(&l->v[l->n++], row, 0);
    return 0;
}

int store_users(struct store *s, struct user **ret, size_t *ret_n, struct err *e)
{
    struct user_list l = {0};
    struct db *db = store_read(s);
    int rc = db_query(db, e, user_list_row, &l, "SELECT " USER_COLUMNS " FROM users ORDER BY username", "");
    store_read_end(s, db);
    if (rc < 0) {
        users_free(l.v, l.n);
        return rc;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

/* Which of the two unique columns of u another user has. */
static int taken(struct store *s, const struct user *u, struct err *e)
{
    _cleanup_user_ struct user other = {0};
    if (store_user_by_name(s, u->username, &other, NULL) == 0 && other.id != u->id) {
        return err_set_hint(e, ERR_EXISTS, "choose another name", "the user name %s is taken", u->username);
    }
    _cleanup_user_ struct user same_mail = {0};
    if (store_user_by_email(s, u->email, &same_mail, NULL) == 0 && same_mail.id != u->id) {
        return err_set(e, ERR_EXISTS, "the e-mail address %s is already registered", u->email);
    }
    return 0;
}

int store_user_add(struct store *s, const struct user *u, int64_t *ret_id, struct err *e)
{
    int rc = taken(s, u, e);
    if (rc < 0) {
        return rc;
    }
    struct db *db = store_writer(s);
    rc = db_exec(
        db, e,
        "INSERT INTO users(username, email, password, admin, disabled, first_name, last_name, affiliation,"
        " created_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "sssiisssi", u->username, u->email, u->password, (int64_t)u->admin, (int64_t)u->disabled,
        u->first_name ? u->first_name : "", u->last_name ? u->last_name : "",
        u->affiliation ? u->affiliation : "", u->created_ms);
    if (rc < 0) {
        return rc;
    }
    *ret_id = sqlite3_last_insert_rowid(db->h);
    return 0;
}

int store_user_update(struct store *s, const struct user *u, struct err *e)
{
    int rc = taken(s, u, e);
    if (rc < 0) {
        return rc;
    }
    rc = db_exec(
        store_writer(s), e,
        "UPDATE users SET username = ?, email = ?, password = ?, admin = ?, disabled = ?, first_name = ?,"
        " last_name = ?, affiliation = ? WHERE id = ?",
        "sssiisssi", u->username, u->email, u->password, (int64_t)u->admin, (int64_t)u->disabled,
        u->first_name ? u->first_name : "", u->last_name ? u->last_name : "",
        u->affiliation ? u->affiliation : "", u->id);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no user %lld", (long long)u->id) : 0;
}

int store_user_delete(struct store *s, int64_t id, struct err *e)
{
    struct db *db = store_writer(s);
    int64_t apps = 0;
    int rc = db_int(db, e, &apps, "SELECT count(*) FROM apps WHERE owner = ?", "i", id);
    if (rc < 0) {
        return rc;
    }
    if (apps > 0) {
        return err_set_hint(e, ERR_STATE, "delete its applications first",
                            "the user still owns %lld application%s", (long long)apps, apps == 1 ? "" : "s");
    }
    rc = db_exec(db, e, "DELETE FROM users WHERE id = ?", "i", id);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no user %lld", (long long)id) : 0;
}

/* ---- tokens ---- */

void token_done(struct token *t)
{
    free(t->name);
    *t = (struct token){0};
}

void tokens_free(struct token *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        token_done(&t[i]);
    }
    free(t);
}

static void token_read(struct token *t, sqlite3_stmt *row)
{
    *t = (struct token){
        .id = DB_INT(row, 0),
        .user = DB_INT(row, 1),
        .session = str_eq(db_text(row, 2), "session"),
        .name = db_dup(row, 3),
        .created_ms = DB_INT(row, 4),
        .expires_ms = DB_INT(row, 5),
        .used_ms = DB_INT(row, 6),
    };
}

/* The session that has just been added pushes out those used longest ago. */
static int trim_sessions(struct db *db, int64_t user, struct err *e)
{
    int rc =
        db_exec(db, e,
                "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE user = ? AND kind = 'session'"
                " ORDER BY max(used_ms, created_ms) DESC, id DESC LIMIT -1 OFFSET ?)",
                "ii", user, (int64_t)TOKENS_MAX);
    return rc < 0 ? rc : 0;
}

static int check_tokens(struct db *db, int64_t user, struct err *e)
{
    int64_t n = 0;
    int rc = db_int(db, e, &n, "SELECT count(*) FROM tokens WHERE user = ? AND kind = 'api'", "i", user);
    if (rc < 0) {
        return rc;
    }
    return n < TOKENS_MAX ? 0
                          : err_set_hint(e, ERR_QUOTA, "revoke those that are not needed",
                                         "you have %d tokens, which is the limit", TOKENS_MAX);
}

int store_token_add(struct store *s, const struct token *t, const char *secret, int64_t *ret_id,
                    struct err *e)
{
    char hash[SHA256_HEX];
    sha256_hex(secret, strlen(secret), hash);
    struct db *db = store_writer(s);
    int rc = t->session ? 0 : check_tokens(db, t->user, e);
    if (rc < 0) {
        return rc;
    }
    rc = db_exec(db, e,
                 "INSERT INTO tokens(user, kind, name, hash, created_ms, expires_ms, used_ms)"
                 " VALUES(?, ?, ?, ?, ?, ?, ?)",
                 "isssiii", t->user, t->session ? "session" : "api", t->name, hash, t->created_ms,
                 t->expires_ms, t->used_ms);
    if (rc == ERR_EXISTS) {
        return err_set_hint(e, ERR_EXISTS, "revoke it first or choose another name",
                            "there is already a token %s", t->name);
    }
    if (rc < 0) {
        return rc;
    }
    *ret_id = sqlite3_last_insert_rowid(db->h);
    return t->session ? trim_sessions(db, t->user, e) : 0;
}

struct found {
    struct token *token;
    struct user *user;
};

static int found_row(void *arg, sqlite3_stmt *row)
{
    struct found *f = arg;
    token_read(f->token, row);
    user_read(f->user, row, 7);
    return 1;
}

int store_token_find(struct store *s, const char *secret, int64_t now_ms, struct token *ret,
                     struct user *ret_user, struct err *e)
{
    char hash[SHA256_HEX];
    sha256_hex(secret, strlen(secret), hash);
    struct found f = {.token = ret, .user = ret_user};
    struct db *db = store_read(s);
    int rc =
        db_query(db, e, found_row, &f,
                 "SELECT t.id, t.user, t.kind, t.name, t.created_ms, t.expires_ms, t.used_ms,"
                 " u.id, u.username, u.email, u.password, u.admin, u.disabled, u.first_name, u.last_name,"
                 " u.affiliation, u.created_ms, u.balance, u.broke_ms"
                 " FROM tokens t JOIN users u ON u.id = t.user"
                 " WHERE t.hash = ? AND u.disabled = 0 AND (t.expires_ms = 0 OR t.expires_ms > ?)",
                 "si", hash, now_ms);
    store_read_end(s, db);
    if (rc < 0) {
        return rc;
    }
    return rc == 0 ? err_set_hint(e, ERR_UNAUTHENTICATED, "log in again", "the session or token is not valid")
                   : 0;
}

int store_token_live(struct store *s, int64_t id, int64_t now_ms, struct err *e)
{
    int64_t one = 0;
    struct db *db = store_read(s);
    int rc = db_int(db, e, &one,
                    "SELECT 1 FROM tokens t JOIN users u ON u.id = t.user"
                    " WHERE t.id = ? AND u.disabled = 0 AND (t.expires_ms = 0 OR t.expires_ms > ?)",
                    "ii", id, now_ms);
    store_read_end(s, db);
    return rc;
}

int store_token_used(struct store *s, int64_t id, int64_t now_ms, int64_t expires_ms, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "UPDATE tokens SET used_ms = ?, expires_ms = ? WHERE id = ?", "iii",
                     now_ms, expires_ms, id);
    return rc < 0 ? rc : 0;
}

int store_token_delete(struct store *s, int64_t user, int64_t id, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "DELETE FROM tokens WHERE id = ? AND user = ?", "ii", id, user);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no token %lld", (long long)id) : 0;
}

int store_token_user(struct store *s, int64_t id, int64_t *ret_user, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_int(db, e, ret_user, "SELECT user FROM tokens WHERE id = ?", "i", id);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no token %lld", (long long)id) : 0;
}

int store_tokens_delete_all(struct store *s, int64_t user, int64_t except, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "DELETE FROM tokens WHERE user = ? AND id <> ?", "ii", user, except);
    return rc < 0 ? rc : 0;
}

int store_tokens_expire(struct store *s, int64_t now_ms, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "DELETE FROM tokens WHERE expires_ms <> 0 AND expires_ms <= ?", "i",
                     now_ms);
    return rc < 0 ? rc : 0;
}

struct token_list {
    struct token *v;
    size_t n;
};

static int token_list_row(void *arg, sqlite3_stmt *row)
{
    struct token_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    token_read(&l->v[l->n++], row);
    return 0;
}

int store_tokens(struct store *s, int64_t user, struct token **ret, size_t *ret_n, struct err *e)
{
    struct token_list l = {0};
    struct db *db = store_read(s);
    int rc =
        db_query(db, e, token_list_row, &l,
                 "SELECT id, user, kind, name, created_ms, expires_ms, used_ms FROM tokens WHERE user = ?"
                 " ORDER BY id",
                 "i", user);
    store_read_end(s, db);
    if (rc < 0) {
        tokens_free(l.v, l.n);
        return rc;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}
