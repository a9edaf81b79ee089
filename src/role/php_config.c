/*
 * The pool is the same everywhere; what users may set goes through one table.
 */
#include "role/php_config.h"

#include <ctype.h>

#include "role/quote.h"
#include "role/section.h"

struct php_text {
    const char *engine, *name, *bind, *session_password;
    int64_t port, service, timeout, session_port;
    json_t *versions, *settings;
};
#define PHP(n, k, member, need, lo, hi)                                                                      \
    {                                                                                                        \
        .name = (n), .kind = (k), .offset = offsetof(struct php_text, member), .required = (need),           \
        .min = (lo), .max = (hi)                                                                             \
    }
static const struct json_field php_fields[] = {
    PHP("engine", JSON_F_STRING, engine, true, 0, 0),
    PHP("name", JSON_F_STRING, name, true, 0, 63),
    PHP("bind", JSON_F_STRING, bind, false, 0, 15),
    PHP("port", JSON_F_INT, port, true, 1, 65535),
    PHP("service", JSON_F_INT, service, true, 1, INT64_MAX),
    PHP("request_timeout_s", JSON_F_INT, timeout, false, 1, 86400),
    PHP("session_port", JSON_F_INT, session_port, false, 1, 65535),
    PHP("session_password", JSON_F_STRING, session_password, false, 0, 256),
    PHP("versions", JSON_F_ARRAY, versions, true, 0, 0),
    PHP("settings", JSON_F_OBJECT, settings, false, 0, 0),
    {0},
};

int php_want_read(const json_t *section, struct php_want *ret, struct err *e)
{
    struct php_text t = {.bind = "0.0.0.0", .timeout = 120, .session_password = ""};
    struct section_versions versions;
    int r = json_read(section, php_fields, &t, e);
    r = r < 0 ? r : section_versions(t.versions, &versions, e);
    if (r < 0) {
        return err_wrap(e, r, "php_fpm");
    }
    if (!section_is_ipv4(t.bind)) {
        return err_set(e, ERR_INVALID, "php_fpm: \"%s\" is no IPv4 address", t.bind);
    }
    *ret = (struct php_want){.bind = t.bind,
                             .session_password = t.session_password,
                             .port = t.port,
                             .service = t.service,
                             .request_timeout_s = t.timeout,
                             .session_port = t.session_port,
                             .settings = t.settings};
    return 0;
}

/* ---- settings ---- */

static bool php_is_int(const char *s)
{
    int64_t n;
    return str_to_int(s, -1, INT32_MAX, &n) == 0;
}

static bool php_is_size(const char *s)
{
    size_t n = strspn(s, "0123456789");
    return n > 0 && n < 16 && (s[n] == '\0' || (strchr("KMGkmg", s[n]) && s[n + 1] == '\0'));
}

static bool php_is_switch(const char *s)
{
    return strcasecmp(s, "on") == 0 || strcasecmp(s, "off") == 0;
}

static bool php_is_words(const char *s)
{
    for (; *s; s++) {
        if (!isalnum((unsigned char)*s) && !strchr("_, ", *s)) {
            return false;
        }
    }
    return true;
}

static const struct {
    const char *name, *form;
    bool (*good)(const char *s);
} php_settings[] = {
    {"max_execution_time", "a number of seconds", php_is_int},
    {"memory_limit", "a size like 128M", php_is_size},
    {"log_errors", "On or Off", php_is_switch},
    {"display_errors", "On or Off", php_is_switch},
    {"upload_max_filesize", "a size like 2M", php_is_size},
    {"post_max_size", "a size like 8M", php_is_size},
    {"disable_functions", "names of functions by comma", php_is_words},
};

/* Text of a JSON value as php.ini writes it. Caller frees; NULL for another kind. */
static char *php_value(const json_t *v)
{
    if (json_is_string(v)) {
        return xstrdup(json_string_value(v));
    }
    if (json_is_integer(v)) {
        return str_printf("%lld", (long long)json_integer_value(v));
    }
    return json_is_boolean(v) ? xstrdup(json_is_true(v) ? "On" : "Off") : NULL;
}

static int php_setting(const char *key, const json_t *v, struct buf *out, struct err *e)
{
    _cleanup_free_ char *text = php_value(v);
    for (size_t i = 0; i < ARRAY_LEN(php_settings); i++) {
        if (!str_eq(php_settings[i].name, key)) {
            continue;
        }
        if (!text || !php_settings[i].good(text)) {
            return err_set(e, ERR_INVALID, "settings: %s = \"%.64s\" is not %s", key, text ? text : "?",
                           php_settings[i].form);
        }
        buf_addf(out, "%s = ", key);
        int r = quote_ini(out, text, e);
        buf_addc(out, '\n');
        return r;
    }
    return err_set(e, ERR_INVALID, "settings: there is no \"%.64s\"", key);
}

/* ---- files ---- */

