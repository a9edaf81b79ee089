/*
 * What is due by the clock: deadlines, hours, users without credit, lost managers, cloud calls.
 */
#include <assert.h>

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/ledger.h"
#include "engine/truth_int.h"

static const int64_t deadline_ms[FACET_MAX] = {
    [FACET_RUN] = DEADLINE_RUN_MS,   [FACET_COUNTS] = DEADLINE_COUNTS_MS,
    [FACET_CODE] = DEADLINE_CODE_MS, [FACET_SETTINGS] = DEADLINE_SETTINGS_MS,
    [FACET_CMD] = DEADLINE_CMD_MS,   [FACET_VOLUME] = DEADLINE_VOLUME_MS,
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t overdue_at(const struct service *s, const struct op *o)
{
    const struct command_def *d = o->facet == FACET_CMD ? service_type_command(s->type, o->kind) : NULL;
    int64_t deadline = d && d->deadline_ms ? d->deadline_ms : deadline_ms[o->facet];
    return earlier(o->progress_ms + deadline, o->born_ms + DEADLINE_FACTOR * deadline);
}

static void kill_all(struct truth *t, const char *why)
{
    int *n = NULL;
    struct node *nodes = truth_nodes(t, &n);
    for (int i = *n - 1; i >= 0; i--) {
        truth_kill(t, &nodes[i], why);
    }
}

/* C3: nobody will carry it out. */
static bool has_no_manager(const struct app *a)
{
    return a->fails >= FAILS_MAX;
}

/* O5: the director ends operations itself; the manager may be dead. A stop it even carries out itself. */
static int64_t check_deadlines(struct truth *t)
{
    struct service *s = t->service;
    int64_t next = INT64_MAX;
    for (int i = s->n_ops - 1; i >= 0; i--) {
        struct op *o = &s->ops[i];
        bool stop = o->facet == FACET_RUN && o->value.run == RUN_STOPPED;
        if (stop && s->n_nodes == 0) {
            truth_end(t, o, OP_DONE, "", false);
        } else if (stop && t->now_ms - o->born_ms > STOP_ALONE_MS && !t->recovery) {
            kill_all(t, "the service is stopped");
        } else if (!stop && has_no_manager(t->app)) {
            _cleanup_free_ char *why = str_printf("the manager's node cannot be made: %s", t->app->fail_why);
            truth_end(t, o, OP_FAILED, why, false);
        } else if (overdue_at(s, o) <= t->now_ms && !bug(NO_DEADLINE)) {
            truth_end(t, o, OP_FAILED, "deadline: nothing has moved for too long", false);
        } else {
            next = earlier(next, overdue_at(s, o));
            next = stop ? earlier(next, o->born_ms + STOP_ALONE_MS + 1) : next;
        }
    }
    return next;
}

/* ---- credit ---- */

static bool owes(const struct node *n, int64_t now_ms)
{
    return node_alive(n) && n->hours_paid <= ledger_due_hour(n->created_ms, now_ms);
}

static void out_of_credit(struct truth *t)
{
    t->purse->broke_ms = t->now_ms;
    truth_history(t, "out of credit");
    truth_alarm(t, "user %lld is out of credit", (long long)t->purse->user);
}

/* B2-B4: reserves what is due, all or nothing. */
static int64_t reserve_hours(struct truth *t)
{
    int *count = NULL;
    struct node *nodes = truth_nodes(t, &count);
    int64_t due = 0, next = INT64_MAX, most = 0;
    for (int i = 0; i < *count; i++) {
        if (owes(&nodes[i], t->now_ms)) {
            int64_t hours = ledger_due_hour(nodes[i].created_ms, t->now_ms) + 1 - nodes[i].hours_paid;
            due += hours;
            most = hours > most ? hours : most;
        }
    }
    if (due > 0 && t->purse->broke_ms == 0 && !ledger_can(t, due)) {
        out_of_credit(t);
    }
    if (most > 1) {
        truth_alarm(t, "%lld hours are charged at once: was the director down, or the clock set?",
                    (long long)most);
    }
    for (int i = 0; i < *count; i++) {
        struct node *n = &nodes[i];
        while (t->purse->broke_ms == 0 && owes(n, t->now_ms)) {
            ledger_use(t, n, n->hours_paid);
            effect_add(t, EFF_NODE)->node = *n;
        }
        if (node_alive(n)) {
            next = earlier(next, ledger_next_due_ms(n));
        }
    }
    return next;
}

/* B6: orderly stop first; then the director itself takes the nodes, before an hour that is not paid for. */
static int64_t wind_up(struct truth *t)
{
    if (t->service) {
        truth_stop_now(t, "no credit");
    }
    int *count = NULL;
    struct node *nodes = truth_nodes(t, &count);
    int64_t next = INT64_MAX, all_at = t->purse->broke_ms + BROKE_GRACE_MS;
    for (int i = *count - 1; i >= 0; i--) {
        struct node *n = &nodes[i];
        int64_t at = earlier(all_at, n->created_ms + n->hours_paid * HOUR_MS - 60 * SECOND);
        if (node_alive(n) && at <= t->now_ms) {
            truth_kill(t, n, "no credit");
        } else if (node_alive(n)) {
            next = earlier(next, at);
        }
    }
    if (!t->service && t->app->manager_node == 0) {
        t->app->manager_wanted = false; /* not before: credit that comes in time keeps it */
    }
    return next;
}

static int64_t account(struct truth *t)
{
    if (t->recovery) {
        return INT64_MAX;
    }
    int64_t next = reserve_hours(t);
    return t->purse->broke_ms != 0 ? earlier(next, wind_up(t)) : next;
}

/* ---- the manager's node ---- */

/* Its node is condemned: never adopted again. One on which no manager has ever led counts as a creation that failed
 * (C2), or it would be replaced for ever; each try costs its hour, so that in the end there is one an hour. */
static void condemn_manager(struct truth *t, struct node *n)
{
    struct app *a = t->app;
    bool late = n->status != NODE_UP, idle = !late && a->manager_heard_ms <= n->up_ms;
    const char *why = late   ? "the manager's node did not boot in time"
                      : idle ? "the manager did not start on its node"
                             : "the manager's node is lost";
    truth_kill(t, n, late ? "late" : "lost");
    if (!late && !idle) {
        truth_history(t, "%s", why);
    } else {
        truth_create_failed(t, why);
        a->launch_after_ms = a->fails >= FAILS_MAX ? t->now_ms + HOUR_MS : a->launch_after_ms;
    }
}

static int64_t watch_manager(struct truth *t)
{
    struct app *a = t->app;
    struct node *n = app_node(a, a->manager_node);
    if (n && node_alive(n)) {
        int64_t from = n->up_ms > a->manager_heard_ms ? n->up_ms : a->manager_heard_ms;
        int64_t lost = n->status == NODE_UP ? from + MANAGER_LOST_MS : n->created_ms + BOOT_MAX_MS;
        if (t->now_ms < lost || t->recovery) {
            return lost;
        }
        condemn_manager(t, n);
    }
    if (!a->manager_wanted || a->deleting || t->recovery || t->purse->broke_ms != 0) {
        return INT64_MAX;
    }
    if (t->now_ms >= a->launch_after_ms && a->n_nodes < MANAGER_NODES_MAX) {
        if (truth_want_manager(t, NULL) < 0) {
            a->manager_wanted = true; /* no credit for another one: try again */
            a->launch_after_ms = t->now_ms + 60 * SECOND;
        }
    }
    return a->launch_after_ms > t->now_ms ? a->launch_after_ms : t->now_ms + SECOND;
}

int64_t truth_tick(struct truth *t, struct cloud_tasks *ret)
{
    ret->n = 0;
    int64_t next = account(t);
    next = earlier(next, t->service ? check_deadlines(t) : watch_manager(t));
    next = earlier(next, truth_provision(t, ret));
    next = earlier(next, truth_volumes(t, ret));
    truth_update_state(t);
    return next;
}
