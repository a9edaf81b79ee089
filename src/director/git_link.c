#include "director/git_link.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "director/code.h"
#include "director/git_push.h"
#include "director/git_repo.h"

#define CLIENTS_MAX 64
#define SESSIONS_EACH 8 /* of one application at once */
#define LINE_MAX_BYTES 16384
#define IDLE_MS (20 * 60 * 1000)
#define SEND_TIMEOUT_S 20
#define THREAD_STACK (1 << 20)

static const struct log_ctx here = {.logger = "director.git"};

struct git_link {
    struct director *d;
    int listener, stop;
    uid_t user;
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int n;
    int fds[CLIENTS_MAX]; /* of connections, -1 = free */
    struct gate sessions; /* by application */
    struct log_limit refused;
};

struct client {
    struct git_link *l;
    struct git_peer peer;
    int place;
    int passed;      /* descriptor that came with the line; -1: none */
    int64_t session; /* application of which it holds a session; 0: none */
};

/* ---- lines ---- */

int git_link_tell(const struct git_peer *p, json_t *line)
{
    _cleanup_free_ char *text = json_text(line);
    _cleanup_buf_ struct buf b = {0};
    json_decref(line);
    buf_addf(&b, "%s\n", text);
    for (size_t at = 0; at < b.len;) {
        ssize_t n = send(p->fd, b.data + at, b.len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return ERR_GONE;
        }
        at += (size_t)n;
    }
    return 0;
}

bool git_link_gone(const struct git_peer *p)
{
    struct pollfd f = {.fd = p->fd, .events = POLLRDHUP};
    return poll(&f, 1, 0) > 0;
}

static int tell_error(const struct git_peer *p, int code, const struct err *e)
{
    return git_link_tell(p, json_pack("{s:{s:s, s:s, s:s?}}", "error", "code", err_word(code), "message",
                                      e->message ? e->message : "failed", "hint", e->hint));
}

/* ---- calls ---- */

struct request {
    const char *call, *type, *key, *name, *commit, *subject;
    int64_t service;
};

static int read_key(const struct request *r, struct ssh_key *ret, struct err *e)
{
    _cleanup_free_ char *line = str_printf("%s %s", r->type ? r->type : "", r->key ? r->key : "");
    return ssh_key_parse(line, ret, e);
}

static int call_key(struct client *c, const struct request *r, json_t **ret, struct err *e)
{
    struct ssh_key key;
    int rc = read_key(r, &key, NULL) < 0 ? 0 : git_key_known(c->peer.d, &key, e);
    if (rc >= 0) {
        *ret = json_pack("{s:b}", "known", rc > 0);
    }
    return rc;
}

static int call_open(struct client *c, const struct request *r, json_t **ret, struct err *e)
{
    struct director *d = c->peer.d;
    struct ssh_key key;
    struct git_target t;
    int64_t room = 0;
    int rc = read_key(r, &key, e);
    if (rc < 0 || (rc = git_resolve(d, &key, r->name ? r->name : "", &t, e)) < 0 ||
        (rc = code_room(d, t.app, &room, e)) < 0) {
        return rc;
    }
    if (!c->session) {
        if ((rc = gate_enter(&c->l->sessions, t.app, SESSIONS_EACH, e)) < 0) {
            return err_wrap(e, rc, "clones and pushes of this application");
        }
        c->session = t.app;
    }
    *ret = json_pack("{s:I, s:s, s:I}", "service", (json_int_t)t.service, "name", t.name, "room",
                     (json_int_t)room);
    return 0;
}

static bool is_commit(const char *s)
{
    size_t n = s ? strlen(s) : 0;
    return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n;
}

static int call_push(struct client *c, const struct request *r, json_t **ret, struct err *e)
{
    struct git_push push = {
        .service = r->service, .commit = r->commit, .subject = r->subject, .archive = c->passed};
    struct stat st;
    int rc = read_key(r, &push.key, e);
    if (rc < 0) {
        return rc;
    }
    if (!is_commit(r->commit) || c->passed < 0 || fstat(c->passed, &st) < 0 || !S_ISREG(st.st_mode)) {
        return err_set(e, ERR_INVALID, "a push needs a commit and an archive");
    }
    return git_push_take(&c->peer, &push, ret, e);
}

