/*
 * Identities: keys, certificates, the installation's certificate authority (GnuTLS, ECDSA P-256).
 *
 * An identity's name is the DNS name in its certificate, made by the functions below and nowhere else:
 *   director                    director.<installation>   (plus the configured host names and addresses)
 *   manager of application 7    n1.a7.manager.<installation>
 *   agent of node 12 of it      n12.a7.agent.<installation>
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum tls_kind { TLS_DIRECTOR, TLS_MANAGER, TLS_AGENT, TLS_KIND_MAX };
STR_TABLE_DECLARE(tls_kind, enum tls_kind);

struct tls_name {
    enum tls_kind kind;
    int64_t node, app; /* 0 for the director */
    char installation[64];
};
/* Text form; caller frees. */
char *tls_name_text(const struct tls_name *n);
int tls_name_parse(const char *text, struct tls_name *ret, struct err *e) WARN_UNUSED;

/* New P-256 private key, PEM. The caller wipes and frees *ret_pem. */
int tls_key_new(char **ret_pem, struct err *e) WARN_UNUSED;
/* CSR over an existing key with a DNS name, PEM. */
int tls_csr_new(const char *key_pem, const char *dns_name, char **ret_pem, struct err *e) WARN_UNUSED;

/* Self-signed authority, 10 years, path length 0. */
int tls_ca_new(const char *installation, char **ret_key_pem, char **ret_cert_pem, struct err *e) WARN_UNUSED;
struct tls_leaf {
    const char *dns_name;           /* fixed by the signer, never taken from the CSR */
    const char *const *extra_names; /* DNS names or IP addresses, NULL-terminated, may be NULL */
    bool server, client;            /* extended key usage */
    int days;                       /* valid; backdated by an hour */
    uint8_t serial[16];             /* random, unique */
};
/* Signs the public key of a CSR (its own signature is checked). */
int tls_ca_sign(const char *ca_key_pem, const char *ca_cert_pem, const char *csr_pem,
                const struct tls_leaf *leaf, char **ret_cert_pem, struct err *e) WARN_UNUSED;
/* SHA-256 of the public key of a CSR or certificate: "same key again" at enrolment. */
int tls_csr_key_id(const char *csr_pem, char hex[SHA256_HEX], struct err *e) WARN_UNUSED;
/* Name, serial (hex) and end of validity (wall ms) of a certificate. */
int tls_cert_info(const char *cert_pem, char **ret_dns_name, char **ret_serial_hex, int64_t *ret_not_after_ms,
                  struct err *e) WARN_UNUSED;
