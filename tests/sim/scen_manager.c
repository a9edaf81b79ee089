/*
 * Scenarios of managers: those that hear too little, that lie, and that are dead.
 */
#include "script.h"

/* Hole 2. The manager has been there for long when a fresh node enrols, whose first reports are late. */
static void fresh_node(struct world *w)
{
    w->boot_ms = 5 * SECOND;
    RUN(w, 320);
    int64_t creates = w->creates, destroys = w->destroys;
    ask_counts(w, 1, 0, 1);
    UNTIL(w, 30, newest(w, BACKEND) != NULL);
    struct vm *fresh = newest(w, BACKEND);
    struct gate *g = gate_close(w, MSG_REPORT, fresh->id, ANY, NULL);
    UNTIL(w, 30, status_of(w, fresh) == NODE_UP);
    HOLDS(w, 20, w->creates == creates + 1 && w->destroys == destroys);
    gate_lose(w, g);
    UNTIL(w, 100, w->ended[FACET_COUNTS].state == OP_DONE);
    EXPECT(w, fresh->exists && w->creates == creates + 1);
}

/* Hole 10. Settings that the engine refuses, again and again, because the end of the operation does not get through. */
static void bad_settings(struct world *w)
{
    int64_t creates = w->creates, destroys = w->destroys;
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_finish);
    ask_settings(w, 1, false);
    HOLDS(w, 150, w->creates == creates && w->destroys == destroys);
    EXPECT(w, w->refused_docs > REFUSE_MAX && g->hits > 0);
    gate_lose(w, g);
    UNTIL(w, 60, w->ended[FACET_SETTINGS].state == OP_FAILED);
    EXPECT(w, w->db.s[0].want.settings == 0);
}

/* The manager reaches no agent; they work, and the director hears them. */
static void cut_off_manager(struct world *w)
{
    int64_t creates = w->creates, destroys = w->destroys;
    w->boot_ms = 5 * SECOND;
    struct vm *m = manager_vm(w);
    cut_all(w, m->id, 500 * SECOND);
    HOLDS(w, 480, w->creates == creates && w->destroys == destroys);
    EXPECT(w, manager_vm(w) != m && w->managers == 2);
}

static bool nothing_done(const struct world *w, const int64_t before[3])
{
    return w->creates == before[0] && w->destroys == before[1] && w->bootstraps == before[2];
}

/* After a restart of the manager nobody's report arrives anywhere for ten minutes. */
static void silent_reports(struct world *w)
{
    const int64_t before[3] = {w->creates, w->destroys, w->bootstraps};
    struct gate *g = gate_close(w, MSG_REPORT, ANY, ANY, NULL);
    mgr_restart(w, manager_vm(w)->id);
    HOLDS(w, 600, nothing_done(w, before));
    EXPECT(w, w->managers > 1); /* those that heard nobody have stepped down */
    gate_lose(w, g);
    HOLDS(w, 200, nothing_done(w, before));
}

/* The same while the director restarts as well, so that all its knowledge is new. */
static void silent_restarts(struct world *w)
{
    const int64_t before[3] = {w->creates, w->destroys, w->bootstraps};
    struct gate *g = gate_close(w, MSG_REPORT, ANY, ANY, NULL);
    dir_crash(w, 20 * SECOND);
    mgr_restart(w, manager_vm(w)->id);
    HOLDS(w, 300, nothing_done(w, before));
    dir_crash(w, 60 * SECOND);
    HOLDS(w, 300, nothing_done(w, before));
    gate_lose(w, g);
    HOLDS(w, 200, nothing_done(w, before));
}

/* A cluster that was never bootstrapped: its nodes are up, and nobody has reported. */
static void silent_start(struct world *w)
{
    RUN(w, 60);
    w->boot_ms = 5 * SECOND;
    struct gate *g = gate_close(w, MSG_REPORT, ANY, ANY, NULL);
    ask_run(w, RUN_RUNNING);
    UNTIL(w, 60, status_of(w, nth(w, MEMBER, 0)) == NODE_UP);
    HOLDS(w, 600, w->bootstraps == 0);
    gate_lose(w, g);
    UNTIL(w, 400, w->bootstraps == 1);
}

