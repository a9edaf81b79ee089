/*
 * Manifests: where every problem stands, all of them at once; the plan against what there is.
 */
#include "cm.h"

#include "engine/manifest_plan.h"

static struct manifest *read_text(const char *text)
{
    return manifest_read(text, strlen(text));
}

/* ---- problems ---- */

static char *problems_of(const char *text)
{
    _cleanup_(manifest_freep) struct manifest *m = read_text(text);
    struct buf b = {0};
    for (int i = 0; i < m->n_problems; i++) {
        const struct manifest_problem *p = &m->problems[i];
        buf_addf(&b, "%d:%d %s%s%s\n", p->place.line, p->place.column, p->message, p->hint ? " | " : "",
                 p->hint ? p->hint : "");
    }
    buf_adds(&b, "");
    return buf_take(&b);
}

static void check_problems(const char *text, const char *wanted)
{
    _cleanup_free_ char *found = problems_of(text);
    assert_string_equal(found, wanted);
}

static void test_good(void **state)
{
    _cleanup_(manifest_freep) struct manifest *m = read_text(
        "{\"Application\": \"shop\", \"Description\": \"d\", \"Services\": [\n"
        " {\"Type\": \"php\", \"ServiceName\": \"front\", \"Start\": \"0\", \"Cloud\": \"sim\",\n"
        "  \"StartupInstances\": {\"web\": \"2\", \"backend\": 3}, \"Settings\": {\"log_errors\": true},\n"
        "  \"Environment\": {\"A\": \"b\"},\n"
        "  \"Archive\": {\"url\": \"https://example.org/a/b.tar.gz?x=1\", \"filename\": \"c.tgz\"}},\n"
        " {\"Type\": \"php\"}]}");
    assert_int_equal(m->n_problems, 0);
    assert_int_equal(m->n, 2);
    const struct manifest_service *s = &m->services[0];
    assert_string_equal(m->app, "shop");
    assert_string_equal(s->name, "front");
    assert_false(s->run);
    assert_true(s->counted[1] && s->counts[1] == 2 && s->counted[2] && s->counts[2] == 3 && !s->counted[0]);
    assert_string_equal(json_str(s->settings, "log_errors", ""), "On");
    assert_string_equal(json_str(s->environment, "A", ""), "b");
    assert_int_equal(s->code.kind, SOURCE_URL);
    _cleanup_free_ char *name = manifest_source_filename(&s->code);
    assert_string_equal(name, "c.tgz");
    assert_string_equal(m->services[1].name, "php");
    assert_true(m->services[1].run);
    assert_int_equal(m->services[1].code.kind, SOURCE_NONE);
}

static void test_all_at_once(void **state)
{
    check_problems(
        "{\n"
        "  \"Aplication\": \"shop\",\n"
        "  \"Services\": [\n"
        "    {\"Type\": \"phpp\", \"ServiceName\": \"a/b\"},\n"
        "    {\"Type\": \"php\", \"ServiceName\": \"ä\", \"Start\": 2,\n"
        "     \"StartupInstances\": {\"bakend\": 1, \"web\": 99, \"sessions\": 1},\n"
        "     \"Settings\": {\"memory_limt\": \"1M\", \"max_execution_time\": 0},\n"
        "     \"Environment\": {\"1A\": \"x\", \"LD_PRELOAD\": \"x\", \"B\": 3},\n"
        "     \"Archive\": \"ftp://example.org/x\", \"Sart\": 0},\n"
        "    7]\n"
        "}",
        "1:1 the manifest has no Application | \"Application\": \"shop\"\n"
        "2:3 a manifest has no member \"Aplication\" | did you mean Application?\n"
        "4:14 there is no service type \"phpp\" | did you mean php?\n"
        "4:37 ServiceName: not a name: \"a/b\" | 1 to 64 bytes: letters, digits, space and . _ - ( ), "
        "beginning with a letter or digit, not ending in a space, not only digits\n"
        "5:50 Start must be 0 or 1\n"
        "6:27 PHP web hosting has no role \"bakend\" that nodes can be asked for | did you mean backend?\n"
        "6:47 web: the number of nodes must be from 0 to 16\n"
        "6:51 PHP web hosting has no role \"sessions\" that nodes can be asked for | there are: proxy, web, "
        "backend\n"
        "7:19 PHP web hosting has no setting \"memory_limt\" | did you mean memory_limit?\n"
        "7:62 max_execution_time can not be \"0\" | it must be a whole number from 1 to 3600\n"
        "8:22 not the name of a variable: \"1A\" | 1 to 64 letters, digits and '_', not beginning with a "
        "digit\n"
        "8:33 the variable LD_PRELOAD is set by the platform | choose another name\n"
        "8:57 B must be a text of at most 8192 bytes\n"
        "9:17 Archive: \"ftp://example.org/x\" names no file | https://HOST/PATH, file:PATH, sha256:HEX or "
        "conpaas:APPLICATION/SERVICE/VERSION\n"
        "9:40 a service has no member \"Sart\" | did you mean Start?\n"
        "10:5 a service must be an object\n");
}

