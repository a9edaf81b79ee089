/*
 * HTTPS client: libcurl, one kept connection per client object; a client object belongs to one thread.
 * The peer is always verified: by the installation's CA and by name, also when it is reached by address.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

struct http_client;
struct http_client_config {
    const char *url;                /* "https://name:port" the peer's certificate must be good for */
    const char *connect_to;         /* "address:port" to dial instead of resolving the name; NULL: resolve */
    const char *ca_pem;             /* trust exactly this authority; NULL only with plain http (tests) */
    const char *pinned_cert_file;   /* used instead of ca_pem by the command line: PEM file of the CA */
    const char *key_pem, *cert_pem; /* own identity, both or none */
    const char *bearer;             /* API token, sent as Authorization: Bearer; NULL: none */
    int connect_timeout_ms;         /* 0 = 5,000 */
};
int http_client_new(const struct http_client_config *c, struct http_client **ret, struct err *e) WARN_UNUSED;
void http_client_free(struct http_client *c);
DEFINE_CLEANUP(struct http_client *, http_client_free);

struct http_call {
    const char *method, *path; /* path with query, already encoded */
    const json_t *body;        /* NULL: none */
    int body_fd;               /* used when body_path_set; streamed from its start */
    bool use_body_fd;
    const char *content_type; /* of body_fd; NULL = application/octet-stream */
    int timeout_ms;           /* whole call; 0 = 30,000 */
    int out_fd;               /* with use_out_fd: a 2xx body is written here instead of parsed */
    bool use_out_fd;
    int64_t max_answer;                                       /* bytes; 0 = 16 MiB */
    void (*progress)(void *arg, int64_t sent, int64_t total); /* may be NULL */
    void *progress_arg;
};
/* 0 and *ret_status and *ret_body for an HTTP answer with status 2xx; an error answer becomes its code and
 * message; no answer, and one that sends elsewhere, becomes ERR_UNAVAILABLE or ERR_TIMEOUT. ret_body may be
 * NULL; it is JSON null for an empty answer. */
int http_do(struct http_client *c, const struct http_call *call, int *ret_status, json_t **ret_body,
            struct err *e) WARN_UNUSED;
/* GET of a text/event-stream: calls on_event(name, data) per event until it returns non-zero (returned),
 * the stream ends (0) or nothing at all arrives for idle_ms (ERR_TIMEOUT). */
int http_events(struct http_client *c, const char *path, int idle_ms,
                int (*on_event)(void *arg, const char *event, const char *id, const char *data), void *arg,
                struct err *e) WARN_UNUSED;
/* Aborts a call under way in another thread (it returns ERR_UNAVAILABLE soon); sticky until cleared. */
void http_client_interrupt(struct http_client *c, bool on);
/* Percent-encodes one path segment or query value; caller frees. */
char *http_encode(const char *s);
