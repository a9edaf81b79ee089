/*
 * Code versions, artifacts, settings, secrets, certificates, enrolment.
 */
#include "store/store_db.h"

void version_done(struct version *v)
{
    free(v->name);
    free(v->filename);
    free(v->description);
    free(v->format);
    *v = (struct version){0};
}

void versions_free(struct version *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        version_done(&v[i]);
    }
    free(v);
}

int store_version_add(struct store *s, const struct version *v, struct err *e)
{
    struct db *db = store_writer(s);
    int rc = db_exec(db, e,
                     "INSERT INTO artifacts(sha256, size, created_ms) VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
                     "sii", v->sha256, v->size, v->created_ms);
    if (rc < 0) {
        return rc;
    }
    rc = db_exec(
        db, e,
        "INSERT INTO versions(id, service, name, filename, description, sha256, size, format, created_ms)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "iissssisi", v->id, v->service, v->name, v->filename, v->description, v->sha256, v->size, v->format,
        v->created_ms);
    return rc < 0 ? rc : 0;
}

#define VERSION_SELECT                                                                                       \
    "SELECT id, service, name, filename, description, sha256, size, format, created_ms FROM versions "

static void version_read(struct version *v, sqlite3_stmt *row)
{
    *v = (struct version){
        .id = DB_INT(row, 0),
        .service = DB_INT(row, 1),
        .name = db_dup(row, 2),
        .filename = db_dup(row, 3),
        .description = db_dup(row, 4),
        .size = DB_INT(row, 6),
        .format = db_dup(row, 7),
        .created_ms = DB_INT(row, 8),
    };
    db_copy(row, 5, v->sha256, sizeof(v->sha256));
}

static int version_row(void *arg, sqlite3_stmt *row)
{
    version_read(arg, row);
    return 1;
}

int store_version(struct store *s, int64_t service, int64_t id, struct version *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc =
        db_query(db, e, version_row, ret, VERSION_SELECT "WHERE service = ? AND id = ?", "ii", service, id);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no code version %lld", (long long)id) : 0;
}

struct version_list {
    struct version *v;
    size_t n;
};

static int version_list_row(void *arg, sqlite3_stmt *row)
{
    struct version_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    version_read(&l->v[l->n++], row);
    return 0;
}

