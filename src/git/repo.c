#include "git/repo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "git/link.h"

#define MB (1024 * 1024LL)
#define INIT_MS 20000
#define CPU_SECONDS 300
#define MEMORY_MAX (2048 * MB)
#define ARGS_MAX 64

/* ---- where they are ---- */

char *repo_path(const struct git_config *c, int64_t service)
{
    return str_printf("%s/repos/%lld.git", c->dir, (long long)service);
}

int repo_dirs(const struct git_config *c, struct err *e)
{
    static const char *const names[] = {"", "/repos", "/hooks", "/spool"};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(names) && r >= 0; i++) {
        _cleanup_free_ char *path = str_printf("%s%s", c->dir, names[i]);
        r = fs_mkdirs(path, 0700, e);
    }
    return r;
}

static void on_alarm(int sig)
{
    (void)sig; /* ends the waiting */
}

int repo_lock(const struct git_config *c, int64_t service, unsigned seconds, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/repos/%lld.lock", c->dir, (long long)service);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return err_errno(e, errno, "%s", path);
    }
    int r = flock(fd, LOCK_EX | LOCK_NB);
    if (r < 0 && errno == EWOULDBLOCK && seconds > 0) {
        const struct sigaction sa = {.sa_handler = on_alarm}; /* no SA_RESTART: flock comes back */
        struct sigaction before;
        (void)fprintf(stderr, "another push to this service is under way, waiting for its end\n");
        (void)sigaction(SIGALRM, &sa, &before);
        (void)alarm(seconds);
        r = flock(fd, LOCK_EX);
        (void)alarm(0);
        (void)sigaction(SIGALRM, &before, NULL);
    }
    return r == 0 ? TAKE_FD(fd)
                  : err_set_hint(e, ERR_CONFLICT, "try again when it has ended",
                                 "another push to this service is under way");
}

int64_t repo_bytes(const struct git_config *c, int64_t service)
{
    _cleanup_buf_ struct buf out = {0};
    _cleanup_free_ char *path = repo_path(c, service);
    const char *argv[] = {"du", "-sk", "--", path, NULL};
    struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    int status = 0;
    int64_t kilobytes = 0;
    if (proc_run(&spec, NULL, INIT_MS, 4096, &out, &status, NULL) < 0 || status != 0 || !out.len) {
        return INT64_MAX; /* unknown is too much */
    }
    out.data[strcspn(out.data, "\t ")] = '\0';
    return str_to_int(out.data, 0, INT64_MAX / 1024, &kilobytes) < 0 ? INT64_MAX : kilobytes * 1024;
}

/* ---- git ---- */

char **repo_env(const struct git_config *c, const char *const *more)
{
    size_t n = 0;
    char **env = xcalloc(ARGS_MAX, sizeof(*env));
    env[n++] = xstrdup("PATH=/usr/local/bin:/usr/bin:/bin");
    env[n++] = xstrdup("LC_ALL=C.UTF-8");
    env[n++] = str_printf("HOME=%s", c->dir);
    env[n++] = str_printf("XDG_CONFIG_HOME=%s/none", c->dir);
    env[n++] = xstrdup("GIT_CONFIG_NOSYSTEM=1");
    env[n++] = xstrdup("GIT_CONFIG_GLOBAL=/dev/null");
    env[n++] = xstrdup("GIT_ATTR_NOSYSTEM=1");
    env[n++] = xstrdup("GIT_TERMINAL_PROMPT=0");
    for (size_t i = 0; more && more[i] && n < ARGS_MAX - 1; i++) {
        env[n++] = xstrdup(more[i]);
    }
    return env;
}

int repo_limits(const struct git_config *c, struct err *e)
{
    const struct {
        int what;
        int64_t value;
    } limits[] = {
        {RLIMIT_CORE, 0},
        {RLIMIT_CPU, CPU_SECONDS},
        {RLIMIT_NOFILE, 256},
        {RLIMIT_FSIZE, c->repository_max_mb * MB},
#if !defined(__SANITIZE_ADDRESS__) /* which reserves terabytes, in the hooks too */
        {RLIMIT_AS, MEMORY_MAX},
#endif
    };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        const struct rlimit l = {.rlim_cur = (rlim_t)limits[i].value, .rlim_max = (rlim_t)limits[i].value};
        if (setrlimit((__rlimit_resource_t)limits[i].what, &l) < 0) {
            return err_errno(e, errno, "limits");
        }
    }
    return 0;
}

int repo_wait(pid_t pid, int64_t timeout_ms, int *ret_status, struct err *e)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t until = clock_mono_ms() + timeout_ms, left = timeout_ms;
    int n = 0;
    while (fd >= 0 && left > 0 && (n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left)) <= 0) {
        left = until - clock_mono_ms();
    }
    if (n <= 0) {
        (void)kill(-pid, SIGKILL);
    }
    while (waitpid(pid, ret_status, 0) < 0) {
        if (errno != EINTR) {
            return err_errno(e, errno, "git");
        }
    }
    return n > 0 ? 0
                 : err_set(e, ERR_TIMEOUT, "git was ended: it took more than %lld s",
                           (long long)timeout_ms / 1000);
}

bool repo_is_there(const struct git_config *c, int64_t service)
{
    _cleanup_free_ char *head = str_printf("%s/repos/%lld.git/HEAD", c->dir, (long long)service);
    return fs_exists(head);
}

