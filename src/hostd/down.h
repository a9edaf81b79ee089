/*
 * The end of an installation on this machine, and the check that nothing of it is left.
 */
#pragma once

#include "base/str.h"
#include "hostd/config.h"

/* Ends all nodes and removes containers, interfaces, bridge, tables, control groups, run directory; with
 * purge also records, volumes, layers and the sub-uid range. No hostd of the installation runs. Idempotent.
 */
int down(const struct config *c, bool purge, struct err *e) WARN_UNUSED;
/* Adds a line for everything of the installation that is still on this machine, besides the state directory.
 */
int down_left(const struct config *c, struct buf *left, struct err *e) WARN_UNUSED;
