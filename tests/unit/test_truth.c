/*
 * What users ask of the director's truth, and what it tells them: legality by state, credit.
 */
#include <stdio.h>
#include <string.h>

#include "cm.h"
#include "engine/constants.h"
#include "engine/truth.h"

enum { PROXY, WEB, BACKEND };

struct world {
    struct app app;
    struct service service;
    struct purse purse;
    struct effects out;
    int64_t next_id, now;
};

static void token(void *arg, int64_t node, char out[TOKEN_MAX])
{
    (void)arg;
    snprintf(out, TOKEN_MAX, "t%lld", (long long)node);
}

static struct truth truth_of(struct world *w)
{
    return (struct truth){.app = &w->app,
                          .service = &w->service,
                          .purse = &w->purse,
                          .now_ms = w->now,
                          .next_id = &w->next_id,
                          .out = &w->out,
                          .token = token};
}

/* A php service that was never started. */
static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->next_id = 1000;
    w->now = 1000 * SECOND;
    w->purse = (struct purse){.user = 1, .balance = 9};
    w->app = (struct app){.id = 100, .owner = 1, .epoch = 1, .manager_wanted = true, .manager_node = 99};
    w->service.type = service_type_find("php");
    w->service.id = 101;
    w->service.app = 100;
    w->service.want.code = w->service.good.code = 7;
    w->service.want.counts[PROXY] = w->service.good.counts[PROXY] = 1;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    effects_done(&w->out);
    free(w);
    return 0;
}

/* 0 or an ERR_ code. */
static int run(struct world *w, enum run value, int64_t *ret_op)
{
    struct truth t = truth_of(w);
    struct change c = {.facet = FACET_RUN, .value.run = value};
    struct err e = {0};
    int r = truth_accept(&t, &c, ret_op, &e);
    err_done(&e);
    return r;
}

static bool history_has(const struct world *w, const char *text)
{
    for (int i = 0; i < w->out.n; i++) {
        if (w->out.e[i].kind == EFF_HISTORY && strstr(w->out.e[i].text, text)) {
            return true;
        }
    }
    return false;
}

/* O2: a start that takes long is stopped like everything else, and gives its credit back. */
static void test_stop_while_starting(void **state)
{
    struct world *w = *state;
    int64_t start = 0, stop = 0;
    assert_int_equal(run(w, RUN_RUNNING, &start), 0);
    assert_int_equal(w->service.state, SERVICE_PROLOGUE);
    assert_int_equal(w->purse.balance, 8);

    assert_int_equal(run(w, RUN_STOPPED, &stop), 0);
    assert_int_equal(w->service.state, SERVICE_EPILOGUE);
    assert_int_equal(w->service.want.run, RUN_STOPPED);
    assert_null(service_op(&w->service, start));
    assert_non_null(service_op(&w->service, stop));
    assert_int_equal(w->purse.balance, 9);
}

static void test_stop_of_what_does_not_run(void **state)
{
    struct world *w = *state;
    int64_t op = 0;
    assert_int_equal(run(w, RUN_STOPPED, &op), ERR_STATE);
    assert_int_equal(run(w, RUN_RUNNING, &op), 0);
    assert_int_equal(run(w, RUN_STOPPED, &op), 0);
    assert_int_equal(run(w, RUN_STOPPED, &op), ERR_STATE); /* it is leaving already */
}

/* A lost node that no credit can replace: people read why, and the manager is not let in before a pause (C2). */
static void test_no_credit_for_a_replacement(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    int counts[ROLES_MAX] = {[PROXY] = 1};
    w->service.want.run = w->service.good.run = RUN_RUNNING;
    w->purse.balance = 0;

    struct truth t = truth_of(w);
    assert_int_equal(truth_create(&t, w->service.nodes_rev, w->service.gen, counts, &e), 0);
    assert_int_equal(w->service.n_nodes, 0);
    assert_true(history_has(w, "insufficient credits"));
    assert_true(w->service.create_after_ms > w->now);
    assert_int_equal(truth_create(&t, w->service.nodes_rev, w->service.gen, counts, &e), ERR_STALE);
    err_done(&e);

    truth_grant(&t, 5, "more");
    t.now_ms = w->service.create_after_ms;
    assert_int_equal(truth_create(&t, w->service.nodes_rev, w->service.gen, counts, &e), 0);
    assert_int_equal(w->service.n_nodes, 1);
    assert_int_equal(w->purse.balance, 4);
}

