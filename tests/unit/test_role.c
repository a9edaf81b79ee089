/*
 * The parts of the role drivers that need no engine: quoting with hostile values, sections, the table of
 * paths, FastCGI and Redis answers, the tables of HAProxy, generated configuration.
 */
#include "cm.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "role/fcgi.h"
#include "role/haproxy_config.h"
#include "role/paths.h"
#include "role/php_config.h"
#include "role/quote.h"
#include "role/resp.h"
#include "role/role_driver.h"
#include "role/tomcat_config.h"
#include "role/web_xml.h"

/* ---- quoting ---- */

static void test_quote(void **state)
{
    static const struct {
        const char *in, *haproxy, *nginx, *ini, *redis; /* NULL: refused */
    } all[] = {
        {"plain", "'plain'", "\"plain\"", "\"plain\"", "\"plain\""},
        {"", "''", "\"\"", "\"\"", "\"\""},
        {"a b", "'a b'", "\"a b\"", "\"a b\"", "\"a\\x20b\""},
        {"it's", "'it'\\''s'", "\"it's\"", "\"it's\"", "\"it\\x27s\""},
        {"say \"x\"", "'say \"x\"'", "\"say \\\"x\\\"\"", NULL, "\"say\\x20\\x22x\\x22\""},
        {"back\\slash", "'back\\slash'", "\"back\\\\slash\"", NULL, "\"back\\x5cslash\""},
        {"$HOME ${x}", "'$HOME ${x}'", NULL, NULL, "\"\\x24HOME\\x20\\x24\\x7bx\\x7d\""},
        {"a;b#c{d}", "'a;b#c{d}'", "\"a;b#c{d}\"", "\"a;b#c{d}\"", "\"a\\x3bb\\x23c\\x7bd\\x7d\""},
        {"two\nlines", NULL, NULL, NULL, "\"two\\x0alines\""},
        {"nul\x01", NULL, NULL, NULL, "\"nul\\x01\""},
        {"del\x7f", NULL, NULL, NULL, "\"del\\x7f\""},
        {"bad\xff", NULL, NULL, NULL, "\"bad\\xff\""},
        {"\xc3\xbc", "'\xc3\xbc'", "\"\xc3\xbc\"", "\"\xc3\xbc\"", "\"\\xc3\\xbc\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        int (*const quote[])(struct buf *, const char *, struct err *) = {quote_haproxy, quote_nginx,
                                                                          quote_ini};
        const char *const wanted[] = {all[i].haproxy, all[i].nginx, all[i].ini};
        for (size_t k = 0; k < ARRAY_LEN(quote); k++) {
            _cleanup_buf_ struct buf b = {0};
            _cleanup_err_ struct err e = {0};
            int r = quote[k](&b, all[i].in, &e);
            assert_int_equal(r, wanted[k] ? 0 : ERR_INVALID);
            if (wanted[k]) {
                assert_string_equal(b.data, wanted[k]);
            } else {
                assert_int_equal(b.len, 0); /* nothing half written */
            }
        }
        _cleanup_buf_ struct buf b = {0};
        quote_redis(&b, all[i].in);
        assert_string_equal(b.data, all[i].redis);
    }
}

static void test_quote_words(void **state)
{
    _cleanup_buf_ struct buf url = {0}, hex = {0};
    quote_url(&url, "/5/a b\"c+\xc3\xbc%~.php");
    assert_string_equal(url.data, "%2F5%2Fa%20b%22c%2B%C3%BC%25~.php");
    quote_hex(&hex, "A\r\n");
    assert_string_equal(hex.data, "410d0a");
    assert_true(quote_is_plain("/run/conpaas/web-1_a.b"));
    static const char *const not_plain[] = {"", "a b", "a;b", "a'b", "$x", "a\nb", "\xc3\xbc", "a{"};
    for (size_t i = 0; i < ARRAY_LEN(not_plain); i++) {
        assert_false(quote_is_plain(not_plain[i]));
    }
}

static void test_quote_properties(void **state)
{
    static const char *const all[][2] = {
        {"plain", "plain"},
        {"", ""},
        {" a=b:c#d!e\\f", "\\ a\\=b\\:c\\#d\\!e\\\\f"},
        {"\xc3\xbc", "\xc3\xbc"},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        _cleanup_buf_ struct buf b = {0};
        struct err e = {0};
        buf_adds(&b, "");
        assert_int_equal(quote_properties(&b, all[i][0], &e), 0);
        assert_string_equal(b.data, all[i][1]);
    }
    static const char *const refused[] = {"two\nlines", "cr\r", "tab\t", "bad\xff"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        _cleanup_buf_ struct buf b = {0};
        _cleanup_err_ struct err e = {0};
        assert_int_equal(quote_properties(&b, refused[i], &e), ERR_INVALID);
        assert_int_equal(b.len, 0);
    }
}

