/*
 * A visitor that never tires: keeps asking for pages over kept and over new connections, checks each answer's
 * status and a marker in its body, and counts.  For the suites that change a service while it is visited.
 *
 *   conpaas-load --target ADDRESS:PORT [--target ...] --path '/index.php=MARK|OTHER MARK' [--path ...]
 *                [--host NAME] [--keep N] [--new N] [--pause-ms N] [--seconds N]
 *
 * Runs until SIGTERM, at most --seconds.  A request fails when there is no connection, no complete answer within
 * 10 s, another status than 200, or no marker.  One thing is counted apart and tried again at once on a new
 * connection, as every browser does (RFC 9112 9.3.1): a kept connection that the server had closed before it sent
 * a byte of the answer.  Exit 0: nothing failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/str.h"

#define TARGETS_MAX 8
#define PATHS_MAX 16
#define CLIENTS_MAX 64
#define TIMEOUT_MS 10000
#define BODY_MAX (1 << 20)
#define TOLD_MAX 10

struct target {
    char *text;
    struct sockaddr_in address;
};
struct page {
    char *path;
    char **marks;
};
struct load {
    struct target targets[TARGETS_MAX];
    int n_targets;
    struct page pages[PATHS_MAX];
    int n_pages;
    const char *host;
    int64_t keep, fresh, pause_ms, seconds;
    int64_t deadline_ms;
    atomic_bool stop;
    atomic_llong ok, failed, stale, told;
    atomic_llong by_page[PATHS_MAX];
    pthread_mutex_t lock;
    int64_t slowest_ms; /* guarded by lock */
};
struct client {
    struct load *load;
    int number;
    bool keep;
    pthread_t thread;
};
struct answer {
    struct buf raw;
    size_t head; /* length of the head with its blank line; 0 = not yet complete */
    bool closes;
};

enum outcome { GOOD, BAD, STALE };

static void answer_done(struct answer *a)
{
    buf_done(&a->raw);
}

static int wait_fd(int fd, short events, int64_t deadline_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left = deadline_ms - clock_mono_ms();
    return left <= 0 ? 0 : poll(&p, 1, (int)left);
}

static int dial(const struct target *t, int64_t deadline_ms, struct err *e)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    int problem = 0;
    socklen_t len = sizeof(problem);
    if (fd < 0) {
        return err_errno(e, errno, "socket");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (const struct sockaddr *)&t->address, sizeof(t->address)) < 0) {
        if (errno != EINPROGRESS) {
            return err_errno(e, errno, "connect to %s", t->text);
        }
        if (wait_fd(fd, POLLOUT, deadline_ms) <= 0) {
            return err_set(e, ERR_TIMEOUT, "connect to %s: no answer", t->text);
        }
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) < 0 || problem != 0) {
            return err_errno(e, problem ? problem : errno, "connect to %s", t->text);
        }
    }
    return TAKE_FD(fd);
}

static int send_request(int fd, const struct load *l, const struct page *p, bool keep, int64_t deadline_ms,
                        struct err *e)
{
    _cleanup_buf_ struct buf b = {0};
    buf_addf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: conpaas-load\r\n%s\r\n", p->path, l->host,
             keep ? "" : "Connection: close\r\n");
    size_t done = 0;
    while (done < b.len) {
        ssize_t n = send(fd, b.data + done, b.len - done, MSG_NOSIGNAL);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EAGAIN && wait_fd(fd, POLLOUT, deadline_ms) > 0) {
            continue;
        } else {
            return err_errno(e, n < 0 ? errno : EIO, "send");
        }
    }
    return 0;
}

/* Value of a header in the head, or NULL; not terminated by NUL but by CR. */
static const char *header(const struct answer *a, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = a->raw.data; p && p < a->raw.data + a->head;) {
        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;
            return p + strspn(p, " \t");
        }
        p = strstr(p, "\r\n");
        p = p ? p + 2 : NULL;
    }
    return NULL;
}

static bool header_is(const struct answer *a, const char *name, const char *word)
{
    const char *v = header(a, name);
    return v && strncasecmp(v, word, strlen(word)) == 0;
}

/* Is the last chunk there? The text of our pages is never mistaken: sizes are walked. */
static bool chunks_complete(const struct answer *a)
{
    size_t at = a->head;
    for (;;) {
        char *end;
        if (at >= a->raw.len || !strstr(a->raw.data + at, "\r\n")) {
            return false;
        }
        unsigned long size = strtoul(a->raw.data + at, &end, 16);
        size_t data = (size_t)(strstr(a->raw.data + at, "\r\n") - a->raw.data) + 2;
        if (size == 0) {
            return data + 2 <= a->raw.len;
        }
        if (size > BODY_MAX || data + size + 2 > a->raw.len) {
            return false;
        }
        at = data + size + 2;
    }
}

