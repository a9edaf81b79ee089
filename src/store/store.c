/*
 * Opening, transactions, the installation's row, leases.
 */
#include "store/store_db.h"

#include <assert.h>

#include "base/fs.h"
#include "store/migrations.h"

/* A restored database may lack this many ids that were given out after the backup. */
#define RESTORE_ID_GAP 1000000

static int set_pragmas(struct db *db, struct err *e)
{
    return db_script(db,
                     "PRAGMA foreign_keys = ON;"
                     "PRAGMA synchronous = FULL;"
                     "PRAGMA secure_delete = ON;" /* sealed or not, a secret that is gone is gone */
                     "PRAGMA trusted_schema = OFF;",
                     e);
}

static int schema_version(struct db *db, int64_t *ret, struct err *e)
{
    int rc = db_int(db, e, ret, "PRAGMA user_version", "");
    return rc < 0 ? rc : 0;
}

static int migrate_one(struct db *db, const struct migration *m, struct err *e)
{
    int rc = db_script(db, "BEGIN IMMEDIATE", e);
    if (rc < 0) {
        return rc;
    }
    int64_t have = 0;
    rc = schema_version(db, &have, e);
    if (rc == 0 && have < m->version) { /* another process may have done it meanwhile */
        rc = db_script(db, m->sql, e);
        _cleanup_free_ char *pragma = str_printf("PRAGMA user_version = %d", m->version);
        rc = rc < 0 ? rc : db_script(db, pragma, e);
    }
    if (rc == 0) {
        rc = db_script(db, "COMMIT", e);
    }
    if (rc < 0) {
        (void)db_exec(db, NULL, "ROLLBACK", "");
        return err_wrap(e, rc, "schema step %d", m->version);
    }
    return 0;
}

static int migrate(struct db *db, struct err *e)
{
    int64_t have = 0;
    int rc = schema_version(db, &have, e);
    if (rc < 0) {
        return rc;
    }
    if (have > migrations_latest()) {
        return err_set_hint(e, ERR_FAILED,
                            "start the newer program, or restore a backup made before the upgrade",
                            "the database has schema %lld, this program knows up to %d", (long long)have,
                            migrations_latest());
    }
    for (const struct migration *m = migrations; m->sql; m++) {
        if (m->version > have && (rc = migrate_one(db, m, e)) < 0) {
            return rc;
        }
    }
    return 0;
}

static int quick_check_row(void *arg, sqlite3_stmt *row)
{
    if (!str_eq(db_text(row, 0), "ok")) {
        *(char **)arg = db_dup(row, 0);
    }
    return 1;
}

static int check_sound(struct db *db, struct err *e)
{
    _cleanup_free_ char *what = NULL;
    int rc = db_query(db, e, quick_check_row, &what, "PRAGMA quick_check(1)", "");
    if (rc < 0) {
        return rc;
    }
    return what ? err_set_hint(e, ERR_FAILED, "restore the last backup", "the database is damaged: %s", what)
                : 0;
}

static int info_row(void *arg, sqlite3_stmt *row)
{
    struct store *s = arg;
    db_copy(row, 0, s->info.name, sizeof(s->info.name));
    s->info.incarnation = DB_INT(row, 1);
    s->info.recovery = DB_INT(row, 2);
    s->next_id = s->next_id_stored = DB_INT(row, 3);
    s->commits = DB_INT(row, 4);
    return 1;
}

static int load_info(struct store *s, struct err *e)
{
    int rc = db_query(&s->w, e, info_row, s,
                      "SELECT name, incarnation, recovery, next_id, commits FROM installation", "");
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_FAILED, "the database has no installation row") : 0;
}

/* The mark outside is further than the database: it is an older copy. Ids, epochs and operations given out
 * after the copy was made must not come again, and nobody may act before an administrator has looked. */
static int raise_incarnation(struct store *s, int64_t outside, struct err *e)
{
    int64_t next = (outside > s->info.incarnation ? outside : s->info.incarnation) + 1;
    int rc = store_mark_write(s->dir, s->commits, next, e);
    if (rc < 0 || (rc = store_begin(s, e)) < 0) {
        return rc;
    }
    s->next_id += RESTORE_ID_GAP;
    rc = db_exec(&s->w, e, "UPDATE installation SET incarnation = ?, recovery = 1", "i", next);
    if (rc >= 0) {
        rc = db_exec(&s->w, e, "UPDATE apps SET epoch = ? << 32, nonce = ''", "i", next);
    }
    if (rc < 0) {
        store_abort(s);
        return rc;
    }
    rc = store_commit(s, e);
    if (rc == 0) {
        s->info.incarnation = next;
        s->info.recovery = true;
    }
    return rc;
}

