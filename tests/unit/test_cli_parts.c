/*
 * Parts of the command line by themselves: text made safe, widths, tables, figures, addresses, doctor's
 * arithmetic, and the completion script in a real bash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/nearest.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/print.h"
#include "cli/resolve.h"
#include "cli/settings.h"
#include "cli/table.h"

/* ---- text ---- */

static void test_safe(void **state)
{
    static const struct {
        const char *in, *out;
        bool lines;
    } rows[] = {
        {"plain", "plain", false},
        {"größe ✓ 漢字", "größe ✓ 漢字", false},
        {"a\033[31mb", "a?[31mb", true},
        {"a\nb\tc\rd", "a?b?c?d", false},
        {"a\nb\tc\rd", "a\nb\tc?d", true},
        {"bell\a\177", "bell??", true},
        {"c1 \xc2\x9b"
         "31m",
         "c1 ?31m", true},
        {"turn \xe2\x80\xae and \xe2\x81\xa6", "turn ? and ?", true},
        {"cut \xe2\x82", "cut ??", true},
        {"long \xc0\xaf", "long ??", true},
        {"surrogate \xed\xa0\x80", "surrogate ???", true},
        {"", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_buf_ struct buf b = {0};
        term_safe(&b, rows[i].in, rows[i].lines);
        assert_string_equal(b.data, rows[i].out);
    }
}

static void test_columns_and_fit(void **state)
{
    struct term t = {.utf8 = true};
    assert_int_equal(term_columns("größe"), 5);
    assert_int_equal(term_columns("漢字"), 4);
    assert_int_equal(term_columns("e\xcc\x81"), 1);
    static const struct {
        const char *in, *out;
        int columns;
        bool right;
    } rows[] = {
        {"abc", "abc  ", 5, false},      {"abc", "  abc", 5, true},      {"abcdef", "abcd…", 5, false},
        {"漢字漢字", "漢字…", 5, false}, {"漢字漢字", "漢… ", 4, false}, {"", "   ", 3, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_buf_ struct buf b = {0};
        term_fit(&t, &b, rows[i].in, rows[i].columns, rows[i].right);
        assert_int_equal(term_columns(b.data), rows[i].columns);
        assert_string_equal(b.data, rows[i].out);
    }
    t.utf8 = false;
    _cleanup_buf_ struct buf plain = {0};
    term_fit(&t, &plain, "abcdefghijkl", 8, false);
    assert_string_equal(plain.data, "abcdef..");
}

/* Long lines go on below; words, and with a usage what stands in brackets, stay whole. */
static void test_wrap(void **state)
{
    static const struct {
        const char *in, *out;
        int at, indent;
        bool usage;
    } rows[] = {
        {"", "\n", 0, 0, false},
        {"short", "short\n", 0, 0, false},
        {"one two three four five six", "one two three four five six\n", 13, 13, false},
        {"one two three four five six", "one two three four five\n    six\n", 17, 4, false},
        {"größe größe größe größe größe größe größe", "größe größe größe größe größe größe\n  größe\n", 0, 2,
         false},
        {"0123456789012345678901234567890123456789012 x", "0123456789012345678901234567890123456789012\n x\n",
         0, 1, false},
        {"conpaas go SERVICE [--where TEXT] [--how TEXT]",
         "conpaas go SERVICE [--where TEXT]\n    [--how TEXT]\n", 0, 4, true},
        {"conpaas go SERVICE [--where TEXT] [--how TEXT]",
         "conpaas go SERVICE [--where TEXT] [--how\n    TEXT]\n", 0, 4, false},
        {"  indented, and so long that it goes on", "  indented, and so long that it goes\n    on\n", 2, 4,
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *text = NULL;
        size_t len = 0;
        struct term t = {.utf8 = true, .width = 40, .out = open_memstream(&text, &len)};
        (rows[i].usage ? term_wrap_usage : term_wrap)(&t, t.out, rows[i].in, rows[i].at, rows[i].indent);
        fclose(t.out);
        assert_string_equal(text, rows[i].out);
        free(text);
    }
}

static void expect_figure(char *got, const char *wanted)
{
    assert_string_equal(got, wanted);
    free(got);
}

static void test_figures(void **state)
{
    expect_figure(term_duration(0), "0.0 s");
    expect_figure(term_duration(8410), "8.4 s");
    expect_figure(term_duration(125000), "2 min 5 s");
    expect_figure(term_duration(3780000), "1 h 3 min");
    expect_figure(term_age(0, 119000), "119 s");
    expect_figure(term_age(0, 28 * 60000), "28 min");
    expect_figure(term_age(0, 3 * 86400000LL), "3 d");
    expect_figure(term_age(5000, 0), "0 s");
    expect_figure(term_number(0), "0");
    expect_figure(term_number(-1440), "-1,440");
    expect_figure(term_number(1234567), "1,234,567");
    expect_figure(term_number(INT64_MIN), "-9,223,372,036,854,775,808");
    expect_figure(term_milli(1000), "1");
    expect_figure(term_milli(2500), "2.5");
    expect_figure(term_milli(-250), "-0.25");
    expect_figure(term_milli(1440000), "1,440");
    expect_figure(term_bytes(999), "999 B");
    expect_figure(term_bytes(1234567), "1.2 MB");
    expect_figure(term_bytes(536870912), "537 MB");
}

/* ---- tables ---- */

static char *print_table(struct table *t, int width)
{
    char *text = NULL;
    size_t len = 0;
    struct term term = {.utf8 = true, .width = width, .out = open_memstream(&text, &len)};
    table_print(t, &term);
    fclose(term.out);
    return text;
}

static void test_table_gives_way(void **state)
{
    static const struct table_column columns[] = {{"ID", .right = true},
                                                  {"NAME", .shrink = 4},
                                                  {"EMPTY", .optional = true},
                                                  {"SAME", .same = true},
                                                  {"WHY", .shrink = 8, .wrap = true}};
    _cleanup_(table_freep) struct table *t = table_new(columns, 5);
    static const char *const cells[] = {
        "1", "a name that is long", "", "x", "because of many words that go on", "12", "b", "", "x", "ok"};
    for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
        table_add(t, cells[i]);
    }
    assert_int_equal(table_rows(t), 2);
    _cleanup_free_ char *wide = print_table(t, 80), *narrow = print_table(t, 30);
    assert_string_equal(wide, "ID  NAME                 WHY\n"
                              " 1  a name that is long  because of many words that go on\n"
                              "12  b                    ok\n");
    assert_string_equal(narrow, "ID  NAME          WHY\n"
                                " 1  a name that…  because of\n"
                                "                  many words\n"
                                "                  that go on\n"
                                "12  b             ok\n");
}

/* Whatever the cells hold, no line is wider than the terminal while the columns can give way. */
static void test_table_is_never_wider(void **state)
{
    static const struct table_column columns[] = {
        {"A", .shrink = 3}, {"B", .shrink = 3, .right = true}, {"C", .shrink = 3, .wrap = true}};
    static const char *const texts[] = {"",
                                        "x",
                                        "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字",
                                        "a-very-long-word-without-any-space-in-it-at-all-and-more-of-it",
                                        "words and words and words and words and words and words and words",
                                        "\033[2J\n"};
    for (int width = 40; width <= 120; width += 7) {
        for (size_t k = 0; k < ARRAY_LEN(texts) * ARRAY_LEN(texts) * ARRAY_LEN(texts); k++) {
            _cleanup_(table_freep) struct table *t = table_new(columns, 3);
            size_t n = ARRAY_LEN(texts);
            table_add(t, texts[k % n]);
            table_add(t, texts[k / n % n]);
            table_add(t, texts[k / n / n]);
            _cleanup_free_ char *text = print_table(t, width);
            char **lines = str_split(text, '\n');
            for (char **l = lines; *l; l++) {
                assert_true(term_columns(*l) <= width);
            }
            strv_free(lines);
            assert_null(strchr(text, '\033'));
        }
    }
}

/* ---- names ---- */

static void test_nearest(void **state)
{
    static const char *const words[] = {"service", "node", "code", "config", NULL};
    assert_string_equal(str_nearest("sevrice", words), "service");
    assert_string_equal(str_nearest("Node", words), "node");
    assert_string_equal(str_nearest("confg", words), "config");
    assert_null(str_nearest("elephant", words));
}

static void test_urls(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"host", "https://host:9999"},
        {"host:8443", "https://host:8443"},
        {"https://host/", "https://host:9999"},
        {"https://host:1/v1/services/3?x", "https://host:1"},
        {"https://[::1]:77", "https://[::1]:77"},
        {"http://127.0.0.1:80", "http://127.0.0.1:80"},
        {"http://localhost", "http://localhost:9999"},
        {"http://example.org", NULL},
        {"ftp://host", NULL},
        {"https://host:0", NULL},
        {"https://host:65536", NULL},
        {"https://host:x", NULL},
        {"https://user@host", NULL},
        {"https://ho st", NULL},
        {"::1", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *url = NULL;
        int r = settings_url(rows[i].in, &url, NULL);
        if ((r == 0) != (rows[i].out != NULL) || (url && strcmp(url, rows[i].out) != 0)) {
            fail_msg("%s: %d %s", rows[i].in, r, url ? url : "refused");
        }
    }
}

/* ---- doctor ---- */

/* What a check found may have several lines and long ones; it stays in 80 columns, below its beginning. */
static void test_finding(void **state)
{
    struct term t = {.width = 80};
    char *text = NULL;
    size_t len = 0;
    struct finding f = {.level = FINDING_WARN};
    finding_set(
        &f, FINDING_WARN,
        xstrdup("https://localhost:9999: the director is not the one you logged in to: somebody may be "
                "between you and it\n  remembered authority: 3aa5"),
        xstrdup("compare the new fingerprint with the one its administrator tells you, then log in\033[2J "
                "again"));
    t.out = open_memstream(&text, &len);
    doctor_print(&t, "login", &f);
    fclose(t.out);
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, "?  remembered"));
    assert_non_null(strstr(text, "\n              remembered authority: 3aa5\n"));
    assert_non_null(strstr(text, "\n              mend: compare"));
    char **lines = str_split(text, '\n');
    for (char **l = lines; *l; l++) {
        assert_true(term_columns(*l) <= 80);
    }
    strv_free(lines);
    free(text);
    finding_set(&f, FINDING_OK, NULL, NULL);
}

