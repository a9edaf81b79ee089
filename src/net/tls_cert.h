/*
 * GnuTLS objects with cleanup, and reading of certificates; used inside net/ only.
 */
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/str.h"

DEFINE_CLEANUP(gnutls_x509_privkey_t, gnutls_x509_privkey_deinit);
DEFINE_CLEANUP(gnutls_x509_crt_t, gnutls_x509_crt_deinit);
DEFINE_CLEANUP(gnutls_x509_crq_t, gnutls_x509_crq_deinit);
DEFINE_CLEANUP(gnutls_pubkey_t, gnutls_pubkey_deinit);

/* "context: what GnuTLS says"; returns ERR_INVALID for input that cannot be read, else ERR_INTERNAL. */
int tls_fail(struct err *e, int gnutls_code, const char *context);

int tls_read_key(const char *pem, gnutls_x509_privkey_t *ret, struct err *e) WARN_UNUSED;
int tls_read_cert(const char *pem, gnutls_x509_crt_t *ret, struct err *e) WARN_UNUSED;
int tls_read_csr(const char *pem, gnutls_x509_crq_t *ret, struct err *e) WARN_UNUSED;
char *tls_take_pem(gnutls_datum_t *pem); /* copies into ordinary memory, wipes and frees the datum */

/* First DNS name; ERR_INVALID when there is none or it is no plain text. Caller frees. */
int tls_cert_dns(gnutls_x509_crt_t crt, char **ret, struct err *e) WARN_UNUSED;
/* 32 hex digits (16 bytes, as given to tls_ca_sign). Caller frees. */
int tls_cert_serial(gnutls_x509_crt_t crt, char **ret, struct err *e) WARN_UNUSED;

/* Who is at the other end of a connection. */
struct tls_peer {
    char *name, *serial; /* owned */
    int64_t not_after_ms;
};
void tls_peer_done(struct tls_peer *p);
/* Checks the chain the peer sent against trust, its validity now and that it may act as client.
 * ERR_UNAUTHENTICATED when it sent none or a bad one. */
int tls_peer_verify(gnutls_session_t session, gnutls_x509_trust_list_t trust, struct tls_peer *ret,
                    struct err *e) WARN_UNUSED;
