/*
 * The users' side of the director: who may call what, made from the call table; accounts; limits; archives;
 * changes that come at the same time.
 */
#include "cm.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "api/encode.h"
#include "api/objects.h"
#include "base/archive.h"
#include "base/clock.h"
#include "base/fs.h"
#include "director/api.h"
#include "director/artifact.h"
#include "director_world.h"

/* ---- every call x everybody ---- */

struct ids {
    int64_t user, app, service, node, version, operation, token, job;
};

static int64_t id_of(const struct ids *ids, enum call_thing t)
{
    switch (t) {
    case THING_USER:
        return ids->user;
    case THING_APP:
        return ids->app;
    case THING_SERVICE:
        return ids->service;
    case THING_NODE:
        return ids->node;
    case THING_VERSION:
        return ids->version;
    case THING_OPERATION:
        return ids->operation;
    case THING_TOKEN:
        return ids->token;
    case THING_JOB:
        return ids->job;
    default:
        return 1;
    }
}

#define ANN_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHz8wx2NQommmqrzPixeMLCBonUTH1LRtzLzLZIbCdoD"

static json_t *value_of(const struct call *c, const struct call_param *p, const struct ids *ids)
{
    switch (p->kind) {
    case PARAM_ID:
        return json_integer(id_of(ids, p->thing));
    case PARAM_INT:
        return json_integer(p->min > 1 ? p->min : 1);
    case PARAM_BOOL:
        return json_false();
    case PARAM_SECRET:
        return json_string("a wrong password"); /* of a secret: its value */
    case PARAM_USERNAME:
        return json_string("nobody");
    case PARAM_EMAIL:
        return json_string("nobody@example.org");
    case PARAM_WORD_ID:
        return json_string(str_eq(p->name, "type") ? "php" : "sim");
    case PARAM_FILE:
        return json_string("site.tar");
    case PARAM_COUNTS:
        return json_pack("{s:i}", "backend", 1);
    case PARAM_SETTINGS:
        return json_pack("{s:s}", "memory_limit", "64M");
    case PARAM_VARIABLES:
        return json_pack("{s:s}", "COLOUR", "red");
    case PARAM_VARIABLE_NAMES:
        return json_pack("[s]", "COLOUR");
    default:
        return json_string(str_eq(c->noun, "key")          ? ANN_KEY
                           : str_eq(c->noun, "secret")     ? "API_KEY"
                           : str_eq(c->id, "service.link") ? "PHP"
                           : str_eq(c->id, "token.create") ? "another"
                                                           : "thing");
    }
}

/* Required arguments, and every id that names a thing: those are what ownership is about. */
static json_t *args_of(const struct call *c, const struct ids *ids)
{
    json_t *args = json_object();
    for (const struct call_param *p = c->params; p->name; p++) {
        bool thing = p->kind == PARAM_ID && p->thing != THING_NONE;
        bool second = str_eq(c->id, "operation.list") && str_eq(p->name, "app");
        if (p->required || (thing && !second)) {
            json_object_set_new(args, p->name, value_of(c, p, ids));
        }
    }
    return args;
}

static int first_event(void *arg, const char *event, const char *id, const char *data)
{
    return 1;
}

/* HTTP status of the call, or of the error. The answer must be what the reference says. */
static int status_of(struct http_client *client, const struct call *c, const struct ids *ids)
{
    _cleanup_json_ json_t *args = args_of(c, ids);
    _cleanup_call_request_ struct call_request r = {0};
    _cleanup_json_ json_t *body = NULL;
    struct err e = {0};
    int status = 0;
    if (call_encode(c, args, &r, &e) < 0) {
        fail_msg("%s: %s", c->id, e.message);
    }
    if (c->answer == ANSWER_EVENTS) {
        int rc = http_events(client, r.path, 15000, first_event, NULL, &e);
        err_done(&e);
        return rc < 0 ? err_http_status(rc) : 200;
    }
    struct http_call call = {.method = r.method, .path = r.path, .body = r.body};
    int fd = -1;
    if (c->body == BODY_STREAM) {
        char name[] = "/tmp/conpaas-test-upload-XXXXXX";
        fd = mkstemp(name);
        assert_int_equal(unlink(name), 0);
        assert_int_equal(write(fd, "no archive", 10), 10);
        call.use_body_fd = true;
        call.body_fd = fd;
    }
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (c->answer == ANSWER_FILE) {
        call.use_out_fd = true;
        call.out_fd = sink;
    }
    int rc = http_do(client, &call, &status, &body, &e);
    close(sink);
    if (fd >= 0) {
        close(fd);
    }
    if (rc >= 0 && c->answer == ANSWER_JSON) {
        struct err why = {0};
        const json_t *one = c->list ? json_array_get(json_object_get(body, c->list), 0) : body;
        if (one && api_object_check(c->object, one, &why) < 0) {
            fail_msg("%s: %s", c->id, why.message);
        }
        assert_int_equal(status, c->status);
    }
    err_done(&e);
    return rc < 0 ? err_http_status(rc) : status;
}

