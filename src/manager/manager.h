/*
 * The manager of one application: what it holds in memory while it runs, and its life.
 *
 * It keeps no truth.  The director's view says what is wanted, the agents' reports say what is; the planner
 * (src/engine) compares them.  Everything here may be lost at any moment and is asked again under a new epoch.
 *
 * Threads: view (director's long poll), caller (requests to the director), reporter (log lines, summaries),
 * converge (plans), and one for each agent's connection.  One lock guards the struct; it is never held across a
 * network call.  Lock order: manager.lock, then journal.lock or calls.lock.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/json.h"
#include "engine/have.h"
#include "engine/plan.h"
#include "manager/calls.h"
#include "manager/journal.h"
#include "manager/queries.h"
#include "model/state.h"
#include "net/http_server.h"

#define RECENT_MAX 64
#define REPEAT_MS 3000 /* the same request to the director is not repeated sooner */

/* What a manager holds for one node. */
struct box {
    int64_t node;
    int64_t seq;          /* of the document */
    json_t *document;     /* newest one sent, as on the wire; NULL = none yet */
    int64_t delivered_ms; /* last time it was put into an answer; 0 = never */
    json_t *metrics;      /* of the last report; may be NULL */
    json_t *scripts;      /* of the last report: {KIND: {id, state, rc}}; may be NULL */
    bool waited_for;      /* narration: seen coming, not yet claimed */
};
struct recent {
    char key[96];
    int64_t at_ms;
};
struct managed {
    int64_t id;
    struct service view;
    json_t *versions, *settings; /* arrays as in the view; owned */
    json_t *resolved;            /* {REVISION: [what its references resolve to]}; owned */
    bool credit_ok;
    struct have have;
    int n_boxes;
    struct box boxes[NODES_MAX];
    struct recent recent[RECENT_MAX];
    int next_recent;
    bool dirty;                  /* something changed: plan at once */
    int64_t planned_ms, wake_ms; /* last and next time of planning */
    bool converged;              /* as people are told */
    int64_t differs_ms;          /* since when it is not, without an operation; 0 = it is */
    char waits_for[WHY_MAX];
    enum service_state told_state; /* narration: last state logged */
    int64_t polled_ms;             /* narration: last line about nodes still waited for */
};

struct manager_config {
    const char *director_url;     /* "https://NAME:PORT" */
    const char *director_address; /* "ADDRESS:PORT" to dial; NULL: resolve the name */
    const char *ca_pem;
    const char *state_dir;      /* key.pem and cert.pem of the node's enrolment */
    const char *log_path;       /* manager.log, for queries about this node; may be NULL */
    const char *agent_log_path; /* agent.log of this node; may be NULL */
    const char *installation;
    int64_t node, app;
    const char *listen_address; /* for agents */
    uint16_t listen_port;
};

enum manager_end { END_NONE, END_ASKED, END_REPLACED, END_STEPPED_DOWN };

struct identity {
    char *key_pem, *cert_pem;
    int64_t stamp; /* of cert.pem's file; 0 = not loaded */
};

struct manager {
    const struct manager_config *config;
    pthread_mutex_t lock;
    pthread_cond_t wake;    /* converge: something changed */
    pthread_cond_t deliver; /* agents' long polls: a document or a query is ready */
    pthread_cond_t ended;
    enum manager_end end;
    struct identity id;
    int64_t epoch;                    /* 0: not registered */
    bool fenced;                      /* a call was refused for its epoch: register again */
    int64_t lease_ms, lease_until_ms; /* monotonic clock */
    bool observing;                   /* lease is over; as last logged */
    struct log_limit agent_limit;
    int64_t txn;
    int n_services;
    struct managed *services[SERVICES_MAX];
    struct queries queries;
    struct calls calls;
    struct journal journal;
    bool report_now; /* guarded by journal.lock: a summary is due before its time */
    struct http_server *server;
};

/* Starts all threads and the server for agents, which listens when this returns. config stays borrowed. */
int manager_start(const struct manager_config *config, struct manager **ret, struct err *e) WARN_UNUSED;
uint16_t manager_port(const struct manager *m);
/* Waits until the manager ends of itself or is asked to. */
enum manager_end manager_wait(struct manager *m);
/* Asks it to end; any thread. The first reason stays. */
void manager_end(struct manager *m, enum manager_end why);
bool manager_ending(struct manager *m);
/* Ends and joins everything. */
void manager_free(struct manager *m);

/* ---- for the other files of this folder; lock is held by the caller ---- */
struct managed *manager_service(struct manager *m, int64_t id);
struct managed *manager_service_of(struct manager *m, int64_t node);
struct box *managed_box(struct managed *s, int64_t node); /* adds it; NULL when full */
/* True when the lease is in force: documents may be sent and calls made. Logs the change once. */
bool manager_leased(struct manager *m);
/* Plan this service at once. */
void managed_touch(struct manager *m, struct managed *s);
/* Forgets everything under the old epoch and begins a new one (F1). */
void manager_begin_epoch(struct manager *m, int64_t epoch, int64_t lease_ms, int64_t sent_mono_ms);
void managed_free(struct managed *s);
/* Waits on cond for at most ms (monotonic). */
void manager_sleep(struct manager *m, pthread_cond_t *cond, int64_t ms);
