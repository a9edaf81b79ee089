/*
 * What a task needs is copied under the application's lock; the call itself may take its 10 seconds.
 */
#include "director/provision.h"

#include "base/clock.h"
#include "base/log.h"
#include "director/txn.h"

#define QUEUE_MAX 4096

struct provision_job {
    enum { JOB_NONE, JOB_NODE, JOB_LEAKS, JOB_ENDED } kind;
    int64_t app; /* JOB_NODE */
    struct cloud_task task;
    int cloud; /* the others: its index */
};
struct provision {
    pthread_mutex_t lock;
    pthread_cond_t more;
    int first, n;
    struct provision_job queue[QUEUE_MAX];
    int n_threads;
    pthread_t threads[64];
    struct provision_job running[64]; /* by thread; JOB_NONE = idle */
    bool stopping;
};
struct worker {
    struct director *d;
    int index;
};

static bool same(const struct provision_job *a, const struct provision_job *b)
{
    return a->kind == b->kind && a->app == b->app && a->cloud == b->cloud && a->task.node == b->task.node &&
           a->task.volume == b->task.volume && a->task.step == b->task.step;
}

static void add(struct director *d, const struct provision_job *j)
{
    struct provision *p = d->provision;
    pthread_mutex_lock(&p->lock);
    bool known = p->n == QUEUE_MAX; /* full: the tick asks again */
    for (int i = 0; i < p->n && !known; i++) {
        known = same(&p->queue[(p->first + i) % QUEUE_MAX], j);
    }
    for (int i = 0; i < p->n_threads && !known; i++) {
        known = same(&p->running[i], j);
    }
    if (!known && !p->stopping) {
        p->queue[(p->first + p->n++) % QUEUE_MAX] = *j;
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
}

void provision_add(struct director *d, int64_t app, const struct cloud_task *task)
{
    add(d, &(struct provision_job){.kind = JOB_NODE, .app = app, .task = *task});
}

void provision_add_leaks(struct director *d, int cloud)
{
    add(d, &(struct provision_job){.kind = JOB_LEAKS, .cloud = cloud});
}

void provision_add_ended(struct director *d, int cloud)
{
    add(d, &(struct provision_job){.kind = JOB_ENDED, .cloud = cloud});
}

/* ---- one node's call ---- */

struct target {
    struct node node;     /* of a volume: the one that it is to be attached to */
    struct volume volume; /* id 0: the call is about the node */
    int64_t owner;
};

static int copy_target(struct director *d, const struct provision_job *j, struct target *ret)
{
    _cleanup_slot_ struct slot *s = NULL;
    if (world_app(d->world, j->app, &s, NULL) < 0) {
        return -1;
    }
    struct slot_service *v = j->task.service ? slot_service(s, j->task.service) : NULL;
    const struct node *n = v                 ? service_node(&v->row.service, j->task.node)
                           : j->task.service ? NULL
                                             : app_node(&s->row.app, j->task.node);
    *ret = (struct target){.owner = s->row.app.owner};
    if (j->task.volume) {
        const struct volume *volume = v ? service_volume(&v->row.service, j->task.volume) : NULL;
        if (!volume || (j->task.step == STEP_VOL_ATTACH && !n)) {
            return -1;
        }
        ret->volume = *volume;
    } else if (!n) {
        return -1;
    }
    ret->node = n ? *n : ret->node;
    return 0;
}

/* What the machine is told: who it is, whom to trust, and the token that it enrols with. */
static char *user_data(struct director *d, const struct provision_job *j, const struct target *t)
{
    _cleanup_free_ char *token = ca_enrol_token(d->ca, t->node.id, t->node.token);
    _cleanup_json_ json_t *o =
        json_pack("{s:s, s:I, s:I, s:s, s:{s:s, s:s}, s:s, s:s}", "installation", d->info.name, "node",
                  (json_int_t)t->node.id, "app", (json_int_t)j->app, "kind",
                  j->task.service ? "agent" : "manager", "director", "name", d->node_name, "address",
                  d->node_address, "ca", ca_certificate(d->ca), "token", token);
    mem_wipe(token, strlen(token));
    return json_text(o);
}

static int call_create(struct director *d, struct director_cloud *c, const struct provision_job *j,
                       const struct target *t, struct cloud_machine *m, struct err *e)
{
    _cleanup_free_ char *data = user_data(d, j, t);
    _cleanup_free_ char *name =
        str_printf("cps-u%lld-a%lld-n%lld", (long long)t->owner, (long long)j->app, (long long)t->node.id);
    struct cloud_spec spec = {.user_data = data};
    (void)str_copy(spec.token, sizeof(spec.token), t->node.token);
    (void)str_copy(spec.name, sizeof(spec.name), name);
    (void)str_copy(spec.type, sizeof(spec.type), t->node.type);
    int rc = c->cloud.driver->create(c->cloud.handle, &spec, m, e);
    mem_wipe(data, strlen(data));
    return rc;
}

static int call_cloud(struct director *d, struct director_cloud *c, const struct provision_job *j,
                      const struct target *t, struct cloud_machine *m, struct err *e)
{
    const struct cloud_driver *driver = c->cloud.driver;
    switch (j->task.step) {
    case STEP_CREATE:
        return call_create(d, c, j, t, m, e);
    case STEP_FIND:
        return driver->find(c->cloud.handle, t->node.token, m, e);
    case STEP_POLL:
        return driver->poll(c->cloud.handle, t->node.cloud_id, m, e);
    case STEP_TERMINATE:
        return driver->terminate(c->cloud.handle, t->node.cloud_id, e);
    default:
        return CLOUD_UNSUPPORTED;
    }
}

static int call_volume(struct director_cloud *c, const struct provision_job *j, const struct target *t,
                       struct cloud_machine *m, struct err *e)
{
    const struct cloud_driver *driver = c->cloud.driver;
    const struct volume *v = &t->volume;
    char name[CLOUD_NAME_MAX];
    (void)snprintf(name, sizeof(name), "v%lld", (long long)v->id);
    if (!driver->vol_create) {
        return err_set(e, CLOUD_UNSUPPORTED, "cloud %s has no volumes", c->name);
    }
    switch (j->task.step) {
    case STEP_VOL_CREATE:
        return driver->vol_create(c->cloud.handle, v->token, v->megabytes, m->id, e);
    case STEP_VOL_FIND:
        return driver->vol_find(c->cloud.handle, v->token, m->id, e);
    case STEP_VOL_ATTACH:
        return driver->vol_attach(c->cloud.handle, v->cloud_id, t->node.cloud_id, name, e);
    case STEP_VOL_DETACH:
        return driver->vol_detach(c->cloud.handle, v->cloud_id, e);
    case STEP_VOL_DELETE:
        return driver->vol_delete(c->cloud.handle, v->cloud_id, e);
    default:
        return CLOUD_UNSUPPORTED;
    }
}

static void feed_back(struct director *d, const struct provision_job *j, const struct cloud_outcome *o)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_err_ struct err e = {0};
    if (world_app(d->world, j->app, &s, NULL) < 0) {
        return;
    }
    struct slot_service *v = j->task.service ? slot_service(s, j->task.service) : NULL;
    if (j->task.service && !v) {
        return;
    }
    int rc = txn_begin(d, s, v, &x, &e);
    if (rc >= 0) {
        if (j->task.volume) {
            truth_volume_outcome(&x->t, j->task.volume, o);
        } else {
            truth_cloud_outcome(&x->t, j->task.node, o);
        }
        rc = txn_commit(x, &e);
    }
    if (rc < 0) { /* the answer of the cloud is lost: the tick finds out again */
        struct log_ctx ctx = {.logger = "director.provision", .app = j->app, .node = j->task.node};
        log_error(&ctx, "%s", e.message);
    }
    if (v) {
        v->due_ms = 0;
    } else {
        s->due_ms = 0;
    }
    director_wake(d);
}