static void add_manager(struct world *w)
{
    struct node m = {.id = 99, .role = -1, .status = NODE_UP, .cloud_id = "c99", .hours_paid = 1};
    m.created_ms = m.up_ms = m.heard_ms = w->now;
    w->app.manager_heard_ms = w->now;
    w->app.nodes[w->app.n_nodes++] = m;
}

/* An application that is stopped: its manager goes when no service has nodes any more, and comes when asked for. */
static void test_application_stops(void **state)
{
    struct world *w = *state;
    struct service *services[] = {&w->service};
    struct truth t = truth_of(w);
    struct err e = {0};
    int64_t op = 0;
    add_manager(w);
    assert_int_equal(run(w, RUN_RUNNING, &op), 0);
    w->service.nodes[w->service.n_nodes++] = (struct node){.id = 200, .status = NODE_UP, .cloud_id = "c200"};
    assert_int_equal(truth_stop_app(&t, &e), 0);
    assert_int_equal(w->service.want.run, RUN_STOPPED);
    t.service = NULL;
    assert_int_equal(truth_stop_app(&t, &e), 0);
    truth_end_manager(&t, services, 1);
    assert_int_equal(w->app.nodes[0].status, NODE_UP); /* it has the service's node to end first */
    w->service.n_nodes = 0;
    truth_end_manager(&t, services, 1);
    assert_int_equal(w->app.nodes[0].status, NODE_DYING);
    w->app.n_nodes = 0;
    w->app.manager_node = 0;
    assert_int_equal(truth_want_manager(&t, &e), 0);
    assert_int_equal(w->app.n_nodes, 1);
    truth_end_manager(&t, services, 1);
    assert_int_equal(w->app.nodes[0].status, NODE_INTENT);
}

/* Whoever starts and stops an application in quick turns waits for the cloud: the table of its nodes is small. */
static void test_application_in_quick_turns(void **state)
{
    struct world *w = *state;
    struct truth t = truth_of(w);
    struct err e = {0};
    t.service = NULL;
    w->purse.balance = 100;
    w->app.manager_node = 0;
    int r = 0;
    for (int i = 0; i < MANAGER_NODES_MAX + 1 && r == 0; i++) {
        r = truth_start_app(&t, &e);
        if (r == 0) {
            w->app.nodes[w->app.n_nodes - 1].status = NODE_ASKED;
            assert_int_equal(truth_stop_app(&t, &e), 0);
            truth_end_manager(&t, NULL, 0);
        }
    }
    assert_int_equal(r, ERR_RATE);
    assert_int_equal(w->app.n_nodes, MANAGER_NODES_MAX);
    assert_false(w->app.manager_wanted);
    err_done(&e);
}

/* T4: what went away while the director was away (an ordered end of the installation, a reboot of the machine), and
 * what was replaced before somebody started the service anew, is no sign of nodes that keep dying. */
static void test_replacements_are_forgotten(void **state)
{
    struct world *w = *state;
    int64_t op = 0;
    w->service.want.run = w->service.good.run = RUN_RUNNING;
    w->service.replaced[PROXY].n = REPLACE_MAX;
    w->service.replaced[PROXY].since_ms = w->now;
    struct truth t = truth_of(w);
    truth_restarted(&t);
    assert_int_equal(w->service.replaced[PROXY].n, 0);

    w->service.want.run = w->service.good.run = RUN_STOPPED;
    w->service.state = SERVICE_STOPPED;
    w->service.replaced[PROXY].n = REPLACE_MAX;
    assert_int_equal(run(w, RUN_RUNNING, &op), 0);
    assert_int_equal(w->service.replaced[PROXY].n, 0);
}

/* B6: credit that comes while the manager's node is being wound up keeps it, as a manager that is wanted. */
static void test_credit_comes_back(void **state)
{
    struct world *w = *state;
    add_manager(w);
    w->purse.balance = 0;
    w->now += HOUR_MS - LEAD_MS + SECOND;
    w->app.manager_heard_ms = w->now;

    struct truth t = truth_of(w);
    struct cloud_tasks tasks;
    t.service = NULL;
    (void)truth_tick(&t, &tasks);
    assert_true(w->purse.broke_ms != 0);
    assert_int_equal(w->app.nodes[0].status, NODE_UP);

    truth_grant(&t, 5, "more");
    (void)truth_tick(&t, &tasks);
    assert_true(w->app.manager_wanted);
    assert_int_equal(w->app.nodes[0].status, NODE_UP);
    assert_int_equal(w->purse.balance, 4);
}

