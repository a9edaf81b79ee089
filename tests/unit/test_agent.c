/*
 * Parts of the agent that need no node: heads of answers, the client over real TLS, rules of the firewall,
 * trimming.
 */
#include "cm.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/environ.h"
#include "agent/trim.h"
#include "base/fs.h"
#include "model/text.h"
#include "net_fixture.h"

static void test_heads(void **state)
{
    static const struct {
        const char *text;
        int status; /* 0: refused */
        int64_t length;
        bool chunked, close;
    } all[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200, 12, false, false},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, -1, false, false},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n", 200, -1, true, true},
        {"HTTP/1.0 503 x\r\nCONTENT-LENGTH:0\r\n\r\n", 503, 0, false, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 0, 0, false, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 0, false, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, 0, false, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n", 0, 0, false, false},
        {"HTTP/1.1 99 OK\r\n\r\n", 0, 0, false, false},
        {"HTTP/2 200 OK\r\n\r\n", 0, 0, false, false},
        {"nonsense", 0, 0, false, false},
        {"", 0, 0, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        _cleanup_err_ struct err e = {0};
        struct wire_head h = {0};
        int r = wire_parse_head(all[i].text, strlen(all[i].text), &h, &e);
        assert_int_equal(r == 0, all[i].status != 0);
        if (r == 0) {
            assert_int_equal(h.status, all[i].status);
            assert_int_equal(h.length, all[i].length);
            assert_int_equal(h.chunked, all[i].chunked);
            assert_int_equal(h.close, all[i].close);
        }
    }
}

/* ---- against a real server ---- */

struct server {
    struct fixture_ca ca;
    struct fixture_identity director, agent;
    struct http_server *http;
    int calls;
};

static int admit(void *arg, struct http_request *r, struct http_admission *ret, struct err *e)
{
    ret->max_body = 1 << 20;
    return 0;
}

static int stream_next(void *arg, struct buf *out)
{
    int *left = arg;
    if (*left == 0) {
        return -1;
    }
    --*left;
    buf_adds(out, "piece ");
    return 0;
}

static int handle(void *arg, struct http_request *r, struct err *e)
{
    struct server *s = arg;
    s->calls++;
    _cleanup_json_ json_t *body = NULL;
    if (str_eq(http_path(r), "/echo")) {
        int rc = http_body_json(r, &body, e);
        return rc < 0 ? rc : http_reply_json(r, 200, body);
    }
    if (str_eq(http_path(r), "/stream")) {
        int *left = xmalloc(sizeof(*left));
        *left = 5;
        return http_reply_stream(r, "text/plain", stream_next, left, free);
    }
    if (str_eq(http_path(r), "/slow")) {
        while (!http_stopping(r)) {
            struct timespec pause = {.tv_nsec = 10000000};
            nanosleep(&pause, NULL);
        }
        return http_reply_empty(r, 204);
    }
    return err_set(e, ERR_FENCED, "another epoch");
}

static int start_server(void **state)
{
    struct server *s = xcalloc(1, sizeof(*s));
    struct err e = {0};
    struct tls_leaf director = {.dns_name = "director.test", .server = true, .days = 1};
    struct tls_leaf agent = {.dns_name = "n12.a7.agent.test", .client = true, .days = 1};
    fixture_ca_init(&s->ca);
    fixture_sign(&s->ca, &director, &s->director);
    fixture_sign(&s->ca, &agent, &s->agent);
    struct http_server_config c = {.address = "127.0.0.1",
                                   .key_pem = s->director.key,
                                   .cert_pem = s->director.cert,
                                   .ca_pem = s->ca.cert,
                                   .need_client_cert = true,
                                   .handler = {.admit = admit, .handle = handle, .arg = s}};
    assert_int_equal(http_server_start(&c, &s->http, &e), 0);
    *state = s;
    return 0;
}

static int stop_server(void **state)
{
    struct server *s = *state;
    http_server_stop(s->http);
    fixture_ca_done(&s->ca);
    fixture_identity_done(&s->director);
    fixture_identity_done(&s->agent);
    free(s);
    return 0;
}

