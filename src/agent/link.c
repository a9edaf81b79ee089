/*
 * What the agent says and hears: long poll and prompt reports to its manager, heartbeats to the director, who
 * also says where the manager is.
 */
#include <time.h>

#include "agent/agent.h"
#include "agent/trim.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/text.h"

#define BEAT_MS 10000
#define POLL_WAIT_MS 5000
#define RETRY_MS 1000
#define HASTY_MS 100
#define ASK_AFTER 3 /* failures in a row */
#define ASK_PAUSE_MS 1000

static const struct log_ctx here = {.logger = "agent.link"};

void agent_changed(struct agent *a)
{
    pthread_mutex_lock(&a->lock);
    a->changes++;
    pthread_cond_broadcast(&a->change);
    pthread_mutex_unlock(&a->lock);
}

/* Waits with the lock held, at most ms. */
static void wait_lock(struct agent *a, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&a->change, &a->lock, &until);
}

static bool pause_for(struct agent *a, int64_t ms)
{
    pthread_mutex_lock(&a->lock);
    int64_t end = clock_mono_ms() + ms;
    for (int64_t left = ms; left > 0 && !a->stopping; left = end - clock_mono_ms()) {
        wait_lock(a, left);
    }
    bool go_on = !a->stopping;
    pthread_mutex_unlock(&a->lock);
    return go_on;
}

/* ---- the manager's answers ---- */

static void take_document(struct agent *a, int64_t epoch, json_t *document)
{
    _cleanup_err_ struct err e = {0};
    bool whole = json_is_object(document) && json_int(document, "epoch", 0) == epoch;
    int64_t seq = whole ? json_int(document, "seq", 0) : 0; /* another's document is none */
    struct fence before = a->fence;
    enum fence_verdict v = fence_judge(&a->fence, epoch, seq);
    int r = 0;
    if (a->fence.promised != before.promised) {
        r = memory_promise(a, &e); /* before anything else (F2) */
    }
    if (r >= 0 && v == FENCE_ACCEPT) {
        r = memory_document(a, "document", document, &e);
    }
    if (r < 0) { /* what is not durable was not promised */
        log_warn(&here, "a document could not be stored: %s", e.message);
        a->fence = before;
        return;
    }
    if (v == FENCE_ACCEPT) {
        json_decref(a->accepted);
        a->accepted = json_incref(document);
        pthread_cond_broadcast(&a->change);
    }
    if (v == FENCE_PROMISE) {
        a->changes++;
        pthread_cond_broadcast(&a->change);
    }
}

static void answer_query(struct agent *a, struct wire *c, const json_t *query)
{
    _cleanup_buf_ struct buf text = {0};
    _cleanup_err_ struct err e = {0};
    int r = logs_tail(a, json_str(query, "name", ""), (int)json_int(query, "lines", 100), &text, &e);
    _cleanup_free_ char *said =
        r < 0 ? text_clean(e.message, strlen(e.message)) : text_clean(text.data, text.len);
    _cleanup_json_ json_t *body =
        json_pack("{s:I, s:s}", "id", (json_int_t)json_int(query, "id", 0), r < 0 ? "error" : "text", said);
    struct http_call call = {.method = "POST", .path = "/agent/v1/answer", .body = body};
    (void)!wire_do(c, &call, NULL, NULL, NULL);
}

static int exchange(struct agent *a, struct wire *c, bool poll, int64_t *echo, struct err *e)
{
    _cleanup_json_ json_t *body =
        json_pack("{s:o, s:I}", "report", report_make(a), "echo", (json_int_t)*echo);
    _cleanup_json_ json_t *answer = NULL;
    if (poll) {
        json_object_set_new(body, "wait_ms", json_integer(POLL_WAIT_MS));
    }
    struct http_call call = {.method = "POST",
                             .path = poll ? "/agent/v1/poll" : "/agent/v1/report",
                             .body = body,
                             .timeout_ms = POLL_WAIT_MS + 5000};
    int r = wire_do(c, &call, NULL, &answer, e);
    if (r < 0) {
        return r;
    }
    *echo = json_int(answer, "echo", 0);
    pthread_mutex_lock(&a->lock);
    take_document(a, json_int(answer, "epoch", 0), json_object_get(answer, "document"));
    pthread_mutex_unlock(&a->lock);
    size_t i;
    json_t *query;
    json_array_foreach(json_object_get(answer, "queries"), i, query)
    {
        answer_query(a, c, query);
    }
    return 0;
}

/* ---- connections ---- */

/* NULL while nobody knows the manager. ret_to: whom it goes to. */
static struct wire *dial_manager(struct agent *a, char *ret_to, size_t size, int64_t *ret_rev)
{
    struct wire *c = NULL;
    _cleanup_err_ struct err e = {0};
    pthread_mutex_lock(&a->lock);
    if (a->manager_name[0] && a->manager_address[0]) {
        (void)str_copy(ret_to, size, a->manager_address);
        *ret_rev = a->cert_rev;
        const char *port = strrchr(a->manager_address, ':');
        _cleanup_free_ char *url = str_printf("https://%s%s", a->manager_name, port ? port : ":9997");
        const struct http_client_config config = {.url = url,
                                                  .connect_to = a->manager_address,
                                                  .ca_pem = a->ca,
                                                  .key_pem = a->key_pem,
                                                  .cert_pem = a->cert_pem,
                                                  .connect_timeout_ms = 3000};
        if (wire_new(&config, a->stop_fd, &c, &e) < 0) { /* does not dial yet */
            log_warn(&here, "%s", e.message);
        }
    }
    pthread_mutex_unlock(&a->lock);
    return c;
}

