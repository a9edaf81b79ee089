/*
 * JSON for people and programs; nothing here decides anything.
 */
#include "director/objects.h"

#include "base/clock.h"
#include "engine/constants.h"

json_t *object_time(int64_t ms)
{
    return ms ? json_integer(ms) : json_null();
}

json_t *object_text(const char *s)
{
    return s && *s ? json_string(s) : json_null();
}

static json_t *object_id(int64_t id)
{
    return id ? json_integer(id) : json_null();
}

static void put(json_t *o, const char *key, json_t *value)
{
    json_object_set_new(o, key, value);
}

static void put_int(json_t *o, const char *key, int64_t value)
{
    json_object_set_new(o, key, json_integer(value));
}

static void put_text(json_t *o, const char *key, const char *s)
{
    json_object_set_new(o, key, json_string(s ? s : ""));
}

json_t *object_user(const struct user *u)
{
    json_t *o = json_object();
    put_int(o, "id", u->id);
    put_text(o, "username", u->username);
    put_text(o, "email", u->email);
    put_text(o, "first_name", u->first_name);
    put_text(o, "last_name", u->last_name);
    put_text(o, "affiliation", u->affiliation);
    put_text(o, "rank", u->admin ? "admin" : "user");
    put_int(o, "credit", u->balance);
    put_int(o, "created", u->created_ms);
    return o;
}

json_t *object_token(const struct token *t, int64_t current)
{
    json_t *o = json_object();
    put_int(o, "id", t->id);
    put_text(o, "name", t->name);
    put_int(o, "created", t->created_ms);
    put(o, "used", object_time(t->used_ms));
    put(o, "expires", object_time(t->expires_ms));
    put(o, "current", json_boolean(t->id == current));
    return o;
}

json_t *object_key(const struct key_row *k)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:I}", "id", (json_int_t)k->id, "type", k->key.type, "key",
                     k->key.body, "comment", k->key.comment, "created", (json_int_t)k->created_ms);
}

/* ---- nodes ---- */

static const json_t *reported(const struct slot_service *v, int64_t node)
{
    const json_t *nodes = v ? json_object_get(v->live.performance, "nodes") : NULL;
    size_t i;
    json_t *n;
    json_array_foreach(nodes, i, n)
    {
        if (json_int(n, "node", 0) == node) {
            return n;
        }
    }
    return NULL;
}

/* Before its first report a node is what it is for. */
static json_t *node_roles(const struct slot_service *v, const struct node *n, const json_t *report)
{
    if (!v) {
        return json_pack("[s]", "manager");
    }
    json_t *roles = json_object_get(report, "roles");
    if (json_is_array(roles)) {
        return json_incref(roles);
    }
    json_t *own = json_array();
    if (n->role >= 0) {
        json_array_append_new(own, json_string(v->row.service.type->roles[n->role].name));
    }
    return own;
}

static json_t *node_health(const json_t *report)
{
    json_t *health = json_object();
    const json_t *why = json_object_get(report, "why");
    const char *role;
    json_t *word;
    json_object_foreach(json_object_get(report, "health"), role, word)
    {
        _cleanup_free_ char *state = xstrdup(json_string_value(word) ? json_string_value(word) : "none");
        for (char *p = state; *p; p++) {
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        }
        put(health, role,
            json_pack("{s:s, s:o}", "state", state, "why", object_text(json_str(why, role, ""))));
    }
    return health;
}

static void add_log(json_t *logs, const char *name)
{
    size_t i;
    json_t *have;
    json_array_foreach(logs, i, have)
    {
        if (str_eq(json_string_value(have), name)) {
            return;
        }
    }
    json_array_append_new(logs, json_string(name));
}

static bool has_role(const json_t *roles, const char *name)
{
    size_t i;
    json_t *role;
    json_array_foreach(roles, i, role)
    {
        if (str_eq(json_string_value(role), name)) {
            return true;
        }
    }
    return false;
}

