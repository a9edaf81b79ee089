/*
 * The live stream of an application, for people and as JSON lines.
 */
#include <errno.h>

#include "api/encode.h"
#include "base/clock.h"
#include "cli/print.h"
#include "cli/run.h"
#include "cli/watch.h"

#define IDLE_MS 60000
#define AGAIN_MS 1000
#define TICK_MS 3600000

struct stream {
    struct cli *cli;
    int64_t after, seen;
    json_t *names; /* id of a service -> name */
};

static const char *service_name(struct stream *s, const json_t *item, const char *member, char **ret_free)
{
    *ret_free = str_printf("%lld", (long long)json_int(item, member, 0));
    return json_str(s->names, *ret_free, *ret_free);
}

/* What a person wants to read of an event; NULL: nothing. Caller frees. */
static char *event_text(struct stream *s, const char *event, const json_t *j)
{
    _cleanup_free_ char *key = NULL;
    if (str_eq(event, "history")) {
        const char *name = json_is_integer(json_object_get(j, "service"))
                               ? service_name(s, j, "service", &key)
                               : "application";
        return str_printf("%s: %s", name, json_str(j, "text", ""));
    }
    if (str_eq(event, "operation")) {
        const char *why = json_str(j, "why", NULL);
        return str_printf("%s: operation %lld %s: %s%s%s", service_name(s, j, "service", &key),
                          (long long)json_int(j, "id", 0), json_str(j, "state", ""), json_str(j, "title", ""),
                          why ? ": " : "", why ? why : "");
    }
    if (str_eq(event, "node")) {
        return str_printf("node %lld %s %s", (long long)json_int(j, "id", 0), json_str(j, "status", ""),
                          json_str(j, "address", ""));
    }
    if (str_eq(event, "service")) {
        (void)service_name(s, j, "id", &key);
        json_object_set_new(s->names, key, json_string(json_str(j, "name", key)));
        return str_printf("%s: %s", json_str(j, "name", ""), json_str(j, "state", ""));
    }
    if (str_eq(event, "gone")) {
        return str_printf("%s %lld is gone", json_str(j, "kind", ""), (long long)json_int(j, "id", 0));
    }
    return NULL;
}

static int on_event(void *arg, const char *event, const char *id, const char *data)
{
    struct stream *s = arg;
    FILE *out = s->cli->term.out;
    _cleanup_json_ json_t *j = NULL;
    if (!event || json_parse(data, strlen(data), 1 << 20, &j, NULL) < 0) {
        return 0;
    }
    s->seen++;
    int64_t line = str_eq(event, "history") ? json_int(j, "id", -1) : -1;
    s->after = line > s->after ? line : s->after;
    if (s->cli->json) {
        _cleanup_json_ json_t *both = json_pack("{s:s,s:O}", "event", event, "data", j);
        _cleanup_free_ char *text = json_text(both);
        fprintf(out, "%s\n", text);
    } else {
        _cleanup_free_ char *text = event_text(s, event, j),
                            *time = term_time(json_int(j, "time", term_now(&s->cli->term)));
        struct buf safe = {0};
        term_safe(&safe, text ? text : "", false);
        if (text && s->cli->term.out_tty) {
            fprintf(out, "%s ", time);
            term_wrap(&s->cli->term, out, safe.data, (int)strlen(time) + 1, (int)strlen(time) + 1);
        } else if (text) { /* a line an event, for programs that read along */
            fprintf(out, "%s %s\n", time, safe.data);
        }
        buf_done(&safe);
    }
    return fflush(out) == 0 ? 0 : 1;
}

int events_run(struct cli *cli, struct command *c, struct err *e)
{
    struct stream s = {.cli = cli, .after = json_int(c->args, "after", -1), .names = json_object()};
    _cleanup_(http_client_freep) struct http_client *client = NULL;
    int64_t deadline = cli->timeout_ms ? clock_mono_ms() + cli->timeout_ms : 0;
    int r = cli_connect(cli, &client, e);
    _cleanup_(watch_freep) struct watch *w = r < 0 ? NULL : watch_new(client, TICK_MS, deadline, NULL, NULL);
    while (r == 0) {
        if (s.after >= 0) {
            json_object_set_new(c->args, "after", json_integer(s.after));
        }
        _cleanup_call_request_ struct call_request req = {.method = NULL};
        r = call_encode(c->call, c->args, &req, e);
        r = r < 0 ? r : http_events(client, req.path, IDLE_MS, on_event, &s, e);
        if (watch_signalled(w) || watch_expired(w) || r > 0) {
            r = 0;
            break;
        }
        if ((r == ERR_UNAVAILABLE || r == ERR_TIMEOUT) && s.seen > 0) {
            r = 0; /* the director is away for a while, or nothing happened for long */
        }
        watch_continue(w);
        watch_pause(w, AGAIN_MS);
    }
    json_decref(s.names);
    return r < 0 ? cli_explain(cli, r, e) : 0;
}
