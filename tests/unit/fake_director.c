#include "fake_director.h"

#include <fcntl.h>
#include <pthread.h>

#include "api/match.h"
#include "api/objects.h"
#include "api/validate.h"
#include "net/http_server.h"
#include "net/tls.h"

#define CALLS_MAX 256

struct fake_director {
    struct http_server *server;
    char *ca; /* with TLS */
    pthread_mutex_t lock;
    char *state;
    json_t *counts;
    bool fail_next, two_services, frozen, history;
    char *key, *cert;
    /* the one operation */
    char *op_call, *op_title;
    int op_phase; /* 0 = none, 1.. = steps, 9 = over */
    bool op_fails;
    bool gone;
    int lingers; /* how often the application is seen after its service; -1: always */
    int requests;
    char *last[CALLS_MAX], *canned[CALLS_MAX];
};

static int index_of(const struct call *c)
{
    return (int)(c - calls);
}

/* ---- objects ---- */

static json_t *parse(const char *text)
{
    json_error_t why;
    json_t *j = json_loads(text, JSON_DECODE_ANY, &why);
    if (!j) {
        fprintf(stderr, "fake director: %s at %d: %s\n", why.text, why.position, text);
        abort();
    }
    return j;
}

/* As long as agents write it. */
#define FAKE_HEALTH "port 8080 is silent since 41 s; its last words were: cannot allocate memory"

#define T(minutes) (FAKE_NOW - (minutes)*60000LL)

/* What has been done so far; of a failed one also the line that ends it and, as a step, its reason. */
static json_t *make_steps(const struct fake_director *f, int64_t *at)
{
    static const char *const good[] = {"2 nodes asked of cloud local", "nodes are up", "roles run"},
                             *const bad[] = {"2 nodes asked of cloud local", "counts: FAILED: " FAKE_WHY,
                                             FAKE_WHY};
    static const int took[] = {210, 3400, 4800};
    bool over = f->op_phase >= 9, failed = over && f->op_fails;
    int last = over ? 3 : f->op_phase;
    json_t *steps = json_array();
    for (int i = 0; i < last && i < (int)ARRAY_LEN(took) && !f->history; i++) {
        bool done = over || i + 1 < last;
        const char *state = failed && i == 2 ? "FAILED" : done ? "DONE" : "ACTIVE";
        json_array_append_new(steps, json_pack("{s:s,s:s,s:I,s:o}", "title", failed ? bad[i] : good[i],
                                               "state", state, "started", (json_int_t)*at, "ended",
                                               done ? json_integer(*at + took[i]) : json_null()));
        *at += took[i];
    }
    return steps;
}

static json_t *make_operation(struct fake_director *f)
{
    int64_t at = T(0);
    bool over = f->op_phase >= 9;
    json_t *steps = make_steps(f, &at);
    return json_pack("{s:i,s:i,s:i,s:s,s:s,s:s,s:s,s:o,s:s,s:I,s:I,s:o,s:o}", "id", 31, "app", 2, "service",
                     3, "call", f->op_call, "title", f->op_title, "facet", "counts", "state",
                     !over         ? "ACTIVE"
                     : f->op_fails ? "FAILED"
                                   : "DONE",
                     "why", over && f->op_fails ? json_string(FAKE_WHY) : json_null(), "user", "ada",
                     "created", (json_int_t)T(0), "changed", (json_int_t)at, "ended",
                     over ? json_integer(T(0) + 8410) : json_null(), "steps", steps);
}

static json_t *make_service(struct fake_director *f)
{
    bool up = strcmp(f->state, "RUNNING") == 0 || strcmp(f->state, "ADAPTING") == 0;
    int64_t nodes = 0;
    const char *role;
    json_t *n;
    json_object_foreach(f->counts, role, n)
    {
        nodes += json_integer_value(n);
    }
    json_t *ops = json_array();
    if (f->op_phase > 0 && f->op_phase < 9) {
        json_array_append_new(ops, make_operation(f));
    }
    return json_pack(
        "{s:i,s:i,s:s,s:i,s:s,s:s,s:s,s:o,s:s,s:I,s:I,s:i,s:b,s:O,s:I,s:o,s:s,s:i,s:s,s:I,s:o}", "id", 3,
        "app", 2, "app_name", "shop", "sid", 1, "name", "shop", "type", "php", "state", f->state, "error",
        strcmp(f->state, "ERROR") == 0 ? json_string("no node came up") : json_null(), "cloud", "local",
        "created", (json_int_t)T(3000), "changed", (json_int_t)T(28), "generation", 4, "converged",
        ops && !json_array_size(ops), "counts", f->counts, "nodes", (json_int_t)(up ? nodes : 0), "url",
        up ? json_string("http://10.88.0.4/") : json_null(), "address",
        "https://director.example:9999/v1/services/3", "code", 7, "code_name", "code-1",
        "millicredits_per_hour", (json_int_t)(up ? nodes * 1000 : 0), "operations", ops);
}

