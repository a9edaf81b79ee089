/*
 * Web hosting with PHP: HAProxy in front, nginx for files, php-fpm for scripts, sessions in a pair of Redis.
 */
#include "service/php.h"

#include "service/settings.h"

enum { PROXY, WEB, BACKEND, SESSIONS, N_ROLES };

#define PORT_PROXY 80
#define PORT_WEB 8080
#define PORT_BACKEND 9000
#define PORT_SESSIONS 6379
#define PORT_REFERENCE 8100 /* on 127.0.0.1 of those who refer to it */
#define PORT_RELAY 6380     /* on 127.0.0.1: whichever Redis is primary */

static const char *const proxy_logs[] = {"proxy.log", "proxy-error.log", NULL};
static const char *const web_logs[] = {"web-access.log", "web-error.log", NULL};
static const char *const backend_logs[] = {"backend-access.log", "backend-error.log", "backend-php.log",
                                           "backend-slow.log",   "session-relay.log", NULL};
static const char *const sessions_logs[] = {"sessions.log", NULL};

// clang-format off
static const struct role_def roles[N_ROLES] = {
    [PROXY] = {.name = "proxy", .title = "load balancer", .flags = ROLE_PURPOSE | ROLE_ENTRY, .min = 1, .start = 1,
               .max = 8, .with = -1, .port = PORT_PROXY, .logs = proxy_logs},
    [WEB] = {.name = "web", .title = "web server", .flags = ROLE_PURPOSE | ROLE_PACKABLE | ROLE_TARGET | ROLE_SERVES_CODE,
             .max = 16, .with = -1, .port = PORT_WEB, .logs = web_logs},
    [BACKEND] = {.name = "backend", .title = "PHP",
                 .flags = ROLE_PURPOSE | ROLE_PACKABLE | ROLE_TARGET | ROLE_SERVES_CODE | ROLE_CANARY | ROLE_USES_PAIR | ROLE_USER_CODE,
                 .max = 16, .with = -1, .port = PORT_BACKEND, .logs = backend_logs},
    [SESSIONS] = {.name = "sessions", .title = "session store", .flags = ROLE_PAIR, .with = -1, .port = PORT_SESSIONS,
                  .logs = sessions_logs},
};

static const struct setting_def settings[] = {
    {.name = "max_execution_time", .fallback = "30", .kind = SETTING_INT, .min = 1, .max = 3600,
     .help = "seconds that a script may run"},
    {.name = "memory_limit", .fallback = "128M", .kind = SETTING_SIZE, .min = 1 << 20, .max = 4LL << 30,
     .help = "memory that a script may use"},
    {.name = "log_errors", .fallback = "Off", .kind = SETTING_ON_OFF, .help = "errors go to the error log"},
    {.name = "display_errors", .fallback = "Off", .kind = SETTING_ON_OFF,
     .help = "debug mode: errors are shown to visitors"},
    {.name = "upload_max_filesize", .fallback = "2M", .kind = SETTING_SIZE, .min = 1024, .max = 2LL << 30,
     .help = "largest file that a visitor may upload"},
    {.name = "post_max_size", .fallback = "8M", .kind = SETTING_SIZE, .min = 1024, .max = 2LL << 30,
     .help = "largest body of a request"},
    {.name = "disable_functions",
     .fallback = "pcntl_alarm,pcntl_async_signals,pcntl_exec,pcntl_fork,pcntl_get_last_error,pcntl_getpriority,"
                 "pcntl_rfork,pcntl_setpriority,pcntl_signal,pcntl_signal_dispatch,pcntl_signal_get_handler,"
                 "pcntl_sigprocmask,pcntl_sigtimedwait,pcntl_sigwaitinfo,pcntl_strerror,pcntl_unshare,pcntl_wait,"
                 "pcntl_waitpid,pcntl_wexitstatus,pcntl_wifcontinued,pcntl_wifexited,pcntl_wifsignaled,"
                 "pcntl_wifstopped,pcntl_wstopsig,pcntl_wtermsig",
     .kind = SETTING_WORDS, .max = 2000, .help = "functions that scripts may not call, by comma"},
};
// clang-format on

static const struct manifest_field manifest[] = {
    {"Archive", "code that becomes the active version", MANIFEST_CODE, NULL},
};

static const char *const secrets[] = {"session_password", NULL};

static int check_counts(const int counts[ROLES_MAX], struct err *e)
{
    if (counts[PROXY] > 1 && (counts[WEB] == 0 || counts[BACKEND] == 0)) {
        return err_set_hint(e, ERR_INVALID, "add at least one web and one backend node, or keep one proxy",
                            "several proxies need separate web and backend nodes");
    }
    return 0;
}

static const char *address_of(const struct section_in *in, int64_t id)
{
    for (int i = 0; i < in->service->n_nodes; i++) {
        if (in->service->nodes[i].id == id) {
            return in->service->nodes[i].address;
        }
    }
    return "";
}

/* [{"id", "address", "port"}] of those that still have an address. */
static json_t *targets(const struct section_in *in, const struct id_set *ids, int port)
{
    json_t *a = json_array();
    for (int64_t i = 0; i < ids->n; i++) {
        const char *address = address_of(in, ids->id[i]);
        if (address[0]) {
            json_array_append_new(a, json_pack("{s:I, s:s, s:i}", "id", (json_int_t)ids->id[i], "address",
                                               address, "port", port));
        }
    }
    return a;
}

