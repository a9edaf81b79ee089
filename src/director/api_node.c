/*
 * Nodes: list, show, add, remove.
 */
#include "director/api.h"

static void add_service_nodes(struct api_call *c, json_t *list, struct slot *s, struct slot_service *v)
{
    for (int i = 0; i < v->row.service.n_nodes; i++) {
        json_array_append_new(list, object_node(c->d, s, v, &v->row.service.nodes[i]));
    }
}

static void add_app_nodes(struct api_call *c, json_t *list, struct slot *s)
{
    for (int i = 0; i < s->row.app.n_nodes; i++) {
        json_array_append_new(list, object_node(c->d, s, NULL, &s->row.app.nodes[i]));
    }
    for (int i = 0; i < s->n; i++) {
        add_service_nodes(c, list, s, s->services[i]);
    }
}

static int list_of_service(struct api_call *c, int64_t service, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = world_service(c->d->world, service, &s, &v, e);
    if (rc < 0) {
        return rc;
    }
    json_t *list = json_array();
    add_service_nodes(c, list, s, v);
    return api_reply_list(c, list);
}

static int node_list(struct api_call *c, struct err *e)
{
    int64_t app = api_int(c, "app");
    if (api_int(c, "service")) {
        return list_of_service(c, api_int(c, "service"), e);
    }
    size_t n = 0;
    struct slot **all = world_all(c->d->world, app || c->caller.user.admin ? 0 : c->caller.user.id, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        if (!all[i]->gone && (!app || all[i]->row.app.id == app)) {
            add_app_nodes(c, list, all[i]);
        }
        slot_put(all[i]);
    }
    free(all);
    return api_reply_list(c, list);
}

/* One that is there, or the record of one that was. */
static int node_show(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct node_row row;
    int64_t id = call_match_id(&c->match, "node");
    int rc = store_node(c->d->store, id, &row, e);
    if (rc < 0 || (rc = world_app(c->d->world, row.app, &s, e)) < 0) {
        return rc;
    }
    struct slot_service *v = row.service ? slot_service(s, row.service) : NULL;
    const struct node *n = v             ? service_node(&v->row.service, id)
                           : row.service ? NULL
                                         : app_node(&s->row.app, id);
    if (!n) {
        row.node.role = v ? service_type_role(v->row.service.type, row.role) : -1;
        n = &row.node;
    }
    json_t *o = object_node(c->d, s, v, n);
    if (row.service && !v) { /* of a service that is gone */
        json_object_set_new(o, "service", json_integer(row.service));
        json_object_set_new(o, "kind", json_string("agent"));
        json_object_set_new(o, "roles", json_pack("[s]", row.role));
    }
    return api_reply(c, o);
}

/* Role -> index; "count" is the default role. Only purposes can be asked for. */
static int role_index(const struct service_type *t, const char *role, struct err *e)
{
    int r = str_eq(role, "count") ? t->default_role : service_type_role(t, role);
    if (r >= 0 && t->roles[r].flags & ROLE_PURPOSE) {
        return r;
    }
    _cleanup_buf_ struct buf known = {0};
    for (int i = 0; i < t->n_roles; i++) {
        if (t->roles[i].flags & ROLE_PURPOSE) {
            buf_addf(&known, "%s%s", known.len ? ", " : "", t->roles[i].name);
        }
    }
    return err_set(e, ERR_INVALID, "%s has no role %s; there are %s", t->name, role, known.data);
}

static int change_counts(const struct service *v, const json_t *given, int sign, int counts[ROLES_MAX],
                         struct buf *title, struct err *e)
{
    const char *role;
    json_t *value;
    memcpy(counts, v->want.counts, sizeof(v->want.counts));
    buf_adds(title, sign > 0 ? "add" : "remove");
    const char *comma = "";
    json_object_foreach((json_t *)given, role, value)
    {
        int r = role_index(v->type, role, e);
        int n = (int)json_integer_value(value);
        if (r < 0) {
            return r;
        }
        const char *name = v->type->roles[r].name;
        if (sign < 0 && n > counts[r]) {
            return counts[r] == 0
                       ? err_set(e, ERR_INVALID, "%d %s nodes requested, there is none of its own to remove",
                                 n, name)
                       : err_set(e, ERR_INVALID, "%d %s nodes requested, only %d can be removed", n, name,
                                 counts[r]);
        }
        counts[r] += sign * n;
        buf_addf(title, "%s %d %s node%s", comma, n, name, n == 1 ? "" : "s");
        comma = ",";
    }
    return 0;
}

static int node_change(struct api_call *c, int sign, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_buf_ struct buf title = {0};
    struct slot_service *v = NULL;
    struct change change = {.facet = FACET_COUNTS};
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 ||
        (rc = change_counts(&v->row.service, json_object_get(c->args, "counts"), sign, change.value.counts,
                            &title, e)) < 0 ||
        (rc = txn_begin(c->d, s, v, &x, e)) < 0) {
        return rc;
    }
    return api_accept(c, x, &change, title.data, e);
}

static int node_add(struct api_call *c, struct err *e)
{
    return node_change(c, 1, e);
}

static int node_remove(struct api_call *c, struct err *e)
{
    return node_change(c, -1, e);
}

const struct api_row api_node_rows[] = {
    {"node.list", node_list},
    {"node.show", node_show},
    {"node.add", node_add},
    {"node.remove", node_remove},
    {0},
};
