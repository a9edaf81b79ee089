/*
 * The call table has no holes, every row can be matched, encoded and read again, and bad arguments are told
 * apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/calls.h"
#include "api/encode.h"
#include "api/objects.h"
#include "api/validate.h"
#include "engine/truth.h"
#include "model/state.h"

/* ---- no holes ---- */

static void check_columns(const struct call *c)
{
    assert_non_null(c->method);
    assert_true(str_starts(c->path, "/v1/"));
    assert_non_null(call_who_to_str(c->who));
    assert_non_null(call_class_to_str(c->class));
    assert_non_null(answer_kind_to_str(c->answer));
    assert_non_null(c->noun);
    assert_non_null(c->verb);
    assert_non_null(c->summary);
    assert_non_null(c->example);
    assert_true(c->summary[0] >= 'A' && c->summary[0] <= 'Z');
    assert_false(str_ends(c->summary, "."));
    assert_true(strlen(c->summary) <= 72);
    assert_true(str_starts(c->example, "conpaas "));
    assert_true(strchr(c->id, '.') != NULL);
    assert_true(c->status == 200 || c->status == 201 || c->status == 202 || c->status == 204);
}

/* What the columns say about each other. */
static void check_consistency(const struct call *c)
{
    bool read = c->class == CLASS_READ,
         job = str_eq(c->object, "job"); /* of a whole application, with states of its own */
    assert_true(read || !str_eq(c->method, "GET"));
    assert_true(!read || c->on_failure == FAILURE_NONE);
    /* a question that is too long for an address is a POST with the text */
    assert_true(!read || (str_eq(c->method, "GET") ? c->body == BODY_NONE
                                                   : str_eq(c->method, "POST") && c->body == BODY_JSON));
    assert_int_equal(c->answer == ANSWER_EMPTY, c->status == 204);
    assert_int_equal(c->answer == ANSWER_JSON, c->object != NULL);
    assert_true(!c->object || api_object_find(c->object) != NULL);
    assert_true(!c->list || c->answer == ANSWER_JSON);
    assert_int_equal(c->status == 202, str_eq(c->object, "change") || (job && c->class == CLASS_CHANGE));
    assert_true(c->class != CLASS_CHANGE || c->on_failure != FAILURE_NONE);
    assert_true(c->class != CLASS_CHANGE || c->states != 0 || job);
    assert_int_equal(c->who == WHO_OWNER, strchr(c->path, '{') != NULL && c->who != WHO_ADMIN);
    assert_int_equal(c->body == BODY_STREAM, c->max_body > 0);
    assert_true(c->states < IN_STATE(SERVICE_STATE_MAX));
    assert_true(!c->states || call_param_find(c, "service") != NULL);
    assert_true(c->class != CLASS_CHANGE || call_param_find(c, "expect_gen") != NULL || job);
}

static void check_param(const struct call *c, const struct call_param *p)
{
    assert_non_null(param_kind_to_str(p->kind));
    assert_non_null(param_in_to_str(p->in));
    assert_non_null(p->help);
    assert_true(strlen(p->help) > 0);
    assert_ptr_equal(call_param_find(c, p->name), p); /* no name twice */
    assert_int_equal(p->kind == PARAM_ID, p->thing != THING_NONE);
    assert_int_equal(p->kind == PARAM_CHOICE, p->words != NULL);
    assert_true(p->in != IN_BODY || c->body == BODY_JSON);
    assert_false(p->required && p->fallback);
    bool limited =
        p->kind == PARAM_INT || p->kind == PARAM_TEXT || p->kind == PARAM_LINES || p->kind == PARAM_SECRET;
    assert_true(!limited || p->max > p->min);
    _cleanup_free_ char *place = str_printf("{%s}", p->name);
    assert_int_equal(p->in == IN_PATH, strstr(c->path, place) != NULL);
    if (p->in == IN_PATH) {
        assert_true(p->required && p->kind == PARAM_ID);
        assert_true(str_eq(p->name, call_thing_to_str(p->thing)));
    }
    if (p->fallback) {
        _cleanup_json_ json_t *v = NULL;
        assert_int_equal(call_param_parse(p, p->fallback, &v, NULL), 0);
    }
}

