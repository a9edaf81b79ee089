/*
 * Documents in JSON: roles as names, members that are zero left out.
 */
#include <string.h>

#include "service/service_json.h"

json_t *set_to_json(const struct id_set *s)
{
    json_t *a = json_array();
    for (int64_t i = 0; i < s->n; i++) {
        json_array_append_new(a, json_integer(s->id[i]));
    }
    return a;
}

int set_from_json(const json_t *j, struct id_set *ret, struct err *e)
{
    struct id_set s = {0};
    if (!json_is_array(j) || json_array_size(j) > NODES_MAX) {
        return err_set(e, ERR_INVALID, "a list of at most %d ids is expected", NODES_MAX);
    }
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *v = json_array_get(j, i);
        if (!json_is_integer(v)) {
            return err_set(e, ERR_INVALID, "a list of ids holds something that is no integer");
        }
        set_add(&s, json_integer_value(v));
    }
    *ret = s;
    return 0;
}

json_t *roles_to_json(uint64_t mask, const struct service_type *type)
{
    json_t *a = json_array();
    for (int r = 0; r < type->n_roles; r++) {
        if (mask >> r & 1) {
            json_array_append_new(a, json_string(type->roles[r].name));
        }
    }
    return a;
}

int roles_from_json(const json_t *j, const struct service_type *type, bool skip_unknown, uint64_t *ret,
                    struct err *e)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < json_array_size(j); i++) {
        const char *name = json_string_value(json_array_get(j, i));
        int r = name ? service_type_role(type, name) : -1;
        if (r >= 0) {
            mask |= 1ull << r;
        } else if (!skip_unknown || !name) {
            return err_set(e, ERR_INVALID, "no role \"%.32s\" of type %s", name ? name : "", type->name);
        }
    }
    *ret = mask;
    return 0;
}

static void put_int(json_t *o, const char *key, int64_t v)
{
    if (v != 0) {
        json_object_set_new(o, key, json_integer(v));
    }
}
static void put_set(json_t *o, const char *key, const struct id_set *s)
{
    if (s->n != 0) {
        json_object_set_new(o, key, set_to_json(s));
    }
}

/* The sets of a document that are not by role. */
static const struct {
    const char *key;
    size_t offset;
} doc_sets[] = {
    {"code", offsetof(struct doc, code)},       {"peers", offsetof(struct doc, peers)},
    {"holders", offsetof(struct doc, holders)}, {"draining", offsetof(struct doc, draining)},
    {"members", offsetof(struct doc, members)}, {"callers", offsetof(struct doc, callers)},
    {"volumes", offsetof(struct doc, volumes)},
};
static const struct {
    const char *key;
    size_t offset;
} doc_ints[] = {
    {"route", offsetof(struct doc, route)},         {"settings", offsetof(struct doc, settings)},
    {"refs", offsetof(struct doc, refs)},           {"probe_version", offsetof(struct doc, probe_version)},
    {"probe_op", offsetof(struct doc, probe_op)},   {"boot_token", offsetof(struct doc, boot_token)},
    {"boot_kind", offsetof(struct doc, boot_kind)}, {"primary", offsetof(struct doc, primary)},
    {"master", offsetof(struct doc, master)},       {"members_rev", offsetof(struct doc, members_rev)},
};

static json_t *names_to_json(const struct doc *d, const struct service_type *type)
{
    json_t *o = json_object();
    for (int r = 0; r < type->n_roles; r++) {
        put_set(o, type->roles[r].name, &d->names[r]);
    }
    return o;
}

static json_t *cmds_to_json(const struct doc *d)
{
    json_t *a = json_array();
    for (int64_t i = 0; i < d->n_cmds; i++) {
        json_array_append_new(a, json_pack("{s:s, s:s}", "id", d->cmds[i].id, "kind", d->cmds[i].kind));
    }
    return a;
}

