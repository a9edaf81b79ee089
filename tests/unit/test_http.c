/*
 * Server and client together, over TLS and without: calls, bodies, errors, streams, certificates.
 */
#include "net_fixture.h"

#include <pthread.h>
#include <sys/mman.h>

#include "net/tls_cert.h"

static json_t *call(struct http_client *c, const char *method, const char *path, const json_t *body,
                    int want_status)
{
    struct err e = {0};
    json_t *answer = NULL;
    int status = 0;
    if (http_do(c, &(struct http_call){.method = method, .path = path, .body = body}, &status, &answer, &e) !=
        0) {
        fail_msg("%s %s: %s", method, path, e.message);
    }
    assert_int_equal(status, want_status);
    return answer;
}

static int call_fails(struct http_client *c, const struct http_call *request, struct err *e)
{
    json_t *answer = NULL;
    int status = 0;
    int r = http_do(c, request, &status, &answer, e);
    assert_true(r < 0);
    assert_null(answer);
    return r;
}

static void calls_with_certificate(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){.need_client_cert = true});
    struct http_client *c = fixture_client(&f, true, &f.agent);
    json_t *j = call(c, "GET", "/echo?q=a%20b%26c", NULL, 200);
    assert_string_equal(json_str(j, "method", ""), "GET");
    assert_string_equal(json_str(j, "path", ""), "/echo");
    assert_string_equal(json_str(j, "q", ""), "a b&c");
    assert_string_equal(json_str(j, "peer", ""), "n12.a7.agent.test");
    assert_string_equal(json_str(j, "address", ""), "127.0.0.1");
    _cleanup_free_ char *serial = NULL;
    assert_int_equal(tls_cert_info(f.agent.cert, NULL, &serial, NULL, NULL), 0);
    assert_string_equal(json_str(j, "serial", ""), serial);
    json_decref(j);
    json_t *body = json_pack("{s:[i,i]}", "list", 1, 2);
    j = call(c, "POST", "/json", body, 201);
    assert_true(json_equal(j, body));
    json_decref(j);
    json_decref(body);
    j = call(c, "DELETE", "/x", NULL, 200);
    assert_string_equal(json_str(j, "method", ""), "DELETE");
    json_decref(j);
    j = call(c, "PUT", "/x", NULL, 200);
    assert_int_equal(json_int(j, "length", -1), 0);
    json_decref(j);
    http_client_free(c);
    fixture_stop(&f);
}

static void certificates_are_demanded(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){.need_client_cert = true});
    _cleanup_err_ struct err e = {0};
    struct http_client *c = fixture_client(&f, true, NULL);
    assert_int_equal(call_fails(c, &(struct http_call){.method = "GET", .path = "/echo"}, &e),
                     ERR_UNAUTHENTICATED);
    json_t *j = call(c, "GET", "/open", NULL, 200); /* enrolment */
    assert_null(json_object_get(j, "peer"));
    json_decref(j);
    http_client_free(c);

    /* Of another authority with the same name, expired, without the client purpose. */
    struct fixture_ca other = {0};
    fixture_ca_init(&other);
    struct fixture_identity foreign = {0}, server_only = {0};
    fixture_sign(&other, &(struct tls_leaf){.dns_name = "n12.a7.agent.test", .client = true, .days = 9},
                 &foreign);
    fixture_sign(&f.ca, &(struct tls_leaf){.dns_name = "n12.a7.agent.test", .server = true, .days = 9},
                 &server_only);
    const struct fixture_identity *bad[] = {&foreign, &server_only};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        c = fixture_client(&f, true, bad[i]);
        assert_int_equal(call_fails(c, &(struct http_call){.method = "GET", .path = "/echo"}, &e),
                         ERR_UNAUTHENTICATED);
        j = call(c, "GET", "/open", NULL, 200);
        assert_null(json_object_get(j, "peer"));
        json_decref(j);
        http_client_free(c);
    }
    fixture_identity_done(&foreign);
    fixture_identity_done(&server_only);
    fixture_ca_done(&other);
    fixture_stop(&f);
}