static void test_syntax(void **state)
{
    check_problems("{\n  \"Application\": shop\n}", "2:21 not valid JSON: invalid token near 'shop'\n");
    check_problems("[]",
                   "1:1 a manifest must be a JSON object | {\"Application\": \"shop\", \"Services\": []}\n");
    check_problems("", "1:1 not valid JSON: unexpected token near end of file\n");
}

static void test_twice(void **state)
{
    check_problems(
        "{\"Application\": \"a\",\n \"Services\": [{\"Type\": \"php\", \"Start\": 1,\n  \"Start\": 0}]}",
        "3:3 \"Start\" stands here twice\n");
    check_problems("{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\"}, {\"Type\": \"php\"}]}",
                   "1:52 two services are called \"php\" | give each a ServiceName of its own\n");
}

/* No text makes it fall over; nothing is taken for a manifest that is none. */
static void test_bad_texts(void **state)
{
    static const char *const texts[] = {
        "null",
        "true",
        "\"x\"",
        "{}",
        "{\"Application\": null}",
        "{\"Application\": \"\"}",
        "{\"Application\": \"a\\u0000b\"}",
        "{\"Application\": \"a\", \"Services\": {}}",
        "{\"Application\": \"a\", \"Services\": [[]]}",
        "{\"Application\": \"a\", \"Services\": [{}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": 1}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Archive\": {}}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Archive\": {\"url\": 1}}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Archive\": \"file:\"}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Archive\": \"sha256:12\"}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Archive\": \"conpaas:a\"}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Archive\": \"conpaas:a//b\"}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Archive\": \"https://u:p@h/x\"}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Archive\": \"https:///x\"}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"StartupInstances\": [1]}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"StartupInstances\": {\"web\": -1}}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"StartupInstances\": {\"web\": 1e9}}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Settings\": \"x\"}]}",
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"Settings\": {\"memory_limit\": []}}]}",
        "{\"Application\": \"a\", \"/\": {\"~\": {\"a/b\": 1}}}",
        "{\"Application\": \"a\"} x",
        "{\"Application\": \"a\"",
        "{\"a\\",
        "\xff\xfe",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        _cleanup_(manifest_freep) struct manifest *m = read_text(texts[i]);
        if (m->n_problems == 0) {
            fail_msg("%s is taken", texts[i]);
        }
        for (int k = 0; k < m->n_problems; k++) {
            assert_true(m->problems[k].place.line >= 1 && m->problems[k].place.column >= 1);
            assert_non_null(m->problems[k].message);
        }
    }
    struct buf deep = {0};
    for (int i = 0; i < 100000; i++) {
        buf_addc(&deep, '[');
    }
    _cleanup_(manifest_freep) struct manifest *m = manifest_read(deep.data, deep.len);
    assert_int_equal(m->n_problems, 1);
    buf_done(&deep);
    struct buf many = {0};
    buf_adds(&many, "{\"Application\": \"a\", \"Services\": [");
    for (int i = 0; i < 1000; i++) {
        buf_addf(&many, "%s{\"Type\": \"x\"}", i ? "," : "");
    }
    buf_adds(&many, "]}");
    _cleanup_(manifest_freep) struct manifest *n = manifest_read(many.data, many.len);
    assert_true(n->n_problems <= MANIFEST_PROBLEMS_MAX && n->n <= SERVICES_MAX);
    buf_done(&many);
}

