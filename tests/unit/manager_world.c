#include "manager_world.h"

#include <assert.h>

#include "base/clock.h"
#include "base/fs.h"
#include "engine/fence.h"
#include "net/http_client.h"
#include "net/tls.h"

#define INSTALLATION "test"
#define APP 7
#define DIRECTOR_NAME "director." INSTALLATION
#define AGENTS_MAX 32
#define VERSIONS_WORLD 16
#define PATHS_WORLD 16

struct agent {
    struct world *w;
    int64_t node;
    pthread_t thread;
    bool used, stop;
    struct fence fence;
    struct report r;
};
struct path_count {
    const char *path;
    int64_t n;
};
struct world {
    pthread_mutex_t lock;
    struct app app;
    struct service service;
    struct purse purse;
    int64_t next_id;
    int64_t versions[VERSIONS_WORLD];
    int n_versions;
    int64_t broken;
    struct agent agents[AGENTS_MAX];
    struct path_count counts[PATHS_WORLD];
    struct op ended[64];
    int n_ended;
    struct buf log;
    bool mute, refuse_register, stop;
    pthread_t ticker;
    char *ca_key, *ca_cert, *director_key, *director_cert, *url, *address;
    struct http_server *server;
    struct manager_config config;
    uint16_t manager_port;
};

/* ---- the truth ---- */

static void make_token(void *arg, int64_t node, char out[TOKEN_MAX])
{
    (void)arg;
    _cleanup_free_ char *t = str_printf("token-%lld", (long long)node);
    str_copy(out, TOKEN_MAX, t);
}

static struct truth truth_of(struct world *w, struct effects *fx, bool service)
{
    return (struct truth){.app = &w->app,
                          .service = service ? &w->service : NULL,
                          .purse = &w->purse,
                          .now_ms = clock_steady_ms(),
                          .next_id = &w->next_id,
                          .out = fx,
                          .token = make_token};
}

/* What the director would store: here the ended operations are remembered and the balance is kept. */
static void settle(struct world *w, struct effects *fx)
{
    for (int i = 0; i < fx->n; i++) {
        const struct effect *x = &fx->e[i];
        if (x->kind == EFF_OP && x->op.state != OP_ACTIVE && w->n_ended < 64) {
            w->ended[w->n_ended++] = x->op;
        }
    }
    w->app.txn += fx->n > 0;
    effects_done(fx);
}

/* ---- agents ---- */

static struct http_client *agent_client(struct world *w, int64_t node, uint16_t port)
{
    struct err e = {0};
    struct tls_name manager = {.kind = TLS_MANAGER, .node = w->app.manager_node, .app = APP};
    struct tls_name self = {.kind = TLS_AGENT, .node = node, .app = APP};
    str_copy(manager.installation, sizeof(manager.installation), INSTALLATION);
    str_copy(self.installation, sizeof(self.installation), INSTALLATION);
    _cleanup_free_ char *manager_name = tls_name_text(&manager);
    _cleanup_free_ char *name = tls_name_text(&self);
    _cleanup_free_ char *key = NULL, *csr = NULL, *cert = NULL;
    struct tls_leaf leaf = {.dns_name = name, .client = true, .days = 2};
    random_bytes(leaf.serial, sizeof(leaf.serial));
    assert(tls_key_new(&key, &e) == 0 && tls_csr_new(key, name, &csr, &e) == 0);
    assert(tls_ca_sign(w->ca_key, w->ca_cert, csr, &leaf, &cert, &e) == 0);
    _cleanup_free_ char *url = str_printf("https://%s:%u", manager_name, port);
    _cleanup_free_ char *to = str_printf("127.0.0.1:%u", port);
    struct http_client *c = NULL;
    struct http_client_config config = {
        .url = url, .connect_to = to, .ca_pem = w->ca_cert, .key_pem = key, .cert_pem = cert};
    assert(http_client_new(&config, &c, &e) == 0);
    return c;
}

