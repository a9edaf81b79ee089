/*
 * The director's socket for pushes: what conpaas-git may ask, and what a push becomes.
 */
#include "director_world.h"

#include "cm.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/archive.h"
#include "base/fs.h"
#include "git/link.h"

#define ANN "AAAAC3NzaC1lZDI1NTE5AAAAIHjxKJM/jL7fqKN3CV1OLJz7Hu61CQdFBzsZQWqBMnuk"
#define EVE "AAAAC3NzaC1lZDI1NTE5AAAAIHjxKJM/jL7fqKN3CV1OLJz7Hu61CQdFBzsZQWqBMnuX"
#define COMMIT_1 "1111111111111111111111111111111111111111"
#define COMMIT_2 "1111111222222222222222222222222222222222"

struct place {
    struct director_world *w;
    struct git_config conf;
    struct http_client *ann, *eve;
    int64_t app, service; /* ann's shop/shop */
};

static void make_shop(struct http_client *c, const char *body, int64_t *ret_app, int64_t *ret_service)
{
    _cleanup_json_ json_t *service = NULL;
    assert_int_equal(
        world_do(c, "POST", "/v1/services", json_pack("{s:s, s:s}", "type", "php", "name", "shop"), &service),
        201);
    *ret_app = json_int(service, "app", 0);
    *ret_service = json_int(service, "id", 0);
    _cleanup_free_ char *path = str_printf("/v1/apps/%lld/keys", (long long)*ret_app);
    _cleanup_free_ char *line = str_printf("ssh-ed25519 %s someone@laptop", body);
    assert_int_equal(world_do(c, "POST", path, json_pack("{s:s}", "keys", line), NULL), 200);
}

static int set_up(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));
    p->conf.socket = str_printf("/tmp/conpaas-test-git-%d.sock", (int)getpid());
    _cleanup_free_ char *more =
        str_printf("code_quota_mb = 1\n[git]\nsocket = %s\nhost = paas.example.org\n", p->conf.socket);
    p->w = world_start(more);
    _cleanup_free_ char *ann = world_user(p->w, "ann", false, 50);
    _cleanup_free_ char *eve = world_user(p->w, "eve", false, 50);
    int64_t app = 0, service = 0;
    p->ann = world_client(p->w, ann);
    p->eve = world_client(p->w, eve);
    make_shop(p->ann, ANN, &p->app, &p->service);
    make_shop(p->eve, EVE, &app, &service);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    http_client_free(p->ann);
    http_client_free(p->eve);
    world_stop(p->w);
    assert_false(fs_exists(p->conf.socket));
    free(p->conf.socket);
    free(p);
    return 0;
}

static int ask(struct place *p, json_t *call, int fd, json_t **ret)
{
    _cleanup_director_link_ struct director_link l = {.fd = -1};
    struct err e = {0};
    assert_int_equal(director_link_open(&p->conf, &l, NULL), 0);
    int rc = director_link_call(&l, call, fd, NULL, ret, &e);
    err_done(&e);
    return rc;
}

static int open_as(struct place *p, const char *key, const char *name, json_t **ret)
{
    return ask(
        p, json_pack("{s:s, s:s, s:s, s:s}", "call", "open", "type", "ssh-ed25519", "key", key, "name", name),
        -1, ret);
}

static void test_names(void **state)
{
    struct place *p = *state;
    _cleanup_free_ char *id = str_printf("%lld", (long long)p->service);
    const char *good[] = {"shop/shop", "/shop/shop.git", "shop", "code", "ann/shop/shop", id};
    static const char *const bad[] = {"eve/shop/shop", "../shop", "", "shop/other", "-x"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        _cleanup_json_ json_t *ok = NULL;
        assert_int_equal(open_as(p, ANN, good[i], &ok), 0);
        assert_int_equal(json_int(ok, "service", 0), p->service);
        assert_string_equal(json_str(ok, "name", ""), "shop/shop");
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_true(open_as(p, ANN, bad[i], NULL) < 0);
    }
    assert_true(open_as(p, EVE, id, NULL) < 0); /* another user's */
    assert_true(open_as(p, "no key", "shop", NULL) < 0);
    assert_true(ask(p, json_pack("{s:s}", "call", "nothing"), -1, NULL) < 0);
    assert_true(ask(p, json_pack("{s:s, s:s}", "call", "key", "colour", "red"), -1, NULL) < 0);
    _cleanup_json_ json_t *git = NULL;
    _cleanup_free_ char *path = str_printf("/v1/services/%s/git", id);
    assert_int_equal(world_do(p->ann, "GET", path, NULL, &git), 200);
    assert_string_equal(json_str(git, "url", ""), "ssh://git@paas.example.org:2222/shop/shop");
    assert_int_equal(world_do(p->eve, "GET", path, NULL, NULL), ERR_NOT_FOUND);
}

static int no_archive(void)
{
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_int_equal(fs_write_all(fd, "no archive at all", 17), 0);
    return fd;
}

