/*
 * Revisions of what the settings facet of a service owns, and the sealed secrets that they name.
 */
#include "store/store_db.h"

void revision_done(struct revision *r)
{
    json_decref(r->settings);
    json_decref(r->env);
    json_decref(r->secrets);
    json_decref(r->own);
    json_decref(r->links);
    free(r->startup);
    *r = (struct revision){0};
}

struct revision revision_new(void)
{
    return (struct revision){.settings = json_object(),
                             .env = json_object(),
                             .secrets = json_object(),
                             .own = json_object(),
                             .links = json_array(),
                             .startup = xstrdup("")};
}

struct revision revision_copy(const struct revision *r)
{
    return (struct revision){.settings = json_deep_copy(r->settings),
                             .env = json_deep_copy(r->env),
                             .secrets = json_deep_copy(r->secrets),
                             .own = json_deep_copy(r->own),
                             .links = json_deep_copy(r->links),
                             .startup = xstrdup(r->startup)};
}

bool revision_equal(const struct revision *a, const struct revision *b)
{
    return json_equal(a->settings, b->settings) && json_equal(a->env, b->env) &&
           json_equal(a->secrets, b->secrets) && json_equal(a->own, b->own) &&
           json_equal(a->links, b->links) && str_eq(a->startup, b->startup);
}

int store_revision_add(struct store *s, int64_t service, int64_t rev, const struct revision *r,
                       int64_t now_ms, struct err *e)
{
    int rc = db_exec(store_writer(s), e,
                     "INSERT INTO settings(service, rev, vals, env, secrets, own, startup, links, created_ms)"
                     " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                     "iijjjjsji", service, rev, r->settings, r->env, r->secrets, r->own, r->startup, r->links,
                     now_ms);
    return rc < 0 ? rc : 0;
}

static int revision_row(void *arg, sqlite3_stmt *row)
{
    struct revision *r = arg;
    r->settings = db_json(row, 0);
    r->env = db_json(row, 1);
    r->secrets = db_json(row, 2);
    r->own = db_json(row, 3);
    r->links = db_json(row, 4);
    r->startup = xstrdup(db_text(row, 5));
    return 1;
}

int store_revision(struct store *s, int64_t service, int64_t rev, struct revision *ret, struct err *e)
{
    _cleanup_revision_ struct revision r = {0};
    struct db *db = store_read(s);
    int rc = db_query(db, e, revision_row, &r,
                      "SELECT vals, env, secrets, own, links, startup FROM settings"
                      " WHERE service = ? AND rev = ?",
                      "ii", service, rev);
    store_read_end(s, db);
    if (rc < 0) {
        return rc;
    }
    if (!r.settings || !r.env || !r.secrets || !r.own || !r.links) {
        return err_set(e, ERR_NOT_FOUND, "no settings of revision %lld", (long long)rev);
    }
    *ret = r;
    r = (struct revision){0};
    return 0;
}

int store_settings(struct store *s, int64_t service, int64_t rev, json_t **ret, struct err *e)
{
    _cleanup_revision_ struct revision r = {0};
    int rc = store_revision(s, service, rev, &r, e);
    if (rc == 0) {
        *ret = TAKE_PTR(r.settings);
    }
    return rc;
}

int store_settings_last(struct store *s, int64_t service, int64_t *ret_rev, struct err *e)
{
    struct db *db = store_read(s);
    int rc =
        db_int(db, e, ret_rev, "SELECT coalesce(max(rev), 0) FROM settings WHERE service = ?", "i", service);
    store_read_end(s, db);
    return rc < 0 ? rc : 0;
}

int store_revisions_drop(struct store *s, int64_t service, int64_t below, struct err *e)
{
    struct db *db = store_writer(s);
    int rc = db_exec(db, e, "DELETE FROM settings WHERE service = ? AND rev < ?", "ii", service, below);
    rc = rc < 0 ? rc
                : db_exec(db, e,
                          "DELETE FROM sealed WHERE service = ?1 AND id NOT IN"
                          " (SELECT j.value FROM settings t, json_each(t.secrets) j WHERE t.service = ?1"
                          "  UNION SELECT j.value FROM settings t, json_each(t.own) j WHERE t.service = ?1)",
                          "i", service);
    return rc < 0 ? rc : 0;
}