/* ---- sections ---- */

static void test_targets(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[1]",
        "[{\"id\":1,\"address\":\"10.0.0.1\"}]",
        "[{\"id\":0,\"address\":\"10.0.0.1\",\"port\":80}]",
        "[{\"id\":1,\"address\":\"10.0.0.1\",\"port\":0}]",
        "[{\"id\":1,\"address\":\"10.0.0.1\",\"port\":65536}]",
        "[{\"id\":1,\"address\":\"host\",\"port\":80}]",
        "[{\"id\":1,\"address\":\"10.0.0.1 x\",\"port\":80}]",
        "[{\"id\":1,\"address\":\"10.0.0.1\\n\",\"port\":80}]",
        "[{\"id\":1,\"address\":\"::1\",\"port\":80}]",
        "[{\"id\":1,\"address\":\"10.0.0.1\",\"port\":80,\"check\":1}]",
        "[{\"id\":1,\"address\":\"10.0.0.1\",\"port\":80,\"weight\":0}]",
        "[{\"id\":1,\"address\":\"10.0.0.1\",\"port\":80},{\"id\":1,\"address\":\"10.0.0.2\",\"port\":80}]",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_json_ json_t *j = NULL;
        _cleanup_err_ struct err e = {0};
        struct section_targets t;
        assert_int_equal(json_parse(bad[i], strlen(bad[i]), 4096, &j, &e), 0);
        assert_int_equal(section_targets(j, "web", &t, &e), ERR_INVALID);
        assert_true(str_starts(e.message, "web"));
    }
    struct section_targets t = {.n = 9};
    struct err e = {0};
    assert_int_equal(section_targets(NULL, "web", &t, &e), 0);
    assert_int_equal(t.n, 0);
    _cleanup_json_ json_t *good =
        json_pack("[{s:i, s:s, s:i}]", "id", 4, "address", "10.88.0.4", "port", 8080);
    assert_int_equal(section_targets(good, "web", &t, &e), 0);
    assert_int_equal(t.at[0].weight, 100);
}

static void test_versions(void **state)
{
    struct err e = {0};
    struct section_versions a, b;
    _cleanup_json_ json_t *j = json_pack("[i, i, i]", 7, 3, 7), *k = json_pack("[i, i]", 3, 7);
    assert_int_equal(section_versions(j, &a, &e), 0);
    assert_int_equal(section_versions(k, &b, &e), 0);
    assert_true(section_versions_equal(&a, &b));
    section_versions_add(&a, 5);
    assert_int_equal(a.at[1], 5);
    assert_false(section_versions_equal(&a, &b));
    _cleanup_json_ json_t *zero = json_pack("[i]", 0), *text = json_pack("[s]", "1");
    assert_int_equal(section_versions(zero, &a, &e), ERR_INVALID);
    err_done(&e);
    assert_int_equal(section_versions(text, &a, &e), ERR_INVALID);
    err_done(&e);
}

/* ---- paths ---- */

static void put(const char *root, const char *name)
{
    struct err e = {0};
    _cleanup_free_ char *path = str_printf("%s/5/%s", root, name);
    _cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    assert_int_equal(fs_mkdirs(dir, 0755, &e), 0);
    assert_int_equal(fs_write_atomic(path, "x", 1, 0644, &e), 0);
}