static json_t *make_node(int id, const char *roles, const char *health)
{
    json_t *r = json_array();
    json_t *h = json_object();
    char **v = str_split(roles, ' ');
    for (char **p = v; *p; p++) {
        json_array_append_new(r, json_string(*p));
        json_object_set_new(
            h, *p,
            json_pack("{s:s,s:s?}", "state", health, "why", strcmp(health, "ok") ? FAKE_HEALTH : NULL));
    }
    strv_free(v);
    _cleanup_free_ char *address = str_printf("10.88.0.%d", id), *cloud_id = str_printf("n%d-awd06pm3", id);
    return json_pack(
        "{s:i,s:i,s:i,s:s,s:o,s:s,s:o,s:s,s:s,s:s,s:s,s:I,s:I,s:i,s:i,s:[s,s,s,s,s,s,s,s,s],s:n}", "id", id,
        "app", 2, "service", 3, "kind", "agent", "roles", r, "status", "UP", "health", h, "cloud", "local",
        "type", "small", "cloud_id", cloud_id, "address", address, "created", (json_int_t)T(120), "up",
        (json_int_t)T(119), "hours", 2, "millicredits_per_hour", 1000, "logs", "agent.log", "haproxy.log",
        "haproxy-access.log", "nginx-error.log", "nginx-access.log", "php-fpm.log", "php-fpm-slow.log",
        "php-session-redis.log", "init-output.log", "is_master");
}

static json_t *make_nodes(void)
{
    json_t *list = json_array();
    json_array_append_new(list, make_node(4, "sessions proxy", "ok"));
    json_array_append_new(list, make_node(5, "web", "bad"));
    json_array_append_new(list, make_node(6, "backend sessions", "ok"));
    json_array_append_new(list, make_node(7, "backend", "ok"));
    return list;
}

/* Answers that never change. */
#define JOB(state, why)                                                                                                       \
    "{\"id\":31,\"app\":2,\"app_name\":\"shop\",\"state\":\"" state "\",\"why\":" why                                         \
    ",\"prune\":false,\"user\":\"ada\",\"created\":1789999940000,\"changed\":1789999999000,\"ended\":1789999999000,"          \
    "\"steps\":[{\"title\":\"make service api (php)\",\"state\":\"DONE\",\"started\":1789999940000,\"ended\":1789999941000}," \
    "{\"title\":\"start api\",\"state\":\"" state "\",\"started\":1789999941000,\"ended\":1789999999000}]}"
