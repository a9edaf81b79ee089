/*
 * Requests that no honest client sends, on raw sockets: framing, targets, deadlines, limits.  The library
 * below lets most of them pass; these tests are what holds the door when it is replaced or upgraded.
 */
#include "net_fixture.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>

#include "base/log.h"

struct answer {
    char *text;
    int status; /* of the first answer; 0: none */
    int answers;
    bool closed;
};

static struct answer ask_bytes(const struct fixture_server *f, const char *text, size_t n)
{
    struct answer a = {0};
    int fd = raw_connect(f);
    raw_send(fd, text, n);
    a.text = raw_read_all(fd, 400, &a.closed);
    close(fd);
    if (str_starts(a.text, "HTTP/1.1 ")) {
        a.status = (int)strtol(a.text + 9, NULL, 10);
    }
    for (const char *p = a.text; (p = strstr(p, "HTTP/1.1 ")); p++) {
        a.answers++;
    }
    return a;
}

static struct answer ask(const struct fixture_server *f, const char *text)
{
    return ask_bytes(f, text, strlen(text));
}

/* Refused with this status before any handler, and then the connection ends. (The library prints the head of
 * its own refusals twice, so answers are not counted here.) */
static void refused_bytes(const struct fixture_server *f, int status, const char *text, size_t n)
{
    struct answer a = ask_bytes(f, text, n);
    if (a.status != status || strstr(a.text, "\"path\":") || !a.closed) {
        fail_msg("%d answers, first %d, %s, for:\n%s\nwhich were:\n%s", a.answers, a.status,
                 a.closed ? "closed" : "kept", text, a.text);
    }
    free(a.text);
}

static void plain_server(struct fixture_server *f, struct http_server_config *c)
{
    *f = (struct fixture_server){0};
    fixture_start(f, false, c);
}

static void framing(void **state)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabcGET /b "
              "HTTP/1.1\r\nHost: x\r\n\r\n"},
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabcGET /b "
              "HTTP/1.1\r\nHost: x\r\n\r\n"},
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
              "chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n"},
        {400,
         "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"},
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
              "chunked\r\n\r\n0\r\n\r\n"},
        {400, "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc"},
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc"},
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3,3\r\n\r\nabc"},
        {400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc"},
        {400, "GET /a HTTP/1.1\r\n\r\n"},
        {400, "GET /a HTTP/1.1\r\nHost:\r\n\r\n"},
        {400, "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        {400, "GET /a HTTP/1.0\r\n\r\n"},
        {400, "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc"},
        {400, "GET /a HTTP/1.1\r\nHost: x\r\nBad Name: 3\r\n\r\n"},
        {400, "GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"},
        {400, "GET /a HTTP/1.1\r\nHost: x\r\nX: a\x01\r\n\r\n"},
    };
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){0});
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        refused_bytes(&f, rows[i].status, rows[i].text, strlen(rows[i].text));
    }
    fixture_stop(&f);
}

