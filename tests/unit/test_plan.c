/*
 * The planner against a small perfect world: nodes boot at once, agents apply every document in the next step.
 * After every step: no proxy names a node that does not have the role, and a service that served goes on serving.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/constants.h"
#include "engine/plan.h"
#include "engine/truth.h"

enum { PROXY, WEB, BACKEND, SESSIONS };

struct agent {
    int64_t node, n;
    struct report r;
    bool used;
};
struct world {
    struct app app;
    struct service service;
    struct purse purse;
    struct effects out;
    struct have have;
    struct agent agents[64];
    int64_t next_id, now;
    bool served, bad_version;
};

static void token(void *arg, int64_t node, char out[TOKEN_MAX])
{
    (void)arg;
    snprintf(out, TOKEN_MAX, "t%lld", (long long)node);
}

static struct truth truth(struct world *w, bool service)
{
    return (struct truth){.app = &w->app,
                          .service = service ? &w->service : NULL,
                          .purse = &w->purse,
                          .now_ms = w->now,
                          .next_id = &w->next_id,
                          .out = &w->out,
                          .token = token};
}

static struct agent *agent_of(struct world *w, int64_t node)
{
    struct agent *spare = NULL;
    for (int i = 0; i < 64; i++) {
        if (w->agents[i].used && w->agents[i].node == node) {
            return &w->agents[i];
        }
        spare = !w->agents[i].used && !spare ? &w->agents[i] : spare;
    }
    assert_non_null(spare);
    *spare = (struct agent){.used = true, .node = node};
    spare->r.boot = 1;
    spare->r.promised = 1;
    spare->r.position = -1;
    return spare;
}

static void report(struct world *w, struct agent *a)
{
    a->r.n = ++a->n;
    assert_int_equal(have_report(&w->have, a->node, &a->r, w->now, w->now), 1);
}

static void probe(struct world *w, struct agent *a, const struct doc *d)
{
    if (d->probe_op != 0) {
        a->r.n_probes = 1;
        a->r.probes[0] = (struct probe_result){.version = d->probe_version,
                                               .op = d->probe_op,
                                               .ok = !w->bad_version,
                                               .evidence = "500 Internal Server Error"};
    }
}

static void apply(struct world *w, struct agent *a, int64_t seq, const struct doc *d)
{
    a->r.applied = *d;
    a->r.done_epoch = 1;
    a->r.done_seq = seq;
    a->r.staged = d->code;
    a->r.synced = doc_has(d, SESSIONS);
    a->r.drained = d->drain;
    for (int k = 0; k < ROLES_MAX; k++) {
        a->r.health[k] = doc_has(d, k) ? HEALTH_OK : HEALTH_NONE;
    }
    probe(w, a, d);
}

/* What the director does by itself, with a cloud that does everything at once. */
static void director(struct world *w)
{
    for (int i = w->service.n_nodes - 1; i >= 0; i--) {
        struct node *n = &w->service.nodes[i];
        struct truth t = truth(w, true);
        struct err e = {0};
        if (n->status == NODE_INTENT) {
            char address[ADDRESS_MAX], cloud_id[CLOUD_REF_MAX];
            snprintf(address, sizeof address, "10.0.0.%lld", (long long)n->id);
            snprintf(cloud_id, sizeof cloud_id, "c%lld", (long long)n->id);
            assert_int_equal(truth_enrolled(&t, n->id, cloud_id, address, &e), 0);
        } else if (n->status == NODE_DYING) {
            struct cloud_outcome o = {.step = STEP_TERMINATE, .gone = true};
            struct cloud_outcome p = {.step = STEP_POLL, .gone = true};
            int64_t id = n->id;
            agent_of(w, id)->used = false;
            truth_cloud_outcome(&t, id, &o);
            if (service_node(&w->service, id)) {
                truth_cloud_outcome(&t, id, &p);
            }
        }
    }
}

