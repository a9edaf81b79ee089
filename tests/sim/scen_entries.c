/*
 * Scenarios of proxies and what they name: web hosting, the type that has entries, targets, code and a pair.
 */
#include "script.h"

/* Hole 1. The older of two proxies is away while the only web server is replaced; it comes back on its old document. */
static void stale_proxy(struct world *w)
{
    struct vm *away = nth(w, PROXY, 0), *other = nth(w, PROXY, 1), *web = nth(w, WEB, 0);
    w->boot_ms = 300 * SECOND; /* its replacement comes too late */
    hang(w, away, 600);
    UNTIL(w, 60, !listed(w, away) && living(w, 0, PROXY) == 3 && newest(w, PROXY));
    w->boot_ms = 5 * SECOND;
    die(w, web);
    UNTIL(w, 100, newest(w, WEB) != web && names(other, WEB, newest(w, WEB)));
    away->apply_ms = 10 * SECOND;
    wake(w, away);
    UNTIL_HOLDING(w, 120, listed(w, away), !listed(w, away) || leads(w, away));
}

static bool lists_two(const struct world *w, const struct message *m)
{
    const struct call *c = m->payload;
    return c->kind == CALL_PUBLISH && c->fact == FACT_ENTRIES && c->value.ids.n == 2;
}
static bool lists_entries(const struct world *w, const struct message *m)
{
    const struct call *c = m->payload;
    return c->kind == CALL_PUBLISH && c->fact == FACT_ENTRIES;
}

/* Hole 4. A second proxy is published, that is late; meanwhile it is not wanted any more. */
static void late_publish(struct world *w)
{
    w->boot_ms = 5 * SECOND;
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, lists_entries);
    ask_counts(w, 2, 1, 1);
    UNTIL(w, 60, g->hits > 0);
    struct vm *second = newest(w, PROXY);
    EXPECT(w, serves(second, PROXY));
    ask_counts(w, 1, 1, 1);
    HOLDS(w, 60, serves(second, PROXY)); /* visitors may yet be sent to it */
    gate_open(w, g);
    UNTIL_HOLDING(w, 200, !second->exists, !listed(w, second) || serves(second, PROXY));
}

/* The request to list it is void as soon as the present list was published again. */
static void voided_publish(struct world *w)
{
    w->boot_ms = 5 * SECOND;
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, lists_two);
    ask_counts(w, 2, 1, 1);
    UNTIL(w, 60, g->hits > 0);
    struct vm *second = newest(w, PROXY);
    ask_counts(w, 1, 1, 1);
    UNTIL_HOLDING(w, 120, !doc_has(&second->applied, PROXY), !listed(w, second));
    gate_open(w, g);
    HOLDS(w, 60, !listed(w, second));
}

/* Hole 5. A proxy routes the new version and is unreachable; the change is cancelled; a new manager has never heard it. */
static void unknown_proxy(struct world *w)
{
    struct vm *held_up = nth(w, PROXY, 0), *unknown = nth(w, PROXY, 1), *web = nth(w, WEB, 0);
    struct gate *g = gate_close(w, MSG_ANSWER, ANY, held_up->id, with_doc);
    ask_code(w, 2, true);
    UNTIL(w, 90, unknown->applied.route == 2);
    cut(w, unknown->id, manager_vm(w)->id, 500 * SECOND);
    ask_cancel(w, FACET_CODE);
    mgr_restart(w, manager_vm(w)->id);
    gate_open(w, g);
    UNTIL_HOLDING(w, 450, !listed(w, unknown), set_has(&web->staged, 2));
}

/* A settings change reaches every node at a different time: whoever has not applied it serves all the same. */
static void settings_change(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0);
    for (int k = 0; k < 3; k++) {
        nth(w, BACKEND, k)->apply_ms = 10 * SECOND;
    }
    ask_settings(w, 1, true);
    UNTIL_HOLDING(w, 200, w->ended[FACET_SETTINGS].state == OP_DONE,
                  proxy->applied.names[BACKEND].n == 3 && proxy->applied.names[WEB].n == 1);
}

/* A target that also holds the sessions. */
static struct vm *holder_behind(struct world *w, const struct vm *but)
{
    for (int i = 1; i <= w->n_vms; i++) {
        const struct rec *r = rec_find(w, w->vm[i]->node);
        if (r && w->vm[i] != but && r->role > PROXY && serves(w->vm[i], SESSIONS)) {
            return w->vm[i];
        }
    }
    return NULL;
}

