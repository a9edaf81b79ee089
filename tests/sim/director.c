/*
 * A director around the real truth: transactions, the clock, the cloud, leaks, crashes, a restore from a backup.
 */
#include <string.h>

#include "sim.h"

/* ---- records, as the world remembers them ---- */

struct rec *rec_find(struct world *w, int64_t node)
{
    return node > 0 && node < IDS_MAX && w->rec_of[node] ? &w->recs[w->rec_of[node]] : NULL;
}

struct vm *vm_of(struct world *w, int64_t node)
{
    const struct rec *r = rec_find(w, node);
    return r && r->vm ? w->vm[r->vm] : NULL;
}

static void rec_update(struct world *w, int svc, const struct node *n)
{
    struct rec *r = rec_find(w, n->id);
    if (!r) {
        if (n->id >= IDS_MAX || w->n_recs == VMS_MAX * 2 - 1) {
            bad(w, "node storm");
            return;
        }
        w->rec_of[n->id] = ++w->n_recs;
        r = &w->recs[w->n_recs];
        r->node = n->id;
        r->svc = svc;
        r->role = n->role;
        r->created_ms = n->created_ms;
    }
    if (r->status != n->status) {
        SAY(w, "node %lld %s -> %s %s", (long long)n->id, node_status_to_str(r->status),
            node_status_to_str(n->status), n->why);
    }
    if (n->status == NODE_GONE && r->status != NODE_GONE) {
        r->gone_ms = w->now;
    }
    r->status = n->status;
    r->hours_paid = n->hours_paid;
    r->vm = n->cloud_id[0] ? vm_from_cloud_id(n->cloud_id) : r->vm;
    r->orphan = false;
}

/* ---- transactions ---- */

static void make_token(void *arg, int64_t node, char out[TOKEN_MAX])
{
    struct world *w = arg;
    snprintf(out, TOKEN_MAX, "t%lld-%lld", (long long)node, (long long)++w->tokens);
}

void dir_begin(struct world *w, int svc, struct truth *t, struct effects *x)
{
    memset(x, 0, sizeof *x);
    memset(t, 0, sizeof *t);
    t->app = &w->db.app;
    t->service = svc < 0 ? NULL : &w->db.s[svc];
    t->purse = &w->db.purse;
    t->now_ms = w->now;
    t->next_id = &w->db.next_id;
    t->out = x;
    t->recovery = w->recovery;
    t->token = make_token;
    t->token_arg = w;
    t->volume_room_mb = t->volume_max_mb = INT64_MAX;
}

static void add_row(struct world *w, const struct effect *e)
{
    for (int i = w->db.n_rows - 1; i >= 0; i--) {
        const struct row *r = &w->rows[i];
        bool same = r->kind == e->ledger && r->node == e->node_id && r->hour == e->hour && r->op == e->op_id;
        if (same && e->ledger != LEDGER_GRANT) {
            bad(w, "I4 %s of node %lld hour %lld op %lld is booked twice", ledger_kind_to_str(e->ledger),
                (long long)e->node_id, (long long)e->hour, (long long)e->op_id);
        }
    }
    if (w->db.n_rows == ROWS_MAX) {
        bad(w, "ledger storm");
        return;
    }
    w->rows[w->db.n_rows++] = (struct row){
        .kind = e->ledger, .amount = e->amount, .node = e->node_id, .hour = e->hour, .op = e->op_id};
    w->row_sum += e->amount;
    SAY(w, "ledger: %s %lld node %lld hour %lld op %lld", ledger_kind_to_str(e->ledger), (long long)e->amount,
        (long long)e->node_id, (long long)e->hour, (long long)e->op_id);
}

/* Did the node end the command well? */
static bool has_done(const struct world *w, int64_t node, const char *id)
{
    for (int i = 1; i <= w->n_vms; i++) {
        for (int k = 0; w->vm[i]->node == node && k < w->vm[i]->n_cmds; k++) {
            const struct cmd_result *r = &w->vm[i]->cmds[k];
            if (str_eq(r->id, id) && r->state == CMD_STOPPED && r->rc == 0) {
                return true;
            }
        }
    }
    return false;
}

/* I10: an operation that stands for work is DONE when the work is. */
static void check_work(struct world *w, int svc, const struct op *o)
{
    const struct command_def *d =
        o->facet == FACET_CMD ? service_type_command(w->db.s[svc].type, o->kind) : NULL;
    char id[64];
    snprintf(id, sizeof id, "%s#%lld", o->kind, (long long)o->id);
    for (int64_t i = 0; d && d->lasts && o->state == OP_DONE && !is_lying(w) && i < o->targets.n; i++) {
        if (!has_done(w, o->targets.id[i], id)) {
            bad(w, "I10 %s is DONE, node %lld has not ended it well", id, (long long)o->targets.id[i]);
        }
    }
}

