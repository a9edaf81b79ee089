/*
 * Tomcat with the engines around it, on loopback: what goes to Tomcat and what to web servers, new versions and
 * settings under load without a lost request, a killed process, probes of versions, sessions shared by two
 * backends and two versions. Needs root and the packages of the node image; skipped when one is missing.
 */
#include "role_tools.h"

#include <signal.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/proc.h"

#define SERVICE 7
#define PASSWORD "s3ss\"io'n $pass\\word=%41&x=#1 !"
#define START_MS 90000

enum { REDIS_A, REDIS_B, RELAY, JAVA_A, JAVA_B, WEB, PROXY, N_ENGINES };

struct world {
    char root[64], code[128], classes[128];
    struct engine_place place;
    char *run, *log, *data, *codes;
    struct engine *engine[N_ENGINES];
    int port[N_ENGINES];
    int version;        /* routed */
    int versions[8], n; /* staged and started */
    bool named[2];      /* backends, by the proxy */
    int threads;        /* a setting that changes */
    int primary;
};

/* ---- the versions ---- */

static const char count_jsp[] =
    "<%@ page contentType=\"text/plain\" %><%\n"
    "Integer n = (Integer) session.getAttribute(\"n\"); n = n == null ? 1 : n + 1; session.setAttribute(\"n\", n);\n"
    "%>n=<%= n %> version=VERSION item=<%= session.getAttribute(\"item\") %>\n";
static const char set_jsp[] =
    "<%@ page contentType=\"text/plain\" %><% String a = request.getParameter(\"name\");\n"
    "session.getAttribute(\"n\");\n"
    "if (request.getParameter(\"slow\") != null) Thread.sleep(1500);\n"
    "session.setAttribute(a, request.getParameter(\"value\")); %>set <%= a %>\n";
static const char show_jsp[] =
    "<%@ page contentType=\"text/plain\" %><% for (String a : new java.util.TreeSet<String>(java.util.Collections.list(\n"
    "session.getAttributeNames()))) { if (!a.equals(\"n\")) out.print(a + \"=\" + session.getAttribute(a) + \" \"); } %>\n";
static const char put_jsp[] =
    "<%@ page contentType=\"text/plain\" %><% session.setAttribute(\"item\", new app.Item()); %>put\n";
static const char local_jsp[] =
    "<%@ page contentType=\"text/plain\" %><% session.setAttribute(\"odd\", new Object() { public String toString() "
    "{ return \"odd\"; } }); %>kept\n";
static const char echo_jsp[] =
    "<%@ page contentType=\"text/plain\" %>server=[<%= request.getServerName() %>] port=[<%= request.getServerPort() %>]\n"
    "from=[<%= request.getRemoteAddr() %>] version=[<%= request.getHeader(\"X-ConPaaS-Version\") %>]\n"
    "x=[<%= request.getParameter(\"x\") %>] host=[<%= request.getHeader(\"Host\") %>]\n";
static const char slow_jsp[] = "<%@ page contentType=\"text/plain\" %><% Thread.sleep(1000); %>slow done\n";
static const char big_jsp[] =
    "<%@ page contentType=\"text/plain\" buffer=\"1kb\" %><% session.setAttribute(\"big\", "
    "request.getParameter(\"value\"));\n"
    "for (int i = 0; i < 3000; i++) out.println(\"a line of some length, number \" + i); %>end\n";
static const char servlet_java[] =
    "package app;\n"
    "@jakarta.servlet.annotation.WebServlet(\"/hello/*\")\n"
    "public class Hello extends jakarta.servlet.http.HttpServlet {\n"
    "    protected void doGet(jakarta.servlet.http.HttpServletRequest q, jakarta.servlet.http.HttpServletResponse a)\n"
    "        throws java.io.IOException { a.getWriter().println(\"hello \" + q.getPathInfo()); }\n"
    "}\n";
