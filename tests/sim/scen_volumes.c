/*
 * Scenarios of volumes: a cluster whose members have disks of their own (vault), and disks that users make (script).
 */
#include "script.h"

static enum cluster_state cluster(const struct world *w)
{
    return (enum cluster_state)w->db.s[0].facts[FACT_CLUSTER].v.state;
}

static int disks(const struct world *w)
{
    int n = 0;
    for (int i = 1; i <= w->n_disks; i++) {
        n += w->disks[i].exists;
    }
    return n;
}

/* The only member is cut off with its disk: its successor gets the disk when the machine has certainly ended. */
static void lost_holder(struct world *w)
{
    RUN(w, 60);
    struct vm *first = nth(w, MEMBER, 0);
    int64_t position = first->position;
    EXPECT(w, position > 0 && disks(w) == 1);
    hang(w, first, 3600);
    UNTIL(w, 400, newest(w, MEMBER) && newest(w, MEMBER) != first && serves(newest(w, MEMBER), MEMBER));
    struct vm *second = newest(w, MEMBER);
    UNTIL(w, 200, second->health[MEMBER] == HEALTH_OK);
    EXPECT(w, second->position >= position && w->bootstraps == 1 && disks(w) == 1);
}

/* One of three is lost, the entry still names it: its successor joins with its disk. */
static void lost_member(struct world *w)
{
    RUN(w, 60);
    struct vm *third = nth(w, MEMBER, 2);
    hang(w, third, 3600);
    UNTIL(w, 300,
          !third->exists && newest(w, MEMBER) && newest(w, MEMBER)->node > third->node &&
              newest(w, MEMBER)->health[MEMBER] == HEALTH_OK);
    EXPECT(w, disks(w) == 3);
}

/* A whole cluster is stopped and started again: it goes on from the furthest disk. */
static void stopped_cluster(struct world *w)
{
    RUN(w, 60);
    EXPECT(w, disks(w) == 3);
    int64_t position = nth(w, MEMBER, 1)->position;
    EXPECT(w, position > 0);
    ask_run(w, RUN_STOPPED);
    UNTIL(w, 300, w->db.s[0].n_nodes == 0);
    RUN(w, 30);
    EXPECT(w, disks(w) == 3);
    ask_run(w, RUN_RUNNING);
    UNTIL(w, 400, cluster(w) == CLUSTER_FORMED && w->ended[FACET_RUN].state == OP_DONE);
    EXPECT(w, nth(w, MEMBER, 0)->position >= position && w->bootstraps == 1);
}

/* A place that is not wanted any more loses its disk, and only that one. */
static void removed_place(struct world *w)
{
    RUN(w, 60);
    EXPECT(w, disks(w) == 2);
    ask_counts(w, 1, 0, 0);
    UNTIL(w, 300, w->ended[FACET_COUNTS].state == OP_DONE);
    UNTIL(w, 120, disks(w) == 1);
    EXPECT(w, nth(w, MEMBER, 0)->health[MEMBER] == HEALTH_OK);
}

/* The cloud says that it does not know whether it made the disk. */
static void doubtful_disk(struct world *w)
{
    w->pf.idempotent_cloud = false;
    w->disk_doubts = 1;
    ask_run(w, RUN_RUNNING);
    UNTIL(w, 300, w->ended[FACET_RUN].state == OP_DONE);
    EXPECT(w, disks(w) == 1);
}

static void ask_volume(struct world *w, const char *kind, int64_t id, int64_t node)
{
    struct change c = {.facet = FACET_VOLUME};
    int64_t op = 0;
    (void)str_copy(c.kind, sizeof c.kind, kind);
    c.volume.id = id;
    c.volume.name = "MyDisk";
    c.volume.megabytes = 50;
    c.volume.node = node;
    if (user_accept(w, 0, &c, &op) < 0) {
        bad(w, "%s of a volume is refused", kind);
    }
}