static const char php_ini_fixed[] =
    "; Written by conpaas-agent; changes are lost.\n"
    "[PHP]\n"
    "engine = On\n"
    "expose_php = Off\n"
    "output_buffering = 4096\n"
    "variables_order = \"EGPCS\"\n"
    "request_order = \"GP\"\n"
    "default_charset = \"UTF-8\"\n"
    "cgi.fix_pathinfo = 1\n" /* PHP_SELF; the proxy names only scripts that exist, limit_extensions does the
                                rest */
    "allow_url_fopen = Off\n"
    "allow_url_include = Off\n"
    "enable_dl = Off\n"
    "max_input_time = 60\n"
    "max_file_uploads = 20\n"
    "file_uploads = On\n"
    "error_reporting = E_ALL & ~E_DEPRECATED & ~E_STRICT\n"
    "html_errors = Off\n"
    "; A version is a directory of its own, so a switch needs no reset of the cache.\n"
    "opcache.enable = 1\n"
    "opcache.validate_timestamps = 1\n"
    "opcache.revalidate_freq = 2\n"
    "opcache.memory_consumption = 64\n"
    "session.gc_probability = 0\n"
    "; Strict mode would give a visitor a new, empty session while the store fails over.\n"
    "session.use_strict_mode = 0\n"
    "session.cookie_httponly = 1\n";

static int php_sessions(const struct php_want *w, struct buf *out, struct err *e)
{
    if (w->session_port == 0) {
        buf_adds(out, "session.save_handler = files\nsession.save_path = \"/tmp\"\n");
        return 0;
    }
    _cleanup_buf_ struct buf path = {0};
    buf_addf(&path, "tcp://127.0.0.1:%lld?timeout=5&read_timeout=5&auth=", (long long)w->session_port);
    quote_url(&path, w->session_password);
    buf_adds(out, "session.save_handler = redis\nsession.save_path = ");
    int r = quote_ini(out, path.data, e);
    buf_addf(out,
             "\nredis.session.locking_enabled = 1\nredis.session.lock_expire = %lld\n"
             "redis.session.lock_wait_time = 20000\nredis.session.lock_retries = 1500\n",
             (long long)w->request_timeout_s);
    return r;
}

int php_config_ini(const struct role_engine *r, const struct php_want *w, struct buf *out, struct err *e)
{
    _cleanup_free_ char *log = str_printf("%s/%s-php.log", r->log_dir, r->name);
    buf_adds(out, php_ini_fixed);
    buf_adds(out, "error_log = ");
    int rc = quote_ini(out, log, e);
    buf_addc(out, '\n');
    rc = rc < 0 ? rc : php_sessions(w, out, e);
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)w->settings, key, v)
    {
        rc = rc < 0 ? rc : php_setting(key, v, out, e);
    }
    return rc;
}

char *php_config_socket(const struct role_engine *r, const char *what, int64_t generation)
{
    return str_printf("%s/%s-%lld.sock", r->run_dir, what, (long long)generation);
}

/* Versions are tried in a pool of its own: errors are wanted as evidence there, and what one request sets for that
 * stays set in its process for all that follow, so each process answers a single one. */
static void php_probe_pool(const struct role_engine *r, int64_t generation, struct buf *out)
{
    _cleanup_free_ char *socket = php_config_socket(r, "probe", generation);
    buf_addf(out,
             "[probe]\n"
             "user = www-data\n"
             "group = www-data\n"
             "listen = %s\n"
             "listen.mode = 0600\n"
             "pm = ondemand\n"
             "pm.max_children = 2\n"
             "pm.max_requests = 1\n"
             "request_terminate_timeout = 30s\n"
             "clear_env = no\n"
             "security.limit_extensions = .php\n"
             "php_admin_flag[allow_url_fopen] = off\n"
             "php_admin_flag[allow_url_include] = off\n"
             "php_admin_flag[display_errors] = off\n"
             "php_admin_flag[html_errors] = off\n"
             "php_admin_flag[log_errors] = on\n"
             "php_admin_value[error_log] =\n", /* to whoever asked */
             socket);
}

int php_config_fpm(const struct role_engine *r, const struct php_want *w, int64_t generation, struct buf *out,
                   struct err *e)
{
    if (!quote_is_plain(r->name) || !quote_is_plain(r->log_dir) || !quote_is_plain(r->run_dir)) {
        return err_set(e, ERR_INTERNAL, "a name or directory of php-fpm is no plain word");
    }
    _cleanup_free_ char *status = php_config_socket(r, "status", generation);
    buf_addf(
        out,
        "; Written by conpaas-agent; changes are lost.\n"
        "[global]\n"
        "error_log = /proc/self/fd/2\n"
        "process_control_timeout = %llds\n" /* a graceful end waits for its requests */
        "[www]\n"
        "user = www-data\n"
        "group = www-data\n"
        "listen = %s:%lld\n"
        "pm = dynamic\n"
        "pm.max_children = 5\n"
        "pm.start_servers = 1\n"
        "pm.min_spare_servers = 1\n"
        "pm.max_spare_servers = 5\n"
        "pm.max_requests = 300\n"
        "pm.status_path = /status\n"
        "pm.status_listen = %s\n"
        "request_terminate_timeout = %llds\n"
        "request_slowlog_timeout = 5s\n"
        "slowlog = %s/%s-slow.log\n"
        "access.log = %s/%s-access.log\n"
        "access.format = \"%%R %%u %%{%%Y-%%m-%%dT%%H:%%M:%%S%%z}t \\\"%%m %%r%%Q%%q\\\" %%s %%{milliseconds}d ms %%{kilobytes}M kB\"\n"
        "clear_env = no\n"
        "catch_workers_output = no\n"
        "security.limit_extensions = .php\n"
        /* a script may not take these back with ini_set() */
        "php_admin_flag[allow_url_fopen] = off\n"
        "php_admin_flag[allow_url_include] = off\n",
        (long long)w->request_timeout_s + 2, w->bind, (long long)w->port, status,
        (long long)w->request_timeout_s, r->log_dir, r->name, r->log_dir, r->name);
    php_probe_pool(r, generation, out);
    return 0;
}
