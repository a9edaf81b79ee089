/*
 * The certificate authority (declared in tls.h): what it puts into a certificate is decided here alone.
 */
#include <arpa/inet.h>
#include <assert.h>

#include "net/tls.h"
#include "net/tls_cert.h"

#define TLS_CA_DAYS 3650
#define TLS_BACKDATE 3600
#define TLS_DAY 86400

/* The extensions that tie a certificate to its own key and its issuer's. */
static int tls_add_key_ids(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
    uint8_t id[64];
    size_t n = sizeof(id);
    int r = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &n);
    if (r == 0) {
        r = gnutls_x509_crt_set_subject_key_id(crt, id, n);
    }
    if (r < 0 || !issuer) {
        return r;
    }
    n = sizeof(id);
    r = gnutls_x509_crt_get_subject_key_id(issuer, id, &n, NULL);
    return r < 0 ? r : gnutls_x509_crt_set_authority_key_id(crt, id, n);
}

/* The number's 16 bytes as a positive integer: a zero in front, which the encoder drops if it can. */
static int tls_set_serial(gnutls_x509_crt_t crt, const uint8_t serial[16])
{
    static const uint8_t none[16] = {0};
    uint8_t raw[17] = {0};
    memcpy(raw + 1, serial, 16);
    if (memcmp(serial, none, sizeof(none)) == 0) {
        random_bytes(raw + 1, 16);
    }
    return gnutls_x509_crt_set_serial(crt, raw, sizeof(raw));
}

static int tls_set_dn(gnutls_x509_crt_t crt, const char *oid, const char *value)
{
    return gnutls_x509_crt_set_dn_by_oid(crt, oid, 0, value, (unsigned)strlen(value));
}

static int tls_fill_ca(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *installation)
{
    time_t now = time(NULL);
    uint8_t serial[16];
    random_bytes(serial, sizeof(serial));
    int r = gnutls_x509_crt_set_version(crt, 3);
    r = r < 0 ? r : gnutls_x509_crt_set_key(crt, key);
    r = r < 0 ? r : tls_set_serial(crt, serial);
    r = r < 0 ? r : tls_set_dn(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, installation);
    r = r < 0 ? r : tls_set_dn(crt, GNUTLS_OID_X520_COMMON_NAME, "ConPaaS authority");
    r = r < 0 ? r : gnutls_x509_crt_set_activation_time(crt, now - TLS_BACKDATE);
    r = r < 0 ? r : gnutls_x509_crt_set_expiration_time(crt, now + (time_t)TLS_CA_DAYS * TLS_DAY);
    r = r < 0 ? r : gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
    r = r < 0 ? r : gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    return r < 0 ? r : tls_add_key_ids(crt, NULL);
}

int tls_ca_new(const char *installation, char **ret_key_pem, char **ret_cert_pem, struct err *e)
{
    _cleanup_free_ char *key_pem = NULL;
    _cleanup_(gnutls_x509_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    _cleanup_(gnutls_x509_crt_deinitp) gnutls_x509_crt_t crt = NULL;
    gnutls_datum_t pem = {0};
    int r = tls_key_new(&key_pem, e);
    if (r == 0) {
        r = tls_read_key(key_pem, &key, e);
    }
    if (r < 0) {
        return r;
    }
    r = gnutls_x509_crt_init(&crt);
    r = r < 0 ? r : tls_fill_ca(crt, key, installation);
    r = r < 0 ? r : gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    r = r < 0 ? r : gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
    if (r < 0) {
        mem_wipe(key_pem, strlen(key_pem));
        return tls_fail(e, r, "cannot make the certificate authority");
    }
    *ret_key_pem = TAKE_PTR(key_pem);
    *ret_cert_pem = tls_take_pem(&pem);
    return 0;
}

/* A DNS name or an address, whichever it is. */
static int tls_add_name(gnutls_x509_crt_t crt, const char *name)
{
    uint8_t address[16];
    if (inet_pton(AF_INET, name, address) == 1) {
        return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, 4,
                                                    GNUTLS_FSAN_APPEND);
    }
    if (inet_pton(AF_INET6, name, address) == 1) {
        return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, 16,
                                                    GNUTLS_FSAN_APPEND);
    }
    return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name),
                                                GNUTLS_FSAN_APPEND);
}

