/*
 * my.cnf.  All text in it is ours, or a number, a word or an address that was looked at here: nothing needs quotes.
 */
#include "role/mariadb_config.h"

#include "base/fs.h"
#include "role/quote.h"
#include "role/section.h"

enum kind { NUMBER, BYTES, ON_OFF, WORDS };
struct mariadb_setting {
    const char *name, *variable; /* of the service, of the server; variable NULL: the same */
    enum kind kind;
    bool live; /* changes without a restart */
};
static const struct mariadb_setting mariadb_settings[] = {
    {"max_connections", NULL, NUMBER, true},
    {"innodb_buffer_pool_size", NULL, BYTES, true},
    {"innodb_flush_log_at_trx_commit", NULL, NUMBER, true},
    {"innodb_lock_wait_timeout", NULL, NUMBER, true},
    {"max_allowed_packet", NULL, BYTES, true},
    {"wait_timeout", NULL, NUMBER, true},
    {"slow_query_log", NULL, ON_OFF, true},
    {"long_query_time", NULL, NUMBER, true},
    {"read_after_write", "wsrep_sync_wait", ON_OFF, true},
    {"sql_mode", NULL, WORDS, true},
    {"character_set_server", NULL, WORDS, true},
    {"collation_server", NULL, WORDS, true},
    {"performance_schema", NULL, ON_OFF, false},
    {"cluster_cache_size", "gcache.size", BYTES, false},
};

struct want_text {
    const char *engine, *name, *address, *bind, *boot, *password;
    int64_t port, token;
    json_t *peers, *settings;
};
#define MARIADB(n, k, member, need, lo, hi)                                                                  \
    {                                                                                                        \
        .name = (n), .kind = (k), .offset = offsetof(struct want_text, member), .required = (need),          \
        .min = (lo), .max = (hi)                                                                             \
    }
static const struct json_field mariadb_fields[] = {
    MARIADB("engine", JSON_F_STRING, engine, true, 0, 0),
    MARIADB("name", JSON_F_STRING, name, true, 0, 63),
    MARIADB("address", JSON_F_STRING, address, true, 0, 15),
    MARIADB("bind", JSON_F_STRING, bind, false, 0, 15),
    MARIADB("boot", JSON_F_STRING, boot, true, 0, 15),
    MARIADB("token", JSON_F_INT, token, true, 0, INT64_MAX),
    MARIADB("port", JSON_F_INT, port, true, 1, 65535),
    MARIADB("password", JSON_F_STRING, password, true, 1, 256),
    MARIADB("peers", JSON_F_ARRAY, peers, true, 0, 0),
    MARIADB("settings", JSON_F_OBJECT, settings, true, 0, 0),
    {0},
};

static int64_t bytes_of(const char *s)
{
    _cleanup_free_ char *digits = xstrdup(s);
    size_t n = strlen(digits);
    char unit = n ? (char)(digits[n - 1] & ~0x20) : '\0';
    int64_t factor = unit == 'K' ? 1 << 10 : unit == 'M' ? 1 << 20 : unit == 'G' ? 1 << 30 : 1, v = 0;
    if (factor > 1) {
        digits[n - 1] = '\0';
    }
    return str_to_int(digits, 0, INT64_MAX / factor, &v) < 0 ? -1 : v * factor;
}

static bool is_word_list(const char *s)
{
    for (; *s; s++) {
        if (!(*s >= 'a' && *s <= 'z') && !(*s >= 'A' && *s <= 'Z') && !(*s >= '0' && *s <= '9') &&
            *s != '_' && *s != ',') {
            return false;
        }
    }
    return true;
}

static bool setting_fits(const struct mariadb_setting *s, const char *v)
{
    int64_t n;
    switch (s->kind) {
    case NUMBER:
        return str_to_int(v, 0, INT64_MAX, &n) == 0;
    case BYTES:
        return bytes_of(v) >= 0;
    case ON_OFF:
        return str_eq(v, "On") || str_eq(v, "Off");
    default:
        return is_word_list(v);
    }
}

static const struct mariadb_setting *setting_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(mariadb_settings); i++) {
        if (str_eq(mariadb_settings[i].name, name)) {
            return &mariadb_settings[i];
        }
    }
    return NULL;
}

