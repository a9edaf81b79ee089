/*
 * The network: messages are lost, doubled, late, out of order, or cut off.
 */
#include <string.h>

#include "sim.h"

static bool cut_since(const struct world *w, int a, int b, int64_t since)
{
    for (int i = 0; i < w->n_cuts; i++) {
        bool here = (w->cut[i].a == a && w->cut[i].b == b) || (w->cut[i].a == b && w->cut[i].b == a);
        if (here && w->cut[i].until > since) {
            return true;
        }
    }
    return false;
}

bool is_cut(const struct world *w, int a, int b)
{
    return cut_since(w, a, b, w->now);
}

bool was_cut(const struct world *w, int a, int b)
{
    return cut_since(w, a, b, w->now - DETECT_MS);
}

void cut(struct world *w, int a, int b, int64_t ms)
{
    int n = 0;
    for (int i = 0; i < w->n_cuts; i++) {
        if (w->cut[i].until > w->now - DETECT_MS) {
            w->cut[n++] = w->cut[i];
        }
    }
    w->n_cuts = n;
    if (n < CUTS_MAX) {
        w->cut[n].a = a;
        w->cut[n].b = b;
        w->cut[n].until = w->now + ms;
        w->n_cuts++;
    }
    SEEN(w, CUT);
}

void cuts_end(struct world *w)
{
    for (int i = 0; i < w->n_cuts; i++) {
        w->cut[i].until = w->cut[i].until > w->now ? w->now : w->cut[i].until;
    }
    w->silent_until = w->silent_until > w->now ? w->now : w->silent_until;
}

/* The "nasty" profile: once for each kind of message, one is late beyond the next decision. */
static bool is_the_late_one(struct world *w, enum msg_kind kind)
{
    if (!w->pf.one_late || w->late_done[kind] || w->now < 60 * SECOND || !chance(w, 20)) {
        return false;
    }
    w->late_done[kind] = true;
    return true;
}

void msg(struct world *w, enum msg_kind kind, int from, int to, void (*fn)(struct world *, struct event *),
         int a, int b, int64_t x, const void *payload, size_t size)
{
    if (is_cut(w, from, to) || (kind == MSG_REPORT && w->now < w->silent_until)) {
        return;
    }
    if (chance(w, w->pf.loss)) {
        SEEN(w, MSG_LOST);
        return;
    }
    const struct message m = {kind, from, to, fn, a, b, x, payload, payload ? size : 0};
    if (w->filter && w->filter(w, &m)) {
        return;
    }
    int copies = chance(w, w->pf.dup) ? 2 : 1;
    w->seen[SEEN_MSG_DOUBLED] += copies > 1;
    for (int i = 0; i < copies; i++) {
        int64_t delay = between(w, 20, 400);
        if (chance(w, w->pf.late)) {
            delay = between(w, SECOND, MSG_LATE_MAX);
            SEEN(w, MSG_LATE);
        } else if (is_the_late_one(w, kind)) {
            delay = between(w, 3 * SECOND, 60 * SECOND);
        }
        struct event *e = at(w, delay, fn, a, b);
        e->x = x;
        e->p = payload ? xmemdup(payload, size) : NULL;
    }
}
