/*
 * The truth about applications: wants, operations, nodes, facts.  Plain structs; the director owns and stores
 * them, the manager gets a copy (its view), the simulator has them in memory.  Changed only by src/engine/truth.
 */
#pragma once

#include "model/doc.h"

enum run { RUN_STOPPED, RUN_RUNNING, RUN_MAX };
STR_TABLE_DECLARE(run, enum run);

/* The parts of a want; an operation owns one (O1). */
enum facet { FACET_RUN, FACET_COUNTS, FACET_CODE, FACET_SETTINGS, FACET_CMD, FACET_VOLUME, FACET_MAX };
STR_TABLE_DECLARE(facet, enum facet);

/* What people see; derived from operations and convergence, never set (O7). */
enum service_state {
    SERVICE_INIT,
    SERVICE_PROLOGUE,
    SERVICE_RUNNING,
    SERVICE_ADAPTING,
    SERVICE_EPILOGUE,
    SERVICE_STOPPED,
    SERVICE_ERROR,
    SERVICE_STATE_MAX
};
STR_TABLE_DECLARE(service_state, enum service_state);

struct want {
    enum run run;
    int counts[ROLES_MAX]; /* by role; 0 for a packable role: on the host */
    int64_t code;          /* version id */
    int64_t settings;      /* revision */
};

enum op_state { OP_ACTIVE, OP_DONE, OP_FAILED, OP_CANCELLED, OP_STATE_MAX };
STR_TABLE_DECLARE(op_state, enum op_state);

struct op {
    int64_t id;
    enum facet facet;
    enum op_state state;
    struct want value;            /* only the member of the facet counts */
    int64_t born_ms, progress_ms; /* the deadline runs on progress */
    int64_t held_credits;         /* reserved at acceptance, not yet used by nodes */
    int64_t releases;             /* parts of the hold given back so far; counts ledger rows */
    char kind[16];  /* FACET_CMD: name of a command of the type; FACET_VOLUME: create attach detach delete */
    int64_t volume; /* FACET_VOLUME */
    char parameters[PARAMETERS_MAX]; /* FACET_CMD: as the user gave them */
    struct id_set targets;           /* FACET_CMD: fixed at acceptance (K7) */
    char why[WHY_MAX];
};

enum node_status {
    NODE_INTENT,  /* recorded, the cloud not yet asked (P1) */
    NODE_ASKED,   /* create has left (P2) */
    NODE_UNSURE,  /* its outcome is unknown: find(token) first */
    NODE_BOOTING, /* the cloud has it */
    NODE_UP,      /* its agent has enrolled */
    NODE_DYING,   /* terminate is to be confirmed (P3) */
    NODE_GONE,    /* the cloud said so */
    NODE_STATUS_MAX
};
STR_TABLE_DECLARE(node_status, enum node_status);

struct node {
    int64_t id, ord; /* id: of the installation; ord: counts up within the service */
    int role;        /* purpose: role index; -1 = manager's node */
    int64_t slot;    /* its place among those of its purpose, to which volumes belong (U1); 0 = none */
    enum node_status status;
    char cloud[NAME_MAX_LEN], type[NAME_MAX_LEN];
    char token[TOKEN_MAX], cloud_id[CLOUD_REF_MAX], address[ADDRESS_MAX];
    int64_t created_ms, up_ms, heard_ms; /* heard: by the director; memory, not stored at each beat */
    int64_t asked_ms, retry_ms, dying_ms, poll_ms;
    int tries, finds;   /* provisioning: creates and finds so far */
    bool seen_gone;     /* the cloud reported it dead once (X6) */
    int64_t hours_paid; /* hours reserved in the ledger so far */
    char why[WHY_MAX];  /* why it is leaving */
};

enum volume_status {
    VOLUME_INTENT,    /* recorded, the cloud not yet asked */
    VOLUME_ASKED,     /* create has left */
    VOLUME_UNSURE,    /* its outcome is unknown: find(token) first */
    VOLUME_AVAILABLE, /* the cloud has it, and it is attached to no machine */
    VOLUME_ATTACHING, /* it may be attached to `node`, and no document of that node names it */
    VOLUME_ATTACHED,  /* the cloud said so */
    VOLUME_DETACHING, /* no document names it; the cloud is to confirm */
    VOLUME_DELETING,
    VOLUME_GONE,
    VOLUME_STATUS_MAX
};
STR_TABLE_DECLARE(volume_status, enum volume_status);

/* A disk that outlives nodes. It belongs to a place (purpose and slot), and goes to the node that fills it. */
struct volume {
    int64_t id;
    char name[NAME_MAX_LEN +
              1]; /* of a role: the engine whose data it holds; a user's: unique in the application */
    int64_t megabytes;
    bool data; /* it belongs to the role itself; false: a user made it */
    int role;  /* its place; -1 and slot 0: none */
    int64_t slot;
    int64_t node; /* ATTACHING to DETACHING: the only one it can be attached to */
    enum volume_status status;
    bool doomed; /* to be deleted */
    bool used;   /* has left a node: it may hold data of before */
    char cloud[NAME_MAX_LEN], token[TOKEN_MAX], cloud_id[CLOUD_REF_MAX];
    int64_t created_ms, asked_ms, retry_ms;
    int tries, finds;
    char why[WHY_MAX]; /* of the last thing that went wrong with it */
};

