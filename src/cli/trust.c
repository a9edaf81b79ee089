#include "cli/trust.h"

#include <curl/curl.h>
#include <gnutls/x509.h>

#define ANSWER_MAX 65536

void authority_done(struct authority *a)
{
    free(a->installation);
    free(a->ca);
    *a = (struct authority){.ca = NULL};
}

int trust_fingerprint(const char *pem, char hex[SHA256_HEX], struct err *e)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t in = {.data = (unsigned char *)pem, .size = (unsigned)strlen(pem)};
    gnutls_datum_t der = {.data = NULL};
    if (gnutls_x509_crt_init(&crt) < 0) {
        return err_set(e, ERR_INTERNAL, "the TLS library does not start");
    }
    int r = gnutls_x509_crt_import(crt, &in, GNUTLS_X509_FMT_PEM);
    r = r < 0 ? r : gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der);
    gnutls_x509_crt_deinit(crt);
    if (r < 0) {
        return err_set(e, ERR_INVALID, "this is no certificate in PEM form: %s", gnutls_strerror(r));
    }
    sha256_hex(der.data, der.size, hex);
    gnutls_free(der.data);
    return 0;
}

char *trust_show(const char *hex)
{
    struct buf b = {0};
    for (size_t i = 0; hex[i]; i++) {
        buf_addf(&b, "%s%c", i > 0 && i % 4 == 0 ? ":" : "", hex[i]);
    }
    return buf_take(&b);
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct buf *b = arg;
    if (b->len + size * n > ANSWER_MAX) {
        return 0;
    }
    buf_add(b, data, size * n);
    return size * n;
}

/* The only request that does not check who answers: it carries nothing secret, and what comes back is shown
 * to the user, or compared with what he gave. */
static int fetch_unchecked(const char *url, struct buf *out, struct err *e)
{
    CURL *easy = curl_easy_init();
    if (!easy) {
        return err_set(e, ERR_INTERNAL, "the HTTP library does not start");
    }
    _cleanup_free_ char *full = str_printf("%s/v1/ca", url);
    char why[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(easy, CURLOPT_URL, full);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 15000L);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, out);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    if (code != CURLE_OK) {
        return err_set_hint(
            e, ERR_UNAVAILABLE,
            "is the address right, and the director running? `conpaas doctor` looks at this machine",
            "cannot reach %s: %s", url, why[0] ? why : curl_easy_strerror(code));
    }
    return 0;
}

int trust_fetch(const char *url, struct authority *ret, struct err *e)
{
    _cleanup_buf_ struct buf text = {0};
    _cleanup_json_ json_t *j = NULL;
    int r = fetch_unchecked(url, &text, e);
    r = r < 0 ? r : json_parse(text.data, text.len, ANSWER_MAX, &j, e);
    if (r < 0) {
        return r;
    }
    const char *installation = json_str(j, "installation", NULL), *ca = json_str(j, "certificate", NULL);
    if (!installation || !ca) {
        return err_set(e, ERR_INVALID, "what answers at %s is no ConPaaS director", url);
    }
    struct authority a = {.ca = NULL};
    r = trust_fingerprint(ca, a.fingerprint, e);
    if (r < 0) {
        return err_wrap(e, r, "the authority of %s", url);
    }
    a.installation = xstrdup(installation);
    a.ca = xstrdup(ca);
    *ret = a;
    return 0;
}

bool trust_explain(const struct settings *s, struct err *e)
{
    struct authority now = {.ca = NULL};
    char known[SHA256_HEX];
    bool changed = false;
    if (!s->ca || trust_fingerprint(s->ca, known, NULL) < 0 || trust_fetch(s->url, &now, NULL) < 0) {
        return false;
    }
    if (!str_eq(known, now.fingerprint)) {
        _cleanup_free_ char *was = trust_show(known), *is = trust_show(now.fingerprint);
        _cleanup_free_ char *hint =
            str_printf("nothing was sent. If the director was installed again, compare the new fingerprint "
                       "with the one its\n"
                       "administrator tells you, then: conpaas login %s --trust-again",
                       s->url);
        (void)err_set_hint(
            e, ERR_FORBIDDEN, hint,
            "the director at %s is not the one you logged in to: somebody may be between you and it, or it "
            "was installed again\n  remembered authority: %s\n  it shows now:         %s",
            s->url, was, is);
        changed = true;
    }
    authority_done(&now);
    return changed;
}