/* A certificate of our authority whose time is over: the signer never makes one, so it is made here. */
static void expire(const struct fixture_ca *ca, struct fixture_identity *id)
{
    gnutls_x509_crt_t crt = NULL, issuer = NULL;
    gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t pem = {0};
    assert_int_equal(tls_read_cert(id->cert, &crt, NULL), 0);
    assert_int_equal(tls_read_cert(ca->cert, &issuer, NULL), 0);
    assert_int_equal(tls_read_key(ca->key, &key, NULL), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(crt, time(NULL) - 60), 0);
    assert_int_equal(gnutls_x509_crt_sign2(crt, issuer, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    free(id->cert);
    id->cert = tls_take_pem(&pem);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_crt_deinit(issuer);
    gnutls_x509_privkey_deinit(key);
}

static void expired_certificates(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){.need_client_cert = true});
    _cleanup_err_ struct err e = {0};
    expire(&f.ca, &f.agent);
    struct http_client *c = fixture_client(&f, true, &f.agent);
    assert_int_equal(call_fails(c, &(struct http_call){.method = "GET", .path = "/echo"}, &e),
                     ERR_UNAUTHENTICATED);
    assert_non_null(strstr(e.message, "expired"));
    http_client_free(c);
    fixture_stop(&f);
    f = (struct fixture_server){0}; /* and a server with one */
    fixture_start(&f, true, &(struct http_server_config){0});
    expire(&f.ca, &f.director);
    assert_int_equal(http_server_set_identity(f.server, f.director.key, f.director.cert, &e), 0);
    c = fixture_client(&f, true, NULL);
    assert_int_equal(call_fails(c, &(struct http_call){.method = "GET", .path = "/echo"}, &e),
                     ERR_UNAVAILABLE);
    http_client_free(c);
    fixture_stop(&f);
}

static void client_checks_the_server(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){0});
    _cleanup_err_ struct err e = {0};
    struct fixture_ca other = {0};
    fixture_ca_init(&other);
    int port = http_server_port(f.server);
    _cleanup_free_ char *to = str_printf("127.0.0.1:%d", port);
    _cleanup_free_ char *named = str_printf("https://director.test:%d", port);
    _cleanup_free_ char *wrong = str_printf("https://director.other:%d", port);
    _cleanup_free_ char *address = str_printf("https://127.0.0.1:%d", port);
    const struct {
        const char *url, *ca;
        bool good;
    } rows[] = {{named, f.ca.cert, true},
                {named, other.cert, false},
                {wrong, f.ca.cert, false},
                {address, f.ca.cert, true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_client_config config = {.url = rows[i].url, .connect_to = to, .ca_pem = rows[i].ca};
        struct http_client *c = NULL;
        assert_int_equal(http_client_new(&config, &c, &e), 0);
        int r = http_do(c, &(struct http_call){.method = "GET", .path = "/echo"}, NULL, NULL, &e);
        assert_int_equal(r, rows[i].good ? 0 : ERR_UNAVAILABLE);
        http_client_free(c);
    }
    /* A file with the authority, as the command line uses it; and what a config must not be. */
    char file[] = "/tmp/test-http-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0 && write(fd, f.ca.cert, strlen(f.ca.cert)) > 0);
    close(fd);
    struct http_client *c = NULL;
    struct http_client_config pinned = {.url = address, .pinned_cert_file = file};
    assert_int_equal(http_client_new(&pinned, &c, &e), 0);
    assert_int_equal(http_do(c, &(struct http_call){.method = "GET", .path = "/echo"}, NULL, NULL, &e), 0);
    http_client_free(c);
    unlink(file);
    c = NULL;
    assert_int_equal(http_client_new(&(struct http_client_config){.url = named}, &c, &e), ERR_INVALID);
    assert_int_equal(http_client_new(&(struct http_client_config){.url = "ftp://x"}, &c, &e), ERR_INVALID);
    assert_int_equal(
        http_client_new(&(struct http_client_config){.url = "http://x", .bearer = "a\nb: c"}, &c, &e),
        ERR_INVALID);
    assert_null(c);
    fixture_ca_done(&other);
    fixture_stop(&f);
}

