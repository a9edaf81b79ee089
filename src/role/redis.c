/*
 * Driver "redis".
 */
#include "role/redis.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>

#include "base/fs.h"
#include "role/quote.h"
#include "role/resp.h"
#include "role/section.h"

#define REDIS_USER "redis"

struct redis_want {
    const char *engine, *name, *bind, *password, *primary;
    int64_t port, primary_port, memory;
    bool is_primary;
};
#define REDIS(n, k, member, need, lo, hi)                                                                    \
    {                                                                                                        \
        .name = (n), .kind = (k), .offset = offsetof(struct redis_want, member), .required = (need),         \
        .min = (lo), .max = (hi)                                                                             \
    }
static const struct json_field redis_fields[] = {
    REDIS("engine", JSON_F_STRING, engine, true, 0, 0),
    REDIS("name", JSON_F_STRING, name, true, 0, 63),
    REDIS("bind", JSON_F_STRING, bind, false, 0, 15),
    REDIS("port", JSON_F_INT, port, true, 1, 65535),
    REDIS("password", JSON_F_STRING, password, true, 1, 256),
    REDIS("is_primary", JSON_F_BOOL, is_primary, true, 0, 0),
    REDIS("primary", JSON_F_STRING, primary, false, 0, 15),
    REDIS("primary_port", JSON_F_INT, primary_port, false, 1, 65535),
    REDIS("max_memory_mb", JSON_F_INT, memory, false, 1, 1048576),
    {0},
};

static int redis_read(const json_t *section, struct redis_want *ret, struct err *e)
{
    struct redis_want w = {.bind = "0.0.0.0", .primary = "", .memory = 64};
    int r = json_read(section, redis_fields, &w, e);
    if (r < 0) {
        return err_wrap(e, r, "redis");
    }
    if (!section_is_ipv4(w.bind) || (w.primary[0] && !section_is_ipv4(w.primary))) {
        return err_set(e, ERR_INVALID, "redis: bind and primary are IPv4 addresses");
    }
    w.primary_port = w.primary_port ? w.primary_port : w.port;
    *ret = w;
    return 0;
}

/* Whom it follows: nothing for the primary; while nobody is chosen, an address where nobody is. */
static void redis_follows(const struct redis_want *w, char address[16], char port[8])
{
    bool chosen = w->primary && w->primary[0];
    (void)str_copy(address, 16, w->is_primary ? "NO" : chosen ? w->primary : "127.0.0.1");
    if (w->is_primary) {
        (void)str_copy(port, 8, "ONE");
    } else {
        snprintf(port, 8, "%d", chosen ? (int)w->primary_port : 1);
    }
}

static int redis_text(const struct role_engine *r, const struct redis_want *w, struct buf *b, struct err *e)
{
    if (!quote_is_plain(r->run_dir) || !quote_is_plain(r->data_dir)) {
        return err_set(e, ERR_INTERNAL, "a directory of redis is no plain word");
    }
    buf_addf(
        b,
        "# Written by conpaas-agent; changes are lost.\nbind %s\nport %lld\nprotected-mode no\n"
        "unixsocket %s/redis.sock\nunixsocketperm 700\ndir %s\n"
        "daemonize no\nsupervised no\nlogfile \"\"\nsave \"\"\nappendonly yes\nappendfsync everysec\n"
        "auto-aof-rewrite-min-size 16mb\nmaxmemory %lldmb\nmaxmemory-policy volatile-lru\n"
        "repl-diskless-sync yes\nrepl-diskless-sync-delay 0\nrepl-diskless-load disabled\nrepl-timeout 15\n"
        "repl-ping-replica-period 3\nreplica-read-only yes\ntimeout 0\ntcp-keepalive 30\n",
        w->bind, (long long)w->port, r->run_dir, r->data_dir, (long long)w->memory);
    buf_adds(b, "requirepass ");
    quote_redis(b, w->password);
    buf_adds(b, "\nmasterauth ");
    quote_redis(b, w->password);
    buf_addc(b, '\n');
    if (!w->is_primary) {
        char address[16], port[8];
        redis_follows(w, address, port);
        buf_addf(b, "replicaof %s %s\n", address, port);
    }
    return 0;
}

/* Config, socket and data belong to Redis' own user. */
static int redis_own(const char *path, struct err *e)
{
    struct passwd pw, *found = NULL;
    char room[4096];
    if (getpwnam_r(REDIS_USER, &pw, room, sizeof(room), &found) != 0 || !found) {
        return err_set(e, ERR_NOT_FOUND, "there is no user " REDIS_USER);
    }
    if (geteuid() == 0 && chown(path, pw.pw_uid, pw.pw_gid) != 0) {
        return err_errno(e, errno, "cannot give %s away", path);
    }
    return 0;
}

static void redis_where(const struct role_engine *r, char **ret_path, struct local_addr *ret)
{
    *ret_path = str_printf("%s/redis.sock", r->run_dir);
    *ret = (struct local_addr){.path = *ret_path};
}

static int redis_ask(const struct role_engine *r, const char *password, const struct resp_command *commands,
                     size_t n, struct buf *out, struct err *e)
{
    _cleanup_free_ char *path = NULL;
    struct local_addr where;
    redis_where(r, &path, &where);
    return resp_run(&where, password, commands, n, 1000, out, e);
}

