#include "service/links.h"

#include <ctype.h>
#include <string.h>

int link_check_name(const char *name, struct err *e)
{
    size_t n = strlen(name);
    bool ok = n >= 1 && n <= LINK_NAME_MAX && name[0] >= 'A' && name[0] <= 'Z';
    for (size_t i = 0; ok && i < n; i++) {
        ok = (name[i] >= 'A' && name[i] <= 'Z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '_';
    }
    return ok ? 0
              : err_set_hint(e, ERR_INVALID,
                             "1 to 24 capital letters, digits and '_', beginning with a letter",
                             "not the name of a reference: \"%.64s\"", name);
}

const json_t *link_find(const json_t *links, const char *name)
{
    size_t i;
    json_t *l;
    json_array_foreach(links, i, l)
    {
        if (str_eq(json_str(l, "name", ""), name)) {
            return l;
        }
    }
    return NULL;
}

static bool has_port(const json_t *links, int port)
{
    size_t i;
    json_t *l;
    json_array_foreach(links, i, l)
    {
        if (json_int(l, "port", 0) == port) {
            return true;
        }
    }
    return false;
}

int link_port(const json_t *links, const struct service_type *type)
{
    int port = type->relay_port;
    while (port && has_port(links, port)) {
        port++;
    }
    return port;
}

/* {X: TEXT} -> {NAME_X: TEXT} */
static json_t *prefixed(const char *name, const json_t *variables)
{
    json_t *all = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)variables, key, value)
    {
        _cleanup_free_ char *full = str_printf("%s_%s", name, key);
        json_object_set(all, full, value);
    }
    return all;
}

/* A type without exports: where its nodes are, the one that leads them first. */
static json_t *addresses(const struct service *s)
{
    _cleanup_buf_ struct buf list = {0};
    int64_t master = s->facts[FACT_MASTER].v.node;
    const char *first = "";
    for (int i = 0; i < s->n_nodes; i++) {
        const struct node *n = &s->nodes[i];
        if (n->status == NODE_UP && n->address[0]) {
            first = n->id == master || !first[0] ? n->address : first;
            buf_addf(&list, "%s%s", list.len ? " " : "", n->address);
        }
    }
    return json_pack("{s:{s:s, s:s}}", "variables", "HOST", first, "ADDRESSES", list.len ? list.data : "");
}

json_t *link_resolve(const json_t *link, const struct service *service, const json_t *secrets)
{
    const char *name = json_str(link, "name", "");
    struct export_in in = {.service = service, .secrets = secrets, .port = (int)json_int(link, "port", 0)};
    _cleanup_json_ json_t *out = !service                 ? json_object()
                                 : service->type->exports ? service->type->exports(&in)
                                                          : addresses(service);
    json_t *r = json_pack("{s:s, s:i, s:o, s:o}", "name", name, "port", in.port, "variables",
                          prefixed(name, json_object_get(out, "variables")), "secrets",
                          prefixed(name, json_object_get(out, "secrets")));
    if (in.port) {
        json_t *targets = json_object_get(out, "targets");
        json_object_set_new(r, "targets", targets ? json_incref(targets) : json_array());
    }
    return r;
}

void link_variables(const json_t *resolved, json_t *env)
{
    size_t i;
    json_t *r;
    json_array_foreach(resolved, i, r)
    {
        json_object_update_missing(env, json_object_get(r, "variables"));
        json_object_update_missing(env, json_object_get(r, "secrets"));
    }
}

void link_sections(const json_t *resolved, json_t *sections)
{
    size_t i;
    json_t *r;
    json_array_foreach(resolved, i, r)
    {
        const json_t *targets = json_object_get(r, "targets");
        if (!targets) {
            continue;
        }
        _cleanup_free_ char *name = str_printf("link-%s", json_str(r, "name", ""));
        for (char *c = name; *c; c++) {
            *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
        }
        json_array_append_new(sections,
                              json_pack("{s:s, s:s, s:s, s:i, s:O}", "engine", "relay", "name", name, "mode",
                                        "tcp", "port", (int)json_int(r, "port", 0), "targets", targets));
    }
}

json_t *service_type_entries(const struct service *s, int port)
{
    const struct id_set *ids = &s->facts[FACT_ENTRIES].v.ids;
    json_t *a = json_array();
    for (int i = 0; i < s->n_nodes; i++) {
        const struct node *n = &s->nodes[i];
        if (set_has(ids, n->id) && n->address[0]) {
            json_array_append_new(a, json_pack("{s:I, s:s, s:i}", "id", (json_int_t)n->id, "address",
                                               n->address, "port", port));
        }
    }
    return a;
}
