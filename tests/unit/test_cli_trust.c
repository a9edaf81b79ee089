/*
 * Whom the command line trusts: the authority it learnt or was given, nobody else; what it says when that
 * changes. And what it does when the director goes away under it, or the user presses Ctrl-C.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/cli.h"
#include "cli/trust.h"
#include "fake_director.h"

struct world {
    struct fake_director *director;
    char *dir, *url;
    char *out, *err;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char dir[] = "/tmp/test-trust-XXXXXX";
    assert_non_null(mkdtemp(dir));
    w->dir = xstrdup(dir);
    _cleanup_free_ char *config = str_printf("%s/config.json", dir);
    setenv("CONPAAS_CONFIG", config, 1);
    unsetenv("CONPAAS_URL");
    unsetenv("CONPAAS_TOKEN");
    unsetenv("CONPAAS_CA");
    w->director = fake_director_new_tls("demo", 0);
    w->url = str_printf("https://127.0.0.1:%d", fake_director_port(w->director));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (w->director) {
        fake_director_free(w->director);
    }
    assert_int_equal(fs_remove_tree(w->dir, NULL), 0);
    free(w->dir);
    free(w->url);
    free(w->out);
    free(w->err);
    free(w);
    return 0;
}

/* argv is NULL-terminated; the password is always given. */
static int run(struct world *w, const char *const *argv)
{
    static const char password[] = "correct horse\n";
    size_t out_len = 0, err_len = 0;
    char *words[16] = {NULL};
    int n = 0;
    for (; argv[n]; n++) {
        words[n] = xstrdup(argv[n]);
    }
    free(w->out);
    free(w->err);
    struct cli cli = {.term = {.width = 80, .utf8 = true, .now_ms = FAKE_NOW}};
    cli.term.in = fmemopen((void *)password, sizeof(password) - 1, "r");
    cli.term.out = open_memstream(&w->out, &out_len);
    cli.term.err = open_memstream(&w->err, &err_len);
    int code = cli_main(&cli, n, words);
    cli_done(&cli);
    fclose(cli.term.in);
    fclose(cli.term.out);
    fclose(cli.term.err);
    for (int i = 0; i < n; i++) {
        free(words[i]);
    }
    return code;
}

#define RUN(w, ...) run(w, (const char *const[]){"conpaas", __VA_ARGS__, NULL})

static void expect_text(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("\"%s\" is not in:\n%s", part, text);
    }
}

static char *write_ca(struct world *w, const char *pem)
{
    char *path = str_printf("%s/ca.pem", w->dir);
    assert_int_equal(fs_write_atomic(path, pem, strlen(pem), 0644, NULL), 0);
    return path;
}

/* ---- trust ---- */

static void test_first_use_shows_the_fingerprint(void **state)
{
    struct world *w = *state;
    char hex[SHA256_HEX];
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada"), 0);
    assert_int_equal(trust_fingerprint(fake_director_ca(w->director), hex, NULL), 0);
    _cleanup_free_ char *shown = trust_show(hex);
    expect_text(w->err, shown);
    expect_text(w->err, "installation demo");
    assert_int_equal(RUN(w, "user", "-q"), 0);
    assert_string_equal(w->out, "ada\n");
}

static void test_given_authority(void **state)
{
    struct world *w = *state;
    char hex[SHA256_HEX];
    _cleanup_free_ char *path = write_ca(w, fake_director_ca(w->director));
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada", "--ca", path), 0);
    assert_string_equal(w->err, "");
    assert_int_equal(trust_fingerprint(fake_director_ca(w->director), hex, NULL), 0);
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada", "--fingerprint", hex), 0);
    hex[0] = hex[0] == 'a' ? 'b' : 'a';
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada", "--fingerprint", hex), 4);
}

static void test_other_authority_is_refused(void **state)
{
    struct world *w = *state;
    struct fake_director *other = fake_director_new_tls("demo", 0);
    _cleanup_free_ char *path = write_ca(w, fake_director_ca(other));
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada", "--ca", path), 4);
    assert_null(fake_director_last(w->director, "user.login"));
    fake_director_free(other);
}

/* Somebody else answers at the address, with an authority of his own. */
static void replace_director(struct world *w)
{
    int port = fake_director_port(w->director);
    fake_director_free(w->director);
    w->director = fake_director_new_tls("demo", port);
}