/* Into the running server: password, memory, role. */
static int redis_go_live(struct role_engine *r, const struct redis_want *w, struct err *e)
{
    const char *old = json_str(r->section, "password", w->password);
    char address[16], port[8], memory[32];
    redis_follows(w, address, port);
    snprintf(memory, sizeof(memory), "%lldmb", (long long)w->memory);
    const struct resp_command commands[] = {
        {{"CONFIG", "SET", "masterauth", w->password}},
        {{"CONFIG", "SET", "maxmemory", memory}},
        {{"CONFIG", "SET", "requirepass", w->password}},
        {{"REPLICAOF", address, port}},
    };
    return redis_ask(r, old, commands, ARRAY_LEN(commands), NULL, e);
}

static int redis_configure(struct role_engine *r, const json_t *section, enum role_change *ret, struct err *e)
{
    struct redis_want w = {0};
    _cleanup_buf_ struct buf text = {0}, old = {0};
    _cleanup_free_ char *path = str_printf("%s/redis.conf", r->run_dir);
    int rc = redis_read(section, &w, e);
    rc = rc < 0 ? rc : redis_text(r, &w, &text, e);
    if (rc < 0) {
        return rc;
    }
    bool same = fs_read(path, 65536, &old, NULL) == 0 && str_eq(old.data, text.data);
    rc = same ? 0 : fs_write_atomic(path, text.data, text.len, 0600, e);
    rc = rc < 0 ? rc : redis_own(path, e);
    rc = rc < 0 ? rc : redis_own(r->run_dir, e);
    rc = rc < 0 ? rc : redis_own(r->data_dir, e);
    if (rc < 0) {
        return rc;
    }
    bool moved = r->section && (json_int(r->section, "port", 0) != w.port ||
                                !str_eq(json_str(r->section, "bind", "0.0.0.0"), w.bind));
    if (!r->pid || moved) {
        *ret = CHANGE_RESTART;
    } else if (same) {
        *ret = CHANGE_NONE;
    } else {
        *ret = redis_go_live(r, &w, NULL) == 0 ? CHANGE_LIVE : CHANGE_RESTART;
    }
    return 0;
}

static int redis_command(const struct role_engine *r, struct role_command *ret, struct err *e)
{
    *ret = (struct role_command){.user = REDIS_USER};
    ret->text[0] = str_printf("%s/redis.conf", r->run_dir);
    const char *const argv[] = {"redis-server", ret->text[0]};
    memcpy(ret->argv, argv, sizeof(argv));
    snprintf(ret->log, sizeof(ret->log), "%.50s.log", r->name);
    return 0;
}

static int redis_info(struct role_engine *r, const char *part, struct buf *out, struct err *e)
{
    const struct resp_command info = {{"INFO", part}};
    int rc = redis_ask(r, json_str(r->section, "password", NULL), &info, 1, out, e);
    return rc < 0 ? err_wrap(e, rc, "redis does not answer") : 0;
}

static int redis_check(struct role_engine *r, struct err *e)
{
    _cleanup_buf_ struct buf out = {0};
    int rc = redis_info(r, "persistence", &out, e);
    _cleanup_free_ char *loading = rc == 0 ? resp_info(out.data, "loading") : NULL;
    if (rc == 0 && str_eq(loading, "1")) {
        return err_set(e, ERR_UNAVAILABLE, "redis is loading its data");
    }
    return rc;
}

/* In step: the primary always, a replica while its link is up and its first copy is complete. */
static int redis_progress(struct role_engine *r, struct role_progress *ret)
{
    _cleanup_buf_ struct buf out = {0};
    int rc = redis_info(r, "replication", &out, NULL);
    if (rc < 0) {
        return rc;
    }
    _cleanup_free_ char *role = resp_info(out.data, "role"),
                        *link = resp_info(out.data, "master_link_status");
    _cleanup_free_ char *offset = resp_info(out.data, "master_repl_offset");
    ret->synced = str_eq(role, "master") || str_eq(link, "up");
    if (!offset || str_to_int(offset, 0, INT64_MAX, &ret->position) < 0) {
        ret->position = -1;
    }
    return 0;
}

static int redis_metrics(struct role_engine *r, json_t *out)
{
    static const char *const keys[] = {"connected_clients", "used_memory", "total_commands_processed",
                                       "connected_slaves"};
    _cleanup_buf_ struct buf text = {0};
    int rc = redis_info(r, "all", &text, NULL);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(keys); i++) {
        _cleanup_free_ char *v = resp_info(text.data, keys[i]);
        int64_t n;
        if (v && str_to_int(v, 0, INT64_MAX, &n) == 0) {
            json_object_set_new(out, keys[i], json_integer(n));
        }
    }
    return rc;
}

static const char *const redis_logs[] = {".log", NULL};

const struct role_driver role_redis = {
    .name = "redis",
    .stop_signal = SIGTERM,
    .stop_timeout_ms = 10000,
    .logs = redis_logs,
    .configure = redis_configure,
    .command = redis_command,
    .check = redis_check,
    .metrics = redis_metrics,
    .progress = redis_progress,
};
