/*
 * The thread of an engine.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "agent/engine_internal.h"
#include "agent/proc_stat.h"
#include "base/clock.h"

#define CHECK_MS 2000         /* when all is well */
#define CHECK_STARTING_MS 100 /* until the first success */
#define WAITING_MS 1000       /* until prepare() is asked again */
#define DRAIN_LOOK_MS 250
#define METRICS_MS 10000
#define STARTING_SPARE_MS 15000
#define BAD_CHECKS 3        /* in a row */
#define HUNG_MS 60000       /* alive but not answering: killed, started anew */
#define DRAIN_MAX_MS 150000 /* no request may take longer */

void engine_publish(struct engine *g, enum health health, const char *why)
{
    pthread_mutex_lock(&g->view);
    bool news = g->snapshot.health != health || g->snapshot.pid != g->r.pid;
    g->snapshot.health = health;
    g->snapshot.pid = g->r.pid;
    (void)str_copy(g->snapshot.why, sizeof(g->snapshot.why), why ? why : "");
    pthread_mutex_unlock(&g->view);
    if (news && g->changed) {
        g->changed(g->arg);
    }
}

static void ask_progress(struct engine *g)
{
    struct role_progress p = {.position = -1};
    if (!g->r.driver->progress || g->r.driver->progress(&g->r, &p) < 0) {
        p = (struct role_progress){.position = -1};
    }
    pthread_mutex_lock(&g->view);
    bool news = g->snapshot.progress.synced != p.synced || g->snapshot.progress.token != p.token;
    g->snapshot.has_progress = g->r.driver->progress != NULL;
    g->snapshot.progress = p;
    pthread_mutex_unlock(&g->view);
    if (news && g->changed) {
        g->changed(g->arg);
    }
}

static void start_failed(struct engine *g, int64_t now_ms, const char *why)
{
    (void)str_copy(g->last_end, sizeof(g->last_end), why ? why : "cannot start");
    g->backoff_ms = g->backoff_ms ? g->backoff_ms * 2 : ENGINE_BACKOFF0_MS;
    g->backoff_ms = g->backoff_ms > ENGINE_BACKOFF_MAX_MS ? ENGINE_BACKOFF_MAX_MS : g->backoff_ms;
    g->next_start_ms = now_ms + g->backoff_ms;
    engine_publish(g, HEALTH_BAD, g->last_end);
}

/* True when it may be started now. */
static bool is_prepared(struct engine *g)
{
    _cleanup_err_ struct err e = {0};
    int rc = g->r.driver->prepare ? g->r.driver->prepare(&g->r, &e) : 0;
    int64_t now = clock_mono_ms();
    if (g->r.driver->prepare) {
        ask_progress(g); /* before the word "down", which says that this is known */
    }
    if (rc == ERR_UNAVAILABLE) {
        g->next_start_ms = now + WAITING_MS;
        engine_publish(g, HEALTH_DOWN, e.message);
    } else if (rc < 0) {
        start_failed(g, now, e.message);
    } else if (g->r.driver->prepare) {
        engine_publish(g, HEALTH_STARTING, g->last_end);
    }
    return rc == 0;
}

static void start_if_due(struct engine *g, int64_t now_ms)
{
    if (!g->wanted || g->r.pid || now_ms < g->next_start_ms) {
        return;
    }
    _cleanup_err_ struct err e = {0};
    pid_t pid = 0;
    if (!is_prepared(g)) {
        return;
    }
    now_ms = clock_mono_ms();
    if (engine_start_process(g, &pid, &g->pid_fd, &e) < 0) {
        start_failed(g, now_ms, e.message);
        return;
    }
    g->r.pid = pid;
    g->started_ms = now_ms;
    g->seen_ok = false;
    g->failed_checks = 0;
    g->next_check_ms = now_ms;
    pthread_mutex_lock(&g->view);
    g->snapshot.restarts++;
    pthread_mutex_unlock(&g->view);
    engine_publish(g, HEALTH_STARTING, g->last_end);
}

static void check_failed(struct engine *g, int64_t now_ms, const char *why)
{
    if (g->failed_checks++ == 0) {
        g->failing_since_ms = now_ms;
    }
    bool starting =
        !g->seen_ok && (g->r.coming_up || now_ms - g->started_ms < engine_start_ms(g) + STARTING_SPARE_MS);
    if (!starting && (g->failed_checks >= BAD_CHECKS || !g->seen_ok)) {
        engine_publish(g, HEALTH_BAD, why);
    }
    if (!starting && now_ms - g->failing_since_ms > HUNG_MS) {
        (void)kill(-g->r.pid, SIGKILL);
        g->failing_since_ms = now_ms;
    }
}

/* Crash loops stay visible until the engine has lived for a while. */
static void check_passed(struct engine *g, int64_t now_ms)
{
    g->failed_checks = 0;
    g->seen_ok = true;
    bool shaky = g->crashes >= ENGINE_CRASHES && now_ms - g->started_ms < 10000 &&
                 now_ms - g->crash_ms[g->crashes % ENGINE_CRASHES] < ENGINE_CRASH_WINDOW_MS;
    if (!shaky) {
        engine_publish(g, HEALTH_OK, "");
    }
}

