/*
 * haproxy.cfg: the routing rules of web hosting (first match):
 * PHP:
 *   hidden name -> 404; file -> web; script (with PATH_INFO) -> PHP; directory without slash -> redirect;
 *   directory with index.html -> web, with index.php -> PHP; /index.php?q=URL if the version has it; 404 of
 * web.
 * Java:
 *   hidden name -> 404; a file that web servers may send, asked for with GET -> web; all else -> Java.
 *
 * The backends are written last, and their servers behind them, so that the fixed part is one text.
 */
#include "role/haproxy_config.h"

#include "role/quote.h"

const struct haproxy_backend haproxy_web = {"web", "check inter 1s fall 2 rise 1", true, false};
const struct haproxy_backend haproxy_php = {"php", "proto fcgi check inter 1s fall 2 rise 1", true, false};
/* The agent keeps the socket: one that is just being started anew lets its visitors wait instead of sending them away. */
const struct haproxy_backend haproxy_java = {"java", "check inter 1s fall 2 rise 1", true, false};
const struct haproxy_backend haproxy_redis = {
    "redis", "check inter 500ms fastinter 200ms fall 2 rise 1 on-marked-down shutdown-sessions", false,
    false};
const struct haproxy_backend haproxy_tcp = {
    "tcp", "check inter 500ms fastinter 200ms fall 2 rise 1 on-marked-down shutdown-sessions", true, true};

/* ---- sections ---- */

struct want_text {
    const char *engine, *name, *bind, *scripts;
    int64_t port, service, route, timeout, post_max;
    bool front, files, drain;
    json_t *versions, *targets;
};
#define WANT(n, k, member, need, lo, hi)                                                                     \
    {                                                                                                        \
        .name = (n), .kind = (k), .offset = offsetof(struct want_text, member), .required = (need),          \
        .min = (lo), .max = (hi)                                                                             \
    }
static const struct json_field want_fields[] = {
    WANT("engine", JSON_F_STRING, engine, true, 0, 0),
    WANT("name", JSON_F_STRING, name, true, 0, 63),
    WANT("bind", JSON_F_STRING, bind, false, 0, 15),
    WANT("scripts", JSON_F_STRING, scripts, false, 0, 15),
    WANT("port", JSON_F_INT, port, true, 1, 65535),
    WANT("service", JSON_F_INT, service, true, 1, INT64_MAX),
    WANT("route", JSON_F_INT, route, true, 0, INT64_MAX),
    WANT("request_timeout_s", JSON_F_INT, timeout, false, 1, 86400),
    WANT("post_max", JSON_F_INT, post_max, false, 0, INT64_MAX),
    WANT("front_controller", JSON_F_BOOL, front, false, 0, 0),
    WANT("files", JSON_F_BOOL, files, false, 0, 0),
    WANT("drain", JSON_F_BOOL, drain, false, 0, 0),
    WANT("versions", JSON_F_ARRAY, versions, true, 0, 0),
    WANT("targets", JSON_F_OBJECT, targets, true, 0, 0),
    {0},
};

int haproxy_want_read(const json_t *section, struct haproxy_want *ret, struct err *e)
{
    struct want_text t = {.bind = "0.0.0.0", .timeout = 120, .front = true, .files = true, .scripts = "php"};
    struct haproxy_want w = {0};
    int r = json_read(section, want_fields, &t, e);
    r = r < 0 ? r : section_versions(t.versions, &w.versions, e);
    r = r < 0 ? r : section_targets(json_object_get(t.targets, "web"), "web", &w.web, e);
    r = r < 0 ? r : section_targets(json_object_get(t.targets, "backend"), "backend", &w.backend, e);
    if (r < 0) {
        return err_wrap(e, r, "haproxy");
    }
    if (!section_is_ipv4(t.bind)) {
        return err_set(e, ERR_INVALID, "haproxy: \"%s\" is no IPv4 address", t.bind);
    }
    w.java = str_eq(t.scripts, "java");
    if (!w.java && !str_eq(t.scripts, "php")) {
        return err_set(e, ERR_INVALID, "haproxy: no scripts \"%s\"", t.scripts);
    }
    w.port = t.port;
    w.service = t.service;
    w.route = t.route;
    w.request_timeout_s = t.timeout;
    w.post_max = t.post_max;
    w.bind = t.bind;
    w.front_controller = t.front;
    w.files = t.files;
    w.drain = t.drain;
    if (w.route > 0) {
        section_versions_add(&w.versions, w.route);
    }
    *ret = w;
    return 0;
}