static void test_kernel_versions(void **state)
{
    assert_true(doctor_kernel_is("6.1.0-13-amd64", 5, 19));
    assert_true(doctor_kernel_is("5.19", 5, 19));
    assert_true(doctor_kernel_is("10.0", 5, 19));
    assert_false(doctor_kernel_is("5.9.1", 5, 19));
    assert_false(doctor_kernel_is("4.19.0", 5, 19));
    assert_false(doctor_kernel_is("5", 5, 19));
    assert_false(doctor_kernel_is("unknown", 5, 19));
}

static void test_subids(void **state)
{
    const char *text = "ada:100000:65536\nroot:1000000:65536\nroot:2000000:10\nroot:bad\nrooty:1:99\n";
    assert_int_equal(doctor_subids(text, "root"), 65546);
    assert_int_equal(doctor_subids(text, "ada"), 65536);
    assert_int_equal(doctor_subids("", "root"), 0);
}

/* Every check comes to a finding, and what is not well has a way to mend it. */
static void test_every_check_finds(void **state)
{
    setenv("CONPAAS_CONFIG", "/nonexistent/config.json", 1);
    for (const struct doctor_check *c = doctor_checks; c->name; c++) {
        struct cli cli = {.quiet = true};
        struct finding f = {.level = FINDING_OK};
        c->look(&cli, &f);
        print_message("%s: %s\n", c->name, f.what);
        assert_non_null(f.what);
        assert_int_equal(f.level == FINDING_OK, f.mend == NULL);
        assert_non_null(finding_level_to_str(f.level));
        finding_set(&f, FINDING_OK, NULL, NULL);
        cli_done(&cli);
    }
}