int repo_make(const struct git_config *c, int64_t service, struct err *e)
{
    _cleanup_free_ char *path = repo_path(c, service);
    if (repo_is_there(c, service)) {
        return 0;
    }
    const char *argv[] = {"git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main",
                          path,  NULL};
    char **env = repo_env(c, NULL);
    struct proc_spec spec = {
        .argv = argv, .env = (const char *const *)env, .dir = c->dir, .in = -1, .out = -1, .err = -1};
    _cleanup_buf_ struct buf out = {0};
    int status = 0;
    int r = proc_run(&spec, NULL, INIT_MS, 4096, &out, &status, e);
    strv_free(env);
    return r < 0 || status == 0 ? r : err_set(e, ERR_FAILED, "git init: %s", out.len ? out.data : "failed");
}

int repo_serve(const struct git_config *c, int64_t service, const char *program, int64_t max_input,
               const char *const *more_env, struct err *e)
{
    _cleanup_free_ char *path = repo_path(c, service);
    _cleanup_free_ char *hooks = str_printf("core.hooksPath=%s/hooks", c->dir);
    _cleanup_free_ char *input = str_printf("receive.maxInputSize=%lld", (long long)max_input);
    /* Old trees of honest people have the three that are only told. */
    const char *argv[] = {"git",
                          "-c",
                          hooks,
                          "-c",
                          input,
                          "-c",
                          "receive.fsckObjects=true",
                          "-c",
                          "receive.fsck.zeroPaddedFilemode=warn",
                          "-c",
                          "receive.fsck.badTimezone=warn",
                          "-c",
                          "receive.fsck.missingSpaceBeforeDate=warn",
                          "-c",
                          "receive.denyNonFastForwards=false",
                          "-c",
                          "core.attributesFile=/dev/null",
                          "-c",
                          "core.bigFileThreshold=16m",
                          "-c",
                          "pack.threads=1",
                          "-c",
                          "pack.windowMemory=64m",
                          "-c",
                          "gc.autoDetach=false",
                          "-c",
                          "protocol.allow=never",
                          program,
                          path,
                          NULL};
    char **env = repo_env(c, more_env);
    struct proc_spec spec = {.argv = argv,
                             .env = (const char *const *)env,
                             .dir = c->dir,
                             .in = STDIN_FILENO,
                             .out = STDOUT_FILENO,
                             .err = STDERR_FILENO,
                             .new_group = true};
    pid_t pid = 0;
    int status = 0;
    int r = proc_start(&spec, &pid, e);
    strv_free(env);
    if (r < 0 || (r = repo_wait(pid, c->session_seconds * 1000, &status, e)) < 0) {
        return r;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* ---- those of services that are gone ---- */

static int list_repos(const struct git_config *c, int64_t **ret, size_t *ret_n, struct err *e)
{
    _cleanup_free_ char *dir = str_printf("%s/repos", c->dir);
    DIR *dp = opendir(dir);
    struct dirent *entry;
    int64_t *ids = NULL, id = 0;
    size_t n = 0;
    if (!dp) {
        return err_errno(e, errno, "%s", dir);
    }
    while ((entry = readdir(dp))) {
        _cleanup_free_ char *name = xstrndup(entry->d_name, strcspn(entry->d_name, "."));
        if (str_ends(entry->d_name, ".git") && str_to_int(name, 1, INT64_MAX, &id) == 0) {
            ids = xreallocarray(ids, n + 1, sizeof(*ids));
            ids[n++] = id;
        }
    }
    closedir(dp);
    *ret = ids;
    *ret_n = n;
    return 0;
}

static bool is_listed(const json_t *list, int64_t id)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        if (json_integer_value(v) == id) {
            return true;
        }
    }
    return false;
}

/* Out of the way first, so that half of one is never served. One that is in use goes at the next look. */
static int remove_repo(const struct git_config *c, int64_t id, struct err *e)
{
    _cleanup_free_ char *path = repo_path(c, id);
    _cleanup_free_ char *gone = str_printf("%s/spool/%lld.gone", c->dir, (long long)id);
    _cleanup_free_ char *lock_path = str_printf("%s/repos/%lld.lock", c->dir, (long long)id);
    _cleanup_close_ int lock = repo_lock(c, id, 0, NULL);
    if (lock < 0) {
        return 0;
    }
    int r = fs_remove_tree(gone, e);
    if (r == 0 && rename(path, gone) < 0) {
        r = err_errno(e, errno, "%s", path);
    }
    (void)unlink(lock_path);
    return r < 0 ? r : fs_remove_tree(gone, e);
}

/* Repositories are looked up before services: one that is made meanwhile is not taken for a stray. */
int repo_sweep(const struct git_config *c, struct err *e)
{
    _cleanup_free_ int64_t *ids = NULL;
    _cleanup_director_link_ struct director_link link = {.fd = -1};
    _cleanup_json_ json_t *answer = NULL;
    size_t n = 0;
    int r = list_repos(c, &ids, &n, e);
    if (r < 0 || n == 0 || (r = director_link_open(c, &link, e)) < 0 ||
        (r = director_link_call(&link, json_pack("{s:s}", "call", "services"), -1, NULL, &answer, e)) < 0) {
        return r;
    }
    const json_t *services = json_object_get(answer, "services");
    for (size_t i = 0; i < n && r >= 0 && json_is_array(services); i++) {
        r = is_listed(services, ids[i]) ? 0 : remove_repo(c, ids[i], e);
    }
    return r;
}
