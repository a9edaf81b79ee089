/*
 * Reports in JSON (doc/PROTOCOL.md section 3).
 */
#include <string.h>

#include "service/service_json.h"

/* ---- out ---- */

static json_t *health_to_json(const struct report *r, const struct service_type *type)
{
    json_t *o = json_object();
    for (int k = 0; k < type->n_roles; k++) {
        if (r->health[k] != HEALTH_NONE) {
            json_t *h = json_pack("{s:s}", "state", health_to_str(r->health[k]));
            if (r->health_why[k][0]) {
                json_object_set_new(h, "why", json_string(r->health_why[k]));
            }
            json_object_set_new(o, type->roles[k].name, h);
        }
    }
    return o;
}

static json_t *probes_to_json(const struct report *r)
{
    json_t *a = json_array();
    for (int i = 0; i < r->n_probes; i++) {
        const struct probe_result *p = &r->probes[i];
        json_array_append_new(a, json_pack("{s:I, s:I, s:b, s:s}", "version", (json_int_t)p->version, "op",
                                           (json_int_t)p->op, "ok", p->ok, "evidence", p->evidence));
    }
    return a;
}

static json_t *results_to_json(const struct report *r)
{
    json_t *a = json_array();
    for (int i = 0; i < r->n_cmds; i++) {
        const struct cmd_result *c = &r->cmds[i];
        json_array_append_new(
            a, json_pack("{s:s, s:s, s:i}", "id", c->id, "state", cmd_state_to_str(c->state), "rc", c->rc));
    }
    return a;
}

static json_t *held_to_json(const struct report *r)
{
    json_t *a = json_array();
    for (int64_t i = 0; i < r->held.n; i++) {
        json_array_append_new(a, json_pack("[I, I]", (json_int_t)r->held.id[i], (json_int_t)r->held_n[i]));
    }
    return a;
}

json_t *report_to_json(const struct report *r, const struct service_type *type)
{
    json_t *o = json_pack("{s:I, s:I, s:I, s:{s:I, s:I}, s:b, s:i, s:I, s:I, s:b}", "boot",
                          (json_int_t)r->boot, "n", (json_int_t)r->n, "promised", (json_int_t)r->promised,
                          "done", "epoch", (json_int_t)r->done_epoch, "seq", (json_int_t)r->done_seq, "busy",
                          r->busy, "refusals", r->refusals, "position", (json_int_t)r->position, "token",
                          (json_int_t)r->token, "synced", r->synced);
    json_object_set_new(o, "applied", doc_to_json(&r->applied, type));
    if (r->refused.seq != 0) {
        json_object_set_new(o, "refused",
                            json_pack("{s:I, s:b, s:s, s:o}", "seq", (json_int_t)r->refused.seq, "own",
                                      r->refused.own, "why", r->refused.why, "content",
                                      doc_to_json(&r->refused.content, type)));
    }
    json_object_set_new(o, "health", health_to_json(r, type));
    json_object_set_new(o, "drained", roles_to_json(r->drained, type));
    json_object_set_new(o, "staged", set_to_json(&r->staged));
    json_object_set_new(o, "probes", probes_to_json(r));
    json_object_set_new(o, "cmds", results_to_json(r));
    json_object_set_new(o, "held", held_to_json(r));
    return o;
}

/* ---- in ---- */

struct report_text {
    int64_t boot, n, promised, refusals, position, token;
    bool busy, synced;
    json_t *done, *applied, *refused, *health, *drained, *staged, *probes, *cmds, *held, *metrics, *scripts;
};
#define INT(member)                                                                                          \
    {                                                                                                        \
        .name = #member, .kind = JSON_F_INT, .offset = offsetof(struct report_text, member)                  \
    }
#define PART(member, k, need)                                                                                \
    {                                                                                                        \
        .name = #member, .kind = (k), .offset = offsetof(struct report_text, member), .required = (need)     \
    }
