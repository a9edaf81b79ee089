/*
 * What all service types share: finding roles, checking counts, firewall lists.
 */
#include "service/service_type.h"

#include <string.h>

static const char *const command_rule_table[COMMAND_RULE_MAX] = {
    [COMMAND_BESIDE] = "beside",
    [COMMAND_ALONE] = "alone",
    [COMMAND_EXCLUSIVE] = "exclusive",
    [COMMAND_INTERRUPTS] = "interrupts",
};
STR_TABLE_DEFINE(command_rule, enum command_rule, COMMAND_RULE_MAX);

static const char *const manifest_kind_table[MANIFEST_KIND_MAX] = {
    [MANIFEST_CODE] = "code", [MANIFEST_SECRET] = "secret"};
STR_TABLE_DEFINE(manifest_kind, enum manifest_kind, MANIFEST_KIND_MAX);

const struct service_type *service_type_find(const char *name)
{
    for (size_t i = 0; service_types[i]; i++) {
        if (str_eq(service_types[i]->name, name)) {
            return service_types[i];
        }
    }
    return NULL;
}

// clang-format off
const struct command_def script_commands[SCRIPT_COMMANDS] = {
    {.name = "init", .title = "install the program", .internal = true, .rule = COMMAND_ALONE},
    {.name = "notify", .title = "tell it that nodes came or left", .internal = true},
    {.name = "run", .title = "start the program", .rule = COMMAND_EXCLUSIVE},
    {.name = "interrupt", .title = "stop the program", .rule = COMMAND_INTERRUPTS},
    {.name = "cleanup", .title = "remove what it left", .rule = COMMAND_EXCLUSIVE},
};
// clang-format on

const struct command_def *service_type_command(const struct service_type *t, const char *name)
{
    for (int i = 0; i < t->n_commands; i++) {
        if (str_eq(t->commands[i].name, name)) {
            return &t->commands[i];
        }
    }
    return NULL;
}

int service_type_role(const struct service_type *t, const char *role)
{
    for (int r = 0; r < t->n_roles; r++) {
        if (str_eq(t->roles[r].name, role)) {
            return r;
        }
    }
    return -1;
}

bool service_type_has(const struct service_type *t, int role, unsigned flag)
{
    return role >= 0 && role < t->n_roles && (t->roles[role].flags & flag) != 0;
}

bool service_type_has_volumes(const struct service_type *t)
{
    bool has = t->volumes;
    for (int r = 0; r < t->n_roles; r++) {
        has = has || t->roles[r].volume.name;
    }
    return has;
}

int64_t service_type_volume_mb(const struct service_type *t, int role, const json_t *settings)
{
    const struct role_volume *v = &t->roles[role].volume;
    int64_t n = 0; /* values of settings are text */
    bool set = v->setting && str_to_int(json_str(settings, v->setting, ""), 1, INT64_MAX, &n) == 0;
    return set ? n : v->megabytes;
}

int service_type_check_counts(const struct service_type *t, const int counts[ROLES_MAX], struct err *e)
{
    int total = 0;
    for (int r = 0; r < t->n_roles; r++) {
        const struct role_def *d = &t->roles[r];
        if (!(d->flags & ROLE_PURPOSE)) {
            if (counts[r] != 0) {
                return err_set(e, ERR_INVALID, "nodes of role %s can not be asked for", d->name);
            }
            continue;
        }
        if (counts[r] < d->min) {
            return err_set_hint(e, ERR_INVALID, d->min == 1 ? "at least one must remain" : NULL,
                                "not enough %s nodes left", d->name);
        }
        if (counts[r] > d->max) {
            return err_set(e, ERR_INVALID, "at most %d %s nodes", d->max, d->name);
        }
        total += counts[r];
    }
    /* half of the table is kept free: while nodes are replaced or moved, both old and new ones have a record */
    if (total > NODES_MAX / 2) {
        return err_set(e, ERR_INVALID, "at most %d nodes in one service", NODES_MAX / 2);
    }
    return t->check_counts ? t->check_counts(counts, e) : 0;
}

static const struct node *find_node(const struct service *s, int64_t id)
{
    for (int i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].id == id) {
            return &s->nodes[i];
        }
    }
    return NULL;
}

/* Addresses of those who may call `role` on this node. */
static json_t *allow_callers(const struct section_in *in, int role)
{
    struct id_set who = {0};
    json_t *from = json_array();
    if (in->service->type->peers) {
        in->service->type->peers(in, role, &who);
    } else {
        who = in->doc->callers;
    }
    for (int64_t i = 0; i < who.n; i++) {
        const struct node *n = find_node(in->service, who.id[i]);
        if (n && n->address[0]) {
            json_array_append_new(from, json_string(n->address));
        }
    }
    return from;
}

json_t *service_type_allow(const struct section_in *in)
{
    const struct service_type *t = in->service->type;
    json_t *list = json_array();
    for (int r = 0; r < t->n_roles; r++) {
        const struct role_def *d = &t->roles[r];
        if (!doc_has(in->doc, r) || d->port == 0) {
            continue;
        }
        _cleanup_json_ json_t *from = allow_callers(in, r);
        json_t *who = d->flags & (ROLE_ENTRY | ROLE_OPEN) ? json_null() : from;
        json_array_append_new(list, json_pack("{s:i, s:O}", "port", d->port, "from", who));
        for (const uint16_t *p = d->peer_ports; p && *p; p++) {
            json_array_append_new(list, json_pack("{s:i, s:O}", "port", *p, "from", from));
        }
    }
    if (t->allow && in->doc->roles != 0) {
        t->allow(in, list);
    }
    return list;
}
