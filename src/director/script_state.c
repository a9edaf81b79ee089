#include "director/script_state.h"

#include "base/clock.h"

#define STALE_MS 30000 /* reports come every five seconds */

static const json_t *scripts_of(const struct slot_service *v, int64_t node)
{
    const json_t *nodes = json_object_get(v->live.performance, "nodes");
    size_t i;
    json_t *n;
    json_array_foreach(nodes, i, n)
    {
        if (json_int(n, "node", 0) == node) {
            return json_object_get(n, "scripts");
        }
    }
    return NULL;
}

static void add_node(const struct service_type *t, const json_t *scripts, struct script_state *ret)
{
    int64_t run = json_int(json_object_get(scripts, "run"), "op", 0);
    for (int i = 0; i < t->n_commands; i++) {
        ret->running += str_eq(json_str(json_object_get(scripts, t->commands[i].name), "state", ""),
                               cmd_state_to_str(CMD_RUNNING));
    }
    ret->may_be_left = ret->may_be_left || run > json_int(json_object_get(scripts, "interrupt"), "op", 0);
}

void script_state(const struct slot_service *v, struct script_state *ret)
{
    const struct service *s = &v->row.service;
    *ret =
        (struct script_state){.known = clock_steady_ms() - v->live.at_ms <= STALE_MS, .at_ms = v->live.at_ms};
    for (int i = 0; i < s->n_nodes && ret->known; i++) {
        const json_t *scripts = scripts_of(v, s->nodes[i].id);
        if (scripts) {
            add_node(s->type, scripts, ret);
        } else if (s->nodes[i].status == NODE_UP) {
            ret->known = false;
        }
    }
}

static json_t *one(const struct service *s, const struct node *n, const char *kind, const json_t *script)
{
    bool begun = script != NULL, runs = str_eq(json_str(script, "state", ""), cmd_state_to_str(CMD_RUNNING));
    int code = (int)json_int(script, "rc", 0);
    _cleanup_free_ char *name = str_printf("%s.sh", kind);
    _cleanup_free_ char *status = !begun ? xstrdup("NEVER STARTED")
                                  : runs ? xstrdup("RUNNING")
                                         : str_printf("STOPPED (return code %d)", code);
    return json_pack("{s:I, s:s, s:b, s:s, s:s, s:o, s:s}", "node", (json_int_t)n->id, "role",
                     s->type->roles[n->role].name, "is_master", s->facts[FACT_MASTER].v.node == n->id,
                     "script", name, "state",
                     !begun ? "NONE"
                     : runs ? "RUNNING"
                            : "STOPPED",
                     "code", begun && !runs ? json_integer(code) : json_null(), "status", status);
}

json_t *script_list(const struct slot_service *v)
{
    const struct service *s = &v->row.service;
    json_t *list = json_array();
    for (int i = 0; i < s->n_nodes; i++) {
        for (int k = 0; k < s->type->n_commands && s->type->scripts && s->nodes[i].status == NODE_UP; k++) {
            const struct command_def *d = &s->type->commands[k];
            if (!d->driver) {
                json_array_append_new(list, one(s, &s->nodes[i], d->name,
                                                json_object_get(scripts_of(v, s->nodes[i].id), d->name)));
            }
        }
    }
    return list;
}
