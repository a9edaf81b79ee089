/*
 * Revisions of what the settings facet of a service owns.
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
