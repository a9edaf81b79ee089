/*
 * Scenarios of services with data: the cluster that is bootstrapped once (quorum), and the one whose nodes have volumes
 * that drain slowly (drain).
 */
#include "script.h"

static enum cluster_state cluster(const struct world *w)
{
    return (enum cluster_state)w->db.s[0].facts[FACT_CLUSTER].v.state;
}

/* Hole 6. The first member has executed its token; its engine falls over before anybody heard that it was up. */
static void spent_token(struct world *w)
{
    RUN(w, 1);
    ask_run(w, RUN_RUNNING);
    UNTIL(w, 200, w->bootstraps == 1);
    struct vm *first = nth(w, MEMBER, 0);
    EXPECT(w, cluster(w) == CLUSTER_BOOT && first->health[MEMBER] == HEALTH_STARTING);
    crash(w, first, MEMBER, false);
    UNTIL(w, 200, cluster(w) == CLUSTER_FORMED && first->health[MEMBER] == HEALTH_OK);
    EXPECT(w, w->bootstraps == 1);
}

/* The decision to bootstrap is on its way to the director. */
static void unpublished_bootstrap(struct world *w)
{
    RUN(w, 1);
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_publish);
    ask_run(w, RUN_RUNNING);
    UNTIL(w, 200, g->hits > 0);
    HOLDS(w, 20, w->bootstraps == 0);
    gate_open(w, g);
    UNTIL(w, 200, cluster(w) == CLUSTER_FORMED);
    EXPECT(w, w->bootstraps == 1);
}

/* Hole 7. A member joins and cannot be heard: whether it still does is unknown. */
static void unreachable_joiner(struct world *w)
{
    w->boot_ms = 5 * SECOND;
    ask_counts(w, 3, 1, 0);
    UNTIL(w, 100, serves(nth(w, MEMBER, 1), MEMBER) || serves(nth(w, MEMBER, 2), MEMBER));
    bool second = serves(nth(w, MEMBER, 1), MEMBER);
    struct vm *joins = nth(w, MEMBER, second ? 1 : 2), *waits = nth(w, MEMBER, second ? 2 : 1);
    cut(w, joins->id, manager_vm(w)->id, 150 * SECOND);
    HOLDS(w, 145, !waits || !doc_has(&waits->applied, MEMBER));
    UNTIL(w, 300, w->ended[FACET_COUNTS].state == OP_DONE);
}

/* All members go down, one after the other; the one with the newest data cannot be heard. */
static void furthest_member(struct world *w)
{
    struct vm *a = nth(w, MEMBER, 0), *b = nth(w, MEMBER, 1), *c = nth(w, MEMBER, 2);
    reboot(w, a, 20);
    RUN(w, 8);
    reboot(w, b, 15);
    RUN(w, 8);
    EXPECT(w, a->position < b->position && b->position < c->position);
    cut(w, c->id, manager_vm(w)->id, 150 * SECOND);
    crash(w, c, MEMBER, false);
    HOLDS(w, 140, cluster(w) == CLUSTER_FORMED); /* nobody may be it */
    int64_t newest_data = c->position;
    UNTIL(w, 200, cluster(w) == CLUSTER_RECOVER);
    EXPECT(w, w->db.s[0].facts[FACT_CLUSTER].v.node == c->node);
    UNTIL(w, 300, a->position > newest_data && b->position > newest_data);
}

static bool says_more_than_down(const struct world *w, const struct message *m)
{
    return ((const struct report_msg *)m->payload)->r.health[MEMBER] != HEALTH_DOWN;
}

/* A member has just joined, which nobody has heard yet, when the only other one goes down. */
static void unheard_joiner(struct world *w)
{
    w->boot_ms = 5 * SECOND;
    struct vm *first = nth(w, MEMBER, 0);
    ask_counts(w, 2, 1, 0);
    UNTIL(w, 60, living(w, 0, MEMBER) == 2 && newest(w, MEMBER));
    struct vm *joiner = newest(w, MEMBER);
    UNTIL(w, 100, joiner->health[MEMBER] == HEALTH_OK);
    struct gate *g = gate_close(w, MSG_REPORT, joiner->id, ANY, NULL);
    struct gate *down = gate_close(w, MSG_REPORT, first->id, ANY, says_more_than_down);
    crash(w, first, MEMBER, false);
    HOLDS(w, 20, cluster(w) == CLUSTER_FORMED);
    gate_open(w, g);
    gate_open(w, down);
    UNTIL(w, 200, w->ended[FACET_COUNTS].state == OP_DONE);
}

/* All members have given their role up for a stop, when the director is set back to before it. */
static void stop_undone(struct world *w)
{
    struct vm *a = nth(w, MEMBER, 0), *b = nth(w, MEMBER, 1);
    RUN(w, 60);
    take_backup(w);
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_destroy);
    ask_run(w, RUN_STOPPED);
    UNTIL(w, 60, a->applied.roles == 0 && b->applied.roles == 0);
    int64_t position = a->position > b->position ? a->position : b->position;
    dir_restore(w);
    gate_lose(w, g);
    UNTIL(w, 400, w->reconciled_ms != 0);
    UNTIL(w, 300, a->health[MEMBER] == HEALTH_OK && b->health[MEMBER] == HEALTH_OK);
    EXPECT(w, w->bootstraps == 1 && a->position >= position);
}

