/*
 * Driver "mariadb" with real servers on loopback: a cluster is made, joined, left, killed, cut down to a minority,
 * killed as a whole and recovered from the member that got furthest.  The test plays the planner.  Needs root and the
 * packages of the node image; skipped when one is missing.
 */
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "agent/engine.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "role/mysql_wire.h"

#define MEMBERS 3

struct member {
    char root[96], address[16], socket[160];
    char *paths[4];
    struct engine *engine;
    const char *boot;
    int64_t token;
    bool peer[MEMBERS]; /* named in its document */
};
struct world {
    char root[64];
    const char *password, *pool;
    struct member m[MEMBERS];
};

#define WAIT_FOR(condition)                                                                                  \
    do {                                                                                                     \
        int64_t wait_end_ = clock_mono_ms() + 60000;                                                         \
        while (!(condition)) {                                                                               \
            if (clock_mono_ms() > wait_end_) {                                                               \
                fail_msg("not in time: %s", #condition);                                                     \
            }                                                                                                \
            struct timespec pause_ = {.tv_nsec = 20000000};                                                  \
            nanosleep(&pause_, NULL);                                                                        \
        }                                                                                                    \
    } while (0)

static json_t *section_of(const struct world *w, int i)
{
    const struct member *m = &w->m[i];
    json_t *peers = json_array();
    for (int k = 0; k < MEMBERS; k++) {
        if (m->peer[k]) {
            json_array_append_new(peers, json_string(w->m[k].address));
        }
    }
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:I, s:o, s:s, s:{s:s, s:s, s:s}}", "engine", "mariadb",
                     "name", "mysql", "port", 3306, "address", m->address, "bind", m->address, "boot",
                     m->boot, "token", (json_int_t)m->token, "peers", peers, "password", w->password,
                     "settings", "innodb_buffer_pool_size", w->pool, "read_after_write", "On",
                     "cluster_cache_size", "32M");
}

static int try_apply(struct world *w, int i, enum role_change *ret, struct err *e)
{
    json_t *section = section_of(w, i);
    int r = engine_configure(w->m[i].engine, section, ret, e);
    r = r < 0 ? r : engine_switch(w->m[i].engine, section, *ret, e);
    json_decref(section);
    return r;
}

static enum role_change apply(struct world *w, int i)
{
    struct err e = {0};
    enum role_change change = CHANGE_NONE;
    if (try_apply(w, i, &change, &e) < 0) {
        fail_msg("member %d: %s", i, e.message);
    }
    return change;
}

/* As the planner tells it: how to start, and who else is a member. */
static enum role_change tell(struct world *w, int i, const char *boot, int64_t token, const char *peers)
{
    w->m[i].boot = boot;
    w->m[i].token = token;
    for (int k = 0; k < MEMBERS; k++) {
        w->m[i].peer[k] = strchr(peers, '0' + k) != NULL;
    }
    return apply(w, i);
}

static struct engine_status status_of(const struct world *w, int i)
{
    struct engine_status s;
    engine_status(w->m[i].engine, &s);
    return s;
}

static bool is_synced(const struct world *w, int i)
{
    struct engine_status s = status_of(w, i);
    return s.health == HEALTH_OK && s.progress.synced;
}

/* Down, and it is known how far its data goes. */
static bool rests(const struct world *w, int i)
{
    struct engine_status s = status_of(w, i);
    return s.health == HEALTH_DOWN && s.progress.position >= 0;
}

static char *sql(const struct world *w, int i, const char *statement)
{
    struct err e = {0};
    struct buf out = {0};
    if (mysql_ask(w->m[i].socket, statement, 10000, &out, &e) < 0) {
        fail_msg("member %d: %s: %s", i, statement, e.message);
    }
    if (out.len && out.data[out.len - 1] == '\n') {
        out.data[out.len - 1] = '\0';
    }
    return out.data;
}

static void expect(const struct world *w, int i, const char *statement, const char *wanted)
{
    _cleanup_free_ char *got = sql(w, i, statement);
    assert_string_equal(got, wanted);
}

/* Can the user of applications log in with this password? Over the network, as they do. */
static bool logs_in(const struct world *w, int i, const char *password)
{
    _cleanup_free_ char *env = str_printf("MYSQL_PWD=%s", password);
    _cleanup_free_ char *host = str_printf("--host=%s", w->m[i].address);
    const char *const argv[] = {"mariadb",        "--no-defaults",      host,
                                "--user=mysqldb", "--execute=SELECT 1", NULL};
    const char *const envs[] = {"PATH=/usr/bin:/bin", env, NULL};
    struct proc_spec spec = {.argv = argv, .env = envs, .in = -1};
    struct buf out = {0};
    int status = 1;
    int r = proc_run(&spec, NULL, 10000, 4096, &out, &status, NULL);
    buf_done(&out);
    return r == 0 && status == 0;
}