static void make_things(struct director_world *w, struct http_client *owner, struct ids *ret)
{
    _cleanup_json_ json_t *service = NULL;
    _cleanup_json_ json_t *change = NULL;
    _cleanup_json_ json_t *token = NULL;
    _cleanup_json_ json_t *user = NULL;
    _cleanup_json_ json_t *job = NULL;
    json_t *manifest = json_pack("{s:s}", "manifest", "{\"Application\": \"from a manifest\"}");
    assert_int_equal(world_do(owner, "POST", "/v1/manifests", manifest, &job), 202);
    ret->job = json_int(job, "id", 0);
    assert_int_equal(world_do(owner, "POST", "/v1/services", json_pack("{s:s}", "type", "php"), &service),
                     201);
    ret->service = json_int(service, "id", 0);
    ret->app = json_int(service, "app", 0);
    ret->version = json_int(service, "code", 0);
    _cleanup_free_ char *start = str_printf("/v1/services/%lld/start", (long long)ret->service);
    assert_int_equal(world_do(owner, "POST", start, json_object(), &change), 202);
    ret->operation = json_int(json_object_get(change, "operation"), "id", 0);
    ret->node = world_manager_of(owner, ret->app);
    assert_int_equal(world_do(owner, "POST", "/v1/tokens", json_pack("{s:s}", "name", "spare"), &token), 201);
    ret->token = json_int(token, "id", 0);
    assert_int_equal(world_do(owner, "GET", "/v1/user", NULL, &user), 200);
    ret->user = json_int(user, "id", 0);
}

static bool has_thing(const struct call *c)
{
    for (const struct call_param *p = c->params; p->name; p++) {
        if (p->kind == PARAM_ID && p->thing != THING_NONE && p->thing != THING_USER) {
            return true;
        }
    }
    return false;
}

/* These end what the others need. */
#define LATE 8
static int last_of(const struct call *c)
{
    static const char *const late[LATE] = {"key.remove", "app.stop",    "app.start",    "service.delete",
                                           "app.delete", "user.delete", "token.revoke", "user.logout"};
    for (size_t i = 0; i < ARRAY_LEN(late); i++) {
        if (str_eq(c->id, late[i])) {
            return (int)i + 1;
        }
    }
    return 0;
}

static void expect(const char *who, const struct call *c, int status, bool ok)
{
    if (!ok) {
        fail_msg("%s as %s: %d", c->id, who, status);
    }
}

static bool refused(int status)
{
    return status == 401 || status == 403 || status == 404 || status == 405 || status == 500;
}

static void test_matrix(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 100);
    _cleanup_free_ char *bob = world_user(w, "bob", false, 100);
    _cleanup_free_ char *root = world_user(w, "root", true, 100);
    _cleanup_(http_client_freep) struct http_client *owner = world_client(w, ada);
    _cleanup_(http_client_freep) struct http_client *other = world_client(w, bob);
    _cleanup_(http_client_freep) struct http_client *admin = world_client(w, root);
    _cleanup_(http_client_freep) struct http_client *nobody = world_client(w, NULL);
    struct ids ids = {0};
    make_things(w, owner, &ids);
    _cleanup_free_ char *show = str_printf("/v1/services/%lld", (long long)ids.service);
    _cleanup_json_ json_t *before = NULL;
    _cleanup_json_ json_t *after = NULL;
    assert_int_equal(world_do(owner, "GET", show, NULL, &before), 200);
    for (const struct call *c = calls; c->id; c++) {
        int s = status_of(nobody, c, &ids);
        expect("nobody", c, s, c->who == WHO_ANYONE ? s != 404 && s != 500 : s == 401);
        if (c->who == WHO_ADMIN) {
            expect("other", c, status_of(other, c, &ids), status_of(other, c, &ids) == 403);
            expect("owner", c, status_of(owner, c, &ids), status_of(owner, c, &ids) == 403);
        } else if (has_thing(c)) {
            s = status_of(other, c, &ids);
            expect("other", c, s, s == 404);
        }
    }
    assert_int_equal(world_do(owner, "GET", show, NULL, &after), 200);
    assert_true(json_equal(before, after)); /* nobody else has changed anything */
    for (int round = 0; round <= LATE; round++) {
        for (const struct call *c = calls; c->id; c++) {
            if (last_of(c) != round || c->who == WHO_ANYONE || str_eq(c->id, "user.passwd")) {
                continue;
            }
            if (c->who != WHO_ADMIN && !str_eq(c->id, "user.delete")) {
                int s = status_of(owner, c, &ids);
                expect("owner", c, s, !refused(s) || (round > 0 && s == 404));
            }
            if (round == 0 && !str_eq(c->id, "user.register")) {
                int s = status_of(admin, c, &ids);
                expect("admin", c, s, !refused(s));
            }
        }
    }
    world_stop(w);
}

