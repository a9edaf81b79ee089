/*
 * Log lines: their form, that nothing from outside can forge one, rotation.
 */
#include "cm.h"

#include <regex.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

static struct buf seen;

static void tap(void *arg, enum log_level level, const char *line)
{
    buf_reset(&seen);
    buf_adds(&seen, line);
    ++*(int *)arg;
}

static void form(void **state)
{
    char path[] = "/tmp/test-log-XXXXXX";
    assert_non_null(mkdtemp(path));
    _cleanup_free_ char *file = str_printf("%s/log", path);
    int lines = 0;
    assert_int_equal(log_to_file(file, LOG_INFO, 0, 0, NULL), 0);
    log_set_tap(tap, &lines);
    const struct log_ctx ctx = {.logger = "manager.plan", .app = 7, .op = 12};
    log_info(&ctx, "STATE %s: %d", "INIT", 5);
    regex_t re;
    assert_int_equal(regcomp(&re,
                             "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{3} INFO "
                             "manager\\.plan STATE INIT: 5 app=7 op=12$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    assert_int_equal(regexec(&re, seen.data, 0, NULL, 0), 0);
    regfree(&re);
    log_debug(&ctx, "not wanted");
    assert_int_equal(lines, 1);
    log_error(NULL, "a\n2026-01-01 00:00:00,000 INFO forged\x1b[31m\r");
    assert_null(strchr(seen.data, '\n'));
    assert_non_null(strstr(seen.data, "a\\n2026"));
    assert_non_null(strstr(seen.data, "\\x1b[31m\\x0d"));
    _cleanup_free_ char *huge = xcalloc(1, 100001);
    memset(huge, 'h', 100000);
    log_error(NULL, "%s", huge);
    assert_true(seen.len < 8400);
    _cleanup_buf_ struct buf b = {0};
    assert_int_equal(fs_read(file, 1 << 20, &b, NULL), 0);
    size_t n = 0;
    for (size_t i = 0; i < b.len; i++) {
        n += b.data[i] == '\n';
    }
    assert_int_equal(n, 3);
    log_set_tap(NULL, NULL);
    log_to_stderr(LOG_ERROR);
    buf_done(&seen);
    assert_int_equal(fs_remove_tree(path, NULL), 0);
}

static void rotation(void **state)
{
    char path[] = "/tmp/test-log-XXXXXX";
    assert_non_null(mkdtemp(path));
    _cleanup_free_ char *file = str_printf("%s/log", path);
    assert_int_equal(log_to_file(file, LOG_INFO, 400, 2, NULL), 0);
    for (int i = 0; i < 40; i++) {
        log_info(NULL, "line number %02d", i);
    }
    log_to_stderr(LOG_ERROR);
    static const struct {
        const char *suffix;
        bool there;
    } rows[] = {{"", true}, {".1", true}, {".2", true}, {".3", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *name = str_printf("%s%s", file, rows[i].suffix);
        _cleanup_buf_ struct buf b = {0};
        assert_int_equal(fs_exists(name), rows[i].there);
        if (rows[i].there) {
            assert_int_equal(fs_read(name, 400, &b, NULL), 0);
        }
        if (i == 0) {
            assert_non_null(strstr(b.data, "line number 39"));
        }
    }
    assert_int_equal(fs_remove_tree(path, NULL), 0);
}

static void limit(void **state)
{
    struct log_limit l = {0};
    int allowed = 0;
    for (int i = 0; i < 100; i++) {
        allowed += log_allowed(&l, 5, 3600000);
    }
    assert_int_equal(allowed, 5);
    assert_true(log_allowed(&l, 5, 0)); /* a window that is over */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(form),
        cmocka_unit_test(rotation),
        cmocka_unit_test(limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
