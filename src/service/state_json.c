/*
 * The planner's view of a service in JSON (doc/PROTOCOL.md section 2).
 */
#include <string.h>

#include "service/service_json.h"

/* ---- out ---- */

static json_t *want_to_json(const struct want *w, const struct service_type *type)
{
    json_t *counts = json_object();
    for (int r = 0; r < type->n_roles; r++) {
        if (type->roles[r].flags & ROLE_PURPOSE) {
            json_object_set_new(counts, type->roles[r].name, json_integer(w->counts[r]));
        }
    }
    return json_pack("{s:s, s:o, s:I, s:I}", "run", run_to_str(w->run), "counts", counts, "code",
                     (json_int_t)w->code, "settings", (json_int_t)w->settings);
}

static json_t *op_to_json(const struct op *o, const struct service_type *type)
{
    json_t *j = json_pack("{s:I, s:s, s:s, s:o, s:I, s:I, s:s}", "id", (json_int_t)o->id, "facet",
                          facet_to_str(o->facet), "state", op_state_to_str(o->state), "value",
                          want_to_json(&o->value, type), "born", (json_int_t)o->born_ms, "progress",
                          (json_int_t)o->progress_ms, "why", o->why);
    if (o->facet == FACET_CMD) {
        json_object_set_new(j, "kind", json_string(o->kind));
        json_object_set_new(j, "parameters", json_string(o->parameters));
        json_object_set_new(j, "targets", set_to_json(&o->targets));
    }
    if (o->facet == FACET_VOLUME) {
        json_object_set_new(j, "kind", json_string(o->kind));
        json_object_set_new(j, "volume", json_integer(o->volume));
    }
    return j;
}

static json_t *node_to_json(const struct node *n, const struct service_type *type)
{
    const char *role = n->role >= 0 && n->role < type->n_roles ? type->roles[n->role].name : "manager";
    return json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:I}", "id", (json_int_t)n->id, "ord",
                     (json_int_t)n->ord, "slot", (json_int_t)n->slot, "role", role, "status",
                     node_status_to_str(n->status), "address", n->address, "created",
                     (json_int_t)n->created_ms, "up", (json_int_t)n->up_ms, "heard", (json_int_t)n->heard_ms);
}

static json_t *volume_to_json(const struct volume *v, const struct service_type *type)
{
    const char *role = v->role >= 0 ? type->roles[v->role].name : "";
    return json_pack("{s:I, s:s, s:I, s:b, s:s, s:I, s:I, s:s, s:b, s:b}", "id", (json_int_t)v->id, "name",
                     v->name, "megabytes", (json_int_t)v->megabytes, "data", v->data, "role", role, "slot",
                     (json_int_t)v->slot, "node", (json_int_t)v->node, "status",
                     volume_status_to_str(v->status), "doomed", v->doomed, "used", v->used);
}

json_t *fact_value_to_json(const struct fact_value *v)
{
    return json_pack("{s:I, s:I, s:I, s:o}", "state", (json_int_t)v->state, "node", (json_int_t)v->node,
                     "token", (json_int_t)v->token, "ids", set_to_json(&v->ids));
}

static json_t *facts_to_json(const struct service *s)
{
    json_t *o = json_object();
    for (int f = 0; f < FACT_MAX; f++) {
        json_object_set_new(o, fact_id_to_str((enum fact_id)f),
                            json_pack("{s:I, s:o}", "rev", (json_int_t)s->facts[f].rev, "value",
                                      fact_value_to_json(&s->facts[f].v)));
    }
    return o;
}

json_t *service_to_json(const struct service *s)
{
    json_t *ops = json_array(), *nodes = json_array(), *volumes = json_array();
    for (int i = 0; i < s->n_volumes; i++) {
        json_array_append_new(volumes, volume_to_json(&s->volumes[i], s->type));
    }
    for (int i = 0; i < s->n_ops; i++) {
        json_array_append_new(ops, op_to_json(&s->ops[i], s->type));
    }
    for (int i = 0; i < s->n_nodes; i++) {
        json_array_append_new(nodes, node_to_json(&s->nodes[i], s->type));
    }
    json_t *j = json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:I}", "id", (json_int_t)s->id, "app",
                          (json_int_t)s->app, "sid", (json_int_t)s->sid, "name", s->name, "type",
                          s->type->name, "state", service_state_to_str(s->state), "gen", (json_int_t)s->gen);
    json_object_set_new(j, "want", want_to_json(&s->want, s->type));
    json_object_set_new(j, "good", want_to_json(&s->good, s->type));
    json_object_set_new(j, "ops", ops);
    json_object_set_new(j, "nodes", nodes);
    json_object_set_new(j, "volumes", volumes);
    json_object_set_new(j, "nodes_rev", json_integer(s->nodes_rev));
    json_object_set_new(j, "facts", facts_to_json(s));
    json_object_set_new(j, "fails", json_integer(s->fails));
    json_object_set_new(j, "fail_why", json_string(s->fail_why));
    json_object_set_new(j, "create_after", json_integer(s->create_after_ms));
    json_object_set_new(j, "error", json_string(s->in_error ? s->error_why : ""));
    return j;
}

