/*
 * The manager against a real HTTPS director and real HTTPS agents on the loopback: operations reach their end, a
 * fenced manager starts again with empty memory or leaves, without a lease it only observes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fs.h"
#include "manager_world.h"

#define LONG_MS 60000

struct fixture {
    char *dir;
    struct world *w;
    struct manager *m;
};

static void start_manager(struct fixture *f)
{
    struct err e = {0};
    int r = manager_start(world_config(f->w), &f->m, &e);
    if (r < 0) {
        fail_msg("%s", e.message);
    }
    world_set_manager_port(f->w, manager_port(f->m));
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    char template[] = "/tmp/conpaas-manager-XXXXXX";
    f->dir = xstrdup(mkdtemp(template));
    f->w = world_new(f->dir);
    start_manager(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    manager_free(f->m);
    world_free(f->w);
    assert_int_equal(fs_remove_tree(f->dir, &e), 0);
    err_done(&e);
    free(f->dir);
    free(f);
    return 0;
}

static void expect_done(struct fixture *f, const struct change *c)
{
    char why[WHY_MAX];
    int64_t op = world_change(f->w, c);
    enum op_state s = world_wait_op(f->w, op, LONG_MS, why);
    if (s != OP_DONE) {
        fail_msg("operation ended %s: %s", op_state_to_str(s), why);
    }
}

static void start_service(struct fixture *f)
{
    expect_done(f, &(struct change){.facet = FACET_RUN, .value = {.run = RUN_RUNNING}});
}

static struct change counts_change(int proxy, int web, int backend)
{
    return (struct change){.facet = FACET_COUNTS, .value = {.counts = {proxy, web, backend}}};
}

static bool is_up(const struct service *s, void *arg)
{
    int up = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        up += s->nodes[i].status == NODE_UP;
    }
    return up == *(int *)arg && s->n_nodes == up;
}

static uint64_t bit(int role)
{
    return 1ULL << role;
}

static void test_start_counts_code(void **state)
{
    struct fixture *f = *state;
    start_service(f);
    struct service s = world_service(f->w);
    assert_int_equal(s.n_nodes, 1);
    /* packed: proxy, web and backend on one node */
    assert_int_equal(world_roles(f->w, s.nodes[0].id) & 7, 7);
    assert_true(world_logged(f->w, "RTIMER Creating timer for ['n"));
    assert_true(world_logged(f->w, "[_wait_for_nodes]: All nodes are ready"));

    struct change grow = counts_change(1, 1, 2);
    expect_done(f, &grow);
    s = world_service(f->w);
    assert_int_equal(s.n_nodes, 4);
    assert_int_equal(world_roles(f->w, s.nodes[0].id) & 7, bit(0));
    assert_true(world_logged(f->w, "STATE ADAPTING: proxy=0, web=1, backend=2"));

    world_add_version(f->w, 12);
    expect_done(f, &(struct change){.facet = FACET_CODE, .value = {.code = 12}});
    assert_int_equal(world_routes(f->w, s.nodes[0].id), 12);

    struct change shrink = counts_change(1, 0, 0);
    expect_done(f, &shrink);
    int one = 1;
    assert_true(world_wait(f->w, is_up, &one, LONG_MS));
    s = world_service(f->w);
    assert_int_equal(world_roles(f->w, s.nodes[0].id) & 7, 7);

    expect_done(f, &(struct change){.facet = FACET_RUN, .value = {.run = RUN_STOPPED}});
    assert_int_equal(world_service(f->w).n_nodes, 0);
}

static void test_broken_version(void **state)
{
    struct fixture *f = *state;
    char why[WHY_MAX];
    start_service(f);
    world_add_version(f->w, 13);
    world_break_version(f->w, 13);
    int64_t op = world_change(f->w, &(struct change){.facet = FACET_CODE, .value = {.code = 13}});
    assert_int_equal(world_wait_op(f->w, op, LONG_MS, why), OP_FAILED);
    assert_non_null(strstr(why, "it does not run"));
    struct service s = world_service(f->w);
    assert_int_equal(s.want.code, 11);
    assert_int_equal(world_routes(f->w, s.nodes[0].id), 11);
}

static void test_fenced_registers_again(void **state)
{
    struct fixture *f = *state;
    start_service(f);
    int64_t before = world_count(f->w, "/node/v1/register");
    world_fence(f->w, true);
    int64_t epoch = world_epoch(f->w);
    struct change grow = counts_change(1, 1, 0);
    expect_done(f, &grow);
    assert_true(world_epoch(f->w) > epoch);
    assert_int_equal(world_count(f->w, "/node/v1/register"), before + 1);
    assert_int_equal(world_service(f->w).n_nodes, 2);
}

static void test_replaced_leaves(void **state)
{
    struct fixture *f = *state;
    start_service(f);
    world_fence(f->w, false);
    assert_int_equal(manager_wait(f->m), END_REPLACED);
}

/* A manager that is killed and started again carries on; nothing is created twice. */
static void test_restart_carries_on(void **state)
{
    struct fixture *f = *state;
    start_service(f);
    struct change grow = counts_change(1, 2, 1);
    char why[WHY_MAX];
    int64_t op = world_change(f->w, &grow);
    world_set_manager_port(f->w, 0);
    manager_free(f->m);
    start_manager(f);
    assert_int_equal(world_wait_op(f->w, op, LONG_MS, why), OP_DONE);
    assert_int_equal(world_service(f->w).n_nodes, 4);
}

/* While the director is silent for longer than the lease, agents still get answers but nothing is decided. */
static bool observing(const struct service *s, void *arg)
{
    (void)s;
    struct manager *m = arg;
    pthread_mutex_lock(&m->lock);
    bool yes = m->observing;
    pthread_mutex_unlock(&m->lock);
    return yes;
}

static bool leased(const struct service *s, void *arg)
{
    return !observing(s, arg);
}

static void test_no_lease_no_action(void **state)
{
    struct fixture *f = *state;
    start_service(f);
    world_mute(f->w, true);
    assert_true(world_wait(f->w, observing, f->m, LONG_MS));
    struct service before = world_service(f->w);
    assert_int_equal(before.n_nodes, 1);
    world_mute(f->w, false);
    assert_true(world_wait(f->w, leased, f->m, LONG_MS));
    struct change grow = counts_change(1, 1, 0);
    expect_done(f, &grow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_counts_code, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fenced_registers_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart_carries_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_lease_no_action, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
