/*
 * The nodes' side of the director: enrolment, fencing, a service brought up by a manager made of this test,
 * questions, the event stream, the page's cookie, clouds that fail.
 */
#include "cm.h"

#include <curl/curl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "director/account.h"
#include "director/provision.h"
#include "director_world.h"

/* A user with a started service whose manager has registered. */
struct play {
    struct director_world *w;
    char *token;
    struct http_client *user;
    int64_t service, app, epoch, txn;
    struct world_node m;
};

static json_t *with_epoch(const struct play *p, json_t *body)
{
    json_object_set_new(body, "epoch", json_integer(p->epoch));
    return body;
}

static int manager(struct play *p, const char *call, json_t *body, json_t **ret)
{
    _cleanup_free_ char *path = str_printf("/node/v1/%s", call);
    return world_do(p->m.c, "POST", path, with_epoch(p, body), ret);
}

static void create_service(struct play *p)
{
    _cleanup_json_ json_t *j = NULL;
    assert_int_equal(world_do(p->user, "POST", "/v1/services", json_pack("{s:s}", "type", "php"), &j), 201);
    p->service = json_int(j, "id", 0);
    p->app = json_int(j, "app", 0);
}

static struct play *begin(void)
{
    struct play *p = xcalloc(1, sizeof(*p));
    p->w = world_start(NULL);
    p->token = world_user(p->w, "ada", false, 100);
    p->user = world_client(p->w, p->token);
    create_service(p);
    world_node_start(p->w, world_manager_of(p->user, p->app), &p->m);
    return p;
}

static void do_register(struct play *p)
{
    _cleanup_json_ json_t *j = NULL;
    assert_int_equal(
        world_do(p->m.c, "POST", "/node/v1/register", json_pack("{s:s}", "nonce", "nonce-one"), &j), 200);
    p->epoch = json_int(j, "epoch", 0);
    assert_true(p->epoch > 0);
    assert_true(json_int(j, "lease_ms", 0) > 0);
}

static void end(struct play *p)
{
    world_node_done(&p->m);
    http_client_free(p->user);
    free(p->token);
    world_stop(p->w);
    free(p);
}

static json_t *view(struct play *p, int64_t txn, int wait_ms)
{
    json_t *j = NULL;
    json_t *body = json_pack("{s:I, s:i}", "txn", (json_int_t)txn, "wait_ms", wait_ms);
    assert_int_equal(manager(p, "view", body, &j), 200);
    p->txn = json_int(j, "txn", 0);
    return j;
}

static char *service_path(const struct play *p, const char *rest)
{
    return str_printf("/v1/services/%lld%s", (long long)p->service, rest);
}

/* ---- what the settings facet owns ---- */

/* The newest revision of the service in the manager's view. Caller owns the view. */
static json_t *newest(struct play *p, json_t **ret_view)
{
    *ret_view = view(p, 0, 0);
    json_t *v = json_object_get(*ret_view, "view");
    json_t *service = json_array_get(json_object_get(v, "services"), 0);
    json_t *all = json_object_get(service, "settings");
    return json_array_get(all, json_array_size(all) - 1);
}

static int change(struct play *p, const char *method, const char *rest, json_t *body)
{
    _cleanup_json_ json_t *j = NULL;
    _cleanup_free_ char *path = service_path(p, rest);
    return world_do(p->user, method, path, body, &j);
}

static void test_environment(void **state)
{
    struct play *p = begin();
    _cleanup_json_ json_t *v = NULL;
    do_register(p);
    assert_int_equal(
        change(p, "PATCH", "/environment", json_pack("{s:{s:s, s:s}}", "variables", "A", "1", "B", "2")),
        202);
    assert_int_equal(change(p, "PATCH", "/config", json_pack("{s:{s:s}}", "settings", "memory_limit", "64M")),
                     202);
    assert_int_equal(change(p, "POST", "/environment/unset", json_pack("{s:[s]}", "names", "A")), 202);
    assert_int_equal(change(p, "POST", "/environment/unset", json_pack("{s:[s]}", "names", "A")),
                     ERR_INVALID);
    json_t *r = newest(p, &v);
    assert_int_equal(json_int(r, "rev", 0), 4);
    assert_string_equal(json_str(json_object_get(r, "values"), "memory_limit", ""), "64M");
    assert_string_equal(json_str(json_object_get(r, "env"), "B", ""), "2");
    assert_int_equal(json_object_size(json_object_get(r, "env")), 1);
    /* the same once more is no new revision */
    assert_int_equal(change(p, "PATCH", "/environment", json_pack("{s:{s:s}}", "variables", "B", "2")), 202);
    json_decref(v);
    assert_int_equal(json_int(newest(p, &v), "rev", 0), 4);
    /* too much for one service */
    json_t *many = json_object();
    _cleanup_free_ char *text = xmalloc(8001);
    memset(text, 'x', 8000);
    text[8000] = '\0';
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof(name), "N%d", i);
        json_object_set_new(many, name, json_string(text));
    }
    assert_int_equal(change(p, "PATCH", "/environment", json_pack("{s:o}", "variables", many)), ERR_QUOTA);
    end(p);
}

