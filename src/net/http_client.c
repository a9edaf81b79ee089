/*
 * HTTPS client on libcurl's multi interface with one transfer at a time, because that one can be woken from
 * another thread.  Certificates and key are handed over as anonymous files in memory: with GnuTLS this
 * library takes paths only, and the key must not touch a disk.
 */
#include "net/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "net/http_sse.h"

#define HTTP_ANSWER_MAX (16 << 20)
#define HTTP_ERROR_MAX (1 << 20) /* of an error answer's body */
#define HTTP_POLL_MS 1000

/* A PEM text as a file in memory; path is below /proc/self/fd. */
struct http_secret {
    int fd;
    char *path;
};

struct http_client {
    CURLM *multi;
    CURL *easy;
    char *url;
    bool secure;
    int connect_timeout_ms;
    char *pinned_cert_file;
    struct http_secret ca, cert, key;
    struct curl_slist *connect_to, *bearer;
    atomic_bool interrupted;
};

static pthread_once_t http_once = PTHREAD_ONCE_INIT;

static void http_global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        abort();
    }
}

/* ---- construction ---- */

static int http_secret_init(struct http_secret *s, const char *pem, struct err *e)
{
    if (!pem) {
        return 0;
    }
    s->fd = memfd_create("pem", MFD_CLOEXEC);
    if (s->fd < 0) {
        return err_errno(e, errno, "cannot make a file in memory");
    }
    int r = fs_write_all(s->fd, pem, strlen(pem));
    if (r < 0) {
        return err_errno(e, -r, "cannot fill a file in memory");
    }
    s->path = str_printf("/proc/self/fd/%d", s->fd);
    return 0;
}

/* Headers may hold the token. */
static void http_free_headers(struct curl_slist *list)
{
    for (struct curl_slist *l = list; l; l = l->next) {
        mem_wipe(l->data, strlen(l->data));
    }
    curl_slist_free_all(list);
}

static void http_secret_done(struct http_secret *s)
{
    closep(&s->fd);
    free(s->path);
}

void http_client_free(struct http_client *c)
{
    if (!c) {
        return;
    }
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    curl_slist_free_all(c->connect_to);
    http_free_headers(c->bearer);
    http_secret_done(&c->ca);
    http_secret_done(&c->cert);
    http_secret_done(&c->key);
    free(c->url);
    free(c->pinned_cert_file);
    free(c);
}

static int http_check_config(const struct http_client_config *c, struct err *e)
{
    bool https = str_starts(c->url, "https://"), trust = c->ca_pem || c->pinned_cert_file;
    if (!https && !str_starts(c->url, "http://")) {
        return err_set(e, ERR_INVALID, "\"%.100s\" is not an https address", c->url ? c->url : "");
    }
    if (https != trust) {
        return err_set(e, ERR_INVALID,
                       https ? "no authority to check %.100s by" : "%.100s is not an https address", c->url);
    }
    if (!c->key_pem != !c->cert_pem) {
        return err_set(e, ERR_INVALID, "key and certificate go together");
    }
    return 0;
}

static int http_client_lists(struct http_client *client, const struct http_client_config *c, struct err *e)
{
    if (c->connect_to) {
        _cleanup_free_ char *rule = str_printf("::%s", c->connect_to);
        client->connect_to = curl_slist_append(NULL, rule);
    }
    if (c->bearer) {
        for (const char *p = c->bearer; *p; p++) {
            if (*p <= ' ' || *p >= 0x7f) {
                return err_set(e, ERR_INVALID, "the API token contains a character that none can have");
            }
        }
        _cleanup_free_ char *header = str_printf("Authorization: Bearer %s", c->bearer);
        client->bearer = curl_slist_append(NULL, header);
        mem_wipe(header, strlen(header));
    }
    return 0;
}

