/*
 * HAProxy as the entry point of a web service (driver "haproxy") and as a TCP relay (driver "relay").
 *
 * Section of "haproxy":
 *   {"engine": "haproxy", "name": "proxy", "port": 80, "service": ID, "route": VERSION, "versions":
 * [VERSION], "front_controller": BOOL (default true: fall back to /index.php?q=URL), "targets": {"web":
 * [TARGET], "backend": [TARGET]}, "request_timeout_s": N (default 120), "post_max": BYTES (informal: bodies
 * are not limited here, PHP does it), "drain": BOOL (set by the agent: answers say "Connection: close"),
 * "bind": IPv4 (default 0.0.0.0), "scripts": "php" (default: FastCGI) or "java" (HTTP, with the header
 * X-ConPaaS-Version), "files": BOOL (of Java: web servers send the files that are no pages; default true)} TARGET: {"id": NODE, "address": IPv4, "port": N, "weight": 1-256 (default
 * 100)} Section of "relay" (listens on 127.0.0.1 only, follows whichever Redis says role:master):
 *   {"engine": "relay", "name": "session-relay", "port": 6380, "mode": "redis-primary", "password": TEXT,
 *    "targets": [TARGET], "bind": IPv4 (default 127.0.0.1)}
 * With "mode": "tcp" (no password) a connection goes to the target with the fewest. A target that is named no more
 * keeps the connections it has while it is up; those to one that goes down are cut, so that clients notice.
 *
 * `haproxy.cfg` and the maps below run_dir always say what runs: a restart gives the same. What changes often
 * is changed in the running process through its socket: servers (add, weight, maint, del), the table of paths
 * (a map, replaced in one transaction), the routed version (one entry of a map, so that the switch is
 * atomic). Only the rest (ports) costs a reload, which keeps the listening sockets.
 */
#pragma once

#include "role/role_driver.h"

extern const struct role_driver role_haproxy;
extern const struct role_driver role_relay;