static const char *const step_names[] = {
    [STEP_NONE] = "none",
    [STEP_CREATE] = "create",
    [STEP_FIND] = "find",
    [STEP_POLL] = "poll",
    [STEP_TERMINATE] = "terminate",
    [STEP_VOL_CREATE] = "create volume",
    [STEP_VOL_FIND] = "find volume",
    [STEP_VOL_ATTACH] = "attach volume",
    [STEP_VOL_DETACH] = "detach volume",
    [STEP_VOL_DELETE] = "delete volume",
};

static void do_task(struct director *d, const struct provision_job *j)
{
    struct target t;
    struct cloud_machine m = {0};
    _cleanup_err_ struct err e = {0};
    if (copy_target(d, j, &t) < 0) {
        return;
    }
    const char *cloud = j->task.volume ? t.volume.cloud : t.node.cloud;
    struct director_cloud *c = director_cloud(d, cloud);
    struct log_ctx ctx = {
        .logger = "director.provision", .app = j->app, .service = j->task.service, .node = t.node.id};
    struct cloud_outcome o = {.step = j->task.step, .result = CLOUD_RETRY};
    if (!c || !c->available) {
        err_set(&e, CLOUD_RETRY, "cloud %s is not available%s%s", cloud, c && c->reason ? ": " : "",
                c && c->reason ? c->reason : "");
    } else {
        o.result = j->task.volume ? call_volume(c, j, &t, &m, &e) : call_cloud(d, c, j, &t, &m, &e);
        o.result = o.result > 0 ? CLOUD_OK : o.result;
    }
    (void)str_copy(o.cloud_id, sizeof(o.cloud_id), m.id);
    (void)str_copy(o.address, sizeof(o.address), m.address);
    (void)str_copy(o.why, sizeof(o.why),
                   o.result == CLOUD_OK ? ""
                   : e.message          ? e.message
                                        : cloud_result_word(o.result));
    o.gone = o.step == STEP_POLL && o.result == CLOUD_OK && m.state == CLOUD_M_GONE;
    if (o.result != CLOUD_OK && o.result != CLOUD_NOTFOUND) {
        log_warn(&ctx, "%s: %s: %s", step_names[o.step], cloud_result_word(o.result), o.why);
    }
    feed_back(d, j, &o);
}