static json_t *node_logs(const struct slot_service *v, const json_t *roles)
{
    json_t *logs = json_pack("[s]", "agent.log");
    if (!v) {
        add_log(logs, "manager.log");
    }
    for (int r = 0; v && r < v->row.service.type->n_roles; r++) {
        const struct role_def *role = &v->row.service.type->roles[r];
        for (const char *const *l = has_role(roles, role->name) ? role->logs : NULL; l && *l; l++) {
            add_log(logs, *l);
        }
    }
    return logs;
}

static bool type_has(const struct service_type *t, unsigned flag)
{
    for (int r = 0; r < t->n_roles; r++) {
        if (t->roles[r].flags & flag) {
            return true;
        }
    }
    return false;
}

json_t *object_node(struct director *d, struct slot *s, struct slot_service *v, const struct node *n)
{
    const json_t *report = reported(v, n->id);
    json_t *o = json_object();
    put_int(o, "id", n->id);
    put_int(o, "app", s->row.app.id);
    put(o, "service", v ? json_integer(v->row.service.id) : json_null());
    put_text(o, "kind", v ? "agent" : "manager");
    json_t *roles = node_roles(v, n, report);
    put(o, "roles", roles);
    put_text(o, "status", node_status_to_str(n->status));
    put(o, "health", node_health(report));
    put_text(o, "cloud", n->cloud);
    put_text(o, "type", director_type(d, n->cloud, n->type));
    put(o, "cloud_id", object_text(n->cloud_id));
    put(o, "address", object_text(n->address));
    put_int(o, "created", n->created_ms);
    put(o, "up", object_time(n->up_ms));
    put_int(o, "hours", n->hours_paid);
    put_int(o, "millicredits_per_hour", node_alive(n) ? director_price(d, n->cloud, n->type) : 0);
    put(o, "logs", node_logs(v, roles));
    bool has_master = v && type_has(v->row.service.type, ROLE_UNIQUE);
    put(o, "is_master",
        has_master ? json_boolean(v->row.service.facts[FACT_MASTER].v.node == n->id) : json_null());
    return o;
}

json_t *object_volume(const struct slot *s, const struct slot_service *v, const struct volume *volume)
{
    const struct service_type *type = v->row.service.type;
    bool data = volume->data && volume->role >= 0;
    _cleanup_free_ char *path = volume->data ? str_printf("/volumes/v%lld/data", (long long)volume->id)
                                             : str_printf("/media/%s", volume->name);
    json_t *o = json_object();
    put_int(o, "id", volume->id);
    put_int(o, "app", s->row.app.id);
    put_int(o, "service", v->row.service.id);
    put_text(o, "app_name", s->row.app.name);
    put_text(o, "service_name", v->row.service.name);
    put_text(o, "name", volume->name);
    put_int(o, "megabytes", volume->megabytes);
    put_text(o, "state", volume_status_to_str(volume->status));
    put(o, "node", volume->node ? json_integer(volume->node) : json_null());
    put(o, "path", volume->status == VOLUME_ATTACHED ? json_string(path) : json_null());
    put(o, "role", data ? json_string(type->roles[volume->role].name) : json_null());
    put_text(o, "cloud", volume->cloud);
    put(o, "cloud_id", object_text(volume->cloud_id));
    put_int(o, "created", volume->created_ms);
    put(o, "error", object_text(volume->why));
    return o;
}

static int64_t price_of(struct director *d, const struct node *nodes, int n)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += node_alive(&nodes[i]) ? director_price(d, nodes[i].cloud, nodes[i].type) : 0;
    }
    return sum;
}

int64_t object_price_service(struct director *d, const struct slot_service *v)
{
    return price_of(d, v->row.service.nodes, v->row.service.n_nodes);
}

int64_t object_price_app(struct director *d, const struct slot *s)
{
    int64_t sum = price_of(d, s->row.app.nodes, s->row.app.n_nodes);
    for (int i = 0; i < s->n; i++) {
        sum += object_price_service(d, s->services[i]);
    }
    return sum;
}

/* ---- applications ---- */

