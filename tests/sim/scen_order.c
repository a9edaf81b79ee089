/*
 * Scenarios of order: documents, requests and scripts that arrive late, and managers that were replaced meanwhile.
 */
#include "script.h"

static bool names_two_backends(const struct world *w, const struct message *m)
{
    const struct agent_answer *a = m->payload;
    return a->seq > 0 && a->doc.names[BACKEND].n == 2;
}

/* A document that names the second backend is under way when the second backend is not wanted any more. */
static void late_document(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0);
    w->boot_ms = 5 * SECOND;
    struct gate *two = gate_close(w, MSG_ANSWER, ANY, proxy->id, names_two_backends);
    ask_counts(w, 1, 1, 2);
    UNTIL(w, 60, two->hits > 0);
    struct gate *later = gate_close(w, MSG_ANSWER, ANY, proxy->id, with_doc);
    struct vm *second = newest(w, BACKEND);
    ask_counts(w, 1, 1, 1);
    RUN(w, 60);
    EXPECT(w, serves(second, BACKEND)); /* the proxy may yet name it */
    gate_open(w, two);
    RUN(w, 5);
    gate_open(w, later);
    UNTIL(w, 200, !second->exists);
}

/* The newer document of the same manager arrives first. */
static void overtaken_document(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0);
    w->boot_ms = 5 * SECOND;
    struct gate *g = gate_close(w, MSG_ANSWER, ANY, proxy->id, names_two_backends);
    ask_counts(w, 1, 1, 2);
    UNTIL(w, 60, g->hits > 0);
    struct vm *second = newest(w, BACKEND);
    ask_counts(w, 1, 1, 1);
    UNTIL_HOLDING(w, 200, !second->exists, !names(proxy, BACKEND, second));
    gate_open(w, g);
    HOLDS(w, 60, !names(proxy, BACKEND, second));
}

/* A manager hangs and is replaced; the last document that it sent arrives when its successor has been obeyed. */
static void old_managers_document(struct world *w)
{
    struct vm *backend = nth(w, BACKEND, 0), *old = manager_vm(w);
    struct gate *g = gate_close(w, MSG_ANSWER, old->id, backend->id, with_doc);
    w->boot_ms = 5 * SECOND;
    ask_settings(w, 1, true);
    UNTIL(w, 30, g->hits > 0);
    hang(w, old, 600);
    ask_settings(w, 2, true);
    UNTIL(w, 200, backend->applied.settings == 2);
    EXPECT(w, manager_vm(w) != old);
    gate_open(w, g);
    HOLDS(w, 60, backend->applied.settings == 2);
}

/* The same with a process that was started again on the same node, and counts its documents from 1. */
static void restarted_process(struct world *w)
{
    struct vm *backend = nth(w, BACKEND, 0), *m = manager_vm(w);
    int64_t epoch = w->db.app.epoch;
    struct gate *g = gate_close(w, MSG_ANSWER, m->id, backend->id, with_doc);
    ask_settings(w, 1, true);
    UNTIL(w, 30, g->hits > 0);
    mgr_restart(w, m->id);
    gate_let_pass(g);
    ask_settings(w, 2, true);
    UNTIL(w, 120, backend->applied.settings == 2);
    EXPECT(w, w->db.app.epoch > epoch && manager_vm(w) == m);
    gate_open(w, g);
    HOLDS(w, 60, backend->applied.settings == 2);
}

/* A proxy applies a document of the old manager, slowly, while a new one asks it what it has. */
static void busy_claim(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0);
    w->boot_ms = 5 * SECOND;
    struct gate *g = gate_close(w, MSG_ANSWER, ANY, proxy->id, names_two_backends);
    ask_counts(w, 1, 1, 2);
    UNTIL(w, 60, g->hits > 0 && !proxy->busy);
    struct vm *second = newest(w, BACKEND);
    proxy->apply_ms = 60 * SECOND;
    gate_open(w, g);
    UNTIL(w, 5, proxy->busy);
    mgr_restart(w, manager_vm(w)->id);
    ask_counts(w, 1, 1, 1);
    RUN(w, 50);
    EXPECT(w, proxy->busy && serves(second, BACKEND));
    proxy->apply_ms = 0;
    UNTIL(w, 200, !second->exists);
}

