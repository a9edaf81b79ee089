/*
 * The nodes' ids in /etc/subuid and /etc/subgid: reserved there for root, useradd gives them to nobody else
 * (and programs of LXC that use newuidmap accept them).
 */
#pragma once

#include <stdbool.h>

#include "hostd/config.h"

/* Adds `root:BASE:COUNT` to both files where newuidmap is installed and no line covers it. *ret_added: a line
 * was written. Idempotent. */
int subid_ensure(const struct config *c, bool *ret_added, struct err *e) WARN_UNUSED;
/* Takes exactly that line away again. */
int subid_remove(const struct config *c, struct err *e) WARN_UNUSED;