static const char *app_state(const struct app *a)
{
    const struct node *m = NULL;
    for (int i = 0; i < a->n_nodes; i++) {
        m = a->nodes[i].id == a->manager_node ? &a->nodes[i] : m;
    }
    if (a->deleting) {
        return "EPILOGUE";
    }
    if (!a->manager_wanted) {
        return a->n_nodes ? "EPILOGUE" : a->instance > 0 ? "STOPPED" : "INIT";
    }
    if (a->fails >= FAILS_MAX) {
        return "ERROR";
    }
    bool heard = clock_steady_ms() - a->manager_heard_ms < MANAGER_LOST_MS;
    return m && m->status == NODE_UP && a->epoch != 0 && heard ? "RUNNING" : "PROLOGUE";
}

json_t *object_app(struct director *d, struct slot *s)
{
    const struct app *a = &s->row.app;
    _cleanup_user_ struct user owner = {0};
    (void)!store_user(d->store, a->owner, &owner, NULL);
    int nodes = a->n_nodes;
    for (int i = 0; i < s->n; i++) {
        nodes += s->services[i]->row.service.n_nodes;
    }
    json_t *manager = NULL;
    for (int i = 0; i < a->n_nodes; i++) {
        if (a->nodes[i].id == a->manager_node) {
            manager = object_node(d, s, NULL, &a->nodes[i]);
        }
    }
    json_t *o = json_object();
    put_int(o, "id", a->id);
    put_text(o, "name", a->name);
    put_text(o, "owner", owner.username);
    put_text(o, "state", app_state(a));
    put(o, "error", a->fails > 0 ? object_text(a->fail_why) : json_null());
    put_int(o, "created", s->row.created_ms);
    put_text(o, "cloud", a->cloud);
    put_int(o, "services", s->n);
    put_int(o, "nodes", nodes);
    put_int(o, "millicredits_per_hour", object_price_app(d, s));
    put(o, "manager", manager ? manager : json_null());
    return o;
}

/* ---- services ---- */

static json_t *counts_of(const struct service *v)
{
    json_t *counts = json_object();
    for (int r = 0; r < v->type->n_roles; r++) {
        if (v->type->roles[r].flags & ROLE_PURPOSE) {
            put_int(counts, v->type->roles[r].name, v->want.counts[r]);
        }
    }
    return counts;
}

static int entry_port(const struct service_type *t)
{
    for (int r = 0; r < t->n_roles; r++) {
        if (t->roles[r].flags & ROLE_ENTRY) {
            return t->roles[r].port;
        }
    }
    return 0;
}

/* The first published entry point that has an address. */
static json_t *url_of(struct service *v)
{
    const struct id_set *entries = &v->facts[FACT_ENTRIES].v.ids;
    for (int64_t i = 0; i < entries->n; i++) {
        const struct node *n = service_node(v, entries->id[i]);
        if (n && n->address[0]) {
            _cleanup_free_ char *url =
                v->type->scheme ? str_printf("%s://%s:%d/", v->type->scheme, n->address, entry_port(v->type))
                                : str_printf("http://%s/", n->address);
            return json_string(url);
        }
    }
    return json_null();
}

static json_t *running_operations(struct director *d, struct slot *s, const struct service *v)
{
    json_t *list = json_array();
    for (int i = 0; i < v->n_ops; i++) {
        _cleanup_op_row_ struct op_row o = {0};
        if (store_op(d->store, v->ops[i].id, &o, NULL) == 0) {
            json_array_append_new(list, object_operation(d, s, &o));
        }
    }
    return list;
}

/* Why it is in ERROR, or why it does not run though nobody stopped it. */
static json_t *service_error(struct director *d, struct slot *s, const struct slot_service *sv)
{
    const struct service *v = &sv->row.service;
    _cleanup_user_ struct user owner = {0};
    if (v->in_error || v->want.run == RUN_RUNNING || !v->started_once) {
        return v->in_error ? object_text(v->error_why) : json_null();
    }
    bool broke = store_user(d->store, s->row.app.owner, &owner, NULL) == 0 && owner.broke_ms != 0 &&
                 sv->row.state_ms >= owner.broke_ms;
    return broke ? json_string("out of credit: ask your administrator for more, then start it") : json_null();
}

