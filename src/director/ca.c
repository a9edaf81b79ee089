/*
 * Files: ca.key ca.crt director.key director.crt enrol.key, all readable by the director's user alone.
 */
#include "director/ca.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>

#include "base/fs.h"

#define LEAF_DAYS 90
#define RENEW_MS (30LL * 24 * 3600 * 1000)
#define PEM_MAX 65536

struct ca {
    char *dir, *key, *cert, *name, *own_key, *own_cert, *names;
    char installation[64], fingerprint[SHA256_HEX];
    unsigned char enrol_key[32];
    pthread_mutex_t lock; /* of own_cert */
};

DEFINE_CLEANUP(char **, strv_free);

static void wipe_free(char *s)
{
    if (s) {
        mem_wipe(s, strlen(s));
        free(s);
    }
}

static char *file_of(const struct ca *ca, const char *name)
{
    return str_printf("%s/%s", ca->dir, name);
}

static int read_file(const struct ca *ca, const char *name, char **ret, struct err *e)
{
    _cleanup_free_ char *path = file_of(ca, name);
    _cleanup_buf_ struct buf b = {0};
    int rc = fs_read(path, PEM_MAX, &b, e);
    if (rc < 0) {
        return rc;
    }
    *ret = buf_take(&b);
    return 0;
}

static int write_file(const struct ca *ca, const char *name, const void *data, size_t len, mode_t mode,
                      struct err *e)
{
    _cleanup_free_ char *path = file_of(ca, name);
    return fs_write_atomic(path, data, len, mode, e);
}

static bool have_file(const struct ca *ca, const char *name)
{
    _cleanup_free_ char *path = file_of(ca, name);
    return fs_exists(path);
}

static int open_authority(struct ca *ca, struct store *store, struct err *e)
{
    int64_t signed_yet = 0;
    if (have_file(ca, "ca.key")) {
        int rc = read_file(ca, "ca.key", &ca->key, e);
        return rc < 0 ? rc : read_file(ca, "ca.crt", &ca->cert, e);
    }
    /* the director's own certificate is the first; without it a first start was cut short */
    int rc = store_certificates_since(store, 0, 0, &signed_yet, e);
    if (rc < 0) {
        return rc;
    }
    if (signed_yet) {
        return err_set_hint(e, ERR_FAILED, "restore ca.key from the backup",
                            "the certificate authority's key is missing from %s", ca->dir);
    }
    if ((rc = tls_ca_new(ca->installation, &ca->key, &ca->cert, e)) < 0) {
        return rc;
    }
    /* the key last: its file means that both are there */
    rc = write_file(ca, "ca.crt", ca->cert, strlen(ca->cert), 0644, e);
    return rc < 0 ? rc : write_file(ca, "ca.key", ca->key, strlen(ca->key), 0600, e);
}

static int open_enrol_key(struct ca *ca, struct err *e)
{
    _cleanup_free_ char *hex = NULL;
    if (have_file(ca, "enrol.key")) {
        int rc = read_file(ca, "enrol.key", &hex, e);
        if (rc < 0) {
            return rc;
        }
        if (strlen(hex) < 64 || hex_decode(hex, ca->enrol_key, sizeof(ca->enrol_key)) < 0) {
            return err_set(e, ERR_FAILED, "%s/enrol.key is damaged", ca->dir);
        }
        return 0;
    }
    char text[2 * sizeof(ca->enrol_key) + 1];
    random_bytes(ca->enrol_key, sizeof(ca->enrol_key));
    hex_encode(ca->enrol_key, sizeof(ca->enrol_key), text);
    int rc = write_file(ca, "enrol.key", text, strlen(text), 0600, e);
    mem_wipe(text, sizeof(text));
    return rc;
}

