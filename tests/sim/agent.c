/*
 * A node's agent: dials, promises, accepts, reports.
 */
#include <string.h>

#include "sim.h"

bool vm_alive(const struct vm *v, int gen)
{
    return v->exists && v->run && v->gen == gen;
}

bool vm_works(const struct vm *v)
{
    return v->exists && v->run && !v->hung;
}

void agent_reset(struct vm *v)
{
    memset(v->health, 0, sizeof v->health);
    memset(&v->staged, 0, sizeof v->staged);
    memset(&v->refused, 0, sizeof v->refused);
    v->drained = 0;
    v->n_probes = 0;
    v->refused_seq = 0;
    v->refusals = 0;
    v->busy = v->synced = v->report_due = v->crashloop = false;
    v->sync_ticks = 0;
    v->n_reports = v->echo = v->echo_epoch = 0;
    v->manager = 0;
    v->gen++;
}

/* ---- reports ---- */

static void fill_report(struct world *w, struct vm *v, struct report_msg *m)
{
    struct report *r = &m->r;
    m->node = v->node;
    m->svc = v->svc;
    m->echo = v->echo_epoch == v->fence.promised ? v->echo : 0;
    r->boot = v->boot;
    r->n = ++v->n_reports;
    r->promised = v->fence.promised;
    r->done_epoch = v->done_epoch;
    r->done_seq = v->done_seq;
    r->busy = v->busy;
    r->applied = v->applied;
    if (v->refused_seq) {
        r->refused.seq = v->refused_seq;
        r->refused.own = v->refused_own;
        (void)str_copy(r->refused.why, sizeof r->refused.why, v->refused_why);
        r->refused.content = v->refused;
    }
    r->refusals = v->refusals;
    memcpy(r->health, v->health, sizeof r->health);
    r->drained = v->drained;
    r->staged = v->staged;
    r->n_probes = v->n_probes;
    memcpy(r->probes, v->probes, sizeof r->probes);
    for (int i = v->n_cmds - 1; i >= 0; i--) {
        bool listed = false;
        for (int64_t k = 0; k < v->applied.n_cmds; k++) {
            listed = listed || str_eq(v->applied.cmds[k].id, v->cmds[i].id);
        }
        if (listed && r->n_cmds < CMDS_MAX) {
            r->cmds[r->n_cmds++] = v->cmds[i];
        }
    }
    r->position = v->position;
    r->token = v->token_done;
    r->synced = v->synced;
    data_held(w, v, r);
}

static void send_report(struct world *w, struct vm *v)
{
    v->report_due = false;
    if (!vm_works(v) || v->manager == 0 || v->svc < 0) {
        return;
    }
    struct report_msg *m = xcalloc(1, sizeof *m);
    fill_report(w, v, m);
    msg(w, MSG_REPORT, v->id, v->manager, mgr_on_report, v->manager, v->id, 0, m, sizeof *m);
    free(m);
}

static void report_now(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (vm_alive(v, e->b)) {
        send_report(w, v);
    }
}

void agent_poke(struct world *w, struct vm *v)
{
    if (!v->report_due && v->run) {
        v->report_due = true;
        (void)at(w, 100, report_now, v->id, v->gen);
    }
}

static void poll_tick(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (vm_alive(v, e->b)) {
        send_report(w, v);
        (void)at(w, POLL_MS, poll_tick, e->a, e->b);
    }
}

/* Enrolment, later the heartbeat: the director says who the manager is. */
static void beat(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (vm_alive(v, e->b)) {
        if (!v->hung) {
            msg(w, MSG_BEAT, v->id, DIRECTOR, dir_on_beat, v->id, 0, 0, NULL, 0);
        }
        (void)at(w, 10 * SECOND, beat, e->a, e->b);
    }
}

void agent_on_beat_reply(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (vm_works(v) && v->manager != e->b) {
        v->manager = e->b;
        agent_poke(w, v);
    }
}

