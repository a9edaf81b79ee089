#include "manager/director_link.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "manager/summary.h"
#include "manager/view.h"
#include "model/text.h"
#include "net/http_client.h"

#define VIEW_WAIT_MS 4000
#define VIEW_FULL_MS 6000 /* a whole view at least this often: it says whom the director heard (L1) */
#define CALL_TIMEOUT_MS 10000
#define REPORT_EVERY_MS 5000
#define REPORT_GAP_MS 300
#define RETRY_MS 1000
#define TAIL_BYTES (256 * 1024)

static const struct log_ctx here = {.logger = "manager.director"};

/* One thread's connection; made anew when the node's certificate was renewed. */
struct line {
    struct manager *m;
    struct http_client *client;
    int64_t stamp;
    struct log_limit limit;
};

int link_load_identity(struct manager *m, struct err *e)
{
    _cleanup_free_ char *cert_path = str_printf("%s/cert.pem", m->config->state_dir);
    _cleanup_free_ char *key_path = str_printf("%s/key.pem", m->config->state_dir);
    struct stat st;
    if (stat(cert_path, &st) < 0) {
        return err_errno(e, errno, "%s", cert_path);
    }
    int64_t stamp = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
    if (stamp == m->id.stamp) {
        return 0;
    }
    _cleanup_buf_ struct buf cert = {0};
    _cleanup_buf_ struct buf key = {0};
    int r = fs_read(cert_path, 65536, &cert, e);
    if (r < 0 || (r = fs_read(key_path, 65536, &key, e)) < 0) {
        return r;
    }
    if (m->id.key_pem) {
        mem_wipe(m->id.key_pem, strlen(m->id.key_pem));
    }
    free(m->id.key_pem);
    free(m->id.cert_pem);
    m->id = (struct identity){.key_pem = buf_take(&key), .cert_pem = buf_take(&cert), .stamp = stamp};
    return 1;
}

static int connect_line(struct line *l, struct err *e)
{
    struct manager *m = l->m;
    int r = 0;
    pthread_mutex_lock(&m->lock);
    if (!l->client || l->stamp != m->id.stamp) {
        struct http_client_config c = {.url = m->config->director_url,
                                       .connect_to = m->config->director_address,
                                       .ca_pem = m->config->ca_pem,
                                       .key_pem = m->id.key_pem,
                                       .cert_pem = m->id.cert_pem};
        http_client_free(TAKE_PTR(l->client));
        r = http_client_new(&c, &l->client, e);
        l->stamp = m->id.stamp;
    }
    pthread_mutex_unlock(&m->lock);
    return r;
}

static void note_lease(struct manager *m, int64_t epoch, int64_t lease_ms, int64_t sent_mono_ms)
{
    pthread_mutex_lock(&m->lock);
    if (epoch != 0 && epoch == m->epoch) {
        m->lease_ms = lease_ms > 0 ? lease_ms : m->lease_ms;
        if (sent_mono_ms + m->lease_ms > m->lease_until_ms) {
            m->lease_until_ms = sent_mono_ms + m->lease_ms;
        }
    }
    pthread_mutex_unlock(&m->lock);
}

/* The thread that registers looks at `fenced`; a late answer to an old epoch says nothing about the new one. */
static void note_fenced(struct manager *m, int64_t epoch)
{
    pthread_mutex_lock(&m->lock);
    if (epoch == m->epoch) {
        m->fenced = true;
    }
    pthread_mutex_unlock(&m->lock);
}

static int line_call(struct line *l, const char *path, const json_t *body, int timeout_ms, json_t **ret,
                     struct err *e)
{
    int64_t sent = clock_mono_ms();
    int64_t epoch = json_int(body, "epoch", 0);
    _cleanup_json_ json_t *answer = NULL;
    int status = 0;
    int r = connect_line(l, e);
    if (r < 0) {
        return r;
    }
    struct http_call call = {.method = "POST", .path = path, .body = body, .timeout_ms = timeout_ms};
    r = http_do(l->client, &call, &status, &answer, e);
    if (r == ERR_FENCED) {
        note_fenced(l->m, epoch);
    } else if (r >= 0) {
        note_lease(l->m, epoch, json_int(answer, "lease_ms", 0), sent);
    }
    if (r >= 0 && ret) {
        *ret = TAKE_PTR(answer);
    }
    return r < 0 ? r : 0;
}

static void pause_ms(struct manager *m, int64_t ms)
{
    pthread_mutex_lock(&m->lock);
    if (m->end == END_NONE) {
        manager_sleep(m, &m->ended, ms);
    }
    pthread_mutex_unlock(&m->lock);
}

/* The director's word that another manager is the current one; everything else is worth another try. */
static bool is_final(int r)
{
    return r == ERR_FENCED || r == ERR_FORBIDDEN || r == ERR_NOT_FOUND || r == ERR_GONE || r == ERR_STATE;
}