struct relay_text {
    const char *engine, *name, *mode, *bind, *password;
    int64_t port;
    json_t *targets;
};
#define RELAY(n, k, member, need, lo, hi)                                                                    \
    {                                                                                                        \
        .name = (n), .kind = (k), .offset = offsetof(struct relay_text, member), .required = (need),         \
        .min = (lo), .max = (hi)                                                                             \
    }
static const struct json_field relay_fields[] = {
    RELAY("bind", JSON_F_STRING, bind, false, 0, 15),
    RELAY("engine", JSON_F_STRING, engine, true, 0, 0),
    RELAY("name", JSON_F_STRING, name, true, 0, 63),
    RELAY("mode", JSON_F_STRING, mode, false, 0, 0),
    RELAY("password", JSON_F_STRING, password, false, 0, 256),
    RELAY("port", JSON_F_INT, port, true, 1, 65535),
    RELAY("targets", JSON_F_ARRAY, targets, true, 0, 0),
    {0},
};

int relay_want_read(const json_t *section, struct relay_want *ret, struct err *e)
{
    struct relay_text t = {.mode = "redis-primary", .bind = "127.0.0.1"};
    struct relay_want w = {0};
    int r = json_read(section, relay_fields, &t, e);
    r = r < 0 ? r : section_targets(t.targets, "targets", &w.targets, e);
    if (r < 0) {
        return err_wrap(e, r, "relay");
    }
    w.tcp = str_eq(t.mode, "tcp");
    if (!w.tcp && !str_eq(t.mode, "redis-primary")) {
        return err_set(e, ERR_INVALID, "relay: no mode \"%s\"", t.mode);
    }
    if (!section_is_ipv4(t.bind)) {
        return err_set(e, ERR_INVALID, "relay: bind is an IPv4 address");
    }
    if (!w.tcp && !t.password) {
        return err_set(e, ERR_INVALID, "relay: no password");
    }
    w.port = t.port;
    w.bind = t.bind;
    w.password = t.password;
    *ret = w;
    return 0;
}

/* ---- text ---- */

static const char config_global[] =
    "# Written by conpaas-agent; changes are lost.\n"
    "global\n"
    "    stats socket %s/admin.sock mode 600 level admin expose-fd listeners\n"
    "    log stdout format raw local0 info\n"
    "    fd-hard-limit 20000\n"
    "    nbthread 2\n"
    "    hard-stop-after 1h\n"
    "    tune.maxrewrite 4096\n"
    "\n";

static const char config_defaults[] = "defaults\n"
                                      "    mode http\n"
                                      "    log global\n"
                                      "    option dontlognull\n"
                                      "    option redispatch 1\n"
                                      "    option idle-close-on-response\n"
                                      "    option srvtcpka\n"
                                      "    srvtcpka-idle 5s\n"
                                      "    srvtcpka-intvl 2s\n"
                                      "    srvtcpka-cnt 3\n"
                                      "    retries 3\n"
                                      "    timeout connect 2s\n"
                                      "    timeout check 2s\n"
                                      "    timeout queue 30s\n"
                                      "    timeout client 120s\n"
                                      "    timeout server 120s\n"
                                      "    timeout http-request 30s\n"
                                      "    timeout http-keep-alive 15s\n"
                                      "\n";

/* Client, user, time, request, status, bytes, upstream, referer, agent, epoch.ms, duration in ms. */
static const char config_log[] =
    "    http-request capture req.hdr(Referer) len 256\n"
    "    http-request capture req.hdr(User-Agent) len 256\n"
    "    log-format '%ci - [%T] %{+Q,+E}r %ST %B %si:%sp %{+Q,+E}[capture.req.hdr(0)] "
    "%{+Q,+E}[capture.req.hdr(1)] %Ts.%ms %Ta'\n";