static int fingerprint(const char *cert_pem, char hex[SHA256_HEX], struct err *e)
{
    gnutls_datum_t pem = {.data = (unsigned char *)cert_pem, .size = (unsigned)strlen(cert_pem)};
    gnutls_x509_crt_t crt = NULL;
    unsigned char sum[32];
    size_t n = sizeof(sum);
    int rc = gnutls_x509_crt_init(&crt);
    if (rc >= 0) {
        rc = gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM);
    }
    if (rc >= 0) {
        rc = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, sum, &n);
    }
    gnutls_x509_crt_deinit(crt);
    if (rc < 0) {
        return err_set(e, ERR_FAILED, "ca.crt: %s", gnutls_strerror(rc));
    }
    hex_encode(sum, sizeof(sum), hex);
    return 0;
}

/* Notes the certificate in the database. */
static int record(struct store *store, const char *pem, int64_t node, int64_t now_ms, struct err *e)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_free_ char *serial = NULL;
    struct certificate c = {.node = node, .issued_ms = now_ms};
    int rc = tls_cert_info(pem, &name, &serial, &c.not_after_ms, e);
    if (rc < 0) {
        return rc;
    }
    (void)str_copy(c.name, sizeof(c.name), name);
    (void)str_copy(c.serial, sizeof(c.serial), serial);
    return store_certificate_add(store, &c, e);
}

static int sign_own(struct ca *ca, struct store *store, int64_t now_ms, struct err *e)
{
    _cleanup_free_ char *csr = NULL;
    _cleanup_free_ char *pem = NULL;
    _cleanup_(strv_freep) char **names = str_split(ca->names, ' ');
    struct tls_leaf leaf = {
        .dns_name = ca->name,
        .extra_names = (const char *const *)names,
        .server = true,
        .client = true,
        .days = LEAF_DAYS,
    };
    random_bytes(leaf.serial, sizeof(leaf.serial));
    int rc = tls_csr_new(ca->own_key, ca->name, &csr, e);
    if (rc < 0 || (rc = tls_ca_sign(ca->key, ca->cert, csr, &leaf, &pem, e)) < 0 ||
        (rc = store_begin(store, e)) < 0) {
        return rc;
    }
    if ((rc = record(store, pem, 0, now_ms, e)) < 0) {
        store_abort(store);
        return rc;
    }
    if ((rc = store_commit(store, e)) < 0 ||
        (rc = write_file(ca, "director.crt", pem, strlen(pem), 0644, e)) < 0 ||
        (rc = write_file(ca, "director.names", ca->names, strlen(ca->names), 0644, e)) < 0) {
        return rc;
    }
    pthread_mutex_lock(&ca->lock);
    free(ca->own_cert);
    ca->own_cert = TAKE_PTR(pem);
    pthread_mutex_unlock(&ca->lock);
    return 0;
}

/* The names of the configuration may have changed since it was signed. */
static bool own_is_good(struct ca *ca, int64_t now_ms)
{
    _cleanup_free_ char *names = NULL;
    int64_t not_after = 0;
    if (!ca->own_cert || !have_file(ca, "director.names") ||
        read_file(ca, "director.names", &names, NULL) < 0 || !str_eq(names, ca->names)) {
        return false;
    }
    return tls_cert_info(ca->own_cert, NULL, NULL, &not_after, NULL) == 0 && not_after - now_ms > RENEW_MS;
}

int ca_renew_own(struct ca *ca, struct store *store, int64_t now_ms, struct err *e)
{
    if (own_is_good(ca, now_ms)) {
        return 0;
    }
    int rc = sign_own(ca, store, now_ms, e);
    return rc < 0 ? rc : 1;
}

static int open_own(struct ca *ca, struct store *store, int64_t now_ms, struct err *e)
{
    int rc = 0;
    if (have_file(ca, "director.key")) {
        rc = read_file(ca, "director.key", &ca->own_key, e);
    } else {
        rc = tls_key_new(&ca->own_key, e);
        rc = rc < 0 ? rc : write_file(ca, "director.key", ca->own_key, strlen(ca->own_key), 0600, e);
    }
    if (rc >= 0 && have_file(ca, "director.crt")) {
        rc = read_file(ca, "director.crt", &ca->own_cert, e);
    }
    return rc < 0 ? rc : ca_renew_own(ca, store, now_ms, e);
}

