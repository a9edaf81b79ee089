/*
 * Volumes: rows to structs and back, by token, and how much a user has of them.
 */
#include "store/store_db.h"

int store_volume_read(struct volume_row *v, sqlite3_stmt *row)
{
    int status = volume_status_from_str(db_text(row, 9));
    *v = (struct volume_row){
        .app = DB_INT(row, 1),
        .service = DB_INT(row, 2),
        .volume =
            {
                .id = DB_INT(row, 0),
                .megabytes = DB_INT(row, 4),
                .data = DB_INT(row, 5),
                .role = -1,
                .slot = DB_INT(row, 7),
                .node = DB_INT(row, 8),
                .status = (enum volume_status)status,
                .doomed = DB_INT(row, 10),
                .used = DB_INT(row, 11),
                .created_ms = DB_INT(row, 15),
                .asked_ms = DB_INT(row, 16),
                .retry_ms = DB_INT(row, 17),
                .tries = (int)DB_INT(row, 18),
                .finds = (int)DB_INT(row, 19),
            },
    };
    db_copy(row, 3, v->volume.name, sizeof(v->volume.name));
    db_copy(row, 6, v->role, sizeof(v->role));
    db_copy(row, 12, v->volume.cloud, sizeof(v->volume.cloud));
    db_copy(row, 13, v->volume.token, sizeof(v->volume.token));
    db_copy(row, 14, v->volume.cloud_id, sizeof(v->volume.cloud_id));
    db_copy(row, 20, v->volume.why, sizeof(v->volume.why));
    return status;
}

static int one_row(void *arg, sqlite3_stmt *row)
{
    (void)store_volume_read(arg, row);
    return 1;
}

int store_volume_by_token(struct store *s, const char *token, struct volume_row *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc =
        db_query(db, e, one_row, ret, "SELECT " VOLUME_COLUMNS " FROM volumes WHERE token = ?", "s", token);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no volume with this token") : 0;
}

int store_volume(struct store *s, int64_t id, struct volume_row *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, one_row, ret, "SELECT " VOLUME_COLUMNS " FROM volumes WHERE id = ?", "i", id);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no volume %lld", (long long)id) : 0;
}

int store_volumes_mb(struct store *s, int64_t owner, int64_t *ret, struct err *e)
{
    int rc = db_int(store_writer(s), e, ret,
                    "SELECT coalesce(sum(megabytes), 0) FROM volumes WHERE owner = ? AND status <> 'GONE'",
                    "i", owner);
    return rc < 0 ? rc : 0;
}

int store_volume_save(struct store *s, int64_t app, int64_t owner, const struct service *of,
                      const struct volume *v, struct err *e)
{
    const char *role = v->role >= 0 ? of->type->roles[v->role].name : "";
    return db_exec(
        store_writer(s), e,
        "INSERT INTO volumes(" VOLUME_COLUMNS ", owner)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,"
        " ?20, ?21, ?22) ON CONFLICT(id) DO UPDATE SET data = ?6, role = ?7, slot = ?8, node = ?9,"
        " status = ?10, doomed = ?11, used = ?12, cloud_id = ?15, asked_ms = ?17, retry_ms = ?18,"
        " tries = ?19, finds = ?20, why = ?21",
        "iiisiisiisiisssiiiiisi", v->id, app, of->id, v->name, v->megabytes, (int64_t)v->data, role, v->slot,
        v->node, volume_status_to_str(v->status), (int64_t)v->doomed, (int64_t)v->used, v->cloud, v->token,
        v->cloud_id, v->created_ms, v->asked_ms, v->retry_ms, (int64_t)v->tries, (int64_t)v->finds, v->why,
        owner);
}
