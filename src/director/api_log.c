/*
 * Logs: the manager's lines as they were reported, or a node's own, asked through its manager.
 */
#include "base/fs.h"
#include "director/api.h"
#include "director/questions.h"

#define TAIL_MAX (2 << 20)

static json_t *answer(const char *name, json_t *names, const char *text)
{
    json_t *t = json_string(text ? text : "");
    return json_pack("{s:s, s:o, s:o}", "name", name, "names", names, "text", t ? t : json_string(""));
}

static int manager_log(struct api_call *c, struct err *e)
{
    const char *name = api_text(c, "name");
    if (name && !str_eq(name, "manager.log")) {
        return err_set_hint(e, ERR_INVALID, "name a node with --node",
                            "the manager's log is called manager.log");
    }
    _cleanup_free_ char *path = questions_log_path(c->d, call_match_id(&c->match, "service"));
    _cleanup_buf_ struct buf text = {0};
    if (fs_exists(path)) {
        int rc = fs_tail(path, (int)api_int(c, "lines"), TAIL_MAX, &text, e);
        if (rc < 0) {
            return rc;
        }
    }
    return api_reply(c, answer("manager.log", json_pack("[s]", "manager.log"), text.data));
}

static bool has_name(const json_t *names, const char *name)
{
    size_t i;
    json_t *n;
    json_array_foreach(names, i, n)
    {
        if (str_eq(json_string_value(n), name)) {
            return true;
        }
    }
    return false;
}

static char *joined(const json_t *names)
{
    struct buf b = {0};
    size_t i;
    json_t *n;
    json_array_foreach(names, i, n)
    {
        buf_addf(&b, "%s%s", b.len ? ", " : "", json_string_value(n));
    }
    return buf_take(&b);
}

static int node_log(struct api_call *c, int64_t node, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_json_ json_t *object = NULL;
    struct slot_service *v = NULL;
    const char *name = api_text(c, "name") ? api_text(c, "name") : "agent.log";
    int rc = api_service(c, &s, &v, e);
    if (rc < 0) {
        return rc;
    }
    const struct node *n = service_node(&v->row.service, node);
    if (!n && (n = app_node(&s->row.app, node))) {
        v = NULL; /* the manager's own node */
    }
    if (!n) {
        return err_set(e, ERR_NOT_FOUND, "there is no node %lld in this service", (long long)node);
    }
    object = object_node(c->d, s, v, n);
    json_t *names = json_object_get(object, "logs");
    if (!has_name(names, name)) {
        _cleanup_free_ char *known = joined(names);
        return err_set(e, ERR_INVALID, "there is no log %s; there are %s", name, known);
    }
    struct question q = {.node = node, .lines = api_int(c, "lines")};
    (void)str_copy(q.kind, sizeof(q.kind), "log");
    (void)str_copy(q.name, sizeof(q.name), name);
    if ((rc = questions_ask(c->d, s, &q, c->req, e)) < 0) {
        return rc;
    }
    rc = api_reply(c, answer(name, json_incref(names), q.text));
    free(q.text);
    return rc;
}

static int log_show(struct api_call *c, struct err *e)
{
    int64_t node = api_int(c, "node");
    return node ? node_log(c, node, e) : manager_log(c, e);
}

const struct api_row api_log_rows[] = {{"log.show", log_show}, {0}};