static void test_filenames(void **state)
{
    static const struct {
        const char *text, *name;
    } rows[] = {
        {"https://example.org/a/shop-1.2.tar.gz", "shop-1.2.tar.gz"},
        {"https://example.org/a/shop.zip?x=/y#z", "shop.zip"},
        {"https://example.org", "archive"},
        {"https://example.org/", "archive"},
        {"https://example.org/..", "archive"},
        {"https://example.org/a%20b.tgz", "a_20b.tgz"},
        {"file:wordpress.tar.gz", "wordpress.tar.gz"},
        {"file:../x/y.zip", "y.zip"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct manifest_source s = {.text = (char *)rows[i].text};
        s.kind = str_starts(rows[i].text, "file:") ? SOURCE_FILE : SOURCE_URL;
        _cleanup_free_ char *name = manifest_source_filename(&s);
        assert_string_equal(name, rows[i].name);
    }
}

/* ---- the plan ---- */

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void add_cloud(struct present *p)
{
    p->n_clouds = 1;
    (void)str_copy(p->clouds[0].name, sizeof(p->clouds[0].name), "sim");
    p->clouds[0].price = 1000;
    p->clouds[0].is_default = true;
    p->files = json_object();
}

/* A php service with one version (id 7, SHA_A) that runs as its type says. */
static struct present_service *add_service(struct present *p, const char *name)
{
    const struct service_type *t = service_type_find("php");
    struct present_service *s = &p->services[p->n++];
    _cleanup_json_ json_t *none = json_object();
    p->exists = p->manager = true;
    *s = (struct present_service){.id = 100 + p->n, .type = t, .state = SERVICE_RUNNING};
    (void)str_copy(s->name, sizeof(s->name), name);
    s->want = (struct want){.run = RUN_RUNNING, .counts = {1}, .code = 7, .settings = 1};
    assert_int_equal(service_type_settings(t, NULL, none, &s->settings, NULL), 0);
    s->environment = json_object();
    s->n_versions = 1;
    s->versions = xcalloc(1, sizeof(*s->versions));
    s->versions[0].id = 7;
    (void)str_copy(s->versions[0].sha256, sizeof(s->versions[0].sha256), SHA_A);
    return s;
}

static void know(struct present *p, const char *source, const char *sha256)
{
    json_object_set_new(p->files, source, json_pack("{s:s, s:s}", "sha256", sha256, "filename", "x.tar.gz"));
}

/* "step service; ..." of the plan of a manifest with these services. */
static char *plan_of(const char *services, struct present *p, bool prune, struct manifest_plan *ret)
{
    _cleanup_free_ char *text = str_printf("{\"Application\": \"shop\", \"Services\": [%s]}", services);
    _cleanup_(manifest_freep) struct manifest *m = read_text(text);
    manifest_check(m, p);
    struct buf b = {0};
    for (int i = 0; i < m->n_problems; i++) {
        buf_addf(&b, "PROBLEM %s; ", m->problems[i].message);
    }
    if (m->n_problems == 0) {
        manifest_plan(m, p, prune, ret);
    }
    for (int i = 0; i < ret->n; i++) {
        buf_addf(&b, "%s%s; ", manifest_step_to_str(ret->changes[i].step), ret->changes[i].maybe ? "?" : "");
        ret->changes[i].source = NULL; /* goes with the manifest */
    }
    buf_adds(&b, "");
    return buf_take(&b);
}

static void expect_plan(const char *services, struct present *p, bool prune, const char *wanted)
{
    _cleanup_manifest_plan_ struct manifest_plan plan = {0};
    _cleanup_free_ char *found = plan_of(services, p, prune, &plan);
    assert_string_equal(found, wanted);
}

static void test_plan_new(void **state)
{
    _cleanup_present_ struct present p = {0};
    add_cloud(&p);
    expect_plan("", &p, false, "make_app; ");
    expect_plan("{\"Type\": \"php\"}", &p, false, "make_app; make_service; start; ");
    expect_plan("{\"Type\": \"php\", \"Start\": 0}", &p, false, "make_app; make_service; ");
    expect_plan(
        "{\"Type\": \"php\", \"Settings\": {\"memory_limit\": \"128M\"}, \"StartupInstances\": {\"proxy\": 1}}",
        &p, false, "make_app; make_service; start; "); /* what its type says anyway */
    expect_plan(
        "{\"Type\": \"php\", \"Settings\": {\"memory_limit\": \"1G\"}, \"Environment\": {\"A\": \"1\"},"
        " \"StartupInstances\": {\"web\": 2}, \"Archive\": \"https://example.org/x\"}",
        &p, false, "make_app; make_service; settings; counts; fetch; version; code; start; ");
    know(&p, "file:x", SHA_B);
    expect_plan("{\"Type\": \"php\", \"Archive\": \"file:x\"}", &p, false,
                "make_app; make_service; version; code; start; ");
}

static void test_plan_same(void **state)
{
    _cleanup_present_ struct present p = {0};
    add_cloud(&p);
    add_service(&p, "web");
    json_object_set_new(p.services[0].environment, "A", json_string("1"));
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\"}", &p, false, "");
    expect_plan(
        "{\"Type\": \"php\", \"ServiceName\": \"web\", \"Start\": 1, \"StartupInstances\": {\"proxy\": 1},"
        " \"Settings\": {\"memory_limit\": \"128M\"}, \"Environment\": {\"A\": \"1\"},"
        " \"Archive\": {\"url\": \"https://example.org/x\", \"sha256\": \"" SHA_A "\"}}",
        &p, true, "");
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\", \"Archive\": \"https://example.org/x\"}", &p,
                false, "fetch?; ");
    know(&p, "https://example.org/x", SHA_A);
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\", \"Archive\": \"https://example.org/x\"}", &p,
                false, "");
}

