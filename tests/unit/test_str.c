/*
 * Strings, hex, hashes, clocks.
 */
#include "cm.h"

#include "base/clock.h"
#include "base/str.h"

static void buffers(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    for (int i = 0; i < 1000; i++) {
        buf_addf(&b, "%d,", i);
    }
    assert_int_equal(b.len, 3890);
    assert_int_equal(strlen(b.data), b.len);
    buf_reset(&b);
    buf_add(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    assert_int_equal(b.data[3], 0);
    struct buf empty = {0};
    _cleanup_free_ char *taken = buf_take(&empty);
    assert_string_equal(taken, "");
}

static void comparisons(void **state)
{
    assert_true(str_eq(NULL, NULL));
    assert_false(str_eq(NULL, ""));
    assert_true(str_starts("abc", "ab") && !str_starts("a", "ab") && !str_starts(NULL, "a"));
    assert_true(str_ends("abc", "bc") && !str_ends("c", "bc") && str_ends("x", "") && !str_ends(NULL, ""));
    char field[4];
    assert_true(str_copy(field, sizeof(field), "abc"));
    assert_false(str_copy(field, sizeof(field), "abcd"));
    assert_string_equal(field, "abc");
}

static void integers(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max, value;
        bool good;
    } rows[] = {
        {"0", 0, 9, 0, true},
        {"-5", -9, 9, -5, true},
        {"007", 0, 9, 7, true},
        {"10", 0, 9, 0, false},
        {"", 0, 9, 0, false},
        {"-", -9, 9, 0, false},
        {"+1", 0, 9, 0, false},
        {" 1", 0, 9, 0, false},
        {"1 ", 0, 9, 0, false},
        {"0x1", 0, 9, 0, false},
        {"1e2", 0, 999, 0, false},
        {"null", 0, 9, 0, false},
        {"9223372036854775807", 0, INT64_MAX, INT64_MAX, true},
        {"9223372036854775808", 0, INT64_MAX, 0, false},
        {"-9223372036854775808", INT64_MIN, 0, INT64_MIN, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t v = 42;
        int r = str_to_int(rows[i].text, rows[i].min, rows[i].max, &v);
        assert_int_equal(r, rows[i].good ? 0 : ERR_INVALID);
        assert_int_equal(v, rows[i].good ? rows[i].value : 42);
    }
    int64_t v = 0;
    assert_int_equal(str_to_int(NULL, 0, 1, &v), ERR_INVALID);
}

static void utf8(void **state)
{
    static const char *const good[] = {
        "", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\xae",
                                      "\xc3",
                                      "\xe0\x80\xaf",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xe2\x82",
                                      "a\xff"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(str_is_utf8(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(str_is_utf8(bad[i]));
    }
}

static void vectors(void **state)
{
    char **v = str_split("a,,b,", ',');
    assert_int_equal(strv_len(v), 4);
    assert_string_equal(v[1], "");
    assert_string_equal(v[2], "b");
    assert_string_equal(v[3], "");
    strv_free(v);
    v = str_split("", ',');
    assert_int_equal(strv_len(v), 1);
    strv_free(v);
    strv_free(NULL);
}

static void hex_and_hashes(void **state)
{
    char hex[9], sum[SHA256_HEX], sum2[SHA256_HEX];
    uint8_t bytes[4] = {0};
    hex_encode("\x00\x7f\x80\xff", 4, hex);
    assert_string_equal(hex, "007f80ff");
    assert_int_equal(hex_decode(hex, bytes, 4), 0);
    assert_memory_equal(bytes, "\x00\x7f\x80\xff", 4);
    assert_int_equal(hex_decode("007F80ff", bytes, 4), ERR_INVALID);
    assert_int_equal(hex_decode("007f80", bytes, 4), ERR_INVALID);
    assert_int_equal(hex_decode("007f80fg", bytes, 4), ERR_INVALID);
    assert_int_equal(hex_decode(NULL, bytes, 4), ERR_INVALID);
    sha256_hex("abc", 3, sum);
    assert_string_equal(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct sha256 *h = sha256_new();
    sha256_add(h, "a", 1);
    sha256_add(h, "", 0);
    sha256_add(h, "bc", 2);
    sha256_final(h, sum2);
    assert_string_equal(sum, sum2);
}

static void random_names(void **state)
{
    _cleanup_free_ char *a = random_name("t-", 20), *b = random_name("t-", 20);
    assert_int_equal(strlen(a), 22);
    assert_true(str_starts(a, "t-"));
    assert_string_not_equal(a, b);
    assert_int_equal(strspn(a + 2, "abcdefghijklmnopqrstuvwxyz0123456789"), 20);
}

static void clocks(void **state)
{
    char text[24];
    clock_iso(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    clock_iso(1795493106999, text);
    assert_string_equal(text, "2026-11-24T04:05:06Z");
    clock_iso(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59Z");
    clock_iso(INT64_MAX, text);
    assert_string_equal(text, "invalid");
    int64_t a = clock_steady_ms(), b = clock_steady_ms();
    assert_true(b >= a && b - a < 60000);
    assert_true(llabs(clock_wall_ms() - a) < 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers), cmocka_unit_test(comparisons),  cmocka_unit_test(integers),
        cmocka_unit_test(utf8),    cmocka_unit_test(vectors),      cmocka_unit_test(hex_and_hashes),
        cmocka_unit_test(clocks),  cmocka_unit_test(random_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
