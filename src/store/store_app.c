/*
 * Applications and services: rows to structs and back.  What changed is found by comparing the structs before
 * and after, so a transition never says what it touched.
 */
#include <assert.h>

#include "store/store_db.h"

/* ---- wants, as JSON with the names of roles ---- */

json_t *store_want_to_json(const struct service_type *type, const struct want *w)
{
    json_t *counts = json_object();
    for (int r = 0; r < type->n_roles; r++) {
        if (w->counts[r] != 0) {
            json_object_set_new(counts, type->roles[r].name, json_integer(w->counts[r]));
        }
    }
    return json_pack("{s:s, s:o, s:I, s:I}", "run", run_to_str(w->run), "counts", counts, "code",
                     (json_int_t)w->code, "settings", (json_int_t)w->settings);
}

static int want_from_json(const json_t *j, const struct service_type *type, struct want *ret)
{
    int run = run_from_str(json_str(j, "run", ""));
    if (run < 0) {
        return ERR_FAILED;
    }
    *ret = (struct want){
        .run = (enum run)run, .code = json_int(j, "code", 0), .settings = json_int(j, "settings", 0)};
    const json_t *counts = json_object_get(j, "counts");
    for (int r = 0; r < type->n_roles; r++) {
        ret->counts[r] = (int)json_int(counts, type->roles[r].name, 0);
    }
    return 0;
}

json_t *store_replaced_to_json(const struct service *v)
{
    json_t *j = json_object();
    for (int r = 0; r < v->type->n_roles; r++) {
        if (v->replaced[r].n != 0) {
            json_object_set_new(
                j, v->type->roles[r].name,
                json_pack("[I, I]", (json_int_t)v->replaced[r].since_ms, (json_int_t)v->replaced[r].n));
        }
    }
    return j;
}

static void replaced_from_json(const json_t *j, struct service *v)
{
    for (int r = 0; r < v->type->n_roles; r++) {
        const json_t *pair = json_object_get(j, v->type->roles[r].name);
        v->replaced[r].since_ms = json_integer_value(json_array_get(pair, 0));
        v->replaced[r].n = json_integer_value(json_array_get(pair, 1));
    }
}

/* ---- loading ---- */

struct loading {
    struct store *s;
    struct db *db;
    struct err *e;
    int rc;
    int n_apps;
    struct app_row *apps;
    struct app_row *app; /* whose services are being read */
    struct service_row *services[SERVICES_MAX];
    int n_services;
    struct service_row *service;
};

static int app_load_row(void *arg, sqlite3_stmt *row)
{
    struct loading *l = arg;
    l->apps = xreallocarray(l->apps, (size_t)l->n_apps + 1, sizeof(*l->apps));
    struct app_row *a = &l->apps[l->n_apps++];
    *a = (struct app_row){
        .own = DB_INT(row, 4),
        .created_ms = DB_INT(row, 12),
        .app =
            {
                .id = DB_INT(row, 0),
                .owner = DB_INT(row, 1),
                .txn = DB_INT(row, 5),
                .next_sid = DB_INT(row, 6),
                .instance = DB_INT(row, 7),
                .manager_node = DB_INT(row, 8),
                .epoch = DB_INT(row, 9),
                .manager_wanted = DB_INT(row, 10),
                .deleting = DB_INT(row, 11),
                .fails = (int)DB_INT(row, 14),
                .launch_after_ms = DB_INT(row, 16),
                .incarnation = l->s->info.incarnation,
            },
    };
    db_copy(row, 2, a->app.name, sizeof(a->app.name));
    db_copy(row, 3, a->app.cloud, sizeof(a->app.cloud));
    db_copy(row, 13, a->app.nonce, sizeof(a->app.nonce));
    db_copy(row, 15, a->app.fail_why, sizeof(a->app.fail_why));
    return 0;
}

static int load_bad(struct loading *l, const char *what, int64_t id)
{
    l->rc = err_set(l->e, ERR_FAILED, "the database is damaged: %s %lld", what, (long long)id);
    return 1;
}