static const struct json_field report_fields[] = {
    {.name = "boot", .kind = JSON_F_INT, .offset = offsetof(struct report_text, boot), .required = true},
    {.name = "n", .kind = JSON_F_INT, .offset = offsetof(struct report_text, n), .required = true},
    {.name = "promised",
     .kind = JSON_F_INT,
     .offset = offsetof(struct report_text, promised),
     .required = true},
    INT(refusals),
    INT(position),
    INT(token),
    PART(busy, JSON_F_BOOL, true),
    PART(synced, JSON_F_BOOL, false),
    PART(done, JSON_F_OBJECT, true),
    PART(applied, JSON_F_OBJECT, true),
    PART(refused, JSON_F_ANY, false),
    PART(health, JSON_F_OBJECT, false),
    PART(drained, JSON_F_ARRAY, false),
    PART(staged, JSON_F_ARRAY, false),
    PART(probes, JSON_F_ARRAY, false),
    PART(cmds, JSON_F_ARRAY, false),
    PART(held, JSON_F_ARRAY, false),
    PART(metrics, JSON_F_ANY, false),
    PART(scripts, JSON_F_ANY, false),
    {0},
};

static int refused_from_json(const json_t *j, const struct service_type *type, struct report *r,
                             struct err *e)
{
    struct refused_text {
        int64_t seq;
        bool own;
        const char *why;
        json_t *content;
    } t = {0};
    static const struct json_field fields[] = {
        {.name = "seq",
         .kind = JSON_F_INT,
         .offset = offsetof(struct refused_text, seq),
         .required = true,
         .min = 1,
         .max = INT64_MAX},
        {.name = "own", .kind = JSON_F_BOOL, .offset = offsetof(struct refused_text, own), .required = true},
        {.name = "why",
         .kind = JSON_F_STRING,
         .offset = offsetof(struct refused_text, why),
         .required = true},
        {.name = "content",
         .kind = JSON_F_OBJECT,
         .offset = offsetof(struct refused_text, content),
         .required = true},
        {0},
    };
    int rc = json_read(j, fields, &t, e);
    if (rc < 0) {
        return err_wrap(e, rc, "refused");
    }
    r->refused.seq = t.seq;
    r->refused.own = t.own;
    (void)str_copy(r->refused.why, sizeof r->refused.why, t.why); /* cut when longer: for people */
    return doc_from_json(t.content, type, &r->refused.content, e);
}

static int health_from_json(const json_t *j, const struct service_type *type, struct report *r, struct err *e)
{
    struct health_text {
        const char *state, *why;
    };
    static const struct json_field fields[] = {
        {.name = "state",
         .kind = JSON_F_STRING,
         .offset = offsetof(struct health_text, state),
         .required = true},
        {.name = "why", .kind = JSON_F_STRING, .offset = offsetof(struct health_text, why)},
        {0},
    };
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach((json_t *)j, key, v)
    {
        int role = service_type_role(type, key);
        if (role < 0) {
            continue; /* of an older version of the type */
        }
        struct health_text t = {.why = ""};
        int rc = json_read(v, fields, &t, e);
        int state = rc < 0 ? -1 : health_from_str(t.state);
        if (state < 0) {
            return rc < 0 ? rc : err_set(e, ERR_INVALID, "no health \"%.32s\"", t.state);
        }
        r->health[role] = (enum health)state;
        (void)str_copy(r->health_why[role], sizeof r->health_why[role], t.why);
    }
    return 0;
}

static int probes_from_json(const json_t *j, struct report *r, struct err *e)
{
    struct probe_text {
        int64_t version, op;
        bool ok;
        const char *evidence;
    };
    static const struct json_field fields[] = {
        {.name = "version",
         .kind = JSON_F_INT,
         .offset = offsetof(struct probe_text, version),
         .required = true},
        {.name = "op", .kind = JSON_F_INT, .offset = offsetof(struct probe_text, op), .required = true},
        {.name = "ok", .kind = JSON_F_BOOL, .offset = offsetof(struct probe_text, ok), .required = true},
        {.name = "evidence", .kind = JSON_F_STRING, .offset = offsetof(struct probe_text, evidence)},
        {0},
    };
    for (size_t i = 0; i < json_array_size(j) && i < PROBES_MAX; i++) {
        struct probe_text t = {.evidence = ""};
        int rc = json_read(json_array_get(j, i), fields, &t, e);
        if (rc < 0) {
            return rc;
        }
        struct probe_result *p = &r->probes[r->n_probes++];
        p->version = t.version;
        p->op = t.op;
        p->ok = t.ok;
        (void)str_copy(p->evidence, sizeof p->evidence, t.evidence);
    }
    return 0;
}