/* One of two targets is sick in another role than the one it is named for. */
static void sick_elsewhere(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0), *target = holder_behind(w, NULL);
    EXPECT(w, target != NULL);
    int role = rec_find(w, target->node)->role;
    w->boot_ms = 60 * SECOND;
    crash(w, target, SESSIONS, true);
    UNTIL_HOLDING(w, 400, !target->exists, proxy->applied.names[role].n >= 2);
}

/* A target that both observers have lost goes on serving, and the only proxy, which names it, cannot be told. */
static void partitioned_target(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0), *target = nth(w, BACKEND, 1), *m = manager_vm(w);
    w->boot_ms = 5 * SECOND;
    cut(w, proxy->id, m->id, 250 * SECOND);
    cut(w, target->id, m->id, 250 * SECOND);
    cut(w, target->id, DIRECTOR, 250 * SECOND);
    UNTIL(w, 100, newest(w, BACKEND) != target && serves(newest(w, BACKEND), BACKEND));
    EXPECT(w, names(proxy, BACKEND, target));
    HOLDS(w, 120, target->exists || !names(proxy, BACKEND, target));
}

/* Hole 8. A node that is to drain restarts before it has reported that it has. */
static void drain_and_reboot(struct world *w)
{
    struct vm *leaving = nth(w, BACKEND, 1);
    ask_counts(w, 1, 0, 1);
    UNTIL(w, 60, leaving->applied.drain != 0 && !leaving->busy);
    EXPECT(w, leaving->drained == 0);
    struct gate *g = gate_close(w, MSG_ANSWER, ANY, leaving->id, with_doc);
    reboot(w, leaving, 10);
    UNTIL(w, 60, leaving->drained != 0); /* nobody has told it again */
    gate_open(w, g);
    UNTIL(w, 120, w->ended[FACET_COUNTS].state == OP_DONE);
}

/* A version was tried, and the change cancelled; when it is tried again, it fails. */
static void old_probe(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0), *backend = nth(w, BACKEND, 0);
    ask_code(w, 2, true);
    UNTIL(w, 60, backend->n_probes > 0);
    EXPECT(w, backend->probes[0].version == 2 && backend->probes[0].ok);
    ask_cancel(w, FACET_CODE);
    UNTIL(w, 60, unconverged(w) == NULL);
    RUN(w, 10);
    ask_code(w, 2, false);
    UNTIL_HOLDING(w, 120, w->ended[FACET_CODE].state == OP_FAILED, proxy->applied.route == 1);
}

/* The other way round: it failed once, and works now. */
static void probe_again(struct world *w)
{
    ask_code(w, 2, false);
    UNTIL(w, 120, w->ended[FACET_CODE].state == OP_FAILED);
    UNTIL(w, 60, unconverged(w) == NULL);
    ask_code(w, 2, true);
    UNTIL(w, 120, w->ended[FACET_CODE].state == OP_DONE);
}

/* The primary of the sessions leaves because its node is not wanted any more; handing over takes a while. */
static void primary_leaves(struct world *w)
{
    const struct fact *primary = &w->db.s[0].facts[FACT_PRIMARY];
    die(w, nth(w, PROXY, 0));
    UNTIL(w, 300, unconverged(w) == NULL && rec_find(w, primary->v.node)->role != PROXY);
    RUN(w, 30);
    struct vm *leaving = vm_of(w, primary->v.node);
    bool web = rec_find(w, leaving->node)->role == WEB;
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, is_publish);
    ask_counts(w, 1, web ? 0 : 1, web ? 1 : 0);
    HOLDS(w, 40, serves(leaving, SESSIONS));
    EXPECT(w, g->hits > 0);
    gate_open(w, g);
    UNTIL_HOLDING(w, 300, !leaving->exists, primary->v.node != leaving->node || serves(leaving, SESSIONS));
}

static int holders_in_step(const struct world *w, const struct vm *but)
{
    int n = 0;
    for (int i = 1; i <= w->n_vms; i++) {
        n += w->vm[i] != but && serves(w->vm[i], SESSIONS) && w->vm[i]->synced;
    }
    return n;
}

static bool moves_primary(const struct world *w, const struct message *m)
{
    const struct call *c = m->payload;
    return c->kind == CALL_PUBLISH && c->fact == FACT_PRIMARY;
}