static int count_in_log(const struct world *w, int i, const char *text)
{
    _cleanup_free_ char *path = str_printf("%s/log/mysql.log", w->m[i].root);
    struct buf log = {0};
    struct err e = {0};
    assert_int_equal(fs_read(path, 64 << 20, &log, &e), 0);
    int n = 0;
    for (const char *p = log.data; p && (p = strstr(p, text)); p++) {
        n++;
    }
    buf_done(&log);
    return n;
}

static void open_member(struct world *w, int i)
{
    struct member *m = &w->m[i];
    struct err e = {0};
    struct engine_place place = {
        .run_root = m->paths[0], .log_dir = m->paths[1], .data_root = m->paths[2], .code_root = m->paths[3]};
    m->engine = engine_new(&place, "mysql", role_driver_find("mariadb"), 1, NULL, NULL, &e);
    assert_non_null(m->engine);
}

static int start_world(void **state)
{
    static const char *const names[] = {"run", "log", "data", "code"};
    struct world *w = xcalloc(1, sizeof(*w));
    snprintf(w->root, sizeof(w->root), "/tmp/conform-mariadb-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    assert_int_equal(chmod(w->root, 0755), 0);
    w->password = "f1rst 'pass\\word\"";
    w->pool = "32M";
    for (int i = 0; i < MEMBERS; i++) {
        struct member *m = &w->m[i];
        struct err e = {0};
        snprintf(m->root, sizeof(m->root), "%s/%d", w->root, i);
        snprintf(m->address, sizeof(m->address), "127.0.0.%d", i + 2);
        snprintf(m->socket, sizeof(m->socket), "%s/%d/run/mysql/mysql.sock", w->root, i);
        for (int k = 0; k < 4; k++) {
            m->paths[k] = str_printf("%s/%s", m->root, names[k]);
        }
        assert_int_equal(fs_mkdirs(m->root, 0755, &e), 0);
        open_member(w, i);
    }
    *state = w;
    return 0;
}

static int stop_world(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    for (int i = 0; i < MEMBERS; i++) {
        engine_free(w->m[i].engine, 3000);
        for (int k = 0; k < 4; k++) {
            free(w->m[i].paths[k]);
        }
    }
    if (!getenv("CONPAAS_TEST_KEEP")) {
        assert_int_equal(fs_remove_tree(w->root, &e), 0);
    }
    free(w);
    return 0;
}

/* ---- tests, each goes on where the one before ended ---- */

static void test_nobody_there(void **state)
{
    struct world *w = *state;
    (void)tell(w, 1, "join", 0, "0");
    WAIT_FOR(status_of(w, 1).health == HEALTH_DOWN);
    assert_int_equal(status_of(w, 1).progress.position, -1);
    assert_int_equal(status_of(w, 1).restarts, 0);
}

static void test_first(void **state)
{
    struct world *w = *state;
    int64_t begun = clock_mono_ms();
    assert_int_equal(tell(w, 0, "first", 11, ""), CHANGE_RESTART);
    WAIT_FOR(is_synced(w, 0));
    print_message("   a new cluster after %lld ms\n", (long long)(clock_mono_ms() - begun));
    assert_int_equal(status_of(w, 0).progress.token, 11);
    assert_true(logs_in(w, 0, w->password));
    assert_false(logs_in(w, 0, "another"));
    assert_false(logs_in(w, 0, ""));
    expect(w, 0, "SELECT COUNT(*) FROM mysql.global_priv WHERE User = ''", "0");
    free(sql(w, 0, "CREATE DATABASE shop"));
    free(sql(w, 0, "CREATE TABLE shop.t (id INT PRIMARY KEY)"));
    free(sql(w, 0, "INSERT INTO shop.t VALUES (1), (2), (3)"));
    /* from the moment it is formed it is told to join: nothing restarts */
    pid_t pid = status_of(w, 0).pid;
    assert_int_equal(tell(w, 0, "join", 11, "1"), CHANGE_LIVE);
    assert_int_equal(status_of(w, 0).pid, pid);
}

static void test_join(void **state)
{
    struct world *w = *state;
    for (int i = 1; i < MEMBERS; i++) {
        int64_t begun = clock_mono_ms();
        (void)tell(w, i, "join", 0, i == 1 ? "0" : "01");
        WAIT_FOR(is_synced(w, i));
        print_message("   joined after %lld ms\n", (long long)(clock_mono_ms() - begun));
        expect(w, i, "SELECT COUNT(*) FROM shop.t", "3");
        assert_true(logs_in(w, i, w->password));
    }
    (void)tell(w, 0, "join", 11, "12");
    (void)tell(w, 1, "join", 0, "02");
    free(sql(w, 1, "INSERT INTO shop.t VALUES (4)"));
    expect(w, 2, "SELECT COUNT(*) FROM shop.t", "4");
    json_t *m = NULL;
    WAIT_FOR((json_decref(m), m = engine_metrics(w->m[0].engine),
              json_int(m, "cluster_size", 0) == 3 && str_eq(json_str(m, "state", ""), "Synced")));
    assert_true(json_int(m, "queries", 0) > 0);
    json_decref(m);
}

static void test_live_changes(void **state)
{
    struct world *w = *state;
    pid_t pid = status_of(w, 0).pid;
    const char *old = w->password;
    w->password = "s3cond \xc3\xbc;--";
    w->pool = "48M";
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(apply(w, i), CHANGE_LIVE);
    }
    WAIT_FOR(logs_in(w, 2, w->password) && !logs_in(w, 2, old));
    WAIT_FOR(is_synced(w, 0) && is_synced(w, 1) && is_synced(w, 2));
    expect(w, 0, "SELECT @@innodb_buffer_pool_size", "50331648");
    assert_int_equal(status_of(w, 0).pid, pid);
    /* what the driver or the server refuses leaves everything as it is */
    struct err e = {0};
    enum role_change change = CHANGE_NONE;
    w->pool = "lots";
    assert_int_equal(try_apply(w, 0, &change, &e), ERR_INVALID);
    assert_true(str_starts(e.message, "settings"));
    err_done(&e);
    w->pool = "48M";
    assert_int_equal(apply(w, 0), CHANGE_LIVE);
    assert_int_equal(status_of(w, 0).pid, pid);
}