static const char item_java[] = "package app;\n"
                                "public class Item implements java.io.Serializable {\n"
                                "    private static final long serialVersionUID = VERSION;\n"
                                "    public String toString() { return \"item-VERSION\"; }\n"
                                "}\n";
static const char web_xml[] =
    "<web-app xmlns=\"https://jakarta.ee/xml/ns/jakartaee\" version=\"6.0\">\n"
    "<servlet><servlet-name>echo</servlet-name><jsp-file>/echo.jsp</jsp-file></servlet>\n"
    "<servlet-mapping><servlet-name>echo</servlet-name><url-pattern>/echo</url-pattern></servlet-mapping>\n"
    "<security-constraint><web-resource-collection><web-resource-name>x</web-resource-name>\n"
    "<url-pattern>/kept/*</url-pattern></web-resource-collection><auth-constraint/></security-constraint>\n"
    "</web-app>\n";

static void put(const struct world *w, int version, const char *name, const char *text)
{
    struct err e = {0};
    _cleanup_free_ char *path = str_printf("%s/%d/%s", w->code, version, name);
    _cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    _cleanup_buf_ struct buf out = {0};
    for (const char *p = text; *p; p++) {
        if (str_starts(p, "VERSION")) {
            buf_addf(&out, "%d", version);
            p += strlen("VERSION") - 1;
        } else {
            buf_addc(&out, *p);
        }
    }
    assert_int_equal(fs_mkdirs(dir, 0755, &e), 0);
    assert_int_equal(fs_write_atomic(path, out.data, out.len, 0644, &e), 0);
}

static void compile(const char *from, const char *to)
{
    _cleanup_err_ struct err e = {0};
    _cleanup_free_ char *program = str_printf("%s/build", getenv("CONPAAS_TOMCAT"));
    const char *const argv[] = {program, from, to, NULL};
    if (proc_run_ok(argv, 120000, &e) < 0) {
        fail_msg("%s", e.message);
    }
}

