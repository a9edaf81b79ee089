/*
 * Engines as others see them.
 */
#include "agent/engine.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "agent/engine_internal.h"
#include "agent/threads.h"
#include "base/clock.h"
#include "base/fs.h"

#define STOP_LOOK_MS 20
#define LEAVE_BUSY_MS 10000 /* for what is under way */

static int make_places(struct engine *g, const struct engine_place *p, const char *name, int64_t service,
                       struct err *e)
{
    struct role_engine *r = &g->r;
    _cleanup_free_ char *run = str_printf("%s/%s", p->run_root, name);
    _cleanup_free_ char *data = p->data_dir ? xstrdup(p->data_dir) : str_printf("%s/%s", p->data_root, name);
    _cleanup_free_ char *code = str_printf("%s/%lld", p->code_root, (long long)service);
    if (!str_copy(r->name, sizeof(r->name), name) || !str_copy(r->run_dir, sizeof(r->run_dir), run) ||
        !str_copy(r->log_dir, sizeof(r->log_dir), p->log_dir) ||
        !str_copy(r->data_dir, sizeof(r->data_dir), data) ||
        !str_copy(r->code_dir, sizeof(r->code_dir), code)) {
        return err_set(e, ERR_INVALID, "the name of engine \"%.64s\" is too long", name);
    }
    int rc = fs_mkdirs(run, 0755, e);
    rc = rc < 0 ? rc : fs_mkdirs(data, 0755, e);
    return rc < 0 ? rc : fs_mkdirs(p->log_dir, 0755, e);
}

struct engine *engine_new(const struct engine_place *place, const char *name,
                          const struct role_driver *driver, int64_t service, void (*changed)(void *arg),
                          void *arg, struct err *e)
{
    struct engine *g = xcalloc(1, sizeof(*g));
    g->r.driver = driver;
    g->pid_fd = -1;
    g->changed = changed;
    g->arg = arg;
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->view, NULL);
    g->snapshot.health = driver->prepare ? HEALTH_STARTING : HEALTH_DOWN;
    g->snapshot.progress.position = -1;
    g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = g->wake < 0 ? err_errno(e, errno, "eventfd") : make_places(g, place, name, service, e);
    rc = rc < 0 ? rc : threads_start(&g->thread, engine_thread, g, e);
    if (rc < 0) {
        closep(&g->wake);
        free(g);
        return NULL;
    }
    return g;
}

const char *engine_name(const struct engine *g)
{
    return g->r.name;
}

const struct role_driver *engine_driver(const struct engine *g)
{
    return g->r.driver;
}

void engine_copy(struct engine *g, struct role_engine *ret)
{
    pthread_mutex_lock(&g->lock);
    *ret = g->r;
    ret->section = g->r.section ? json_deep_copy(g->r.section) : NULL;
    ret->env = g->r.env ? json_deep_copy(g->r.env) : NULL;
    ret->state = NULL;
    pthread_mutex_unlock(&g->lock);
}

void engine_copy_done(struct role_engine *r)
{
    json_decref(r->section);
    json_decref((json_t *)r->env);
    r->section = NULL;
    r->env = NULL;
}

const json_t *engine_section(const struct engine *g)
{
    return g->r.section;
}

static void wake(struct engine *g)
{
    (void)eventfd_write(g->wake, 1);
}

void engine_environment(struct engine *g, const json_t *env)
{
    pthread_mutex_lock(&g->lock);
    json_t *old = g->env;
    g->env = json_incref((json_t *)env);
    g->r.env = g->env;
    json_decref(old);
    pthread_mutex_unlock(&g->lock);
}

/* The environment that a process got stays as it was when the process started. */
static bool has_old_environment(const struct engine *g)
{
    bool both_empty = json_object_size(g->env) == 0 && json_object_size(g->started_env) == 0;
    return g->r.driver->user_code && g->r.pid && !both_empty && !json_equal(g->env, g->started_env);
}

int engine_configure(struct engine *g, const json_t *section, enum role_change *ret, struct err *e)
{
    pthread_mutex_lock(&g->lock);
    int rc = g->r.driver->configure(&g->r, section, ret, e);
    if (rc >= 0 && has_old_environment(g)) {
        *ret = CHANGE_RESTART;
    }
    pthread_mutex_unlock(&g->lock);
    return rc;
}

/* Waits, with the lock, until the retired processes are gone: a successor needs their ports and files. */
static void await_retired(struct engine *g)
{
    while (g->n_retired > 0) {
        (void)engine_tend(g, clock_mono_ms());
        if (g->n_retired > 0) {
            struct timespec pause = {.tv_nsec = STOP_LOOK_MS * 1000 * 1000};
            nanosleep(&pause, NULL);
        }
    }
}