static void test_paths(void **state)
{
    char root[] = "/tmp/test-role-XXXXXX";
    struct err e = {0};
    assert_non_null(mkdtemp(root));
    static const char *const files[] = {"index.php",        "a b.txt",    "sub/index.html", "sub/index.php",
                                        "app/index.php",    "none/x.css", ".secret",        ".git/config",
                                        "none/.hidden.php", "UPPER.PHP",  "odd\nname"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        put(root, files[i]);
    }
    _cleanup_free_ char *loop = str_printf("%s/5/loop", root), *link = str_printf("%s/5/link.txt", root);
    _cleanup_free_ char *dead = str_printf("%s/5/dead.txt", root);
    assert_int_equal(symlink(".", loop), 0);
    assert_int_equal(symlink("a b.txt", link), 0);
    assert_int_equal(symlink("nowhere", dead), 0);
    _cleanup_buf_ struct buf out = {0};
    assert_int_equal(paths_add(&out, PATHS_PHP, root, 5, &e), 0);
    static const char *const wanted[] = {
        "%2F5%2Findex.php p\n", "%2F5%2F i\n",         "%2F5%2Fa%20b.txt s\n",  "%2F5%2Fsub d\n",
        "%2F5%2Fsub%2F h\n",    "%2F5%2Fapp%2F i\n",   "%2F5%2Fnone d\n",       "%2F5%2Fnone%2Fx.css s\n",
        "%2F5%2FUPPER.PHP s\n", "%2F5%2Flink.txt s\n", "%2F5%2Fodd%0Aname s\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        if (!strstr(out.data, wanted[i])) {
            fail_msg("missing %s in\n%s", wanted[i], out.data);
        }
    }
    static const char *const unwanted[] = {"secret", "git", "hidden", "loop", "dead", "none%2F "};
    for (size_t i = 0; i < ARRAY_LEN(unwanted); i++) {
        assert_null(strstr(out.data, unwanted[i]));
    }
    assert_true(paths_add(&out, PATHS_PHP, root, 6, &e) < 0);
    err_done(&e);
    assert_int_equal(fs_remove_tree(root, &e), 0);
}

static void test_paths_java(void **state)
{
    char root[] = "/tmp/test-role-XXXXXX";
    struct err e = {0};
    assert_non_null(mkdtemp(root));
    static const char *const files[] = {
        "index.html",     "a.jsp",         "UPPER.JSP",   "sub/b.css",  "sub/c.tag",
        "WEB-INF/x.html", "web-inf/y.txt", "META-INF/m",  "kept/d.txt", "e.do",
        "sub/WEB-INF/z",  "lib/x.jar",     "exact/f.txt", ".h",         "g.php"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        put(root, files[i]);
    }
    static const char xml[] = "<web-app><url-pattern>/kept/*</url-pattern><x:url-pattern>*.do</x:url-pattern>"
                              "<!-- <url-pattern>/*</url-pattern> -->\n"
                              "<url-pattern >\n /exact/f.txt\t</url-pattern></web-app>";
    _cleanup_free_ char *path = str_printf("%s/5/WEB-INF/web.xml", root);
    assert_int_equal(fs_write_atomic(path, xml, strlen(xml), 0644, &e), 0);
    _cleanup_buf_ struct buf out = {0};
    assert_int_equal(paths_add(&out, PATHS_JAVA, root, 5, &e), 0);
    static const char *const wanted[] = {"%2F5%2Findex.html s\n", "%2F5%2Fsub%2Fb.css s\n",
                                         "%2F5%2Fg.php s\n", "%2F5%2Fsub%2FWEB-INF%2Fz s\n"};
    size_t length = 0;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_non_null(strstr(out.data, wanted[i]));
        length += strlen(wanted[i]);
    }
    assert_int_equal(out.len, length); /* and nothing else */
    _cleanup_buf_ struct buf none = {0};
    assert_int_equal(fs_write_atomic(path, "<url-pattern>/x\0</url-pattern>", 31, 0644, &e), 0);
    assert_int_equal(paths_add(&none, PATHS_JAVA, root, 5, &e), 0);
    assert_int_equal(none.len, 0); /* what cannot be read may cover everything */
    assert_int_equal(fs_remove_tree(root, &e), 0);
}

