/*
 * Operations.
 */
#include "director/api.h"

static json_t *with_slot(struct director *d, const struct op_row *o)
{
    _cleanup_slot_ struct slot *s = NULL;
    (void)!world_app(d->world, o->app, &s, NULL);
    return object_operation(d, s, o);
}

static int operation_list(struct api_call *c, struct err *e)
{
    struct op_filter f = {
        .service = api_int(c, "service"),
        .app = api_int(c, "app"),
        .state = api_text(c, "state"),
        .limit = (int)api_int(c, "limit"),
    };
    f.owner = f.service || f.app || c->caller.user.admin ? 0 : c->caller.user.id;
    struct op_row *ops = NULL;
    size_t n = 0;
    int rc = store_ops(c->d->store, &f, &ops, &n, e);
    if (rc < 0) {
        return rc;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, with_slot(c->d, &ops[i]));
    }
    op_rows_free(ops, n);
    return api_reply_list(c, list);
}

static int operation_show(struct api_call *c, struct err *e)
{
    _cleanup_op_row_ struct op_row o = {0};
    int rc = store_op(c->d->store, call_match_id(&c->match, "operation"), &o, e);
    return rc < 0 ? rc : api_reply(c, with_slot(c->d, &o));
}

static int operation_cancel(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_op_row_ struct op_row o = {0};
    _cleanup_op_row_ struct op_row ended = {0};
    struct slot_service *v = NULL;
    int64_t id = call_match_id(&c->match, "operation");
    _cleanup_free_ char *why = str_printf("cancelled by %s", c->caller.user.username);
    int rc = store_op(c->d->store, id, &o, e);
    if (rc < 0 || (rc = world_service(c->d->world, o.service, &s, &v, e)) < 0 ||
        (rc = txn_begin(c->d, s, v, &x, e)) < 0 || (rc = truth_cancel(&x->t, id, why, e)) < 0 ||
        (rc = txn_commit(x, e)) < 0 || (rc = store_op(c->d->store, id, &ended, e)) < 0) {
        return rc;
    }
    return api_reply(c, object_operation(c->d, s, &ended));
}

const struct api_row api_operation_rows[] = {
    {"operation.list", operation_list},
    {"operation.show", operation_show},
    {"operation.cancel", operation_cancel},
    {0},
};