/* A request to move the primary is lost, and the primary is back: the request is void, whatever becomes of it. */
static void lost_publish(struct world *w)
{
    const struct fact *fact = &w->db.s[0].facts[FACT_PRIMARY];
    struct vm *primary = vm_of(w, fact->v.node);
    int64_t rev = fact->rev;
    struct gate *g = gate_close(w, MSG_CALL, ANY, DIRECTOR, moves_primary);
    hang(w, primary, 600);
    UNTIL(w, 60, g->hits > 0);
    wake(w, primary);
    RUN(w, 20);
    EXPECT(w, fact->rev == rev);
    gate_lose(w, g);
    UNTIL(w, 60, fact->rev > rev);
    HOLDS(w, 60, fact->v.node == primary->node);
}

/* A holder of the sessions is away, another one takes its place, it returns: one of the three gives the role up. Each
 * document takes longer than the planner needs for the next one. */
static void slow_handback(struct world *w)
{
    struct vm *away = holder_behind(w, NULL);
    EXPECT(w, away != NULL);
    w->boot_ms = 200 * SECOND;
    hang(w, away, 600);
    UNTIL(w, 100, holders_in_step(w, away) == 2);
    for (int i = 1; i <= w->n_vms; i++) {
        w->vm[i]->apply_ms = 5 * SECOND;
    }
    wake(w, away);
    UNTIL(w, 200, unconverged(w) == NULL);
}

/* The only backend works and cannot be heard; its replacement has a new version before it may be named. */
static void unheard_backend(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0), *unheard = nth(w, BACKEND, 0), *m = manager_vm(w);
    w->boot_ms = 25 * SECOND;
    cut(w, unheard->id, m->id, 250 * SECOND);
    cut(w, unheard->id, DIRECTOR, 250 * SECOND);
    UNTIL(w, 60, newest(w, BACKEND) && newest(w, BACKEND) != unheard);
    struct vm *fresh = newest(w, BACKEND);
    ask_code(w, 2, true);
    UNTIL(w, 20, set_has(&proxy->staged, 2) && !proxy->busy && !fresh->run);
    struct gate *g =
        gate_close(w, MSG_ANSWER, ANY, proxy->id, with_doc); /* it is long in letting the fresh one in */
    RUN(w, 70);
    EXPECT(w, serves(fresh, BACKEND) && set_has(&fresh->staged, 2));
    gate_open(w, g);
    UNTIL_HOLDING(w, 200, w->ended[FACET_CODE].state == OP_DONE,
                  names(proxy, BACKEND, unheard) || leads(w, proxy));
    EXPECT(w, !set_has(&unheard->staged, 2));
}

/* A target takes long to take up its role. */
static void slow_target(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0);
    ask_counts(w, 1, 1, 2);
    UNTIL(w, 60, living(w, 0, BACKEND) == 2 && newest(w, BACKEND));
    struct vm *fresh = newest(w, BACKEND);
    fresh->apply_ms = 20 * SECOND;
    UNTIL_HOLDING(w, 200, names(proxy, BACKEND, fresh),
                  !names(proxy, BACKEND, fresh) || serves(fresh, BACKEND));
}

/* A second proxy comes, and those it is to name are long in letting it in. */
static void slow_firewall(struct world *w)
{
    struct vm *backend = nth(w, BACKEND, 0);
    backend->apply_ms = nth(w, WEB, 0)->apply_ms = 20 * SECOND;
    ask_counts(w, 2, 1, 1);
    UNTIL(w, 60, living(w, 0, PROXY) == 2 && newest(w, PROXY));
    struct vm *fresh = newest(w, PROXY);
    UNTIL_HOLDING(w, 300, listed(w, fresh),
                  !names(fresh, BACKEND, backend) || set_has(&backend->applied.callers, fresh->node));
}

/* A backend is to go, and the proxy is long in hearing of it. */
static void slow_unnaming(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0), *leaving = nth(w, BACKEND, 1);
    proxy->apply_ms = 20 * SECOND;
    ask_counts(w, 1, 0, 1);
    UNTIL_HOLDING(w, 200, !leaving->exists, !names(proxy, BACKEND, leaving) || serves(leaving, BACKEND));
}

/* One of two backends is long in getting a new version. */
static void slow_staging(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0), *slow = nth(w, BACKEND, 1);
    slow->apply_ms = 30 * SECOND;
    ask_code(w, 2, true);
    UNTIL_HOLDING(w, 300, w->ended[FACET_CODE].state == OP_DONE,
                  set_has(&slow->staged, proxy->applied.route) && proxy->applied.names[BACKEND].n == 2);
}

