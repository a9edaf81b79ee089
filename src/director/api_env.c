/*
 * Environment variables of a service, and those of them that are secrets.
 */
#include <ctype.h>

#include "director/api.h"
#include "director/revision.h"
#include "model/names.h"
#include "service/links.h"

static json_t *variable(const char *name, const json_t *value, const char *origin)
{
    return json_pack("{s:s, s:O, s:s}", "name", name, "value", value, "origin", origin);
}

/* As far as the director knows: values of secrets are not looked at. */
static void add_references(struct api_call *c, struct slot *s, const struct revision *r, json_t *list)
{
    size_t k;
    json_t *link, *value;
    const char *name;
    (void)c;
    json_array_foreach(r->links, k, link)
    {
        _cleanup_json_ json_t *resolved = NULL;
        for (int i = 0; i < s->n && !resolved; i++) {
            const struct service *other = &s->services[i]->row.service;
            resolved = other->id == json_int(link, "service", 0) ? link_resolve(link, other, NULL) : NULL;
        }
        json_object_foreach(json_object_get(resolved, "variables"), name, value)
        {
            json_array_append_new(list, variable(name, value, json_str(link, "name", "")));
        }
        json_object_foreach(json_object_get(resolved, "secrets"), name, value)
        {
            _cleanup_json_ json_t *hidden = json_null();
            json_array_append_new(list, variable(name, hidden, json_str(link, "name", "")));
        }
    }
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
    add_references(c, s, &r, list);
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

/* An account of the type: its password is one of the type's own secrets. */
static int set_account(struct api_call *c, struct txn *x, struct revision *r, struct buf *title,
                       struct err *e)
{
    const struct service_account *a = x->service.type->accounts;
    const char *name = api_text(c, "account"), *password = api_text(c, "password");
    for (; a && a->name && name && !str_eq(a->name, name); a++) {
    }
    if (!a || !a->name) {
        return err_set(e, ERR_INVALID,
                       name ? "%s has no account \"%.64s\" whose password could be set"
                            : "%s has no accounts whose password could be set",
                       x->service.type->title, name);
    }
    for (const char *p = password; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return err_set(e, ERR_INVALID, "a password can not hold control characters");
        }
    }
    buf_addf(title, "set password of %s", a->name);
    return revision_secret(x, x->service.id, r->own, a->secret, password, e);
}

static int service_password(struct api_call *c, struct err *e)
{
    return change_env(c, set_account, e);
}

static int secret_set(struct api_call *c, struct err *e)
{
    return change_env(c, set_secret, e);
}

static int secret_remove(struct api_call *c, struct err *e)
{
    return change_env(c, remove_secret, e);
}

const struct api_row api_secret_rows[] = {{"secret.list", secret_list},
                                          {"secret.set", secret_set},
                                          {"secret.remove", secret_remove},
                                          {"service.password", service_password},
                                          {0}};

/* ---- references ---- */