/* Hole 3. A node that still boots becomes superfluous; the request to destroy it is late, and it is needed again. */
static void late_destroy(struct world *w)
{
    struct vm *lost = nth(w, BACKEND, 0), *proxy = nth(w, PROXY, 0);
    w->boot_ms = 40 * SECOND;
    hang(w, lost, 300);
    UNTIL(w, 60, newest(w, BACKEND) && newest(w, BACKEND) != lost);
    struct vm *second = newest(w, BACKEND);
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_destroy);
    wake(w, lost);
    UNTIL(w, 20, g->hits > 0);
    w->boot_ms = 5 * SECOND;
    die(w, lost);
    RUN(w, 70);
    gate_open(w, g);
    UNTIL(w, 100, !second->exists && names(proxy, BACKEND, newest(w, BACKEND)));
}

/* The same, but the manager that has sent it was started again: the new one does not know of it. */
static void old_managers_destroy(struct world *w)
{
    struct vm *lost = nth(w, BACKEND, 0), *proxy = nth(w, PROXY, 0);
    w->boot_ms = 20 * SECOND;
    hang(w, lost, 300);
    UNTIL(w, 60, newest(w, BACKEND) && newest(w, BACKEND) != lost);
    struct vm *second = newest(w, BACKEND);
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_destroy);
    wake(w, lost);
    UNTIL(w, 20, g->hits > 0);
    die(w, lost);
    mgr_restart(w, manager_vm(w)->id);
    gate_let_pass(g);
    UNTIL(w, 100, names(proxy, BACKEND, second));
    gate_open(w, g);
    HOLDS(w, 60, second->exists && status_of(w, second) == NODE_UP);
}

/* Nodes are asked for; no answer and no newer view comes back, and the manager asks again. */
static void lost_create_answer(struct world *w)
{
    int64_t creates = w->creates, made = w->nodes_made;
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_create);
    ask_counts(w, 1, 0, 1);
    UNTIL(w, 20, g->hits > 0);
    struct gate *answers = gate_close(w, MSG_VIEW, DIRECTOR, ANY, NULL);
    struct gate *repeats = gate_count(w, MSG_CALL, ANY, DIRECTOR, is_create);
    gate_open(w, g);
    HOLDS(w, 12, w->creates <= creates + 1);
    EXPECT(w, repeats->hits > 0 && w->creates == creates + 1);
    gate_lose(w, answers);
    UNTIL(w, 200, w->ended[FACET_COUNTS].state == OP_DONE);
    EXPECT(w, w->nodes_made == made + 1);
}

/* A script was asked for; it is interrupted and the manager replaced before one node has heard of either. */
static void script_fence(struct world *w)
{
    struct vm *n = nth(w, SCRIPT_NODE, 1);
    struct gate *g = gate_close(w, MSG_ANSWER, ANY, n->id, with_doc);
    ask_cmd(w, "run");
    UNTIL(w, 20, g->hits > 0);
    ask_cmd(w, "interrupt");
    mgr_restart(w, manager_vm(w)->id);
    gate_let_pass(g);
    UNTIL(w, 60, w->ended[FACET_CMD].state == OP_DONE);
    EXPECT(w, journal_of(n, "interrupt#") && !journal_of(n, "run#"));
    gate_open(w, g);
    HOLDS(w, 60, !journal_of(n, "run#"));
}

/* A node restarts while a script runs that its document still lists. */
static void script_and_reboot(struct world *w)
{
    struct vm *n = nth(w, SCRIPT_NODE, 0);
    ask_cmd(w, "run");
    UNTIL(w, 20, journal_of(n, "run#") && journal_of(n, "run#")->state == CMD_RUNNING);
    reboot(w, n, 10);
    RUN(w, 60);
    EXPECT(w, journal_of(n, "run#")->rc == -1);
}

