/*
 * What a manager knows from reports, and the documents it has sent (F rules).  Pure bookkeeping, shared by the
 * manager and the simulator; all of it is asked again at every start.
 */
#pragma once

#include "model/report.h"
#include "model/state.h"

struct have_node {
    int64_t node;
    bool claimed;    /* reported under our epoch while not busy (F4) */
    int64_t seen_ms; /* its last report can not have been made before (F5); 0 = never */
    bool reported;
    struct report r;
    int n_pending;
    struct {
        int64_t seq;
        struct doc doc;
    } pending[PENDING_MAX]; /* sent, not yet covered by done (F7) */
    int64_t sent_ms;        /* of the newest */
    int64_t refused_ms;     /* when a new refusal was first seen */
    int64_t bad_since_ms;   /* a role of the applied document is not healthy; 0 = all are */
};
struct have_publish {
    enum fact_id fact;
    int64_t rev;
    struct fact_value value;
};
struct have {
    int64_t epoch, started_ms, seq;
    int n_nodes;
    struct have_node *nodes; /* owned */
    int n_doomed;
    struct {
        int64_t node;
        char why[WHY_MAX];
    } doomed[NODES_MAX]; /* a destroy was sent: final for this manager (F10) */
    int n_flying;
    struct have_publish flying[NODES_MAX]; /* publishes under way (F9) */
};

void have_init(struct have *h, int64_t epoch, int64_t now_ms);
void have_done(struct have *h);
struct have_node *have_find(const struct have *h, int64_t node);
/* Drops nodes that the view no longer has, settles flying publishes against its fact revisions. */
void have_sync(struct have *h, const struct service *view);

/* A report that arrived; seen_ms: by our clock the earliest moment it can have been made.
 * Returns 1 when it was taken, 0 when dropped as old or of another epoch, ERR_FENCED when the agent has
 * promised a higher epoch. */
int have_report(struct have *h, int64_t node, const struct report *r, int64_t seen_ms, int64_t now_ms);
/* Notes an ACT_DOC: 1 and *ret_seq when it is to be sent now, 0 when it is what the node has, is already
 * under way, was refused a moment ago, or too many are pending (R4, R5, F8). */
int have_send(struct have *h, int64_t node, const struct doc *d, int64_t now_ms, int64_t *ret_seq);
/* The newest pending document that is due to be sent (again), or NULL. */
const struct doc *have_resend(struct have *h, int64_t node, int64_t now_ms, int64_t *ret_seq);
void have_doom(struct have *h, int64_t node, const char *why);
bool have_doomed(const struct have *h, int64_t node);
void have_publish(struct have *h, enum fact_id fact, int64_t rev, const struct fact_value *v);