/* Nothing that the library may do with these is harmful, but one request must stay one request. */
static void never_two_answers(void **state)
{
    static const char *const rows[] = {
        "GET /a HTTP/1.1\nHost: x\n\n",
        "GET /a HTTP/1.1\r\nHost: x\r\nX: a\r\n folded: b\r\n\r\n",
        "GET /a HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET /a\r\n\r\n",
        "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        "PATCH /a HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\nGET /b HTTP/1.1\r\nHost: smuggled\r\n\r\n",
        "PATCH /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\nGET /b HTTP/1.1\r\nHost: "
        "smuggled\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\nGET /b HTTP/1.1\r\nHost: smuggled\r\n\r\n",
        "DELETE /refuse HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n22\r\nGET /b "
        "HTTP/1.1\r\nHost: smuggled\r\n\r\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nGET /b HTTP/1.1\r\nHost: "
        "x\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /b HTTP/1.1\r\nHost: "
        "x\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nGET /b "
        "HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabGET /b HTTP/1.1\r\nHost: "
        "x\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){0});
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer a = ask(&f, rows[i]);
        if (a.answers > 1 || strstr(a.text, "\"path\":\"/b\"")) {
            fail_msg("%d answers for:\n%s\nwhich were:\n%s", a.answers, rows[i], a.text);
        }
        free(a.text);
    }
    /* The library ends a header at a NUL without a word; what follows must not become anything. */
    static const char nul[] = "GET /a HTTP/1.1\r\nHost: x\r\nX: a\0\r\n\r\nGET /b HTTP/1.1\r\nHost: y\r\n";
    struct answer cut = ask_bytes(&f, nul, sizeof(nul) - 1);
    assert_null(strstr(cut.text, "\"path\":\"/b\""));
    free(cut.text);
    /* But two honest ones in a row are two. */
    struct answer a = ask(
        &f, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(a.answers, 2);
    assert_non_null(strstr(a.text, "\"path\":\"/b\""));
    free(a.text);
    fixture_stop(&f);
}

static void targets(void **state)
{
    static const char *const bad[] = {
        "a",      "*",        "http://x/a",      "//a",       "/a//b",       "/./a",   "/a/.",
        "/../a",  "/a/..",    "/a/../b",         "/%2e%2e/a", "/a%2f..%2fb", "/a%00b", "/%",
        "/%4",    "/%zz",     "/%c0%ae%c0%ae/x", "/%ff",      "/a%0ab",      "/a#b",   "/a\\b",
        "/a\x80", "/a?x=%zz", "/a?x=1&x=2",      "/a?x=%00",  "/a?x=%c0%ae"};
    static const struct {
        const char *target, *path;
    } good[] = {{"/", "/"},
                {"/a/b/", "/a/b/"},
                {"/a%20b", "/a b"},
                {"/%C3%A9", "/\xc3\xa9"},
                {"/..a/b..", "/..a/b.."},
                {"/a?b//../c=%2f..", "/a"},
                {"/%252e%252e", "/%2e%2e"}};
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){0});
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_free_ char *text = str_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", bad[i]);
        refused_bytes(&f, 400, text, strlen(text));
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        _cleanup_free_ char *text = str_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", good[i].target);
        struct answer a = ask(&f, text);
        _cleanup_free_ char *want = str_printf("\"path\":\"%s\"", good[i].path);
        if (a.status != 200 || !strstr(a.text, want)) {
            fail_msg("%s: %s", good[i].target, a.text);
        }
        free(a.text);
    }
    _cleanup_free_ char *filler = xcalloc(1, 9001);
    memset(filler, 'a', 9000);
    _cleanup_free_ char *text = str_printf("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", filler);
    refused_bytes(&f, 400, text, strlen(text));
    fixture_stop(&f);
}

static void heads_too_large(void **state)
{
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){0});
    _cleanup_free_ char *filler = xcalloc(1, 65537);
    memset(filler, 'a', 65536);
    _cleanup_free_ char *one = str_printf("GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", filler);
    struct answer a = ask(&f, one);
    assert_true(a.closed && a.answers <= 1 && a.status != 200);
    free(a.text);
    _cleanup_buf_ struct buf b = {0};
    buf_adds(&b, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 100000; i++) {
        buf_addf(&b, "X%d: y\r\n", i);
    }
    buf_adds(&b, "\r\n");
    a = ask_bytes(&f, b.data, b.len);
    assert_true(a.closed && a.answers <= 1 && a.status != 200);
    free(a.text);
    fixture_stop(&f);
}

static void bodies_too_large(void **state)
{
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){0});
    /* Announced: the answer comes although not one byte of the body was sent. */
    static const char announced[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n";
    refused_bytes(&f, 413, announced, sizeof(announced) - 1);
    static const char enormous[] =
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n";
    refused_bytes(&f, 413, enormous, sizeof(enormous) - 1);
    static const char beyond[] =
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n";
    struct answer a = ask(&f, beyond);
    assert_true((a.status == 400 || a.status == 413) && a.closed);
    free(a.text);
    /* Not announced: cut off at the limit. */
    _cleanup_buf_ struct buf b = {0};
    char chunk[600];
    memset(chunk, 'c', sizeof(chunk));
    buf_adds(&b, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 2; i++) {
        buf_addf(&b, "%x\r\n%.600s\r\n", 600, chunk);
    }
    buf_adds(&b, "0\r\n\r\n");
    refused_bytes(&f, 413, b.data, b.len);
    /* An endless one ends too. */
    int fd = raw_connect(&f);
    static const char head[] = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    raw_send(fd, head, sizeof(head) - 1);
    _cleanup_buf_ struct buf part = {0};
    for (int i = 0; i < 100; i++) {
        buf_addf(&part, "%x\r\n%.600s\r\n", 600, chunk);
    }
    size_t sent = 0;
    while (sent < 64 << 20 && send(fd, part.data, part.len, MSG_NOSIGNAL) == (ssize_t)part.len) {
        sent += part.len;
    }
    assert_true(sent < 64 << 20);
    close(fd);
    fixture_stop(&f);
}

