/*
 * Saving a transition: what differs between before and after, and its effects.
 */
#include "store/store_db.h"

static const char *role_name(const struct service_type *type, int role)
{
    return type && role >= 0 && role < type->n_roles ? type->roles[role].name : "";
}

static int save_app(struct store *s, const struct app *a, struct err *e)
{
    return db_exec(
        store_writer(s), e,
        "UPDATE apps SET cloud = ?, txn = ?, next_sid = ?, instance = ?, manager_node = ?, epoch = ?,"
        " nonce = ?, manager_wanted = ?, deleting = ?, fails = ?, fail_why = ?, launch_after_ms = ?"
        " WHERE id = ?",
        "siiiiisiiisii", a->cloud, a->txn, a->next_sid, a->instance, a->manager_node, a->epoch, a->nonce,
        (int64_t)a->manager_wanted, (int64_t)a->deleting, (int64_t)a->fails, a->fail_why, a->launch_after_ms,
        a->id);
}

static int save_service(struct store *s, const struct service *v, bool state_changed, int64_t now_ms,
                        struct err *e)
{
    _cleanup_json_ json_t *want = store_want_to_json(v->type, &v->want);
    _cleanup_json_ json_t *good = store_want_to_json(v->type, &v->good);
    _cleanup_json_ json_t *replaced = store_replaced_to_json(v);
    int rc = db_exec(
        store_writer(s), e,
        "UPDATE services SET cloud = ?, gen = ?, want = ?, good = ?, started_once = ?, in_error = ?,"
        " error_why = ?, state = ?, nodes_rev = ?, next_ord = ?, fails = ?, fail_why = ?,"
        " create_after_ms = ?, replaced = ?, deleting = ?, converged = ? WHERE id = ?",
        "sijjiissiiisijiii", v->cloud, v->gen, want, good, (int64_t)v->started_once, (int64_t)v->in_error,
        v->error_why, service_state_to_str(v->state), v->nodes_rev, v->next_ord, (int64_t)v->fails,
        v->fail_why, v->create_after_ms, replaced, (int64_t)v->deleting, (int64_t)v->converged, v->id);
    if (rc >= 0 && state_changed) {
        rc =
            db_exec(store_writer(s), e, "UPDATE services SET state_ms = ? WHERE id = ?", "ii", now_ms, v->id);
    }
    return rc;
}

static int save_node(struct store *s, const struct truth_save *t, int64_t service, const struct node *n,
                     struct err *e)
{
    const struct service_type *type = service != 0 && t->service_after ? t->service_after->type : NULL;
    return db_exec(
        store_writer(s), e,
        "INSERT INTO nodes(" NODE_COLUMNS ")"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,"
        " ?21, ?22) ON CONFLICT(id) DO UPDATE SET status = ?6, cloud = ?7, type = ?8, cloud_id = ?10,"
        " address = ?11, up_ms = ?13, asked_ms = ?14, retry_ms = ?15, dying_ms = ?16, tries = ?17,"
        " finds = ?18, seen_gone = ?19, hours_paid = ?20, why = ?21, slot = ?22",
        "iiiisssssssiiiiiiiiisi", n->id, t->app_after->id, service, n->ord, role_name(type, n->role),
        node_status_to_str(n->status), n->cloud, n->type, n->token, n->cloud_id, n->address, n->created_ms,
        n->up_ms, n->asked_ms, n->retry_ms, n->dying_ms, (int64_t)n->tries, (int64_t)n->finds,
        (int64_t)n->seen_gone, n->hours_paid, n->why, n->slot);
}

static int save_op(struct store *s, const struct truth_save *t, const struct op *op, struct err *e)
{
    const struct service *v = t->service_after;
    _cleanup_json_ json_t *value = store_want_to_json(v->type, &op->value);
    _cleanup_json_ json_t *targets = set_to_json(&op->targets);
    int64_t ended = op->state == OP_ACTIVE ? 0 : t->now_ms;
    return db_exec(
        store_writer(s), e,
        "INSERT INTO ops(id, app, service, facet, state, value, kind, targets, born_ms, progress_ms, "
        "ended_ms,"
        " held_credits, releases, why, call, title, actor, parameters, volume)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
        " ON CONFLICT(id) DO UPDATE SET state = ?5, targets = ?8, progress_ms = ?10, ended_ms = ?11,"
        " held_credits = ?12, releases = ?13, why = ?14",
        "iiissjsjiiiiisssssi", op->id, v->app, v->id, facet_to_str(op->facet), op_state_to_str(op->state),
        value, op->kind, targets, op->born_ms, op->progress_ms, ended, op->held_credits, op->releases,
        op->why, t->call ? t->call : "", t->title ? t->title : "", t->actor ? t->actor : "", op->parameters,
        op->volume);
}

