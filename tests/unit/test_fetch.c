/*
 * Fetching what users name: every class of address, forms that hide one, redirections, limits, attempts. The test's own
 * servers are on loopback, which only a rule that says so allows.
 */
#include "cm.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "net/address.h"
#include "net/fetch.h"
#include "net/http_server.h"

/* ---- addresses ---- */

static void to_sockaddr(const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(ret, &in, sizeof(in));
    } else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        memcpy(ret, &in6, sizeof(in6));
    } else {
        fail_msg("%s", text);
    }
}

static void test_classes(void **state)
{
    static const char *const forbidden[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "3fff::1",
        "4000::1",
        "100::1",
        "1::1",
        /* an IPv4 address inside */
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "2002:808:808::1",
    };
    static const char *const public[] = {
        "1.1.1.1",        "8.8.8.8",         "9.255.255.255",        "11.0.0.1",
        "100.63.255.255", "100.128.0.1",     "126.255.255.255",      "128.0.0.1",
        "169.253.1.1",    "172.15.255.255",  "172.32.0.1",           "192.167.1.1",
        "192.169.1.1",    "198.17.1.1",      "198.20.0.1",           "223.255.255.255",
        "2a00:1450::1",   "2606:4700::1111", "2001:4860:4860::8888",
    };
    const struct fetch_rules none = {.networks = ""};
    struct sockaddr_storage a;
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        struct err e = {0};
        to_sockaddr(forbidden[i], &a);
        if (!address_special((struct sockaddr *)&a)) {
            fail_msg("%s is taken for public", forbidden[i]);
        }
        assert_int_equal(fetch_check_address(&none, (struct sockaddr *)&a, &e), ERR_FORBIDDEN);
        err_done(&e);
    }
    for (size_t i = 0; i < ARRAY_LEN(public); i++) {
        to_sockaddr(public[i], &a);
        if (address_special((struct sockaddr *)&a)) {
            fail_msg("%s is taken for %s", public[i], address_special((struct sockaddr *)&a));
        }
        assert_int_equal(fetch_check_address(&none, (struct sockaddr *)&a, NULL), 0);
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_non_null(address_special(&local));
}

