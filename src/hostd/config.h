/*
 * Configuration of conpaas-hostd: the file's keys and what is computed from them (addresses, uid ranges,
 * names).  Every number and name that later reaches nft, LXC or a path is checked here, once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

#define CONFIG_UIDS_PER_NODE 65536
#define CONFIG_ADDRESS 16 /* "255.255.255.255" and its NUL */
#define CONFIG_IFNAME 16

struct config {
    char *installation, *user, *socket, *state, *run, *image, *programs, *init;
    char *bridge, *subnet, *apparmor;
    bool outside;
    int64_t uid_base, uid_count, max_nodes, node_port, max_clients, log_level;
    /* computed */
    char *path;       /* the file itself, NULL = defaults */
    char *cgroup;     /* "conpaas-INSTALLATION" */
    char *table;      /* nft table "conpaas_INSTALLATION" */
    uint32_t network; /* host byte order */
    int prefix;
};

/* path NULL: only defaults. Names the key that is wrong. */
int config_load(const char *path, struct config *ret, struct err *e) WARN_UNUSED;
void config_done(struct config *c);
void config_dump(FILE *out);

/* Address, MAC, interface and first uid of the node with this index (1 .. max_nodes); index 0 is the
 * gateway. */
void config_address(const struct config *c, int64_t index, char ret[CONFIG_ADDRESS]);
void config_mac(const struct config *c, int64_t index, char ret[18]);
void config_mac_bytes(const struct config *c, int64_t index, uint8_t ret[6]);
void config_ifname(const struct config *c, int64_t index, char ret[CONFIG_IFNAME]);
int64_t config_uid(const struct config *c, int64_t index);