static int service_load_row(void *arg, sqlite3_stmt *row)
{
    struct loading *l = arg;
    int64_t id = DB_INT(row, 0);
    const struct service_type *type = service_type_find(db_text(row, 2));
    int state = service_state_from_str(db_text(row, 11));
    if (!type || state < 0 || l->n_services == SERVICES_MAX) {
        return load_bad(l, "service", id);
    }
    struct service_row *v = xcalloc(1, sizeof(*v));
    l->services[l->n_services++] = v;
    v->created_ms = DB_INT(row, 20);
    v->state_ms = DB_INT(row, 12);
    struct service *s = &v->service;
    s->id = id;
    s->app = l->app->app.id;
    s->sid = DB_INT(row, 1);
    s->type = type;
    db_copy(row, 3, s->name, sizeof(s->name));
    db_copy(row, 4, s->cloud, sizeof(s->cloud));
    s->gen = DB_INT(row, 5);
    _cleanup_json_ json_t *want = db_json(row, 6);
    _cleanup_json_ json_t *good = db_json(row, 7);
    _cleanup_json_ json_t *replaced = db_json(row, 18);
    if (want_from_json(want, type, &s->want) < 0 || want_from_json(good, type, &s->good) < 0) {
        return load_bad(l, "want of service", id);
    }
    replaced_from_json(replaced, s);
    s->started_once = DB_INT(row, 8);
    s->in_error = DB_INT(row, 9);
    db_copy(row, 10, s->error_why, sizeof(s->error_why));
    s->state = (enum service_state)state;
    s->nodes_rev = DB_INT(row, 13);
    s->next_ord = DB_INT(row, 14);
    s->fails = (int)DB_INT(row, 15);
    db_copy(row, 16, s->fail_why, sizeof(s->fail_why));
    s->create_after_ms = DB_INT(row, 17);
    s->deleting = DB_INT(row, 19);
    s->converged = DB_INT(row, 21);
    return 0;
}

static int fact_load_row(void *arg, sqlite3_stmt *row)
{
    struct loading *l = arg;
    struct service *s = &l->service->service;
    int fact = fact_id_from_str(db_text(row, 0));
    _cleanup_json_ json_t *value = db_json(row, 2);
    if (fact < 0 || !value || fact_value_from_json(value, &s->facts[fact].v, NULL) < 0) {
        return load_bad(l, "fact of service", s->id);
    }
    s->facts[fact].rev = DB_INT(row, 1);
    return 0;
}

static int op_load_row(void *arg, sqlite3_stmt *row)
{
    struct loading *l = arg;
    struct service *s = &l->service->service;
    int facet = facet_from_str(db_text(row, 1));
    _cleanup_json_ json_t *value = db_json(row, 2);
    _cleanup_json_ json_t *targets = db_json(row, 4);
    if (facet < 0 || s->n_ops == OPS_MAX) {
        return load_bad(l, "operation of service", s->id);
    }
    struct op *op = &s->ops[s->n_ops++];
    *op = (struct op){
        .id = DB_INT(row, 0),
        .facet = (enum facet)facet,
        .state = OP_ACTIVE,
        .born_ms = DB_INT(row, 5),
        .progress_ms = DB_INT(row, 6),
        .held_credits = DB_INT(row, 7),
        .releases = DB_INT(row, 9),
        .volume = DB_INT(row, 11),
    };
    db_copy(row, 3, op->kind, sizeof(op->kind));
    db_copy(row, 8, op->why, sizeof(op->why));
    db_copy(row, 10, op->parameters, sizeof(op->parameters));
    if (want_from_json(value, s->type, &op->value) < 0 || !targets ||
        set_from_json(targets, &op->targets, NULL) < 0) {
        return load_bad(l, "operation", op->id);
    }
    return 0;
}

/* Everything but the role's index. */
static int node_read(struct node_row *n, sqlite3_stmt *row)
{
    int status = node_status_from_str(db_text(row, 5));
    *n = (struct node_row){
        .app = DB_INT(row, 1),
        .service = DB_INT(row, 2),
        .node =
            {
                .id = DB_INT(row, 0),
                .ord = DB_INT(row, 3),
                .role = -1,
                .status = (enum node_status)status,
                .created_ms = DB_INT(row, 11),
                .up_ms = DB_INT(row, 12),
                .asked_ms = DB_INT(row, 13),
                .retry_ms = DB_INT(row, 14),
                .dying_ms = DB_INT(row, 15),
                .tries = (int)DB_INT(row, 16),
                .finds = (int)DB_INT(row, 17),
                .seen_gone = DB_INT(row, 18),
                .hours_paid = DB_INT(row, 19),
                .slot = DB_INT(row, 21),
            },
    };
    db_copy(row, 4, n->role, sizeof(n->role));
    db_copy(row, 6, n->node.cloud, sizeof(n->node.cloud));
    db_copy(row, 7, n->node.type, sizeof(n->node.type));
    db_copy(row, 8, n->node.token, sizeof(n->node.token));
    db_copy(row, 9, n->node.cloud_id, sizeof(n->node.cloud_id));
    db_copy(row, 10, n->node.address, sizeof(n->node.address));
    db_copy(row, 20, n->node.why, sizeof(n->node.why));
    return status;
}