json_t *doc_to_json(const struct doc *d, const struct service_type *type)
{
    json_t *o = json_object();
    json_object_set_new(o, "roles", roles_to_json(d->roles, type));
    if (d->drain) {
        json_object_set_new(o, "drain", roles_to_json(d->drain, type));
    }
    for (size_t i = 0; i < ARRAY_LEN(doc_ints); i++) {
        put_int(o, doc_ints[i].key, *(const int64_t *)((const char *)d + doc_ints[i].offset));
    }
    for (size_t i = 0; i < ARRAY_LEN(doc_sets); i++) {
        put_set(o, doc_sets[i].key,
                (const struct id_set *)(const void *)((const char *)d + doc_sets[i].offset));
    }
    json_t *names = names_to_json(d, type);
    if (json_object_size(names) > 0) {
        json_object_set(o, "names", names);
    }
    json_decref(names);
    if (d->n_cmds > 0) {
        json_object_set_new(o, "cmds", cmds_to_json(d));
    }
    return o;
}

static int names_from_json(const json_t *j, const struct service_type *type, struct doc *d, struct err *e)
{
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach((json_t *)j, key, v)
    {
        int r = service_type_role(type, key);
        if (r < 0) {
            return err_set(e, ERR_INVALID, "no role \"%.32s\" of type %s", key, type->name);
        }
        int rc = set_from_json(v, &d->names[r], e);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int cmds_from_json(const json_t *j, struct doc *d, struct err *e)
{
    struct cmd_text {
        const char *id, *kind;
    };
    static const struct json_field fields[] = {
        {.name = "id",
         .kind = JSON_F_STRING,
         .offset = offsetof(struct cmd_text, id),
         .required = true,
         .max = 47},
        {.name = "kind",
         .kind = JSON_F_STRING,
         .offset = offsetof(struct cmd_text, kind),
         .required = true,
         .max = 15},
        {0},
    };
    if (json_array_size(j) > CMDS_MAX) {
        return err_set(e, ERR_INVALID, "at most %d commands", CMDS_MAX);
    }
    for (size_t i = 0; i < json_array_size(j); i++) {
        struct cmd_text t = {0};
        int r = json_read(json_array_get(j, i), fields, &t, e);
        if (r < 0) {
            return r;
        }
        (void)str_copy(d->cmds[i].id, sizeof d->cmds[i].id, t.id);
        (void)str_copy(d->cmds[i].kind, sizeof d->cmds[i].kind, t.kind);
        d->n_cmds++;
    }
    return 0;
}

static int doc_member(const char *key, const json_t *v, const struct service_type *type, struct doc *d,
                      struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(doc_ints); i++) {
        if (str_eq(key, doc_ints[i].key) && json_is_integer(v)) {
            *(int64_t *)(void *)((char *)d + doc_ints[i].offset) = json_integer_value(v);
            return 0;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(doc_sets); i++) {
        if (str_eq(key, doc_sets[i].key)) {
            return set_from_json(v, (struct id_set *)(void *)((char *)d + doc_sets[i].offset), e);
        }
    }
    if (str_eq(key, "roles") && json_is_array(v)) {
        return roles_from_json(v, type, false, &d->roles, e);
    }
    if (str_eq(key, "drain") && json_is_array(v)) {
        return roles_from_json(v, type, false, &d->drain, e);
    }
    if (str_eq(key, "names") && json_is_object(v)) {
        return names_from_json(v, type, d, e);
    }
    if (str_eq(key, "cmds") && json_is_array(v)) {
        return cmds_from_json(v, d, e);
    }
    return err_set(e, ERR_INVALID, "member \"%.64s\" of a document is unknown or of the wrong kind", key);
}

int doc_from_json(const json_t *j, const struct service_type *type, struct doc *ret, struct err *e)
{
    struct doc d;
    memset(&d, 0, sizeof d);
    if (!json_is_object(j)) {
        return err_set(e, ERR_INVALID, "a document is an object");
    }
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach((json_t *)j, key, v)
    {
        int r = doc_member(key, v, type, &d, e);
        if (r < 0) {
            return r;
        }
    }
    *ret = d;
    return 0;
}
