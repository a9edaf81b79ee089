/*
 * Scenarios of the director: clouds whose answers get lost, an old backup, credit that runs out.
 */
#include "script.h"

#include <string.h>

/* Hole 11. The outcome of a create is unknown, nothing is found, it is repeated; then the first machine appears. */
static void second_machine(struct world *w)
{
    w->boot_ms = 5 * SECOND;
    w->n_cloud_says = 2;
    w->cloud_says[0].result = CLOUD_UNKNOWN;
    w->cloud_says[0].makes_ms = 75 * SECOND;
    w->cloud_says[1].result = CLOUD_OK;
    w->cloud_says[1].makes_ms = 2 * SECOND;
    ask_counts(w, 1, 0, 1);
    UNTIL(w, 80, status_of(w, newest(w, BACKEND)) == NODE_UP);
    struct vm *first = newest(w, BACKEND);
    UNTIL(w, 80, twin_of(w, first) != NULL);
    struct vm *twin = twin_of(w, first);
    UNTIL_HOLDING(w, 300, !twin->exists, twin->manager == 0 && twin->applied.roles == 0);
    EXPECT(w, first->exists && names(nth(w, PROXY, 0), BACKEND, first));
}

/* The outcome is unknown, and the machine is there. */
static void unknown_create(struct world *w)
{
    int64_t made = w->nodes_made;
    w->boot_ms = 60 * SECOND; /* the cloud has to be asked: enrolling would tell, too */
    w->n_cloud_says = 1;
    w->cloud_says[0].result = CLOUD_UNKNOWN;
    w->cloud_says[0].makes_ms = 2 * SECOND;
    ask_counts(w, 1, 0, 1);
    UNTIL(w, 200, w->ended[FACET_COUNTS].state == OP_DONE);
    EXPECT(w, w->nodes_made == made + 1);
}

/* The director dies between asking the cloud and hearing its answer. */
static void director_dies_asking(struct world *w)
{
    int64_t made = w->nodes_made;
    w->boot_ms = 60 * SECOND;
    w->n_cloud_says = 1;
    w->cloud_says[0].result = CLOUD_OK;
    w->cloud_says[0].makes_ms = 3 * SECOND;
    ask_counts(w, 1, 0, 1);
    UNTIL(w, 30, w->n_cloud_says == 0);
    dir_crash(w, 10 * SECOND);
    UNTIL(w, 200, w->ended[FACET_COUNTS].state == OP_DONE);
    EXPECT(w, w->nodes_made == made + 1);
}

/* Every way in which a cloud says no, one after the other. */
static void cloud_refuses(struct world *w)
{
    static const int results[] = {CLOUD_RETRY,       CLOUD_THROTTLED, CLOUD_CONFLICT, CLOUD_CAPACITY,
                                  CLOUD_QUOTA,       CLOUD_AUTH,      CLOUD_NOTFOUND, CLOUD_INVALID,
                                  CLOUD_UNSUPPORTED, CLOUD_PERMANENT};
    int64_t balance = w->db.purse.balance;
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        int64_t made = w->nodes_made;
        w->n_cloud_says = 1;
        w->cloud_says[0].result = results[i];
        w->cloud_says[0].makes_ms = -1;
        ask_counts(w, 1, 0, 1);
        UNTIL(w, 300, w->ended[FACET_COUNTS].state == OP_DONE);
        EXPECT(w, w->nodes_made == made + 1 && --balance == w->db.purse.balance);
        ask_counts(w, 1, 0, 0);
        UNTIL(w, 300, w->ended[FACET_COUNTS].state == OP_DONE && machines(w, ANY) == 1);
        if (w->now > 2500 * SECOND) { /* before its next hour is due, and with it the arithmetic above */
            return;
        }
    }
}

/* Everything that the cloud could make fails: the operation ends with the cloud's reason. */
static void cloud_is_full(struct world *w)
{
    int64_t balance = w->db.purse.balance;
    ask_counts(w, 1, 0, 1);
    while (!w->violation[0] && w->ended[FACET_COUNTS].state == OP_ACTIVE && w->now < 2500 * SECOND) {
        w->n_cloud_says = 1;
        w->cloud_says[0].result = CLOUD_CAPACITY;
        w->cloud_says[0].makes_ms = -1;
        RUN(w, 1);
    }
    w->n_cloud_says = 0;
    EXPECT(w, w->ended[FACET_COUNTS].state == OP_FAILED &&
                  strstr(w->ended[FACET_COUNTS].why, "as the scenario says"));
    EXPECT(w, w->db.s[0].want.counts[BACKEND] == 0 && w->db.purse.balance == balance); /* B5 */
}

/* Set back to a time when one node was about to leave and another one not yet made. */
static void restore(struct world *w)
{
    ask_counts(w, 1, 0, 1);
    take_backup(w);
    ask_cancel(w, FACET_COUNTS);
    UNTIL(w, 200, unconverged(w) == NULL);
    ask_counts(w, 1, 0, 3);
    UNTIL(w, 200, w->ended[FACET_COUNTS].state == OP_DONE && unconverged(w) == NULL);
    int64_t made = w->nodes_made;
    int there = machines(w, ANY);
    EXPECT(w, w->backup_ms != 0);
    dir_restore(w);
    UNTIL_HOLDING(w, 400, w->reconciled_ms != 0, w->nodes_made == made && machines(w, ANY) == there);
    EXPECT(w, w->truth[0].served[BACKEND] && w->truth[0].served[WEB]);
}