static void test_every_call_has_a_handler(void **state)
{
    for (const struct call *c = calls; c->id; c++) {
        if (!api_find(c->id)) {
            fail_msg("%s has no handler", c->id);
        }
    }
}

/* An agent's certificate is worth nothing at the users' port, and users' paths do not exist at the nodes'
 * port. */
static void test_agent_certificate(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 100);
    _cleanup_(http_client_freep) struct http_client *owner = world_client(w, ada);
    struct ids ids = {0};
    struct world_node n;
    make_things(w, owner, &ids);
    world_node_start(w, ids.node, &n);
    _cleanup_free_ char *url = str_printf("https://localhost:%d", http_server_port(w->d->users));
    _cleanup_free_ char *to = str_printf("127.0.0.1:%d", http_server_port(w->d->users));
    struct http_client_config conf = {.url = url,
                                      .connect_to = to,
                                      .ca_pem = ca_certificate(w->d->ca),
                                      .key_pem = n.key,
                                      .cert_pem = n.cert};
    _cleanup_(http_client_freep) struct http_client *agent = NULL;
    assert_int_equal(http_client_new(&conf, &agent, NULL), 0);
    for (const struct call *c = calls; c->id; c++) {
        if (c->who != WHO_ANYONE) {
            int at_users = status_of(agent, c, &ids), at_nodes = status_of(n.c, c, &ids);
            expect("agent at the users' port", c, at_users, at_users == 401);
            expect("agent at the nodes' port", c, at_nodes, at_nodes == 404);
        }
    }
    world_node_done(&n);
    world_stop(w);
}

/* A first start that was cut between the authority's two files begins anew; later its key is not replaced. */
static void test_authority_cut_short(void **state)
{
    char dir[] = "/tmp/conpaas-test-ca-XXXXXX";
    struct store *s = NULL;
    struct ca *ca = NULL;
    assert_non_null(mkdtemp(dir));
    _cleanup_free_ char *cert = str_printf("%s/ca.crt", dir);
    _cleanup_free_ char *key = str_printf("%s/ca.key", dir);
    assert_int_equal(fs_write_atomic(cert, "x", 1, 0644, NULL), 0);
    assert_int_equal(store_open(dir, "test", 1, &s, NULL), 0);
    assert_int_equal(ca_open(dir, s, "localhost", 1, &ca, NULL), 0);
    _cleanup_free_ char *fingerprint = xstrdup(ca_fingerprint(ca));
    ca_free(ca);
    assert_int_equal(ca_open(dir, s, "localhost", 1, &ca, NULL), 0);
    assert_string_equal(ca_fingerprint(ca), fingerprint);
    ca_free(ca);
    assert_int_equal(unlink(key), 0);
    assert_int_equal(ca_open(dir, s, "localhost", 1, &ca, NULL), ERR_FAILED);
    assert_int_equal(unlink(cert), 0); /* nodes and users know the old one: no silent successor */
    assert_int_equal(ca_open(dir, s, "localhost", 1, &ca, NULL), ERR_FAILED);
    store_close(s);
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
}

/* ---- accounts ---- */

static json_t *registration(const char *name, const char *email, int credit)
{
    return json_pack("{s:s, s:s, s:s, s:i}", "username", name, "email", email, "password", "a good password",
                     "credit", credit);
}

static void test_register(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, NULL);
    _cleanup_json_ json_t *ada = NULL;
    assert_int_equal(world_do(c, "POST", "/v1/users", registration("ada", "Ada@Example.org", 1000), &ada),
                     201);
    assert_string_equal(json_str(ada, "email", ""), "ada@example.org");
    assert_int_equal(json_int(ada, "credit", 0), 1000);
    assert_string_equal(json_str(ada, "rank", ""), "user");
    assert_int_equal(world_do(c, "POST", "/v1/users", registration("ada", "b@example.org", 1), NULL),
                     ERR_EXISTS);
    assert_int_equal(world_do(c, "POST", "/v1/users", registration("bob", "ADA@example.org", 1), NULL),
                     ERR_EXISTS);
    assert_int_equal(world_do(c, "POST", "/v1/users", registration("bob", "b@example.org", 1001), NULL),
                     ERR_INVALID);
    assert_int_equal(world_do(c, "POST", "/v1/users", registration("bob", "b@example.org", -1), NULL),
                     ERR_INVALID);
    assert_int_equal(world_do(c, "POST", "/v1/users", registration("Bob!", "b@example.org", 1), NULL),
                     ERR_INVALID);
    json_t *rank = registration("bob", "b@example.org", 1);
    json_object_set_new(rank, "rank", json_string("admin"));
    assert_int_equal(world_do(c, "POST", "/v1/users", rank, NULL), ERR_FORBIDDEN);
    json_t *more = registration("bob", "b@example.org", 1);
    json_object_set_new(more, "uuid", json_string("x"));
    assert_int_equal(world_do(c, "POST", "/v1/users", more, NULL), ERR_INVALID);
    world_stop(w);
}

