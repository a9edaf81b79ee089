/*
 * Control groups of the installation: every node's lie in one directory CGROUP of each hierarchy (v1) or of
 * the unified tree (v2).  LXC makes the nodes' own; what it leaves behind is removed here.
 */
#pragma once

#include "base/str.h"
#include "hostd/config.h"

/* Makes the installation's directory in the unified tree and passes the controllers down to it. */
int cgroup_up(const struct config *c, struct err *e) WARN_UNUSED;
/* Removes the node's groups (its own, the monitor's, numbered ones) everywhere; its processes are gone. */
int cgroup_remove_node(const struct config *c, const char *id, struct err *e) WARN_UNUSED;
/* Removes groups that belong to none of these n nodes. */
int cgroup_sweep(const struct config *c, char *const *ids, size_t n, struct err *e) WARN_UNUSED;
/* Removes the installation's directory everywhere. */
int cgroup_down(const struct config *c, struct err *e) WARN_UNUSED;
/* Adds a line for each directory of the installation. */
int cgroup_left(const struct config *c, struct buf *left, struct err *e) WARN_UNUSED;
/* True if this v1 controller is mounted and its root has the file: "memory", "memory.limit_in_bytes". */
bool cgroup_v1_has(const char *controller, const char *file);
/* True if the installation's directory in the unified tree has the file: its controller is passed down to the
 * nodes. */
bool cgroup_v2_has(const struct config *c, const char *file);
