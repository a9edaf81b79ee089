/*
 * Volumes as users and the director see them: changes, quotas, what a user's operation ends with, what stays.
 */
#include <stdio.h>
#include <string.h>

#include "cm.h"
#include "engine/constants.h"
#include "engine/truth.h"
#include "model/cloud_result.h"

enum { STORE, FREE };
static const struct role_def roles[] = {
    {.name = "store",
     .title = "store",
     .flags = ROLE_PURPOSE | ROLE_STATEFUL,
     .min = 1,
     .start = 1,
     .max = 8,
     .with = -1,
     .volume = {.name = "engine", .megabytes = 1024}},
    {.name = "free", .title = "free", .flags = ROLE_PURPOSE, .max = 8, .with = -1},
};
static const struct service_type type = {
    .name = "disks", .title = "Disks", .roles = roles, .n_roles = 2, .default_role = STORE, .volumes = true};
static const struct service_type without = {
    .name = "bare", .title = "Bare", .roles = &roles[1], .n_roles = 1};

struct world {
    struct app app;
    struct service service;
    struct purse purse;
    struct effects out;
    struct truth t;
    int64_t next_id;
};

static void token(void *arg, int64_t id, char out[TOKEN_MAX])
{
    (void)arg;
    snprintf(out, TOKEN_MAX, "t%lld", (long long)id);
}

static struct node *add_node(struct world *w, int role)
{
    struct service *s = &w->service;
    struct node *n = &s->nodes[s->n_nodes++];
    *n = (struct node){.id = ++w->next_id, .ord = ++s->next_ord, .role = role, .status = NODE_UP};
    n->heard_ms = n->up_ms = n->created_ms = w->t.now_ms;
    n->hours_paid = 100;
    n->poll_ms = INT64_MAX; /* no calls about the node itself */
    snprintf(n->cloud_id, sizeof n->cloud_id, "m%lld", (long long)n->id);
    return n;
}

/* A service that runs one node of each purpose. */
static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->next_id = 1000;
    w->app = (struct app){.id = 100, .owner = 1, .epoch = 1, .manager_wanted = true, .manager_node = 99};
    w->purse = (struct purse){.user = 1, .balance = 90};
    w->t = (struct truth){.app = &w->app,
                          .service = &w->service,
                          .purse = &w->purse,
                          .now_ms = 1000 * SECOND,
                          .next_id = &w->next_id,
                          .out = &w->out,
                          .volume_room_mb = 5000,
                          .volume_max_mb = 3000,
                          .token = token};
    struct service *s = &w->service;
    s->type = &type;
    s->id = 101;
    s->app = 100;
    s->want.run = s->good.run = RUN_RUNNING;
    s->want.counts[STORE] = s->good.counts[STORE] = s->want.counts[FREE] = s->good.counts[FREE] = 1;
    s->converged = true;
    s->state = SERVICE_RUNNING;
    (void)add_node(w, STORE);
    (void)add_node(w, FREE);
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

/* The step that is due for a volume, after `ms`; STEP_NONE = none. */
static enum cloud_step step(struct world *w, int64_t id, int64_t ms)
{
    struct cloud_tasks *tasks = xcalloc(1, sizeof *tasks);
    enum cloud_step found = STEP_NONE;
    w->t.now_ms += ms;
    (void)truth_tick(&w->t, tasks);
    for (int i = 0; i < tasks->n; i++) {
        found = tasks->t[i].volume == id ? tasks->t[i].step : found;
    }
    free(tasks);
    return found;
}

static void outcome(struct world *w, int64_t id, enum cloud_step s, int result)
{
    struct cloud_outcome o = {.step = s, .result = result};
    (void)str_copy(o.cloud_id, sizeof o.cloud_id, "disk");
    (void)str_copy(o.why, sizeof o.why, result == CLOUD_OK ? "" : "as the test says");
    truth_volume_outcome(&w->t, id, &o);
}

/* Does what is due for volumes and lets it succeed, until nothing is. */
static void settle(struct world *w)
{
    struct cloud_tasks *tasks = xcalloc(1, sizeof *tasks);
    do {
        (void)truth_tick(&w->t, tasks);
        for (int i = 0; i < tasks->n; i++) {
            if (tasks->t[i].volume) {
                outcome(w, tasks->t[i].volume, tasks->t[i].step, CLOUD_OK);
            }
        }
    } while (tasks->n > 0);
    free(tasks);
}