/* The manager dies in the middle of an operation. */
static void manager_dies(struct world *w)
{
    int64_t creates = w->creates, made = w->nodes_made;
    w->boot_ms = 10 * SECOND;
    struct vm *m = manager_vm(w);
    ask_counts(w, 1, 1, 2);
    UNTIL(w, 20, w->creates == creates + 1);
    die(w, m);
    UNTIL(w, 300, w->ended[FACET_COUNTS].state == OP_DONE);
    EXPECT(w, w->managers == 2 && w->creates == creates + 1 && w->nodes_made == made + 4);
}

/* ... and no other one ever boots. */
static void manager_dies_for_good(struct world *w)
{
    w->boot_ms = -1;
    ask_counts(w, 1, 0, 2);
    die(w, manager_vm(w));
    UNTIL(w, 1600, w->ended[FACET_COUNTS].state == OP_FAILED);
    EXPECT(w, w->db.s[0].want.counts[BACKEND] == 0 && w->truth[0].served[WEB]);
    RUN(w, 600);
    EXPECT(w, w->truth[0].served[WEB] && w->managers == 1);
}

/* Never more nodes than wanted and the type's surge. */
static bool within_surge(struct world *w)
{
    const struct service *s = &w->db.s[0];
    for (int r = 0; r < s->type->n_roles; r++) {
        int surge = s->type->roles[r].surge > 0 ? s->type->roles[r].surge : 1;
        if (living(w, 0, r) > s->want.counts[r] + surge) {
            return false;
        }
    }
    return true;
}

/* A manager asks for nodes, kills some, publishes nonsense and says that all is done. */
static void lying_manager(struct world *w)
{
    int64_t gen = w->db.s[0].gen, made = w->nodes_made, calls = w->creates + w->destroys;
    struct want want = w->db.s[0].want;
    mgr_current(w)->lying = true;
    HOLDS(w, 600, w->db.s[0].gen == gen && within_surge(w));
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): a copy of the whole */
    EXPECT(w, memcmp(&want, &w->db.s[0].want, sizeof want) == 0);
    EXPECT(w, w->creates + w->destroys > calls + 10);
    EXPECT(w, w->nodes_made - made <= 4 * REPLACE_MAX); /* T4: four places */
    mgr_current(w)->dead = true;
    UNTIL(w, 200, mgr_current(w) && !mgr_current(w)->lying && mgr_current(w)->ready);
}

/* What a lying manager would publish; false when the director takes it. */
static bool is_refused(struct world *w, int svc, enum fact_id fact, struct fact_value v)
{
    struct truth t;
    struct effects x;
    dir_begin(w, svc, &t, &x);
    int r = truth_publish(&t, fact, w->db.s[svc].facts[fact].rev, &v, NULL);
    dir_commit(w, svc, &t);
    return r < 0;
}

/* Facts that no honest manager publishes: the next one would have to live with them. */
static void junk_facts(struct world *w)
{
    enum { PHP, DRAIN, QUORUM };
    int64_t proxy = nth(w, PROXY, 0)->node, backend = nth(w, BACKEND, 0)->node, holder = 0;
    for (int i = 0; i < w->db.s[DRAIN].n_nodes; i++) {
        const struct node *n = &w->db.s[DRAIN].nodes[i];
        holder = n->role == HOLDER ? n->id : holder;
    }
    struct id_set one = {.n = 1, .id = {backend}};
    EXPECT(w, is_refused(w, PHP, FACT_PRIMARY, (struct fact_value){.node = proxy, .ids = one}));
    EXPECT(w, is_refused(w, PHP, FACT_PRIMARY, (struct fact_value){.node = holder}));
    EXPECT(w, is_refused(w, PHP, FACT_MASTER, (struct fact_value){.node = proxy}));
    EXPECT(w, is_refused(w, PHP, FACT_MEMBERS, (struct fact_value){.ids = one}));
    EXPECT(w, is_refused(w, PHP, FACT_ENTRIES, (struct fact_value){.ids = one}));
    EXPECT(w, is_refused(w, PHP, FACT_CLUSTER, (struct fact_value){.state = CLUSTER_FORMED}));
    EXPECT(w, is_refused(w, DRAIN, FACT_MASTER, (struct fact_value){.node = holder}));
    EXPECT(w, is_refused(w, QUORUM, FACT_CLUSTER, (struct fact_value){.state = 17}));
    EXPECT(w, is_refused(w, QUORUM, FACT_CLUSTER, (struct fact_value){.state = -1}));
    RUN(w, 60);
    EXPECT(w, unconverged(w) == NULL);
}

