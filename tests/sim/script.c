/*
 * What scenarios are made of: gates in the network, wishes of users, faults on the second.
 */
#include "script.h"

#include <string.h>

#define GATES_MAX 6
#define WAITING_MAX 4096

struct script {
    struct gate gate[GATES_MAX];
    int n_gates;
    struct waiting {
        struct gate *at; /* NULL: has gone on */
        void (*fn)(struct world *w, struct event *e);
        int a, b;
        int64_t x;
        void *payload; /* owned */
    } waiting[WAITING_MAX];
    int n_waiting;
};

/* ---- gates ---- */

static bool belongs(const struct world *w, const struct gate *g, const struct message *m)
{
    return g->closed && g->kind == m->kind && (g->from == ANY || g->from == m->from) &&
           (g->to == ANY || g->to == m->to) && (!g->match || g->match(w, m));
}

static bool filter(struct world *w, const struct message *m)
{
    struct script *s = w->script;
    for (int i = 0; i < s->n_gates; i++) {
        struct gate *g = &s->gate[i];
        if (!belongs(w, g, m)) {
            continue;
        }
        g->hits++;
        if (g->count_only) {
            continue;
        }
        if (s->n_waiting == WAITING_MAX) {
            bad(w, "scenario: too many messages wait");
            return true;
        }
        s->waiting[s->n_waiting++] =
            (struct waiting){.at = g,
                             .fn = m->fn,
                             .a = m->a,
                             .b = m->b,
                             .x = m->x,
                             .payload = m->size ? xmemdup(m->payload, m->size) : NULL};
        return true;
    }
    return false;
}

struct gate *gate_close(struct world *w, enum msg_kind kind, int from, int to,
                        bool (*match)(const struct world *w, const struct message *m))
{
    struct script *s = w->script;
    if (s->n_gates == GATES_MAX) {
        bad(w, "scenario: too many gates");
        s->n_gates--;
    }
    struct gate *g = &s->gate[s->n_gates++];
    *g = (struct gate){.kind = kind, .from = from, .to = to, .match = match, .closed = true};
    return g;
}

struct gate *gate_count(struct world *w, enum msg_kind kind, int from, int to,
                        bool (*match)(const struct world *w, const struct message *m))
{
    struct gate *g = gate_close(w, kind, from, to, match);
    g->count_only = true;
    return g;
}

void gate_let_pass(struct gate *g)
{
    g->closed = false;
}

void gate_open(struct world *w, struct gate *g)
{
    struct script *s = w->script;
    g->closed = false;
    for (int i = 0, n = 0; i < s->n_waiting; i++) {
        struct waiting *m = &s->waiting[i];
        if (m->at == g) {
            struct event *e = at(w, 20 + 20 * n++, m->fn, m->a, m->b);
            e->x = m->x;
            e->p = TAKE_PTR(m->payload);
            m->at = NULL;
        }
    }
    SAY(w, "a gate is opened");
}

void gate_lose(struct world *w, struct gate *g)
{
    struct script *s = w->script;
    g->closed = false;
    for (int i = 0; i < s->n_waiting; i++) {
        if (s->waiting[i].at == g) {
            free(TAKE_PTR(s->waiting[i].payload));
            s->waiting[i].at = NULL;
        }
    }
}

bool with_doc(const struct world *w, const struct message *m)
{
    return ((const struct agent_answer *)m->payload)->seq > 0;
}

static bool is_call(const struct message *m, enum call_kind kind)
{
    return ((const struct call *)m->payload)->kind == kind;
}
bool is_create(const struct world *w, const struct message *m)
{
    return is_call(m, CALL_CREATE);
}
bool is_destroy(const struct world *w, const struct message *m)
{
    return is_call(m, CALL_DESTROY);
}
bool is_publish(const struct world *w, const struct message *m)
{
    return is_call(m, CALL_PUBLISH);
}
bool is_finish(const struct world *w, const struct message *m)
{
    return is_call(m, CALL_FINISH);
}

void script_init(struct world *w)
{
    w->script = xcalloc(1, sizeof *w->script);
    w->filter = filter;
}

void script_done(struct world *w)
{
    for (int i = 0; i < w->script->n_gates; i++) {
        gate_open(w, &w->script->gate[i]);
    }
    free(w->script);
    w->script = NULL;
    w->filter = NULL;
}

/* ---- who is who ---- */

struct vm *nth(struct world *w, int role, int k)
{
    struct service *s = &w->db.s[0];
    for (int i = 0; i < s->n_nodes; i++) { /* in the order of their ordinals */
        if (s->nodes[i].role == role && node_alive(&s->nodes[i]) && k-- == 0) {
            return vm_of(w, s->nodes[i].id);
        }
    }
    return NULL;
}

struct vm *newest(struct world *w, int role)
{
    int n = living(w, 0, role);
    return n > 0 ? nth(w, role, n - 1) : NULL;
}

struct vm *twin_of(struct world *w, const struct vm *v)
{
    for (int i = 1; v && i <= w->n_vms; i++) {
        if (w->vm[i] != v && w->vm[i]->node == v->node) {
            return w->vm[i];
        }
    }
    return NULL;
}

