/*
 * Strict JSON and the field table.
 */
#include "cm.h"

#include "base/json.h"

static int parse(const char *text, json_t **ret)
{
    return json_parse(text, strlen(text), 1 << 20, ret, NULL);
}

static void strict(void **state)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "{}x",
                                      "{\"a\":1,\"a\":2}",
                                      "[1,]",
                                      "{'a':1}",
                                      "nul",
                                      "1e400",
                                      "\"\\ud800\"",
                                      "\"\\u0000\"",
                                      "\"a\nb\"",
                                      "\"\xff\"",
                                      "99999999999999999999",
                                      "// c\n{}",
                                      "[1] [2]",
                                      "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        json_t *j = NULL;
        if (parse(bad[i], &j) != ERR_INVALID) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_null(j);
    }
    static const char *const good[] = {"{}", "[]",    "null",
                                       "1",  "\"x\"", " {\"a\":[1,2.5,true,null,\"\\u00e9\"]} "};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        _cleanup_json_ json_t *j = NULL;
        assert_int_equal(parse(good[i], &j), 0);
    }
    json_t *j = NULL;
    assert_int_equal(json_parse("[1,2,3]", 7, 6, &j, NULL), ERR_TOO_LARGE);
}

static void depth(void **state)
{
    for (int n = 63; n <= 66; n++) {
        _cleanup_buf_ struct buf b = {0};
        for (int i = 0; i < n; i++) {
            buf_addc(&b, '[');
        }
        for (int i = 0; i < n; i++) {
            buf_addc(&b, ']');
        }
        _cleanup_json_ json_t *j = NULL;
        assert_int_equal(parse(b.data, &j), n <= 64 ? 0 : ERR_INVALID);
    }
    _cleanup_free_ char *deep = xcalloc(1, 1000001);
    memset(deep, '[', 1000000);
    json_t *j = NULL;
    assert_int_equal(json_parse(deep, 1000000, 1 << 20, &j, NULL), ERR_INVALID);
    _cleanup_json_ json_t *quoted = NULL; /* brackets in strings do not count */
    assert_int_equal(
        parse("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"", &quoted),
        0);
}

struct target {
    const char *name;
    int64_t count;
    bool flag;
    double ratio;
    json_t *object, *list, *any;
};
static const struct json_field fields[] = {
    {"name", JSON_F_STRING, offsetof(struct target, name), .required = true, .min = 1, .max = 5},
    {"count", JSON_F_INT, offsetof(struct target, count), .min = 1, .max = 10},
    {.name = "flag", .kind = JSON_F_BOOL, .offset = offsetof(struct target, flag)},
    {.name = "ratio", .kind = JSON_F_REAL, .offset = offsetof(struct target, ratio)},
    {"object", JSON_F_OBJECT, offsetof(struct target, object), .max = 1},
    {"list", JSON_F_ARRAY, offsetof(struct target, list), .max = 2},
    {.name = "any", .kind = JSON_F_ANY, .offset = offsetof(struct target, any)},
    {.name = NULL},
};

static void field_table(void **state)
{
    static const struct {
        const char *text, *word; /* NULL: good */
    } rows[] = {
        {"{\"name\":\"abc\"}", NULL},
        {"{\"name\":\"abc\",\"count\":10,\"flag\":true,\"ratio\":2,\"object\":{},\"list\":[1,2],\"any\":"
         "null}",
         NULL},
        {"{}", "\"name\" is missing"},
        {"[]", "object is expected"},
        {"{\"name\":\"\"}", "\"name\""},
        {"{\"name\":\"abcdef\"}", "\"name\""},
        {"{\"name\":null}", "\"name\""},
        {"{\"name\":7}", "\"name\""},
        {"{\"name\":\"a\",\"count\":0}", "\"count\""},
        {"{\"name\":\"a\",\"count\":11}", "\"count\""},
        {"{\"name\":\"a\",\"count\":1.0}", "\"count\""},
        {"{\"name\":\"a\",\"count\":\"1\"}", "\"count\""},
        {"{\"name\":\"a\",\"flag\":1}", "\"flag\""},
        {"{\"name\":\"a\",\"list\":[1,2,3]}", "\"list\""},
        {"{\"name\":\"a\",\"list\":{}}", "\"list\""},
        {"{\"name\":\"a\",\"object\":{\"a\":1,\"b\":2}}", "\"object\""},
        {"{\"name\":\"a\",\"nmae\":1}", "unknown member \"nmae\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_json_ json_t *j = NULL;
        _cleanup_err_ struct err e = {0};
        struct target t = {.count = 5};
        assert_int_equal(parse(rows[i].text, &j), 0);
        int r = json_read(j, fields, &t, &e);
        assert_int_equal(r, rows[i].word ? ERR_INVALID : 0);
        if (rows[i].word) {
            assert_non_null(strstr(e.message, rows[i].word));
            assert_null(t.name); /* nothing is stored of a refused object */
        }
    }
    _cleanup_json_ json_t *j = NULL;
    assert_int_equal(parse(rows[1].text, &j), 0);
    struct target t = {0};
    assert_int_equal(json_read(j, fields, &t, NULL), 0);
    assert_string_equal(t.name, "abc");
    assert_true(t.count == 10 && t.flag && t.ratio == 2.0);
    assert_int_equal(json_array_size(t.list), 2);
    assert_true(json_is_null(t.any));
}

static void texts(void **state)
{
    _cleanup_json_ json_t *j = json_pack("{s:i, s:s, s:b}", "b", 1, "a", "x", "c", 1);
    _cleanup_free_ char *canonical = json_canonical(j), *text = json_text(j);
    assert_string_equal(canonical, "{\"a\":\"x\",\"b\":1,\"c\":true}");
    assert_string_equal(text, "{\"b\":1,\"a\":\"x\",\"c\":true}");
    assert_string_equal(json_str(j, "a", "f"), "x");
    assert_string_equal(json_str(j, "b", "f"), "f");
    assert_int_equal(json_int(j, "b", 9), 1);
    assert_int_equal(json_int(j, "zz", 9), 9);
    assert_true(json_flag(j, "c", false) && json_flag(j, "a", true));
    assert_string_equal(json_str(NULL, "a", "f"), "f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict),
        cmocka_unit_test(depth),
        cmocka_unit_test(field_table),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