static int login(struct http_client *c, const char *name, const char *password, char **ret)
{
    _cleanup_json_ json_t *j = NULL;
    int rc =
        world_do(c, "POST", "/v1/login", json_pack("{s:s, s:s}", "username", name, "password", password), &j);
    if (rc > 0 && ret) {
        *ret = xstrdup(json_str(j, "token", ""));
    }
    return rc;
}

static void test_login_and_password(void **state)
{
    struct director_world *w = world_start(NULL);
    free(world_user(w, "ada", false, 5));
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, NULL);
    _cleanup_free_ char *one = NULL;
    _cleanup_free_ char *two = NULL;
    assert_int_equal(login(c, "ada", "wrong", NULL), ERR_UNAUTHENTICATED);
    assert_int_equal(login(c, "nobody", "wrong", NULL), ERR_UNAUTHENTICATED);
    assert_int_equal(login(c, "ada", "a good password", &one), 200);
    assert_int_equal(login(c, "ada", "a good password", &two), 200);
    _cleanup_(http_client_freep) struct http_client *first = world_client(w, one);
    _cleanup_(http_client_freep) struct http_client *second = world_client(w, two);
    assert_int_equal(world_do(first, "POST", "/v1/user/password",
                              json_pack("{s:s, s:s}", "old", "wrong", "new", "a better password"), NULL),
                     ERR_FORBIDDEN);
    assert_int_equal(world_do(first, "POST", "/v1/user/password",
                              json_pack("{s:s, s:s}", "old", "a good password", "new", "a better password"),
                              NULL),
                     204);
    assert_int_equal(world_do(first, "GET", "/v1/user", NULL, NULL), 200);
    assert_int_equal(world_do(second, "GET", "/v1/user", NULL, NULL), ERR_UNAUTHENTICATED);
    assert_int_equal(login(c, "ada", "a good password", NULL), ERR_UNAUTHENTICATED);
    assert_int_equal(login(c, "ada", "a better password", NULL), 200);
    assert_int_equal(world_do(first, "POST", "/v1/logout", NULL, NULL), 204);
    assert_int_equal(world_do(first, "GET", "/v1/user", NULL, NULL), ERR_UNAUTHENTICATED);
    world_stop(w);
}

static void test_rate_limits(void **state)
{
    struct director_world *w = world_start("logins_per_minute = 3\nregistrations_per_hour = 2\n");
    free(world_user(w, "ada", false, 5));
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(login(c, "ada", "wrong", NULL), ERR_UNAUTHENTICATED);
    }
    assert_int_equal(login(c, "ada", "a good password", NULL), ERR_RATE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world_do(c, "POST", "/v1/users", registration("ada", "x@example.org", 1), NULL),
                         ERR_EXISTS);
    }
    assert_int_equal(world_do(c, "POST", "/v1/users", registration("eve", "eve@example.org", 1), NULL),
                     ERR_RATE);
    world_stop(w);
}

static void test_tokens(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 5);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    _cleanup_json_ json_t *made = NULL;
    json_t *body = json_pack("{s:s, s:i}", "name", "ci", "days", 2);
    assert_int_equal(world_do(c, "POST", "/v1/tokens", body, &made), 201);
    assert_int_equal(world_do(c, "POST", "/v1/tokens", json_pack("{s:s}", "name", "ci"), NULL), ERR_EXISTS);
    _cleanup_(http_client_freep) struct http_client *ci = world_client(w, json_str(made, "token", ""));
    assert_int_equal(world_do(ci, "GET", "/v1/user", NULL, NULL), 200);
    _cleanup_free_ char *path = str_printf("/v1/tokens/%lld", (long long)json_int(made, "id", 0));
    assert_int_equal(world_do(c, "DELETE", path, NULL, NULL), 204);
    assert_int_equal(world_do(ci, "GET", "/v1/user", NULL, NULL), ERR_UNAUTHENTICATED);
    assert_int_equal(world_do(c, "DELETE", path, NULL, NULL), ERR_NOT_FOUND);
    world_stop(w);
}

