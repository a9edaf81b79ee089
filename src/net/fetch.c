/*
 * libcurl opens the sockets through our function, which judges the resolved address it is about to connect to: a
 * name that resolves to something else a moment later gains nothing.  Redirections are followed here, each judged
 * like the first address.
 */
#include "net/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "net/address.h"

#define REDIRECTS_MAX 5
#define STEP_MS 100
#define CONNECT_MS 15000
#define SLOW_BYTES 100 /* a second, for SLOW_S seconds: given up */
#define SLOW_S 30

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static void fetch_global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        abort();
    }
}

/* ---- rules ---- */

static bool word_in(const char *words, const char *word, bool (*fits)(const char *pattern, const char *word))
{
    char **list = str_split(words ? words : "", ' ');
    bool found = false;
    for (char **w = list; *w && !found; w++) {
        found = **w && fits(*w, word);
    }
    strv_free(list);
    return found;
}

static bool host_fits(const char *pattern, const char *host)
{
    if (str_eq(pattern, "*")) {
        return true;
    }
    if (str_starts(pattern, "*.")) {
        size_t n = strlen(pattern) - 1, len = strlen(host);
        return len > n && strcasecmp(host + len - n, pattern + 1) == 0;
    }
    return strcasecmp(pattern, host) == 0;
}

static bool port_fits(const char *pattern, const char *port)
{
    return str_eq(pattern, port);
}

struct url_parts {
    char *scheme, *host, *port, *user;
};
static void url_parts_done(struct url_parts *p)
{
    curl_free(p->scheme);
    curl_free(p->host);
    curl_free(p->port);
    curl_free(p->user);
}

/* The scheme's own word comes first: file:///x has no host. */
static int split_url(const char *url, struct url_parts *ret, struct err *e)
{
    CURLU *u = curl_url();
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK;
    bool web = ok && (str_eq(ret->scheme, "https") || str_eq(ret->scheme, "http"));
    if (web) {
        ok = curl_url_get(u, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK &&
             curl_url_get(u, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
        (void)curl_url_get(u, CURLUPART_USER, &ret->user, 0);
    }
    curl_url_cleanup(u);
    return ok ? 0 : err_set(e, ERR_INVALID, "\"%.200s\" is no address of a file", url);
}

int fetch_check_url(const struct fetch_rules *r, const char *url, struct err *e)
{
    _cleanup_(url_parts_done) struct url_parts p = {0};
    int rc = split_url(url, &p, e);
    if (rc < 0) {
        return rc;
    }
    bool https = str_eq(p.scheme, "https");
    if (!https && !(r->http && str_eq(p.scheme, "http"))) {
        return err_set(e, ERR_FORBIDDEN, "only %s addresses are fetched, not %.200s",
                       r->http ? "https and http" : "https", url);
    }
    if (p.user) {
        return err_set(e, ERR_INVALID, "an address with a user name is not fetched");
    }
    size_t n = strlen(p.host); /* "example.org." is the same host */
    if (n > 1 && p.host[n - 1] == '.') {
        p.host[n - 1] = '\0';
    }
    if (!word_in(r->hosts, p.host, host_fits)) {
        return err_set_hint(e, ERR_FORBIDDEN, "ask your administrator, or use file: or an upload",
                            "the installation does not fetch from %.100s", p.host);
    }
    if (!word_in(r->ports, p.port, port_fits)) {
        return err_set(e, ERR_FORBIDDEN, "the installation does not fetch from port %.10s", p.port);
    }
    return 0;
}

int fetch_check_address(const struct fetch_rules *r, const struct sockaddr *sa, struct err *e)
{
    const char *what = address_special(sa);
    bool listed = false;
    char **list = str_split(r->networks ? r->networks : "", ' ');
    for (char **w = list; *w && what; w++) {
        listed = listed || (**w && address_in(sa, *w));
    }
    strv_free(list);
    if (!what || listed) {
        return 0;
    }
    _cleanup_free_ char *text = address_text(sa);
    return err_set(e, ERR_FORBIDDEN, "its address %s is not public (%s)", text, what);
}

/* ---- one transfer ---- */

struct transfer {
    const struct fetch_rules *rules;
    const atomic_bool *stop;
    CURL *easy;
    int fd, out_errno;
    int64_t received;
    bool too_large;
    struct err refused; /* the address */
    char why[CURL_ERROR_SIZE];
};

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct transfer *t = arg;
    if (purpose != CURLSOCKTYPE_IPCXN || (to->socktype & 0xf) != SOCK_STREAM ||
        fetch_check_address(t->rules, &to->addr, &t->refused) < 0) {
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299) {
        return n * size; /* nobody reads what a refusal says */
    }
    t->received += (int64_t)(size * n);
    if (t->received > t->rules->max_bytes) {
        t->too_large = true;
        return 0;
    }
    t->out_errno = -fs_write_all(t->fd, data, size * n);
    return t->out_errno ? 0 : size * n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct transfer *t = arg;
    return t->stop && atomic_load(t->stop);
}

static void set_options(struct transfer *t, const char *url, int64_t timeout_ms)
{
    const struct fetch_rules *r = t->rules;
    CURL *easy = t->easy;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, r->http ? "https,http" : "https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (r->ca_file && *r->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_CAINFO, r->ca_file);
    }
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)SLOW_S);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->max_bytes);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->why);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "conpaas/" CONPAAS_VERSION);
}