static void execute(struct world *w, const struct action *a)
{
    struct truth t = truth(w, true);
    struct err e = {0};
    int64_t seq;
    switch (a->kind) {
    case ACT_CREATE:
        (void)!truth_create(&t, a->nodes_rev, a->gen, a->counts, &e);
        break;
    case ACT_DESTROY:
        have_doom(&w->have, a->node, a->why);
        assert_int_equal(truth_destroy(&t, a->node, a->why, &e), 0);
        break;
    case ACT_PUBLISH:
        assert_int_equal(truth_publish(&t, a->fact, a->rev, &a->value, &e), 0);
        break;
    case ACT_FINISH:
        (void)!truth_finish(&t, a->op, a->outcome, a->why, &e);
        break;
    case ACT_DOC:
        if (have_send(&w->have, a->node, a->doc, w->now, &seq) == 1) {
            apply(w, agent_of(w, a->node), seq, a->doc);
        }
        break;
    default:
        fail_msg("action %d", a->kind);
    }
    err_done(&e);
}

static void check_names(struct world *w, const struct agent *proxy)
{
    for (int r = WEB; r <= BACKEND; r++) {
        const struct id_set *names = &proxy->r.applied.names[r];
        assert_true(names->n > 0);
        for (int64_t k = 0; k < names->n; k++) {
            const struct doc *d = &agent_of(w, names->id[k])->r.applied;
            assert_true(doc_has(d, r));
            assert_true(set_has(&d->code, proxy->r.applied.route));
        }
    }
}

static void check(struct world *w)
{
    const struct id_set *entries = &w->service.facts[FACT_ENTRIES].v.ids;
    for (int64_t i = 0; i < entries->n; i++) {
        struct agent *a = agent_of(w, entries->id[i]);
        const struct node *n = service_node(&w->service, entries->id[i]);
        if (!n || n->status != NODE_UP) {
            continue; /* it died; nothing of it serves */
        }
        assert_true(doc_has(&a->r.applied, PROXY));
        check_names(w, a);
    }
    w->served = w->served || entries->n > 0;
    if (w->served && w->service.want.run == RUN_RUNNING) {
        assert_true(entries->n > 0);
    }
}

static void step(struct world *w)
{
    w->now += SECOND;
    director(w);
    have_sync(&w->have, &w->service);
    for (int i = 0; i < w->service.n_nodes; i++) {
        if (w->service.nodes[i].status == NODE_UP) {
            w->service.nodes[i].heard_ms = w->now;
            report(w, agent_of(w, w->service.nodes[i].id));
        }
    }
    struct plan p = {0};
    plan_service(&w->service, true, &w->have, w->now, &p);
    for (int i = 0; i < p.n; i++) {
        execute(w, &p.actions[i]);
        check(w);
    }
    plan_done(&p);
}

/* Accepts the change and steps until nothing is under way. */
static void change(struct world *w, const struct change *c)
{
    struct truth t = truth(w, true);
    struct err e = {0};
    int64_t op = 0;
    if (truth_accept(&t, c, &op, &e) < 0) {
        fail_msg("%s", e.message);
    }
    for (int i = 0; i < 60 && w->service.n_ops > 0; i++) {
        step(w);
    }
    assert_int_equal(w->service.n_ops, 0);
}

static void scale(struct world *w, int proxy, int web, int backend)
{
    struct change c = {.facet = FACET_COUNTS, .value.counts = {proxy, web, backend}};
    change(w, &c);
}

static void expect_roles(struct world *w, int n, const uint64_t *roles)
{
    int seen = 0;
    for (int i = 0; i < w->service.n_nodes; i++) {
        const struct node *x = &w->service.nodes[i];
        if (x->status != NODE_UP) {
            continue;
        }
        if (seen < n) {
            assert_int_equal(agent_of(w, x->id)->r.applied.roles & ~(1ull << SESSIONS), roles[seen]);
        }
        seen++;
    }
    assert_int_equal(seen, n);
}
#define ROLES(...)                                                                                           \
    expect_roles(w, (int)(sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)), (uint64_t[]){__VA_ARGS__})