static void json_needs_its_type(void **state)
{
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){0});
    static const struct {
        const char *type, *body;
        int status;
    } rows[] = {
        {"application/json", "{\"a\":1}", 201},
        {"Application/JSON; charset=utf-8", "{\"a\":1}", 201},
        {"application/json", "", 201},
        {"text/plain", "{\"a\":1}", 400},
        {"application/x-www-form-urlencoded", "{\"a\":1}", 400},
        {"application/jsonx", "{\"a\":1}", 400},
        {"application/json", "{\"a\":1} x", 400},
        {"application/json", "{\"a\":1,\"a\":2}", 400},
        {"application/json", "[]", 400},
        {"application/json", "\"\\ud800\"", 400},
        {"application/json", "{\"a\":1e999}", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *text =
            str_printf("POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                       rows[i].type, strlen(rows[i].body), rows[i].body);
        struct answer a = ask(&f, text);
        if (a.status != rows[i].status) {
            fail_msg("%s %s: %s", rows[i].type, rows[i].body, a.text);
        }
        free(a.text);
    }
    fixture_stop(&f);
}

static void headers_of_answers(void **state)
{
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){0});
    struct answer a = ask(&f, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.text, "Content-Disposition: attachment; filename=\"a_b_.._c.txt\"\r\n"));
    assert_non_null(strstr(a.text, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(a.text, "Cache-Control: no-store\r\n"));
    free(a.text);
    a = ask(&f, "GET /echo HTTP/1.1\r\nHost: x\r\nCookie: a=b; session=\"s1\";session=s2\r\n\r\n");
    assert_non_null(strstr(a.text, "\"cookie\":\"s1\""));
    assert_non_null(strstr(a.text, "X-Test: yes\r\n"));
    free(a.text);
    a = ask(&f, "HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_true(str_ends(a.text, "\r\n\r\n"));
    free(a.text);
    fixture_stop(&f);
}

/* Sends one byte every 20 ms until the server hangs up; how long that took. */
static int64_t dribble(int fd, const char *text, int64_t give_up_ms)
{
    int64_t start = clock_mono_ms();
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (size_t i = 0; clock_mono_ms() - start < give_up_ms; i++) {
        struct pollfd p = {.fd = fd, .events = POLLRDHUP};
        if (poll(&p, 1, 20) > 0) {
            break;
        }
        raw_send(fd, text + i % strlen(text), 1);
    }
    return clock_mono_ms() - start;
}

static void slow_heads(void **state)
{
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){.head_timeout_ms = 500});
    int fd = raw_connect(&f);
    raw_send(fd, "GET /a HTTP/1.1\r\nHost: x\r\n", 26);
    int64_t took = dribble(fd, "X: aaaaaaaaaaaaaaaaaaaaaaaa\r\n", 8000);
    assert_in_range(took, 400, 4000);
    close(fd);
    /* Silence is no better. */
    fd = raw_connect(&f);
    bool closed = false;
    int64_t start = clock_mono_ms();
    free(raw_read_all(fd, 8000, &closed));
    assert_true(closed);
    assert_in_range(clock_mono_ms() - start, 400, 4000);
    close(fd);
    /* The second request of a kept connection has the same deadline, from its first byte. */
    fd = raw_connect(&f);
    raw_send(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 28);
    free(raw_read_all(fd, 900, &closed)); /* idle for longer than the deadline, and still there */
    assert_false(closed);
    took = dribble(fd, "GET /a HTTP/1.1\r\nHost: x\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 8000);
    assert_in_range(took, 400, 4000);
    close(fd);
    fixture_stop(&f);
}

static void slow_bodies(void **state)
{
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){.idle_timeout_s = 1});
    int fd = raw_connect(&f);
    static const char head[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n";
    raw_send(fd, head, sizeof(head) - 1);
    int64_t took = dribble(fd, "b", 9000); /* 50 bytes a second, never silent */
    assert_in_range(took, 800, 5000);
    close(fd);
    fixture_stop(&f);
}

/* The handler's time is not the client's silence. */
static void slow_handlers_are_waited_for(void **state)
{
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){.idle_timeout_s = 1, .head_timeout_ms = 500});
    int fd = raw_connect(&f);
    raw_send(fd, "GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    bool closed = false;
    _cleanup_free_ char *text = raw_read_all(fd, 4000, &closed);
    assert_true(str_starts(text, "HTTP/1.1 200 "));
    close(fd);
    fixture_stop(&f);
}

