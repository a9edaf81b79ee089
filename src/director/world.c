/*
 * The list is sorted by id, ids only grow, so look-ups are binary searches.
 */
#include "director/world.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"

struct service_place {
    int64_t id;
    struct slot *slot;
};
struct world {
    pthread_rwlock_t lock;
    struct slot **apps;
    size_t n_apps;
    struct service_place *services;
    size_t n_services;
};

/* ---- slots ---- */

struct slot *slot_new(const struct app_row *row)
{
    struct slot *s = xcalloc(1, sizeof(*s));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    atomic_init(&s->refs, 1);
    s->row = *row;
    s->id = row->app.id;
    s->owner = row->app.owner;
    return s;
}

static void service_free(struct slot_service *v)
{
    json_decref(v->live.performance);
    free(v);
}

struct slot *slot_ref(struct slot *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void slot_unref(struct slot *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) {
        return;
    }
    for (int i = 0; i < s->n; i++) {
        service_free(s->services[i]);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void slot_lock(struct slot *s)
{
    pthread_mutex_lock(&s->lock);
}

void slot_unlock(struct slot *s)
{
    pthread_mutex_unlock(&s->lock);
}

void slot_put(struct slot *s)
{
    slot_unlock(s);
    slot_unref(s);
}

void slot_putp(struct slot **s)
{
    if (*s) {
        slot_put(*s);
        *s = NULL;
    }
}

void slot_wait(struct slot *s, int64_t until_mono_ms)
{
    struct timespec t = {.tv_sec = until_mono_ms / 1000, .tv_nsec = until_mono_ms % 1000 * 1000000};
    (void)pthread_cond_timedwait(&s->changed, &s->lock, &t);
}

void slot_pulse(struct slot *s)
{
    s->pulse++;
    pthread_cond_broadcast(&s->changed);
}

struct slot_service *slot_service(struct slot *s, int64_t id)
{
    for (int i = 0; i < s->n; i++) {
        if (s->services[i]->row.service.id == id) {
            return s->services[i];
        }
    }
    return NULL;
}

struct question *slot_question(struct slot *s, int64_t id)
{
    for (int i = 0; i < s->n_questions; i++) {
        if (s->questions[i]->id == id) {
            return s->questions[i];
        }
    }
    return NULL;
}

bool slot_is_empty(const struct slot *s)
{
    struct service *services[SERVICES_MAX];
    for (int i = 0; i < s->n; i++) {
        services[i] = &s->services[i]->row.service;
    }
    return app_is_empty(&s->row.app, services, s->n);
}

/* ---- the list ---- */

struct world *world_new(void)
{
    struct world *w = xcalloc(1, sizeof(*w));
    pthread_rwlock_init(&w->lock, NULL);
    return w;
}

void world_free(struct world *w)
{
    if (!w) {
        return;
    }
    for (size_t i = 0; i < w->n_apps; i++) {
        slot_unref(w->apps[i]);
    }
    pthread_rwlock_destroy(&w->lock);
    free(w->apps);
    free(w->services);
    free(w);
}

/* First place whose id is not below. */
static size_t app_place(const struct world *w, int64_t id)
{
    size_t low = 0, high = w->n_apps;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (w->apps[mid]->id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static size_t service_place(const struct world *w, int64_t id)
{
    size_t low = 0, high = w->n_services;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (w->services[mid].id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Locks what was found; it may have gone between. */
static struct slot *lock_found(struct slot *s)
{
    if (!s) {
        return NULL;
    }
    slot_lock(s);
    if (s->gone) {
        slot_put(s);
        return NULL;
    }
    return s;
}

int world_app(struct world *w, int64_t app, struct slot **ret, struct err *e)
{
    pthread_rwlock_rdlock(&w->lock);
    size_t at = app_place(w, app);
    struct slot *s = at < w->n_apps && w->apps[at]->id == app ? slot_ref(w->apps[at]) : NULL;
    pthread_rwlock_unlock(&w->lock);
    s = lock_found(s);
    if (!s) {
        return err_set(e, ERR_NOT_FOUND, "no application %lld", (long long)app);
    }
    *ret = s;
    return 0;
}

int world_service(struct world *w, int64_t service, struct slot **ret, struct slot_service **ret_service,
                  struct err *e)
{
    pthread_rwlock_rdlock(&w->lock);
    size_t at = service_place(w, service);
    struct slot *s =
        at < w->n_services && w->services[at].id == service ? slot_ref(w->services[at].slot) : NULL;
    pthread_rwlock_unlock(&w->lock);
    s = lock_found(s);
    struct slot_service *v = s ? slot_service(s, service) : NULL;
    if (!v) {
        if (s) {
            slot_put(s);
        }
        return err_set(e, ERR_NOT_FOUND, "no service %lld", (long long)service);
    }
    *ret = s;
    if (ret_service) {
        *ret_service = v;
    }
    return 0;
}

struct slot **world_all(struct world *w, int64_t owner, size_t *ret_n)
{
    pthread_rwlock_rdlock(&w->lock);
    struct slot **all = xreallocarray(NULL, w->n_apps + 1, sizeof(*all));
    size_t n = 0;
    for (size_t i = 0; i < w->n_apps; i++) {
        if (owner == 0 || w->apps[i]->owner == owner) {
            all[n++] = slot_ref(w->apps[i]);
        }
    }
    pthread_rwlock_unlock(&w->lock);
    *ret_n = n;
    return all;
}

void world_add(struct world *w, struct slot *s)
{
    pthread_rwlock_wrlock(&w->lock);
    size_t at = app_place(w, s->id);
    w->apps = xreallocarray(w->apps, w->n_apps + 1, sizeof(*w->apps));
    memmove(&w->apps[at + 1], &w->apps[at], (w->n_apps - at) * sizeof(*w->apps));
    w->apps[at] = s;
    w->n_apps++;
    pthread_rwlock_unlock(&w->lock);
}

static void forget_service(struct world *w, int64_t id)
{
    size_t at = service_place(w, id);
    if (at < w->n_services && w->services[at].id == id) {
        memmove(&w->services[at], &w->services[at + 1], (w->n_services - at - 1) * sizeof(*w->services));
        w->n_services--;
    }
}

void world_remove(struct world *w, struct slot *s)
{
    pthread_rwlock_wrlock(&w->lock);
    size_t at = app_place(w, s->id);
    assert(at < w->n_apps && w->apps[at] == s);
    memmove(&w->apps[at], &w->apps[at + 1], (w->n_apps - at - 1) * sizeof(*w->apps));
    w->n_apps--;
    for (int i = 0; i < s->n; i++) {
        forget_service(w, s->services[i]->row.service.id);
    }
    pthread_rwlock_unlock(&w->lock);
    s->gone = true;
    slot_pulse(s);
    slot_unref(s); /* the list's; the caller has its own */
}

void slot_add_service(struct world *w, struct slot *s, struct slot_service *v)
{
    assert(s->n < SERVICES_MAX);
    s->services[s->n++] = v;
    pthread_rwlock_wrlock(&w->lock);
    size_t at = service_place(w, v->row.service.id);
    w->services = xreallocarray(w->services, w->n_services + 1, sizeof(*w->services));
    memmove(&w->services[at + 1], &w->services[at], (w->n_services - at) * sizeof(*w->services));
    w->services[at] = (struct service_place){.id = v->row.service.id, .slot = s};
    w->n_services++;
    pthread_rwlock_unlock(&w->lock);
    slot_pulse(s);
}

void slot_remove_service(struct world *w, struct slot *s, struct slot_service *v)
{
    pthread_rwlock_wrlock(&w->lock);
    forget_service(w, v->row.service.id);
    pthread_rwlock_unlock(&w->lock);
    int i = 0;
    while (i < s->n && s->services[i] != v) {
        i++;
    }
    assert(i < s->n);
    memmove(&s->services[i], &s->services[i + 1], (size_t)(s->n - i - 1) * sizeof(s->services[0]));
    s->services[--s->n] = NULL;
    service_free(v);
    slot_pulse(s);
}

static int take_loaded(void *arg, struct app_row *app, struct service_row **services, int n, struct err *e)
{
    struct world *w = arg;
    struct slot *s = slot_new(app);
    world_add(w, s);
    for (int i = 0; i < n; i++) {
        struct slot_service *v = xcalloc(1, sizeof(*v));
        v->row = *services[i];
        free(services[i]);
        slot_add_service(w, s, v);
    }
    return 0;
}

int world_load(struct world *w, struct store *s, struct err *e)
{
    return store_load(s, take_loaded, w, e);
}