/* Registers until it has an epoch (F1). Negative: this manager is not the current one. */
static int register_once(struct line *l, const char *nonce, struct err *e)
{
    _cleanup_json_ json_t *body = json_pack("{s:s}", "nonce", nonce);
    _cleanup_json_ json_t *answer = NULL;
    int64_t sent = clock_mono_ms();
    int r = line_call(l, "/node/v1/register", body, CALL_TIMEOUT_MS, &answer, e);
    if (r < 0) {
        return r;
    }
    int64_t epoch = json_int(answer, "epoch", 0);
    int64_t lease_ms = json_int(answer, "lease_ms", 0);
    if (epoch <= 0 || lease_ms <= 0) {
        return err_set(e, ERR_INTERNAL, "the director's answer to register has no epoch or lease");
    }
    pthread_mutex_lock(&l->m->lock);
    manager_begin_epoch(l->m, epoch, lease_ms, sent);
    pthread_mutex_unlock(&l->m->lock);
    journal_add(&l->m->journal, LOG_INFO, 0, "manager.director", "registered, epoch %lld", (long long)epoch);
    return 0;
}

static bool register_manager(struct line *l)
{
    _cleanup_free_ char *nonce = random_name("", 24);
    while (!manager_ending(l->m)) {
        struct err e = {0};
        int r = register_once(l, nonce, &e);
        if (r >= 0) {
            return true;
        }
        bool again = !is_final(r);
        if (again && log_allowed(&l->limit, 3, 30000)) {
            log_warn(&here, "register: %s", e.message);
        } else if (!again) {
            log_warn(&here, "this manager is not the current one: %s", e.message);
        }
        err_done(&e);
        if (!again) {
            manager_end(l->m, END_REPLACED);
            return false;
        }
        pause_ms(l->m, RETRY_MS);
    }
    return false;
}

static void answer_query(struct manager *m, int64_t epoch, int64_t id, const char *text, const char *error)
{
    json_t *body = json_pack("{s:I, s:I, s:s}", "epoch", (json_int_t)epoch, "id", (json_int_t)id,
                             error ? "error" : "text", error ? error : text);
    struct queued_call call = {.path = "/node/v1/answer", .body = body, .what = "answer"};
    if (body) {
        (void)calls_push(&m->calls, &call);
    }
}

/* Questions about this node itself: the tail of one of its two logs. */
static void answer_own(struct manager *m, int64_t epoch, const struct query *q)
{
    const char *path = str_eq(q->name, "manager.log") ? m->config->log_path
                       : str_eq(q->name, "agent.log") ? m->config->agent_log_path
                                                      : NULL;
    _cleanup_buf_ struct buf text = {0};
    struct err e = {0};
    if (!path) {
        answer_query(m, epoch, q->id, NULL,
                     "no such log on the manager's node; there are manager.log and agent.log");
    } else if (fs_tail(path, (int)(q->lines > 10000 ? 10000 : q->lines), TAIL_BYTES, &text, &e) < 0) {
        answer_query(m, epoch, q->id, NULL, e.message);
    } else {
        _cleanup_free_ char *clean = text_clean(text.data, text.len);
        answer_query(m, epoch, q->id, clean, NULL);
    }
    err_done(&e);
}

static void take_queries(struct manager *m, const json_t *answer)
{
    for (;;) {
        pthread_mutex_lock(&m->lock);
        if (answer && queries_take(&m->queries, json_object_get(answer, "queries"), clock_mono_ms()) > 0) {
            pthread_cond_broadcast(&m->deliver);
        }
        answer = NULL;
        struct query *own = queries_own(&m->queries, m->config->node);
        struct query q = own ? *own : (struct query){0};
        int64_t epoch = m->epoch;
        pthread_mutex_unlock(&m->lock);
        if (!own) {
            return;
        }
        answer_own(m, epoch, &q);
    }
}

static void take_view(struct manager *m, int64_t epoch, const json_t *answer, int64_t *full_ms)
{
    struct err e = {0};
    json_t *view = json_object_get(answer, "view");
    if (json_is_object(view)) {
        pthread_mutex_lock(&m->lock);
        int r = epoch == m->epoch ? view_take(m, view, clock_steady_ms(), &e) : 0;
        pthread_mutex_unlock(&m->lock);
        *full_ms = clock_mono_ms();
        if (r < 0) {
            log_error(&here, "view: %s", e.message);
        }
    }
    err_done(&e);
    take_queries(m, answer);
}

