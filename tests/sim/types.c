/*
 * Three service types that exist only here, so that the planner's contract stays general.
 */
#include "service/generic.h"
#include "service/java.h"
#include "service/mysql.h"
#include "service/php.h"
#include "sim.h"

// clang-format off
/* A replicated cluster that is bootstrapped once, with balancers in front. */
static const struct role_def quorum_roles[] = {
    {.name = "member", .title = "member", .flags = ROLE_PURPOSE | ROLE_TARGET | ROLE_STATEFUL | ROLE_BOOT, .min = 1,
     .start = 1, .max = 8, .with = -1, .port = 3306},
    {.name = "balancer", .title = "balancer", .flags = ROLE_PURPOSE | ROLE_PACKABLE | ROLE_ENTRY, .max = 4, .with = -1,
     .port = 3307},
};
/* Work that a driver does on one node, and the operation with it: its result counts. */
static const struct command_def quorum_commands[] = {
    {.name = "load", .title = "load data", .where = COMMAND_ON_ONE, .role = 0, .driver = "none",
     .rule = COMMAND_EXCLUSIVE, .lasts = true, .deadline_ms = 1200 * SECOND},
    {.name = "check", .title = "check data", .where = COMMAND_ON_ALL, .role = 0, .driver = "none",
     .rule = COMMAND_EXCLUSIVE, .lasts = true},
};
const struct service_type type_quorum = {
    .name = "quorum", .title = "Quorum", .roles = quorum_roles, .n_roles = 2, .host = 0, .default_role = 0,
    .commands = quorum_commands, .n_commands = 2};

/* A file system: one master, holders whose data has to move away before they go. */
static const struct role_def drain_roles[] = {
    {.name = "master", .title = "master", .flags = ROLE_PURPOSE | ROLE_UNIQUE | ROLE_STATEFUL, .min = 1, .start = 1,
     .max = 1, .with = -1, .port = 32636},
    {.name = "holder", .title = "holder", .flags = ROLE_PURPOSE | ROLE_STATEFUL | ROLE_HOLDS, .max = 6, .with = 0,
     .port = 32640},
};
const struct service_type type_drain = {
    .name = "drain", .title = "Drain", .roles = drain_roles, .n_roles = 2, .host = 0, .default_role = 1};

/* As quorum, with the data of each member on a volume of its own. */
static const struct role_def vault_roles[] = {
    {.name = "member", .title = "member", .flags = ROLE_PURPOSE | ROLE_TARGET | ROLE_STATEFUL | ROLE_BOOT, .min = 1,
     .start = 1, .max = 8, .with = -1, .port = 3306, .volume = {.name = "member", .megabytes = 1024}},
    {.name = "balancer", .title = "balancer", .flags = ROLE_PURPOSE | ROLE_PACKABLE | ROLE_ENTRY, .max = 4, .with = -1,
     .port = 3307},
};
const struct service_type type_vault = {
    .name = "vault", .title = "Vault", .roles = vault_roles, .n_roles = 2, .host = 0, .default_role = 0};

/* Nodes that run scripts, each at most once. */
static const struct role_def script_roles[] = {
    {.name = "master", .title = "master", .flags = ROLE_PURPOSE | ROLE_UNIQUE, .min = 1, .start = 1, .max = 1,
     .with = -1},
    {.name = "node", .title = "node", .flags = ROLE_PURPOSE, .max = 6, .with = -1},
};
const struct service_type type_script = {.name = "script", .title = "Script", .roles = script_roles, .n_roles = 2,
                                         .host = 0, .default_role = 1, .code = true, .volumes = true, .scripts = true,
                                         .commands = script_commands, .n_commands = SCRIPT_COMMANDS};
// clang-format on

const struct service_type *sim_type(const char *name)
{
    static const struct service_type *const all[] = {&service_php,     &service_java, &service_mysql,
                                                     &service_generic, &type_quorum,  &type_drain,
                                                     &type_script,     &type_vault};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (str_eq(all[i]->name, name)) {
            return all[i];
        }
    }
    return NULL;
}

int type_with(const struct service_type *t, unsigned flag)
{
    for (int r = 0; r < t->n_roles; r++) {
        if (t->roles[r].flags & flag) {
            return r;
        }
    }
    return -1;
}

int type_entry(const struct service_type *t)
{
    return type_with(t, ROLE_ENTRY);
}