static void test_plan_change(void **state)
{
    _cleanup_present_ struct present p = {0};
    add_cloud(&p);
    add_service(&p, "web");
    expect_plan(
        "{\"Type\": \"php\", \"ServiceName\": \"web\", \"StartupInstances\": {\"web\": 1, \"backend\": 1},"
        " \"Settings\": {\"memory_limit\": \"64M\"}}",
        &p, false, "settings; counts; ");
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\", \"Environment\": {\"A\": \"2\"}}", &p, false,
                "settings; ");
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\", \"Start\": 0}", &p, false, "stop; ");
    know(&p, "file:x", SHA_B);
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\", \"Archive\": \"file:x\"}", &p, false,
                "version; code; ");
    p.services[0].want.code = 9; /* another one is active, this one is there */
    know(&p, "file:x", SHA_A);
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\", \"Archive\": \"file:x\"}", &p, false,
                "code; ");
    p.services[0].want.run = RUN_STOPPED;
    p.services[0].state = SERVICE_STOPPED;
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\"}", &p, false, "start; ");
    p.services[0].state = SERVICE_EPILOGUE;
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\"}", &p, false, "wait; start; ");
    p.services[0].want.run = RUN_RUNNING;
    p.services[0].state = SERVICE_PROLOGUE;
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\"}", &p, false, "wait; ");
    p.services[0].state = SERVICE_ERROR; /* it failed to start, its nodes are gone: again */
    p.services[0].want.run = RUN_STOPPED;
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\"}", &p, false, "start; ");
}

static void test_plan_others(void **state)
{
    _cleanup_present_ struct present p = {0};
    _cleanup_manifest_plan_ struct manifest_plan plan = {0};
    add_cloud(&p);
    add_service(&p, "web");
    add_service(&p, "old")->want.counts[2] = 3;
    _cleanup_free_ char *kept = plan_of("{\"Type\": \"php\", \"ServiceName\": \"web\"}", &p, false, &plan);
    assert_string_equal(kept, "");
    assert_int_equal(plan.kept, 1);
    assert_int_equal(plan.same, 1);
    assert_int_equal(plan.nodes_now, 6); /* 1 + 1 + 3 and the manager */
    assert_int_equal(plan.nodes_then, 6);
    manifest_plan_done(&plan);
    _cleanup_free_ char *pruned = plan_of(
        "{\"Type\": \"php\", \"ServiceName\": \"web\", \"StartupInstances\": {\"web\": 2}}", &p, true, &plan);
    assert_string_equal(pruned, "counts; stop; delete; ");
    assert_int_equal(plan.nodes_then, 4);
    assert_int_equal(plan.price_now, 6000);
    assert_int_equal(plan.price_then, 4000);
    manifest_plan_done(&plan);
    p.services[1].want.run = RUN_STOPPED;
    p.services[1].deleting = true;
    _cleanup_free_ char *going = plan_of("{\"Type\": \"php\", \"ServiceName\": \"web\"}", &p, true, &plan);
    assert_string_equal(going, "wait; ");
}

