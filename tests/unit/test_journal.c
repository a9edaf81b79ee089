/*
 * The journal of commands: durable, at most once, over crashes.
 */
#include "cm.h"

#include <sys/stat.h>
#include <unistd.h>

#include "agent/journal.h"
#include "base/fs.h"

struct place {
    char dir[32];
    char *path;
};

static int set_up(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));
    (void)str_copy(p->dir, sizeof(p->dir), "/tmp/test-journal-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->path = str_printf("%s/journal.json", p->dir);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    assert_int_equal(fs_remove_tree(p->dir, NULL), 0);
    free(p->path);
    free(p);
    return 0;
}

static struct journal *open_journal(const struct place *p)
{
    struct journal *j = NULL;
    struct err e = {0};
    if (journal_open(p->path, &j, &e) < 0) {
        fail_msg("%s", e.message);
    }
    return j;
}

static void test_once(void **state)
{
    struct journal *j = open_journal(*state);
    struct err e = {0};
    int rc = 9;
    assert_int_equal(journal_state(j, "init:1", &rc), CMD_NONE);
    assert_int_equal(journal_begin(j, "init:1", "init", CMD_RUNNING, &e), 0);
    assert_int_equal(journal_begin(j, "init:1", "init", CMD_RUNNING, &e), ERR_EXISTS);
    err_done(&e);
    assert_int_equal(journal_state(j, "init:1", &rc), CMD_RUNNING);
    assert_int_equal(journal_end(j, "init:1", 3, "no such file", &e), 0);
    assert_int_equal(journal_state(j, "init:1", &rc), CMD_STOPPED);
    assert_int_equal(rc, 3);
    assert_int_equal(journal_begin(j, "init:1", "init", CMD_RUNNING, &e), ERR_EXISTS);
    err_done(&e);
    assert_int_equal(journal_end(j, "other", 0, NULL, &e), ERR_NOT_FOUND);
    err_done(&e);
    journal_close(j);
}

/* RUNNING is on disk before anything starts, and means -1 after a crash. */
static void test_crash(void **state)
{
    struct journal *j = open_journal(*state);
    struct err e = {0};
    int rc = 0;
    assert_int_equal(journal_begin(j, "run#7", "run", CMD_RUNNING, &e), 0);
    assert_int_equal(journal_begin(j, "run#8", "run", CMD_REFUSED, &e), 0);
    struct journal *after = open_journal(*state); /* the first one never says goodbye */
    assert_int_equal(journal_state(after, "run#7", &rc), CMD_STOPPED);
    assert_int_equal(rc, -1);
    assert_int_equal(journal_state(after, "run#8", &rc), CMD_REFUSED);
    journal_close(after);
    after = open_journal(*state); /* and that is durable as well */
    assert_int_equal(journal_state(after, "run#7", &rc), CMD_STOPPED);
    journal_close(after);
    journal_close(j);
}

static void test_report_and_room(void **state)
{
    struct journal *j = open_journal(*state);
    struct err e = {0};
    int rc = 0;
    char id[48];
    assert_int_equal(journal_begin(j, "lasting", "run", CMD_RUNNING, &e), 0);
    for (int i = 0; i < JOURNAL_MAX + 10; i++) {
        snprintf(id, sizeof(id), "c#%d", i);
        assert_int_equal(journal_begin(j, id, "notify", CMD_RUNNING, &e), 0);
        assert_int_equal(journal_end(j, id, 0, NULL, &e), 0);
    }
    assert_int_equal(journal_state(j, "lasting", &rc), CMD_RUNNING); /* what runs is never forgotten */
    assert_int_equal(journal_state(j, "c#0", &rc), CMD_NONE);
    _cleanup_json_ json_t *list = journal_report(j, NULL);
    assert_int_equal(json_array_size(list), CMDS_MAX);
    assert_string_equal(json_str(json_array_get(list, 0), "id", ""), id);
    /* what the document asks for is told, however old it is */
    _cleanup_json_ json_t *asked = json_pack("[{s:s}]", "id", "lasting");
    _cleanup_json_ json_t *both = journal_report(j, asked);
    assert_int_equal(json_array_size(both), CMDS_MAX);
    assert_string_equal(json_str(json_array_get(both, 0), "id", ""), "lasting");
    assert_string_equal(json_str(json_array_get(both, 1), "id", ""), id);
    journal_close(j);
}

/* The document asks for init as long as its version is current: it is forgotten last. */
static void test_init_stays(void **state)
{
    struct journal *j = open_journal(*state);
    struct err e = {0};
    int rc = 0;
    char id[48];
    assert_int_equal(journal_begin(j, "init:7", "init", CMD_RUNNING, &e), 0);
    assert_int_equal(journal_end(j, "init:7", 0, NULL, &e), 0);
    for (int i = 0; i < 2 * JOURNAL_MAX; i++) {
        snprintf(id, sizeof(id), "run#%d", i);
        assert_int_equal(journal_begin(j, id, "run", CMD_REFUSED, &e), 0);
    }
    assert_int_equal(journal_state(j, "init:7", &rc), CMD_STOPPED);
    journal_close(j);
}

/* A command that may be begun again is as if it had never begun, if the node went down meanwhile; its result counts
 * else. */
static void test_again(void **state)
{
    struct journal *j = open_journal(*state);
    struct err e = {0};
    int rc = 0;
    assert_int_equal(journal_begin(j, "load#1", "load", CMD_RUNNING, &e), 0);
    assert_int_equal(journal_allow_again(j, "load#1", &e), 0);
    assert_int_equal(journal_begin(j, "load#2", "load", CMD_RUNNING, &e), 0);
    assert_int_equal(journal_allow_again(j, "load#2", &e), 0);
    assert_int_equal(journal_end(j, "load#2", 1, "no such table", &e), 0);
    assert_int_equal(journal_allow_again(j, "load#3", &e), ERR_NOT_FOUND);
    err_done(&e);
    journal_close(j);
    j = open_journal(*state);
    assert_int_equal(journal_state(j, "load#1", &rc), CMD_NONE);
    assert_int_equal(journal_state(j, "load#2", &rc), CMD_STOPPED);
    assert_int_equal(rc, 1);
    _cleanup_json_ json_t *list = journal_report(j, NULL);
    assert_string_equal(json_str(json_array_get(list, 0), "text", ""), "no such table");
    journal_close(j);
}

static void test_not_durable(void **state)
{
    const struct place *p = *state;
    struct journal *j = open_journal(p);
    _cleanup_err_ struct err e = {0};
    int rc;
    assert_int_equal(fs_remove_tree(p->dir, &e), 0); /* nothing can be written */
    assert_true(journal_begin(j, "init:1", "init", CMD_RUNNING, &e) < 0);
    assert_int_equal(journal_state(j, "init:1", &rc), CMD_NONE); /* so it has not begun */
    journal_close(j);
    assert_int_equal(mkdir(p->dir, 0700), 0);
}

static void test_damaged(void **state)
{
    const struct place *p = *state;
    static const char *const bad[] = {"{", "[{\"id\": \"a\", \"state\": \"PERHAPS\"}]", "[1]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_err_ struct err e = {0};
        struct journal *j = NULL;
        assert_int_equal(fs_write_atomic(p->path, bad[i], strlen(bad[i]), 0600, &e), 0);
        assert_true(journal_open(p->path, &j, &e) < 0);
        assert_null(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_report_and_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_init_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_durable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