/* ---- leaks ---- */

int provision_leak(struct director *d, const struct cloud_machine *m, struct leak_machine *ret, struct err *e)
{
    struct node_row row;
    struct leak_machine l = {.age_ms = clock_wall_ms() - m->created_ms};
    _cleanup_err_ struct err why = {0};
    int rc = store_node_by_token(d->store, m->token, &row, &why);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        return err_set(e, rc, "the records cannot be read: %s", why.message);
    }
    (void)str_copy(l.token, sizeof(l.token), m->token);
    (void)str_copy(l.cloud_id, sizeof(l.cloud_id), m->id);
    l.known = rc == 0;
    l.record_gone = l.known && row.node.status == NODE_GONE;
    l.other_cloud_id = l.known && row.node.cloud_id[0] && !str_eq(row.node.cloud_id, m->id);
    *ret = l;
    return 0;
}

static void remove_leaks(struct director *d, struct director_cloud *c, const struct cloud_machine *m,
                         size_t n)
{
    struct log_ctx ctx = {.logger = "director.leaks"};
    _cleanup_err_ struct err e = {0};
    _cleanup_free_ struct leak_machine *leaks = xcalloc(n + 1, sizeof(*leaks));
    _cleanup_free_ bool *kill = xcalloc(n + 1, sizeof(*kill));
    for (size_t i = 0; i < n; i++) {
        if (m[i].state == CLOUD_M_GONE) {
            leaks[i].known = true; /* it runs no more: nothing to collect */
            continue;
        }
        if (provision_leak(d, &m[i], &leaks[i], &e) < 0) {
            log_error(&ctx, "cloud %s: %s", c->name, e.message);
            return;
        }
    }
    if (leak_pick(leaks, (int)n, kill, &e) < 0) {
        log_warn(&ctx, "ALARM cloud %s: %s", c->name, e.message);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (kill[i]) {
            _cleanup_err_ struct err why = {0};
            int rc = c->cloud.driver->terminate(c->cloud.handle, m[i].id, &why);
            log_warn(&ctx, "cloud %s: machine %s belongs to nothing%s%s", c->name, m[i].id,
                     rc < 0 ? ": " : ", removed", rc < 0 && why.message ? why.message : "");
        }
    }
}

