/*
 * The launcher: a short-lived process that mounts a node's root and starts its container by liblxc.  It is a
 * process of its own (`conpaas-hostd --node-start ID`) because liblxc forks, and because the mounts belong
 * into a name space that lives as long as the node.
 */
#pragma once

#include "hostd/record.h"

/* In the daemon: runs the launcher and waits for it. On success *ret_pid and *ret_start name the node's init.
 * On failure processes of the node may be left; see process_end_node. */
int launch_node(const struct config *c, const char *id, const char *user_data, int64_t *ret_pid,
                int64_t *ret_start, struct err *e) WARN_UNUSED;
/* In the launcher: reads the record, user data from stdin; leaves started.json. */
int launch_main(const struct config *c, const char *id, struct err *e) WARN_UNUSED;
/* Writes the seccomp profile to the run directory. */
int launch_prepare(const struct config *c, struct err *e) WARN_UNUSED;
