/*
 * The role drivers with the real engines, on loopback: routing rules, live changes under load without a lost
 * request, a killed php-fpm, refused settings, probes of versions, shared sessions over a fail-over,
 * draining. Needs root (engines change their user) and the packages of the node image; skipped when one is
 * missing.
 */
#include <signal.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "role/fcgi.h"
#include "role_tools.h"

#define SERVICE 7
#define PASSWORD "s3ss\"io'n $pass\\word %41&x=1"

enum { REDIS_A, REDIS_B, RELAY, FPM_A, FPM_B, WEB_A, WEB_B, PROXY, N_ENGINES };

struct world {
    char root[64], code[128];
    struct engine_place place;
    char *run, *log, *data, *codes;
    struct engine *engine[N_ENGINES];
    int port[N_ENGINES];
    int version;         /* routed */
    bool web[2], php[2]; /* named by the proxy */
    int execution_time;  /* a setting that changes */
    int primary;         /* REDIS_A or REDIS_B */
};

/* ---- files of the versions ---- */

static const char page_php[] =
    "<?php header('Content-Type: text/plain');\n"
    "foreach "
    "(['SCRIPT_FILENAME','SCRIPT_NAME','PATH_INFO','QUERY_STRING','REQUEST_URI','DOCUMENT_ROOT','SERVER_NAME'"
    ","
    "'HTTP_X_FORWARDED_FOR','HTTP_X_REAL_IP','HTTP_PROXY','HTTP_X_CONPAAS_VERSION'] as $k) {\n"
    "  echo $k, '=[', $_SERVER[$k] ?? '', \"]\\n\"; }\n"
    "echo 'q=[', $_GET['q'] ?? '', \"]\\n\", 'x=[', $_REQUEST['x'] ?? '', \"]\\n\";\n"
    "echo 'met=[', ini_get('max_execution_time'), \"]\\n\", 'url_fopen=[', ini_get('allow_url_fopen'), "
    "\"]\\n\";\n";

static void put(const struct world *w, int version, const char *name, const char *text)
{
    struct err e = {0};
    _cleanup_free_ char *path = str_printf("%s/%d/%s", w->code, version, name);
    _cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    assert_int_equal(fs_mkdirs(dir, 0755, &e), 0);
    assert_int_equal(fs_write_atomic(path, text, strlen(text), 0644, &e), 0);
}

static void put_versions(const struct world *w)
{
    for (int v = 1; v <= 2; v++) {
        _cleanup_free_ char *text = str_printf("file of version %d\n", v);
        put(w, v, "index.php", page_php);
        put(w, v, "static.txt", text);
        put(w, v, "sub/index.html", "sub index\n");
        put(w, v, "app/index.php", page_php);
        put(w, v, "with space/b \"c+\xc3\xbc%~'().php", page_php);
        put(w, v, "with space/\xc3\xbc & x.txt", "odd name\n");
        put(w, v, "plain/file.css", "css\n");
        put(w, v, ".hidden", "secret\n");
        put(w, v, ".git/config", "secret\n");
        put(w, v, "slow.php",
            "<?php $t = microtime(true); while (microtime(true) - $t < 1.0) { hash('sha256', 'x'); } "
            "echo \"slow done\\n\";");
        put(w, v, "shown.php",
            "<?php echo ini_get('display_errors'), ini_get('log_errors'), '|', ini_get('error_log');");
        put(w, v, "count.php",
            "<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; "
            "echo 'n=', $_SESSION['n'], \"\\n\";");
    }
    put(w, 3, "index.php", "<?php this is no php;");
    put(w, 4, "index.php", "<?php http_response_code(200); throw new Exception('broken on purpose');");
    put(w, 5, "index.html", "only html\n");
    put(w, 6, "readme.txt", "nothing to see\n");
}

/* ---- engines ---- */

static json_t *targets_of(const struct world *w, int first, const bool on[2])
{
    json_t *a = json_array();
    for (int i = 0; i < 2; i++) {
        if (on[i]) {
            json_array_append_new(a, target(first + i + 1, w->port[first + i]));
        }
    }
    return a;
}

static json_t *redis_section(const struct world *w, int which)
{
    int other = which == REDIS_A ? REDIS_B : REDIS_A;
    bool primary = w->primary == which;
    return json_pack("{s:s, s:s, s:i, s:s, s:b, s:s, s:i, s:s}", "engine", "redis", "name",
                     which == REDIS_A ? "sessions-a" : "sessions-b", "port", w->port[which], "password",
                     PASSWORD, "is_primary", primary, "primary", primary ? "" : "127.0.0.1", "primary_port",
                     w->port[other], "bind", "127.0.0.1");
}