static int tls_add_purposes(gnutls_x509_crt_t crt, const struct tls_leaf *leaf)
{
    int r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (r == 0 && leaf->server) {
        r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    }
    if (r == 0 && leaf->client) {
        r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
    }
    return r;
}

/* Never longer than the authority itself. */
static int tls_set_validity(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca, int days)
{
    time_t now = time(NULL), end = now + (time_t)days * TLS_DAY;
    time_t ca_end = gnutls_x509_crt_get_expiration_time(ca);
    if (ca_end != (time_t)-1 && end > ca_end) {
        end = ca_end;
    }
    int r = gnutls_x509_crt_set_activation_time(crt, now - TLS_BACKDATE);
    return r < 0 ? r : gnutls_x509_crt_set_expiration_time(crt, end);
}

static int tls_fill_leaf(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca, gnutls_pubkey_t key,
                         const struct tls_leaf *leaf)
{
    int r = gnutls_x509_crt_set_version(crt, 3);
    /* Of the request only the key is taken: names and purposes are the signer's decision. */
    r = r < 0 ? r : gnutls_x509_crt_set_pubkey(crt, key);
    r = r < 0 ? r : gnutls_x509_crt_set_dn(crt, "CN=ConPaaS node", NULL);
    r = r < 0 ? r : tls_set_serial(crt, leaf->serial);
    r = r < 0 ? r : tls_set_validity(crt, ca, leaf->days);
    r = r < 0 ? r : gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
    r = r < 0 ? r : tls_add_name(crt, leaf->dns_name);
    for (size_t i = 0; r >= 0 && leaf->extra_names && leaf->extra_names[i]; i++) {
        if (!str_eq(leaf->extra_names[i], leaf->dns_name)) {
            r = tls_add_name(crt, leaf->extra_names[i]);
        }
    }
    r = r < 0 ? r : tls_add_purposes(crt, leaf);
    return r < 0 ? r : tls_add_key_ids(crt, ca);
}

static int tls_request_key(gnutls_x509_crq_t crq, gnutls_pubkey_t *ret, struct err *e)
{
    if (gnutls_x509_crq_verify(crq, 0) < 0) {
        return err_set(e, ERR_INVALID, "the certificate request is not signed by its own key");
    }
    _cleanup_(gnutls_pubkey_deinitp) gnutls_pubkey_t key = NULL;
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
    gnutls_datum_t x = {0}, y = {0};
    int r = gnutls_pubkey_init(&key);
    r = r < 0 ? r : gnutls_pubkey_import_x509_crq(key, crq, 0);
    r = r < 0 ? r : gnutls_pubkey_export_ecc_raw(key, &curve, &x, &y);
    gnutls_free(x.data);
    gnutls_free(y.data);
    if (r < 0 || curve != GNUTLS_ECC_CURVE_SECP256R1) {
        return err_set(e, ERR_INVALID, "the certificate request's key is not an ECDSA P-256 key");
    }
    *ret = TAKE_PTR(key);
    return 0;
}

int tls_ca_sign(const char *ca_key_pem, const char *ca_cert_pem, const char *csr_pem,
                const struct tls_leaf *leaf, char **ret_cert_pem, struct err *e)
{
    assert(leaf->dns_name && leaf->days > 0);
    _cleanup_(gnutls_x509_privkey_deinitp) gnutls_x509_privkey_t ca_key = NULL;
    _cleanup_(gnutls_x509_crt_deinitp) gnutls_x509_crt_t ca = NULL, crt = NULL;
    _cleanup_(gnutls_x509_crq_deinitp) gnutls_x509_crq_t crq = NULL;
    _cleanup_(gnutls_pubkey_deinitp) gnutls_pubkey_t key = NULL;
    gnutls_datum_t pem = {0};
    int r = tls_read_key(ca_key_pem, &ca_key, e);
    r = r < 0 ? r : tls_read_cert(ca_cert_pem, &ca, e);
    r = r < 0 ? r : tls_read_csr(csr_pem, &crq, e);
    r = r < 0 ? r : tls_request_key(crq, &key, e);
    if (r < 0) {
        return r;
    }
    r = gnutls_x509_crt_init(&crt);
    r = r < 0 ? r : tls_fill_leaf(crt, ca, key, leaf);
    r = r < 0 ? r : gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0);
    r = r < 0 ? r : gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
    if (r < 0) {
        return tls_fail(e, r, "cannot sign the certificate");
    }
    *ret_cert_pem = tls_take_pem(&pem);
    return 0;
}
