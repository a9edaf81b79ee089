#include "agent_world.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/archive.h"
#include "base/fs.h"
#include "net/tls.h"

#define INSTALLATION "test"

bool agent_world_enter(void)
{
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return false;
    }
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = {.ifr_name = "lo"};
    bool up = ioctl(s, SIOCGIFFLAGS, &lo) == 0;
    lo.ifr_flags |= IFF_UP;
    up = up && ioctl(s, SIOCSIFFLAGS, &lo) == 0;
    close(s);
    return up;
}

static void identity(struct agent_world *w, const char *dns, char **ret_key, char **ret_cert)
{
    struct err e = {0};
    _cleanup_free_ char *csr = NULL;
    struct tls_leaf leaf = {.dns_name = dns, .server = true, .client = true, .days = 90};
    assert_int_equal(tls_key_new(ret_key, &e), 0);
    assert_int_equal(tls_csr_new(*ret_key, dns, &csr, &e), 0);
    assert_int_equal(tls_ca_sign(w->ca_key, w->ca_cert, csr, &leaf, ret_cert, &e), 0);
}

/* ---- director ---- */

static int sign(struct agent_world *w, struct http_request *r, const json_t *body, struct err *e)
{
    _cleanup_free_ char *pem = NULL;
    struct tls_leaf leaf = {
        .dns_name = "n12.a7.agent." INSTALLATION, .client = true, .server = true, .days = w->cert_days};
    random_bytes(leaf.serial, sizeof(leaf.serial));
    int rc = tls_ca_sign(w->ca_key, w->ca_cert, json_str(body, "csr", ""), &leaf, &pem, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_json_ json_t *answer = json_pack("{s:s, s:s}", "certificate", pem, "ca", w->ca_cert);
    return http_reply_json(r, 200, answer);
}

static int artifact(struct agent_world *w, struct http_request *r, const char *sha256, struct err *e)
{
    pthread_mutex_lock(&w->lock);
    _cleanup_free_ char *path = xstrdup(json_str(w->artifacts, sha256, "/nothing"));
    pthread_mutex_unlock(&w->lock);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_set(e, ERR_NOT_FOUND, "no such artifact")
                  : http_reply_file(r, fd, "application/octet-stream", NULL);
}

static void count(struct agent_world *w, int *n)
{
    pthread_mutex_lock(&w->lock);
    ++*n;
    pthread_cond_broadcast(&w->change);
    pthread_mutex_unlock(&w->lock);
}

static int director_handle(void *arg, struct http_request *r, struct err *e)
{
    struct agent_world *w = arg;
    _cleanup_json_ json_t *body = NULL;
    const char *path = http_path(r);
    if (str_starts(path, "/node/v1/artifacts/")) {
        return artifact(w, r, path + strlen("/node/v1/artifacts/"), e);
    }
    int rc = http_body_json(r, &body, e);
    if (rc < 0) {
        return rc;
    }
    if (str_eq(path, "/node/v1/enrol")) {
        if (!str_eq(json_str(body, "token", ""), "once")) {
            return err_set(e, ERR_FORBIDDEN, "no such token");
        }
        count(w, &w->enrolments);
        return sign(w, r, body, e);
    }
    if (str_eq(path, "/node/v1/renew")) {
        w->cert_days = 90;
        count(w, &w->renewals);
        return sign(w, r, body, e);
    }
    count(w, &w->beats);
    _cleanup_free_ char *address = str_printf("127.0.0.1:%d", http_server_port(w->manager));
    _cleanup_json_ json_t *answer =
        json_pack("{s:{s:s, s:s}}", "manager", "name", "n1.a7.manager." INSTALLATION, "address", address);
    return http_reply_json(r, 200, answer);
}

/* ---- manager ---- */

static bool newer(const json_t *document, const json_t *report)
{
    const json_t *done = json_object_get(report, "done");
    int64_t epoch = json_int(document, "epoch", 0), seq = json_int(document, "seq", 0);
    int64_t done_epoch = json_int(done, "epoch", 0), done_seq = json_int(done, "seq", 0);
    return document && (epoch != done_epoch || seq != done_seq);
}

static int manager_exchange(struct agent_world *w, struct http_request *r, const json_t *body)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    int64_t wait = json_int(body, "wait_ms", 0);
    end.tv_sec += wait / 1000;
    pthread_mutex_lock(&w->lock);
    json_decref(w->report);
    w->report = json_incref(json_object_get(body, "report"));
    w->reports++;
    pthread_cond_broadcast(&w->change);
    while (wait > 0 && !newer(w->document, w->report) && !w->query && !http_stopping(r)) {
        struct timespec slice;
        clock_gettime(CLOCK_REALTIME, &slice);
        slice.tv_nsec += 100000000;
        slice.tv_sec += slice.tv_nsec / 1000000000;
        slice.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&w->change, &w->lock, &slice);
        if (slice.tv_sec > end.tv_sec) {
            break;
        }
    }
    json_t *queries = json_array();
    if (w->query) {
        json_array_append_new(queries, w->query);
        w->query = NULL;
    }
    json_t *answer = json_pack("{s:I, s:i, s:O, s:o}", "epoch", (json_int_t)w->epoch, "echo", w->reports,
                               "document", w->document ? w->document : json_null(), "queries", queries);
    pthread_mutex_unlock(&w->lock);
    int rc = http_reply_json(r, 200, answer);
    json_decref(answer);
    return rc;
}