static void test_networks(void **state)
{
    static const struct {
        const char *address, *networks;
        bool allowed;
    } rows[] = {
        {"10.1.2.3", "10.1.0.0/16", true},
        {"10.2.2.3", "10.1.0.0/16", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.2", "127.0.0.1", false},
        {"127.0.0.2", "10.0.0.0/8 127.0.0.2", true},
        {"fd00::5", "fd00::/8", true},
        {"::1", "127.0.0.0/8", false},
        {"::ffff:127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "nonsense 300.1.1.1 1.1.1.1/99", false},
    };
    struct sockaddr_storage a;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct fetch_rules r = {.networks = rows[i].networks};
        to_sockaddr(rows[i].address, &a);
        assert_int_equal(fetch_check_address(&r, (struct sockaddr *)&a, NULL) == 0, rows[i].allowed);
    }
    assert_true(address_is_network("10.0.0.0/8") && address_is_network("::1") &&
                !address_is_network("10.0.0.0/33"));
}

static void test_urls(void **state)
{
    static const struct {
        const char *url;
        int rc;
    } rows[] = {
        {"https://example.org/x", 0},
        {"https://EXAMPLE.org./x", 0},
        {"https://a.example.net/x", 0},
        {"https://example.org:8443/x", 0},
        {"https://example.net/x", ERR_FORBIDDEN},
        {"https://aexample.net/x", ERR_FORBIDDEN},
        {"https://example.org.evil.com/x", ERR_FORBIDDEN},
        {"https://example.org:22/x", ERR_FORBIDDEN},
        {"http://example.org/x", ERR_FORBIDDEN},
        {"file:///etc/passwd", ERR_FORBIDDEN},
        {"ftp://example.org/x", ERR_FORBIDDEN},
        {"gopher://example.org/x", ERR_FORBIDDEN},
        {"https://example.org@evil.com/x", ERR_INVALID},
        {"https://user:pw@example.org/x", ERR_INVALID},
        {"https://exa mple.org/x", ERR_INVALID},
    };
    const struct fetch_rules r = {.hosts = "example.org *.example.net", .ports = "443 8443"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (fetch_check_url(&r, rows[i].url, NULL) != rows[i].rc) {
            fail_msg("%s", rows[i].url);
        }
    }
    const struct fetch_rules nothing = {.hosts = "none", .ports = "443"};
    assert_int_equal(fetch_check_url(&nothing, "https://example.org/", NULL), ERR_FORBIDDEN);
}

/* ---- a server on loopback ---- */

struct site {
    struct http_server *server;
    int port;
    atomic_int asked, fails;
    char *away; /* where /away leads */
};

static int admit(void *arg, struct http_request *req, struct http_admission *ret, struct err *e)
{
    *ret = (struct http_admission){.max_body = 0};
    return 0;
}

static int handle(void *arg, struct http_request *req, struct err *e)
{
    struct site *s = arg;
    const char *path = http_path(req);
    atomic_fetch_add(&s->asked, 1);
    if (str_eq(path, "/file")) {
        return http_reply_text(req, 200, "text/plain", "what it holds");
    }
    if (str_eq(path, "/later") && atomic_fetch_sub(&s->fails, 1) > 0) {
        return http_reply_text(req, 503, "text/plain", "later");
    }
    if (str_eq(path, "/later")) {
        return http_reply_text(req, 200, "text/plain", "at last");
    }
    if (str_eq(path, "/moved") || str_eq(path, "/away") || str_eq(path, "/round")) {
        http_set_header(req, "Location",
                        str_eq(path, "/moved")   ? "/file"
                        : str_eq(path, "/round") ? "/round"
                                                 : s->away);
        return http_reply_text(req, 302, "text/plain", "there");
    }
    return http_reply_text(req, 404, "text/plain", "nothing");
}

static int setup(void **state)
{
    struct site *s = xcalloc(1, sizeof(*s));
    struct http_server_config c = {
        .address = "127.0.0.1", .spool_dir = "/tmp", .handler = {admit, handle, s}};
    assert_int_equal(http_server_start(&c, &s->server, NULL), 0);
    s->port = http_server_port(s->server);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct site *s = *state;
    http_server_stop(s->server);
    free(s->away);
    free(s);
    return 0;
}

struct got {
    int rc;
    char text[64];
    char *why;
};

/* networks NULL: as an installation is that says nothing. */
static void fetch_path(struct site *s, const char *host, const char *path, const char *networks, int64_t max,
                       struct got *ret)
{
    _cleanup_free_ char *url = str_printf("http://%s:%d%s", host, s->port, path);
    _cleanup_free_ char *ports = str_printf("443 %d", s->port);
    char file[] = "/tmp/test-fetch-XXXXXX";
    _cleanup_close_ int fd = mkstemp(file);
    assert_int_equal(unlink(file), 0);
    struct fetch_rules r = {
        .hosts = "*", .ports = ports, .networks = networks, .http = true, .max_bytes = max};
    r.timeout_ms = 10000;
    r.attempts = 3;
    r.pause_ms = 1;
    struct err e = {0};
    memset(ret, 0, sizeof(*ret));
    ret->rc = fetch_file(&r, url, fd, NULL, &e);
    ret->why = xstrdup(e.message ? e.message : "");
    err_done(&e);
    assert_true(pread(fd, ret->text, sizeof(ret->text) - 1, 0) >= 0);
}

static void expect(struct site *s, const char *host, const char *path, const char *networks, int64_t max,
                   int rc, const char *says)
{
    struct got g;
    fetch_path(s, host, path, networks, max, &g);
    if (g.rc != rc || !strstr(rc < 0 ? g.why : g.text, says)) {
        fail_msg("%s%s: %d, \"%s\", \"%s\"", host, path, g.rc, g.why, g.text);
    }
    free(g.why);
}

static void test_file(void **state)
{
    struct site *s = *state;
    expect(s, "127.0.0.1", "/file", "127.0.0.1", 1000, 0, "what it holds");
    expect(s, "localhost", "/file", "127.0.0.0/8 ::1", 1000, 0, "what it holds");
    expect(s, "127.0.0.1", "/moved", "127.0.0.1", 1000, 0, "what it holds");
    expect(s, "127.0.0.1", "/file", "127.0.0.1", 5, ERR_TOO_LARGE, "larger");
    atomic_store(&s->asked, 0);
    expect(s, "127.0.0.1", "/nothing", "127.0.0.1", 1000, ERR_NOT_FOUND, "answers 404");
    assert_int_equal(atomic_load(&s->asked), 1); /* an answer is not asked for again */
    expect(s, "127.0.0.1", "/round", "127.0.0.1", 1000, ERR_FORBIDDEN, "from one address to the next");
}

static void test_attempts(void **state)
{
    struct site *s = *state;
    atomic_store(&s->asked, 0);
    atomic_store(&s->fails, 2);
    expect(s, "127.0.0.1", "/later", "127.0.0.1", 1000, 0, "at last");
    assert_int_equal(atomic_load(&s->asked), 3);
    atomic_store(&s->fails, 100);
    atomic_store(&s->asked, 0);
    expect(s, "127.0.0.1", "/later", "127.0.0.1", 1000, ERR_UNAVAILABLE, "answers 503 (3 attempts)");
    assert_int_equal(atomic_load(&s->asked), 3);
}

/* Whatever the name, the address of the connection decides: a name that is resolved anew gains nothing. */
static void test_hidden(void **state)
{
    struct site *s = *state;
    static const char *const hosts[] = {"127.0.0.1",  "localhost",  "127.1", "0x7f.0.0.1",
                                        "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
                                        "0.0.0.0",    "0",          "[::]"};
    atomic_store(&s->asked, 0);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct got g;
        fetch_path(s, hosts[i], "/file", NULL, 1000, &g);
        if (g.rc != ERR_FORBIDDEN) {
            fail_msg("%s: %d %s", hosts[i], g.rc, g.why);
        }
        free(g.why);
    }
    assert_int_equal(atomic_load(&s->asked), 0); /* nobody was even connected to */
}

