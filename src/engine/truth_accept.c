/*
 * Changes that users ask for (O rules, B8).
 */
#include <string.h>

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/ledger.h"
#include "engine/truth_int.h"

#include "engine/place.h"

#define IN(state) (1u << SERVICE_##state)

unsigned truth_legal_states(enum facet f, enum run value)
{
    switch (f) {
    case FACET_RUN:
        return value == RUN_RUNNING ? IN(INIT) | IN(STOPPED) | IN(ERROR)
                                    : IN(PROLOGUE) | IN(RUNNING) | IN(ADAPTING) | IN(ERROR);
    case FACET_CMD:
    case FACET_VOLUME:                     /* what needs no node also later (check_state) */
        return IN(RUNNING) | IN(ADAPTING); /* ADAPTING: another facet changes, or something is repaired */
    default:
        return IN(INIT) | IN(STOPPED) | IN(RUNNING) | IN(ADAPTING) | IN(ERROR);
    }
}

static int wrong_state(const struct service *s, unsigned legal, struct err *e)
{
    _cleanup_buf_ struct buf text = {0};
    for (int k = 0; k < SERVICE_STATE_MAX; k++) {
        if (legal >> k & 1) {
            buf_addf(&text, "%s%s", text.len ? ", " : "", service_state_to_str((enum service_state)k));
        }
    }
    return err_set(e, ERR_STATE, "wrong state: legal in %s; the service is %s%s%s", text.data,
                   service_state_to_str(s->state), s->in_error ? ": " : "", s->in_error ? s->error_why : "");
}

/* Nothing of the service is there or wanted: code and settings take effect at once, a start is possible. */
static bool at_rest(const struct service *s)
{
    return s->want.run == RUN_STOPPED && s->n_nodes == 0 && s->n_ops == 0;
}

static int check_state(const struct truth *t, const struct change *c, struct err *e)
{
    const struct service *s = t->service;
    unsigned legal = truth_legal_states(c->facet, c->value.run);
    bool bare = c->facet == FACET_VOLUME && (str_eq(c->kind, "detach") || str_eq(c->kind, "delete"));
    legal |= bare ? IN(INIT) | IN(STOPPED) | IN(ERROR) : 0;
    if (!(legal >> s->state & 1) || s->deleting) {
        return wrong_state(s, legal, e);
    }
    if (s->state != SERVICE_ERROR) {
        return 0;
    }
    bool stopping = c->facet == FACET_RUN && c->value.run == RUN_STOPPED;
    if (c->facet == FACET_COUNTS && s->want.run == RUN_RUNNING) {
        return err_set_hint(e, ERR_STATE, "stop it first", "wrong state: the service is ERROR: %s",
                            s->error_why);
    }
    if (stopping && s->want.run != RUN_RUNNING) {
        return err_set(e, ERR_STATE, "wrong state: the service is ERROR and nothing of it runs");
    }
    if (c->facet == FACET_RUN && !stopping && !at_rest(s)) {
        return err_set_hint(e, ERR_STATE,
                            s->want.run == RUN_RUNNING ? "stop it first" : "wait until its nodes are gone",
                            "wrong state: the service is ERROR and has nodes: %s", s->error_why);
    }
    return 0;
}

/* K7: who carries the command out, of those that are there now. */
static void choose_targets(const struct truth *t, const struct change *c, const struct command_def *d,
                           struct id_set *ret)
{
    const struct service *s = t->service;
    const struct node *one = NULL;
    *ret = d->where == COMMAND_ON_MEMBERS ? s->facts[FACT_MEMBERS].v.ids : (struct id_set){0};
    for (int i = 0; i < s->n_nodes && d->where != COMMAND_ON_MEMBERS; i++) {
        const struct node *n = &s->nodes[i];
        if (n->status != NODE_UP || n->role != d->role || (c->node != 0 && n->id != c->node)) {
            continue;
        }
        bool heard = t->now_ms - n->heard_ms < LOST_AFTER_MS;
        bool one_heard = one && t->now_ms - one->heard_ms < LOST_AFTER_MS;
        if (!one || (heard && !one_heard) || (heard == one_heard && n->ord < one->ord)) {
            one = n;
        }
        if (d->where == COMMAND_ON_ALL) {
            set_add(ret, n->id);
        }
    }
    if (d->where == COMMAND_ON_ONE && one) {
        set_add(ret, one->id);
    }
}