/* Both observers have lost a backend that works; what replaces it takes long to boot. */
static void slow_replacement(struct world *w)
{
    struct vm *lost = nth(w, BACKEND, 1);
    w->boot_ms = 60 * SECOND;
    cut(w, lost->id, manager_vm(w)->id, 250 * SECOND);
    cut(w, lost->id, DIRECTOR, 250 * SECOND);
    UNTIL(w, 60, living(w, 0, BACKEND) == 3 && newest(w, BACKEND));
    struct vm *fresh = newest(w, BACKEND);
    fresh->apply_ms = 20 * SECOND;
    UNTIL_HOLDING(w, 150, serves(fresh, BACKEND), status_of(w, lost) == NODE_UP);
    UNTIL(w, 100, !lost->exists);
}

/* The primary's node is to go; nobody reaches it, so that nobody is in step. */
static void unreachable_primary(struct world *w)
{
    const struct fact *primary = &w->db.s[0].facts[FACT_PRIMARY];
    die(w, nth(w, PROXY, 0));
    UNTIL(w, 300, unconverged(w) == NULL && rec_find(w, primary->v.node)->role != PROXY);
    RUN(w, 30);
    struct vm *leaving = vm_of(w, primary->v.node);
    bool web = rec_find(w, leaving->node)->role == WEB;
    for (int i = 1; i <= w->n_vms; i++) {
        if (i != leaving->id && w->vm[i]->svc == 0) {
            cut(w, i, leaving->id, 60 * SECOND);
        }
    }
    RUN(w, 10);
    ask_counts(w, 1, web ? 0 : 1, web ? 1 : 0);
    HOLDS(w, 45, primary->v.node == leaving->node && serves(leaving, SESSIONS));
    UNTIL(w, 200, !leaving->exists);
}

/* The primary's node hangs for good. */
static void lost_primary(struct world *w)
{
    const struct fact *primary = &w->db.s[0].facts[FACT_PRIMARY];
    struct vm *lost = vm_of(w, primary->v.node);
    hang(w, lost, 3600);
    UNTIL_HOLDING(w, 300, !lost->exists, primary->v.node != lost->node || status_of(w, lost) == NODE_UP);
    EXPECT(w, primary->v.node != lost->node);
}

/* The better of two web servers falls over at the very moment when the other one, not wanted any more, is to drain. */
static void needed_again(struct world *w)
{
    struct vm *proxy = nth(w, PROXY, 0), *good = nth(w, WEB, 0), *surplus = nth(w, WEB, 1);
    struct gate *p = gate_close(w, MSG_REPORT, proxy->id, ANY, NULL);
    ask_counts(w, 1, 1, 1);
    UNTIL(w, 30, !names(proxy, WEB, surplus));
    struct gate *g = gate_close(w, MSG_REPORT, good->id, ANY, NULL);
    crash(w, good, WEB, true);
    UNTIL(w, 5, g->hits > 0 && !proxy->busy);
    RUN(w, 1);
    gate_open(w, g); /* the manager hears of both at once */
    gate_open(w, p);
    UNTIL_HOLDING(w, 20, names(proxy, WEB, surplus), surplus->applied.drain == 0);
    HOLDS(w, 60, names(proxy, WEB, surplus) && surplus->applied.drain == 0);
}