static const struct {
    const char *id, *json;
} canned[] = {
    {"director.version",
     "{\"version\":\"0.1.0\",\"api\":1,\"installation\":\"demo\",\"now\":1790000000000,\"registration\":true,"
     "\"max_credit\":50,\"git\":null}"},
    {"director.status",
     "{\"version\":\"0.1.0\",\"installation\":\"demo\",\"incarnation\":1,\"recovery\":false,"
     "\"started\":1789990000000,\"users\":2,\"apps\":1,\"services\":1,\"nodes\":5,"
     "\"alarms\":[{\"time\":1789999000000,\"text\":\"2 machines of ours without a record were ended\"}]}"},
    {"director.reconcile",
     "{\"version\":\"0.1.0\",\"installation\":\"demo\",\"incarnation\":2,\"recovery\":false,"
     "\"started\":1789990000000,\"users\":2,\"apps\":1,\"services\":1,\"nodes\":5,\"alarms\":[]}"},
    {"user.show", "{\"id\":1,\"username\":\"ada\",\"email\":\"ada@example.org\",\"first_name\":\"Ada\","
                  "\"last_name\":\"Lovelace\","
                  "\"affiliation\":\"\",\"rank\":\"user\",\"credit\":9994,\"created\":1789000000000}"},
    {"user.register",
     "{\"id\":2,\"username\":\"bob\",\"email\":\"bob@example.org\",\"first_name\":\"\",\"last_name\":\"\","
     "\"affiliation\":\"\",\"rank\":\"user\",\"credit\":50,\"created\":1790000000000}"},
    {"user.credit", "{\"id\":1,\"username\":\"ada\",\"email\":\"ada@example.org\",\"first_name\":\"Ada\","
                    "\"last_name\":\"Lovelace\","
                    "\"affiliation\":\"\",\"rank\":\"user\",\"credit\":10494,\"created\":1789000000000}"},
    {"user.list",
     "{\"users\":[{\"id\":1,\"username\":\"ada\",\"email\":\"ada@example.org\",\"first_name\":\"Ada\","
     "\"last_name\":\"Lovelace\",\"affiliation\":\"\",\"rank\":\"user\",\"credit\":9994,\"created\":"
     "1789000000000},"
     "{\"id\":2,\"username\":\"root\",\"email\":\"a.rather.long.address.of.the.administrator@operations."
     "example.org\","
     "\"first_name\":\"\",\"last_name\":\"\",\"affiliation\":\"\",\"rank\":\"admin\",\"credit\":1000,"
     "\"created\":1780000000000}]}"},
    {"token.create", "{\"id\":9,\"name\":\"ci\",\"token\":\"cps_secret\",\"expires\":null}"},
    {"key.list",
     "{\"keys\":[{\"id\":1,\"type\":\"ssh-ed25519\",\"key\":\"AAAAC3NzaC1lZDI1NTE5AAAAIKeyOfAnn\","
     "\"comment\":\"ann@laptop\",\"created\":1789999000000}]}"},
    {"volume.list",
     "{\"volumes\":[{\"id\":40,\"app\":2,\"service\":3,\"app_name\":\"shop\",\"service_name\":\"shop\","
     "\"name\":\"MyDisk\",\"megabytes\":50,\"state\":\"ATTACHED\",\"node\":5,\"path\":\"/media/MyDisk\","
     "\"role\":null,\"cloud\":\"local\",\"cloud_id\":\"v-1\",\"created\":1789999000000,\"error\":null}]}"},
    {"key.add", "{\"added\":1}"},
    {"git.show", "{\"service\":3,\"url\":\"ssh://git@127.0.0.1:2222/shop/shop\",\"deploy\":true,\"keys\":1}"},
    {"git.set", "{\"service\":3,\"url\":\"ssh://git@127.0.0.1:2222/shop/shop\",\"deploy\":false,\"keys\":1}"},
    {"token.list", "{\"tokens\":[{\"id\":8,\"name\":\"login\",\"created\":1789999000000,\"used\":"
                   "1789999940000,\"expires\":null,"
                   "\"current\":true},{\"id\":9,\"name\":\"ci\",\"created\":1789000000000,\"used\":null,"
                   "\"expires\":1799000000000,"
                   "\"current\":false}]}"},
    {"credit.show",
     "{\"balance\":9994,\"held\":0,\"millicredits_per_hour\":5000,\"out_since\":null,\"entries\":["
     "{\"id\":5,\"time\":1789999000000,\"kind\":\"use\",\"amount\":-1,\"app\":2,\"node\":7,"
     "\"operation\":null,"
     "\"text\":\"node 7, hour "
     "1\"},{\"id\":1,\"time\":1789000000000,\"kind\":\"grant\",\"amount\":9999,\"app\":null,"
     "\"node\":null,\"operation\":null,\"text\":\"first credits\"}]}"},
    {"code.list",
     "{\"versions\":[{\"id\":7,\"service\":3,\"name\":\"code-1\",\"filename\":\"shop-1.4.tar.gz\","
     "\"description\":"
     "\"new "
     "basket\",\"format\":\"tar.gz\",\"size\":1234567,\"sha256\":\"ab\",\"created\":1789990000000,"
     "\"current\":true},"
     "{\"id\":6,\"service\":3,\"name\":\"code-default\",\"filename\":\"code-default.tar\",\"description\":"
     "\"Initial version\",\"format\":\"tar\",\"size\":10240,\"sha256\":\"cd\",\"created\":1789820000000,"
     "\"current\":false}]}"},
    {"code.upload",
     "{\"id\":8,\"service\":3,\"name\":\"code-2\",\"filename\":\"x.tar.gz\",\"description\":\"\",\"format\":"
     "\"tar.gz\",\"size\":12,\"sha256\":\"ef\",\"created\":1790000000000,\"current\":false}"},
    {"config.show",
     "{\"service\":3,\"generation\":4,\"revision\":2,\"code\":7,\"code_name\":\"code-1\",\"settings\":"
     "{\"max_execution_time\":30,\"memory_limit\":\"128M\",\"display_errors\":\"Off\"}}"},
    {"env.list", "{\"variables\":[{\"name\":\"COLOUR\",\"value\":\"red\",\"origin\":\"user\"},"
                 "{\"name\":\"API_KEY\",\"value\":null,\"origin\":\"secret\"}]}"},
    {"secret.list", "{\"secrets\":[{\"name\":\"API_KEY\",\"set\":1789990000000}]}"},
    {"log.show", "{\"name\":\"manager.log\",\"names\":[\"manager.log\"],\"text\":\"2026-09-21 13:33:18,001 "
                 "INFO manager STATE ADAPTING: "
                 "proxy=0, web=1, backend=2\\n2026-09-21 13:33:19,002 ERROR manager \\u001b[31mred\\u001b[0m "
                 "\\u202Eturned\\n\"}"},
    {"history.list",
     "{\"history\":[{\"id\":1,\"time\":1789820000000,\"service\":3,\"state\":\"INIT\",\"operation\":null,"
     "\"text\":"
     "\"created\"},{\"id\":2,\"time\":1789990000000,\"service\":3,\"state\":\"RUNNING\",\"operation\":30,"
     "\"text\":"
     "\"started: 1 node, and this line is much too long for a terminal of eighty columns, so it is cut\"}]}"},
    {"cloud.list",
     "{\"clouds\":[{\"name\":\"local\",\"driver\":\"local\",\"default\":true,\"available\":true,\"reason\":"
     "null,"
     "\"types\":[{\"name\":\"small\",\"default\":true,\"millicores\":500,\"memory_mb\":256,\"disk_mb\":2048,"
     "\"millicredits_per_hour\":1000},{\"name\":\"large\",\"default\":false,\"millicores\":2000,\"memory_"
     "mb\":1024,"
     "\"disk_mb\":8192,\"millicredits_per_hour\":2500}]},{\"name\":\"ec2\",\"driver\":\"ec2\",\"default\":"
     "false,"
     "\"available\":false,\"reason\":\"no credentials in the configuration\",\"types\":[]}]}"},
    {"type.list",
     "{\"types\":[{\"name\":\"php\",\"title\":\"PHP\",\"summary\":\"PHP applications behind a load "
     "balancer\",\"icon\":"
     "\"php\",\"code\":true,\"default_role\":\"backend\",\"roles\":[{\"name\":\"proxy\",\"title\":\"load "
     "balancer\","
     "\"min\":1,\"start\":1,\"max\":8},{\"name\":\"web\",\"title\":\"web "
     "server\",\"min\":0,\"start\":0,\"max\":32},"
     "{\"name\":\"backend\",\"title\":\"PHP\",\"min\":0,\"start\":0,\"max\":32}],\"settings\":[{\"name\":"
     "\"memory_limit\",\"kind\":\"size\",\"default\":\"128M\",\"min\":1,\"max\":1000000000,\"help\":\"of a "
     "script\"}],\"manifest\":[{\"name\":\"Archive\",\"kind\":\"code\",\"help\":\"code\"}]}]}"},
    {"manifest.validate",
     "{\"problems\":[{\"line\":9,\"column\":15,\"message\":\"there is no service type \\\"phpp\\\"\",\"hint\":\"did you mean php?\"},"
     "{\"line\":12,\"column\":27,\"message\":\"several proxies need separate web and backend nodes\",\"hint\":null}]}"},
    {"manifest.plan",
     "{\"app_name\":\"shop\",\"app\":2,\"problems\":[],\"changes\":[{\"step\":\"counts\",\"service\":\"front\",\"title\":\"nodes of "
     "front: web 2 -> 4\",\"maybe\":false},{\"step\":\"fetch\",\"service\":\"api\",\"title\":\"fetch https://example.org/api.tar.gz "
     "for api\",\"maybe\":true},{\"step\":\"start\",\"service\":\"api\",\"title\":\"start api\",\"maybe\":false}],\"missing\":[],\"asks\":[],"
     "\"same\":1,\"kept\":1,\"nodes_now\":4,\"nodes_then\":7,\"millicredits_per_hour_now\":4000,"
     "\"millicredits_per_hour_then\":7000}"},
    {"manifest.apply", JOB("DONE", "null")},
    {"manifest.show", JOB("FAILED", "\"start api: failed: no node came up\"")},
    {"manifest.list",
     "{\"jobs\":[" JOB("DONE", "null") "," JOB("FAILED", "\"start api: failed: no node came up\"") "]}"},
    {"manifest.cancel", JOB("CANCELLED", "\"cancelled by ada\"")},
    {"manifest.download",
     "{\"manifest\":{\"Application\":\"shop\",\"Services\":[{\"Type\":\"php\",\"ServiceName\":\"front\"}]}}"},
    {"manifest.upload",
     "{\"sha256\":\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\",\"filename\":\"shop.tar.gz\",\"size\":1234,"
     "\"format\":\"tar.gz\",\"expires\":1790000000000}"},
    {"service.performance",
     "{\"time\":1790000000000,\"request_rate\":120.5,\"error_rate\":0,\"throughput\":1048576.25,"
     "\"response_time\":12.125}"},
};