/* Three nodes, and credit for not quite three hours. */
static void credit_runs_out(struct world *w)
{
    struct change more = {.facet = FACET_COUNTS, .value.counts = {1, 0, 8}};
    EXPECT(w, user_accept(w, 0, &more, NULL) < 0 && w->db.purse.balance == 5);
    ask_counts(w, 1, 0, 2);
    ask_cancel(w, FACET_COUNTS); /* what it has held is given back */
    RUN(w, 30);
    EXPECT(w, w->db.purse.balance == 5);
    UNTIL_HOLDING(w, 3 * 3600, w->db.purse.broke_ms != 0, w->db.purse.balance >= 0);
    UNTIL_HOLDING(w, 3600, machines(w, 0) == 0 && w->db.app.n_nodes == 0, w->db.purse.balance >= 0);
    EXPECT(w, w->db.s[0].state == SERVICE_STOPPED && w->db.purse.balance < 3);
    RUN(w, 600);
    EXPECT(w, machines(w, ANY) == 0);
    struct truth t;
    struct effects x;
    dir_begin(w, -1, &t, &x);
    truth_grant(&t, 20, "more");
    dir_commit(w, -1, &t);
    ask_run(w, RUN_RUNNING);
    UNTIL(w, 300, unconverged(w) == NULL && w->db.s[0].state == SERVICE_RUNNING);
}

/* A node dies whenever it has come up. */
static void endless_replacement(struct world *w)
{
    int64_t creates = w->creates;
    w->boot_ms = 5 * SECOND;
    for (int i = 0; i < REPLACE_MAX + 1; i++) {
        UNTIL(w, 200, serves(newest(w, BACKEND), BACKEND) && status_of(w, newest(w, BACKEND)) == NODE_UP);
        die(w, newest(w, BACKEND));
        UNTIL(w, 200, living(w, 0, BACKEND) == 0 || newest(w, BACKEND) != NULL);
        RUN(w, 60);
    }
    UNTIL(w, 100, w->db.s[0].state == SERVICE_ERROR);
    HOLDS(w, 600, w->creates <= creates + REPLACE_MAX);
    EXPECT(w, living(w, 0, BACKEND) == 0 && strstr(w->db.s[0].error_why, "replaced"));
    int64_t since = w->db.s[0].replaced[BACKEND].since_ms;
    UNTIL(w, 3700, w->db.s[0].state == SERVICE_RUNNING);
    EXPECT(w, w->now - since > HOUR_MS);
}

const struct scenario scen_director[] = {
    {.name = "second-machine",
     .hole = "11: a second machine from a create of unknown outcome takes the node's place",
     .rule = "F12 V5",
     .services = "php",
     .counts = {{1, 0, 0}},
     .bugs = CATCHES(BUG(TWIN_ENROLS), BUG(NO_LEAKS)),
     .play = second_machine},
    {.name = "unknown-create",
     .hole = "a create of unknown outcome is repeated without a look",
     .rule = "V2",
     .services = "php",
     .counts = {{1, 0, 0}},
     .bugs = CATCHES(BUG(NO_FIND)),
     .play = unknown_create},
    {.name = "director-dies-asking",
     .hole = "a director that restarts asks the cloud again",
     .rule = "P1 P2",
     .services = "php",
     .counts = {{1, 0, 0}},
     .bugs = CATCHES(BUG(ASKED_AGAIN)),
     .play = director_dies_asking},
    {.name = "cloud-refuses",
     .hole = "a refusal is charged, or ends an operation that could go on",
     .rule = "V1 B5",
     .services = "php",
     .counts = {{1, 0, 0}},
     .bugs = CATCHES(BUG(NO_REFUND)),
     .play = cloud_refuses},
    {.name = "cloud-is-full",
     .hole = "an operation that can get no nodes does not end",
     .rule = "C2 C3 B5",
     .services = "php",
     .counts = {{1, 0, 0}},
     .bugs = CATCHES(BUG(NO_REFUND)),
     .play = cloud_is_full},
    {.name = "restore",
     .hole = "a director that was set back acts on what it does not know any more",
     .rule = "T7",
     .services = "php",
     .counts = {{1, 0, 2}},
     .bugs = CATCHES(BUG(RECOVERY_ACTS)),
     .play = restore},
    {.name = "credit-runs-out",
     .hole = "nodes run on without credit, or the balance becomes negative",
     .rule = "B1-B6",
     .services = "php",
     .counts = {{1, 0, 1}},
     .credit = 8,
     .bugs = CATCHES(BUG(OVERDRAW), BUG(CHARGE_TWICE), BUG(HOLD_FORGOTTEN)),
     .play = credit_runs_out},
    {.name = "endless-replacement",
     .hole = "a node that dies is replaced without end",
     .rule = "T4",
     .services = "php",
     .counts = {{1, 0, 1}},
     .bugs = CATCHES(BUG(NO_LIMIT)),
     .play = endless_replacement},
    {0},
};
