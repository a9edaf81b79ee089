/*
 * A script's process: surroundings, output, left-overs.  Its children carry CONPAAS_COMMAND in their environment, and
 * so are found again when the script itself has long ended.
 */
#include "agent/script.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "agent/agent.h"
#include "agent/environ.h"
#include "base/fs.h"
#include "base/proc.h"

#define GRACE_MS 10000
#define KILL_MS 5000
#define LOOK_MS 100
#define WORDS_MAX (PARAMETERS_MAX / 2)
#define MARK "CONPAAS_COMMAND="

enum script_origin { ORIGIN_OTHER, ORIGIN_INIT, ORIGIN_SCRIPT };
#define ENVIRONMENT_MAX (128 * 1024)

/* ---- the current version ---- */

/* CACHE/bin: a link to the code of the version whose scripts run. */
static char *link_path(const struct agent *a)
{
    return str_printf("%s/bin", a->cache_dir);
}

int64_t script_version(const struct agent *a)
{
    _cleanup_free_ char *path = link_path(a);
    char target[512];
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(target, '/');
    int64_t version = 0;
    return slash && str_to_int(slash + 1, 1, INT64_MAX, &version) == 0 ? version : 0;
}

int script_set_version(struct agent *a, int64_t service, int64_t version, struct err *e)
{
    _cleanup_free_ char *path = link_path(a), *part = str_printf("%s.part", path);
    _cleanup_free_ char *target =
        str_printf("%s/%lld/%lld", a->code_root, (long long)service, (long long)version);
    int r = fs_mkdirs(a->cache_dir, 0755, e);
    if (r < 0 || script_version(a) == version) {
        return r;
    }
    (void)unlink(part);
    if (symlink(target, part) != 0 || rename(part, path) != 0) {
        return err_errno(e, errno, "%s", path);
    }
    return 0;
}

/* ---- surroundings ---- */

static int write_agents(struct agent *a, const json_t *team, struct err *e)
{
    _cleanup_json_ json_t *list = json_array();
    _cleanup_free_ char *path = str_printf("%s/agents.json", a->cache_dir);
    size_t i;
    json_t *x;
    json_array_foreach(json_object_get(team, "agents"), i, x)
    {
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I}", "ip", json_str(x, "ip", ""), "role",
                                        json_str(x, "role", ""), "id", (json_int_t)json_int(x, "id", 0)));
    }
    _cleanup_free_ char *text = json_text(list);
    return fs_write_atomic(path, text, strlen(text), 0644, e);
}

/* What a script finds in its environment, beside the variables of the service. */
static char **make_environment(const struct agent *a, const json_t *document, const char *id)
{
    const json_t *team = json_object_get(document, "team");
    _cleanup_free_ char *node = str_printf("MY_ID=%lld", (long long)json_int(team, "id", 0));
    _cleanup_free_ char *agents = str_printf("AGENTS_FILE=%s/agents.json", a->cache_dir);
    _cleanup_free_ char *code = str_printf("CODE_DIR=%s/bin", a->cache_dir);
    _cleanup_free_ char *ip = str_printf("MY_IP=%s", json_str(team, "ip", ""));
    _cleanup_free_ char *role = str_printf("MY_ROLE=%s", json_str(team, "role", ""));
    _cleanup_free_ char *master = str_printf("MASTER_IP=%s", json_str(team, "master", ""));
    _cleanup_free_ char *mark = str_printf(MARK "%s", id);
    const char *const more[] = {"HOME=/root", node, agents, code, ip, role, master, mark, NULL};
    return environ_new(json_object_get(document, "env"), more);
}

static int open_log(const struct agent *a, const char *name, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", a->log_dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    return fd < 0 ? err_errno(e, errno, "%s", path) : fd;
}

static int open_logs(const struct agent *a, const char *kind, struct script_process *p, struct err *e)
{
    _cleanup_free_ char *own = str_printf("script-%s.log", kind);
    const char *const names[] = {"agent.out", "agent.err", own};
    for (int i = 0; i < 3; i++) {
        p->log[i] = open_log(a, names[i], e);
        if (p->log[i] < 0) {
            return p->log[i];
        }
    }
    return 0;
}

/* Archives made elsewhere than on Unix have no execute bits; a script without a first line that names its
 * interpreter is the shell's. */
static bool names_interpreter(const char *path)
{
    char mark[2] = "";
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && read(fd, mark, 2) == 2 && mark[0] == '#' && mark[1] == '!' && fchmod(fd, 0755) == 0;
}