/* Said to be starting, while it still serves: visitors who are sent elsewhere now meet no end of a process. */
static void let_leave(struct engine *g)
{
    int64_t begun = clock_mono_ms(), now = begun;
    pthread_mutex_lock(&g->view);
    bool served = g->snapshot.health == HEALTH_OK;
    g->snapshot.progress.synced = false;
    pthread_mutex_unlock(&g->view);
    engine_publish(g, HEALTH_STARTING, "restarts"); /* who looks meanwhile must not take it for well */
    while (served && g->r.driver->leave_ms && now - begun < g->r.driver->leave_ms + LEAVE_BUSY_MS) {
        if (now - begun >= g->r.driver->leave_ms && !(g->r.driver->busy && g->r.driver->busy(&g->r) > 0)) {
            return;
        }
        struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
        nanosleep(&pause, NULL);
        now = clock_mono_ms();
    }
}

static int restart(struct engine *g, struct err *e)
{
    if (g->r.pid && g->r.driver->overlap && !g->r.alone) {
        return engine_overlap(g, e);
    }
    if (g->r.pid) {
        let_leave(g);
        pid_t pid = g->r.pid;
        int fd = g->pid_fd;
        g->r.pid = 0;
        g->pid_fd = -1;
        engine_retire(g, pid, fd, 0);
        await_retired(g);
    }
    g->next_start_ms = 0; /* the thread starts it at once */
    g->backoff_ms = 0;
    return 0;
}

int engine_switch(struct engine *g, const json_t *section, enum role_change change, struct err *e)
{
    pthread_mutex_lock(&g->lock);
    int rc = 0;
    if (change == CHANGE_RELOAD && g->r.pid && g->r.driver->reload) {
        rc = g->r.driver->reload(&g->r, e);
    } else if (change == CHANGE_RESTART || change == CHANGE_RELOAD) {
        rc = restart(g, e);
    }
    if (rc == 0) {
        json_t *old = g->r.section;
        g->r.section = json_incref((json_t *)section);
        json_decref(old);
        g->wanted = true;
        g->next_check_ms = 0;
    }
    pthread_mutex_unlock(&g->lock);
    wake(g);
    return rc;
}

void engine_drain(struct engine *g, bool on)
{
    pthread_mutex_lock(&g->lock);
    if (on != g->draining) {
        g->draining = on;
        g->idle_looks = 0;
        g->drain_since_ms = clock_mono_ms();
        pthread_mutex_lock(&g->view);
        g->snapshot.drained = false;
        g->snapshot.busy = 0;
        pthread_mutex_unlock(&g->view);
    }
    pthread_mutex_unlock(&g->lock);
    wake(g);
}

/* Without the lock: a probe may take long, and touches nothing of the engine but where it listens. */
int engine_try(struct engine *g, int64_t version, struct err *e)
{
    return g->r.driver->try_version ? g->r.driver->try_version(&g->r, version, e) : 0;
}

void engine_status(struct engine *g, struct engine_status *ret)
{
    pthread_mutex_lock(&g->view);
    *ret = g->snapshot;
    pthread_mutex_unlock(&g->view);
}

json_t *engine_metrics(struct engine *g)
{
    pthread_mutex_lock(&g->view);
    json_t *m = g->metrics ? json_deep_copy(g->metrics) : json_object();
    pthread_mutex_unlock(&g->view);
    return m;
}

/* By the snapshot: the engine itself may be busy with a reload for many seconds. */
void engine_reopen_logs(struct engine *g)
{
    pthread_mutex_lock(&g->view);
    if (g->snapshot.pid && g->r.driver->reopen_signal) {
        (void)kill(g->snapshot.pid, g->r.driver->reopen_signal);
    }
    pthread_mutex_unlock(&g->view);
}

bool engine_owns(struct engine *g, pid_t pid)
{
    if (pthread_mutex_trylock(&g->lock) != 0) {
        return true; /* it is being changed just now: ask again later */
    }
    bool own = g->r.pid == pid;
    for (int i = 0; i < g->n_retired; i++) {
        own = own || (g->retired[i].fd >= 0 && g->retired[i].pid == pid);
    }
    pthread_mutex_unlock(&g->lock);
    return own;
}

void engine_free(struct engine *g, int timeout_ms)
{
    if (!g) {
        return;
    }
    pthread_mutex_lock(&g->lock);
    g->ending = true;
    g->wanted = false;
    pthread_mutex_unlock(&g->lock);
    wake(g);
    pthread_join(g->thread, NULL);
    pid_t pid = g->r.pid;
    g->r.pid = 0;
    if (g->r.driver->release) {
        g->r.driver->release(&g->r);
    }
    engine_retire(g, pid, g->pid_fd, timeout_ms);
    int64_t end = clock_mono_ms() + (timeout_ms ? timeout_ms : g->r.driver->stop_timeout_ms);
    for (int i = 0; i < g->n_retired; i++) {
        g->retired[i].deadline_ms = g->retired[i].deadline_ms < end ? g->retired[i].deadline_ms : end;
    }
    await_retired(g);
    if (g->r.driver->forget) {
        g->r.driver->forget(&g->r);
    }
    json_decref(g->r.section);
    json_decref(g->env);
    json_decref(g->started_env);
    json_decref(g->metrics);
    close(g->wake);
    pthread_mutex_destroy(&g->lock);
    pthread_mutex_destroy(&g->view);
    free(g);
}
