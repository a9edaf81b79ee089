#include "cli/watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"

struct watch {
    struct http_client *client;
    int tick_ms;
    int64_t deadline;
    void (*on_second)(void *);
    void *arg;
    pthread_t thread;
    sigset_t signals, old;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    _Atomic int64_t next_tick;
    atomic_bool stop, signalled, expired;
};

static void interrupt(struct watch *w)
{
    http_client_interrupt(w->client, true);
    pthread_mutex_lock(&w->lock);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    int64_t next_second = clock_mono_ms() + 1000;
    while (!atomic_load(&w->stop)) {
        int64_t now = clock_mono_ms(), until = atomic_load(&w->next_tick);
        until = w->deadline && w->deadline < until ? w->deadline : until;
        until = w->on_second && next_second < until ? next_second : until;
        int64_t ms = until > now ? until - now : 0;
        struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        int sig = sigtimedwait(&w->signals, NULL, &ts);
        now = clock_mono_ms();
        if (sig == SIGINT || sig == SIGTERM) {
            atomic_store(&w->signalled, true);
            interrupt(w);
        }
        if (w->deadline && now >= w->deadline && !atomic_load(&w->expired)) {
            atomic_store(&w->expired, true);
            w->deadline = 0;
            interrupt(w);
        }
        if (now >= atomic_load(&w->next_tick)) {
            atomic_store(&w->next_tick, now + w->tick_ms);
            interrupt(w);
        }
        if (w->on_second && now >= next_second) {
            next_second = now + 1000;
            w->on_second(w->arg);
        }
    }
    return NULL;
}

struct watch *watch_new(struct http_client *client, int tick_ms, int64_t deadline, void (*on_second)(void *),
                        void *arg)
{
    struct watch *w = xcalloc(1, sizeof(*w));
    w->client = client;
    w->tick_ms = tick_ms;
    w->deadline = deadline;
    w->on_second = on_second;
    w->arg = arg;
    atomic_store(&w->next_tick, clock_mono_ms() + tick_ms);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    sigemptyset(&w->signals);
    sigaddset(&w->signals, SIGINT);
    sigaddset(&w->signals, SIGTERM);
    sigaddset(&w->signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &w->signals, &w->old);
    if (pthread_create(&w->thread, NULL, watch_main, w) != 0) {
        abort();
    }
    return w;
}

void watch_free(struct watch *w)
{
    if (!w) {
        return;
    }
    atomic_store(&w->stop, true);
    pthread_kill(w->thread, SIGUSR1);
    pthread_join(w->thread, NULL);
    http_client_interrupt(w->client, false);
    pthread_sigmask(SIG_SETMASK, &w->old, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

bool watch_signalled(const struct watch *w)
{
    return atomic_load(&w->signalled);
}

bool watch_expired(const struct watch *w)
{
    return atomic_load(&w->expired);
}

void watch_continue(struct watch *w)
{
    atomic_store(&w->next_tick, clock_mono_ms() + w->tick_ms);
    http_client_interrupt(w->client, false);
}

void watch_pause(struct watch *w, int ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += ms % 1000 * 1000000L;
    if (ts.tv_nsec >= 1000000000L) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&w->lock);
    if (!watch_signalled(w) && !watch_expired(w)) {
        (void)pthread_cond_timedwait(&w->changed, &w->lock, &ts);
    }
    pthread_mutex_unlock(&w->lock);
}
