#include "director/revision.h"

int revision_load(struct director *d, const struct service *v, struct revision *ret, struct err *e)
{
    return store_revision(d->store, v->id, v->want.settings, ret, e);
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
    return store_revision_add(x->d->store, v->id, *ret, r, x->now_ms, e);
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
