/*
 * The agent's HTTPS client: one kept connection, HTTP/1.1 over GnuTLS, JSON both ways.
 *
 * The other programs use net/http_client (libcurl).  An agent runs in every node and is to stay below 5 MB;
 * libcurl and what it needs take 5 MB before the first call.  The calls and rules are the same: the peer is
 * always verified, by the installation's CA and by name, also when it is dialled by address.
 */
#pragma once

#include "net/http_client.h"

struct wire;
/* c: url "https://name:port", connect_to "address:port" (must be given), ca_pem, key_pem, cert_pem,
 * connect_timeout_ms. stop_fd: readable when calls should end at once; -1: none. Copies what it needs. */
int wire_new(const struct http_client_config *c, int stop_fd, struct wire **ret, struct err *e) WARN_UNUSED;
void wire_free(struct wire *w);
DEFINE_CLEANUP(struct wire *, wire_free);
/* As http_do: method, path, body, timeout_ms, out_fd, max_answer of the call count. A connection that the
 * peer has closed meanwhile is made anew once. */
int wire_do(struct wire *w, const struct http_call *call, int *ret_status, json_t **ret_body,
            struct err *e) WARN_UNUSED;

/* The head of an answer, for its test: bytes up to and with the empty line. */
struct wire_head {
    int status;
    int64_t length; /* -1: none given */
    bool chunked, close;
};
int wire_parse_head(const char *text, size_t len, struct wire_head *ret, struct err *e) WARN_UNUSED;
