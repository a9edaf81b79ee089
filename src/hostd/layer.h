/*
 * The programs layer: conpaas-agent and conpaas-manager as a directory tree that is laid over the image of
 * every node.  The files are copied into a directory named after their content, so that a new build of
 * ConPaaS never changes what a running node stands on.
 */
#pragma once

#include "hostd/config.h"

/* Makes the layer for the programs as they are now unless it exists; *ret is its path, caller frees. */
int layer_make(const struct config *c, char **ret, struct err *e) WARN_UNUSED;
/* Removes layers that `used` does not name (n paths). */
int layer_prune(const struct config *c, char *const *used, size_t n, struct err *e) WARN_UNUSED;