static struct wire *dial(const struct server *s, const char *name, const char *ca, bool identified,
                         int stop_fd)
{
    _cleanup_free_ char *url = str_printf("https://%s:9998", name);
    _cleanup_free_ char *to = str_printf("127.0.0.1:%d", http_server_port(s->http));
    struct http_client_config c = {.url = url,
                                   .connect_to = to,
                                   .ca_pem = ca,
                                   .key_pem = identified ? s->agent.key : NULL,
                                   .cert_pem = identified ? s->agent.cert : NULL};
    struct wire *w = NULL;
    struct err e = {0};
    assert_int_equal(wire_new(&c, stop_fd, &w, &e), 0);
    return w;
}

static void test_calls(void **state)
{
    const struct server *s = *state;
    struct wire *w = dial(s, "director.test", s->ca.cert, true, -1);
    _cleanup_json_ json_t *body = json_pack("{s:s}", "k", "v\xc3\xbc");
    struct err e = {0};
    for (int i = 0; i < 3; i++) { /* one connection */
        _cleanup_json_ json_t *answer = NULL;
        struct http_call call = {.method = "POST", .path = "/echo", .body = body};
        if (wire_do(w, &call, NULL, &answer, &e) < 0) {
            fail_msg("%s", e.message);
        }
        assert_true(json_equal(answer, body));
    }
    struct http_call refused = {.method = "POST", .path = "/other", .body = body};
    assert_int_equal(wire_do(w, &refused, NULL, NULL, &e), ERR_FENCED);
    assert_string_equal(e.message, "another epoch");
    err_done(&e);
    wire_free(w);
}

static void test_to_file(void **state)
{
    const struct server *s = *state;
    struct wire *w = dial(s, "director.test", s->ca.cert, true, -1);
    FILE *f = tmpfile();
    struct err e = {0};
    char text[64] = "";
    struct http_call call = {.method = "GET", .path = "/stream", .out_fd = fileno(f), .use_out_fd = true};
    if (wire_do(w, &call, NULL, NULL, &e) < 0) {
        fail_msg("%s", e.message);
    }
    assert_int_equal(pread(fileno(f), text, sizeof(text) - 1, 0), 30);
    assert_string_equal(text, "piece piece piece piece piece ");
    call.max_answer = 10;
    assert_int_equal(wire_do(w, &call, NULL, NULL, &e), ERR_TOO_LARGE);
    err_done(&e);
    fclose(f);
    wire_free(w);
}

/* Nobody else's authority, nobody else's name, and no call without our own certificate. */
static void test_trust(void **state)
{
    const struct server *s = *state;
    struct fixture_ca other;
    fixture_ca_init(&other);
    struct http_call call = {.method = "GET", .path = "/echo", .timeout_ms = 5000};
    struct wire *all[] = {dial(s, "director.test", other.cert, true, -1),
                          dial(s, "n1.a7.manager.test", s->ca.cert, true, -1),
                          dial(s, "director.test", s->ca.cert, false, -1)};
    int before = s->calls;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        _cleanup_err_ struct err e = {0};
        assert_true(wire_do(all[i], &call, NULL, NULL, &e) < 0);
        wire_free(all[i]);
    }
    assert_int_equal(s->calls, before);
    fixture_ca_done(&other);
}

static void test_deadline_and_stop(void **state)
{
    const struct server *s = *state;
    _cleanup_close_ int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct wire *w = dial(s, "director.test", s->ca.cert, true, stop);
    struct http_call call = {.method = "GET", .path = "/slow", .timeout_ms = 200};
    struct err e = {0};
    int64_t begin = clock_mono_ms();
    assert_int_equal(wire_do(w, &call, NULL, NULL, &e), ERR_TIMEOUT);
    err_done(&e);
    assert_true(clock_mono_ms() - begin < 5000);
    assert_int_equal(eventfd_write(stop, 1), 0);
    call.timeout_ms = 20000;
    assert_int_equal(wire_do(w, &call, NULL, NULL, &e), ERR_UNAVAILABLE);
    err_done(&e);
    assert_true(clock_mono_ms() - begin < 10000);
    wire_free(w);
}

