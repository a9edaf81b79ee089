/*
 * Environment variables of a service, and those of them that are secrets.
 */
#include "director/api.h"
#include "director/revision.h"
#include "model/names.h"

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
    json_object_foreach(r.secrets, name, value)
    {
        _cleanup_json_ json_t *hidden = json_null();
        json_array_append_new(list, variable(name, hidden, "secret"));
    }
    return api_reply_list(c, list);
}

static int set_variables(struct api_call *c, struct txn *x, struct revision *r, struct buf *title,
                         struct err *e)
{
    const char *name;
    json_t *value;
    (void)x;
    buf_adds(title, "set");
    json_object_foreach(json_object_get(c->args, "variables"), name, value)
    {
        if (json_object_get(r->secrets, name)) {
            return err_set_hint(e, ERR_INVALID, "give it another value with `conpaas secret set`",
                                "%s is a secret", name);
        }
        json_object_set(r->env, name, value);
        buf_addf(title, "%s %s", title->len > 3 ? "," : "", name);
    }
    return 0;
}

static int unset_variables(struct api_call *c, struct txn *x, struct revision *r, struct buf *title,
                           struct err *e)
{
    (void)x;
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

typedef int (*env_change)(struct api_call *c, struct txn *x, struct revision *r, struct buf *title,
                          struct err *e);

static int change_env(struct api_call *c, env_change change, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_revision_ struct revision r = {0};
    _cleanup_buf_ struct buf title = {0};
    struct slot_service *v = NULL;
    struct change to = {.facet = FACET_SETTINGS};
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 || (rc = revision_load(c->d, &v->row.service, &r, e)) < 0 ||
        (rc = txn_begin(c->d, s, v, &x, e)) < 0 || (rc = change(c, x, &r, &title, e)) < 0 ||
        (rc = revision_check(&r, e)) < 0 || (rc = revision_save(x, &r, &to.value.settings, e)) < 0) {
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

/* ---- secrets ---- */

static int secret_list(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_revision_ struct revision r = {0};
    _cleanup_json_ json_t *list = json_array();
    struct slot_service *v = NULL;
    const char *name;
    json_t *id;
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 || (rc = revision_load(c->d, &v->row.service, &r, e)) < 0) {
        return rc;
    }
    json_object_foreach(r.secrets, name, id)
    {
        _cleanup_sealed_ struct sealed one = {0};
        if ((rc = store_sealed(c->d->store, json_integer_value(id), &one, e)) < 0) {
            return rc;
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:o}", "name", name, "set", object_time(one.created_ms)));
    }
    return api_reply_list(c, TAKE_PTR(list));
}

static int set_secret(struct api_call *c, struct txn *x, struct revision *r, struct buf *title, struct err *e)
{
    const char *name = api_text(c, "name");
    int rc = name_check_variable(name, e);
    if (rc < 0) {
        return rc;
    }
    if (json_object_get(r->env, name)) {
        return err_set_hint(e, ERR_INVALID, "take that away first, with `conpaas env unset`",
                            "%s is a variable that everybody may read", name);
    }
    buf_addf(title, "set secret %s", name);
    return revision_secret(x, x->service.id, r->secrets, name, api_text(c, "value"), e);
}

static int remove_secret(struct api_call *c, struct txn *x, struct revision *r, struct buf *title,
                         struct err *e)
{
    const char *name = api_text(c, "name");
    (void)x;
    if (!json_object_get(r->secrets, name)) {
        return err_set_hint(e, ERR_INVALID, "see `conpaas secret list`", "there is no secret %s", name);
    }
    json_object_del(r->secrets, name);
    buf_addf(title, "remove secret %s", name);
    return 0;
}

static int secret_set(struct api_call *c, struct err *e)
{
    return change_env(c, set_secret, e);
}

static int secret_remove(struct api_call *c, struct err *e)
{
    return change_env(c, remove_secret, e);
}

const struct api_row api_secret_rows[] = {
    {"secret.list", secret_list}, {"secret.set", secret_set}, {"secret.remove", secret_remove}, {0}};
