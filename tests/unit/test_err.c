/*
 * Errors and memory: every row of the table, texts made from themselves.
 */
#include "cm.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static void every_row(void **state)
{
#define X(sym, value, word, status, exit_code)                                                               \
    assert_int_equal(sym, value);                                                                            \
    assert_string_equal(err_word(sym), word);                                                                \
    assert_int_equal(err_http_status(sym), status);                                                          \
    assert_int_equal(err_exit_code(sym), exit_code);                                                         \
    assert_int_equal(err_from_word(word), sym);
    ERR_TABLE(X)
#undef X
    assert_int_equal(err_from_word("nonsense"), ERR_INTERNAL);
    assert_int_equal(err_from_word(NULL), ERR_INTERNAL);
}

static void errno_values(void **state)
{
    assert_string_equal(err_word(-ENOENT), "not_found");
    assert_string_equal(err_word(-EINVAL), "invalid");
    assert_string_equal(err_word(-EACCES), "forbidden");
    assert_string_equal(err_word(-EEXIST), "exists");
    assert_string_equal(err_word(-ETIMEDOUT), "timeout");
    assert_string_equal(err_word(-EIO), "internal");
    assert_string_equal(err_word(-999999), "internal");
    assert_int_equal(err_http_status(-ENOENT), 404);
}

static void texts(void **state)
{
    _cleanup_err_ struct err e = {0};
    assert_int_equal(err_set_hint(&e, ERR_STATE, "start it", "%s is %s", "x", "stopped"), ERR_STATE);
    assert_string_equal(e.message, "x is stopped");
    assert_string_equal(e.hint, "start it");
    assert_int_equal(err_wrap(&e, ERR_INTERNAL, "service %d", 7), ERR_STATE);
    assert_string_equal(e.message, "service 7: x is stopped");
    assert_string_equal(e.hint, "start it");
    assert_int_equal(err_set(&e, ERR_QUOTA, "again: %s", e.message), ERR_QUOTA); /* made from itself */
    assert_string_equal(e.message, "again: service 7: x is stopped");
    assert_null(e.hint);
    assert_int_equal(err_errno(&e, ENOENT, "open %s", "f"), -ENOENT);
    assert_string_equal(e.message, "open f: No such file or directory");
    err_done(&e);
    assert_null(e.message);
    assert_int_equal(e.code, 0);
    assert_int_equal(err_wrap(&e, ERR_RATE, "c"), ERR_RATE);
    assert_string_equal(e.message, "c: too_many_requests");
}

static void nobody_wants_the_text(void **state)
{
    assert_int_equal(err_set(NULL, ERR_STATE, "x"), ERR_STATE);
    assert_int_equal(err_set_hint(NULL, ERR_STATE, "h", "x"), ERR_STATE);
    assert_int_equal(err_wrap(NULL, ERR_STATE, "x"), ERR_STATE);
    assert_int_equal(err_errno(NULL, EPERM, "x"), -EPERM);
    err_done(NULL);
}

static void memory(void **state)
{
    _cleanup_free_ void *zero = xmalloc(0), *none = xcalloc(0, 8), *copy = xmemdup("abc", 3);
    assert_non_null(zero);
    assert_non_null(none);
    assert_memory_equal(copy, "abc", 3);
    char *p = xstrdup("x"), *taken = TAKE_PTR(p);
    assert_null(p);
    assert_string_equal(taken, "x");
    free(taken);
    char secret[8] = "1234567";
    assert_true(mem_equal_secret(secret, "1234567", 8));
    assert_false(mem_equal_secret(secret, "1234568", 8));
    mem_wipe(secret, sizeof(secret));
    assert_int_equal(secret[0] | secret[6], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row), cmocka_unit_test(errno_values),
        cmocka_unit_test(texts),     cmocka_unit_test(nobody_wants_the_text),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
