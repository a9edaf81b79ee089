/*
 * The installation's certificate authority and the director's own identity, in the data directory.
 */
#pragma once

#include "net/tls.h"
#include "store/store.h"

struct ca;
/* Makes the authority at the first start (ca.key 0600, ca.crt), the enrolment key, and a certificate of the
 * director for `names` (blank-separated) that is valid for another 30 days at least. */
int ca_open(const char *dir, struct store *store, const char *names, int64_t now_ms, struct ca **ret,
            struct err *e) WARN_UNUSED;
void ca_free(struct ca *ca);
DEFINE_CLEANUP(struct ca *, ca_free);
const char *ca_certificate(const struct ca *ca);
const char *ca_fingerprint(const struct ca *ca); /* SHA-256 of the certificate, lower-case hex */
const char *ca_director_name(const struct ca *ca);
const char *ca_server_key(const struct ca *ca);
/* Caller frees. */
char *ca_server_certificate(struct ca *ca);
/* Renews the director's own certificate when it is due: 1 when there is a new one. */
int ca_renew_own(struct ca *ca, struct store *store, int64_t now_ms, struct err *e) WARN_UNUSED;
/* Signs a node's request for the name of this kind, node and application. Writes the certificate's row: in a
 * transaction. Caller frees. */
int ca_sign_node(struct ca *ca, struct store *store, enum tls_kind kind, int64_t app, int64_t node,
                 const char *csr_pem, int64_t now_ms, char **ret_pem, struct err *e) WARN_UNUSED;
/* The one-time token of a node: made from a key that never leaves this host, so that it need not be stored.
 * Caller wipes and frees. */
char *ca_enrol_token(const struct ca *ca, int64_t node, const char *node_token);