/* ---- the script for bash ---- */

static char *completion_script(void)
{
    char *text = NULL;
    size_t len = 0;
    char *argv[] = {xstrdup("conpaas"), xstrdup("completion"), xstrdup("bash"), NULL};
    struct cli cli = {.term = {.in = stdin, .err = stderr, .out = open_memstream(&text, &len)}};
    assert_int_equal(cli_main(&cli, 3, argv), 0);
    fclose(cli.term.out);
    cli_done(&cli);
    for (int i = 0; argv[i]; i++) {
        free(argv[i]);
    }
    return text;
}

/* A function of the same name stands for the program: what it prints is what can be chosen from. */
static void test_bash_uses_the_candidates(void **state)
{
    _cleanup_free_ char *script = completion_script();
    _cleanup_free_ char *whole = str_printf("%s\nconpaas() { printf '%%s\\n' 'my shop' 'market' other; [[ $1 "
                                            "== __complete && $2 == service && $3 == start && "
                                            "$4 == m ]]; }\n"
                                            "COMP_WORDS=(conpaas service start m) COMP_CWORD=3\n_conpaas "
                                            "conpaas\nprintf '<%%s>' \"${COMPREPLY[@]}\"\n",
                                            script);
    const char *const argv[] = {"bash", "--norc", "-s", NULL};
    struct proc_spec spec = {.argv = argv};
    _cleanup_buf_ struct buf out = {0};
    int status = -1;
    assert_int_equal(proc_run(&spec, whole, 20000, 65536, &out, &status, NULL), 0);
    assert_string_equal(out.data, "<my\\ shop><market>");
    assert_int_equal(status, 0);
}

/* Nothing that the director answers is without a way to show it. */
static void test_every_answer_is_shown(void **state)
{
    for (const struct call *c = calls; c->id; c++) {
        bool found = c->answer != ANSWER_JSON;
        for (const struct print_view *v = print_views; v->object && !found; v++) {
            found = str_eq(v->object, c->object);
        }
        if (!found) {
            fail_msg("%s answers \"%s\", which has no row in print_table.c", c->id, c->object);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_every_answer_is_shown),
        cmocka_unit_test(test_finding),
        cmocka_unit_test(test_safe),
        cmocka_unit_test(test_columns_and_fit),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_table_gives_way),
        cmocka_unit_test(test_table_is_never_wider),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_kernel_versions),
        cmocka_unit_test(test_subids),
        cmocka_unit_test(test_every_check_finds),
        cmocka_unit_test(test_bash_uses_the_candidates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