/* U9: a volume whose record says that it is gone, or names another one. One without a record holds somebody's data
 * after a restore: people have to look at it. */
static void look_at_volumes(struct director *d, struct director_cloud *c, const struct cloud_volume *v,
                            size_t n)
{
    struct log_ctx ctx = {.logger = "director.leaks"};
    _cleanup_free_ struct leak_machine *leaks = xcalloc(n + 1, sizeof(*leaks));
    _cleanup_free_ bool *kill = xcalloc(n + 1, sizeof(*kill));
    _cleanup_err_ struct err e = {0};
    for (size_t i = 0; i < n; i++) {
        struct volume_row row;
        int rc = store_volume_by_token(d->store, v[i].token, &row, NULL);
        if (rc == ERR_NOT_FOUND) {
            log_warn(&ctx, "ALARM cloud %s: volume %s (%lld MB) has no record and is kept", c->name, v[i].id,
                     (long long)v[i].megabytes);
        } else if (rc < 0) {
            return;
        }
        leaks[i].age_ms = clock_wall_ms() - v[i].created_ms;
        leaks[i].known = true;
        leaks[i].record_gone = rc == 0 && row.volume.status == VOLUME_GONE;
        leaks[i].other_cloud_id = rc == 0 && row.volume.cloud_id[0] && !str_eq(row.volume.cloud_id, v[i].id);
    }
    if (leak_pick(leaks, (int)n, kill, &e) < 0) {
        log_warn(&ctx, "ALARM cloud %s, volumes: %s", c->name, e.message);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (kill[i]) {
            _cleanup_err_ struct err why = {0};
            int rc = c->cloud.driver->vol_delete(c->cloud.handle, v[i].id, &why);
            log_warn(&ctx, "cloud %s: volume %s belongs to nothing%s%s", c->name, v[i].id,
                     rc < 0 ? ": " : ", removed", rc < 0 && why.message ? why.message : "");
        }
    }
}

static void do_volume_leaks(struct director *d, struct director_cloud *c)
{
    _cleanup_free_ struct cloud_volume *v = NULL;
    _cleanup_err_ struct err e = {0};
    size_t n = 0;
    if (!c->cloud.driver->vol_list) {
        return;
    }
    int rc = c->cloud.driver->vol_list(c->cloud.handle, &v, &n, &e);
    if (rc < 0) {
        struct log_ctx ctx = {.logger = "director.leaks"};
        log_warn(&ctx, "cloud %s: list of volumes: %s", c->name,
                 e.message ? e.message : cloud_result_word(rc));
    } else if (n > 0) {
        look_at_volumes(d, c, v, n);
    }
}

static void do_leaks(struct director *d, struct director_cloud *c)
{
    _cleanup_err_ struct err e = {0};
    _cleanup_free_ struct cloud_machine *m = NULL;
    size_t n = 0;
    if (!c->available || atomic_load(&d->recovery)) {
        return;
    }
    do_volume_leaks(d, c);
    int rc = c->cloud.driver->list(c->cloud.handle, &m, &n, &e);
    if (rc < 0) {
        struct log_ctx ctx = {.logger = "director.leaks"};
        log_warn(&ctx, "cloud %s: list: %s", c->name, e.message ? e.message : cloud_result_word(rc));
    } else if (n > 0) {
        remove_leaks(d, c, m, n);
    }
}