static json_t *make_app(struct fake_director *f)
{
    json_t *manager = make_node(1, "", "ok");
    json_object_set_new(manager, "kind", json_string("manager"));
    json_object_set_new(manager, "service", json_null());
    json_object_set_new(manager, "roles", json_array());
    json_object_set_new(manager, "health", json_object());
    return json_pack("{s:i,s:s,s:s,s:s,s:o,s:I,s:s,s:i,s:i,s:i,s:o}", "id", 2, "name", "shop", "owner", "ada",
                     "state", "RUNNING", "error", json_null(), "created", (json_int_t)T(3000), "cloud",
                     "local", "services", 1, "nodes", 5, "millicredits_per_hour", 5000, "manager", manager);
}

/* ---- answers ---- */

static json_t *service_list(struct fake_director *f)
{
    json_t *list = json_array();
    json_array_append_new(list, make_service(f));
    if (f->two_services) {
        json_t *other = make_service(f);
        json_object_set_new(other, "id", json_integer(12));
        json_object_set_new(other, "app", json_integer(5));
        json_object_set_new(other, "app_name", json_string("blog"));
        json_array_append_new(list, other);
    }
    return list;
}

static void begin(struct fake_director *f, const struct call *c, const json_t *args)
{
    free(f->op_call);
    free(f->op_title);
    f->op_call = xstrdup(c->id);
    f->op_title = xstrdup(strcmp(c->id, "node.add") == 0 ? "Add 2 nodes" : c->summary);
    f->op_phase = 1;
    f->op_fails = f->fail_next;
    f->fail_next = false;
    const json_t *counts = json_object_get(args, "counts");
    const char *role;
    json_t *n;
    json_object_foreach((json_t *)counts, role, n)
    {
        int64_t now = json_int(f->counts, role, 0), by = json_integer_value(n);
        json_object_set_new(f->counts, role,
                            json_integer(strcmp(c->id, "node.add") == 0 ? now + by : now - by));
    }
    if (strcmp(c->id, "service.start") == 0 || strcmp(c->id, "service.stop") == 0) {
        free(f->state);
        f->state = xstrdup(strcmp(c->id, "service.start") == 0 ? "RUNNING" : "STOPPED");
    }
}

