/*
 * Redis for the sessions of a web service: one primary, at most one replica (driver "redis").
 *
 * Section: {"engine": "redis", "name": "sessions", "port": 6379, "password": TEXT,
 *           "is_primary": BOOL, "primary": IPv4 of the primary or "" (with is_primary false: not chosen yet;
 * then it waits as a replica of nobody), "primary_port": N (default: port), "max_memory_mb": N (default 64),
 *           "bind": IPv4 (default 0.0.0.0)}
 *
 * The role changes in the running server (REPLICAOF), nothing restarts. An append-only file below data_dir
 * keeps the sessions over a restart of the process or of the node.
 */
#pragma once

#include "role/role_driver.h"

extern const struct role_driver role_redis;