/* ---- in ---- */

static int word(const json_t *j, const char *key, int (*from_str)(const char *), int *ret, struct err *e)
{
    const char *s = json_str(j, key, "");
    int v = from_str(s);
    if (v < 0) {
        return err_set(e, ERR_INVALID, "\"%s\" can not be \"%.32s\"", key, s);
    }
    *ret = v;
    return 0;
}

static int want_from_json(const json_t *j, const struct service_type *type, struct want *ret, struct err *e)
{
    int run = 0;
    int rc = word(j, "run", run_from_str, &run, e);
    if (rc < 0) {
        return rc;
    }
    struct want w = {
        .run = (enum run)run, .code = json_int(j, "code", 0), .settings = json_int(j, "settings", 0)};
    const json_t *counts = json_object_get(j, "counts");
    for (int r = 0; r < type->n_roles; r++) {
        int64_t n = json_int(counts, type->roles[r].name, 0);
        if (n < 0 || n > NODES_MAX) {
            return err_set(e, ERR_INVALID, "count of %s out of range", type->roles[r].name);
        }
        w.counts[r] = (int)n;
    }
    *ret = w;
    return 0;
}

static int op_from_json(const json_t *j, const struct service_type *type, struct op *ret, struct err *e)
{
    int facet = 0, state = 0;
    int rc = word(j, "facet", facet_from_str, &facet, e);
    rc = rc < 0 ? rc : word(j, "state", op_state_from_str, &state, e);
    rc = rc < 0 ? rc : want_from_json(json_object_get(j, "value"), type, &ret->value, e);
    if (rc < 0) {
        return rc;
    }
    ret->id = json_int(j, "id", 0);
    ret->facet = (enum facet)facet;
    ret->state = (enum op_state)state;
    ret->born_ms = json_int(j, "born", 0);
    ret->progress_ms = json_int(j, "progress", 0);
    (void)str_copy(ret->why, sizeof ret->why, json_str(j, "why", ""));
    (void)str_copy(ret->kind, sizeof ret->kind, json_str(j, "kind", ""));
    if (!str_copy(ret->parameters, sizeof ret->parameters, json_str(j, "parameters", ""))) {
        return err_set(e, ERR_INVALID, "the parameters of operation %lld are too long", (long long)ret->id);
    }
    ret->volume = json_int(j, "volume", 0);
    const json_t *targets = json_object_get(j, "targets");
    return targets ? set_from_json(targets, &ret->targets, e) : 0;
}

static int node_from_json(const json_t *j, const struct service_type *type, struct node *ret, struct err *e)
{
    int status = 0;
    int rc = word(j, "status", node_status_from_str, &status, e);
    if (rc < 0) {
        return rc;
    }
    ret->id = json_int(j, "id", 0);
    ret->ord = json_int(j, "ord", 0);
    ret->slot = json_int(j, "slot", 0);
    ret->role = service_type_role(type, json_str(j, "role", ""));
    ret->status = (enum node_status)status;
    (void)str_copy(ret->address, sizeof ret->address, json_str(j, "address", ""));
    ret->created_ms = json_int(j, "created", 0);
    ret->up_ms = json_int(j, "up", 0);
    ret->heard_ms = json_int(j, "heard", 0);
    return ret->role >= 0
               ? 0
               : err_set(e, ERR_INVALID, "node %lld has no role of type %s", (long long)ret->id, type->name);
}

static int volume_from_json(const json_t *j, const struct service_type *type, struct volume *ret,
                            struct err *e)
{
    const char *role = json_str(j, "role", "");
    int status = 0;
    int rc = word(j, "status", volume_status_from_str, &status, e);
    if (rc < 0) {
        return rc;
    }
    ret->id = json_int(j, "id", 0);
    ret->megabytes = json_int(j, "megabytes", 0);
    ret->data = json_flag(j, "data", false);
    ret->doomed = json_flag(j, "doomed", false);
    ret->used = json_flag(j, "used", false);
    ret->role = role[0] ? service_type_role(type, role) : -1;
    ret->slot = json_int(j, "slot", 0);
    ret->node = json_int(j, "node", 0);
    ret->status = (enum volume_status)status;
    (void)str_copy(ret->name, sizeof ret->name, json_str(j, "name", ""));
    return !role[0] || ret->role >= 0 ? 0
                                      : err_set(e, ERR_INVALID, "volume %lld has no role of type %s",
                                                (long long)ret->id, type->name);
}