static void errors_come_back(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, false, &(struct http_server_config){0});
    struct http_client *c = fixture_client(&f, false, NULL);
    _cleanup_err_ struct err e = {0};
    assert_int_equal(call_fails(c, &(struct http_call){.method = "POST", .path = "/error"}, &e),
                     ERR_CONFLICT);
    assert_string_equal(e.message, "operation 7 is running");
    assert_string_equal(e.hint, "wait for it");
    assert_int_equal(call_fails(c, &(struct http_call){.method = "GET", .path = "/none"}, &e), ERR_INTERNAL);
    assert_int_equal(call_fails(c, &(struct http_call){.method = "GET", .path = "/refuse"}, &e),
                     ERR_FORBIDDEN);
    assert_string_equal(e.hint, "ask the owner");
    _cleanup_json_ json_t *body = json_pack("{s:i}", "a", 1);
    struct http_call small = {.method = "POST", .path = "/refuse", .body = body};
    assert_int_equal(call_fails(c, &small, &e), ERR_FORBIDDEN);
    _cleanup_json_ json_t *array = json_pack("[i]", 1);
    assert_int_equal(call_fails(c, &(struct http_call){.method = "POST", .path = "/json", .body = array}, &e),
                     ERR_INVALID);
    json_t *j = call(c, "GET", "/echo", NULL, 200); /* and the client still works */
    json_decref(j);
    http_client_free(c);
    /* Nobody listens there any more. */
    c = fixture_client(&f, false, NULL);
    http_server_stop(f.server);
    f.server = NULL;
    assert_int_equal(call_fails(c, &(struct http_call){.method = "GET", .path = "/"}, &e), ERR_UNAVAILABLE);
    http_client_free(c);
    fixture_stop(&f);
}

static int body_file(size_t n)
{
    int fd = memfd_create("body", MFD_CLOEXEC);
    _cleanup_free_ char *text = xmalloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)(i * 31 + i / 977);
    }
    assert_int_equal(write(fd, text, n), n);
    return fd;
}

static void progress(void *arg, int64_t sent, int64_t total)
{
    int64_t *last = arg;
    assert_true(sent <= total);
    *last = sent;
}

static void bodies_on_disk(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){0});
    struct http_client *c = fixture_client(&f, true, &f.agent);
    _cleanup_err_ struct err e = {0};
    const size_t sizes[] = {0, 1, 5 << 20};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        _cleanup_close_ int fd = body_file(sizes[i]);
        int64_t sent = 0;
        json_t *j = NULL;
        struct http_call up = {.method = "POST",
                               .path = "/spool",
                               .body_fd = fd,
                               .use_body_fd = true,
                               .progress = progress,
                               .progress_arg = &sent};
        if (http_do(c, &up, NULL, &j, &e) != 0) {
            fail_msg("%s", e.message);
        }
        char hex[SHA256_HEX];
        void *map = sizes[i] ? mmap(NULL, sizes[i], PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
        sha256_hex(map ? map : "", sizes[i], hex);
        assert_string_equal(json_str(j, "sha256", ""), hex);
        assert_int_equal(json_int(j, "size", -1), sizes[i]);
        assert_int_equal(sent, sizes[i]);
        json_decref(j);
        if (map) {
            munmap(map, sizes[i]);
        }
    }
    /* 65 MB is too much for /spool, 5 MB for everything else. */
    _cleanup_close_ int fd = body_file(65 << 20);
    struct http_call big = {.method = "PUT", .path = "/spool", .body_fd = fd, .use_body_fd = true};
    assert_int_equal(call_fails(c, &big, &e), ERR_TOO_LARGE);
    _cleanup_close_ int medium = body_file(5 << 20);
    struct http_call other = {.method = "PUT", .path = "/echo", .body_fd = medium, .use_body_fd = true};
    assert_int_equal(call_fails(c, &other, &e), ERR_TOO_LARGE);
    other.path = "/refuse";
    assert_int_equal(call_fails(c, &other, &e), ERR_FORBIDDEN);
    http_client_free(c);
    fixture_stop(&f);
}