struct vm *manager_vm(struct world *w)
{
    return vm_of(w, w->db.app.manager_node);
}

enum node_status status_of(struct world *w, const struct vm *v)
{
    const struct rec *r = v ? rec_find(w, v->node) : NULL;
    return r ? r->status : NODE_GONE;
}

int living(struct world *w, int svc, int role)
{
    int n = 0;
    for (int i = 0; i < w->db.s[svc].n_nodes; i++) {
        n += w->db.s[svc].nodes[i].role == role && node_alive(&w->db.s[svc].nodes[i]);
    }
    return n;
}

int machines(const struct world *w, int svc)
{
    int n = 0;
    for (int i = 1; i <= w->n_vms; i++) {
        n += w->vm[i]->exists && (svc == ANY ? w->vm[i]->svc >= 0 : w->vm[i]->svc == svc);
    }
    return n;
}

bool listed(struct world *w, const struct vm *v)
{
    return v && set_has(&w->db.s[v->svc].facts[FACT_ENTRIES].v.ids, v->node);
}

bool names(const struct vm *proxy, int role, const struct vm *v)
{
    return proxy && v && set_has(&proxy->applied.names[role], v->node);
}

bool leads(struct world *w, const struct vm *proxy)
{
    const struct service_type *t = w->db.s[proxy->svc].type;
    for (int r = 0; r < t->n_roles; r++) {
        bool works = !(t->roles[r].flags & ROLE_TARGET);
        int64_t version = t->roles[r].flags & ROLE_SERVES_CODE ? proxy->applied.route : 0;
        for (int64_t i = 0; !works && i < proxy->applied.names[r].n; i++) {
            const struct vm *v = vm_of(w, proxy->applied.names[r].id[i]);
            works = v && role_works(w, v, r, version);
        }
        if (!works) {
            return false;
        }
    }
    return true;
}

bool serves(const struct vm *v, int role)
{
    return v && v->exists && doc_serves(&v->applied, role);
}

bool op_active(const struct world *w, enum facet f)
{
    for (int i = 0; i < w->db.s[0].n_ops; i++) {
        if (w->db.s[0].ops[i].facet == f) {
            return true;
        }
    }
    return false;
}

const struct cmd_result *journal_of(const struct vm *v, const char *prefix)
{
    for (int i = 0; v && i < v->n_cmds; i++) {
        if (str_starts(v->cmds[i].id, prefix)) {
            return &v->cmds[i];
        }
    }
    return NULL;
}

/* ---- users ---- */

static void ask(struct world *w, struct change c)
{
    c.supersede = true;
    memset(&w->ended[c.facet], 0, sizeof w->ended[c.facet]);
    if (user_accept(w, 0, &c, NULL) < 0) {
        bad(w, "scenario: a change of %s is refused", facet_to_str(c.facet));
    }
}

void ask_counts(struct world *w, int a, int b, int c)
{
    ask(w, (struct change){.facet = FACET_COUNTS, .value.counts = {a, b, c}});
}

void ask_run(struct world *w, enum run run)
{
    ask(w, (struct change){.facet = FACET_RUN, .value.run = run});
}

void ask_code(struct world *w, int64_t version, bool good)
{
    uint64_t bit = 1ull << (version % 64);
    w->bad_versions[0] = good ? w->bad_versions[0] & ~bit : w->bad_versions[0] | bit;
    ask(w, (struct change){.facet = FACET_CODE, .value.code = version});
}

void ask_settings(struct world *w, int64_t settings, bool good)
{
    uint64_t bit = 1ull << (settings % 64);
    w->bad_settings[0] = good ? w->bad_settings[0] & ~bit : w->bad_settings[0] | bit;
    ask(w, (struct change){.facet = FACET_SETTINGS, .value.settings = settings});
}

void ask_cmd(struct world *w, const char *kind)
{
    struct change c = {.facet = FACET_CMD};
    (void)str_copy(c.kind, sizeof c.kind, kind);
    ask(w, c);
}

void ask_cancel(struct world *w, enum facet f)
{
    if (user_cancel(w, 0, f) < 0) {
        bad(w, "scenario: there is no operation on %s to cancel", facet_to_str(f));
    }
}

/* ---- faults ---- */

void die(struct world *w, struct vm *v)
{
    fault(w);
    vm_die(w, v, BY_FAULT);
    check(w);
}

void hang(struct world *w, struct vm *v, int64_t seconds)
{
    fault(w);
    SAY(w, "machine %d (node %lld) hangs", v->id, (long long)v->node);
    vm_hang(w, v, seconds * SECOND);
    check(w);
}

void wake(struct world *w, struct vm *v)
{
    fault(w);
    SAY(w, "machine %d (node %lld) goes on", v->id, (long long)v->node);
    vm_unhang(w, v);
    check(w);
}

void crash(struct world *w, struct vm *v, int role, bool loop)
{
    fault(w);
    vm_crash(w, v, role, loop);
    check(w);
}

void reboot(struct world *w, struct vm *v, int64_t seconds)
{
    fault(w);
    vm_reboot(w, v, seconds * SECOND);
    check(w);
}