/* A user's disk: made, moved, lost with its node and back at the successor, deleted. */
static void users_disk(struct world *w)
{
    struct service *s = &w->db.s[0];
    UNTIL(w, 100, s->facts[FACT_MEMBERS].v.ids.n == 2 && !op_active(w, FACET_RUN));
    struct vm *a = nth(w, SCRIPT_NODE, 0), *b = nth(w, SCRIPT_MASTER, 0);
    ask_volume(w, "create", 0, a->node);
    UNTIL(w, 100, w->ended[FACET_VOLUME].state == OP_DONE);
    int64_t id = s->volumes[0].id;
    EXPECT(w, set_has(&a->applied.volumes, id));
    memset(&w->ended[FACET_VOLUME], 0, sizeof w->ended[0]);
    a->apply_ms = 10 * SECOND;
    ask_volume(w, "detach", id, 0);
    UNTIL(w, 100, w->ended[FACET_VOLUME].state == OP_DONE);
    EXPECT(w, !set_has(&a->applied.volumes, id) && s->volumes[0].status == VOLUME_AVAILABLE);
    memset(&w->ended[FACET_VOLUME], 0, sizeof w->ended[0]);
    ask_volume(w, "attach", id, b->node);
    UNTIL(w, 100, w->ended[FACET_VOLUME].state == OP_DONE);
    EXPECT(w, set_has(&b->applied.volumes, id));
    die(w, b);
    UNTIL(w, 400,
          nth(w, SCRIPT_MASTER, 0) && nth(w, SCRIPT_MASTER, 0) != b &&
              set_has(&nth(w, SCRIPT_MASTER, 0)->applied.volumes, id));
    UNTIL(w, 100, s->facts[FACT_MEMBERS].v.ids.n == 2);
    memset(&w->ended[FACET_VOLUME], 0, sizeof w->ended[0]);
    ask_volume(w, "delete", id, 0);
    UNTIL(w, 100, w->ended[FACET_VOLUME].state == OP_DONE);
    EXPECT(w, disks(w) == 0 && s->n_volumes == 0);
}

const struct scenario scen_volumes[] = {
    {.name = "lost-holder",
     .hole =
         "the disk of a lost member is attached to its successor while the machine still lives, or not at all",
     .rule = "U1 U4 U5",
     .services = "vault",
     .counts = {{1, 0}},
     .bugs = CATCHES(BUG(VOLUME_EAGER), BUG(VOLUME_FORGOTTEN)),
     .play = lost_holder},
    {.name = "lost-member",
     .hole = "a lost member stays because it is named, and its successor waits for its disk",
     .rule = "U5",
     .services = "vault",
     .counts = {{3, 1}},
     .play = lost_member},
    {.name = "stopped-cluster",
     .hole = "a cluster that was stopped starts over its own data, or from older data",
     .rule = "U7 U8 M5",
     .services = "vault",
     .counts = {{3, 0}},
     .bugs = CATCHES(BUG(VOLUME_DROPPED), BUG(VOLUME_UNSEEN)),
     .play = stopped_cluster},
    {.name = "removed-place",
     .hole = "disks of places that nobody wants stay for ever",
     .rule = "U6",
     .services = "vault",
     .counts = {{2, 0}},
     .play = removed_place},
    {.name = "doubtful-disk",
     .hole = "a disk whose creation has an unknown outcome is made twice",
     .rule = "U2 U5",
     .services = "vault",
     .counts = {{1, 0}},
     .stopped = true,
     .bugs = CATCHES(BUG(VOLUME_TWICE), BUG(VOLUME_LATE)),
     .play = doubtful_disk},
    {.name = "users-disk",
     .hole = "a user's disk is detached while its node may use it",
     .rule = "U3 U4",
     .services = "script",
     .counts = {{1, 1}},
     .bugs = CATCHES(BUG(VOLUME_RELEASED)),
     .play = users_disk},
    {0},
};