static int node_load_row(void *arg, sqlite3_stmt *row)
{
    struct loading *l = arg;
    struct node_row n;
    if (node_read(&n, row) < 0) {
        return load_bad(l, "node", n.node.id);
    }
    if (!l->service) {
        if (l->app->app.n_nodes == MANAGER_NODES_MAX) {
            return load_bad(l, "nodes of application", l->app->app.id);
        }
        l->app->app.nodes[l->app->app.n_nodes++] = n.node;
        return 0;
    }
    struct service *s = &l->service->service;
    n.node.role = service_type_role(s->type, n.role);
    if (n.node.role < 0 || s->n_nodes == NODES_MAX) {
        return load_bad(l, "node", n.node.id);
    }
    s->nodes[s->n_nodes++] = n.node;
    return 0;
}

static int volume_load_row(void *arg, sqlite3_stmt *row)
{
    struct loading *l = arg;
    struct service *s = &l->service->service;
    struct volume_row v;
    int status = store_volume_read(&v, row);
    v.volume.role = v.role[0] ? service_type_role(s->type, v.role) : -1;
    if (status < 0 || (v.role[0] && v.volume.role < 0) || s->n_volumes == VOLUMES_MAX) {
        return load_bad(l, "volume", v.volume.id);
    }
    s->volumes[s->n_volumes++] = v.volume;
    return 0;
}

static int load_query(struct loading *l, int rc)
{
    if (rc < 0 && l->rc == 0) {
        l->rc = rc;
    }
    return l->rc;
}

static int load_service_parts(struct loading *l)
{
    int64_t id = l->service->service.id;
    if (load_query(l, db_query(l->db, l->e, fact_load_row, l,
                               "SELECT fact, rev, value FROM facts WHERE service = ?", "i", id)) < 0 ||
        load_query(
            l,
            db_query(
                l->db, l->e, op_load_row, l,
                "SELECT id, facet, value, kind, targets, born_ms, progress_ms, held_credits, why,"
                " releases, parameters, volume FROM ops WHERE service = ? AND state = 'ACTIVE' ORDER BY id",
                "i", id)) < 0) {
        return l->rc;
    }
    if (load_query(l, db_query(l->db, l->e, volume_load_row, l,
                               "SELECT " VOLUME_COLUMNS " FROM volumes WHERE service = ?"
                               " AND status <> 'GONE' ORDER BY id",
                               "i", id)) < 0) {
        return l->rc;
    }
    return load_query(l, db_query(l->db, l->e, node_load_row, l,
                                  "SELECT " NODE_COLUMNS " FROM nodes WHERE app = ? AND service = ?"
                                  " AND status <> 'GONE' ORDER BY ord",
                                  "ii", l->app->app.id, id));
}

static int load_one(struct loading *l)
{
    int64_t id = l->app->app.id;
    l->service = NULL;
    if (load_query(l, db_query(l->db, l->e, node_load_row, l,
                               "SELECT " NODE_COLUMNS " FROM nodes WHERE app = ? AND service = 0"
                               " AND status <> 'GONE' ORDER BY id",
                               "i", id)) < 0) {
        return l->rc;
    }
    if (load_query(
            l,
            db_query(l->db, l->e, service_load_row, l,
                     "SELECT id, sid, type, name, cloud, gen, want, good, started_once, in_error, error_why,"
                     " state, state_ms, nodes_rev, next_ord, fails, fail_why, create_after_ms, replaced,"
                     " deleting, created_ms, converged FROM services WHERE app = ? ORDER BY sid",
                     "i", id)) < 0) {
        return l->rc;
    }
    for (int i = 0; i < l->n_services; i++) {
        l->service = l->services[i];
        if (load_service_parts(l) < 0) {
            return l->rc;
        }
    }
    return 0;
}

