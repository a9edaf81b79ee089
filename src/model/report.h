/*
 * A node's report: what it runs, offers and has done.  The planner's part is plain bytes; metrics ride beside.
 */
#pragma once

#include "model/doc.h"

enum health { HEALTH_NONE, HEALTH_STARTING, HEALTH_OK, HEALTH_BAD, HEALTH_DOWN, HEALTH_MAX };
STR_TABLE_DECLARE(health, enum health);

enum cmd_state { CMD_NONE, CMD_RUNNING, CMD_STOPPED, CMD_REFUSED, CMD_STATE_MAX };
STR_TABLE_DECLARE(cmd_state, enum cmd_state);

struct probe_result {
    int64_t version, op;
    bool ok;
    char evidence[WHY_MAX];
};
struct cmd_result {
    char id[48];
    enum cmd_state state;
    int rc;             /* exit code; -1: it was running when the node went down */
    char text[WHY_MAX]; /* what came of it, in a line; "" = nothing to say */
};

struct report {
    int64_t boot, n;              /* order of reports (F5): boots of the agent, count within the boot */
    int64_t promised;             /* highest epoch seen (F2) */
    int64_t done_epoch, done_seq; /* last document that is dealt with, applied or refused */
    bool busy;                    /* an apply is under way */
    struct doc applied;
    struct {
        int64_t seq; /* 0 = none */
        bool own;    /* the node's own fault (disk, memory), not the content's (L3) */
        char why[WHY_MAX];
        struct doc content;
    } refused;
    int refusals; /* in a row, own ones only */
    enum health health[ROLES_MAX];
    char health_why[ROLES_MAX][WHY_MAX];
    uint64_t drained; /* bit r */
    struct id_set staged;
    int n_probes;
    struct probe_result probes[PROBES_MAX];
    int n_cmds;
    struct cmd_result cmds[CMDS_MAX];
    int64_t position;          /* bootstrapped and pair roles: how far its data goes; -1 = has none */
    int64_t token;             /* last bootstrap token that was executed */
    bool synced;               /* bootstrapped role: member of the cluster; pair role: replica is in step */
    struct id_set held;        /* unique purpose: nodes whose data still counts */
    int64_t held_n[NODES_MAX]; /* parallel to held */
};

/* JSON as in doc/PROTOCOL.md section 3, with role names of the type (defined in src/service). The member "metrics"
 * belongs to others and is skipped. Unknown roles are ignored (an older
 * document may name one), everything else strictly checked. */
int report_from_json(const json_t *j, const struct service_type *type, struct report *ret,
                     struct err *e) WARN_UNUSED;
json_t *report_to_json(const struct report *r, const struct service_type *type);