/* $V = map of values, $P = map of paths, $C = directory of the code. */
static const char config_rules_all[] =
    "    # What an answer says about us is ours to say.\n"
    "    http-request del-header X-ConPaaS-Version\n"
    "    http-request del-header Proxy\n"
    "    http-request del-header _ -m sub\n"
    "    http-request set-header X-Forwarded-For %[src]\n"
    "    http-request set-header X-Real-IP %[src]\n"
    "    http-request deny deny_status 400 if { path -m sub -i %00 }\n"
    "    # The version is read once: a request that began with one ends with it.\n"
    "    http-request set-var(txn.v) str(v),map_str($V,0)\n"
    "    http-request set-var(txn.p) path,url_dec,regsub(/+,/,g)\n"
    "    http-request return status 404 if { var(txn.p) -m sub /. }\n"
    "    http-request set-var-fmt(txn.key) /%[var(txn.v)]%[var(txn.p)]\n"
    "    http-request set-var(txn.kind) var(txn.key),url_enc,map_str($P,none)\n";

static const char config_rules_php[] =
    "    http-request set-var(txn.script) var(txn.p) if { var(txn.kind) -m str p }\n"
    "    # /script.php/more: the script, and PATH_INFO\n"
    "    acl unknown var(txn.kind) -m str none\n"
    "    http-request set-var(txn.cut) \"var(txn.p),regsub('([.]php)/.*','\\\\1')\" if unknown { var(txn.p) "
    "-m sub .php/ }\n"
    "    http-request set-var-fmt(txn.key) /%[var(txn.v)]%[var(txn.cut)] if { var(txn.cut) -m found }\n"
    "    http-request set-var(txn.cutkind) var(txn.key),url_enc,map_str($P,none) if { var(txn.cut) -m found "
    "}\n"
    "    http-request set-var(txn.info) \"var(txn.p),regsub('^.*?[.]php(/.*)','\\\\1')\" if { "
    "var(txn.cutkind) -m str p }\n"
    "    http-request set-var(txn.script) var(txn.cut) if { var(txn.info) -m found }\n"
    "    http-request set-var(txn.kind) str(p) if { var(txn.info) -m found }\n"
    "    # directories\n"
    "    http-request redirect code 301 location %[path,regsub(/+,/,g)]/?%[query] if { var(txn.kind) -m str "
    "d } "
    "{ query -m len gt 0 }\n"
    "    http-request redirect code 301 location %[path,regsub(/+,/,g)]/ if { var(txn.kind) -m str d }\n"
    "    http-request set-path %[path]index.html if { var(txn.kind) -m str h }\n"
    "    http-request set-var-fmt(txn.script) %[var(txn.p)]index.php if { var(txn.kind) -m str i }\n"
    "    # front controller\n"
    "    http-request set-var-fmt(txn.key) /%[var(txn.v)]/index.php if unknown { str(front),map_str($V,0) -m "
    "str 1 }\n"
    "    http-request set-var(txn.front) var(txn.key),url_enc,map_str($P,none) if unknown "
    "{ str(front),map_str($V,0) -m str 1 }\n"
    "    acl front var(txn.front) -m str p\n"
    "    http-request set-var(txn.script) str(/index.php) if unknown front\n"
    "    http-request set-var(txn.url) pathq,url_enc if unknown front\n"
    "    http-request set-var-fmt(txn.qs) q=%[var(txn.url)] if unknown front\n"
    "    http-request set-var-fmt(txn.qs) %[var(txn.qs)]&%[query] if unknown front { query -m len gt 0 }\n"
    "    # only what may be done twice is done twice\n"
    "    http-request disable-l7-retry unless METH_GET\n"
    "    http-request set-header X-ConPaaS-Version %[var(txn.v)] unless { var(txn.script) -m found }\n"
    "    http-after-response set-header Connection close if { str(drain),map_str($V,0) -m str 1 }\n"
    "    use_backend php if { var(txn.script) -m found }\n"
    "    default_backend web\n"
    "\n"
    "fcgi-app php\n"
    "    docroot $C\n"
    "    no option keep-conn\n"
    "    log-stderr global\n"
    "    set-param SCRIPT_FILENAME '$C/%[var(txn.v)]%[var(txn.script)]'\n"
    "    set-param SCRIPT_NAME '%[var(txn.script)]'\n"
    "    set-param DOCUMENT_ROOT '$C/%[var(txn.v)]'\n"
    "    set-param DOCUMENT_URI '%[var(txn.script)]%[var(txn.info)]'\n"
    "    set-param PATH_INFO '%[var(txn.info)]' if { var(txn.info) -m found }\n"
    "    set-param QUERY_STRING '%[var(txn.qs)]' if { var(txn.qs) -m found }\n"
    "    set-param SERVER_NAME '%[req.hdr(Host),host_only]'\n"
    "    set-param SERVER_SOFTWARE 'haproxy'\n"
    "\n"
    "backend php\n"
    "    balance roundrobin\n"
    "    retry-on conn-failure empty-response 0rtt-rejected\n"
    "    http-request set-timeout server str(timeout),map_str($V,120000)\n"
    "    compression algo gzip\n"
    "    compression type text/html text/plain text/css text/xml application/json application/javascript\n"
    "    use-fcgi-app php\n";

