/*
 * Reading of keys, certificates and requests, and the verdict on a peer's chain.
 */
#include "net/tls_cert.h"

#include "net/tls.h"

#define TLS_CHAIN_MAX 4
#define TLS_PEM_MAX 65536

int tls_fail(struct err *e, int gnutls_code, const char *context)
{
    bool input = gnutls_code == GNUTLS_E_BASE64_DECODING_ERROR || gnutls_code == GNUTLS_E_ASN1_DER_ERROR ||
                 gnutls_code == GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR ||
                 gnutls_code == GNUTLS_E_ASN1_TAG_ERROR || gnutls_code == GNUTLS_E_PK_SIG_VERIFY_FAILED;
    return err_set(e, input ? ERR_INVALID : ERR_INTERNAL, "%s: %s", context, gnutls_strerror(gnutls_code));
}

static int tls_pem_datum(const char *pem, const char *what, gnutls_datum_t *ret, struct err *e)
{
    size_t n = pem ? strlen(pem) : 0;
    if (n == 0 || n > TLS_PEM_MAX) {
        return err_set(e, ERR_INVALID, "the %s is %s", what, n ? "too long" : "empty");
    }
    *ret = (gnutls_datum_t){.data = (unsigned char *)pem, .size = (unsigned)n};
    return 0;
}

static int tls_bad_pem(struct err *e, int gnutls_code, const char *what)
{
    return err_set(e, ERR_INVALID, "the %s cannot be read: %s", what, gnutls_strerror(gnutls_code));
}

int tls_read_key(const char *pem, gnutls_x509_privkey_t *ret, struct err *e)
{
    gnutls_datum_t text;
    int r = tls_pem_datum(pem, "private key", &text, e);
    if (r < 0) {
        return r;
    }
    _cleanup_(gnutls_x509_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    r = gnutls_x509_privkey_init(&key);
    if (r == 0) {
        r = gnutls_x509_privkey_import2(key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    if (r < 0) {
        return tls_bad_pem(e, r, "private key");
    }
    *ret = TAKE_PTR(key);
    return 0;
}

int tls_read_cert(const char *pem, gnutls_x509_crt_t *ret, struct err *e)
{
    gnutls_datum_t text;
    int r = tls_pem_datum(pem, "certificate", &text, e);
    if (r < 0) {
        return r;
    }
    _cleanup_(gnutls_x509_crt_deinitp) gnutls_x509_crt_t crt = NULL;
    r = gnutls_x509_crt_init(&crt);
    if (r == 0) {
        r = gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_PEM);
    }
    if (r < 0) {
        return tls_bad_pem(e, r, "certificate");
    }
    *ret = TAKE_PTR(crt);
    return 0;
}

int tls_read_csr(const char *pem, gnutls_x509_crq_t *ret, struct err *e)
{
    gnutls_datum_t text;
    int r = tls_pem_datum(pem, "certificate request", &text, e);
    if (r < 0) {
        return r;
    }
    _cleanup_(gnutls_x509_crq_deinitp) gnutls_x509_crq_t crq = NULL;
    r = gnutls_x509_crq_init(&crq);
    if (r == 0) {
        r = gnutls_x509_crq_import(crq, &text, GNUTLS_X509_FMT_PEM);
    }
    if (r < 0) {
        return tls_bad_pem(e, r, "certificate request");
    }
    *ret = TAKE_PTR(crq);
    return 0;
}

char *tls_take_pem(gnutls_datum_t *pem)
{
    char *text = xstrndup((const char *)pem->data, pem->size);
    mem_wipe(pem->data, pem->size);
    gnutls_free(pem->data);
    *pem = (gnutls_datum_t){0};
    return text;
}

int tls_cert_dns(gnutls_x509_crt_t crt, char **ret, struct err *e)
{
    char name[256];
    for (unsigned i = 0;; i++) {
        size_t n = sizeof(name);
        int type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &n, NULL);
        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) {
            continue;
        }
        if (type < 0) {
            return err_set(e, ERR_INVALID, "the certificate has no DNS name");
        }
        if (type == GNUTLS_SAN_DNSNAME) {
            /* A name with a NUL inside must not pass for its beginning. */
            if (n >= sizeof(name) || memchr(name, '\0', n)) {
                return err_set(e, ERR_INVALID, "the certificate's DNS name is malformed");
            }
            *ret = xstrndup(name, n);
            return 0;
        }
    }
}

