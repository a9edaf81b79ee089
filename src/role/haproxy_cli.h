/*
 * The runtime socket of a HAProxy: commands, the servers it knows, its counters.
 */
#pragma once

#include "base/str.h"
#include "role/section.h"

#define HAPROXY_NAME_MAX 64

/* A server as the running process knows it. */
struct haproxy_server {
    char backend[32], name[HAPROXY_NAME_MAX];
    int weight;
    bool maint; /* taken out by us */
    bool drain; /* gets no new connections; the old ones go on */
};
struct haproxy_servers {
    int n;
    struct haproxy_server at[3 * SECTION_TARGETS_MAX];
};

/* One command (a payload may follow "<<\n"); its answer, trailing blanks taken off. out may be NULL. */
int haproxy_ask(const char *socket, const char *command, struct buf *out, struct err *e) WARN_UNUSED;
/* A command whose success is an empty answer, or one that begins with `expect`. Else ERR_FAILED with the
 * answer. */
int haproxy_do(const char *socket, const char *command, const char *expect, struct err *e) WARN_UNUSED;
/* Pid of the worker that answers. */
int haproxy_worker(const char *socket, int64_t *ret_pid, struct err *e) WARN_UNUSED;
int haproxy_list(const char *socket, struct haproxy_servers *ret, struct err *e) WARN_UNUSED;
/* Replaces a map in one transaction with `text` (lines KEY VALUE). */
int haproxy_set_map(const char *socket, const char *map, const char *text, struct err *e) WARN_UNUSED;
/* Value of column `field` ("scur") of row backend/server ("proxy" "FRONTEND") in `show stat`; -1 when absent.
 */
int64_t haproxy_stat(const char *csv, const char *proxy, const char *server, const char *field);

/* Name of a target's server: id, address and port, so that another address is another server. */
void haproxy_server_name(const struct section_target *t, char ret[HAPROXY_NAME_MAX]);
struct haproxy_backend {
    const char *name;
    const char *options; /* of its servers: "check inter 1s ..." */
    bool believed;       /* a new server is taken as healthy until a check says otherwise */
    bool drains;         /* what is not wanted any more keeps its connections while it is up */
};
/* Brings the running process to the wanted servers of one backend: adds, sets weights, and what is not wanted
 * is put into maintenance: requests under way end in peace. *ret_left counts servers in maintenance. */
int haproxy_sync_servers(const char *socket, const struct haproxy_backend *b,
                         const struct section_targets *want, int *ret_left, struct err *e) WARN_UNUSED;
/* Deletes servers in maintenance that have nothing to do any more; returns how many are left. */
int haproxy_sweep(const char *socket, struct err *e);