/* What is stopped costs nothing, also when a service is added to it; a start brings it back. */
static void test_stopped_application(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 100);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    _cleanup_json_ json_t *service = NULL, *stopped = NULL, *started = NULL;
    assert_int_equal(world_do(c, "POST", "/v1/services", json_pack("{s:s}", "type", "php"), &service), 201);
    int64_t app = json_int(service, "app", 0);
    _cleanup_free_ char *show = str_printf("/v1/apps/%lld", (long long)app);
    _cleanup_free_ char *stop = str_printf("%s/stop", show), *start = str_printf("%s/start", show);
    assert_int_equal(world_do(c, "POST", stop, json_object(), NULL), 200);
    json_t *more = json_pack("{s:s, s:s, s:I}", "type", "php", "name", "two", "app", (json_int_t)app);
    assert_int_equal(world_do(c, "POST", "/v1/services", more, NULL), 201);
    world_wait(c, show, "state", "STOPPED");
    assert_int_equal(world_do(c, "GET", show, NULL, &stopped), 200);
    assert_int_equal(json_int(stopped, "millicredits_per_hour", -1), 0);
    assert_int_equal(world_do(c, "POST", start, json_object(), &started), 200);
    assert_string_equal(json_str(started, "state", ""), "PROLOGUE");
    world_stop(w);
}

static int64_t add_keys(struct http_client *c, const char *path, const char *keys)
{
    _cleanup_json_ json_t *answer = NULL;
    int rc = world_do(c, "POST", path, json_pack("{s:s}", "keys", keys), &answer);
    return rc == 200 ? json_int(answer, "added", -1) : rc;
}

/* Public keys only, all lines or none, each once; nothing that could run a command of the uploader's. */
static void test_keys(void **state)
{
    static const char *const bad[] = {
        "no key",
        "ssh-ed25519",
        "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAABgQC7AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", /* another type inside */
        "command=\"sh\" " ANN_KEY,
        "ssh-dss AAAAB3NzaC1kc3MAAACBAPY8ZOHY2yFSJA6XYC9HRwNHxaehvx5wOJ0rzZdzoSOXxbETW6ToHv8D",
        ANN_KEY "%",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    };
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 5);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    _cleanup_json_ json_t *app = NULL, *list = NULL;
    assert_int_equal(world_do(c, "POST", "/v1/apps", json_pack("{s:s}", "name", "shop"), &app), 201);
    _cleanup_free_ char *path = str_printf("/v1/apps/%lld/keys", (long long)json_int(app, "id", 0));
    _cleanup_free_ char *gone = str_printf("%s?key=ann%%40laptop", path);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_free_ char *both = str_printf("%s good\n%s\n", ANN_KEY, bad[i]);
        assert_int_equal(add_keys(c, path, both), ERR_INVALID);
    }
    assert_int_equal(add_keys(c, path, "# hers\n\n" ANN_KEY " ann@laptop\r\n" ANN_KEY " again\n"), 1);
    assert_int_equal(add_keys(c, path, ANN_KEY), 0);
    assert_int_equal(world_do(c, "GET", path, NULL, &list), 200);
    assert_int_equal(json_array_size(json_object_get(list, "keys")), 1);
    assert_string_equal(json_str(json_array_get(json_object_get(list, "keys"), 0), "comment", ""),
                        "ann@laptop");
    assert_int_equal(world_do(c, "DELETE", gone, NULL, NULL), 204);
    assert_int_equal(world_do(c, "DELETE", gone, NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(add_keys(c, path, ANN_KEY), 1);
    world_stop(w);
}

/* Nobody fills the table; the sessions that were used last stay. */
static void test_number_of_tokens(void **state)
{
    struct director_world *w = world_start("logins_per_minute = 100000\n");
    _cleanup_free_ char *ada = world_user(w, "ada", false, 5);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    _cleanup_json_ json_t *me = NULL;
    _cleanup_json_ json_t *list = NULL;
    assert_int_equal(world_do(c, "GET", "/v1/user", NULL, &me), 200);
    int rc = 201, made = 0;
    for (; rc == 201 && made < 200; made++) {
        _cleanup_free_ char *name = str_printf("t%d", made);
        rc = world_do(c, "POST", "/v1/tokens", json_pack("{s:s}", "name", name), NULL);
    }
    assert_int_equal(rc, ERR_QUOTA);
    char *last = NULL;
    for (int i = 0; i < 150; i++) {
        free(last);
        assert_int_equal(account_new_session(w->d, json_int(me, "id", 0), "login", 60000, &last, NULL), 0);
    }
    _cleanup_(http_client_freep) struct http_client *newest = world_client(w, last);
    free(last);
    assert_int_equal(world_do(newest, "GET", "/v1/tokens", NULL, &list), 200);
    assert_int_equal(json_array_size(json_object_get(list, "tokens")), 200);
    world_stop(w);
}

/* A stolen token does not help to find the password, not even from many addresses. */
static void test_password_guesses(void **state)
{
    struct director_world *w = world_start("logins_per_minute = 3\n");
    _cleanup_free_ char *root = world_user(w, "root", true, 5);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, root);
    int rc = ERR_FORBIDDEN;
    for (int i = 0; i < 10 && rc == ERR_FORBIDDEN; i++) {
        rc = world_do(c, "POST", "/v1/user/password",
                      json_pack("{s:s, s:s}", "old", "wrong", "new", "a better password"), NULL);
    }
    assert_int_equal(rc, ERR_RATE);
    assert_int_equal(limit_take(w->d->login_limit, "account root", clock_steady_ms(), NULL), ERR_RATE);
    world_stop(w);
}

