/*
 * Driver "nginx".
 */
#include "role/nginx.h"

#include <signal.h>

#include "base/fs.h"
#include "base/proc.h"
#include "role/local_io.h"
#include "role/quote.h"
#include "role/section.h"

struct nginx_want {
    const char *engine, *name, *bind, *scripts;
    int64_t port, service;
    json_t *versions;
};
static const struct json_field nginx_fields[] = {
    {.name = "engine",
     .kind = JSON_F_STRING,
     .offset = offsetof(struct nginx_want, engine),
     .required = true},
    {.name = "name", .kind = JSON_F_STRING, .offset = offsetof(struct nginx_want, name), .required = true},
    {.name = "bind", .kind = JSON_F_STRING, .offset = offsetof(struct nginx_want, bind)},
    {.name = "scripts", .kind = JSON_F_STRING, .offset = offsetof(struct nginx_want, scripts)},
    {.name = "port",
     .kind = JSON_F_INT,
     .offset = offsetof(struct nginx_want, port),
     .required = true,
     .min = 1,
     .max = 65535},
    {.name = "service",
     .kind = JSON_F_INT,
     .offset = offsetof(struct nginx_want, service),
     .required = true,
     .min = 1,
     .max = INT64_MAX},
    {.name = "versions",
     .kind = JSON_F_ARRAY,
     .offset = offsetof(struct nginx_want, versions),
     .required = true},
    {0},
};

/* What is never given away, although it lies among the files. */
static const char nginx_php[] = "location ~ \\.php(/|$) { return 404; }";
static const char nginx_java[] =
    "location ~* ^/+(WEB-INF|META-INF)(/|$) { return 404; }\n"
    "        location ~* \\.(jsp|jspx|jspf|tag|tagx|tld|class|jar)(/|$) { return 404; }";

/* $R = run_dir, $L = log_dir/name, $C = code_dir, $A = address:port, $S = what is kept back; all plain. */
static const char nginx_template[] =
    "# Written by conpaas-agent; changes are lost.\n"
    "daemon off;\n"
    "user www-data;\n"
    "worker_processes 1;\n"
    "pid $R/nginx.pid;\n"
    "error_log $L-error.log warn;\n"
    "events { worker_connections 2048; }\n"
    "http {\n"
    "    include /etc/nginx/mime.types;\n"
    "    default_type application/octet-stream;\n"
    "    log_format timed '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "
    "'\n"
    "                     '- \"$http_referer\" \"$http_user_agent\" $msec $request_time';\n"
    "    access_log $L-access.log timed;\n"
    "    sendfile on;\n"
    "    tcp_nopush on;\n"
    "    server_tokens off;\n"
    "    absolute_redirect off;\n"
    "    keepalive_timeout 75s;\n"
    "    keepalive_requests 100000;\n"
    "    client_max_body_size 0;\n"
    "    client_body_temp_path $R/body;\n"
    "    proxy_temp_path $R/proxy;\n"
    "    fastcgi_temp_path $R/fastcgi;\n"
    "    uwsgi_temp_path $R/uwsgi;\n"
    "    scgi_temp_path $R/scgi;\n"
    "    # Any number is a version; only staged ones have a directory.\n"
    "    map $http_x_conpaas_version $conpaas_version {\n"
    "        default \"\";\n"
    "        \"~^[0-9]{1,18}$\" $http_x_conpaas_version;\n"
    "    }\n"
    "    server {\n"
    "        listen $A;\n"
    "        root $C/$conpaas_version;\n"
    "        location = /.conpaas-alive { access_log off; return 204; }\n"
    "        location ~ /\\. { return 404; }\n"
    "        $S\n"
    "        location / {\n"
    "            if ($conpaas_version = \"\") { return 404; }\n"
    "            limit_except GET { deny all; }\n"
    "            disable_symlinks if_not_owner from=$C;\n"
    "            try_files $uri =404;\n"
    "        }\n"
    "    }\n"
    "    server {\n"
    "        listen unix:$R/status.sock;\n"
    "        access_log off;\n"
    "        location = /status { stub_status; }\n"
    "    }\n"
    "}\n";

static int nginx_text(const struct role_engine *r, const struct nginx_want *w, struct buf *out, struct err *e)
{
    if (!quote_is_plain(r->run_dir) || !quote_is_plain(r->log_dir) || !quote_is_plain(r->code_dir)) {
        return err_set(e, ERR_INTERNAL, "a directory of %s is no plain word", r->name);
    }
    bool known = str_eq(w->scripts, "php") || str_eq(w->scripts, "java");
    if (!quote_is_plain(r->name) || !section_is_ipv4(w->bind) || !known) {
        return err_set(e, ERR_INVALID, "nginx: bad name, address or scripts");
    }
    for (const char *p = nginx_template; *p; p++) {
        bool mark = p[0] == '$' && (p[1] == 'R' || p[1] == 'L' || p[1] == 'C' || p[1] == 'A' || p[1] == 'S');
        if (!mark) {
            buf_addc(out, *p);
            continue;
        }
        p++;
        if (*p == 'R') {
            buf_adds(out, r->run_dir);
        } else if (*p == 'L') {
            buf_addf(out, "%s/%s", r->log_dir, r->name);
        } else if (*p == 'C') {
            buf_adds(out, r->code_dir);
        } else if (*p == 'S') {
            buf_adds(out, str_eq(w->scripts, "java") ? nginx_java : nginx_php);
        } else {
            buf_addf(out, "%s:%lld", w->bind, (long long)w->port);
        }
    }
    return 0;
}

