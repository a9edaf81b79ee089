/*
 * The director's configuration: conpaas-director --dump-config prints it with its help texts.
 */
#pragma once

#include "base/conf.h"
#include "base/json.h"

struct config {
    char *data_dir, *web_dir, *user, *log_file, *log_level;
    char *installation;
    char *listen, *node_listen, *node_address, *url, *host_names;
    char *default_cloud;
    int64_t port, node_port;
    int64_t initial_credit, max_credit;
    bool registration;
    int64_t session_hours, token_days;
    int64_t logins_per_minute, registrations_per_hour;
    int64_t code_quota_mb, apps_per_user;
    int64_t volume_max_mb, volumes_user_mb;
    int64_t provision_threads;
    char *fetch_hosts, *fetch_ports, *fetch_networks, *fetch_ca_file;
    bool fetch_http;
    int64_t fetch_max_mb, fetch_timeout_s, fetch_attempts, fetch_pause_s;
    char *git_socket, *git_user, *git_host, *git_login;
    int64_t git_port;
};

/* Keys of the daemon and, as "[cloud NAME]", those of every driver. Ends with key NULL; static after the
 * first call, which must come before threads. */
int config_load(const char *path, struct config *ret, struct err *e) WARN_UNUSED;
void config_done(struct config *c);
void config_dump(FILE *out);

/* Calls f for each "[cloud NAME]" with its keys as a JSON object of texts. */
int config_each_cloud(const char *path,
                      int (*f)(void *arg, const char *name, const json_t *keys, struct err *e), void *arg,
                      struct err *e) WARN_UNUSED;
