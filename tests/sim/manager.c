/*
 * A manager process around the real planner: keeps no truth, executes actions, repeats what is not answered.
 */
#include <string.h>

#include "sim.h"

struct mgr *mgr_current(struct world *w)
{
    const struct vm *v = vm_of(w, w->db.app.manager_node);
    return v ? w->mgr[v->id] : NULL;
}

static bool process_runs(const struct world *w, int vm)
{
    const struct mgr *m = w->mgr[vm];
    return m && !m->dead && vm_works(w->vm[vm]);
}

/* ---- calls to the director ---- */

static void call_director(struct world *w, int vm, struct call *c)
{
    struct mgr *m = w->mgr[vm];
    c->epoch = m->epoch;
    c->sent_ms = w->now;
    msg(w, MSG_CALL, vm, DIRECTOR, dir_on_call, vm, 0, 0, c, sizeof *c);
}

static uint64_t hash(const void *p, size_t n)
{
    const unsigned char *b = p;
    uint64_t h = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ b[i]) * 0x100000001b3ull;
    }
    return h;
}

/* The same request not twice within 3 s. */
static void call_once(struct world *w, int vm, struct call *c)
{
    struct mgr *m = w->mgr[vm];
    uint64_t key = hash(c, sizeof *c);
    for (int i = 0; i < m->n_asked; i++) {
        if (m->asked[i].key == key && w->now - m->asked[i].at_ms < 3 * SECOND) {
            return;
        }
    }
    int at = 0;
    for (int i = 0; i < m->n_asked; i++) {
        at = m->asked[i].at_ms < m->asked[at].at_ms ? i : at;
    }
    at = m->n_asked < (int)ARRAY_LEN(m->asked) ? m->n_asked++ : at;
    m->asked[at].key = key;
    m->asked[at].at_ms = w->now;
    call_director(w, vm, c);
}

/* ---- start, epoch ---- */

static void register_step(struct world *w, struct event *e)
{
    struct mgr *m = w->mgr[e->a];
    if (!m || m->dead || !w->vm[e->a]->run || m->loop != e->b || m->ready) {
        return;
    }
    (void)at(w, 4 * SECOND, register_step, e->a, e->b);
    if (process_runs(w, e->a)) {
        struct call c = {.kind = CALL_REGISTER, .nonce = m->nonce};
        call_director(w, e->a, &c);
    }
}

static void forget_all(struct mgr *m)
{
    for (int k = 0; k < SVC_MAX; k++) {
        have_done(&m->s[k].have);
    }
    memset(m->s, 0, sizeof m->s);
    m->ready = m->has_view = false;
    m->epoch = m->lease_ms = m->txn = m->view_ms = 0;
    m->n_asked = 0;
    m->loop++;
    m->nonce++;
}

void mgr_start(struct world *w, int vm)
{
    struct mgr *m = w->mgr[vm];
    if (!m) {
        m = w->mgr[vm] = xcalloc(1, sizeof *m);
        m->vm = vm;
        w->managers++;
        m->lying = w->pf.lying && w->managers == 2 && !w->faults_over;
    }
    m->dead = false;
    forget_all(m);
    struct event e = {.a = vm, .b = m->loop};
    register_step(w, &e);
}

void mgr_restart(struct world *w, int vm)
{
    if (process_runs(w, vm)) {
        SEEN(w, MANAGER_RESTARTED);
        SAY(w, "the manager process on machine %d restarts", vm);
        mgr_start(w, vm);
    }
}

static void mgr_tick(struct world *w, struct event *e);

/* x: the epoch, -1 this manager was replaced, -2 its epoch was; b = 1 with both. p: the call that is answered. */
void mgr_on_epoch(struct world *w, struct event *e)
{
    struct mgr *m = w->mgr[e->a];
    const struct call *c = e->p;
    if (!process_runs(w, e->a)) {
        return;
    }
    if (e->b) {
        bool mine = c->kind == CALL_REGISTER ? c->nonce == m->nonce : c->epoch == m->epoch && m->ready;
        if (mine && e->x == -1) {
            m->dead = true;
            SAY(w, "manager on machine %d is fenced and ends", e->a);
        } else if (mine) {
            mgr_start(w, e->a);
        }
        return;
    }
    if (m->ready || c->nonce != m->nonce) {
        return;
    }
    m->ready = true;
    m->epoch = e->x;
    m->lease_ms = c->sent_ms + LEASE_MS;
    for (int k = 0; k < w->db.n; k++) {
        have_init(&m->s[k].have, m->epoch, w->now);
    }
    SAY(w, "manager on machine %d has epoch %lld", e->a, (long long)m->epoch);
    struct event t = {.a = e->a, .b = m->loop};
    mgr_tick(w, &t);
}

/* ---- actions ---- */

