/*
 * What managers ask for (F1, F11, P4, O5) and what the director admits (T rules): a manager is trusted no more than
 * its tenant.
 */
#include <string.h>

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/ledger.h"
#include "engine/place.h"
#include "engine/truth_int.h"

int truth_want_manager(struct truth *t, struct err *e)
{
    struct app *a = t->app;
    if (a->deleting) {
        return err_set(e, ERR_STATE, "the application is being deleted");
    }
    if (a->manager_node == 0 && a->n_nodes >= MANAGER_NODES_MAX) {
        return err_set_hint(e, ERR_RATE, "try again in a minute",
                            "former nodes of the manager are still leaving");
    }
    a->manager_wanted = true;
    if (a->manager_node != 0) {
        return 0;
    }
    if (t->purse->broke_ms != 0 || !ledger_can(t, 1)) {
        a->manager_wanted = false;
        return err_set_hint(e, ERR_CREDIT, "ask your administrator for credit",
                            "insufficient credits: the manager's node costs 1");
    }
    struct node *n = truth_add_node(t, -1);
    a->manager_node = n->id;
    a->manager_heard_ms = t->now_ms;
    effect_add(t, EFF_LAUNCH)->node = *n;
    return 0;
}

int truth_start_app(struct truth *t, struct err *e)
{
    t->app->fails = 0; /* somebody wants it now */
    t->app->launch_after_ms = t->now_ms;
    return truth_want_manager(t, e);
}

int truth_fence(const struct app *a, int64_t manager_node, int64_t epoch, struct err *e)
{
    /* an epoch of before a restore is void, even if the backup was made under it (T7) */
    bool current = a->manager_node != 0 && a->manager_node == manager_node && a->epoch == epoch &&
                   epoch >> 32 == a->incarnation;
    if (!current && !bug(NO_DIRECTOR_FENCE)) {
        return err_set(e, ERR_FENCED, "this manager was replaced");
    }
    return 0;
}

int truth_register(struct truth *t, int64_t manager_node, const char *nonce, int64_t *ret_epoch,
                   struct err *e)
{
    struct app *a = t->app;
    if (a->manager_node == 0 || a->manager_node != manager_node) {
        return err_set(e, ERR_FENCED, "this manager was replaced");
    }
    a->manager_heard_ms = t->now_ms;
    if ((!str_eq(a->nonce, nonce) && !bug(SAME_EPOCH)) || a->epoch == 0 || a->epoch >> 32 != a->incarnation) {
        int64_t base = a->incarnation << 32; /* after a restore above everything that was before (T7) */
        a->epoch = (a->epoch > base ? a->epoch : base) + 1;
        (void)str_copy(a->nonce, sizeof a->nonce, nonce);
        a->fails = 0;
        a->txn++;
    }
    *ret_epoch = a->epoch;
    return 0;
}

/* ---- creations ---- */

static int replace_limit(const struct service *s, int purpose)
{
    int slots = s->want.counts[purpose];
    return REPLACE_MAX * (slots > 0 ? slots : 1);
}

/* Of counts, what no operation has paid for replaces lost nodes (T4): refused when too many in an hour. With `write`
 * the nodes are counted. */
static int replacements(struct truth *t, const int counts[ROLES_MAX], int64_t covered, bool write,
                        struct err *e)
{
    struct service *s = t->service;
    for (int r = 0; r < s->type->n_roles; r++) {
        int64_t n = counts[r] > covered ? counts[r] - covered : 0;
        covered = counts[r] > covered ? 0 : covered - counts[r];
        bool new_hour = t->now_ms - s->replaced[r].since_ms >= HOUR_MS;
        int64_t before = new_hour ? 0 : s->replaced[r].n;
        if (n > 0 && before + n > replace_limit(s, r) && !bug(NO_LIMIT)) {
            return err_set(e, ERR_QUOTA,
                           "%lld nodes of role %s had to be replaced within an hour: no more are made until"
                           " it is over",
                           (long long)before, s->type->roles[r].name);
        }
        if (n > 0 && write) {
            s->replaced[r].since_ms = new_hour ? t->now_ms : s->replaced[r].since_ms;
            s->replaced[r].n = before + n;
        }
    }
    return 0;
}

void truth_forget_replacements(struct truth *t)
{
    memset(t->service->replaced, 0, sizeof t->service->replaced);
}

/* The first time it is noted, so that people see why (nothing is made, and the manager gets no error: what is noted
 * has to be stored). It goes on when the hour is over, and the service is well again when it converges. */
static int note_too_many(struct truth *t, struct err *e)
{
    struct service *s = t->service;
    if (s->in_error) {
        return ERR_QUOTA;
    }
    s->in_error = true;
    (void)str_copy(s->error_why, sizeof s->error_why,
                   e && e->message ? e->message : "too many nodes had to be replaced");
    err_done(e);
    truth_touch(t);
    truth_update_state(t);
    return 0;
}

