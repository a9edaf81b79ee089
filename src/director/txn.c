/*
 * Commit: what the transition said, plus what always goes with it - enrolment tokens of new nodes, revoked
 * certificates of gone ones, lines of history about nodes.
 */
#include "director/txn.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "director/director.h"

static void make_token(void *arg, int64_t node, char out[TOKEN_MAX])
{
    _cleanup_free_ char *random = random_name("", 20);
    _cleanup_free_ char *text = str_printf("n%lld-%s", (long long)node, random);
    (void)str_copy(out, TOKEN_MAX, text);
}

/* U10, and the sizes that the settings ask for; only types with volumes look at them. */
static int read_volumes(struct director *d, struct txn *x, struct err *e)
{
    const struct service_type *type = x->service.type;
    int64_t mb = 0;
    int rc = 0;
    bool sized = false;
    x->t.volume_max_mb = d->config.volume_max_mb;
    if ((rc = store_volumes_mb(d->store, x->app.owner, &mb, e)) < 0) {
        return rc;
    }
    x->t.volume_room_mb = d->config.volumes_user_mb - mb;
    for (int r = 0; r < type->n_roles; r++) {
        x->t.volume_mb[r] = type->roles[r].volume.megabytes;
        sized = sized || type->roles[r].volume.setting;
    }
    if (sized) {
        _cleanup_json_ json_t *values = NULL;
        if ((rc = store_settings(d->store, x->service.id, x->service.want.settings, &values, e)) < 0) {
            return rc;
        }
        for (int r = 0; r < type->n_roles; r++) {
            x->t.volume_mb[r] = service_type_volume_mb(type, r, values);
        }
    }
    return 0;
}

int txn_begin(struct director *d, struct slot *slot, struct slot_service *sv, struct txn **ret, struct err *e)
{
    struct txn *x = xcalloc(1, sizeof(*x));
    int rc = store_begin(d->store, e);
    if (rc >= 0 && (rc = store_purse(d->store, slot->row.app.owner, &x->purse, e)) < 0) {
        store_abort(d->store);
    }
    if (rc < 0) {
        free(x);
        return rc;
    }
    x->d = d;
    x->slot = slot;
    x->sv = sv;
    x->open = true;
    x->app = slot->row.app;
    if (sv) {
        x->service = sv->row.service;
    }
    x->purse_before = x->purse;
    x->now_ms = clock_steady_ms();
    x->t = (struct truth){
        .app = &x->app,
        .service = sv ? &x->service : NULL,
        .purse = &x->purse,
        .now_ms = x->now_ms,
        .next_id = store_next_id(d->store),
        .out = &x->out,
        .token = make_token,
        .recovery = atomic_load(&d->recovery),
    };
    if (sv && service_type_has_volumes(x->service.type) && (rc = read_volumes(d, x, e)) < 0) {
        txn_free(x);
        return rc;
    }
    *ret = x;
    return 0;
}

void txn_free(struct txn *x)
{
    if (!x) {
        return;
    }
    if (x->open) {
        store_abort(x->d->store);
    }
    effects_done(&x->out);
    free(x);
}

int txn_note(struct txn *x, int64_t service, const char *kind, int64_t op, int64_t node, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_buf_ struct buf text = {0};
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    struct event ev = {
        .app = x->app.id,
        .at_ms = x->now_ms,
        .service = service,
        .op = op,
        .node = node,
        .text = text.data,
    };
    (void)str_copy(ev.kind, sizeof(ev.kind), kind);
    struct log_ctx ctx = {.logger = "director", .app = x->app.id, .service = service, .op = op, .node = node};
    log_info(&ctx, "%s", text.data);
    x->wrote = true;
    return store_event_add(x->d->store, &ev, NULL, NULL);
}

static const char *role_of(const struct txn *x, const struct node *n)
{
    return x->sv && n->role >= 0 ? x->service.type->roles[n->role].name : "manager";
}

static int note_node(struct txn *x, const struct node *n)
{
    int64_t service = x->sv ? x->service.id : 0;
    const char *role = role_of(x, n);
    switch (n->status) {
    case NODE_INTENT:
        return txn_note(x, service, "node", 0, n->id, "node %lld (%s) is asked from cloud %s",
                        (long long)n->id, role, n->cloud);
    case NODE_BOOTING:
        return txn_note(x, service, "node", 0, n->id, "node %lld (%s) is starting", (long long)n->id, role);
    case NODE_UP:
        return txn_note(x, service, "node", 0, n->id, "node %lld (%s) is up%s%s", (long long)n->id, role,
                        n->address[0] ? " at " : "", n->address);
    case NODE_DYING:
        return txn_note(x, service, "node", 0, n->id, "node %lld (%s) goes%s%s", (long long)n->id, role,
                        n->why[0] ? ": " : "", n->why);
    case NODE_GONE:
        return txn_note(x, service, "node", 0, n->id, "node %lld (%s) is gone", (long long)n->id, role);
    default:
        return 0;
    }
}