json_t *object_service(struct director *d, struct slot *s, struct slot_service *sv)
{
    struct service *v = &sv->row.service;
    _cleanup_version_ struct version code = {0};
    _cleanup_free_ char *address = str_printf("%s/v1/services/%lld", d->url, (long long)v->id);
    (void)!store_version(d->store, v->id, v->want.code, &code, NULL);
    json_t *o = json_object();
    put_int(o, "id", v->id);
    put_int(o, "app", v->app);
    put_text(o, "app_name", s->row.app.name);
    put_int(o, "sid", v->sid);
    put_text(o, "name", v->name);
    put_text(o, "type", v->type->name);
    put_text(o, "state", service_state_to_str(v->state));
    put(o, "error", service_error(d, s, sv));
    put_text(o, "cloud", v->cloud);
    put_int(o, "created", sv->row.created_ms);
    put_int(o, "changed", sv->row.state_ms);
    put_int(o, "generation", v->gen);
    put(o, "converged", json_boolean(v->converged));
    put(o, "counts", counts_of(v));
    put_int(o, "nodes", v->n_nodes);
    put(o, "url", url_of(v));
    put_text(o, "address", address);
    put(o, "code", object_id(v->want.code));
    put(o, "code_name", object_text(code.name));
    put_int(o, "millicredits_per_hour", object_price_service(d, sv));
    put(o, "operations", running_operations(d, s, v));
    return o;
}

/* ---- operations ---- */

static json_t *step(const char *title, const char *state, int64_t started, int64_t ended)
{
    return json_pack("{s:s, s:s, s:I, s:o}", "title", title, "state", state, "started", (json_int_t)started,
                     "ended", object_time(ended));
}

/* What was noted of the service while the operation ran, and what it waits for now. */
static json_t *steps_of(struct director *d, struct slot *s, const struct op_row *o)
{
    json_t *steps = json_array();
    struct event *ev = NULL;
    size_t n = 0;
    bool active = o->op.state == OP_ACTIVE;
    int64_t at = o->op.born_ms;
    if (store_events_between(d->store, o->app, o->service, o->op.born_ms, active ? INT64_MAX : o->ended_ms,
                             &ev, &n, NULL) < 0) {
        return steps;
    }
    for (size_t i = 0; i < n; i++) {
        bool end = strstr(ev[i].text, ": FAILED") ||
                   strstr(ev[i].text, ": CANCELLED"); /* of an operation: said below */
        if (!end && (str_eq(ev[i].kind, "node") || str_eq(ev[i].kind, "note"))) {
            json_array_append_new(steps, step(ev[i].text, "DONE", at, ev[i].at_ms));
            at = ev[i].at_ms;
        }
    }
    events_free(ev, n);
    struct slot_service *v = s ? slot_service(s, o->service) : NULL;
    if (active) {
        const char *waits = v ? json_str(v->live.performance, "waits_for", "") : "";
        json_array_append_new(
            steps, step(*waits ? waits : "waiting for the application's manager", "ACTIVE", at, 0));
    } else if (o->op.state == OP_FAILED) {
        json_array_append_new(steps, step(o->op.why[0] ? o->op.why : "failed", "FAILED", at, o->ended_ms));
    }
    return steps;
}

json_t *object_operation(struct director *d, struct slot *s, const struct op_row *r)
{
    const struct op *op = &r->op;
    json_t *o = json_object();
    put_int(o, "id", op->id);
    put_int(o, "app", r->app);
    put_int(o, "service", r->service);
    put_text(o, "call", r->call);
    put_text(o, "title", r->title && *r->title ? r->title : facet_to_str(op->facet));
    put_text(o, "facet", facet_to_str(op->facet));
    put_text(o, "state", op_state_to_str(op->state));
    put(o, "why", object_text(op->why));
    put(o, "user", object_text(r->actor));
    put_int(o, "created", op->born_ms);
    put_int(o, "changed", r->ended_ms ? r->ended_ms : op->progress_ms);
    put(o, "ended", object_time(r->ended_ms));
    put(o, "steps", steps_of(d, s, r));
    return o;
}

/* ---- code, history ---- */

json_t *object_version(const struct version *v, int64_t current)
{
    json_t *o = json_object();
    put_int(o, "id", v->id);
    put_int(o, "service", v->service);
    put_text(o, "name", v->name);
    put_text(o, "filename", v->filename);
    put_text(o, "description", v->description);
    put_text(o, "format", v->format);
    put_int(o, "size", v->size);
    put_text(o, "sha256", v->sha256);
    put_int(o, "created", v->created_ms);
    put(o, "current", json_boolean(v->id == current));
    return o;
}