static const char config_rules_java[] =
    "    acl file var(txn.kind) -m str s\n"
    "    acl files str(files),map_str($V,1) -m str 1\n"
    "    http-request disable-l7-retry unless METH_GET\n"
    "    http-request set-header X-ConPaaS-Version %[var(txn.v)]\n"
    "    http-after-response set-header Connection close if { str(drain),map_str($V,0) -m str 1 }\n"
    "    use_backend java unless file files METH_GET\n"
    "    default_backend web\n"
    "\n"
    "backend java\n"
    "    balance roundrobin\n"
    "    # one request a connection: whoever is about to end owes nobody a next answer\n"
    "    option http-server-close\n"
    "    timeout tunnel 1h\n"
    "    retry-on conn-failure empty-response 0rtt-rejected\n"
    "    http-request set-timeout server str(timeout),map_str($V,120000)\n"
    "    compression algo gzip\n"
    "    compression type text/html text/plain text/css text/xml application/json application/javascript\n";

static const char config_web[] =
    "\n"
    "backend web\n"
    "    balance roundrobin\n"
    "    retry-on conn-failure empty-response 0rtt-rejected\n"
    "    compression algo gzip\n"
    "    compression type text/html text/plain text/css text/xml application/json application/javascript "
    "text/javascript image/svg+xml\n"
    "    option httpchk GET /.conpaas-alive\n"
    "    http-check expect status 204\n";

/* Copies the rules; $V, $P and $C become paths, which are plain characters only. */
static void config_expand(const struct role_engine *r, const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (text[0] == '$' && text[1] == 'V') {
            buf_addf(out, "%s/values.map", r->run_dir);
            text++;
        } else if (text[0] == '$' && text[1] == 'P') {
            buf_addf(out, "%s/paths.map", r->run_dir);
            text++;
        } else if (text[0] == '$' && text[1] == 'C') {
            buf_adds(out, r->code_dir);
            text++;
        } else {
            buf_addc(out, *text);
        }
    }
}

static int config_check_paths(const struct role_engine *r, struct err *e)
{
    const char *bad = !quote_is_plain(r->run_dir)    ? r->run_dir
                      : !quote_is_plain(r->code_dir) ? r->code_dir
                                                     : NULL;
    return bad ? err_set(e, ERR_INTERNAL, "the directory \"%s\" is no plain word", bad) : 0;
}

static void config_head(const struct role_engine *r, struct buf *out)
{
    for (const char *p = config_global; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            buf_adds(out, r->run_dir);
            p++;
        } else {
            buf_addc(out, *p);
        }
    }
}

