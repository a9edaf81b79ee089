/*
 * The store: round trips, what it refuses, crashes, restored and damaged databases.
 */
#include "cm.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/store.h"

struct fixture {
    char dir[64];
    struct store *s;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void)str_copy(f->dir, sizeof(f->dir), "/tmp/conpaas-test-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(store_open(f->dir, "test", 1000, &f->s, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    assert_int_equal(fs_remove_tree(f->dir, NULL), 0);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    struct err e = {0};
    store_close(f->s);
    f->s = NULL;
    if (store_open(f->dir, "other", 2000, &f->s, &e) < 0) {
        fail_msg("%s", e.message);
    }
}

static int64_t add_user(struct store *s, const char *name, int64_t credit)
{
    _cleanup_free_ char *email = str_printf("%s@example.org", name);
    struct user u = {.username = (char *)name, .email = email, .password = (char *)"!", .created_ms = 5};
    int64_t id = 0;
    assert_int_equal(store_begin(s, NULL), 0);
    assert_int_equal(store_user_add(s, &u, &id, NULL), 0);
    assert_int_equal(store_grant(s, id, credit, "initial", 6, NULL, NULL), 0);
    assert_int_equal(store_commit(s, NULL), 0);
    return id;
}

static const struct service_type *a_type(void)
{
    return service_types[0];
}

static void add_app(struct store *s, int64_t owner, struct app_row *a, struct service_row *v)
{
    *a = (struct app_row){.own = true, .created_ms = 7, .app = {.owner = owner, .txn = 1, .next_sid = 2}};
    (void)str_copy(a->app.name, sizeof(a->app.name), "shop");
    (void)str_copy(a->app.cloud, sizeof(a->app.cloud), "sim");
    assert_int_equal(store_begin(s, NULL), 0);
    a->app.id = store_new_id(s);
    a->app.incarnation = 1;
    *v = (struct service_row){.created_ms = 8, .state_ms = 8};
    v->service =
        (struct service){.id = store_new_id(s), .app = a->app.id, .sid = 1, .type = a_type(), .gen = 1};
    (void)str_copy(v->service.name, sizeof(v->service.name), "web");
    (void)str_copy(v->service.cloud, sizeof(v->service.cloud), "sim");
    v->service.want.counts[0] = 1;
    v->service.good = v->service.want;
    assert_int_equal(store_app_add(s, a, NULL), 0);
    assert_int_equal(store_service_add(s, v, NULL), 0);
    assert_int_equal(store_commit(s, NULL), 0);
}

struct loaded {
    int apps, services;
    struct app_row app;
    struct service_row service;
};

static int take(void *arg, struct app_row *app, struct service_row **services, int n, struct err *e)
{
    struct loaded *l = arg;
    l->apps++;
    l->services += n;
    l->app = *app;
    for (int i = 0; i < n; i++) {
        l->service = *services[i];
        free(services[i]);
    }
    return 0;
}

/* Runs one save with an effect list. */
static int save(struct store *s, struct app *a, struct service *before, struct service *after,
                struct effects *x, struct purse *purse, struct err *e)
{
    struct app app_after = *a;
    app_after.txn++;
    struct truth_save t = {
        .app_before = a,
        .app_after = &app_after,
        .service_before = before,
        .service_after = after,
        .effects = x,
        .purse = purse,
        .now_ms = 50,
        .actor = "ada",
        .call = "service.start",
        .title = "start",
    };
    int rc = store_begin(s, e);
    assert_int_equal(rc, 0);
    rc = store_save(s, &t, e);
    if (rc < 0) {
        store_abort(s);
        return rc;
    }
    assert_int_equal(store_commit(s, e), 0);
    *a = app_after;
    return rc;
}