static json_t *section_of(const struct world *w, int which)
{
    const bool both[2] = {true, true};
    static const char *const names[N_ENGINES] = {
        [FPM_A] = "backend-a", [FPM_B] = "backend-b", [WEB_A] = "web-a", [WEB_B] = "web-b"};
    switch (which) {
    case REDIS_A:
    case REDIS_B:
        return redis_section(w, which);
    case RELAY:
        return json_pack("{s:s, s:s, s:i, s:s, s:s, s:o}", "engine", "relay", "name", "session-relay", "port",
                         w->port[RELAY], "mode", "redis-primary", "password", PASSWORD, "targets",
                         targets_of(w, REDIS_A + 0, both));
    case FPM_A:
    case FPM_B:
        return json_pack("{s:s, s:s, s:i, s:i, s:[i,i], s:i, s:s, s:s, s:{s:i, s:s, s:s}}", "engine",
                         "php_fpm", "name", names[which], "port", w->port[which], "service", SERVICE,
                         "versions", 1, 2, "session_port", w->port[RELAY], "session_password", PASSWORD,
                         "bind", "127.0.0.1", "settings", "max_execution_time", w->execution_time,
                         "memory_limit", "64M", "display_errors", "On");
    case WEB_A:
    case WEB_B:
        return json_pack("{s:s, s:s, s:i, s:i, s:[i,i], s:s}", "engine", "nginx", "name", names[which],
                         "port", w->port[which], "service", SERVICE, "versions", 1, 2, "bind", "127.0.0.1");
    default:
        return json_pack("{s:s, s:s, s:i, s:i, s:i, s:[i,i], s:b, s:{s:o, s:o}, s:i, s:s}", "engine",
                         "haproxy", "name", "proxy", "port", w->port[PROXY], "service", SERVICE, "route",
                         w->version, "versions", 1, 2, "front_controller", 1, "targets", "web",
                         targets_of(w, WEB_A, w->web), "backend", targets_of(w, FPM_A, w->php),
                         "request_timeout_s", 60, "bind", "127.0.0.1");
    }
}

static int apply_section(struct world *w, int which, json_t *section, enum role_change *ret, struct err *e)
{
    return apply_to(w->engine[which], section, ret, e);
}

static enum role_change apply(struct world *w, int which)
{
    struct err e = {0};
    enum role_change change = CHANGE_NONE;
    json_t *section = section_of(w, which);
    assert_non_null(section);
    if (apply_section(w, which, section, &change, &e) < 0) {
        fail_msg("engine %d: %s", which, e.message);
    }
    return change;
}

static struct engine_status status_of(const struct world *w, int which)
{
    return engine_now(w->engine[which]);
}

