/*
 * The common part of web hosting.
 */
#include "service/web.h"

const char *const web_proxy_logs[] = {"proxy.log", "proxy-error.log", NULL};
const char *const web_web_logs[] = {"web-access.log", "web-error.log", NULL};
const char *const web_sessions_logs[] = {"sessions.log", NULL};
const char *const web_secrets[] = {"session_password", NULL};

int web_check_counts(const int counts[ROLES_MAX], struct err *e)
{
    if (counts[WEB_PROXY] > 1 && (counts[WEB_WEB] == 0 || counts[WEB_BACKEND] == 0)) {
        return err_set_hint(e, ERR_INVALID, "add at least one web and one backend node, or keep one proxy",
                            "several proxies need separate web and backend nodes");
    }
    return 0;
}

static const char *address_of(const struct section_in *in, int64_t id)
{
    for (int i = 0; i < in->service->n_nodes; i++) {
        if (in->service->nodes[i].id == id) {
            return in->service->nodes[i].address;
        }
    }
    return "";
}

json_t *web_targets(const struct section_in *in, const struct id_set *ids, int port)
{
    json_t *a = json_array();
    for (int64_t i = 0; i < ids->n; i++) {
        const char *address = address_of(in, ids->id[i]);
        if (address[0]) {
            json_array_append_new(a, json_pack("{s:I, s:s, s:i}", "id", (json_int_t)ids->id[i], "address",
                                               address, "port", port));
        }
    }
    return a;
}

json_t *web_proxy_section(const struct section_in *in, const char *scripts, int64_t request_timeout_s,
                          int64_t post_max)
{
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:o, s:s, s:{s:o, s:o}, s:I, s:I}", "engine", "haproxy",
                     "name", "proxy", "port", WEB_PORT_PROXY, "service", (json_int_t)in->service->id, "route",
                     (json_int_t)in->doc->route, "versions", set_to_json(&in->doc->code), "scripts", scripts,
                     "targets", "web", web_targets(in, &in->doc->names[WEB_WEB], WEB_PORT_WEB), "backend",
                     web_targets(in, &in->doc->names[WEB_BACKEND], WEB_PORT_BACKEND), "request_timeout_s",
                     (json_int_t)request_timeout_s, "post_max", (json_int_t)post_max);
}

json_t *web_web_section(const struct section_in *in, const char *scripts)
{
    return json_pack("{s:s, s:s, s:i, s:I, s:o, s:s}", "engine", "nginx", "name", "web", "port", WEB_PORT_WEB,
                     "service", (json_int_t)in->service->id, "versions", set_to_json(&in->doc->code),
                     "scripts", scripts);
}

json_t *web_sessions_section(const struct section_in *in)
{
    bool is_primary = in->doc->primary == in->node->id;
    return json_pack("{s:s, s:s, s:i, s:s, s:b, s:s}", "engine", "redis", "name", "sessions", "port",
                     WEB_PORT_SESSIONS, "primary", is_primary ? "" : address_of(in, in->doc->primary),
                     "is_primary", is_primary, "password", json_str(in->secrets, "session_password", ""));
}

json_t *web_relay_section(const struct section_in *in)
{
    return json_pack("{s:s, s:s, s:i, s:o, s:s, s:s}", "engine", "relay", "name", "session-relay", "port",
                     WEB_PORT_RELAY, "targets", web_targets(in, &in->doc->holders, WEB_PORT_SESSIONS), "mode",
                     "redis-primary", "password", json_str(in->secrets, "session_password", ""));
}

/* A backend's port is code execution: proxies only. A proxy's node may itself be a backend (the host). */
void web_peers(const struct section_in *in, int role, struct id_set *ret)
{
    for (int64_t i = 0; i < in->doc->callers.n; i++) {
        int64_t id = in->doc->callers.id[i];
        for (int k = 0; k < in->service->n_nodes; k++) {
            const struct node *n = &in->service->nodes[k];
            bool calls = role == WEB_SESSIONS ? n->role != WEB_WEB || set_has(&in->doc->holders, id)
                                              : n->role == WEB_PROXY;
            if (n->id == id && calls) {
                set_add(ret, id);
            }
        }
    }
}

json_t *web_exports(const struct export_in *in)
{
    _cleanup_free_ char *port = str_printf("%d", in->port),
                        *url = str_printf("http://127.0.0.1:%d", in->port);
    return json_pack("{s:{s:s, s:s, s:s}, s:o}", "variables", "HOST", "127.0.0.1", "PORT", port, "URL", url,
                     "targets", service_type_entries(in->service, WEB_PORT_PROXY));
}