int tls_cert_serial(gnutls_x509_crt_t crt, char **ret, struct err *e)
{
    uint8_t raw[32], fixed[16] = {0};
    size_t n = sizeof(raw), skip = 0;
    int r = gnutls_x509_crt_get_serial(crt, raw, &n);
    if (r < 0) {
        return tls_fail(e, r, "the certificate has no serial number");
    }
    while (skip < n && raw[skip] == 0) {
        skip++;
    }
    if (n - skip > sizeof(fixed)) {
        return err_set(e, ERR_INVALID, "the certificate's serial number is too long");
    }
    memcpy(fixed + sizeof(fixed) - (n - skip), raw + skip, n - skip);
    char *hex = xmalloc(2 * sizeof(fixed) + 1);
    hex_encode(fixed, sizeof(fixed), hex);
    *ret = hex;
    return 0;
}

int tls_cert_info(const char *cert_pem, char **ret_dns_name, char **ret_serial_hex, int64_t *ret_not_after_ms,
                  struct err *e)
{
    _cleanup_(gnutls_x509_crt_deinitp) gnutls_x509_crt_t crt = NULL;
    _cleanup_free_ char *name = NULL, *serial = NULL;
    int r = tls_read_cert(cert_pem, &crt, e);
    if (r == 0) {
        r = tls_cert_dns(crt, &name, e);
    }
    if (r == 0) {
        r = tls_cert_serial(crt, &serial, e);
    }
    if (r < 0) {
        return r;
    }
    if (ret_dns_name) {
        *ret_dns_name = TAKE_PTR(name);
    }
    if (ret_serial_hex) {
        *ret_serial_hex = TAKE_PTR(serial);
    }
    if (ret_not_after_ms) {
        *ret_not_after_ms = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * 1000;
    }
    return 0;
}

/* ---- the peer of a connection ---- */

void tls_peer_done(struct tls_peer *p)
{
    free(p->name);
    free(p->serial);
    *p = (struct tls_peer){0};
}

static int tls_verify_chain(gnutls_x509_trust_list_t trust, gnutls_x509_crt_t *chain, unsigned n,
                            struct err *e)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned status = 0;
    int r = gnutls_x509_trust_list_verify_crt2(trust, chain, n, &purpose, 1, 0, &status, NULL);
    if (r < 0 || status == 0) {
        return r < 0 ? err_set(e, ERR_UNAUTHENTICATED, "the client certificate cannot be verified: %s",
                               gnutls_strerror(r))
                     : 0;
    }
    gnutls_datum_t why = {0};
    if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why, 0) < 0) {
        return err_set(e, ERR_UNAUTHENTICATED, "the client certificate is not accepted");
    }
    r = err_set(e, ERR_UNAUTHENTICATED, "the client certificate is not accepted: %s", (char *)why.data);
    gnutls_free(why.data);
    return r;
}

static int tls_peer_read(gnutls_x509_crt_t crt, struct tls_peer *ret, struct err *e)
{
    struct tls_peer p = {.not_after_ms = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * 1000};
    int r = tls_cert_dns(crt, &p.name, e);
    if (r == 0) {
        r = tls_cert_serial(crt, &p.serial, e);
    }
    if (r < 0) {
        tls_peer_done(&p);
        return r;
    }
    *ret = p;
    return 0;
}

int tls_peer_verify(gnutls_session_t session, gnutls_x509_trust_list_t trust, struct tls_peer *ret,
                    struct err *e)
{
    unsigned n = 0, made = 0;
    const gnutls_datum_t *raw = gnutls_certificate_get_peers(session, &n);
    if (!raw || n == 0) {
        return err_set(e, ERR_UNAUTHENTICATED, "a client certificate is needed");
    }
    if (n > TLS_CHAIN_MAX) {
        return err_set(e, ERR_UNAUTHENTICATED, "the client certificate's chain is too long");
    }
    gnutls_x509_crt_t chain[TLS_CHAIN_MAX] = {0};
    int r = 0;
    for (; r == 0 && made < n; made++) {
        r = gnutls_x509_crt_init(&chain[made]);
        if (r == 0) {
            r = gnutls_x509_crt_import(chain[made], &raw[made], GNUTLS_X509_FMT_DER);
        }
    }
    r = r < 0 ? err_set(e, ERR_UNAUTHENTICATED, "the client certificate cannot be read")
              : tls_verify_chain(trust, chain, n, e);
    if (r == 0) {
        r = tls_peer_read(chain[0], ret, e);
    }
    for (unsigned i = 0; i < made; i++) {
        gnutls_x509_crt_deinit(chain[i]);
    }
    return r;
}
