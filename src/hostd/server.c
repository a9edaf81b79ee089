#include "hostd/server.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fs.h"
#include "base/log.h"
#include "hostd/calls.h"

#define IDLE_MS 120000
#define SEND_TIMEOUT_S 20
#define THREAD_STACK (1 << 20)

static const struct log_ctx ctx = {.logger = "hostd"};

struct server {
    struct hostd *h;
    uid_t user;
    int stop_fd;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int64_t clients;
    struct log_limit refused;
};
struct client {
    struct server *s;
    int fd;
};

/* ---- one connection ---- */

static int send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return -1;
        }
        p += sent;
        n -= (size_t)sent;
    }
    return 0;
}

static int answer(int fd, char *text)
{
    int r = send_all(fd, text, strlen(text));

    free(text);
    return r < 0 ? r : send_all(fd, "\n", 1);
}

/* Waits for bytes or the end of the server; false = the connection is over. */
static bool more(const struct client *c)
{
    struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = c->s->stop_fd, .events = POLLIN}};
    int r;

    do {
        r = poll(p, 2, IDLE_MS);
    } while (r < 0 && errno == EINTR);
    return r > 0 && p[1].revents == 0;
}

/* Answers the complete lines of the buffer; false = the connection is over. */
static bool answer_lines(struct client *c, struct buf *in)
{
    char *nl;

    while (in->len > 0 && (nl = memchr(in->data, '\n', in->len))) {
        size_t n = (size_t)(nl - in->data);
        if (answer(c->fd, calls_answer(c->s->h, in->data, n)) < 0) {
            return false;
        }
        memmove(in->data, nl + 1, in->len - n - 1);
        in->len -= n + 1;
    }
    if (in->len > CALLS_LINE_MAX) {
        (void)answer(c->fd, calls_error(CLOUD_INVALID, "a call is at most 64 KiB long"));
        return false;
    }
    return true;
}

static void *serve(void *arg)
{
    struct client *c = arg;
    struct server *s = c->s;
    _cleanup_buf_ struct buf in = {0};
    _cleanup_free_ char *chunk = xmalloc(16384);

    while (more(c)) {
        ssize_t n = recv(c->fd, chunk, 16384, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        buf_add(&in, chunk, (size_t)n);
        if (!answer_lines(c, &in)) {
            break;
        }
    }
    /* User data holds enrolment tokens. */
    if (in.data) {
        mem_wipe(in.data, in.cap);
    }
    mem_wipe(chunk, 16384);
    (void)close(c->fd);
    free(c);
    pthread_mutex_lock(&s->lock);
    s->clients--;
    (void)pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the socket ---- */

static bool may_connect(const struct server *s, int fd)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && (peer.uid == 0 || peer.uid == s->user);
}

static bool take_slot(struct server *s)
{
    bool ok;

    pthread_mutex_lock(&s->lock);
    ok = s->clients < s->h->conf->max_clients;
    s->clients += ok;
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static void give_slot(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    s->clients--;
    pthread_mutex_unlock(&s->lock);
}

static void start_client(struct server *s, int fd)
{
    struct client *c = xcalloc(1, sizeof(*c));
    pthread_attr_t attr;
    pthread_t t;
    int r;

    *c = (struct client){.s = s, .fd = fd};
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, THREAD_STACK);
    r = pthread_create(&t, &attr, serve, c);
    (void)pthread_attr_destroy(&attr);
    if (r != 0) {
        (void)close(fd);
        free(c);
        give_slot(s);
    }
}

static void accept_one(struct server *s, int listener)
{
    const struct timeval limit = {.tv_sec = SEND_TIMEOUT_S};
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (!may_connect(s, fd)) {
        (void)answer(fd, calls_error(CLOUD_AUTH, "only root and the configured user may connect"));
        if (log_allowed(&s->refused, 10, 60000)) {
            log_warn(&ctx, "a connection of another user was refused");
        }
        (void)close(fd);
        return;
    }
    if (!take_slot(s)) {
        (void)answer(fd, calls_error(CLOUD_THROTTLED, "too many connections at once"));
        (void)close(fd);
        return;
    }
    start_client(s, fd);
}

/* The configured user's ids; root's when there is no such user yet. */
static void user_ids(const struct config *c, uid_t *uid, gid_t *gid)
{
    _cleanup_free_ char *room = xmalloc(16384);
    struct passwd pw, *found = NULL;

    *uid = 0;
    *gid = 0;
    if (getpwnam_r(c->user, &pw, room, 16384, &found) == 0 && found) {
        *uid = found->pw_uid;
        *gid = found->pw_gid;
    }
}

static int listen_at(const char *path, uid_t uid, gid_t gid, struct err *e)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    _cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    int r;

    if (!str_copy(a.sun_path, sizeof(a.sun_path), path)) {
        return err_set(e, ERR_INVALID, "the socket's path %s is too long", path);
    }
    r = dir[0] ? fs_mkdirs(dir, 0711, e) : 0;
    if (r < 0) {
        return r;
    }
    (void)unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(path, 0600) < 0 ||
        chown(path, uid, gid) < 0 || listen(fd, 64) < 0) {
        return err_errno(e, errno, "cannot listen on %s", path);
    }
    return TAKE_FD(fd);
}

static void wait_for_clients(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->clients > 0) {
        pthread_cond_wait(&s->ended, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

int server_run(struct hostd *h, int stop_fd, struct err *e)
{
    struct server s = {.h = h, .stop_fd = stop_fd};
    _cleanup_close_ int listener = -1;
    gid_t gid;

    user_ids(h->conf, &s.user, &gid);
    listener = listen_at(h->conf->socket, s.user, gid, e);
    if (listener < 0) {
        return listener;
    }
    (void)pthread_mutex_init(&s.lock, NULL);
    (void)pthread_cond_init(&s.ended, NULL);
    log_info(&ctx, "listening on %s for root and %s", h->conf->socket,
             s.user ? h->conf->user : "nobody else");
    for (;;) {
        struct pollfd p[2] = {{.fd = listener, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (p[1].revents) {
            break;
        }
        if (p[0].revents) {
            accept_one(&s, listener);
        }
    }
    (void)unlink(h->conf->socket);
    wait_for_clients(&s);
    (void)pthread_cond_destroy(&s.ended);
    (void)pthread_mutex_destroy(&s.lock);
    return 0;
}