static void put_version(const struct world *w, int v)
{
    static const struct {
        const char *name, *text;
    } files[] = {
        {"index.jsp", count_jsp},
        {"set.jsp", set_jsp},
        {"show.jsp", show_jsp},
        {"put.jsp", put_jsp},
        {"echo.jsp", echo_jsp},
        {"slow.jsp", slow_jsp},
        {"big.jsp", big_jsp},
        {"local.jsp", local_jsp},
        {"WEB-INF/web.xml", web_xml},
        {"static.txt", "file of VERSION\n"},
        {"sub/index.html", "sub index\n"},
        {"kept/secret.txt", "secret\n"},
        {"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"},
        {"src/app/Hello.java", servlet_java},
        {"src/app/Item.java", item_java},
        {".hidden", "secret\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        put(w, v, files[i].name, files[i].text);
    }
    _cleanup_free_ char *from = str_printf("%s/%d/src", w->code, v);
    _cleanup_free_ char *to = str_printf("%s/%d/WEB-INF/classes", w->code, v);
    compile(from, to);
}

static void put_versions(const struct world *w)
{
    put_version(w, 1);
    put_version(w, 2);
    put(w, 3, "index.jsp", "<% this is no java %>");
    put(w, 4, "WEB-INF/web.xml",
        "<web-app><listener><listener-class>no.such.Listener</listener-class></listener></web-app>");
    put(w, 5, "WEB-INF/web.xml", "<web-app><servlet>");
    put(w, 6, "readme.txt", "nothing to see\n");
    put(w, 8, "index.jsp", "<% if (true) throw new IllegalStateException(\"broken on purpose\"); %>");
}

/* ---- engines ---- */

static json_t *backends(const struct world *w)
{
    json_t *a = json_array();
    for (int i = 0; i < 2; i++) {
        if (w->named[i]) {
            json_array_append_new(a, target(JAVA_A + i + 1, w->port[JAVA_A + i]));
        }
    }
    return a;
}

static json_t *versions_of(const struct world *w)
{
    json_t *a = json_array();
    for (int i = 0; i < w->n; i++) {
        json_array_append_new(a, json_integer(w->versions[i]));
    }
    return a;
}

static json_t *redis_section(const struct world *w, int which)
{
    bool primary = w->primary == which;
    return json_pack("{s:s, s:s, s:i, s:s, s:b, s:s, s:i, s:s}", "engine", "redis", "name",
                     which == REDIS_A ? "sessions-a" : "sessions-b", "port", w->port[which], "password",
                     PASSWORD, "is_primary", primary, "primary", primary ? "" : "127.0.0.1", "primary_port",
                     w->port[which == REDIS_A ? REDIS_B : REDIS_A], "bind", "127.0.0.1");
}

static json_t *section_of(const struct world *w, int which)
{
    switch (which) {
    case REDIS_A:
    case REDIS_B:
        return redis_section(w, which);
    case RELAY:
        return json_pack("{s:s, s:s, s:i, s:s, s:s, s:[o, o]}", "engine", "relay", "name", "session-relay",
                         "port", w->port[RELAY], "mode", "redis-primary", "password", PASSWORD, "targets",
                         target(1, w->port[REDIS_A]), target(2, w->port[REDIS_B]));
    case JAVA_A:
    case JAVA_B:
        return json_pack("{s:s, s:s, s:i, s:i, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:s}", "engine",
                         "tomcat", "name", which == JAVA_A ? "backend-a" : "backend-b", "port",
                         w->port[which], "service", SERVICE, "versions", versions_of(w), "heap", 48 << 20,
                         "threads", w->threads, "request_timeout_s", 60, "session_timeout_min", 30,
                         "post_max", 1 << 20, "session_port", w->port[RELAY], "session_password", PASSWORD,
                         "bind", "127.0.0.1", "classes", w->classes);
    case WEB:
        return json_pack("{s:s, s:s, s:i, s:i, s:o, s:s, s:s}", "engine", "nginx", "name", "web", "port",
                         w->port[WEB], "service", SERVICE, "versions", versions_of(w), "bind", "127.0.0.1",
                         "scripts", "java");
    default:
        return json_pack("{s:s, s:s, s:i, s:i, s:i, s:o, s:s, s:{s:[o], s:o}, s:i, s:s}", "engine", "haproxy",
                         "name", "proxy", "port", w->port[PROXY], "service", SERVICE, "route", w->version,
                         "versions", versions_of(w), "scripts", "java", "targets", "web",
                         target(9, w->port[WEB]), "backend", backends(w), "request_timeout_s", 60, "bind",
                         "127.0.0.1");
    }
}

static enum role_change apply(struct world *w, int which)
{
    struct err e = {0};
    enum role_change change = CHANGE_NONE;
    json_t *section = section_of(w, which);
    assert_non_null(section);
    if (apply_to(w->engine[which], section, &change, &e) < 0) {
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
    static const char *const names[] = {"sessions-a", "sessions-b", "session-relay", "backend-a",
                                        "backend-b",  "web",        "proxy"};
    static const char *const drivers[] = {"redis", "redis", "relay", "tomcat", "tomcat", "nginx", "haproxy"};
    snprintf(w->root, sizeof(w->root), "/tmp/conform-java-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    assert_int_equal(chmod(w->root, 0755), 0);
    w->run = str_printf("%s/run", w->root);
    w->log = str_printf("%s/log", w->root);
    w->data = str_printf("%s/data", w->root);
    w->codes = str_printf("%s/code", w->root);
    w->place = (struct engine_place){
        .run_root = w->run, .log_dir = w->log, .data_root = w->data, .code_root = w->codes};
    snprintf(w->code, sizeof(w->code), "%s/%d", w->codes, SERVICE);
    snprintf(w->classes, sizeof(w->classes), "%s/classes", w->root);
    w->version = w->versions[0] = w->n = 1;
    w->threads = 20;
    w->primary = REDIS_A;
    w->named[0] = w->named[1] = true;
    compile(getenv("CONPAAS_TOMCAT"), w->classes);
    put_versions(w);
    for (int i = 0; i < N_ENGINES; i++) {
        w->port[i] = free_port();
    }
    for (int i = 0; i < N_ENGINES; i++) {
        w->engine[i] = engine_new(&w->place, names[i], role_driver_find(drivers[i]), SERVICE, NULL, NULL, &e);
        assert_non_null(w->engine[i]);
        assert_int_equal(apply(w, i), CHANGE_RESTART);
    }
    int64_t begun = clock_mono_ms();
    for (int i = 0; i < N_ENGINES; i++) {
        WAIT_FOR_MS(status_of(w, i).health == HEALTH_OK, START_MS);
    }
    print_message("   two Tomcats are up after %lld ms\n", (long long)(clock_mono_ms() - begun));
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

static void test_routing(void **state)
{
    struct world *w = *state;
    static const struct expectation all[] = {
        {"GET", "/static.txt", NULL, NULL, 200, "file of 1", NULL},
        {"POST", "/static.txt", NULL, "x=1", 200, "file of 1", NULL}, /* Tomcat: web servers answer 403 */
        {"GET", "/", NULL, NULL, 200, "version=1", NULL},
        {"GET", "/index.jsp;x=y", NULL, NULL, 200, "version=1", NULL},
        {"GET", "/hello/world", NULL, NULL, 200, "hello /world", NULL},
        {"GET", "/echo?x=1", NULL, NULL, 200, "x=[1]", NULL},
        {"POST", "/echo.jsp", NULL, "x=posted", 200, "x=[posted]", NULL},
        {"GET", "/echo", NULL, NULL, 200, "server=[site.example] port=[8000]", NULL},
        {"GET", "/echo", NULL, NULL, 200, "host=[site.example:8000]", NULL},
        {"GET", "/echo", "X-Real-IP: 6.6.6.6\r\n", NULL, 200, "from=[127.0.0.1] version=[null]", NULL},
        {"GET", "/static.txt", "X-ConPaaS-Version: 2\r\n", NULL, 200, "file of 1", NULL},
        {"GET", "/sub", NULL, NULL, 302, NULL, "/sub/"},
        {"GET", "/sub/", NULL, NULL, 200, "sub index", NULL},
        {"GET", "/kept/secret.txt", NULL, NULL, 403, NULL, NULL},
        {"GET", "/.hidden", NULL, NULL, 404, NULL, NULL},
        {"GET", "/WEB-INF/web.xml", NULL, NULL, 404, NULL, NULL},
        {"GET", "/web-inf/web.xml", NULL, NULL, 404, NULL, NULL},
        {"GET", "//WEB-INF/web.xml", NULL, NULL, 404, NULL, NULL},
        {"GET", "/sub/%2e%2e/WEB-INF/web.xml", NULL, NULL, 404, NULL, NULL},
        {"GET", "/META-INF/MANIFEST.MF", NULL, NULL, 404, NULL, NULL},
        {"GET", "/.conpaas/status", NULL, NULL, 404, NULL, NULL},
        {"GET", "/none", NULL, NULL, 404, NULL, NULL},
    };
    expect_at(w->port[PROXY], all, ARRAY_LEN(all));
    static const struct expectation alone[] = {
        {"GET", "/WEB-INF/web.xml", "X-ConPaaS-Version: 1\r\n", NULL, 404, NULL, NULL},
        {"GET", "/index.jsp", "X-ConPaaS-Version: 1\r\n", NULL, 404, NULL, NULL},
        {"GET", "/static.txt", "X-ConPaaS-Version: 1\r\n", NULL, 200, "file of 1", NULL},
    };
    expect_at(w->port[WEB], alone, ARRAY_LEN(alone));
    static const struct expectation tomcat[] = {
        {"GET", "/.conpaas/status", NULL, NULL, 503, NULL, NULL},
        {"GET", "/", "X-ConPaaS-Version: 99\r\n", NULL, 503, "could not be started", NULL},
        {"GET", "/", "X-ConPaaS-Version: 1\r\n", NULL, 200, "version=1", NULL},
    };
    expect_at(w->port[JAVA_A], tomcat, ARRAY_LEN(tomcat));
}

static const struct load_line lines[] = {
    {"GET", "/static.txt", NULL, "file of", true},
    {"GET", "/index.jsp", NULL, "version=", true},
    {"GET", "/hello/you", NULL, "hello /you", false},
    {"GET", "/slow.jsp", NULL, "slow done", false},
    {"POST", "/echo.jsp", "x=posted", "x=[posted]", true},
    {"POST", "/echo.jsp", "x=other", "x=[other]", false},
};

static void apply_all(struct world *w, const int *which, int n, enum role_change wanted)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(apply(w, which[i]), wanted);
    }
}

/* As the manager does it: the new version comes beside the old one, then the proxy switches, then the old one goes. */
static void test_versions(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    static const int java[] = {JAVA_A, JAVA_B};
    load_start(&l, w->port[PROXY], lines, ARRAY_LEN(lines));
    for (int i = 0; i < 4; i++) {
        int next = 3 - w->version;
        w->versions[0] = 1;
        w->versions[1] = 2;
        w->n = 2;
        apply_all(w, java, 2, CHANGE_RELOAD);
        breathe(&l, 10);
        w->version = next;
        assert_int_equal(apply(w, PROXY), CHANGE_LIVE);
        char text[32];
        snprintf(text, sizeof(text), "version=%d", next);
        const struct expectation now[] = {{"GET", "/", NULL, NULL, 200, text, NULL}};
        expect_at(w->port[PROXY], now, 1);
        breathe(&l, 20);
        w->versions[0] = next;
        w->n = 1;
        apply_all(w, java, 2, CHANGE_RELOAD);
        assert_int_equal(apply(w, PROXY), CHANGE_LIVE);
        breathe(&l, 20);
    }
    no_failures(&l, "4 switches of the version, each started anew");
    assert_int_equal(apply(w, JAVA_A), CHANGE_NONE);
}

static void test_servers(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    load_start(&l, w->port[PROXY], lines, ARRAY_LEN(lines));
    for (int i = 0; i < 6; i++) {
        w->named[i % 2] = !w->named[i % 2];
        if (!w->named[0] && !w->named[1]) {
            w->named[0] = true;
        }
        assert_int_equal(apply(w, PROXY), CHANGE_LIVE);
        breathe(&l, 30);
    }
    w->named[0] = w->named[1] = true;
    (void)apply(w, PROXY);
    no_failures(&l, "backends added and removed 6 times");
}

static void test_settings(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    load_start(&l, w->port[PROXY], lines, ARRAY_LEN(lines));
    for (int i = 0; i < 2; i++) {
        w->threads = 21 + i;
        for (int k = JAVA_A; k <= JAVA_B; k++) {
            pid_t pid = status_of(w, k).pid;
            int64_t begun = clock_mono_ms();
            assert_int_equal(apply(w, k), CHANGE_RESTART);
            WAIT_FOR_MS(status_of(w, k).pid != pid && status_of(w, k).health == HEALTH_OK, START_MS);
            print_message("   new settings are in force after %lld ms\n",
                          (long long)(clock_mono_ms() - begun));
            breathe(&l, 30);
        }
    }
    no_failures(&l, "settings of both backends changed twice");
    assert_int_equal(apply(w, JAVA_A), CHANGE_NONE);
}

static void test_refused(void **state)
{
    struct world *w = *state;
    static const char *const bad[][2] = {
        {"threads", "0"},        {"heap", "1024"}, {"heap", "\"64M\""}, {"request_timeout_s", "-1"},
        {"classes", "\"/a b\""},
    };
    pid_t pid = status_of(w, JAVA_A).pid;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_err_ struct err e = {0};
        enum role_change change;
        json_t *v = json_loads(bad[i][1], JSON_DECODE_ANY, NULL);
        _cleanup_json_ json_t *section = section_of(w, JAVA_A);
        json_object_set_new(section, bad[i][0], v);
        assert_int_equal(engine_configure(w->engine[JAVA_A], section, &change, &e), ERR_INVALID);
    }
    assert_int_equal(status_of(w, JAVA_A).pid, pid);
    assert_int_equal(apply(w, JAVA_A), CHANGE_NONE);
}

/* Who comes while there is no process waits for the next one; only what is under way in the killed one may be lost,
 * and what may be done twice is done again. */
static void test_killed(void **state)
{
    struct world *w = *state;
    static struct load l; /* outlives a failed test */
    load_start(&l, w->port[PROXY], lines, 4);
    pid_t pid = status_of(w, JAVA_A).pid;
    breathe(&l, 30);
    assert_int_equal(kill(pid, SIGKILL), 0);
    WAIT_FOR_MS(status_of(w, JAVA_A).pid != pid && status_of(w, JAVA_A).health == HEALTH_OK, START_MS);
    breathe(&l, 30);
    no_failures(&l, "a Tomcat is killed");
}

/* A second process that does not come up is as if it had never been. */
static void test_failed_overlap(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    enum role_change change = CHANGE_NONE;
    pid_t pid = status_of(w, JAVA_A).pid;
    _cleanup_json_ json_t *section = section_of(w, JAVA_A);
    json_object_set_new(section, "classes", json_string("/nowhere"));
    assert_int_equal(engine_configure(w->engine[JAVA_A], section, &change, &e), 0);
    assert_true(engine_switch(w->engine[JAVA_A], section, change, &e) < 0);
    print_message("   a Tomcat that does not come up: %s\n", e.message);
    err_done(&e);
    if (engine_try(w->engine[JAVA_A], w->version, &e) < 0) {
        fail_msg("the old process does not answer: %s", e.message);
    }
    assert_int_equal(status_of(w, JAVA_A).pid, pid);
    (void)apply(w, JAVA_A);
}

static void test_probe(void **state)
{
    struct world *w = *state;
    static const struct {
        int version;
        bool good;
        const char *says;
    } all[] = {
        {1, true, NULL},
        {3, false, "JasperException"},
        {4, false, "no.such.Listener"},
        {5, false, "SAXParseException"},
        {6, true, "no page"},
        {8, false, "broken on purpose"},
        {7, false, "not staged"},
    };
    int before = w->versions[0];
    for (int i = 0; i < 7; i++) {
        w->versions[i] = (int[]){1, 2, 3, 4, 5, 6, 8}[i];
    }
    w->n = 7;
    assert_int_equal(apply(w, JAVA_A), CHANGE_RELOAD);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        _cleanup_err_ struct err e = {0};
        int r = engine_try(w->engine[JAVA_A], all[i].version, &e);
        print_message("   version %d: %s\n", all[i].version, e.message ? e.message : "good");
        assert_int_equal(r >= 0, all[i].good);
        assert_int_equal(e.message == NULL, all[i].says == NULL);
        assert_true(!all[i].says || strstr(e.message, all[i].says));
    }
    w->versions[0] = before;
    w->n = 1;
    (void)apply(w, JAVA_A);
}

