/*
 * Manifests in a director: applied to the end without a node (Start 0), again, after a restart; files that are sent and
 * fetched; secrets; cancelling; whose jobs and files they are.
 */
#include "cm.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/archive.h"
#include "base/clock.h"
#include "base/fs.h"
#include "director/api.h"
#include "director_world.h"

struct fixture {
    struct director_world *w;
    char *token;
    struct http_client *ada;
    struct http_server *site; /* files to fetch, on loopback */
};

static int admit(void *arg, struct http_request *req, struct http_admission *ret, struct err *e)
{
    *ret = (struct http_admission){.max_body = 0};
    return 0;
}

static void make_archive(const char *text, void **ret, size_t *ret_len)
{
    struct archive_file file = {.name = "index.php", .text = text};
    assert_int_equal(archive_make_tar(&file, 1, ret, ret_len, NULL), 0);
}

static int serve(void *arg, struct http_request *req, struct err *e)
{
    if (!str_eq(http_path(req), "/site.tar")) {
        return http_reply_text(req, 404, "text/plain", "nothing");
    }
    void *tar = NULL;
    size_t len = 0;
    char path[] = "/tmp/test-manifest-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    assert_int_equal(unlink(path), 0);
    make_archive("fetched", &tar, &len);
    assert_int_equal(fs_write_all(fd, tar, len), 0);
    free(tar);
    return http_reply_file(req, fd, "application/octet-stream", "site.tar");
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct http_server_config c = {.address = "127.0.0.1", .spool_dir = "/tmp", .handler = {admit, serve, f}};
    assert_int_equal(http_server_start(&c, &f->site, NULL), 0);
    _cleanup_free_ char *more = str_printf(
        "logins_per_minute = 1000\n[fetch]\nhttp = yes\nports = %d\nnetworks = 127.0.0.1\nattempts = 1\n"
        "pause_s = 0\n",
        http_server_port(f->site));
    f->w = world_start(more);
    f->token = world_user(f->w, "ada", false, 100);
    f->ada = world_client(f->w, f->token);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_client_free(f->ada);
    free(f->token);
    world_stop(f->w);
    http_server_stop(f->site);
    free(f);
    return 0;
}

/* Applies, and waits until the job has ended. Caller owns it. */
static json_t *apply_with(struct fixture *f, const char *text, json_t *more)
{
    _cleanup_json_ json_t *job = NULL;
    json_t *body = json_pack("{s:s}", "manifest", text), *ended = NULL;
    json_object_update(body, more);
    json_decref(more);
    assert_int_equal(world_do(f->ada, "POST", "/v1/manifests", body, &job), 202);
    _cleanup_free_ char *path = str_printf("/v1/jobs/%lld", (long long)json_int(job, "id", 0));
    int64_t until = clock_mono_ms() + 20000;
    while (!ended) {
        _cleanup_json_ json_t *now = NULL;
        assert_int_equal(world_do(f->ada, "GET", path, NULL, &now), 200);
        if (!str_eq(json_str(now, "state", ""), "ACTIVE")) {
            ended = json_incref(now);
        } else if (clock_mono_ms() > until) {
            fail_msg("the job does not end");
        } else {
            usleep(20000); /* between two looks */
        }
    }
    return ended;
}

static void expect_job(struct fixture *f, const char *text, const char *state, size_t steps, const char *why)
{
    _cleanup_json_ json_t *job = apply_with(f, text, json_object());
    const char *said = json_str(job, "why", "");
    if (!str_eq(json_str(job, "state", ""), state) ||
        json_array_size(json_object_get(job, "steps")) != steps || !strstr(said, why)) {
        _cleanup_free_ char *found = json_text(job);
        fail_msg("wanted %s with %zu steps, \"%s\": %s", state, steps, why, found);
    }
}

#define FULL                                                                                                   \
    "{\"Application\": \"shop\", \"Services\": [{\"Type\": \"php\", \"ServiceName\": \"front\", \"Start\": 0," \
    " \"StartupInstances\": {\"web\": 2, \"backend\": 1}, \"Settings\": {\"memory_limit\": \"64M\"},"          \
    " \"Environment\": {\"A\": \"1\"}, \"Secrets\": {\"KEY\": \"very secret\"}}]}"

static void test_apply(void **state)
{
    struct fixture *f = *state;
    expect_job(f, FULL, "DONE", 4, ""); /* application, service, settings, counts */
    _cleanup_json_ json_t *list = NULL;
    assert_int_equal(world_do(f->ada, "GET", "/v1/services", NULL, &list), 200);
    const json_t *v = json_array_get(json_object_get(list, "services"), 0);
    assert_string_equal(json_str(v, "state", ""), "INIT");
    assert_int_equal(json_int(json_object_get(v, "counts"), "web", 0), 2);
    expect_job(f, FULL, "DONE", 0, ""); /* nothing is left to do */
    world_restart(f->w);
    http_client_free(f->ada);
    f->ada = world_client(f->w, f->token);
    expect_job(f, FULL, "DONE", 0, "");
    expect_job(
        f,
        "{\"Application\": \"shop\", \"Services\": [{\"Type\": \"php\", \"ServiceName\": \"front\", \"Start\": 0,"
        " \"StartupInstances\": {\"web\": 1}}]}",
        "DONE", 1, "");
}

