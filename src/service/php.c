/*
 * Web hosting with PHP: HAProxy in front, nginx for files, php-fpm for scripts, sessions in a pair of Redis.
 */
#include "service/php.h"

#include "service/settings.h"
#include "service/web.h"

#define PORT_REFERENCE 8100 /* on 127.0.0.1 of those who refer to it */

static const char *const backend_logs[] = {"backend-access.log", "backend-error.log", "backend-php.log",
                                           "backend-slow.log",   "session-relay.log", NULL};
// clang-format off
static const struct role_def roles[WEB_ROLES] = {WEB_ROLE_TABLE("PHP", backend_logs)};

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

/* How long php-fpm lets a request take: the execution time counts the script's own work only, not what it
 * waits for. */
static int64_t request_limit(const struct section_in *in)
{
    int64_t seconds = 30;
    (void)!str_to_int(json_str(in->settings, "max_execution_time", "30"), 1, 3600, &seconds);
    return seconds + 30 > 120 ? seconds + 30 : 120;
}

static json_t *backend_section(const struct section_in *in)
{
    return json_pack("{s:s, s:s, s:i, s:I, s:o, s:O, s:i, s:s, s:I}", "engine", "php_fpm", "name", "backend",
                     "port", WEB_PORT_BACKEND, "service", (json_int_t)in->service->id, "versions",
                     set_to_json(&in->doc->code), "settings", in->settings, "session_port", WEB_PORT_RELAY,
                     "session_password", json_str(in->secrets, "session_password", ""), "request_timeout_s",
                     (json_int_t)request_limit(in));
}

static json_t *sections(const struct section_in *in, int role)
{
    json_t *a = json_array();
    int64_t post_max = setting_bytes(json_str(in->settings, "post_max_size", "8M"));
    switch (role) {
    case WEB_PROXY:
        json_array_append_new(a, web_proxy_section(in, "php", request_limit(in) + 5, post_max));
        break;
    case WEB_WEB:
        json_array_append_new(a, web_web_section(in, "php"));
        break;
    case WEB_BACKEND:
        json_array_append_new(a, backend_section(in));
        json_array_append_new(a, web_relay_section(in));
        break;
    case WEB_SESSIONS:
        json_array_append_new(a, web_sessions_section(in));
        break;
    }
    return a;
}

const struct service_type service_php = {
    .name = "php",
    .title = "PHP web hosting",
    .summary = "web sites and applications in PHP, with shared sessions",
    .icon = "php",
    .roles = roles,
    .n_roles = WEB_ROLES,
    .host = WEB_PROXY,
    .default_role = WEB_BACKEND,
    .code = true,
    .settings = settings,
    .n_settings = (int)ARRAY_LEN(settings),
    .default_code = php_default_code,
    .n_default_code = 1,
    .secrets = web_secrets,
    .manifest = manifest,
    .n_manifest = (int)ARRAY_LEN(manifest),
    .relay_port = PORT_REFERENCE,
    .exports = web_exports,
    .check_counts = web_check_counts,
    .sections = sections,
    .peers = web_peers,
};
