/*
 * The cloud: makes and ends machines, late, wrongly, or with an outcome that nobody learns.
 */
#include <string.h>

#include "sim.h"

static void reply(struct world *w, int64_t in_ms, int svc, int64_t node, int inc,
                  const struct cloud_outcome *o)
{
    struct event *e =
        at(w, in_ms, dir_cloud_reply, svc, inc); /* a director that restarted meanwhile hears nothing */
    e->x = node;
    e->p = xmemdup(o, sizeof *o);
}

static struct vm *by_token(struct world *w, const char *token)
{
    for (int i = 1; i <= w->n_vms; i++) {
        if (w->vm[i]->exists && str_eq(w->vm[i]->token, token)) {
            return w->vm[i];
        }
    }
    return NULL;
}

static void boot(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (v->exists && v->gen == e->b) {
        agent_start(w, v);
    }
}

struct vm *cloud_make(struct world *w, const char *token, int64_t node, int svc)
{
    struct vm *v = w->pf.idempotent_cloud ? by_token(w, token) : NULL;
    if (v) {
        return v;
    }
    if (w->n_vms == VMS_MAX - 1) {
        bad(w, "machine storm");
        return w->vm[w->n_vms];
    }
    w->seen[SEEN_TWIN] += by_token(w, token) != NULL;
    v = xcalloc(1, sizeof *v);
    v->id = ++w->n_vms;
    w->vm[v->id] = v;
    v->svc = svc;
    v->node = node;
    (void)str_copy(v->token, sizeof v->token, token);
    v->exists = true;
    v->born_ms = w->now;
    v->fault_ms = v->quiet_ms = -DETECT_MS * 10;
    v->position = -1;
    for (int r = 0; r < ROLES_MAX; r++) {
        v->had_ms[r] = v->named_ms[r] = -DETECT_MS * 10;
    }
    agent_reset(v);
    w->nodes_made++;
    SAY(w, "cloud: machine %d for node %lld", v->id, (long long)node);
    int x = rnd(w, 1000);
    if (w->boot_ms > 0) {
        (void)at(w, w->boot_ms, boot, v->id, v->gen);
    } else if (w->boot_ms < 0 || x < w->pf.boot_bad * 2 / 5) {
        SEEN(w, BOOT_NEVER);
        SAY(w, "machine %d will never boot", v->id);
    } else {
        w->seen[SEEN_BOOT_LATE] += x < w->pf.boot_bad;
        int64_t ms =
            x < w->pf.boot_bad ? between(w, 100 * SECOND, 300 * SECOND) : between(w, 2 * SECOND, 20 * SECOND);
        (void)at(w, ms, boot, v->id, v->gen);
    }
    return v;
}

static void fill(struct cloud_outcome *o, const struct vm *v)
{
    snprintf(o->cloud_id, sizeof o->cloud_id, "v%d", v->id);
    snprintf(o->address, sizeof o->address, "10.0.%d.%d", v->id / 250, v->id % 250 + 1);
}

int vm_from_cloud_id(const char *cloud_id)
{
    int64_t id = 0;
    return cloud_id[0] == 'v' && str_to_int(cloud_id + 1, 1, VMS_MAX, &id) == 0 ? (int)id : 0;
}

struct pending {
    char token[TOKEN_MAX];
    int64_t node;
    int svc;
    bool tell;
};

static void made(struct world *w, struct event *e)
{
    const struct pending *p = e->p;
    struct vm *v = cloud_make(w, p->token, p->node, p->svc);
    if (p->tell) {
        struct cloud_outcome o = {.step = STEP_CREATE};
        fill(&o, v);
        reply(w, 10, p->svc, p->node, e->b, &o);
    }
}

static void make_later(struct world *w, int64_t in_ms, const struct node *n, int svc, bool tell)
{
    struct pending p = {.node = n->id, .svc = svc, .tell = tell};
    (void)str_copy(p.token, sizeof p.token, n->token);
    struct event *e = at(w, in_ms, made, svc, w->dir_inc);
    e->p = xmemdup(&p, sizeof p);
}

/* What a scenario makes the cloud do. */
static void say_scripted(struct world *w, int svc, const struct node *n)
{
    int result = w->cloud_says[0].result;
    int64_t makes_ms = w->cloud_says[0].makes_ms;
    memmove(&w->cloud_says[0], &w->cloud_says[1], sizeof w->cloud_says - sizeof w->cloud_says[0]);
    w->n_cloud_says--;
    if (makes_ms >= 0) {
        make_later(w, makes_ms, n, svc, result == CLOUD_OK);
    }
    if (result != CLOUD_OK) {
        struct cloud_outcome o = {.step = STEP_CREATE, .result = result, .why = "as the scenario says"};
        reply(w, SECOND, svc, n->id, w->dir_inc, &o);
    }
}

#define MUTE 1 /* nobody learns the outcome, not even that it is unknown */

static void note_result(struct world *w, int64_t seen[CLOUD_RESULTS], int result)
{
    if (result == MUTE) {
        SEEN(w, CLOUD_MUTE);
    } else {
        seen[CLOUD_INDEX(result)]++;
    }
}