static bool on_disk(const struct play *p, const char *text)
{
    static const char *const files[] = {"director.db", "director.db-wal"};
    bool found = false, there = false;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        _cleanup_free_ char *path = str_printf("%s/%s", p->w->d->config.data_dir, files[i]);
        _cleanup_buf_ struct buf b = {0};
        if (fs_read(path, 64 << 20, &b, NULL) == 0) {
            there = true;
            found = found || (b.len > 0 && memmem(b.data, b.len, text, strlen(text)));
        }
    }
    assert_true(there);
    return found;
}

/* A secret goes to the manager, and nowhere else: no answer, no history, no file. */
static void test_secrets(void **state)
{
    static const char value[] = "correct horse\nbattery staple";
    struct play *p = begin();
    _cleanup_json_ json_t *v = NULL;
    do_register(p);
    assert_int_equal(
        change(p, "POST", "/secrets", json_pack("{s:s, s:s}", "name", "API_KEY", "value", value)), 202);
    assert_int_equal(change(p, "POST", "/secrets", json_pack("{s:s, s:s}", "name", "PATH", "value", "x")),
                     ERR_INVALID);
    assert_int_equal(change(p, "PATCH", "/environment", json_pack("{s:{s:s}}", "variables", "API_KEY", "x")),
                     ERR_INVALID);
    json_t *r = newest(p, &v);
    assert_string_equal(json_str(json_object_get(r, "secrets"), "API_KEY", ""), value);
    assert_int_equal(strlen(json_str(json_object_get(r, "own"), "session_password", "")), 40);
    static const char *const shown[] = {"", "/environment", "/secrets", "/config", "/history"};
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        _cleanup_json_ json_t *j = NULL;
        _cleanup_free_ char *path = service_path(p, shown[i]);
        assert_int_equal(world_do(p->user, "GET", path, NULL, &j), 200);
        _cleanup_free_ char *text = json_text(j);
        assert_null(strstr(text, "correct horse"));
        assert_null(strstr(text, json_str(json_object_get(r, "own"), "session_password", "?")));
    }
    assert_true(on_disk(p, "API_KEY"));
    assert_false(on_disk(p, "correct horse"));
    assert_false(on_disk(p, json_str(json_object_get(r, "own"), "session_password", "?")));
    assert_int_equal(change(p, "POST", "/secrets/remove", json_pack("{s:s}", "name", "API_KEY")), 202);
    assert_int_equal(change(p, "POST", "/secrets/remove", json_pack("{s:s}", "name", "API_KEY")),
                     ERR_INVALID);
    json_decref(v);
    assert_int_equal(json_object_size(json_object_get(newest(p, &v), "secrets")), 0);
    end(p);
}