/* One visitor's request; his cookie is kept. The body, or NULL for another status than 200. Caller frees. */
static char *visit(int port, const char *page, char cookie[256])
{
    struct http_got got;
    char headers[300] = "";
    if (cookie[0]) {
        snprintf(headers, sizeof(headers), "Cookie: %s\r\nX-ConPaaS-Version: 1\r\n", cookie);
    } else {
        snprintf(headers, sizeof(headers), "X-ConPaaS-Version: 1\r\n");
    }
    (void)http_once(port, "GET", page, headers, NULL, &got);
    if (got.cookie[0]) {
        (void)str_copy(cookie, 256, got.cookie);
    }
    char *text = got.status == 200 ? xstrdup(got.body.data) : NULL;
    if (!text) {
        print_message("   %s: status %d %s\n", page, got.status, got.body.data ? got.body.data : "");
    }
    http_got_done(&got);
    return text;
}

static int count(const struct world *w, char cookie[256])
{
    _cleanup_free_ char *text = visit(w->port[PROXY], "/index.jsp", cookie);
    return text && str_starts(text, "n=") ? (int)strtol(text + 2, NULL, 10) : -1;
}

static void both_versions(struct world *w, int routed)
{
    w->versions[0] = 1;
    w->versions[1] = 2;
    w->n = 2;
    w->version = routed;
    (void)apply(w, JAVA_A);
    (void)apply(w, JAVA_B);
    (void)apply(w, PROXY);
}

