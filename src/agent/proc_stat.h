/*
 * Memory and processor time, from /proc and the node's control group.
 */
#pragma once

#include <sys/types.h>

#include "base/json.h"

/* Adds "rss_kb", "cpu_ms" and "processes" of the processes in the session of `leader` to out. */
void proc_stat_group(pid_t leader, json_t *out);
/* Adds "cpu_ms", "memory_kb", "memory_limit_kb", "load1" of the whole node, and "agent_rss_kb" of ourselves.
 */
void proc_stat_node(json_t *out);
