/*
 * Provisioning: which cloud call is due for a node, and what its outcome means (P, V rules).
 */
#include <assert.h>
#include <string.h>

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/ledger.h"
#include "engine/truth_int.h"
#include "model/cloud_result.h"

static void add_task(struct truth *t, struct cloud_tasks *ret, const struct node *n, enum cloud_step step)
{
    ret->t[ret->n].service = t->service ? t->service->id : 0;
    ret->t[ret->n].node = n->id;
    ret->t[ret->n].volume = 0;
    ret->t[ret->n].step = step;
    ret->n++;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Nobody hears the agent: look at the machine more often. */
static bool is_silent(const struct truth *t, const struct node *n)
{
    int64_t heard = n->heard_ms > n->up_ms ? n->heard_ms : n->up_ms;
    return n->status == NODE_UP && t->now_ms - heard > LOST_AFTER_MS;
}

/* INTENT, ASKED, UNSURE: returns when to look again. */
static int64_t provision_new(struct truth *t, struct node *n, struct cloud_tasks *ret)
{
    if (n->status == NODE_INTENT && t->now_ms >= n->retry_ms) {
        n->asked_ms = t->now_ms;
        truth_set_status(t, n, NODE_ASKED); /* P2: stored before the call leaves */
        add_task(t, ret, n, STEP_CREATE);
    } else if (n->status == NODE_ASKED && t->now_ms >= n->asked_ms + ASKED_MAX_MS) {
        n->retry_ms = t->now_ms + FIND_WAIT_MS;
        truth_set_status(t, n, NODE_UNSURE);
    } else if (n->status == NODE_UNSURE && t->now_ms >= n->retry_ms) {
        n->retry_ms = t->now_ms + ASKED_MAX_MS;
        add_task(t, ret, n, STEP_FIND);
    }
    return n->status == NODE_ASKED ? n->asked_ms + ASKED_MAX_MS : n->retry_ms;
}

static int64_t provision_known(struct truth *t, struct node *n, struct cloud_tasks *ret)
{
    bool dying = n->status == NODE_DYING;
    if (!n->cloud_id[0]) {
        if (t->now_ms >= n->retry_ms) {
            n->retry_ms = t->now_ms + FIND_WAIT_MS;
            add_task(t, ret, n, STEP_FIND);
        }
        return n->retry_ms;
    }
    if (dying && t->now_ms >= n->retry_ms && n->poll_ms == 0) {
        n->retry_ms = t->now_ms + TERMINATE_WAIT_MS;
        add_task(t, ret, n, STEP_TERMINATE);
    } else if (n->poll_ms <= t->now_ms && (!dying || n->poll_ms != 0)) {
        n->poll_ms = t->now_ms + (dying || n->seen_gone || is_silent(t, n) ? POLL_QUICK_MS : POLL_CLOUD_MS);
        add_task(t, ret, n, STEP_POLL);
    }
    return dying && n->poll_ms == 0 ? n->retry_ms : n->poll_ms;
}

int64_t truth_provision(struct truth *t, struct cloud_tasks *ret)
{
    int *count = NULL;
    struct node *nodes = truth_nodes(t, &count);
    int64_t next = INT64_MAX;
    for (int i = 0; i < *count; i++) {
        struct node *n = &nodes[i];
        bool fresh = n->status == NODE_INTENT || n->status == NODE_ASKED || n->status == NODE_UNSURE;
        if (t->recovery && (n->status == NODE_INTENT || (n->status == NODE_DYING && !bug(RECOVERY_ACTS)))) {
            continue; /* T7 */
        }
        next = earlier(next, fresh ? provision_new(t, n, ret) : provision_known(t, n, ret));
    }
    return next;
}

/* ---- outcomes ---- */

static void take_machine(struct truth *t, struct node *n, const struct cloud_outcome *o)
{
    if (!n->cloud_id[0]) {
        (void)str_copy(n->cloud_id, sizeof n->cloud_id, o->cloud_id);
        n->poll_ms = 0;
        n->retry_ms = t->now_ms;
        effect_add(t, EFF_NODE)->node = *n;
    }
    if (!n->address[0]) {
        (void)str_copy(n->address, sizeof n->address, o->address);
    }
    if (n->status == NODE_INTENT || n->status == NODE_ASKED || n->status == NODE_UNSURE) {
        truth_set_status(t, n, NODE_BOOTING);
    }
}

static const char *reason(const struct cloud_outcome *o)
{
    return o->why[0] ? o->why : "the cloud refused";
}

static void give_up(struct truth *t, struct node *n, const struct cloud_outcome *o)
{
    char why[WHY_MAX];
    (void)str_copy(why, sizeof why, reason(o));
    if (o->result == CLOUD_AUTH || o->result == CLOUD_INVALID) {
        truth_alarm(t, "the cloud refuses to make nodes: %s", why);
    }
    truth_never_was(t, n, why);
    truth_create_failed(t, why);
}

static void outcome_create(struct truth *t, struct node *n, const struct cloud_outcome *o)
{
    if (o->result == CLOUD_OK) {
        take_machine(t, n, o);
        return;
    }
    if (n->status != NODE_ASKED) {
        return; /* late: what to do was decided without it */
    }
    switch (o->result) {
    case CLOUD_RETRY:
    case CLOUD_THROTTLED:
    case CLOUD_CONFLICT:
        if (++n->tries > CREATE_TRIES_MAX) {
            give_up(t, n, o);
            return;
        }
        n->retry_ms = t->now_ms + (CREATE_WAIT_MS << n->tries) * (o->result == CLOUD_THROTTLED ? 2 : 1);
        truth_set_status(t, n, NODE_INTENT);
        return;
    case CLOUD_CAPACITY:
    case CLOUD_QUOTA:
    case CLOUD_AUTH:
    case CLOUD_NOTFOUND:
    case CLOUD_INVALID:
    case CLOUD_UNSUPPORTED:
    case CLOUD_PERMANENT:
        give_up(t, n, o);
        return;
    default: /* UNKNOWN, and whatever a driver may invent: the machine may exist */
        n->retry_ms = bug(NO_FIND) ? t->now_ms : t->now_ms + FIND_WAIT_MS;
        truth_set_status(t, n, bug(NO_FIND) ? NODE_INTENT : NODE_UNSURE);
    }
}

/* V2: found nothing twice, 20 s apart: ask again with the same token, which makes a second machine impossible or at
 * least visible as a leak (V5). */
static void not_found(struct truth *t, struct node *n, const struct cloud_outcome *o)
{
    if (n->status == NODE_UNSURE) {
        n->retry_ms = t->now_ms + FIND_WAIT_MS;
        if (++n->finds >= 2) {
            n->finds = 0;
            n->tries++;
            if (n->tries > CREATE_TRIES_MAX) {
                give_up(t, n, o);
                return;
            }
            n->retry_ms = t->now_ms;
            truth_set_status(t, n, NODE_INTENT);
        }
    } else if (n->status == NODE_DYING && t->now_ms - n->dying_ms > SETTLE_MS) { /* V4 */
        truth_never_was(t, n, n->why);
    }
}

/* Its volumes go to others when it is gone. */
static bool holds_volumes(const struct truth *t, const struct node *n)
{
    bool holds = false;
    for (int i = 0; t->service && i < t->service->n_volumes; i++) {
        holds = holds || t->service->volumes[i].node == n->id;
    }
    return holds;
}

/* X6: the cloud has to say it twice in a row, except when we wanted it and nothing depends on it. */
static void seen_dead(struct truth *t, struct node *n)
{
    if ((n->status != NODE_DYING || holds_volumes(t, n)) && !n->seen_gone) {
        n->seen_gone = true;
        n->poll_ms = t->now_ms + POLL_QUICK_MS;
        return;
    }
    if (n->status != NODE_DYING) {
        bool booted = n->status == NODE_UP;
        (void)str_copy(n->why, sizeof n->why, "the cloud says it is gone");
        truth_history(t, "node %lld is gone, says the cloud", (long long)n->id);
        if (!booted) {
            truth_create_failed(t, "the machine went away before it had booted");
        }
    }
    truth_set_status(t, n, NODE_GONE);
}

void truth_cloud_outcome(struct truth *t, int64_t node, const struct cloud_outcome *o)
{
    struct node *n = truth_node(t, node);
    if (!n) {
        return;
    }
    bool absent = o->result == CLOUD_NOTFOUND;
    switch (o->step) {
    case STEP_CREATE:
        outcome_create(t, n, o);
        break;
    case STEP_FIND:
        if (o->result == CLOUD_OK) {
            take_machine(t, n, o);
        } else if (absent && !n->cloud_id[0]) {
            not_found(t, n, o);
        } else {
            n->retry_ms = t->now_ms + FIND_WAIT_MS;
        }
        break;
    case STEP_POLL:
        if ((o->result == CLOUD_OK && o->gone) || absent) {
            seen_dead(t, n);
        } else if (o->result == CLOUD_OK) {
            n->seen_gone = false;
            if (n->status == NODE_DYING) { /* terminate again, until it is gone */
                n->poll_ms = 0;
                n->retry_ms = t->now_ms + TERMINATE_WAIT_MS;
            }
        }
        break;
    case STEP_TERMINATE:
        if (o->result == CLOUD_OK || absent) {
            n->poll_ms = t->now_ms + SECOND;
        } else {
            n->retry_ms = t->now_ms + TERMINATE_WAIT_MS;
        }
        break;
    default: /* of volumes: truth_volume_outcome */
        break;
    }
    truth_update_state(t);
}

void truth_restarted(struct truth *t)
{
    int *count = NULL;
    struct node *nodes = truth_nodes(t, &count);
    for (int i = 0; i < *count; i++) {
        struct node *n = &nodes[i];
        n->poll_ms = 0;
        if (n->status == NODE_ASKED) {
            n->retry_ms = t->now_ms + FIND_WAIT_MS;
            truth_set_status(t, n, bug(ASKED_AGAIN) ? NODE_INTENT : NODE_UNSURE);
        } else if (n->status == NODE_UNSURE || n->status == NODE_DYING) {
            n->retry_ms = t->now_ms;
        }
        n->heard_ms = t->now_ms; /* heard is memory: nobody is lost because the director slept (L1) */
    }
    if (!t->service) {
        t->app->manager_heard_ms = t->now_ms;
    } else {
        t->service->converged = false;
        truth_volumes_restarted(t);
        truth_forget_replacements(t); /* what ended while nobody looked need not have kept ending (T4) */
        truth_update_state(t);
    }
}