static bool complete(struct answer *a, bool ended)
{
    if (a->head == 0) {
        const char *blank = a->raw.data ? strstr(a->raw.data, "\r\n\r\n") : NULL;
        if (!blank) {
            return false;
        }
        a->head = (size_t)(blank - a->raw.data) + 4;
        a->closes = header_is(a, "Connection", "close");
    }
    const char *length = header(a, "Content-Length");
    if (length) {
        return a->raw.len - a->head >= strtoul(length, NULL, 10);
    }
    if (header_is(a, "Transfer-Encoding", "chunked")) {
        return chunks_complete(a);
    }
    a->closes = true;
    return ended;
}

/* Reads one answer. ERR_UNAVAILABLE: the connection ended before a byte of it. */
static int receive(int fd, struct answer *a, int64_t deadline_ms, struct err *e)
{
    char chunk[16384];
    for (;;) {
        int ready = wait_fd(fd, POLLIN, deadline_ms);
        if (ready <= 0) {
            return err_set(e, ERR_TIMEOUT, "no complete answer within %d s (%zu bytes so far)",
                           TIMEOUT_MS / 1000, a->raw.len);
        }
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        if (n > 0) {
            buf_add(&a->raw, chunk, (size_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            continue;
        } else if (a->raw.len == 0) {
            return err_set(e, ERR_UNAVAILABLE, "the connection ended before the answer%s%s",
                           n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
        }
        if (a->raw.len > BODY_MAX) {
            return err_set(e, ERR_TOO_LARGE, "an answer of more than %d bytes", BODY_MAX);
        }
        if (complete(a, n <= 0)) {
            return 0;
        }
        if (n <= 0) {
            return err_set(e, ERR_FAILED, "the answer was cut after %zu bytes", a->raw.len);
        }
    }
}

static int judge(const struct answer *a, const struct page *p, struct err *e)
{
    if (!a->raw.data) {
        return err_set(e, ERR_FAILED, "no answer");
    }
    _cleanup_free_ char *line = xstrndup(a->raw.data, strcspn(a->raw.data, "\r\n"));
    if (!str_starts(line, "HTTP/1.1 200") && !str_starts(line, "HTTP/1.0 200")) {
        return err_set(e, ERR_FAILED, "%s", line);
    }
    for (char **m = p->marks; *m; m++) {
        if (memmem(a->raw.data + a->head, a->raw.len - a->head, *m, strlen(*m))) {
            return 0;
        }
    }
    return err_set(e, ERR_FAILED, "the marker is missing: %.60s", a->raw.data + a->head);
}

static enum outcome ask(struct client *c, int *fd, const struct target *t, const struct page *p,
                        struct err *e)
{
    int64_t deadline = clock_mono_ms() + TIMEOUT_MS;
    bool reused = *fd >= 0;
    _cleanup_(answer_done) struct answer a = {0};
    if (*fd < 0 && (*fd = dial(t, deadline, e)) < 0) {
        *fd = -1;
        return BAD;
    }
    int r = send_request(*fd, c->load, p, c->keep, deadline, e);
    bool unsent = r < 0;
    if (r == 0) {
        r = receive(*fd, &a, deadline, e);
    }
    if (r < 0 || a.closes || !c->keep) {
        close(*fd);
        *fd = -1;
    }
    if (r < 0) {
        return reused && (unsent || r == ERR_UNAVAILABLE) ? STALE : BAD;
    }
    return judge(&a, p, e) < 0 ? BAD : GOOD;
}

static void tell(struct load *l, const struct client *c, const struct page *p, const struct err *e)
{
    char when[24];
    if (atomic_fetch_add(&l->told, 1) < TOLD_MAX) {
        clock_iso(clock_wall_ms(), when);
        fprintf(stderr, "load: %s client %d (%s) %s: %s\n", when, c->number, c->keep ? "kept" : "new",
                p->path, e->message ? e->message : "?");
    }
}

static void one_request(struct client *c, int *fd, int turn)
{
    struct load *l = c->load;
    struct err e = {0};
    int page = turn % l->n_pages;
    const struct target *t = &l->targets[c->keep ? c->number % l->n_targets : turn % l->n_targets];
    int64_t began = clock_mono_ms();
    enum outcome o = ask(c, fd, t, &l->pages[page], &e);
    if (o == STALE) {
        atomic_fetch_add(&l->stale, 1);
        err_done(&e);
        e = (struct err){0};
        o = ask(c, fd, t, &l->pages[page], &e);
    }
    int64_t took = clock_mono_ms() - began;
    pthread_mutex_lock(&l->lock);
    l->slowest_ms = took > l->slowest_ms ? took : l->slowest_ms;
    pthread_mutex_unlock(&l->lock);
    if (o == GOOD) {
        atomic_fetch_add(&l->ok, 1);
        atomic_fetch_add(&l->by_page[page], 1);
    } else {
        atomic_fetch_add(&l->failed, 1);
        tell(l, c, &l->pages[page], &e);
    }
    err_done(&e);
}

static void *client_main(void *arg)
{
    struct client *c = arg;
    struct load *l = c->load;
    int fd = -1;
    for (int turn = c->number; !atomic_load(&l->stop) && clock_mono_ms() < l->deadline_ms; turn++) {
        one_request(c, &fd, turn);
        struct timespec pause = {.tv_sec = l->pause_ms / 1000, .tv_nsec = l->pause_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    closep(&fd);
    return NULL;
}

static int add_target(struct load *l, const char *text)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *colon = strrchr(copy, ':');
    int64_t port;
    if (!colon || l->n_targets == TARGETS_MAX || str_to_int(colon + 1, 1, 65535, &port) < 0) {
        return -1;
    }
    *colon = '\0';
    struct target *t = &l->targets[l->n_targets];
    t->address.sin_family = AF_INET;
    t->address.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, copy, &t->address.sin_addr) != 1) {
        return -1;
    }
    t->text = xstrdup(text);
    l->n_targets++;
    return 0;
}

static int add_page(struct load *l, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || text[0] != '/' || l->n_pages == PATHS_MAX) {
        return -1;
    }
    l->pages[l->n_pages++] =
        (struct page){.path = xstrndup(text, (size_t)(equals - text)), .marks = str_split(equals + 1, '|')};
    return 0;
}

static int read_option(struct load *l, int c, const char *value)
{
    switch (c) {
    case 't':
        return add_target(l, value);
    case 'p':
        return add_page(l, value);
    case 'h':
        l->host = value;
        return 0;
    case 'k':
        return str_to_int(value, 0, CLIENTS_MAX / 2, &l->keep);
    case 'n':
        return str_to_int(value, 0, CLIENTS_MAX / 2, &l->fresh);
    case 'w':
        return str_to_int(value, 0, 60000, &l->pause_ms);
    case 's':
        return str_to_int(value, 1, 7200, &l->seconds);
    default:
        return -1;
    }
}

static int read_options(struct load *l, int argc, char **argv)
{
    static const struct option options[] = {
        {"target", required_argument, NULL, 't'},  {"path", required_argument, NULL, 'p'},
        {"host", required_argument, NULL, 'h'},    {"keep", required_argument, NULL, 'k'},
        {"new", required_argument, NULL, 'n'},     {"pause-ms", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 's'}, {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (read_option(l, c, optarg) < 0) {
            return -1;
        }
    }
    return l->n_targets > 0 && l->n_pages > 0 && l->keep + l->fresh > 0 && optind == argc ? 0 : -1;
}

/* Ends at SIGTERM or at the deadline, whichever is first. */
static void wait_end(struct load *l, const sigset_t *set)
{
    struct timespec left = {.tv_sec = l->seconds};
    (void)sigtimedwait(set, NULL, &left);
    atomic_store(&l->stop, true);
}

static void free_load(struct load *l)
{
    for (int i = 0; i < l->n_targets; i++) {
        free(l->targets[i].text);
    }
    for (int i = 0; i < l->n_pages; i++) {
        free(l->pages[i].path);
        strv_free(l->pages[i].marks);
    }
}

static void print_result(struct load *l, int64_t took_ms)
{
    long long ok = atomic_load(&l->ok);
    printf("requests %lld ok %lld failed %lld stale %lld slowest_ms %lld rate %.0f\n",
           ok + (long long)atomic_load(&l->failed), ok, (long long)atomic_load(&l->failed),
           (long long)atomic_load(&l->stale), (long long)l->slowest_ms,
           took_ms > 0 ? (double)ok * 1000 / (double)took_ms : 0.0);
    for (int i = 0; i < l->n_pages; i++) {
        printf("page %s %lld\n", l->pages[i].path, (long long)atomic_load(&l->by_page[i]));
    }
}

int main(int argc, char **argv)
{
    static struct load l = {.host = "shop.example",
                            .keep = 4,
                            .fresh = 4,
                            .pause_ms = 20,
                            .seconds = 60,
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    static struct client clients[CLIENTS_MAX];
    sigset_t set;
    if (read_options(&l, argc, argv) < 0) {
        fprintf(stderr,
                "usage: conpaas-load --target ADDRESS:PORT --path '/PATH=MARK|MARK' [--keep N] [--new N]\n"
                "                    [--pause-ms N] [--seconds N] [--host NAME]\n");
        return 2;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int64_t began = clock_mono_ms();
    l.deadline_ms = began + l.seconds * 1000;
    int n = (int)(l.keep + l.fresh);
    int started = 0;
    for (; started < n; started++) {
        clients[started] = (struct client){.load = &l, .number = started, .keep = started < l.keep};
        if (pthread_create(&clients[started].thread, NULL, client_main, &clients[started]) != 0) {
            fprintf(stderr, "load: no thread for client %d\n", started);
            atomic_fetch_add(&l.failed, 1);
            break;
        }
    }
    wait_end(&l, &set);
    for (int i = 0; i < started; i++) {
        pthread_join(clients[i].thread, NULL);
    }
    print_result(&l, clock_mono_ms() - began);
    int code = atomic_load(&l.failed) > 0 || atomic_load(&l.ok) == 0;
    free_load(&l);
    return code;
}