int store_versions(struct store *s, int64_t service, struct version **ret, size_t *ret_n, struct err *e)
{
    struct version_list l = {0};
    struct db *db = store_read(s);
    int rc = db_query(db, e, version_list_row, &l, VERSION_SELECT "WHERE service = ? ORDER BY id DESC", "i",
                      service);
    store_read_end(s, db);
    if (rc < 0) {
        versions_free(l.v, l.n);
        return rc;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

int store_version_delete(struct store *s, int64_t service, int64_t id, struct err *e)
{
    int rc =
        db_exec(store_writer(s), e, "DELETE FROM versions WHERE service = ? AND id = ?", "ii", service, id);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no code version %lld", (long long)id) : 0;
}

int store_code_bytes(struct store *s, int64_t app, int64_t *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_int(
        db, e, ret,
        "SELECT coalesce(sum(v.size), 0) FROM versions v JOIN services s ON s.id = v.service WHERE s.app = ?",
        "i", app);
    store_read_end(s, db);
    return rc < 0 ? rc : 0;
}

int store_app_uses(struct store *s, int64_t app, const char *sha256, struct err *e)
{
    struct db *db = store_read(s);
    int64_t one = 0;
    int rc = db_int(
        db, e, &one,
        "SELECT 1 FROM versions v JOIN services s ON s.id = v.service WHERE v.sha256 = ? AND s.app = ?", "si",
        sha256, app);
    store_read_end(s, db);
    return rc;
}

struct unused {
    char **names;
    size_t n;
};

static int unused_row(void *arg, sqlite3_stmt *row)
{
    struct unused *u = arg;
    u->names = xreallocarray(u->names, u->n + 1, sizeof(*u->names));
    u->names[u->n++] = db_dup(row, 0);
    return 0;
}

int store_artifacts_unused(struct store *s, int (*f)(void *arg, const char *sha256), void *arg, struct err *e)
{
    struct unused u = {0};
    struct db *db = store_writer(s);
    int rc = db_query(db, e, unused_row, &u,
                      "SELECT sha256 FROM artifacts a WHERE NOT EXISTS"
                      " (SELECT 1 FROM versions v WHERE v.sha256 = a.sha256) AND NOT EXISTS"
                      " (SELECT 1 FROM uploads u WHERE u.sha256 = a.sha256) LIMIT 100",
                      "");
    for (size_t i = 0; i < u.n; i++) {
        if (rc >= 0 && f(arg, u.names[i]) == 0) {
            rc = db_exec(db, e, "DELETE FROM artifacts WHERE sha256 = ?", "s", u.names[i]);
        }
        free(u.names[i]);
    }
    free(u.names);
    return rc < 0 ? rc : 0;
}

int store_artifact_known(struct store *s, const char *sha256, struct err *e)
{
    struct db *db = store_read(s);
    int64_t one = 0;
    int rc = db_int(db, e, &one, "SELECT 1 FROM artifacts WHERE sha256 = ?", "s", sha256);
    store_read_end(s, db);
    return rc;
}

/* ---- certificates and enrolment ---- */

int store_certificate_add(struct store *s, const struct certificate *c, struct err *e)
{
    int rc =
        db_exec(store_writer(s), e,
                "INSERT INTO certificates(serial, name, node, issued_ms, not_after_ms) VALUES(?, ?, ?, ?, ?)",
                "ssiii", c->serial, c->name, c->node, c->issued_ms, c->not_after_ms);
    return rc < 0 ? rc : 0;
}

static int certificate_row(void *arg, sqlite3_stmt *row)
{
    struct certificate *c = arg;
    *c = (struct certificate){
        .node = DB_INT(row, 2),
        .issued_ms = DB_INT(row, 3),
        .not_after_ms = DB_INT(row, 4),
        .revoked_ms = DB_INT(row, 5),
    };
    db_copy(row, 0, c->serial, sizeof(c->serial));
    db_copy(row, 1, c->name, sizeof(c->name));
    return 1;
}

int store_certificate(struct store *s, const char *serial, struct certificate *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, certificate_row, ret,
                      "SELECT serial, name, node, issued_ms, not_after_ms, revoked_ms FROM certificates"
                      " WHERE serial = ?",
                      "s", serial);
    store_read_end(s, db);
    return rc < 0    ? rc
           : rc == 0 ? err_set(e, ERR_NOT_FOUND, "this certificate is not of this installation")
                     : 0;
}

int store_certificates_since(struct store *s, int64_t node, int64_t since_ms, int64_t *ret_n, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_int(db, e, ret_n, "SELECT count(*) FROM certificates WHERE node = ? AND issued_ms >= ?", "ii",
                    node, since_ms);
    store_read_end(s, db);
    return rc < 0 ? rc : 0;
}

int store_certificates_revoke(struct store *s, int64_t node, int64_t now_ms, struct err *e)
{
    int rc = db_exec(store_writer(s), e,
                     "UPDATE certificates SET revoked_ms = ? WHERE node = ? AND node <> 0 AND revoked_ms = 0",
                     "ii", now_ms, node);
    return rc < 0 ? rc : 0;
}

void enrolment_done(struct enrolment *n)
{
    free(n->key_id);
    free(n->certificate);
    *n = (struct enrolment){0};
}

int store_enrolment_add(struct store *s, int64_t node, const char *token, struct err *e)
{
    char hash[SHA256_HEX];
    sha256_hex(token, strlen(token), hash);
    int rc = db_exec(store_writer(s), e,
                     "INSERT INTO enrolments(node, token_hash) VALUES(?, ?) ON CONFLICT(node) DO NOTHING",
                     "is", node, hash);
    return rc < 0 ? rc : 0;
}

static int enrolment_row(void *arg, sqlite3_stmt *row)
{
    struct enrolment *n = arg;
    *n = (struct enrolment){
        .node = DB_INT(row, 0),
        .key_id = db_dup(row, 1),
        .certificate = db_dup(row, 2),
        .used_ms = DB_INT(row, 3),
    };
    return 1;
}

int store_enrolment(struct store *s, int64_t node, const char *token, struct enrolment *ret, struct err *e)
{
    char hash[SHA256_HEX];
    sha256_hex(token, strlen(token), hash);
    struct db *db = store_read(s);
    int rc = db_query(
        db, e, enrolment_row, ret,
        "SELECT node, key_id, certificate, used_ms FROM enrolments WHERE token_hash = ? AND node = ?", "si",
        hash, node);
    store_read_end(s, db);
    return rc < 0    ? rc
           : rc == 0 ? err_set(e, ERR_FORBIDDEN, "the enrolment token is not valid for this node")
                     : 0;
}

int store_enrolment_use(struct store *s, int64_t node, const char *key_id, const char *certificate,
                        int64_t now_ms, struct err *e)
{
    int rc = db_exec(store_writer(s), e,
                     "UPDATE enrolments SET key_id = ?, certificate = ?, used_ms = ? WHERE node = ?"
                     " AND (key_id IS NULL OR key_id = ?1)",
                     "ssii", key_id, certificate, now_ms, node);
    return rc < 0    ? rc
           : rc == 0 ? err_set(e, ERR_FORBIDDEN, "the enrolment token was used with another key")
                     : 0;
}
