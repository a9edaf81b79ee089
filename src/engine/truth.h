/*
 * The director's decisions: every accepted change of the truth.  Pure transitions: state and inputs go in, the
 * changed state and a list of effects (ledger rows, history, ended operations) come out; the caller stores both in
 * one transaction before anybody hears of it, or throws both away.
 */
#pragma once

#include "model/state.h"
#include "service/service_type.h"

/* The owner's account, as far as a transition needs it. */
struct purse {
    int64_t user;
    int64_t balance;  /* sum of the ledger, never negative */
    int64_t broke_ms; /* since when a due hour could not be reserved; 0 = never */
    bool unlimited;   /* not used for charging: rows are still written */
};

enum ledger_kind {
    LEDGER_GRANT,   /* initial credit, administrator */
    LEDGER_USE,     /* one hour of one node; unique by (node, hour) */
    LEDGER_REFUND,  /* hour 0 of a node that certainly never was (B5); unique by node */
    LEDGER_HOLD,    /* reserved by an accepted operation; unique by (op, hour), hour counts the op's rows */
    LEDGER_RELEASE, /* of a hold: used by nodes, or the operation ended; unique by (op, hour) */
    LEDGER_KIND_MAX
};
STR_TABLE_DECLARE(ledger_kind, enum ledger_kind);

enum effect_kind {
    EFF_LEDGER,  /* user, ledger, amount, node, hour, op */
    EFF_HISTORY, /* service (0: application), text: one line for people; state when it changed */
    EFF_OP,      /* op: accepted, given more credit or ended, as it is now */
    EFF_NODE,    /* node: as it is now (also when it left the arrays as GONE) */
    EFF_VOLUME,  /* volume: as it is now (also when it left the array as GONE) */
    EFF_LAUNCH,  /* a manager node was recorded */
    EFF_ALARM,   /* text: an administrator should look */
    EFF_KIND_MAX
};
struct effect {
    enum effect_kind kind;
    int64_t service, user, amount, hour, at_ms;
    enum ledger_kind ledger;
    enum service_state state;
    bool state_changed;
    struct op op;
    struct node node;
    struct volume volume;
    int64_t op_id, node_id;
    char text[WHY_MAX];
};
struct effects {
    struct effect *e;
    int n, cap;
};
void effects_done(struct effects *x);

/* What every transition gets. service is NULL for those of the application alone. */
struct truth {
    struct app *app;
    struct service *service;
    struct purse *purse;
    int64_t now_ms;
    int64_t *next_id; /* ids of operations and nodes; the caller keeps it durable with the transaction */
    struct effects *out;
    int64_t volume_mb
        [ROLES_MAX];        /* size of new volumes of the role, as the settings say; 0: the type's default */
    int64_t volume_room_mb; /* what the owner may still get (U10); negative: more than he may have */
    int64_t volume_max_mb;  /* largest volume */
    bool recovery; /* restored and not yet reconciled: nothing is created, destroyed or charged (T7) */
    /* Makes a token for node id; the simulator's is a counter, the director's is random. */
    void (*token)(void *arg, int64_t node, char out[TOKEN_MAX]);
    void *token_arg;
};

/* ---- users' changes ---- */
struct change {
    enum facet facet;
    struct want value; /* the member of the facet */
    char kind[16]; /* FACET_CMD: name of a command of the type; FACET_VOLUME: create attach detach delete */
    char parameters[PARAMETERS_MAX]; /* FACET_CMD */
    int64_t node;                    /* FACET_CMD, of a command that one node carries out: which; 0 = any */
    struct {                         /* FACET_VOLUME */
        int64_t id;                  /* not of create */
        const char *name;
        int64_t megabytes, node; /* create, attach: node 0 = nowhere yet */
    } volume;
    int64_t expect_gen; /* the generation the caller saw; 0 = any (then a second operation on the facet is
                               ERR_CONFLICT unless supersede) */
    bool supersede;
};
/* Checks state and quota, holds the credits the change can need, writes the want as generation g+1 and an
 * operation (*ret_op; 0 when it took effect at once: code and settings while STOPPED or INIT). Errors: ERR_STATE,
 * ERR_CONFLICT, ERR_CREDIT, ERR_INVALID, ERR_STALE; nothing is changed then. */
int truth_accept(struct truth *t, const struct change *c, int64_t *ret_op, struct err *e) WARN_UNUSED;
int truth_cancel(struct truth *t, int64_t op, const char *why, struct err *e) WARN_UNUSED;
/* Credit of the manager's first hour is reserved and its node recorded, if the application has none. */
int truth_want_manager(struct truth *t, struct err *e) WARN_UNUSED;
/* Manager and all nodes are to go; the application is removable when app_is_empty. Called once for each service and
 * once with service NULL. */
void truth_delete_app(struct truth *t);
/* An application is to stop: called for each of its services (which gets a stop, if it runs; 0 or what truth_accept
 * says) and for the application itself. Its manager then goes by truth_end_manager as soon as no service has nodes;
 * truth_want_manager, or a start of a service, brings it back. */
