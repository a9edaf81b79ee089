/*
 * Jobs: manifests that are being applied. And files that a user has sent or that were fetched for him, until a
 * version uses them.
 */
#include "store/store_db.h"

void job_done(struct job *j)
{
    if (j->manifest) {
        mem_wipe(j->manifest, strlen(j->manifest));
    }
    free(j->manifest);
    free(j->app_name);
    free(j->why);
    free(j->actor);
    json_decref(j->files);
    json_decref(j->steps);
    *j = (struct job){0};
}

void jobs_free(struct job *j, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        job_done(&j[i]);
    }
    free(j);
}

int store_job_add(struct store *s, const struct job *j, struct err *e)
{
    int rc = db_exec(
        store_writer(s), e,
        "INSERT INTO jobs(id, owner, app, app_name, state, manifest, prune, files, steps, op, why, actor,"
        " created_ms, changed_ms, ended_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "iiisssijjissiii", j->id, j->owner, j->app, j->app_name, op_state_to_str(j->state), j->manifest,
        (int64_t)j->prune, j->files, j->steps, j->op, j->why, j->actor, j->created_ms, j->changed_ms,
        j->ended_ms);
    return rc < 0 ? rc : 0;
}

int store_job_save(struct store *s, const struct job *j, struct err *e)
{
    int rc = db_exec(
        store_writer(s), e,
        "UPDATE jobs SET state = ?, manifest = ?, files = ?, steps = ?, op = ?, why = ?, changed_ms = ?,"
        " ended_ms = ? WHERE id = ?",
        "ssjjisiii", op_state_to_str(j->state), j->manifest, j->files, j->steps, j->op, j->why, j->changed_ms,
        j->ended_ms, j->id);
    return rc < 0 ? rc : 0;
}

#define JOB_SELECT                                                                                           \
    "SELECT id, owner, app, app_name, state, manifest, prune, files, steps, op, why, actor, created_ms,"     \
    " changed_ms, ended_ms FROM jobs "

static void job_read(struct job *j, sqlite3_stmt *row)
{
    int state = op_state_from_str(db_text(row, 4));
    *j = (struct job){
        .id = DB_INT(row, 0),
        .owner = DB_INT(row, 1),
        .app = DB_INT(row, 2),
        .app_name = db_dup(row, 3),
        .state = state < 0 ? OP_FAILED : (enum op_state)state,
        .manifest = db_dup(row, 5),
        .prune = DB_INT(row, 6) != 0,
        .files = db_json(row, 7),
        .steps = db_json(row, 8),
        .op = DB_INT(row, 9),
        .why = db_dup(row, 10),
        .actor = db_dup(row, 11),
        .created_ms = DB_INT(row, 12),
        .changed_ms = DB_INT(row, 13),
        .ended_ms = DB_INT(row, 14),
    };
    j->files = json_is_object(j->files) ? j->files : json_object();
    j->steps = json_is_array(j->steps) ? j->steps : json_array();
}

static int job_row(void *arg, sqlite3_stmt *row)
{
    job_read(arg, row);
    return 1;
}

int store_job(struct store *s, int64_t id, struct job *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, job_row, ret, JOB_SELECT "WHERE id = ?", "i", id);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "there is no job %lld", (long long)id) : 0;
}

struct job_list {
    struct job *v;
    size_t n;
};

static int job_list_row(void *arg, sqlite3_stmt *row)
{
    struct job_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    job_read(&l->v[l->n++], row);
    return 0;
}

int store_jobs(struct store *s, const struct job_filter *f, struct job **ret, size_t *ret_n, struct err *e)
{
    struct job_list l = {0};
    struct db *db = store_read(s);
    int rc = db_query(db, e, job_list_row, &l,
                      JOB_SELECT "WHERE (?1 = 0 OR owner = ?1) AND (?2 = 0 OR app = ?2) AND"
                                 " (?3 = 0 OR state = 'ACTIVE') ORDER BY id DESC LIMIT ?4",
                      "iiii", f->owner, f->app, (int64_t)f->active, (int64_t)f->limit);
    store_read_end(s, db);
    if (rc < 0) {
        jobs_free(l.v, l.n);
        return rc;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

/* ---- files ---- */

void upload_done(struct upload *u)
{
    free(u->filename);
    free(u->format);
    *u = (struct upload){0};
}

int store_upload_add(struct store *s, int64_t owner, const struct upload *u, int64_t now_ms, struct err *e)
{
    struct db *db = store_writer(s);
    int rc = db_exec(db, e,
                     "INSERT INTO artifacts(sha256, size, created_ms) VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
                     "sii", u->sha256, u->size, now_ms);
    rc = rc < 0 ? rc
                : db_exec(db, e,
                          "INSERT INTO uploads(owner, sha256, filename, size, format, expires_ms)"
                          " VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(owner, sha256) DO UPDATE SET"
                          " filename = excluded.filename, expires_ms = max(expires_ms, excluded.expires_ms)",
                          "issisi", owner, u->sha256, u->filename, u->size, u->format, u->expires_ms);
    return rc < 0 ? rc : 0;
}

static int upload_row(void *arg, sqlite3_stmt *row)
{
    struct upload *u = arg;
    *u = (struct upload){.filename = db_dup(row, 1),
                         .size = DB_INT(row, 2),
                         .format = db_dup(row, 3),
                         .expires_ms = DB_INT(row, 4)};
    db_copy(row, 0, u->sha256, sizeof(u->sha256));
    return 1;
}

/* What he sent comes before what his services have: the name is the one that he gave last. */
int store_upload(struct store *s, int64_t owner, const char *sha256, struct upload *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, upload_row, ret,
                      "SELECT sha256, filename, size, format, expires_ms, 0 AS rank FROM uploads"
                      " WHERE owner = ?1 AND sha256 = ?2"
                      " UNION ALL SELECT v.sha256, v.filename, v.size, v.format, 0, 1 FROM versions v"
                      " JOIN services s ON s.id = v.service JOIN apps a ON a.id = s.app"
                      " WHERE a.owner = ?1 AND v.sha256 = ?2 ORDER BY rank LIMIT 1",
                      "is", owner, sha256);
    store_read_end(s, db);
    return rc < 0 ? rc
           : rc == 0
               ? err_set(e, ERR_NOT_FOUND, "the installation has no file of you with SHA-256 %s", sha256)
               : 0;
}

int store_upload_bytes(struct store *s, int64_t owner, int64_t *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_int(db, e, ret, "SELECT coalesce(sum(size), 0) FROM uploads WHERE owner = ?", "i", owner);
    store_read_end(s, db);
    return rc < 0 ? rc : 0;
}

int store_uploads_expire(struct store *s, int64_t now_ms, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "DELETE FROM uploads WHERE expires_ms <= ?", "i", now_ms);
    return rc < 0 ? rc : 0;
}
