/*
 * What types of web hosting share: a load balancer in front, web servers for files, backends that run scripts,
 * sessions in a pair of Redis that backends reach by a relay of their own. A type says what its backends are.
 */
#pragma once

#include "service/service_type.h"

enum { WEB_PROXY, WEB_WEB, WEB_BACKEND, WEB_SESSIONS, WEB_ROLES };

#define WEB_PORT_PROXY 80
#define WEB_PORT_WEB 8080
#define WEB_PORT_BACKEND 9000
#define WEB_PORT_SESSIONS 6379
#define WEB_PORT_RELAY 6380 /* on 127.0.0.1: whichever Redis is primary */

extern const char *const web_proxy_logs[], *const web_web_logs[], *const web_sessions_logs[];
/* Names of the secrets, for struct service_type. */
extern const char *const web_secrets[];

/* The table of roles; what the backends are called and which logs they have is the type's own. */
// clang-format off
#define WEB_ROLE_TABLE(backend_title, backend_logs)                                                                     \
    [WEB_PROXY] = {.name = "proxy", .title = "load balancer", .flags = ROLE_PURPOSE | ROLE_ENTRY, .min = 1, .start = 1, \
                   .max = 8, .with = -1, .port = WEB_PORT_PROXY, .logs = web_proxy_logs},                               \
    [WEB_WEB] = {.name = "web", .title = "web server",                                                                  \
                 .flags = ROLE_PURPOSE | ROLE_PACKABLE | ROLE_TARGET | ROLE_SERVES_CODE, .max = 16, .with = -1,         \
                 .port = WEB_PORT_WEB, .logs = web_web_logs},                                                           \
    [WEB_BACKEND] = {.name = "backend", .title = (backend_title),                                                       \
                     .flags = ROLE_PURPOSE | ROLE_PACKABLE | ROLE_TARGET | ROLE_SERVES_CODE | ROLE_CANARY |             \
                              ROLE_USES_PAIR | ROLE_USER_CODE,                                                                           \
                     .max = 16, .with = -1, .port = WEB_PORT_BACKEND, .logs = (backend_logs)},                          \
    [WEB_SESSIONS] = {.name = "sessions", .title = "session store", .flags = ROLE_PAIR, .with = -1,                     \
                      .port = WEB_PORT_SESSIONS, .logs = web_sessions_logs}
// clang-format on

int web_check_counts(const int counts[ROLES_MAX], struct err *e);
/* [{"id", "address", "port"}] of those that still have an address. */
json_t *web_targets(const struct section_in *in, const struct id_set *ids, int port);
/* The sections of proxy, web and sessions, and the relay that goes with each backend. scripts: what the backends
 * run, as the drivers of proxy and web servers call it. */
json_t *web_proxy_section(const struct section_in *in, const char *scripts, int64_t request_timeout_s,
                          int64_t post_max);
json_t *web_web_section(const struct section_in *in, const char *scripts);
json_t *web_sessions_section(const struct section_in *in);
json_t *web_relay_section(const struct section_in *in);
/* Who may reach a backend or the sessions, for struct service_type. */
void web_peers(const struct section_in *in, int role, struct id_set *ret);
/* What others of the application get who refer to the service, for struct service_type. */
json_t *web_exports(const struct export_in *in);