/* Repositories of other services may be removed: not while the records may be older than the repositories. */
static int call_services(struct client *c, const struct request *r, json_t **ret, struct err *e)
{
    struct director *d = c->peer.d;
    size_t n = 0;
    if (atomic_load(&d->recovery)) {
        return err_set(e, ERR_UNAVAILABLE, "the director is in recovery");
    }
    struct slot **all = world_all(d->world, 0, &n);
    json_t *ids = json_array();
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        for (int k = 0; k < all[i]->n && !all[i]->gone; k++) {
            json_array_append_new(ids, json_integer(all[i]->services[k]->row.service.id));
        }
        slot_put(all[i]);
    }
    free(all);
    *ret = json_pack("{s:o}", "services", ids);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct client *c, const struct request *r, json_t **ret, struct err *e);
} calls[] = {{"key", call_key}, {"open", call_open}, {"push", call_push}, {"services", call_services}};

static int run_call(struct client *c, const char *text, size_t n, json_t **ret, struct err *e)
{
    static const struct json_field fields[] = {
        {.name = "call", .kind = JSON_F_STRING, .offset = offsetof(struct request, call), .required = true},
        {.name = "type", .kind = JSON_F_STRING, .offset = offsetof(struct request, type)},
        {.name = "key", .kind = JSON_F_STRING, .offset = offsetof(struct request, key)},
        {.name = "name", .kind = JSON_F_STRING, .offset = offsetof(struct request, name)},
        {.name = "service", .kind = JSON_F_INT, .offset = offsetof(struct request, service)},
        {.name = "commit", .kind = JSON_F_STRING, .offset = offsetof(struct request, commit)},
        {.name = "subject", .kind = JSON_F_STRING, .offset = offsetof(struct request, subject)},
        {0},
    };
    _cleanup_json_ json_t *j = NULL;
    struct request r = {0};
    int rc = json_parse(text, n, LINE_MAX_BYTES, &j, e);
    rc = rc < 0 ? rc : json_read(j, fields, &r, e);
    if (rc < 0) {
        return rc;
    }
    if (!atomic_load(&c->peer.d->ready)) {
        return err_set(e, ERR_UNAVAILABLE, "the director is starting");
    }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (str_eq(calls[i].name, r.call)) {
            return calls[i].run(c, &r, ret, e);
        }
    }
    return err_set(e, ERR_INVALID, "there is no such call");
}

static int answer(struct client *c, const char *text, size_t n)
{
    _cleanup_err_ struct err e = {0};
    json_t *ok = NULL;
    int rc = run_call(c, text, n, &ok, &e);
    closep(&c->passed);
    if (rc < 0 && err_http_status(rc) >= 500 && rc != ERR_UNAVAILABLE && rc != ERR_TIMEOUT &&
        rc != ERR_FAILED) {
        log_error(&here, "%s", e.message ? e.message : "failed");
        (void)err_set(&e, rc, "the director failed; its log says more");
    }
    return rc < 0 ? tell_error(&c->peer, rc, &e) : git_link_tell(&c->peer, json_pack("{s:o}", "ok", ok));
}

/* ---- a connection ---- */

static ssize_t receive(struct client *c, char *chunk, size_t size)
{
    char control[CMSG_SPACE(sizeof(int))] = "";
    struct iovec iov = {.iov_base = chunk, .iov_len = size};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct pollfd p = {.fd = c->peer.fd, .events = POLLIN};
    if (poll(&p, 1, IDLE_MS) <= 0) {
        return 0;
    }
    ssize_t n = recvmsg(c->peer.fd, &m, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (h && h->cmsg_type == SCM_RIGHTS && h->cmsg_len == CMSG_LEN(sizeof(int))) {
        closep(&c->passed);
        memcpy(&c->passed, CMSG_DATA(h), sizeof(int));
    }
    return n;
}

static void leave(struct client *c)
{
    struct git_link *l = c->l;
    closep(&c->passed);
    if (c->session) {
        gate_leave(&l->sessions, c->session);
    }
    pthread_mutex_lock(&l->lock);
    close(l->fds[c->place]);
    l->fds[c->place] = -1;
    l->n--;
    pthread_cond_signal(&l->ended);
    pthread_mutex_unlock(&l->lock);
    free(c);
}

static void *serve(void *arg)
{
    struct client *c = arg;
    _cleanup_buf_ struct buf in = {0};
    char chunk[2048];
    ssize_t n;
    while (in.len <= LINE_MAX_BYTES && (n = receive(c, chunk, sizeof(chunk))) > 0) {
        buf_add(&in, chunk, (size_t)n);
        const char *nl = memchr(in.data, '\n', in.len);
        if (!nl) {
            continue;
        }
        size_t len = (size_t)(nl - in.data);
        if (answer(c, in.data, len) < 0) {
            break;
        }
        memmove(in.data, in.data + len + 1, in.len - len - 1);
        in.len -= len + 1;
    }
    leave(c);
    return NULL;
}

/* ---- the socket ---- */

static bool may_connect(const struct git_link *l, int fd)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
           (peer.uid == l->user || peer.uid == getuid());
}