static void apply(struct agent *a, const struct doc *d, int64_t epoch, int64_t seq)
{
    struct report *r = &a->r;
    r->applied = *d;
    r->done_epoch = epoch;
    r->done_seq = seq;
    r->drained = d->drain;
    r->staged = d->code;
    r->synced = true;
    r->position = 1;
    for (int i = 0; i < ROLES_MAX; i++) {
        r->health[i] = doc_has(d, i) ? HEALTH_OK : HEALTH_NONE;
    }
    if (d->probe_version != 0) {
        r->n_probes = 1;
        r->probes[0] = (struct probe_result){
            .version = d->probe_version, .op = d->probe_op, .ok = d->probe_version != a->w->broken};
        str_copy(r->probes[0].evidence, WHY_MAX, r->probes[0].ok ? "" : WORLD_EVIDENCE);
    }
}

static void take_answer(struct agent *a, const json_t *answer)
{
    struct err e = {0};
    const json_t *document = json_object_get(answer, "document");
    int64_t seq = json_is_object(document) ? json_int(document, "seq", 0) : 0;
    _cleanup_free_ struct doc *d = xcalloc(1, sizeof(*d));
    enum fence_verdict v = fence_judge(&a->fence, json_int(answer, "epoch", 0), seq);
    a->r.promised = a->fence.promised;
    if (v == FENCE_ACCEPT) {
        int r = doc_from_json(json_object_get(document, "core"), service_type_find("php"), d, &e);
        assert(r == 0);
        assert(json_is_object(json_object_get(document, "roles")));
        assert(json_array_size(json_object_get(document, "artifacts")) == (size_t)d->code.n);
        apply(a, d, json_int(answer, "epoch", 0), seq);
    }
    err_done(&e);
}

static void *agent_main(void *arg)
{
    struct agent *a = arg;
    struct world *w = a->w;
    struct http_client *client = NULL;
    uint16_t port = 0;
    int64_t echo = 0;
    a->r.boot = 1;
    pthread_mutex_lock(&w->lock);
    while (!a->stop && !w->stop) {
        a->r.n++;
        _cleanup_json_ json_t *body =
            json_pack("{s:o, s:I, s:i}", "report", report_to_json(&a->r, service_type_find("php")), "echo",
                      (json_int_t)echo, "wait_ms", 500);
        json_object_set_new(json_object_get(body, "report"), "metrics", json_pack("{s:i}", "requests", 5));
        if (port != w->manager_port) {
            http_client_free(client);
            port = w->manager_port;
            client = port ? agent_client(w, a->node, port) : NULL;
        }
        pthread_mutex_unlock(&w->lock);
        _cleanup_json_ json_t *answer = NULL;
        struct err e = {0};
        int status = 0;
        struct http_call call = {
            .method = "POST", .path = "/agent/v1/poll", .body = body, .timeout_ms = 5000};
        int r = client ? http_do(client, &call, &status, &answer, &e) : -1;
        err_done(&e);
        if (r < 0) {
            struct timespec pause = {.tv_nsec = 50000000};
            nanosleep(&pause, NULL); /* as an agent whose manager is away */
        }
        pthread_mutex_lock(&w->lock);
        if (r >= 0) {
            echo = json_int(answer, "echo", 0);
            take_answer(a, answer);
        }
        if (service_node(&w->service, a->node)) {
            service_node(&w->service, a->node)->heard_ms = clock_steady_ms();
        }
    }
    pthread_mutex_unlock(&w->lock);
    http_client_free(client);
    return NULL;
}

static void start_agent(struct world *w, int64_t node)
{
    for (int i = 0; i < AGENTS_MAX; i++) {
        struct agent *a = &w->agents[i];
        if (!a->used) {
            *a = (struct agent){.w = w, .node = node, .used = true};
            int r = pthread_create(&a->thread, NULL, agent_main, a);
            assert(r == 0);
            return;
        }
    }
    assert(!"too many machines in one test");
}

static struct agent *find_agent(struct world *w, int64_t node)
{
    for (int i = 0; i < AGENTS_MAX; i++) {
        if (w->agents[i].used && w->agents[i].node == node) {
            return &w->agents[i];
        }
    }
    return NULL;
}

/* ---- the cloud ---- */

