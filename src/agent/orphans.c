/*
 * Our own children are waited for by those who started them, at once; whoever is dead for a while is an orphan.
 * All are looked at together: an application may leave many a second behind (`exec("job &")` in a request).
 */
#include "agent/orphans.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"

#define ORPHAN_AGE_MS 3000

/* Is /proc/NAME a dead child of ours? When was it born? */
static bool is_dead_child(const char *name, int64_t *ret_born)
{
    _cleanup_free_ char *path = str_printf("/proc/%s/stat", name);
    _cleanup_buf_ struct buf text = {0};
    if (!isdigit((unsigned char)name[0]) || fs_read(path, 4096, &text, NULL) < 0 || !text.data) {
        return false;
    }
    /* Behind the program's name, which may hold anything: 3 state, 4 parent ... 22 time of birth. */
    char *p = strrchr(text.data, ')');
    if (!p || strlen(p) < 4 || p[2] != 'Z') {
        return false;
    }
    p += 3;
    int64_t parent = strtoll(p, &p, 10);
    for (int i = 5; i <= 22; i++) {
        *ret_born = strtoll(p, &p, 10);
    }
    return parent == getpid();
}

static bool is_owned(struct agent *a, pid_t pid)
{
    bool owned = false;
    pthread_mutex_lock(&a->lock);
    for (int i = 0; i < a->n_engines; i++) {
        owned = owned || engine_owns(a->engines[i].engine, pid);
    }
    pthread_mutex_unlock(&a->lock);
    return owned;
}

static int64_t first_seen(const struct orphans *o, pid_t pid, int64_t born, int64_t now_ms)
{
    for (int i = 0; i < o->n; i++) {
        if (o->at[i].pid == pid && o->at[i].born == born) {
            return o->at[i].seen_ms;
        }
    }
    return now_ms;
}

void orphans_reap(struct agent *a, struct orphans *o)
{
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
        o->n = 0;
        return;
    }
    struct orphans now = {0};
    int64_t now_ms = clock_mono_ms(), born = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *x = d ? readdir(d) : NULL; x && now.n < ORPHANS_MAX; x = readdir(d)) {
        if (!is_dead_child(x->d_name, &born)) {
            continue;
        }
        pid_t pid = (pid_t)strtol(x->d_name, NULL, 10);
        int64_t seen = is_owned(a, pid) ? now_ms : first_seen(o, pid, born, now_ms);
        if (now_ms - seen >= ORPHAN_AGE_MS) {
            (void)waitpid(pid, NULL, WNOHANG);
        } else {
            now.at[now.n++] = (struct orphan){pid, born, seen};
        }
    }
    if (d) {
        closedir(d);
    }
    *o = now;
}