static void take_op(struct world *w, int svc, const struct op *o)
{
    check_work(w, svc, o);
    if (o->state != OP_ACTIVE) {
        w->ended[o->facet] = *o;
    }
    w->ops_done += o->state == OP_DONE;
    w->ops_failed += o->state == OP_FAILED;
    w->ops_cancelled += o->state == OP_CANCELLED;
    SAY(w, "op %lld %s %s %s", (long long)o->id, o->facet == FACET_CMD ? o->kind : facet_to_str(o->facet),
        op_state_to_str(o->state), o->why);
}

static void push_view(struct world *w);

void dir_commit(struct world *w, int svc, struct truth *t)
{
    struct effects *x = t->out;
    for (int i = 0; i < x->n; i++) {
        const struct effect *e = &x->e[i];
        switch (e->kind) {
        case EFF_LEDGER:
            add_row(w, e);
            break;
        case EFF_NODE:
            rec_update(w, svc, &e->node);
            break;
        case EFF_VOLUME:
            SAY(w, "volume %lld %s node %lld slot %lld", (long long)e->volume.id,
                volume_status_to_str(e->volume.status), (long long)e->volume.node, (long long)e->volume.slot);
            if (e->volume.doomed) {
                disks_doomed(w, svc, &e->volume);
            }
            break;
        case EFF_OP:
            take_op(w, svc, &e->op);
            break;
        default:
            SAY(w, "%s: %s", e->kind == EFF_ALARM ? "alarm" : "history", e->text);
        }
    }
    effects_done(x);
    if (w->db.purse.balance != w->row_sum) {
        bad(w, "I4 the ledger does not add up: %lld, rows %lld", (long long)w->db.purse.balance,
            (long long)w->row_sum);
    }
    if (w->db.purse.balance < 0) {
        bad(w, "I4 the balance is negative");
    }
    w->dirty = true;
    push_view(w);
}

/* ---- the view ---- */

static void send_view(struct world *w, int to, int64_t sent_ms)
{
    struct view_msg *v = xmalloc(sizeof *v);
    v->txn = w->db.app.txn;
    v->at_ms = w->now;
    v->sent_ms = sent_ms;
    v->credit_ok = w->db.purse.broke_ms == 0;
    v->n = w->db.n;
    memcpy(v->s, w->db.s, sizeof v->s[0] * (size_t)w->db.n);
    msg(w, MSG_VIEW, DIRECTOR, to, mgr_on_reply, to, 0, w->db.app.epoch, v, sizeof *v);
    free(v);
}

static void push_now(struct world *w, struct event *e)
{
    struct vm *m = vm_of(w, w->db.app.manager_node);
    w->view_due = false;
    if (!w->dir_down && m && truth_fence(&w->db.app, m->node, w->db.app.epoch, NULL) == 0) {
        send_view(w, m->id, -1); /* no lease rides on it: nobody asked */
    }
}

static void push_view(struct world *w)
{
    if (!w->view_due) {
        w->view_due = true;
        (void)at(w, 200, push_now, 0, 0);
    }
}

/* ---- calls of managers ---- */

static int do_call(struct world *w, const struct call *c, const struct mgr *m)
{
    struct truth t;
    struct effects x;
    struct service *s = &w->db.s[c->svc];
    int64_t gen = s->gen;
    int n = s->n_nodes;
    dir_begin(w, c->svc, &t, &x);
    int r = 0;
    switch (c->kind) {
    case CALL_CREATE:
        r = truth_create(&t, c->nodes_rev, c->gen, c->counts, NULL);
        w->creates += s->n_nodes > n;
        check_create(w, c->svc);
        break;
    case CALL_DESTROY:
        w->destroys += service_node(s, c->node) != NULL;
        check_destroy(w, c->svc, c->node, c->why, m->lying);
        r = truth_destroy(&t, c->node, c->why, NULL);
        break;
    case CALL_PUBLISH:
        if (c->rev == s->facts[c->fact].rev && !m->lying) {
            check_publish(w, c->svc, c->fact, &c->value);
        }
        r = truth_publish(&t, c->fact, c->rev, &c->value, NULL);
        SAY(w, "service %d publish %s rev %lld node %lld state %lld n %lld: %s", c->svc,
            fact_id_to_str(c->fact), (long long)c->rev, (long long)c->value.node, (long long)c->value.state,
            (long long)c->value.ids.n, r < 0 ? err_word(r) : "ok");
        break;
    case CALL_RELEASE:
        r = truth_release(&t, c->volume, NULL);
        break;
    case CALL_FINISH:
        r = truth_finish(&t, c->op, c->outcome, c->why, NULL);
        break;
    default:
        break;
    }
    if (m->lying && s->gen != gen && c->kind != CALL_FINISH) {
        bad(w, "T1 a manager has changed a want");
    }
    dir_commit(w, c->svc, &t);
    return r;
}