static void one_task(struct world *w, struct truth *t, const struct cloud_task *task)
{
    struct err e = {0};
    struct cloud_outcome o = {.step = task->step};
    struct agent *a = find_agent(w, task->node);
    _cleanup_free_ char *id = str_printf("m%lld", (long long)task->node);
    str_copy(o.cloud_id, sizeof(o.cloud_id), id);
    str_copy(o.address, sizeof(o.address), "127.0.0.1");
    o.gone = a && a->stop;
    if (task->step == STEP_TERMINATE && a) {
        a->stop = true;
    }
    truth_cloud_outcome(t, task->node, &o);
    if (task->step == STEP_CREATE && !a && t->service) {
        assert(truth_enrolled(t, task->node, id, "127.0.0.1", &e) == 0);
        start_agent(w, task->node);
    } else if (task->step == STEP_CREATE && !t->service) {
        assert(truth_enrolled(t, task->node, id, "127.0.0.1", &e) == 0);
    }
    err_done(&e);
}

static void tick(struct world *w, bool service)
{
    struct effects fx = {0};
    static struct cloud_tasks tasks;
    struct truth t = truth_of(w, &fx, service);
    tasks.n = 0;
    (void)truth_tick(&t, &tasks);
    for (int i = 0; i < tasks.n; i++) {
        one_task(w, &t, &tasks.t[i]);
    }
    settle(w, &fx);
}

