/*
 * The few things asked of the kernel by rtnetlink: the bridge of the nodes and the removal of interfaces.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Makes the bridge unless it exists (an interface of the name that is no bridge: error), gives it its MAC
 * (so that it does not change with the ports), address (host byte order) and brings it up. Idempotent. */
int netlink_bridge(const char *name, const uint8_t mac[6], uint32_t address, int prefix,
                   struct err *e) WARN_UNUSED;
/* Removes an interface; one that does not exist is fine. */
int netlink_remove(const char *name, struct err *e) WARN_UNUSED;
bool netlink_exists(const char *name);