/* What the test has put there, or what is always the same. NULL: neither. */
static json_t *fixed_answer(struct fake_director *f, const struct call *c)
{
    if (f->canned[index_of(c)]) {
        return parse(f->canned[index_of(c)]);
    }
    for (size_t i = 0; i < ARRAY_LEN(canned); i++) {
        if (str_eq(canned[i].id, c->id)) {
            return parse(canned[i].json);
        }
    }
    return NULL;
}

static int log_in(const json_t *args, json_t **ret, struct err *e)
{
    if (!str_eq(json_str(args, "password", ""), "correct horse")) {
        return err_set(e, ERR_UNAUTHENTICATED, "user name or password is wrong");
    }
    *ret = json_pack("{s:s,s:o}", "token", FAKE_TOKEN, "user", parse(canned[3].json));
    return 0;
}

/* The one service and the one application. */
static int show(struct fake_director *f, bool service, const json_t *args, json_t **ret, struct err *e)
{
    bool gone = f->gone && (service || f->lingers == 0);
    if (json_int(args, service ? "service" : "app", 0) != (service ? 3 : 2) || gone) {
        return err_set(e, ERR_NOT_FOUND, "there is no %s with this id", service ? "service" : "application");
    }
    *ret = service ? make_service(f) : make_app(f);
    if (f->gone && f->lingers > 0) {
        f->lingers--;
        json_object_set_new(*ret, "state", json_string("EPILOGUE"));
    }
    return 0;
}

