/*
 * Environment variables of a service.
 */
#include "director/api.h"
#include "director/revision.h"

static json_t *variable(const char *name, const json_t *value, const char *origin)
{
    return json_pack("{s:s, s:O, s:s}", "name", name, "value", value, "origin", origin);
}

static int env_list(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_revision_ struct revision r = {0};
    struct slot_service *v = NULL;
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 || (rc = revision_load(c->d, &v->row.service, &r, e)) < 0) {
        return rc;
    }
    json_t *list = json_array(), *value;
    const char *name;
    json_object_foreach(r.env, name, value)
    {
        json_array_append_new(list, variable(name, value, "user"));
    }
    return api_reply_list(c, list);
}

static int set_variables(const struct api_call *c, struct revision *r, struct buf *title, struct err *e)
{
    const char *name;
    json_t *value;
    (void)e;
    buf_adds(title, "set");
    json_object_foreach(json_object_get(c->args, "variables"), name, value)
    {
        json_object_set(r->env, name, value);
        buf_addf(title, "%s %s", title->len > 3 ? "," : "", name);
    }
    return 0;
}

static int unset_variables(const struct api_call *c, struct revision *r, struct buf *title, struct err *e)
{
    size_t i;
    json_t *word;
    buf_adds(title, "unset");
    json_array_foreach(json_object_get(c->args, "names"), i, word)
    {
        const char *name = json_string_value(word);
        if (!json_object_get(r->env, name)) {
            return err_set_hint(e, ERR_INVALID, "see `conpaas env list`", "there is no variable %s", name);
        }
        json_object_del(r->env, name);
        buf_addf(title, "%s %s", i ? "," : "", name);
    }
    return 0;
}

static int change_env(struct api_call *c,
                      int (*change)(const struct api_call *c, struct revision *r, struct buf *title,
                                    struct err *e),
                      struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_revision_ struct revision r = {0};
    _cleanup_buf_ struct buf title = {0};
    struct slot_service *v = NULL;
    struct change to = {.facet = FACET_SETTINGS};
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 || (rc = revision_load(c->d, &v->row.service, &r, e)) < 0 ||
        (rc = change(c, &r, &title, e)) < 0 || (rc = revision_check(&r, e)) < 0 ||
        (rc = txn_begin(c->d, s, v, &x, e)) < 0 || (rc = revision_save(x, &r, &to.value.settings, e)) < 0) {
        return rc;
    }
    return api_accept(c, x, &to, title.data, e);
}

static int env_set(struct api_call *c, struct err *e)
{
    return change_env(c, set_variables, e);
}

static int env_unset(struct api_call *c, struct err *e)
{
    return change_env(c, unset_variables, e);
}

const struct api_row api_env_rows[] = {
    {"env.list", env_list}, {"env.set", env_set}, {"env.unset", env_unset}, {0}};