static int start_process(const char *path, const char *parameters, const char *const *env, int out, int err,
                         pid_t *ret, struct err *e)
{
    const char *argv[WORDS_MAX + 3];
    char *words[WORDS_MAX];
    int n = 0, n_words = 0;
    if (!names_interpreter(path)) {
        argv[n++] = "/bin/sh";
    }
    argv[n++] = path;
    for (const char *p = parameters; *(p += strspn(p, " \t")) && n_words < WORDS_MAX;
         p += strcspn(p, " \t")) {
        argv[n++] = words[n_words++] = xstrndup(p, strcspn(p, " \t"));
    }
    argv[n] = NULL;
    const struct proc_spec spec = {.argv = argv,
                                   .env = env,
                                   .dir = fs_exists("/root") ? "/root" : "/",
                                   .in = -1,
                                   .out = out,
                                   .err = err,
                                   .new_group = true};
    int r = proc_start(&spec, ret, e);
    while (n_words > 0) {
        free(words[--n_words]);
    }
    return r;
}

static void process_init(struct script_process *p)
{
    *p = (struct script_process){.pid_fd = -1, .pipe = {-1, -1}, .log = {-1, -1, -1}};
}

static void process_done(struct script_process *p)
{
    closep(&p->pid_fd);
    for (int i = 0; i < 3; i++) {
        closep(&p->log[i]);
    }
    closep(&p->pipe[0]);
    closep(&p->pipe[1]);
}

static int start(struct agent *a, const char *path, const char *kind, const char *parameters,
                 const char *const *env, struct script_process *p, struct err *e)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    int r = open_logs(a, kind, p, e);
    if (r == 0 && (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)) {
        r = err_errno(e, errno, "pipe");
    }
    r = r < 0 ? r : start_process(path, parameters, env, out[1], err[1], &p->pid, e);
    closep(&out[1]);
    closep(&err[1]);
    p->pipe[0] = out[0];
    p->pipe[1] = err[0];
    if (r >= 0) {
        p->pid_fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    }
    return r < 0 ? r : 0;
}

int script_start(struct agent *a, const json_t *document, const char *id, const char *kind,
                 const char *parameters, struct script_process *ret, struct err *e)
{
    const json_t *team = json_object_get(document, "team");
    int64_t service = json_int(document, "service", 0), version = json_int(team, "version", 0);
    _cleanup_(environ_freep) char **env = NULL;
    _cleanup_free_ char *path =
        str_printf("%s/%lld/%lld/%s.sh", a->code_root, (long long)service, (long long)version, kind);
    process_init(ret);
    int r = script_set_version(a, service, version, e);
    r = r < 0 ? r : write_agents(a, team, e);
    if (r < 0 || !fs_exists(path)) {
        return r;
    }
    env = make_environment(a, document, id);
    r = start(a, path, kind, parameters, (const char *const *)env, ret, e);
    if (r < 0) {
        ret->pid = 0;
        process_done(ret);
    }
    return r;
}

/* ---- output ---- */

static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR) {
            continue;
        }
        if (w <= 0) {
            return; /* a full disk must not stop the program */
        }
        p += w;
        n -= (size_t)w;
    }
}

/* Moves what is there into the logs; at the end of a pipe it is closed. */
static void pump(struct script_process *p, int which)
{
    char block[4096];
    ssize_t n = read(p->pipe[which], block, sizeof(block));
    if (n > 0) {
        write_all(p->log[which], block, (size_t)n);
        write_all(p->log[2], block, (size_t)n);
    } else if (n == 0 || errno != EINTR) {
        closep(&p->pipe[which]);
    }
}

/* Until the process ends, or (without watching it) until nobody can say anything any more. */
static void pump_all(struct script_process *p, bool watch)
{
    for (;;) {
        struct pollfd fds[3] = {{.fd = p->pipe[0], .events = POLLIN},
                                {.fd = p->pipe[1], .events = POLLIN},
                                {.fd = watch ? p->pid_fd : -1, .events = POLLIN}};
        if (!watch && p->pipe[0] < 0 && p->pipe[1] < 0) {
            return;
        }
        if (poll(fds, 3, -1) < 0) {
            continue;
        }
        bool said = false;
        for (int i = 0; i < 2; i++) {
            if (fds[i].fd >= 0 && fds[i].revents) {
                pump(p, i);
                said = true;
            }
        }
        if (fds[2].revents && !said) {
            return; /* with its last words */
        }
    }
}

int script_wait(struct script_process *p)
{
    int status = 0;
    if (p->pid_fd >= 0) {
        pump_all(p, true);
    }
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + (WTERMSIG(status) & 127);
}

void script_finish(struct script_process *p)
{
    pump_all(p, false);
    process_done(p);
}