int http_client_new(const struct http_client_config *c, struct http_client **ret, struct err *e)
{
    int r = http_check_config(c, e);
    if (r < 0) {
        return r;
    }
    pthread_once(&http_once, http_global_init);
    _cleanup_(http_client_freep) struct http_client *client = xcalloc(1, sizeof(*client));
    client->ca.fd = client->cert.fd = client->key.fd = -1;
    client->url = xstrdup(c->url);
    size_t n = strlen(client->url);
    if (client->url[n - 1] == '/') {
        client->url[n - 1] = '\0';
    }
    client->secure = str_starts(c->url, "https://");
    client->connect_timeout_ms = c->connect_timeout_ms > 0 ? c->connect_timeout_ms : 5000;
    client->pinned_cert_file = c->pinned_cert_file ? xstrdup(c->pinned_cert_file) : NULL;
    client->multi = curl_multi_init();
    client->easy = curl_easy_init();
    if (!client->multi || !client->easy) {
        return err_set(e, ERR_INTERNAL, "cannot make an HTTP client");
    }
    r = http_client_lists(client, c, e);
    r = r < 0 ? r : http_secret_init(&client->ca, c->pinned_cert_file ? NULL : c->ca_pem, e);
    r = r < 0 ? r : http_secret_init(&client->cert, c->cert_pem, e);
    r = r < 0 ? r : http_secret_init(&client->key, c->key_pem, e);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(client);
    return 0;
}

void http_client_interrupt(struct http_client *c, bool on)
{
    atomic_store(&c->interrupted, on);
    if (on) {
        (void)curl_multi_wakeup(c->multi);
    }
}

/* ---- one transfer ---- */

struct http_transfer {
    struct http_client *client;
    struct curl_slist *headers;
    char *url, *body_text;
    char why[CURL_ERROR_SIZE];
    /* upload from a descriptor */
    int in_fd;
    int64_t in_at, in_size;
    void (*progress)(void *arg, int64_t sent, int64_t total);
    void *progress_arg;
    /* answer */
    bool use_out_fd;
    int out_fd, out_errno;
    int64_t max_answer, received;
    struct buf answer;
    struct sse_parser *events; /* not NULL: a 2xx answer is fed to it */
    int stopped;               /* what on_event returned, or an error of ours */
    int64_t deadline, last_byte;
    int idle_ms; /* 0: none */
};

static void http_transfer_done(struct http_transfer *t)
{
    http_free_headers(t->headers);
    free(t->url);
    if (t->body_text) {
        mem_wipe(t->body_text, strlen(t->body_text));
        free(t->body_text);
    }
    mem_wipe(t->answer.data, t->answer.len);
    buf_done(&t->answer);
}

static size_t http_on_read(char *out, size_t size, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    ssize_t k = pread(t->in_fd, out, size * n, t->in_at);
    if (k < 0) {
        return CURL_READFUNC_ABORT;
    }
    t->in_at += k;
    return (size_t)k;
}

/* A kept connection that turns out dead is dialled again, and the body sent from its start. */
static int http_on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_transfer *t = arg;
    if (origin != SEEK_SET) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    t->in_at = offset;
    return CURL_SEEKFUNC_OK;
}

static size_t http_on_write(char *data, size_t size, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    size_t len = size * n;
    long status = 0;
    curl_easy_getinfo(t->client->easy, CURLINFO_RESPONSE_CODE, &status);
    bool good = status >= 200 && status < 300;
    t->last_byte = clock_mono_ms();
    if (good && t->events) {
        t->stopped = sse_feed(t->events, data, len);
        return t->stopped == 0 ? len : 0;
    }
    t->received += (int64_t)len;
    if (t->received > (status >= 400 ? HTTP_ERROR_MAX : t->max_answer)) {
        t->stopped = ERR_TOO_LARGE;
        return 0;
    }
    if (good && t->use_out_fd) {
        t->out_errno = -fs_write_all(t->out_fd, data, len);
        return t->out_errno == 0 ? len : 0;
    }
    buf_add(&t->answer, data, len);
    return len;
}

