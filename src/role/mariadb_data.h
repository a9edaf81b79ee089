/*
 * What lies in the directory of a MariaDB: its position, the token it used last; new databases (private to the
 * driver).  Below data_dir: db (the data), tmp, token.
 */
#pragma once

#include "role/role_driver.h"

#define MARIADB_USER "mysql"

struct mariadb_position {
    char uuid[40]; /* of the history; "" = no data */
    int64_t seqno; /* -1 = no data */
};

/* How far the data goes: from Galera's own note after an orderly end, else MariaDB itself is asked (seconds; minutes
 * after a crash with much to repair). Remains of a copy that was cut short count as no data. No answer is an error,
 * never "no data". The server must not be running. */
int mariadb_data_look(const struct role_engine *r, const char *config, struct mariadb_position *ret,
                      struct err *e) WARN_UNUSED;
/* A new, empty database; there must be none. All of it or nothing. */
int mariadb_data_install(const struct role_engine *r, const char *config, struct err *e) WARN_UNUSED;
/* An empty directory for a copy to come; only where mariadb_data_look found no data. */
int mariadb_data_clear(const struct role_engine *r, struct err *e) WARN_UNUSED;
/* Galera may make a cluster from this data although others may have gone on. */
int mariadb_data_lead(const struct role_engine *r, const struct mariadb_position *p,
                      struct err *e) WARN_UNUSED;

/* Last bootstrap token that was used, 0 = none. */
int64_t mariadb_data_token(const struct role_engine *r);
int mariadb_data_set_token(const struct role_engine *r, int64_t token, struct err *e) WARN_UNUSED;

/* Gives path to the user MariaDB runs as. */
int mariadb_data_own(const char *path, struct err *e) WARN_UNUSED;