const struct scenario scen_entries[] = {
    {.name = "stale-proxy",
     .hole = "1: a proxy back from the dead is listed on its old document",
     .rule = "E2",
     .services = "php",
     .counts = {{2, 1, 1}},
     .bugs = CATCHES(BUG(STALE_ENTRY)),
     .play = stale_proxy},
    {.name = "late-publish",
     .hole = "4: a late request to list a proxy wins after it was taken for unlisted",
     .rule = "F9",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(PUBLISH_FORGOTTEN)),
     .play = late_publish},
    {.name = "voided-publish",
     .hole = "4: a late request to list a proxy wins although it was taken back",
     .rule = "F9",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(PUBLISH_BLIND)),
     .play = voided_publish},
    {.name = "unknown-proxy",
     .hole = "5: a version is dropped that an unseen proxy routes to",
     .rule = "A6 R2",
     .services = "php",
     .counts = {{2, 1, 1}},
     .bugs = CATCHES(BUG(FORGET_UNKNOWN)),
     .play = unknown_proxy},
    {.name = "drain-and-reboot",
     .hole = "8: a draining node restarts and never reports drained",
     .rule = "R3",
     .services = "php",
     .counts = {{1, 0, 2}},
     .bugs = CATCHES(BUG(DRAIN_FORGOTTEN)),
     .play = drain_and_reboot},
    {.name = "settings-change",
     .hole = "desk: a settings change with 'whole hash equal' empties the lists",
     .rule = "N1",
     .services = "php",
     .counts = {{1, 1, 3}},
     .bugs = CATCHES(BUG(WHOLE_HASH)),
     .play = settings_change},
    {.name = "old-probe",
     .hole = "desk: the good result of an earlier try lets a bad version pass",
     .rule = "A2",
     .services = "php",
     .counts = {{1, 0, 1}},
     .bugs = CATCHES(BUG(PROBE_REUSED), BUG(NO_PROBE)),
     .play = old_probe},
    {.name = "probe-again",
     .hole = "desk: the bad result of an earlier try condemns a good version",
     .rule = "A2",
     .services = "php",
     .counts = {{1, 0, 1}},
     .bugs = CATCHES(BUG(PROBE_REUSED)),
     .play = probe_again},
    {.name = "sick-elsewhere",
     .hole = "a target is unnamed before its successor serves",
     .rule = "N2 N3",
     .services = "php",
     .counts = {{1, 2, 2}},
     .bugs = CATCHES(BUG(SHRINK_FIRST), BUG(ONE_IS_ENOUGH)),
     .play = sick_elsewhere},
    {.name = "partitioned-target",
     .hole = "a lost node is destroyed while a proxy that cannot be told names it",
     .rule = "X3",
     .services = "php",
     .counts = {{1, 1, 2}},
     .bugs = CATCHES(BUG(DESTROY_NAMED)),
     .play = partitioned_target},
    {.name = "primary-leaves",
     .hole = "the primary's node goes before its role was handed over",
     .rule = "Z4 Z5",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(PRIMARY_DROPPED)),
     .play = primary_leaves},
    {.name = "slow-handback",
     .hole = "a holder that gives its role up is told to keep it, and to give it up, without end",
     .rule = "Z5",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(PAIR_FLAPS)),
     .play = slow_handback},
    {.name = "unheard-backend",
     .hole = "a proxy is told to route a version to a node that never got it",
     .rule = "N4 A4",
     .services = "php",
     .counts = {{1, 0, 1}},
     .bugs = CATCHES(BUG(KEEP_BLIND)),
     .play = unheard_backend},
    {.name = "slow-target",
     .hole = "a target is named before it has the role",
     .rule = "N1 F7",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(NAME_UNAPPLIED)),
     .play = slow_target},
    {.name = "slow-firewall",
     .hole = "a target is named that does not let the proxy in yet",
     .rule = "N6",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(NO_CALLERS)),
     .play = slow_firewall},
    {.name = "slow-unnaming",
     .hole = "a role goes while a proxy names it",
     .rule = "R2 R3",
     .services = "php",
     .counts = {{1, 0, 2}},
     .bugs = CATCHES(BUG(UNDRAINED)),
     .play = slow_unnaming},
    {.name = "slow-staging",
     .hole = "a version is routed to before all have it, or dropped while it is routed to",
     .rule = "A1 A3 A5",
     .services = "php",
     .counts = {{1, 1, 2}},
     .bugs = CATCHES(BUG(FLIP_UNSTAGED), BUG(DROP_EARLY)),
     .play = slow_staging},
    {.name = "slow-replacement",
     .hole = "a lost node that serves is destroyed before its replacement serves",
     .rule = "X5 N8",
     .services = "php",
     .counts = {{1, 1, 2}},
     .bugs = CATCHES(BUG(LOST_NOW)),
     .play = slow_replacement},
    {.name = "unreachable-primary",
     .hole = "the sessions are handed to a replica that is not in step",
     .rule = "Z3 Z4",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(PRIMARY_HASTY)),
     .play = unreachable_primary},
    {.name = "lost-primary",
     .hole = "a lost primary is destroyed before another one is published",
     .rule = "Z6 Z5",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(PRIMARY_STUCK)),
     .play = lost_primary},
    {.name = "needed-again",
     .hole = "a target is told to drain when an entry is told to name it",
     .rule = "R2 N2",
     .services = "php",
     .counts = {{1, 2, 1}},
     .bugs = CATCHES(BUG(DRAINS_NAMED)),
     .play = needed_again},
    {.name = "lost-publish",
     .hole = "a lost request to move the primary holds its node for ever",
     .rule = "F9 Z5",
     .services = "php",
     .counts = {{1, 1, 1}},
     .bugs = CATCHES(BUG(PUBLISH_BLIND)),
     .play = lost_publish},
    {0},
};