static void answers_into_files(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){0});
    struct http_client *c = fixture_client(&f, true, NULL);
    _cleanup_err_ struct err e = {0};
    _cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
    struct http_call get = {.method = "GET", .path = "/file", .out_fd = out, .use_out_fd = true};
    int status = 0;
    json_t *j = NULL;
    assert_int_equal(http_do(c, &get, &status, &j, &e), 0);
    assert_true(json_is_null(j));
    _cleanup_close_ int original = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    assert_int_equal(lseek(out, 0, SEEK_END), lseek(original, 0, SEEK_END));
    assert_true(lseek(out, 0, SEEK_CUR) > 0);
    get.max_answer = 10;
    assert_int_equal(call_fails(c, &get, &e), ERR_TOO_LARGE);
    get.path = "/error"; /* an error is not written to the file */
    off_t before = lseek(out, 0, SEEK_END);
    assert_int_equal(call_fails(c, &get, &e), ERR_CONFLICT);
    assert_int_equal(lseek(out, 0, SEEK_END), before);
    get.path = "/moved"; /* nobody is followed, and nothing is no file */
    assert_int_equal(call_fails(c, &get, &e), ERR_UNAVAILABLE);
    http_client_free(c);
    fixture_stop(&f);
}

static int on_event(void *arg, const char *event, const char *id, const char *data)
{
    struct buf *b = arg;
    buf_addf(b, "%s %s [%s]\n", event, id, data);
    return str_eq(id, "2") && b->cap > 100000 ? 77 : 0;
}

static void event_streams(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){0});
    struct http_client *c = fixture_client(&f, true, NULL);
    _cleanup_err_ struct err e = {0};
    _cleanup_buf_ struct buf seen = {0};
    assert_int_equal(http_events(c, "/stream", 5000, on_event, &seen, &e), 0);
    assert_string_equal(seen.data,
                        "tick 1 [first 1\nsecond]\ntick 2 [first 2\nsecond]\ntick 3 [first 3\nsecond]\n");
    assert_int_equal(http_events(c, "/refuse", 5000, on_event, &seen, &e), ERR_FORBIDDEN);
    seen.data = xrealloc(seen.data, 200000); /* tells the callback to stop at the second */
    seen.cap = 200000;
    assert_int_equal(http_events(c, "/stream", 5000, on_event, &seen, &e), 77);
    assert_int_equal(http_events(c, "/wait", 200, on_event, &seen, &e), ERR_TIMEOUT);
    http_client_free(c);
    fixture_stop(&f);
}

struct waiter {
    struct http_client *client;
    int result;
};

static void *waiter_main(void *arg)
{
    struct waiter *w = arg;
    w->result = http_do(w->client, &(struct http_call){.method = "GET", .path = "/wait"}, NULL, NULL, NULL);
    return NULL;
}

/* Reads one byte of the handler's pipe, at most 5 s. */
static char handler_says(struct fixture_server *f)
{
    struct pollfd p = {.fd = f->waiting_pipe[0], .events = POLLIN};
    char c = '?';
    if (poll(&p, 1, 5000) == 1 && read(p.fd, &c, 1) != 1) {
        c = '?';
    }
    return c;
}