static int start_all(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct err e = {0};
    static const char *const names[N_ENGINES] = {"sessions-a", "sessions-b", "session-relay", "backend-a",
                                                 "backend-b",  "web-a",      "web-b",         "proxy"};
    static const char *const drivers[N_ENGINES] = {"redis",   "redis", "relay", "php_fpm",
                                                   "php_fpm", "nginx", "nginx", "haproxy"};
    snprintf(w->root, sizeof(w->root), "/tmp/conform-role-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    assert_int_equal(chmod(w->root, 0755), 0);
    w->run = str_printf("%s/run", w->root);
    w->log = str_printf("%s/log", w->root);
    w->data = str_printf("%s/data", w->root);
    w->codes = str_printf("%s/code", w->root);
    w->place = (struct engine_place){
        .run_root = w->run, .log_dir = w->log, .data_root = w->data, .code_root = w->codes};
    snprintf(w->code, sizeof(w->code), "%s/%d", w->codes, SERVICE);
    w->version = 1;
    w->execution_time = 30;
    w->primary = REDIS_A;
    w->web[0] = w->web[1] = w->php[0] = w->php[1] = true;
    put_versions(w);
    for (int i = 0; i < N_ENGINES; i++) {
        w->port[i] = free_port();
    }
    for (int i = 0; i < N_ENGINES; i++) {
        w->engine[i] = engine_new(&w->place, names[i], role_driver_find(drivers[i]), SERVICE, NULL, NULL, &e);
        assert_non_null(w->engine[i]);
        assert_int_equal(apply(w, i), CHANGE_RESTART);
    }
    for (int i = 0; i < N_ENGINES; i++) {
        WAIT_FOR(status_of(w, i).health == HEALTH_OK);
    }
    *state = w;
    return 0;
}

static int stop_all(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    for (int i = N_ENGINES - 1; i >= 0; i--) {
        engine_free(w->engine[i], 3000);
    }
    if (!getenv("CONPAAS_TEST_KEEP")) {
        assert_int_equal(fs_remove_tree(w->root, &e), 0);
    }
    free(w->run);
    free(w->log);
    free(w->data);
    free(w->codes);
    free(w);
    return 0;
}

/* ---- tests ---- */

static void expect_all(const struct world *w, const struct expectation *x, size_t n)
{
    expect_at(w->port[PROXY], x, n);
}

static void test_routing(void **state)
{
    struct world *w = *state;
    static const struct expectation all[] = {
        {"GET", "/static.txt", NULL, NULL, 200, "file of version 1", NULL},
        {"HEAD", "/static.txt", NULL, NULL, 200, NULL, NULL},
        {"GET", "//plain///file.css", NULL, NULL, 200, "css", NULL},
        {"GET", "/with%20space/%C3%BC%20%26%20x.txt", NULL, NULL, 200, "odd name", NULL},
        {"POST", "/static.txt", NULL, "x=1", 403, NULL, NULL},
        {"GET", "/index.php?a=1", NULL, NULL, 200, "QUERY_STRING=[a=1]", NULL},
        {"GET", "/index.php", NULL, NULL, 200, "SERVER_NAME=[site.example]", NULL},
        {"POST", "/index.php", NULL, "x=posted", 200, "x=[posted]", NULL},
        {"GET", "/", NULL, NULL, 200, "SCRIPT_NAME=[/index.php]", NULL},
        {"GET", "/sub/", NULL, NULL, 200, "sub index", NULL},
        {"GET", "/sub", NULL, NULL, 301, NULL, "/sub/"},
        {"GET", "//sub?b=c", NULL, NULL, 301, NULL, "/sub/?b=c"},
        {"GET", "/app/", NULL, NULL, 200, "SCRIPT_NAME=[/app/index.php]", NULL},
        {"GET", "/app/index.php/more/info?z=1", NULL, NULL, 200, "PATH_INFO=[/more/info]", NULL},
        {"GET", "/with%20space/b%20%22c+%C3%BC%25~%27().php", NULL, NULL, 200,
         "SCRIPT_NAME=[/with space/b \"c+\xc3\xbc%~'().php]", NULL},
        {"GET", "/no/such/page?x=2", NULL, NULL, 200, "q=[/no/such/page?x=2]", NULL},
        {"GET", "/no/such/page?x=2", NULL, NULL, 200, "x=[2]", NULL},
        {"GET", "/plain/", NULL, NULL, 200, "q=[/plain/]", NULL},
        {"GET", "/no.php", NULL, NULL, 200, "q=[/no.php]", NULL},
        {"GET", "/static.txt/x.php/y", NULL, NULL, 200, "q=[/static.txt/x.php/y]", NULL},
        {"GET", "/.hidden", NULL, NULL, 404, NULL, NULL},
        {"GET", "/.git/config", NULL, NULL, 404, NULL, NULL},
        {"GET", "/%2egit/config", NULL, NULL, 404, NULL, NULL},
        {"GET", "/sub/../.hidden", NULL, NULL, 404, NULL, NULL},
        {"GET", "/%2e%2e/%2e%2e/etc/passwd", NULL, NULL, 404, NULL, NULL},
        {"GET", "/index.php%00.txt", NULL, NULL, 400, NULL, NULL},
        {"GET", "/.conpaas-alive", NULL, NULL, 404, NULL, NULL},
        {"GET", "/static.txt", "X-ConPaaS-Version: 2\r\n", NULL, 200, "file of version 1", NULL},
        {"GET", "/index.php", "X-ConPaaS-Version: 2\r\n", NULL, 200, "HTTP_X_CONPAAS_VERSION=[]", NULL},
        {"GET", "/index.php", "X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 7.7.7.7\r\n", NULL, 200,
         "HTTP_X_FORWARDED_FOR=[127.0.0.1]", NULL},
        {"GET", "/index.php", "X-Real-IP: 6.6.6.6\r\n", NULL, 200, "HTTP_X_REAL_IP=[127.0.0.1]", NULL},
        {"GET", "/index.php", "Proxy: http://evil/\r\n", NULL, 200, "HTTP_PROXY=[]", NULL},
        {"GET", "/index.php", NULL, NULL, 200, "url_fopen=[0]", NULL},
    };
    expect_all(w, all, ARRAY_LEN(all));
}

/* A web server never gives a script away, whatever the version header says. */
static void test_web_alone(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *target, *version;
        int status;
    } all[] = {
        {"/static.txt", "X-ConPaaS-Version: 2\r\n", 200},
        {"/static.txt", "", 404},
        {"/static.txt", "X-ConPaaS-Version: ../1\r\n", 404},
        {"/static.txt", "X-ConPaaS-Version: 99\r\n", 404},
        {"/index.php", "X-ConPaaS-Version: 1\r\n", 404},
        {"/.hidden", "X-ConPaaS-Version: 1\r\n", 404},
        {"/sub/", "X-ConPaaS-Version: 1\r\n", 404},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct http_got got;
        (void)http_once(w->port[WEB_A], "GET", all[i].target, all[i].version, NULL, &got);
        assert_int_equal(got.status, all[i].status);
        http_got_done(&got);
    }
}