static bool is_publish_of_master(const struct world *w, const struct message *m)
{
    return is_publish(w, m) && ((const struct call *)m->payload)->fact == FACT_MASTER;
}

/* The fact who the master is takes long: scripts wait for it, they are told its address. */
static void late_master(struct world *w)
{
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_publish_of_master);
    ask_run(w, RUN_RUNNING);
    UNTIL(w, 200, g->hits > 0);
    RUN(w, 30);
    EXPECT(w, !journal_of(nth(w, SCRIPT_NODE, 0), "init:"));
    gate_open(w, g);
    UNTIL(w, 120, w->ended[FACET_RUN].state == OP_DONE);
}

/* Work on one node takes minutes: the operation stands for the work, not for its beginning. */
static void long_work(struct world *w)
{
    ask_cmd(w, "load");
    struct vm *n = NULL;
    UNTIL(w, 30, journal_of(nth(w, MEMBER, 0), "load#") || journal_of(nth(w, MEMBER, 1), "load#"));
    n = journal_of(nth(w, MEMBER, 0), "load#") ? nth(w, MEMBER, 0) : nth(w, MEMBER, 1);
    UNTIL_HOLDING(w, 400, journal_of(n, "load#")->state != CMD_RUNNING, op_active(w, FACET_CMD));
    UNTIL(w, 30, !op_active(w, FACET_CMD));
    bool well = journal_of(n, "load#")->rc == 0;
    EXPECT(w, w->ended[FACET_CMD].state == (well ? OP_DONE : OP_FAILED));
}

/* Nobody but the director hears the master of a service without data; it works on. */
static void unheard_master(struct world *w)
{
    struct vm *master = nth(w, SCRIPT_MASTER, 0);
    cut(w, master->id, manager_vm(w)->id, 200 * SECOND);
    HOLDS(w, 220, master->exists && w->db.s[0].facts[FACT_MASTER].v.node == master->node);
}

/* A backend reaches the director only, and its manager has been started again: nobody knows what it has. */
static void unclaimed_target(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0), *target = nth(w, BACKEND, 1), *m = manager_vm(w);
    w->boot_ms = 60 * SECOND;
    cut(w, target->id, m->id, 600 * SECOND);
    mgr_restart(w, m->id);
    UNTIL_HOLDING(w, 500, !target->exists, proxy->applied.names[BACKEND].n == 2);
}

static bool still_names_one(const struct world *w, const struct message *m)
{
    const struct report_msg *r = m->payload;
    return r->r.applied.names[BACKEND].n == 1;
}

/* A report of the proxy arrives after later ones; those after it are held up. */
static void old_report(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0);
    w->boot_ms = 5 * SECOND;
    struct gate *old = gate_close(w, MSG_REPORT, proxy->id, ANY, still_names_one);
    ask_counts(w, 1, 1, 2);
    UNTIL(w, 20, old->hits > 0);
    gate_let_pass(old);
    UNTIL(w, 60, w->ended[FACET_COUNTS].state == OP_DONE);
    struct vm *second = newest(w, BACKEND);
    RUN(w, 10);
    struct gate *later = gate_close(w, MSG_REPORT, proxy->id, ANY, NULL);
    RUN(w, 1); /* what is on its way arrives */
    struct gate *views = gate_close(w, MSG_VIEW, DIRECTOR, ANY, NULL);
    ask_counts(w, 1, 1, 1);
    RUN(w, 1);
    gate_open(w, old); /* the manager hears both at once */
    gate_open(w, views);
    HOLDS(w, 25, serves(second, BACKEND)); /* until the proxy has said that it does not name it */
    gate_open(w, later);
    UNTIL(w, 200, !second->exists);
}