/* T6: a manager's node on which no manager ever starts is not replaced at once and for ever, at the user's cost. */
static void test_manager_never_starts(void **state)
{
    struct world *w = *state;
    struct cloud_tasks tasks;
    struct truth t = truth_of(w);
    t.service = NULL;
    add_manager(w);
    t.now_ms = w->now + MANAGER_LOST_MS;
    (void)truth_tick(&t, &tasks);
    assert_int_equal(w->app.nodes[0].status, NODE_DYING);
    assert_int_equal(w->app.n_nodes, 1);
    assert_int_equal(w->app.fails, 1);
    assert_true(w->app.launch_after_ms > t.now_ms);
    assert_non_null(strstr(w->app.fail_why, "did not start"));

    /* the sixth time: an hour's pause, which is paid for anyway */
    w->app.n_nodes = 0;
    w->app.fails = FAILS_MAX - 1;
    add_manager(w);
    w->app.manager_node = 99;
    (void)truth_tick(&t, &tasks);
    assert_true(w->app.launch_after_ms >= t.now_ms + HOUR_MS);
}

/* T6: one that did lead is replaced at once. */
static void test_manager_is_lost(void **state)
{
    struct world *w = *state;
    struct cloud_tasks tasks;
    struct truth t = truth_of(w);
    t.service = NULL;
    add_manager(w);
    w->app.manager_heard_ms += SECOND;
    t.now_ms = w->now + SECOND + MANAGER_LOST_MS;
    (void)truth_tick(&t, &tasks);
    assert_int_equal(w->app.nodes[0].status, NODE_DYING);
    assert_int_equal(w->app.n_nodes, 2);
    assert_int_equal(w->app.fails, 0);
}

/* C3: an operation does not wait for its deadline when its manager cannot be made. */
static void test_no_manager(void **state)
{
    struct world *w = *state;
    int64_t start = 0;
    assert_int_equal(run(w, RUN_RUNNING, &start), 0);
    w->app.fails = FAILS_MAX - 1;
    (void)snprintf(w->app.fail_why, sizeof w->app.fail_why, "no room");

    struct truth t = truth_of(w);
    struct cloud_tasks tasks;
    (void)truth_tick(&t, &tasks);
    assert_non_null(service_op(&w->service, start));

    w->app.fails = FAILS_MAX;
    (void)truth_tick(&t, &tasks);
    assert_null(service_op(&w->service, start));
    assert_int_equal(w->service.want.run, RUN_STOPPED);
    assert_int_equal(w->purse.balance, 9);
    bool told = false;
    for (int i = 0; i < w->out.n; i++) {
        const struct effect *e = &w->out.e[i];
        told = told || (e->kind == EFF_OP && e->op.state == OP_FAILED &&
                        str_eq(e->op.why, "the manager's node cannot be made: no room"));
    }
    assert_true(told);

    /* a new start tries again at once */
    w->app.launch_after_ms = w->now + 100 * SECOND;
    assert_int_equal(run(w, RUN_RUNNING, &start), 0);
    assert_int_equal(w->app.fails, 0);
    assert_int_equal(w->app.launch_after_ms, w->now);
}

/* ---- commands ---- */

// clang-format off
static const struct role_def data_roles[] = {
    {.name = "data", .title = "data", .flags = ROLE_PURPOSE, .min = 1, .start = 1, .max = 4, .with = -1},
    {.name = "relay", .title = "relay", .flags = ROLE_PURPOSE, .max = 4, .with = -1},
};
static const struct command_def data_commands[] = {
    {.name = "load", .title = "load data", .where = COMMAND_ON_ONE, .role = 0, .driver = "data",
     .rule = COMMAND_EXCLUSIVE, .lasts = true, .deadline_ms = 7200 * SECOND},
    {.name = "check", .title = "check data", .where = COMMAND_ON_ALL, .role = 0, .driver = "data"},
    {.name = "halt", .title = "stop what runs", .where = COMMAND_ON_ALL, .role = 0, .driver = "data",
     .rule = COMMAND_INTERRUPTS},
    {.name = "own", .title = "the planner's", .internal = true, .where = COMMAND_ON_ALL, .role = 0, .driver = "data"},
};
static const struct service_type data_type = {
    .name = "data", .title = "Data", .roles = data_roles, .n_roles = 2, .commands = data_commands, .n_commands = 4};
