/*
 * What every cloud driver must do, as one list of checks.  `conform_cloud NAME` runs the list in the world of
 * that name: a row of `worlds` says how to open the cloud and how to make one of its machines die.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cloud/cloud_driver.h"
#include "hostd/record.h"
#include "hostd_world.h"

#define RUNNING_MS 20000
#define THREADS 10

/* a and b are handles of two installations on the same cloud. */
struct world {
    const char *name;
    int (*start)(struct world *w, struct err *e);
    void (*kill)(struct world *w, const char *id);
    void (*end)(struct world *w, struct buf *left);
    struct cloud a, b;
    struct hostd_world hostd;
    int tokens;
};

/* ---- small helpers ---- */

static void must(int r, struct err *e)
{
    if (r < 0) {
        print_error("%d (%s): %s\n", r, cloud_result_word(r), e->message);
        fail();
    }
    err_done(e);
}

static void new_spec(struct world *w, struct cloud_spec *s)
{
    *s = (struct cloud_spec){.user_data = "{\"x\": 1}"};
    (void)snprintf(s->token, sizeof(s->token), "t%d-%d", (int)getpid(), ++w->tokens);
    (void)snprintf(s->name, sizeof(s->name), "cps-u1-a1-n%d", w->tokens);
}

static void create(const struct cloud *c, const struct cloud_spec *s, struct cloud_machine *ret)
{
    struct err e = {0};

    must(c->driver->create(c->handle, s, ret, &e), &e);
    assert_true(ret->id[0] != '\0');
    assert_string_equal(ret->token, s->token);
}

static void terminate(const struct cloud *c, const char *id)
{
    struct err e = {0};

    must(c->driver->terminate(c->handle, id, &e), &e);
}

static bool gone(const struct cloud *c, const char *id)
{
    struct cloud_machine m;
    int r = c->driver->poll(c->handle, id, &m, NULL);

    return r == CLOUD_NOTFOUND || (r == 0 && m.state == CLOUD_M_GONE);
}

static void wait_running(const struct cloud *c, const char *id, struct cloud_machine *ret)
{
    int64_t deadline = clock_mono_ms() + RUNNING_MS;
    struct err e = {0};

    do {
        must(c->driver->poll(c->handle, id, ret, &e), &e);
        assert_int_not_equal(ret->state, CLOUD_M_GONE);
        if (ret->state == CLOUD_M_RUNNING) {
            return;
        }
        (void)poll(NULL, 0, 5);
    } while (clock_mono_ms() < deadline);
    fail_msg("machine %s is not RUNNING after %d ms", id, RUNNING_MS);
}

/* How often the list names the id, not counting it as GONE. */
static int listed(const struct cloud *c, const char *id)
{
    struct cloud_machine *list = NULL;
    struct err e = {0};
    size_t n = 0;
    int found = 0;

    must(c->driver->list(c->handle, &list, &n, &e), &e);
    for (size_t i = 0; i < n; i++) {
        found += str_eq(list[i].id, id) && list[i].state != CLOUD_M_GONE;
    }
    free(list);
    return found;
}

/* ---- the list ---- */

static void check_types(void **state)
{
    struct world *w = *state;
    const struct cloud_type *t = NULL;
    size_t n = 0;
    struct err e = {0};

    must(w->a.driver->types(w->a.handle, &t, &n, &e), &e);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(t[i].name[0] && t[i].millicores > 0 && t[i].memory_mb > 0 && t[i].pids > 0);
        assert_true(t[i].millicredits_per_hour >= 0 && t[i].disk_mb >= 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(t[i].name, t[j].name);
        }
    }
}