static void take_converged(struct world *w, const struct call *c)
{
    for (int k = 0; k < w->db.n; k++) {
        struct truth t;
        struct effects x;
        dir_begin(w, k, &t, &x);
        bool before = w->db.s[k].converged;
        truth_converged(&t, c->converged[k]);
        if (x.n > 0 || before != w->db.s[k].converged) {
            dir_commit(w, k, &t);
        }
        effects_done(&x);
    }
}

void dir_on_call(struct world *w, struct event *e)
{
    const struct call *c = e->p;
    struct mgr *m = w->mgr[e->a];
    const struct rec *of = rec_find(w, w->vm[e->a]->node);
    if (w->dir_down || !m || !of || (of->vm != 0 && of->vm != e->a)) {
        return; /* F12: a second machine has no certificate */
    }
    int64_t node = w->vm[e->a]->node;
    if (c->kind == CALL_REGISTER) {
        struct truth t;
        struct effects x;
        char nonce[TOKEN_MAX];
        int64_t epoch = 0;
        snprintf(nonce, sizeof nonce, "%d-%lld", e->a, (long long)c->nonce);
        dir_begin(w, -1, &t, &x);
        int r = truth_register(&t, node, nonce, &epoch, NULL);
        dir_commit(w, -1, &t);
        msg(w, MSG_VIEW, DIRECTOR, e->a, mgr_on_epoch, e->a, r < 0, r < 0 ? -1 : epoch, c, sizeof *c);
        return;
    }
    if (truth_fence(&w->db.app, node, c->epoch, NULL) < 0) {
        msg(w, MSG_VIEW, DIRECTOR, e->a, mgr_on_epoch, e->a, 1, w->db.app.manager_node == node ? -2 : -1, c,
            sizeof *c);
        return;
    }
    w->db.app.manager_heard_ms = w->now;
    if (c->kind == CALL_VIEW) {
        take_converged(w, c);
    } else {
        (void)do_call(w, c, m);
    }
    send_view(w, e->a, c->sent_ms);
}

/* ---- agents ---- */

void dir_on_beat(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (w->dir_down || !v->exists) {
        return;
    }
    int svc = v->svc;
    struct node *n = svc < 0 ? app_node(&w->db.app, v->node) : service_node(&w->db.s[svc], v->node);
    if (!n || !str_eq(n->token, v->token)) {
        return; /* F12, or gone */
    }
    char cloud_id[CLOUD_REF_MAX], address[ADDRESS_MAX];
    snprintf(cloud_id, sizeof cloud_id, "v%d", v->id);
    snprintf(address, sizeof address, "10.0.%d.%d", v->id / 250, v->id % 250 + 1);
    struct truth t;
    struct effects x;
    dir_begin(w, svc, &t, &x);
    int r = truth_enrolled(&t, v->node, cloud_id, address, NULL);
    if (x.n > 0) {
        dir_commit(w, svc, &t);
    }
    effects_done(&x);
    if (r < 0) {
        return; /* F12: without a certificate it can not dial anybody */
    }
    const struct vm *m = vm_of(w, w->db.app.manager_node);
    msg(w, MSG_BEAT_REPLY, DIRECTOR, v->id, agent_on_beat_reply, v->id, m ? m->id : 0, 0, NULL, 0);
}

/* ---- the clock ---- */

void dir_cloud_reply(struct world *w, struct event *e)
{
    if (w->dir_down || e->b != w->dir_inc) {
        return;
    }
    struct truth t;
    struct effects x;
    dir_begin(w, e->a, &t, &x);
    truth_cloud_outcome(&t, e->x, e->p);
    dir_commit(w, e->a, &t);
}

static bool has_record(struct world *w, const struct vm *v, struct leak_machine *m)
{
    const struct rec *r = rec_find(w, v->node);
    bool known = r && !r->orphan;
    m->known = known;
    m->record_gone = known && r->status == NODE_GONE;
    m->other_cloud_id = known && r->vm != 0 && r->vm != v->id;
    return known;
}