static int http_on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                            curl_off_t up)
{
    struct http_transfer *t = arg;
    if (t->progress && up_total > 0) {
        t->progress(t->progress_arg, up, up_total);
    }
    return atomic_load(&t->client->interrupted);
}

/* The options every transfer has. */
static void http_set_common(struct http_transfer *t)
{
    struct http_client *c = t->client;
    CURL *easy = c->easy;
    curl_easy_reset(easy); /* keeps the connection */
    curl_easy_setopt(easy, CURLOPT_URL, t->url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->why);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, c->secure ? "https" : "http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, c->connect_to);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "conpaas/" CONPAAS_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, http_on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
}

/* Exactly our authority: CAPATH away, or every connection would read and trust the system's directory. */
static int http_set_tls(struct http_client *c)
{
    CURL *easy = c->easy;
    if (!c->secure) {
        return 0;
    }
    const char *ca = c->pinned_cert_file ? c->pinned_cert_file : c->ca.path;
    bool ok = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_CAINFO, ca) == CURLE_OK;
    if (c->cert.path) {
        ok = ok && curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM") == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_SSLCERT, c->cert.path) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM") == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_SSLKEY, c->key.path) == CURLE_OK;
    }
    return ok ? 0 : ERR_INTERNAL;
}

static void http_add_header(struct http_transfer *t, const char *header)
{
    struct curl_slist *longer = curl_slist_append(t->headers, header);
    if (!longer) {
        abort();
    }
    t->headers = longer;
}

static int http_open_body(struct http_transfer *t, const struct http_call *call, struct err *e)
{
    struct stat st;
    if (!call->use_body_fd) {
        t->body_text = call->body ? json_text(call->body) : NULL;
        return 0;
    }
    if (fstat(call->body_fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return err_set(e, ERR_INVALID, "only a regular file can be sent");
    }
    t->in_fd = call->body_fd;
    t->in_size = st.st_size;
    return 0;
}

static void http_set_method(struct http_transfer *t, const struct http_call *call)
{
    CURL *easy = t->client->easy;
    bool bodyless =
        str_eq(call->method, "GET") || str_eq(call->method, "HEAD") || str_eq(call->method, "DELETE");
    if (call->use_body_fd) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, http_on_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, t);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, http_on_seek);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->in_size);
    } else if (t->body_text || !bodyless) {
        const char *text = t->body_text ? t->body_text : "";
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, text);
    }
    if (str_eq(call->method, "HEAD")) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    }
}

/* Drives the transfer to its end; the library's verdict, or our own reason in t->stopped. */
static CURLcode http_drive(struct http_transfer *t)
{
    CURLM *multi = t->client->multi;
    for (;;) {
        int running = 0;
        if (curl_multi_perform(multi, &running) != CURLM_OK) {
            return CURLE_FAILED_INIT;
        }
        int left_in_queue = 0;
        const CURLMsg *m = curl_multi_info_read(multi, &left_in_queue);
        if (m && m->msg == CURLMSG_DONE) {
            return m->data.result;
        }
        if (atomic_load(&t->client->interrupted)) {
            return CURLE_ABORTED_BY_CALLBACK;
        }
        int64_t now = clock_mono_ms(), wait = HTTP_POLL_MS;
        if (t->idle_ms > 0) {
            int64_t left = t->last_byte + t->idle_ms - now;
            if (left <= 0) {
                return CURLE_OPERATION_TIMEDOUT;
            }
            wait = left < wait ? left : wait;
        }
        if (curl_multi_poll(multi, NULL, 0, (int)wait, NULL) != CURLM_OK) {
            return CURLE_FAILED_INIT;
        }
    }
}