/* A manager has just started, and one of two backends has not reported to it yet. */
static void unheard_yet(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0), *unheard = nth(w, BACKEND, 1);
    struct gate *g = gate_close(w, MSG_REPORT, unheard->id, ANY, NULL);
    mgr_restart(w, manager_vm(w)->id);
    HOLDS(w, 25, names(proxy, BACKEND, unheard));
    gate_lose(w, g);
    HOLDS(w, 25, names(proxy, BACKEND, unheard));
}

/* A master is lost; its replacement is there before the director has taken the old one away. */
static void moving_master(struct world *w)
{
    struct vm *old = nth(w, SCRIPT_MASTER, 0);
    const struct fact *master = &w->db.s[0].facts[FACT_MASTER];
    w->boot_ms = 5 * SECOND;
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_destroy);
    hang(w, old, 3600);
    UNTIL(w, 100, g->hits > 0);
    HOLDS(w, 30, master->v.node == old->node);
    gate_open(w, g);
    UNTIL(w, 100, master->v.node != old->node && master->v.node != 0);
}

static bool all_have_refs(struct world *w, int64_t refs)
{
    for (int r = 0; r <= BACKEND; r++) {
        for (int k = 0; nth(w, r, k); k++) {
            if (nth(w, r, k)->applied.refs != refs) {
                return false;
            }
        }
    }
    return true;
}

/* What the service refers to changes twice, once while a node is away. */
static void references_change(struct world *w)
{
    w->refs = 7;
    UNTIL(w, 60, all_have_refs(w, 7));
    reboot(w, nth(w, BACKEND, 1), 10);
    RUN(w, 2);
    w->refs = 8;
    UNTIL(w, 90, all_have_refs(w, 8));
    HOLDS(w, 30, nth(w, PROXY, 0) && names(nth(w, PROXY, 0), BACKEND, nth(w, BACKEND, 0)));
}

/* A start waits, without a node, until what the service refers to is there; it fails when that will not be. */
static void start_waits_for_references(struct world *w)
{
    w->refs_wait = "service db, which it refers to as DB, is PROLOGUE";
    ask_run(w, RUN_RUNNING);
    HOLDS(w, 120, machines(w, 0) == 0 && op_active(w, FACET_RUN));
    w->refs_wait = NULL;
    UNTIL(w, 200, !op_active(w, FACET_RUN) && nth(w, BACKEND, 0));
    ask_run(w, RUN_STOPPED);
    UNTIL(w, 200, !op_active(w, FACET_RUN) && machines(w, 0) == 0);
    w->refs_wait = "service db, which it refers to as DB, is ERROR";
    w->refs_failed = true;
    ask_run(w, RUN_RUNNING);
    UNTIL_HOLDING(w, 60, !op_active(w, FACET_RUN), machines(w, 0) == 0);
    w->refs_wait = NULL;
    w->refs_failed = false;
    ask_run(w, RUN_RUNNING);
    UNTIL(w, 200, nth(w, BACKEND, 0) && !op_active(w, FACET_RUN));
}

