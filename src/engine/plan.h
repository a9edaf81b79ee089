/*
 * The planner: what to do next so that what is (have) becomes what is wanted.  Pure: no I/O, no clock, no
 * randomness, no memory between calls.  Rule numbers (W1, N1, E2, ...) are those of doc/PLANNER.md.
 */
#pragma once

#include "engine/have.h"
#include "model/state.h"
#include "service/service_type.h"

enum action_kind {
    ACT_CREATE,    /* counts: nodes to add by purpose; nodes_rev, gen: what it was decided on (F11) */
    ACT_DOC,       /* node, doc: configuration the node shall have */
    ACT_DESTROY,   /* node, why */
    ACT_PUBLISH,   /* fact, rev (compare-and-set), value */
    ACT_FINISH,    /* op, outcome, why */
    ACT_RELEASE,   /* volume: no document of its node names it (U4) */
    ACT_STEP_DOWN, /* why: this manager is of no use where it is (W2) */
    ACT_MAX
};
struct action {
    enum action_kind kind;
    int64_t node, op, nodes_rev, gen, rev, volume;
    int counts[ROLES_MAX];
    enum fact_id fact;
    struct fact_value value;
    enum op_state outcome;
    struct doc *doc; /* ACT_DOC: owned by the plan */
    char why[WHY_MAX];
};
struct plan {
    struct action *actions;
    int n, cap;
    int64_t wake_ms;         /* plan again at the latest then */
    bool converged;          /* the service is as wanted */
    char waits_for[WHY_MAX]; /* what the next step needs, in words, for people */
};

/* now_ms: steady clock of the caller; all *_ms of view and have are on the same clock. */
void plan_service(const struct service *view, bool credit_ok, const struct have *have, int64_t now_ms,
                  struct plan *ret);
void plan_done(struct plan *p);