static void *ticker_main(void *arg)
{
    struct world *w = arg;
    struct timespec pause = {.tv_nsec = 30000000};
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        w->app.manager_heard_ms = clock_steady_ms();
        tick(w, false);
        tick(w, true);
        pthread_mutex_unlock(&w->lock);
        nanosleep(&pause, NULL); /* the director's own tick */
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- the director's calls ---- */

static json_t *view_json(struct world *w)
{
    json_t *service = service_to_json(&w->service);
    json_t *versions = json_array();
    for (int i = 0; i < w->n_versions; i++) {
        json_array_append_new(versions,
                              json_pack("{s:I, s:s, s:s, s:i, s:s}", "id", (json_int_t)w->versions[i], "name",
                                        "code-x", "sha256", "00", "size", 100, "format", "tar"));
    }
    json_object_set_new(service, "versions", versions);
    json_object_set_new(service, "credit_ok", json_true());
    json_object_set_new(service, "settings",
                        json_pack("[{s:I, s:{}, s:{s:s}}]", "rev", (json_int_t)w->service.want.settings,
                                  "values", "own", "session_password", "a-secret"));
    return json_pack("{s:I, s:i, s:I, s:[o]}", "txn", (json_int_t)w->app.txn, "app", APP, "now",
                     (json_int_t)clock_steady_ms(), "services", service);
}

static int call_register(struct world *w, const json_t *body, json_t **ret, struct err *e)
{
    struct effects fx = {0};
    struct truth t = truth_of(w, &fx, false);
    int64_t epoch = 0;
    if (w->refuse_register) {
        return err_set(e, ERR_FENCED, "another manager is the current one");
    }
    int r = truth_register(&t, w->app.manager_node, json_str(body, "nonce", ""), &epoch, e);
    settle(w, &fx);
    *ret = json_pack("{s:I, s:i}", "epoch", (json_int_t)epoch, "lease_ms", 3000);
    return r;
}

/* The lock is given back while the poll waits. */
static int call_view(struct world *w, const json_t *body, struct http_request *r, json_t **ret)
{
    int64_t until = clock_mono_ms() + json_int(body, "wait_ms", 0);
    int64_t txn = json_int(body, "txn", 0);
    while (w->app.txn <= txn && !w->stop && !w->mute && clock_mono_ms() < until && !http_stopping(r)) {
        struct timespec pause = {.tv_nsec = 10000000};
        pthread_mutex_unlock(&w->lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&w->lock);
    }
    *ret = json_pack("{s:I, s:i, s:o, s:[]}", "txn", (json_int_t)w->app.txn, "lease_ms", 3000, "view",
                     w->app.txn > txn ? view_json(w) : json_null(), "queries");
    return 0;
}

static int call_change(struct world *w, const char *path, const json_t *body, struct err *e)
{
    struct effects fx = {0};
    struct truth t = truth_of(w, &fx, true);
    const struct service_type *type = w->service.type;
    struct fact_value v = {0};
    int counts[ROLES_MAX] = {0};
    int r = 0;
    if (str_eq(path, "/node/v1/create")) {
        for (int i = 0; i < type->n_roles; i++) {
            counts[i] = (int)json_int(json_object_get(body, "counts"), type->roles[i].name, 0);
        }
        r = truth_create(&t, json_int(body, "nodes_rev", 0), json_int(body, "gen", 0), counts, e);
    } else if (str_eq(path, "/node/v1/destroy")) {
        r = truth_destroy(&t, json_int(body, "node", 0), json_str(body, "why", ""), e);
    } else if (str_eq(path, "/node/v1/publish")) {
        assert(fact_value_from_json(json_object_get(body, "value"), &v, e) == 0);
        r = truth_publish(&t, (enum fact_id)fact_id_from_str(json_str(body, "fact", "")),
                          json_int(body, "rev", 0), &v, e);
    } else if (str_eq(path, "/node/v1/finish")) {
        r = truth_finish(&t, json_int(body, "op", 0),
                         (enum op_state)op_state_from_str(json_str(body, "outcome", "")),
                         json_str(body, "why", ""), e);
    } else if (str_eq(path, "/node/v1/report")) {
        char *text = json_text(json_object_get(body, "log"));
        buf_adds(&w->log, text);
        free(text);
        const json_t *s = json_array_get(json_object_get(body, "services"), 0);
        if (s) {
            truth_converged(&t, json_flag(s, "converged", false));
        }
    }
    settle(w, &fx);
    return r;
}

static void count_path(struct world *w, const char *path)
{
    for (int i = 0; i < PATHS_WORLD; i++) {
        if (!w->counts[i].path) {
            w->counts[i].path = xstrdup(path);
        }
        if (str_eq(w->counts[i].path, path)) {
            w->counts[i].n++;
            return;
        }
    }
}

static int admit(void *arg, struct http_request *r, struct http_admission *ret, struct err *e)
{
    (void)arg;
    (void)r;
    (void)e;
    ret->max_body = 1 << 22;
    return 0;
}

static int handle(void *arg, struct http_request *r, struct err *e)
{
    struct world *w = arg;
    _cleanup_json_ json_t *body = NULL;
    _cleanup_json_ json_t *answer = NULL;
    int rc = http_body_json(r, &body, e);
    if (rc < 0) {
        return rc;
    }
    pthread_mutex_lock(&w->lock);
    if (w->mute) {
        rc = err_set(e, ERR_UNAVAILABLE, "muted");
    } else if (str_eq(http_path(r), "/node/v1/register")) {
        rc = call_register(w, body, &answer, e);
    } else if ((rc = truth_fence(&w->app, w->app.manager_node, json_int(body, "epoch", 0), e)) < 0) {
    } else if (str_eq(http_path(r), "/node/v1/view")) {
        rc = call_view(w, body, r, &answer);
    } else {
        rc = call_change(w, http_path(r), body, e);
    }
    if (rc >= 0) {
        count_path(w, http_path(r));
    }
    pthread_mutex_unlock(&w->lock);
    if (rc < 0) {
        return rc;
    }
    if (!answer) {
        answer = json_object();
    }
    return http_reply_json(r, 200, answer);
}

/* ---- making it ---- */

static void sign(struct world *w, const struct tls_name *n, char **ret_key, char **ret_cert)
{
    struct err e = {0};
    _cleanup_free_ char *name = tls_name_text(n);
    _cleanup_free_ char *csr = NULL;
    struct tls_leaf leaf = {.dns_name = name, .server = true, .client = true, .days = 2};
    random_bytes(leaf.serial, sizeof(leaf.serial));
    assert(tls_key_new(ret_key, &e) == 0 && tls_csr_new(*ret_key, name, &csr, &e) == 0);
    assert(tls_ca_sign(w->ca_key, w->ca_cert, csr, &leaf, ret_cert, &e) == 0);
}

static void start_director(struct world *w)
{
    struct err e = {0};
    struct tls_name n = {.kind = TLS_DIRECTOR};
    str_copy(n.installation, sizeof(n.installation), INSTALLATION);
    sign(w, &n, &w->director_key, &w->director_cert);
    struct http_server_config c = {.address = "127.0.0.1",
                                   .key_pem = w->director_key,
                                   .cert_pem = w->director_cert,
                                   .ca_pem = w->ca_cert,
                                   .need_client_cert = true,
                                   .handler = {.admit = admit, .handle = handle, .arg = w}};
    assert(http_server_start(&c, &w->server, &e) == 0);
}

static void start_truth(struct world *w)
{
    struct err e = {0};
    struct effects fx = {0};
    const struct service_type *type = service_type_find("php");
    w->next_id = 100;
    w->purse = (struct purse){.user = 1, .balance = 1000};
    w->app = (struct app){.id = APP, .owner = 1, .txn = 1, .next_sid = 2, .incarnation = 1};
    w->service = (struct service){.id = 3, .app = APP, .sid = 1, .type = type, .gen = 1};
    str_copy(w->app.name, sizeof(w->app.name), "app");
    str_copy(w->service.name, sizeof(w->service.name), "shop");
    for (int i = 0; i < type->n_roles; i++) {
        w->service.want.counts[i] = w->service.good.counts[i] = type->roles[i].start;
    }
    w->service.want.code = w->service.good.code = w->versions[w->n_versions++] = 11;
    struct truth t = truth_of(w, &fx, false);
    assert(truth_want_manager(&t, &e) == 0);
    settle(w, &fx);
}

struct world *world_new(const char *state_dir)
{
    struct err e = {0};
    struct world *w = xcalloc(1, sizeof(*w));
    pthread_mutex_init(&w->lock, NULL);
    assert(tls_ca_new(INSTALLATION, &w->ca_key, &w->ca_cert, &e) == 0);
    start_truth(w);
    start_director(w);
    tick(w, false);
    assert(w->app.manager_node != 0);
    _cleanup_free_ char *key = NULL, *cert = NULL;
    _cleanup_free_ char *key_path = str_printf("%s/key.pem", state_dir);
    _cleanup_free_ char *cert_path = str_printf("%s/cert.pem", state_dir);
    struct tls_name n = {.kind = TLS_MANAGER, .node = w->app.manager_node, .app = APP};
    str_copy(n.installation, sizeof(n.installation), INSTALLATION);
    sign(w, &n, &key, &cert);
    assert(fs_write_atomic(key_path, key, strlen(key), 0600, &e) == 0);
    assert(fs_write_atomic(cert_path, cert, strlen(cert), 0600, &e) == 0);
    w->url = str_printf("https://" DIRECTOR_NAME ":%u", http_server_port(w->server));
    w->address = str_printf("127.0.0.1:%u", http_server_port(w->server));
    w->config = (struct manager_config){.director_url = w->url,
                                        .director_address = w->address,
                                        .ca_pem = w->ca_cert,
                                        .state_dir = state_dir,
                                        .installation = INSTALLATION,
                                        .node = w->app.manager_node,
                                        .app = APP,
                                        .listen_address = "127.0.0.1"};
    assert(pthread_create(&w->ticker, NULL, ticker_main, w) == 0);
    return w;
}

void world_free(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_mutex_unlock(&w->lock);
    http_server_stop(w->server);
    pthread_join(w->ticker, NULL);
    for (int i = 0; i < AGENTS_MAX; i++) {
        if (w->agents[i].used) {
            pthread_join(w->agents[i].thread, NULL);
        }
    }
    for (int i = 0; i < PATHS_WORLD; i++) {
        free((char *)w->counts[i].path);
    }
    buf_done(&w->log);
    free(w->ca_key);
    free(w->ca_cert);
    free(w->director_key);
    free(w->director_cert);
    free(w->url);
    free(w->address);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

const struct manager_config *world_config(const struct world *w)
{
    return &w->config;
}

/* ---- looking and changing ---- */

#define LOCKED(w) pthread_mutex_lock(&(w)->lock)
#define UNLOCK(w) pthread_mutex_unlock(&(w)->lock)

void world_set_manager_port(struct world *w, uint16_t port)
{
    LOCKED(w);
    w->manager_port = port;
    UNLOCK(w);
}

int64_t world_change(struct world *w, const struct change *c)
{
    struct err e = {0};
    struct effects fx = {0};
    int64_t op = 0;
    LOCKED(w);
    struct truth t = truth_of(w, &fx, true);
    int r = truth_accept(&t, c, &op, &e);
    if (r < 0) {
        fprintf(stderr, "change refused: %s\n", e.message);
    }
    assert(r == 0);
    settle(w, &fx);
    UNLOCK(w);
    return op;
}

void world_add_version(struct world *w, int64_t id)
{
    LOCKED(w);
    w->versions[w->n_versions++] = id;
    UNLOCK(w);
}

bool world_wait(struct world *w, bool (*pred)(const struct service *s, void *arg), void *arg, int ms)
{
    int64_t until = clock_mono_ms() + ms;
    bool holds = false;
    while (!holds && clock_mono_ms() < until) {
        struct timespec pause = {.tv_nsec = 20000000};
        LOCKED(w);
        holds = pred(&w->service, arg);
        UNLOCK(w);
        if (!holds) {
            nanosleep(&pause, NULL);
        }
    }
    return holds;
}

struct ended_arg {
    struct world *w;
    int64_t op;
    struct op found;
};
static bool has_ended(const struct service *s, void *arg)
{
    struct ended_arg *a = arg;
    (void)s;
    for (int i = 0; i < a->w->n_ended; i++) {
        if (a->w->ended[i].id == a->op) {
            a->found = a->w->ended[i];
            return true;
        }
    }
    return false;
}

enum op_state world_wait_op(struct world *w, int64_t op, int ms, char why[WHY_MAX])
{
    struct ended_arg a = {.w = w, .op = op};
    why[0] = '\0';
    if (!world_wait(w, has_ended, &a, ms)) {
        return OP_ACTIVE;
    }
    str_copy(why, WHY_MAX, a.found.why);
    return a.found.state;
}

struct service world_service(struct world *w)
{
    LOCKED(w);
    struct service s = w->service;
    UNLOCK(w);
    return s;
}

void world_fence(struct world *w, bool still_current)
{
    LOCKED(w);
    w->app.epoch++;
    w->refuse_register = !still_current;
    w->app.nonce[0] = '\0';
    UNLOCK(w);
}

int64_t world_epoch(struct world *w)
{
    LOCKED(w);
    int64_t epoch = w->app.epoch;
    UNLOCK(w);
    return epoch;
}

void world_mute(struct world *w, bool on)
{
    LOCKED(w);
    w->mute = on;
    UNLOCK(w);
}

int64_t world_count(struct world *w, const char *path)
{
    int64_t n = 0;
    LOCKED(w);
    for (int i = 0; i < PATHS_WORLD && w->counts[i].path; i++) {
        n += str_eq(w->counts[i].path, path) ? w->counts[i].n : 0;
    }
    UNLOCK(w);
    return n;
}

struct logged_arg {
    const struct world *w;
    const char *text;
};
static bool is_logged(const struct service *s, void *arg)
{
    const struct logged_arg *a = arg;
    (void)s;
    return a->w->log.data && strstr(a->w->log.data, a->text);
}

bool world_logged(struct world *w, const char *text)
{
    struct logged_arg a = {.w = w, .text = text};
    return world_wait(w, is_logged, &a, LOGGED_MS);
}

uint64_t world_roles(struct world *w, int64_t node)
{
    LOCKED(w);
    const struct agent *a = find_agent(w, node);
    uint64_t roles = a ? a->r.applied.roles : 0;
    UNLOCK(w);
    return roles;
}

int64_t world_routes(struct world *w, int64_t node)
{
    LOCKED(w);
    const struct agent *a = find_agent(w, node);
    int64_t v = a ? a->r.applied.route : 0;
    UNLOCK(w);
    return v;
}

void world_break_version(struct world *w, int64_t version)
{
    LOCKED(w);
    w->broken = version;
    UNLOCK(w);
}
