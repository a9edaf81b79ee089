/*
 * What the planner's files share: one pass over one service.
 */
#pragma once

#include "engine/place.h"
#include "engine/plan.h"

struct planner {
    const struct service *s;
    const struct service_type *t;
    const struct have *have;
    int64_t now;
    bool credit_ok, running;
    const struct have_node *h[NODES_MAX]; /* parallel to s->nodes; NULL: never heard */
    enum rank rank[NODES_MAX];
    struct placement pl;
    int entry, pair;  /* role indexes, -1 = the type has none */
    uint64_t targets; /* roles that entries name */
    int need[ROLES_MAX];
    struct id_set maybe_entries, new_entries;
    /* code */
    struct id_set codes;
    int64_t route;
    bool probe_ok, unknown_entry;
    const char *probe_bad;
    int64_t probe_op;
    /* settings */
    int canary;
    bool settings_ok;
    const char *settings_bad;
    /* pair */
    struct id_set holders;
    struct plan *out;
};

struct action *plan_add(struct planner *p, enum action_kind kind);
void plan_classify(struct planner *p);
bool plan_warm(struct planner *p); /* W1, W2: false = nothing is decided yet */

/* Possible documents (F7): the reported one and every one sent since; n 0 = unknown. */
int plan_possible(const struct have_node *a, const struct doc *ret[PENDING_MAX + 1]);
const struct doc *plan_newest(const struct have_node *a);
static inline bool plan_up(const struct planner *p, int i)
{
    return p->rank[i] == RANK_GOOD || p->rank[i] == RANK_STARTING;
}
bool plan_settled(const struct have_node *a);
bool plan_healthy(const struct planner *p, int i, int role);
/* The node has the role, and the version when it is not 0, in all possible documents, and has it staged. */
bool plan_must(const struct planner *p, int i, int role, int64_t version);
bool plan_may_entry(const struct planner *p, int i);
bool plan_may_name(const struct planner *p, int proxy, int i, int role);
bool plan_named_by_any(const struct planner *p, int i, int role);
/* The node is no entry point any more, and no publish under way makes it one (E3, F9). */
bool plan_unlisted(const struct planner *p, int i);
int64_t plan_version_of(const struct planner *p, int role, int64_t version); /* 0 for roles without code */

void plan_code(struct planner *p);     /* A rules */
void plan_settings(struct planner *p); /* S rules */
void plan_pair(struct planner *p);     /* Z rules; adds wanted pair roles to the placement */
void plan_entries(struct planner *p);  /* E rules */
bool plan_names(const struct planner *p, int proxy, int64_t version, struct id_set ret[ROLES_MAX]); /* N rules */
void plan_documents(struct planner *p);  /* R rules */
void plan_destroys(struct planner *p);   /* X rules */
void plan_operations(struct planner *p); /* O rules */
