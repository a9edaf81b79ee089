/*
 * Names, keys and certificate requests.  The authority is tls_ca.c, reading is tls_cert.c.
 */
#include "net/tls.h"

#include "net/tls_cert.h"

static const char *const tls_kind_table[TLS_KIND_MAX] = {
    [TLS_DIRECTOR] = "director", [TLS_MANAGER] = "manager", [TLS_AGENT] = "agent"};
STR_TABLE_DEFINE(tls_kind, enum tls_kind, TLS_KIND_MAX);

/* ---- names ---- */

char *tls_name_text(const struct tls_name *n)
{
    if (n->kind == TLS_DIRECTOR) {
        return str_printf("director.%s", n->installation);
    }
    return str_printf("n%lld.a%lld.%s.%s", (long long)n->node, (long long)n->app, tls_kind_to_str(n->kind),
                      n->installation);
}

/* Letters, digits and inner hyphens in labels of at most 63, lower case. */
static bool tls_dns_ok(const char *s)
{
    size_t label = 0;
    for (const char *p = s; *p; p++) {
        bool alnum = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9');
        bool hyphen = *p == '-' && label > 0 && p[1] != '.' && p[1] != '\0';
        if (*p == '.' && label > 0 && p[1] != '\0') {
            label = 0;
        } else if ((alnum || hyphen) && label < 63) {
            label++;
        } else {
            return false;
        }
    }
    return *s != '\0';
}

/* "n12" -> 12 */
static bool tls_number_label(const char *label, char letter, int64_t *ret)
{
    return label[0] == letter && str_to_int(label + 1, 1, INT64_MAX, ret) == 0;
}

/* The first `count` labels, separately; *ret_rest is what follows them. Caller frees. */
static char **tls_labels(const char *text, size_t count, const char **ret_rest)
{
    const char *p = text;
    for (size_t i = 0; i < count; i++) {
        p = strchr(p, '.');
        if (!p) {
            return NULL;
        }
        p++;
    }
    _cleanup_free_ char *head = xstrndup(text, (size_t)(p - 1 - text));
    *ret_rest = p;
    return str_split(head, '.');
}

static bool tls_name_node(const char *text, struct tls_name *n)
{
    const char *rest = NULL;
    char **labels = tls_labels(text, 3, &rest);
    if (!labels) {
        return false;
    }
    int kind = tls_kind_from_str(labels[2]);
    bool ok = (kind == TLS_MANAGER || kind == TLS_AGENT) && tls_number_label(labels[0], 'n', &n->node) &&
              tls_number_label(labels[1], 'a', &n->app) &&
              str_copy(n->installation, sizeof(n->installation), rest);
    n->kind = (enum tls_kind)kind;
    strv_free(labels);
    return ok;
}

int tls_name_parse(const char *text, struct tls_name *ret, struct err *e)
{
    struct tls_name n = {.kind = TLS_DIRECTOR};
    bool ok = text && tls_dns_ok(text) &&
              (str_starts(text, "director.")
                   ? str_copy(n.installation, sizeof(n.installation), text + strlen("director."))
                   : tls_name_node(text, &n));
    /* One identity has one text: "n012" is not node 12. */
    _cleanup_free_ char *again = ok ? tls_name_text(&n) : NULL;
    if (!ok || !str_eq(again, text)) {
        return err_set(e, ERR_INVALID, "\"%.100s\" is not the name of a director, manager or agent",
                       text ? text : "");
    }
    *ret = n;
    return 0;
}

/* ---- keys and requests ---- */

int tls_key_new(char **ret_pem, struct err *e)
{
    _cleanup_(gnutls_x509_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t pem = {0};
    int r = gnutls_x509_privkey_init(&key);
    if (r == 0) {
        r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    }
    if (r == 0) {
        r = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);
    }
    if (r < 0) {
        return tls_fail(e, r, "cannot make a private key");
    }
    *ret_pem = tls_take_pem(&pem);
    return 0;
}

int tls_csr_new(const char *key_pem, const char *dns_name, char **ret_pem, struct err *e)
{
    _cleanup_(gnutls_x509_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    _cleanup_(gnutls_x509_crq_deinitp) gnutls_x509_crq_t crq = NULL;
    gnutls_datum_t pem = {0};
    int r = tls_read_key(key_pem, &key, e);
    if (r < 0) {
        return r;
    }
    r = gnutls_x509_crq_init(&crq);
    if (r == 0) {
        r = gnutls_x509_crq_set_version(crq, 1);
    }
    if (r == 0) {
        r = gnutls_x509_crq_set_key(crq, key);
    }
    if (r == 0) {
        r = gnutls_x509_crq_set_subject_alt_name(crq, GNUTLS_SAN_DNSNAME, dns_name,
                                                 (unsigned)strlen(dns_name), GNUTLS_FSAN_SET);
    }
    if (r == 0) {
        r = gnutls_x509_crq_sign2(crq, key, GNUTLS_DIG_SHA256, 0);
    }
    if (r == 0) {
        r = gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &pem);
    }
    if (r < 0) {
        return tls_fail(e, r, "cannot make a certificate request");
    }
    *ret_pem = tls_take_pem(&pem);
    return 0;
}

int tls_csr_key_id(const char *csr_pem, char hex[SHA256_HEX], struct err *e)
{
    uint8_t id[32];
    size_t n = sizeof(id);
    int r = 0;
    bool certificate = csr_pem && strstr(csr_pem, "-----BEGIN CERTIFICATE-----");
    if (certificate && strstr(csr_pem, "CERTIFICATE REQUEST-----")) {
        return err_set(e, ERR_INVALID, "a certificate and a request in one text"); /* of which key? */
    }
    if (certificate) {
        _cleanup_(gnutls_x509_crt_deinitp) gnutls_x509_crt_t crt = NULL;
        r = tls_read_cert(csr_pem, &crt, e);
        if (r < 0) {
            return r;
        }
        r = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, id, &n);
    } else {
        _cleanup_(gnutls_x509_crq_deinitp) gnutls_x509_crq_t crq = NULL;
        r = tls_read_csr(csr_pem, &crq, e);
        if (r < 0) {
            return r;
        }
        r = gnutls_x509_crq_get_key_id(crq, GNUTLS_KEYID_USE_SHA256, id, &n);
    }
    if (r < 0 || n != sizeof(id)) {
        return tls_fail(e, r, "cannot read the public key");
    }
    hex_encode(id, sizeof(id), hex);
    return 0;
}
