/*
 * Pushes: the version that a commit became, and whether it takes effect at once.
 */
#include "store/store_db.h"

int store_push_add(struct store *s, int64_t service, int64_t version, const char *commit, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "INSERT INTO pushes(version, service, hash) VALUES(?, ?, ?)", "iis",
                     version, service, commit);
    return rc < 0 ? rc : 0;
}

int store_push_find(struct store *s, int64_t service, const char *commit, int64_t *ret_version, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_int(db, e, ret_version, "SELECT version FROM pushes WHERE service = ? AND hash = ?", "is",
                    service, commit);
    store_read_end(s, db);
    return rc;
}

int store_git_deploy(struct store *s, int64_t service, bool *ret, struct err *e)
{
    int64_t deploy = 1;
    struct db *db = store_read(s);
    int rc = db_int(db, e, &deploy, "SELECT deploy FROM git WHERE service = ?", "i", service);
    store_read_end(s, db);
    if (rc < 0) {
        return rc;
    }
    *ret = deploy != 0;
    return 0;
}

int store_git_set_deploy(struct store *s, int64_t service, bool deploy, struct err *e)
{
    int rc = db_exec(store_writer(s), e,
                     "INSERT INTO git(service, deploy) VALUES(?1, ?2)"
                     " ON CONFLICT(service) DO UPDATE SET deploy = ?2",
                     "ii", service, (int64_t)deploy);
    return rc < 0 ? rc : 0;
}