int truth_stop_app(struct truth *t, struct err *e) WARN_UNUSED;
/* t: the application's. Its manager comes back, also after failures; errors as of truth_want_manager. */
int truth_start_app(struct truth *t, struct err *e) WARN_UNUSED;
/* t: the application's (no service). Does nothing while the manager is wanted. */
void truth_end_manager(struct truth *t, struct service *const *services, int n);
/* Legal in INIT, STOPPED and ERROR; the service is removable when it has no nodes left. */
int truth_delete_service(struct truth *t, struct err *e) WARN_UNUSED;
/* Credit given or (negative) taken, at most down to 0. Whoever was out of credit may act again. */
void truth_grant(struct truth *t, int64_t amount, const char *why);

/* ---- the manager's requests; epoch was checked by the caller (truth_fence) ----
 * On an error nothing is changed and there are no effects. */
int truth_fence(const struct app *a, int64_t manager_node, int64_t epoch, struct err *e) WARN_UNUSED;
int truth_register(struct truth *t, int64_t manager_node, const char *nonce, int64_t *ret_epoch,
                   struct err *e) WARN_UNUSED;
/* 0 without new nodes: too many were replaced within the hour (T4), or credit is lacking (C2), and that is noted. */
int truth_create(struct truth *t, int64_t nodes_rev, int64_t gen, const int counts[ROLES_MAX],
                 struct err *e) WARN_UNUSED;
int truth_destroy(struct truth *t, int64_t node, const char *why, struct err *e) WARN_UNUSED;
int truth_publish(struct truth *t, enum fact_id fact, int64_t rev, const struct fact_value *v,
                  struct err *e) WARN_UNUSED;
int truth_finish(struct truth *t, int64_t op, enum op_state outcome, const char *why,
                 struct err *e) WARN_UNUSED;

/* No document of the node it is attached to names the volume: it may be detached, if it shall leave (U4). */
int truth_release(struct truth *t, int64_t volume, struct err *e) WARN_UNUSED;

/* ---- nodes and clouds ---- */
/* An agent with the node's token (checked by the caller) has enrolled. */
int truth_enrolled(struct truth *t, int64_t node, const char *cloud_id, const char *address,
                   struct err *e) WARN_UNUSED;
/* Outcome of a cloud call: a CLOUD_* code in `result` (model/cloud_result.h; 0 = ok). */
enum cloud_step {
    STEP_NONE,
    STEP_CREATE,
    STEP_FIND,
    STEP_POLL,
    STEP_TERMINATE,
    STEP_VOL_CREATE,
    STEP_VOL_FIND,
    STEP_VOL_ATTACH,
    STEP_VOL_DETACH,
    STEP_VOL_DELETE
};
struct cloud_outcome {
    enum cloud_step step;
    int result;
    char cloud_id[CLOUD_REF_MAX], address[ADDRESS_MAX];
    bool gone; /* poll: the cloud says the machine is dead */
    char why[WHY_MAX];
};
void truth_cloud_outcome(struct truth *t, int64_t node, const struct cloud_outcome *o);
void truth_volume_outcome(struct truth *t, int64_t volume, const struct cloud_outcome *o);
/* A director that restarts: calls under way have unknown outcomes (P2). */
void truth_restarted(struct truth *t);

/* ---- time ---- */
struct cloud_task {
    int64_t service, node; /* service 0: the manager's; node: the volume's, of attach */
    int64_t volume;        /* 0: the call is about the node */
    enum cloud_step step;
};
struct cloud_tasks {
    struct cloud_task t[NODES_MAX + MANAGER_NODES_MAX + VOLUMES_MAX];
    int n;
};
/* Everything that is due by now for one service (or, with service NULL, for the application's manager): deadlines
 * of operations, hours to reserve, nodes of a broke user, a lost manager, next cloud calls. Marks a returned
 * create as ASKED: store before calling. Returns the time of the next due thing. */
int64_t truth_tick(struct truth *t, struct cloud_tasks *ret);
/* What the manager says about convergence; memory, no transaction needed unless the state changed. */
void truth_converged(struct truth *t, bool converged);
/* Derived state (O7); writes history when it changed. Called by every transition above. */
void truth_update_state(struct truth *t);
enum service_state service_state_of(const struct service *s);
/* Legal states of an operation on the facet (bit = state), for messages and tests. */
unsigned truth_legal_states(enum facet f, enum run value);
bool app_is_empty(const struct app *a, struct service *const *services, int n);

/* ---- leaks: machines that carry our tag ---- */
struct leak_machine {
    char token[TOKEN_MAX], cloud_id[CLOUD_REF_MAX];
    int64_t age_ms;
    bool known;          /* a record has this token */
    bool record_gone;    /* ... which is GONE */
    bool other_cloud_id; /* ... and says another cloud id */
};
/* Sets kill[i] for machines to terminate; returns their number, or ERR_QUOTA (with kill all false) when more than
 * 5 machines or 20 % of all would go in one pass (V5). */
int leak_pick(const struct leak_machine *m, int n, bool *kill, struct err *e) WARN_UNUSED;