static void expect_visit(const struct world *w, char cookie[256], const char *page, const char *contains)
{
    _cleanup_free_ char *text = visit(w->port[PROXY], page, cookie);
    if (!text || !strstr(text, contains)) {
        fail_msg("%s: wanted %s, found %s", page, contains, text ? text : "nothing");
    }
}

static void test_sessions(void **state)
{
    struct world *w = *state;
    char cookie[256] = "";
    both_versions(w, 1);
    WAIT_FOR(status_of(w, REDIS_B).progress.synced);
    int n = count(w, cookie);
    assert_int_equal(n, 1);
    for (int i = 0; i < 20; i++) { /* both backends in turn, at once after each other */
        assert_int_equal(count(w, cookie), ++n);
    }
    /* An answer that begins long before its end: the next request finds what it has stored. */
    for (int i = 0; i < 10; i++) {
        char page[64], wanted[32];
        snprintf(page, sizeof(page), "/big.jsp?value=b%d", i);
        snprintf(wanted, sizeof(wanted), "big=b%d ", i);
        expect_visit(w, cookie, page, "end");
        expect_visit(w, cookie, "/show.jsp", wanted);
        expect_visit(w, cookie, "/show.jsp", wanted);
    }
    /* Another version goes on with it; what its classes cannot read is left out, and is there for those that can. */
    expect_visit(w, cookie, "/put.jsp", "put");
    expect_visit(w, cookie, "/index.jsp", "version=1 item=item-1");
    both_versions(w, 2);
    n = count(w, cookie);
    assert_int_equal(n, 23);
    expect_visit(w, cookie, "/index.jsp", "n=24 version=2 item=null");
    both_versions(w, 1);
    expect_visit(w, cookie, "/index.jsp", "n=25 version=1 item=item-1");
    /* What cannot be written down stays on its node. */
    w->named[1] = false;
    (void)apply(w, PROXY);
    expect_visit(w, cookie, "/local.jsp", "kept");
    expect_visit(w, cookie, "/show.jsp", "odd=odd");
    w->named[1] = true;
    (void)apply(w, PROXY);
    /* The primary's node is gone: nobody gets a new session meanwhile. */
    engine_free(w->engine[REDIS_A], 100);
    w->engine[REDIS_A] = NULL;
    int64_t begun = clock_mono_ms();
    w->primary = REDIS_B;
    assert_int_equal(apply(w, REDIS_B), CHANGE_LIVE);
    assert_int_equal(count(w, cookie), 26);
    print_message("   sessions answered again after %lld ms\n", (long long)(clock_mono_ms() - begun));
    struct err e = {0};
    w->engine[REDIS_A] =
        engine_new(&w->place, "sessions-a", role_driver_find("redis"), SERVICE, NULL, NULL, &e);
    assert_non_null(w->engine[REDIS_A]);
    (void)apply(w, REDIS_A);
}