/* ---- code ---- */

static int upload(struct http_client *c, int64_t service, const void *data, size_t len, json_t **ret)
{
    char name[] = "/tmp/conpaas-test-upload-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(write(fd, data, len), len);
    _cleanup_free_ char *path = str_printf("/v1/services/%lld/code?filename=site.tar", (long long)service);
    struct http_call call = {.method = "POST", .path = path, .use_body_fd = true, .body_fd = fd};
    json_t *body = NULL;
    int status = 0;
    int rc = http_do(c, &call, &status, &body, NULL);
    close(fd);
    if (ret && rc >= 0) {
        *ret = body;
    } else {
        json_decref(body);
    }
    return rc < 0 ? rc : status;
}

static size_t count_versions(struct http_client *c, int64_t service)
{
    _cleanup_free_ char *path = str_printf("/v1/services/%lld/code", (long long)service);
    _cleanup_json_ json_t *j = NULL;
    assert_int_equal(world_do(c, "GET", path, NULL, &j), 200);
    return json_array_size(json_object_get(j, "versions"));
}

/* In the store of archives. */
static int count_files(const struct director_world *w)
{
    _cleanup_free_ char *dir = str_printf("%s/data/artifacts", w->dir);
    DIR *d = opendir(dir);
    struct dirent *de;
    int n = 0;
    assert_non_null(d);
    while ((de = readdir(d))) {
        n += de->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

static int64_t new_service(struct http_client *c)
{
    _cleanup_json_ json_t *j = NULL;
    assert_int_equal(world_do(c, "POST", "/v1/services", json_pack("{s:s}", "type", "php"), &j), 201);
    return json_int(j, "id", 0);
}

static void test_archives(void **state)
{
    struct director_world *w = world_start("code_quota_mb = 1\n");
    _cleanup_free_ char *ada = world_user(w, "ada", false, 50);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    int64_t service = new_service(c);
    const struct archive_file good[] = {{"index.html", "hello"}};
    const struct archive_file evil[] = {{"../../etc/cron.d/x", "boo"}};
    _cleanup_free_ void *tar = NULL;
    _cleanup_free_ void *bad = NULL;
    _cleanup_json_ json_t *v = NULL;
    size_t len = 0, bad_len = 0;
    assert_int_equal(archive_make_tar(good, 1, &tar, &len, NULL), 0);
    assert_int_equal(upload(c, service, "no archive", 10, NULL), ERR_INVALID);
    if (archive_make_tar(evil, 1, &bad, &bad_len, NULL) == 0) {
        assert_int_equal(upload(c, service, bad, bad_len, NULL), ERR_INVALID);
    }
    assert_int_equal(upload(c, service, tar, 700, NULL), ERR_INVALID); /* cut short */
    assert_int_equal(count_versions(c, service), 1);
    assert_int_equal(upload(c, service, tar, len, &v), 201);
    assert_int_equal(count_versions(c, service), 2);
    _cleanup_free_ char *one =
        str_printf("/v1/services/%lld/code/%lld", (long long)service, (long long)json_int(v, "id", 0));
    _cleanup_free_ char *enable = str_printf("%s/enable", one);
    _cleanup_json_ json_t *change = NULL;
    assert_int_equal(world_do(c, "POST", enable, json_object(), &change), 202);
    assert_true(json_is_null(json_object_get(change, "operation"))); /* it does not run: at once */
    assert_int_equal(world_do(c, "DELETE", one, NULL, NULL), ERR_STATE);
    /* over the quota: 1 MB */
    size_t big = 2 << 20;
    char *text = xmalloc(big);
    for (size_t i = 0; i + 1 < big; i++) {
        text[i] = (char)('a' + i % 23);
    }
    text[big - 1] = '\0';
    const struct archive_file large[] = {{"big.txt", text}};
    _cleanup_free_ void *large_tar = NULL;
    size_t large_len = 0;
    assert_int_equal(archive_make_tar(large, 1, &large_tar, &large_len, NULL), 0);
    assert_int_equal(upload(c, service, large_tar, large_len, NULL), ERR_QUOTA);
    free(text);
    assert_int_equal(count_versions(c, service), 2);
    assert_int_equal(count_files(w), 2); /* what was refused takes no room */
    world_stop(w);
}

/* Their bodies lie on the disk before anybody has looked at them. */
static void test_uploads_at_once(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 50);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    const struct archive_file good[] = {{"index.html", "hello"}};
    _cleanup_free_ void *tar = NULL;
    size_t len = 0;
    int64_t service = new_service(c);
    assert_int_equal(archive_make_tar(good, 1, &tar, &len, NULL), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(gate_enter(&w->d->uploads, 1, 4, NULL), 0);
    }
    assert_int_equal(upload(c, service, tar, len, NULL), ERR_RATE);
    gate_leave(&w->d->uploads, 1);
    for (int i = 0; i < 3; i++) { /* each gives its place back */
        assert_int_equal(upload(c, service, "no archive", 10, NULL), ERR_INVALID);
        assert_int_equal(upload(c, service, tar, len, NULL), 201);
    }
    int places = 0;
    while (gate_enter(&w->d->uploads, 2, 100, NULL) == 0) {
        places++;
    }
    assert_int_equal(places, GATE_PLACES - 3);
    assert_int_equal(upload(c, service, tar, len, NULL), ERR_RATE);
    world_stop(w);
}

/* Only a reader that is gone is a reason to start anew. */
static void test_reader_stays(void **state)
{
    struct director_world *w = world_start(NULL);
    struct archive_info info;
    assert_true(reader_check(&w->d->reader, -1, &info, NULL) < 0);
    assert_false(atomic_load(&w->d->reader.gone));
    world_stop(w);
}

/* An upload that was cut short by a crash, or refused after it was stored, leaves a file of no version. */
static void test_stray_archives(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 50);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    _cleanup_free_ char *stray = str_printf("%s/data/artifacts/%064d", w->dir, 7);
    (void)new_service(c);
    assert_int_equal(fs_write_atomic(stray, "x", 1, 0600, NULL), 0);
    assert_int_equal(count_files(w), 2);
    assert_int_equal(artifact_collect(w->d, NULL), 0);
    assert_false(fs_exists(stray));
    assert_int_equal(count_files(w), 1); /* the default code stays */
    world_stop(w);
}