static int check_incarnation(struct store *s, int64_t commits, int64_t incarnation, struct err *e)
{
    if (commits > s->commits || incarnation > s->info.incarnation) {
        return raise_incarnation(s, incarnation, e);
    }
    return store_mark_write(s->dir, s->commits, s->info.incarnation, e);
}

static int open_both(struct store *s, const char *installation, int64_t now_ms, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/director.db", s->dir);
    int rc = db_open(&s->w, path, false, e);
    if (rc < 0 || (rc = db_script(&s->w, "PRAGMA journal_mode = WAL", e)) < 0 ||
        (rc = set_pragmas(&s->w, e)) < 0 || (rc = check_sound(&s->w, e)) < 0 ||
        (rc = migrate(&s->w, e)) < 0) {
        return rc;
    }
    rc = db_exec(&s->w, e,
                 "INSERT INTO installation(id, name, incarnation, next_id, commits, created_ms)"
                 " VALUES(1, ?, 1, 1, 0, ?) ON CONFLICT DO NOTHING",
                 "si", installation, now_ms);
    if (rc < 0 || (rc = db_open(&s->r, path, true, e)) < 0) {
        return rc;
    }
    return set_pragmas(&s->r, e);
}

int store_open(const char *dir, const char *installation, int64_t now_ms, struct store **ret, struct err *e)
{
    _cleanup_(store_closep) struct store *s = xcalloc(1, sizeof(*s));
    s->dir = xstrdup(dir);
    pthread_mutex_init(&s->write, NULL);
    pthread_mutex_init(&s->read, NULL);
    int64_t commits = 0, incarnation = 0;
    /* the mark first: another process may be at work, and its database is always ahead of its mark */
    int rc = store_mark_read(s->dir, &commits, &incarnation, e);
    if (rc < 0 || (rc = open_both(s, installation, now_ms, e)) < 0 || (rc = load_info(s, e)) < 0 ||
        (rc = check_incarnation(s, commits, incarnation, e)) < 0) {
        return err_wrap(e, rc, "data directory %s", dir);
    }
    *ret = TAKE_PTR(s);
    return 0;
}

void store_close(struct store *s)
{
    if (!s) {
        return;
    }
    db_close(&s->r);
    db_close(&s->w);
    pthread_mutex_destroy(&s->write);
    pthread_mutex_destroy(&s->read);
    free(s->dir);
    free(s);
}

/* ---- transactions ---- */

static bool is_writer(struct store *s)
{
    return atomic_load(&s->writing) && pthread_equal(atomic_load(&s->writer), pthread_self());
}

struct db *store_read(struct store *s)
{
    if (is_writer(s)) {
        return &s->w;
    }
    pthread_mutex_lock(&s->read);
    return &s->r;
}

void store_read_end(struct store *s, struct db *db)
{
    if (db == &s->r) {
        pthread_mutex_unlock(&s->read);
    }
}

struct db *store_writer(struct store *s)
{
    assert(is_writer(s));
    return &s->w;
}

static void end_writing(struct store *s)
{
    atomic_store(&s->writing, false);
    pthread_mutex_unlock(&s->write);
}

static int begin_row(void *arg, sqlite3_stmt *row)
{
    struct store *s = arg;
    s->next_id = s->next_id_stored = DB_INT(row, 0);
    s->commits = DB_INT(row, 1);
    return 1;
}

int store_begin(struct store *s, struct err *e)
{
    assert(!is_writer(s));
    pthread_mutex_lock(&s->write);
    atomic_store(&s->writer, pthread_self());
    atomic_store(&s->writing, true);
    int rc = db_exec(&s->w, e, "BEGIN IMMEDIATE", "");
    if (rc >= 0) {
        /* the administrator's commands write from a process of their own */
        rc = db_query(&s->w, e, begin_row, s, "SELECT next_id, commits FROM installation", "");
        if (rc < 0) {
            (void)db_exec(&s->w, NULL, "ROLLBACK", "");
        }
    }
    if (rc < 0) {
        end_writing(s);
        return rc;
    }
    return 0;
}