/* 127.0.0.1 is allowed, 127.0.0.2 is not: a redirection does not get there. */
static void test_redirected(void **state)
{
    struct site *s = *state;
    static const char *const places[] = {"127.0.0.2", "[::1]", "0.0.0.0"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        free(s->away);
        s->away = str_printf("http://%s:%d/file", places[i], s->port);
        expect(s, "127.0.0.1", "/away", "127.0.0.1", 1000, ERR_FORBIDDEN, "not public");
    }
    free(s->away);
    s->away = xstrdup("file:///etc/passwd");
    expect(s, "127.0.0.1", "/away", "127.0.0.1", 1000, ERR_FORBIDDEN, "only https and http");
    free(s->away);
    s->away = xstrdup("http://127.0.0.1:1/file");
    expect(s, "127.0.0.1", "/away", "127.0.0.1", 1000, ERR_FORBIDDEN, "port 1");
}

static void test_stopped(void **state)
{
    struct site *s = *state;
    atomic_bool stop = true;
    _cleanup_free_ char *url = str_printf("http://127.0.0.1:%d/file", s->port);
    _cleanup_free_ char *port = str_printf("%d", s->port);
    struct fetch_rules r = {
        .hosts = "*", .ports = port, .networks = "127.0.0.1", .http = true, .max_bytes = 1000};
    r.timeout_ms = 10000;
    r.attempts = 5;
    r.pause_ms = 3600 * 1000; /* nobody waits for it */
    struct err e = {0};
    _cleanup_close_ int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(fetch_file(&r, url, fd, &stop, &e), ERR_UNAVAILABLE);
    err_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_urls),
        cmocka_unit_test_setup_teardown(test_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attempts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hidden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redirected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
