/*
 * All nodes of the installation: the table in memory, their life from create to terminate, and the return to
 * both after a crash.  Threads work on different nodes at once; on one node one after the other.
 */
#pragma once

#include <pthread.h>

#include "hostd/record.h"

struct node {
    struct record r;
    bool busy; /* a create or terminate of it is under way, in some thread */
    struct node *next;
};

/* The daemon: everything hangs off this. */
struct hostd {
    const struct config *conf;
    pthread_mutex_t lock;   /* guards what is below, never held over slow work */
    pthread_cond_t changed; /* some node stopped being busy, or left the table */
    struct node *nodes;
    size_t n_nodes;
    int64_t last_index; /* of the last node made: addresses are reused as late as possible */
    char boot[RECORD_BOOT];
    pthread_mutex_t volumes; /* one call on volumes at a time; their truth is in files */
};

struct node_spec {
    const char *owner, *token, *name, *app, *user_data;
    int64_t millicores, memory_mb, pids, disk_mb;
};

/* In adopt.c. Reads all records, finishes or cleans up what a crash left behind, brings the network and the
 * control groups up and removes what belongs to no node. *ret_adopted, *ret_cleaned: for the log. */
int nodes_start(struct hostd *h, int *ret_adopted, int *ret_cleaned, struct err *e) WARN_UNUSED;
void nodes_stop(struct hostd *h);

/* Idempotent by owner and token: a second call, also one at the same time, gives the same node. */
int nodes_create(struct hostd *h, const struct node_spec *spec, struct cloud_machine *ret,
                 struct err *e) WARN_UNUSED;
int nodes_find(struct hostd *h, const char *owner, const char *token, struct cloud_machine *ret,
               struct err *e) WARN_UNUSED;
int nodes_poll(struct hostd *h, const char *id, struct cloud_machine *ret, struct err *e) WARN_UNUSED;
/* Nodes of this owner; owner NULL: of all. Caller frees *ret. */
void nodes_list(struct hostd *h, const char *owner, struct cloud_machine **ret, size_t *ret_n);
/* Idempotent: an unknown id is already gone. */
int nodes_terminate(struct hostd *h, const char *id, struct err *e) WARN_UNUSED;
/* The pid of a running node's init; for volumes. */
int nodes_init(struct hostd *h, const char *id, struct record *ret, struct err *e) WARN_UNUSED;

/* Ends and removes a node of which perhaps only parts exist. r->index may be 0 (unknown). Idempotent. */
int nodes_destroy(const struct config *c, const struct record *r, struct err *e) WARN_UNUSED;
