/*
 * History, and the stream of events of an application.
 */
#include "director/api.h"
#include "director/events.h"

static int history_list(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    struct event *ev = NULL;
    size_t n = 0;
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 ||
        (rc = store_events_before(c->d->store, s->row.app.id, v->row.service.id, api_int(c, "before"), NULL,
                                  (int)api_int(c, "limit"), &ev, &n, e)) < 0) {
        return rc;
    }
    json_t *list = json_array();
    for (size_t i = n; i > 0; i--) { /* the newest ones, oldest first */
        json_array_append_new(list, object_history(&ev[i - 1]));
    }
    events_free(ev, n);
    return api_reply_list(c, list);
}

static int app_events(struct api_call *c, struct err *e)
{
    bool given = json_object_get(c->args, "after") != NULL;
    int64_t after = given ? api_int(c, "after") : -1;
    const char *last = http_header(c->req, "Last-Event-ID");
    if (!given && last && str_to_int(last, 0, INT64_MAX, &after) < 0) {
        return err_set(e, ERR_INVALID, "Last-Event-ID is not the id of an event");
    }
    return events_stream(c->d, c->req, call_match_id(&c->match, "app"), c->caller.token.id, after, e);
}

const struct api_row api_history_rows[] = {{"history.list", history_list}, {"app.events", app_events}, {0}};