/* The other services' references decide: to `from` there must be no way from `to`. */
static int check_no_cycle(struct api_call *c, struct slot *s, int64_t from, int64_t to, int depth,
                          struct err *e)
{
    if (from == to || depth > SERVICES_MAX) {
        return err_set(e, ERR_INVALID, "the services would refer to each other in a circle");
    }
    for (int i = 0; i < s->n; i++) {
        const struct service *v = &s->services[i]->row.service;
        _cleanup_revision_ struct revision r = {0};
        json_t *link;
        size_t k;
        int rc = v->id == to ? revision_load(c->d, v, &r, e) : 0;
        json_array_foreach(r.links, k, link)
        {
            rc = rc < 0 ? rc : check_no_cycle(c, s, from, json_int(link, "service", 0), depth + 1, e);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static char *default_name(const struct service_type *t)
{
    char *name = xstrdup(t->name);
    for (char *p = name; *p; p++) {
        *p = (char)toupper((unsigned char)*p);
    }
    return name;
}

static int set_link(struct api_call *c, struct txn *x, struct revision *r, struct buf *title, struct err *e)
{
    int64_t id = api_int(c, "other");
    const struct service *other = NULL;
    for (int i = 0; i < x->slot->n; i++) {
        const struct service *v = &x->slot->services[i]->row.service;
        other = v->id == id ? v : other;
    }
    if (!other) {
        return err_set(e, ERR_INVALID, "a service can refer only to services of its own application");
    }
    _cleanup_free_ char *name = api_text(c, "as") ? xstrdup(api_text(c, "as")) : default_name(other->type);
    int rc = link_check_name(name, e);
    if (rc < 0 || (rc = check_no_cycle(c, x->slot, x->service.id, id, 0, e)) < 0) {
        return rc;
    }
    const json_t *there = link_find(r->links, name);
    if (there && json_int(there, "service", 0) != id) {
        return err_set_hint(e, ERR_INVALID, "give another name with --as", "there is a reference %s already",
                            name);
    }
    if (json_array_size(r->links) >= LINKS_MAX) {
        return err_set(e, ERR_QUOTA, "a service has at most %d references", LINKS_MAX);
    }
    buf_addf(title, "refer to %s as %s", other->name, name);
    if (!there) {
        json_array_append_new(r->links, json_pack("{s:s, s:I, s:i}", "name", name, "service", (json_int_t)id,
                                                  "port", link_port(r->links, other->type)));
    }
    return 0;
}

static int remove_link(struct api_call *c, struct txn *x, struct revision *r, struct buf *title,
                       struct err *e)
{
    const char *name = api_text(c, "name");
    (void)x;
    for (size_t i = 0; i < json_array_size(r->links); i++) {
        if (str_eq(json_str(json_array_get(r->links, i), "name", ""), name)) {
            buf_addf(title, "refer to %s no more", name);
            json_array_remove(r->links, i);
            return 0;
        }
    }
    return err_set_hint(e, ERR_INVALID, "see `conpaas env list`", "there is no reference %s", name);
}

int api_link(struct api_call *c, struct err *e)
{
    return change_env(c, set_link, e);
}

int api_unlink(struct api_call *c, struct err *e)
{
    return change_env(c, remove_link, e);
}

int api_check_users(struct api_call *c, struct slot *s, int64_t service, bool running, const char *hint,
                    struct err *e)
{
    _cleanup_buf_ struct buf who = {0};
    for (int i = 0; i < s->n; i++) {
        const struct service *v = &s->services[i]->row.service;
        _cleanup_revision_ struct revision r = {0};
        json_t *link;
        size_t k;
        int rc = revision_load(c->d, v, &r, e);
        if (rc < 0) {
            return rc;
        }
        json_array_foreach(r.links, k, link)
        {
            if (json_int(link, "service", 0) == service && (!running || v->want.run == RUN_RUNNING)) {
                buf_addf(&who, "%s%s (as %s)", who.len ? ", " : "", v->name, json_str(link, "name", ""));
            }
        }
    }
    return who.len == 0 ? 0 : err_set_hint(e, ERR_STATE, hint, "other services refer to it: %s", who.data);
}

int api_check_references(struct api_call *c, struct slot *s, const struct service *v, struct err *e)
{
    _cleanup_revision_ struct revision r = {0};
    json_t *link;
    size_t k;
    int rc = revision_load(c->d, v, &r, e);
    json_array_foreach(r.links, k, link)
    {
        for (int i = 0; i < s->n; i++) {
            const struct service *other = &s->services[i]->row.service;
            if (rc >= 0 && other->id == json_int(link, "service", 0) && other->want.run != RUN_RUNNING) {
                _cleanup_free_ char *hint = str_printf("conpaas service start %s", other->name);
                rc = err_set_hint(e, ERR_STATE, hint, "it refers to %s, which is %s", other->name,
                                  service_state_to_str(other->state));
            }
        }
    }
    return rc;
}