static int count_char(const char *s, char c)
{
    int n = 0;
    for (; *s; s++) {
        n += *s == c;
    }
    return n;
}

static void test_no_holes(void **state)
{
    for (const struct call *c = calls; c->id; c++) {
        print_message("%s\n", c->id);
        check_columns(c);
        check_consistency(c);
        int in_path = 0;
        for (const struct call_param *p = c->params; p->name; p++) {
            check_param(c, p);
            in_path += p->in == IN_PATH;
        }
        assert_int_equal(in_path, count_char(c->path, '{'));
        assert_true(in_path <= CALL_PATH_IDS);
    }
}

static void test_no_doubles(void **state)
{
    for (const struct call *c = calls; c->id; c++) {
        assert_ptr_equal(call_find(c->id), c);
        assert_ptr_equal(call_find_command(c->noun, c->verb), c);
        if (c->bare) {
            assert_ptr_equal(call_find_command(c->noun, NULL), c);
        }
        if (c->deck) {
            assert_ptr_equal(call_find_deck(c->deck), c);
        }
        for (const struct call *d = c + 1; d->id; d++) {
            assert_false(str_eq(c->method, d->method) && str_eq(c->path, d->path));
        }
    }
    assert_null(call_find("no.such"));
    assert_null(call_find_command("service", "fly"));
}

static void check_words(const char *(*to_str)(unsigned), int (*from_str)(const char *), unsigned from,
                        unsigned max)
{
    for (unsigned v = from; v < max; v++) {
        assert_non_null(to_str(v));
        assert_int_equal(from_str(to_str(v)), v);
    }
    assert_null(to_str(max));
    assert_int_equal(from_str("no such word"), -1);
}

#define CHECK_WORDS(name, type, from, max)                                                                   \
    static const char *name##_text(unsigned v)                                                               \
    {                                                                                                        \
        return name##_to_str((type)v);                                                                       \
    }                                                                                                        \
    static void check_##name(void)                                                                           \
    {                                                                                                        \
        check_words(name##_text, name##_from_str, from, max);                                                \
    }
CHECK_WORDS(call_thing, enum call_thing, THING_NONE + 1, THING_MAX)
CHECK_WORDS(call_who, enum call_who, WHO_UNSET + 1, WHO_MAX)
CHECK_WORDS(call_class, enum call_class, CLASS_UNSET + 1, CLASS_MAX)
CHECK_WORDS(call_on_failure, enum call_on_failure, FAILURE_NONE, FAILURE_MAX)
CHECK_WORDS(param_in, enum param_in, IN_PATH, PARAM_IN_MAX)
CHECK_WORDS(param_kind, enum param_kind, PARAM_UNSET + 1, PARAM_KIND_MAX)
CHECK_WORDS(answer_kind, enum answer_kind, ANSWER_UNSET + 1, ANSWER_MAX)

static void test_words(void **state)
{
    check_call_thing();
    check_call_who();
    check_call_class();
    check_call_on_failure();
    check_param_in();
    check_param_kind();
    check_answer_kind();
}

/* The deck's 17 actions less help, keys and java are rows. */
static void test_deck_actions(void **state)
{
    static const char *const actions[] = {
        "add_nodes",
        "get_log",
        "get_configuration",
        "get_node_info",
        "get_service_info",
        "get_service_history",
        "get_service_performance",
        "list_authorized_keys",
        "list_code_versions",
        "list_nodes",
        "remove_nodes",
        "shutdown",
        "startup",
        "update_php_configuration",
        "upload_authorized_key",
        "upload_code_version",
    };
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        assert_non_null(call_find_deck(actions[i]));
    }
}

/* ---- round trip ---- */

