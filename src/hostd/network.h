/*
 * The nodes' network: a bridge with the host's address on it, and two nft tables named after the
 * installation.  The bridge table lets each interface send only from its node's own MAC and address; the
 * inet table lets nodes reach of the host only the director's node port and echo requests.
 */
#pragma once

#include "hostd/config.h"

/* Bridge, rules (for every index there can be: a node's interface, MAC and address follow from its index) and
 * forwarding. Idempotent; running nodes do not notice. */
int network_up(const struct config *c, struct err *e) WARN_UNUSED;
/* Takes the interface of the node with this index away. Idempotent. */
int network_remove(const struct config *c, int64_t index, struct err *e) WARN_UNUSED;
/* Removes interfaces of indexes that are not in the list. */
int network_sweep(const struct config *c, const int64_t *indexes, size_t n, struct err *e) WARN_UNUSED;
/* Removes bridge, interfaces, tables and forwarding. Idempotent. */
int network_down(const struct config *c, struct err *e) WARN_UNUSED;
/* Adds a line to `left` for each thing of the installation that still exists. */
struct buf;
int network_left(const struct config *c, struct buf *left, struct err *e) WARN_UNUSED;
/* Up to three name servers of the host that nodes can use, as resolv.conf lines. */
void network_resolvers(const struct config *c, struct buf *out);
