/*
 * What the parts of the planner share: the nodes with their ranks and wanted roles, and what the earlier steps of the
 * plan have found out for the later ones.  The order of the steps is in plan.c.
 */
#pragma once

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/place.h"
#include "engine/plan.h"

/* A node as the plan sees it; the array is in the order of their ordinals. */
struct pn {
    const struct node *n;
    const struct have_node *a; /* NULL: it never reported to this manager */
    enum rank rank;
    bool up; /* reachable and enrolled: good or starting */
    bool director_hears;
    bool hears;      /* is sent documents: up, or sick */
    uint64_t wanted; /* roles it shall have */
    bool kept, victim;
    int64_t boot_kind, boot_token; /* cluster: how its engine is to start; BOOT_NONE = not yet */
};

struct ctx {
    const struct service *s;
    const struct service_type *t;
    const struct have *have;
    int64_t now;
    bool credit_ok, running;
    int n;
    struct pn x[NODES_MAX];
    struct placement place;
    struct plan *out;

    /* the type, as masks and indexes (-1: has none) */
    uint64_t targets, serves_code, canaries, uses_pair, stateful, holds, packable;
    int entry, pair, boot, unique;

    /* entries (plan_names.c) */
    struct id_set maybe_entries, new_entries;
    int need[ROLES_MAX];
    struct id_set named[ROLES_MAX]; /* by what entries are told in this plan (plan_docs.c) */
    /* code and settings (plan_code.c) */
    struct id_set codes;
    int64_t route, probe_op;
    bool probing, probe_ok, unknown_entry;
    const char *probe_bad; /* NULL: no bad result */
    int64_t probe_node;    /* whose result that is */
    const char *remark;    /* of a good result; "" = none */
    int prober;            /* index of the node that tries the new version, -1 = none */
    bool settings_ok;
    const char *settings_bad;
    int canary;
    /* pair (plan_pair.c) */
    int64_t primary;
    struct id_set holders;
    /* unique purpose with data (plan_facts.c) */
    struct id_set draining;
    bool held_known;
    const struct report *held;
};

/* ---- plan_ctx.c: reading `have` ---- */
void ctx_init(struct ctx *c, const struct service *view, bool credit_ok, const struct have *have,
              int64_t now_ms, struct plan *out);
int ctx_index(const struct ctx *c, int64_t node); /* -1 = not in the view */
/* Possible documents (F7): their number, -1 = unknown; the k-th, the newest last. */
int poss_n(const struct pn *p);
const struct doc *poss_at(const struct pn *p, int k);
const struct doc *poss_newest(const struct pn *p);
bool is_settled(const struct pn *p);
bool is_healthy(const struct pn *p, int role);
/* In all possible documents the node serves role (with `version` staged and `caller` let in, unless 0). */
bool must(const struct pn *p, int role, int64_t version, int64_t caller);
/* In some possible document it has the role; unknown = yes. */
bool may_have(const struct pn *p, int role);
bool may_entry(const struct ctx *c, const struct pn *p);
bool may_name(const struct ctx *c, const struct pn *proxy, int64_t target, int role);
bool anyone_may_name(const struct ctx *c, const struct pn *target, int role);
/* A value of the fact is published or may yet be (F9). */
bool maybe_fact_node(const struct ctx *c, enum fact_id fact, int64_t node);

struct action *plan_add(struct ctx *c, enum action_kind kind);
void plan_publish(struct ctx *c, enum fact_id fact, const struct fact_value *v);
void plan_finish(struct ctx *c, const struct op *o, enum op_state outcome, const char *why);
void plan_waits(struct ctx *c, const char *fmt, ...) PRINTF_LIKE(2, 3); /* the first reason stays */

/* ---- steps ---- */
void plan_pair(struct ctx *c);                                 /* Z */
bool pair_reached(const struct ctx *c, const struct pn *user); /* N7 */
bool pair_keeps(const struct ctx *c, const struct pn *p);      /* Z5 */
bool pair_ok(const struct ctx *c);
void plan_cluster(struct ctx *c);                    /* M */
void plan_facts(struct ctx *c);                      /* K5, K6, D1 */
bool still_holds(const struct ctx *c, int64_t node); /* D3 */
const struct cmd_result *report_cmd(const struct report *r,
                                    const char *id); /* NULL: the node does not know it */
void cmd_id_init(const struct ctx *c, char id[48]);  /* K2 */
void cmd_id_notify(const struct ctx *c, char id[48]);
void cmd_id_op(const struct op *o, char id[48]);
void plan_code(struct ctx *c);                                                               /* A, S */
void plan_names_init(struct ctx *c);                                                         /* N3, F9 */
bool names_for(const struct ctx *c, const struct pn *proxy, int64_t version, struct doc *d); /* N */
void plan_entries(struct ctx *c);                                                            /* E */
bool still_serves(const struct pn *p, int role);                                             /* N8 */
bool can_unentry(const struct ctx *c, int64_t node);
/* plan_volumes.c */
bool role_has_volume(const struct ctx *c, int role);
bool volume_ready(const struct ctx *c, const struct pn *p, int role);        /* U5 */
void choose_volumes(const struct ctx *c, const struct pn *p, struct doc *d); /* also takes roles away (U5) */
void plan_release(struct ctx *c);                                            /* U4 */
bool volumes_seen(struct ctx *c, int role);                                  /* U8 */
bool has_used_volume(const struct ctx *c, int role, const struct pn *p);     /* p NULL: anybody */
bool volume_settled(const struct ctx *c, const struct volume *v);
bool volumes_ok(struct ctx *c);
void plan_docs(struct ctx *c);    /* R */
void plan_destroy(struct ctx *c); /* X */
void plan_ops(struct ctx *c);     /* O */
