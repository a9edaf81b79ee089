#include "manager/manager.h"

#include "base/clock.h"
#include "manager/agents.h"
#include "manager/converge.h"
#include "manager/director_link.h"

enum { THREAD_VIEW, THREAD_CALLER, THREAD_REPORTER, THREAD_CONVERGE, THREADS };

struct manager_threads {
    struct manager m; /* first: the two have one address */
    pthread_t threads[THREADS];
    int n;
};

static void init_cond(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

static struct manager *manager_new(const struct manager_config *config)
{
    struct manager_threads *t = xcalloc(1, sizeof(*t));
    struct manager *m = &t->m;
    m->config = config;
    pthread_mutex_init(&m->lock, NULL);
    init_cond(&m->wake);
    init_cond(&m->deliver);
    init_cond(&m->ended);
    calls_init(&m->calls);
    journal_init(&m->journal);
    return m;
}

int manager_start(const struct manager_config *config, struct manager **ret, struct err *e)
{
    static void *(*const mains[THREADS])(void *) = {
        [THREAD_VIEW] = link_view_main,
        [THREAD_CALLER] = link_caller_main,
        [THREAD_REPORTER] = link_reporter_main,
        [THREAD_CONVERGE] = converge_main,
    };
    struct manager *m = manager_new(config);
    struct manager_threads *t = (struct manager_threads *)m;
    int r = link_load_identity(m, e);
    if (r >= 0) {
        r = agents_start(m, e);
    }
    for (int i = 0; i < THREADS && r >= 0; i++) {
        int rc = pthread_create(&t->threads[i], NULL, mains[i], m);
        if (rc != 0) {
            r = err_errno(e, rc, "thread");
        } else {
            t->n++;
        }
    }
    if (r < 0) {
        manager_free(m);
        return r;
    }
    *ret = m;
    return 0;
}

uint16_t manager_port(const struct manager *m)
{
    return http_server_port(m->server);
}

enum manager_end manager_wait(struct manager *m)
{
    pthread_mutex_lock(&m->lock);
    while (m->end == END_NONE) {
        pthread_cond_wait(&m->ended, &m->lock);
    }
    enum manager_end why = m->end;
    pthread_mutex_unlock(&m->lock);
    return why;
}

void manager_end(struct manager *m, enum manager_end why)
{
    pthread_mutex_lock(&m->lock);
    if (m->end == END_NONE) {
        m->end = why;
    }
    pthread_cond_broadcast(&m->ended);
    pthread_cond_broadcast(&m->wake);
    pthread_cond_broadcast(&m->deliver);
    pthread_mutex_unlock(&m->lock);
    calls_close(&m->calls);
    pthread_mutex_lock(&m->journal.lock);
    m->report_now = true;
    pthread_cond_broadcast(&m->journal.more);
    pthread_mutex_unlock(&m->journal.lock);
}

bool manager_ending(struct manager *m)
{
    pthread_mutex_lock(&m->lock);
    bool ending = m->end != END_NONE;
    pthread_mutex_unlock(&m->lock);
    return ending;
}

void managed_free(struct managed *s)
{
    if (!s) {
        return;
    }
    for (int i = 0; i < s->n_boxes; i++) {
        json_decref(s->boxes[i].document);
        json_decref(s->boxes[i].metrics);
    }
    json_decref(s->versions);
    json_decref(s->settings);
    json_decref(s->resolved);
    have_done(&s->have);
    free(s);
}

static void forget_services(struct manager *m)
{
    for (int i = 0; i < m->n_services; i++) {
        managed_free(m->services[i]);
        m->services[i] = NULL;
    }
    m->n_services = 0;
}

void manager_free(struct manager *m)
{
    if (!m) {
        return;
    }
    struct manager_threads *t = (struct manager_threads *)m;
    manager_end(m, END_ASKED);
    if (m->server) {
        http_server_stop(m->server);
    }
    for (int i = 0; i < t->n; i++) {
        pthread_join(t->threads[i], NULL);
    }
    forget_services(m);
    calls_done(&m->calls);
    journal_done(&m->journal);
    if (m->id.key_pem) {
        mem_wipe(m->id.key_pem, strlen(m->id.key_pem));
    }
    free(m->id.key_pem);
    free(m->id.cert_pem);
    pthread_cond_destroy(&m->wake);
    pthread_cond_destroy(&m->deliver);
    pthread_cond_destroy(&m->ended);
    pthread_mutex_destroy(&m->lock);
    free(t);
}

struct managed *manager_service(struct manager *m, int64_t id)
{
    for (int i = 0; i < m->n_services; i++) {
        if (m->services[i]->id == id) {
            return m->services[i];
        }
    }
    return NULL;
}

struct managed *manager_service_of(struct manager *m, int64_t node)
{
    for (int i = 0; i < m->n_services; i++) {
        if (service_node(&m->services[i]->view, node)) {
            return m->services[i];
        }
    }
    return NULL;
}

struct box *managed_box(struct managed *s, int64_t node)
{
    for (int i = 0; i < s->n_boxes; i++) {
        if (s->boxes[i].node == node) {
            return &s->boxes[i];
        }
    }
    if (s->n_boxes == NODES_MAX) {
        return NULL;
    }
    struct box *b = &s->boxes[s->n_boxes++];
    *b = (struct box){.node = node};
    return b;
}

bool manager_leased(struct manager *m)
{
    bool leased = clock_mono_ms() < m->lease_until_ms;
    if (leased == m->observing) {
        m->observing = !leased;
        journal_add(&m->journal, leased ? LOG_INFO : LOG_WARN, 0, "manager.converge", "%s",
                    leased ? "the director answers again"
                           : "no answer from the director for a whole lease: only observing");
    }
    return leased;
}

void managed_touch(struct manager *m, struct managed *s)
{
    s->dirty = true;
    pthread_cond_signal(&m->wake);
}

void manager_begin_epoch(struct manager *m, int64_t epoch, int64_t lease_ms, int64_t sent_mono_ms)
{
    forget_services(m);
    calls_clear(&m->calls);
    m->epoch = epoch;
    m->fenced = false;
    m->txn = 0;
    m->lease_ms = lease_ms;
    m->lease_until_ms = sent_mono_ms + lease_ms;
    m->queries = (struct queries){0};
    pthread_cond_broadcast(&m->deliver);
    pthread_cond_broadcast(&m->wake);
    journal_add(&m->journal, LOG_INFO, 0, "ReservationTimer", "RTIMER Creating timer for ['manager']");
}

void manager_sleep(struct manager *m, pthread_cond_t *cond, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(cond, &m->lock, &until);
}
