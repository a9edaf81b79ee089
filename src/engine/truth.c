/*
 * Effects, nodes, and what all transitions share.
 */
#include "engine/truth.h"

#include <assert.h>
#include <string.h>

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/ledger.h"
#include "engine/truth_int.h"

static const char *const ledger_kind_table[LEDGER_KIND_MAX] = {
    [LEDGER_GRANT] = "grant", [LEDGER_USE] = "use",         [LEDGER_REFUND] = "refund",
    [LEDGER_HOLD] = "hold",   [LEDGER_RELEASE] = "release",
};
STR_TABLE_DEFINE(ledger_kind, enum ledger_kind, LEDGER_KIND_MAX);

void effects_done(struct effects *x)
{
    free(x->e);
    memset(x, 0, sizeof *x);
}

struct effect *effect_add(struct truth *t, enum effect_kind kind)
{
    struct effects *x = t->out;
    if (x->n == x->cap) {
        x->cap = x->cap ? 2 * x->cap : 8;
        x->e = xreallocarray(x->e, (size_t)x->cap, sizeof *x->e);
    }
    struct effect *e = &x->e[x->n++];
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->at_ms = t->now_ms;
    e->user = t->purse ? t->purse->user : 0;
    e->service = t->service ? t->service->id : 0;
    return e;
}

static void effect_text(struct truth *t, enum effect_kind kind, const char *fmt, va_list ap)
{
    struct effect *e = effect_add(t, kind);
    if (t->service) {
        e->state = t->service->state;
    }
    (void)vsnprintf(e->text, sizeof e->text, fmt, ap); /* cut when longer: for people */
}

void truth_history(struct truth *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    effect_text(t, EFF_HISTORY, fmt, ap);
    va_end(ap);
}

void truth_alarm(struct truth *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    effect_text(t, EFF_ALARM, fmt, ap);
    va_end(ap);
}

void truth_touch(struct truth *t)
{
    t->app->txn++;
    for (int i = 0; t->service && i < t->service->n_ops; i++) {
        t->service->ops[i].progress_ms = t->now_ms;
    }
}

/* ---- nodes ---- */

struct node *truth_nodes(struct truth *t, int **ret_n)
{
    *ret_n = t->service ? &t->service->n_nodes : &t->app->n_nodes;
    return t->service ? t->service->nodes : t->app->nodes;
}

struct node *truth_node(struct truth *t, int64_t id)
{
    return t->service ? service_node(t->service, id) : app_node(t->app, id);
}

static void node_remove(struct truth *t, struct node *n)
{
    int *count = NULL;
    struct node *nodes = truth_nodes(t, &count);
    int64_t at = n - nodes;
    assert(at >= 0 && at < *count);
    memmove(n, n + 1, (size_t)(*count - at - 1) * sizeof *n);
    (*count)--;
    memset(&nodes[*count], 0, sizeof *n);
}

void truth_set_status(struct truth *t, struct node *n, enum node_status status)
{
    if (n->status == status) {
        return;
    }
    n->status = status;
    if (status == NODE_DYING) {
        n->dying_ms = t->now_ms;
        n->retry_ms = t->now_ms;
        n->poll_ms = 0;
    }
    if (t->service && (status == NODE_DYING || status == NODE_GONE)) {
        t->service->nodes_rev++;
    }
    if (!t->service && t->app->manager_node == n->id && !node_alive(n)) {
        t->app->manager_node = 0;
    }
    effect_add(t, EFF_NODE)->node = *n;
    if (status == NODE_GONE) {
        node_remove(t, n);
    }
    truth_touch(t);
}

void truth_kill(struct truth *t, struct node *n, const char *why)
{
    if (!node_alive(n)) {
        return;
    }
    (void)str_copy(n->why, sizeof n->why, why);
    bool never_asked = n->status == NODE_INTENT && n->tries == 0 && n->asked_ms == 0;
    if (never_asked) {
        ledger_refund(t, n);
        truth_set_status(t, n, NODE_GONE);
    } else {
        truth_set_status(t, n, NODE_DYING);
    }
}