/* Hole 9. The first master boots so late that it was replaced; the request to destroy it is late too, and a new manager
 * finds two masters, the older of which is not the one with the data. */
static void returning_master(struct world *w)
{
    const struct fact *master = &w->db.s[0].facts[FACT_MASTER];
    RUN(w, 60);
    w->boot_ms = 210 * SECOND;
    ask_run(w, RUN_RUNNING);
    UNTIL(w, 60, nth(w, MASTER, 0) != NULL);
    struct vm *first = nth(w, MASTER, 0);
    w->boot_ms = 5 * SECOND;
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_destroy);
    UNTIL(w, 240, master->v.node != 0);
    struct vm *second = vm_of(w, master->v.node);
    EXPECT(w, second != first && g->hits > 0);
    UNTIL(w, 60, status_of(w, first) == NODE_UP);
    mgr_restart(w, manager_vm(w)->id);
    gate_let_pass(g);
    RUN(w, 5);
    gate_open(w, g); /* the director refuses it by now */
    UNTIL_HOLDING(w, 300, !first->exists, master->v.node == second->node && serves(second, MASTER));
}

/* A holder of data is cut off for good and cannot move its data away itself. */
static void unreachable_holder(struct world *w)
{
    RUN(w, 60);
    struct vm *holder = newest(w, HOLDER);
    EXPECT(w, w->truth[0].n_chunks > 0);
    hang(w, holder, 3600);
    UNTIL(w, 300, !holder->exists);
    EXPECT(w, w->truth[0].lost_chunks == 0);
}

/* Chunks with one replica only. */
static int thin_chunks(const struct world *w)
{
    int n = 0;
    for (int c = 0; c < w->truth[0].n_chunks; c++) {
        n += w->truth[0].chunk[c].n < 2;
    }
    return n;
}

/* A holder is not wanted any more: its data moves first. */
static void slow_drain(struct world *w)
{
    RUN(w, 200);
    struct vm *holder = newest(w, HOLDER);
    EXPECT(w, w->truth[0].n_chunks > 15 && thin_chunks(w) == 0);
    ask_counts(w, 1, 2, 0);
    UNTIL_HOLDING(w, 300, !holder->exists, doc_has(&holder->applied, HOLDER) || thin_chunks(w) == 0);
}

const struct scenario scen_data[] = {
    {.name = "spent-token",
     .hole = "6: the engine falls over after bootstrap and before 'formed': waits for ever",
     .rule = "M3",
     .services = "quorum",
     .counts = {{1, 0}},
     .stopped = true,
     .bugs = CATCHES(BUG(SPENT_TOKEN)),
     .play = spent_token},
    {.name = "unreachable-joiner",
     .hole = "7: an unreachable joiner is not counted, a second one starts",
     .rule = "M6",
     .services = "quorum",
     .counts = {{1, 1}},
     .bugs = CATCHES(BUG(JOINER_FORGOTTEN), BUG(JOIN_ALL)),
     .play = unreachable_joiner},
    {.name = "returning-master",
     .hole = "9: a returning older node displaces the master (a file system's)",
     .rule = "G1 D5",
     .services = "drain",
     .counts = {{1, 0}},
     .stopped = true,
     .bugs = CATCHES(BUG(MASTER_BY_ORD)),
     .play = returning_master},
    {.name = "unreachable-holder",
     .hole = "desk: an unreachable holder cannot drain itself (a file system's osd)",
     .rule = "D1",
     .services = "drain",
     .counts = {{1, 3}},
     .bugs = CATCHES(BUG(DRAIN_SELF)),
     .play = unreachable_holder},
    {.name = "slow-drain",
     .hole = "a holder goes before its data has moved",
     .rule = "D2 D3",
     .services = "drain",
     .counts = {{1, 3}},
     .bugs = CATCHES(BUG(DRAIN_IGNORED)),
     .play = slow_drain},
    {.name = "unpublished-bootstrap",
     .hole = "a cluster is bootstrapped before the decision is durable",
     .rule = "P4 M1",
     .services = "quorum",
     .counts = {{1, 0}},
     .stopped = true,
     .bugs = CATCHES(BUG(BOOT_UNPUBLISHED)),
     .play = unpublished_bootstrap},
    {.name = "furthest-member",
     .hole = "a cluster is recovered from older data than a member has",
     .rule = "M5",
     .services = "quorum",
     .counts = {{3, 1}},
     .bugs = CATCHES(BUG(RECOVER_PARTIAL), BUG(RECOVER_ANY)),
     .play = furthest_member},
    {.name = "unheard-joiner",
     .hole = "a joiner is taken for empty when it may have joined",
     .rule = "M5",
     .services = "quorum",
     .counts = {{1, 1}},
     .bugs = CATCHES(BUG(JOINER_EMPTY)),
     .play = unheard_joiner},
    {.name = "stop-undone",
     .hole = "members that have data and no role any more block a recovery for ever",
     .rule = "M5 M8 T7",
     .services = "quorum",
     .counts = {{2, 1}},
     .bugs = CATCHES(BUG(BARE_BLOCKS)),
     .play = stop_undone},
    {0},
};