static void begin_manager(struct world *w, struct event *e)
{
    if (vm_alive(w->vm[e->a], e->b)) {
        mgr_start(w, e->a);
    }
}

/* After a start: bring back what the disk says (R6). */
static void restore_roles(struct world *w, struct vm *v)
{
    v->rebooting = false;
    v->staged = v->applied.code;
    for (int r = 0; r < ROLES_MAX; r++) {
        if (doc_has(&v->applied, r)) {
            agent_begin_role(w, v, r);
        }
        if ((v->applied.drain >> r & 1) && !bug(DRAIN_FORGOTTEN)) {
            agent_start_drain(w, v, r);
        }
    }
    if (v->fence.accepted_epoch != v->done_epoch || v->fence.accepted_seq != v->done_seq) {
        agent_begin_apply(w, v);
    } else {
        agent_run_cmds(w, v, &v->applied);
    }
    w->dirty = true;
}

void agent_start(struct world *w, struct vm *v)
{
    v->run = true;
    v->boot++;
    SAY(w, "machine %d (node %lld) is up", v->id, (long long)v->node);
    struct event first = {.a = v->id, .b = v->gen};
    beat(w, &first);
    if (v->svc < 0) {
        (void)at(w, between(w, 500, 3 * SECOND), begin_manager, v->id, v->gen);
        return;
    }
    (void)at(w, POLL_MS, poll_tick, v->id, v->gen);
    restore_roles(w, v);
}

/* ---- answers of managers ---- */

void agent_on_answer(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    const struct agent_answer *a = e->p;
    if (!vm_works(v)) {
        return;
    }
    enum fence_verdict verdict = fence_judge(&v->fence, a->epoch, a->seq);
    if (verdict == FENCE_IGNORE) {
        if (bug(CMD_BESIDE)) {
            agent_run_cmds(w, v, &a->doc);
        }
        agent_poke(w, v); /* its report says who is in charge now (F2) */
        return;
    }
    if (v->echo_epoch != a->epoch || a->echo > v->echo) {
        v->echo = a->echo;
        v->echo_epoch = a->epoch;
    }
    if (verdict == FENCE_PROMISE) {
        agent_poke(w, v);
    }
    if (verdict != FENCE_ACCEPT) {
        return;
    }
    bool lower = a->epoch < v->top_epoch || (a->epoch == v->top_epoch && a->seq < v->top_seq);
    if (lower) {
        bad(w, "I3 node %lld accepts %lld.%lld after %lld.%lld", (long long)v->node, (long long)a->epoch,
            (long long)a->seq, (long long)v->top_epoch, (long long)v->top_seq);
    }
    v->top_epoch = a->epoch;
    v->top_seq = a->seq;
    v->accepted = a->doc;
    if (!v->busy) {
        agent_begin_apply(w, v);
    }
}

/* ---- roles ---- */

static void role_up(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    int role = (int)e->x;
    if (!vm_alive(v, e->b)) {
        return;
    }
    if (v->hung) {
        at(w, SECOND, role_up, e->a, e->b)->x = role;
        return;
    }
    if (v->health[role] != HEALTH_NONE && !v->crashloop) {
        if (v->health[role] == HEALTH_BAD) {
            v->fault_ms = w->now; /* its return is news as well */
        }
        v->health[role] = HEALTH_OK;
        w->dirty = true;
        agent_poke(w, v);
    }
}

void agent_begin_role(struct world *w, struct vm *v, int role)
{
    if (service_type_has(w->db.s[v->svc].type, role, ROLE_BOOT)) {
        v->health[role] = HEALTH_DOWN;
        cluster_mode(w, v);
        return;
    }
    v->health[role] = HEALTH_STARTING;
    if (!v->crashloop) {
        at(w, between(w, 500, 5 * SECOND), role_up, v->id, v->gen)->x = role;
    }
}
