/*
 * Where newuidmap is installed, LXC maps ids through it and root needs the range in /etc/subuid and
 * /etc/subgid; without that no node starts.
 */
#pragma once

#include <stdbool.h>

#include "hostd/config.h"

/* Adds `root:BASE:COUNT` to both files where it is needed and not yet covered. *ret_added: a line was
 * written. Idempotent. */
int subid_ensure(const struct config *c, bool *ret_added, struct err *e) WARN_UNUSED;
/* Takes exactly that line away again. */
int subid_remove(const struct config *c, struct err *e) WARN_UNUSED;
