/*
 * nginx for the static files of a web service (driver "nginx").
 *
 * Section: {"engine": "nginx", "name": "web", "port": 8080, "service": ID, "versions": [VERSION],
 *           "bind": IPv4 (default 0.0.0.0), "scripts": "php" (default) or "java": whose files are never given away}
 *
 * The version is chosen per request by the header X-ConPaaS-Version that the proxy sets, so that old and new
 * versions are served side by side and nothing is reloaded when the set of versions changes.
 */
#pragma once

#include "role/role_driver.h"

extern const struct role_driver role_nginx;
