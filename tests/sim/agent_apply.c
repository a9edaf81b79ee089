/*
 * A node's agent: applying documents, draining, probing, running scripts.
 */
#include <string.h>

#include "sim.h"

#define INFLIGHT_MS (6 * SECOND) /* longest request */

static const struct service_type *type_of(const struct world *w, const struct vm *v)
{
    return w->db.s[v->svc].type;
}

/* ---- drain ---- */

static bool named_by_anyone(struct world *w, const struct vm *v, int role)
{
    int entry = type_entry(type_of(w, v));
    for (int i = 1; i <= w->n_vms && entry >= 0; i++) {
        const struct vm *p = w->vm[i];
        if (p->run && p->svc == v->svc && doc_has(&p->applied, entry) &&
            set_has(&p->applied.names[role], v->node)) {
            return true;
        }
    }
    return false;
}

static void drain_step(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    int role = (int)e->x;
    if (!vm_alive(v, e->b) || !(v->applied.drain >> role & 1)) {
        return;
    }
    if (named_by_anyone(w, v, role)) {
        v->named_ms[role] = w->now;
    }
    if (w->now - v->named_ms[role] >= INFLIGHT_MS) {
        v->drained |= 1ull << role;
        agent_poke(w, v);
    } else {
        at(w, SECOND, drain_step, e->a, e->b)->x = role;
    }
}

void agent_start_drain(struct world *w, struct vm *v, int role)
{
    at(w, SECOND, drain_step, v->id, v->gen)->x = role;
}

/* ---- apply ---- */

static void check_removed(struct world *w, const struct vm *v, const struct doc *old, const struct doc *d)
{
    const struct service_type *t = type_of(w, v);
    for (int r = 0; r < t->n_roles; r++) {
        bool gone = (t->roles[r].flags & ROLE_TARGET) && doc_has(old, r) && !doc_has(d, r);
        if (gone && w->now - v->named_ms[r] < INFLIGHT_MS && w->now - v->fault_ms > DETECT_MS) {
            bad(w, "I11 node %lld drops %s with requests in flight", (long long)v->node, t->roles[r].name);
        }
    }
}

static void end_probe(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (!vm_alive(v, e->b)) {
        return;
    }
    for (int i = 0; i < v->n_probes; i++) {
        if (v->probes[i].version == e->x && v->probes[i].op == e->y) {
            return;
        }
    }
    if (v->n_probes == PROBES_MAX) {
        memmove(&v->probes[0], &v->probes[1], sizeof v->probes[0] * (PROBES_MAX - 1));
        v->n_probes--;
    }
    struct probe_result *p = &v->probes[v->n_probes++];
    memset(p, 0, sizeof *p);
    p->version = e->x;
    p->op = e->y;
    p->ok = !(w->bad_versions[v->svc] >> (e->x % 64) & 1);
    (void)str_copy(p->evidence, sizeof p->evidence, p->ok ? "" : "500 Internal Server Error");
    agent_poke(w, v);
}

static const char *refusal(struct world *w, const struct vm *v, const struct doc *d, bool *ret_own)
{
    *ret_own = false;
    if (d->roles && d->settings != v->applied.settings &&
        (w->bad_settings[v->svc] >> (d->settings % 64) & 1)) {
        *ret_own = bug(BLAME_CONTENT);
        return "settings: refused by the engine";
    }
    *ret_own = true;
    if (!disks_there(w, v, d)) {
        return "a volume is not there";
    }
    return chance(w, w->pf.refuse) ? "no space" : NULL;
}