static int results_from_json(const json_t *j, struct report *r, struct err *e)
{
    struct result_text {
        const char *id, *state, *text;
        int64_t rc;
    };
    static const struct json_field fields[] = {
        {.name = "id",
         .kind = JSON_F_STRING,
         .offset = offsetof(struct result_text, id),
         .required = true,
         .max = 47},
        {.name = "state",
         .kind = JSON_F_STRING,
         .offset = offsetof(struct result_text, state),
         .required = true},
        {.name = "rc", .kind = JSON_F_INT, .offset = offsetof(struct result_text, rc), .min = -1, .max = 255},
        {.name = "text", .kind = JSON_F_STRING, .offset = offsetof(struct result_text, text)},
        {0},
    };
    if (json_array_size(j) > CMDS_MAX) {
        return err_set(e, ERR_INVALID, "at most %d results of commands", CMDS_MAX);
    }
    for (size_t i = 0; i < json_array_size(j); i++) {
        struct result_text t = {0};
        int rc = json_read(json_array_get(j, i), fields, &t, e);
        int state = rc < 0 ? -1 : cmd_state_from_str(t.state);
        if (state < 0) {
            return rc < 0 ? rc : err_set(e, ERR_INVALID, "no state of a command \"%.32s\"", t.state);
        }
        struct cmd_result *c = &r->cmds[r->n_cmds++];
        (void)str_copy(c->id, sizeof c->id, t.id);
        c->state = (enum cmd_state)state;
        c->rc = (int)t.rc;
        (void)str_copy(c->text, sizeof c->text, t.text ? t.text : "");
    }
    return 0;
}

static int held_from_json(const json_t *j, struct report *r, struct err *e)
{
    if (json_array_size(j) > NODES_MAX) {
        return err_set(e, ERR_INVALID, "at most %d nodes in \"held\"", NODES_MAX);
    }
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *v = json_array_get(j, i), *id = json_array_get(v, 0), *n = json_array_get(v, 1);
        if (json_array_size(v) != 2 || !json_is_integer(id) || !json_is_integer(n)) {
            return err_set(e, ERR_INVALID, "\"held\" is a list of [node, number]");
        }
        if (i > 0 && json_integer_value(id) <= r->held.id[i - 1]) {
            return err_set(e, ERR_INVALID, "\"held\" is in the order of the nodes");
        }
        r->held.id[i] = json_integer_value(id);
        r->held_n[i] = json_integer_value(n);
        r->held.n++;
    }
    return 0;
}

static int done_from_json(const json_t *j, struct report *r, struct err *e)
{
    static const struct json_field fields[] = {
        {.name = "epoch",
         .kind = JSON_F_INT,
         .offset = offsetof(struct report, done_epoch),
         .required = true},
        {.name = "seq", .kind = JSON_F_INT, .offset = offsetof(struct report, done_seq), .required = true},
        {0},
    };
    return json_read(j, fields, r, e);
}

int report_from_json(const json_t *j, const struct service_type *type, struct report *ret, struct err *e)
{
    struct report_text t = {.position = -1};
    int rc = json_read(j, report_fields, &t, e);
    if (rc < 0) {
        return rc;
    }
    struct report *r = xcalloc(1, sizeof *r);
    r->boot = t.boot;
    r->n = t.n;
    r->promised = t.promised;
    r->busy = t.busy;
    r->refusals = (int)t.refusals;
    r->position = t.position;
    r->token = t.token;
    r->synced = t.synced;
    rc = done_from_json(t.done, r, e);
    rc = rc < 0 ? rc : doc_from_json(t.applied, type, &r->applied, e);
    rc = rc < 0 || !t.refused || json_is_null(t.refused) ? rc : refused_from_json(t.refused, type, r, e);
    rc = rc < 0 || !t.health ? rc : health_from_json(t.health, type, r, e);
    rc = rc < 0 || !t.drained ? rc : roles_from_json(t.drained, type, true, &r->drained, e);
    rc = rc < 0 || !t.staged ? rc : set_from_json(t.staged, &r->staged, e);
    rc = rc < 0 || !t.probes ? rc : probes_from_json(t.probes, r, e);
    rc = rc < 0 || !t.cmds ? rc : results_from_json(t.cmds, r, e);
    rc = rc < 0 || !t.held ? rc : held_from_json(t.held, r, e);
    if (rc >= 0) {
        *ret = *r;
    }
    free(r);
    return rc < 0 ? err_wrap(e, rc, "report") : 0;
}