/* ---- firewall ---- */

static void test_firewall(void **state)
{
    _cleanup_json_ json_t *allow =
        json_pack("[{s:i}, {s:i, s:[s, s]}, {s:i, s:[]}, {s:i, s:i, s:n}, {s:[s]}, {s:[]}]", "port", 80,
                  "port", 9000, "from", "10.88.0.4", "10.88.0.5", "port", 6379, "from", "port", 8000, "last",
                  8010, "from", "from", "10.88.0.6", "from");
    _cleanup_buf_ struct buf out = {0};
    struct err e = {0};
    assert_int_equal(firewall_rules(allow, &out, &e), 0);
    assert_non_null(strstr(out.data, "policy drop"));
    assert_non_null(strstr(out.data, "tcp dport 80 accept"));
    assert_non_null(strstr(out.data, "tcp dport 9000 ip saddr { 10.88.0.4, 10.88.0.5 } accept"));
    assert_null(strstr(out.data, "tcp dport 6379 accept"));
    assert_non_null(strstr(out.data, "tcp dport 8000-8010 accept"));
    assert_non_null(strstr(out.data, "    ip saddr { 10.88.0.6 } accept"));
    static const char *const bad[] = {
        "[{\"port\": 0}]",
        "[{}]",
        "[{\"port\": 0, \"from\": [\"10.88.0.4\"]}]",
        "[{\"port\": \"80\", \"from\": [\"10.88.0.4\"]}]",
        "[{\"port\": 80, \"last\": 79}]",
        "[{\"port\": 80, \"last\": 70000}]",
        "[{\"from\": [\"10.0.0.1 } accept\"]}]",
        "[{\"port\": 70000}]",
        "[{\"port\": \"80 accept\"}]",
        "[{\"port\": 80, \"from\": [\"10.0.0.1 } accept\"]}]",
        "[{\"port\": 80, \"from\": [\"0.0.0.0/0\"]}]",
        "[{\"port\": 80, \"from\": [7]}]",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_json_ json_t *j = NULL;
        _cleanup_buf_ struct buf b = {0};
        assert_int_equal(json_parse(bad[i], strlen(bad[i]), 4096, &j, &e), 0);
        assert_int_equal(firewall_rules(j, &b, &e), ERR_INVALID);
        err_done(&e);
    }
}

static void test_trim(void **state)
{
    for (int i = 0; i < 3; i++) {
        trim_memory();
        assert_true(random() >= 0); /* the libraries are still there */
    }
}

/* ---- reports ---- */

/* Reasons quote what engines wrote and are cut to size: whatever the bytes, the manager hears of them. */
static void test_any_bytes(void **state)
{
    static struct agent a = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char root[] = "/tmp/test-agent-XXXXXX";
    struct err e = {0};
    assert_non_null(mkdtemp(root));
    _cleanup_free_ char *path = str_printf("%s/journal.json", root);
    assert_int_equal(journal_open(path, &a.journal, &e), 0);
    a.code_root = root;
    a.applied = json_pack("{s:{s:{s:b}}}", "roles", "web", "drain", 0);
    a.refused.seq = 4;
    a.refused.core = json_object();
    (void)str_copy(a.refused.why, sizeof(a.refused.why), "gr\xc3\xbc\xc3");
    (void)str_copy(a.firewall_why, sizeof(a.firewall_why), "\xff\xfe latin");
    a.n_probes = 1;
    (void)str_copy(a.probes[0].evidence, sizeof(a.probes[0].evidence), "Fatal error \xe4: x");
    _cleanup_json_ json_t *r = report_make(&a);
    assert_string_equal(json_str(json_object_get(r, "refused"), "why", ""), "gr\xc3\xbc");
    const json_t *web = json_object_get(json_object_get(r, "health"), "web");
    assert_string_equal(json_str(web, "why", ""), "\\xff\\xfe latin");
    const json_t *probe = json_array_get(json_object_get(r, "probes"), 0);
    assert_string_equal(json_str(probe, "evidence", ""), "Fatal error \\xe4: x");
    _cleanup_free_ char *zero = text_clean("a\0b\xf0\x9f\x92\xa9", 7);
    assert_string_equal(zero, "a\\x00b\xf0\x9f\x92\xa9");
    json_decref(a.applied);
    json_decref(a.refused.core);
    journal_close(a.journal);
    assert_int_equal(fs_remove_tree(root, &e), 0);
}