/* One long poll. A fresh whole view is asked for now and then although nothing changed. */
static int poll_view(struct line *l, int64_t *full_ms, struct err *e)
{
    struct manager *m = l->m;
    pthread_mutex_lock(&m->lock);
    int64_t epoch = m->epoch;
    int64_t txn = clock_mono_ms() - *full_ms >= VIEW_FULL_MS ? 0 : m->txn;
    pthread_mutex_unlock(&m->lock);
    _cleanup_json_ json_t *body = json_pack("{s:I, s:I, s:i}", "epoch", (json_int_t)epoch, "txn",
                                            (json_int_t)txn, "wait_ms", VIEW_WAIT_MS);
    _cleanup_json_ json_t *answer = NULL;
    int r = line_call(l, "/node/v1/view", body, VIEW_WAIT_MS + CALL_TIMEOUT_MS, &answer, e);
    if (r >= 0) {
        take_view(m, epoch, answer, full_ms);
    }
    return r;
}

static bool take_fenced(struct manager *m)
{
    pthread_mutex_lock(&m->lock);
    bool fenced = m->fenced;
    m->fenced = false;
    pthread_mutex_unlock(&m->lock);
    return fenced;
}

void *link_view_main(void *arg)
{
    struct line l = {.m = arg};
    int64_t full_ms = 0;
    bool registered = register_manager(&l);
    while (registered && !manager_ending(l.m)) {
        struct err e = {0};
        int r = poll_view(&l, &full_ms, &e);
        if (r < 0 && r != ERR_FENCED) {
            if (log_allowed(&l.limit, 3, 30000)) {
                log_warn(&here, "view: %s", e.message);
            }
            pause_ms(l.m, RETRY_MS);
        }
        err_done(&e);
        if (take_fenced(l.m)) {
            log_warn(&here, "fenced: another epoch is current; registering again with empty memory");
            full_ms = 0;
            registered = register_manager(&l);
        }
    }
    http_client_free(l.client);
    return NULL;
}

void *link_caller_main(void *arg)
{
    struct line l = {.m = arg};
    struct queued_call call;
    while (calls_pop(&l.m->calls, &call)) {
        struct err e = {0};
        int r = line_call(&l, call.path, call.body, CALL_TIMEOUT_MS, NULL, &e);
        if (r < 0 && r != ERR_FENCED) {
            journal_add(&l.m->journal, r == ERR_STALE ? LOG_DEBUG : LOG_WARN, call.service,
                        "manager.director", "%s: %s", call.what, e.message);
        }
        err_done(&e);
        json_decref(call.body);
    }
    http_client_free(l.client);
    return NULL;
}

/* Waits for new lines or for the time of the next summary. False when the manager ends. */
static bool wait_report(struct manager *m, int64_t due_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ms = due_ms - clock_mono_ms();
    ms = ms < 0 ? 0 : ms;
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&m->journal.lock);
    while (m->journal.n == 0 && !m->report_now && clock_mono_ms() < due_ms) {
        if (pthread_cond_timedwait(&m->journal.more, &m->journal.lock, &until) != 0) {
            break;
        }
    }
    m->report_now = false;
    pthread_mutex_unlock(&m->journal.lock);
    return !manager_ending(m);
}

static json_t *report_body(struct manager *m)
{
    json_t *services = json_array();
    pthread_mutex_lock(&m->lock);
    int64_t now = clock_steady_ms();
    for (int i = 0; i < m->n_services; i++) {
        json_array_append_new(services, summary_of(m->services[i], now));
    }
    int64_t epoch = m->epoch;
    pthread_mutex_unlock(&m->lock);
    return json_pack("{s:I, s:o, s:o}", "epoch", (json_int_t)epoch, "services", services, "log",
                     journal_take(&m->journal));
}

static void check_identity(struct manager *m)
{
    struct err e = {0};
    pthread_mutex_lock(&m->lock);
    int r = link_load_identity(m, &e);
    if (r > 0 && m->server) {
        r = http_server_set_identity(m->server, m->id.key_pem, m->id.cert_pem, &e);
    }
    pthread_mutex_unlock(&m->lock);
    if (r < 0) {
        log_warn(&here, "the node's certificate: %s", e.message);
    }
    err_done(&e);
}

void *link_reporter_main(void *arg)
{
    struct line l = {.m = arg};
    int64_t due_ms = clock_mono_ms() + REPORT_EVERY_MS;
    while (wait_report(l.m, due_ms)) {
        struct err e = {0};
        pause_ms(l.m, REPORT_GAP_MS); /* lines that come together go together */
        check_identity(l.m);
        _cleanup_json_ json_t *body = report_body(l.m);
        bool known = json_int(body, "epoch", 0) != 0;
        int r = known ? line_call(&l, "/node/v1/report", body, CALL_TIMEOUT_MS, NULL, &e) : ERR_UNAVAILABLE;
        journal_settle(&l.m->journal, r >= 0);
        if (r < 0) {
            if (known && r != ERR_FENCED && log_allowed(&l.limit, 2, 30000)) {
                log_warn(&here, "report: %s", e.message);
            }
            pause_ms(l.m, RETRY_MS);
        }
        err_done(&e);
        due_ms = clock_mono_ms() + REPORT_EVERY_MS;
    }
    http_client_free(l.client);
    return NULL;
}