static json_t *sample(const struct call_param *p)
{
    switch (p->kind) {
    case PARAM_ID:
        return json_integer(4711);
    case PARAM_INT:
        return json_integer(p->min < 1 ? 1 : p->min);
    case PARAM_BOOL:
        return json_true();
    case PARAM_TEXT:
        return json_string("a b&c=d/ä%20?");
    case PARAM_LINES:
        return json_string("one\n\ttwo\r\n");
    case PARAM_SECRET:
        return json_string("correct horse");
    case PARAM_USERNAME:
        return json_string("ada");
    case PARAM_NAME:
        return json_string("My shop (2)");
    case PARAM_WORD_ID:
        return json_string("local");
    case PARAM_EMAIL:
        return json_string("ada@example.org");
    case PARAM_FILE:
        return json_string("a b+c.tar.gz");
    case PARAM_CHOICE:
        return json_stringn(p->words, strcspn(p->words, " "));
    case PARAM_COUNTS:
        return json_pack("{s:i,s:i}", "web", 1, "backend", 2);
    case PARAM_SETTINGS:
        return json_pack("{s:s,s:i}", "memory_limit", "256M", "max_execution_time", 60);
    case PARAM_VARIABLES:
        return json_pack("{s:s,s:s}", "COLOUR", "red", "_Motto2", "a \"b\"\n$c = d");
    case PARAM_VARIABLE_NAMES:
        return json_pack("[s,s]", "COLOUR", "_Motto2");
    case PARAM_HASHES:
        return json_pack("{s:s}", "file:a b.tar.gz",
                         "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    default:
        fail();
        return NULL;
    }
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static char *percent_decode(const char *s, size_t len)
{
    struct buf b = {0};
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '%') {
            assert_true(i + 2 < len);
            buf_addc(&b, (char)(hex_value(s[i + 1]) << 4 | hex_value(s[i + 2])));
            i += 2;
        } else {
            assert_true(s[i] > 0x20 && s[i] != '+' && s[i] != '#');
            buf_addc(&b, s[i]);
        }
    }
    return buf_take(&b);
}

static void read_query(const struct call *c, json_t *args, const char *query)
{
    while (*query) {
        size_t pair = strcspn(query, "&"), eq = strcspn(query, "=");
        assert_true(eq < pair);
        _cleanup_free_ char *name = percent_decode(query, eq);
        _cleanup_free_ char *value = percent_decode(query + eq + 1, pair - eq - 1);
        _cleanup_err_ struct err e = {0};
        if (call_args_query(c, args, name, value, &e) < 0) {
            fail_msg("%s: %s", c->id, e.message);
        }
        query += pair + (query[pair] == '&');
    }
}

static void round_trip(const struct call *c)
{
    _cleanup_err_ struct err e = {0};
    _cleanup_json_ json_t *args = json_object();
    for (const struct call_param *p = c->params; p->name; p++) {
        json_object_set_new(args, p->name, sample(p));
    }
    _cleanup_call_request_ struct call_request req = {.method = NULL};
    if (call_encode(c, args, &req, &e) < 0) {
        fail_msg("%s: %s", c->id, e.message);
    }
    size_t path_len = strcspn(req.path, "?");
    _cleanup_free_ char *path = percent_decode(req.path, path_len);
    struct call_match m;
    assert_int_equal(call_match(req.method, path, &m, &e), 0);
    assert_ptr_equal(m.call, c);
    _cleanup_json_ json_t *again = call_args_start(&m);
    read_query(c, again, req.path + path_len + (req.path[path_len] == '?'));
    assert_int_equal(call_args_body(c, again, req.body, &e), 0);
    assert_int_equal(call_args_finish(c, again, &e), 0);
    if (!json_equal(args, again)) {
        _cleanup_free_ char *a = json_text(args), *b = json_text(again);
        fail_msg("%s: %s became %s", c->id, a, b);
    }
}

static void test_round_trip(void **state)
{
    for (const struct call *c = calls; c->id; c++) {
        round_trip(c);
    }
}

/* ---- matching ---- */

static void expect_match(const char *method, const char *path, int code)
{
    struct call_match m = {.call = NULL};
    _cleanup_err_ struct err e = {0};
    int r = call_match(method, path, &m, &e);
    if (r != code) {
        fail_msg("%s %s: %d instead of %d", method, path, r, code);
    }
    assert_int_equal(e.code, code);
    assert_true(code == 0 || e.message != NULL);
}

