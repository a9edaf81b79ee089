/*
 * What the files of the HTTP server share:
 *   http_server.c   start, stop, the callbacks of the library
 *   http_conn.c     connections, their deadlines, who is at the other end
 *   http_intake.c   a request from its head to its whole body; refusals
 *   http_request.c  what a handler reads
 *   http_reply.c    what a handler answers
 */
#pragma once

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/http_server.h"
#include "net/http_uri.h"
#include "net/tls_cert.h"

/* Key and certificate of the server; connections hold the one they began with. */
struct http_identity {
    int refs; /* under the server's lock */
    gnutls_pcert_st chain[4];
    unsigned n;
    gnutls_privkey_t key;
};

enum http_phase {
    HTTP_IDLE,  /* kept alive, nothing of the next request seen */
    HTTP_HEAD,  /* waiting for the end of a head */
    HTTP_BODY,  /* reading a body */
    HTTP_REPLY, /* handler or answer */
};

struct http_conn {
    struct http_server *server;
    struct http_conn *prev, *next;
    int fd; /* the library's; valid while the connection is in the list */
    char address[INET6_ADDRSTRLEN];
    struct http_identity *identity;
    /* Under the server's lock: */
    enum http_phase phase;
    int64_t since_ms;       /* of the phase */
    int64_t body_bytes;     /* received in HTTP_BODY */
    uint64_t idle_received; /* bytes the kernel had received when HTTP_IDLE began */
    /* Only used by the connection's own thread: */
    bool peer_checked;
    struct tls_peer peer; /* name NULL: none or not accepted */
    char *peer_why;       /* why it was not accepted */
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_handler handler;
    char *ca_pem, *spool_dir;
    bool tls, need_client_cert;
    bool (*optional_cert)(const char *path);
    int head_timeout_ms, idle_timeout_s;
    uint16_t port;
    gnutls_x509_trust_list_t trust;
    atomic_bool stopping;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* monotonic; only the end of the reaper is signalled */
    struct http_conn *conns;
    struct http_identity *identity;
    bool reaper_stop;
    pthread_t reaper;
};

/* One header of the coming answer. */
struct http_out_header {
    char *name, *value;
};

struct http_request {
    struct http_server *server;
    struct http_conn *conn;
    struct MHD_Connection *mhd;
    char *raw_target;
    struct http_target target;
    struct http_pairs cookies;
    const char *method;

    bool begun, discard; /* the head was seen; the body is thrown away and refusal sent at its end */
    int refusal;         /* code of what discard will answer */
    struct err refusal_why;
    struct http_admission admission;
    struct buf body;
    int body_fd; /* -1: in memory */
    int64_t received;

    void *data;
    void (*data_free)(void *);
    struct http_out_header *headers;
    size_t n_headers;
    struct MHD_Response *response;
    int status;
    int stream_timeout_s; /* 0: the server's idle time */
};

/* ---- http_conn.c ---- */
int http_identity_new(const char *key_pem, const char *cert_pem, struct http_identity **ret,
                      struct err *e) WARN_UNUSED;
void http_identity_unref(struct http_server *s, struct http_identity *id);
struct http_conn *http_conn_new(struct http_server *s, struct MHD_Connection *c);
void http_conn_free(struct http_conn *c);
void http_conn_phase(struct http_conn *c, enum http_phase phase);
void http_conn_body(struct http_conn *c, size_t n);
/* Fills c->peer once a connection and checks its end of validity each time. */
void http_conn_check_peer(struct http_conn *c, struct MHD_Connection *mhd);
void *http_reaper_main(void *server);

/* ---- http_intake.c ---- */
struct http_request *http_request_new(struct http_server *s, struct http_conn *c, struct MHD_Connection *m,
                                      const char *raw_target);
void http_request_free(struct http_request *r);
/* The access handler's three moments. */
enum MHD_Result http_intake_head(struct http_request *r, const char *method, const char *version);
enum MHD_Result http_intake_body(struct http_request *r, const char *data, size_t n);
enum MHD_Result http_intake_end(struct http_request *r);

/* ---- http_reply.c ---- */
enum MHD_Result http_reply_send(struct http_request *r);