/* A member that is killed gets only what it missed. */
static void test_killed_member(void **state)
{
    struct world *w = *state;
    struct engine_status before = status_of(w, 2);
    int copies = count_in_log(w, 2, "Proceeding with SST");
    assert_true(copies > 0);
    assert_int_equal(kill(before.pid, SIGKILL), 0);
    free(sql(w, 0, "INSERT INTO shop.t VALUES (5), (6)"));
    int64_t begun = clock_mono_ms();
    WAIT_FOR(status_of(w, 2).pid != before.pid && is_synced(w, 2));
    print_message("   a killed member was back after %lld ms\n", (long long)(clock_mono_ms() - begun));
    expect(w, 2, "SELECT COUNT(*) FROM shop.t", "6");
    assert_int_equal(count_in_log(w, 2, "Proceeding with SST"), copies);
}

static void test_leave(void **state)
{
    struct world *w = *state;
    int64_t begun = clock_mono_ms();
    engine_free(w->m[2].engine, 0);
    print_message("   left after %lld ms\n", (long long)(clock_mono_ms() - begun));
    expect(w, 0,
           "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = "
           "'wsrep_cluster_size'",
           "2");
    free(sql(w, 0, "INSERT INTO shop.t VALUES (7)"));
    open_member(w, 2); /* its node comes back with its data */
    (void)tell(w, 2, "join", 0, "01");
    WAIT_FOR(is_synced(w, 2));
    expect(w, 2, "SELECT COUNT(*) FROM shop.t", "7");
}

/* All are killed, one of them earlier than the others: the furthest leads, once. */
static void test_whole_cluster(void **state)
{
    struct world *w = *state;
    engine_free(w->m[2].engine, 0);
    open_member(w, 2);
    free(sql(w, 0, "INSERT INTO shop.t VALUES (8), (9)"));
    pid_t a = status_of(w, 0).pid, b = status_of(w, 1).pid;
    assert_int_equal(kill(a, SIGKILL) | kill(b, SIGKILL), 0);
    WAIT_FOR(rests(w, 0) && rests(w, 1));
    (void)tell(w, 2, "join", 0, "01");
    WAIT_FOR(rests(w, 2));
    assert_true(status_of(w, 2).progress.position < status_of(w, 0).progress.position);
    assert_int_equal(status_of(w, 0).progress.position, status_of(w, 1).progress.position);
    int64_t begun = clock_mono_ms();
    (void)tell(w, 1, "recover", 12, "02");
    WAIT_FOR(is_synced(w, 1));
    print_message("   recovered after %lld ms\n", (long long)(clock_mono_ms() - begun));
    assert_int_equal(status_of(w, 1).progress.token, 12);
    WAIT_FOR(is_synced(w, 0) && is_synced(w, 2));
    for (int i = 0; i < MEMBERS; i++) {
        expect(w, i, "SELECT COUNT(*) FROM shop.t", "9");
    }
}

