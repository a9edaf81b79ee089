#include "director_world.h"

#include "cm.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "director/account.h"

#define WAIT_MS 20000

static void start(struct director_world *w)
{
    struct err e = {0};
    w->d = xcalloc(1, sizeof(*w->d));
    int rc = director_open(w->d, w->conf, &e);
    rc = rc < 0 ? rc : director_start(w->d, &e);
    if (rc < 0) {
        fail_msg("director: %s", e.message);
    }
}

struct director_world *world_start(const char *limits)
{
    struct director_world *w = xcalloc(1, sizeof(*w));
    log_to_stderr(LOG_ERROR);
    (void)str_copy(w->dir, sizeof(w->dir), "/tmp/conpaas-test-director-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->conf = str_printf("%s/director.conf", w->dir);
    _cleanup_free_ char *text =
        str_printf("[director]\ndata_dir = %s/data\nlisten = 127.0.0.1\nport = 0\nnode_listen = 127.0.0.1\n"
                   "node_port = 0\nweb_dir = %s/web\n[credit]\nmax_credit = 1000\n[limits]\n%s\n[cloud sim]\n"
                   "driver = sim\n[cloud other]\ndriver = sim\n",
                   w->dir, w->dir, limits ? limits : "logins_per_minute = 1000\n");
    assert_int_equal(fs_write_atomic(w->conf, text, strlen(text), 0600, NULL), 0);
    start(w);
    return w;
}

void world_restart(struct director_world *w)
{
    director_stop(w->d);
    free(w->d);
    start(w);
}

void world_stop(struct director_world *w)
{
    director_stop(w->d);
    free(w->d);
    assert_int_equal(fs_remove_tree(w->dir, NULL), 0);
    free(w->conf);
    free(w);
}

char *world_user(struct director_world *w, const char *name, bool admin, int64_t credit)
{
    _cleanup_free_ char *email = str_printf("%s@example.org", name);
    struct account_new n = {
        .username = name, .email = email, .password = "a good password", .credit = credit, .admin = admin};
    struct token t = {0};
    char *secret = NULL;
    int64_t id = 0;
    assert_int_equal(account_register(w->d, &n, &id, NULL), 0);
    assert_int_equal(account_new_token(w->d, id, "test", 0, &t, &secret, NULL), 0);
    token_done(&t);
    return secret;
}

struct http_client *world_client(struct director_world *w, const char *token)
{
    _cleanup_free_ char *url = str_printf("https://localhost:%d", http_server_port(w->d->users));
    _cleanup_free_ char *to = str_printf("127.0.0.1:%d", http_server_port(w->d->users));
    struct http_client_config c = {
        .url = url, .connect_to = to, .ca_pem = ca_certificate(w->d->ca), .bearer = token};
    struct http_client *client = NULL;
    assert_int_equal(http_client_new(&c, &client, NULL), 0);
    return client;
}

int world_do(struct http_client *c, const char *method, const char *path, json_t *body, json_t **ret)
{
    struct http_call call = {.method = method, .path = path, .body = body};
    json_t *answer = NULL;
    int status = 0;
    struct err e = {0};
    int rc = http_do(c, &call, &status, &answer, &e);
    err_done(&e);
    json_decref(body);
    if (ret && rc >= 0) {
        *ret = answer;
    } else {
        json_decref(answer);
    }
    return rc < 0 ? rc : status;
}

static const json_t *member_of(const json_t *j, const char *dotted)
{
    char **parts = str_split(dotted, '.');
    for (size_t i = 0; parts[i]; i++) {
        int64_t index = 0;
        j = json_is_array(j) && str_to_int(parts[i], 0, 1000, &index) == 0 ? json_array_get(j, (size_t)index)
                                                                           : json_object_get(j, parts[i]);
    }
    strv_free(parts);
    return j;
}

void world_wait(struct http_client *c, const char *path, const char *member, const char *text)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    while (clock_mono_ms() < until) {
        _cleanup_json_ json_t *j = NULL;
        int rc = world_do(c, "GET", path, NULL, &j);
        const json_t *v = rc > 0 ? member_of(j, member) : NULL;
        if (v && str_eq(json_string_value(v), text)) {
            return;
        }
        usleep(20000); /* between two looks; the deadline decides */
    }
    fail_msg("%s: %s does not become %s", path, member, text);
}

/* ---- nodes ---- */

struct http_client *world_node_client(struct director_world *w, const char *key, const char *cert)
{
    _cleanup_free_ char *url = str_printf("https://%s:%d", w->d->node_name, http_server_port(w->d->nodes));
    struct http_client_config c = {.url = url,
                                   .connect_to = w->d->node_address,
                                   .ca_pem = ca_certificate(w->d->ca),
                                   .key_pem = key,
                                   .cert_pem = cert};
    struct http_client *client = NULL;
    assert_int_equal(http_client_new(&c, &client, NULL), 0);
    return client;
}

char *world_enrol_token(struct director_world *w, int64_t node)
{
    struct node_row row;
    assert_int_equal(store_node(w->d->store, node, &row, NULL), 0);
    return ca_enrol_token(w->d->ca, node, row.node.token);
}

int world_enrol(struct director_world *w, int64_t node, const char *token, const char *key, char **ret_cert)
{
    _cleanup_free_ char *csr = NULL;
    _cleanup_json_ json_t *answer = NULL;
    _cleanup_(http_client_freep) struct http_client *c = world_node_client(w, NULL, NULL);
    assert_int_equal(tls_csr_new(key, "whatever.the.node.says", &csr, NULL), 0);
    int rc =
        world_do(c, "POST", "/node/v1/enrol",
                 json_pack("{s:I, s:s, s:s}", "node", (json_int_t)node, "token", token, "csr", csr), &answer);
    if (rc > 0 && ret_cert) {
        *ret_cert = xstrdup(json_str(answer, "certificate", ""));
    }
    return rc;
}

void world_node_start(struct director_world *w, int64_t id, struct world_node *ret)
{
    _cleanup_free_ char *token = world_enrol_token(w, id);
    *ret = (struct world_node){.id = id};
    assert_int_equal(tls_key_new(&ret->key, NULL), 0);
    assert_int_equal(world_enrol(w, id, token, ret->key, &ret->cert), 200);
    ret->c = world_node_client(w, ret->key, ret->cert);
}

void world_node_done(struct world_node *n)
{
    http_client_free(n->c);
    free(n->key);
    free(n->cert);
    *n = (struct world_node){0};
}

int64_t world_manager_of(struct http_client *user, int64_t app)
{
    _cleanup_free_ char *path = str_printf("/v1/apps/%lld", (long long)app);
    _cleanup_json_ json_t *j = NULL;
    world_wait(user, path, "manager.status", "BOOTING");
    assert_int_equal(world_do(user, "GET", path, NULL, &j), 200);
    return json_int(json_object_get(j, "manager"), "id", 0);
}
