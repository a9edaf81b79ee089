/*
 * Clouds: result words, types in text, opening by settings, and every effect a sim cloud's script can have.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "cloud/cloud_driver.h"
#include "cloud/sim_script.h"
#include "cloud/types.h"

static void test_words(void **state)
{
    static const int results[] = {
#define X(sym, value, word, what) sym,
        CLOUD_RESULT_TABLE(X)
#undef X
    };

    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        assert_int_equal(cloud_result_from_word(cloud_result_word(results[i])), results[i]);
    }
    assert_string_equal(cloud_result_word(7), "ok");
    assert_string_equal(cloud_result_word(-1), "permanent");
    assert_int_equal(cloud_result_from_word("no such word"), CLOUD_PERMANENT);
    for (int k = 0; k < SIM_KIND_MAX; k++) {
        assert_int_equal(sim_kind_from_str(sim_kind_to_str((enum sim_kind)k)), k);
    }
}

static void test_types(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "small",
                                      ":500m:256M:256p:1c",
                                      "Small:500m:256M:256p:1c",
                                      "small:500m:256M:256p",
                                      "small:500m:256M:1c",
                                      "small:500x:256M:256p:1c",
                                      "small:m:256M:256p:1c",
                                      "small:500m:256M:256p:1.c",
                                      "small:500m:256M:256p:-1c",
                                      "small:500m:256M:256p:1c a:1m:256M:256p:1c",
                                      "small:500m:256M:256p:1c small:500m:256M:256p:2c",
                                      "small::500m:256M:256p:1c"};
    struct cloud_type *list = NULL;
    size_t n = 0;

    assert_int_equal(
        types_parse("small:500m:256M:100p:1c  big:2000m:4096M:1000p:10240d:2.05c", &list, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_string_equal(types_find(list, n, "")->name, "small");
    assert_int_equal(list[0].millicredits_per_hour, 1000);
    assert_int_equal(list[0].disk_mb, 0);
    assert_int_equal(list[1].millicredits_per_hour, 2050);
    assert_int_equal(list[1].disk_mb, 10240);
    assert_ptr_equal(types_find(list, n, "big"), &list[1]);
    assert_null(types_find(list, n, "huge"));
    free(list);
    assert_int_equal(types_parse(TYPES_DEFAULT, &list, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(list[i].disk_mb > 0); /* a tenant must not fill the host's disk */
    }
    free(list);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = {0};
        assert_int_equal(types_parse(bad[i], &list, &n, &e), ERR_INVALID);
        assert_true(e.message && e.message[0]);
        err_done(&e);
    }
}

static void open_sim(struct cloud *c, const char *script, const char *extra_key, int extra)
{
    _cleanup_json_ json_t *j =
        json_pack("{s:s, s:s, s:i}", "driver", "sim", "script", script, extra_key, extra);
    struct err e = {0};

    if (cloud_open("test", j, "unit", c, &e) < 0) {
        print_error("%s\n", e.message);
        err_done(&e);
        fail();
    }
}

static int create(struct cloud *c, const char *token, struct cloud_machine *m)
{
    struct cloud_spec s = {.name = "n1", .user_data = ""};

    (void)str_copy(s.token, sizeof(s.token), token);
    return c->driver->create(c->handle, &s, m, NULL);
}

static int find(struct cloud *c, const char *token, struct cloud_machine *m)
{
    return c->driver->find(c->handle, token, m, NULL);
}

static size_t count(struct cloud *c)
{
    struct cloud_machine *list = NULL;
    size_t n = 0;

    assert_int_equal(c->driver->list(c->handle, &list, &n, NULL), 0);
    free(list);
    return n;
}

static void test_fail(void **state)
{
    struct cloud_machine m;
    struct cloud c;

    open_sim(&c, "create:2=quota find:1=throttled create:4=auth", "boot_ms", 0);
    assert_int_equal(create(&c, "a", &m), 0);
    assert_int_equal(create(&c, "b", &m), CLOUD_QUOTA);
    assert_int_equal(count(&c), 1);
    assert_int_equal(find(&c, "a", &m), CLOUD_THROTTLED);
    assert_int_equal(find(&c, "a", &m), 0);
    assert_int_equal(create(&c, "b", &m), 0);
    assert_int_equal(create(&c, "c", &m), CLOUD_AUTH);
    assert_int_equal(count(&c), 2);
    cloud_close(&c);
}

static void test_every(void **state)
{
    struct cloud_machine m;
    struct cloud c;

    open_sim(&c, "create:*=retry create:3=ok", "boot_ms", 0);
    assert_int_equal(create(&c, "a", &m), CLOUD_RETRY);
    assert_int_equal(create(&c, "a", &m), CLOUD_RETRY);
    assert_int_equal(create(&c, "a", &m), 0);
    assert_int_equal(create(&c, "b", &m), CLOUD_RETRY);
    cloud_close(&c);
}

static void test_unknown_made(void **state)
{
    struct cloud_machine m;
    struct cloud c;

    open_sim(&c, "create:1=unknown+ create:2=unknown terminate:1=unknown+ terminate:2=retry", "boot_ms", 0);
    assert_int_equal(create(&c, "a", &m), CLOUD_UNKNOWN);
    assert_int_equal(find(&c, "a", &m), 0);
    assert_int_equal(create(&c, "b", &m), CLOUD_UNKNOWN);
    struct cloud_machine b;
    assert_int_equal(find(&c, "b", &b), CLOUD_NOTFOUND);
    assert_int_equal(c.driver->terminate(c.handle, m.id, NULL), CLOUD_UNKNOWN);
    assert_int_equal(find(&c, "a", &m), CLOUD_NOTFOUND);
    assert_int_equal(create(&c, "c", &m), 0);
    assert_int_equal(c.driver->terminate(c.handle, m.id, NULL), CLOUD_RETRY);
    assert_int_equal(count(&c), 1);
    cloud_close(&c);
}