/* Of many changes the newest revisions stay, and of secrets those that they name. */
static void test_revisions_go(void **state)
{
    struct play *p = begin();
    struct store *store = p->w->d->store;
    _cleanup_json_ json_t *v = NULL;
    do_register(p);
    assert_int_equal(change(p, "POST", "/secrets", json_pack("{s:s, s:s}", "name", "KEY", "value", "old")),
                     202);
    _cleanup_revision_ struct revision with_old = {0};
    assert_int_equal(store_revision(store, p->service, 2, &with_old, NULL), 0);
    int64_t old = json_int(with_old.secrets, "KEY", 0), own = json_int(with_old.own, "session_password", 0);
    assert_int_equal(change(p, "POST", "/secrets", json_pack("{s:s, s:s}", "name", "KEY", "value", "new")),
                     202);
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(change(p, "PATCH", "/environment", json_pack("{s:{s:s}}", "variables", "N", text)),
                         202);
    }
    _cleanup_revision_ struct revision gone = {0};
    _cleanup_sealed_ struct sealed sealed = {0}, kept = {0};
    assert_int_equal(store_revision(store, p->service, 2, &gone, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_sealed(store, old, &sealed, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_sealed(store, own, &kept, NULL), 0);
    assert_string_equal(json_str(json_object_get(newest(p, &v), "secrets"), "KEY", ""), "new");
    end(p);
}

static int64_t more_service(struct play *p, const char *name)
{
    _cleanup_json_ json_t *j = NULL;
    assert_int_equal(
        world_do(p->user, "POST", "/v1/services",
                 json_pack("{s:s, s:s, s:I}", "type", "php", "name", name, "app", (json_int_t)p->app), &j),
        201);
    return json_int(j, "id", 0);
}

static int link_to(struct play *p, int64_t from, int64_t to, const char *as)
{
    _cleanup_json_ json_t *j = NULL;
    _cleanup_free_ char *path = str_printf("/v1/services/%lld/links", (long long)from);
    json_t *body = json_pack("{s:I}", "other", (json_int_t)to);
    if (as) {
        json_object_set_new(body, "as", json_string(as));
    }
    return world_do(p->user, "POST", path, body, &j);
}

static int post(struct play *p, int64_t service, const char *what, json_t *body)
{
    _cleanup_json_ json_t *j = NULL;
    _cleanup_free_ char *path = str_printf("/v1/services/%lld%s", (long long)service, what);
    return world_do(p->user, "POST", path, body, &j);
}

/* References: names, ports, circles; who is referred to is started first, stopped and deleted last. */
static void test_references(void **state)
{
    struct play *p = begin();
    _cleanup_json_ json_t *v = NULL, *none = NULL;
    do_register(p);
    int64_t b = more_service(p, "b"), c = more_service(p, "c");
    assert_int_equal(link_to(p, p->service, b, NULL), 202);
    assert_int_equal(link_to(p, p->service, b, NULL), 202);         /* once more is no change */
    assert_int_equal(link_to(p, p->service, c, NULL), ERR_INVALID); /* the name is taken */
    assert_int_equal(link_to(p, p->service, c, "C"), 202);
    assert_int_equal(link_to(p, p->service, c, "9"), ERR_INVALID);
    assert_int_equal(link_to(p, p->service, p->service, "ME"), ERR_INVALID);
    assert_int_equal(link_to(p, b, c, NULL), 202);
    assert_int_equal(link_to(p, c, p->service, NULL), ERR_INVALID);
    json_t *links = json_object_get(newest(p, &v), "links");
    assert_int_equal(json_array_size(links), 2);
    assert_int_equal(json_int(json_array_get(links, 0), "port", 0), 8100);
    assert_int_equal(json_int(json_array_get(links, 1), "port", 0), 8101);
    assert_int_equal(json_int(json_array_get(links, 1), "service", 0), c);
    /* order */
    assert_int_equal(post(p, p->service, "/start", json_object()), ERR_STATE);
    assert_int_equal(post(p, c, "/start", json_object()), 202);
    assert_int_equal(post(p, b, "/start", json_object()), 202);
    assert_int_equal(post(p, c, "/stop", json_object()), ERR_STATE);
    assert_int_equal(post(p, c, "/stop", json_pack("{s:b}", "force", 1)), 202);
    _cleanup_free_ char *path = str_printf("/v1/services/%lld", (long long)b);
    assert_true(world_do(p->user, "DELETE", path, NULL, &none) < 0);
    assert_int_equal(post(p, p->service, "/links/remove", json_pack("{s:s}", "name", "PHP")), 202);
    assert_int_equal(post(p, p->service, "/links/remove", json_pack("{s:s}", "name", "PHP")), ERR_INVALID);
    end(p);
}

/* ---- enrolment ---- */

static void test_enrolment(void **state)
{
    struct play *p = begin();
    _cleanup_free_ char *token = world_enrol_token(p->w, p->m.id);
    _cleanup_free_ char *again = NULL;
    _cleanup_free_ char *other = NULL;
    _cleanup_free_ char *name = NULL;
    _cleanup_free_ char *wanted =
        str_printf("n%lld.a%lld.manager.%s", (long long)p->m.id, (long long)p->app, p->w->d->info.name);
    assert_int_equal(tls_cert_info(p->m.cert, &name, NULL, NULL, NULL), 0);
    assert_string_equal(name, wanted); /* not what the request asked for */
    assert_int_equal(world_enrol(p->w, p->m.id, token, p->m.key, &again), 200);
    assert_string_equal(again, p->m.cert); /* a lost answer: the same again */
    assert_int_equal(tls_key_new(&other, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_enrol(p->w, p->m.id, token, other, NULL), ERR_FORBIDDEN);
    }
    assert_int_equal(world_enrol(p->w, p->m.id, "guess", p->m.key, NULL), ERR_FORBIDDEN);
    assert_int_equal(world_enrol(p->w, p->m.id + 1000, token, p->m.key, NULL), ERR_FORBIDDEN);
    struct event *alarms = NULL;
    size_t n = 0;
    assert_int_equal(store_alarms(p->w->d->store, 10, &alarms, &n, NULL), 0);
    assert_int_equal(n, 1); /* the second key, told once however often it comes */
    events_free(alarms, n);
    end(p);
}

static void test_foreign_certificate(void **state)
{
    struct play *p = begin();
    _cleanup_free_ char *ca_key = NULL;
    _cleanup_free_ char *ca = NULL;
    _cleanup_free_ char *csr = NULL;
    _cleanup_free_ char *cert = NULL;
    _cleanup_free_ char *name = NULL;
    assert_int_equal(tls_ca_new(p->w->d->info.name, &ca_key, &ca, NULL), 0);
    assert_int_equal(tls_cert_info(p->m.cert, &name, NULL, NULL, NULL), 0);
    assert_int_equal(tls_csr_new(p->m.key, name, &csr, NULL), 0);
    struct tls_leaf leaf = {.dns_name = name, .client = true, .days = 1, .serial = {1}};
    assert_int_equal(tls_ca_sign(ca_key, ca, csr, &leaf, &cert, NULL), 0);
    _cleanup_(http_client_freep) struct http_client *forged = world_node_client(p->w, p->m.key, cert);
    _cleanup_(http_client_freep) struct http_client *none = world_node_client(p->w, NULL, NULL);
    assert_true(world_do(forged, "POST", "/node/v1/heartbeat", json_pack("{s:i}", "boot", 1), NULL) < 0);
    assert_int_equal(world_do(none, "POST", "/node/v1/heartbeat", json_pack("{s:i}", "boot", 1), NULL),
                     ERR_UNAUTHENTICATED);
    assert_int_equal(world_do(p->m.c, "POST", "/node/v1/heartbeat", json_pack("{s:i}", "boot", 1), NULL),
                     200);
    end(p);
}

static void test_renewal(void **state)
{
    struct play *p = begin();
    _cleanup_free_ char *csr = NULL;
    _cleanup_json_ json_t *j = NULL;
    assert_int_equal(tls_csr_new(p->m.key, "anything", &csr, NULL), 0);
    assert_int_equal(world_do(p->m.c, "POST", "/node/v1/renew", json_pack("{s:s}", "csr", csr), &j), 200);
    _cleanup_(http_client_freep) struct http_client *c =
        world_node_client(p->w, p->m.key, json_str(j, "certificate", ""));
    assert_int_equal(world_do(c, "POST", "/node/v1/heartbeat", json_pack("{s:i}", "boot", 1), NULL), 200);
    assert_int_equal(world_do(p->m.c, "POST", "/node/v1/renew", json_pack("{s:s}", "csr", "garbage"), NULL),
                     ERR_INVALID);
    end(p);
}

/* A node that asks without end fills no table. */
static void test_renewals_are_limited(void **state)
{
    struct play *p = begin();
    _cleanup_free_ char *csr = NULL;
    int rc = 200, n = 0;
    assert_int_equal(tls_csr_new(p->m.key, "anything", &csr, NULL), 0);
    for (; rc == 200 && n < 50; n++) {
        rc = world_do(p->m.c, "POST", "/node/v1/renew", json_pack("{s:s}", "csr", csr), NULL);
    }
    assert_int_equal(rc, ERR_RATE);
    assert_true(n > 3);
    assert_int_equal(world_do(p->m.c, "POST", "/node/v1/heartbeat", json_pack("{s:i}", "boot", 1), NULL),
                     200);
    end(p);
}

/* ---- a life ---- */

static int64_t first_node(const json_t *answer)
{
    const json_t *service = json_array_get(json_object_get(json_object_get(answer, "view"), "services"), 0);
    return json_int(json_array_get(json_object_get(service, "nodes"), 0), "id", 0);
}

static int64_t first_op(const json_t *answer)
{
    const json_t *service = json_array_get(json_object_get(json_object_get(answer, "view"), "services"), 0);
    return json_int(json_array_get(json_object_get(service, "ops"), 0), "id", 0);
}

static json_t *create_body(struct play *p, const json_t *answer, const char *role, int n)
{
    const json_t *service = json_array_get(json_object_get(json_object_get(answer, "view"), "services"), 0);
    return json_pack("{s:I, s:I, s:I, s:{s:i}}", "service", (json_int_t)p->service, "nodes_rev",
                     (json_int_t)json_int(service, "nodes_rev", 0), "gen",
                     (json_int_t)json_int(service, "gen", 0), "counts", role, n);
}

static int report(struct play *p, bool converged, int64_t node)
{
    return manager(
        p, "report",
        json_pack(
            "{s:[{s:I, s:b, s:{s:s, s:[{s:I, s:[s, s, s], s:{s:s}, s:{}, s:{s:{s:{s:f, s:f, s:f, s:f}}}}]}}],"
            " s:[{s:I, s:I, s:s, s:s}]}",
            "services", "service", (json_int_t)p->service, "converged", converged, "performance", "waits_for",
            "nothing", "nodes", "node", (json_int_t)node, "roles", "proxy", "web", "backend", "health",
            "proxy", "OK", "why", "metrics", "engines", "proxy", "request_rate", 10.5, "error_rate", 0.5,
            "throughput", 100.0, "response_ms", 7.0, "log", "service", (json_int_t)p->service, "time",
            (json_int_t)1795502560587, "level", "INFO", "line", "RTIMER \033[1mhello"),
        NULL);
}

/* Brings the service to RUNNING; agent is its one node. */
static void bring_up(struct play *p, struct world_node *agent)
{
    _cleanup_free_ char *start = service_path(p, "/start");
    _cleanup_free_ char *show = service_path(p, "");
    _cleanup_json_ json_t *first = NULL;
    _cleanup_json_ json_t *second = NULL;
    do_register(p);
    assert_int_equal(world_do(p->user, "POST", start, json_object(), NULL), 202);
    first = view(p, 0, 0);
    assert_int_equal(manager(p, "create", create_body(p, first, "proxy", 40), NULL),
                     ERR_QUOTA); /* a lying manager */
    assert_int_equal(manager(p, "create", create_body(p, first, "proxy", 1), NULL), 200);
    assert_int_equal(manager(p, "create", create_body(p, first, "proxy", 1), NULL),
                     ERR_STALE); /* a lost answer */
    second = view(p, 0, 0);
    int64_t node = first_node(second), op = first_op(second);
    assert_int_equal(manager(p, "finish",
                             json_pack("{s:I, s:I, s:s, s:s}", "service", (json_int_t)p->service, "op",
                                       (json_int_t)op, "outcome", "DONE", "why", ""),
                             NULL),
                     ERR_STALE); /* not a node is up */
    _cleanup_free_ char *path = str_printf("/v1/nodes/%lld", (long long)node);
    world_wait(p->user, path, "status", "BOOTING");
    world_node_start(p->w, node, agent);
    world_wait(p->user, path, "status", "UP");
    assert_int_equal(manager(p, "publish",
                             json_pack("{s:I, s:s, s:I, s:{s:i, s:i, s:i, s:[I]}}", "service",
                                       (json_int_t)p->service, "fact", "entries", "rev", (json_int_t)1,
                                       "value", "state", 0, "node", 0, "token", 0, "ids", (json_int_t)node),
                             NULL),
                     200);
    assert_int_equal(manager(p, "finish",
                             json_pack("{s:I, s:I, s:s, s:s}", "service", (json_int_t)p->service, "op",
                                       (json_int_t)op, "outcome", "DONE", "why", ""),
                             NULL),
                     200);
    assert_int_equal(report(p, true, node), 200);
    world_wait(p->user, show, "state", "RUNNING");
}

static void test_life(void **state)
{
    struct play *p = begin();
    struct world_node agent;
    _cleanup_json_ json_t *service = NULL;
    _cleanup_json_ json_t *credit = NULL;
    _cleanup_json_ json_t *nodes = NULL;
    _cleanup_json_ json_t *log = NULL;
    _cleanup_free_ char *show = service_path(p, "");
    _cleanup_json_ json_t *performance = NULL;
    _cleanup_free_ char *figures = service_path(p, "/performance");
    _cleanup_free_ char *logs = service_path(p, "/log");
    _cleanup_free_ char *list = str_printf("/v1/nodes?service=%lld", (long long)p->service);
    _cleanup_free_ char *stop = service_path(p, "/stop");
    bring_up(p, &agent);
    assert_int_equal(world_do(p->user, "GET", show, NULL, &service), 200);
    assert_true(str_starts(json_str(service, "url", ""), "http://198.18.0."));
    assert_int_equal(json_array_size(json_object_get(service, "operations")), 0);
    assert_int_equal(world_do(p->user, "GET", "/v1/credit", NULL, &credit), 200);
    assert_int_equal(json_int(credit, "balance", 0), 98); /* manager and one node, nothing is held any more */
    assert_int_equal(json_int(credit, "held", -1), 0);
    assert_int_equal(world_do(p->user, "GET", figures, NULL, &performance), 200);
    assert_true(json_is_integer(json_object_get(performance, "time")));
    assert_true(json_number_value(json_object_get(performance, "request_rate")) > 10);
    assert_true(json_number_value(json_object_get(performance, "response_time")) > 6);
    assert_int_equal(world_do(p->user, "GET", list, NULL, &nodes), 200);
    const json_t *node = json_array_get(json_object_get(nodes, "nodes"), 0);
    assert_int_equal(json_array_size(json_object_get(node, "roles")), 3);
    assert_int_equal(world_do(p->user, "GET", logs, NULL, &log), 200);
    assert_non_null(strstr(json_str(log, "text", ""), "INFO RTIMER"));
    assert_null(strchr(json_str(log, "text", ""), '\033'));
    /* an agent may not act as the manager */
    assert_int_equal(
        world_do(agent.c, "POST", "/node/v1/register", json_pack("{s:s}", "nonce", "nonce-two"), NULL),
        ERR_FORBIDDEN);
    /* its heartbeat says who the manager is */
    _cleanup_json_ json_t *beat = NULL;
    assert_int_equal(world_do(agent.c, "POST", "/node/v1/heartbeat", json_pack("{s:i}", "boot", 1), &beat),
                     200);
    assert_true(str_ends(json_str(json_object_get(beat, "manager"), "address", ""), ":9997"));
    /* stop: the manager destroys, the director ends it when nothing is left */
    assert_int_equal(world_do(p->user, "POST", stop, json_object(), NULL), 202);
    assert_int_equal(manager(p, "destroy",
                             json_pack("{s:I, s:I, s:s}", "service", (json_int_t)p->service, "node",
                                       (json_int_t)agent.id, "why", "stopped"),
                             NULL),
                     200);
    assert_int_equal(world_do(agent.c, "POST", "/node/v1/heartbeat", json_pack("{s:i}", "boot", 1), NULL),
                     ERR_GONE);
    world_wait(p->user, show, "state", "STOPPED");
    assert_int_equal(world_do(agent.c, "POST", "/node/v1/heartbeat", json_pack("{s:i}", "boot", 1), NULL),
                     ERR_FORBIDDEN); /* the certificate is revoked with the node */
    world_node_done(&agent);
    end(p);
}

static void test_fence(void **state)
{
    struct play *p = begin();
    _cleanup_json_ json_t *j = NULL;
    do_register(p);
    int64_t old = p->epoch;
    do_register(p);
    assert_int_equal(p->epoch, old); /* the same nonce is the same process */
    assert_int_equal(
        world_do(p->m.c, "POST", "/node/v1/register", json_pack("{s:s}", "nonce", "nonce-two"), &j), 200);
    assert_true(json_int(j, "epoch", 0) > old);
    assert_int_equal(manager(p, "view", json_pack("{s:i, s:i}", "txn", 0, "wait_ms", 0), NULL), ERR_FENCED);
    assert_int_equal(report(p, true, 1), ERR_FENCED);
    end(p);
}

/* Code of another application is not handed out. */
static void test_artifacts(void **state)
{
    struct play *p = begin();
    struct version *v = NULL;
    size_t n = 0;
    assert_int_equal(store_versions(p->w->d->store, p->service, &v, &n, NULL), 0);
    _cleanup_free_ char *own = str_printf("/node/v1/artifacts/%s", v[0].sha256);
    versions_free(v, n);
    _cleanup_free_ char *file = str_printf("%s/got", p->w->dir);
    FILE *f = fopen(file, "we");
    struct http_call call = {.method = "GET", .path = own, .use_out_fd = true, .out_fd = fileno(f)};
    int status = 0;
    assert_int_equal(http_do(p->m.c, &call, &status, NULL, NULL), 0);
    assert_int_equal(status, 200);
    fclose(f);
    assert_int_equal(world_do(p->m.c, "GET",
                              "/node/v1/artifacts/"
                              "0000000000000000000000000000000000000000000000000000000000000000",
                              NULL, NULL),
                     ERR_NOT_FOUND);
    assert_int_equal(world_do(p->m.c, "GET", "/node/v1/artifacts/..", NULL, NULL) < 0, 1);
    end(p);
}

/* ---- waiting ---- */

struct asker {
    struct play *p;
    int64_t node;
    int status;
    json_t *answer;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    _cleanup_(http_client_freep) struct http_client *c = world_client(a->p->w, a->p->token);
    _cleanup_free_ char *path =
        str_printf("/v1/services/%lld/log?node=%lld&lines=7", (long long)a->p->service, (long long)a->node);
    a->status = world_do(c, "GET", path, NULL, &a->answer);
    return NULL;
}

static void test_question(void **state)
{
    struct play *p = begin();
    struct asker a = {.p = p, .node = p->m.id};
    pthread_t t;
    do_register(p);
    json_decref(view(p, 0, 0));
    assert_int_equal(pthread_create(&t, NULL, ask, &a), 0);
    const json_t *q = NULL;
    _cleanup_json_ json_t *j = NULL;
    while (!q) { /* each poll waits for it, so this turns a few times at most */
        json_decref(j);
        j = view(p, p->txn, 5000);
        q = json_array_get(json_object_get(j, "queries"), 0);
    }
    assert_int_equal(json_int(q, "node", 0), p->m.id);
    assert_int_equal(json_int(q, "lines", 0), 7);
    assert_string_equal(json_str(q, "name", ""), "agent.log");
    assert_int_equal(
        manager(p, "answer",
                json_pack("{s:I, s:s}", "id", (json_int_t)json_int(q, "id", 0), "text", "one\ntwo\n"), NULL),
        200);
    pthread_join(t, NULL);
    assert_int_equal(a.status, 200);
    assert_string_equal(json_str(a.answer, "text", ""), "one\ntwo\n");
    json_decref(a.answer);
    end(p);
}

/* What a manager reports reaches terminals: one line each, of bounded length, nothing but text. */
static void test_reported_lines(void **state)
{
    struct play *p = begin();
    _cleanup_free_ char *path = service_path(p, "/log");
    _cleanup_free_ char *service = service_path(p, "");
    _cleanup_free_ char *file = str_printf("%s/data/logs/service-%lld.log", p->w->dir, (long long)p->service);
    _cleanup_json_ json_t *log = NULL;
    size_t len = 100000;
    char *line = xmalloc(len);
    memset(line, 'x', len - 1);
    line[len - 1] = '\0';
    do_register(p);
    json_t *report = json_pack("{s:[], s:[{s:I, s:s, s:s}, {s:I, s:s, s:s}]}", "services", "log", "time",
                               (json_int_t)1000, "level", "INFO\x1b[31m\nforged", "line", "one\x1b\ntwo",
                               "time", (json_int_t)2000, "level", "INFO", "line", line);
    free(line);
    assert_int_equal(manager(p, "report", report, NULL), 200);
    assert_int_equal(world_do(p->user, "GET", path, NULL, &log), 200);
    const char *text = json_str(log, "text", "");
    assert_null(strchr(text, '\x1b'));
    assert_non_null(strstr(text, "one  two\n1970"));
    assert_true(strlen(text) > 100 && strlen(text) < 10000);
    assert_true(fs_exists(file));
    assert_int_equal(world_do(p->user, "DELETE", service, NULL, NULL), 204);
    assert_false(fs_exists(file));
    end(p);
}

/* The long poll answers a change at once, not when its time is up. */
static void *change_soon(void *arg)
{
    struct play *p = arg;
    _cleanup_(http_client_freep) struct http_client *c = world_client(p->w, p->token);
    _cleanup_free_ char *path = service_path(p, "/config");
    (void)world_do(c, "PATCH", path, json_pack("{s:{s:s}}", "settings", "memory_limit", "99M"), NULL);
    return NULL;
}

static void test_view_wakes(void **state)
{
    struct play *p = begin();
    pthread_t t;
    do_register(p);
    json_decref(view(p, 0, 0));
    int64_t before = p->txn, began = clock_mono_ms();
    assert_int_equal(pthread_create(&t, NULL, change_soon, p), 0);
    while (p->txn <= before) {
        json_decref(view(p, before, 15000));
    }
    assert_true(clock_mono_ms() - began < 10000);
    pthread_join(t, NULL);
    end(p);
}

/* ---- events ---- */

struct heard {
    int64_t last, first;
    int history, services, limit;
};

static int on_event(void *arg, const char *event, const char *id, const char *data)
{
    struct heard *h = arg;
    h->services += str_eq(event, "service");
    if (!str_eq(event, "history")) {
        return h->limit == 0;
    }
    int64_t n = 0;
    assert_int_equal(str_to_int(id, 1, INT64_MAX, &n), 0);
    assert_true(n > h->last);
    h->first = h->first ? h->first : n;
    h->last = n;
    return ++h->history >= h->limit;
}

static void test_events(void **state)
{
    struct play *p = begin();
    _cleanup_free_ char *all = str_printf("/v1/apps/%lld/events?after=0", (long long)p->app);
    _cleanup_free_ char *now = str_printf("/v1/apps/%lld/events", (long long)p->app);
    struct heard h = {.limit = 2};
    assert_true(http_events(p->user, all, 15000, on_event, &h, NULL) > 0);
    assert_int_equal(h.first, 1);
    _cleanup_free_ char *rest =
        str_printf("/v1/apps/%lld/events?after=%lld", (long long)p->app, (long long)h.last);
    struct heard more = {.limit = 1, .last = h.last};
    assert_true(http_events(p->user, rest, 15000, on_event, &more, NULL) > 0);
    assert_int_equal(more.first, h.last + 1); /* nothing is missed */
    struct heard begun = {.limit = 0};
    assert_true(http_events(p->user, now, 15000, on_event, &begun, NULL) > 0);
    assert_int_equal(begun.services, 1); /* without a past it begins with the present */
    end(p);
}

/* Whoever listens on has the right to it still. */
struct leaver {
    struct play *p;
    int64_t token;
    int events;
};

static int revoke_at_first(void *arg, const char *event, const char *id, const char *data)
{
    struct leaver *l = arg;
    _cleanup_free_ char *path = str_printf("/v1/tokens/%lld", (long long)l->token);
    _cleanup_(http_client_freep) struct http_client *other = world_client(l->p->w, l->p->token);
    if (l->events++ == 0) {
        assert_int_equal(world_do(other, "DELETE", path, NULL, NULL), 204);
    }
    return 0;
}

static void test_stream_ends_with_its_token(void **state)
{
    struct play *p = begin();
    _cleanup_free_ char *path = str_printf("/v1/apps/%lld/events", (long long)p->app);
    _cleanup_json_ json_t *made = NULL;
    assert_int_equal(world_do(p->user, "POST", "/v1/tokens", json_pack("{s:s}", "name", "tv"), &made), 201);
    _cleanup_(http_client_freep) struct http_client *tv = world_client(p->w, json_str(made, "token", ""));
    struct leaver l = {.p = p, .token = json_int(made, "id", 0)};
    int64_t began = clock_mono_ms();
    (void)!http_events(tv, path, 30000, revoke_at_first, &l, NULL);
    assert_true(l.events > 0);
    assert_true(clock_mono_ms() - began < 20000); /* ended by the director: "still here" comes each 8 s */
    end(p);
}

/* ---- the page's cookie ---- */

static size_t take_header(char *p, size_t size, size_t n, void *arg)
{
    buf_add(arg, p, size * n);
    return size * n;
}

static size_t drop(char *p, size_t size, size_t n, void *arg)
{
    return size * n;
}

static long curl_post(struct director_world *w, const char *path, const char *body, const char *cookie,
                      const char *csrf, struct buf *headers)
{
    CURL *c = curl_easy_init();
    _cleanup_free_ char *url = str_printf("https://127.0.0.1:%d%s", http_server_port(w->d->users), path);
    _cleanup_free_ char *ca = str_printf("%s/data/ca.crt", w->dir);
    _cleanup_free_ char *token = csrf ? str_printf("X-CSRF-Token: %s", csrf) : NULL;
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    list = token ? curl_slist_append(list, token) : list;
    long status = 0;
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_CAINFO, ca);
    curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
    if (cookie) {
        curl_easy_setopt(c, CURLOPT_COOKIE, cookie);
    }
    assert_int_equal(curl_easy_perform(c), CURLE_OK);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(c);
    curl_slist_free_all(list);
    return status;
}