static int ask(struct world *w, const char *kind, int64_t id, const char *name, int64_t mb, int64_t node,
               int64_t *ret_op)
{
    struct change c = {.facet = FACET_VOLUME};
    struct err e = {0};
    (void)str_copy(c.kind, sizeof c.kind, kind);
    c.volume.id = id;
    c.volume.name = name;
    c.volume.megabytes = mb;
    c.volume.node = node;
    int r = truth_accept(&w->t, &c, ret_op, &e);
    assert_true(r >= 0 || e.message);
    err_done(&e);
    return r;
}

static int64_t make(struct world *w, const char *name, int64_t node)
{
    int64_t op = 0;
    assert_int_equal(ask(w, "create", 0, name, 50, node, &op), 0);
    assert_true(op > 0);
    int64_t id = service_op(&w->service, op)->volume;
    settle(w);
    return id;
}

/* The end of an operation, as it was told; NULL = it has not ended. */
static const struct op *ended(const struct world *w, int64_t op)
{
    for (int i = w->out.n - 1; i >= 0; i--) {
        const struct effect *f = &w->out.e[i];
        if (f->kind == EFF_OP && f->op.id == op && f->op.state != OP_ACTIVE) {
            return &f->op;
        }
    }
    return NULL;
}

static struct volume *data_volume(struct world *w)
{
    for (int i = 0; i < w->service.n_volumes; i++) {
        if (w->service.volumes[i].data) {
            return &w->service.volumes[i];
        }
    }
    return NULL;
}

static void test_data_of_a_place(void **state)
{
    struct world *w = *state;
    settle(w);
    struct volume *v = data_volume(w);
    assert_non_null(v);
    assert_int_equal(w->service.n_volumes, 1); /* the other role has none */
    assert_string_equal(v->name, "engine");
    assert_int_equal(v->megabytes, 1024);
    int64_t id = v->id, node = w->service.nodes[0].id, op = 0;
    settle(w);
    assert_int_equal(v->status, VOLUME_ATTACHED);
    assert_int_equal(v->node, node);
    assert_int_equal(ask(w, "detach", id, NULL, 0, 0, &op), ERR_STATE); /* not a user's */
    assert_int_equal(ask(w, "delete", id, NULL, 0, 0, &op), ERR_STATE);

    /* U1, U4: the node ends; its successor gets the volume when the cloud has confirmed */
    w->service.nodes[0].status = NODE_DYING;
    struct node *next = add_node(w, STORE);
    assert_int_equal(step(w, id, SECOND), STEP_NONE);
    assert_int_equal(next->slot, 1);
    memmove(&w->service.nodes[0], &w->service.nodes[1], sizeof(struct node) * 2);
    w->service.n_nodes--;
    next = &w->service.nodes[1];
    assert_int_equal(step(w, id, SECOND), STEP_VOL_DETACH);
    outcome(w, id, STEP_VOL_DETACH, CLOUD_UNKNOWN);
    assert_int_equal(v->status, VOLUME_DETACHING);
    assert_int_equal(step(w, id, VOLUME_WAIT_MS), STEP_VOL_DETACH);
    outcome(w, id, STEP_VOL_DETACH, CLOUD_OK);
    assert_int_equal(step(w, id, SECOND), STEP_VOL_ATTACH);
    outcome(w, id, STEP_VOL_ATTACH, CLOUD_OK);
    assert_int_equal(v->node, next->id);
    assert_true(v->used);
    assert_int_equal(w->service.n_volumes, 1);
}