static void interrupt_and_stop(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){0});
    struct waiter w = {.client = fixture_client(&f, true, NULL)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, waiter_main, &w), 0);
    assert_int_equal(handler_says(&f), 'b');
    int64_t start = clock_mono_ms();
    http_client_interrupt(w.client, true);
    pthread_join(thread, NULL);
    assert_int_equal(w.result, ERR_UNAVAILABLE);
    assert_true(clock_mono_ms() - start < 900); /* woken, not polled */
    assert_int_equal(handler_says(&f), 'e');    /* the handler noticed that its client is gone */
    waiter_main(&w);                            /* sticky */
    assert_int_equal(w.result, ERR_UNAVAILABLE);

    http_client_interrupt(w.client, false);
    assert_int_equal(pthread_create(&thread, NULL, waiter_main, &w), 0);
    assert_int_equal(handler_says(&f), 'b');
    http_server_stop(f.server); /* returns although a handler waits */
    f.server = NULL;
    assert_int_equal(handler_says(&f), 'e');
    pthread_join(thread, NULL);
    assert_true(w.result < 0);
    http_client_free(w.client);
    fixture_stop(&f);
}

static void new_identity_without_restart(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, true, &(struct http_server_config){0});
    struct http_client *old = fixture_client(&f, true, NULL);
    json_decref(call(old, "GET", "/echo", NULL, 200));
    struct fixture_ca other = {0};
    fixture_ca_init(&other);
    struct fixture_identity fresh = {0};
    fixture_sign(&other, &(struct tls_leaf){.dns_name = "director.test", .server = true, .days = 3}, &fresh);
    _cleanup_err_ struct err e = {0};
    assert_int_equal(http_server_set_identity(f.server, f.director.key, fresh.cert, &e), ERR_INVALID);
    assert_int_equal(http_server_set_identity(f.server, fresh.key, fresh.cert, &e), 0);
    json_decref(call(old, "GET", "/echo", NULL, 200)); /* the kept connection goes on */
    struct http_client *c = fixture_client(&f, true, NULL);
    assert_int_equal(call_fails(c, &(struct http_call){.method = "GET", .path = "/echo"}, &e),
                     ERR_UNAVAILABLE);
    http_client_free(c);
    _cleanup_free_ char *first_ca = f.ca.cert;
    f.ca.cert = xstrdup(other.cert);
    c = fixture_client(&f, true, NULL);
    json_decref(call(c, "GET", "/echo", NULL, 200));
    http_client_free(c);
    http_client_free(old);
    fixture_identity_done(&fresh);
    fixture_ca_done(&other);
    fixture_stop(&f);
}

static void request_data_is_given_back(void **state)
{
    struct fixture_server f = {0};
    fixture_start(&f, false, &(struct http_server_config){0});
    struct http_client *c = fixture_client(&f, false, NULL);
    for (int i = 0; i < 3; i++) {
        json_decref(call(c, "GET", "/data", NULL, 200));
    }
    http_client_free(c);
    http_server_stop(f.server);
    f.server = NULL;
    assert_int_equal(f.freed, 3);
    fixture_stop(&f);
}

static void encoding(void **state)
{
    _cleanup_free_ char *s = http_encode("a b/c?d=e&\xc3\xa9~._-");
    assert_string_equal(s, "a%20b%2Fc%3Fd%3De%26%C3%A9~._-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_with_certificate),     cmocka_unit_test(certificates_are_demanded),
        cmocka_unit_test(expired_certificates),       cmocka_unit_test(client_checks_the_server),
        cmocka_unit_test(errors_come_back),           cmocka_unit_test(bodies_on_disk),
        cmocka_unit_test(answers_into_files),         cmocka_unit_test(event_streams),
        cmocka_unit_test(interrupt_and_stop),         cmocka_unit_test(new_identity_without_restart),
        cmocka_unit_test(request_data_is_given_back), cmocka_unit_test(encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
