/*
 * Secrets at rest: what is sealed opens again with its key, in its place, unchanged, and not otherwise; a database of
 * before has none that can be read once the director has started.
 */
#include "cm.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "director/seal.h"
#include "store/migrations.h"

struct place {
    char dir[64];
    struct store *store;
};

static void open_store(struct place *p)
{
    struct err e = {0};
    if (store_open(p->dir, "test", 1000, &p->store, &e) < 0) {
        fail_msg("%s", e.message);
    }
}

static int set_up(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));
    snprintf(p->dir, sizeof(p->dir), "/tmp/conpaas-seal-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    store_close(p->store);
    assert_true(fs_remove_tree(p->dir, NULL) >= 0);
    free(p);
    return 0;
}

static void test_round_trip(void **state)
{
    struct place *p = *state;
    struct seal s, again;
    struct err e = {0};
    open_store(p);
    assert_int_equal(seal_open(&s, p->dir, p->store, &e), 0);
    _cleanup_free_ char *path = str_printf("%s/secrets.key", p->dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    static const char *const texts[] = {"", "x", "correct horse", "line\nline\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        _cleanup_free_ char *sealed = seal_text(&s, 7, "KEY", texts[i]);
        _cleanup_free_ char *twice = seal_text(&s, 7, "KEY", texts[i]);
        char *back = NULL;
        assert_string_not_equal(sealed, twice);
        assert_int_equal(seal_read(&s, 7, "KEY", sealed, &back, &e), 0);
        assert_string_equal(back, texts[i]);
        free(back);
        assert_int_equal(seal_read(&s, 8, "KEY", sealed, &back, NULL), ERR_FAILED);
        assert_int_equal(seal_read(&s, 7, "YEK", sealed, &back, NULL), ERR_FAILED);
        for (size_t k = 0; k < strlen(sealed); k++) {
            char was = sealed[k];
            sealed[k] = was == '0' ? '1' : '0';
            assert_int_equal(seal_read(&s, 7, "KEY", sealed, &back, NULL), ERR_FAILED);
            sealed[k] = was;
        }
        sealed[strlen(sealed) - 2] = '\0';
        assert_int_equal(seal_read(&s, 7, "KEY", sealed, &back, NULL), ERR_FAILED);
    }
    assert_int_equal(seal_open(&again, p->dir, p->store, &e), 0);
    assert_string_equal(again.id, s.id);
}

static void run(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
        fail_msg("%s", why);
    }
}

/* As the program of schema 3 left it: a php service with a readable password. */
static void make_old(const struct place *p)
{
    _cleanup_free_ char *path = str_printf("%s/director.db", p->dir);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    run(db, "PRAGMA journal_mode = WAL");
    for (const struct migration *m = migrations; m->version <= 3; m++) {
        run(db, m->sql);
    }
    run(db, "PRAGMA user_version = 3");
    run(db, "INSERT INTO users(id, username, email, password, created_ms) VALUES(1, 'ada', 'a@b.c', '!', 1)");
    run(db, "INSERT INTO apps VALUES(4, 1, 'shop', 'sim', 0, 1, 2, 0, 0, 0, '', 0, 0, 0, '', 0, 1)");
    run(db,
        "INSERT INTO services VALUES(5, 4, 1, 'php', 'shop', 'sim', 1, '{}', '{}', 0, 0, 0, '', 'INIT', 0, 0, 1, 0,"
        " '', 0, '[]', 0, 1)");
    run(db,
        "INSERT INTO settings(service, rev, vals, created_ms) VALUES(5, 1, '{\"memory_limit\":\"64M\"}', 1)");
    run(db, "INSERT INTO settings(service, rev, vals, created_ms) VALUES(5, 2, '{}', 2)");
    run(db, "INSERT INTO secrets VALUES(5, 'session_password', 'readable-for-all')");
    sqlite3_close(db);
}

static bool readable(const struct place *p, const char *name)
{
    _cleanup_free_ char *path = str_printf("%s/%s", p->dir, name);
    _cleanup_buf_ struct buf b = {0};
    return fs_read(path, 16 << 20, &b, NULL) == 0 && b.len > 0 &&
           memmem(b.data, b.len, "readable-for-all", 16);
}

static void test_upgrade(void **state)
{
    struct place *p = *state;
    struct seal s;
    struct err e = {0};
    make_old(p);
    assert_true(readable(p, "director.db"));
    open_store(p);
    if (seal_open(&s, p->dir, p->store, &e) < 0) {
        fail_msg("%s", e.message);
    }
    assert_false(readable(p, "director.db"));
    assert_false(readable(p, "director.db-wal"));
    for (int64_t rev = 1; rev <= 2; rev++) {
        _cleanup_revision_ struct revision r = {0};
        _cleanup_sealed_ struct sealed v = {0};
        char *text = NULL;
        assert_int_equal(store_revision(p->store, 5, rev, &r, &e), 0);
        assert_string_equal(json_str(r.settings, "memory_limit", ""), rev == 1 ? "64M" : "");
        assert_int_equal(json_object_size(r.env) + json_array_size(r.links), 0);
        assert_int_equal(store_sealed(p->store, json_int(r.own, "session_password", 0), &v, &e), 0);
        assert_int_equal(seal_read(&s, 5, "session_password", v.value, &text, &e), 0);
        assert_string_equal(text, "readable-for-all");
        free(text);
    }
    store_close(TAKE_PTR(p->store));
    open_store(p);
    assert_int_equal(seal_open(&s, p->dir, p->store, &e), 0); /* nothing to do any more */
    /* without its key, or with another one, the director does not start */
    _cleanup_free_ char *path = str_printf("%s/secrets.key", p->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(seal_open(&s, p->dir, p->store, &e), ERR_FAILED);
    assert_non_null(strstr(e.message, "secrets.key is missing: it opens 1 secrets"));
    assert_non_null(strstr(e.hint, "backup"));
    err_done(&e);
    assert_false(fs_exists(path));
    static const char other[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    assert_int_equal(fs_write_atomic(path, other, strlen(other), 0600, &e), 0);
    assert_int_equal(seal_open(&s, p->dir, p->store, &e), ERR_FAILED);
    assert_non_null(strstr(e.message, "is not the key that sealed 1 secrets"));
    err_done(&e);
    assert_int_equal(fs_write_atomic(path, "nonsense", 8, 0600, &e), 0);
    assert_int_equal(seal_open(&s, p->dir, p->store, &e), ERR_FAILED);
    assert_non_null(strstr(e.message, "is damaged"));
    err_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_upgrade, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
