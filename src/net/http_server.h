/*
 * HTTPS server: libmicrohttpd with one bounded thread a connection, so that a handler is straight-line
 * code and may wait (long poll, event stream).
 *
 * Closed here, with tests, because the library does not: two Content-Length headers, Content-Length with
 * Transfer-Encoding, a request without Host (400); a total deadline for the request head; limits per
 * address, on connections, head size and body size; a client certificate is verified once per connection.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"

struct http_server;
struct http_request;

/* What a request may bring, decided from its head, before any of its body is read. */
struct http_admission {
    int64_t max_body; /* bytes; more is answered 413 */
    bool spool;       /* the body goes to an unlinked file below spool_dir instead of memory */
};

struct http_handler {
    /* Called when the head is complete. Return 0 and fill *ret, or a negative code to refuse at once (the
     * error is sent, the body never read). May block briefly (database look-up). */
    int (*admit)(void *arg, struct http_request *req, struct http_admission *ret, struct err *e);
    /* Called once with the whole request. Must call exactly one http_reply_* function, or return a
     * negative code with e set: then the error body is sent. May block. */
    int (*handle)(void *arg, struct http_request *req, struct err *e);
    void *arg;
};

struct http_server_config {
    const char *address;            /* "0.0.0.0", "127.0.0.1" */
    uint16_t port;                  /* 0: any free one, see http_server_port */
    const char *key_pem, *cert_pem; /* NULL both: plain HTTP (tests only) */
    const char *ca_pem;             /* NULL: client certificates are not asked for */
    bool need_client_cert;          /* refuse with 401 every request without a valid certificate, except when
                                       optional_cert says so */
    /* With need_client_cert: paths that are open without certificate (enrolment). NULL: none. */
    bool (*optional_cert)(const char *path);
    int max_connections;   /* 0 = 512 */
    int max_per_address;   /* 0 = 128 */
    int head_timeout_ms;   /* 0 = 10,000: total, from the first byte of a connection's request */
    int idle_timeout_s;    /* 0 = 60: keep-alive and stalled bodies */
    const char *spool_dir; /* for spooled bodies; NULL: spooling refused */
    struct http_handler handler;
};

int http_server_start(const struct http_server_config *c, struct http_server **ret,
                      struct err *e) WARN_UNUSED;
uint16_t http_server_port(const struct http_server *s);
/* New certificate for connections from now on (renewal), without closing old ones. */
int http_server_set_identity(struct http_server *s, const char *key_pem, const char *cert_pem,
                             struct err *e) WARN_UNUSED;
/* Stops accepting, wakes streams and waiting handlers (http_stopping turns true), waits for them. */
void http_server_stop(struct http_server *s);

/* ---- the request; everything is borrowed and valid until the handler returns ---- */
const char *http_method(const struct http_request *r);
const char *http_path(const struct http_request *r); /* decoded once, no query; "." segments refused */
const char *http_header(const struct http_request *r, const char *name);
const char *http_query(const struct http_request *r, const char *name);
const char *http_cookie(const struct http_request *r, const char *name);
/* Calls f for each query parameter. */
void http_each_query(const struct http_request *r, void (*f)(void *, const char *, const char *), void *arg);
const char *http_peer_address(const struct http_request *r);
/* DNS name of the verified client certificate, NULL without one; its serial in hex. */
const char *http_peer_name(const struct http_request *r);
const char *http_peer_serial(const struct http_request *r);
const void *http_body(const struct http_request *r, size_t *ret_len); /* memory body */
int http_body_fd(const struct http_request *r); /* spooled body, at its start; else -1 */
/* The body as one JSON object; absent body = empty object. Caller owns *ret. Any other Content-Type than
 * application/json is refused: a foreign page could send it with our cookie. */
int http_body_json(const struct http_request *r, json_t **ret, struct err *e) WARN_UNUSED;
/* A place for the handler's own per-request data, set in admit, read in handle. free_f may be NULL. */
void http_set_data(struct http_request *r, void *data, void (*free_f)(void *));
void *http_data(const struct http_request *r);
/* True when the server is stopping or the client is gone: waiting handlers should come to an end. */
bool http_stopping(const struct http_request *r);

/* ---- the answer ---- */
/* Adds a header to the coming answer. */
void http_set_header(struct http_request *r, const char *name, const char *value);
int http_reply_json(struct http_request *r, int status, const json_t *body);
int http_reply_text(struct http_request *r, int status, const char *content_type, const char *text);
/* Sends an open regular file from its start and closes fd. filename NULL: no attachment. */
int http_reply_file(struct http_request *r, int fd, const char *content_type, const char *filename);
int http_reply_empty(struct http_request *r, int status);
/* Sends what next() appends to out until it returns a negative value; next may block for at most about
 * 10 s at a time and should then append a comment line to keep the connection alive. */
int http_reply_stream(struct http_request *r, const char *content_type,
                      int (*next)(void *arg, struct buf *out), void *arg, void (*free_arg)(void *));
/* {"error": {"code": word, "message": ..., "hint": ...}} with the status of the code. */
int http_reply_error(struct http_request *r, int code, const struct err *e);