/* K3, as far as the director can know: the agents are the last judges. */
static int check_cmd(struct truth *t, const struct change *c, struct err *e)
{
    struct service *s = t->service;
    struct id_set targets;
    const struct command_def *d = service_type_command(s->type, c->kind);
    if (!d || d->internal) {
        return err_set(e, ERR_INVALID, "%s has no command %s", s->type->title, c->kind);
    }
    choose_targets(t, c, d, &targets);
    if (s->type->scripts && (targets.n == 0 || truth_active(t, FACET_CODE))) {
        return err_set(e, ERR_STATE, "wrong state: init is still running on the nodes");
    }
    if (targets.n == 0) {
        return err_set_hint(e, ERR_STATE, "wait until one is there", "there is no %s node that could %s",
                            s->type->roles[d->role].name, d->title);
    }
    const struct op *volume = truth_active(t, FACET_VOLUME);
    if (volume && s->type->scripts && d->rule != COMMAND_INTERRUPTS) {
        return err_set_hint(e, ERR_CONFLICT, "wait for it", "operation %lld (%s volume) is still running",
                            (long long)volume->id, volume->kind);
    }
    const struct op *o = truth_active(t, FACET_CMD);
    if (o && d->rule != COMMAND_INTERRUPTS) {
        return err_set_hint(e, ERR_CONFLICT, "wait for it, or interrupt it",
                            "operation %lld (%s) is still running", (long long)o->id, o->kind);
    }
    return 0;
}

static int check_conflict(struct truth *t, const struct change *c, struct err *e)
{
    struct service *s = t->service;
    if (c->expect_gen != 0 && c->expect_gen != s->gen) {
        return err_set_hint(e, ERR_STALE, "look at the service again and repeat the change",
                            "the service was changed meanwhile: generation %lld, you saw %lld",
                            (long long)s->gen, (long long)c->expect_gen);
    }
    if (c->facet == FACET_CMD) {
        return check_cmd(t, c, e);
    }
    const struct op *o = truth_active(t, c->facet);
    if (o && !c->supersede && c->facet != FACET_RUN) {
        return err_set_hint(e, ERR_CONFLICT, "wait for it, cancel it, or ask to supersede it",
                            "operation %lld (%s) is still running", (long long)o->id, facet_to_str(o->facet));
    }
    if (c->facet == FACET_CODE && s->type->scripts && truth_active(t, FACET_CMD)) {
        return err_set(e, ERR_CONFLICT, "operation %lld (%s) is still running",
                       (long long)truth_active(t, FACET_CMD)->id, truth_active(t, FACET_CMD)->kind);
    }
    return s->n_ops == OPS_MAX ? err_set(e, ERR_RATE, "too many operations at once") : 0;
}

static int check_value(const struct truth *t, const struct change *c, struct err *e)
{
    const struct service *s = t->service;
    switch (c->facet) {
    case FACET_COUNTS:
        return service_type_check_counts(s->type, c->value.counts, e);
    case FACET_CODE:
        return s->type->code && c->value.code > 0
                   ? 0
                   : err_set(e, ERR_INVALID, "%s has no such code version", s->type->title);
    case FACET_SETTINGS:
        return c->value.settings >= 0 ? 0 : err_set(e, ERR_INVALID, "no such settings");
    default:
        return 0;
    }
}

static bool same_value(const struct want *a, const struct want *b, enum facet f)
{
    switch (f) {
    case FACET_RUN:
        return a->run == b->run;
    case FACET_COUNTS:
        return memcmp(a->counts, b->counts, sizeof a->counts) == 0;
    case FACET_CODE:
        return a->code == b->code;
    case FACET_SETTINGS:
        return a->settings == b->settings;
    default:
        return false;
    }
}

/* What the change may cost at once, beyond what a superseded operation of the facet holds already. */
static int64_t credits_needed(struct truth *t, const struct change *c)
{
    struct service *s = t->service;
    if (c->facet == FACET_RUN && c->value.run == RUN_RUNNING) {
        return place_growth(s, s->want.counts) + !t->app->manager_wanted;
    }
    if (c->facet == FACET_COUNTS) {
        const struct op *old = truth_active(t, FACET_COUNTS);
        return place_growth(s, c->value.counts) - (old ? old->held_credits : 0);
    }
    return 0;
}

