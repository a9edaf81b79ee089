/*
 * The pure parts of HTTP: cookies and event streams (targets are tested through the server).
 */
#include "cm.h"

#include "net/http_sse.h"
#include "net/http_uri.h"

static void cookies(void **state)
{
    static const struct {
        const char *header, *name, *value;
    } rows[] = {
        {"a=b", "a", "b"},
        {"x=1; a=b", "a", "b"},
        {"a=\"q\"", "a", "q"},
        {"a=b=c; d=e", "a", "b=c"},
        {"a=1;a=2", "a", "1"},
        {"aa=1", "a", NULL},
        {"a", "a", NULL},
        {"=b", "", NULL},
        {"  a=b \t; c=d", "a", "b"},
        {";;; ;a=b;;", "a", "b"},
        {"A=b", "a", NULL},
        {"a=\"", "a", "\""},
        {"", "a", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_pairs p = {0};
        http_cookies_parse(rows[i].header, &p);
        const char *got = http_pairs_get(&p, rows[i].name);
        if (!str_eq(got, rows[i].value)) {
            fail_msg("%s: %s", rows[i].header, got ? got : "(none)");
        }
        http_pairs_done(&p);
    }
    _cleanup_buf_ struct buf b = {0};
    for (int i = 0; i < 10000; i++) {
        buf_addf(&b, "c%d=x;", i);
    }
    struct http_pairs p = {0};
    http_cookies_parse(b.data, &p);
    assert_int_equal(p.n, 64);
    http_pairs_done(&p);
}

static void too_many_parameters(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    buf_adds(&b, "/a?");
    for (int i = 0; i < 65; i++) {
        buf_addf(&b, "p%d=x&", i);
    }
    struct http_target t = {0};
    assert_int_equal(http_target_parse(b.data, &t, NULL), ERR_INVALID);
    assert_int_equal(http_target_parse("/a?x=1+2&&y&z=", &t, NULL), 0);
    assert_string_equal(http_pairs_get(&t.query, "x"), "1 2");
    assert_string_equal(http_pairs_get(&t.query, "y"), "");
    assert_string_equal(http_pairs_get(&t.query, "z"), "");
    http_target_done(&t);
}

static int note(void *arg, const char *event, const char *id, const char *data)
{
    buf_addf(arg, "%s,%s,%s|", event, id, data);
    return str_eq(event, "stop") ? 5 : 0;
}

static void events(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"data: a\n\n", "message,,a|"},
        {"data:a\r\n\r\ndata: b\r\rdata:  c\n\n", "message,,a|message,,b|message,, c|"},
        {": comment\n\ndata\n\n", "message,,|"},
        {"event: x\n\ndata: a\n\n", "message,,a|"},
        {"id: 7\ndata: a\ndata: b\n\ndata: c\n\n", "message,7,a\nb|message,7,c|"},
        {"retry: 10\nunknown: y\ndata: a\n\n", "message,,a|"},
        {"data: unfinished\n", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t step = 1; step < 20; step++) { /* however the bytes are cut */
            _cleanup_buf_ struct buf b = {0};
            struct sse_parser p = {.on_event = note, .arg = &b};
            size_t n = strlen(rows[i].text);
            for (size_t at = 0; at < n; at += step) {
                assert_int_equal(sse_feed(&p, rows[i].text + at, n - at < step ? n - at : step), 0);
            }
            assert_string_equal(b.data ? b.data : "", rows[i].want);
            sse_done(&p);
        }
    }
    _cleanup_buf_ struct buf b = {0};
    struct sse_parser p = {.on_event = note, .arg = &b};
    assert_int_equal(sse_feed(&p, "event: stop\ndata: x\n\ndata: y\n\n", 31), 5);
    assert_string_equal(b.data, "stop,,x|");
    sse_done(&p);
    p = (struct sse_parser){.on_event = note, .arg = &b};
    _cleanup_free_ char *megabyte = xmalloc(1 << 20);
    memset(megabyte, 'x', 1 << 20);
    int r = 0;
    for (int i = 0; i < 5 && r == 0; i++) {
        r = sse_feed(&p, megabyte, 1 << 20);
    }
    assert_int_equal(r, ERR_TOO_LARGE);
    sse_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookies),
        cmocka_unit_test(too_many_parameters),
        cmocka_unit_test(events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
