#include "director/revision.h"

#define REVISIONS_KEPT 16

int revision_load(struct director *d, const struct service *v, struct revision *ret, struct err *e)
{
    return store_revision(d->store, v->id, v->want.settings, ret, e);
}

/* Nodes may still have, or go back to, any from this one on. */
static int64_t oldest_needed(const struct service *v, int64_t last)
{
    int64_t oldest = last - REVISIONS_KEPT;
    oldest = v->want.settings < oldest ? v->want.settings : oldest;
    oldest = v->good.settings < oldest ? v->good.settings : oldest;
    for (int i = 0; i < v->n_ops; i++) {
        bool older = v->ops[i].facet == FACET_SETTINGS && v->ops[i].value.settings < oldest;
        oldest = older ? v->ops[i].value.settings : oldest;
    }
    return oldest;
}

int revision_save(struct txn *x, const struct revision *r, int64_t *ret, struct err *e)
{
    const struct service *v = &x->service;
    _cleanup_revision_ struct revision wanted = {0};
    int64_t last = 0;
    int rc = revision_load(x->d, v, &wanted, e);
    if (rc < 0 || (rc = store_settings_last(x->d->store, v->id, &last, e)) < 0) {
        return rc;
    }
    if (revision_equal(&wanted, r)) {
        *ret = v->want.settings;
        return 0;
    }
    *ret = last + 1;
    x->wrote = true;
    rc = store_revision_add(x->d->store, v->id, *ret, r, x->now_ms, e);
    return rc < 0 ? rc : store_revisions_drop(x->d->store, v->id, oldest_needed(v, *ret), e);
}

int revision_check(const struct revision *r, struct err *e)
{
    size_t bytes = 0, n = json_object_size(r->env) + json_object_size(r->secrets);
    const char *name;
    json_t *value;
    json_object_foreach(r->env, name, value)
    {
        bytes += strlen(name) + json_string_length(value) + 2;
    }
    if (n > VARIABLES_MAX) {
        return err_set(e, ERR_QUOTA, "a service has at most %d variables, secrets counted too",
                       VARIABLES_MAX);
    }
    return bytes <= VARIABLES_TEXT_MAX
               ? 0
               : err_set(e, ERR_QUOTA, "the variables of a service have at most %d bytes",
                         VARIABLES_TEXT_MAX);
}

int revision_secret(struct txn *x, int64_t service, json_t *in, const char *name, const char *value,
                    struct err *e)
{
    int64_t id = store_new_id(x->d->store);
    _cleanup_free_ char *sealed = seal_text(&x->d->seal, service, name, value);
    int rc = store_sealed_add(x->d->store, id, service, name, x->d->seal.id, sealed, x->now_ms, e);
    if (rc >= 0) {
        x->wrote = true;
        json_object_set_new(in, name, json_integer(id));
    }
    return rc;
}

int revision_open(struct director *d, const json_t *in, json_t **ret, struct err *e)
{
    _cleanup_json_ json_t *all = json_object();
    const char *name;
    json_t *id;
    json_object_foreach((json_t *)in, name, id)
    {
        _cleanup_sealed_ struct sealed v = {0};
        char *text = NULL;
        int rc = store_sealed(d->store, json_integer_value(id), &v, e);
        if (rc < 0 || (rc = seal_read(&d->seal, v.service, name, v.value, &text, e)) < 0) {
            return rc;
        }
        json_object_set_new(all, name, json_string(text));
        mem_wipe(text, strlen(text));
        free(text);
    }
    *ret = TAKE_PTR(all);
    return 0;
}
