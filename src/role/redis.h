/*
 * Redis for the sessions of a web service: one primary, at most one replica (driver "redis").
 *
 * Section: {"engine": "redis", "name": "sessions", "port": 6379, "password": TEXT,
 *           "primary": {"id": NODE, "address": IPv4, "port": N} or null (this node is the primary),
 *           "max_memory_mb": N (default 64)}
 *
 * The role changes in the running server (REPLICAOF), nothing restarts. An append-only file below data_dir keeps
 * the sessions over a restart of the process or of the node.
 */
#pragma once

#include "role/role_driver.h"

extern const struct role_driver role_redis;