static int explain(struct transfer *t, const char *url, CURLcode code, struct err *e)
{
    const char *why = t->why[0] ? t->why : curl_easy_strerror(code);
    if (t->stop && atomic_load(t->stop)) {
        return err_set(e, ERR_UNAVAILABLE, "%.200s: interrupted", url);
    }
    if (t->out_errno) {
        return err_errno(e, t->out_errno, "what comes from %.200s cannot be kept", url);
    }
    if (t->too_large || code == CURLE_FILESIZE_EXCEEDED) {
        return err_set(e, ERR_TOO_LARGE, "%.200s is larger than %lld MiB", url,
                       (long long)(t->rules->max_bytes >> 20));
    }
    if (t->refused.message) {
        return err_set_hint(e, ERR_FORBIDDEN, "ask your administrator, or use file: or an upload",
                            "%.200s is not fetched: %s", url, t->refused.message);
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        return err_set(e, ERR_FORBIDDEN, "%.200s could not prove who it is: %s", url, why);
    }
    return err_set(e, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE, "%.200s: %s", url,
                   why);
}

/* Overload and trouble of the other side pass; everything else is an answer. */
static int judge_status(const char *url, long status, struct err *e)
{
    if (status >= 200 && status < 300) {
        return 0;
    }
    bool passing = status == 408 || status == 425 || status == 429 || status >= 500;
    return err_set(e, passing ? ERR_UNAVAILABLE : ERR_NOT_FOUND, "%.200s answers %ld", url, status);
}

/* One request. *ret_next: where it redirects to, caller frees with free; NULL: it has ended. */
static int request(const struct fetch_rules *r, const char *url, int fd, int64_t until,
                   const atomic_bool *stop, char **ret_next, struct err *e)
{
    int64_t left = until - clock_mono_ms();
    struct transfer t = {.rules = r, .stop = stop, .fd = fd, .easy = curl_easy_init()};
    if (!t.easy || ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
        curl_easy_cleanup(t.easy);
        return err_set(e, ERR_INTERNAL, "cannot begin to fetch");
    }
    set_options(&t, url, left > 1 ? left : 1);
    CURLcode code = curl_easy_perform(t.easy);
    long status = 0;
    char *next = NULL;
    curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t.easy, CURLINFO_REDIRECT_URL, &next);
    int rc = 0;
    if (code != CURLE_OK) {
        rc = explain(&t, url, code, e);
    } else if (next && status >= 300 && status < 400) {
        *ret_next = xstrdup(next);
    } else {
        rc = judge_status(url, status, e);
    }
    curl_easy_cleanup(t.easy);
    err_done(&t.refused);
    return rc;
}

static int attempt(const struct fetch_rules *r, const char *url, int fd, const atomic_bool *stop,
                   struct err *e)
{
    _cleanup_free_ char *at = xstrdup(url);
    int64_t until = clock_mono_ms() + r->timeout_ms;
    for (int i = 0; i <= REDIRECTS_MAX; i++) {
        char *next = NULL;
        int rc = fetch_check_url(r, at, e);
        if (rc < 0 && i > 0) {
            return err_wrap(e, rc, "%.200s leads to %.200s", url, at);
        }
        if (rc < 0 || (rc = request(r, at, fd, until, stop, &next, e)) < 0 || !next) {
            return rc;
        }
        free(at);
        at = next;
    }
    return err_set(e, ERR_FORBIDDEN, "%.200s leads from one address to the next, more than %d times", url,
                   REDIRECTS_MAX);
}

static bool is_passing(int rc)
{
    return rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT;
}

static void pause_for(int64_t ms, const atomic_bool *stop)
{
    int64_t until = clock_mono_ms() + ms;
    while (clock_mono_ms() < until && !(stop && atomic_load(stop))) {
        int64_t left = until - clock_mono_ms();
        usleep((useconds_t)((left < STEP_MS ? left : STEP_MS) * 1000));
    }
}

int fetch_file(const struct fetch_rules *r, const char *url, int fd, const atomic_bool *stop, struct err *e)
{
    int attempts = r->attempts > 0 ? r->attempts : 1, rc = 0;
    pthread_once(&fetch_once, fetch_global_init);
    for (int i = 0; i < attempts; i++) {
        if (i > 0) {
            pause_for(r->pause_ms, stop);
        }
        _cleanup_err_ struct err why = {0};
        rc = attempt(r, url, fd, stop, &why);
        bool over = rc >= 0 || !is_passing(rc) || i + 1 == attempts || (stop && atomic_load(stop));
        if (over && rc < 0) {
            return err_set_hint(e, rc, why.hint, i > 0 ? "%s (%d attempts)" : "%s", why.message, i + 1);
        }
        if (over) {
            return 0;
        }
    }
    return rc;
}
