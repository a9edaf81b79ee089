/*
 * The planner's document: the whole configuration of one node as far as the planner decides it.
 *
 * Plain bytes: zero what is unused, keep sets sorted, and two documents are the same when their bytes are.
 * Roles are indexes into the service type's table of roles; on the wire they are names (doc_to_json).
 * Epoch, sequence and generation are not inside: a new manager that computes the same document sends nothing.
 */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#include "model/limits.h"

struct service_type;

/* What must happen once on a node. The id is derived, never random (K2). */
struct doc_cmd {
    char id[48];   /* "init:4", "notify:7", "run#31" */
    char kind[16]; /* script: "init", "notify", "run", "interrupt", "cleanup" */
};

struct doc {
    uint64_t roles;                 /* bit r: the node has role r */
    uint64_t drain;                 /* bit r: role r is to drain before it goes (R3) */
    int64_t route;                  /* entry role: the version it routes to */
    struct id_set names[ROLES_MAX]; /* entry role: nodes it names, by target role */
    struct id_set code;             /* versions to hold, ready to serve */
    int64_t settings;               /* revision */
    int64_t refs; /* what the services that it refers to are like (J1); 0 = it refers to none */
    int64_t probe_version, probe_op; /* try this version once for that operation; 0 = none (A2) */
    int64_t boot_token;              /* bootstrapped roles: start as first member, once per token; 0 = join */
    int64_t boot_kind;               /* enum boot_kind */
    struct id_set peers;             /* bootstrapped roles: the members to join */
    int64_t primary;                 /* pair role: the node that is primary; 0 = none yet */
    struct id_set holders;           /* pair role: nodes that carry it */
    int64_t master;                  /* unique purpose: the published master */
    struct id_set draining;          /* unique purpose: nodes whose data moves away (D1) */
    struct id_set members;           /* scripted types: published members */
    int64_t members_rev;
    struct id_set volumes; /* attached ones that the node is to use */
    struct id_set callers; /* nodes that may call this one's roles: what the firewall lets in (N6) */
    int64_t n_cmds;
    struct doc_cmd cmds[CMDS_MAX];
};
enum boot_kind { BOOT_NONE, BOOT_FIRST, BOOT_RECOVER, BOOT_JOIN };

bool doc_equal(const struct doc *a, const struct doc *b);
static inline bool doc_has(const struct doc *d, int role)
{
    return d->roles >> role & 1;
}
static inline bool doc_serves(const struct doc *d, int role)
{
    return doc_has(d, role) && !(d->drain >> role & 1);
}

/* id_set: add keeps the order; a full set is a bug of the caller (limits are checked before). */
bool set_has(const struct id_set *s, int64_t id);
void set_add(struct id_set *s, int64_t id);
void set_remove(struct id_set *s, int64_t id);
bool set_equal(const struct id_set *a, const struct id_set *b);

/* With role names of the type; members that are zero are left out. Defined in src/service, which knows the names. */
json_t *doc_to_json(const struct doc *d, const struct service_type *type);
int doc_from_json(const json_t *j, const struct service_type *type, struct doc *ret,
                  struct err *e) WARN_UNUSED;
json_t *set_to_json(const struct id_set *s);
int set_from_json(const json_t *j, struct id_set *ret, struct err *e) WARN_UNUSED;