/* ---- machines that ended ---- */

/* One look that found it gone; as with a poll, truth asks for two (X6), and the next look comes soon. When the record
 * says so too, what the cloud still keeps of it (its disk, its address) is given back. */
static void tell_ended(struct director *d, struct director_cloud *c, const struct cloud_machine *m)
{
    struct node_row row;
    _cleanup_err_ struct err e = {0};
    int rc = store_node_by_token(d->store, m->token, &row, &e);
    bool lives = rc == 0 && (row.node.status == NODE_UP || row.node.status == NODE_BOOTING);
    if (lives && str_eq(row.node.cloud_id, m->id)) {
        struct provision_job j = {.app = row.app, .task = {.service = row.service, .node = row.node.id}};
        struct cloud_outcome o = {.step = STEP_POLL, .result = CLOUD_OK, .gone = true};
        feed_back(d, &j, &o);
    } else if (rc == 0 && row.node.status == NODE_GONE && !atomic_load(&d->recovery)) {
        (void)!c->cloud.driver->terminate(c->cloud.handle, m->id, NULL);
    }
}

static void do_ended(struct director *d, struct director_cloud *c)
{
    _cleanup_err_ struct err e = {0};
    _cleanup_free_ struct cloud_machine *m = NULL;
    size_t n = 0;
    if (!c->available || c->cloud.driver->list(c->cloud.handle, &m, &n, &e) < 0) {
        return; /* the polls of the nodes say what is wrong */
    }
    for (size_t i = 0; i < n; i++) {
        if (m[i].state == CLOUD_M_GONE) {
            tell_ended(d, c, &m[i]);
        }
    }
}

/* ---- the pool ---- */

static bool take(struct provision *p, int index, struct provision_job *ret)
{
    pthread_mutex_lock(&p->lock);
    p->running[index] = (struct provision_job){.kind = JOB_NONE};
    while (p->n == 0 && !p->stopping) {
        pthread_cond_wait(&p->more, &p->lock);
    }
    bool got = !p->stopping;
    if (got) {
        *ret = p->queue[p->first];
        p->first = (p->first + 1) % QUEUE_MAX;
        p->n--;
        p->running[index] = *ret;
    }
    pthread_mutex_unlock(&p->lock);
    return got;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct director *d = w->d;
    struct provision_job j;
    while (take(d->provision, w->index, &j)) {
        switch (j.kind) {
        case JOB_NODE:
            do_task(d, &j);
            break;
        case JOB_LEAKS:
            do_leaks(d, &d->clouds[j.cloud]);
            break;
        case JOB_ENDED:
            do_ended(d, &d->clouds[j.cloud]);
            break;
        case JOB_NONE:
            break;
        }
    }
    free(w);
    return NULL;
}

int provision_start(struct director *d, struct err *e)
{
    struct provision *p = d->provision = xcalloc(1, sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    for (int i = 0; i < (int)d->config.provision_threads; i++) {
        struct worker *w = xcalloc(1, sizeof(*w));
        *w = (struct worker){.d = d, .index = i};
        int rc = pthread_create(&p->threads[i], NULL, work, w);
        if (rc != 0) {
            free(w);
            return err_errno(e, rc, "provisioning threads");
        }
        pthread_mutex_lock(&p->lock);
        p->n_threads++;
        pthread_mutex_unlock(&p->lock);
    }
    return 0;
}

void provision_stop(struct director *d)
{
    struct provision *p = d->provision;
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads; i++) {
        pthread_join(p->threads[i], NULL);
    }
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p);
    d->provision = NULL;
}