static void answer_agent(struct world *w, const struct mgr *m, const struct vm *v, int64_t seq,
                         const struct doc *d)
{
    struct agent_answer *a = xcalloc(1, sizeof *a);
    a->epoch = m->epoch;
    a->echo = w->now;
    a->seq = seq;
    if (d) {
        a->doc = *d;
    }
    msg(w, MSG_ANSWER, m->vm, v->id, agent_on_answer, v->id, 0, 0, a, sizeof *a);
    free(a);
}

static void do_doc(struct world *w, struct mgr *m, int k, const struct action *a)
{
    int64_t seq = 0;
    struct vm *v = vm_of(w, a->node);
    if (have_send(&m->s[k].have, a->node, a->doc, w->now, &seq) > 0 && v) {
        w->docs++;
        say_doc(w, "doc for", a->node, m->epoch, seq, a->doc);
        answer_agent(w, m, v, seq, a->doc);
    }
}

static void do_action(struct world *w, struct mgr *m, int k, const struct action *a)
{
    struct call c;
    memset(&c, 0, sizeof c);
    c.svc = k;
    switch (a->kind) {
    case ACT_DOC:
        do_doc(w, m, k, a);
        return;
    case ACT_CREATE:
        c.kind = CALL_CREATE;
        memcpy(c.counts, a->counts, sizeof c.counts);
        c.nodes_rev = a->nodes_rev;
        c.gen = a->gen;
        break;
    case ACT_DESTROY:
        have_doom(&m->s[k].have, a->node, a->why);
        c.kind = CALL_DESTROY;
        c.node = a->node;
        (void)str_copy(c.why, sizeof c.why, a->why);
        break;
    case ACT_PUBLISH:
        have_publish(&m->s[k].have, a->fact, a->rev, &a->value);
        c.kind = CALL_PUBLISH;
        c.fact = a->fact;
        c.rev = a->rev;
        c.value = a->value;
        break;
    case ACT_RELEASE:
        c.kind = CALL_RELEASE;
        c.volume = a->volume;
        break;
    case ACT_FINISH:
        c.kind = CALL_FINISH;
        c.op = a->op;
        c.outcome = a->outcome;
        (void)str_copy(c.why, sizeof c.why, a->why);
        break;
    default:
        SAY(w, "manager on machine %d steps down: %s", m->vm, a->why);
        m->dead = true;
        return;
    }
    call_once(w, m->vm, &c);
}

/* F10: a destroy is repeated until the director shows it. */
static void repeat_destroys(struct world *w, struct mgr *m, int k)
{
    const struct have *h = &m->s[k].have;
    for (int i = 0; i < h->n_doomed; i++) {
        const struct node *n = service_node(&m->view[k], h->doomed[i].node);
        if (n && node_alive(n)) {
            struct call c;
            memset(&c, 0, sizeof c);
            c.kind = CALL_DESTROY;
            c.svc = k;
            c.node = n->id;
            (void)str_copy(c.why, sizeof c.why, h->doomed[i].why);
            call_once(w, m->vm, &c);
        }
    }
}

/* A manager that lies: asks for nodes, kills some, publishes nonsense, says that all is done. */
static void lie(struct world *w, struct mgr *m, int k)
{
    struct service *v = &m->view[k];
    SEEN(w, MANAGER_LIED);
    struct call c;
    memset(&c, 0, sizeof c);
    c.svc = k;
    switch (rnd(w, 5)) {
    case 0:
        c.kind = CALL_CREATE;
        c.counts[rnd(w, v->type->n_roles)] = 1 + rnd(w, 6);
        c.nodes_rev = v->nodes_rev;
        c.gen = v->gen;
        break;
    case 1:
        c.kind = CALL_DESTROY;
        c.node = rnd(w, 3) ? rnd(w, 40) : v->n_nodes ? v->nodes[rnd(w, v->n_nodes)].id : 1;
        break;
    case 2:
        c.kind = CALL_PUBLISH;
        c.fact = (enum fact_id)rnd(w, FACT_MAX);
        c.rev = v->facts[c.fact].rev;
        c.value.node = rnd(w, 30);
        c.value.state = rnd(w, 4);
        set_add(&c.value.ids, rnd(w, 30) + 1);
        break;
    case 3:
        c.kind = CALL_FINISH;
        c.op = v->n_ops ? v->ops[0].id : 1;
        c.outcome = rnd(w, 2) ? OP_DONE : OP_FAILED;
        break;
    default:
        c.kind = CALL_VIEW;
    }
    call_director(w, m->vm, &c);
}

