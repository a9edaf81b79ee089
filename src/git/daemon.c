/*
 * sshd runs as the same user as we, who owns nothing but the repositories. It admits one login, which needs no user of
 * this host: a passwd file of our own, given to it by libnss-wrapper, says that the login's ids are ours and its shell
 * is this program. So no shell is ever started for a client, and repositories are reached as git@HOST wherever this
 * runs.
 */
#include "git/daemon.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "git/repo.h"
#include "git/sshd_config.h"

#define KEYGEN_MS 60000
#define SWEEP_MS 10000
#define END_MS 10000

static const struct log_ctx here = {.logger = "git"};

/* ---- files ---- */

static int write_file(const struct git_config *c, const char *name, const struct buf *b, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", c->dir, name);
    return fs_write_atomic(path, b->data, b->len, 0600, e);
}

/* The host's identity is made once: clients remember it. */
static int make_host_key(const struct git_config *c, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/host_key", c->dir);
    _cleanup_free_ char *fresh = str_printf("%s/host_key.new", c->dir);
    if (fs_exists(path)) {
        return 0;
    }
    (void)unlink(fresh);
    const char *argv[] = {"ssh-keygen", "-q",          "-t", "ed25519", "-N", "",
                          "-C",         "conpaas-git", "-f", fresh,     NULL};
    int r = proc_run_ok(argv, KEYGEN_MS, e);
    return r < 0 ? r : rename(fresh, path) < 0 ? err_errno(e, errno, "%s", path) : 0;
}

static int own_program(char **ret, struct err *e)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0) {
        return err_errno(e, errno, "own program");
    }
    path[n] = '\0';
    if (strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-") != strlen(path)) {
        return err_set(e, ERR_INVALID, "the path %s has characters that ssh's files cannot hold", path);
    }
    *ret = xstrdup(path);
    return 0;
}

static int make_hook(const struct git_config *c, const char *name, const char *program, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/hooks/%s", c->dir, name);
    (void)unlink(path);
    return symlink(program, path) < 0 ? err_errno(e, errno, "%s", path) : 0;
}

static int write_files(const struct git_config *c, struct err *e)
{
    _cleanup_free_ char *program = NULL;
    _cleanup_buf_ struct buf config = {0}, passwd = {0}, group = {0};
    int r = repo_dirs(c, e);
    if (r < 0 || (r = own_program(&program, e)) < 0) {
        return r;
    }
    sshd_config_write(&config, c, program);
    sshd_passwd_write(&passwd, c, program, (unsigned)getuid(), (unsigned)getgid());
    sshd_group_write(&group, c, (unsigned)getgid());
    if ((r = make_host_key(c, e)) < 0 || (r = write_file(c, "sshd_config", &config, e)) < 0 ||
        (r = write_file(c, "passwd", &passwd, e)) < 0 || (r = write_file(c, "group", &group, e)) < 0 ||
        (r = make_hook(c, "pre-receive", program, e)) < 0) {
        return r;
    }
    return make_hook(c, "post-receive", program, e);
}

/* ---- sshd ---- */

static int start_sshd(const struct git_config *c, pid_t *ret, struct err *e)
{
    _cleanup_free_ char *config = str_printf("%s/sshd_config", c->dir);
    _cleanup_free_ char *passwd = str_printf("NSS_WRAPPER_PASSWD=%s/passwd", c->dir);
    _cleanup_free_ char *group = str_printf("NSS_WRAPPER_GROUP=%s/group", c->dir);
    const char *env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                         "LC_ALL=C.UTF-8",
                         "LD_PRELOAD=libnss_wrapper.so",
                         passwd,
                         group,
                         NULL};
    const char *argv[] = {c->sshd, "-D", "-e", "-f", config, NULL};
    struct proc_spec spec = {
        .argv = argv, .env = env, .dir = c->dir, .in = -1, .out = -1, .err = STDERR_FILENO};
    return proc_start(&spec, ret, e);
}

/* Processes that we started, or that became ours when their parents ended. */
static int kill_children(int sig)
{
    _cleanup_free_ char *path = str_printf("/proc/self/task/%d/children", (int)syscall(SYS_gettid));
    _cleanup_buf_ struct buf b = {0};
    int n = 0;
    if (fs_read(path, 1 << 20, &b, NULL) < 0 || !b.len) {
        return 0;
    }
    char **pids = str_split(b.data, ' ');
    for (size_t i = 0; pids[i]; i++) {
        int64_t pid = 0;
        if (str_to_int(pids[i], 1, INT32_MAX, &pid) == 0) {
            n++;
            (void)kill((pid_t)pid, sig);
        }
    }
    strv_free(pids);
    return n;
}

static void reap(pid_t sshd, bool *ended)
{
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        *ended = *ended || pid == sshd;
    }
}

/* Sessions are given a moment, then no choice. */
static void end_children(const sigset_t *set)
{
    int64_t until = clock_mono_ms() + END_MS;
    bool ended = false;
    while (kill_children(clock_mono_ms() < until ? SIGTERM : SIGKILL) > 0) {
        const struct timespec t = {.tv_nsec = 200000000};
        (void)sigtimedwait(set, NULL, &t);
        reap(0, &ended);
    }
}

/* ---- the loop ---- */

static void sweep(const struct git_config *c, int64_t *next, struct log_limit *said)
{
    _cleanup_err_ struct err e = {0};
    if (clock_mono_ms() < *next) {
        return;
    }
    *next = clock_mono_ms() + SWEEP_MS;
    if (repo_sweep(c, &e) < 0 && log_allowed(said, 1, 600000)) {
        log_warn(&here, "repositories of services that are gone: %s", e.message ? e.message : "failed");
    }
}

static int loop(const struct git_config *c, pid_t sshd, const sigset_t *set, struct err *e)
{
    struct log_limit said = {0};
    int64_t next = 0;
    bool ended = false;
    for (;;) {
        const struct timespec t = {.tv_sec = SWEEP_MS / 1000};
        int sig = sigtimedwait(set, NULL, &t);
        if (sig == SIGTERM || sig == SIGINT) {
            return 0;
        }
        reap(sshd, &ended);
        if (ended) {
            return err_set_hint(e, ERR_FAILED, "its reason stands above", "sshd has ended");
        }
        sweep(c, &next, &said);
    }
}

int daemon_run(const struct git_config *c, struct err *e)
{
    pid_t sshd = 0;
    sigset_t set;
    if (getuid() == 0) {
        return err_set_hint(e, ERR_FORBIDDEN, "start it as conpaas-git, who owns nothing else",
                            "conpaas-git does not run as root");
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int r = write_files(c, e);
    if (r < 0 || (r = start_sshd(c, &sshd, e)) < 0) {
        return r;
    }
    log_info(&here, "port %lld, repositories in %s", (long long)c->port, c->dir);
    r = loop(c, sshd, &set, e);
    end_children(&set);
    return r;
}
