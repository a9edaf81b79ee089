/*
 * Drivers "haproxy" and "relay".  Files first, then the running process: when anything of the latter fails,
 * the files are right and a reload makes it so.
 */
#include "role/haproxy.h"

#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "role/haproxy_config.h"
#include "role/paths.h"

#define RELOAD_AGAIN_MS 3000 /* longer than a reload takes */
#define START_MS 5000        /* until a fresh haproxy answers */

/* What the files, and with them the running process, say. */
struct haproxy_state {
    char *fixed;                      /* everything of haproxy.cfg but the servers */
    struct section_versions versions; /* in the map of paths */
    bool garbage;                     /* servers wait to be deleted */
    bool java;                        /* what the backends run */
};

static struct haproxy_state *state_of(struct role_engine *r)
{
    if (!r->state) {
        r->state = xcalloc(1, sizeof(struct haproxy_state));
    }
    return r->state;
}

static const struct haproxy_backend *haproxy_scripts(bool java)
{
    return java ? &haproxy_java : &haproxy_php;
}

static char *haproxy_path(const struct role_engine *r, const char *name)
{
    return str_printf("%s/%s", r->run_dir, name);
}

static int haproxy_write(const struct role_engine *r, const char *name, const struct buf *text, struct err *e)
{
    _cleanup_free_ char *path = haproxy_path(r, name);
    return fs_write_atomic(path, text->data ? text->data : "", text->len, 0600, e);
}

/* Writes haproxy.cfg; HAProxy itself looks at it first when more than servers has changed. */
static int haproxy_write_config(struct role_engine *r, const struct buf *text, bool check, struct err *e)
{
    _cleanup_free_ char *candidate = haproxy_path(r, "haproxy.cfg.new");
    int rc = check ? fs_write_atomic(candidate, text->data, text->len, 0600, e) : 0;
    if (rc == 0 && check) {
        const char *const argv[] = {"haproxy", "-c", "-f", candidate, NULL};
        rc = proc_run_ok(argv, 15000, e);
        (void)unlink(candidate);
        if (rc < 0) {
            return err_wrap(e, rc, "haproxy does not accept its configuration");
        }
    }
    return rc < 0 ? rc : haproxy_write(r, "haproxy.cfg", text, e);
}

static int haproxy_path_table(struct role_engine *r, const struct haproxy_want *w, struct buf *out,
                              struct err *e)
{
    for (int i = 0; i < w->versions.n; i++) {
        int rc = paths_add(out, w->java ? PATHS_JAVA : PATHS_PHP, r->code_dir, w->versions.at[i], e);
        if (rc < 0) {
            return rc;
        }
    }
    buf_adds(out, "");
    return 0;
}

static int haproxy_set_value(const char *socket, const char *map, const char *key, int64_t value,
                             struct err *e)
{
    _cleanup_free_ char *command = str_printf("set map %s %s %lld", map, key, (long long)value);
    return haproxy_do(socket, command, NULL, e);
}

/* New targets, then the end of those that are not named any more, and only then the version: whoever is still
 * named has both versions, whoever leaves may lack the new one. */
static int haproxy_go_live(struct role_engine *r, const struct haproxy_want *w, const struct buf *paths,
                           struct err *e)
{
    struct haproxy_state *s = state_of(r);
    _cleanup_free_ char *socket = haproxy_path(r, "admin.sock");
    _cleanup_free_ char *values = haproxy_path(r, "values.map"), *map = haproxy_path(r, "paths.map");
    int left = 0;
    int rc = paths ? haproxy_set_map(socket, map, paths->data, e) : 0;
    rc = rc < 0 ? rc : haproxy_sync_servers(socket, &haproxy_web, &w->web, &left, e);
    rc = rc < 0 ? rc : haproxy_sync_servers(socket, haproxy_scripts(w->java), &w->backend, &left, e);
    rc = rc < 0 ? rc : haproxy_set_value(socket, values, "timeout", w->request_timeout_s * 1000, e);
    rc = rc < 0 ? rc : haproxy_set_value(socket, values, "drain", w->drain, e);
    rc = rc < 0 ? rc : haproxy_set_value(socket, values, "front", w->front_controller, e);
    rc = rc < 0 ? rc : haproxy_set_value(socket, values, "files", w->files, e);
    rc = rc < 0 ? rc : haproxy_set_value(socket, values, "v", w->route, e);
    s->garbage = s->garbage || left > 0;
    return rc;
}