const struct scenario scen_order[] = {
    {.name = "late-destroy",
     .hole = "3: a late destroy of a booting node hits it when it is named",
     .rule = "F10",
     .services = "php",
     .counts = {{1, 0, 1}},
     .bugs = CATCHES(BUG(DOOM_FORGOTTEN)),
     .play = late_destroy},
    {.name = "old-managers-destroy",
     .hole = "3: the same by a manager that was replaced",
     .rule = "F1 F10",
     .services = "php",
     .counts = {{1, 0, 1}},
     .bugs = CATCHES(BUG(NO_DIRECTOR_FENCE)),
     .play = old_managers_destroy},
    {.name = "late-document",
     .hole = "desk: preconditions on the reported document, a late one is applied afterwards",
     .rule = "F7",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(APPLIED_ONLY)),
     .play = late_document},
    {.name = "overtaken-document",
     .hole = "desk: an older document of the same manager is applied after a newer one",
     .rule = "F3",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(NO_SEQ)),
     .play = overtaken_document},
    {.name = "old-managers-document",
     .hole = "desk: the old manager's document after the new one has read the report",
     .rule = "F2",
     .services = "php",
     .counts = {{1, 0, 1}},
     .bugs = CATCHES(BUG(NO_FENCE)),
     .play = old_managers_document},
    {.name = "busy-claim",
     .hole = "desk: an apply of before the fence ends after the new manager has read the report",
     .rule = "F4 W1",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(CLAIM_BUSY)),
     .play = busy_claim},
    {.name = "restarted-process",
     .hole = "desk: a restarted process uses the numbers of its documents again",
     .rule = "F1",
     .services = "php",
     .counts = {{1, 0, 1}},
     .bugs = CATCHES(BUG(SAME_EPOCH)),
     .play = restarted_process},
    {.name = "lost-create-answer",
     .hole = "desk: the lost answer to a create buys twice",
     .rule = "F11",
     .services = "php",
     .counts = {{1, 0, 0}},
     .bugs = CATCHES(BUG(NO_CAS_CREATE)),
     .play = lost_create_answer},
    {.name = "script-fence",
     .hole = "desk: scripts sent beside the document escape the fence",
     .rule = "K1 K4",
     .services = "script",
     .counts = {{1, 2}},
     .bugs = CATCHES(BUG(CMD_BESIDE)),
     .play = script_fence},
    {.name = "script-and-reboot",
     .hole = "a script is started again after a restart",
     .rule = "K2",
     .services = "script",
     .counts = {{1, 1}},
     .bugs = CATCHES(BUG(RERUN)),
     .play = script_and_reboot},
    {.name = "late-master",
     .hole = "scripts begin that cannot be told who the master is",
     .rule = "K8",
     .services = "generic",
     .counts = {{1, 1}},
     .stopped = true,
     .bugs = CATCHES(BUG(CMD_BEFORE_MASTER)),
     .play = late_master},
    {.name = "long-work",
     .hole = "an operation is done when its work has begun",
     .rule = "K7",
     .services = "quorum",
     .counts = {{2, 1}},
     .bugs = CATCHES(BUG(CMD_HASTY)),
     .play = long_work},
    {.name = "unheard-master",
     .hole = "the master moves while the old one lives",
     .rule = "K6 L1",
     .services = "script",
     .counts = {{1, 1}},
     .bugs = CATCHES(BUG(ONE_OBSERVER)),
     .play = unheard_master},
    {.name = "old-report",
     .hole = "a report is believed that is older than others",
     .rule = "F5",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(OLD_REPORTS)),
     .play = old_report},
    {.name = "unheard-yet",
     .hole = "a manager that has just started decides before all have reported",
     .rule = "W1",
     .services = "php",
     .counts = {{1, 1, 2}},
     .bugs = CATCHES(BUG(NO_WARMUP)),
     .play = unheard_yet},
    {.name = "moving-master",
     .hole = "the master moves before the old one is being taken away",
     .rule = "K6",
     .services = "script",
     .counts = {{1, 1}},
     .bugs = CATCHES(BUG(MASTER_MOVES)),
     .play = moving_master},
    {.name = "unclaimed-target",
     .hole = "a node that only the director hears is unnamed before it is replaced",
     .rule = "N8",
     .services = "php",
     .counts = {{1, 1, 2}},
     .bugs = CATCHES(BUG(UNNAMES_UNCLAIMED)),
     .play = unclaimed_target},
    {.name = "references",
     .hole = "nodes are not told that what their service refers to has changed",
     .rule = "J1",
     .services = "php",
     .counts = {{1, 1, 2}},
     .bugs = CATCHES(BUG(REFS_STALE)),
     .play = references_change},
    {.name = "start-order",
     .hole = "a service starts before what it refers to",
     .rule = "J2",
     .services = "php",
     .counts = {{1, 1, 1}},
     .stopped = true,
     .bugs = CATCHES(BUG(NO_START_ORDER)),
     .play = start_waits_for_references},
    {0},
};