/* How long php-fpm lets a request take: the execution time counts the script's own work only, not what it
 * waits for. */
static int64_t request_limit(const struct section_in *in)
{
    int64_t seconds = 30;
    (void)!str_to_int(json_str(in->settings, "max_execution_time", "30"), 1, 3600, &seconds);
    return seconds + 30 > 120 ? seconds + 30 : 120;
}

static json_t *proxy_section(const struct section_in *in)
{
    int64_t post_max = setting_bytes(json_str(in->settings, "post_max_size", "8M"));
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:o, s:b, s:{s:o, s:o}, s:I, s:I}", "engine", "haproxy",
                     "name", "proxy", "port", PORT_PROXY, "service", (json_int_t)in->service->id, "route",
                     (json_int_t)in->doc->route, "versions", set_to_json(&in->doc->code), "front_controller",
                     1, "targets", "web", targets(in, &in->doc->names[WEB], PORT_WEB), "backend",
                     targets(in, &in->doc->names[BACKEND], PORT_BACKEND), "request_timeout_s",
                     (json_int_t)request_limit(in) + 5, "post_max", (json_int_t)post_max);
}

static json_t *backend_section(const struct section_in *in)
{
    return json_pack("{s:s, s:s, s:i, s:I, s:o, s:O, s:i, s:s, s:I}", "engine", "php_fpm", "name", "backend",
                     "port", PORT_BACKEND, "service", (json_int_t)in->service->id, "versions",
                     set_to_json(&in->doc->code), "settings", in->settings, "session_port", PORT_RELAY,
                     "session_password", json_str(in->secrets, "session_password", ""), "request_timeout_s",
                     (json_int_t)request_limit(in));
}

static json_t *relay_section(const struct section_in *in)
{
    return json_pack("{s:s, s:s, s:i, s:o, s:s, s:s}", "engine", "relay", "name", "session-relay", "port",
                     PORT_RELAY, "targets", targets(in, &in->doc->holders, PORT_SESSIONS), "mode",
                     "redis-primary", "password", json_str(in->secrets, "session_password", ""));
}

static json_t *sessions_section(const struct section_in *in)
{
    bool is_primary = in->doc->primary == in->node->id;
    return json_pack("{s:s, s:s, s:i, s:s, s:b, s:s}", "engine", "redis", "name", "sessions", "port",
                     PORT_SESSIONS, "primary", is_primary ? "" : address_of(in, in->doc->primary),
                     "is_primary", is_primary, "password", json_str(in->secrets, "session_password", ""));
}

static json_t *sections(const struct section_in *in, int role)
{
    json_t *a = json_array();
    switch (role) {
    case PROXY:
        json_array_append_new(a, proxy_section(in));
        break;
    case WEB:
        json_array_append_new(a, json_pack("{s:s, s:s, s:i, s:I, s:o}", "engine", "nginx", "name", "web",
                                           "port", PORT_WEB, "service", (json_int_t)in->service->id,
                                           "versions", set_to_json(&in->doc->code)));
        break;
    case BACKEND:
        json_array_append_new(a, backend_section(in));
        json_array_append_new(a, relay_section(in));
        break;
    case SESSIONS:
        json_array_append_new(a, sessions_section(in));
        break;
    }
    return a;
}

/* php-fpm's port is code execution: proxies only. A proxy's node may itself be a backend (the host). */
static void peers(const struct section_in *in, int role, struct id_set *ret)
{
    for (int64_t i = 0; i < in->doc->callers.n; i++) {
        int64_t id = in->doc->callers.id[i];
        for (int k = 0; k < in->service->n_nodes; k++) {
            const struct node *n = &in->service->nodes[k];
            bool calls =
                role == SESSIONS ? n->role != WEB || set_has(&in->doc->holders, id) : n->role == PROXY;
            if (n->id == id && calls) {
                set_add(ret, id);
            }
        }
    }
}

static json_t *exports(const struct export_in *in)
{
    _cleanup_free_ char *port = str_printf("%d", in->port),
                        *url = str_printf("http://127.0.0.1:%d", in->port);
    return json_pack("{s:{s:s, s:s, s:s}, s:o}", "variables", "HOST", "127.0.0.1", "PORT", port, "URL", url,
                     "targets", service_type_entries(in->service, PORT_PROXY));
}

const struct service_type service_php = {
    .name = "php",
    .title = "PHP web hosting",
    .summary = "web sites and applications in PHP, with shared sessions",
    .icon = "php",
    .roles = roles,
    .n_roles = N_ROLES,
    .host = PROXY,
    .default_role = BACKEND,
    .code = true,
    .settings = settings,
    .n_settings = (int)ARRAY_LEN(settings),
    .default_code = php_default_code,
    .n_default_code = 1,
    .manifest = manifest,
    .n_manifest = (int)ARRAY_LEN(manifest),
    .secrets = secrets,
    .relay_port = PORT_REFERENCE,
    .exports = exports,
    .check_counts = check_counts,
    .sections = sections,
    .peers = peers,
};
