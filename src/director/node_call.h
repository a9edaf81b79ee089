/*
 * One request of a node, and the handlers of the table in node_api.c.
 */
#pragma once

#include "director/txn.h"
#include "net/http_server.h"

struct node_call {
    struct director *d;
    struct http_request *req;
    struct tls_name peer; /* zero for enrol */
    json_t *body;
};

int node_enrol(struct node_call *c, struct err *e);
int node_renew(struct node_call *c, struct err *e);
int node_heartbeat(struct node_call *c, struct err *e);
int node_artifact(struct node_call *c, struct err *e);

int manager_register(struct node_call *c, struct err *e);
int manager_view(struct node_call *c, struct err *e);
int manager_create(struct node_call *c, struct err *e);
int manager_destroy(struct node_call *c, struct err *e);
int manager_release(struct node_call *c, struct err *e);
int manager_publish(struct node_call *c, struct err *e);
int manager_finish(struct node_call *c, struct err *e);
int manager_report(struct node_call *c, struct err *e);
int manager_answer(struct node_call *c, struct err *e);

/* The view of an application for its manager. Slot is locked. Caller owns *ret. */
int node_view(struct director *d, struct slot *s, json_t **ret, struct err *e) WARN_UNUSED;
/* Takes what a report says about a service: for people. Slot is locked. */
void node_take_report(struct slot_service *v, json_t *performance, int64_t now_ms);

/* What visitors of a service got in the last ten seconds, as its entries have measured it. */
struct performance {
    bool known; /* false: no entry has measured yet */
    double request_rate, error_rate, throughput, response_ms;
};
void node_performance(const struct slot_service *v, struct performance *ret);