/* Copies keep their padding; where they should not, a row is written once more, which does no harm. */
static bool same_bytes(const void *a, const void *b, size_t n)
{
    return memcmp(a, b, n) == 0;
}

/* Times that only this process needs are no change. */
static bool node_same(const struct node *a, const struct node *b)
{
    struct node x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    x.heard_ms = y.heard_ms = 0;
    x.poll_ms = y.poll_ms = 0;
    return same_bytes(&x, &y, sizeof(x));
}

static const struct node *node_in(const struct node *nodes, int n, int64_t id)
{
    for (int i = 0; i < n; i++) {
        if (nodes[i].id == id) {
            return &nodes[i];
        }
    }
    return NULL;
}

/* Returns the number of nodes written. */
static int save_nodes(struct store *s, const struct truth_save *t, int64_t service, const struct node *before,
                      int n_before, const struct node *after, int n_after, struct err *e)
{
    int written = 0;
    for (int i = 0; i < n_after; i++) {
        const struct node *old = node_in(before, n_before, after[i].id);
        if (old && node_same(old, &after[i])) {
            continue;
        }
        int rc = save_node(s, t, service, &after[i], e);
        if (rc < 0) {
            return rc;
        }
        written++;
    }
    return written;
}

static int save_volume(struct store *s, const struct truth_save *t, const struct volume *v, struct err *e)
{
    return store_volume_save(s, t->app_after->id, t->app_after->owner, t->service_after, v, e);
}

static int save_volumes(struct store *s, const struct truth_save *t, struct err *e)
{
    const struct service *before = t->service_before, *after = t->service_after;
    int written = 0;
    for (int i = 0; i < after->n_volumes; i++) {
        const struct volume *old = service_volume((struct service *)before, after->volumes[i].id);
        if (old && same_bytes(old, &after->volumes[i], sizeof(*old))) {
            continue;
        }
        int rc = save_volume(s, t, &after->volumes[i], e);
        if (rc < 0) {
            return rc;
        }
        written++;
    }
    return written;
}

static int save_facts(struct store *s, const struct service *before, const struct service *after,
                      struct err *e)
{
    int written = 0;
    for (int f = 0; f < FACT_MAX; f++) {
        if (same_bytes(&before->facts[f], &after->facts[f], sizeof(struct fact))) {
            continue;
        }
        _cleanup_json_ json_t *value = fact_value_to_json(&after->facts[f].v);
        int rc = db_exec(store_writer(s), e,
                         "INSERT INTO facts(service, fact, rev, value) VALUES(?1, ?2, ?3, ?4)"
                         " ON CONFLICT(service, fact) DO UPDATE SET rev = ?3, value = ?4",
                         "isij", after->id, fact_id_to_str((enum fact_id)f), after->facts[f].rev, value);
        if (rc < 0) {
            return rc;
        }
        written++;
    }
    return written;
}

static int save_ops(struct store *s, const struct truth_save *t, struct err *e)
{
    const struct service *before = t->service_before, *after = t->service_after;
    int written = 0;
    for (int i = 0; i < after->n_ops; i++) {
        const struct op *old = NULL;
        for (int k = 0; k < before->n_ops; k++) {
            old = before->ops[k].id == after->ops[i].id ? &before->ops[k] : old;
        }
        if (old && same_bytes(old, &after->ops[i], sizeof(*old))) {
            continue;
        }
        int rc = save_op(s, t, &after->ops[i], e);
        if (rc < 0) {
            return rc;
        }
        written++;
    }
    return written;
}

/* The service's own row: everything before its arrays, compared member by member. */
static bool service_row_same(const struct service *a, const struct service *b)
{
    return str_eq(a->cloud, b->cloud) && a->gen == b->gen &&
           same_bytes(&a->want, &b->want, sizeof(a->want)) &&
           same_bytes(&a->good, &b->good, sizeof(a->good)) && a->started_once == b->started_once &&
           a->deleting == b->deleting && a->converged == b->converged && a->in_error == b->in_error &&
           str_eq(a->error_why, b->error_why) && a->state == b->state && a->nodes_rev == b->nodes_rev &&
           a->next_ord == b->next_ord && a->fails == b->fails && str_eq(a->fail_why, b->fail_why) &&
           a->create_after_ms == b->create_after_ms &&
           same_bytes(a->replaced, b->replaced, sizeof(a->replaced));
}

static bool app_row_same(const struct app *a, const struct app *b)
{
    return str_eq(a->cloud, b->cloud) && a->txn == b->txn && a->next_sid == b->next_sid &&
           a->instance == b->instance && a->manager_node == b->manager_node && a->epoch == b->epoch &&
           str_eq(a->nonce, b->nonce) && a->manager_wanted == b->manager_wanted &&
           a->deleting == b->deleting && a->fails == b->fails && str_eq(a->fail_why, b->fail_why) &&
           a->launch_after_ms == b->launch_after_ms;
}