static int64_t backoff_ms(int fails)
{
    int64_t ms = fails < 10 ? BACKOFF0_MS << fails : BACKOFF_MAX_MS;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

void truth_create_failed(struct truth *t, const char *why)
{
    if (t->service) {
        struct service *s = t->service;
        s->fails++;
        s->create_after_ms = t->now_ms + backoff_ms(s->fails);
        (void)str_copy(s->fail_why, sizeof s->fail_why, why);
    } else {
        t->app->fails++;
        t->app->launch_after_ms = t->now_ms + backoff_ms(t->app->fails);
        (void)str_copy(t->app->fail_why, sizeof t->app->fail_why, why);
    }
    truth_history(t, "%s could not be made: %s", t->service ? "a node" : "the manager's node", why);
    t->app->txn++;
}

/* The operation that pays for creations, if it still wants nodes. */
static struct op *paying_op(struct truth *t)
{
    struct op *o = t->service ? truth_active(t, FACET_RUN) : NULL;
    o = o || !t->service ? o : truth_active(t, FACET_COUNTS);
    return o && t->service->want.run == RUN_RUNNING ? o : NULL;
}

void truth_never_was(struct truth *t, struct node *n, const char *why)
{
    bool paid = n->hours_paid == 1;
    (void)str_copy(n->why, sizeof n->why, why);
    if (!bug(NO_REFUND)) {
        ledger_refund(t, n);
    }
    struct op *o = paying_op(t);
    if (paid && o) { /* the operation will try again: its credit stays reserved (B8) */
        ledger_hold(t, o, 1);
        effect_add(t, EFF_OP)->op = *o;
    }
    truth_set_status(t, n, NODE_GONE);
}

struct node *truth_add_node(struct truth *t, int role)
{
    int *count = NULL;
    struct node *nodes = truth_nodes(t, &count);
    assert(*count < (t->service ? NODES_MAX : MANAGER_NODES_MAX));
    struct node *n = &nodes[(*count)++];
    memset(n, 0, sizeof *n);
    n->id = (*t->next_id)++;
    n->ord = t->service ? ++t->service->next_ord : ++t->app->instance;
    n->role = role;
    n->status = NODE_INTENT;
    n->created_ms = t->now_ms;
    (void)str_copy(n->cloud, sizeof n->cloud, t->service ? t->service->cloud : t->app->cloud);
    t->token(t->token_arg, n->id, n->token);
    ledger_use(t, n, 0);
    effect_add(t, EFF_NODE)->node = *n;
    if (t->service) {
        t->service->nodes_rev++;
    }
    truth_touch(t);
    return n;
}

/* ---- states ---- */

enum service_state service_state_of(const struct service *s)
{
    bool changing = false;
    for (int i = 0; i < s->n_ops; i++) {
        if (s->ops[i].facet == FACET_RUN) {
            return s->ops[i].value.run == RUN_RUNNING ? SERVICE_PROLOGUE : SERVICE_EPILOGUE;
        }
        changing = true;
    }
    if (s->want.run == RUN_RUNNING) {
        return s->in_error ? SERVICE_ERROR : changing || !s->converged ? SERVICE_ADAPTING : SERVICE_RUNNING;
    }
    return s->in_error       ? SERVICE_ERROR
           : s->n_nodes > 0  ? SERVICE_EPILOGUE
           : s->started_once ? SERVICE_STOPPED
                             : SERVICE_INIT;
}

/* For the history: why the state is what it is. */
static const char *state_reason(const struct service *s)
{
    static const char *const changes[FACET_MAX] = {
        [FACET_RUN] = "start or stop",    [FACET_COUNTS] = "nodes are added or removed",
        [FACET_CODE] = "another version", [FACET_SETTINGS] = "settings",
        [FACET_CMD] = "a script",         [FACET_VOLUME] = "a volume"};
    switch (s->state) {
    case SERVICE_ERROR:
        return s->error_why;
    case SERVICE_ADAPTING:
        return s->n_ops > 0 ? changes[s->ops[0].facet] : "something is not as wanted and is mended";
    case SERVICE_PROLOGUE:
        return "it is started";
    case SERVICE_EPILOGUE:
        return "it is stopped";
    case SERVICE_RUNNING:
        return "all is as wanted";
    default:
        return "no node is left";
    }
}

void truth_update_state(struct truth *t)
{
    struct service *s = t->service;
    if (!s) {
        return;
    }
    enum service_state now = service_state_of(s);
    if (now == s->state) {
        return;
    }
    s->state = now;
    t->app->txn++;
    truth_history(t, "STATE %s: %s", service_state_to_str(now), state_reason(s));
    t->out->e[t->out->n - 1].state_changed = true;
}

void truth_converged(struct truth *t, bool converged)
{
    struct service *s = t->service;
    s->converged = converged && s->want.run == RUN_RUNNING;
    if (s->converged && s->in_error) {
        s->in_error = false; /* it has healed */
        s->error_why[0] = '\0';
    }
    truth_update_state(t);
}

bool app_is_empty(const struct app *a, struct service *const *services, int n)
{
    for (int i = 0; i < n; i++) {
        if (services[i]->n_nodes > 0 || (services[i]->deleting && services[i]->n_volumes > 0)) {
            return false;
        }
    }
    return a->n_nodes == 0;
}
