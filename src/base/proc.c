/*
 * Child processes.  Everything that needs memory or locks happens before fork; between fork and exec only
 * system calls, because other threads may have held any lock at that moment.
 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"

#define PROC_TAIL 2048
#define PROC_CHUNK 4096
#define PROC_CHUNKS 16 /* that many fill a pipe */

/* A started exec: what the child needs, all made before fork. */
struct proc_plan {
    char *path;
    int fds[3];
    int report; /* write end: errno of what failed, nothing when exec worked */
};

static void proc_plan_done(struct proc_plan *p)
{
    free(p->path);
    for (int i = 0; i < 3; i++) {
        closep(&p->fds[i]);
    }
    closep(&p->report);
}

static const char *proc_env_path(const struct proc_spec *spec)
{
    const char *path = NULL;
    if (!spec->env) {
        path = getenv("PATH");
    }
    for (size_t i = 0; spec->env && spec->env[i]; i++) {
        if (str_starts(spec->env[i], "PATH=")) {
            path = spec->env[i] + 5;
        }
    }
    return path && *path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* The program's file: as given when it has a slash, else the first executable one in PATH. Caller frees. */
static char *proc_find(const struct proc_spec *spec)
{
    const char *name = spec->argv[0];
    if (strchr(name, '/')) {
        return xstrdup(name);
    }
    char **dirs = str_split(proc_env_path(spec), ':');
    char *found = NULL;
    for (size_t i = 0; dirs[i] && !found; i++) {
        _cleanup_free_ char *candidate = str_printf("%s/%s", dirs[i], name);
        /* Only absolute directories: a relative one would depend on where we happen to be. */
        if (dirs[i][0] == '/' && access(candidate, X_OK) == 0) {
            found = TAKE_PTR(candidate);
        }
    }
    strv_free(dirs);
    return found;
}

/* A copy of fd out of the way of 0, 1, 2; /dev/null for -1. */
static int proc_dup_high(int fd, struct err *e)
{
    _cleanup_close_ int null_fd = -1;
    if (fd < 0) {
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null_fd < 0) {
            return err_errno(e, errno, "cannot open /dev/null");
        }
        fd = null_fd;
    }
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    return copy >= 0 ? copy : err_errno(e, errno, "cannot duplicate descriptor %d", fd);
}

static int proc_prepare(const struct proc_spec *spec, struct proc_plan *plan, int *ret_report_read,
                        struct err *e)
{
    plan->path = proc_find(spec);
    if (!plan->path) {
        return err_set(e, ERR_NOT_FOUND, "the program %s is not installed", spec->argv[0]);
    }
    const int given[3] = {spec->in, spec->out, spec->err};
    for (int i = 0; i < 3; i++) {
        plan->fds[i] = proc_dup_high(given[i], e);
        if (plan->fds[i] < 0) {
            return plan->fds[i];
        }
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_errno(e, errno, "cannot make a pipe");
    }
    *ret_report_read = ends[0];
    plan->report = fcntl(ends[1], F_DUPFD_CLOEXEC, 10);
    int why = errno;
    close(ends[1]);
    return plan->report >= 0 ? 0 : err_errno(e, why, "cannot duplicate a descriptor");
}

/* ---- the child, between fork and exec: system calls only ---- */

static _Noreturn void proc_child_fail(const struct proc_plan *plan)
{
    int why = errno;
    ssize_t ignored = write(plan->report, &why, sizeof(why));
    (void)ignored;
    _exit(127);
}

static void proc_child_signals(void)
{
    /* By raw system call: the C library leaves its own signals alone, and make hands them on ignored. */
    const struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } fresh = {.handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++) {
        (void)syscall(SYS_rt_sigaction, i, &fresh, NULL, sizeof(fresh.mask)); /* fails for KILL and STOP */
    }
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* By raw system call: the C library's wrappers would try to change every thread of the parent's list. */
static int proc_child_user(const struct proc_spec *spec)
{
    if (spec->uid == 0) {
        return 0;
    }
    return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setgid, spec->gid) == 0 &&
                   syscall(SYS_setuid, spec->uid) == 0
               ? 0
               : -1;
}

static _Noreturn void proc_child(const struct proc_spec *spec, const struct proc_plan *plan)
{
    proc_child_signals();
    for (int i = 0; i < 3; i++) {
        if (dup2(plan->fds[i], i) < 0) {
            proc_child_fail(plan);
        }
    }
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0 ||
        (spec->keep > 2 && fcntl(spec->keep, F_SETFD, 0) != 0) || (spec->new_group && setsid() < 0) ||
        (spec->dir && chdir(spec->dir) != 0) || proc_child_user(spec) != 0) {
        proc_child_fail(plan);
    }
    char *const *env = spec->env ? (char *const *)spec->env : environ;
    execve(plan->path, (char *const *)spec->argv, env);
    proc_child_fail(plan);
}

/* ---- the parent ---- */