static void do_create(struct world *w, int svc, const struct node *n)
{
    static const struct {
        int result;
        int makes; /* 0 no, 1 now, 2 later */
    } wrong[] = {{CLOUD_RETRY, 0},
                 {CLOUD_RETRY, 0},
                 {CLOUD_THROTTLED, 0},
                 {CLOUD_CONFLICT, 0},
                 {CLOUD_CAPACITY, 0},
                 {CLOUD_QUOTA, 0},
                 {CLOUD_PERMANENT, 0},
                 {CLOUD_AUTH, 0},
                 {CLOUD_INVALID, 0},
                 {CLOUD_NOTFOUND, 0},
                 {CLOUD_UNSUPPORTED, 0},
                 {CLOUD_UNKNOWN, 0},
                 {CLOUD_UNKNOWN, 1},
                 {CLOUD_UNKNOWN, 1},
                 {CLOUD_UNKNOWN, 2},
                 {CLOUD_UNKNOWN, 2},
                 {MUTE, 0},
                 {MUTE, 1}};
    int64_t ms = between(w, 500, 6 * SECOND);
    if (w->n_cloud_says > 0) {
        say_scripted(w, svc, n);
        return;
    }
    if (!chance(w, w->pf.cloud_bad)) {
        note_result(w, w->seen_create, CLOUD_OK);
        make_later(w, ms, n, svc, true);
        return;
    }
    int k = rnd(w, (int)ARRAY_LEN(wrong));
    note_result(w, w->seen_create, wrong[k].result);
    if (wrong[k].makes) {
        make_later(w, wrong[k].makes == 1 ? ms : between(w, 30 * SECOND, 100 * SECOND), n, svc, false);
    }
    if (wrong[k].result != MUTE) {
        struct cloud_outcome o = {.step = STEP_CREATE, .result = wrong[k].result, .why = "simulated refusal"};
        reply(w, ms + 100, svc, n->id, w->dir_inc, &o);
    }
}

static void killed(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    const struct rec *r = rec_find(w, v->node);
    bool restored = w->reconciled_ms != 0 && (!r || r->orphan);
    if (restored) {
        fault(w); /* the administrator has decided so: the restored database does not know it */
    }
    if (v->exists) {
        vm_die(w, v, restored ? BY_FAULT : BY_ACTION);
    }
    w->leak_calls[e->a] = 0;
}

void cloud_kill(struct world *w, int vm)
{
    if (w->recovery) {
        bad(w, "T7 machine %d is ended before the restored director was reconciled", vm);
    }
    if (!chance(w, w->pf.cloud_bad)) {
        (void)at(w, between(w, 500, 5 * SECOND), killed, vm, 0);
    } else {
        w->leak_calls[vm] = w->now + 30 * SECOND;
    }
}

/* The other calls fail in all ways, too; an end of a machine may have begun all the same. */
static void do_wrongly(struct world *w, int svc, const struct cloud_task *t, const struct node *n)
{
    static const int results[] = {
        CLOUD_RETRY, CLOUD_THROTTLED, CLOUD_CONFLICT, CLOUD_CAPACITY,    CLOUD_QUOTA, CLOUD_PERMANENT,
        CLOUD_AUTH,  CLOUD_INVALID,   CLOUD_UNKNOWN,  CLOUD_UNSUPPORTED, MUTE};
    struct cloud_outcome o = {.step = t->step, .result = results[rnd(w, (int)ARRAY_LEN(results))]};
    struct vm *v = w->vm[vm_from_cloud_id(n->cloud_id)];
    if (t->step == STEP_TERMINATE && rnd(w, 2)) {
        cloud_kill(w, v->id);
    } else if (t->step == STEP_POLL && v->exists && !v->doubted &&
               rnd(w, 2)) { /* X6: said once it does not count */
        v->doubted = true;
        SEEN(w, CLOUD_DOUBTS);
        o.result = CLOUD_OK;
        o.gone = true;
    }
    note_result(w, w->seen_other, o.result);
    if (o.result != MUTE) {
        reply(w, between(w, 200, 2 * SECOND), svc, t->node, w->dir_inc, &o);
    }
}

void cloud_do(struct world *w, int svc, const struct cloud_task *t)
{
    if (t->volume) {
        disk_do(w, svc, t);
        return;
    }
    struct node *n = svc < 0 ? app_node(&w->db.app, t->node) : service_node(&w->db.s[svc], t->node);
    struct cloud_outcome o = {.step = t->step};
    struct vm *v = NULL;
    if (t->step == STEP_CREATE) {
        do_create(w, svc, n);
        return;
    }
    if (chance(w, w->pf.cloud_bad)) {
        do_wrongly(w, svc, t, n);
        return;
    }
    switch (t->step) {
    case STEP_FIND:
        v = by_token(w, n->token);
        if (v && w->now - v->born_ms > 5 * SECOND) {
            fill(&o, v);
        } else {
            o.result = CLOUD_NOTFOUND;
        }
        break;
    case STEP_POLL:
        v = w->vm[vm_from_cloud_id(n->cloud_id)];
        o.gone = !v->exists;
        break;
    default:
        cloud_kill(w, vm_from_cloud_id(n->cloud_id));
    }
    note_result(w, w->seen_other, o.result);
    reply(w, between(w, 200, 2 * SECOND), svc, t->node, w->dir_inc, &o);
}