static int haproxy_write_maps(struct role_engine *r, const struct haproxy_want *w, const struct buf *paths,
                              struct err *e)
{
    _cleanup_buf_ struct buf values = {0};
    haproxy_config_values(w, &values);
    if (paths) {
        state_of(r)->versions.n = -1; /* until all files agree again */
    }
    int rc = paths ? haproxy_write(r, "paths.map", paths, e) : 0;
    return rc < 0 ? rc : haproxy_write(r, "values.map", &values, e);
}

static int haproxy_configure(struct role_engine *r, const json_t *section, enum role_change *ret,
                             struct err *e)
{
    struct haproxy_want w;
    struct haproxy_state *s = state_of(r);
    _cleanup_buf_ struct buf config = {0}, paths = {0};
    int rc = haproxy_want_read(section, &w, e);
    rc = rc < 0 ? rc : haproxy_config_fixed(r, &w, &config, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_free_ char *fixed = xstrdup(config.data);
    bool same = str_eq(fixed, s->fixed),
         same_paths = same && section_versions_equal(&s->versions, &w.versions);
    haproxy_config_servers(haproxy_scripts(w.java), &w.backend, &config);
    haproxy_config_servers(&haproxy_web, &w.web, &config);
    rc = same_paths ? 0 : haproxy_path_table(r, &w, &paths, e);
    rc = rc < 0 ? rc : haproxy_write_maps(r, &w, same_paths ? NULL : &paths, e);
    rc = rc < 0 ? rc : haproxy_write_config(r, &config, !same, e);
    if (rc < 0) {
        return rc;
    }
    if (!r->pid) {
        *ret = CHANGE_RESTART;
    } else if (same && haproxy_go_live(r, &w, same_paths ? NULL : &paths, NULL) == 0) {
        *ret = CHANGE_LIVE;
    } else {
        *ret = CHANGE_RELOAD;
    }
    free(s->fixed);
    s->fixed = TAKE_PTR(fixed);
    s->versions = w.versions;
    s->java = w.java;
    return 0;
}

static int haproxy_argv(const struct role_engine *r, struct role_command *ret)
{
    *ret = (struct role_command){0};
    ret->text[0] = haproxy_path(r, "haproxy.cfg");
    const char *const argv[] = {"haproxy", "-W", "-f", ret->text[0]};
    memcpy(ret->argv, argv, sizeof(argv));
    return 0;
}

static int haproxy_command(const struct role_engine *r, struct role_command *ret, struct err *e)
{
    (void)haproxy_argv(r, ret);
    snprintf(ret->log, sizeof(ret->log), "%.50s.log", r->name);
    snprintf(ret->error_log, sizeof(ret->error_log), "%.50s-error.log", r->name);
    return 0;
}

/* A master that is still starting has no socket yet, and would die of the signal. */
static int haproxy_wait_worker(const char *socket, int64_t *ret_pid, struct err *e)
{
    int rc = haproxy_worker(socket, ret_pid, e);
    for (int64_t end = clock_mono_ms() + START_MS; rc < 0 && clock_mono_ms() < end;) {
        struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
        nanosleep(&pause, NULL);
        rc = haproxy_worker(socket, ret_pid, e);
    }
    return rc;
}

/* The master starts a new worker that takes the sockets over; the old one ends with its last connection. */
static int haproxy_reload(struct role_engine *r, struct err *e)
{
    _cleanup_free_ char *socket = haproxy_path(r, "admin.sock");
    int64_t before = 0, now = 0;
    int rc = haproxy_wait_worker(socket, &before, e);
    if (rc < 0) {
        return rc;
    }
    int64_t told = 0;
    for (int64_t end = clock_mono_ms() + 15000; clock_mono_ms() < end;) {
        if (clock_mono_ms() - told >
            RELOAD_AGAIN_MS) { /* a master that is reloading already drops the signal */
            told = clock_mono_ms();
            if (kill(r->pid, SIGUSR2) != 0) {
                return err_errno(e, errno, "cannot tell haproxy to reload");
            }
        }
        if (haproxy_worker(socket, &now, NULL) == 0 && now != before) {
            return 0;
        }
        struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return err_set(e, ERR_TIMEOUT, "haproxy did not reload");
}

static int haproxy_check(struct role_engine *r, struct err *e)
{
    struct haproxy_state *s = state_of(r);
    _cleanup_free_ char *socket = haproxy_path(r, "admin.sock");
    int64_t pid = 0;
    int rc = haproxy_worker(socket, &pid, e);
    if (rc == 0 && s->garbage) {
        s->garbage = haproxy_sweep(socket, NULL) != 0;
    }
    return rc;
}

/* Requests under way; connections that only wait for the next request do not count. */
static int haproxy_busy(struct role_engine *r)
{
    _cleanup_free_ char *socket = haproxy_path(r, "admin.sock");
    _cleanup_buf_ struct buf csv = {0};
    if (haproxy_ask(socket, "show stat", &csv, NULL) < 0) {
        return 0;
    }
    int64_t web = haproxy_stat(csv.data, "web", "BACKEND", "scur");
    int64_t scripts = haproxy_stat(csv.data, haproxy_scripts(state_of(r)->java)->name, "BACKEND", "scur");
    return (int)((web > 0 ? web : 0) + (scripts > 0 ? scripts : 0));
}

static int haproxy_metrics(struct role_engine *r, json_t *out)
{
    static const struct {
        const char *name, *proxy, *server, *field; /* proxy NULL: that of the scripts */
    } wanted[] = {
        {"served", "entry", "FRONTEND", "req_tot"},    {"served_errors", "entry", "FRONTEND", "hrsp_5xx"},
        {"sessions", "entry", "FRONTEND", "scur"},     {"served_bytes", "entry", "FRONTEND", "bout"},
        {"web_requests", "web", "BACKEND", "stot"},    {"web_ms", "web", "BACKEND", "rtime"},
        {"backend_requests", NULL, "BACKEND", "stot"}, {"backend_ms", NULL, "BACKEND", "rtime"},
        {"backend_queue", NULL, "BACKEND", "qcur"},
    };
    _cleanup_free_ char *socket = haproxy_path(r, "admin.sock");
    _cleanup_buf_ struct buf csv = {0};
    struct err e = {0};
    int rc = haproxy_ask(socket, "show stat", &csv, &e);
    err_done(&e);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(wanted); i++) {
        const char *proxy = wanted[i].proxy ? wanted[i].proxy : haproxy_scripts(state_of(r)->java)->name;
        int64_t v = haproxy_stat(csv.data, proxy, wanted[i].server, wanted[i].field);
        if (v >= 0) {
            json_object_set_new(out, wanted[i].name, json_integer(v));
        }
    }
    double web = (double)json_int(out, "web_requests", 0), php = (double)json_int(out, "backend_requests", 0);
    double busy = web * (double)json_int(out, "web_ms", 0) + php * (double)json_int(out, "backend_ms", 0);
    json_object_set_new(out, "response_ms", json_real(web + php > 0 ? busy / (web + php) : 0));
    return rc;
}

static void haproxy_forget(struct role_engine *r)
{
    struct haproxy_state *s = r->state;
    if (s) {
        free(s->fixed);
        free(s);
        r->state = NULL;
    }
}

static const char *const haproxy_logs[] = {".log", "-error.log", NULL};

const struct role_driver role_haproxy = {
    .name = "haproxy",
    .stop_signal = SIGUSR1,
    .stop_timeout_ms = 60000,
    .logs = haproxy_logs,
    .configure = haproxy_configure,
    .command = haproxy_command,
    .reload = haproxy_reload,
    .check = haproxy_check,
    .busy = haproxy_busy,
    .metrics = haproxy_metrics,
    .forget = haproxy_forget,
};

/* ---- relay ---- */

static int relay_configure(struct role_engine *r, const json_t *section, enum role_change *ret, struct err *e)
{
    struct relay_want w;
    struct haproxy_state *s = state_of(r);
    _cleanup_buf_ struct buf config = {0};
    int rc = relay_want_read(section, &w, e);
    rc = rc < 0 ? rc : relay_config_fixed(r, &w, &config, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_free_ char *fixed = xstrdup(config.data), *socket = haproxy_path(r, "admin.sock");
    bool same = str_eq(fixed, s->fixed);
    const struct haproxy_backend *backend = w.tcp ? &haproxy_tcp : &haproxy_redis;
    haproxy_config_servers(backend, &w.targets, &config);
    rc = haproxy_write_config(r, &config, !same, e);
    if (rc < 0) {
        return rc;
    }
    int left = 0;
    if (!r->pid) {
        *ret = CHANGE_RESTART;
    } else if (same && haproxy_sync_servers(socket, backend, &w.targets, &left, NULL) == 0) {
        *ret = CHANGE_LIVE;
    } else {
        *ret = CHANGE_RELOAD;
    }
    s->garbage = s->garbage || left > 0;
    free(s->fixed);
    s->fixed = TAKE_PTR(fixed);
    return 0;
}

static int relay_command(const struct role_engine *r, struct role_command *ret, struct err *e)
{
    (void)haproxy_argv(r, ret);
    snprintf(ret->log, sizeof(ret->log), "%.50s.log", r->name);
    return 0;
}

/* A relay on the loopback is no entry point: nobody comes through it from outside. */
static bool relay_is_local(const struct role_engine *r)
{
    return str_eq(json_str(r->section, "bind", "127.0.0.1"), "127.0.0.1");
}

/* Connections that go through an entry point; one on the loopback has no clients that would be missed. */
static int relay_busy(struct role_engine *r)
{
    if (relay_is_local(r)) {
        return 0;
    }
    _cleanup_free_ char *socket = haproxy_path(r, "admin.sock");
    _cleanup_buf_ struct buf csv = {0};
    int64_t n = haproxy_ask(socket, "show stat", &csv, NULL) < 0
                    ? 0
                    : haproxy_stat(csv.data, "entry", "FRONTEND", "scur");
    return n > 0 ? (int)n : 0;
}

/* A connection counts as what was served: what goes through it, only its ends understand. */
static int relay_metrics(struct role_engine *r, json_t *out)
{
    static const char *const wanted[][2] = {
        {"sessions", "scur"}, {"served", "stot"}, {"served_bytes", "bout"}};
    size_t n = relay_is_local(r) ? 1 : ARRAY_LEN(wanted); /* what it serves is no visitor's */
    _cleanup_free_ char *socket = haproxy_path(r, "admin.sock");
    _cleanup_buf_ struct buf csv = {0};
    int rc = haproxy_ask(socket, "show stat", &csv, NULL);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        int64_t v = haproxy_stat(csv.data, "entry", "FRONTEND", wanted[i][1]);
        if (v >= 0) {
            json_object_set_new(out, wanted[i][0], json_integer(v));
        }
    }
    return rc;
}

static const char *const relay_logs[] = {".log", NULL};

const struct role_driver role_relay = {
    .name = "relay",
    .stop_signal = SIGUSR1,
    .stop_timeout_ms = 5000,
    .logs = relay_logs,
    .configure = relay_configure,
    .command = relay_command,
    .reload = haproxy_reload,
    .check = haproxy_check,
    .busy = relay_busy,
    .metrics = relay_metrics,
    .forget = haproxy_forget,
};