static char *cookie_value(const char *headers, const char *name)
{
    const char *at = strstr(headers, name);
    assert_non_null(at);
    at += strlen(name) + 1;
    return xstrndup(at, strcspn(at, ";\r\n"));
}

static void test_cookie(void **state)
{
    struct director_world *w = world_start(NULL);
    free(world_user(w, "ada", false, 5));
    _cleanup_buf_ struct buf h = {0};
    _cleanup_buf_ struct buf rest = {0};
    assert_int_equal(curl_post(w, "/v1/login",
                               "{\"username\":\"ada\",\"password\":\"a good password\",\"cookie\":true}",
                               NULL, NULL, &h),
                     200);
    assert_non_null(strstr(h.data, "HttpOnly; Secure; SameSite=Strict"));
    _cleanup_free_ char *session = cookie_value(h.data, COOKIE_SESSION);
    _cleanup_free_ char *csrf = cookie_value(h.data, COOKIE_CSRF);
    _cleanup_free_ char *cookie = str_printf(COOKIE_SESSION "=%s", session);
    const char *body = "{\"name\":\"shop\"}";
    assert_int_equal(curl_post(w, "/v1/apps", body, cookie, NULL, &rest), 403);
    assert_int_equal(curl_post(w, "/v1/apps", body, cookie, "guess", &rest), 403);
    assert_int_equal(curl_post(w, "/v1/apps", body, cookie, csrf, &rest), 201);
    assert_int_equal(curl_post(w, "/v1/logout", "", cookie, csrf, &rest), 204);
    assert_int_equal(curl_post(w, "/v1/apps", body, cookie, csrf, &rest), 401);
    world_stop(w);
}