static const struct load_line lines[] = {
    {"GET", "/static.txt", NULL, "file of version", true},
    {"GET", "/static.txt", NULL, "file of version", false},
    {"GET", "/index.php", NULL, "SCRIPT_NAME", true},
    {"GET", "/front/controller", NULL, "q=[/front", false},
    {"GET", "/sub/", NULL, "sub index", true},
    {"GET", "/slow.php", NULL, "slow done", false},
    {"POST", "/index.php", "x=posted", "x=[posted]", true},
};

static void test_versions(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    load_start(&l, w->port[PROXY], lines, ARRAY_LEN(lines));
    for (int i = 0; i < 20; i++) {
        w->version = 3 - w->version;
        assert_int_equal(apply(w, PROXY), CHANGE_LIVE);
        struct http_got got;
        char text[32];
        snprintf(text, sizeof(text), "file of version %d", w->version);
        assert_int_equal(http_once(w->port[PROXY], "GET", "/static.txt", "", NULL, &got), 0);
        assert_non_null(strstr(got.body.data, text));
        http_got_done(&got);
        breathe(&l, 20);
    }
    no_failures(&l, "20 switches of the version");
}

static void test_servers(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    load_start(&l, w->port[PROXY], lines, ARRAY_LEN(lines));
    for (int i = 0; i < 8; i++) {
        w->web[i % 2] = !w->web[i % 2];
        w->php[i % 2] = !w->php[i % 2];
        if (!w->web[0] && !w->web[1]) {
            w->web[0] = w->php[0] = true; /* all change at once: from one to the other */
        }
        assert_int_equal(apply(w, PROXY), CHANGE_LIVE);
        breathe(&l, 40);
    }
    w->web[0] = w->web[1] = w->php[0] = w->php[1] = true;
    assert_int_equal(apply(w, PROXY), CHANGE_LIVE);
    breathe(&l, 20);
    no_failures(&l, "servers added and removed 9 times");
}

static void test_settings(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    load_start(&l, w->port[PROXY], lines, ARRAY_LEN(lines));
    for (int i = 0; i < 4; i++) {
        w->execution_time = 31 + i;
        assert_int_equal(apply(w, FPM_A), CHANGE_RESTART);
        assert_int_equal(apply(w, FPM_B), CHANGE_RESTART);
        breathe(&l, 40);
    }
    no_failures(&l, "settings of both backends changed 4 times");
    static const struct expectation now[] = {{"GET", "/index.php", NULL, NULL, 200, "met=[34]", NULL}};
    for (int i = 0; i < 6; i++) {
        expect_all(w, now, 1);
    }
    assert_int_equal(apply(w, FPM_A), CHANGE_NONE);
}

static void test_reload(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    struct err e = {0};
    load_start(&l, w->port[PROXY], lines, ARRAY_LEN(lines));
    for (int i = 0; i < 5; i++) {
        if (engine_switch(w->engine[PROXY], engine_section(w->engine[PROXY]), CHANGE_RELOAD, &e) < 0) {
            fail_msg("reload: %s", e.message);
        }
        breathe(&l, 30);
    }
    no_failures(&l, "5 reloads of the proxy");
}

