/*
 * SQLite with a statement cache.  A statement that is stepped when the same text is asked for again (a query
 * inside the row function of the same query) gets a second, uncached one.
 */
#include "store/db.h"

#include <assert.h>

int db_error(struct db *db, int rc, const char *what, struct err *e)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return err_set(e, ERR_EXISTS, "%s: %s", what, sqlite3_errmsg(db->h));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set_hint(e, ERR_UNAVAILABLE, "try again in a moment", "%s: the database is busy", what);
    case SQLITE_FULL:
        return err_set_hint(e, ERR_UNAVAILABLE, "make room on the disk of the data directory",
                            "%s: the disk is full", what);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set_hint(e, ERR_FAILED, "restore the last backup", "%s: the database is damaged: %s", what,
                            sqlite3_errmsg(db->h));
    default:
        return err_set(e, ERR_FAILED, "%s: %s", what, sqlite3_errmsg(db->h));
    }
}

int db_open(struct db *db, const char *path, bool read_only, struct err *e)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    int rc = sqlite3_open_v2(path, &db->h, flags, NULL);
    if (rc != SQLITE_OK) {
        int code = err_set(e, ERR_FAILED, "cannot open the database %s: %s", path,
                           db->h ? sqlite3_errmsg(db->h) : sqlite3_errstr(rc));
        db_close(db);
        return code;
    }
    sqlite3_busy_timeout(db->h, 10000);
    return 0;
}

void db_close(struct db *db)
{
    for (int i = 0; i < db->n; i++) {
        sqlite3_finalize(db->cache[i].stmt);
    }
    sqlite3_close(db->h);
    *db = (struct db){0};
}

int db_script(struct db *db, const char *sql, struct err *e)
{
    int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_error(db, rc, "database", e);
}

/* *ret_slot: where it is cached, -1 for a statement of its own. */
static int statement(struct db *db, const char *sql, sqlite3_stmt **ret, int *ret_slot, struct err *e)
{
    int i = 0;
    while (i < db->n && db->cache[i].sql != sql) {
        i++;
    }
    if (i < db->n && !db->cache[i].busy) {
        db->cache[i].busy = true;
        *ret = db->cache[i].stmt;
        *ret_slot = i;
        return 0;
    }
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    if (rc != SQLITE_OK) {
        return db_error(db, rc, "database statement", e);
    }
    *ret_slot = -1;
    if (i == db->n && db->n < DB_CACHE) {
        db->cache[i].sql = sql;
        db->cache[i].stmt = stmt;
        db->cache[i].busy = true;
        db->n++;
        *ret_slot = i;
    }
    *ret = stmt;
    return 0;
}

static void statement_end(struct db *db, sqlite3_stmt *stmt, int slot)
{
    if (slot < 0) {
        sqlite3_finalize(stmt);
        return;
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    db->cache[slot].busy = false;
}

static void bind(sqlite3_stmt *stmt, const char *kinds, va_list ap)
{
    for (int i = 0; kinds[i]; i++) {
        if (kinds[i] == 'i') {
            (void)sqlite3_bind_int64(stmt, i + 1, va_arg(ap, int64_t));
        } else if (kinds[i] == 's') {
            (void)sqlite3_bind_text(stmt, i + 1, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
        } else {
            assert(kinds[i] == 'j');
            const json_t *j = va_arg(ap, const json_t *);
            (void)sqlite3_bind_text(stmt, i + 1, j ? json_canonical(j) : NULL, -1, free);
        }
    }
}

static int query(struct db *db, struct err *e, db_row row, void *arg, const char *sql, const char *kinds,
                 va_list ap)
{
    sqlite3_stmt *stmt = NULL;
    int slot = -1;
    int rc = statement(db, sql, &stmt, &slot, e);
    if (rc < 0) {
        return rc;
    }
    assert(sqlite3_bind_parameter_count(stmt) == (int)strlen(kinds));
    bind(stmt, kinds, ap);
    int n = 0;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        n++;
        if (row && row(arg, stmt)) {
            rc = SQLITE_DONE;
            break;
        }
    }
    if (rc != SQLITE_DONE) {
        n = db_error(db, rc, "database", e);
    }
    statement_end(db, stmt, slot);
    return n;
}

int db_query(struct db *db, struct err *e, db_row row, void *arg, const char *sql, const char *kinds, ...)
{
    va_list ap;
    va_start(ap, kinds);
    int rc = query(db, e, row, arg, sql, kinds, ap);
    va_end(ap);
    return rc;
}

int db_exec(struct db *db, struct err *e, const char *sql, const char *kinds, ...)
{
    va_list ap;
    va_start(ap, kinds);
    int rc = query(db, e, NULL, NULL, sql, kinds, ap);
    va_end(ap);
    return rc < 0 ? rc : sqlite3_changes(db->h);
}

static int first_int(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = DB_INT(row, 0);
    return 1;
}

int db_int(struct db *db, struct err *e, int64_t *ret, const char *sql, const char *kinds, ...)
{
    va_list ap;
    va_start(ap, kinds);
    int rc = query(db, e, first_int, ret, sql, kinds, ap);
    va_end(ap);
    return rc;
}

const char *db_text(sqlite3_stmt *row, int col)
{
    const char *s = (const char *)sqlite3_column_text(row, col);
    return s ? s : "";
}

char *db_dup(sqlite3_stmt *row, int col)
{
    const char *s = (const char *)sqlite3_column_text(row, col);
    return s ? xstrdup(s) : NULL;
}

void db_copy(sqlite3_stmt *row, int col, char *dst, size_t size)
{
    (void)str_copy(dst, size, db_text(row, col));
}

json_t *db_json(sqlite3_stmt *row, int col)
{
    const char *s = db_text(row, col);
    json_t *j = NULL;
    return json_parse(s, strlen(s), 1 << 20, &j, NULL) < 0 ? NULL : j;
}