bool script_is_log(const char *name)
{
    size_t n = strlen(name);
    return str_eq(name, "agent.out") || str_eq(name, "agent.err") ||
           (str_starts(name, "script-") && n > 11 && str_eq(name + n - 4, ".log") &&
            strspn(name + 7, "abcdefghijklmnopqrstuvwxyz_") == n - 11);
}

/* ---- what is left ---- */

void script_note_ended(struct agent *a, const char *kind, pid_t session)
{
    pthread_mutex_lock(&a->lock);
    if (a->n_left == SCRIPTS_LEFT_MAX) {
        memmove(&a->left[0], &a->left[1], (SCRIPTS_LEFT_MAX - 1) * sizeof(a->left[0]));
        a->n_left--;
    }
    a->left[a->n_left++] = (struct script_left){session, str_eq(kind, "init")};
    pthread_mutex_unlock(&a->lock);
}

/* By the environment: also those that made themselves a session of their own. */
static enum script_origin origin_by_mark(pid_t pid)
{
    _cleanup_free_ char *path = str_printf("/proc/%d/environ", pid);
    _cleanup_buf_ struct buf text = {0};
    if (fs_read(path, ENVIRONMENT_MAX, &text, NULL) < 0) {
        return ORIGIN_OTHER;
    }
    for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1) {
        if (str_starts(text.data + at, MARK)) {
            return str_starts(text.data + at + strlen(MARK), "init:") ? ORIGIN_INIT : ORIGIN_SCRIPT;
        }
    }
    return ORIGIN_OTHER;
}

/* By the session of a script that has ended: also those that have overwritten their environment. */
static enum script_origin origin_by_session(const struct script_left *left, int n, pid_t pid, bool *ret_used)
{
    pid_t session = getsid(pid);
    for (int i = 0; i < n; i++) {
        if (left[i].session == session) {
            ret_used[i] = true;
            return left[i].init ? ORIGIN_INIT : ORIGIN_SCRIPT;
        }
    }
    return ORIGIN_OTHER;
}

static void forget_unused(struct agent *a, const struct script_left *left, int n, const bool *used)
{
    pthread_mutex_lock(&a->lock);
    for (int i = 0; i < n; i++) {
        for (int k = a->n_left - 1; k >= 0 && !used[i]; k--) {
            if (a->left[k].session == left[i].session) {
                memmove(&a->left[k], &a->left[k + 1], (size_t)(a->n_left - k - 1) * sizeof(a->left[0]));
                a->n_left--;
            }
        }
    }
    pthread_mutex_unlock(&a->lock);
}

int script_signal_left(struct agent *a, int signal, bool init)
{
    struct script_left left[SCRIPTS_LEFT_MAX];
    bool used[SCRIPTS_LEFT_MAX] = {false};
    pthread_mutex_lock(&a->lock);
    int n_left = a->n_left, n = 0;
    memcpy(left, a->left, sizeof(left));
    pthread_mutex_unlock(&a->lock);
    DIR *d = opendir("/proc");
    for (struct dirent *x = d ? readdir(d) : NULL; x; x = readdir(d)) {
        pid_t pid = isdigit((unsigned char)x->d_name[0]) ? (pid_t)strtol(x->d_name, NULL, 10) : 0;
        enum script_origin o = pid > 1 ? origin_by_session(left, n_left, pid, used) : ORIGIN_OTHER;
        o = pid > 1 && o == ORIGIN_OTHER ? origin_by_mark(pid) : o;
        pid_t group = getpgid(pid);
        if ((o == ORIGIN_SCRIPT || (o == ORIGIN_INIT && init)) && group > 1 && group != getpgrp()) {
            (void)kill(-group, signal);
            n++;
        }
    }
    if (d) {
        closedir(d);
        forget_unused(a, left, n_left, used);
    }
    return n;
}

static bool stopping(struct agent *a)
{
    pthread_mutex_lock(&a->lock);
    bool stop = a->stopping;
    pthread_mutex_unlock(&a->lock);
    return stop;
}

bool script_end_left(struct agent *a)
{
    const struct {
        int signal, ms;
    } steps[] = {{SIGTERM, GRACE_MS}, {SIGKILL, KILL_MS}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int waited = 0;
        for (int n = script_signal_left(a, steps[i].signal, true); n > 0 && waited < steps[i].ms;
             waited += LOOK_MS) {
            struct pollfd end = {.fd = a->stop_fd, .events = POLLIN};
            (void)poll(&end, 1, LOOK_MS);
            if (stopping(a)) {
                return false;
            }
            n = script_signal_left(a, 0, true);
        }
    }
    return !stopping(a);
}