/* Words separated by exactly one blank, so that a comparison and a split mean something. */
static char *tidy_names(const char *names)
{
    _cleanup_(strv_freep) char **v = str_split(names, ' ');
    struct buf b = {0};
    for (size_t i = 0; v[i]; i++) {
        if (*v[i]) {
            buf_addf(&b, "%s%s", b.len ? " " : "", v[i]);
        }
    }
    return buf_take(&b);
}

int ca_open(const char *dir, struct store *store, const char *names, int64_t now_ms, struct ca **ret,
            struct err *e)
{
    _cleanup_(ca_freep) struct ca *ca = xcalloc(1, sizeof(*ca));
    struct store_info info;
    store_info(store, &info);
    pthread_mutex_init(&ca->lock, NULL);
    ca->dir = xstrdup(dir);
    ca->names = tidy_names(names);
    (void)str_copy(ca->installation, sizeof(ca->installation), info.name);
    struct tls_name own = {.kind = TLS_DIRECTOR};
    (void)str_copy(own.installation, sizeof(own.installation), info.name);
    ca->name = tls_name_text(&own);
    int rc = open_authority(ca, store, e);
    if (rc < 0 || (rc = fingerprint(ca->cert, ca->fingerprint, e)) < 0 || (rc = open_enrol_key(ca, e)) < 0 ||
        (rc = open_own(ca, store, now_ms, e)) < 0) {
        return rc;
    }
    *ret = TAKE_PTR(ca);
    return 0;
}

void ca_free(struct ca *ca)
{
    if (!ca) {
        return;
    }
    free(ca->dir);
    wipe_free(ca->key);
    free(ca->cert);
    free(ca->name);
    wipe_free(ca->own_key);
    free(ca->own_cert);
    free(ca->names);
    pthread_mutex_destroy(&ca->lock);
    mem_wipe(ca->enrol_key, sizeof(ca->enrol_key));
    free(ca);
}

const char *ca_certificate(const struct ca *ca)
{
    return ca->cert;
}

const char *ca_fingerprint(const struct ca *ca)
{
    return ca->fingerprint;
}

const char *ca_director_name(const struct ca *ca)
{
    return ca->name;
}

const char *ca_server_key(const struct ca *ca)
{
    return ca->own_key;
}

char *ca_server_certificate(struct ca *ca)
{
    pthread_mutex_lock(&ca->lock);
    char *pem = xstrdup(ca->own_cert);
    pthread_mutex_unlock(&ca->lock);
    return pem;
}

int ca_sign_node(struct ca *ca, struct store *store, enum tls_kind kind, int64_t app, int64_t node,
                 const char *csr_pem, int64_t now_ms, char **ret_pem, struct err *e)
{
    struct tls_name name = {.kind = kind, .node = node, .app = app};
    (void)str_copy(name.installation, sizeof(name.installation), ca->installation);
    _cleanup_free_ char *dns = tls_name_text(&name);
    _cleanup_free_ char *pem = NULL;
    struct tls_leaf leaf = {.dns_name = dns, .server = true, .client = true, .days = LEAF_DAYS};
    random_bytes(leaf.serial, sizeof(leaf.serial));
    int rc = tls_ca_sign(ca->key, ca->cert, csr_pem, &leaf, &pem, e);
    if (rc < 0 || (rc = record(store, pem, node, now_ms, e)) < 0) {
        return rc;
    }
    *ret_pem = TAKE_PTR(pem);
    return 0;
}

char *ca_enrol_token(const struct ca *ca, int64_t node, const char *node_token)
{
    _cleanup_free_ char *text = str_printf("enrol:%lld:%s", (long long)node, node_token);
    unsigned char mac[32];
    int rc =
        gnutls_hmac_fast(GNUTLS_MAC_SHA256, ca->enrol_key, sizeof(ca->enrol_key), text, strlen(text), mac);
    if (rc < 0) {
        abort(); /* SHA-256 is always there */
    }
    char *hex = xmalloc(2 * sizeof(mac) + 1);
    hex_encode(mac, sizeof(mac), hex);
    mem_wipe(mac, sizeof(mac));
    return hex;
}