/* Reads the child's verdict: 0 when exec worked (the pipe closed empty), else the errno. */
static int proc_read_report(int fd)
{
    int why = 0;
    ssize_t n = 0;
    do {
        n = read(fd, &why, sizeof(why));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(why) ? why : 0;
}

static void proc_reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

int proc_start(const struct proc_spec *spec, pid_t *ret_pid, struct err *e)
{
    if (spec->uid != 0 && spec->gid == 0) {
        return err_set(e, ERR_INTERNAL, "%s: a user without a group would keep root's", spec->argv[0]);
    }
    _cleanup_(proc_plan_done) struct proc_plan plan = {.fds = {-1, -1, -1}, .report = -1};
    _cleanup_close_ int report = -1;
    int r = proc_prepare(spec, &plan, &report, e);
    if (r < 0) {
        return r;
    }
    /* No signal handler of ours may run in the child before it has reset them. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        proc_child(spec, &plan);
    }
    int why = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        return err_errno(e, why, "cannot fork for %s", spec->argv[0]);
    }
    closep(&plan.report);
    why = proc_read_report(report);
    if (why) {
        proc_reap(pid);
        return err_errno(e, why, "cannot start %s", plan.path);
    }
    *ret_pid = pid;
    return 0;
}

/* ---- run to the end ---- */

/* stdin as a file in memory: no pipe that could fill up or break. */
static int proc_memory_file(const char *text, struct err *e)
{
    int fd = memfd_create("stdin", MFD_CLOEXEC);
    if (fd < 0) {
        return err_errno(e, errno, "cannot make a file in memory");
    }
    int r = fs_write_all(fd, text, strlen(text));
    if (r < 0) {
        close(fd);
        return err_errno(e, -r, "cannot fill a file in memory");
    }
    (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Takes what the pipe holds, but not what is written meanwhile for ever: the deadline counts. False at the end
 * of the pipe. */
static bool proc_drain(int fd, size_t max_out, struct buf *out)
{
    char chunk[PROC_CHUNK];
    for (int i = 0; i < PROC_CHUNKS; i++) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 && errno == EAGAIN;
        }
        if (out && out->len < max_out) {
            size_t room = max_out - out->len;
            buf_add(out, chunk, (size_t)n < room ? (size_t)n : room);
        }
    }
    return true;
}

/* Waits for the child's end while emptying its output. False when the deadline came first. A grandchild
 * that keeps the pipe open does not hold us: the child's end counts. */
static bool proc_wait(int pid_fd, int out_fd, int64_t deadline, size_t max_out, struct buf *out)
{
    bool open = true;
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0) {
            return false;
        }
        struct pollfd fds[2] = {{.fd = pid_fd, .events = POLLIN},
                                {.fd = open ? out_fd : -1, .events = POLLIN}};
        int n = poll(fds, 2, left > INT32_MAX ? INT32_MAX : (int)left);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0 && fds[1].revents) {
            open = proc_drain(out_fd, max_out, out);
        }
        if (n > 0 && fds[0].revents) {
            (void)proc_drain(out_fd, max_out, out);
            return true;
        }
    }
}

static int proc_collect(pid_t pid, int *ret_status)
{
    for (;;) {
        pid_t got = waitpid(pid, ret_status, 0);
        if (got == pid) {
            return 0;
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

int proc_run(const struct proc_spec *spec, const char *in, int timeout_ms, size_t max_out, struct buf *out,
             int *ret_status, struct err *e)
{
    _cleanup_close_ int in_fd = -1;
    if (in) {
        in_fd = proc_memory_file(in, e);
        if (in_fd < 0) {
            return in_fd;
        }
    }
    return proc_run_fd(spec, in_fd, timeout_ms, max_out, out, ret_status, e);
}

int proc_run_fd(const struct proc_spec *spec, int in_fd, int timeout_ms, size_t max_out, struct buf *out,
                int *ret_status, struct err *e)
{
    struct proc_spec child = *spec;
    _cleanup_close_ int read_end = -1, write_end = -1;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_errno(e, errno, "cannot make a pipe");
    }
    read_end = ends[0];
    write_end = ends[1];
    (void)fcntl(read_end, F_SETFL, O_NONBLOCK);
    child.in = in_fd;
    child.out = child.err = write_end;
    child.new_group = true;
    pid_t pid = 0;
    int64_t deadline = clock_mono_ms() + timeout_ms;
    int r = proc_start(&child, &pid, e);
    if (r < 0) {
        return r;
    }
    closep(&write_end);
    _cleanup_close_ int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool ended = pid_fd >= 0 && proc_wait(pid_fd, read_end, deadline, max_out, out);
    if (!ended) {
        (void)kill(-pid, SIGKILL);
    }
    int status = 0;
    r = proc_collect(pid, &status);
    if (r < 0) {
        return err_errno(e, -r, "cannot wait for %s", spec->argv[0]);
    }
    if (!ended) {
        return err_set(e, ERR_TIMEOUT, "%s was ended after %d ms", spec->argv[0], timeout_ms);
    }
    *ret_status = status;
    return 0;
}

int proc_run_ok(const char *const *argv, int timeout_ms, struct err *e)
{
    struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    _cleanup_buf_ struct buf out = {0};
    int status = 0;
    int r = proc_run(&spec, NULL, timeout_ms, 65536, &out, &status, e);
    if (r < 0 || status == 0) {
        return r;
    }
    char how[64];
    proc_status_text(status, how);
    while (out.len > 0 && (out.data[out.len - 1] == '\n' || out.data[out.len - 1] == ' ')) {
        out.data[--out.len] = '\0';
    }
    const char *tail = out.len > PROC_TAIL ? out.data + out.len - PROC_TAIL : out.data;
    return err_set(e, ERR_FAILED, "%s: %s%s%s", argv[0], how, out.len ? ": " : "", out.len ? tail : "");
}

void proc_status_text(int status, char out[64])
{
    if (WIFEXITED(status)) {
        snprintf(out, 64, "exit %d", WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        const char *name = sigdescr_np(WTERMSIG(status));
        snprintf(out, 64, "signal %d (%s)", WTERMSIG(status), name ? name : "unknown");
    } else {
        snprintf(out, 64, "status 0x%x", (unsigned)status);
    }
}
