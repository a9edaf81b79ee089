/*
 * Logs of this node: the end of one, by a name from the allow-list; rotation by size.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/script.h"
#include "base/fs.h"
#include "base/log.h"

#define LOG_MAX_BYTES (16LL << 20)
#define LOGS_MAX 64
#define TAIL_MAX_BYTES (256u << 10)

static const struct log_ctx here = {.logger = "agent.logs"};

/* "agent.log", or NAME + suffix of a running engine ("web-access.log" of engine web). */
static bool allowed(struct agent *a, const char *name)
{
    if (str_eq(name, "agent.log") || (str_eq(a->kind, "manager") && str_eq(name, "manager.log")) ||
        (json_is_object(json_object_get(a->applied, "team")) && script_is_log(name))) {
        return true;
    }
    for (int i = 0; i < a->n_engines; i++) {
        const struct engine *g = a->engines[i].engine;
        const char *const *suffix = engine_driver(g)->logs;
        for (; suffix && *suffix; suffix++) {
            _cleanup_free_ char *file = str_printf("%s%s", engine_name(g), *suffix);
            if (str_eq(name, file)) {
                return true;
            }
        }
    }
    return false;
}

int logs_tail(struct agent *a, const char *name, int lines, struct buf *out, struct err *e)
{
    pthread_mutex_lock(&a->lock);
    bool ok = allowed(a, name);
    pthread_mutex_unlock(&a->lock);
    if (!ok) {
        return err_set(e, ERR_NOT_FOUND, "this node has no log \"%.64s\"", name);
    }
    _cleanup_free_ char *path = str_printf("%s/%s", a->log_dir, name);
    return fs_exists(path) ? fs_tail(path, lines, TAIL_MAX_BYTES, out, e) : 0;
}

/* NAME.1 gets what is there, NAME begins anew. Who cannot be told to reopen its log keeps writing to the same file,
 * so that one is copied and cut (it is open for appending). */
static int rotate_by_copy(const char *path, const char *old, struct err *e)
{
    _cleanup_close_ int from = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_close_ int to =
        from < 0 ? -1 : open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (from < 0 || to < 0) {
        return err_errno(e, errno, "%s", from < 0 ? path : old);
    }
    int r = fs_copy_fd(from, to, -1, NULL, e);
    return r >= 0 && ftruncate(from, 0) != 0 ? err_errno(e, errno, "%s", path) : r;
}

/* A log that has grown too long; taken down with the agent's lock, rotated without. */
struct overdue {
    char *path;
    struct engine *engine; /* told to reopen it; NULL: by copy */
};

static bool is_overdue(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > LOG_MAX_BYTES;
}

/* What scripts have said: we write it ourselves. */
static int find_overdue_scripts(const struct agent *a, struct overdue *ret, int n, int max)
{
    DIR *d = opendir(a->log_dir);
    for (struct dirent *x = d ? readdir(d) : NULL; x && n < max; x = readdir(d)) {
        _cleanup_free_ char *path = str_printf("%s/%s", a->log_dir, x->d_name);
        if (script_is_log(x->d_name) && is_overdue(path)) {
            ret[n++] = (struct overdue){TAKE_PTR(path), NULL};
        }
    }
    if (d) {
        closedir(d);
    }
    return n;
}

static int find_overdue(struct agent *a, struct overdue *ret, int max)
{
    int n = 0;
    for (int i = 0; i < a->n_engines; i++) {
        struct engine *g = a->engines[i].engine;
        const char *const *suffix = engine_driver(g)->logs;
        for (; suffix && *suffix && n < max; suffix++) {
            _cleanup_free_ char *path = str_printf("%s/%s%s", a->log_dir, engine_name(g), *suffix);
            if (is_overdue(path)) {
                ret[n++] = (struct overdue){TAKE_PTR(path), engine_driver(g)->reopen_signal ? g : NULL};
            }
        }
    }
    return find_overdue_scripts(a, ret, n, max);
}

void logs_rotate(struct agent *a)
{
    struct overdue todo[LOGS_MAX];
    pthread_mutex_lock(&a->lock);
    int n = find_overdue(a, todo, LOGS_MAX);
    for (int i = 0; i < n; i++) {
        if (todo[i].engine) { /* it may be gone when the lock is */
            _cleanup_free_ char *old = str_printf("%s.1", todo[i].path);
            if (rename(todo[i].path, old) == 0) {
                engine_reopen_logs(todo[i].engine);
            }
        }
    }
    pthread_mutex_unlock(&a->lock);
    for (int i = 0; i < n; i++) {
        _cleanup_err_ struct err e = {0};
        _cleanup_free_ char *old = str_printf("%s.1", todo[i].path);
        if (!todo[i].engine && rotate_by_copy(todo[i].path, old, &e) < 0) {
            log_warn(&here, "a log could not be rotated: %s", e.message);
        }
        free(todo[i].path);
    }
}
