/*
 * API tokens, and the credit page.
 */
#include "base/clock.h"
#include "director/api.h"

static int token_create(struct api_call *c, struct err *e)
{
    _cleanup_token_ struct token t = {0};
    _cleanup_free_ char *secret = NULL;
    int rc =
        account_new_token(c->d, c->caller.user.id, api_text(c, "name"), api_int(c, "days"), &t, &secret, e);
    if (rc < 0) {
        return rc;
    }
    json_t *body = json_pack("{s:I, s:s, s:s, s:o}", "id", (json_int_t)t.id, "name", t.name, "token", secret,
                             "expires", object_time(t.expires_ms));
    mem_wipe(secret, strlen(secret));
    return api_reply(c, body);
}

static int token_list(struct api_call *c, struct err *e)
{
    struct token *t = NULL;
    size_t n = 0;
    int rc = store_tokens(c->d->store, c->caller.user.id, &t, &n, e);
    if (rc < 0) {
        return rc;
    }
    json_t *list = json_array();
    int64_t now = clock_steady_ms();
    for (size_t i = 0; i < n; i++) {
        if (t[i].expires_ms == 0 || t[i].expires_ms > now) {
            json_array_append_new(list, object_token(&t[i], c->caller.token.id));
        }
    }
    tokens_free(t, n);
    return api_reply_list(c, list);
}

static int token_revoke(struct api_call *c, struct err *e)
{
    struct store *s = c->d->store;
    int64_t id = call_match_id(&c->match, "token"), user = 0;
    int rc = store_begin(s, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = store_token_user(s, id, &user, e)) < 0 || (rc = store_token_delete(s, user, id, e)) < 0) {
        store_abort(s);
        return rc;
    }
    rc = store_commit(s, e);
    return rc < 0 ? rc : api_reply_empty(c);
}

const struct api_row api_token_rows[] = {
    {"token.create", token_create},
    {"token.list", token_list},
    {"token.revoke", token_revoke},
    {0},
};

/* ---- credit ---- */

static json_t *id_or_null(int64_t id)
{
    return id ? json_integer(id) : json_null();
}

static json_t *entry(const struct ledger_row *r)
{
    _cleanup_free_ char *text = NULL;
    if (r->text && *r->text) {
        text = xstrdup(r->text);
    } else if (str_eq(r->kind, "use")) {
        text = str_printf("hour %lld of node %lld", (long long)r->hour + 1, (long long)r->node);
    } else if (str_eq(r->kind, "refund")) {
        text = str_printf("node %lld never was", (long long)r->node);
    } else if (str_eq(r->kind, "hold")) {
        text = str_printf("reserved for operation %lld", (long long)r->op);
    } else {
        text = str_printf("given back by operation %lld", (long long)r->op);
    }
    return json_pack("{s:I, s:I, s:s, s:I, s:o, s:o, s:o, s:s}", "id", (json_int_t)r->id, "time",
                     (json_int_t)r->at_ms, "kind", r->kind, "amount", (json_int_t)r->amount, "app",
                     id_or_null(r->app), "node", id_or_null(r->node), "operation", id_or_null(r->op), "text",
                     text);
}

static void running_costs(struct director *d, int64_t user, int64_t *ret_held, int64_t *ret_price)
{
    size_t n = 0;
    struct slot **all = world_all(d->world, user, &n);
    *ret_held = *ret_price = 0;
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        *ret_price += object_price_app(d, all[i]);
        for (int k = 0; k < all[i]->n; k++) {
            const struct service *v = &all[i]->services[k]->row.service;
            for (int o = 0; o < v->n_ops; o++) {
                *ret_held += v->ops[o].held_credits;
            }
        }
        slot_put(all[i]);
    }
    free(all);
}

static int credit_show(struct api_call *c, struct err *e)
{
    struct ledger_row *rows = NULL;
    size_t n = 0;
    _cleanup_user_ struct user u = {0};
    int rc = store_user(c->d->store, c->caller.user.id, &u, e);
    if (rc < 0 || (rc = store_ledger(c->d->store, u.id, api_int(c, "before"), (int)api_int(c, "limit"), &rows,
                                     &n, e)) < 0) {
        return rc;
    }
    json_t *entries = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(entries, entry(&rows[i]));
    }
    ledger_rows_free(rows, n);
    int64_t held = 0, price = 0;
    running_costs(c->d, u.id, &held, &price);
    return api_reply(c, json_pack("{s:I, s:I, s:I, s:o, s:o}", "balance", (json_int_t)u.balance, "held",
                                  (json_int_t)held, "millicredits_per_hour", (json_int_t)price, "out_since",
                                  object_time(u.broke_ms), "entries", entries));
}

const struct api_row api_credit_rows[] = {{"credit.show", credit_show}, {0}};