static void supersede(struct truth *t, const struct change *c)
{
    struct service *s = t->service;
    bool stop = c->facet == FACET_RUN && c->value.run == RUN_STOPPED;
    for (int i = s->n_ops - 1; i >= 0; i--) {
        struct op *o = &s->ops[i];
        const struct command_def *d = o->facet == FACET_CMD ? service_type_command(s->type, o->kind) : NULL;
        if (stop) {
            truth_end(t, o, OP_CANCELLED, "the service was stopped", false);
        } else if (o->facet == c->facet && c->facet != FACET_CMD) {
            truth_end(t, o, OP_CANCELLED, "superseded", true);
        } else if (c->facet == FACET_CMD && d && d->rule != COMMAND_INTERRUPTS) {
            truth_end(t, o, OP_CANCELLED, "interrupted", true); /* K4 */
        }
    }
}

static void set_facet(struct want *w, const struct want *value, enum facet f)
{
    switch (f) {
    case FACET_RUN:
        w->run = value->run;
        break;
    case FACET_COUNTS:
        memcpy(w->counts, value->counts, sizeof w->counts);
        break;
    case FACET_CODE:
        w->code = value->code;
        break;
    case FACET_SETTINGS:
        w->settings = value->settings;
        break;
    default:
        break;
    }
}

/* O2: the facts of a former life mean nothing to the new one. */
static void reset_facts(struct service *s)
{
    for (int f = 0; f < FACT_MAX; f++) {
        memset(&s->facts[f].v, 0, sizeof s->facts[f].v);
        s->facts[f].rev++;
    }
}

struct op *truth_add_op(struct truth *t, const struct change *c)
{
    struct service *s = t->service;
    struct op *o = &s->ops[s->n_ops++];
    memset(o, 0, sizeof *o);
    o->id = (*t->next_id)++;
    o->facet = c->facet;
    o->value = s->want;
    o->born_ms = o->progress_ms = t->now_ms;
    if (c->facet == FACET_CMD) {
        (void)str_copy(o->kind, sizeof o->kind, c->kind);
        (void)str_copy(o->parameters, sizeof o->parameters, c->parameters);
        choose_targets(t, c, service_type_command(s->type, c->kind), &o->targets);
    }
    if (c->facet == FACET_VOLUME) {
        (void)str_copy(o->kind, sizeof o->kind, c->kind);
        o->volume = c->volume.id;
    }
    return o;
}

static void accept_now(struct truth *t, const struct change *c)
{
    struct service *s = t->service;
    set_facet(&s->want, &c->value, c->facet);
    set_facet(&s->good, &c->value, c->facet);
    s->gen++;
    truth_touch(t);
}

/* Somebody wants it now: pauses of before are over. */
static void try_again(struct truth *t)
{
    struct service *s = t->service;
    struct app *a = t->app;
    s->fails = 0;
    s->create_after_ms = s->create_after_ms < t->now_ms ? s->create_after_ms : t->now_ms;
    a->fails = 0;
    a->launch_after_ms = a->launch_after_ms < t->now_ms ? a->launch_after_ms : t->now_ms;
}

static void write_change(struct truth *t, const struct change *c, int64_t *ret_op)
{
    struct service *s = t->service;
    bool start = c->facet == FACET_RUN && c->value.run == RUN_RUNNING;
    supersede(t, c);
    if (start) {
        reset_facts(s);
        truth_forget_replacements(t);
        s->started_once = true;
    }
    set_facet(&s->want, &c->value, c->facet);
    if (c->facet != FACET_CMD) {
        s->converged = false;
    }
    if (c->facet == FACET_RUN) {
        s->in_error = false;
        s->error_why[0] = '\0';
    }
    struct op *o = truth_add_op(t, c);
    if (start || c->facet == FACET_COUNTS) {
        ledger_hold(t, o, place_growth(s, s->want.counts));
    }
    s->gen++;
    try_again(t);
    effect_add(t, EFF_OP)->op = *o;
    *ret_op = o->id;
    truth_touch(t);
    truth_update_state(t);
}