static void test_match(void **state)
{
    expect_match("GET", "/v1/services/9223372036854775807", 0);
    static const char *const bad[] = {
        "-1", "0", "9223372036854775808", "null", "01x", "[1]", "4711 ", "+1", "", "..", "%31"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_free_ char *path = str_printf("/v1/services/%s/start", bad[i]);
        expect_match("POST", path, ERR_INVALID);
    }
    expect_match("GET", "/", ERR_NOT_FOUND);
    expect_match("GET", "", ERR_NOT_FOUND);
    expect_match("GET", "/v1", ERR_NOT_FOUND);
    expect_match("GET", "/v1/services/1/", ERR_NOT_FOUND);
    expect_match("GET", "/v1/services/1/start/now", ERR_NOT_FOUND);
    expect_match("GET", "//v1/version", ERR_NOT_FOUND);
    expect_match("GET", "/v2/version", ERR_NOT_FOUND);
    expect_match("PUT", "/v1/services/1/start", ERR_METHOD);
    expect_match("get", "/v1/version", ERR_METHOD);
}

static void test_wrong_method_lists_right_ones(void **state)
{
    struct call_match m;
    _cleanup_err_ struct err e = {0};
    assert_int_equal(call_match("PUT", "/v1/apps/3", &m, &e), ERR_METHOD);
    assert_string_equal(e.hint, "GET, PATCH, DELETE");
}

static void test_match_id(void **state)
{
    struct call_match m;
    assert_int_equal(call_match("POST", "/v1/services/7/code/12/enable", &m, NULL), 0);
    assert_int_equal(call_match_id(&m, "service"), 7);
    assert_int_equal(call_match_id(&m, "version"), 12);
    assert_int_equal(call_match_id(&m, "app"), 0);
}

/* ---- arguments ---- */

/* A body for a call, with all of its path ids 1: the code that reading it gives. */
static int body_code(const char *id, const char *text, struct err *e)
{
    const struct call *c = call_find(id);
    assert_non_null(c);
    _cleanup_json_ json_t *body = json_loads(text, 0, NULL);
    assert_non_null(body);
    struct call_match m = {.call = c, .n_ids = count_char(c->path, '{'), .ids = {1, 1}};
    _cleanup_json_ json_t *args = call_args_start(&m);
    int r = call_args_body(c, args, body, e);
    return r < 0 ? r : call_args_finish(c, args, e);
}

