/*
 * A node on this machine for the conformance test of the agent: conpaas-agent as PID 1 of process and mount
 * namespaces of its own, and in this process the director and the manager it talks to.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/json.h"
#include "net/http_server.h"

#define WORLD_NODE 12
#define WORLD_APP 7

struct agent_world {
    char root[64];
    const char *program;
    char *ca_key, *ca_cert, *director_key, *director_cert, *manager_key, *manager_cert;
    struct http_server *director, *manager;
    pid_t pid;

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t change;
    json_t *document;  /* what the manager gives, NULL = none */
    int64_t epoch;     /* the manager's */
    json_t *report;    /* the last one */
    json_t *query;     /* given once */
    json_t *answer;    /* to the query */
    json_t *artifacts; /* sha256 -> file */
    bool manager_down; /* answers 503 */
    int enrolments, renewals, beats, reports;
    int cert_days; /* of certificates that are signed */
};

/* Takes namespaces for network and mounts for this process; false when it may not. */
bool agent_world_enter(void);
void agent_world_init(struct agent_world *w, const char *program);
void agent_world_done(struct agent_world *w);
void agent_world_start(struct agent_world *w);
/* Signals the agent and waits for its end; wait status. */
int agent_world_stop(struct agent_world *w, int sig);
/* Packs files {name: text} as a version; returns its artifact object for a document. */
json_t *agent_world_version(struct agent_world *w, int version, const json_t *files);
void agent_world_give(struct agent_world *w, json_t *document);
/* A copy of the last report; NULL before the first. */
json_t *agent_world_report(struct agent_world *w);