static void fill_service(struct store *s, struct service *v)
{
    v->gen = 9;
    v->want.run = RUN_RUNNING;
    v->want.counts[1] = 2;
    v->want.code = 77;
    v->want.settings = 3;
    v->started_once = v->in_error = v->converged = true;
    (void)str_copy(v->error_why, sizeof(v->error_why), "because");
    v->state = SERVICE_ERROR;
    v->nodes_rev = 4;
    v->next_ord = 2;
    v->fails = 3;
    (void)str_copy(v->fail_why, sizeof(v->fail_why), "no room");
    v->create_after_ms = 1234;
    v->replaced[1].since_ms = 55;
    v->replaced[1].n = 2;
    v->n_ops = 2;
    v->ops[1] = (struct op){.id = 501,
                            .facet = FACET_CMD,
                            .state = OP_ACTIVE,
                            .value = v->want,
                            .born_ms = 10,
                            .progress_ms = 11,
                            .kind = "run",
                            .parameters = "--size 3 \"a b\""};
    v->ops[0] = (struct op){.id = 500,
                            .facet = FACET_COUNTS,
                            .state = OP_ACTIVE,
                            .value = v->want,
                            .born_ms = 10,
                            .progress_ms = 11,
                            .held_credits = 4,
                            .releases = 1};
    set_add(&v->ops[0].targets, 8);
    v->n_nodes = 1;
    v->nodes[0] = (struct node){.id = 600,
                                .ord = 1,
                                .role = 1,
                                .status = NODE_ASKED,
                                .created_ms = 20,
                                .asked_ms = 21,
                                .retry_ms = 22,
                                .tries = 2,
                                .finds = 1,
                                .hours_paid = 1};
    (void)str_copy(v->nodes[0].token, sizeof(v->nodes[0].token), "tok-600");
    (void)str_copy(v->nodes[0].cloud, sizeof(v->nodes[0].cloud), "sim");
    (void)str_copy(v->nodes[0].address, sizeof(v->nodes[0].address), "198.18.0.9");
    v->nodes[0].slot = 2;
    v->ops[1].volume = 700;
    v->n_volumes = 2;
    v->volumes[0] = (struct volume){.id = 700,
                                    .name = "MyDisk",
                                    .megabytes = 50,
                                    .role = -1,
                                    .status = VOLUME_UNSURE,
                                    .doomed = true,
                                    .token = "tok-700",
                                    .cloud = "sim",
                                    .created_ms = 1,
                                    .asked_ms = 2,
                                    .retry_ms = 3,
                                    .tries = 4,
                                    .finds = 5,
                                    .why = "no answer"};
    v->volumes[1] = (struct volume){.id = 701,
                                    .name = "engine",
                                    .megabytes = 1024,
                                    .data = true,
                                    .used = true,
                                    .role = 1,
                                    .slot = 2,
                                    .node = 600,
                                    .status = VOLUME_ATTACHED,
                                    .token = "tok-701",
                                    .cloud_id = "v-1",
                                    .cloud = "sim"};
    v->facts[FACT_ENTRIES].rev = 2;
    set_add(&v->facts[FACT_ENTRIES].v.ids, 600);
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct app_row a;
    struct service_row v;
    struct effects x = {0};
    add_app(f->s, add_user(f->s, "ada", 10), &a, &v);
    struct service *after = xcalloc(1, sizeof(*after));
    *after = v.service;
    fill_service(f->s, after);
    assert_int_equal(save(f->s, &a.app, &v.service, after, &x, NULL, NULL), 1);
    reopen(f);
    struct loaded *l = xcalloc(1, sizeof(*l));
    assert_int_equal(store_load(f->s, take, l, NULL), 0);
    assert_int_equal(l->apps, 1);
    assert_int_equal(l->services, 1);
    assert_true(l->app.own);
    assert_memory_equal(&l->app.app, &a.app, sizeof(a.app));
    assert_memory_equal(&l->service.service.want, &after->want, sizeof(after->want));
    assert_memory_equal(&l->service.service.ops[0], &after->ops[0], sizeof(after->ops[0]));
    assert_memory_equal(&l->service.service.ops[1], &after->ops[1], sizeof(after->ops[1]));
    assert_memory_equal(&l->service.service.nodes[0], &after->nodes[0], sizeof(after->nodes[0]));
    assert_memory_equal(l->service.service.facts, after->facts, sizeof(after->facts));
    assert_memory_equal(&l->service.service, after, sizeof(*after));
    struct volume_row volume = {0};
    assert_int_equal(store_volume_by_token(f->s, "tok-701", &volume, NULL), 0);
    assert_int_equal(volume.volume.id, 701);
    assert_int_equal(volume.service, v.service.id);
    assert_int_equal(store_volume_by_token(f->s, "tok-702", &volume, NULL), ERR_NOT_FOUND);
    int64_t mb = 0;
    assert_int_equal(store_begin(f->s, NULL), 0);
    assert_int_equal(store_volumes_mb(f->s, a.app.owner, &mb, NULL), 0);
    assert_int_equal(mb, 1074);
    store_abort(f->s);
    struct op_row o = {0};
    assert_int_equal(store_op(f->s, 500, &o, NULL), 0);
    assert_string_equal(o.actor, "ada");
    assert_string_equal(o.call, "service.start");
    op_row_done(&o);
    free(after);
    free(l);
}