static void test_changed_director_is_explained(void **state)
{
    struct world *w = *state;
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada"), 0);
    replace_director(w);
    assert_int_equal(RUN(w, "service", "list"), 4);
    expect_text(w->err, "somebody may be between you and it, or it was installed again");
    expect_text(w->err, "--trust-again");
    assert_null(fake_director_last(w->director, "service.list"));
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada"), 4);
    assert_null(fake_director_last(w->director, "user.login"));
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada", "--trust-again"), 0);
    assert_int_equal(RUN(w, "service", "list"), 0);
}

/* The right authority for the wrong name is no director. */
static void test_certificate_name_is_checked(void **state)
{
    struct world *w = *state;
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada"), 0);
    _cleanup_buf_ struct buf text = {0};
    assert_int_equal(fs_read(getenv("CONPAAS_CONFIG"), 65536, &text, NULL), 0);
    char *at = strstr(text.data, "\"demo\"");
    assert_non_null(at);
    at[4] = 'x';
    assert_int_equal(fs_write_atomic(getenv("CONPAAS_CONFIG"), text.data, text.len, 0600, NULL), 0);
    assert_int_equal(RUN(w, "service", "list"), 9);
    assert_null(fake_director_last(w->director, "service.list"));
}

static void test_register_first(void **state)
{
    struct world *w = *state;
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada", "--register", "ada@example.org"), 0);
    _cleanup_free_ char *sent = fake_director_last(w->director, "user.register");
    expect_text(sent, "\"email\":\"ada@example.org\"");
}

static void test_unreachable(void **state)
{
    struct world *w = *state;
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada"), 0);
    fake_director_free(w->director);
    w->director = NULL;
    assert_int_equal(RUN(w, "service", "list"), 9);
    expect_text(w->err, w->url); /* the address that the user knows */
}

/* ---- interruptions ---- */

static void *press_ctrl_c(void *arg)
{
    struct fake_director *f = arg;
    int64_t deadline = clock_mono_ms() + 20000;
    char *seen = NULL;
    while (!seen && clock_mono_ms() < deadline) {
        seen = fake_director_last(f, "app.events");
        struct timespec ts = {.tv_nsec = 20000000};
        nanosleep(&ts, NULL);
    }
    free(seen);
    kill(getpid(), SIGINT);
    return NULL;
}

/* All threads but the watchman must leave the signal alone, so it is blocked before any of them begins. */
static void test_ctrl_c_leaves_the_operation(void **state)
{
    struct world *w = *state;
    pthread_t t;
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGINT);
    pthread_sigmask(SIG_BLOCK, &s, NULL);
    fake_director_free(w->director);
    w->director = fake_director_new_tls("demo", 0);
    free(w->url);
    w->url = str_printf("https://127.0.0.1:%d", fake_director_port(w->director));
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada"), 0);
    fake_director_freeze(w->director, true);
    pthread_create(&t, NULL, press_ctrl_c, w->director);
    assert_int_equal(RUN(w, "node", "add", "shop", "--web", "1"), 130);
    expect_text(w->err, "it goes on");
    expect_text(w->err, "conpaas operation show 31");
    pthread_join(t, NULL);
}

static void *restart(void *arg)
{
    struct world *w = arg;
    int64_t deadline = clock_mono_ms() + 20000;
    char *seen = NULL;
    while (!seen && clock_mono_ms() < deadline) {
        seen = fake_director_last(w->director, "app.events");
        struct timespec ts = {.tv_nsec = 20000000};
        nanosleep(&ts, NULL);
    }
    free(seen);
    fake_director_restart(w->director);
    return NULL;
}

static void test_director_restart_is_survived(void **state)
{
    struct world *w = *state;
    pthread_t t;
    assert_int_equal(RUN(w, "login", w->url, "--username", "ada"), 0);
    fake_director_freeze(w->director, true);
    pthread_create(&t, NULL, restart, w);
    assert_int_equal(RUN(w, "node", "add", "shop", "--web", "1"), 0);
    assert_string_equal(w->out, "http://10.88.0.4/\n");
    pthread_join(t, NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_first_use_shows_the_fingerprint),
        T(test_given_authority),
        T(test_other_authority_is_refused),
        T(test_changed_director_is_explained),
        T(test_certificate_name_is_checked),
        T(test_register_first),
        T(test_unreachable),
        T(test_ctrl_c_leaves_the_operation),
        T(test_director_restart_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