static void applied(struct world *w, struct vm *v, const struct doc *d)
{
    struct doc old = v->applied;
    const struct service_type *t = type_of(w, v);
    if (!v->rebooting) {
        check_removed(w, v, &old, d);
    }
    v->applied = *d;
    disks_applied(w, v, &old, d);
    v->staged = d->code;
    for (int r = 0; r < t->n_roles; r++) {
        bool had = doc_has(&old, r), has = doc_has(d, r);
        if (had && !has) {
            v->health[r] = HEALTH_NONE;
            if (t->roles[r].flags & (ROLE_HOLDS | ROLE_PAIR)) {
                data_drop(w, v, true);
            }
        } else if (has && v->health[r] == HEALTH_NONE) {
            agent_begin_role(w, v, r);
        } else if (has && (t->roles[r].flags & ROLE_BOOT)) {
            cluster_mode(w, v);
        }
        if (!(d->drain >> r & 1)) {
            v->drained &= ~(1ull << r);
        } else if (!(v->drained >> r & 1)) {
            agent_start_drain(w, v, r);
        }
    }
    int pair = type_with(t, ROLE_PAIR);
    if (pair >= 0 && doc_has(d, pair) && old.primary != d->primary) {
        v->synced = d->primary == v->node;
        v->sync_ticks = 0;
        v->position = v->position < 0 && d->primary == v->node ? 0 : v->position;
    }
    if (d->probe_version) {
        struct event *e = at(w, between(w, 500, 5 * SECOND), end_probe, v->id, v->gen);
        e->x = d->probe_version;
        e->y = d->probe_op;
    }
    agent_run_cmds(w, v, &v->applied);
    w->dirty = true;
}

static void end_apply(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (!vm_alive(v, e->b)) {
        return;
    }
    if (v->hung) {
        struct event *again = at(w, SECOND, end_apply, e->a, e->b);
        again->x = e->x;
        again->y = e->y;
        again->p = TAKE_PTR(e->p);
        return;
    }
    const struct doc *d = e->p;
    bool own = false;
    const char *why = refusal(w, v, d, &own);
    v->done_epoch = e->x;
    v->done_seq = e->y;
    if (why) {
        v->refused_seq = e->y;
        v->refused_own = own;
        (void)str_copy(v->refused_why, sizeof v->refused_why, why);
        v->refused = *d;
        v->refusals += own; /* L3: bad content is not a bad node */
        w->refused_docs++;
        SEEN(w, REFUSED);
        SAY(w, "node %lld refuses %lld: %s", (long long)v->node, (long long)e->y, why);
    } else {
        v->refused_seq = 0;
        v->refusals = 0;
        say_doc(w, "applied", v->node, e->x, e->y, d);
        applied(w, v, d);
    }
    v->busy = false;
    if (v->fence.accepted_epoch != e->x || v->fence.accepted_seq != e->y) {
        agent_begin_apply(w, v);
    }
    agent_poke(w, v);
}

void agent_begin_apply(struct world *w, struct vm *v)
{
    v->busy = true;
    int64_t ms = between(w, 50, 1200);
    for (int64_t i = 0; i < v->accepted.code.n; i++) {
        if (!set_has(&v->staged, v->accepted.code.id[i])) {
            ms += between(w, 500, 6 * SECOND);
        }
    }
    if (w->pf.fault_every_s && chance(w, 30)) {
        ms += between(w, 5 * SECOND, 60 * SECOND);
    }
    ms = v->apply_ms > 0 ? v->apply_ms : ms;
    struct event *e = at(w, ms, end_apply, v->id, v->gen);
    e->x = v->fence.accepted_epoch;
    e->y = v->fence.accepted_seq;
    e->p = xmemdup(&v->accepted, sizeof v->accepted);
}

/* ---- scripts (K rules); the journal is on disk ---- */

static struct cmd_result *journal(struct vm *v, const char *id)
{
    for (int i = 0; i < v->n_cmds; i++) {
        if (str_eq(v->cmds[i].id, id)) {
            return &v->cmds[i];
        }
    }
    return NULL;
}