struct line {
    struct wire *c;
    char to[ADDRESS_MAX];
    int64_t cert_rev;
    int64_t echo;
    int failures;
};

static bool moved(struct agent *a, const struct line *l)
{
    pthread_mutex_lock(&a->lock);
    bool yes = !str_eq(a->manager_address, l->to) || a->cert_rev != l->cert_rev;
    pthread_mutex_unlock(&a->lock);
    return yes;
}

static int line_exchange(struct agent *a, struct line *l, bool poll)
{
    if (l->c && moved(a, l)) {
        wire_free(l->c);
        *l = (struct line){0};
    }
    if (!l->c) {
        l->c = dial_manager(a, l->to, sizeof l->to, &l->cert_rev);
        l->echo = 0;
    }
    if (!l->c) {
        return ERR_UNAVAILABLE;
    }
    _cleanup_err_ struct err e = {0};
    int r = exchange(a, l->c, poll, &l->echo, &e);
    if (r < 0 && l->failures++ % 30 == 0) {
        log_warn(&here, "the manager at %s: %s", l->to, e.message);
    }
    l->failures = r < 0 ? l->failures : 0;
    if (l->failures % ASK_AFTER == ASK_AFTER - 1) {
        pthread_mutex_lock(&a->lock);
        a->ask = true; /* perhaps there is another manager by now */
        pthread_cond_broadcast(&a->change);
        pthread_mutex_unlock(&a->lock);
    }
    return r;
}

void *link_poll_thread(void *arg)
{
    struct agent *a = arg;
    struct line l = {0};
    bool go_on = true;
    while (go_on) {
        int64_t begun = clock_mono_ms();
        int r = line_exchange(a, &l, true);
        /* A peer that answers at once, again and again, must not make us spin. */
        bool hasty = clock_mono_ms() - begun < HASTY_MS;
        go_on = pause_for(a, r < 0 ? RETRY_MS : hasty ? HASTY_MS : 0);
    }
    wire_free(l.c);
    return NULL;
}

void *link_tell_thread(void *arg)
{
    struct agent *a = arg;
    struct line l = {0};
    pthread_mutex_lock(&a->lock);
    while (!a->stopping) {
        if (a->told == a->changes) {
            wait_lock(a, 60000);
            continue;
        }
        uint64_t told = a->changes;
        pthread_mutex_unlock(&a->lock);
        int r = line_exchange(a, &l, false);
        (void)pause_for(a, r < 0 ? RETRY_MS : 50); /* several changes, one report */
        pthread_mutex_lock(&a->lock);
        a->told = r < 0 ? a->told : told;
    }
    pthread_mutex_unlock(&a->lock);
    wire_free(l.c);
    return NULL;
}

/* ---- the director ---- */

static int beat(struct agent *a, struct wire *c, struct err *e)
{
    _cleanup_json_ json_t *body = json_pack("{s:I}", "boot", (json_int_t)a->boot);
    _cleanup_json_ json_t *answer = NULL;
    struct http_call call = {
        .method = "POST", .path = "/node/v1/heartbeat", .body = body, .timeout_ms = 10000};
    int r = wire_do(c, &call, NULL, &answer, e);
    const json_t *manager = json_object_get(answer, "manager");
    if (r < 0 || !json_is_object(manager)) {
        return r;
    }
    pthread_mutex_lock(&a->lock);
    (void)str_copy(a->manager_name, sizeof a->manager_name, json_str(manager, "name", ""));
    (void)str_copy(a->manager_address, sizeof a->manager_address, json_str(manager, "address", ""));
    pthread_mutex_unlock(&a->lock);
    return 0;
}

/* Until the next beat: its time, or a link that wants to know the manager. */
static bool beat_pause(struct agent *a)
{
    if (!pause_for(a, ASK_PAUSE_MS)) {
        return false;
    }
    int64_t end = clock_mono_ms() + BEAT_MS - ASK_PAUSE_MS;
    pthread_mutex_lock(&a->lock);
    bool lonely = !a->manager_address[0] && !str_eq(a->kind, "manager");
    for (int64_t left = 1; !lonely && left > 0 && !a->stopping && !a->ask; left = end - clock_mono_ms()) {
        wait_lock(a, end - clock_mono_ms());
    }
    a->ask = false;
    bool go_on = !a->stopping;
    pthread_mutex_unlock(&a->lock);
    return go_on;
}

void *link_beat_thread(void *arg)
{
    struct agent *a = arg;
    struct wire *c = NULL;
    int64_t rev = -1;
    int failures = 0;
    do {
        _cleanup_err_ struct err e = {0};
        if (c && rev != a->cert_rev) {
            wire_free(c);
            c = NULL;
        }
        rev = a->cert_rev; /* only this thread changes it */
        int r = c ? 0 : identity_director(a, &c, &e);
        r = r < 0 ? r : beat(a, c, &e);
        r = r < 0 ? r : identity_renew(a, c, &e);
        if (r < 0 && failures++ % 30 == 0) {
            log_warn(&here, "the director: %s", e.message);
        }
        failures = r < 0 ? failures : 0;
        logs_rotate(a);
        trim_memory();
    } while (beat_pause(a));
    wire_free(c);
    return NULL;
}
