#include "hostd/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"

/* Field n of /proc/PID/stat, counted from 3 (the state) on, as a number; the state as its letter. */
static int64_t stat_field(int64_t pid, int field, char *ret_state)
{
    _cleanup_free_ char *path = str_printf("/proc/%lld/stat", (long long)pid);
    _cleanup_buf_ struct buf b = {0};
    char *p, *save = NULL;
    int64_t v = 0;
    int i = 3;

    /* The name in parentheses may hold anything, also blanks and parentheses: begin after the last one. */
    if (pid <= 0 || fs_read(path, 4096, &b, NULL) < 0 || !(p = strrchr(b.data, ')'))) {
        return 0;
    }
    for (p = strtok_r(p + 1, " \n", &save); p; p = strtok_r(NULL, " \n", &save), i++) {
        if (i == 3) {
            *ret_state = p[0];
        }
        if (i == field) {
            return str_to_int(p, 0, INT64_MAX, &v) < 0 ? 0 : v;
        }
    }
    return 0;
}

int64_t process_start(int64_t pid)
{
    char state = '?';
    int64_t start = stat_field(pid, 22, &state);

    return state == 'Z' || state == 'X' ? 0 : start;
}

int64_t process_parent(int64_t pid)
{
    char state = '?';

    return stat_field(pid, 4, &state);
}

bool process_alive(int64_t pid, int64_t start)
{
    return pid > 0 && start > 0 && process_start(pid) == start;
}

void process_list_done(struct process_list *l)
{
    free(l->pids);
    *l = (struct process_list){0};
}

static void list_add(struct process_list *l, pid_t pid)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->pids = xreallocarray(l->pids, l->cap, sizeof(*l->pids));
    }
    l->pids[l->n++] = pid;
}

/* True if the cgroup text names our node: .../CGROUP/ID, .../CGROUP/ID/..., .../CGROUP/ID.monitor. */
static bool in_cgroup(const char *text, const char *cgroup, const char *id)
{
    _cleanup_free_ char *needle = id ? str_printf("/%s/%s", cgroup, id) : str_printf("/%s/", cgroup);
    const char *p = text;

    while ((p = strstr(p, needle))) {
        char next = p[strlen(needle)];
        if (!id || next == '\n' || next == '/' || next == '.' || next == '\0') {
            return true;
        }
        p++;
    }
    return false;
}

/* True for our own launcher, and for LXC's monitor before it has entered its cgroup: an argument (or a word
 * of its title) is the node's id, beside the run directory or the launcher's option. */
static bool is_launcher(const struct buf *cmdline, const struct config *c, const char *id)
{
    bool ours = false, named = false;
    const char *p = cmdline->data, *end = cmdline->data + cmdline->len;

    while (p < end) {
        size_t n = strcspn(p, " ");
        if (n > 0) {
            ours |= strncmp(p, "--node-start", n) == 0 || (strlen(c->run) == n && strncmp(p, c->run, n) == 0);
            named |= strlen(id) == n && strncmp(p, id, n) == 0;
        }
        p += n + 1;
    }
    return ours && named;
}

static bool belongs(const struct config *c, const char *id, const char *pid)
{
    _cleanup_free_ char *cgroup = str_printf("/proc/%s/cgroup", pid),
                        *cmdline = str_printf("/proc/%s/cmdline", pid);
    _cleanup_buf_ struct buf a = {0}, b = {0};

    if (fs_read(cgroup, 65536, &a, NULL) == 0 && a.data && in_cgroup(a.data, c->cgroup, id)) {
        return true;
    }
    return id && fs_read(cmdline, 65536, &b, NULL) == 0 && b.data && is_launcher(&b, c, id);
}

int process_of_node(const struct config *c, const char *id, struct process_list *ret, struct err *e)
{
    DIR *d = opendir("/proc");
    struct dirent *de;

    if (!d) {
        return err_errno(e, errno, "cannot read /proc");
    }
    while ((de = readdir(d))) {
        int64_t pid;
        if (isdigit((unsigned char)de->d_name[0]) && str_to_int(de->d_name, 1, INT32_MAX, &pid) == 0 &&
            pid != getpid() && belongs(c, id, de->d_name) && process_start(pid) != 0) {
            list_add(ret, (pid_t)pid);
        }
    }
    closedir(d);
    return 0;
}

bool process_node_id(const struct config *c, pid_t pid, char *ret, size_t size)
{
    _cleanup_free_ char *path = str_printf("/proc/%d/cgroup", (int)pid),
                        *prefix = str_printf("/%s/", c->cgroup);
    _cleanup_free_ char *id = NULL;
    _cleanup_buf_ struct buf b = {0};
    const char *p;

    if (fs_read(path, 65536, &b, NULL) < 0 || !b.data || !(p = strstr(b.data, prefix))) {
        return false;
    }
    p += strlen(prefix);
    id = xstrndup(p, strcspn(p, "/.\n"));
    return str_copy(ret, size, id);
}

/* Kills and waits for one process through a descriptor, so that a reused pid is never hit. */
static int end_one(int64_t pid, int64_t start, int64_t deadline)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    int64_t left;

    if (fd < 0 || process_start(pid) != start) {
        return 0;
    }
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH) {
        return -errno;
    }
    left = deadline - clock_mono_ms();
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, left > 0 ? (int)left : 0) > 0 ? 0
                                                                                               : ERR_TIMEOUT;
}

int process_end_node(const struct config *c, const char *id, int64_t pid, int64_t start, int timeout_ms,
                     struct err *e)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    int r = 0;

    if (process_alive(pid, start)) {
        r = end_one(pid, start, deadline);
    }
    while (r == 0) {
        _cleanup_(process_list_done) struct process_list l = {0};
        r = process_of_node(c, id, &l, e);
        if (r < 0) {
            return r;
        }
        if (l.n == 0) {
            return 0;
        }
        for (size_t i = 0; i < l.n && r == 0; i++) {
            int64_t s = process_start(l.pids[i]);
            r = s == 0 ? 0 : end_one(l.pids[i], s, deadline);
        }
        if (clock_mono_ms() > deadline) {
            r = ERR_TIMEOUT;
        }
    }
    return err_set(e, r, "processes of node %s do not end", id);
}
