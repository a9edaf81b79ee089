/*
 * MariaDB as a member of a Galera cluster (driver "mariadb").
 *
 * Section: {"engine": "mariadb", "name": "mysql", "port": 3306, "address": IPv4 of this node, "boot": "first" |
 *           "recover" | "join", "token": N, "peers": [IPv4], "password": TEXT (of the user mysqldb),
 *           "settings": {NAME: TEXT}, "bind": IPv4 (default 0.0.0.0)}
 *
 * first: makes a new database and a new cluster, once for each token; recover: makes the cluster anew from the data
 * that is here, once for each token; join: enters the cluster that the peers form, and waits (down, with its position
 * known) while no peer answers. A token that was used means join. Where data is, nothing is ever made over it.
 *
 * A member that lost its cluster (a minority) ends itself: it may not answer anyway, and only what is down can be
 * recovered. After a crash the position is read from the data, so that the missing rest comes alone, not everything.
 *
 * root exists on the local socket only. The user mysqldb gets the password of the section whenever it has another one.
 * A new member copies from an old one with mariabackup, which logs in over the socket as the system's user mysql: no
 * secret is written down or passed on for that.
 */
#pragma once

#include "role/role_driver.h"

extern const struct role_driver role_mariadb;