static void check_life(void **state)
{
    struct world *w = *state;
    struct cloud_machine m, p;
    struct cloud_spec s;
    int64_t before = clock_wall_ms();

    new_spec(w, &s);
    create(&w->a, &s, &m);
    wait_running(&w->a, m.id, &p);
    assert_string_equal(p.id, m.id);
    assert_string_equal(p.token, s.token);
    assert_true(p.address[0] != '\0');
    assert_true(p.created_ms >= before - 1000 && p.created_ms <= clock_wall_ms() + 1000);
    assert_int_equal(listed(&w->a, m.id), 1);
    terminate(&w->a, m.id);
    assert_true(gone(&w->a, m.id));
    assert_int_equal(listed(&w->a, m.id), 0);
}

static void check_every_type(void **state)
{
    struct world *w = *state;
    const struct cloud_type *t = NULL;
    size_t n = 0;
    struct err e = {0};

    must(w->a.driver->types(w->a.handle, &t, &n, &e), &e);
    for (size_t i = 0; i < n; i++) {
        struct cloud_machine m, p;
        struct cloud_spec s;
        new_spec(w, &s);
        (void)str_copy(s.type, sizeof(s.type), t[i].name);
        create(&w->a, &s, &m);
        wait_running(&w->a, m.id, &p);
        terminate(&w->a, m.id);
    }
}

static void check_idempotent(void **state)
{
    struct world *w = *state;
    struct cloud_machine first, again, other;
    struct cloud_spec s, t;

    new_spec(w, &s);
    new_spec(w, &t);
    create(&w->a, &s, &first);
    create(&w->a, &s, &again);
    create(&w->a, &t, &other);
    assert_string_equal(first.id, again.id);
    assert_string_not_equal(first.id, other.id);
    assert_int_equal(listed(&w->a, first.id), 1);
    terminate(&w->a, first.id);
    terminate(&w->a, first.id);
    assert_true(gone(&w->a, first.id));
    assert_int_equal(listed(&w->a, other.id), 1);
    terminate(&w->a, other.id);
}

static void check_find(void **state)
{
    struct world *w = *state;
    struct cloud_machine m, f;
    struct cloud_spec s;
    struct err e = {0};
    int r;

    new_spec(w, &s);
    create(&w->a, &s, &m);
    must(w->a.driver->find(w->a.handle, s.token, &f, &e), &e);
    assert_string_equal(f.id, m.id);
    assert_string_equal(f.token, s.token);
    assert_int_equal(w->a.driver->find(w->a.handle, "no-such-token", &f, NULL), CLOUD_NOTFOUND);
    terminate(&w->a, m.id);
    r = w->a.driver->find(w->a.handle, s.token, &f, NULL);
    assert_true(r == CLOUD_NOTFOUND || (r == 0 && f.state == CLOUD_M_GONE));
}

/* The same token of two installations: two machines, each seen by its own. */
static void check_own_only(void **state)
{
    struct world *w = *state;
    struct cloud_machine a, b, f;
    struct cloud_spec s;
    struct err e = {0};

    new_spec(w, &s);
    create(&w->a, &s, &a);
    assert_int_equal(w->b.driver->find(w->b.handle, s.token, &f, NULL), CLOUD_NOTFOUND);
    create(&w->b, &s, &b);
    assert_int_equal(listed(&w->a, a.id), 1);
    assert_int_equal(listed(&w->b, b.id), 1);
    if (!str_eq(a.id, b.id)) { /* ids may be worlds of their own */
        assert_int_equal(listed(&w->a, b.id), 0);
        assert_int_equal(listed(&w->b, a.id), 0);
    }
    must(w->a.driver->find(w->a.handle, s.token, &f, &e), &e);
    assert_string_equal(f.id, a.id);
    terminate(&w->a, a.id);
    assert_int_equal(listed(&w->b, b.id), 1);
    terminate(&w->b, b.id);
}