/* ---- logs ---- */

static void fill(const char *path, int *ret_fd)
{
    _cleanup_free_ char *block = xmalloc(1 << 20);
    memset(block, 'x', 1 << 20);
    block[0] = '\n';
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    for (int i = 0; i < 17; i++) {
        assert_int_equal(write(*ret_fd, block, 1 << 20), 1 << 20);
    }
}

/* An engine that writes to its standard output goes on in the log that is shown, which begins anew. */
static void test_rotation(void **state)
{
    static const char *const logs[] = {".log", "-error.log", NULL};
    static const struct role_driver driver = {.name = "mute", .logs = logs};
    static struct agent a = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char root[] = "/tmp/test-agent-XXXXXX";
    struct err e = {0};
    int fd = -1;
    assert_non_null(mkdtemp(root));
    a.log_dir = root;
    _cleanup_free_ char *path = str_printf("%s/proxy.log", root), *old = str_printf("%s/proxy.log.1", root);
    const struct engine_place place = {
        .run_root = root, .log_dir = root, .data_root = root, .code_root = root};
    a.engines[0].engine = engine_new(&place, "proxy", &driver, 1, NULL, NULL, &e);
    assert_non_null(a.engines[0].engine);
    a.n_engines = 1;
    fill(path, &fd);
    logs_rotate(&a);
    assert_int_equal(write(fd, "fresh\n", 6), 6);
    close(fd);
    _cleanup_buf_ struct buf text = {0};
    assert_int_equal(fs_read(path, 4096, &text, &e), 0);
    assert_string_equal(text.data, "fresh\n");
    struct stat st;
    assert_int_equal(stat(old, &st), 0);
    assert_int_equal(st.st_size, 17 << 20);
    engine_free(a.engines[0].engine, 100);
    assert_int_equal(fs_remove_tree(root, &e), 0);
}

/* Each name once: what the caller adds, then the service's variables, then what is always there. */
static void test_environ(void **state)
{
    const char *const more[] = {"FPM_SOCKETS=1", "MY_IP=10.0.0.1", NULL};
    _cleanup_json_ json_t *env = json_pack("{s:s, s:s, s:s, s:s, s:i}", "LANG", "de_DE.UTF-8", "MY_IP", "lie",
                                           "PATH", "/tmp", "MOTTO", "a=b\nc", "N", 1);
    _cleanup_(environ_freep) char **all = environ_new(env, more);
    static const char *const wanted[] = {"FPM_SOCKETS=1", "MY_IP=10.0.0.1", "LANG=de_DE.UTF-8",
                                         "MOTTO=a=b\nc"};
    size_t n = 0;
    for (; all[n]; n++) {
        if (n < ARRAY_LEN(wanted)) {
            assert_string_equal(all[n], wanted[n]);
        }
    }
    assert_int_equal(n, ARRAY_LEN(wanted) + 1);
    assert_true(str_starts(all[n - 1], "PATH=/usr/local/sbin:"));
    _cleanup_(environ_freep) char **plain = environ_new(NULL, NULL);
    assert_true(str_starts(plain[0], "PATH=") && str_eq(plain[1], "LANG=C.UTF-8") && !plain[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_environ),
        cmocka_unit_test_setup_teardown(test_calls, start_server, stop_server),
        cmocka_unit_test_setup_teardown(test_to_file, start_server, stop_server),
        cmocka_unit_test_setup_teardown(test_trust, start_server, stop_server),
        cmocka_unit_test_setup_teardown(test_deadline_and_stop, start_server, stop_server),
        cmocka_unit_test(test_firewall),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
