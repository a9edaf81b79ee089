/*
 * Processes of an engine: start, overlapped restart, graceful end, death.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "agent/engine_internal.h"
#include "agent/environ.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"

#define OVERLAP_SPARE_MS 5000
#define GROUP_GRACE_MS 300

static void command_done(struct role_command *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->text); i++) {
        free(c->text[i]);
    }
}

static int open_log(const struct role_engine *r, const char *name, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", r->log_dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    return fd < 0 ? err_errno(e, errno, "cannot open %s", path) : fd;
}

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid, struct err *e)
{
    struct passwd pw, *found = NULL;
    char room[4096];
    if (getpwnam_r(name, &pw, room, sizeof(room), &found) != 0 || !found) {
        return err_set(e, ERR_NOT_FOUND, "there is no user %s", name);
    }
    *ret_uid = pw.pw_uid;
    *ret_gid = pw.pw_gid;
    return 0;
}

int engine_start_process(struct engine *g, pid_t *ret_pid, int *ret_fd, struct err *e)
{
    _cleanup_(command_done) struct role_command c = {0};
    _cleanup_close_ int out = -1, errors = -1;
    int rc = g->r.driver->command(&g->r, &c, e);
    if (rc < 0) {
        return rc;
    }
    const char *const more[] = {c.env, NULL};
    _cleanup_(environ_freep) char **env = environ_new(g->r.driver->user_code ? g->env : NULL, more);
    struct proc_spec spec = {.argv = c.argv,
                             .env = (const char *const *)env,
                             .dir = "/",
                             .in = c.keep_is_stdin ? c.keep : -1,
                             .new_group = true,
                             .keep = c.keep_is_stdin ? 0 : c.keep};
    if (c.user && geteuid() == 0 && (rc = find_user(c.user, &spec.uid, &spec.gid, e)) < 0) {
        return rc;
    }
    out = open_log(&g->r, c.log, e);
    if (out < 0) {
        return out;
    }
    errors = c.error_log[0] ? open_log(&g->r, c.error_log, e) : -1;
    if (c.error_log[0] && errors < 0) {
        return errors;
    }
    spec.out = out;
    spec.err = errors >= 0 ? errors : out;
    rc = proc_start(&spec, ret_pid, e);
    if (rc < 0) {
        return rc;
    }
    *ret_fd = (int)syscall(SYS_pidfd_open, *ret_pid, 0);
    json_decref(g->started_env);
    g->started_env = json_incref(g->env);
    return 0;
}

void engine_retire(struct engine *g, pid_t pid, int fd, int timeout_ms)
{
    if (pid <= 0) {
        return;
    }
    (void)kill(pid, g->r.driver->stop_signal);
    if (g->n_retired == ENGINE_RETIRED_MAX) { /* the oldest has had its time */
        (void)kill(-g->retired[0].pid, SIGKILL);
        g->retired[0].deadline_ms = 0;
        (void)engine_tend(g, clock_mono_ms());
    }
    if (g->n_retired < ENGINE_RETIRED_MAX) {
        g->retired[g->n_retired++] = (struct retired){
            .pid = pid,
            .fd = fd,
            .deadline_ms = clock_mono_ms() + (timeout_ms ? timeout_ms : g->r.driver->stop_timeout_ms)};
    }
}

/* True when this one is over. */
static bool tend_one(struct retired *t, int64_t now_ms)
{
    if (t->fd >= 0) {
        pid_t got = waitpid(t->pid, NULL, WNOHANG);
        if (got == t->pid || (got < 0 && errno == ECHILD)) {
            close(t->fd);
            t->fd = -1;
            (void)kill(-t->pid, SIGKILL); /* children it left behind */
            return true;
        }
    } else if (kill(-t->pid, 0) != 0) {
        return true;
    }
    if (now_ms >= t->deadline_ms) {
        (void)kill(-t->pid, SIGKILL);
        return t->fd < 0;
    }
    return false;
}

int engine_tend(struct engine *g, int64_t now_ms)
{
    int64_t next = -1;
    for (int i = 0; i < g->n_retired;) {
        if (tend_one(&g->retired[i], now_ms)) {
            g->retired[i] = g->retired[--g->n_retired];
            continue;
        }
        int64_t left = g->retired[i].deadline_ms - now_ms;
        left = left < 50 ? 50 : g->retired[i].fd < 0 && left > 1000 ? 1000 : left;
        next = next < 0 || left < next ? left : next;
        i++;
    }
    return next > 60000 ? 60000 : (int)next;
}