enum fact_id { FACT_ENTRIES, FACT_MEMBERS, FACT_MASTER, FACT_CLUSTER, FACT_PRIMARY, FACT_MAX };
STR_TABLE_DECLARE(fact_id, enum fact_id);
enum cluster_state { CLUSTER_NONE, CLUSTER_BOOT, CLUSTER_FORMED, CLUSTER_RECOVER };

/* A durable finding (P4); every fact uses the members it needs, the others are zero. */
struct fact_value {
    int64_t state;     /* FACT_CLUSTER: enum cluster_state */
    int64_t node;      /* FACT_MASTER, FACT_CLUSTER, FACT_PRIMARY */
    int64_t token;     /* FACT_CLUSTER */
    struct id_set ids; /* FACT_ENTRIES, FACT_MEMBERS */
};
struct fact {
    int64_t rev;
    struct fact_value v;
};

struct service {
    int64_t id, app, sid; /* id: of the installation; sid: counts from 1 within the application */
    const struct service_type *type;
    char name[NAME_MAX_LEN + 1];
    char cloud[NAME_MAX_LEN]; /* where new nodes are made */
    int64_t gen;              /* +1 at every change of want */
    struct want want, good;   /* good: value of each facet at its last DONE */
    bool started_once;        /* INIT until then */
    bool deleting;            /* goes when its last node is gone */
    bool in_error;            /* last run or repair failed; error_why says how */
    char error_why[WHY_MAX];
    bool converged;           /* as the manager last reported; memory */
    enum service_state state; /* as last derived and told */
    int n_ops;
    struct op ops[OPS_MAX]; /* ACTIVE ones */
    int n_nodes;
    struct node nodes[NODES_MAX]; /* all but GONE */
    int n_volumes;
    struct volume volumes[VOLUMES_MAX]; /* all but GONE */
    int64_t nodes_rev, next_ord;
    int64_t looked_ms; /* of a view: when the director looked, so how fresh heard_ms is; 0 = now. Memory */
    int64_t refs;      /* of a manager's view: number of what the references resolve to (J1). Memory */
    bool refs_failed;  /* one of them will not be there without a user (J2). Memory */
    char refs_wait[WHY_MAX]; /* which one is not there yet; "" = all are. Memory */
    struct fact facts[FACT_MAX];
    int fails; /* creations that failed since the last success (C2) */
    char fail_why[WHY_MAX];
    int64_t create_after_ms;
    struct {
        int64_t since_ms; /* begin of the hour that is counted */
        int64_t n;
    } replaced[ROLES_MAX]; /* nodes made to replace others, by purpose (T4) */
};

struct app {
    int64_t id, owner;
    char name[NAME_MAX_LEN + 1];
    char cloud[NAME_MAX_LEN];
    int64_t txn; /* +1 at every accepted change of the application or its services */
    int64_t next_sid;
    int64_t instance;     /* manager launches so far; the last one is the only one accepted */
    int64_t manager_node; /* node of that instance; 0 = none */
    int64_t incarnation;  /* of the installation, raised at every restore; the upper half of every epoch */
    int64_t epoch;
    char nonce[TOKEN_MAX];    /* of the registration that got the epoch */
    int64_t manager_heard_ms; /* memory */
    bool manager_wanted;      /* false after delete, stop or out of credit */
    bool deleting;            /* goes when its last node is gone */
    int fails;                /* managers that could not be made since the last that was (C2) */
    int64_t launch_after_ms;
    char fail_why[WHY_MAX];
    int n_nodes;
    struct node nodes[MANAGER_NODES_MAX];
};

struct node *service_node(struct service *s, int64_t id);
struct volume *service_volume(struct service *s, int64_t id);
/* The living node of the volume's place, which it is or shall be attached to; NULL: it shall be nowhere. */
const struct node *volume_target(const struct service *s, const struct volume *v);
struct op *service_op(struct service *s, int64_t id);
struct node *app_node(struct app *a, int64_t id); /* of the managers */
bool node_alive(const struct node *n);            /* neither DYING nor GONE */
/* Moves every time in s by delta: a manager puts its view on its own clock before it plans. */
void service_shift_ms(struct service *s, int64_t delta);
/* The part of a service that the manager plans with, as in doc/PROTOCOL.md section 2; without tokens and cloud ids.
 * Members it does not know are skipped when read: the director adds its own. Defined in src/service. */
json_t *service_to_json(const struct service *s);
int service_from_json(const json_t *j, struct service *ret, struct err *e) WARN_UNUSED;
json_t *fact_value_to_json(const struct fact_value *v);
int fact_value_from_json(const json_t *j, struct fact_value *ret, struct err *e) WARN_UNUSED;
