/*
 * The event stream format: lines "field: value", an empty line ends an event; other lines are comments.
 */
#include "net/http_sse.h"

#define SSE_MAX (4u << 20) /* a line, or the data of one event */

void sse_done(struct sse_parser *p)
{
    buf_done(&p->line);
    buf_done(&p->event);
    buf_done(&p->id);
    buf_done(&p->data);
}

static int sse_dispatch(struct sse_parser *p)
{
    int r = 0;
    if (p->has_data) {
        r = p->on_event(p->arg, p->event.len ? p->event.data : "message", p->id.len ? p->id.data : "",
                        p->data.len ? p->data.data : "");
    }
    buf_reset(&p->event);
    buf_reset(&p->data);
    p->has_data = false;
    return r;
}

static int sse_line(struct sse_parser *p)
{
    if (p->line.len == 0) {
        return sse_dispatch(p);
    }
    char *field = p->line.data, *value = strchr(field, ':');
    if (value == field) {
        return 0; /* a comment, keeps the connection alive */
    }
    if (value) {
        *value++ = '\0';
        value += *value == ' ';
    } else {
        value = field + strlen(field);
    }
    if (str_eq(field, "data")) {
        if (p->has_data) {
            buf_addc(&p->data, '\n');
        }
        p->has_data = true;
        buf_adds(&p->data, value);
        return p->data.len > SSE_MAX ? ERR_TOO_LARGE : 0;
    }
    struct buf *target = str_eq(field, "event") ? &p->event : str_eq(field, "id") ? &p->id : NULL;
    if (target) {
        buf_reset(target);
        buf_adds(target, value);
    }
    return 0;
}

int sse_feed(struct sse_parser *p, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool pair = text[i] == '\n' && p->after_cr;
        p->after_cr = text[i] == '\r';
        if (pair) {
            continue;
        }
        if (text[i] != '\n' && text[i] != '\r') {
            if (p->line.len >= SSE_MAX) {
                return ERR_TOO_LARGE;
            }
            buf_addc(&p->line, text[i]);
            continue;
        }
        int r = sse_line(p);
        buf_reset(&p->line);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}