static void check_unknown_ids(void **state)
{
    static const char *const ids[] = {"no-such-machine",
                                      "n1-aaaaaaaa",
                                      "../../etc/passwd",
                                      "n1-a/../../x",
                                      "n1-a b",
                                      "\"},{\"x\":1",
                                      "%s%n",
                                      "n"};
    struct world *w = *state;
    struct cloud_machine m, kept;
    struct cloud_spec s;

    new_spec(w, &s);
    create(&w->a, &s, &kept);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_int_equal(w->a.driver->poll(w->a.handle, ids[i], &m, NULL), CLOUD_NOTFOUND);
        terminate(&w->a, ids[i]);
    }
    assert_int_equal(listed(&w->a, kept.id), 1);
    terminate(&w->a, kept.id);
}

static void refused(struct world *w, const struct cloud_spec *s)
{
    struct cloud_machine m;
    struct err e = {0};
    int r = w->a.driver->create(w->a.handle, s, &m, &e);

    assert_int_equal(r, CLOUD_INVALID);
    assert_true(e.message && e.message[0]);
    err_done(&e);
}

static void check_bad_input(void **state)
{
    static const char *const names[] = {"", "Big", "a_b", "a b", "-a", "a-", "a/b", "..", "a\nb", "\xc3\xa4"};
    static const char *const tokens[] = {"", "a b", "a/b", "../x", "-x", ".x", "a\nb", "a\"b", "\xff"};
    struct world *w = *state;
    struct cloud_machine *list = NULL;
    struct cloud_spec s;
    struct err e = {0};
    size_t before = 0, after = 0;

    must(w->a.driver->list(w->a.handle, &list, &before, &e), &e);
    free(list);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        new_spec(w, &s);
        (void)str_copy(s.name, sizeof(s.name), names[i]);
        refused(w, &s);
    }
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        new_spec(w, &s);
        (void)str_copy(s.token, sizeof(s.token), tokens[i]);
        refused(w, &s);
    }
    new_spec(w, &s);
    (void)str_copy(s.type, sizeof(s.type), "no-such-type");
    refused(w, &s);
    must(w->a.driver->list(w->a.handle, &list, &after, &e), &e);
    free(list);
    assert_int_equal(before, after);
}

static void check_user_data_limit(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *text = xmalloc(CLOUD_USER_DATA_MAX + 2);
    struct cloud_machine m;
    struct cloud_spec s;

    memset(text, 'x', CLOUD_USER_DATA_MAX + 1);
    text[CLOUD_USER_DATA_MAX + 1] = '\0';
    new_spec(w, &s);
    s.user_data = text;
    refused(w, &s);
    text[CLOUD_USER_DATA_MAX] = '\0';
    create(&w->a, &s, &m);
    terminate(&w->a, m.id);
}

/* ---- several threads ---- */

struct worker {
    struct world *w;
    struct cloud_spec spec;
    struct cloud_machine m;
    int result;
    pthread_t thread;
};

static void *work_create(void *arg)
{
    struct worker *k = arg;

    k->result = k->w->a.driver->create(k->w->a.handle, &k->spec, &k->m, NULL);
    return NULL;
}

static void *work_terminate(void *arg)
{
    struct worker *k = arg;

    k->result = k->w->a.driver->terminate(k->w->a.handle, k->m.id, NULL);
    return NULL;
}

/* All at once; returns the milliseconds until the last one is done. */
static int64_t run_all(struct worker *k, size_t n, void *(*f)(void *))
{
    int64_t begun = clock_mono_ms();

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pthread_create(&k[i].thread, NULL, f, &k[i]), 0);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pthread_join(k[i].thread, NULL), 0);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(k[i].result, 0);
    }
    return clock_mono_ms() - begun;
}

static void check_same_token_at_once(void **state)
{
    struct world *w = *state;
    struct worker k[THREADS] = {0};

    new_spec(w, &k[0].spec);
    for (size_t i = 0; i < THREADS; i++) {
        k[i].w = w;
        k[i].spec = k[0].spec;
    }
    (void)run_all(k, THREADS, work_create);
    for (size_t i = 1; i < THREADS; i++) {
        assert_string_equal(k[i].m.id, k[0].m.id);
    }
    assert_int_equal(listed(&w->a, k[0].m.id), 1);
    (void)run_all(k, THREADS, work_terminate);
    assert_true(gone(&w->a, k[0].m.id));
}