int store_load(struct store *s,
               int (*take)(void *arg, struct app_row *app, struct service_row **services, int n,
                           struct err *e),
               void *arg, struct err *e)
{
    struct loading l = {.s = s, .e = e};
    l.db = store_read(s);
    load_query(
        &l,
        db_query(l.db, e, app_load_row, &l,
                 "SELECT id, owner, name, cloud, own, txn, next_sid, instance, manager_node, epoch,"
                 " manager_wanted, deleting, created_ms, nonce, fails, fail_why, launch_after_ms FROM apps"
                 " ORDER BY id",
                 ""));
    for (int i = 0; i < l.n_apps && l.rc == 0; i++) {
        l.app = &l.apps[i];
        l.n_services = 0;
        if (load_one(&l) == 0) {
            l.rc = take(arg, l.app, l.services, l.n_services, e);
            l.n_services = l.rc < 0 ? l.n_services : 0;
        }
        for (int k = 0; k < l.n_services && l.rc < 0; k++) {
            free(l.services[k]);
        }
    }
    store_read_end(s, l.db);
    free(l.apps);
    return l.rc < 0 ? l.rc : 0;
}

int store_service_app(struct store *s, int64_t service, int64_t *ret_app, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_int(db, e, ret_app, "SELECT app FROM services WHERE id = ?", "i", service);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no service %lld", (long long)service) : 0;
}

int store_app_owner(struct store *s, int64_t app, int64_t *ret_user, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_int(db, e, ret_user, "SELECT owner FROM apps WHERE id = ?", "i", app);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no application %lld", (long long)app) : 0;
}

/* ---- adding, renaming, deleting ---- */

int store_app_add(struct store *s, const struct app_row *r, struct err *e)
{
    const struct app *a = &r->app;
    int rc = db_exec(
        store_writer(s), e,
        "INSERT INTO apps(id, owner, name, cloud, own, txn, next_sid, instance, manager_node, epoch, nonce,"
        " manager_wanted, deleting, fails, fail_why, launch_after_ms, created_ms)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "iissiiiiiisiiisii", a->id, a->owner, a->name, a->cloud, (int64_t)r->own, a->txn, a->next_sid,
        a->instance, a->manager_node, a->epoch, a->nonce, (int64_t)a->manager_wanted, (int64_t)a->deleting,
        (int64_t)a->fails, a->fail_why, a->launch_after_ms, r->created_ms);
    if (rc == ERR_EXISTS) {
        return err_set_hint(e, ERR_EXISTS, "choose another name", "you already have an application %s",
                            a->name);
    }
    return rc < 0 ? rc : 0;
}

int store_app_rename(struct store *s, int64_t id, const char *name, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "UPDATE apps SET name = ? WHERE id = ?", "si", name, id);
    if (rc == ERR_EXISTS) {
        return err_set_hint(e, ERR_EXISTS, "choose another name", "you already have an application %s", name);
    }
    return rc < 0 ? rc : 0;
}

int store_app_delete(struct store *s, int64_t id, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "DELETE FROM apps WHERE id = ?", "i", id);
    return rc < 0 ? rc : 0;
}

int store_service_add(struct store *s, const struct service_row *r, struct err *e)
{
    const struct service *v = &r->service;
    _cleanup_json_ json_t *want = store_want_to_json(v->type, &v->want);
    _cleanup_json_ json_t *good = store_want_to_json(v->type, &v->good);
    _cleanup_json_ json_t *replaced = store_replaced_to_json(v);
    int rc = db_exec(
        store_writer(s), e,
        "INSERT INTO services(id, app, sid, type, name, cloud, gen, want, good, started_once, in_error,"
        " error_why, state, state_ms, nodes_rev, next_ord, fails, fail_why, create_after_ms, replaced,"
        " deleting, created_ms, converged)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "iiisssijjiissiiiisijiii", v->id, v->app, v->sid, v->type->name, v->name, v->cloud, v->gen, want,
        good, (int64_t)v->started_once, (int64_t)v->in_error, v->error_why, service_state_to_str(v->state),
        r->state_ms, v->nodes_rev, v->next_ord, (int64_t)v->fails, v->fail_why, v->create_after_ms, replaced,
        (int64_t)v->deleting, r->created_ms, (int64_t)v->converged);
    if (rc == ERR_EXISTS) {
        return err_set_hint(e, ERR_EXISTS, "choose another name", "the application already has a service %s",
                            v->name);
    }
    return rc < 0 ? rc : 0;
}