static CURLcode http_perform(struct http_transfer *t)
{
    CURLM *multi = t->client->multi;
    t->last_byte = clock_mono_ms();
    if (curl_multi_add_handle(multi, t->client->easy) != CURLM_OK) {
        return CURLE_FAILED_INIT;
    }
    CURLcode code = http_drive(t);
    (void)curl_multi_remove_handle(multi, t->client->easy);
    return code;
}

/* No answer, or an unusable one. */
static int http_explain(const struct http_transfer *t, CURLcode code, struct err *e)
{
    const char *why = t->why[0] ? t->why : curl_easy_strerror(code);
    if (atomic_load(&t->client->interrupted)) {
        return err_set(e, ERR_UNAVAILABLE, "%s: interrupted", t->client->url);
    }
    if (t->out_errno) {
        return err_errno(e, t->out_errno, "cannot keep the answer of %s", t->client->url);
    }
    if (t->stopped == ERR_TOO_LARGE) {
        return err_set(e, ERR_TOO_LARGE, "the answer of %s is too large", t->client->url);
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return err_set(e, ERR_TIMEOUT, "no answer from %s in time: %s", t->client->url, why);
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        return err_set_hint(e, ERR_UNAVAILABLE,
                            "is this the right address, and the right authority's certificate?",
                            "%s could not prove who it is: %s", t->client->url, why);
    }
    return err_set(e, ERR_UNAVAILABLE, "cannot reach %s: %s", t->client->url, why);
}

static int http_code_of_status(long status)
{
    static const struct {
        long status;
        int code;
    } rows[] = {
        {400, ERR_INVALID},     {401, ERR_UNAUTHENTICATED}, {402, ERR_CREDIT},   {403, ERR_FORBIDDEN},
        {404, ERR_NOT_FOUND},   {405, ERR_METHOD},          {409, ERR_CONFLICT}, {410, ERR_GONE},
        {412, ERR_STALE},       {413, ERR_TOO_LARGE},       {429, ERR_RATE},     {431, ERR_TOO_LARGE},
        {502, ERR_UNAVAILABLE}, {503, ERR_UNAVAILABLE},     {504, ERR_TIMEOUT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].status == status) {
            return rows[i].code;
        }
    }
    return ERR_INTERNAL;
}

/* Turns {"error": {code, message, hint}} back into what it was made from. */
static int http_error_answer(const struct http_transfer *t, long status, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    const json_t *error = NULL;
    if (t->answer.len > 0 && json_parse(t->answer.data, t->answer.len, HTTP_ERROR_MAX, &j, NULL) == 0) {
        error = json_object_get(j, "error");
    }
    const char *word = json_str(error, "code", ""), *message = json_str(error, "message", NULL);
    const char *hint = json_str(error, "hint", NULL);
    int code = err_from_word(word);
    if (code == ERR_INTERNAL) {
        code = http_code_of_status(status);
    }
    if (!message) {
        return err_set(e, code, "%s answered with status %ld", t->client->url, status);
    }
    return hint ? err_set_hint(e, code, hint, "%s", message) : err_set(e, code, "%s", message);
}

static int http_good_answer(struct http_transfer *t, long status, json_t **ret_body, struct err *e)
{
    bool elsewhere = t->use_out_fd && status >= 200 && status < 300;
    if (!ret_body) {
        return 0;
    }
    if (elsewhere || t->answer.len == 0) {
        *ret_body = json_null();
        return 0;
    }
    int r = json_parse(t->answer.data, t->answer.len, (size_t)t->max_answer, ret_body, e);
    return r < 0 ? err_wrap(e, r, "the answer of %s", t->client->url) : 0;
}

/* ---- exported ---- */

static char *http_url(const struct http_client *c, const char *path)
{
    return str_printf("%s%s%s", c->url, path[0] == '/' ? "" : "/", path);
}