/* What is the same again is not written again. */
static void test_nothing_changed(void **state)
{
    struct fixture *f = *state;
    struct app_row a;
    struct service_row v;
    struct effects x = {0};
    add_app(f->s, add_user(f->s, "ada", 10), &a, &v);
    struct truth_save t = {.app_before = &a.app,
                           .app_after = &a.app,
                           .service_before = &v.service,
                           .service_after = &v.service,
                           .effects = &x,
                           .now_ms = 50};
    assert_int_equal(store_begin(f->s, NULL), 0);
    assert_int_equal(store_save(f->s, &t, NULL), 0);
    store_abort(f->s);
}

static struct effect use_of(int64_t user, int64_t node, int64_t hour)
{
    return (struct effect){
        .kind = EFF_LEDGER, .ledger = LEDGER_USE, .amount = -1, .user = user, .node_id = node, .hour = hour};
}

static void test_ledger(void **state)
{
    struct fixture *f = *state;
    struct app_row a;
    struct service_row v;
    struct err e = {0};
    int64_t ada = add_user(f->s, "ada", 3);
    add_app(f->s, ada, &a, &v);
    struct effect one[] = {use_of(ada, 9, 0)};
    struct effect twice[] = {use_of(ada, 9, 1), use_of(ada, 9, 0)};
    struct purse purse = {.user = ada, .balance = 2};
    assert_int_equal(
        save(f->s, &a.app, &v.service, &v.service, &(struct effects){.e = one, .n = 1}, &purse, NULL), 1);
    purse.balance = 0;
    assert_int_equal(
        save(f->s, &a.app, &v.service, &v.service, &(struct effects){.e = twice, .n = 2}, &purse, &e),
        ERR_EXISTS);
    struct effect more[] = {use_of(ada, 10, 0), use_of(ada, 11, 0), use_of(ada, 12, 0)};
    assert_int_equal(
        save(f->s, &a.app, &v.service, &v.service, &(struct effects){.e = more, .n = 3}, &purse, &e),
        ERR_CREDIT);
    struct user u = {0};
    assert_int_equal(store_user(f->s, ada, &u, NULL), 0);
    assert_int_equal(u.balance, 2); /* neither left anything behind */
    assert_int_equal(store_ledger_check(f->s, NULL), 0);
    user_done(&u);
    err_done(&e);
}

/* The transition's idea of the balance and the rows must agree. */
static void test_wrong_balance(void **state)
{
    struct fixture *f = *state;
    struct app_row a;
    struct service_row v;
    int64_t ada = add_user(f->s, "ada", 3);
    add_app(f->s, ada, &a, &v);
    struct effect one[] = {use_of(ada, 9, 0)};
    struct purse purse = {.user = ada, .balance = 3};
    struct err e = {0};
    assert_int_equal(
        save(f->s, &a.app, &v.service, &v.service, &(struct effects){.e = one, .n = 1}, &purse, &e),
        ERR_INTERNAL);
    err_done(&e);
}

