/*
 * MySQL: MariaDB on every database node, one Galera cluster of them, HAProxy in front as balancer.
 *
 * Without a balancer of its own the first database node carries it, so that there is one address in any case.
 */
#include "service/mysql.h"

#include "service/settings.h"

enum { MYSQL, GLB, N_ROLES };

#define PORT_MYSQL 3306
#define PORT_GLB 3307

static const uint16_t cluster_ports[] = {4444, 4567, 4568, 0}; /* copies, group, what a member missed */
static const char *const mysql_logs[] = {"mysql.log", "mysql-slow.log", NULL};
static const char *const glb_logs[] = {"glb.log", NULL};

// clang-format off
#define VOLUME_SIZE "volume_size" /* of the director, not of MariaDB */
static const struct role_def roles[N_ROLES] = {
    [MYSQL] = {.name = "mysql", .title = "database",
               .flags = ROLE_PURPOSE | ROLE_TARGET | ROLE_STATEFUL | ROLE_BOOT | ROLE_OPEN, .min = 1, .start = 1,
               .max = 8, .with = -1, .port = PORT_MYSQL, .peer_ports = cluster_ports, .logs = mysql_logs,
               .volume = {.name = "mysql", .megabytes = 1024, .setting = VOLUME_SIZE}},
    [GLB] = {.name = "glb", .title = "load balancer", .flags = ROLE_PURPOSE | ROLE_PACKABLE | ROLE_ENTRY, .max = 4,
             .with = -1, .port = PORT_GLB, .logs = glb_logs},
};

static const struct setting_def settings[] = {
    {.name = "max_connections", .fallback = "100", .kind = SETTING_INT, .min = 10, .max = 2000,
     .help = "connections that a node accepts"},
    {.name = "innodb_buffer_pool_size", .fallback = "64M", .kind = SETTING_SIZE, .min = 16 << 20, .max = 64LL << 30,
     .help = "memory for data, at most 60 % of a node's"},
    {.name = "innodb_flush_log_at_trx_commit", .fallback = "1", .kind = SETTING_INT, .min = 0, .max = 2,
     .help = "1: each commit is on disk; 0, 2: within a second"},
    {.name = "innodb_lock_wait_timeout", .fallback = "50", .kind = SETTING_INT, .min = 1, .max = 3600,
     .help = "seconds that a statement waits for a row"},
    {.name = "max_allowed_packet", .fallback = "16M", .kind = SETTING_SIZE, .min = 1 << 20, .max = 1 << 30,
     .help = "longest statement or value"},
    {.name = "wait_timeout", .fallback = "28800", .kind = SETTING_INT, .min = 10, .max = 31536000,
     .help = "seconds until an idle connection is closed"},
    {.name = "slow_query_log", .fallback = "Off", .kind = SETTING_ON_OFF, .help = "slow statements go to mysql-slow.log"},
    {.name = "long_query_time", .fallback = "10", .kind = SETTING_INT, .max = 3600,
     .help = "seconds that make a statement slow"},
    {.name = "read_after_write", .fallback = "On", .kind = SETTING_ON_OFF,
     .help = "reads see what was written through other nodes before"},
    {.name = "sql_mode", .fallback = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION",
     .kind = SETTING_WORDS, .max = 400, .help = "MariaDB's sql_mode, by comma"},
    {.name = "character_set_server", .fallback = "utf8mb4", .kind = SETTING_WORDS, .min = 1, .max = 32,
     .help = "character set of new databases"},
    {.name = "collation_server", .fallback = "utf8mb4_general_ci", .kind = SETTING_WORDS, .min = 1, .max = 64,
     .help = "order of texts in new databases"},
    {.name = "performance_schema", .fallback = "Off", .kind = SETTING_ON_OFF,
     .help = "detailed figures; costs memory, restarts node by node"},
    {.name = VOLUME_SIZE, .fallback = "1024", .kind = SETTING_INT, .min = 256, .max = 1 << 20,
     .help = "MB of the volume of a node that is added from now on"},
    {.name = "cluster_cache_size", .fallback = "64M", .kind = SETTING_SIZE, .min = 16 << 20, .max = 8LL << 30,
     .help = "changes kept for members that come back; restarts node by node"},
};
// clang-format on