/* An archive of one file; bytes of noise, which does not pack. */
static int archive(const char *name, size_t noise)
{
    _cleanup_free_ char *text = xcalloc(1, noise + 8);
    _cleanup_free_ void *tar = NULL;
    size_t len = 0;
    memset(text, 'x', noise + 7);
    struct archive_file file = {.name = name, .text = text};
    assert_int_equal(archive_make_tar(&file, 1, &tar, &len, NULL), 0);
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_int_equal(fs_write_all(fd, tar, len), 0);
    return fd;
}

static int push(struct place *p, const char *key, const char *commit, int fd, json_t **ret)
{
    int rc =
        ask(p,
            json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "call", "push", "type", "ssh-ed25519", "key", key,
                      "service", (json_int_t)p->service, "commit", commit, "subject", "a\033[1m subject"),
            fd, ret);
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static size_t count_versions(struct place *p, json_t **ret_newest)
{
    _cleanup_free_ char *path = str_printf("/v1/services/%lld/code", (long long)p->service);
    _cleanup_json_ json_t *list = NULL;
    assert_int_equal(world_do(p->ann, "GET", path, NULL, &list), 200);
    const json_t *versions = json_object_get(list, "versions");
    if (ret_newest) {
        *ret_newest = json_incref(json_array_get(versions, 0));
    }
    return json_array_size(versions);
}

static void test_push(void **state)
{
    struct place *p = *state;
    _cleanup_json_ json_t *ok = NULL;
    _cleanup_json_ json_t *again = NULL;
    _cleanup_json_ json_t *other = NULL;
    _cleanup_json_ json_t *newest = NULL;
    int ends[2];
    assert_int_equal(push(p, EVE, COMMIT_1, archive("index.php", 9), NULL), ERR_FORBIDDEN);
    assert_int_equal(push(p, ANN, "main", archive("index.php", 9), NULL), ERR_INVALID);
    assert_int_equal(push(p, ANN, COMMIT_1, -1, NULL), ERR_INVALID);
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    assert_int_equal(push(p, ANN, COMMIT_1, ends[0], NULL), ERR_INVALID);
    assert_int_equal(push(p, ANN, COMMIT_1, no_archive(), NULL), ERR_INVALID);
    assert_int_equal(push(p, ANN, COMMIT_1, archive("big", 1200000), NULL), ERR_QUOTA);
    assert_int_equal(count_versions(p, NULL), 1);

    assert_int_equal(push(p, ANN, COMMIT_1, archive("index.php", 9), &ok), 0);
    assert_string_equal(json_str(ok, "version", ""), "git-1111111");
    assert_true(json_flag(ok, "created", false) && json_flag(ok, "deployed", false));
    assert_int_equal(count_versions(p, &newest), 2);
    assert_true(json_flag(newest, "current", false)); /* at once: it does not run */
    assert_string_equal(json_str(newest, "description", ""), "a [1m subject");

    assert_int_equal(push(p, ANN, COMMIT_1, archive("index.php", 9), &again), 0);
    assert_false(json_flag(again, "created", true));
    assert_int_equal(push(p, ANN, COMMIT_2, archive("index.php", 9), &other), 0);
    assert_string_equal(json_str(other, "version", ""), "git-11111112"); /* begins alike */
    assert_int_equal(count_versions(p, NULL), 3);
}

/* Only stored, when the owner says so. */
static void test_deploy_off(void **state)
{
    struct place *p = *state;
    _cleanup_free_ char *path = str_printf("/v1/services/%lld/git", (long long)p->service);
    _cleanup_json_ json_t *ok = NULL;
    _cleanup_json_ json_t *newest = NULL;
    assert_int_equal(world_do(p->eve, "PATCH", path, json_pack("{s:b}", "deploy", 0), NULL), ERR_NOT_FOUND);
    assert_int_equal(world_do(p->ann, "PATCH", path, json_pack("{s:b}", "deploy", 0), NULL), 200);
    assert_int_equal(push(p, ANN, COMMIT_1, archive("index.php", 9), &ok), 0);
    assert_false(json_flag(ok, "deployed", true));
    assert_int_equal(count_versions(p, &newest), 2);
    assert_false(json_flag(newest, "current", true));
}

/* A key that was taken away, and services whose repositories may stay. */
static void test_gone(void **state)
{
    struct place *p = *state;
    _cleanup_free_ char *path = str_printf("/v1/apps/%lld/keys?key=someone%%40laptop", (long long)p->app);
    _cleanup_json_ json_t *known = NULL;
    _cleanup_json_ json_t *services = NULL;
    assert_int_equal(ask(p, json_pack("{s:s}", "call", "services"), -1, &services), 0);
    assert_int_equal(json_array_size(json_object_get(services, "services")), 2);
    assert_int_equal(world_do(p->ann, "DELETE", path, NULL, NULL), 204);
    assert_int_equal(push(p, ANN, COMMIT_1, archive("index.php", 9), NULL), ERR_FORBIDDEN);
    assert_int_equal(
        ask(p, json_pack("{s:s, s:s, s:s}", "call", "key", "type", "ssh-ed25519", "key", ANN), -1, &known),
        0);
    assert_false(json_flag(known, "known", true));
    atomic_store(&p->w->d->recovery, true); /* its records may be older than the repositories */
    assert_int_equal(ask(p, json_pack("{s:s}", "call", "services"), -1, NULL), ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_push, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deploy_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
