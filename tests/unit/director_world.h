/*
 * A director in the test's own process with a sim cloud, users, and clients that act as users, nodes and
 * managers.
 */
#pragma once

#include "director/director.h"
#include "net/http_client.h"

struct director_world {
    char dir[64];
    char *conf;
    struct director *d;
};

/* limits: more lines of the [limits] section, may be NULL. */
struct director_world *world_start(const char *limits);
void world_stop(struct director_world *w);
/* Stops the director and starts one on the same data. */
void world_restart(struct director_world *w);

/* A user with a token; caller frees. */
char *world_user(struct director_world *w, const char *name, bool admin, int64_t credit);
/* token NULL: anonymous. */
struct http_client *world_client(struct director_world *w, const char *token);
/* 0 with the status, or the error code with the status of its word. body is taken, may be NULL. */
int world_do(struct http_client *c, const char *method, const char *path, json_t *body, json_t **ret);
/* Repeats GET path until member (dotted) is the text, at most 20 s. */
void world_wait(struct http_client *c, const char *path, const char *member, const char *text);

/* ---- a node: key, certificate, connection ---- */
struct world_node {
    int64_t id;
    char *key, *cert;
    struct http_client *c;
};
char *world_enrol_token(struct director_world *w, int64_t node);
/* Enrols; rc of the call. */
int world_enrol(struct director_world *w, int64_t node, const char *token, const char *key, char **ret_cert);
void world_node_start(struct director_world *w, int64_t id, struct world_node *ret);
void world_node_done(struct world_node *n);
/* A connection to the nodes' port. */
struct http_client *world_node_client(struct director_world *w, const char *key, const char *cert);
/* The manager's node of an application, when it boots. */
int64_t world_manager_of(struct http_client *user, int64_t app);