struct setter {
    int port;
    const char *page;
    char cookie[256];
    char *got;
};
static void *set_one(void *arg)
{
    struct setter *s = arg;
    s->got = visit(s->port, s->page, s->cookie);
    return NULL;
}

/* Two requests of one session on two backends at once: what each of them sets is there afterwards. */
static void test_at_once(void **state)
{
    struct world *w = *state;
    char cookie[256] = "";
    assert_int_equal(count(w, cookie), 1);
    struct setter s[] = {{.port = w->port[JAVA_A], .page = "/set.jsp?name=a&value=1&slow=1"},
                         {.port = w->port[JAVA_B], .page = "/set.jsp?name=b&value=2&slow=1"},
                         {.port = w->port[JAVA_A], .page = "/set.jsp?name=c&value=3&slow=1"}};
    pthread_t t[ARRAY_LEN(s)];
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        (void)str_copy(s[i].cookie, sizeof(s[i].cookie), cookie);
        assert_int_equal(pthread_create(&t[i], NULL, set_one, &s[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        pthread_join(t[i], NULL);
        assert_non_null(s[i].got);
        free(s[i].got);
    }
    expect_visit(w, cookie, "/show.jsp", "a=1 b=2 c=3");
    expect_visit(w, cookie, "/show.jsp", "a=1 b=2 c=3");
}

static void *slow_request(void *arg)
{
    int *port_status = arg;
    struct http_got got;
    (void)http_once(port_status[0], "POST", "/slow.jsp", "", "x=1", &got);
    port_status[1] = got.status;
    http_got_done(&got);
    return NULL;
}

/* A backend that is named no more ends what it has begun, and is drained only then. */
static void test_drain(void **state)
{
    struct world *w = *state;
    int slow[2] = {w->port[PROXY], 0};
    w->named[1] = false;
    (void)apply(w, PROXY);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, slow_request, slow), 0);
    engine_drain(w->engine[JAVA_A], true);
    WAIT_FOR(status_of(w, JAVA_A).busy > 0);
    w->named[0] = false;
    w->named[1] = true;
    (void)apply(w, PROXY);
    WAIT_FOR(status_of(w, JAVA_A).drained);
    pthread_join(t, NULL);
    assert_int_equal(slow[1], 200);
    engine_drain(w->engine[JAVA_A], false);
    w->named[0] = true;
    (void)apply(w, PROXY);
}