int store_service_rename(struct store *s, int64_t id, const char *name, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "UPDATE services SET name = ? WHERE id = ?", "si", name, id);
    if (rc == ERR_EXISTS) {
        return err_set_hint(e, ERR_EXISTS, "choose another name", "the application already has a service %s",
                            name);
    }
    return rc < 0 ? rc : 0;
}

int store_service_delete(struct store *s, int64_t id, struct err *e)
{
    int rc = db_exec(store_writer(s), e, "DELETE FROM services WHERE id = ?", "i", id);
    return rc < 0 ? rc : 0;
}

/* ---- operations and nodes by id ---- */

void op_row_done(struct op_row *o)
{
    free(o->call);
    free(o->title);
    free(o->actor);
    *o = (struct op_row){0};
}

void op_rows_free(struct op_row *o, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        op_row_done(&o[i]);
    }
    free(o);
}

#define OP_COLUMNS                                                                                           \
    "o.id, o.app, o.service, o.facet, o.state, o.kind, o.born_ms, o.progress_ms, o.ended_ms, "               \
    "o.held_credits, o.why,"                                                                                 \
    " o.call, o.title, o.actor, o.parameters"

static void op_read(struct op_row *o, sqlite3_stmt *row)
{
    *o = (struct op_row){
        .app = DB_INT(row, 1),
        .service = DB_INT(row, 2),
        .ended_ms = DB_INT(row, 8),
        .call = db_dup(row, 11),
        .title = db_dup(row, 12),
        .actor = db_dup(row, 13),
        .op =
            {
                .id = DB_INT(row, 0),
                .facet = (enum facet)facet_from_str(db_text(row, 3)),
                .state = (enum op_state)op_state_from_str(db_text(row, 4)),
                .born_ms = DB_INT(row, 6),
                .progress_ms = DB_INT(row, 7),
                .held_credits = DB_INT(row, 9),
            },
    };
    db_copy(row, 5, o->op.kind, sizeof(o->op.kind));
    db_copy(row, 10, o->op.why, sizeof(o->op.why));
    db_copy(row, 14, o->op.parameters, sizeof(o->op.parameters));
}

static int op_one_row(void *arg, sqlite3_stmt *row)
{
    op_read(arg, row);
    return 1;
}

int store_op(struct store *s, int64_t id, struct op_row *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, op_one_row, ret, "SELECT " OP_COLUMNS " FROM ops o WHERE o.id = ?", "i", id);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no operation %lld", (long long)id) : 0;
}

struct op_list {
    struct op_row *v;
    size_t n;
};

static int op_list_row(void *arg, sqlite3_stmt *row)
{
    struct op_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    op_read(&l->v[l->n++], row);
    return 0;
}

int store_ops(struct store *s, const struct op_filter *f, struct op_row **ret, size_t *ret_n, struct err *e)
{
    struct op_list l = {0};
    struct db *db = store_read(s);
    int rc = db_query(
        db, e, op_list_row, &l,
        "SELECT " OP_COLUMNS " FROM ops o WHERE (?1 = 0 OR o.service = ?1) AND (?2 = 0 OR o.app = ?2)"
        " AND (?3 = 0 OR o.app IN (SELECT id FROM apps WHERE owner = ?3)) AND (?4 IS NULL OR o.state = ?4)"
        " ORDER BY o.id DESC LIMIT ?5",
        "iiisi", f->service, f->app, f->owner, f->state, (int64_t)f->limit);
    store_read_end(s, db);
    if (rc < 0) {
        op_rows_free(l.v, l.n);
        return rc;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

static int node_one_row(void *arg, sqlite3_stmt *row)
{
    (void)node_read(arg, row);
    return 1;
}

int store_node(struct store *s, int64_t id, struct node_row *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_query(db, e, node_one_row, ret, "SELECT " NODE_COLUMNS " FROM nodes WHERE id = ?", "i", id);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no node %lld", (long long)id) : 0;
}

int store_node_by_token(struct store *s, const char *token, struct node_row *ret, struct err *e)
{
    struct db *db = store_read(s);
    int rc =
        db_query(db, e, node_one_row, ret, "SELECT " NODE_COLUMNS " FROM nodes WHERE token = ?", "s", token);
    store_read_end(s, db);
    return rc < 0 ? rc : rc == 0 ? err_set(e, ERR_NOT_FOUND, "no node with this token") : 0;
}