static void test_plan_problems(void **state)
{
    _cleanup_present_ struct present p = {0};
    add_cloud(&p);
    expect_plan("{\"Type\": \"php\", \"Cloud\": \"moon\"}", &p, false,
                "PROBLEM there is no cloud \"moon\"; ");
    expect_plan("{\"Type\": \"php\", \"Cloud\": \"default\"}", &p, false, "make_app; make_service; start; ");
    expect_plan("{\"Type\": \"php\", \"StartupInstances\": {\"proxy\": 2}}", &p, false,
                "PROBLEM several proxies need separate web and backend nodes; ");
    expect_plan("{\"Type\": \"php\", \"Archive\": \"file:x\"}", &p, false,
                "PROBLEM the director has no file \"x\"; ");
    know(&p, "file:x", SHA_A);
    expect_plan("{\"Type\": \"php\", \"Archive\": {\"url\": \"file:x\", \"sha256\": \"" SHA_B "\"}}", &p,
                false, "PROBLEM the content of file:x has SHA-256 " SHA_A "; ");
    json_object_set_new(p.files, "conpaas:a/b/c", json_pack("{s:s}", "why", "no such version"));
    expect_plan("{\"Type\": \"php\", \"Archive\": \"conpaas:a/b/c\"}", &p, false,
                "PROBLEM no such version; ");
    add_service(&p, "web")->want.counts[1] = 1;
    p.services[0].want.counts[2] = 1; /* what it has counts, too */
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\", \"StartupInstances\": {\"proxy\": 2}}", &p,
                false, "counts; ");
    p.services[0].deleting = true;
    expect_plan("{\"Type\": \"php\", \"ServiceName\": \"web\"}", &p, false,
                "PROBLEM \"web\" is being deleted; ");
}

/* Referred to first; circles and names that nobody has are problems. */
static void test_references(void **state)
{
    _cleanup_(manifest_freep) struct manifest *m = read_text(
        "{\"Application\": \"a\", \"Services\": [{\"Type\": \"php\", \"ServiceName\": \"c\", \"References\": [\"b\", {\"service\": "
        "\"a\", \"as\": \"DB\"}]}, {\"Type\": \"php\", \"ServiceName\": \"b\", \"References\": [\"a\"]},"
        " {\"Type\": \"php\", \"ServiceName\": \"a\"}]}");
    assert_int_equal(m->n_problems, 0);
    assert_int_equal(m->order[0], 2);
    assert_int_equal(m->order[1], 1);
    assert_int_equal(m->order[2], 0);
    check_problems(
        "{\"Application\": \"a\", \"Services\": [\n{\"Type\": \"php\", \"ServiceName\": \"a\", \"References\": [\"b\"]},\n"
        "{\"Type\": \"php\", \"ServiceName\": \"b\", \"References\": [\"a\"]}]}",
        "3:52 the services refer to each other in a circle\n");
    check_problems(
        "{\"Application\": \"a\", \"Services\": [\n{\"Type\": \"php\", \"References\": [7, {\"service\": \"x\", \"al\": \"B\"}]}]}",
        "2:32 a reference names a service | \"database\", or {\"service\": \"database\", \"as\": \"DB\"}\n"
        "2:52 a reference has no member \"al\" | did you mean as?\n");
    _cleanup_present_ struct present p = {0};
    add_cloud(&p);
    expect_plan("{\"Type\": \"php\", \"References\": [\"db\"]}", &p, false,
                "PROBLEM there is no service \"db\" in the manifest or the application; ");
    add_service(&p, "db")->want.run = RUN_STOPPED;
    expect_plan("{\"Type\": \"php\", \"References\": [\"db\"]}", &p, false,
                "PROBLEM it refers to db, which is not to run; ");
    expect_plan("{\"Type\": \"php\", \"References\": [\"db\"], \"Start\": 0}", &p, false,
                "make_service; settings; ");
    p.services[0].want.run = RUN_RUNNING;
    expect_plan("{\"Type\": \"php\", \"References\": [\"db\"]}", &p, false,
                "make_service; settings; start; ");
    add_service(&p, "php")->links =
        json_pack("[{s:s, s:I}]", "name", "PHP", "service", (json_int_t)p.services[0].id);
    expect_plan("{\"Type\": \"php\", \"References\": [\"db\"]}", &p, false, "");
    expect_plan("{\"Type\": \"php\", \"References\": [{\"service\": \"db\", \"as\": \"X\"}]}", &p, false,
                "settings; ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),          cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_syntax),        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_bad_texts),     cmocka_unit_test(test_filenames),
        cmocka_unit_test(test_plan_new),      cmocka_unit_test(test_plan_same),
        cmocka_unit_test(test_plan_change),   cmocka_unit_test(test_plan_others),
        cmocka_unit_test(test_plan_problems), cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