static void test_users_volume(void **state)
{
    struct world *w = *state;
    int64_t node = w->service.nodes[1].id, op = 0, again = 0;
    settle(w);
    int64_t id = make(w, "MyDisk", node);
    struct volume *v = service_volume(&w->service, id);
    assert_int_equal(v->status, VOLUME_ATTACHED);
    assert_int_equal(w->service.n_ops, 1); /* the manager says when the node uses it */
    op = w->service.ops[0].id;
    assert_int_equal(ask(w, "detach", id, NULL, 0, 0, &again), ERR_CONFLICT);
    assert_int_equal(truth_finish(&w->t, op, OP_DONE, "", NULL), 0);
    assert_int_equal(ended(w, op)->state, OP_DONE);

    assert_int_equal(ask(w, "create", 0, "MyDisk", 50, node, &op), ERR_EXISTS);
    assert_int_equal(ask(w, "attach", id, NULL, 0, node, &op), ERR_STATE);
    assert_int_equal(truth_release(&w->t, id, NULL), ERR_STALE); /* it shall stay */
    assert_int_equal(ask(w, "detach", id, NULL, 0, 0, &op), 0);
    assert_int_equal(step(w, id, SECOND), STEP_NONE); /* U4: not before the manager says so */
    assert_int_equal(truth_release(&w->t, id, NULL), 0);
    settle(w);
    assert_int_equal(v->status, VOLUME_AVAILABLE);
    assert_int_equal(ended(w, op)->state, OP_DONE);

    assert_int_equal(ask(w, "attach", id, NULL, 0, w->service.nodes[0].id, &op), 0);
    settle(w);
    assert_int_equal(v->node, w->service.nodes[0].id);
    assert_int_equal(truth_finish(&w->t, op, OP_DONE, "", NULL), 0);
    assert_int_equal(ask(w, "delete", id, NULL, 0, 0, &op), 0);
    assert_int_equal(truth_release(&w->t, id, NULL), 0);
    settle(w);
    assert_null(service_volume(&w->service, id));
    assert_int_equal(ended(w, op)->state, OP_DONE);
}

static void test_refused(void **state)
{
    struct world *w = *state;
    int64_t node = w->service.nodes[1].id, op = 0;
    settle(w);
    static const char *const bad_names[] = {"", "a b", "../x", "a/b", ".x", "\xc3\xa4"};
    for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
        assert_int_equal(ask(w, "create", 0, bad_names[i], 50, node, &op), ERR_INVALID);
    }
    assert_int_equal(ask(w, "create", 0, "d", 0, node, &op), ERR_QUOTA);
    assert_int_equal(ask(w, "create", 0, "d", 3001, node, &op), ERR_QUOTA);
    w->t.volume_room_mb = 49;
    assert_int_equal(ask(w, "create", 0, "d", 50, node, &op), ERR_QUOTA);
    w->t.volume_room_mb = 5000;
    assert_int_equal(ask(w, "create", 0, "d", 50, 4711, &op), ERR_NOT_FOUND);
    w->service.nodes[1].status = NODE_BOOTING;
    assert_int_equal(ask(w, "create", 0, "d", 50, node, &op), ERR_STATE);
    w->service.nodes[1].status = NODE_UP;
    assert_int_equal(ask(w, "detach", 4711, NULL, 0, 0, &op), ERR_NOT_FOUND);
    w->service.type = &without;
    assert_int_equal(ask(w, "create", 0, "d", 50, node, &op), ERR_INVALID);
    w->service.type = &type;
    w->service.state = SERVICE_STOPPED;
    assert_int_equal(ask(w, "create", 0, "d", 50, node, &op), ERR_STATE);
    assert_int_equal(w->service.n_ops, 0);
    assert_int_equal(w->service.n_volumes, 1);
}