static void test_late(void **state)
{
    int64_t begun = clock_mono_ms();
    struct cloud_machine m;
    struct cloud c;
    int r;

    open_sim(&c, "create:1=late+", "late_ms", 200);
    assert_int_equal(create(&c, "a", &m), CLOUD_UNKNOWN);
    do {
        r = find(&c, "a", &m);
    } while (r == CLOUD_NOTFOUND && clock_mono_ms() < begun + 5000);
    assert_int_equal(r, 0);
    assert_true(clock_mono_ms() - begun >= 200);
    cloud_close(&c);
}

static void test_lose_and_lie(void **state)
{
    struct cloud_machine m, p;
    struct cloud c;

    open_sim(&c, "poll:2=lie poll:5=lose list:1=lie", "boot_ms", 0);
    assert_int_equal(create(&c, "a", &m), 0);
    assert_int_equal(count(&c), 0);
    assert_int_equal(count(&c), 1);
    for (int i = 1; i <= 6; i++) {
        assert_int_equal(c.driver->poll(c.handle, m.id, &p, NULL), 0);
        assert_int_equal(p.state, i == 2 || i >= 5 ? CLOUD_M_GONE : CLOUD_M_RUNNING);
    }
    cloud_close(&c);
}

static void test_hang(void **state)
{
    int64_t begun = clock_mono_ms();
    struct cloud_machine m;
    struct cloud c;

    open_sim(&c, "create:1=hang poll:1=hang", "hang_ms", 60);
    assert_int_equal(create(&c, "a", &m), CLOUD_UNKNOWN);
    assert_true(clock_mono_ms() - begun >= 60);
    assert_int_equal(find(&c, "a", &m), CLOUD_NOTFOUND);
    assert_int_equal(create(&c, "a", &m), 0);
    assert_int_equal(c.driver->poll(c.handle, m.id, &m, NULL), CLOUD_RETRY);
    cloud_close(&c);
}

static void test_capacity_and_boot(void **state)
{
    struct cloud_machine m;
    struct cloud c;

    open_sim(&c, "", "capacity", 2);
    assert_int_equal(create(&c, "a", &m), 0);
    assert_int_equal(create(&c, "b", &m), 0);
    assert_int_equal(create(&c, "c", &m), CLOUD_CAPACITY);
    assert_int_equal(create(&c, "b", &m), 0);
    assert_int_equal(c.driver->terminate(c.handle, m.id, NULL), 0);
    assert_int_equal(create(&c, "c", &m), 0);
    cloud_close(&c);
    open_sim(&c, "", "boot_ms", 3600000);
    assert_int_equal(create(&c, "a", &m), 0);
    assert_int_equal(m.state, CLOUD_M_BOOTING);
    cloud_close(&c);
}

static void test_bad_settings(void **state)
{
    static const char *const scripts[] = {
        "create",         "create:1",     "create:0=retry", "create:1=nonsense", "drop:1=retry",
        "create:x=retry", "create:1=ok+", "create:1=",      "create:1=hang+",    ":1=retry"};
    struct cloud c;

    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        _cleanup_json_ json_t *j = json_pack("{s:s, s:s}", "driver", "sim", "script", scripts[i]);
        struct err e = {0};
        assert_int_equal(cloud_open("x", j, "unit", &c, &e), ERR_INVALID);
        assert_non_null(strstr(e.message, scripts[i]));
        err_done(&e);
    }
    _cleanup_json_ json_t *unknown = json_pack("{s:s}", "driver", "ec3");
    _cleanup_json_ json_t *none = json_object();
    _cleanup_json_ json_t *number = json_pack("{s:s, s:s}", "driver", "sim", "boot_ms", "soon");
    assert_int_equal(cloud_open("x", unknown, "unit", &c, NULL), ERR_INVALID);
    assert_int_equal(cloud_open("x", none, "unit", &c, NULL), ERR_INVALID);
    assert_int_equal(cloud_open("x", number, "unit", &c, NULL), ERR_INVALID);
    _cleanup_json_ json_t *good = json_pack("{s:s, s:s}", "driver", "sim", "boot_ms", "3");
    assert_int_equal(cloud_open("X!", good, "unit", &c, NULL), ERR_INVALID);
    assert_int_equal(cloud_open("x", good, "no_underscores", &c, NULL), ERR_INVALID);
    assert_int_equal(cloud_open("x", good, "unit", &c, NULL), 0);
    cloud_close(&c);
}

/* Nobody listens: the local cloud says so, and that the same call may be tried again. */
static void test_local_without_hostd(void **state)
{
    _cleanup_json_ json_t *j =
        json_pack("{s:s, s:s}", "driver", "local", "socket", "/nonexistent/hostd.sock");
    struct cloud_machine m;
    struct cloud c;

    assert_int_equal(cloud_open("x", j, "unit", &c, NULL), 0);
    assert_int_equal(create(&c, "a", &m), CLOUD_RETRY);
    assert_int_equal(c.driver->terminate(c.handle, "n1-a", NULL), CLOUD_RETRY);
    cloud_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_every),
        cmocka_unit_test(test_unknown_made),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_lose_and_lie),
        cmocka_unit_test(test_hang),
        cmocka_unit_test(test_capacity_and_boot),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_local_without_hostd),
    };

    return cmocka_run_group_tests_name("cloud", tests, NULL, NULL);
}