static int check_room(const struct truth *t, const int counts[ROLES_MAX], int *ret_total, struct err *e)
{
    const struct service *s = t->service;
    int total = 0;
    for (int r = 0; r < s->type->n_roles; r++) {
        bool purpose = (s->type->roles[r].flags & ROLE_PURPOSE) != 0;
        if (counts[r] < 0 || (counts[r] > 0 && !purpose)) {
            return err_set(e, ERR_INVALID, "no nodes can be made for role %s", s->type->roles[r].name);
        }
        if (counts[r] > 0 && counts[r] > place_room(s, r, t->now_ms) && !bug(NO_SURGE)) {
            return err_set(e, ERR_QUOTA, "more %s nodes than are wanted", s->type->roles[r].name);
        }
        total += counts[r];
    }
    *ret_total = total;
    return s->n_nodes + total > NODES_MAX ? err_set(e, ERR_QUOTA, "too many nodes") : 0;
}

static struct op *creating_op(struct truth *t)
{
    struct op *o = truth_active(t, FACET_RUN);
    return o ? o : truth_active(t, FACET_COUNTS);
}

int truth_create(struct truth *t, int64_t nodes_rev, int64_t gen, const int counts[ROLES_MAX], struct err *e)
{
    struct service *s = t->service;
    bool stale = (nodes_rev != s->nodes_rev && !bug(NO_CAS_CREATE)) || gen != s->gen ||
                 s->want.run != RUN_RUNNING || t->now_ms < s->create_after_ms;
    if (stale) {
        return err_set(e, ERR_STALE, "decided on an older state");
    }
    if (t->recovery) {
        return err_set(e, ERR_UNAVAILABLE, "the installation was restored and is not reconciled yet");
    }
    int total = 0;
    int r = check_room(t, counts, &total, e);
    struct op *o = creating_op(t);
    int64_t covered = o ? o->held_credits : 0;
    if (r >= 0 && replacements(t, counts, covered, false, e) < 0) {
        return note_too_many(t, e);
    }
    if (r < 0) {
        return r;
    }
    int64_t held = covered < total ? covered : total;
    if (t->purse->broke_ms != 0 || !ledger_can(t, total - held)) { /* all or nothing (B3) */
        char why[WHY_MAX];
        (void)snprintf(why, sizeof why, "insufficient credits: this needs %d", total);
        truth_create_failed(t, why); /* what people have to read is stored: no error (as in note_too_many) */
        return 0;
    }
    (void)replacements(t, counts, covered, true, NULL);
    if (o && held > 0) {
        ledger_release(t, o, held);
        effect_add(t, EFF_OP)->op = *o;
    }
    for (int p = 0; p < s->type->n_roles; p++) {
        for (int k = 0; k < counts[p]; k++) {
            (void)truth_add_node(t, p);
        }
    }
    truth_update_state(t);
    return 0;
}

int truth_destroy(struct truth *t, int64_t node, const char *why, struct err *e)
{
    struct node *n = truth_node(t, node);
    if (t->recovery && !bug(RECOVERY_ACTS)) {
        return err_set(e, ERR_UNAVAILABLE, "the installation was restored and is not reconciled yet");
    }
    if (!n || !node_alive(n)) {
        return 0; /* repeated: it is on its way (F10) */
    }
    bool late = n->status != NODE_UP && t->now_ms - n->created_ms > BOOT_MAX_MS;
    truth_history(t, "node %lld leaves: %s", (long long)node, why);
    truth_kill(t, n, why);
    if (late) {
        truth_create_failed(t, "the node did not boot in time");
    }
    truth_update_state(t);
    return 0;
}

/* ---- facts ---- */

static bool has_role(const struct service *s, unsigned flag)
{
    for (int r = 0; r < s->type->n_roles; r++) {
        if (s->type->roles[r].flags & flag) {
            return true;
        }
    }
    return false;
}

/* T2: the node was made for such a role, or is one that packable roles of the kind go to. */
static bool can_be(const struct service *s, const struct node *n, unsigned flag)
{
    return n && n->role >= 0 &&
           (service_type_has(s->type, n->role, flag) || (n->role == s->type->host && has_role(s, flag)));
}

/* T2: the type has such facts, and the value uses no other members than they do. */
static bool has_shape(const struct service *s, enum fact_id fact, const struct fact_value *v)
{
    static const unsigned needs[FACT_MAX] = {[FACT_ENTRIES] = ROLE_ENTRY,
                                             [FACT_MASTER] = ROLE_UNIQUE,
                                             [FACT_CLUSTER] = ROLE_BOOT,
                                             [FACT_PRIMARY] = ROLE_PAIR};
    bool set = fact == FACT_ENTRIES || fact == FACT_MEMBERS, cluster = fact == FACT_CLUSTER;
    bool has = fact == FACT_MEMBERS ? s->type->scripts : has_role(s, needs[fact]);
    bool state = v->state == 0 || (cluster && v->state > 0 && v->state <= CLUSTER_RECOVER);
    return has && state && (cluster || v->token == 0) && (set ? v->node == 0 : v->ids.n == 0);
}

