/*
 * AES-256-GCM with a random nonce: "NONCE CIPHERTEXT TAG" in hexadecimal digits.
 */
#include "director/seal.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/clock.h"
#include "base/fs.h"

#define NONCE 12
#define TAG 16

static void name_key(struct seal *s)
{
    static const char label[] = "conpaas secrets key";
    unsigned char text[sizeof(label) + sizeof(s->key)];
    char hex[SHA256_HEX];
    memcpy(text, label, sizeof(label));
    memcpy(text + sizeof(label), s->key, sizeof(s->key));
    sha256_hex(text, sizeof(text), hex);
    mem_wipe(text, sizeof(text));
    snprintf(s->id, sizeof(s->id), "%.16s", hex);
}

static int read_key(struct seal *s, const char *path, struct err *e)
{
    _cleanup_buf_ struct buf b = {0};
    int rc = fs_read(path, 4096, &b, e);
    if (rc < 0) {
        return rc;
    }
    while (b.len > 0 && b.data[b.len - 1] == '\n') {
        b.data[--b.len] = '\0';
    }
    bool good = b.len == 2 * sizeof(s->key) && hex_decode(b.data, s->key, sizeof(s->key)) >= 0;
    mem_wipe(b.data, b.len);
    return good ? 0 : err_set_hint(e, ERR_FAILED, "restore it from the backup", "%s is damaged", path);
}

static int make_key(struct seal *s, const char *path, struct err *e)
{
    char text[2 * sizeof(s->key) + 1];
    random_bytes(s->key, sizeof(s->key));
    hex_encode(s->key, sizeof(s->key), text);
    int rc = fs_write_atomic(path, text, strlen(text), 0600, e);
    mem_wipe(text, sizeof(text));
    return rc;
}

static int check_key(const struct seal *s, const char *path, struct store *store, struct err *e)
{
    int64_t others = 0;
    int rc = store_sealed_by_others(store, s->id, &others, e);
    if (rc < 0 || others == 0) {
        return rc;
    }
    return err_set_hint(e, ERR_FAILED, "restore the file that belongs to this database from the backup",
                        "%s is not the key that sealed %lld secrets in the database", path,
                        (long long)others);
}

/* ---- what an older program stored ---- */

struct plain {
    const struct seal *seal;
    struct store *store;
    struct err *e;
};

static int seal_one(void *arg, int64_t service, const char *name, const char *value)
{
    const struct plain *p = arg;
    int64_t id = store_new_id(p->store);
    _cleanup_free_ char *sealed = seal_text(p->seal, service, name, value);
    int rc = store_sealed_add(p->store, id, service, name, p->seal->id, sealed, clock_steady_ms(), p->e);
    return rc < 0 ? rc : store_revisions_own(p->store, service, name, id, p->e);
}

static int seal_plain(const struct seal *s, struct store *store, struct err *e)
{
    struct plain p = {.seal = s, .store = store, .e = e};
    int rc = store_begin(store, e);
    if (rc < 0) {
        return rc;
    }
    int n = store_plain_secrets(store, seal_one, &p, e);
    if (n <= 0) {
        store_abort(store);
        return n;
    }
    rc = store_commit(store, e);
    return rc < 0 ? rc : store_scrub(store, e);
}

int seal_open(struct seal *ret, const char *dir, struct store *store, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/secrets.key", dir);
    struct seal s = {.id = ""};
    bool there = fs_exists(path);
    int64_t sealed = 0;
    int rc = there ? read_key(&s, path, e) : store_sealed_by_others(store, "", &sealed, e);
    if (rc < 0) {
        return rc;
    }
    if (sealed > 0) {
        return err_set_hint(e, ERR_FAILED, "restore it from the backup",
                            "%s is missing: it opens %lld secrets in the database", path, (long long)sealed);
    }
    rc = there ? 0 : make_key(&s, path, e);
    name_key(&s);
    if (rc < 0 || (rc = check_key(&s, path, store, e)) < 0 || (rc = seal_plain(&s, store, e)) < 0) {
        return rc;
    }
    *ret = s;
    return 0;
}

void seal_done(struct seal *s)
{
    mem_wipe(s, sizeof(*s));
}

/* ---- values ---- */

static gnutls_aead_cipher_hd_t cipher(const struct seal *s)
{
    gnutls_aead_cipher_hd_t h = NULL;
    gnutls_datum_t key = {.data = (unsigned char *)s->key, .size = sizeof(s->key)};
    int rc = gnutls_aead_cipher_init(&h, GNUTLS_CIPHER_AES_256_GCM, &key);
    assert(rc == 0);
    return h;
}

static char *place(int64_t service, const char *name)
{
    return str_printf("conpaas secret of service %lld: %s", (long long)service, name);
}

char *seal_text(const struct seal *s, int64_t service, const char *name, const char *text)
{
    size_t n = strlen(text), room = n + TAG;
    unsigned char *out = xmalloc(NONCE + room);
    _cleanup_free_ char *where = place(service, name);
    gnutls_aead_cipher_hd_t h = cipher(s);
    random_bytes(out, NONCE);
    int rc =
        gnutls_aead_cipher_encrypt(h, out, NONCE, where, strlen(where), TAG, text, n, out + NONCE, &room);
    assert(rc == 0 && room == n + TAG);
    gnutls_aead_cipher_deinit(h);
    char *hex = xmalloc(2 * (NONCE + room) + 1);
    hex_encode(out, NONCE + room, hex);
    free(out);
    return hex;
}

int seal_read(const struct seal *s, int64_t service, const char *name, const char *sealed, char **ret,
              struct err *e)
{
    size_t n = strlen(sealed) / 2;
    _cleanup_free_ unsigned char *bytes = xmalloc(n + 1);
    _cleanup_free_ char *where = place(service, name);
    if (n < NONCE + TAG || hex_decode(sealed, bytes, n) < 0) {
        return err_set(e, ERR_FAILED, "the secret %s of service %lld is damaged", name, (long long)service);
    }
    size_t room = n - NONCE - TAG;
    char *text = xmalloc(room + 1);
    gnutls_aead_cipher_hd_t h = cipher(s);
    int rc = gnutls_aead_cipher_decrypt(h, bytes, NONCE, where, strlen(where), TAG, bytes + NONCE, n - NONCE,
                                        text, &room);
    gnutls_aead_cipher_deinit(h);
    if (rc < 0) {
        free(text);
        return err_set(e, ERR_FAILED, "the secret %s of service %lld does not open with this key", name,
                       (long long)service);
    }
    text[room] = '\0';
    *ret = text;
    return 0;
}