static void test_web_xml(void **state)
{
    static const struct {
        const char *xml, *path;
        bool covers;
    } all[] = {
        {"", "/a.txt", false},
        {"<url-pattern>/</url-pattern>", "/a.txt", true},
        {"<url-pattern>/*</url-pattern>", "/sub/a.txt", true},
        {"<url-pattern>/sub/*</url-pattern>", "/sub/a.txt", true},
        {"<url-pattern>/sub/*</url-pattern>", "/sub", true},
        {"<url-pattern>/sub/*</url-pattern>", "/subway/a.txt", false},
        {"<url-pattern>/sub/*</url-pattern>", "/other/sub/a.txt", false},
        {"<url-pattern>*.txt</url-pattern>", "/sub/a.txt", true},
        {"<url-pattern>*.txt</url-pattern>", "/sub/a.txts", false},
        {"<url-pattern>/a.txt</url-pattern>", "/a.txt", true},
        {"<url-pattern>a.txt</url-pattern>", "/a.txt", true},
        {"<url-pattern>/a.txt</url-pattern>", "/b.txt", false},
        {"<url-pattern><![CDATA[/x]]></url-pattern>", "/b.txt", true},
        {"<url-pattern>/&#97;</url-pattern>", "/b.txt", true},
        {"<url-pattern></url-pattern>", "/b.txt", true},
        {"<url-pattern/>", "/b.txt", true},
        {"<url-pattern>/x", "/b.txt", true},
        {"<url-pattern", "/b.txt", true},
        {"<!-- <url-pattern>/*</url-pattern>", "/b.txt", false},
        {"<url-patterns>/*</url-patterns>", "/b.txt", false},
        {"<servlet-name>/*</servlet-name>", "/b.txt", false},
        {"<j:url-pattern id='x'>/b.txt</j:url-pattern>", "/b.txt", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct web_xml w;
        web_xml_read(all[i].xml, &w);
        if (web_xml_covers(&w, all[i].path) != all[i].covers) {
            fail_msg("%s: %s", all[i].xml, all[i].path);
        }
        web_xml_done(&w);
    }
}

/* ---- answers ---- */

static void test_fcgi_head(void **state)
{
    static const struct {
        const char *raw;
        int status, body; /* body -1: refused */
    } all[] = {
        {"Content-type: text/html\r\n\r\nhello", 200, 27},
        {"Status: 500 Oh\r\n\r\n", 500, 18},
        {"X: y\nstatus: 404\n\nb", 404, 18},
        {"\r\nbody", 200, 2},
        {"Status: abc\r\n\r\n", 200, 15},
        {"Status: 50", 0, -1},
        {"", 0, -1},
        {"no end\r\n", 0, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        _cleanup_err_ struct err e = {0};
        int status = 0;
        size_t body = 0;
        int r = fcgi_parse_head(all[i].raw, strlen(all[i].raw), &status, &body, &e);
        assert_int_equal(r < 0, all[i].body < 0);
        if (r == 0) {
            assert_int_equal(status, all[i].status);
            assert_int_equal(body, all[i].body);
        }
    }
}

static void test_resp_info(void **state)
{
    static const char info[] =
        "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nslave0:ip=1,port=2\r\n";
    _cleanup_free_ char *role = resp_info(info, "role"), *link = resp_info(info, "master_link_status");
    assert_string_equal(role, "slave");
    assert_string_equal(link, "up");
    assert_null(resp_info(info, "rol"));
    assert_null(resp_info(info, "up"));
    assert_null(resp_info("", "role"));
}

static void test_haproxy_stat(void **state)
{
    static const char csv[] = "# pxname,svname,qcur,scur,\nweb,n1,0,2,\nweb,BACKEND,1,7,\nphp,BACKEND,,0,\n";
    assert_int_equal(haproxy_stat(csv, "web", "BACKEND", "scur"), 7);
    assert_int_equal(haproxy_stat(csv, "web", "BACKEND", "qcur"), 1);
    assert_int_equal(haproxy_stat(csv, "php", "BACKEND", "qcur"), -1);
    assert_int_equal(haproxy_stat(csv, "php", "n1", "scur"), -1);
    assert_int_equal(haproxy_stat(csv, "web", "BACKEND", "none"), -1);
    assert_int_equal(haproxy_stat("", "web", "BACKEND", "scur"), -1);
}

/* ---- configuration ---- */

static struct role_engine engine(const char *run_dir)
{
    struct role_engine r = {.name = "backend"};
    (void)str_copy(r.run_dir, sizeof(r.run_dir), run_dir);
    (void)str_copy(r.log_dir, sizeof(r.log_dir), "/var/log/conpaas");
    (void)str_copy(r.code_dir, sizeof(r.code_dir), "/var/lib/conpaas/code/3");
    return r;
}

static void test_php_settings(void **state)
{
    struct role_engine r = engine("/run/conpaas/backend");
    static const struct {
        const char *settings, *line; /* NULL: refused */
    } all[] = {
        {"{\"memory_limit\": \"128M\"}", "memory_limit = \"128M\"\n"},
        {"{\"memory_limit\": 1048576}", "memory_limit = \"1048576\"\n"},
        {"{\"display_errors\": true}", "display_errors = \"On\"\n"},
        {"{\"display_errors\": \"Off\"}", "display_errors = \"Off\"\n"},
        {"{\"disable_functions\": \"exec,mail, popen\"}", "disable_functions = \"exec,mail, popen\"\n"},
        {"{\"disable_functions\": \"\"}", "disable_functions = \"\"\n"},
        {"{\"max_execution_time\": \"30\"}", "max_execution_time = \"30\"\n"},
        {"{\"max_execution_time\": \"30s\"}", NULL},
        {"{\"max_execution_time\": [30]}", NULL},
        {"{\"memory_limit\": \"128M\\nextension=x\"}", NULL},
        {"{\"memory_limit\": \"M\"}", NULL},
        {"{\"display_errors\": \"yes please\"}", NULL},
        {"{\"disable_functions\": \"exec\\\"\"}", NULL},
        {"{\"disable_functions\": \"exec;x\"}", NULL},
        {"{\"auto_prepend_file\": \"/etc/passwd\"}", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        _cleanup_json_ json_t *j = NULL;
        _cleanup_buf_ struct buf out = {0};
        _cleanup_err_ struct err e = {0};
        assert_int_equal(json_parse(all[i].settings, strlen(all[i].settings), 4096, &j, &e), 0);
        struct php_want w = {.bind = "0.0.0.0",
                             .port = 9000,
                             .request_timeout_s = 120,
                             .settings = j,
                             .session_port = 6380,
                             .session_password = "p\"\n;x"};
        int rc = php_config_ini(&r, &w, &out, &e);
        assert_int_equal(rc, all[i].line ? 0 : ERR_INVALID);
        if (all[i].line) {
            assert_non_null(strstr(out.data, all[i].line));
            assert_non_null(strstr(out.data, "auth=p%22%0A%3Bx\""));
        } else {
            assert_true(str_starts(e.message, "settings: "));
        }
    }
}

static void test_tomcat_config(void **state)
{
    _cleanup_json_ json_t *j =
        json_pack("{s:s, s:s, s:i, s:i, s:[i,i], s:i, s:i, s:i, s:i, s:i, s:i, s:s}", "engine", "tomcat",
                  "name", "backend", "port", 9000, "service", 3, "versions", 9, 8, "heap", 33 << 20,
                  "threads", 25, "request_timeout_s", 60, "session_timeout_min", 30, "post_max", 1024,
                  "session_port", 6380, "session_password", "a=b\\ #");
    struct tomcat_want w;
    struct err e = {0};
    struct role_engine r = engine("/run/conpaas/backend");
    (void)str_copy(r.data_dir, sizeof(r.data_dir), "/var/lib/conpaas/data/backend");
    _cleanup_buf_ struct buf server = {0}, java = {0};
    assert_int_equal(tomcat_want_read(j, &w, &e), 0);
    assert_int_equal(tomcat_config_server(&r, &w, 77, &server, &e), 0);
    assert_non_null(strstr(server.data, "\nversions=8,9\n"));
    assert_non_null(strstr(server.data, "\ncontrol=/run/conpaas/backend/control/77.sock\n"));
    assert_non_null(strstr(server.data, "\nsession_password=a\\=b\\\\\\ \\#\n"));
    assert_int_equal(tomcat_config_java(&r, &w, &java, &e), 0);
    assert_non_null(strstr(java.data, "\n-Xmx33792k\n"));
    assert_null(strstr(java.data, "a=b")); /* a secret is no argument */
    struct role_engine odd = engine("/run/con paas");
    assert_true(tomcat_config_java(&odd, &w, &java, &e) < 0);
    err_done(&e);
    static const char *const bad[][2] = {
        {"heap", "1"},        {"heap", "\"64M\""}, {"threads", "0"},       {"request_timeout_s", "0"},
        {"versions", "[0]"},  {"bind", "\"x\""},   {"classes", "\"a b\""}, {"surprise", "true"},
        {"session_port", "0"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_json_ json_t *one = json_deep_copy(j);
        _cleanup_err_ struct err why = {0};
        json_object_set_new(one, bad[i][0], json_loads(bad[i][1], JSON_DECODE_ANY, NULL));
        assert_int_equal(tomcat_want_read(one, &w, &why), ERR_INVALID);
    }
}

/* The backends of Java speak HTTP and are told the version; nothing of PHP is in the file. */
static void test_haproxy_java(void **state)
{
    _cleanup_json_ json_t *j = json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:[i], s:s, s:b, s:{s:[], s:[{s:i, s:s, s:i}]}}", "engine", "haproxy",
        "name", "proxy", "port", 80, "service", 3, "route", 9, "versions", 9, "scripts", "java", "files", 0,
        "targets", "web", "backend", "id", 4, "address", "10.88.0.4", "port", 9000);
    struct haproxy_want w;
    struct err e = {0};
    struct role_engine r = engine("/run/conpaas/proxy");
    _cleanup_buf_ struct buf fixed = {0}, values = {0};
    assert_int_equal(haproxy_want_read(j, &w, &e), 0);
    assert_int_equal(haproxy_config_fixed(&r, &w, &fixed, &e), 0);
    assert_non_null(strstr(fixed.data, "use_backend java unless file files METH_GET\n"));
    assert_non_null(strstr(fixed.data, "http-request del-header X-ConPaaS-Version\n"));
    assert_null(strstr(fixed.data, "php"));
    haproxy_config_values(&w, &values);
    assert_non_null(strstr(values.data, "files 0\n"));
    json_object_set_new(j, "scripts", json_string("perl"));
    assert_int_equal(haproxy_want_read(j, &w, &e), ERR_INVALID);
    err_done(&e);
}

static void test_haproxy_config(void **state)
{
    _cleanup_json_ json_t *j =
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:[i], s:{s:[{s:i, s:s, s:i}], s:[]}}", "engine", "haproxy",
                  "name", "proxy", "port", 80, "service", 3, "route", 9, "versions", 8, "targets", "web",
                  "id", 4, "address", "10.88.0.4", "port", 8080, "backend");
    struct haproxy_want w;
    struct err e = {0};
    struct role_engine r = engine("/run/conpaas/proxy");
    _cleanup_buf_ struct buf fixed = {0}, servers = {0}, values = {0};
    assert_int_equal(haproxy_want_read(j, &w, &e), 0);
    assert_int_equal(w.versions.n, 2); /* with the routed one */
    assert_int_equal(haproxy_config_fixed(&r, &w, &fixed, &e), 0);
    assert_non_null(strstr(fixed.data, "map_str(/run/conpaas/proxy/paths.map,none)"));
    assert_null(strchr(fixed.data, '\t'));
    haproxy_config_servers(&haproxy_web, &w.web, &servers);
    assert_non_null(strstr(servers.data, "server n4-10.88.0.4-8080 10.88.0.4:8080 weight 100 check"));
    haproxy_config_values(&w, &values);
    assert_string_equal(values.data, "v 9\ntimeout 120000\ndrain 0\nfront 1\nfiles 1\n");
    struct role_engine odd = engine("/run/con paas");
    assert_true(haproxy_config_fixed(&odd, &w, &fixed, &e) < 0);
    err_done(&e);
    json_object_set_new(j, "surprise", json_true());
    assert_int_equal(haproxy_want_read(j, &w, &e), ERR_INVALID);
    err_done(&e);
}