/* The last lines of the log the engine complains in. */
static void note_end(struct engine *g, int status)
{
    char how[64];
    _cleanup_buf_ struct buf tail = {0};
    _cleanup_(command_done) struct role_command c = {0};
    proc_status_text(status, how);
    if (g->r.driver->command(&g->r, &c, NULL) == 0) {
        _cleanup_free_ char *path = str_printf("%s/%s", g->r.log_dir, c.error_log[0] ? c.error_log : c.log);
        (void)!fs_tail(path, 3, 400, &tail, NULL);
    }
    for (size_t i = 0; i < tail.len; i++) {
        tail.data[i] = tail.data[i] == '\n' ? '|' : tail.data[i];
    }
    snprintf(g->last_end, sizeof(g->last_end), "%s%s%.180s", how, tail.len ? ": " : "",
             tail.len ? tail.data : "");
}

static bool in_crash_loop(const struct engine *g, int64_t now_ms)
{
    return g->crashes >= ENGINE_CRASHES &&
           now_ms - g->crash_ms[g->crashes % ENGINE_CRASHES] < ENGINE_CRASH_WINDOW_MS;
}

static void plan_restart(struct engine *g, int64_t now_ms)
{
    bool stable = g->started_ms && now_ms - g->started_ms > ENGINE_CRASH_WINDOW_MS;
    g->backoff_ms = stable || g->backoff_ms == 0 ? ENGINE_BACKOFF0_MS : g->backoff_ms * 2;
    g->backoff_ms = g->backoff_ms > ENGINE_BACKOFF_MAX_MS ? ENGINE_BACKOFF_MAX_MS : g->backoff_ms;
    /* The first successor of one that shares its socket need not wait: its clients already do. */
    g->next_start_ms =
        now_ms + (g->r.driver->overlap && g->backoff_ms == ENGINE_BACKOFF0_MS ? 0 : g->backoff_ms);
    g->crash_ms[g->crashes++ % ENGINE_CRASHES] = now_ms;
    char why[WHY_MAX];
    if (in_crash_loop(g, now_ms)) {
        if (g->r.driver->release) {
            g->r.driver->release(&g->r);
        }
        snprintf(why, sizeof(why), "%s ends again and again: %.160s", g->r.name, g->last_end);
        engine_publish(g, HEALTH_BAD, why);
    } else {
        snprintf(why, sizeof(why), "%s ended: %.160s", g->r.name, g->last_end);
        engine_publish(g, g->r.driver->prepare ? HEALTH_STARTING : HEALTH_DOWN, why);
    }
}

void engine_died(struct engine *g, int64_t now_ms)
{
    int status = 0;
    pid_t pid = g->r.pid;
    (void)waitpid(pid, &status, 0);
    closep(&g->pid_fd);
    note_end(g, status);
    g->r.pid = 0;
    /* What is left of its group: children that share a socket end their request first; others would be in the
     * way of the successor. */
    (void)kill(-pid, g->r.driver->stop_signal);
    if (g->n_retired < ENGINE_RETIRED_MAX && kill(-pid, 0) == 0) {
        int grace = g->r.driver->overlap ? g->r.driver->stop_timeout_ms : GROUP_GRACE_MS;
        g->retired[g->n_retired++] = (struct retired){.pid = pid, .fd = -1, .deadline_ms = now_ms + grace};
    } else {
        (void)kill(-pid, SIGKILL);
    }
    plan_restart(g, now_ms);
}

static int overlap_failed(struct engine *g, pid_t old, int rc, struct err *e)
{
    g->r.pid = old;
    if (g->r.driver->undo) {
        g->r.driver->undo(&g->r);
    }
    return err_wrap(e, rc, "the new process of %s did not come up", g->r.name);
}

/* The new process beside the old one; the old one ends when the new one answers. */
int engine_overlap(struct engine *g, struct err *e)
{
    pid_t pid = 0, old = g->r.pid;
    int fd = -1, old_fd = g->pid_fd;
    int rc = engine_start_process(g, &pid, &fd, e);
    if (rc < 0) {
        return overlap_failed(g, old, rc, e);
    }
    g->r.pid = pid;
    int64_t end = clock_mono_ms() + engine_start_ms(g);
    while ((rc = g->r.driver->check(&g->r, e)) < 0 && clock_mono_ms() < end &&
           waitpid(pid, NULL, WNOHANG) == 0) {
        struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    if (rc < 0) {
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        closep(&fd);
        return overlap_failed(g, old, rc, e);
    }
    err_done(e);
    int longest =
        g->r.longest_ms + OVERLAP_SPARE_MS; /* nobody waits for the old one: it ends what it has begun */
    engine_retire(g, old, old_fd, longest > g->r.driver->stop_timeout_ms ? longest : 0);
    g->pid_fd = fd;
    g->started_ms = clock_mono_ms();
    return 0;
}
