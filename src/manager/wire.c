#include "manager/wire.h"

#include "manager/references.h"
#include "service/links.h"

#include <string.h>

static const json_t *version_of(const struct managed *s, int64_t id)
{
    size_t i;
    json_t *v;
    json_array_foreach(s->versions, i, v)
    {
        if (json_int(v, "id", 0) == id) {
            return v;
        }
    }
    return NULL;
}

bool wire_ready(const struct managed *s, const struct doc *d, struct err *e)
{
    for (int i = 0; i < d->code.n; i++) {
        if (!version_of(s, d->code.id[i])) {
            err_set(e, ERR_NOT_FOUND, "the view lacks code version %lld", (long long)d->code.id[i]);
            return false;
        }
    }
    for (int64_t i = 0; i < d->volumes.n; i++) {
        if (!service_volume((struct service *)&s->view, d->volumes.id[i])) {
            err_set(e, ERR_NOT_FOUND, "the view lacks volume %lld", (long long)d->volumes.id[i]);
            return false;
        }
    }
    if (d->settings != 0 && !revision_find(s, d->settings)) {
        err_set(e, ERR_NOT_FOUND, "the view lacks settings revision %lld", (long long)d->settings);
        return false;
    }
    return true;
}

static json_t *artifacts(const struct managed *s, const struct doc *d)
{
    json_t *list = json_array();
    for (int i = 0; i < d->code.n; i++) {
        const json_t *v = version_of(s, d->code.id[i]);
        json_array_append_new(list, json_pack("{s:I, s:s, s:I, s:s}", "version", (json_int_t)d->code.id[i],
                                              "sha256", json_str(v, "sha256", ""), "size",
                                              (json_int_t)json_int(v, "size", 0), "format",
                                              json_str(v, "format", "tar")));
    }
    return list;
}

/* The operation that KIND#OPERATION stands for; NULL: it has ended meanwhile. */
static const struct op *op_of(const struct managed *s, const char *id)
{
    const char *hash = strchr(id, '#');
    int64_t op = 0;
    return hash && str_to_int(hash + 1, 1, INT64_MAX, &op) == 0 ? service_op((struct service *)&s->view, op)
                                                                : NULL;
}

/* How each is to be done stands in the type's table; with what, in its operation. One whose operation is over is
 * begun by nobody any more. */
static json_t *commands(const struct managed *s, const struct doc *d)
{
    json_t *list = json_array();
    for (int i = 0; i < d->n_cmds; i++) {
        const struct doc_cmd *x = &d->cmds[i];
        const struct command_def *def = service_type_command(s->view.type, x->kind);
        const struct op *o = op_of(s, x->id);
        if (def && (def->internal || o)) {
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s, s:s?, s:s, s:b}", "id", x->id, "kind", x->kind,
                                            "parameters", o ? o->parameters : "", "driver", def->driver,
                                            "rule", command_rule_to_str(def->rule), "again", def->again));
        }
    }
    return list;
}

static json_t *team_member(const struct section_in *in, int64_t id)
{
    const struct node *n = service_node((struct service *)in->service, id);
    if (!n || !n->address[0] || n->role < 0) {
        return NULL;
    }
    return json_pack("{s:I, s:s, s:s}", "id", (json_int_t)n->id, "ip", n->address, "role",
                     in->service->type->roles[n->role].name);
}

/* What scripts are told: who this node is, who else there is (the members, and itself), whose scripts run. */
static json_t *team(const struct section_in *in)
{
    const struct service *s = in->service;
    struct id_set ids = in->doc->members;
    json_t *agents = json_array(), *own = team_member(in, in->node->id);
    const struct node *master = service_node((struct service *)s, in->doc->master);
    if (ids.n < NODES_MAX) {
        set_add(&ids, in->node->id);
    }
    for (int64_t i = 0; i < ids.n; i++) {
        json_t *m = team_member(in, ids.id[i]);
        if (m) {
            json_array_append_new(agents, m);
        }
    }
    own = own ? own : json_object();
    json_object_set_new(own, "master", json_string(master ? master->address : ""));
    json_object_set_new(own, "version", json_integer(s->want.code));
    json_object_set_new(own, "agents", agents);
    return own;
}

static json_t *roles(const struct section_in *in, const json_t *references)
{
    const struct service_type *t = in->service->type;
    json_t *all = json_object();
    bool related = false;
    for (int r = 0; r < t->n_roles; r++) {
        if (!doc_has(in->doc, r)) {
            continue;
        }
        bool drain = in->doc->drain >> r & 1;
        json_t *engines = t->sections(in, r);
        if (!related && service_type_has(t, r, ROLE_USER_CODE)) { /* once a node */
            link_sections(references, engines);
            related = true;
        }
        json_object_set_new(all, t->roles[r].name,
                            json_pack("{s:b, s:o}", "drain", drain, "engines", engines));
    }
    return all;
}

/* What the processes of the service's own code and its scripts find in their environment. */
static json_t *environment(const json_t *revision, const json_t *references)
{
    json_t *env = json_object();
    json_object_update(env, json_object_get(revision, "env"));
    json_object_update(env, json_object_get(revision, "secrets"));
    link_variables(references, env);
    return env;
}

/* Where the agent finds each volume, and what it is for: the data of an engine, or a directory of /media. */
static json_t *volumes(const struct managed *s, const struct doc *d)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < d->volumes.n; i++) {
        const struct volume *v = service_volume((struct service *)&s->view, d->volumes.id[i]);
        if (v) {
            json_array_append_new(list, json_pack("{s:I, s:s}", "id", (json_int_t)v->id,
                                                  v->data ? "engine" : "media", v->name));
        }
    }
    return list;
}

int wire_document(const struct managed *s, int64_t node, const struct doc *d, int64_t epoch, int64_t seq,
                  json_t **ret, struct err *e)
{
    _cleanup_json_ json_t *values = NULL;
    const json_t *revision = revision_find(s, d->settings), *references = references_of(s, d->settings);
    int r = service_type_settings(s->view.type, NULL, json_object_get(revision, "values"), &values, e);
    if (r < 0) {
        return r;
    }
    struct section_in in = {.service = &s->view,
                            .node = service_node((struct service *)&s->view, node),
                            .doc = d,
                            .settings = values,
                            .secrets = json_object_get(revision, "own")};
    if (!in.node) {
        return err_set(e, ERR_NOT_FOUND, "the view lacks node %lld", (long long)node);
    }
    json_t *probe = d->probe_version == 0 ? json_null()
                                          : json_pack("{s:I, s:I}", "version", (json_int_t)d->probe_version,
                                                      "op", (json_int_t)d->probe_op);
    *ret = json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", (json_int_t)epoch, "seq",
                     (json_int_t)seq, "service", (json_int_t)s->id, "core", doc_to_json(d, s->view.type),
                     "roles", roles(&in, references), "artifacts", artifacts(s, d), "volumes", volumes(s, d),
                     "probe", probe, "cmds", commands(s, d), "allow", service_type_allow(&in));
    if (*ret && s->view.type->scripts && d->roles != 0) {
        json_object_set_new(*ret, "team", team(&in));
    }
    if (*ret && d->roles != 0) {
        json_object_set_new(*ret, "env", environment(revision, references));
    }
    return *ret
               ? 0
               : err_set(e, ERR_INTERNAL, "node %lld: a section of its document is no JSON", (long long)node);
}