static int free_place(struct git_link *l, int fd)
{
    int place = -1;
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < CLIENTS_MAX && place < 0; i++) {
        place = l->fds[i] < 0 ? i : -1;
    }
    if (place >= 0) {
        l->fds[place] = fd;
        l->n++;
    }
    pthread_mutex_unlock(&l->lock);
    return place;
}

static void accept_one(struct git_link *l)
{
    const struct timeval limit = {.tv_sec = SEND_TIMEOUT_S};
    int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (!may_connect(l, fd)) {
        if (log_allowed(&l->refused, 10, 60000)) {
            log_warn(&here, "a connection of another user was refused");
        }
        close(fd);
        return;
    }
    int place = free_place(l, fd);
    if (place < 0) {
        close(fd);
        return;
    }
    struct client *c = xcalloc(1, sizeof(*c));
    *c = (struct client){.l = l, .peer = {.d = l->d, .fd = fd}, .place = place, .passed = -1};
    pthread_attr_t attr;
    pthread_t t;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    if (pthread_create(&t, &attr, serve, c) != 0) {
        leave(c);
    }
    pthread_attr_destroy(&attr);
}

static void *listen_main(void *arg)
{
    struct git_link *l = arg;
    struct pollfd p[2] = {{.fd = l->listener, .events = POLLIN}, {.fd = l->stop, .events = POLLIN}};
    while (!p[1].revents) {
        if (poll(p, 2, -1) > 0 && p[0].revents) {
            accept_one(l);
        }
    }
    return NULL;
}

/* Connecting is for everybody, being heard for one user: no group has to be shared. */
static int listen_at(const char *path, struct err *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!str_copy(a.sun_path, sizeof(a.sun_path), path)) {
        return err_set(e, ERR_INVALID, "the socket's path %s is too long", path);
    }
    (void)unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(path, 0666) < 0 ||
        listen(fd, 64) < 0) {
        return err_errno(e, errno, "cannot listen on %s", path);
    }
    return TAKE_FD(fd);
}

static uid_t uid_of(const char *user)
{
    _cleanup_free_ char *room = xmalloc(16384);
    struct passwd pw, *found = NULL;
    return getpwnam_r(user, &pw, room, 16384, &found) == 0 && found ? found->pw_uid : getuid();
}

int git_link_start(struct director *d, struct err *e)
{
    if (!d->config.git_socket || !*d->config.git_socket) {
        return 0;
    }
    struct git_link *l = d->git = xcalloc(1, sizeof(*l));
    *l = (struct git_link){.d = d, .listener = -1, .stop = -1};
    memset(l->fds, -1, sizeof(l->fds));
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->ended, NULL);
    gate_init(&l->sessions);
    l->user = uid_of(d->config.git_user);
    l->stop = eventfd(0, EFD_CLOEXEC);
    l->listener = listen_at(d->config.git_socket, e);
    if (l->listener < 0) {
        return l->listener;
    }
    int rc = pthread_create(&l->thread, NULL, listen_main, l);
    if (rc != 0) {
        return err_errno(e, rc, "the thread for pushes");
    }
    l->runs = true;
    return 0;
}

void git_link_stop(struct director *d)
{
    struct git_link *l = d->git;
    const uint64_t one = 1;
    if (!l) {
        return;
    }
    if (l->runs) {
        (void)!write(l->stop, &one, sizeof(one));
        pthread_join(l->thread, NULL);
        (void)unlink(d->config.git_socket);
    }
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (l->fds[i] >= 0) {
            (void)shutdown(l->fds[i], SHUT_RDWR);
        }
    }
    while (l->n > 0) {
        pthread_cond_wait(&l->ended, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    closep(&l->listener);
    closep(&l->stop);
    gate_done(&l->sessions);
    pthread_cond_destroy(&l->ended);
    pthread_mutex_destroy(&l->lock);
    free(l);
    d->git = NULL;
}