static void test_killed_fpm(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    load_start(&l, w->port[PROXY], lines, ARRAY_LEN(lines));
    for (int i = 0; i < 3; i++) {
        pid_t pid = status_of(w, FPM_A).pid;
        assert_int_equal(kill(pid, SIGKILL), 0);
        WAIT_FOR(status_of(w, FPM_A).pid != pid && status_of(w, FPM_A).health == HEALTH_OK);
        breathe(&l, 30);
    }
    no_failures(&l, "php-fpm's master killed 3 times");
}

static void test_killed_web(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    load_start(&l, w->port[PROXY], lines, ARRAY_LEN(lines));
    for (int i = 0; i < 2; i++) {
        pid_t pid = status_of(w, WEB_A).pid;
        assert_int_equal(kill(-pid, SIGKILL), 0); /* with its workers */
        WAIT_FOR(status_of(w, WEB_A).pid != pid && status_of(w, WEB_A).health == HEALTH_OK);
        breathe(&l, 30);
    }
    no_failures(&l, "nginx killed with its workers twice");
}

static void test_bad_settings(void **state)
{
    struct world *w = *state;
    static const char *const bad[][2] = {
        {"memory_limit", "lots"},
        {"memory_limit", "1M\"\nextension=/tmp/x.so"},
        {"disable_functions", "exec\"\nauto_prepend_file=/etc/passwd"},
        {"max_execution_time", "30; x"},
        {"auto_prepend_file", "/etc/passwd"},
        {"display_errors", "Perhaps"},
    };
    pid_t pid = status_of(w, FPM_A).pid;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_err_ struct err e = {0};
        enum role_change change;
        _cleanup_json_ json_t *section = section_of(w, FPM_A);
        json_object_set_new(json_object_get(section, "settings"), bad[i][0], json_string(bad[i][1]));
        assert_int_equal(engine_configure(w->engine[FPM_A], section, &change, &e), ERR_INVALID);
        assert_true(str_starts(e.message, "settings: "));
    }
    assert_int_equal(status_of(w, FPM_A).pid, pid);
    assert_int_equal(apply(w, FPM_A), CHANGE_NONE);
}

/* What a script of php-fpm A finds in a variable. */
static char *ask_environment(struct world *w, const char *name)
{
    put(w, 1, "env.php",
        "<?php $n = $_SERVER['WHICH']; $v = getenv($n);"
        "echo $v === false ? 'none' : ($v === ($_ENV[$n] ?? '') ? $v : 'differs');");
    _cleanup_free_ char *script = str_printf("%s/%d/1/env.php", w->place.code_root, SERVICE);
    const struct fcgi_param params[] = {{"REQUEST_METHOD", "GET"},
                                        {"SCRIPT_NAME", "/env.php"},
                                        {"SCRIPT_FILENAME", script},
                                        {"REQUEST_URI", "/env.php"},
                                        {"QUERY_STRING", ""},
                                        {"SERVER_PROTOCOL", "HTTP/1.1"},
                                        {"CONTENT_LENGTH", "0"},
                                        {"WHICH", name},
                                        {NULL, NULL}};
    struct local_addr where = {.address = "127.0.0.1", .port = w->port[FPM_A]};
    struct fcgi_answer a = {0};
    struct err e = {0};
    if (fcgi_get(&where, params, 8192, 10000, &a, &e) < 0) {
        fail_msg("%s", e.message);
    }
    char *text = xstrdup(a.body.data ? a.body.data : "");
    fcgi_answer_done(&a);
    return text;
}

/* Scripts find the environment of the service, any text of it, in getenv() and $_ENV; another environment is another
 * process, the same one is none. */