#define P (1u << PROXY)
#define W (1u << WEB)
#define B (1u << BACKEND)

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->next_id = 1;
    w->now = 1000 * SECOND;
    w->purse = (struct purse){.user = 1, .balance = 9999};
    w->app = (struct app){.id = 100, .owner = 1, .epoch = 1};
    w->service.type = service_type_find("php");
    w->service.id = 101;
    w->service.app = 100;
    w->service.next_ord = 1;
    w->service.want.code = w->service.good.code = 7;
    w->service.want.counts[PROXY] = w->service.good.counts[PROXY] = 1;
    have_init(&w->have, 1, w->now);
    struct truth t = truth(w, false);
    assert_int_equal(truth_want_manager(&t, NULL), 0);
    struct change c = {.facet = FACET_RUN, .value.run = RUN_RUNNING};
    change(w, &c);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    have_done(&w->have);
    effects_done(&w->out);
    free(w);
    return 0;
}

static void test_deck(void **state)
{
    struct world *w = *state;
    ROLES(P | W | B);
    assert_int_equal(w->purse.balance, 9997);
    scale(w, 1, 1, 2);
    ROLES(P, W, B, B);
    assert_int_equal(w->purse.balance, 9994);
    scale(w, 1, 1, 1);
    scale(w, 1, 0, 1);
    ROLES(P | W, B);
    scale(w, 1, 0, 0);
    ROLES(P | W | B);
    struct change c = {.facet = FACET_RUN, .value.run = RUN_STOPPED};
    change(w, &c);
    assert_int_equal(w->service.n_nodes, 0);
    assert_int_equal(w->service.state, SERVICE_STOPPED);
}

static void test_two_proxies(void **state)
{
    struct world *w = *state;
    scale(w, 1, 1, 1);
    scale(w, 2, 2, 2);
    assert_int_equal(w->service.facts[FACT_ENTRIES].v.ids.n, 2);
    scale(w, 1, 1, 1);
    ROLES(P, W, B);
}

static void test_code(void **state)
{
    struct world *w = *state;
    scale(w, 1, 1, 2);
    struct change c = {.facet = FACET_CODE, .value.code = 8};
    change(w, &c);
    assert_int_equal(w->service.good.code, 8);
    w->bad_version = true;
    c.value.code = 9;
    change(w, &c);
    assert_int_equal(w->service.want.code, 8);
    assert_int_equal(w->service.good.code, 8);
}

static void test_settings(void **state)
{
    struct world *w = *state;
    scale(w, 1, 1, 2);
    struct change c = {.facet = FACET_SETTINGS, .value.settings = 3};
    change(w, &c);
    assert_int_equal(w->service.good.settings, 3);
}

static int sessions_holders(struct world *w)
{
    int n = 0;
    for (int i = 0; i < w->service.n_nodes; i++) {
        n += w->service.nodes[i].status == NODE_UP &&
             doc_has(&agent_of(w, w->service.nodes[i].id)->r.applied, SESSIONS);
    }
    return n;
}

static void test_pair(void **state)
{
    struct world *w = *state;
    assert_int_equal(sessions_holders(w), 1);
    int64_t first = w->service.facts[FACT_PRIMARY].v.node;
    assert_true(first != 0);
    scale(w, 1, 1, 2);
    assert_int_equal(sessions_holders(w), 2);
    assert_int_equal(w->service.facts[FACT_PRIMARY].v.node, first);
    /* The cloud reports the primary's node dead: the replica takes over, a third becomes replica. */
    struct truth t = truth(w, true);
    struct err e = {0};
    assert_int_equal(truth_destroy(&t, first, "test", &e), 0);
    for (int i = 0; i < 30; i++) {
        w->served = false;
        step(w);
    }
    assert_true(w->service.facts[FACT_PRIMARY].v.node != first);
    assert_int_equal(sessions_holders(w), 2);
}

/* A manager that starts and hears nobody decides nothing (W1). */
static void test_silence(void **state)
{
    struct world *w = *state;
    have_done(&w->have);
    have_init(&w->have, 2, w->now);
    for (int i = 0; i < 29; i++) {
        struct plan p = {0};
        w->service.nodes[0].heard_ms = w->now += SECOND;
        plan_service(&w->service, true, &w->have, w->now, &p);
        assert_int_equal(p.n, 0);
        plan_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deck, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_proxies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_code, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pair, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1;
}
