/*
 * The data of a MariaDB that does not run.
 */
#include "role/mariadb_data.h"

#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/proc.h"

#define RECOVER_MS (15 * 60 * 1000) /* a crash with much to repair */
#define INSTALL_MS (3 * 60 * 1000)
#define NO_UUID "00000000-0000-0000-0000-000000000000"

static int find_user(uid_t *ret_uid, gid_t *ret_gid, struct err *e)
{
    struct passwd pw, *found = NULL;
    char room[4096];
    if (getpwnam_r(MARIADB_USER, &pw, room, sizeof(room), &found) != 0 || !found) {
        return err_set(e, ERR_NOT_FOUND, "there is no user " MARIADB_USER);
    }
    *ret_uid = pw.pw_uid;
    *ret_gid = pw.pw_gid;
    return 0;
}

int mariadb_data_own(const char *path, struct err *e)
{
    uid_t uid = 0;
    gid_t gid = 0;
    int r = find_user(&uid, &gid, e);
    if (r == 0 && geteuid() == 0 && lchown(path, uid, gid) != 0) {
        return err_errno(e, errno, "cannot give %s away", path);
    }
    return r;
}

static char *path_of(const struct role_engine *r, const char *name)
{
    return str_printf("%s/%s", r->data_dir, name);
}

/* Runs one of MariaDB's programs as its user; out: what it said. */
static int run_as_mysql(const char *const *argv, int timeout_ms, struct buf *out, struct err *e)
{
    static const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                      "LANG=C.UTF-8", NULL};
    struct proc_spec spec = {.argv = argv, .env = env, .dir = "/", .in = -1, .new_group = true};
    int status = 0, r = find_user(&spec.uid, &spec.gid, e);
    r = r < 0 ? r : proc_run(&spec, NULL, timeout_ms, 1 << 20, out, &status, e);
    if (r == 0 && status != 0) {
        char how[64];
        proc_status_text(status, how);
        size_t n = out->len > 400 ? 400 : out->len;
        return err_set(e, ERR_FAILED, "%s: %s: %s", argv[0], how, n ? out->data + out->len - n : "");
    }
    return r;
}

/* "UUID:N" */
static bool read_position(const char *s, struct mariadb_position *ret)
{
    _cleanup_free_ char *line = xstrndup(s, strcspn(s, " \n"));
    struct mariadb_position p = {0};
    char *colon = strchr(line, ':');
    if (!colon) {
        return false;
    }
    *colon = '\0';
    if (strlen(line) != strlen(NO_UUID) || str_to_int(colon + 1, -1, INT64_MAX, &p.seqno) < 0) {
        return false;
    }
    if (str_eq(line, NO_UUID)) {
        p.seqno = -1;
    } else {
        (void)str_copy(p.uuid, sizeof(p.uuid), line);
        p.seqno = p.seqno < 0 ? 0 : p.seqno; /* a history without a transaction */
    }
    *ret = p;
    return true;
}

/* Value of "KEY:   VALUE" in grastate.dat; the caller owns it. */
static char *state_value(const char *text, const char *key)
{
    const char *p = strstr(text, key);
    if (!p) {
        return NULL;
    }
    p += strlen(key);
    p += strspn(p, " \t");
    return xstrndup(p, strcspn(p, " \n"));
}

/* Galera's note of an orderly end. */
static bool read_note(const struct role_engine *r, struct mariadb_position *ret)
{
    _cleanup_free_ char *path = path_of(r, "db/grastate.dat");
    _cleanup_buf_ struct buf text = {0};
    if (fs_read(path, 4096, &text, NULL) < 0 || !text.data) {
        return false;
    }
    _cleanup_free_ char *uuid = state_value(text.data, "uuid:"), *seqno = state_value(text.data, "seqno:");
    _cleanup_free_ char *both = uuid && seqno ? str_printf("%s:%s", uuid, seqno) : NULL;
    int64_t n = -1;
    return both && str_to_int(seqno, 0, INT64_MAX, &n) == 0 && read_position(both, ret) && ret->seqno >= 0;
}