static const char *const secrets[] = {"mysqldb_password", NULL};
static const struct service_account accounts[] = {{"mysqldb", "mysqldb_password"}, {0}};

static const struct manifest_field manifest[] = {
    {"Password", "of the user mysqldb; null: asked for", MANIFEST_SECRET, "mysqldb_password"},
};

static const struct node *node_of(const struct section_in *in, int64_t id)
{
    for (int i = 0; i < in->service->n_nodes; i++) {
        if (in->service->nodes[i].id == id && in->service->nodes[i].address[0]) {
            return &in->service->nodes[i];
        }
    }
    return NULL;
}

static json_t *addresses(const struct section_in *in, const struct id_set *ids)
{
    json_t *a = json_array();
    for (int64_t i = 0; i < ids->n; i++) {
        const struct node *n = node_of(in, ids->id[i]);
        if (n) {
            json_array_append_new(a, json_string(n->address));
        }
    }
    return a;
}

static json_t *targets(const struct section_in *in)
{
    const struct id_set *ids = &in->doc->names[MYSQL];
    json_t *a = json_array();
    for (int64_t i = 0; i < ids->n; i++) {
        const struct node *n = node_of(in, ids->id[i]);
        if (n) {
            json_array_append_new(a, json_pack("{s:I, s:s, s:i}", "id", (json_int_t)n->id, "address",
                                               n->address, "port", PORT_MYSQL));
        }
    }
    return a;
}

static json_t *sections(const struct section_in *in, int role)
{
    static const char *const boots[] = {
        [BOOT_NONE] = "join", [BOOT_FIRST] = "first", [BOOT_RECOVER] = "recover", [BOOT_JOIN] = "join"};
    if (role == GLB) {
        return json_pack("[{s:s, s:s, s:s, s:s, s:i, s:o}]", "engine", "relay", "name", "glb", "mode", "tcp",
                         "bind", "0.0.0.0", "port", PORT_GLB, "targets", targets(in));
    }
    json_t *own = json_copy((json_t *)in->settings);
    json_object_del(own, VOLUME_SIZE);
    return json_pack("[{s:s, s:s, s:i, s:s, s:s, s:I, s:o, s:s, s:o}]", "engine", "mariadb", "name", "mysql",
                     "port", PORT_MYSQL, "address", in->node->address, "boot", boots[in->doc->boot_kind & 3],
                     "token", (json_int_t)in->doc->boot_token, "peers", addresses(in, &in->doc->peers),
                     "password", json_str(in->secrets, "mysqldb_password", ""), "settings", own);
}

static json_t *exports(const struct export_in *in)
{
    _cleanup_free_ char *port = str_printf("%d", in->port);
    return json_pack("{s:{s:s, s:s, s:s}, s:{s:s}, s:o}", "variables", "HOST", "127.0.0.1", "PORT", port,
                     "USER", "mysqldb", "secrets", "PASSWORD", json_str(in->secrets, "mysqldb_password", ""),
                     "targets", service_type_entries(in->service, PORT_GLB));
}

const struct service_type service_mysql = {
    .name = "mysql",
    .title = "MySQL database",
    .summary = "MariaDB, on one node or replicated on several that all read and write",
    .icon = "mysql",
    .scheme = "mysql",
    .roles = roles,
    .n_roles = N_ROLES,
    .host = MYSQL,
    .default_role = MYSQL,
    .settings = settings,
    .n_settings = (int)ARRAY_LEN(settings),
    .manifest = manifest,
    .n_manifest = (int)ARRAY_LEN(manifest),
    .secrets = secrets,
    .relay_port = PORT_MYSQL,
    .exports = exports,
    .accounts = accounts,
    .sections = sections,
};