static int manager_handle(void *arg, struct http_request *r, struct err *e)
{
    struct agent_world *w = arg;
    _cleanup_json_ json_t *body = NULL;
    int rc = http_body_json(r, &body, e);
    if (rc < 0) {
        return rc;
    }
    if (!str_eq(http_peer_name(r), "n12.a7.agent." INSTALLATION)) {
        return err_set(e, ERR_FORBIDDEN, "not this agent");
    }
    if (w->manager_down) {
        return err_set(e, ERR_UNAVAILABLE, "down for the test");
    }
    if (str_eq(http_path(r), "/agent/v1/answer")) {
        pthread_mutex_lock(&w->lock);
        json_decref(w->answer);
        w->answer = json_incref(body);
        pthread_cond_broadcast(&w->change);
        pthread_mutex_unlock(&w->lock);
        _cleanup_json_ json_t *empty = json_object();
        return http_reply_json(r, 200, empty);
    }
    return manager_exchange(w, r, body);
}

static int admit(void *arg, struct http_request *r, struct http_admission *ret, struct err *e)
{
    ret->max_body = 1 << 20;
    return 0;
}

static bool open_path(const char *path)
{
    return str_eq(path, "/node/v1/enrol");
}

static struct http_server *serve(struct agent_world *w, const char *key, const char *cert,
                                 int (*handle)(void *, struct http_request *, struct err *))
{
    struct http_server *s = NULL;
    struct err e = {0};
    struct http_server_config c = {.address = "127.0.0.1",
                                   .key_pem = key,
                                   .cert_pem = cert,
                                   .ca_pem = w->ca_cert,
                                   .need_client_cert = true,
                                   .optional_cert = open_path,
                                   .handler = {.admit = admit, .handle = handle, .arg = w}};
    if (http_server_start(&c, &s, &e) < 0) {
        fail_msg("%s", e.message);
    }
    return s;
}

/* ---- the world ---- */

static void write_user_data(const struct agent_world *w)
{
    struct err e = {0};
    _cleanup_free_ char *path = str_printf("%s/user-data.json", w->root);
    _cleanup_free_ char *address = str_printf("127.0.0.1:%d", http_server_port(w->director));
    _cleanup_json_ json_t *j =
        json_pack("{s:s, s:i, s:i, s:s, s:{s:s, s:s}, s:s, s:s}", "installation", INSTALLATION, "node",
                  WORLD_NODE, "app", WORLD_APP, "kind", "agent", "director", "name", "director." INSTALLATION,
                  "address", address, "ca", w->ca_cert, "token", "once");
    _cleanup_free_ char *text = json_text(j);
    assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, &e), 0);
}

