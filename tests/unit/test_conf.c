/*
 * Configuration files: every mistake is fatal and named with its line.
 */
#include "cm.h"

#include "base/conf.h"
#include "base/fs.h"
#include "base/str.h"

struct target {
    char *name, *path, *optional;
    int64_t port;
    bool fast;
};
static const struct conf_key schema[] = {
    {.section = "main",
     .key = "name",
     .offset = offsetof(struct target, name),
     .fallback = "x",
     .min = 1,
     .max = 8,
     .help = "the name"},
    {.section = "main",
     .key = "path",
     .kind = CONF_PATH,
     .offset = offsetof(struct target, path),
     .fallback = "/tmp"},
    {.section = "main", .key = "optional", .offset = offsetof(struct target, optional)},
    {.section = "net",
     .key = "port",
     .kind = CONF_INT,
     .offset = offsetof(struct target, port),
     .fallback = "80",
     .min = 1,
     .max = 65535,
     .help = "the port"},
    {.section = "net",
     .key = "fast",
     .kind = CONF_BOOL,
     .offset = offsetof(struct target, fast),
     .fallback = "no"},
    {.section = "cloud *", .key = "driver", .offset = 4096}, /* of another struct: must not be touched */
    {.key = NULL},
};
struct cloud {
    char *driver;
    int64_t limit;
};
static const struct conf_key cloud_schema[] = {
    {.section = "cloud *", .key = "driver", .offset = offsetof(struct cloud, driver), .fallback = "none"},
    {.section = "cloud *",
     .key = "limit",
     .kind = CONF_INT,
     .offset = offsetof(struct cloud, limit),
     .fallback = "5"},
    {.key = NULL},
};

static char path[] = "/tmp/test-conf-XXXXXX";

static int make_path(void **state)
{
    int fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_path(void **state)
{
    return unlink(path);
}

static void put(const char *text, size_t n)
{
    assert_int_equal(fs_write_atomic(path, text, n, 0600, NULL), 0);
}

static void defaults(void **state)
{
    struct target t = {0};
    assert_int_equal(conf_load(NULL, schema, &t, NULL), 0);
    assert_string_equal(t.name, "x");
    assert_string_equal(t.path, "/tmp");
    assert_null(t.optional);
    assert_int_equal(t.port, 80);
    assert_false(t.fast);
    conf_free(schema, &t);
    assert_null(t.name);
}

static void a_good_file(void **state)
{
    static const char text[] = "# comment\r\n; another\n\n[main]\nname = \" a=b \"\n  path=/x y\noptional =\n"
                               "[net]\n\tport\t=\t8080\nfast = on\n[cloud a]\ndriver = local\n";
    put(text, strlen(text));
    struct target t = {0};
    _cleanup_err_ struct err e = {0};
    if (conf_load(path, schema, &t, &e) != 0) {
        fail_msg("%s", e.message);
    }
    assert_string_equal(t.name, " a=b ");
    assert_string_equal(t.path, "/x y");
    assert_string_equal(t.optional, "");
    assert_int_equal(t.port, 8080);
    assert_true(t.fast);
    conf_free(schema, &t);
}

static void mistakes(void **state)
{
    static const struct {
        const char *text, *line, *word;
    } rows[] = {
        {"[nain]\n", ":1:", "unknown section"},
        {"[main]\n\nnmae = x\n", ":3:", "unknown key"},
        {"[main]\nname = x\nname = y\n", ":3:", "repeated key"},
        {"[main]\n[net]\n[main]\n", ":3:", "repeated section"},
        {"name = x\n", ":1:", "before the first"},
        {"[main]\nname\n", ":2:", "key = value"},
        {"[main\n", ":1:", "section ends"},
        {"[]\n", ":1:", "section name"},
        {"[main]\nname = 123456789\n", ":2:", "bytes"},
        {"[main]\nname =\n", ":2:", "bytes"},
        {"[main]\npath = relative\n", ":2:", "absolute"},
        {"[net]\nport = 0\n", ":2:", "1 to 65535"},
        {"[net]\nport = 80x\n", ":2:", "whole number"},
        {"[net]\nfast = maybe\n", ":2:", "yes or no"},
        {"[main]\nname = \"x\n", ":2:", "quote"},
        {"[main]\nname = a\x01\n", ":2:", "control"},
        {"[main]\nname = \xff\n", ":2:", "UTF-8"},
        {"[cloud a]\nspeed = 1\n", ":2:", "unknown key"},
        {"[cloud ]\n", ":1:", "unknown section"},
        {"[cloud a b]\n", ":1:", "section name"},
        {"[main]\nna me = x\n", ":2:", "bad key"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct target t = {0};
        _cleanup_err_ struct err e = {0};
        put(rows[i].text, strlen(rows[i].text));
        int r = conf_load(path, schema, &t, &e);
        if (r != ERR_INVALID || !strstr(e.message, rows[i].line) || !strstr(e.message, rows[i].word)) {
            fail_msg("%s: %d %s", rows[i].text, r, e.message ? e.message : "");
        }
        assert_null(t.name);
    }
    put("[main]\nname = a\0b\n", 18);
    struct target t = {0};
    assert_int_equal(conf_load(path, schema, &t, NULL), ERR_INVALID);
    assert_true(conf_load("/no/such/file", schema, &t, NULL) < 0);
}

static int take(void *arg, const char *name, void *target, struct err *e)
{
    struct cloud *c = target;
    buf_addf(arg, "%s=%s,%lld ", name, c->driver, (long long)c->limit);
    conf_free(cloud_schema, c);
    return str_eq(name, "stop") ? 7 : 0;
}

static void families(void **state)
{
    static const char text[] = "[cloud one]\ndriver = local\n[main]\n[cloud two]\nlimit = 9\n[cloud three]\n";
    _cleanup_buf_ struct buf b = {0};
    put(text, strlen(text));
    assert_int_equal(conf_each_section(path, "cloud", cloud_schema, sizeof(struct cloud), take, &b, NULL), 0);
    assert_string_equal(b.data, "one=local,5 two=none,9 three=none,5 ");
    static const char stopping[] = "[cloud stop]\n[cloud more]\n";
    put(stopping, strlen(stopping));
    buf_reset(&b);
    assert_int_equal(conf_each_section(path, "cloud", cloud_schema, sizeof(struct cloud), take, &b, NULL), 7);
    assert_string_equal(b.data, "stop=none,5 ");
    static const char wrong[] = "[cloud a]\nlimit = x\n";
    put(wrong, strlen(wrong));
    assert_int_equal(conf_each_section(path, "cloud", cloud_schema, sizeof(struct cloud), take, &b, NULL),
                     ERR_INVALID);
}

static void dump(void **state)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    conf_dump(schema, f);
    fclose(f);
    assert_non_null(strstr(text, "[net]\n# the port (1 to 65535)\nport = 80\n"));
    assert_non_null(strstr(text, "#optional = \n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(a_good_file), cmocka_unit_test(mistakes),
        cmocka_unit_test(families), cmocka_unit_test(dump),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