static void check_if_due(struct engine *g, int64_t now_ms)
{
    if (!g->r.pid || now_ms < g->next_check_ms) {
        return;
    }
    _cleanup_err_ struct err e = {0};
    g->r.coming_up = false;
    int rc = g->r.driver->check ? g->r.driver->check(&g->r, &e) : 0;
    if (rc < 0) {
        check_failed(g, now_ms, e.message);
    } else {
        check_passed(g, now_ms);
    }
    ask_progress(g);
    g->next_check_ms = now_ms + (g->seen_ok ? CHECK_MS : CHECK_STARTING_MS);
}

static void look_if_draining(struct engine *g, int64_t now_ms)
{
    if (!g->draining) {
        return;
    }
    int busy = g->r.pid && g->r.driver->busy ? g->r.driver->busy(&g->r) : 0;
    g->idle_looks = busy == 0 ? g->idle_looks + 1 : 0;
    bool done = g->idle_looks >= 2 || now_ms - g->drain_since_ms > DRAIN_MAX_MS;
    pthread_mutex_lock(&g->view);
    g->snapshot.busy = busy;
    bool news = done && !g->snapshot.drained;
    g->snapshot.drained = g->snapshot.drained || done;
    pthread_mutex_unlock(&g->view);
    if (news && g->changed) {
        g->changed(g->arg);
    }
}

/* Counters that visitors' requests make go up, and the rate that each gives: per second since the last look. */
static void add_rates(json_t *now, const json_t *before, int64_t ms)
{
    static const char *const rates[][2] = {
        {"served", "request_rate"}, {"served_errors", "error_rate"}, {"served_bytes", "throughput"}};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        const json_t *n = json_object_get(now, rates[i][0]), *b = json_object_get(before, rates[i][0]);
        int64_t more = n && b ? json_integer_value(n) - json_integer_value(b) : 0;
        if (n && b && ms > 0) { /* a restarted engine counts from zero */
            json_object_set_new(now, rates[i][1], json_real(more > 0 ? (double)more * 1000 / (double)ms : 0));
        }
    }
}

static void measure_if_due(struct engine *g, int64_t now_ms)
{
    if (!g->r.pid && g->metrics) { /* what no longer runs does nothing now */
        pthread_mutex_lock(&g->view);
        json_decref(g->metrics);
        g->metrics = NULL;
        pthread_mutex_unlock(&g->view);
    }
    if (!g->r.pid || now_ms < g->next_metrics_ms) {
        return;
    }
    g->next_metrics_ms = now_ms + METRICS_MS;
    json_t *m = json_object();
    if (g->r.driver->metrics) {
        (void)!g->r.driver->metrics(&g->r, m);
    }
    proc_stat_group(g->r.pid, m);
    add_rates(m, g->metrics, now_ms - g->metrics_ms); /* only this thread sets them */
    g->metrics_ms = now_ms;
    pthread_mutex_lock(&g->view);
    json_decref(g->metrics);
    g->metrics = m;
    pthread_mutex_unlock(&g->view);
}

static int nearest(int timeout, int64_t due_ms, int64_t now_ms)
{
    int64_t left = due_ms - now_ms;
    left = left < 1 ? 1 : left;
    return left < timeout ? (int)left : timeout;
}

static int next_event(struct engine *g, int64_t now_ms)
{
    int timeout = 60000, tend = engine_tend(g, now_ms);
    timeout = tend >= 0 && tend < timeout ? tend : timeout;
    if (g->wanted && !g->r.pid) {
        timeout = nearest(timeout, g->next_start_ms, now_ms);
    }
    if (g->r.pid) {
        timeout = nearest(timeout, g->next_check_ms, now_ms);
        timeout = nearest(timeout, g->next_metrics_ms, now_ms);
    }
    return g->draining ? nearest(timeout, now_ms + DRAIN_LOOK_MS, now_ms) : timeout;
}

static int wait_event(struct engine *g, int timeout, int pid_fd, int retired_fd)
{
    struct pollfd fds[3] = {{.fd = g->wake, .events = POLLIN},
                            {.fd = pid_fd, .events = POLLIN},
                            {.fd = retired_fd, .events = POLLIN}};
    int n = poll(fds, 3, timeout);
    if (n > 0 && fds[0].revents) {
        eventfd_t ignored;
        (void)eventfd_read(g->wake, &ignored);
    }
    return n > 0 && fds[1].revents ? 1 : 0;
}

void *engine_thread(void *arg)
{
    struct engine *g = arg;
    pthread_mutex_lock(&g->lock);
    while (!g->ending) {
        int64_t now = clock_mono_ms();
        start_if_due(g, now);
        check_if_due(g, now);
        look_if_draining(g, now);
        measure_if_due(g, now);
        int timeout = next_event(g, clock_mono_ms());
        int fd = g->pid_fd;
        pid_t pid = g->r.pid;
        int retired = g->n_retired ? g->retired[0].fd : -1;
        pthread_mutex_unlock(&g->lock);
        bool ended = wait_event(g, timeout, fd, retired);
        pthread_mutex_lock(&g->lock);
        /* Meanwhile another thread may have replaced the process. */
        if (ended && pid && pid == g->r.pid && fd == g->pid_fd) {
            engine_died(g, clock_mono_ms());
        }
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}