/* U2: nothing is left of what could not be made or attached. */
static void test_failures(void **state)
{
    struct world *w = *state;
    int64_t node = w->service.nodes[1].id, op = 0;
    settle(w);
    assert_int_equal(ask(w, "create", 0, "d", 50, node, &op), 0);
    int64_t id = service_op(&w->service, op)->volume;
    assert_int_equal(step(w, id, 0), STEP_VOL_CREATE);
    outcome(w, id, STEP_VOL_CREATE, CLOUD_UNKNOWN);
    assert_int_equal(step(w, id, SECOND), STEP_NONE);
    assert_int_equal(step(w, id, FIND_WAIT_MS), STEP_VOL_FIND);
    outcome(w, id, STEP_VOL_FIND, CLOUD_NOTFOUND);
    assert_int_equal(step(w, id, FIND_WAIT_MS), STEP_VOL_FIND);
    outcome(w, id, STEP_VOL_FIND, CLOUD_NOTFOUND);
    assert_int_equal(step(w, id, FIND_WAIT_MS), STEP_VOL_CREATE);
    outcome(w, id, STEP_VOL_CREATE, CLOUD_CAPACITY);
    assert_null(service_volume(&w->service, id));
    assert_int_equal(ended(w, op)->state, OP_FAILED);
    assert_non_null(strstr(ended(w, op)->why, "as the test says"));

    assert_int_equal(ask(w, "create", 0, "d", 50, node, &op), 0);
    id = service_op(&w->service, op)->volume;
    assert_int_equal(step(w, id, SECOND), STEP_VOL_CREATE);
    outcome(w, id, STEP_VOL_CREATE, CLOUD_OK);
    for (int i = 0; i < VOLUME_TRIES_MAX; i++) {
        assert_int_equal(step(w, id, VOLUME_WAIT_MS), STEP_VOL_ATTACH);
        assert_null(ended(w, op));
        outcome(w, id, STEP_VOL_ATTACH, CLOUD_RETRY);
    }
    assert_int_equal(ended(w, op)->state, OP_FAILED);
    settle(w);
    assert_null(service_volume(&w->service, id));

    /* a role's volume is tried again, and counts as a node that cannot be made */
    w->service.want.counts[STORE] = w->service.good.counts[STORE] = 2;
    (void)add_node(w, STORE);
    (void)step(w, 0, 0);
    struct volume *second = &w->service.volumes[w->service.n_volumes - 1];
    assert_int_equal(second->slot, 2);
    assert_int_equal(w->service.fails, 0);
    outcome(w, second->id, STEP_VOL_CREATE, CLOUD_QUOTA);
    assert_int_equal(w->service.fails, 1);
    assert_int_equal(step(w, second->id, SECOND), STEP_NONE);
    assert_int_equal(step(w, second->id, BACKOFF_MAX_MS), STEP_VOL_CREATE);
}

/* U6, U7 */
static void test_what_stays(void **state)
{
    struct world *w = *state;
    struct service *s = &w->service;
    settle(w);
    int64_t data = data_volume(w)->id, mine = make(w, "mine", s->nodes[1].id);
    settle(w);
    while (s->n_ops > 0) {
        assert_int_equal(truth_finish(&w->t, s->ops[0].id, OP_DONE, "", NULL), 0);
    }
    /* stopped: nodes go, volumes stay */
    s->want.run = s->good.run = RUN_STOPPED;
    s->n_nodes = 0;
    settle(w);
    assert_int_equal(service_volume(s, data)->status, VOLUME_AVAILABLE);
    assert_int_equal(service_volume(s, mine)->slot, 1);
    /* another life, without the node that had the user's volume: detached and kept */
    s->want.run = s->good.run = RUN_RUNNING;
    s->want.counts[FREE] = s->good.counts[FREE] = 0;
    struct node *n = add_node(w, STORE);
    s->converged = false;
    settle(w);
    assert_int_equal(service_volume(s, data)->node, n->id);
    assert_int_equal(service_volume(s, mine)->slot, 1); /* not before all is well */
    s->converged = true;
    settle(w);
    assert_int_equal(service_volume(s, mine)->slot, 0);
    assert_int_equal(service_volume(s, mine)->status, VOLUME_AVAILABLE);
    /* deletion takes all */
    s->n_nodes = 0;
    s->want.run = RUN_STOPPED;
    s->deleting = true;
    settle(w);
    assert_int_equal(s->n_volumes, 0);
}

/* U10: what a change of counts needs. */
static void test_room_for_nodes(void **state)
{
    struct world *w = *state;
    struct change c = {.facet = FACET_COUNTS, .value.counts = {[STORE] = 3, [FREE] = 1}};
    int64_t op = 0;
    struct err e = {0};
    settle(w);
    w->t.volume_room_mb = 2047;
    assert_int_equal(truth_accept(&w->t, &c, &op, &e), ERR_QUOTA);
    assert_non_null(strstr(e.message, "2048 MB"));
    err_done(&e);
    w->t.volume_room_mb = 2048;
    assert_int_equal(truth_accept(&w->t, &c, &op, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_data_of_a_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_users_volume, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room_for_nodes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
