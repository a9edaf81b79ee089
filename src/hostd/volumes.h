/*
 * Volumes: sparse files with an ext4 file system, attached to running nodes at /volumes/NAME with the node's
 * ids.  The files keep plain ids, so that a volume can go to any node.  Attached means: the record says so,
 * the node runs, and the mount is there; a dead node holds nothing.
 */
#pragma once

#include "hostd/nodes.h"

/* Idempotent by owner (installation) and token. */
int volumes_create(struct hostd *h, const char *owner, const char *token, int64_t megabytes,
                   char ret_id[CLOUD_ID_MAX], struct err *e) WARN_UNUSED;
/* CLOUD_NOTFOUND when there is none. */
int volumes_find(struct hostd *h, const char *owner, const char *token, char ret_id[CLOUD_ID_MAX],
                 struct err *e) WARN_UNUSED;
/* Those of an owner: [{id, token, machine, megabytes, created}]. Caller owns it. */
json_t *volumes_list(struct hostd *h, const char *owner);
/* Idempotent; CLOUD_CONFLICT while another node holds it. */
int volumes_attach(struct hostd *h, const char *id, const char *machine, const char *name,
                   struct err *e) WARN_UNUSED;
/* Idempotent; CLOUD_CONFLICT while files on it are open. */
int volumes_detach(struct hostd *h, const char *id, struct err *e) WARN_UNUSED;
/* Idempotent; CLOUD_CONFLICT while it is attached. */
int volumes_delete(struct hostd *h, const char *id, struct err *e) WARN_UNUSED;

/* In a process of its own (`conpaas-hostd --volume-attach ID`, `--volume-detach ID`): the name space work. */
int volumes_helper(const struct config *c, const char *id, bool attach, struct err *e) WARN_UNUSED;
/* Adds a line for each loop device on a file of the installation. */
int volumes_left(const struct config *c, struct buf *left, struct err *e) WARN_UNUSED;