json_t *object_job(const struct job *j)
{
    json_t *o = json_object();
    put_int(o, "id", j->id);
    put_int(o, "app", j->app);
    put_text(o, "app_name", j->app_name);
    put_text(o, "state", op_state_to_str(j->state));
    put(o, "why", object_text(j->why));
    put(o, "prune", json_boolean(j->prune));
    put_text(o, "user", j->actor);
    put_int(o, "created", j->created_ms);
    put_int(o, "changed", j->changed_ms);
    put(o, "ended", object_time(j->ended_ms));
    put(o, "steps", json_incref(j->steps));
    return o;
}

json_t *object_history(const struct event *ev)
{
    json_t *o = json_object();
    put_int(o, "id", ev->id);
    put_int(o, "time", ev->at_ms);
    put(o, "service", object_id(ev->service));
    put(o, "state", object_text(ev->state));
    put(o, "operation", object_id(ev->op));
    put_text(o, "text", ev->text);
    return o;
}

/* ---- what there is ---- */

json_t *object_cloud(struct director *d, const struct director_cloud *c)
{
    json_t *types = json_array();
    for (size_t i = 0; i < c->n_types; i++) {
        const struct cloud_type *t = &c->types[i];
        json_t *o = json_object();
        put_text(o, "name", t->name);
        put(o, "default", json_boolean(i == 0));
        put_int(o, "millicores", t->millicores);
        put_int(o, "memory_mb", t->memory_mb);
        put_int(o, "disk_mb", t->disk_mb);
        put_int(o, "millicredits_per_hour", t->millicredits_per_hour);
        json_array_append_new(types, o);
    }
    const char *first = NULL;
    (void)!director_pick_cloud(d, NULL, &first, NULL);
    json_t *o = json_object();
    put_text(o, "name", c->name);
    put_text(o, "driver", c->driver);
    put(o, "default", json_boolean(first && str_eq(first, c->name)));
    put(o, "available", json_boolean(c->available));
    put(o, "reason", object_text(c->reason));
    put(o, "types", types);
    return o;
}

static json_t *object_role(const struct role_def *r)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:i}", "name", r->name, "title", r->title, "min", r->min, "start",
                     r->start, "max", r->max);
}

static json_t *object_setting(const struct setting_def *s)
{
    static const char *const kinds[] = {
        [SETTING_INT] = "int",     [SETTING_SIZE] = "size",   [SETTING_ON_OFF] = "on_off",
        [SETTING_WORDS] = "words", [SETTING_PORTS] = "ports",
    };
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s}", "name", s->name, "kind", kinds[s->kind], "default",
                     s->fallback, "min", (json_int_t)s->min, "max", (json_int_t)s->max, "help", s->help);
}

json_t *object_type(const struct service_type *t)
{
    json_t *roles = json_array();
    json_t *settings = json_array();
    for (int r = 0; r < t->n_roles; r++) {
        if (t->roles[r].flags & ROLE_PURPOSE) {
            json_array_append_new(roles, object_role(&t->roles[r]));
        }
    }
    for (int i = 0; i < t->n_settings; i++) {
        json_array_append_new(settings, object_setting(&t->settings[i]));
    }
    json_t *o = json_object();
    put_text(o, "name", t->name);
    put_text(o, "title", t->title);
    put_text(o, "summary", t->summary);
    put_text(o, "icon", t->icon);
    put(o, "code", json_boolean(t->code));
    put_text(o, "default_role", t->roles[t->default_role].name);
    put(o, "roles", roles);
    put(o, "settings", settings);
    json_t *fields = json_array();
    for (int i = 0; i < t->n_manifest; i++) {
        json_array_append_new(fields, json_pack("{s:s, s:s, s:s}", "name", t->manifest[i].name, "kind",
                                                manifest_kind_to_str(t->manifest[i].kind), "help",
                                                t->manifest[i].help));
    }
    put(o, "manifest", fields);
    return o;
}