int truth_accept(struct truth *t, const struct change *c, int64_t *ret_op, struct err *e)
{
    struct service *s = t->service;
    int r = check_state(t, c, e);
    if (r >= 0 && c->facet == FACET_VOLUME) {
        return truth_accept_volume(t, c, ret_op, e);
    }
    r = r < 0 ? r : check_value(t, c, e);
    r = r < 0 ? r : check_conflict(t, c, e);
    if (r < 0) {
        return r;
    }
    bool start = c->facet == FACET_RUN && c->value.run == RUN_RUNNING;
    if (c->facet != FACET_CMD && same_value(&s->want, &c->value, c->facet) && !truth_active(t, c->facet)) {
        *ret_op = 0; /* so it is */
        return 0;
    }
    bool shape = c->facet == FACET_CODE || c->facet == FACET_SETTINGS || c->facet == FACET_COUNTS;
    if (shape && s->want.run == RUN_STOPPED) {
        if (!at_rest(s)) {
            return err_set(e, ERR_STATE, "wrong state: the nodes of the service are still leaving");
        }
        accept_now(t, c);
        *ret_op = 0;
        return 0;
    }
    if (start || c->facet == FACET_COUNTS) { /* U10 */
        r = truth_check_volume_room(t, start ? s->want.counts : c->value.counts, e);
        if (r < 0) {
            return r;
        }
    }
    int64_t need = credits_needed(t, c);
    if (need > 0 && (t->purse->broke_ms != 0 || !ledger_can(t, need))) {
        return err_set_hint(e, ERR_CREDIT, "ask your administrator for credit, or let nodes go",
                            "insufficient credits: this needs %lld, you have %lld", (long long)need,
                            (long long)t->purse->balance);
    }
    if (start && !t->app->manager_wanted) { /* it went when credit had run out */
        struct truth of_app = *t;
        of_app.service = NULL;
        r = truth_want_manager(&of_app, e);
        if (r < 0) {
            return r;
        }
    }
    write_change(t, c, ret_op);
    return 0;
}

int truth_cancel(struct truth *t, int64_t op, const char *why, struct err *e)
{
    struct op *o = service_op(t->service, op);
    if (!o) {
        return err_set(e, ERR_STATE, "operation %lld has ended already", (long long)op);
    }
    if (o->facet == FACET_RUN && o->value.run == RUN_STOPPED) {
        return err_set(e, ERR_STATE, "a stop can not be cancelled");
    }
    truth_end(t, o, OP_CANCELLED, why, false);
    truth_update_state(t);
    return 0;
}

/* ---- ends ---- */

struct op *truth_active(struct truth *t, enum facet f)
{
    for (int i = 0; i < t->service->n_ops; i++) {
        if (t->service->ops[i].facet == f) {
            return &t->service->ops[i];
        }
    }
    return NULL;
}

/* What the end of an operation means for the want (O4). */
static void settle_facet(struct service *s, const struct op *o)
{
    if (o->state == OP_DONE) {
        set_facet(&s->good, &o->value, o->facet);
        return;
    }
    bool stop = o->facet == FACET_RUN && o->value.run == RUN_STOPPED;
    if (stop) {
        set_facet(&s->good, &o->value, o->facet); /* a stop never reverts */
    } else {
        set_facet(&s->want, &s->good, o->facet);
        s->converged = false;
        s->gen++;
    }
    if (o->facet == FACET_RUN && o->state == OP_FAILED) {
        s->in_error = true;
        snprintf(s->error_why, sizeof s->error_why, "%s failed: %.200s", stop ? "stop" : "start", o->why);
    }
}

static const char *volume_words(const struct op *o)
{
    static const char *const words[][2] = {{"create", "create volume"},
                                           {"attach", "attach volume"},
                                           {"detach", "detach volume"},
                                           {"delete", "delete volume"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(o->kind, words[i][0])) {
            return words[i][1];
        }
    }
    return "volume";
}