/* ---- recovery ---- */

static void test_recovery(void **state)
{
    struct play *p = begin();
    _cleanup_free_ char *show = service_path(p, "");
    _cleanup_free_ char *start = service_path(p, "/start");
    _cleanup_free_ char *root = world_user(p->w, "root", true, 5);
    _cleanup_(http_client_freep) struct http_client *admin = world_client(p->w, root);
    _cleanup_json_ json_t *v = NULL;
    _cleanup_json_ json_t *status = NULL;
    do_register(p);
    atomic_store(&p->w->d->recovery, true);
    assert_int_equal(world_do(p->user, "POST", start, json_object(), NULL), 202);
    v = view(p, 0, 0);
    assert_int_equal(manager(p, "create", create_body(p, v, "proxy", 1), NULL), ERR_UNAVAILABLE);
    assert_int_equal(world_do(admin, "POST", "/v1/director/reconcile", NULL, &status), 200);
    assert_true(json_is_false(json_object_get(status, "recovery")));
    assert_int_equal(manager(p, "create", create_body(p, v, "proxy", 1), NULL), 200);
    end(p);
}

/* ---- leaks ---- */

static void raw_sql(struct director_world *w, const char *sql)
{
    _cleanup_free_ char *path = str_printf("%s/data/director.db", w->dir);
    sqlite3 *h = NULL;
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    sqlite3_busy_timeout(h, 10000);
    assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(h);
}