static int note_volume(struct txn *x, const struct volume *v)
{
    static const char *const words[VOLUME_STATUS_MAX] = {
        [VOLUME_INTENT] = "is asked from cloud",
        [VOLUME_AVAILABLE] = "is there, attached to no node of cloud",
        [VOLUME_ATTACHING] = "is being attached in cloud",
        [VOLUME_ATTACHED] = "is attached in cloud",
        [VOLUME_DETACHING] = "is being detached in cloud",
        [VOLUME_DELETING] = "is being deleted in cloud",
        [VOLUME_GONE] = "is gone from cloud",
    };
    return words[v->status] ? txn_note(x, x->service.id, "node", 0, v->node, "volume %s (%lld MB) %s %s",
                                       v->name, (long long)v->megabytes, words[v->status], v->cloud)
                            : 0;
}

/* As status_is_new. */
static bool volume_is_new(const struct txn *x, int at)
{
    const struct volume *v = &x->out.e[at].volume;
    for (int i = at - 1; i >= 0; i--) {
        if (x->out.e[i].kind == EFF_VOLUME && x->out.e[i].volume.id == v->id) {
            return x->out.e[i].volume.status != v->status;
        }
    }
    const struct volume *old = service_volume(&x->sv->row.service, v->id);
    return !old || old->status != v->status;
}

static const struct node *node_before(const struct txn *x, int64_t id)
{
    const struct app *a = &x->slot->row.app;
    for (int i = 0; !x->sv && i < a->n_nodes; i++) {
        if (a->nodes[i].id == id) {
            return &a->nodes[i];
        }
    }
    return x->sv ? service_node(&x->sv->row.service, id) : NULL;
}

/* An effect tells about a node whenever anything of it moved; people hear of its status only. */
static bool status_is_new(const struct txn *x, int at)
{
    const struct node *n = &x->out.e[at].node;
    for (int i = at - 1; i >= 0; i--) {
        if (x->out.e[i].kind == EFF_NODE && x->out.e[i].node.id == n->id) {
            return x->out.e[i].node.status != n->status;
        }
    }
    const struct node *old = node_before(x, n->id);
    return !old || old->status != n->status;
}

static int with_node(struct txn *x, const struct node *n, struct err *e)
{
    int rc = note_node(x, n);
    if (rc >= 0 && n->status == NODE_INTENT) {
        _cleanup_free_ char *token = ca_enrol_token(x->d->ca, n->id, n->token);
        rc = store_enrolment_add(x->d->store, n->id, token, e);
        mem_wipe(token, strlen(token));
    } else if (rc >= 0 && n->status == NODE_GONE) {
        rc = store_certificates_revoke(x->d->store, n->id, x->now_ms, e);
    }
    return rc;
}

static int with_effects(struct txn *x, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < x->out.n && rc >= 0; i++) {
        const struct effect *f = &x->out.e[i];
        if (f->kind == EFF_NODE && status_is_new(x, i)) {
            rc = with_node(x, &f->node, e);
        } else if (f->kind == EFF_VOLUME && x->sv && volume_is_new(x, i)) {
            rc = note_volume(x, &f->volume);
        }
    }
    return rc;
}

static void log_effects(struct txn *x)
{
    for (int i = 0; i < x->out.n; i++) {
        const struct effect *f = &x->out.e[i];
        struct log_ctx ctx = {
            .logger = "director", .app = x->app.id, .service = f->service, .node = f->node_id};
        if (f->kind == EFF_HISTORY) {
            log_info(&ctx, "%s", f->text);
        } else if (f->kind == EFF_ALARM) {
            log_warn(&ctx, "ALARM %s", f->text);
        }
    }
}

/* The copies become the truth. */
static void put_in_place(struct txn *x, bool stored)
{
    struct slot *s = x->slot;
    if (x->sv) {
        if (x->sv->row.service.state != x->service.state) {
            x->sv->row.state_ms = x->now_ms;
        }
        x->sv->row.service = x->service;
    }
    s->row.app = x->app;
    if (!stored) {
        return;
    }
    s->due_ms = 0;
    for (int i = 0; i < s->n; i++) {
        s->services[i]->due_ms = 0;
    }
    slot_pulse(s);
    director_wake(x->d);
}

int txn_commit(struct txn *x, struct err *e)
{
    assert(x->open);
    struct store *store = x->d->store;
    struct truth_save save = {
        .app_before = &x->slot->row.app,
        .app_after = &x->app,
        .service_before = x->sv ? &x->sv->row.service : NULL,
        .service_after = x->sv ? &x->service : NULL,
        .effects = &x->out,
        .purse_before = &x->purse_before,
        .purse = &x->purse,
        .now_ms = x->now_ms,
        .actor = x->actor,
        .call = x->call,
        .title = x->title,
    };
    if ((x->out.n > 0 || x->wrote) && x->app.txn == x->slot->row.app.txn) {
        x->app.txn++;
    }
    int rc = store_save(store, &save, e);
    bool stored = rc > 0 || x->wrote;
    if (rc >= 0 && stored) {
        rc = with_effects(x, e);
    }
    if (rc < 0 || !stored) {
        store_abort(store);
    } else {
        rc = store_commit(store, e);
    }
    x->open = false;
    if (rc < 0) {
        return rc;
    }
    put_in_place(x, stored);
    log_effects(x);
    return stored;
}
