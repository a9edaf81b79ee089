/*
 * What a change will cost, told before it is asked for.
 */
#pragma once

#include "cli/args.h"

/* Prints the plan line of calls that change the number of nodes; nothing for others, with --quiet or --json.
 * Best effort: what cannot be found out is left out, never an error. */
void plan_show(struct cli *cli, const struct command *c);
/* How long a balance lasts at a rate: "83 days"; caller frees. rate above 0. */
char *plan_time_left(int64_t credits, int64_t millicredits_per_hour);