void truth_end(struct truth *t, struct op *o, enum op_state outcome, const char *why, bool superseded)
{
    struct service *s = t->service;
    struct op ended = *o;
    ended.state = outcome;
    (void)str_copy(ended.why, sizeof ended.why, why);
    if (!bug(HOLD_FORGOTTEN)) {
        ledger_release(t, &ended, ended.held_credits);
    }
    int64_t at = o - s->ops;
    memmove(o, o + 1, (size_t)(s->n_ops - at - 1) * sizeof *o);
    s->n_ops--;
    memset(&s->ops[s->n_ops], 0, sizeof *o);
    if (ended.facet == FACET_VOLUME && !superseded) {
        truth_settle_volume(t, &ended);
    } else if (ended.facet != FACET_CMD && !superseded) {
        settle_facet(s, &ended);
    }
    effect_add(t, EFF_OP)->op = ended;
    truth_history(t, "%s: %s%s%s",
                  ended.facet == FACET_CMD      ? ended.kind
                  : ended.facet == FACET_VOLUME ? volume_words(&ended)
                                                : facet_to_str(ended.facet),
                  op_state_to_str(outcome), why[0] ? ": " : "", why);
    truth_touch(t);
}

void truth_stop_now(struct truth *t, const char *why)
{
    struct service *s = t->service;
    for (int i = s->n_ops - 1; i >= 0; i--) {
        truth_end(t, &s->ops[i], OP_CANCELLED, why, false);
    }
    if (s->want.run == RUN_RUNNING) {
        s->want.run = s->good.run = RUN_STOPPED;
        s->converged = false;
        s->gen++;
        truth_history(t, "stopped: %s", why);
        truth_touch(t);
    }
}

int truth_delete_service(struct truth *t, struct err *e)
{
    struct service *s = t->service;
    bool ok = s->state == SERVICE_INIT || s->state == SERVICE_STOPPED ||
              (s->state == SERVICE_ERROR && s->want.run == RUN_STOPPED) || s->deleting;
    if (!ok) {
        return err_set_hint(e, ERR_STATE, "stop it first",
                            "wrong state: legal in INIT, STOPPED, ERROR; the service is %s",
                            service_state_to_str(s->state));
    }
    truth_stop_now(t, "the service is being removed");
    s->deleting = true;
    for (int i = s->n_nodes - 1; i >= 0; i--) {
        truth_kill(t, &s->nodes[i], "the service is being removed");
    }
    truth_touch(t);
    truth_update_state(t);
    return 0;
}

int truth_stop_app(struct truth *t, struct err *e)
{
    const struct change stop = {.facet = FACET_RUN, .value.run = RUN_STOPPED};
    int64_t op = 0;
    if (t->service) {
        return t->service->want.run == RUN_RUNNING ? truth_accept(t, &stop, &op, e) : 0;
    }
    t->app->manager_wanted = false;
    truth_touch(t);
    return 0;
}

void truth_end_manager(struct truth *t, struct service *const *services, int n)
{
    struct node *m = app_node(t->app, t->app->manager_node);
    if (t->app->manager_wanted || t->app->deleting || t->purse->broke_ms != 0 || t->recovery || !m ||
        !node_alive(m)) {
        return;
    }
    for (int i = 0; i < n; i++) {
        if (services[i]->n_nodes > 0) {
            return;
        }
    }
    truth_kill(t, m, "the application is stopped");
}

void truth_delete_app(struct truth *t)
{
    if (t->service) {
        truth_stop_now(t, "the application is being deleted");
        t->service->deleting = true;
    } else {
        t->app->deleting = true;
        t->app->manager_wanted = false;
    }
    int *n = NULL;
    struct node *nodes = truth_nodes(t, &n);
    for (int i = *n - 1; i >= 0; i--) {
        truth_kill(t, &nodes[i], "the application is being deleted");
    }
    truth_touch(t);
    truth_update_state(t);
}

void truth_grant(struct truth *t, int64_t amount, const char *why)
{
    struct purse *p = t->purse;
    int64_t real = amount < -p->balance ? -p->balance : amount;
    p->balance += real;
    struct effect *e = effect_add(t, EFF_LEDGER);
    e->ledger = LEDGER_GRANT;
    e->amount = real;
    (void)str_copy(e->text, sizeof e->text, why);
    if (p->balance > 0) {
        p->broke_ms = 0;
    }
}
