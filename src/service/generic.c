/*
 * Any program: nodes without engines, on which the scripts of the code version run.  One node is the master, which
 * only means that all scripts know it.
 */
#include "service/generic.h"

#include "service/settings.h"

enum { MASTER, NODE, N_ROLES };

static const char *const logs[] = {"agent.out",          "agent.err",
                                   "script-init.log",    "script-notify.log",
                                   "script-run.log",     "script-interrupt.log",
                                   "script-cleanup.log", NULL};

// clang-format off
static const struct role_def roles[N_ROLES] = {
    [MASTER] = {.name = "master", .title = "master", .flags = ROLE_PURPOSE | ROLE_UNIQUE, .min = 1, .start = 1, .max = 1,
                .with = -1, .logs = logs},
    [NODE] = {.name = "node", .title = "node", .flags = ROLE_PURPOSE, .max = 16, .with = -1, .logs = logs},
};

static const struct setting_def settings[] = {
    {.name = "open_ports", .fallback = "", .kind = SETTING_PORTS, .max = 200,
     .help = "ports that everybody may reach; among themselves the nodes reach all"},
};
// clang-format on

static const struct manifest_field manifest[] = {
    {"Archive", "code that becomes the active version", MANIFEST_CODE, NULL},
};

static json_t *sections(const struct section_in *in, int role)
{
    (void)in;
    (void)role;
    return json_array();
}

static void allow(const struct section_in *in, json_t *list)
{
    struct setting_range ports[SETTING_PORTS_MAX];
    int n = setting_ports(json_str(in->settings, "open_ports", ""), ports, SETTING_PORTS_MAX);
    for (int i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:I, s:I, s:n}", "port", (json_int_t)ports[i].first, "last",
                                              (json_int_t)ports[i].last, "from"));
    }
    json_t *from = json_array();
    for (int64_t i = 0; i < in->doc->callers.n; i++) {
        const struct node *caller = service_node((struct service *)in->service, in->doc->callers.id[i]);
        if (caller && caller->address[0]) {
            json_array_append_new(from, json_string(caller->address));
        }
    }
    json_array_append_new(list, json_pack("{s:o}", "from", from));
}

const struct service_type service_generic = {
    .name = "generic",
    .title = "Generic service",
    .summary = "any program, installed and run by five scripts",
    .icon = "generic",
    .roles = roles,
    .n_roles = N_ROLES,
    .host = MASTER,
    .default_role = NODE,
    .code = true,
    .scripts = true,
    .commands = script_commands,
    .n_commands = SCRIPT_COMMANDS,
    .settings = settings,
    .n_settings = (int)ARRAY_LEN(settings),
    .default_code = generic_default_code,
    .n_default_code = GENERIC_DEFAULT_FILES,
    .manifest = manifest,
    .n_manifest = (int)ARRAY_LEN(manifest),
    .sections = sections,
    .allow = allow,
};