void agent_world_init(struct agent_world *w, const char *program)
{
    struct err e = {0};
    memset(w, 0, sizeof(*w));
    w->program = program;
    w->epoch = 5;
    w->cert_days = 90;
    w->artifacts = json_object();
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->change, NULL);
    snprintf(w->root, sizeof(w->root), "/tmp/conform-agent-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    assert_int_equal(chmod(w->root, 0755), 0);
    assert_int_equal(tls_ca_new(INSTALLATION, &w->ca_key, &w->ca_cert, &e), 0);
    identity(w, "director." INSTALLATION, &w->director_key, &w->director_cert);
    identity(w, "n1.a7.manager." INSTALLATION, &w->manager_key, &w->manager_cert);
    w->director = serve(w, w->director_key, w->director_cert, director_handle);
    w->manager = serve(w, w->manager_key, w->manager_cert, manager_handle);
    write_user_data(w);
}

void agent_world_done(struct agent_world *w)
{
    struct err e = {0};
    if (w->pid) {
        (void)agent_world_stop(w, SIGKILL);
    }
    http_server_stop(w->manager);
    http_server_stop(w->director);
    json_decref(w->document);
    json_decref(w->report);
    json_decref(w->query);
    json_decref(w->answer);
    json_decref(w->artifacts);
    char *const texts[] = {w->ca_key,        w->ca_cert,     w->director_key,
                           w->director_cert, w->manager_key, w->manager_cert};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        free(texts[i]);
    }
    if (!getenv("CONPAAS_TEST_KEEP")) {
        assert_int_equal(fs_remove_tree(w->root, &e), 0);
    }
}

void agent_world_start(struct agent_world *w)
{
    _cleanup_free_ char *user = str_printf("--user-data=%s/user-data.json", w->root);
    _cleanup_free_ char *state = str_printf("--state-dir=%s/state", w->root);
    _cleanup_free_ char *code = str_printf("--code-root=%s/state/code", w->root);
    _cleanup_free_ char *run = str_printf("--run-root=%s/run", w->root),
                        *log = str_printf("--log-dir=%s/log", w->root),
                        *cache = str_printf("--cache-dir=%s/cache", w->root);
    char *const argv[] = {(char *)"conpaas-agent", user, state, code, run, log, cache, NULL};
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0) {
        if (mount("proc", "/proc", "proc", 0, NULL) != 0) {
            _exit(126);
        }
        execv(w->program, argv);
        _exit(127);
    }
    assert_true(pid > 0);
    w->pid = pid;
}

int agent_world_stop(struct agent_world *w, int sig)
{
    int status = 0;
    (void)kill(w->pid, sig);
    (void)waitpid(w->pid, &status, 0);
    w->pid = 0;
    return status;
}

json_t *agent_world_version(struct agent_world *w, int version, const json_t *files)
{
    struct archive_file list[16];
    struct err e = {0};
    size_t n = 0, len = 0;
    void *tar = NULL;
    const char *name;
    json_t *text;
    char hex[SHA256_HEX];
    json_object_foreach((json_t *)files, name, text)
    {
        list[n++] = (struct archive_file){.name = name, .text = json_string_value(text)};
    }
    assert_int_equal(archive_make_tar(list, n, &tar, &len, &e), 0);
    sha256_hex(tar, len, hex);
    _cleanup_free_ char *path = str_printf("%s/artifact-%d.tar", w->root, version);
    assert_int_equal(fs_write_atomic(path, tar, len, 0644, &e), 0);
    free(tar);
    pthread_mutex_lock(&w->lock);
    json_object_set_new(w->artifacts, hex, json_string(path));
    pthread_mutex_unlock(&w->lock);
    return json_pack("{s:i, s:s, s:I, s:s}", "version", version, "sha256", hex, "size", (json_int_t)len,
                     "format", "tar");
}

void agent_world_give(struct agent_world *w, json_t *document)
{
    assert_non_null(document);
    pthread_mutex_lock(&w->lock);
    json_decref(w->document);
    w->document = document;
    pthread_cond_broadcast(&w->change);
    pthread_mutex_unlock(&w->lock);
}

json_t *agent_world_report(struct agent_world *w)
{
    pthread_mutex_lock(&w->lock);
    json_t *r = w->report ? json_deep_copy(w->report) : NULL;
    pthread_mutex_unlock(&w->lock);
    return r;
}