const struct scenario scen_manager[] = {
    {.name = "fresh-node",
     .hole = "2: a fresh node is judged by the manager's start, and replaced without end",
     .rule = "L1",
     .services = "php",
     .counts = {{1, 0, 0}},
     .bugs = CATCHES(BUG(NO_UP_AT)),
     .play = fresh_node},
    {.name = "bad-settings",
     .hole = "10: refused settings make a node sick",
     .rule = "L3 S3",
     .services = "php",
     .counts = {{1, 0, 1}},
     .bugs = CATCHES(BUG(BLAME_CONTENT)),
     .play = bad_settings},
    {.name = "cut-off-manager",
     .hole = "desk: a manager that is cut off from the agents kills healthy nodes",
     .rule = "L1 W2",
     .services = "php",
     .counts = {{1, 1, 2}},
     .bugs = CATCHES(BUG(ONE_OBSERVER), BUG(NO_STEP_DOWN)),
     .play = cut_off_manager},
    {.name = "silent-reports",
     .hole = "no report arrives for ten minutes after a manager has restarted",
     .rule = "W1 W2",
     .services = "php quorum drain",
     .counts = {{1, 1, 2}, {3, 1}, {1, 2}},
     .bugs = CATCHES(BUG(NO_STEP_DOWN)),
     .play = silent_reports},
    {.name = "silent-restarts",
     .hole = "... and the director restarts as well",
     .rule = "W1 W2 L1",
     .services = "php quorum drain",
     .counts = {{1, 1, 2}, {3, 1}, {1, 2}},
     .bugs = CATCHES(BUG(NO_STEP_DOWN)),
     .play = silent_restarts},
    {.name = "silent-start",
     .hole = "a cluster is bootstrapped without having heard its nodes",
     .rule = "W1 M1",
     .services = "quorum",
     .counts = {{1, 0}},
     .stopped = true,
     .play = silent_start},
    {.name = "manager-dies",
     .hole = "a manager dies in the middle of an operation",
     .rule = "F1 F11",
     .services = "php",
     .counts = {{1, 0, 0}},
     .play = manager_dies},
    {.name = "manager-dies-for-good",
     .hole = "desk: an operation with a dead manager never ends",
     .rule = "O5 O4",
     .services = "php",
     .counts = {{1, 0, 0}},
     .bugs = CATCHES(BUG(NO_DEADLINE)),
     .play = manager_dies_for_good},
    {.name = "lying-manager",
     .hole = "a manager asks for whatever it likes",
     .rule = "T1 T3 T4",
     .services = "php",
     .counts = {{1, 1, 2}},
     .bugs = CATCHES(BUG(NO_SURGE), BUG(NO_LIMIT)),
     .play = lying_manager},
    {.name = "junk-facts",
     .hole = "facts of a lying manager tie the hands of the next one",
     .rule = "T2",
     .services = "php drain quorum",
     .counts = {{1, 0, 1}, {1, 2}, {1, 1}},
     .bugs = CATCHES(BUG(JUNK_FACTS)),
     .play = junk_facts},
    {0},
};