int store_commit(struct store *s, struct err *e)
{
    struct db *db = store_writer(s);
    int rc = db_exec(db, e, "UPDATE installation SET next_id = ?, commits = commits + 1", "i", s->next_id);
    if (rc >= 0) {
        rc = db_exec(db, e, "COMMIT", "");
    }
    if (rc < 0) {
        store_abort(s);
        return rc;
    }
    s->next_id_stored = s->next_id;
    s->commits++;
    end_writing(s);
    return 0;
}

void store_abort(struct store *s)
{
    if (!is_writer(s)) {
        return;
    }
    if (!sqlite3_get_autocommit(s->w.h)) {
        (void)db_exec(&s->w, NULL, "ROLLBACK", "");
    }
    s->next_id = s->next_id_stored;
    end_writing(s);
}

/* ---- installation ---- */

void store_info(struct store *s, struct store_info *ret)
{
    *ret = s->info;
}

int store_reconciled(struct store *s, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "UPDATE installation SET recovery = 0", "");
    return rc < 0 ? rc : 0;
}

int64_t *store_next_id(struct store *s)
{
    (void)store_writer(s);
    return &s->next_id;
}

int64_t store_new_id(struct store *s)
{
    return (*store_next_id(s))++;
}

int store_mark(struct store *s, struct err *e)
{
    pthread_mutex_lock(&s->write);
    int64_t commits = s->commits;
    pthread_mutex_unlock(&s->write);
    if (commits == s->marked) {
        return 0;
    }
    int rc = store_mark_write(s->dir, commits, s->info.incarnation, e);
    if (rc == 0) {
        s->marked = commits;
    }
    return rc;
}

static char *mark_path(const char *dir)
{
    return str_printf("%s/incarnation", dir);
}

int store_mark_read(const char *dir, int64_t *ret_commits, int64_t *ret_incarnation, struct err *e)
{
    _cleanup_free_ char *path = mark_path(dir);
    if (!fs_exists(path)) {
        return 0; /* a new installation, or the file went with the rest: the database stands alone */
    }
    _cleanup_buf_ struct buf text = {0};
    int rc = fs_read(path, 4096, &text, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_json_ json_t *j = NULL;
    if ((rc = json_parse(text.data ? text.data : "", text.len, 4096, &j, e)) < 0) {
        return err_wrap(e, rc, "%s", path);
    }
    *ret_commits = json_int(j, "commits", 0);
    *ret_incarnation = json_int(j, "incarnation", 0);
    return 0;
}

int store_mark_write(const char *dir, int64_t commits, int64_t incarnation, struct err *e)
{
    _cleanup_free_ char *path = mark_path(dir);
    _cleanup_free_ char *text =
        str_printf("{\"commits\":%lld,\"incarnation\":%lld}\n", (long long)commits, (long long)incarnation);
    return fs_write_atomic(path, text, strlen(text), 0600, e);
}

/* ---- leases ---- */

int store_lease(struct store *s, const char *name, const char *holder, int64_t now_ms, int64_t for_ms,
                struct err *e)
{
    int rc = store_begin(s, e);
    if (rc < 0) {
        return rc;
    }
    int n =
        db_exec(&s->w, e,
                "INSERT INTO leases(name, holder, until_ms) VALUES(?1, ?2, ?3) ON CONFLICT(name) DO UPDATE"
                " SET holder = ?2, until_ms = ?3 WHERE holder = ?2 OR until_ms <= ?4",
                "ssii", name, holder, now_ms + for_ms, now_ms);
    if (n < 0) {
        store_abort(s);
        return n;
    }
    rc = store_commit(s, e);
    return rc < 0 ? rc : n > 0;
}

void store_lease_drop(struct store *s, const char *name, const char *holder)
{
    if (store_begin(s, NULL) < 0) {
        return;
    }
    if (db_exec(&s->w, NULL, "DELETE FROM leases WHERE name = ? AND holder = ?", "ss", name, holder) < 0) {
        store_abort(s);
        return;
    }
    if (store_commit(s, NULL) < 0) {
        return; /* it ends by itself */
    }
}
