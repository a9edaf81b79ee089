/*
 * What a manager knows from reports, and what it has sent.
 */
#include "engine/have.h"

#include <assert.h>
#include <string.h>

#include "engine/bug.h"
#include "engine/constants.h"

void have_init(struct have *h, int64_t epoch, int64_t now_ms)
{
    memset(h, 0, sizeof *h);
    h->epoch = epoch;
    h->started_ms = now_ms;
}

void have_done(struct have *h)
{
    free(h->nodes);
    h->nodes = NULL;
    h->n_nodes = 0;
}

struct have_node *have_find(const struct have *h, int64_t node)
{
    for (int i = 0; i < h->n_nodes; i++) {
        if (h->nodes[i].node == node) {
            return &h->nodes[i];
        }
    }
    return NULL;
}

static struct have_node *have_add(struct have *h, int64_t node)
{
    h->nodes = xreallocarray(h->nodes, (size_t)h->n_nodes + 1, sizeof *h->nodes);
    struct have_node *a = &h->nodes[h->n_nodes++];
    memset(a, 0, sizeof *a);
    a->node = node;
    return a;
}

static bool in_view(const struct service *view, int64_t node)
{
    for (int i = 0; i < view->n_nodes; i++) {
        if (view->nodes[i].id == node) {
            return true;
        }
    }
    return false;
}

void have_sync(struct have *h, const struct service *view)
{
    int n = 0;
    for (int i = 0; i < h->n_nodes; i++) {
        if (in_view(view, h->nodes[i].node)) {
            if (n != i) {
                h->nodes[n] = h->nodes[i];
            }
            n++;
        }
    }
    h->n_nodes = n;
    n = 0;
    for (int i = 0; i < h->n_doomed; i++) {
        if (in_view(view, h->doomed[i].node)) {
            h->doomed[n++] = h->doomed[i];
        }
    }
    h->n_doomed = n;
    n = 0;
    for (int i = 0; i < h->n_flying; i++) {
        /* a publish of an older revision can not be accepted any more (F9) */
        if (h->flying[i].rev >= view->facts[h->flying[i].fact].rev) {
            h->flying[n++] = h->flying[i];
        }
    }
    h->n_flying = n;
}

static bool all_healthy(const struct report *r)
{
    for (int k = 0; k < ROLES_MAX; k++) {
        if (doc_has(&r->applied, k) && r->health[k] != HEALTH_OK) {
            return false;
        }
    }
    return true;
}

static void drop_answered(struct have_node *a)
{
    int n = 0;
    while (n < a->n_pending && a->pending[n].seq <= a->r.done_seq) {
        n++;
    }
    a->n_pending -= n;
    memmove(&a->pending[0], &a->pending[n], (size_t)a->n_pending * sizeof a->pending[0]);
}

int have_report(struct have *h, int64_t node, const struct report *r, int64_t seen_ms, int64_t now_ms)
{
    if (r->promised > h->epoch) {
        return ERR_FENCED;
    }
    if (r->promised < h->epoch) {
        return 0;
    }
    struct have_node *a = have_find(h, node);
    if (!a) {
        a = have_add(h, node);
    }
    a->seen_ms = seen_ms > a->seen_ms ? seen_ms : a->seen_ms;
    bool newer = r->boot > a->r.boot || (r->boot == a->r.boot && r->n > a->r.n);
    if (a->reported && !newer && !bug(OLD_REPORTS)) {
        return 0;
    }
    if (r->refused.seq != 0 && r->refused.seq != a->r.refused.seq) {
        a->refused_ms = now_ms;
    }
    a->r = *r;
    a->reported = true;
    a->claimed = a->claimed || !r->busy || bug(CLAIM_BUSY);
    if (r->done_epoch == h->epoch) {
        drop_answered(a);
    }
    if (all_healthy(r)) {
        a->bad_since_ms = 0;
    } else if (a->bad_since_ms == 0) {
        a->bad_since_ms = now_ms;
    }
    return 1;
}

int have_send(struct have *h, int64_t node, const struct doc *d, int64_t now_ms, int64_t *ret_seq)
{
    struct have_node *a = have_find(h, node);
    if (!a || !a->claimed) {
        return 0;
    }
    if (a->n_pending > 0) {
        if (a->n_pending == PENDING_MAX || doc_equal(&a->pending[a->n_pending - 1].doc, d)) {
            return 0;
        }
    } else {
        bool again = a->r.refused.seq != 0 && now_ms - a->refused_ms < REFUSE_WAIT_MS &&
                     doc_equal(&a->r.refused.content, d);
        if (again || doc_equal(&a->r.applied, d)) {
            return 0;
        }
    }
    a->pending[a->n_pending].seq = ++h->seq;
    a->pending[a->n_pending].doc = *d;
    a->n_pending++;
    a->sent_ms = now_ms;
    *ret_seq = h->seq;
    return 1;
}

const struct doc *have_resend(struct have *h, int64_t node, int64_t now_ms, int64_t *ret_seq)
{
    struct have_node *a = have_find(h, node);
    if (!a || a->n_pending == 0 || now_ms - a->sent_ms < RESEND_MS) {
        return NULL;
    }
    a->sent_ms = now_ms;
    *ret_seq = a->pending[a->n_pending - 1].seq;
    return &a->pending[a->n_pending - 1].doc;
}

void have_doom(struct have *h, int64_t node, const char *why)
{
    if (have_doomed(h, node) || bug(DOOM_FORGOTTEN)) {
        return;
    }
    assert(h->n_doomed < NODES_MAX);
    h->doomed[h->n_doomed].node = node;
    (void)str_copy(h->doomed[h->n_doomed].why, sizeof h->doomed[0].why, why);
    h->n_doomed++;
}

bool have_doomed(const struct have *h, int64_t node)
{
    for (int i = 0; i < h->n_doomed; i++) {
        if (h->doomed[i].node == node) {
            return true;
        }
    }
    return false;
}

void have_publish(struct have *h, enum fact_id fact, int64_t rev, const struct fact_value *v)
{
    for (int i = 0; i < h->n_flying; i++) {
        const struct have_publish *p = &h->flying[i];
        if (p->fact == fact && p->rev == rev && memcmp(&p->value, v, sizeof *v) == 0) {
            return;
        }
    }
    /* Full: many values of one revision are under way and none is answered; the planner waits for them. */
    assert(h->n_flying < NODES_MAX);
    h->flying[h->n_flying].fact = fact;
    h->flying[h->n_flying].rev = rev;
    h->flying[h->n_flying].value = *v;
    h->n_flying++;
}
