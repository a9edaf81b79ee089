/*
 * The configuration of the entry point as text (private to the drivers "haproxy" and "relay").
 */
#pragma once

#include "role/haproxy_cli.h"
#include "role/role_driver.h"
#include "role/section.h"

/* A section of driver "haproxy", read. */
struct haproxy_want {
    int64_t port, service, route, request_timeout_s, post_max;
    const char *bind; /* borrowed */
    bool front_controller, drain;
    bool files;                       /* of Java: web servers send the files that they may */
    bool java;                        /* the backends speak HTTP and run Java; else they run PHP */
    struct section_versions versions; /* with the routed one */
    struct section_targets web, backend;
};
int haproxy_want_read(const json_t *section, struct haproxy_want *ret, struct err *e) WARN_UNUSED;

/* A section of driver "relay", read. */
struct relay_want {
    int64_t port;
    const char *bind, *password; /* borrowed */
    bool tcp;                    /* any target will do; else the one Redis that is primary */
    struct section_targets targets;
};
int relay_want_read(const json_t *section, struct relay_want *ret, struct err *e) WARN_UNUSED;

extern const struct haproxy_backend haproxy_web, haproxy_php, haproxy_java, haproxy_redis, haproxy_tcp;

/* Everything but servers: a change of it costs a reload. */
int haproxy_config_fixed(const struct role_engine *r, const struct haproxy_want *w, struct buf *out,
                         struct err *e) WARN_UNUSED;
void haproxy_config_servers(const struct haproxy_backend *b, const struct section_targets *t,
                            struct buf *out);
/* The map of single values: v (routed version), timeout, drain, front, files. */
void haproxy_config_values(const struct haproxy_want *w, struct buf *out);
int relay_config_fixed(const struct role_engine *r, const struct relay_want *w, struct buf *out,
                       struct err *e) WARN_UNUSED;