static void collect_leaks(struct world *w)
{
    _cleanup_free_ struct leak_machine *m = xcalloc(VMS_MAX, sizeof *m);
    bool kill[VMS_MAX];
    int vm[VMS_MAX], n = 0;
    for (int i = 1; i <= w->n_vms; i++) {
        struct vm *v = w->vm[i];
        if (v->exists && w->now - v->born_ms > 5 * SECOND && w->leak_calls[i] <= w->now) {
            m[n].age_ms = w->now - v->born_ms;
            (void)has_record(w, v, &m[n]);
            vm[n++] = i;
        }
    }
    int picked = leak_pick(m, n, kill, NULL);
    bool reconciling = picked < 0 && w->reconciled_ms != 0 && w->now - w->reconciled_ms < 600 * SECOND;
    for (int i = 0; i < n && (picked > 0 || reconciling); i++) { /* an administrator has looked at them */
        if (kill[i] || (reconciling && (!m[i].known || m[i].record_gone) && m[i].age_ms > LEAK_AGE_MS)) {
            SAY(w, "leak: machine %d", vm[i]);
            w->leak_calls[vm[i]] = w->now + 30 * SECOND;
            cloud_kill(w, vm[i]);
        }
    }
}

static void dir_tick(struct world *w, struct event *e)
{
    if (w->dir_down || e->b != w->dir_inc) {
        return;
    }
    (void)at(w, 2 * SECOND, dir_tick, 0, w->dir_inc);
    for (int k = -1; k < w->db.n; k++) {
        struct truth t;
        struct effects x;
        struct cloud_tasks tasks;
        dir_begin(w, k, &t, &x);
        (void)truth_tick(&t, &tasks);
        bool changed = x.n > 0 || tasks.n > 0;
        if (changed) {
            dir_commit(w, k, &t);
        }
        effects_done(&x);
        for (int i = 0; i < tasks.n; i++) {
            cloud_do(w, k, &tasks.t[i]);
        }
    }
    if (!w->recovery) {
        collect_leaks(w);
    }
}

void dir_start(struct world *w)
{
    struct truth t;
    struct effects x;
    dir_begin(w, -1, &t, &x);
    if (truth_want_manager(&t, NULL) < 0) {
        bad(w, "the first manager is refused");
    }
    dir_commit(w, -1, &t);
    (void)at(w, 0, dir_tick, 0, w->dir_inc);
}

static void dir_back(struct world *w, struct event *e)
{
    w->dir_down = false;
    w->dir_up_ms = w->now;
    memset(w->leak_calls, 0, sizeof w->leak_calls);
    for (int k = -1; k < w->db.n; k++) {
        struct truth t;
        struct effects x;
        dir_begin(w, k, &t, &x);
        truth_restarted(&t);
        dir_commit(w, k, &t);
    }
    SAY(w, "director is back");
    (void)at(w, 0, dir_tick, 0, w->dir_inc);
}

void dir_crash(struct world *w, int64_t ms)
{
    if (w->dir_down) {
        return;
    }
    SEEN(w, DIRECTOR_DOWN);
    w->dir_down = true;
    w->dir_inc++;
    SAY(w, "director is down for %lld ms", (long long)ms);
    (void)at(w, ms, dir_back, 0, 0);
}

/* ---- restore from an old backup (T7) ---- */

static void reconcile(struct world *w, struct event *e)
{
    fault(w);
    w->recovery = false;
    w->reconciled_ms = w->now;
    SAY(w, "an administrator reconciles");
}

static void forget_younger(struct world *w)
{
    for (int i = 1; i <= w->n_recs; i++) {
        struct rec *r = &w->recs[i];
        const struct node *n =
            r->svc < 0 ? app_node(&w->db.app, r->node) : service_node(&w->db.s[r->svc], r->node);
        if (n) {
            r->status = n->status;
            r->hours_paid = n->hours_paid;
            r->vm = n->cloud_id[0] ? vm_from_cloud_id(n->cloud_id) : r->vm;
        } else if (r->status != NODE_GONE) {
            r->orphan = true; /* also what was GONE at the time of the backup stays GONE */
        }
    }
}

void dir_restore(struct world *w)
{
    fault(w);
    SEEN(w, RESTORED);
    SAY(w, "FAULT restore: the director is set back by %lld s", (long long)(w->now - w->backup_ms) / 1000);
    int64_t incarnation = w->db.app.incarnation, next_id = w->db.next_id;
    w->db = w->backup;
    w->row_sum = w->db.purse.balance;
    w->db.app.incarnation = incarnation + 1;
    w->db.app.txn += 100000; /* a view of before must not look newer */
    w->db.next_id = next_id + 1000;
    w->recovery = true;
    forget_younger(w);
    for (int k = 0; k < w->db.n; k++) {
        w->truth[k].sessions = 0;
    }
    for (int i = 1; i <= w->n_vms; i++) {
        vm_mark_fault(w, w->vm[i]);
    }
    w->dir_down = false;
    dir_crash(w, between(w, 3 * SECOND, 60 * SECOND));
    (void)at(w, between(w, 90 * SECOND, 300 * SECOND), reconcile, 0, 0);
}
