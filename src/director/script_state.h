/*
 * How the scripts of a service stand, as its nodes have reported it.
 */
#pragma once

#include "director/world.h"
#include "model/report.h"

struct script_state {
    bool known;  /* every node that is up is in a fresh report */
    int running; /* scripts that run somewhere */
    bool
        may_be_left; /* somewhere run.sh has begun and nothing was interrupted since: it may have left processes */
    int64_t at_ms; /* of the report */
};
/* Slot is locked. */
void script_state(const struct slot_service *v, struct script_state *ret);
/* [{node, role, is_master, script, state, code, status}] for every node and script. Slot is locked. Caller owns. */
json_t *script_list(const struct slot_service *v);
