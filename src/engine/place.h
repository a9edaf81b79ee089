/*
 * Placement: which node carries which roles, how many are missing, who has to leave (G rules).  Roles are never
 * stored per node: they follow from the want, the nodes and their ranks.
 */
#pragma once

#include "model/state.h"
#include "service/service_type.h"

/* How far a node can be relied on; below RANK_SICK it may keep its place. */
enum rank {
    RANK_GOOD = 0,
    RANK_STARTING = 1, /* starting, restarting, or unhealthy for less than SICK_AFTER */
    RANK_BOOTING = 2,
    RANK_UNKNOWN = 3, /* this manager does not hear it */
    RANK_SICK = 5,
    RANK_LOST = 6,
    RANK_LEAVING = 9, /* DYING, GONE or doomed */
};

/* Parallel to service->nodes. */
struct placement {
    uint64_t roles[NODES_MAX]; /* wanted roles; 0 for victims and leaving nodes */
    bool kept[NODES_MAX], victim[NODES_MAX];
    int n_kept[ROLES_MAX], create[ROLES_MAX]; /* by purpose */
    int first[ROLES_MAX];                     /* index of the first kept node of a purpose, -1 = none */
};
void place(const struct service *s, const enum rank rank[NODES_MAX], struct placement *ret);

/* Nodes of a purpose that count against want + surge (T3): alive, and as far as the director knows not lost. */
int place_counted(const struct service *s, int purpose, int64_t now_ms);
/* How many more the director admits. */
int place_room(const struct service *s, int purpose, int64_t now_ms);
/* All nodes of a want, or of its growth over the nodes that are alive: what an operation has to reserve (B8). */
int place_growth(const struct service *s, const int counts[ROLES_MAX]);