static int nginx_check_file(const char *path, struct err *e)
{
    const char *const argv[] = {"nginx", "-t", "-q", "-c", path, NULL};
    int r = proc_run_ok(argv, 15000, e);
    return r < 0 ? err_wrap(e, r, "nginx does not accept its configuration") : 0;
}

static int nginx_configure(struct role_engine *r, const json_t *section, enum role_change *ret, struct err *e)
{
    struct nginx_want w = {.bind = "0.0.0.0", .scripts = "php"};
    struct section_versions versions;
    _cleanup_buf_ struct buf text = {0}, old = {0};
    int rc = json_read(section, nginx_fields, &w, e);
    rc = rc < 0 ? rc : section_versions(w.versions, &versions, e);
    rc = rc < 0 ? rc : nginx_text(r, &w, &text, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_free_ char *path = str_printf("%s/nginx.conf", r->run_dir);
    _cleanup_free_ char *candidate = str_printf("%s.new", path);
    bool same = fs_read(path, 65536, &old, NULL) == 0 && old.len == text.len && str_eq(old.data, text.data);
    if (!same) {
        rc = fs_write_atomic(candidate, text.data, text.len, 0644, e);
        rc = rc < 0 ? rc : nginx_check_file(candidate, e);
        (void)unlink(candidate);
        rc = rc < 0 ? rc : fs_write_atomic(path, text.data, text.len, 0644, e);
    }
    if (rc == 0) {
        *ret = !r->pid ? CHANGE_RESTART : same ? CHANGE_NONE : CHANGE_RELOAD;
    }
    return rc;
}

static int nginx_command(const struct role_engine *r, struct role_command *ret, struct err *e)
{
    _cleanup_free_ char *stale = str_printf("%s/status.sock", r->run_dir);
    (void)unlink(stale); /* left by one that was killed: nginx would not start */
    *ret = (struct role_command){0};
    ret->text[0] = str_printf("%s/nginx.conf", r->run_dir);
    const char *const argv[] = {"nginx", "-c", ret->text[0]};
    memcpy(ret->argv, argv, sizeof(argv));
    snprintf(ret->log, sizeof(ret->log), "%.50s-error.log", r->name);
    return 0;
}

static int nginx_reload(struct role_engine *r, struct err *e)
{
    return kill(r->pid, SIGHUP) == 0 ? 0 : err_set(e, ERR_FAILED, "cannot tell nginx to reload");
}

static int nginx_status(struct role_engine *r, struct buf *out, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/status.sock", r->run_dir);
    struct local_addr a = {.path = path};
    int rc = local_ask(&a, "GET /status HTTP/1.0\r\n\r\n", 4096, 1000, out, e);
    buf_adds(out, "");
    if (rc == 0 && !strstr(out->data, "Writing:")) {
        return err_set(e, ERR_FAILED, "nginx gives no status");
    }
    return rc < 0 ? err_wrap(e, rc, "nginx") : 0;
}

static int nginx_check(struct role_engine *r, struct err *e)
{
    _cleanup_buf_ struct buf out = {0};
    return nginx_status(r, &out, e);
}

static long nginx_number(const char *text, const char *label)
{
    const char *p = strstr(text, label);
    return p ? strtol(p + strlen(label), NULL, 10) : 0;
}

/* Requests under way without our own; connections that wait for the next request do not count. */
static int nginx_busy(struct role_engine *r)
{
    _cleanup_buf_ struct buf out = {0};
    if (nginx_status(r, &out, NULL) < 0) {
        return 0;
    }
    long n = nginx_number(out.data, "Reading:") + nginx_number(out.data, "Writing:") - 1;
    return n > 0 ? (int)n : 0;
}

static int nginx_metrics(struct role_engine *r, json_t *out)
{
    _cleanup_buf_ struct buf text = {0};
    int rc = nginx_status(r, &text, NULL);
    if (rc == 0) {
        json_object_set_new(out, "connections", json_integer(nginx_number(text.data, "Active connections:")));
        char *at = strstr(text.data, "requests\n"); /* then: accepted, handled, requests */
        if (at) {
            (void)strtoll(at + strlen("requests\n"), &at, 10);
            (void)strtoll(at, &at, 10);
            json_object_set_new(out, "requests", json_integer(strtoll(at, NULL, 10)));
        }
    }
    return rc;
}

static const char *const nginx_logs[] = {"-access.log", "-error.log", NULL};

const struct role_driver role_nginx = {
    .name = "nginx",
    .stop_signal = SIGQUIT,
    .stop_timeout_ms = 30000,
    .logs = nginx_logs,
    .reopen_signal = SIGUSR1,
    .configure = nginx_configure,
    .command = nginx_command,
    .reload = nginx_reload,
    .check = nginx_check,
    .busy = nginx_busy,
    .metrics = nginx_metrics,
};
