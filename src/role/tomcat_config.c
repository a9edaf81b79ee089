/*
 * server.properties and the arguments of java.
 */
#include "role/tomcat_config.h"

#include "role/node_memory.h"
#include "role/quote.h"

struct tomcat_text {
    const char *engine, *name, *bind, *session_password, *classes;
    int64_t port, service, heap, threads, timeout, session_timeout, post_max, session_port;
    json_t *versions;
};
#define TOMCAT(n, k, member, need, lo, hi)                                                                   \
    {                                                                                                        \
        .name = (n), .kind = (k), .offset = offsetof(struct tomcat_text, member), .required = (need),        \
        .min = (lo), .max = (hi)                                                                             \
    }
static const struct json_field tomcat_fields[] = {
    TOMCAT("engine", JSON_F_STRING, engine, true, 0, 0),
    TOMCAT("name", JSON_F_STRING, name, true, 0, 63),
    TOMCAT("bind", JSON_F_STRING, bind, false, 0, 15),
    TOMCAT("classes", JSON_F_STRING, classes, false, 0, 255),
    TOMCAT("port", JSON_F_INT, port, true, 1, 65535),
    TOMCAT("service", JSON_F_INT, service, true, 1, INT64_MAX),
    TOMCAT("heap", JSON_F_INT, heap, true, 32 << 20, 64LL << 30),
    TOMCAT("threads", JSON_F_INT, threads, true, 1, 1000),
    TOMCAT("request_timeout_s", JSON_F_INT, timeout, true, 1, 86400),
    TOMCAT("session_timeout_min", JSON_F_INT, session_timeout, true, 1, 525600),
    TOMCAT("post_max", JSON_F_INT, post_max, true, 0, INT32_MAX),
    TOMCAT("session_port", JSON_F_INT, session_port, true, 1, 65535),
    TOMCAT("session_password", JSON_F_STRING, session_password, true, 0, 256),
    TOMCAT("versions", JSON_F_ARRAY, versions, true, 0, 0),
    {0},
};

/* A heap that the node cannot hold would end in the kernel ending the process, at some later time. */
static int tomcat_check_heap(int64_t heap, struct err *e)
{
    int64_t limit = node_memory_limit();
    if (limit >= 0 && heap + TOMCAT_BESIDES_HEAP > limit) {
        int64_t most = (limit - TOMCAT_BESIDES_HEAP) / (1 << 20);
        return err_set(e, ERR_INVALID,
                       "settings: a heap of %lldM does not fit into this node: %lldM are the most",
                       (long long)(heap >> 20), (long long)(most > 0 ? most : 0));
    }
    return 0;
}

int tomcat_want_read(const json_t *section, struct tomcat_want *ret, struct err *e)
{
    struct tomcat_text t = {.bind = "0.0.0.0", .classes = TOMCAT_CLASSES, .session_password = ""};
    struct tomcat_want w = {0};
    int r = json_read(section, tomcat_fields, &t, e);
    r = r < 0 ? r : section_versions(t.versions, &w.versions, e);
    if (r < 0) {
        return err_wrap(e, r, "tomcat");
    }
    if (!section_is_ipv4(t.bind) || !quote_is_plain(t.classes)) {
        return err_set(e, ERR_INVALID, "tomcat: bind is an IPv4 address, classes a directory");
    }
    w.bind = t.bind;
    w.classes = t.classes;
    w.session_password = t.session_password;
    w.port = t.port;
    w.service = t.service;
    w.heap = t.heap;
    w.threads = t.threads;
    w.request_timeout_s = t.timeout;
    w.session_timeout_min = t.session_timeout;
    w.post_max = t.post_max;
    w.session_port = t.session_port;
    *ret = w;
    return tomcat_check_heap(w.heap, e);
}

char *tomcat_config_socket(const struct role_engine *r, int64_t generation)
{
    return str_printf("%s/control/%lld.sock", r->run_dir, (long long)generation);
}

void tomcat_config_versions(const struct section_versions *v, struct buf *out)
{
    for (int i = 0; i < v->n; i++) {
        buf_addf(out, "%s%lld", i ? "," : "", (long long)v->at[i]);
    }
    buf_adds(out, "");
}

static int tomcat_check_places(const struct role_engine *r, struct err *e)
{
    bool plain = quote_is_plain(r->name) && quote_is_plain(r->run_dir) && quote_is_plain(r->log_dir) &&
                 quote_is_plain(r->code_dir) && quote_is_plain(r->data_dir);
    return plain ? 0 : err_set(e, ERR_INTERNAL, "a name or directory of tomcat is no plain word");
}

int tomcat_config_server(const struct role_engine *r, const struct tomcat_want *w, int64_t generation,
                         struct buf *out, struct err *e)
{
    int rc = tomcat_check_places(r, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_free_ char *control = tomcat_config_socket(r, generation);
    _cleanup_buf_ struct buf versions = {0};
    tomcat_config_versions(&w->versions, &versions);
    buf_addf(
        out,
        "# Written by conpaas-agent; changes are lost.\n"
        "home=%s\nbase=%s\nwork=%s/work/%lld\ncode=%s\ncontrol=%s\nlog_dir=%s\naccess_log=%s-access.log\n"
        "port=%lld\nthreads=%lld\nrequest_timeout=%lld\nsession_timeout=%lld\npost_max=%lld\n"
        "session_port=%lld\nversions=%s\nsession_password=",
        TOMCAT_HOME, r->data_dir, r->data_dir, (long long)generation, r->code_dir, control, r->log_dir,
        r->name, (long long)w->port, (long long)w->threads, (long long)w->request_timeout_s,
        (long long)w->session_timeout_min, (long long)w->post_max, (long long)w->session_port, versions.data);
    rc = quote_properties(out, w->session_password, e);
    buf_addc(out, '\n');
    return rc;
}

int tomcat_config_java(const struct role_engine *r, const struct tomcat_want *w, struct buf *out,
                       struct err *e)
{
    int rc = tomcat_check_places(r, e);
    if (rc == 0) {
        buf_addf(out,
                 "# Written by conpaas-agent; changes are lost.\n"
                 "-Xmx%lldk\n"
                 "-Xms16m\n"
                 "-Xss512k\n"
                 "-XX:+UseSerialGC\n"
                 "-XX:+ExitOnOutOfMemoryError\n" /* the agent starts it anew; half a server helps nobody */
                 "-XX:ReservedCodeCacheSize=64m\n"
                 "-XX:-UsePerfData\n"
                 "-Djava.awt.headless=true\n"
                 "-Dfile.encoding=UTF-8\n"
                 "-Djava.io.tmpdir=%s/tmp\n"
                 "-Dcatalina.home=%s\n"
                 "-Dcatalina.base=%s\n"
                 "-Djava.util.logging.config.file=%s/logging.properties\n"
                 "-cp %s:%s/bin/tomcat-juli.jar:%s/lib/*\n",
                 (long long)(w->heap >> 10), r->data_dir, TOMCAT_HOME, r->data_dir, r->run_dir, w->classes,
                 TOMCAT_HOME, TOMCAT_HOME);
    }
    return rc;
}