static void test_environment(void **state)
{
    struct world *w = *state;
    static const char awkward[] = "a \"b\" $HOME `id` \\ 'c'\n;[www]\nuser = root \xc3\xa9";
    _cleanup_json_ json_t *env = json_pack("{s:s, s:s}", "COLOUR", "red", "MOTTO", awkward);
    _cleanup_json_ json_t *other = json_pack("{s:s}", "COLOUR", "blue");
    pid_t pid = status_of(w, FPM_A).pid;
    engine_environment(w->engine[FPM_A], env);
    assert_int_equal(apply(w, FPM_A), CHANGE_RESTART);
    WAIT_FOR(status_of(w, FPM_A).pid != pid && status_of(w, FPM_A).health == HEALTH_OK);
    pid_t second = status_of(w, FPM_A).pid;
    _cleanup_free_ char *seen = ask_environment(w, "MOTTO");
    assert_string_equal(seen, awkward);
    _cleanup_json_ json_t *same = json_deep_copy(env);
    engine_environment(w->engine[FPM_A], same);
    assert_int_equal(apply(w, FPM_A), CHANGE_NONE);
    assert_int_equal(status_of(w, FPM_A).pid, second);
    engine_environment(w->engine[FPM_A], other);
    assert_int_equal(apply(w, FPM_A), CHANGE_RESTART);
    _cleanup_free_ char *gone = ask_environment(w, "MOTTO"), *blue = ask_environment(w, "COLOUR");
    assert_string_equal(gone, "none");
    assert_string_equal(blue, "blue");
    engine_environment(w->engine[FPM_A], NULL);
    (void)apply(w, FPM_A);
}

/* A second php-fpm that does not come up is as if it had never been: the first one goes on and is asked. */
static void test_failed_overlap(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    _cleanup_free_ char *log = str_printf("%s/backend-a-access.log", w->log);
    pid_t pid = status_of(w, FPM_A).pid;
    int before = w->execution_time;
    enum role_change change = CHANGE_NONE;
    w->execution_time = 77;
    _cleanup_json_ json_t *section = section_of(w, FPM_A);
    assert_int_equal(engine_configure(w->engine[FPM_A], section, &change, &e), 0);
    assert_int_equal(unlink(log), 0);
    assert_int_equal(mkdir(log, 0755), 0); /* it was well when the files were checked */
    assert_true(engine_switch(w->engine[FPM_A], section, change, &e) < 0);
    print_message("   a php-fpm that does not come up: %s\n", e.message);
    err_done(&e);
    if (engine_try(w->engine[FPM_A], 1, &e) < 0) {
        fail_msg("the old process does not answer: %s", e.message);
    }
    assert_int_equal(status_of(w, FPM_A).pid, pid);
    assert_int_equal(status_of(w, FPM_A).health, HEALTH_OK);
    assert_int_equal(rmdir(log), 0);
    w->execution_time = before;
    (void)apply(w, FPM_A);
}

static void test_probe(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    assert_int_equal(engine_try(w->engine[FPM_A], 1, &e), 0);
    assert_null(e.message);
    assert_true(engine_try(w->engine[FPM_A], 3, &e) < 0);
    print_message("   evidence of a parse error: %s\n", e.message);
    assert_non_null(strstr(e.message, "PHP Parse error"));
    err_done(&e);
    assert_true(engine_try(w->engine[FPM_A], 4, &e) < 0);
    print_message("   evidence of an exception:  %s\n", e.message);
    assert_non_null(strstr(e.message, "broken on purpose"));
    err_done(&e);
    assert_int_equal(engine_try(w->engine[FPM_A], 5, &e), 0);
    assert_null(e.message);
    assert_int_equal(engine_try(w->engine[FPM_A], 6, &e), 0);
    assert_non_null(strstr(e.message, "neither"));
    err_done(&e);
    assert_int_equal(engine_try(w->engine[FPM_A], 99, &e), ERR_NOT_FOUND);
    err_done(&e);
}

/* A trial leaves nothing behind in the process that answered it: visitors' errors are shown and logged as set. */
static void test_probe_leaves_nothing(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *shown = str_printf("On0|%s/backend-a-php.log", w->log);
    struct err e = {0};
    w->php[1] = false;
    (void)apply(w, PROXY);
    for (int i = 0; i < 10; i++) { /* each of the processes */
        assert_true(engine_try(w->engine[FPM_A], 4, &e) < 0);
        err_done(&e);
        const struct expectation now[] = {{"GET", "/shown.php", NULL, NULL, 200, shown, NULL}};
        expect_all(w, now, 1);
    }
    w->php[1] = true;
    (void)apply(w, PROXY);
}

static int count(const struct world *w, char cookie[256])
{
    struct http_got got;
    char headers[300] = "";
    if (cookie[0]) {
        snprintf(headers, sizeof(headers), "Cookie: %s\r\n", cookie);
    }
    (void)http_once(w->port[PROXY], "GET", "/count.php", headers, NULL, &got);
    if (got.cookie[0]) {
        (void)str_copy(cookie, 256, got.cookie);
    }
    int n =
        got.status == 200 && str_starts(got.body.data, "n=") ? (int)strtol(got.body.data + 2, NULL, 10) : -1;
    if (n < 0) {
        print_message("   count.php: status %d %s\n", got.status, got.body.data ? got.body.data : "");
    }
    http_got_done(&got);
    return n;
}

