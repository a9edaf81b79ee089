/*
 * Documents go into the boxes that the agents' polls take from; everything else is a request to the director and
 * goes into the queue of the caller.  A request that the planner repeats is made again only after REPEAT_MS: it is
 * idempotent or guarded by a revision at the director, so a repeat is safe, and needed when the first one was lost.
 */
#include "manager/converge.h"

#include "base/clock.h"
#include "manager/narrate.h"
#include "manager/references.h"
#include "manager/summary.h"
#include "manager/wire.h"
#include "model/text.h"

#define PLAN_EVERY_MS 1000 /* without a change */
#define TIDY_MS 3000
#define PLAN_GAP_MS 100 /* several changes at once are planned together */

static const struct log_ctx here = {.logger = "manager.converge"};

/* True when the request named key is to be made now; notes that it is. */
static bool due(struct managed *s, const char *key, int64_t now_ms)
{
    for (int i = 0; i < RECENT_MAX; i++) {
        struct recent *r = &s->recent[i];
        if (str_eq(r->key, key)) {
            if (now_ms - r->at_ms < REPEAT_MS) {
                return false;
            }
            r->at_ms = now_ms;
            return true;
        }
    }
    struct recent *r = &s->recent[s->next_recent++ % RECENT_MAX];
    str_copy(r->key, sizeof(r->key), key);
    r->at_ms = now_ms;
    return true;
}

/* Queues body (taken; epoch and service are added) unless the same key went a moment ago. */
static bool ask(struct manager *m, struct managed *s, const char *path, json_t *body, const char *key,
                int64_t now_ms)
{
    if (!due(s, key, now_ms)) {
        json_decref(body);
        return false;
    }
    json_object_set_new(body, "epoch", json_integer(m->epoch));
    json_object_set_new(body, "service", json_integer(s->id));
    struct queued_call call = {.path = path, .body = body, .service = s->id};
    str_copy(call.what, sizeof(call.what), key);
    return calls_push(&m->calls, &call);
}

static void do_document(struct manager *m, struct managed *s, const struct action *a, int64_t now_ms)
{
    struct err e = {0};
    struct box *b = managed_box(s, a->node);
    int64_t seq = 0;
    if (!b) {
        return;
    }
    if (!wire_ready(s, a->doc, &e)) {
        log_warn(&here, "n%lld: %s", (long long)a->node, e.message);
        err_done(&e);
        return;
    }
    if (have_send(&s->have, a->node, a->doc, now_ms, &seq) <= 0) {
        return;
    }
    json_t *document = NULL;
    if (wire_document(s, a->node, a->doc, m->epoch, seq, &document, &e) < 0) {
        log_error(&here, "%s", e.message);
        err_done(&e);
        return;
    }
    json_decref(b->document);
    b->document = document;
    b->seq = seq;
    b->delivered_ms = 0;
    log_debug(&here, "n%lld: document %lld", (long long)a->node, (long long)seq);
    pthread_cond_broadcast(&m->deliver);
}

static void do_create(struct manager *m, struct managed *s, const struct action *a, int64_t now_ms)
{
    _cleanup_buf_ struct buf key = {0};
    json_t *counts = json_object();
    buf_addf(&key, "create rev %lld gen %lld", (long long)a->nodes_rev, (long long)a->gen);
    for (int r = 0; r < s->view.type->n_roles; r++) {
        if (a->counts[r] > 0) {
            json_object_set_new(counts, s->view.type->roles[r].name, json_integer(a->counts[r]));
        }
    }
    json_t *body = json_pack("{s:I, s:I, s:o}", "nodes_rev", (json_int_t)a->nodes_rev, "gen",
                             (json_int_t)a->gen, "counts", counts);
    if (ask(m, s, "/node/v1/create", body, key.data, now_ms)) {
        narrate_create(m, s, a->counts);
    }
}