int haproxy_config_fixed(const struct role_engine *r, const struct haproxy_want *w, struct buf *out,
                         struct err *e)
{
    int rc = config_check_paths(r, e);
    if (rc < 0) {
        return rc;
    }
    config_head(r, out);
    buf_adds(out, config_defaults);
    buf_addf(out, "frontend entry\n    bind %s:%lld\n", w->bind, (long long)w->port);
    buf_adds(out, config_log);
    config_expand(r, config_rules_all, out);
    config_expand(r, w->java ? config_rules_java : config_rules_php, out);
    return 0;
}

void haproxy_config_servers(const struct haproxy_backend *b, const struct section_targets *t, struct buf *out)
{
    if (b == &haproxy_web) {
        buf_adds(out, config_web);
    }
    for (int i = 0; i < t->n; i++) {
        char name[HAPROXY_NAME_MAX];
        haproxy_server_name(&t->at[i], name);
        buf_addf(out, "    server %s %s:%d weight %d %s\n", name, t->at[i].address, t->at[i].port,
                 t->at[i].weight, b->options);
    }
}

void haproxy_config_values(const struct haproxy_want *w, struct buf *out)
{
    buf_addf(out, "v %lld\ntimeout %lld\ndrain %d\nfront %d\nfiles %d\n", (long long)w->route,
             (long long)w->request_timeout_s * 1000, w->drain, w->front_controller, w->files);
}

/* Connections may be idle for long; peers that vanished are noticed by keep-alives. */
static const char config_tcp[] = "defaults\n"
                                 "    mode tcp\n"
                                 "    timeout connect 1s\n"
                                 "    timeout check 1s\n"
                                 "    timeout queue 10s\n"
                                 "    timeout client 25h\n"
                                 "    timeout server 25h\n"
                                 "    option clitcpka\n"
                                 "    option srvtcpka\n"
                                 "    srvtcpka-idle 5s\n"
                                 "    srvtcpka-intvl 2s\n"
                                 "    srvtcpka-cnt 3\n"
                                 "    option redispatch 1\n"
                                 "    retries 3\n"
                                 "\n";

static void relay_config_tcp(const struct relay_want *w, struct buf *out)
{
    buf_adds(out, config_tcp);
    buf_addf(
        out,
        "frontend entry\n    bind %s:%lld\n    default_backend tcp\n\nbackend tcp\n    balance leastconn\n",
        w->bind, (long long)w->port);
}

int relay_config_fixed(const struct role_engine *r, const struct relay_want *w, struct buf *out,
                       struct err *e)
{
    if (!quote_is_plain(r->run_dir)) {
        return err_set(e, ERR_INTERNAL, "the directory \"%s\" is no plain word", r->run_dir);
    }
    config_head(r, out);
    if (w->tcp) {
        relay_config_tcp(w, out);
        return 0;
    }
    _cleanup_buf_ struct buf auth = {0};
    buf_addf(&auth, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n", strlen(w->password), w->password);
    buf_adds(out,
             "defaults\n    mode tcp\n    timeout connect 1s\n    timeout check 1s\n    timeout client 1h\n"
             "    timeout server 1h\n    option redispatch 1\n    retries 3\n\n");
    buf_addf(out, "frontend entry\n    bind %s:%lld\n    default_backend redis\n\n", w->bind,
             (long long)w->port);
    buf_adds(out,
             "backend redis\n    balance roundrobin\n"
             "    # should two call themselves primary for a moment, all connections go to the same one\n"
             "    stick-table type integer size 16 expire 1d\n    stick on dst_port\n"
             "    option tcp-check\n    tcp-check connect\n    tcp-check send-binary ");
    quote_hex(out, auth.data);
    buf_adds(out, "\n    tcp-check expect string +OK\n    tcp-check send-binary ");
    quote_hex(out, "INFO replication\r\n");
    buf_adds(out, "\n    tcp-check expect string role:master\n    tcp-check send-binary ");
    quote_hex(out, "QUIT\r\n");
    buf_adds(out, "\n    tcp-check expect string +OK\n");
    return 0;
}