// clang-format on

static void add_node(struct world *w, int64_t id, int role, enum node_status status, int64_t heard_ms)
{
    w->service.nodes[w->service.n_nodes++] =
        (struct node){.id = id, .ord = id, .role = role, .status = status, .heard_ms = heard_ms};
}

static int ask(struct world *w, const char *kind, int64_t node, int64_t *ret_op)
{
    struct truth t = truth_of(w);
    struct change c = {.facet = FACET_CMD, .node = node};
    struct err e = {0};
    (void)str_copy(c.kind, sizeof c.kind, kind);
    (void)str_copy(c.parameters, sizeof c.parameters, "--all \"two words\"");
    int r = truth_accept(&t, &c, ret_op, &e);
    err_done(&e);
    return r;
}

/* K3, K7: who may ask for what, and who carries it out. */
static void test_commands(void **state)
{
    struct world *w = *state;
    int64_t op = 0, other = 0;
    w->service.type = &data_type;
    w->service.want.run = w->service.good.run = RUN_RUNNING;
    w->service.state = SERVICE_RUNNING;
    w->service.started_once = w->service.converged = true;
    assert_int_equal(ask(w, "load", 0, &op), ERR_STATE); /* nobody could do it */
    add_node(w, 1, 0, NODE_DYING, w->now);
    add_node(w, 2, 0, NODE_UP, w->now - LOST_AFTER_MS);
    add_node(w, 3, 1, NODE_UP, w->now);
    add_node(w, 4, 0, NODE_UP, w->now);
    add_node(w, 5, 0, NODE_UP, w->now);
    assert_int_equal(ask(w, "own", 0, &op), ERR_INVALID);
    assert_int_equal(ask(w, "run", 0, &op), ERR_INVALID);
    assert_int_equal(ask(w, "load", 3, &op), ERR_STATE); /* of another role */
    assert_int_equal(ask(w, "load", 0, &op), 0);
    const struct op *o = service_op(&w->service, op);
    assert_int_equal(o->targets.n, 1);
    assert_int_equal(o->targets.id[0], 4); /* the first that is heard */
    assert_string_equal(o->parameters, "--all \"two words\"");

    assert_int_equal(ask(w, "check", 0, &other), ERR_CONFLICT);
    assert_int_equal(ask(w, "halt", 0, &other), 0); /* K4 */
    assert_null(service_op(&w->service, op));
    assert_int_equal(service_op(&w->service, other)->targets.n, 3);
    struct truth t = truth_of(w);
    assert_int_equal(truth_cancel(&t, other, "", NULL), 0);

    assert_int_equal(ask(w, "load", 5, &op), 0);
    assert_int_equal(service_op(&w->service, op)->targets.id[0], 5); /* the one that was asked for */
    /* its own deadline */
    w->now += DEADLINE_CMD_MS + SECOND;
    struct cloud_tasks tasks;
    t = truth_of(w);
    (void)truth_tick(&t, &tasks);
    assert_non_null(service_op(&w->service, op));
}

/* A command travels with its parameters. */
static void test_parameters_in_json(void **state)
{
    struct world *w = *state;
    struct service *back = xcalloc(1, sizeof *back);
    struct err e = {0};
    w->service.ops[w->service.n_ops++] = (struct op){
        .id = 9, .facet = FACET_CMD, .kind = "run", .parameters = "a \"b\" \\ c", .value = w->service.want};
    _cleanup_json_ json_t *j = service_to_json(&w->service);
    assert_int_equal(service_from_json(j, back, &e), 0);
    assert_string_equal(service_op(back, 9)->parameters, "a \"b\" \\ c");
    char *longer = xcalloc(1, PARAMETERS_MAX + 1);
    memset(longer, 'x', PARAMETERS_MAX);
    json_object_set_new(json_array_get(json_object_get(j, "ops"), 0), "parameters", json_string(longer));
    assert_int_equal(service_from_json(j, back, &e), ERR_INVALID); /* never a part of it */
    err_done(&e);
    free(longer);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stop_while_starting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_of_what_does_not_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_manager, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_credit_for_a_replacement, setup, teardown),
        cmocka_unit_test_setup_teardown(test_credit_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_application_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_application_in_quick_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replacements_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manager_never_starts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manager_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parameters_in_json, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