static void test_grant_never_negative(void **state)
{
    struct fixture *f = *state;
    int64_t ada = add_user(f->s, "ada", 3), balance = -1;
    assert_int_equal(store_begin(f->s, NULL), 0);
    assert_int_equal(store_grant(f->s, ada, -10, "taken", 1, &balance, NULL), 0);
    assert_int_equal(store_commit(f->s, NULL), 0);
    assert_int_equal(balance, 0);
    assert_int_equal(store_ledger_check(f->s, NULL), 0);
}

static sqlite3 *raw(struct fixture *f)
{
    sqlite3 *h = NULL;
    _cleanup_free_ char *path = str_printf("%s/director.db", f->dir);
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    return h;
}

static void test_append_only(void **state)
{
    struct fixture *f = *state;
    (void)add_user(f->s, "ada", 3);
    sqlite3 *h = raw(f);
    assert_int_not_equal(sqlite3_exec(h, "UPDATE ledger SET amount = 99", NULL, NULL, NULL), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(h, "DELETE FROM ledger", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(h);
}

static void test_unique_users(void **state)
{
    struct fixture *f = *state;
    (void)add_user(f->s, "ada", 0);
    struct user u = {.username = (char *)"ada", .email = (char *)"b@example.org", .password = (char *)"!"};
    int64_t id = 0;
    struct err e = {0};
    assert_int_equal(store_begin(f->s, NULL), 0);
    assert_int_equal(store_user_add(f->s, &u, &id, &e), ERR_EXISTS);
    assert_non_null(strstr(e.message, "user name"));
    u.username = (char *)"bob";
    u.email = (char *)"ada@example.org";
    assert_int_equal(store_user_add(f->s, &u, &id, &e), ERR_EXISTS);
    assert_non_null(strstr(e.message, "e-mail"));
    store_abort(f->s);
    err_done(&e);
}

static void test_tokens_are_hashed(void **state)
{
    struct fixture *f = *state;
    int64_t ada = add_user(f->s, "ada", 0), id = 0;
    const char *secret = "cps_t_a-secret-that-nobody-may-read";
    struct token t = {.user = ada, .name = (char *)"ci", .created_ms = 1, .expires_ms = 100};
    assert_int_equal(store_begin(f->s, NULL), 0);
    assert_int_equal(store_token_add(f->s, &t, secret, &id, NULL), 0);
    assert_int_equal(store_token_add(f->s, &t, "another", &id, NULL), ERR_EXISTS);
    assert_int_equal(store_commit(f->s, NULL), 0);
    struct token found = {0};
    struct user u = {0};
    assert_int_equal(store_token_find(f->s, secret, 50, &found, &u, NULL), 0);
    assert_int_equal(u.id, ada);
    token_done(&found);
    user_done(&u);
    assert_int_equal(store_token_find(f->s, secret, 100, &found, &u, NULL), ERR_UNAUTHENTICATED);
    assert_int_equal(store_token_find(f->s, "guess", 50, &found, &u, NULL), ERR_UNAUTHENTICATED);
    store_close(f->s);
    f->s = NULL;
    _cleanup_free_ char *path = str_printf("%s/director.db", f->dir);
    _cleanup_buf_ struct buf bytes = {0};
    assert_int_equal(fs_read(path, 64 << 20, &bytes, NULL), 0);
    assert_null(memmem(bytes.data, bytes.len, secret, strlen(secret)));
}

static void test_enrolment_once(void **state)
{
    struct fixture *f = *state;
    struct enrolment n = {0};
    assert_int_equal(store_begin(f->s, NULL), 0);
    assert_int_equal(store_enrolment_add(f->s, 12, "secret", NULL), 0);
    assert_int_equal(store_commit(f->s, NULL), 0);
    assert_int_equal(store_enrolment(f->s, 12, "guess", &n, NULL), ERR_FORBIDDEN);
    assert_int_equal(store_enrolment(f->s, 13, "secret", &n, NULL), ERR_FORBIDDEN);
    assert_int_equal(store_begin(f->s, NULL), 0);
    assert_int_equal(store_enrolment_use(f->s, 12, "key-1", "CERT", 5, NULL), 0);
    assert_int_equal(store_enrolment_use(f->s, 12, "key-2", "CERT2", 5, NULL), ERR_FORBIDDEN);
    assert_int_equal(store_commit(f->s, NULL), 0);
    assert_int_equal(store_enrolment(f->s, 12, "secret", &n, NULL), 0);
    assert_string_equal(n.key_id, "key-1");
    assert_string_equal(n.certificate, "CERT");
    enrolment_done(&n);
}

static void test_events_count_up(void **state)
{
    struct fixture *f = *state;
    int64_t id = 0;
    assert_int_equal(store_begin(f->s, NULL), 0);
    for (int i = 0; i < 5; i++) {
        struct event ev = {.app = 1 + i % 2, .at_ms = i, .kind = "note", .text = (char *)"x"};
        assert_int_equal(store_event_add(f->s, &ev, &id, NULL), 0);
        assert_int_equal(id, 1 + i / 2);
    }
    assert_int_equal(store_commit(f->s, NULL), 0);
    struct event *ev = NULL;
    size_t n = 0;
    assert_int_equal(store_events_after(f->s, 1, 0, 1, 10, &ev, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(ev[0].id, 2);
    events_free(ev, n);
}

static void test_lease(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_lease(f->s, "clock", "a", 1000, 500, NULL), 1);
    assert_int_equal(store_lease(f->s, "clock", "b", 1200, 500, NULL), 0);
    assert_int_equal(store_lease(f->s, "clock", "a", 1400, 500, NULL), 1);
    assert_int_equal(store_lease(f->s, "clock", "b", 1900, 500, NULL), 1);
    assert_int_equal(store_lease(f->s, "clock", "a", 2000, 500, NULL), 0);
}

static void copy_file(const char *from, const char *to)
{
    _cleanup_buf_ struct buf b = {0};
    assert_int_equal(fs_read(from, 64 << 20, &b, NULL), 0);
    assert_int_equal(fs_write_atomic(to, b.data, b.len, 0600, NULL), 0);
}

static void test_restored(void **state)
{
    struct fixture *f = *state;
    struct store_info info;
    struct app_row a;
    struct service_row v;
    add_app(f->s, add_user(f->s, "ada", 3), &a, &v);
    _cleanup_free_ char *db = str_printf("%s/director.db", f->dir);
    _cleanup_free_ char *backup = str_printf("%s/backup", f->dir);
    reopen(f);
    store_info(f->s, &info);
    assert_int_equal(info.incarnation, 1);
    assert_false(info.recovery);
    store_close(f->s);
    f->s = NULL;
    copy_file(db, backup);
    assert_int_equal(store_open(f->dir, "test", 1, &f->s, NULL), 0);
    (void)add_user(f->s, "bob", 1);
    int64_t next = 0;
    assert_int_equal(store_begin(f->s, NULL), 0);
    next = *store_next_id(f->s);
    store_abort(f->s);
    assert_int_equal(store_mark(f->s, NULL), 0);
    store_close(f->s);
    f->s = NULL;
    copy_file(backup, db);
    assert_int_equal(store_open(f->dir, "test", 1, &f->s, NULL), 0);
    store_info(f->s, &info);
    assert_int_equal(info.incarnation, 2);
    assert_true(info.recovery);
    assert_int_equal(store_begin(f->s, NULL), 0);
    assert_true(*store_next_id(f->s) > next);
    assert_int_equal(store_reconciled(f->s, NULL), 0);
    assert_int_equal(store_commit(f->s, NULL), 0);
    struct loaded *l = xcalloc(1, sizeof(*l));
    assert_int_equal(store_load(f->s, take, l, NULL), 0);
    assert_true(l->app.app.epoch >= 2LL << 32); /* above every epoch of before */
    assert_int_equal(l->app.app.incarnation, 2);
    free(l);
    reopen(f); /* and it stays so */
    store_info(f->s, &info);
    assert_int_equal(info.incarnation, 2);
    assert_false(info.recovery);
}

static void test_too_new(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    sqlite3 *h = raw(f);
    assert_int_equal(sqlite3_exec(h, "PRAGMA user_version = 4711", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(h);
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(store_open(f->dir, "test", 1, &f->s, &e), ERR_FAILED);
    assert_non_null(strstr(e.message, "4711"));
    assert_non_null(e.hint);
    err_done(&e);
}

static void test_damaged(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    _cleanup_free_ char *db = str_printf("%s/director.db", f->dir);
    store_close(f->s);
    f->s = NULL;
    int fd = open(db, O_WRONLY | O_CLOEXEC);
    char junk[8192];
    memset(junk, 0xa5, sizeof(junk));
    assert_int_equal(pwrite(fd, junk, sizeof(junk), 4096), sizeof(junk));
    close(fd);
    assert_true(store_open(f->dir, "test", 1, &f->s, &e) < 0);
    assert_non_null(strstr(e.message, "damaged"));
    err_done(&e);
}

/* ---- crashes ---- */

static void write_for_ever(const char *dir, int fd)
{
    struct store *s = NULL;
    if (store_open(dir, "test", 1, &s, NULL) < 0) {
        _exit(3);
    }
    for (int i = 0;; i++) {
        _cleanup_free_ char *name = str_printf("user%d", i);
        (void)add_user(s, name, 7); /* user and ledger row in one transaction */
        if (write(fd, "x", 1) != 1) {
            _exit(4);
        }
    }
}

static int64_t count(struct fixture *f, const char *sql)
{
    sqlite3 *h = raw(f);
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(h);
    return n;
}

static void test_killed_while_writing(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    f->s = NULL;
    for (int round = 0; round < 4; round++) {
        assert_int_equal(fs_remove_tree(f->dir, NULL), 0);
        assert_int_equal(fs_mkdirs(f->dir, 0700, NULL), 0);
        int p[2], told = 0, status = 0;
        char c;
        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0) {
            write_for_ever(f->dir, p[1]);
        }
        close(p[1]);
        while (told < 3 + 11 * round && read(p[0], &c, 1) == 1) {
            told++;
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        while (read(p[0], &c, 1) == 1) {
            told++;
        }
        close(p[0]);
        assert_int_equal(store_open(f->dir, "test", 1, &f->s, NULL), 0);
        int64_t users = count(f, "SELECT count(*) FROM users");
        assert_true(users >= told); /* what was answered is there */
        assert_true(users <= told + 1);
        assert_int_equal(count(f, "SELECT count(*) FROM ledger"), users);
        assert_int_equal(store_ledger_check(f->s, NULL), 0);
        store_close(f->s);
        f->s = NULL;
    }
    assert_int_equal(store_open(f->dir, "test", 1, &f->s, NULL), 0);
}

/* ---- every word that the schema's indexes rely on ---- */

static void test_words(void **state)
{
    assert_string_equal(ledger_kind_to_str(LEDGER_USE), "use");
    assert_string_equal(ledger_kind_to_str(LEDGER_REFUND), "refund");
    assert_string_equal(ledger_kind_to_str(LEDGER_HOLD), "hold");
    assert_string_equal(ledger_kind_to_str(LEDGER_RELEASE), "release");
    assert_string_equal(node_status_to_str(NODE_GONE), "GONE");
    assert_string_equal(op_state_to_str(OP_ACTIVE), "ACTIVE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ledger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_balance, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grant_never_negative, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unique_users, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens_are_hashed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_enrolment_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events_count_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lease, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_new, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_while_writing, setup, teardown),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
