/*
 * Tomcat as the backend of a web service (driver "tomcat").
 *
 * Section: {"engine": "tomcat", "name": "backend", "port": 9000, "service": ID, "versions": [VERSION],
 *           "heap": BYTES, "threads": N, "request_timeout_s": N, "session_timeout_min": N, "post_max": BYTES,
 *           "session_port": N, "session_password": TEXT, "bind": IPv4 (default 0.0.0.0),
 *           "classes": DIRECTORY (default: where the node image has them)}
 *
 * One Java process serves all versions, each in a host of its own; the proxy says by the header X-ConPaaS-Version
 * which one it wants. A new version is started in the running process; one that is not listed any more goes when
 * its last request has ended. New settings start a second process on the same listening socket, which belongs to
 * the agent; then the first ends what it has begun. Where memory does not allow two, the first one ends before the
 * second begins, and visitors wait in the queue of the socket meanwhile.
 *
 * The Java side (image/recipe/tomcat) answers our questions on a socket below run_dir: /.conpaas/status,
 * /.conpaas/versions?LIST.
 */
#pragma once

#include "role/role_driver.h"

extern const struct role_driver role_tomcat;
