/*
 * Faults: machines die, hang, crash, reboot; managers, directors and networks fail.
 */
#include <string.h>

#include "sim.h"

void fault(struct world *w)
{
    w->by_fault = true;
    w->dirty = true;
    w->last_fault = w->now;
}

void vm_mark_fault(struct world *w, struct vm *v)
{
    v->fault_ms = w->now;
    for (int r = 0; r < ROLES_MAX; r++) {
        if (v->health[r] == HEALTH_OK) {
            v->had_ms[r] = w->now;
        }
    }
}

void vm_die(struct world *w, struct vm *v, enum killed why)
{
    if (why == BY_FAULT) {
        SEEN(w, DIED);
        vm_mark_fault(w, v);
    }
    v->kill_excused = w->now - v->fault_ms < DETECT_MS || v->hung;
    v->exists = v->run = false;
    v->killed = why;
    v->gen++;
    w->dirty = true;
    SAY(w, "machine %d (node %lld) is gone by %s", v->id, (long long)v->node,
        why == BY_FAULT ? "a fault" : "us");
    if (v->svc >= 0) {
        data_drop(w, v, why == BY_ACTION);
    }
}

static void hang_ends(struct world *w, struct event *e)
{
    if (vm_alive(w->vm[e->a], e->b)) {
        vm_unhang(w, w->vm[e->a]);
    }
}

void vm_hang(struct world *w, struct vm *v, int64_t ms)
{
    SEEN(w, HUNG);
    vm_mark_fault(w, v);
    v->hung = true;
    (void)at(w, ms, hang_ends, v->id, v->gen);
}

void vm_unhang(struct world *w, struct vm *v)
{
    if (v->hung) {
        v->hung = false;
        v->fault_ms = w->now; /* its return is news as well */
        w->dirty = true;
    }
}

static void restart_role(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (vm_alive(v, e->b) && !v->crashloop && v->health[e->x] == HEALTH_BAD) {
        agent_begin_role(w, v, (int)e->x);
        agent_poke(w, v);
    }
}

void vm_crash(struct world *w, struct vm *v, int role, bool loop)
{
    const struct service_type *t = w->db.s[v->svc].type;
    vm_mark_fault(w, v);
    SAY(w, "node %lld: %s crashes%s", (long long)v->node, t->roles[role].name, loop ? " for good" : "");
    agent_poke(w, v);
    if (t->roles[role].flags & ROLE_BOOT) {
        agent_begin_role(w, v, role);
        return;
    }
    v->health[role] = HEALTH_BAD;
    bool data = false; /* a node with data is never replaced for being sick: there a role comes back */
    for (int r = 0; r < t->n_roles; r++) {
        data = data || (doc_has(&v->applied, r) && (t->roles[r].flags & ROLE_STATEFUL));
    }
    v->crashloop = v->crashloop || (loop && !data);
    w->seen[v->crashloop ? SEEN_CRASHED_FOR_GOOD : SEEN_CRASHED]++;
    v->synced = v->synced && !(t->roles[role].flags & ROLE_PAIR);
    at(w, between(w, SECOND, 10 * SECOND), restart_role, v->id, v->gen)->x = role;
}

static void crash_any(struct world *w, struct vm *v, bool loop)
{
    int ok[ROLES_MAX], n = 0;
    for (int r = 0; r < ROLES_MAX && v->svc >= 0; r++) {
        if (v->health[r] == HEALTH_OK) {
            ok[n++] = r;
        }
    }
    if (n > 0) {
        vm_crash(w, v, ok[rnd(w, n)], loop);
    }
}

static void boot_again(struct world *w, struct event *e)
{
    struct vm *v = w->vm[e->a];
    if (v->exists && v->gen == e->b) {
        agent_start(w, v);
    }
}

void vm_reboot(struct world *w, struct vm *v, int64_t ms)
{
    SEEN(w, REBOOTED);
    vm_mark_fault(w, v);
    v->run = v->hung = false;
    v->rebooting = true;
    for (int i = 0; i < v->n_cmds; i++) { /* K2: what was running is never run again */
        if (v->cmds[i].state == CMD_RUNNING && !bug(RERUN)) {
            v->cmds[i].state = CMD_STOPPED;
            v->cmds[i].rc = -1;
        } else if (v->cmds[i].state == CMD_RUNNING) {
            memmove(&v->cmds[i], &v->cmds[i + 1], sizeof v->cmds[0] * (size_t)(v->n_cmds - i - 1));
            v->n_cmds--;
            i--;
        }
    }
    agent_reset(v);
    w->dirty = true;
    SAY(w, "node %lld reboots", (long long)v->node);
    (void)at(w, ms, boot_again, v->id, v->gen);
}

/* ---- at random ---- */

static struct vm *any_running(struct world *w, bool managers)
{
    int fit[VMS_MAX], n = 0;
    for (int i = 1; i <= w->n_vms; i++) {
        if (w->vm[i]->run && (w->vm[i]->svc < 0) == managers) {
            fit[n++] = i;
        }
    }
    return n ? w->vm[fit[rnd(w, n)]] : NULL;
}