static void test_metrics(void **state)
{
    struct world *w = *state;
    WAIT_FOR(({
        _cleanup_json_ json_t *m = engine_metrics(w->engine[PROXY]), *j = engine_metrics(w->engine[JAVA_B]);
        json_int(m, "served", 0) > 0 && json_int(m, "backend_requests", 0) > 0 &&
            json_int(j, "requests", 0) > 0 && json_int(j, "heap_kb", 0) > 0 && json_int(j, "rss_kb", 0) > 0;
    }));
    _cleanup_json_ json_t *m = engine_metrics(w->engine[JAVA_B]);
    print_message("   a Tomcat with a heap of 48 MB takes %lld MB\n",
                  (long long)json_int(m, "rss_kb", 0) / 1024);
}

static int java_tests(int argc, char **argv)
{
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routing),        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_servers),        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_failed_overlap), cmocka_unit_test(test_probe),
        cmocka_unit_test(test_sessions),       cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_drain),          cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}

int main(int argc, char **argv)
{
    static const char *const needed[] = {"/usr/sbin/haproxy",
                                         "/usr/sbin/nginx",
                                         "/usr/bin/redis-server",
                                         "/usr/bin/java",
                                         "/usr/share/tomcat10/lib/catalina.jar",
                                         "/usr/share/java/eclipse-jdt-core.jar",
                                         NULL};
    int missing = need_engines(needed);
    if (!missing && !getenv("CONPAAS_TOMCAT")) {
        print_message("skipped: CONPAAS_TOMCAT is not set\n");
        missing = 77;
    }
    return missing ? missing : within_namespace(java_tests, argc, argv);
}