static struct cmd_result *journal_add(struct vm *v, const char *id)
{
    if (v->n_cmds == JOURNAL_MAX) {
        v->n_cmds--; /* more than a run of any seed starts */
    }
    struct cmd_result *c = &v->cmds[v->n_cmds++];
    memset(c, 0, sizeof *c);
    (void)str_copy(c->id, sizeof c->id, id);
    return c;
}

struct ending {
    char id[48], kind[16];
};
static void end_cmd(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    const struct ending *x = e->p;
    if (!vm_alive(v, e->b)) {
        return;
    }
    struct cmd_result *c = journal(v, x->id);
    if (c && c->state == CMD_RUNNING) {
        c->state = CMD_STOPPED;
        int64_t version = 0;
        bool init = str_starts(x->id, "init:") && str_to_int(x->id + 5, 0, INT64_MAX, &version) == 0;
        c->rc = init && (w->bad_versions[v->svc] >> (version % 64) & 1);
        const struct command_def *d = service_type_command(w->db.s[v->svc].type, x->kind);
        if (d && d->lasts) {
            c->rc = rnd(w, 4) == 0;
        }
    }
    agent_run_cmds(w, v, &v->applied);
    agent_poke(w, v);
}

static bool runs(const struct vm *v, const char *prefix)
{
    for (int i = 0; i < v->n_cmds; i++) {
        if (v->cmds[i].state == CMD_RUNNING && str_starts(v->cmds[i].id, prefix)) {
            return true;
        }
    }
    return false;
}

/* How often a script has been started on a machine: a second journal that no reboot touches. */
static void note_started(struct world *w, const struct vm *v, const char *id)
{
    for (int i = 0; i < w->n_started; i++) {
        if (w->started[i].vm == v->id && str_eq(w->started[i].id, id)) {
            bad(w, "I8 %s is started twice on node %lld", id, (long long)v->node);
        }
    }
    if (w->n_started < STARTED_MAX) {
        w->started[w->n_started].vm = v->id;
        (void)str_copy(w->started[w->n_started++].id, sizeof w->started[0].id, id);
    }
}

static void start_cmd(struct world *w, struct vm *v, const struct doc_cmd *d)
{
    struct cmd_result *c = journal_add(v, d->id);
    const struct command_def *def = service_type_command(w->db.s[v->svc].type, d->kind);
    if (def->rule == COMMAND_EXCLUSIVE && runs(v, "")) {
        c->state = CMD_REFUSED; /* K3 */
        return;
    }
    if (type_with(w->db.s[v->svc].type, ROLE_UNIQUE) >= 0 && v->applied.master == 0) {
        bad(w, "I8 %s starts on node %lld, which knows no master", d->id, (long long)v->node);
    }
    c->state = CMD_RUNNING;
    note_started(w, v, d->id);
    struct ending x = {{0}, {0}};
    (void)str_copy(x.id, sizeof x.id, d->id);
    (void)str_copy(x.kind, sizeof x.kind, d->kind);
    int64_t ms = str_eq(d->kind, "run") || def->lasts ? between(w, 5 * SECOND, 300 * SECOND)
                                                      : between(w, SECOND, 6 * SECOND);
    at(w, ms, end_cmd, v->id, v->gen)->p = xmemdup(&x, sizeof x);
    for (int i = 0; i < v->n_cmds && def->rule == COMMAND_INTERRUPTS; i++) { /* K4 */
        if (v->cmds[i].state == CMD_RUNNING && str_starts(v->cmds[i].id, "run#")) {
            v->cmds[i].state = CMD_STOPPED;
            v->cmds[i].rc = 143;
        }
    }
}

void agent_run_cmds(struct world *w, struct vm *v, const struct doc *doc)
{
    for (int64_t i = 0; i < doc->n_cmds; i++) {
        const struct doc_cmd *d = &doc->cmds[i];
        if (journal(v, d->id)) {
            continue;
        }
        if (runs(v, "init")) {
            return; /* K3 */
        }
        start_cmd(w, v, d);
    }
}
