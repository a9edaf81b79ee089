/*
 * What the director shows to people about a service between its own facts: roles, health and metrics per node.
 *
 * {"waits_for": TEXT, "nodes": [{"node": 12, "roles": ["proxy"], "health": {"proxy": "OK"}, "why": {"web": TEXT},
 *   "claimed": true, "settled": true, "seen_ago_ms": 400, "metrics": {...}}], "metrics": {sums of all numbers}}
 */
#pragma once

#include "manager/manager.h"

/* One element of the `services` array of POST /node/v1/report. Lock is held. */
json_t *summary_of(const struct managed *s, int64_t now_ms);