static void test_secrets_stay(void **state)
{
    struct fixture *f = *state;
    _cleanup_json_ json_t *job = apply_with(f, FULL, json_object());
    _cleanup_free_ char *path = str_printf("/v1/apps/%lld/manifest", (long long)json_int(job, "app", 0));
    _cleanup_json_ json_t *m = NULL;
    assert_int_equal(world_do(f->ada, "GET", path, NULL, &m), 200);
    _cleanup_free_ char *text = json_text(json_object_get(m, "manifest"));
    assert_null(strstr(text, "very secret"));
    assert_non_null(strstr(text, "\"KEY\":null"));
    expect_job(f, text, "DONE", 0, ""); /* what is there is not asked for */
    _cleanup_json_ json_t *answer = NULL;
    json_t *body = json_pack("{s:s, s:s}", "manifest", text, "name", "another");
    assert_int_equal(world_do(f->ada, "POST", "/v1/manifests/plan", json_deep_copy(body), &answer), 200);
    assert_int_equal(json_array_size(json_object_get(answer, "asks")), 1);
    assert_int_equal(world_do(f->ada, "POST", "/v1/manifests", body, NULL), ERR_INVALID);
    struct job_filter all = {.limit = 10};
    struct job *jobs = NULL;
    size_t n = 0;
    assert_int_equal(store_jobs(f->w->d->store, &all, &jobs, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_string_equal(jobs[1].manifest, ""); /* wiped at the end */
    jobs_free(jobs, n);
}

static void test_fetched(void **state)
{
    struct fixture *f = *state;
    int port = http_server_port(f->site);
    _cleanup_free_ char *good = str_printf(
        "{\"Application\": \"shop\", \"Services\": [{\"Type\": \"php\", \"Start\": 0, \"Archive\": "
        "\"http://127.0.0.1:%d/site.tar\"}]}",
        port);
    expect_job(f, good, "DONE", 5, ""); /* application, service, fetch, version, activate */
    expect_job(f, good, "DONE", 1, ""); /* fetched, and found to be the same */
    _cleanup_free_ char *missing = str_printf(
        "{\"Application\": \"shop\", \"Services\": [{\"Type\": \"php\", \"Start\": 0, \"Archive\": "
        "\"http://127.0.0.1:%d/other.tar\"}]}",
        port);
    expect_job(f, missing, "FAILED", 1, "answers 404");
    _cleanup_free_ char *private_one = str_printf(
        "{\"Application\": \"shop\", \"Services\": [{\"Type\": \"php\", \"Start\": 0, \"Archive\": "
        "\"http://127.0.0.2:%d/site.tar\"}]}",
        port);
    expect_job(f, private_one, "FAILED", 1, "127.0.0.2 is not public (loopback)");
}

static void test_sent(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        "{\"Application\": \"shop\", \"Services\": [{\"Type\": \"php\", \"Start\": 0, \"Archive\": \"file:a.tar\"}]}";
    void *tar = NULL;
    size_t len = 0;
    char path[] = "/tmp/test-manifest-XXXXXX", hex[SHA256_HEX];
    _cleanup_close_ int fd = mkostemp(path, O_CLOEXEC);
    assert_int_equal(unlink(path), 0);
    make_archive("sent", &tar, &len);
    assert_int_equal(fs_write_all(fd, tar, len), 0);
    sha256_hex(tar, len, hex);
    free(tar);
    json_t *files = json_pack("{s:{s:s}}", "files", "file:a.tar", hex),
           *body = json_pack("{s:s}", "manifest", text);
    json_object_update(body, files);
    assert_int_equal(world_do(f->ada, "POST", "/v1/manifests", body, NULL), ERR_NOT_FOUND); /* not sent yet */
    struct http_call up = {
        .method = "POST", .path = "/v1/manifests/files?filename=a.tar", .body_fd = fd, .use_body_fd = true};
    json_t *sent = NULL;
    assert_int_equal(http_do(f->ada, &up, NULL, &sent, NULL), 0);
    assert_string_equal(json_str(sent, "sha256", ""), hex);
    json_decref(sent);
    _cleanup_free_ char *bob_token = world_user(f->w, "bob", false, 100);
    _cleanup_(http_client_freep) struct http_client *bob = world_client(f->w, bob_token);
    _cleanup_free_ char *stolen = str_printf(
        "{\"Application\": \"b\", \"Services\": [{\"Type\": \"php\", \"Start\": 0, \"Archive\": \"sha256:%s\"}]}",
        hex);
    assert_int_equal(world_do(bob, "POST", "/v1/manifests", json_pack("{s:s}", "manifest", stolen), NULL),
                     ERR_INVALID);
    _cleanup_json_ json_t *job = apply_with(f, text, files);
    assert_string_equal(json_str(job, "state", ""), "DONE");
    assert_int_equal(json_array_size(json_object_get(job, "steps")), 4);
    _cleanup_free_ char *own = str_printf("/v1/jobs/%lld", (long long)json_int(job, "id", 0));
    assert_int_equal(world_do(bob, "GET", own, NULL, NULL), ERR_NOT_FOUND);
    static const char copy[] =
        "{\"Application\": \"copy\", \"Services\": [{\"Type\": \"php\", \"Start\": 0, \"Archive\": "
        "\"conpaas:shop/php\"}]}";
    expect_job(f, copy, "DONE", 4, "");
    assert_int_equal(world_do(bob, "POST", "/v1/manifests", json_pack("{s:s}", "manifest", copy), NULL),
                     ERR_INVALID);
}

static void test_new_and_prune(void **state)
{
    struct fixture *f = *state;
    static const char two[] = "{\"Application\": \"shop\", \"Services\": [{\"Type\": \"php\", \"Start\": 0},"
                              " {\"Type\": \"php\", \"ServiceName\": \"old\", \"Start\": 0}]}";
    static const char one[] =
        "{\"Application\": \"shop\", \"Services\": [{\"Type\": \"php\", \"Start\": 0}]}";
    expect_job(f, two, "DONE", 3, "");
    expect_job(f, one, "DONE", 0, ""); /* the other one is left alone */
    _cleanup_json_ json_t *pruned = apply_with(f, one, json_pack("{s:b}", "prune", 1));
    assert_string_equal(json_str(pruned, "state", ""), "DONE");
    assert_int_equal(json_array_size(json_object_get(pruned, "steps")), 1);
    _cleanup_json_ json_t *second = apply_with(f, one, json_pack("{s:b}", "new", 1));
    assert_string_equal(json_str(second, "app_name", ""), "shop (2)");
    assert_string_equal(json_str(second, "state", ""), "DONE");
}

static void test_references(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        "{\"Application\": \"blog\", \"Services\": [{\"Type\": \"php\", \"ServiceName\": \"front\", \"Start\": 0,"
        " \"References\": [\"database\"]}, {\"Type\": \"mysql\", \"ServiceName\": \"database\", \"Start\": 0,"
        " \"Password\": \"a long password\"}]}";
    _cleanup_json_ json_t *job = apply_with(f, text, json_object());
    _cleanup_json_ json_t *services = NULL;
    _cleanup_json_ json_t *m = NULL;
    assert_string_equal(json_str(job, "state", ""), "DONE");
    const json_t *steps = json_object_get(job, "steps");
    assert_int_equal(json_array_size(steps), 5);
    assert_string_equal(json_str(json_array_get(steps, 1), "title", ""), "make service database (mysql)");
    assert_string_equal(json_str(json_array_get(steps, 2), "title", ""), "set Password of database");
    assert_string_equal(json_str(json_array_get(steps, 4), "title", ""),
                        "set reference to database of front");
    expect_job(f, text, "DONE", 0, "");
    _cleanup_free_ char *path = str_printf("/v1/apps/%lld/manifest", (long long)json_int(job, "app", 0));
    assert_int_equal(world_do(f->ada, "GET", path, NULL, &m), 200);
    _cleanup_free_ char *copy = json_text(json_object_get(m, "manifest"));
    assert_non_null(strstr(copy, "{\"service\":\"database\",\"as\":\"MYSQL\"}"));
    assert_null(strstr(copy, "a long password"));
    expect_job(f, copy, "DONE", 0, "");
}

/* One that waits for a node that does not come: only one at a time, and it can be given up. */
static void test_cancel(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "{\"Application\": \"shop\", \"Services\": [{\"Type\": \"php\"}]}";
    _cleanup_json_ json_t *job = NULL, *ended = NULL;
    assert_int_equal(world_do(f->ada, "POST", "/v1/manifests", json_pack("{s:s}", "manifest", text), &job),
                     202);
    assert_int_equal(world_do(f->ada, "POST", "/v1/manifests", json_pack("{s:s}", "manifest", text), NULL),
                     ERR_CONFLICT);
    _cleanup_free_ char *show = str_printf("/v1/jobs/%lld", (long long)json_int(job, "id", 0));
    _cleanup_free_ char *cancel = str_printf("%s/cancel", show);
    world_wait(f->ada, show, "steps.2.title", "start php");
    world_restart(f->w);
    http_client_free(f->ada);
    f->ada = world_client(f->w, f->token);
    world_wait(f->ada, show, "state", "ACTIVE");
    assert_int_equal(world_do(f->ada, "POST", cancel, NULL, &ended), 200);
    assert_string_equal(json_str(ended, "state", ""), "CANCELLED");
    assert_int_equal(world_do(f->ada, "POST", cancel, NULL, NULL), ERR_STATE);
    _cleanup_json_ json_t *ops = NULL;
    assert_int_equal(world_do(f->ada, "GET", "/v1/operations", NULL, &ops), 200);
    assert_string_equal(json_str(json_array_get(json_object_get(ops, "operations"), 0), "state", ""),
                        "CANCELLED");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_apply),         T(test_secrets_stay), T(test_fetched),    T(test_sent),
        T(test_new_and_prune), T(test_cancel),       T(test_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