/* ---- sealed values ---- */

void sealed_done(struct sealed *v)
{
    free(v->value);
    *v = (struct sealed){0};
}

int store_sealed_add(struct store *s, int64_t id, int64_t service, const char *name, const char *key_id,
                     const char *value, int64_t now_ms, struct err *e)
{
    int rc = db_exec(store_writer(s), e,
                     "INSERT INTO sealed(id, service, name, key_id, value, created_ms)"
                     " VALUES(?, ?, ?, ?, ?, ?)",
                     "iisssi", id, service, name, key_id, value, now_ms);
    return rc < 0 ? rc : 0;
}

static int sealed_row(void *arg, sqlite3_stmt *row)
{
    struct sealed *v = arg;
    *v = (struct sealed){.id = DB_INT(row, 0), .service = DB_INT(row, 1), .created_ms = DB_INT(row, 2)};
    db_copy(row, 3, v->name, sizeof(v->name));
    v->value = db_dup(row, 4);
    return 1;
}

int store_sealed(struct store *s, int64_t id, struct sealed *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, sealed_row, ret,
                      "SELECT id, service, created_ms, name, value FROM sealed WHERE id = ?", "i", id);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "there is no secret %lld", (long long)id) : 0;
}

int store_sealed_by_others(struct store *s, const char *key_id, int64_t *ret_n, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_int(db, e, ret_n, "SELECT count(*) FROM sealed WHERE key_id <> ?", "s", key_id);
    store_read_end(s, db);
    return rc < 0 ? rc : 0;
}

struct plain_secret {
    int64_t service;
    char *name, *value;
};
struct plain_secrets {
    struct plain_secret *p;
    size_t n;
};

static int plain_row(void *arg, sqlite3_stmt *row)
{
    struct plain_secrets *all = arg;
    all->p = xrealloc(all->p, (all->n + 1) * sizeof(*all->p));
    all->p[all->n++] =
        (struct plain_secret){.service = DB_INT(row, 0), .name = db_dup(row, 1), .value = db_dup(row, 2)};
    return 0;
}

int store_plain_secrets(struct store *s,
                        int (*f)(void *arg, int64_t service, const char *name, const char *value), void *arg,
                        struct err *e)
{
    struct plain_secrets all = {0};
    struct db *db = store_writer(s);
    int rc = db_query(db, e, plain_row, &all, "SELECT service, name, value FROM secrets", "");
    for (size_t i = 0; i < all.n; i++) {
        if (rc >= 0) {
            rc = f(arg, all.p[i].service, all.p[i].name, all.p[i].value);
        }
        mem_wipe(all.p[i].value, strlen(all.p[i].value));
        free(all.p[i].name);
        free(all.p[i].value);
    }
    free(all.p);
    rc = rc < 0 || all.n == 0 ? rc : db_exec(db, e, "DELETE FROM secrets", "");
    return rc < 0 ? rc : (int)all.n;
}

int store_revisions_own(struct store *s, int64_t service, const char *name, int64_t id, struct err *e)
{
    int rc =
        db_exec(store_writer(s), e, "UPDATE settings SET own = json_set(own, '$.' || ?, ?) WHERE service = ?",
                "sii", name, id, service);
    return rc < 0 ? rc : 0;
}

static int unused_row(void *arg, sqlite3_stmt *row)
{
    (void)arg;
    (void)row;
    return 0;
}

int store_scrub(struct store *s, struct err *e)
{
    pthread_mutex_lock(&s->write);
    int rc = db_script(&s->w, "VACUUM", e);
    rc = rc < 0 ? rc : db_query(&s->w, e, unused_row, NULL, "PRAGMA wal_checkpoint(TRUNCATE)", "");
    pthread_mutex_unlock(&s->write);
    return rc < 0 ? rc : 0;
}