static json_t *list(struct fake_director *f, const char *id)
{
    return str_eq(id, "service.list") ? json_pack("{s:o}", "services", service_list(f))
           : str_eq(id, "app.list")   ? json_pack("{s:[o]}", "apps", make_app(f))
           : str_eq(id, "node.list")  ? json_pack("{s:o}", "nodes", make_nodes())
                                      : NULL;
}

/* By the kind of object that the call answers with. */
static json_t *object(struct fake_director *f, const struct call *c, const json_t *args)
{
    if (str_eq(c->object, "service")) {
        return make_service(f);
    }
    if (str_eq(c->object, "app")) {
        return make_app(f);
    }
    if (str_eq(c->object, "change")) {
        begin(f, c, args);
        return json_pack("{s:o,s:o}", "operation", make_operation(f), "service", make_service(f));
    }
    if (str_eq(c->object, "operation")) {
        if (f->op_phase == 0) {
            begin(f, call_find("node.add"), NULL);
        }
        return c->list ? json_pack("{s:[o]}", "operations", make_operation(f)) : make_operation(f);
    }
    return str_eq(c->id, "node.show") ? make_node(5, "web", "bad") : NULL;
}

/* The answer to a call, NULL for an empty one. Called with the lock. */
static int answer(struct fake_director *f, const struct call *c, const json_t *args, json_t **ret,
                  struct err *e)
{
    bool service = str_eq(c->id, "service.show");
    *ret = fixed_answer(f, c);
    if (*ret) {
        return 0;
    }
    if (str_eq(c->id, "user.login")) {
        return log_in(args, ret, e);
    }
    if (service || str_eq(c->id, "app.show")) {
        return show(f, service, args, ret, e);
    }
    *ret = list(f, c->id);
    *ret = *ret ? *ret : object(f, c, args);
    if (!*ret && c->answer == ANSWER_EMPTY) {
        f->gone = f->gone || str_eq(c->id, "service.delete") || str_eq(c->id, "app.delete");
        return 0;
    }
    return *ret ? 0 : err_set(e, ERR_INTERNAL, "the fake director has no answer to %s", c->id);
}

/* Every answer is one that the reference promises. */
static void check_answer(const struct call *c, const json_t *v)
{
    _cleanup_err_ struct err e = {0};
    int r = 0;
    if (c->answer != ANSWER_JSON) {
        return;
    }
    if (!c->list) {
        r = api_object_check(c->object, v, &e);
    }
    size_t i;
    json_t *item;
    json_array_foreach(c->list ? json_object_get(v, c->list) : NULL, i, item)
    {
        r = r < 0 ? r : api_object_check(c->object, item, &e);
    }
    if (r < 0) {
        fprintf(stderr, "fake director: %s: %s\n", c->id, e.message);
        abort();
    }
}

/* ---- events: each one moves the operation on ---- */

struct stream {
    struct fake_director *f;
    bool told; /* the last event of this stream is out */
};