static void do_plan(struct world *w, struct event *e)
{
    struct mgr *m = w->mgr[e->a];
    int k = (int)e->x;
    if (!m || m->loop != e->b) {
        return;
    }
    struct mservice *s = &m->s[k];
    s->pending_plan = false;
    if (!process_runs(w, e->a) || !m->has_view) {
        return;
    }
    s->planned_ms = w->now;
    if (w->now > m->lease_ms) {
        return; /* without a lease it only looks */
    }
    if (m->lying) {
        lie(w, m, k);
        return;
    }
    struct plan p;
    w->plans++;
    for (int i = 0; w->trace && i < m->view[k].n_nodes; i++) {
        const struct node *n = &m->view[k].nodes[i];
        const struct have_node *a = have_find(&s->have, n->id);
        int64_t quiet = w->now - (a ? a->seen_ms : s->have.started_ms);
        if (n->status == NODE_UP && quiet > LOST_AFTER_MS) {
            say(w,
                "manager has not heard node %lld for %.1f s, the director for %.1f s when it looked %.1f s ago",
                (long long)n->id, (double)quiet / 1000, (double)(m->view[k].looked_ms - n->heard_ms) / 1000,
                (double)(w->now - m->view[k].looked_ms) / 1000);
        }
    }
    if (k == 0) {
        m->view[k].refs = w->refs;
        m->view[k].refs_failed = w->refs_failed;
        (void)str_copy(m->view[k].refs_wait, sizeof m->view[k].refs_wait, w->refs_wait ? w->refs_wait : "");
    }
    plan_service(&m->view[k], m->credit_ok, &s->have, w->now, &p);
    if (w->trace && p.waits_for[0] && w->now - s->said_ms > 30 * SECOND) {
        say(w, "service %d waits for: %s", k, p.waits_for);
        s->said_ms = w->now;
    }
    for (int i = 0; i < p.n && !m->dead; i++) {
        do_action(w, m, k, &p.actions[i]);
    }
    m->converged[k] = p.converged;
    plan_done(&p);
    repeat_destroys(w, m, k);
}

static void want_plan(struct world *w, struct mgr *m, int k)
{
    struct mservice *s = &m->s[k];
    if (s->pending_plan || !m->has_view) {
        return;
    }
    s->pending_plan = true;
    int64_t due = s->planned_ms + SECOND - w->now;
    at(w, due > 50 ? due : 50, do_plan, m->vm, m->loop)->x = k;
}

/* ---- what arrives ---- */

void mgr_on_reply(struct world *w, struct event *e)
{
    struct mgr *m = w->mgr[e->a];
    const struct view_msg *v = e->p;
    if (!process_runs(w, e->a) || !m->ready || e->x != m->epoch) {
        return;
    }
    if (v->sent_ms >= 0 && v->sent_ms + LEASE_MS > m->lease_ms) {
        m->lease_ms = v->sent_ms + LEASE_MS;
    }
    bool newer = !m->has_view || v->txn > m->txn || (v->txn == m->txn && v->at_ms > m->view_ms); /* F6 */
    if (!newer) {
        return;
    }
    for (int k = 0; k < v->n; k++) {
        if (m->has_view && v->s[k].gen < m->view[k].gen) {
            bad(w, "I3 the generation goes backwards");
        }
        m->view[k] = v->s[k];
        m->view[k].looked_ms = v->at_ms;
    }
    m->n = v->n;
    m->txn = v->txn;
    m->view_ms = v->at_ms;
    m->credit_ok = v->credit_ok;
    m->has_view = true;
    for (int k = 0; k < m->n; k++) {
        have_sync(&m->s[k].have, &m->view[k]);
        want_plan(w, m, k);
    }
}

void mgr_on_report(struct world *w, struct event *e)
{
    struct mgr *m = w->mgr[e->a];
    const struct report_msg *r = e->p;
    if (!process_runs(w, e->a) || !m->ready) {
        return;
    }
    struct have *h = &m->s[r->svc].have;
    int rc = have_report(h, r->node, &r->r, r->echo, w->now);
    if (rc == ERR_FENCED) {
        SAY(w, "manager on machine %d is fenced by node %lld", e->a, (long long)r->node);
        mgr_start(w, e->a);
        return;
    }
    int64_t seq = 0;
    const struct doc *d = have_resend(h, r->node, w->now, &seq);
    answer_agent(w, m, w->vm[e->b], seq, d);
    if (rc > 0) {
        want_plan(w, m, r->svc);
    }
}

static void mgr_tick(struct world *w, struct event *e)
{
    struct mgr *m = w->mgr[e->a];
    if (!m || m->dead || !w->vm[e->a]->run || m->loop != e->b) {
        return;
    }
    (void)at(w, 5 * SECOND, mgr_tick, e->a, e->b);
    if (!process_runs(w, e->a)) {
        return;
    }
    struct call c;
    memset(&c, 0, sizeof c);
    c.kind = CALL_VIEW;
    memcpy(c.converged, m->converged, sizeof c.converged);
    call_director(w, e->a, &c);
    for (int k = 0; k < m->n; k++) {
        want_plan(w, m, k);
    }
}