static int save_service_all(struct store *s, const struct truth_save *t, struct err *e)
{
    const struct service *before = t->service_before, *after = t->service_after;
    int written = 0, rc = 0;
    if (!service_row_same(before, after)) {
        rc = save_service(s, after, before->state != after->state, t->now_ms, e);
        written++;
    }
    if (rc >= 0) {
        rc = save_ops(s, t, e);
        written += rc > 0;
    }
    if (rc >= 0) {
        rc = save_facts(s, before, after, e);
        written += rc > 0;
    }
    if (rc >= 0) {
        rc = save_nodes(s, t, after->id, before->nodes, before->n_nodes, after->nodes, after->n_nodes, e);
        written += rc > 0;
    }
    if (rc >= 0) {
        rc = save_volumes(s, t, e);
        written += rc > 0;
    }
    return rc < 0 ? rc : written;
}

static int save_ledger(struct store *s, const struct truth_save *t, const struct effect *x, struct err *e)
{
    struct ledger_row row = {
        .user = x->user,
        .amount = x->amount,
        .node = x->node_id,
        .hour = x->hour,
        .op = x->op_id,
        .app = t->app_after->id,
        .at_ms = x->at_ms ? x->at_ms : t->now_ms,
        .text = (char *)x->text,
    };
    (void)str_copy(row.kind, sizeof(row.kind), ledger_kind_to_str(x->ledger));
    return store_ledger_add(s, &row, e);
}

static int save_history(struct store *s, const struct truth_save *t, const struct effect *x, struct err *e)
{
    struct event ev = {
        .app = t->app_after->id,
        .at_ms = x->at_ms ? x->at_ms : t->now_ms,
        .service = x->service,
        .op = x->op_id,
        .node = x->node_id,
        .text = (char *)x->text,
    };
    (void)str_copy(ev.kind, sizeof(ev.kind), x->state_changed ? "state" : "note");
    if (x->state_changed) {
        (void)str_copy(ev.state, sizeof(ev.state), service_state_to_str(x->state));
    }
    return store_event_add(s, &ev, NULL, e);
}

static int save_effect(struct store *s, const struct truth_save *t, const struct effect *x, struct err *e)
{
    switch (x->kind) {
    case EFF_LEDGER:
        return save_ledger(s, t, x, e);
    case EFF_HISTORY:
        return save_history(s, t, x, e);
    case EFF_OP:
        return t->service_after ? save_op(s, t, &x->op, e) : 0;
    case EFF_NODE:
        return save_node(s, t, x->service, &x->node, e);
    case EFF_VOLUME:
        return t->service_after ? save_volume(s, t, &x->volume, e) : 0;
    case EFF_ALARM:
        return store_alarm(s, t->app_after->id, t->now_ms, x->text, e);
    case EFF_LAUNCH:
    case EFF_KIND_MAX:
        break;
    }
    return 0;
}

static int save_purse(struct store *s, const struct truth_save *t, struct err *e)
{
    struct purse now;
    int rc = store_purse(s, t->purse->user, &now, e);
    if (rc < 0) {
        return rc;
    }
    if (now.balance != t->purse->balance) {
        return err_set(e, ERR_INTERNAL, "the ledger rows add up to a balance of %lld, the account says %lld",
                       (long long)now.balance, (long long)t->purse->balance);
    }
    if (now.broke_ms == t->purse->broke_ms) {
        return 0;
    }
    return db_exec(store_writer(s), e, "UPDATE users SET broke_ms = ? WHERE id = ?", "ii", t->purse->broke_ms,
                   t->purse->user);
}

int store_save(struct store *s, const struct truth_save *t, struct err *e)
{
    int written = t->effects->n, rc = 0;
    if (!app_row_same(t->app_before, t->app_after)) {
        rc = save_app(s, t->app_after, e);
        written++;
    }
    if (rc >= 0) {
        rc = save_nodes(s, t, 0, t->app_before->nodes, t->app_before->n_nodes, t->app_after->nodes,
                        t->app_after->n_nodes, e);
        written += rc > 0;
    }
    if (rc >= 0 && t->service_after) {
        rc = save_service_all(s, t, e);
        written += rc > 0;
    }
    for (int i = 0; i < t->effects->n && rc >= 0; i++) {
        rc = save_effect(s, t, &t->effects->e[i], e);
    }
    if (rc >= 0 && t->purse) {
        rc = save_purse(s, t, e);
    }
    return rc < 0 ? rc : written > 0;
}