/* ---- services ---- */

static void test_life_of_own_application(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 1);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    _cleanup_json_ json_t *credit = NULL;
    _cleanup_json_ json_t *apps = NULL;
    int64_t service = new_service(c);
    assert_int_equal(world_do(c, "GET", "/v1/credit", NULL, &credit), 200);
    assert_int_equal(json_int(credit, "balance", -1), 0);
    assert_int_equal(world_do(c, "POST", "/v1/services", json_pack("{s:s}", "type", "php"), NULL),
                     ERR_CREDIT);
    assert_int_equal(world_do(c, "GET", "/v1/apps", NULL, &apps), 200);
    assert_int_equal(json_array_size(json_object_get(apps, "apps")), 1); /* the refused one left nothing */
    world_restart(w);
    http_client_free(c);
    c = world_client(w, ada);
    _cleanup_free_ char *path = str_printf("/v1/services/%lld", (long long)service);
    assert_int_equal(world_do(c, "GET", path, NULL, NULL), 200);
    assert_int_equal(world_do(c, "DELETE", path, NULL, NULL), 204);
    int rc = 0;
    for (int i = 0; i < 1000 && rc != ERR_NOT_FOUND; i++) {
        rc = world_do(c, "GET", "/v1/apps/1", NULL, NULL);
        usleep(20000);
    }
    assert_int_equal(rc, ERR_NOT_FOUND); /* its manager was destroyed, then it went */
    world_stop(w);
}

static void test_names(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 50);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    assert_int_equal(world_do(c, "POST", "/v1/apps", json_pack("{s:s}", "name", "shop"), NULL), 201);
    assert_int_equal(world_do(c, "POST", "/v1/apps", json_pack("{s:s}", "name", "shop"), NULL), ERR_EXISTS);
    assert_int_equal(world_do(c, "POST", "/v1/apps", json_pack("{s:s}", "name", "a/b"), NULL), ERR_INVALID);
    assert_int_equal(
        world_do(c, "POST", "/v1/services", json_pack("{s:s, s:s}", "type", "php", "name", "shop"), NULL),
        ERR_EXISTS);
    assert_int_equal(world_do(c, "POST", "/v1/services", json_pack("{s:s}", "type", "cobol"), NULL),
                     ERR_INVALID);
    assert_int_equal(
        world_do(c, "POST", "/v1/services", json_pack("{s:s, s:s}", "type", "php", "cloud", "moon"), NULL),
        ERR_INVALID);
    (void)new_service(c);
    (void)new_service(c); /* "New php service (2)" */
    world_stop(w);
}

struct racer {
    struct director_world *w;
    const char *token;
    pthread_barrier_t *gate;
    int64_t service, gen;
    int index, status;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    _cleanup_(http_client_freep) struct http_client *c = world_client(r->w, r->token);
    _cleanup_free_ char *path = str_printf("/v1/services/%lld/config", (long long)r->service);
    _cleanup_free_ char *limit = str_printf("%dM", 100 + r->index);
    json_t *body =
        json_pack("{s:{s:s}, s:I}", "settings", "memory_limit", limit, "expect_gen", (json_int_t)r->gen);
    (void)world_do(c, "GET", "/v1/user", NULL, NULL); /* connected */
    pthread_barrier_wait(r->gate);
    r->status = world_do(c, "PATCH", path, body, NULL);
    return NULL;
}