static int check_fact(struct service *s, enum fact_id fact, const struct fact_value *v, struct err *e)
{
    if (!has_shape(s, fact, v)) {
        return err_set(e, ERR_INVALID, "this is no fact %s of a %s service", fact_id_to_str(fact),
                       s->type->name);
    }
    for (int64_t i = 0; i < v->ids.n; i++) {
        const struct node *n = service_node(s, v->ids.id[i]);
        if (!n || (fact == FACT_ENTRIES && !can_be(s, n, ROLE_ENTRY))) {
            return err_set(e, ERR_INVALID, "node %lld can not be one of the %s", (long long)v->ids.id[i],
                           fact_id_to_str(fact));
        }
    }
    /* a cluster keeps the name of its first node when that is gone; other facts must name one that is there */
    const struct node *n = v->node ? service_node(s, v->node) : NULL;
    bool there = v->node == 0 || n || fact == FACT_CLUSTER;
    bool fits = !n || fact != FACT_MASTER || service_type_has(s->type, n->role, ROLE_UNIQUE);
    return there && fits ? 0
                         : err_set(e, ERR_INVALID, "node %lld can not be the %s", (long long)v->node,
                                   fact_id_to_str(fact));
}

int truth_publish(struct truth *t, enum fact_id fact, int64_t rev, const struct fact_value *v, struct err *e)
{
    struct service *s = t->service;
    if (rev != s->facts[fact].rev) {
        return err_set(e, ERR_STALE, "fact %s has another revision", fact_id_to_str(fact));
    }
    if (!bug(JUNK_FACTS)) {
        int r = check_fact(s, fact, v, e);
        if (r < 0) {
            return r;
        }
    }
    s->facts[fact].v = *v;
    s->facts[fact].rev++;
    truth_touch(t);
    return 0;
}

/* A manager's word is checked against what the director itself knows. */
static bool plausible_done(const struct service *s, const struct op *o)
{
    if (o->facet == FACET_RUN && o->value.run == RUN_STOPPED) {
        return s->n_nodes == 0;
    }
    if (o->facet == FACET_VOLUME) {
        for (int i = 0; i < s->n_volumes; i++) {
            const struct volume *v = &s->volumes[i];
            if (v->id == o->volume) {
                return v->status == VOLUME_ATTACHED && !v->doomed;
            }
        }
        return false;
    }
    if (o->facet != FACET_RUN && o->facet != FACET_COUNTS) {
        return true;
    }
    for (int r = 0; r < s->type->n_roles; r++) {
        int up = 0;
        for (int i = 0; i < s->n_nodes; i++) {
            up += s->nodes[i].role == r && s->nodes[i].status == NODE_UP;
        }
        if (up < s->want.counts[r]) {
            return false;
        }
    }
    return true;
}

int truth_finish(struct truth *t, int64_t op, enum op_state outcome, const char *why, struct err *e)
{
    struct op *o = service_op(t->service, op);
    if (!o) {
        return 0; /* has ended: by deadline, by the user, or by the same words before (O5) */
    }
    if (outcome != OP_DONE && outcome != OP_FAILED) {
        return err_set(e, ERR_INVALID, "an operation ends DONE or FAILED");
    }
    if (outcome == OP_DONE && !plausible_done(t->service, o)) {
        return err_set(e, ERR_STALE, "operation %lld is not done yet", (long long)op);
    }
    bool converges = outcome == OP_DONE && o->facet != FACET_CMD &&
                     !(o->facet == FACET_RUN && o->value.run == RUN_STOPPED);
    truth_end(t, o, outcome, why, false);
    if (converges && t->service->n_ops == 0) {
        truth_converged(t, true);
    }
    truth_update_state(t);
    return 0;
}

int truth_enrolled(struct truth *t, int64_t node, const char *cloud_id, const char *address, struct err *e)
{
    struct node *n = truth_node(t, node);
    if (!n || !node_alive(n)) {
        return err_set(e, ERR_NOT_FOUND, "node %lld is not wanted any more", (long long)node);
    }
    if (cloud_id[0] && n->cloud_id[0] && !str_eq(n->cloud_id, cloud_id) && !bug(TWIN_ENROLS)) { /* F12 */
        truth_alarm(t, "a second machine (%s) has tried to enrol as node %lld", cloud_id, (long long)node);
        return err_set(e, ERR_FORBIDDEN, "node %lld is another machine", (long long)node);
    }
    if (!n->cloud_id[0] && cloud_id[0]) {
        (void)str_copy(n->cloud_id, sizeof n->cloud_id, cloud_id);
    }
    if (address[0]) {
        (void)str_copy(n->address, sizeof n->address, address);
    }
    n->heard_ms = t->now_ms;
    if (n->status == NODE_UP) {
        return 0;
    }
    n->up_ms = t->now_ms;
    if (t->service) {
        t->service->fails = 0;
    } else {
        t->app->manager_heard_ms = t->now_ms;
    }
    truth_set_status(t, n, NODE_UP);
    truth_update_state(t);
    return 0;
}