static void check_many_at_once(void **state)
{
    struct world *w = *state;
    struct worker k[THREADS] = {0};
    struct cloud_machine p;
    struct cloud_spec s;
    int64_t one, all, ended;

    new_spec(w, &s);
    one = clock_mono_ms();
    create(&w->a, &s, &p);
    wait_running(&w->a, p.id, &p);
    one = clock_mono_ms() - one;
    terminate(&w->a, p.id);
    for (size_t i = 0; i < THREADS; i++) {
        k[i].w = w;
        new_spec(w, &k[i].spec);
    }
    all = run_all(k, THREADS, work_create);
    for (size_t i = 0; i < THREADS; i++) {
        wait_running(&w->a, k[i].m.id, &p);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(k[i].m.id, k[j].m.id);
            assert_string_not_equal(k[i].m.address, k[j].m.address);
        }
    }
    ended = run_all(k, THREADS, work_terminate);
    for (size_t i = 0; i < THREADS; i++) {
        assert_true(gone(&w->a, k[i].m.id));
    }
    print_message("%s: one machine in %lld ms, %d at once in %lld ms, ended in %lld ms\n", w->name,
                  (long long)one, THREADS, (long long)all, (long long)ended);
}

/* ---- faults ---- */

static void check_dead_machine(void **state)
{
    struct world *w = *state;
    int64_t deadline = clock_mono_ms() + RUNNING_MS;
    struct cloud_machine m, p;
    struct cloud_spec s;

    new_spec(w, &s);
    create(&w->a, &s, &m);
    wait_running(&w->a, m.id, &p);
    w->kill(w, m.id);
    while (!gone(&w->a, m.id) && clock_mono_ms() < deadline) {
        (void)poll(NULL, 0, 5);
    }
    assert_true(gone(&w->a, m.id));
    terminate(&w->a, m.id);
    assert_int_equal(listed(&w->a, m.id), 0);
}

static void check_settings(void **state)
{
    static const struct {
        const char *key, *value;
    } bad[] = {{"types", ""},
               {"types", "small"},
               {"types", "small:500m:256M:256p"},
               {"types", "small:500m:256M:256p:1c small:500m:256M:256p:1c"},
               {"types", "small:0m:256M:256p:1c"},
               {"types", "small:500m:256M:256p:1.2345c"},
               {"no_such_key", "1"}};
    struct world *w = *state;
    struct cloud c;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_json_ json_t *j =
            json_pack("{s:s, s:s}", "driver", w->a.driver->name, bad[i].key, bad[i].value);
        struct err e = {0};
        assert_int_equal(cloud_open("x", j, "conform", &c, &e), ERR_INVALID);
        assert_true(e.message && e.message[0]);
        err_done(&e);
    }
}

/* What the list of c says about a volume: NULL machine = it is not in it. */
static void check_listed(struct cloud *c, const char *token, const char *id, const char *machine)
{
    struct cloud_volume *list = NULL;
    struct err e = {0};
    size_t n = 0;
    const char *found = NULL;

    must(c->driver->vol_list(c->handle, &list, &n, &e), &e);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(list[i].token, token)) {
            assert_null(found);
            assert_string_equal(list[i].id, id);
            assert_int_equal(list[i].megabytes, 32);
            assert_true(list[i].created_ms > 0);
            found = list[i].machine;
        }
    }
    if (machine) {
        assert_non_null(found);
        assert_string_equal(found, machine);
    } else {
        assert_null(found);
    }
    free(list);
}