static void test_sessions(void **state)
{
    struct world *w = *state;
    char cookie[256] = "";
    WAIT_FOR(status_of(w, REDIS_B).progress.synced);
    WAIT_FOR(count(w, cookie) >= 1);
    int n = count(w, cookie);
    for (int i = 0; i < 6; i++) { /* both backends in turn */
        int next = count(w, cookie);
        assert_int_equal(next, n + 1);
        n = next;
    }
    /* The primary's node is gone; the other becomes primary by its document, the relay finds out by itself.
     */
    engine_free(w->engine[REDIS_A], 100);
    w->engine[REDIS_A] = NULL;
    int64_t begun = clock_mono_ms();
    w->primary = REDIS_B;
    assert_int_equal(apply(w, REDIS_B), CHANGE_LIVE);
    int next;
    WAIT_FOR((next = count(w, cookie)) > 0);
    print_message("   sessions answered again after %lld ms\n", (long long)(clock_mono_ms() - begun));
    assert_int_equal(next, n + 1);
    /* A new replica gets in step. */
    struct err e = {0};
    w->engine[REDIS_A] =
        engine_new(&w->place, "sessions-a", role_driver_find("redis"), SERVICE, NULL, NULL, &e);
    assert_non_null(w->engine[REDIS_A]);
    (void)apply(w, REDIS_A);
    WAIT_FOR(status_of(w, REDIS_A).progress.synced);
    assert_int_equal(count(w, cookie), n + 2);
    /* A killed primary comes back with what it had. */
    pid_t pid = status_of(w, REDIS_B).pid;
    WAIT_FOR(count(w, cookie) == n + 3);
    struct timespec second = {.tv_sec = 1,
                              .tv_nsec = 200000000}; /* what the append-only file may be behind */
    nanosleep(&second, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    WAIT_FOR(status_of(w, REDIS_B).pid != pid && status_of(w, REDIS_B).health == HEALTH_OK);
    WAIT_FOR((next = count(w, cookie)) > 0);
    assert_int_equal(next, n + 4);
}

struct slow {
    int port, status;
};
static void *slow_request(void *arg)
{
    struct slow *s = arg;
    struct http_got got;
    (void)http_once(s->port, "POST", "/slow.php", "", "x=1", &got);
    s->status = got.status;
    http_got_done(&got);
    return NULL;
}

/* A backend that is named no more ends what it has begun, and is drained only then. */
static void test_drain(void **state)
{
    struct world *w = *state;
    w->php[0] = true;
    w->php[1] = false;
    (void)apply(w, PROXY);
    struct slow s = {.port = w->port[PROXY]};
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, slow_request, &s), 0);
    engine_drain(w->engine[FPM_A], false);
    engine_drain(w->engine[FPM_A], true);
    WAIT_FOR(status_of(w, FPM_A).busy > 0);
    w->php[0] = false;
    w->php[1] = true;
    (void)apply(w, PROXY);
    assert_false(status_of(w, FPM_A).drained);
    WAIT_FOR(status_of(w, FPM_A).drained);
    pthread_join(t, NULL);
    assert_int_equal(s.status, 200);
    engine_drain(w->engine[FPM_A], false);
    assert_false(status_of(w, FPM_A).drained);
    w->php[0] = true;
    (void)apply(w, PROXY);
}

static void test_metrics(void **state)
{
    struct world *w = *state;
    WAIT_FOR(({
        _cleanup_json_ json_t *m = engine_metrics(w->engine[PROXY]);
        json_int(m, "served", 0) > 0 && json_int(m, "rss_kb", 0) > 0;
    }));
}

static int role_tests(int argc, char **argv)
{
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routing),
        cmocka_unit_test(test_web_alone),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_killed_fpm),
        cmocka_unit_test(test_killed_web),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_failed_overlap),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_probe_leaves_nothing),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}

int main(int argc, char **argv)
{
    static const char *const needed[] = {"/usr/sbin/haproxy", "/usr/sbin/nginx", "/usr/sbin/php-fpm8.2",
                                         "/usr/bin/redis-server", NULL};
    int missing = need_engines(needed);
    return missing ? missing : within_namespace(role_tests, argc, argv);
}