int fact_value_from_json(const json_t *j, struct fact_value *ret, struct err *e)
{
    struct fact_value v = {
        .state = json_int(j, "state", 0), .node = json_int(j, "node", 0), .token = json_int(j, "token", 0)};
    const json_t *ids = json_object_get(j, "ids");
    int rc = !json_is_object(j) ? err_set(e, ERR_INVALID, "the value of a fact is an object")
             : ids              ? set_from_json(ids, &v.ids, e)
                                : 0;
    if (rc >= 0) {
        *ret = v;
    }
    return rc;
}

static int facts_from_json(const json_t *j, struct service *s, struct err *e)
{
    for (int f = 0; f < FACT_MAX; f++) {
        const json_t *v = json_object_get(j, fact_id_to_str((enum fact_id)f));
        int rc = fact_value_from_json(json_object_get(v, "value"), &s->facts[f].v, e);
        if (rc < 0) {
            return rc;
        }
        s->facts[f].rev = json_int(v, "rev", 0);
    }
    return 0;
}

static int lists_from_json(const json_t *j, struct service *s, struct err *e)
{
    const json_t *ops = json_object_get(j, "ops"), *nodes = json_object_get(j, "nodes");
    const json_t *volumes = json_object_get(j, "volumes");
    if (json_array_size(ops) > OPS_MAX || json_array_size(nodes) > NODES_MAX ||
        json_array_size(volumes) > VOLUMES_MAX) {
        return err_set(e, ERR_INVALID, "too many operations, nodes or volumes");
    }
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < json_array_size(ops); i++) {
        rc = op_from_json(json_array_get(ops, i), s->type, &s->ops[s->n_ops++], e);
    }
    for (size_t i = 0; rc >= 0 && i < json_array_size(nodes); i++) {
        rc = node_from_json(json_array_get(nodes, i), s->type, &s->nodes[s->n_nodes++], e);
    }
    for (size_t i = 0; rc >= 0 && i < json_array_size(volumes); i++) {
        rc = volume_from_json(json_array_get(volumes, i), s->type, &s->volumes[s->n_volumes++], e);
    }
    return rc;
}

static int service_read(const json_t *j, struct service *s, struct err *e)
{
    s->type = service_type_find(json_str(j, "type", ""));
    if (!s->type) {
        return err_set(e, ERR_INVALID, "no service type \"%.32s\"", json_str(j, "type", ""));
    }
    int state = 0;
    int rc = word(j, "state", service_state_from_str, &state, e);
    rc = rc < 0 ? rc : want_from_json(json_object_get(j, "want"), s->type, &s->want, e);
    rc = rc < 0 ? rc : want_from_json(json_object_get(j, "good"), s->type, &s->good, e);
    rc = rc < 0 ? rc : facts_from_json(json_object_get(j, "facts"), s, e);
    rc = rc < 0 ? rc : lists_from_json(j, s, e);
    if (rc < 0) {
        return rc;
    }
    s->state = (enum service_state)state;
    s->id = json_int(j, "id", 0);
    s->app = json_int(j, "app", 0);
    s->sid = json_int(j, "sid", 0);
    s->gen = json_int(j, "gen", 0);
    s->nodes_rev = json_int(j, "nodes_rev", 0);
    s->fails = (int)json_int(j, "fails", 0);
    s->create_after_ms = json_int(j, "create_after", 0);
    (void)str_copy(s->name, sizeof s->name, json_str(j, "name", ""));
    (void)str_copy(s->fail_why, sizeof s->fail_why, json_str(j, "fail_why", ""));
    (void)str_copy(s->error_why, sizeof s->error_why, json_str(j, "error", ""));
    s->in_error = s->error_why[0] != '\0';
    return 0;
}

int service_from_json(const json_t *j, struct service *ret, struct err *e)
{
    struct service *s = xcalloc(1, sizeof *s);
    int rc = service_read(j, s, e);
    if (rc >= 0) {
        *ret = *s;
    }
    free(s);
    return rc < 0 ? err_wrap(e, rc, "service") : 0;
}