/* A record that cannot be read is no proof that there is none: nothing may be removed for it. */
static void test_leak_needs_the_records(void **state)
{
    struct play *p = begin();
    struct node_row row;
    struct cloud_machine m = {.created_ms = 1};
    struct leak_machine l = {0};
    assert_int_equal(store_node(p->w->d->store, p->m.id, &row, NULL), 0);
    (void)str_copy(m.token, sizeof(m.token), row.node.token);
    (void)str_copy(m.id, sizeof(m.id), row.node.cloud_id);
    assert_int_equal(provision_leak(p->w->d, &m, &l, NULL), 0);
    assert_true(l.known && !l.record_gone && !l.other_cloud_id);
    raw_sql(p->w, "ALTER TABLE nodes RENAME TO nowhere");
    assert_true(provision_leak(p->w->d, &m, &l, NULL) < 0);
    raw_sql(p->w, "ALTER TABLE nowhere RENAME TO nodes");
    (void)str_copy(m.token, sizeof(m.token), "unheard-of");
    assert_int_equal(provision_leak(p->w->d, &m, &l, NULL), 0);
    assert_false(l.known);
    end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_revisions_go),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_enrolment),
        cmocka_unit_test(test_foreign_certificate),
        cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_renewals_are_limited),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_fence),
        cmocka_unit_test(test_artifacts),
        cmocka_unit_test(test_question),
        cmocka_unit_test(test_view_wakes),
        cmocka_unit_test(test_reported_lines),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_cookie),
        cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_stream_ends_with_its_token),
        cmocka_unit_test(test_leak_needs_the_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