static int next_event(void *arg, struct buf *out)
{
    struct stream *s = arg;
    struct fake_director *f = s->f;
    if (s->told) {
        return -1;
    }
    pthread_mutex_lock(&f->lock);
    bool running = f->op_phase > 0 && f->op_phase < 9;
    _cleanup_free_ char *text = NULL;
    if (f->frozen) {
        struct timespec ts = {.tv_nsec = 50000000}; /* as a stream on which nothing happens */
        pthread_mutex_unlock(&f->lock);
        nanosleep(&ts, NULL);
        buf_adds(out, ": silence\n\n");
        return 0;
    }
    if (running) {
        f->op_phase = f->op_phase >= (f->op_fails ? 2 : 3) ? 9 : f->op_phase + 1;
        _cleanup_json_ json_t *op = make_operation(f);
        text = json_text(op);
        if (f->history) {
            bool failed = f->op_phase == 9 && f->op_fails;
            buf_addf(
                out,
                "event: history\nid: %d\ndata: {\"id\":%d,\"time\":1790000000000,\"service\":3,\"state\":"
                "null,\"operation\":31,\"text\":\"%s\"}\n\n",
                40 + f->op_phase, 40 + f->op_phase,
                failed ? "counts: FAILED: " FAKE_WHY : "a line of history");
        }
        buf_addf(out, "event: operation\ndata: %s\n\n", text);
    } else {
        _cleanup_json_ json_t *service = make_service(f);
        text = json_text(service);
        buf_addf(
            out,
            "event: service\ndata: %s\n\nevent: history\nid: 40\ndata: {\"id\":40,\"time\":1790000000000,"
            "\"service\":3,\"state\":\"RUNNING\",\"operation\":null,\"text\":\"all roles run\"}\n\n",
            text);
        s->told = true;
    }
    pthread_mutex_unlock(&f->lock);
    return 0;
}

/* ---- the server ---- */

static int admit(void *arg, struct http_request *req, struct http_admission *ret, struct err *e)
{
    struct call_match m;
    int r = call_match(http_method(req), http_path(req), &m, e);
    if (r < 0) {
        return r;
    }
    call_admission(m.call, ret);
    return 0;
}

static void remember(struct fake_director *f, const struct call *c, struct http_request *req,
                     const json_t *args)
{
    size_t len = 0;
    const char *body = http_body(req, &len);
    _cleanup_free_ char *all = json_text(args);
    free(f->last[index_of(c)]);
    f->last[index_of(c)] =
        c->body == BODY_STREAM
            ? str_printf("%s %s %s", http_method(req), http_path(req), all)
            : str_printf("%s %s %.*s", http_method(req), http_path(req), (int)len, body ? body : "");
    f->requests++;
}

static int archive_fd(void)
{
    char path[] = "/tmp/fake-archive-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    (void)unlink(path);
    if (fd < 0 || write(fd, "archive", 7) != 7) {
        abort();
    }
    return fd;
}

static int handle(void *arg, struct http_request *req, struct err *e)
{
    struct fake_director *f = arg;
    struct call_match m;
    _cleanup_json_ json_t *args = NULL, *result = NULL;
    int r = call_match(http_method(req), http_path(req), &m, e);
    r = r < 0 ? r : call_args_from_request(&m, req, &args, e);
    if (r < 0) {
        return r;
    }
    const char *auth = http_header(req, "Authorization");
    if (m.call->who != WHO_ANYONE && (!auth || strcmp(auth, "Bearer " FAKE_TOKEN) != 0)) {
        return err_set(e, ERR_UNAUTHENTICATED, "log in first");
    }
    pthread_mutex_lock(&f->lock);
    remember(f, m.call, req, args);
    bool own = m.call->answer == ANSWER_EVENTS || m.call->answer == ANSWER_FILE;
    r = own ? 0 : answer(f, m.call, args, &result, e);
    pthread_mutex_unlock(&f->lock);
    if (r < 0) {
        return r;
    }
    if (m.call->answer == ANSWER_EVENTS) {
        struct stream *s = xcalloc(1, sizeof(*s));
        s->f = f;
        return http_reply_stream(req, "text/event-stream", next_event, s, free);
    }
    if (m.call->answer == ANSWER_FILE) {
        return http_reply_file(req, archive_fd(), "application/octet-stream", "shop-1.4.tar.gz");
    }
    if (!result) {
        return http_reply_empty(req, m.call->status);
    }
    check_answer(m.call, result);
    return http_reply_json(req, m.call->status, result);
}