static void connections_are_limited(void **state)
{
    struct fixture_server f;
    plain_server(&f, &(struct http_server_config){.max_per_address = 3});
    int fds[3];
    bool closed = false;
    for (size_t i = 0; i < 3; i++) {
        fds[i] = raw_connect(&f);
        raw_send(fds[i], "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 28);
        _cleanup_free_ char *text = raw_read_all(fds[i], 300, &closed);
        assert_true(str_starts(text, "HTTP/1.1 200 "));
    }
    int fourth = raw_connect(&f);
    raw_send(fourth, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 28);
    _cleanup_free_ char *nothing = raw_read_all(fourth, 3000, &closed);
    assert_true(closed);
    assert_string_equal(nothing, "");
    close(fourth);
    close(fds[0]);
    /* A place becomes free soon after. */
    for (int64_t start = clock_mono_ms();;) {
        int fd = raw_connect(&f);
        raw_send(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 28);
        _cleanup_free_ char *text = raw_read_all(fd, 300, &closed);
        close(fd);
        if (str_starts(text, "HTTP/1.1 200 ")) {
            break;
        }
        assert_true(clock_mono_ms() - start < 5000);
    }
    close(fds[1]);
    close(fds[2]);
    fixture_stop(&f);
}

/* A TLS client of our own with this priority string; true when the handshake works. */
static bool handshake(const struct fixture_server *f, const char *priorities)
{
    gnutls_certificate_credentials_t cred = NULL;
    gnutls_session_t s = NULL;
    int fd = raw_connect(f);
    assert_int_equal(gnutls_certificate_allocate_credentials(&cred), 0);
    assert_int_equal(gnutls_init(&s, GNUTLS_CLIENT), 0);
    assert_int_equal(gnutls_priority_set_direct(s, priorities, NULL), 0);
    gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, cred);
    gnutls_transport_set_int(s, fd);
    gnutls_handshake_set_timeout(s, 5000);
    int r = 0;
    do {
        r = gnutls_handshake(s);
    } while (r < 0 && !gnutls_error_is_fatal(r));
    gnutls_deinit(s);
    gnutls_certificate_free_credentials(cred);
    close(fd);
    return r == 0;
}

static void tls_versions(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){.head_timeout_ms = 1000});
    assert_true(handshake(&f, "NORMAL:-VERS-ALL:+VERS-TLS1.3"));
    assert_true(handshake(&f, "NORMAL:-VERS-ALL:+VERS-TLS1.2"));
    assert_false(handshake(&f, "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0"));
    assert_false(handshake(&f, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC"));
    /* A handshake that never ends has the deadline of a head. */
    int fd = raw_connect(&f);
    raw_send(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    bool closed = false;
    int64_t start = clock_mono_ms();
    free(raw_read_all(fd, 8000, &closed));
    assert_true(closed);
    assert_in_range(clock_mono_ms() - start, 0, 5000);
    close(fd);
    /* Plain HTTP on the TLS port gets nothing. */
    struct answer a = ask(&f, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(a.answers, 0);
    free(a.text);
    fixture_stop(&f);
}

static void bad_configurations(void **state)
{
    struct fixture_server f = {0};
    fixture_identities(&f);
    struct http_server *s = NULL;
    const struct http_handler h = {.admit = fixture_admit, .handle = fixture_handle};
    const struct http_server_config bad[] = {
        {.address = "127.0.0.1", .handler = h, .need_client_cert = true},
        {.address = "127.0.0.1", .handler = h, .key_pem = f.director.key},
        {.address = "127.0.0.1", .handler = h, .key_pem = f.agent.key, .cert_pem = f.director.cert},
        {.address = "127.0.0.1",
         .handler = h,
         .key_pem = f.director.key,
         .cert_pem = f.director.cert,
         .ca_pem = "x"},
        {.address = "localhost", .handler = h},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_err_ struct err e = {0};
        assert_int_equal(http_server_start(&bad[i], &s, &e), ERR_INVALID);
        assert_non_null(e.message);
        assert_null(s);
    }
    /* A port that is taken. */
    struct http_server_config good = {.address = "127.0.0.1", .handler = h};
    assert_int_equal(http_server_start(&good, &s, NULL), 0);
    good.port = http_server_port(s);
    struct http_server *second = NULL;
    assert_int_equal(http_server_start(&good, &second, NULL), -EADDRINUSE);
    http_server_stop(s);
    http_server_stop(NULL);
    fixture_identity_done(&f.director);
    fixture_identity_done(&f.agent);
    fixture_ca_done(&f.ca);
}

int main(void)
{
    log_to_stderr(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing),
        cmocka_unit_test(never_two_answers),
        cmocka_unit_test(targets),
        cmocka_unit_test(heads_too_large),
        cmocka_unit_test(bodies_too_large),
        cmocka_unit_test(json_needs_its_type),
        cmocka_unit_test(headers_of_answers),
        cmocka_unit_test(slow_heads),
        cmocka_unit_test(slow_bodies),
        cmocka_unit_test(slow_handlers_are_waited_for),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(tls_versions),
        cmocka_unit_test(bad_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