static void test_bodies(void **state)
{
    static const struct {
        const char *id, *body, *names; /* names: what the message must name; NULL: accepted */
    } rows[] = {
        {"app.create", "{\"name\": \"shop\"}", NULL},
        {"app.create", "{\"name\": \"shop\", \"cloud\": null}", NULL},
        {"app.create", "{}", "name"},
        {"app.create", "{\"name\": null}", "name"},
        {"app.create", "{\"name\": 3}", "name"},
        {"app.create", "{\"name\": \"shop\", \"colour\": \"red\"}", "colour"},
        {"app.create", "{\"name\": \"12\"}", "name"},
        {"app.create", "{\"name\": \"; rm -rf /\"}", "name"},
        {"app.rename", "{\"name\": \"shop\", \"app\": 2}", "app"},
        {"service.create", "{\"type\": \"php\", \"app\": 3}", NULL},
        {"service.create", "{\"type\": \"php\", \"app\": 0}", "app"},
        {"service.create", "{\"type\": \"php\", \"app\": \"3\"}", "app"},
        {"service.create", "{\"type\": \"../php\"}", "type"},
        {"node.add", "{\"counts\": {\"web\": 1, \"backend\": 2}, \"supersede\": true}", NULL},
        {"node.add", "{\"counts\": {}}", "counts"},
        {"node.add", "{\"counts\": [1]}", "counts"},
        {"node.add", "{\"counts\": {\"web\": 0}}", "web"},
        {"node.add", "{\"counts\": {\"web\": -1}}", "web"},
        {"node.add", "{\"counts\": {\"web\": 1.5}}", "web"},
        {"node.add", "{\"counts\": {\"web\": 65}}", "web"},
        {"node.add", "{\"counts\": {\"we b\": 1}}", "counts"},
        {"node.add", "{\"counts\": {\"web\": 1}, \"supersede\": \"yes\"}", "supersede"},
        {"node.add", "{\"counts\": {\"web\": 1}, \"expect_gen\": 0}", "expect_gen"},
        {"config.set", "{\"settings\": {\"memory_limit\": \"256M\"}}", NULL},
        {"config.set", "{\"settings\": {\"memory_limit\": [1]}}", "memory_limit"},
        {"config.set", "{\"settings\": {}}", "settings"},
        {"env.set", "{\"variables\": {\"COLOUR\": \"a \\\"b\\\"\\n$c\", \"_x9\": \"\"}}", NULL},
        {"env.set", "{\"variables\": {}}", "variables"},
        {"env.set", "{\"variables\": [\"COLOUR\"]}", "variables"},
        {"env.set", "{\"variables\": {\"COLOUR\": 3}}", "COLOUR"},
        {"env.set", "{\"variables\": {\"COLOUR\": \"a\\u001bb\"}}", "COLOUR"},
        {"env.set", "{\"variables\": {\"9X\": \"a\"}}", "9X"},
        {"env.set", "{\"variables\": {\"A-B\": \"a\"}}", "A-B"},
        {"env.set", "{\"variables\": {\"A=B\": \"a\"}}", "A=B"},
        {"env.set", "{\"variables\": {\"PATH\": \"/tmp\"}}", "PATH"},
        {"env.set", "{\"variables\": {\"LD_PRELOAD\": \"/tmp/x.so\"}}", "LD_PRELOAD"},
        {"env.set", "{\"variables\": {\"CONPAAS_NODE\": \"1\"}}", "CONPAAS_NODE"},
        {"env.unset", "{\"names\": [\"COLOUR\", \"_x9\"]}", NULL},
        {"env.unset", "{\"names\": []}", "names"},
        {"env.unset", "{\"names\": \"COLOUR\"}", "names"},
        {"env.unset", "{\"names\": [1]}", "names"},
        {"user.register",
         "{\"username\": \"ada\", \"email\": \"ada@example.org\", \"password\": \"12345678\"}", NULL},
        {"user.register",
         "{\"username\": \"Ada\", \"email\": \"ada@example.org\", \"password\": \"12345678\"}", "username"},
        {"user.register", "{\"username\": \"ada\", \"email\": \"ada\", \"password\": \"12345678\"}", "email"},
        {"user.register",
         "{\"username\": \"ada\", \"email\": \"ada@example.org\", \"password\": \"1234567\"}", "password"},
        {"user.register",
         "{\"username\": \"ada\", \"email\": \"a@b.c\", \"password\": \"12345678\", \"rank\": \"god\"}",
         "rank"},
        {"user.credit", "{\"amount\": -5}", NULL},
        {"user.credit", "{\"amount\": 1000000001}", "amount"},
        {"token.create", "{\"name\": \"ci\", \"days\": 0}", "days"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_err_ struct err e = {0};
        int r = body_code(rows[i].id, rows[i].body, &e);
        if ((r == 0) != (rows[i].names == NULL) ||
            (r < 0 && (r != ERR_INVALID || !strstr(e.message, rows[i].names)))) {
            fail_msg("%s %s: %d %s", rows[i].id, rows[i].body, r, e.message ? e.message : "accepted");
        }
    }
}

static void test_secret_is_not_in_messages(void **state)
{
    _cleanup_err_ struct err e = {0};
    assert_int_equal(
        body_code("user.login", "{\"username\": \"ada\", \"password\": \"hush\\u0001hush\"}", &e),
        ERR_INVALID);
    assert_null(strstr(e.message, "hush"));
}

static void test_query(void **state)
{
    const struct call *c = call_find("log.show");
    struct call_match m = {.call = c, .n_ids = 1, .ids = {1}};
    _cleanup_json_ json_t *args = call_args_start(&m);
    _cleanup_err_ struct err e = {0};
    assert_int_equal(call_args_query(c, args, "lines", "0", &e), ERR_INVALID);
    assert_int_equal(call_args_query(c, args, "lines", "12x", &e), ERR_INVALID);
    assert_int_equal(call_args_query(c, args, "name", "../../etc/passwd", &e), ERR_INVALID);
    assert_int_equal(call_args_query(c, args, "service", "2", &e), ERR_INVALID);
    assert_int_equal(call_args_query(c, args, "colour", "red", &e), ERR_INVALID);
    assert_int_equal(call_args_query(c, args, "lines", "12", &e), 0);
    assert_int_equal(call_args_query(c, args, "lines", "13", &e), ERR_INVALID);
    assert_int_equal(call_args_finish(c, args, &e), 0);
    assert_int_equal(json_int(args, "lines", 0), 12);
    assert_int_equal(json_int(args, "service", 0), 1);
}

static void test_fallbacks(void **state)
{
    const struct call *c = call_find("log.show");
    struct call_match m = {.call = c, .n_ids = 1, .ids = {1}};
    _cleanup_json_ json_t *args = call_args_start(&m);
    assert_int_equal(call_args_finish(c, args, NULL), 0);
    assert_int_equal(json_int(args, "lines", 0), 100);
    assert_null(json_object_get(args, "node"));
}

static void test_encode_refuses(void **state)
{
    _cleanup_err_ struct err e = {0};
    _cleanup_call_request_ struct call_request req = {.method = NULL};
    _cleanup_json_ json_t *none = json_object();
    _cleanup_json_ json_t *unknown = json_pack("{s:i,s:i}", "service", 1, "colour", 2);
    assert_int_equal(call_encode(call_find("service.show"), none, &req, &e), ERR_INVALID);
    assert_int_equal(call_encode(call_find("service.show"), unknown, &req, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "colour"));
}

static void test_admission(void **state)
{
    struct http_admission a = {0};
    call_admission(call_find("code.upload"), &a);
    assert_true(a.spool);
    assert_int_equal(a.max_body, 512LL << 20);
    call_admission(call_find("app.create"), &a);
    assert_false(a.spool);
    assert_int_equal(a.max_body, CALL_JSON_MAX);
}

/* ---- states, objects ---- */

static void test_states(void **state)
{
    _cleanup_err_ struct err e = {0};
    const struct call *c = call_find("node.add");
    assert_int_equal(call_check_state(c, SERVICE_RUNNING, &e), 0);
    assert_int_equal(call_check_state(c, SERVICE_STOPPED, &e), ERR_STATE);
    assert_string_equal(e.message,
                        "node.add is possible in state RUNNING or ADAPTING, the service is in state STOPPED");
    assert_int_equal(call_check_state(call_find("service.show"), SERVICE_ERROR, &e), 0);
}

/* What is legal in which state, said once more: a column is a state in the order of enum service_state, x is legal. */
static const struct {
    const char *id, *legal;
    enum facet facet;   /* FACET_MAX: no change of a want, the engine's table does not have it */
    enum run run;       /* of FACET_RUN */
    const char *engine; /* where a manifest may what a call may not; NULL: the same */
} legality[] = {
    /*                 INIT, PROLOGUE, RUNNING, ADAPTING, EPILOGUE, STOPPED, ERROR */
    {"service.start", "x....xx", FACET_RUN, RUN_RUNNING, NULL},
    {"service.stop", ".xxx..x", FACET_RUN, RUN_STOPPED, NULL},
    {"service.delete", "x....xx", FACET_MAX, RUN_STOPPED, NULL},
    {"node.add", "..xx...", FACET_COUNTS, RUN_STOPPED, "x.xx.xx"},
    {"node.remove", "..xx...", FACET_COUNTS, RUN_STOPPED, "x.xx.xx"},
    {"volume.create", "..xx...", FACET_VOLUME, RUN_STOPPED, NULL},
    {"volume.attach", "..xx...", FACET_VOLUME, RUN_STOPPED, NULL},
    {"volume.detach", "x.xx.xx", FACET_MAX, RUN_STOPPED, NULL},
    {"volume.delete", "x.xx.xx", FACET_MAX, RUN_STOPPED, NULL},
    {"code.enable", "x.xx.xx", FACET_CODE, RUN_STOPPED, NULL},
    {"config.set", "x.xx.xx", FACET_SETTINGS, RUN_STOPPED, NULL},
    {"env.set", "x.xx.xx", FACET_SETTINGS, RUN_STOPPED, NULL},
    {"env.unset", "x.xx.xx", FACET_SETTINGS, RUN_STOPPED, NULL},
    {"service.link", "x.xx.xx", FACET_SETTINGS, RUN_STOPPED, NULL},
    {"service.unlink", "x.xx.xx", FACET_SETTINGS, RUN_STOPPED, NULL},
    {"secret.set", "x.xx.xx", FACET_SETTINGS, RUN_STOPPED, NULL},
    {"service.password", "x.xx.xx", FACET_SETTINGS, RUN_STOPPED, NULL},
    {"secret.remove", "x.xx.xx", FACET_SETTINGS, RUN_STOPPED, NULL},
    {"script.run", "..xx...", FACET_CMD, RUN_STOPPED, NULL},
    {"script.interrupt", "..xx...", FACET_CMD, RUN_STOPPED, NULL},
    {"script.cleanup", "..xx...", FACET_CMD, RUN_STOPPED, NULL},
};

static size_t legality_row(const char *id)
{
    size_t i = 0;
    while (i < ARRAY_LEN(legality) && !str_eq(legality[i].id, id)) {
        i++;
    }
    return i;
}

static void check_legality(const struct call *c, size_t row)
{
    assert_int_equal(strlen(legality[row].legal), SERVICE_STATE_MAX);
    for (int s = 0; s < SERVICE_STATE_MAX; s++) {
        _cleanup_err_ struct err e = {0};
        bool want = legality[row].legal[s] == 'x';
        bool api = call_check_state(c, (enum service_state)s, &e) == 0;
        const char *of_engine = legality[row].engine ? legality[row].engine : legality[row].legal;
        bool engine_wants = of_engine[s] == 'x';
        bool engine = legality[row].facet == FACET_MAX
                          ? engine_wants
                          : truth_legal_states(legality[row].facet, legality[row].run) >> s & 1;
        if (api != want || engine != engine_wants || (!api && e.code != ERR_STATE)) {
            fail_msg("%s in state %s: wanted %d, the call table says %d, the engine %d", c->id,
                     service_state_to_str((enum service_state)s), want, api, engine);
        }
    }
}

static void test_legality(void **state)
{
    size_t seen = 0;
    for (const struct call *c = calls; c->id; c++) {
        if (c->states) {
            size_t row = legality_row(c->id);
            if (row == ARRAY_LEN(legality)) {
                fail_msg("%s has states and no row in the matrix of this test", c->id);
            }
            check_legality(c, row);
            seen++;
        }
    }
    assert_int_equal(seen, ARRAY_LEN(legality)); /* a call that lost its states is legal always */
}

static void test_objects(void **state)
{
    for (const struct api_object *o = api_objects; o->name; o++) {
        assert_ptr_equal(api_object_find(o->name), o);
        assert_non_null(o->fields[0].name);
        for (const struct api_field *f = o->fields; f->name; f++) {
            assert_non_null(f->kind);
            assert_non_null(f->help);
        }
    }
    _cleanup_err_ struct err e = {0};
    _cleanup_json_ json_t *alarm = json_pack("{s:I,s:s}", "time", (json_int_t)1, "text", "x");
    assert_int_equal(api_object_check("alarm", alarm, &e), 0);
    json_object_set_new(alarm, "more", json_null());
    assert_int_equal(api_object_check("alarm", alarm, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "alarm.more"));
    json_object_del(alarm, "more");
    json_object_set_new(alarm, "time", json_string("now"));
    assert_int_equal(api_object_check("alarm", alarm, &e), ERR_INVALID);
    json_object_del(alarm, "time");
    assert_int_equal(api_object_check("alarm", alarm, &e), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_holes),
        cmocka_unit_test(test_no_doubles),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_deck_actions),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_wrong_method_lists_right_ones),
        cmocka_unit_test(test_match_id),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_secret_is_not_in_messages),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_encode_refuses),
        cmocka_unit_test(test_admission),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_legality),
        cmocka_unit_test(test_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