static void start(struct fake_director *f, int port)
{
    _cleanup_err_ struct err e = {0};
    struct http_server_config c = {.address = "127.0.0.1",
                                   .port = (uint16_t)port,
                                   .key_pem = f->key,
                                   .cert_pem = f->cert,
                                   .spool_dir = "/tmp",
                                   .handler = {admit, handle, f}};
    if (http_server_start(&c, &f->server, &e) < 0) {
        fprintf(stderr, "fake director: %s\n", e.message);
        abort();
    }
}

static struct fake_director *make(void)
{
    struct fake_director *f = xcalloc(1, sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
    f->state = xstrdup("RUNNING");
    f->counts = json_pack("{s:i,s:i,s:i}", "proxy", 1, "web", 1, "backend", 2);
    return f;
}

struct fake_director *fake_director_new(void)
{
    struct fake_director *f = make();
    start(f, 0);
    return f;
}

static void must(int r)
{
    if (r < 0) {
        abort();
    }
}

struct fake_director *fake_director_new_tls(const char *installation, int port)
{
    struct fake_director *f = make();
    _cleanup_free_ char *ca_key = NULL, *csr = NULL, *name = str_printf("director.%s", installation);
    must(tls_ca_new(installation, &ca_key, &f->ca, NULL));
    must(tls_key_new(&f->key, NULL));
    must(tls_csr_new(f->key, name, &csr, NULL));
    struct tls_leaf leaf = {.dns_name = name, .server = true, .days = 1};
    random_bytes(leaf.serial, sizeof(leaf.serial));
    must(tls_ca_sign(ca_key, f->ca, csr, &leaf, &f->cert, NULL));
    _cleanup_json_ json_t *shown =
        json_pack("{s:s,s:s,s:s}", "installation", installation, "certificate", f->ca, "fingerprint", "");
    _cleanup_free_ char *text = json_text(shown);
    fake_director_answer(f, "director.ca", text);
    start(f, port);
    return f;
}

void fake_director_freeze(struct fake_director *f, bool on)
{
    pthread_mutex_lock(&f->lock);
    f->frozen = on;
    pthread_mutex_unlock(&f->lock);
}

void fake_director_restart(struct fake_director *f)
{
    int port = http_server_port(f->server);
    http_server_stop(f->server);
    fake_director_freeze(f, false);
    start(f, port);
}

const char *fake_director_ca(const struct fake_director *f)
{
    return f->ca;
}

void fake_director_free(struct fake_director *f)
{
    http_server_stop(f->server);
    for (int i = 0; i < CALLS_MAX; i++) {
        free(f->last[i]);
        free(f->canned[i]);
    }
    free(f->ca);
    free(f->key);
    free(f->cert);
    free(f->op_call);
    free(f->op_title);
    free(f->state);
    json_decref(f->counts);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int fake_director_port(const struct fake_director *f)
{
    return http_server_port(f->server);
}

void fake_director_fail_next(struct fake_director *f)
{
    f->fail_next = true;
}

void fake_director_tell_history(struct fake_director *f)
{
    f->history = true;
}

void fake_director_app_lingers(struct fake_director *f, int looks)
{
    f->lingers = looks;
}

bool fake_director_app_is_gone(struct fake_director *f)
{
    pthread_mutex_lock(&f->lock);
    bool gone = f->gone && f->lingers == 0;
    pthread_mutex_unlock(&f->lock);
    return gone;
}

void fake_director_set_state(struct fake_director *f, const char *state)
{
    free(f->state);
    f->state = xstrdup(state);
}

void fake_director_two_services(struct fake_director *f, bool on)
{
    f->two_services = on;
}

void fake_director_answer(struct fake_director *f, const char *id, const char *json)
{
    int i = index_of(call_find(id));
    free(f->canned[i]);
    f->canned[i] = json ? xstrdup(json) : NULL;
}

char *fake_director_last(struct fake_director *f, const char *id)
{
    pthread_mutex_lock(&f->lock);
    const char *s = f->last[index_of(call_find(id))];
    char *copy = s ? xstrdup(s) : NULL;
    pthread_mutex_unlock(&f->lock);
    return copy;
}

int fake_director_count(struct fake_director *f)
{
    return f->requests;
}