static void do_destroy(struct manager *m, struct managed *s, int64_t node, const char *why, int64_t now_ms)
{
    _cleanup_free_ char *key = str_printf("destroy n%lld", (long long)node);
    bool first = !have_doomed(&s->have, node);
    if (first) {
        have_doom(&s->have, node, why);
    }
    json_t *body = json_pack("{s:I, s:o}", "node", (json_int_t)node, "why", text_to_json(why));
    if (ask(m, s, "/node/v1/destroy", body, key, now_ms) && first) {
        narrate_destroy(m, s, node, why);
    }
}

static bool flying(const struct have *h, const struct action *a)
{
    for (int i = 0; i < h->n_flying; i++) {
        const struct have_publish *p = &h->flying[i];
        if (p->fact == a->fact && p->rev == a->rev && memcmp(&p->value, &a->value, sizeof(a->value)) == 0) {
            return true;
        }
    }
    return false;
}

static void do_publish(struct manager *m, struct managed *s, const struct action *a, int64_t now_ms)
{
    json_t *value = fact_value_to_json(&a->value);
    _cleanup_free_ char *text = json_canonical(value);
    char hash[SHA256_HEX];
    sha256_hex(text, strlen(text), hash);
    _cleanup_free_ char *key =
        str_printf("publish %s rev %lld %.16s", fact_id_to_str(a->fact), (long long)a->rev, hash);
    json_t *body = json_pack("{s:s, s:I, s:o}", "fact", fact_id_to_str(a->fact), "rev", (json_int_t)a->rev,
                             "value", value);
    if (!flying(&s->have, a)) {
        have_publish(&s->have, a->fact, a->rev, &a->value);
    }
    if (ask(m, s, "/node/v1/publish", body, key, now_ms)) {
        journal_add(&m->journal, LOG_DEBUG, s->id, "conpaas.core.controller", "fact %s: %s",
                    fact_id_to_str(a->fact), text);
    }
}

/* Whoever waits for an operation looks at the nodes next: what they do is told before its end, in the same queue. */
static void tell_before_end(struct manager *m, struct managed *s, const struct action *a, int64_t now_ms)
{
    _cleanup_free_ char *key = str_printf("report before the end of op %lld", (long long)a->op);
    if (!due(s, key, now_ms)) {
        return;
    }
    struct queued_call call = {.path = "/node/v1/report", .service = s->id};
    call.body = json_pack("{s:I, s:[o], s:[]}", "epoch", (json_int_t)m->epoch, "services",
                          summary_of(s, now_ms), "log");
    str_copy(call.what, sizeof(call.what), key);
    (void)calls_push(&m->calls, &call);
}

static void do_finish(struct manager *m, struct managed *s, const struct action *a, int64_t now_ms)
{
    _cleanup_free_ char *key = str_printf("finish op %lld", (long long)a->op);
    tell_before_end(m, s, a, now_ms);
    json_t *body = json_pack("{s:I, s:s, s:o}", "op", (json_int_t)a->op, "outcome",
                             op_state_to_str(a->outcome), "why", text_to_json(a->why));
    if (ask(m, s, "/node/v1/finish", body, key, now_ms)) {
        journal_add(&m->journal, a->outcome == OP_DONE ? LOG_INFO : LOG_WARN, s->id,
                    "conpaas.core.controller", "operation %lld: %s%s%s", (long long)a->op,
                    op_state_to_str(a->outcome), a->why[0] ? ": " : "", a->why);
    }
}

static void do_release(struct manager *m, struct managed *s, int64_t volume, int64_t now_ms)
{
    _cleanup_free_ char *key = str_printf("release volume %lld", (long long)volume);
    (void)ask(m, s, "/node/v1/release", json_pack("{s:I}", "volume", (json_int_t)volume), key, now_ms);
}