static void http_add_headers(struct http_transfer *t, const char *accept, const char *content_type)
{
    _cleanup_free_ char *accept_line = str_printf("Accept: %s", accept);
    http_add_header(t, accept_line);
    if (content_type) {
        _cleanup_free_ char *type_line = str_printf("Content-Type: %s", content_type);
        http_add_header(t, type_line);
    }
    if (t->client->bearer) {
        http_add_header(t, t->client->bearer->data);
    }
}

int http_do(struct http_client *c, const struct http_call *call, int *ret_status, json_t **ret_body,
            struct err *e)
{
    assert(call->method && call->path);
    _cleanup_(http_transfer_done) struct http_transfer t = {
        .client = c,
        .progress = call->progress,
        .progress_arg = call->progress_arg,
        .use_out_fd = call->use_out_fd,
        .out_fd = call->out_fd,
        .max_answer = call->max_answer > 0 ? call->max_answer : HTTP_ANSWER_MAX,
        .url = http_url(c, call->path),
    };
    int r = http_open_body(&t, call, e);
    if (r < 0) {
        return r;
    }
    const char *file_type = call->content_type ? call->content_type : "application/octet-stream";
    http_add_headers(&t, call->use_out_fd ? "*/*" : "application/json",
                     call->use_body_fd ? file_type
                     : t.body_text     ? "application/json"
                                       : NULL);
    if (!call->use_body_fd) {
        http_add_header(&t, "Expect:"); /* asking first pays for files only */
    }
    http_set_common(&t);
    if (http_set_tls(c) < 0) {
        return err_set(e, ERR_INTERNAL, "the HTTP library lacks TLS options");
    }
    http_set_method(&t, call);
    curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)(call->timeout_ms > 0 ? call->timeout_ms : 30000));
    CURLcode code = http_perform(&t);
    long status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    /* An early refusal may come with the connection cut under a body that is still being sent. */
    bool refused =
        status >= 400 && (code == CURLE_OK || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR);
    if (code != CURLE_OK && !refused) {
        return http_explain(&t, code, e);
    }
    if (!refused && (status < 200 || status >= 300)) {
        return err_set(e, ERR_UNAVAILABLE, "%s answered with status %ld", c->url, status);
    }
    if (ret_status) {
        *ret_status = (int)status;
    }
    return refused ? http_error_answer(&t, status, e) : http_good_answer(&t, status, ret_body, e);
}

int http_events(struct http_client *c, const char *path, int idle_ms,
                int (*on_event)(void *arg, const char *event, const char *id, const char *data), void *arg,
                struct err *e)
{
    _cleanup_(sse_done) struct sse_parser parser = {.on_event = on_event, .arg = arg};
    _cleanup_(http_transfer_done) struct http_transfer t = {
        .client = c,
        .events = &parser,
        .idle_ms = idle_ms,
        .max_answer = HTTP_ERROR_MAX,
        .url = http_url(c, path),
    };
    http_add_headers(&t, "text/event-stream", NULL);
    http_set_common(&t);
    if (http_set_tls(c) < 0) {
        return err_set(e, ERR_INTERNAL, "the HTTP library lacks TLS options");
    }
    CURLcode code = http_perform(&t);
    long status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t.stopped != 0 && t.stopped != ERR_TOO_LARGE) {
        return t.stopped; /* the callback's wish */
    }
    if (code != CURLE_OK) {
        return http_explain(&t, code, e);
    }
    if (status >= 400) {
        return http_error_answer(&t, status, e);
    }
    return status == 200 ? 0 : err_set(e, ERR_UNAVAILABLE, "%s answered with status %ld", c->url, status);
}

char *http_encode(const char *s)
{
    static const char hex[] = "0123456789ABCDEF";
    struct buf b = {0};
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~';
        if (plain) {
            buf_addc(&b, (char)c);
        } else {
            buf_addc(&b, '%');
            buf_addc(&b, hex[c >> 4]);
            buf_addc(&b, hex[c & 15]);
        }
    }
    return buf_take(&b);
}