/* The token was used: the same document makes no second cluster, whatever happens. */
static void test_token_once(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(kill(status_of(w, i).pid, SIGKILL), 0);
    }
    WAIT_FOR(rests(w, 0) && rests(w, 1) && rests(w, 2));
    int starts = status_of(w, 1).restarts;
    assert_int_equal(apply(w, 1), CHANGE_RESTART);
    WAIT_FOR(rests(w, 1));
    assert_int_equal(status_of(w, 1).restarts, starts);
    (void)tell(w, 0, "first", 13, "12"); /* where data is, "first" makes nothing over it */
    WAIT_FOR(is_synced(w, 0) && is_synced(w, 1) && is_synced(w, 2));
    expect(w, 2, "SELECT COUNT(*) FROM shop.t", "9");
}

/* One of two is gone for good: the other ends itself, can be recovered, and has lost nothing. */
static void test_minority(void **state)
{
    struct world *w = *state;
    engine_free(w->m[2].engine, 0);
    open_member(w, 2);
    free(sql(w, 0, "INSERT INTO shop.t VALUES (10)"));
    (void)tell(w, 1, "join", 12, ""); /* it will wait, not come back */
    assert_int_equal(kill(status_of(w, 1).pid, SIGKILL), 0);
    int64_t begun = clock_mono_ms();
    WAIT_FOR(rests(w, 1) && rests(w, 0));
    print_message("   a minority had ended after %lld ms\n", (long long)(clock_mono_ms() - begun));
    (void)tell(w, 0, "recover", 14, "");
    WAIT_FOR(is_synced(w, 0));
    expect(w, 0, "SELECT COUNT(*) FROM shop.t", "10");
}

/* Remains of a copy that was cut short are no data, and the next copy starts afresh. */
static void test_half_copy(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    _cleanup_free_ char *mark = str_printf("%s/data/mysql/db/sst_in_progress", w->m[2].root);
    assert_int_equal(fs_write_atomic(mark, "", 0, 0600, &e), 0);
    (void)tell(w, 2, "join", 0, "");
    WAIT_FOR(status_of(w, 2).health == HEALTH_DOWN);
    assert_int_equal(status_of(w, 2).progress.position, -1);
    (void)tell(w, 2, "join", 0, "0");
    WAIT_FOR(is_synced(w, 2));
    expect(w, 2, "SELECT COUNT(*) FROM shop.t", "10");
}

/* ---- */

static int loopback_up(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int rc = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &r);
    closep(&fd);
    return rc;
}

/* Processes, mounts and ports of our own: whatever becomes of this test, its servers end with it. */
static int within_namespace(int (*f)(int, char **), int argc, char **argv)
{
    int status = 0;
    pid_t pid =
        (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("proc", "/proc", "proc", 0, NULL) != 0 || loopback_up() != 0) {
            _exit(77);
        }
        exit(f(argc, argv));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        print_message("skipped: no namespaces here\n");
        return 77;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int mariadb_tests(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_there),  cmocka_unit_test(test_first),
        cmocka_unit_test(test_join),          cmocka_unit_test(test_live_changes),
        cmocka_unit_test(test_killed_member), cmocka_unit_test(test_leave),
        cmocka_unit_test(test_whole_cluster), cmocka_unit_test(test_token_once),
        cmocka_unit_test(test_minority),      cmocka_unit_test(test_half_copy),
    };
    return cmocka_run_group_tests(tests, start_world, stop_world);
}

int main(int argc, char **argv)
{
    static const char *const needed[] = {"/usr/sbin/mariadbd", "/usr/lib/galera/libgalera_smm.so",
                                         "/usr/bin/mariabackup", "/usr/bin/socat"};
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        if (!fs_exists(needed[i])) {
            print_message("skipped: %s is not installed\n", needed[i]);
            return 77;
        }
    }
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        return 77;
    }
    return within_namespace(mariadb_tests, argc, argv);
}