void cut_all(struct world *w, int manager, int64_t ms)
{
    for (int i = 1; i <= w->n_vms; i++) {
        if (w->vm[i]->run && w->vm[i]->svc >= 0) {
            cut(w, manager, i, ms);
        }
    }
}

static void fault_of_node(struct world *w, struct vm *v, int kind)
{
    switch (kind) {
    case 0:
        vm_die(w, v, BY_FAULT);
        break;
    case 1:
    case 2:
        SAY(w, "node %lld hangs", (long long)v->node);
        vm_hang(w, v, between(w, 5 * SECOND, 500 * SECOND));
        break;
    case 3:
    case 4:
        crash_any(w, v, false);
        break;
    case 5:
        crash_any(w, v, true);
        break;
    default:
        vm_reboot(w, v, between(w, 5 * SECOND, 60 * SECOND));
    }
}

static void fault_of_manager(struct world *w, int kind)
{
    struct vm *m = vm_of(w, w->db.app.manager_node);
    if (!m || !m->run) {
        return;
    }
    switch (kind) {
    case 0:
        mgr_restart(w, m->id);
        break;
    case 1:
        if (w->mgr[m->id]) {
            SAY(w, "the manager process on machine %d hangs for good", m->id);
            w->mgr[m->id]->dead = true;
            SEEN(w, MANAGER_DEAD);
        }
        break;
    case 2:
        vm_die(w, m, BY_FAULT);
        break;
    case 3:
        vm_hang(w, m, between(w, 5 * SECOND, 300 * SECOND)); /* wakes up as one that was replaced */
        break;
    case 4:
        cut(w, m->id, DIRECTOR, between(w, 10 * SECOND, 300 * SECOND));
        break;
    default:
        cut_all(w, m->id, between(w, 10 * SECOND, 300 * SECOND));
    }
}

/* No manager hears any node, whatever it is; half the time it has just started. */
static void silence(struct world *w)
{
    const struct vm *m = vm_of(w, w->db.app.manager_node);
    SEEN(w, SILENCE);
    SAY(w, "FAULT silence");
    w->silent_until = w->now + between(w, 30 * SECOND, 600 * SECOND);
    if (m && rnd(w, 2)) {
        mgr_restart(w, m->id);
    }
}

void take_backup(struct world *w)
{
    if (!w->recovery && !w->dir_down) {
        w->backup = w->db;
        w->backup_ms = w->now;
    }
}

void fault_step(struct world *w, struct event *e)
{
    if (w->now >= w->faults_end) {
        return;
    }
    (void)at(w, between(w, SECOND, 2 * w->pf.fault_every_s * SECOND), fault_step, 0, 0);
    fault(w);
    if (w->pf.restore && w->backup_ms == 0 && w->now > 200 * SECOND) {
        take_backup(w);
    } else if (w->pf.restore && w->backup_ms != 0 && w->now - w->backup_ms > 100 * SECOND && rnd(w, 4) == 0) {
        w->pf.restore = false;
        dir_restore(w);
        return;
    }
    int k = rnd(w, 19);
    struct vm *v = any_running(w, false);
    if (k < 6) {
        SAY(w, "FAULT manager %d", k);
        fault_of_manager(w, k);
    } else if (k == 6) {
        SAY(w, "FAULT director");
        dir_crash(w, between(w, 3 * SECOND, 90 * SECOND));
    } else if (k == 18) {
        silence(w);
    } else if (v && k == 7) {
        cut(w, v->manager, v->id, between(w, 10 * SECOND, 500 * SECOND));
    } else if (v && k == 8) {
        cut(w, DIRECTOR, v->id, between(w, 10 * SECOND, 300 * SECOND));
    } else if (v && k == 9) {
        struct vm *u = any_running(w, false);
        cut(w, u->id, v->id, between(w, 10 * SECOND, 300 * SECOND)); /* between nodes */
    } else if (v && k == 10) {
        vm_reboot(w, v, between(w, 5 * SECOND, 60 * SECOND));
        v = any_running(w, false);
        if (v) {
            fault_of_node(w, v, rnd(w, 2) ? 0 : 6);
        }
    } else if (v) {
        SAY(w, "FAULT node %lld %d", (long long)v->node, k - 11);
        fault_of_node(w, v, k - 11);
    }
}

void faults_stop(struct world *w, struct event *e)
{
    fault(w);
    w->faults_over = true;
    struct profile *p = &w->pf;
    p->loss = p->dup = p->late = p->cloud_bad = p->boot_bad = p->refuse = 0;
    p->one_late = false;
    cuts_end(w);
    for (int i = 1; i <= w->n_vms; i++) {
        struct vm *v = w->vm[i];
        if (w->mgr[i] && w->mgr[i]->lying) {
            w->mgr[i]->dead = true;
        }
        if (v->hung && rnd(w, 2)) {
            vm_unhang(w, v);
        } else if (v->hung) {
            vm_die(w, v, BY_FAULT);
        }
    }
    SAY(w, "faults have stopped");
}