/* A password with every awkward character stays within its one line. */
static void test_relay_config(void **state)
{
    struct relay_want w = {.port = 6380, .password = "a\r\n\"' $x\\"};
    struct role_engine r = engine("/run/conpaas/session-relay");
    _cleanup_buf_ struct buf out = {0};
    struct err e = {0};
    assert_int_equal(relay_config_fixed(&r, &w, &out, &e), 0);
    assert_non_null(strstr(out.data, "610d0a2227202478"));
    assert_null(strstr(out.data, "$x"));
}

static void test_drivers(void **state)
{
    for (size_t i = 0; role_drivers[i]; i++) {
        const struct role_driver *d = role_drivers[i];
        assert_ptr_equal(role_driver_find(d->name), d);
        assert_non_null(d->configure);
        assert_non_null(d->command);
        assert_non_null(d->logs);
        assert_true(d->stop_signal > 0 && d->stop_timeout_ms > 0);
        if (d->overlap) {
            assert_non_null(d->check);
        }
    }
    assert_null(role_driver_find("apache"));
    assert_null(role_driver_find(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_quote_words),
        cmocka_unit_test(test_quote_properties),
        cmocka_unit_test(test_paths_java),
        cmocka_unit_test(test_web_xml),
        cmocka_unit_test(test_tomcat_config),
        cmocka_unit_test(test_haproxy_java),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_fcgi_head),
        cmocka_unit_test(test_resp_info),
        cmocka_unit_test(test_haproxy_stat),
        cmocka_unit_test(test_php_settings),
        cmocka_unit_test(test_haproxy_config),
        cmocka_unit_test(test_relay_config),
        cmocka_unit_test(test_drivers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