static int ask_server(const char *config, struct mariadb_position *ret, struct err *e)
{
    static const char mark[] = "Recovered position: ";
    _cleanup_free_ char *defaults = str_printf("--defaults-file=%s", config);
    _cleanup_buf_ struct buf out = {0};
    const char *const argv[] = {"mariadbd", defaults, "--wsrep-recover", "--skip-networking", NULL};
    int rc = run_as_mysql(argv, RECOVER_MS, &out, e);
    const char *found = rc == 0 && out.data ? strstr(out.data, mark) : NULL;
    if (rc == 0 && !(found && read_position(found + strlen(mark), ret))) {
        return err_set(e, ERR_FAILED, "MariaDB does not say how far its data goes");
    }
    return rc < 0 ? err_wrap(e, rc, "cannot find out how far the data goes") : 0;
}

static bool has(const struct role_engine *r, const char *name)
{
    _cleanup_free_ char *path = path_of(r, name);
    return fs_exists(path);
}

int mariadb_data_look(const struct role_engine *r, const char *config, struct mariadb_position *ret,
                      struct err *e)
{
    bool whole = has(r, "db/ibdata1") && has(r, "db/mysql") && !has(r, "db/sst_in_progress");
    if (!whole) {
        *ret = (struct mariadb_position){.seqno = -1};
        return 0;
    }
    return read_note(r, ret) ? 0 : ask_server(config, ret, e);
}

static int make_dir(const struct role_engine *r, const char *name, struct err *e)
{
    _cleanup_free_ char *path = path_of(r, name);
    int rc = fs_mkdirs(path, 0700, e);
    return rc < 0 ? rc : mariadb_data_own(path, e);
}

int mariadb_data_install(const struct role_engine *r, const char *config, struct err *e)
{
    _cleanup_free_ char *fresh = path_of(r, "db.new"), *place = path_of(r, "db");
    _cleanup_free_ char *defaults = str_printf("--defaults-file=%s", config);
    _cleanup_free_ char *datadir = str_printf("--datadir=%s", fresh);
    _cleanup_buf_ struct buf out = {0};
    const char *const argv[] = {
        "mariadb-install-db",
        defaults,
        datadir,
        "--wsrep-on=OFF",
        "--skip-test-db",
        "--skip-name-resolve",
        "--auth-root-authentication-method=socket",
        "--auth-root-socket-user=" MARIADB_USER, /* beside root: who makes the copies */
        NULL};
    int rc = fs_remove_tree(fresh, e);
    rc = rc < 0 ? rc : make_dir(r, "db.new", e);
    rc = rc < 0 ? rc : make_dir(r, "tmp", e);
    rc = rc < 0 ? rc : run_as_mysql(argv, INSTALL_MS, &out, e);
    rc = rc < 0 ? rc : fs_remove_tree(place, e);
    if (rc == 0 && rename(fresh, place) != 0) {
        return err_errno(e, errno, "cannot put the new database in place");
    }
    return rc;
}

int mariadb_data_clear(const struct role_engine *r, struct err *e)
{
    _cleanup_free_ char *place = path_of(r, "db"), *tmp = path_of(r, "tmp");
    int rc = fs_remove_tree(place, e);
    rc = rc < 0 ? rc : fs_remove_tree(tmp, e);
    rc = rc < 0 ? rc : make_dir(r, "db", e);
    return rc < 0 ? rc : make_dir(r, "tmp", e);
}

int mariadb_data_lead(const struct role_engine *r, const struct mariadb_position *p, struct err *e)
{
    _cleanup_free_ char *path = path_of(r, "db/grastate.dat");
    _cleanup_free_ char *text =
        str_printf("# GALERA saved state\nversion: 2.1\nuuid:    %s\nseqno:   %lld\nsafe_to_bootstrap: 1\n",
                   p->uuid[0] ? p->uuid : NO_UUID, (long long)p->seqno);
    int rc = fs_write_atomic(path, text, strlen(text), 0660, e);
    return rc < 0 ? rc : mariadb_data_own(path, e);
}

int64_t mariadb_data_token(const struct role_engine *r)
{
    _cleanup_free_ char *path = path_of(r, "token");
    _cleanup_buf_ struct buf text = {0};
    int64_t n = 0;
    if (fs_read(path, 64, &text, NULL) == 0 && text.data && str_to_int(text.data, 0, INT64_MAX, &n) < 0) {
        n = 0;
    }
    return n;
}

int mariadb_data_set_token(const struct role_engine *r, int64_t token, struct err *e)
{
    _cleanup_free_ char *path = path_of(r, "token"), *text = str_printf("%lld", (long long)token);
    return fs_write_atomic(path, text, strlen(text), 0600, e);
}
