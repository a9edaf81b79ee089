/*
 * Keys that may push code to an application.
 */
#include "store/store_db.h"

static int count_row(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = DB_INT(row, 0);
    return 1;
}

int store_key_add(struct store *s, int64_t app, const struct ssh_key *key, int64_t now_ms, struct err *e)
{
    struct db *db = store_writer(s);
    int64_t same = 0, all = 0;
    int rc = db_query(db, e, count_row, &same, "SELECT count(*) FROM keys WHERE app = ? AND body = ?", "is",
                      app, key->body);
    rc = rc < 0 ? rc : db_query(db, e, count_row, &all, "SELECT count(*) FROM keys WHERE app = ?", "i", app);
    if (rc < 0 || same > 0) {
        return rc < 0 ? rc : 0;
    }
    if (all >= KEYS_MAX) {
        return err_set_hint(e, ERR_QUOTA, "remove one first", "an application has at most %d keys", KEYS_MAX);
    }
    rc = db_exec(db, e, "INSERT INTO keys(app, type, body, comment, created_ms) VALUES(?, ?, ?, ?, ?)",
                 "isssi", app, key->type, key->body, key->comment, now_ms);
    return rc < 0 ? rc : 1;
}

int store_key_remove(struct store *s, int64_t app, const char *which, struct err *e)
{
    struct db *db = store_writer(s);
    int64_t n = 0;
    int rc = db_query(db, e, count_row, &n,
                      "SELECT count(*) FROM keys WHERE app = ?1 AND (body = ?2 OR comment = ?2)", "is", app,
                      which);
    if (rc < 0 || n == 0) {
        return rc < 0 ? rc : err_set_hint(e, ERR_NOT_FOUND, "conpaas key list APP", "there is no such key");
    }
    if (n > 1) {
        return err_set_hint(e, ERR_CONFLICT, "give the key itself", "%lld keys have this comment",
                            (long long)n);
    }
    return db_exec(db, e, "DELETE FROM keys WHERE app = ?1 AND (body = ?2 OR comment = ?2)", "is", app,
                   which);
}

struct key_list {
    struct key_row *v;
    size_t n;
};

static int key_list_row(void *arg, sqlite3_stmt *row)
{
    struct key_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    struct key_row *k = &l->v[l->n++];
    *k = (struct key_row){.id = DB_INT(row, 0), .created_ms = DB_INT(row, 4)};
    db_copy(row, 1, k->key.type, sizeof(k->key.type));
    db_copy(row, 2, k->key.body, sizeof(k->key.body));
    db_copy(row, 3, k->key.comment, sizeof(k->key.comment));
    return 0;
}

int store_keys(struct store *s, int64_t app, struct key_row **ret, size_t *ret_n, struct err *e)
{
    struct key_list l = {0};
    struct db *db = store_read(s);
    int rc =
        db_query(db, e, key_list_row, &l,
                 "SELECT id, type, body, comment, created_ms FROM keys WHERE app = ? ORDER BY id", "i", app);
    store_read_end(s, db);
    if (rc < 0) {
        free(l.v);
        return rc;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

struct id_list {
    int64_t *v;
    size_t n;
};

static int id_row(void *arg, sqlite3_stmt *row)
{
    struct id_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    l->v[l->n++] = DB_INT(row, 0);
    return 0;
}

int store_key_apps(struct store *s, const char *type, const char *body, int64_t **ret, size_t *ret_n,
                   struct err *e)
{
    struct id_list l = {0};
    struct db *db = store_read(s);
    int rc = db_query(db, e, id_row, &l, "SELECT app FROM keys WHERE body = ? AND type = ? ORDER BY app",
                      "ss", body, type);
    store_read_end(s, db);
    if (rc < 0) {
        free(l.v);
        return rc;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}