static void test_simultaneous_changes(void **state)
{
    enum { N = 8 };
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 50);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    int64_t service = new_service(c);
    for (int round = 0; round < 3; round++) {
        struct racer r[N];
        pthread_t t[N];
        pthread_barrier_t gate;
        int accepted = 0;
        pthread_barrier_init(&gate, NULL, N);
        for (int i = 0; i < N; i++) {
            r[i] = (struct racer){.w = w,
                                  .token = ada,
                                  .gate = &gate,
                                  .service = service,
                                  .gen = 1 + round,
                                  .index = round * N + i};
            assert_int_equal(pthread_create(&t[i], NULL, race, &r[i]), 0);
        }
        for (int i = 0; i < N; i++) {
            pthread_join(t[i], NULL);
            accepted += r[i].status == 202;
            assert_true(r[i].status == 202 || r[i].status == ERR_STALE);
        }
        assert_int_equal(accepted, 1);
        pthread_barrier_destroy(&gate);
    }
    world_stop(w);
}

static void test_bad_requests(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *ada = world_user(w, "ada", false, 50);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, ada);
    int64_t service = new_service(c);
    _cleanup_free_ char *add = str_printf("/v1/services/%lld/nodes/add", (long long)service);
    _cleanup_free_ char *config = str_printf("/v1/services/%lld/config", (long long)service);
    assert_int_equal(world_do(c, "POST", add, json_pack("{s:{s:i}}", "counts", "web", 1), NULL), ERR_STATE);
    assert_int_equal(
        world_do(c, "PATCH", config, json_pack("{s:{s:s}}", "settings", "memory_limit", "much"), NULL),
        ERR_INVALID);
    assert_int_equal(world_do(c, "PATCH", config, json_pack("{s:{s:s}}", "settings", "colour", "red"), NULL),
                     ERR_INVALID);
    assert_int_equal(world_do(c, "GET", "/v1/services/999999", NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(world_do(c, "GET", "/v1/services/0", NULL, NULL), ERR_INVALID);
    assert_int_equal(world_do(c, "GET", "/v1/nothing", NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(world_do(c, "PUT", "/v1/services", json_object(), NULL), ERR_METHOD);
    size_t len = (1 << 20) + 100;
    char *long_text = xmalloc(len);
    memset(long_text, 'x', len - 1);
    long_text[len - 1] = '\0';
    int rc = ERR_UNAVAILABLE;
    /* the refusal may overtake the body, and then be lost with the connection */
    for (int i = 0; i < 20 && rc == ERR_UNAVAILABLE; i++) {
        rc = world_do(c, "POST", "/v1/apps", json_pack("{s:s}", "name", long_text), NULL);
    }
    assert_int_equal(rc, ERR_TOO_LARGE);
    free(long_text);
    world_stop(w);
}

static void test_page(void **state)
{
    struct director_world *w = world_start(NULL);
    _cleanup_free_ char *web = str_printf("%s/web", w->dir);
    _cleanup_free_ char *file = str_printf("%s/app.js", web);
    _cleanup_free_ char *link = str_printf("%s/passwd.txt", web);
    _cleanup_(http_client_freep) struct http_client *c = world_client(w, NULL);
    assert_int_equal(fs_mkdirs(web, 0755, NULL), 0);
    assert_int_equal(fs_write_atomic(file, "1", 1, 0644, NULL), 0);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct {
        const char *path;
        int status;
    } wanted[] = {
        {"/", 200}, {"/app.js", 200}, {"/passwd.txt", 404}, {"/../director.conf", 404}, {"/none.js", 404}};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct http_call call = {.method = "GET", .path = wanted[i].path, .use_out_fd = true, .out_fd = sink};
        int status = 0;
        int rc = http_do(c, &call, &status, NULL, NULL);
        int got = rc < 0 ? err_http_status(rc) : status;
        if (got != wanted[i].status && !(wanted[i].status == 404 && got == 400)) {
            fail_msg("%s: %d", wanted[i].path, got);
        }
    }
    close(sink);
    world_stop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_has_a_handler),
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_agent_certificate),
        cmocka_unit_test(test_authority_cut_short),
        cmocka_unit_test(test_register),
        cmocka_unit_test(test_login_and_password),
        cmocka_unit_test(test_rate_limits),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_stopped_application),
        cmocka_unit_test(test_number_of_tokens),
        cmocka_unit_test(test_password_guesses),
        cmocka_unit_test(test_archives),
        cmocka_unit_test(test_stray_archives),
        cmocka_unit_test(test_reader_stays),
        cmocka_unit_test(test_uploads_at_once),
        cmocka_unit_test(test_life_of_own_application),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_simultaneous_changes),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