static void check_volumes(void **state)
{
    struct world *w = *state;
    const struct cloud_driver *d = w->a.driver;
    char id[CLOUD_ID_MAX] = "", again[CLOUD_ID_MAX] = "";
    struct cloud_machine m, n, p;
    struct cloud_spec s, t;
    struct err e = {0};

    if (!d->vol_create) {
        assert_true(!(d->capabilities & CLOUD_CAN_VOLUMES));
        skip();
        return;
    }
    if (!d->vol_attach || !d->vol_detach || !d->vol_delete || !d->vol_find || !d->vol_list) {
        fail_msg("volumes in part only");
        return;
    }
    new_spec(w, &s);
    new_spec(w, &t);
    create(&w->a, &s, &m);
    create(&w->a, &t, &n);
    wait_running(&w->a, m.id, &p);
    wait_running(&w->a, n.id, &p);
    assert_int_equal(d->vol_find(w->a.handle, s.token, id, NULL), CLOUD_NOTFOUND);
    must(d->vol_create(w->a.handle, s.token, 32, id, &e), &e);
    must(d->vol_create(w->a.handle, s.token, 32, again, &e), &e);
    assert_string_equal(id, again);
    again[0] = '\0';
    must(d->vol_find(w->a.handle, s.token, again, &e), &e);
    assert_string_equal(id, again);
    check_listed(&w->a, s.token, id, "");
    check_listed(&w->b, s.token, id, NULL); /* another installation's */
    must(d->vol_attach(w->a.handle, id, m.id, "data", &e), &e);
    check_listed(&w->a, s.token, id, m.id);
    must(d->vol_attach(w->a.handle, id, m.id, "data", &e), &e);
    assert_int_equal(d->vol_attach(w->a.handle, id, n.id, "data", NULL), CLOUD_CONFLICT);
    assert_int_equal(d->vol_delete(w->a.handle, id, NULL), CLOUD_CONFLICT);
    must(d->vol_detach(w->a.handle, id, &e), &e);
    must(d->vol_detach(w->a.handle, id, &e), &e);
    must(d->vol_attach(w->a.handle, id, n.id, "data", &e), &e);
    terminate(&w->a, n.id);
    must(d->vol_attach(w->a.handle, id, m.id, "data", &e), &e); /* the dead hold nothing */
    must(d->vol_detach(w->a.handle, id, &e), &e);
    must(d->vol_delete(w->a.handle, id, &e), &e);
    check_listed(&w->a, s.token, id, NULL);
    must(d->vol_delete(w->a.handle, id, &e), &e);
    assert_int_equal(d->vol_attach(w->a.handle, id, m.id, "data", NULL), CLOUD_NOTFOUND);
    assert_int_equal(d->vol_detach(w->a.handle, "v-none", NULL), CLOUD_NOTFOUND);
    terminate(&w->a, m.id);
}

/* After all of the above. */
static void check_nothing_listed(void **state)
{
    struct world *w = *state;
    struct cloud *const clouds[] = {&w->a, &w->b};

    for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
        struct cloud_machine *list = NULL;
        struct err e = {0};
        size_t n = 0;
        must(clouds[i]->driver->list(clouds[i]->handle, &list, &n, &e), &e);
        free(list);
        assert_int_equal(n, 0);
    }
}

static const struct CMUnitTest checks[] = {
    cmocka_unit_test(check_types),
    cmocka_unit_test(check_life),
    cmocka_unit_test(check_every_type),
    cmocka_unit_test(check_idempotent),
    cmocka_unit_test(check_find),
    cmocka_unit_test(check_own_only),
    cmocka_unit_test(check_unknown_ids),
    cmocka_unit_test(check_bad_input),
    cmocka_unit_test(check_user_data_limit),
    cmocka_unit_test(check_same_token_at_once),
    cmocka_unit_test(check_many_at_once),
    cmocka_unit_test(check_dead_machine),
    cmocka_unit_test(check_settings),
    cmocka_unit_test(check_volumes),
    cmocka_unit_test(check_nothing_listed),
};

