/*
 * The section of driver "mariadb", and my.cnf as text (private to the driver).
 */
#pragma once

#include "role/role_driver.h"

#define MARIADB_PEERS_MAX 64

enum mariadb_boot { MARIADB_JOIN, MARIADB_FIRST, MARIADB_RECOVER };

struct mariadb_want {
    int64_t port, token;
    const char *address, *bind, *password; /* borrowed */
    enum mariadb_boot boot;
    int n_peers;
    const char *peers[MARIADB_PEERS_MAX];
    const json_t *settings;
};
/* Settings that are unknown or out of shape, or do not fit into this node's memory, are ERR_INVALID "settings: ...". */
int mariadb_want_read(const json_t *section, struct mariadb_want *ret, struct err *e) WARN_UNUSED;

/* What only a restart changes. */
int mariadb_config_fixed(const struct role_engine *r, const struct mariadb_want *w, struct buf *out,
                         struct err *e) WARN_UNUSED;
/* What changes in the running server too: lines of my.cnf. */
void mariadb_config_live(const struct mariadb_want *w, struct buf *out);
/* "SET GLOBAL name = value" of each of those, one statement a line. */
void mariadb_config_set(const struct mariadb_want *w, struct buf *out);
/* Whom to join: a line of my.cnf. */
void mariadb_config_peers(const struct mariadb_want *w, struct buf *out);
/* Bytes that this node may use; 0 = unknown. */
int64_t mariadb_memory(void);