static void execute(struct manager *m, struct managed *s, const struct action *a, int64_t now_ms)
{
    switch (a->kind) {
    case ACT_CREATE:
        do_create(m, s, a, now_ms);
        break;
    case ACT_DOC:
        do_document(m, s, a, now_ms);
        break;
    case ACT_DESTROY:
        do_destroy(m, s, a->node, a->why, now_ms);
        break;
    case ACT_PUBLISH:
        do_publish(m, s, a, now_ms);
        break;
    case ACT_FINISH:
        do_finish(m, s, a, now_ms);
        break;
    case ACT_RELEASE:
        do_release(m, s, a->volume, now_ms);
        break;
    case ACT_STEP_DOWN:
        journal_add(&m->journal, LOG_WARN, s->id, "manager.converge", "stepping down: %s", a->why);
        m->end = m->end == END_NONE ? END_STEPPED_DOWN : m->end;
        pthread_cond_broadcast(&m->ended);
        break;
    case ACT_MAX:
        break;
    }
}

/* A destroy once sent is final and is repeated until the director shows it (F10). */
static void repeat_dooms(struct manager *m, struct managed *s, int64_t now_ms)
{
    for (int i = 0; i < s->have.n_doomed; i++) {
        const struct node *n = service_node(&s->view, s->have.doomed[i].node);
        if (n && n->status < NODE_DYING) {
            do_destroy(m, s, n->id, s->have.doomed[i].why, now_ms);
        }
    }
}

/* What people are told: the tidying up that follows an operation (an old version goes) is no state of its own. */
static bool shown_converged(struct managed *s, bool converged, int64_t now_ms)
{
    if (converged || s->view.n_ops > 0) {
        s->differs_ms = 0;
        return converged;
    }
    if (s->differs_ms == 0) {
        s->differs_ms = now_ms;
    }
    return now_ms - s->differs_ms < TIDY_MS ? s->converged : false;
}

static void note_outcome(struct manager *m, struct managed *s, const struct plan *p, int64_t now_ms)
{
    bool converged = shown_converged(s, p->converged, now_ms);
    bool changed = s->converged != converged || !str_eq(s->waits_for, p->waits_for);
    if (s->converged != converged) {
        s->converged = converged;
        narrate_converged(m, s);
    }
    str_copy(s->waits_for, sizeof(s->waits_for), p->waits_for);
    if (changed) {
        pthread_mutex_lock(&m->journal.lock);
        m->report_now = true;
        pthread_cond_signal(&m->journal.more);
        pthread_mutex_unlock(&m->journal.lock);
    }
}

static void plan_one(struct manager *m, struct managed *s, int64_t now_ms)
{
    struct plan p = {0};
    s->dirty = false;
    s->planned_ms = now_ms;
    references_update(m, s);
    plan_service(&s->view, s->credit_ok, &s->have, now_ms, &p);
    for (int i = 0; i < p.n && m->end == END_NONE; i++) {
        execute(m, s, &p.actions[i], now_ms);
    }
    repeat_dooms(m, s, now_ms);
    note_outcome(m, s, &p, now_ms);
    int64_t soonest = now_ms + PLAN_EVERY_MS;
    s->wake_ms = p.wake_ms > soonest || p.wake_ms == 0 ? soonest : p.wake_ms;
    plan_done(&p);
}

/* Plans what is due; returns how long there is nothing to do. */
static int64_t plan_all(struct manager *m)
{
    int64_t now = clock_steady_ms();
    int64_t pause = PLAN_EVERY_MS;
    if (m->epoch == 0 || !manager_leased(m)) {
        return pause;
    }
    for (int i = 0; i < m->n_services && m->end == END_NONE; i++) {
        struct managed *s = m->services[i];
        int64_t at = s->dirty ? s->planned_ms + PLAN_GAP_MS : s->wake_ms;
        if (at <= now) {
            plan_one(m, s, now);
            at = s->wake_ms;
        }
        pause = at - now < pause ? at - now : pause;
    }
    return pause < 10 ? 10 : pause;
}

void *converge_main(void *arg)
{
    struct manager *m = arg;
    pthread_mutex_lock(&m->lock);
    while (m->end == END_NONE) {
        manager_sleep(m, &m->wake, plan_all(m));
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}
