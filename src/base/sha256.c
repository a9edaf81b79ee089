/*
 * SHA-256 by GnuTLS (declared in str.h).
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/str.h"

#define SHA256_SIZE 32

struct sha256 {
    gnutls_hash_hd_t handle;
};

void sha256_hex(const void *p, size_t n, char hex[SHA256_HEX])
{
    uint8_t digest[SHA256_SIZE];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, p, n, digest) < 0) {
        abort();
    }
    hex_encode(digest, sizeof(digest), hex);
}

struct sha256 *sha256_new(void)
{
    struct sha256 *h = xcalloc(1, sizeof(*h));
    if (gnutls_hash_init(&h->handle, GNUTLS_DIG_SHA256) < 0) {
        abort();
    }
    return h;
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
    if (n > 0 && gnutls_hash(h->handle, p, n) < 0) {
        abort();
    }
}

void sha256_final(struct sha256 *h, char hex[SHA256_HEX])
{
    uint8_t digest[SHA256_SIZE];
    gnutls_hash_deinit(h->handle, digest);
    hex_encode(digest, sizeof(digest), hex);
    free(h);
}