/* ---- worlds ---- */

static int open_both(struct world *w, const json_t *settings, struct err *e)
{
    int r = cloud_open("a", settings, "conform-a", &w->a, e);

    return r < 0 ? r : cloud_open("b", settings, "conform-b", &w->b, e);
}

/* The 60th find loses its machine: more than the checks before the one that kills need. */
static int sim_start(struct world *w, struct err *e)
{
    _cleanup_json_ json_t *s =
        json_pack("{s:s, s:s, s:s}", "driver", "sim", "boot_ms", "20", "script", "find:60=lose");

    return open_both(w, s, e);
}

static void sim_kill(struct world *w, const char *id)
{
    struct cloud_machine m, f;
    struct err e = {0};

    must(w->a.driver->poll(w->a.handle, id, &m, &e), &e);
    for (int i = 0; i < 60; i++) {
        must(w->a.driver->find(w->a.handle, m.token, &f, &e), &e);
        if (f.state == CLOUD_M_GONE) {
            return;
        }
    }
    fail_msg("the script did not lose the machine");
}

static void sim_end(struct world *w, struct buf *left)
{
}

static int local_start(struct world *w, struct err *e)
{
    _cleanup_json_ json_t *s = NULL;
    int r = hostd_world_start(&w->hostd, e);

    if (r < 0) {
        return r;
    }
    s = json_pack("{s:s, s:s, s:s}", "driver", "local", "socket", w->hostd.conf.socket, "types",
                  "small:500m:128M:64p:1c disk:500m:128M:64p:64d:1.5c");
    return open_both(w, s, e);
}

static void local_kill(struct world *w, const char *id)
{
    struct record r;
    struct err e = {0};

    must(record_read(&w->hostd.conf, id, &r, &e), &e);
    assert_true(r.pid > 1);
    assert_int_equal(kill((pid_t)r.pid, SIGKILL), 0);
}

static void local_end(struct world *w, struct buf *left)
{
    hostd_world_end(&w->hostd, left);
}

static const struct world worlds[] = {
    {.name = "sim", .start = sim_start, .kill = sim_kill, .end = sim_end},
    {.name = "local", .start = local_start, .kill = local_kill, .end = local_end},
};

static int set_up(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    int r = w->start(w, &e);

    if (r < 0) {
        print_error("%s\n", e.message);
    }
    err_done(&e);
    return r < 0 ? -1 : 0;
}

static int take_down(void **state)
{
    struct world *w = *state;
    _cleanup_buf_ struct buf left = {0};

    cloud_close(&w->a);
    cloud_close(&w->b);
    w->end(w, &left);
    if (left.len > 0) {
        print_error("left on this machine:\n%s", left.data);
    }
    return left.len > 0;
}

/* The group's state comes from its set-up function, which has no argument: so each check is given the world
 * as its initial state, and world's start and end run around the group by hand. */
static int run_list(const char *name, const struct CMUnitTest *list, size_t n, struct world *w)
{
    void *state = w;
    int failed;

    if (set_up(&state) < 0) {
        (void)take_down(&state);
        return 1;
    }
    failed = _cmocka_run_group_tests(name, list, n, NULL, NULL);
    return take_down(&state) != 0 || failed > 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(worlds); i++) {
        struct world w = worlds[i];
        struct CMUnitTest list[ARRAY_LEN(checks)];
        if (argc != 2 || !str_eq(argv[1], w.name)) {
            continue;
        }
        if (str_eq(w.name, "local") && geteuid() != 0) {
            print_error("containers need root\n");
            return 1;
        }
        memcpy(list, checks, sizeof(checks));
        for (size_t j = 0; j < ARRAY_LEN(list); j++) {
            list[j].initial_state = &w;
        }
        return run_list(w.name, list, ARRAY_LEN(list), &w);
    }
    print_error("usage: conform_cloud sim|local\n");
    return 2;
}
