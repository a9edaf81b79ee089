/*
 * Processes of nodes, seen from the host: is this pid still the process that was meant, which processes
 * belong to a node, end them all.  Works without LXC's monitor, which may have been killed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "hostd/config.h"

/* Start time in clock ticks since boot; with the pid it names a process for ever. 0 = no such process, or a
 * zombie. */
int64_t process_start(int64_t pid);
int64_t process_parent(int64_t pid);
/* True while the process with this pid and start time runs. */
bool process_alive(int64_t pid, int64_t start);

/* Ends every process that has to do with the node: its init and all below, LXC's monitor, a launch that is
 * under way.  Waits until they are gone, at most timeout_ms (ERR_TIMEOUT). pid/start: its init when known
 * (0 = unknown); killed first. Idempotent. */
int process_end_node(const struct config *c, const char *id, int64_t pid, int64_t start, int timeout_ms,
                     struct err *e) WARN_UNUSED;
/* Appends the pids of the node's processes; id NULL: of all nodes of the installation. */
struct process_list {
    pid_t *pids;
    size_t n, cap;
};
void process_list_done(struct process_list *l);
int process_of_node(const struct config *c, const char *id, struct process_list *ret,
                    struct err *e) WARN_UNUSED;
/* The node a process of the installation belongs to, by its control group. */
bool process_node_id(const struct config *c, pid_t pid, char *ret, size_t size);
