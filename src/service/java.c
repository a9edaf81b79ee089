/*
 * Web hosting with Java: HAProxy in front, nginx for files, Tomcat for all else, sessions in a pair of Redis.
 */
#include "service/java.h"

#include "service/settings.h"
#include "service/web.h"

#define PORT_REFERENCE 8200 /* on 127.0.0.1 of those who refer to it */

static const char *const backend_logs[] = {"backend-access.log", "backend-catalina.log", "session-relay.log",
                                           NULL};

// clang-format off
static const struct role_def roles[WEB_ROLES] = {WEB_ROLE_TABLE("Tomcat", backend_logs)};

static const struct setting_def settings[] = {
    {.name = "heap", .fallback = "64M", .kind = SETTING_SIZE, .min = 32 << 20, .max = 16LL << 30,
     .help = "memory for the application's objects; the node needs 96M besides"},
    {.name = "threads", .fallback = "25", .kind = SETTING_INT, .min = 1, .max = 500,
     .help = "requests that a backend works on at once"},
    {.name = "request_timeout", .fallback = "60", .kind = SETTING_INT, .min = 1, .max = 3600,
     .help = "seconds that a visitor waits for an answer"},
    {.name = "session_timeout", .fallback = "30", .kind = SETTING_INT, .min = 1, .max = 43200,
     .help = "minutes that an unused session is kept, unless web.xml says otherwise"},
    {.name = "post_max_size", .fallback = "8M", .kind = SETTING_SIZE, .min = 1024, .max = 2047LL << 20,
     .help = "largest form that a visitor may send"},
    {.name = "static_files", .fallback = "On", .kind = SETTING_ON_OFF,
     .help = "web servers send files; Off: filters and rights from annotations count for them too"},
};
// clang-format on

static const struct manifest_field manifest[] = {
    {"Archive", "WAR archive that becomes the active version", MANIFEST_CODE, NULL},
};

static int64_t number(const struct section_in *in, const char *name, int64_t fallback)
{
    int64_t n = fallback;
    (void)!str_to_int(json_str(in->settings, name, ""), 1, INT32_MAX, &n);
    return n;
}

static int64_t bytes(const struct section_in *in, const char *name, const char *fallback)
{
    return setting_bytes(json_str(in->settings, name, fallback));
}

static json_t *proxy_section(const struct section_in *in)
{
    json_t *s =
        web_proxy_section(in, "java", number(in, "request_timeout", 60), bytes(in, "post_max_size", "8M"));
    json_object_set_new(s, "files", json_boolean(str_eq(json_str(in->settings, "static_files", "On"), "On")));
    return s;
}

static json_t *backend_section(const struct section_in *in)
{
    return json_pack("{s:s, s:s, s:i, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:i, s:s}", "engine", "tomcat",
                     "name", "backend", "port", WEB_PORT_BACKEND, "service", (json_int_t)in->service->id,
                     "versions", set_to_json(&in->doc->code), "heap", (json_int_t)bytes(in, "heap", "64M"),
                     "threads", (json_int_t)number(in, "threads", 25), "request_timeout_s",
                     (json_int_t)number(in, "request_timeout", 60), "session_timeout_min",
                     (json_int_t)number(in, "session_timeout", 30), "post_max",
                     (json_int_t)bytes(in, "post_max_size", "8M"), "session_port", WEB_PORT_RELAY,
                     "session_password", json_str(in->secrets, "session_password", ""));
}

static json_t *sections(const struct section_in *in, int role)
{
    json_t *a = json_array();
    switch (role) {
    case WEB_PROXY:
        json_array_append_new(a, proxy_section(in));
        break;
    case WEB_WEB:
        json_array_append_new(a, web_web_section(in, "java"));
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

const struct service_type service_java = {
    .name = "java",
    .title = "Java web hosting",
    .summary = "web applications in Java (WAR archives) on Tomcat, with shared sessions",
    .icon = "java",
    .roles = roles,
    .n_roles = WEB_ROLES,
    .host = WEB_PROXY,
    .default_role = WEB_BACKEND,
    .code = true,
    .settings = settings,
    .n_settings = (int)ARRAY_LEN(settings),
    .default_code = java_default_code,
    .n_default_code = 2,
    .secrets = web_secrets,
    .manifest = manifest,
    .n_manifest = (int)ARRAY_LEN(manifest),
    .relay_port = PORT_REFERENCE,
    .exports = web_exports,
    .check_counts = web_check_counts,
    .sections = sections,
    .peers = web_peers,
};
