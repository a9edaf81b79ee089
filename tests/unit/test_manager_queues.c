/*
 * The manager's bounded queues: log lines are kept until they have arrived, calls are refused when there is no room,
 * questions are given once and answered once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "manager/calls.h"
#include "manager/journal.h"
#include "manager/queries.h"

static void test_journal_keeps_until_arrived(void **state)
{
    struct journal *j = xcalloc(1, sizeof(*j));
    journal_init(j);
    journal_add(j, LOG_INFO, 3, "a.logger", "line %d", 1);
    _cleanup_json_ json_t *first = journal_take(j);
    assert_int_equal(json_array_size(first), 1);
    assert_string_equal(json_str(json_array_get(first, 0), "line", ""), "a.logger line 1");
    assert_int_equal(json_int(json_array_get(first, 0), "service", 0), 3);
    journal_settle(j, false);
    journal_add(j, LOG_INFO, 3, "a.logger", "line 2");
    _cleanup_json_ json_t *again = journal_take(j);
    assert_int_equal(json_array_size(again), 2);
    journal_add(j, LOG_INFO, 3, "a.logger", "line 3"); /* while the report is under way */
    journal_settle(j, true);
    _cleanup_json_ json_t *rest = journal_take(j);
    assert_int_equal(json_array_size(rest), 1);
    journal_settle(j, true);
    assert_true(journal_empty(j));
    journal_done(j);
    free(j);
}

static void test_journal_says_what_is_lost(void **state)
{
    struct journal *j = xcalloc(1, sizeof(*j));
    journal_init(j);
    for (int i = 0; i < JOURNAL_MAX + 7; i++) {
        journal_add(j, LOG_DEBUG, 0, "x", "%d", i);
    }
    _cleanup_json_ json_t *batch = journal_take(j);
    assert_int_equal(json_array_size(batch), JOURNAL_BATCH + 1);
    assert_non_null(strstr(json_str(json_array_get(batch, 0), "line", ""), "7 lines are missing"));
    assert_string_equal(json_str(json_array_get(batch, 1), "line", ""), "x 7");
    /* Lines that fall out while the batch is under way are not dropped twice. */
    for (int i = 0; i < 5; i++) {
        journal_add(j, LOG_DEBUG, 0, "x", "late");
    }
    journal_settle(j, true);
    assert_int_equal(j->n, JOURNAL_MAX - JOURNAL_BATCH + 5);
    journal_done(j);
    free(j);
}

static void test_calls_are_bounded(void **state)
{
    struct calls *c = xcalloc(1, sizeof(*c));
    struct queued_call got;
    calls_init(c);
    for (int i = 0; i < CALLS_MAX; i++) {
        struct queued_call call = {.path = "/p", .body = json_pack("{s:i}", "i", i)};
        assert_true(calls_push(c, &call));
    }
    struct queued_call more = {.path = "/p", .body = json_object()};
    assert_false(calls_push(c, &more));
    assert_true(calls_pop(c, &got));
    assert_int_equal(json_int(got.body, "i", -1), 0);
    json_decref(got.body);
    calls_clear(c);
    assert_int_equal(c->n, 0);
    calls_close(c);
    assert_false(calls_pop(c, &got));
    calls_done(c);
    free(c);
}

static void test_queries(void **state)
{
    struct queries qs = {0};
    _cleanup_json_ json_t *list = json_pack("[{s:i,s:i,s:s,s:s,s:i},{s:i,s:i,s:s,s:s,s:i}]", "id", 1, "node",
                                            12, "kind", "log", "name", "agent.log", "lines", 5, "id", 2,
                                            "node", 3, "kind", "log", "name", "manager.log", "lines", 7);
    assert_int_equal(queries_take(&qs, list, 1000), 2);
    assert_int_equal(queries_take(&qs, list, 2000), 0);
    assert_true(queries_waiting(&qs, 12));
    _cleanup_json_ json_t *given = queries_give(&qs, 12);
    assert_int_equal(json_array_size(given), 1);
    assert_null(queries_give(&qs, 12));
    assert_false(queries_answered(&qs, 1, 13)); /* another node's answer */
    assert_true(queries_answered(&qs, 1, 12));
    assert_false(queries_answered(&qs, 1, 12));
    assert_int_equal(queries_own(&qs, 3)->lines, 7);
    assert_null(queries_own(&qs, 3));
    assert_int_equal(queries_take(&qs, list, 2000 + QUERY_LIFE_MS), 2); /* forgotten by then */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_keeps_until_arrived),
        cmocka_unit_test(test_journal_says_what_is_lost),
        cmocka_unit_test(test_calls_are_bounded),
        cmocka_unit_test(test_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
