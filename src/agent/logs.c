/*
 * Logs of this node: the end of one, by a name from the allow-list; rotation by size.
 */
#include <errno.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "base/fs.h"

#define LOG_MAX_BYTES (16LL << 20)
#define TAIL_MAX_BYTES (256u << 10)

/* "agent.log", or NAME + suffix of a running engine ("web-access.log" of engine web). */
static bool allowed(struct agent *a, const char *name)
{
    if (str_eq(name, "agent.log") || (str_eq(a->kind, "manager") && str_eq(name, "manager.log"))) {
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

static void rotate_engine(struct agent *a, struct engine *g)
{
    const char *const *suffix = engine_driver(g)->logs;
    bool moved = false;
    for (; suffix && *suffix; suffix++) {
        _cleanup_free_ char *path = str_printf("%s/%s%s", a->log_dir, engine_name(g), *suffix);
        _cleanup_free_ char *old = str_printf("%s.1", path);
        struct stat st;
        if (stat(path, &st) == 0 && st.st_size > LOG_MAX_BYTES && rename(path, old) == 0) {
            moved = true;
        }
    }
    if (moved) {
        engine_reopen_logs(g);
    }
}

void logs_rotate(struct agent *a)
{
    pthread_mutex_lock(&a->lock);
    for (int i = 0; i < a->n_engines; i++) {
        rotate_engine(a, a->engines[i].engine);
    }
    pthread_mutex_unlock(&a->lock);
}