int64_t mariadb_memory(void)
{
    _cleanup_buf_ struct buf text = {0};
    int64_t n = 0;
    if (fs_read("/sys/fs/cgroup/memory.max", 64, &text, NULL) == 0 && text.data) {
        text.data[strcspn(text.data, "\n")] = '\0';
        if (str_to_int(text.data, 1, INT64_MAX, &n) < 0) {
            n = 0;
        }
    }
    return n;
}

static int settings_check(const json_t *settings, struct err *e)
{
    const char *name = NULL;
    json_t *v = NULL;
    json_object_foreach((json_t *)settings, name, v)
    {
        const struct mariadb_setting *s = setting_find(name);
        if (!s) {
            return err_set(e, ERR_INVALID, "settings: MariaDB has no setting \"%.64s\" here", name);
        }
        if (!json_is_string(v) || !setting_fits(s, json_string_value(v))) {
            return err_set(e, ERR_INVALID, "settings: the value of %s is of the wrong kind", name);
        }
    }
    int64_t pool = bytes_of(json_str(settings, "innodb_buffer_pool_size", "0")), memory = mariadb_memory();
    if (memory > 0 && pool > memory / 5 * 3) {
        return err_set(
            e, ERR_INVALID,
            "settings: innodb_buffer_pool_size: at most 60 %% of a node's memory, which is %lldM here",
            (long long)(memory >> 20));
    }
    return 0;
}

static int peers_read(const json_t *list, struct mariadb_want *w, struct err *e)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (w->n_peers == MARIADB_PEERS_MAX || !section_is_ipv4(s)) {
            return err_set(e, ERR_INVALID, "mariadb: peers are at most %d IPv4 addresses", MARIADB_PEERS_MAX);
        }
        w->peers[w->n_peers++] = s;
    }
    return 0;
}

static int boot_read(const char *s, enum mariadb_boot *ret, struct err *e)
{
    static const char *const words[] = {
        [MARIADB_JOIN] = "join", [MARIADB_FIRST] = "first", [MARIADB_RECOVER] = "recover"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(words[i], s)) {
            *ret = (enum mariadb_boot)i;
            return 0;
        }
    }
    return err_set(e, ERR_INVALID, "mariadb: no way to start \"%s\"", s);
}

int mariadb_want_read(const json_t *section, struct mariadb_want *ret, struct err *e)
{
    struct want_text t = {.bind = "0.0.0.0"};
    struct mariadb_want w = {0};
    int r = json_read(section, mariadb_fields, &t, e);
    r = r < 0 ? r : boot_read(t.boot, &w.boot, e);
    r = r < 0 ? r : peers_read(t.peers, &w, e);
    r = r < 0 ? r : settings_check(t.settings, e);
    if (r < 0) {
        return r;
    }
    if (!section_is_ipv4(t.address) || !section_is_ipv4(t.bind)) {
        return err_set(e, ERR_INVALID, "mariadb: address and bind are IPv4 addresses");
    }
    w.port = t.port;
    w.token = t.token;
    w.address = t.address;
    w.bind = t.bind;
    w.password = t.password;
    w.settings = t.settings;
    *ret = w;
    return 0;
}

/* ---- text ---- */

/* Threads come from a pool: connections do not cost the node processes, which are limited. */
static const char config_tuning[] =
    "skip_name_resolve = ON\n"
    "max_connect_errors = 4294967295\n" /* checks of balancers connect and go */
    "log_warnings = 1\n"
    "thread_handling = pool-of-threads\n"
    "thread_pool_max_threads = 100\n"
    "thread_cache_size = 4\n"
    "key_buffer_size = 4M\n"
    "aria_pagecache_buffer_size = 8M\n"
    "innodb_log_file_size = 48M\n"
    "innodb_log_buffer_size = 8M\n"
    "innodb_buffer_pool_dump_at_shutdown = OFF\n"
    "table_open_cache = 400\n"
    "local_infile = OFF\n"
    "log_output = FILE\n"
    "default_storage_engine = InnoDB\n"
    "binlog_format = ROW\n"
    "innodb_autoinc_lock_mode = 2\n"
    "wsrep_on = ON\n"
    "wsrep_provider = /usr/lib/galera/libgalera_smm.so\n"
    "wsrep_cluster_name = conpaas\n"
    "wsrep_slave_threads = 2\n"
    "wsrep_retry_autocommit = 4\n"
    "wsrep_sst_method = mariabackup\n"
    "wsrep_sst_auth = mysql:\n"; /* over the socket, as the system's user: no password */

