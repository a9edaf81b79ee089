/*
 * Scripts of a service: run, interrupt, clean up, and how they stand on each node.
 */
#include "director/api.h"
#include "director/script_state.h"

static int64_t last_command_ms(struct api_call *c, const struct service *v)
{
    const struct op_filter f = {.service = v->id, .limit = 20};
    struct op_row *ops = NULL;
    size_t n = 0;
    int64_t at = 0;
    if (store_ops(c->d->store, &f, &ops, &n, NULL) < 0) {
        return INT64_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t ms = ops[i].op.facet == FACET_CMD ? ops[i].ended_ms : 0;
        at = ms > at ? ms : at;
    }
    op_rows_free(ops, n);
    return at;
}

/* K3: what is known to be impossible. What was begun since the last reports is not in them yet. */
static int check(struct api_call *c, const struct slot_service *v, const char *kind, struct err *e)
{
    struct script_state s;
    script_state(v, &s);
    bool interrupts = str_eq(kind, "interrupt");
    if (!interrupts && s.running > 0) {
        return err_set_hint(e, ERR_STATE, "conpaas script status, conpaas script interrupt",
                            "scripts still running somewhere, wait or interrupt first");
    }
    if (interrupts && s.known && s.running == 0 && !s.may_be_left && v->row.service.n_ops == 0 &&
        last_command_ms(c, &v->row.service) < s.at_ms) {
        return err_set(e, ERR_STATE, "nothing to interrupt");
    }
    return 0;
}

static int script_change(struct api_call *c, const char *kind, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct slot_service *v = NULL;
    struct change change = {.facet = FACET_CMD};
    const char *given = api_text(c, "parameters") ? api_text(c, "parameters") : "";
    int rc = api_service(c, &s, &v, e);
    if (rc < 0) {
        return rc;
    }
    const struct service_type *t = v->row.service.type;
    if (!t->scripts) {
        return err_set_hint(e, ERR_INVALID, "see `conpaas type list`", "%s runs no scripts", t->title);
    }
    (void)str_copy(change.kind, sizeof(change.kind), kind);
    (void)str_copy(change.parameters, sizeof(change.parameters),
                   given); /* its length was checked by the table */
    _cleanup_free_ char *title = str_printf("%s.sh%s%s", kind, given[0] ? " " : "", given);
    if ((rc = check(c, v, kind, e)) < 0 || (rc = txn_begin(c->d, s, v, &x, e)) < 0) {
        return rc;
    }
    return api_accept(c, x, &change, title, e);
}

static int script_run(struct api_call *c, struct err *e)
{
    return script_change(c, "run", e);
}

static int script_interrupt(struct api_call *c, struct err *e)
{
    return script_change(c, "interrupt", e);
}

static int script_cleanup(struct api_call *c, struct err *e)
{
    return script_change(c, "cleanup", e);
}

static int script_status(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = api_service(c, &s, &v, e);
    return rc < 0 ? rc : api_reply_list(c, script_list(v));
}

const struct api_row api_script_rows[] = {
    {"script.status", script_status},
    {"script.run", script_run},
    {"script.interrupt", script_interrupt},
    {"script.cleanup", script_cleanup},
    {0},
};