/* A member that dies is given up after 5 s. After all have ended it is the planner that says who goes first (M5), not
 * whoever comes up. */
static const char config_provider[] =
    "evs.keepalive_period=PT1S;evs.inactive_check_period=PT0.5S;evs.suspect_timeout=PT5S;"
    "evs.inactive_timeout=PT10S;evs.install_timeout=PT10S;pc.recovery=false;pc.wait_prim_timeout=PT10S;"
    "gcache.recover=yes;";

static const char *value_of(const struct mariadb_want *w, const struct mariadb_setting *s)
{
    const char *v = json_str(w->settings, s->name, NULL);
    if (v && str_eq(s->variable, "wsrep_sync_wait")) {
        return str_eq(v, "On") ? "1" : "0";
    }
    return v;
}

int mariadb_config_fixed(const struct role_engine *r, const struct mariadb_want *w, struct buf *out,
                         struct err *e)
{
    const char *bad = !quote_is_plain(r->run_dir)    ? r->run_dir
                      : !quote_is_plain(r->data_dir) ? r->data_dir
                      : !quote_is_plain(r->log_dir)  ? r->log_dir
                                                     : NULL;
    if (bad) {
        return err_set(e, ERR_INTERNAL, "the directory \"%s\" is no plain word", bad);
    }
    buf_addf(out,
             "# Written by conpaas-agent; changes are lost.\n[mysqld]\ndatadir = %s/db\ntmpdir = %s/tmp\n"
             "socket = %s/mysql.sock\npid_file = %s/mysql.pid\nslow_query_log_file = %s/%s-slow.log\n"
             "port = %lld\nbind_address = %s\n",
             r->data_dir, r->data_dir, r->run_dir, r->run_dir, r->log_dir, r->name, (long long)w->port,
             w->bind);
    buf_adds(out, config_tuning);
    buf_addf(out, "performance_schema = %s\n", json_str(w->settings, "performance_schema", "Off"));
    buf_addf(out, "wsrep_node_address = %s\nwsrep_node_name = %s\n", w->address, w->address);
    buf_addf(out, "wsrep_provider_options = \"%sgcache.size=%s;gmcast.listen_addr=tcp://%s:4567\"\n",
             config_provider, json_str(w->settings, "cluster_cache_size", "64M"), w->bind);
    return 0;
}

void mariadb_config_live(const struct mariadb_want *w, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(mariadb_settings); i++) {
        const struct mariadb_setting *s = &mariadb_settings[i];
        const char *v = s->live ? value_of(w, s) : NULL;
        if (v) {
            buf_addf(out, "%s = %s\n", s->variable ? s->variable : s->name, v);
        }
    }
}

void mariadb_config_set(const struct mariadb_want *w, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(mariadb_settings); i++) {
        const struct mariadb_setting *s = &mariadb_settings[i];
        const char *v = s->live ? value_of(w, s) : NULL;
        const char *name = s->variable ? s->variable : s->name;
        if (v && s->kind == BYTES) {
            buf_addf(out, "SET GLOBAL %s = %lld\n", name, (long long)bytes_of(v));
        } else if (v && s->kind == WORDS) {
            buf_addf(out, "SET GLOBAL %s = '%s'\n", name, v);
        } else if (v) {
            buf_addf(out, "SET GLOBAL %s = %s\n", name, v);
        }
    }
}

void mariadb_config_peers(const struct mariadb_want *w, struct buf *out)
{
    buf_adds(out, "wsrep_cluster_address = gcomm://");
    for (int i = 0; i < w->n_peers; i++) {
        buf_addf(out, "%s%s", i ? "," : "", w->peers[i]);
    }
    buf_addc(out, '\n');
}
