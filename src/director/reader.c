/*
 * A request is one datagram with two descriptors: the archive, and a socket for the answer.  The reader forks
 * a child for it and goes on; archive_check forks once more, into the process with the limits.
 */
#include "director/reader.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define ANSWER_MS (600 * 1000)

struct answer {
    int rc;
    struct archive_info info;
    char message[1024], hint[256];
};

/* ---- in the reader ---- */

static int receive(int sock, int fds[2])
{
    char byte, control[CMSG_SPACE(2 * sizeof(int))] = "";
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t n = 0;
    do {
        n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(2 * sizeof(int))) {
        return -1;
    }
    memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
    return 0;
}

static void answer_one(int archive, int out)
{
    struct answer a = {0};
    _cleanup_err_ struct err e = {0};
    signal(SIGCHLD, SIG_DFL);
    a.rc = archive_check(archive, &(struct archive_limits){0}, &a.info, &e);
    (void)str_copy(a.message, sizeof(a.message), e.message ? e.message : "");
    (void)str_copy(a.hint, sizeof(a.hint), e.hint ? e.hint : "");
    (void)!send(out, &a, sizeof(a), MSG_NOSIGNAL);
}

/* Only the request socket stays open: a lock on the data directory held here would outlive the director. */
static void keep_only(int sock)
{
    if (dup2(sock, 3) < 0 || close_range(4, ~0U, 0) < 0) {
        _exit(1);
    }
}

static void serve(int sock)
{
    int fds[2];
    keep_only(sock);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    while (receive(3, fds) == 0) {
        if (fork() == 0) {
            close(3);
            answer_one(fds[0], fds[1]);
            _exit(0);
        }
        close(fds[0]); /* when the fork has failed the asker sees the end of its socket */
        close(fds[1]);
    }
    _exit(0);
}

/* ---- in the director ---- */

int reader_start(struct reader *r, struct err *e)
{
    int pair[2];
    *r = (struct reader){.sock = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return err_errno(e, errno, "the reader of archives");
    }
    r->pid = fork();
    if (r->pid == 0) {
        serve(pair[1]);
    }
    close(pair[1]);
    if (r->pid < 0) {
        close(pair[0]);
        return err_errno(e, errno, "the reader of archives");
    }
    r->sock = pair[0];
    return 0;
}

void reader_stop(struct reader *r)
{
    if (r->sock < 0 || r->pid <= 0) {
        return;
    }
    closep(&r->sock);
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    r->pid = 0;
}

static int ask(const struct reader *r, int archive, int out)
{
    char byte = 'c', control[CMSG_SPACE(2 * sizeof(int))] = "";
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int fds[2] = {archive, out};
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(c), fds, sizeof(fds));
    return sendmsg(r->sock, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* 1 readable, 0 the time is up. */
static int wait_readable(int fd)
{
    int64_t until = clock_mono_ms() + ANSWER_MS;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (int64_t left = ANSWER_MS; left > 0; left = until - clock_mono_ms()) {
        int n = poll(&p, 1, (int)left);
        if (n > 0 || (n < 0 && errno != EINTR)) {
            return 1;
        }
    }
    return 0;
}

int reader_check(struct reader *r, int fd, struct archive_info *ret, struct err *e)
{
    struct answer a;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return err_errno(e, errno, "the reader of archives");
    }
    _cleanup_close_ int mine = pair[0];
    int rc = ask(r, fd, pair[1]);
    close(pair[1]);
    if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET) {
        return err_set_hint(e, ERR_UNAVAILABLE, "try again in a moment", "the reader of archives: %s",
                            strerror(-rc));
    }
    if (rc < 0) {
        /* It can only be forked while there is one thread: a fresh director brings a fresh one. */
        atomic_store(&r->gone, true);
        (void)kill(getpid(), SIGTERM);
        return err_set_hint(e, ERR_UNAVAILABLE, "try again in a moment: the director starts anew",
                            "the reader of archives is gone");
    }
    if (!wait_readable(mine)) {
        return err_set(e, ERR_TIMEOUT, "the archive could not be checked in time");
    }
    if (recv(mine, &a, sizeof(a), 0) != (ssize_t)sizeof(a)) {
        return err_set(e, ERR_FAILED, "the reader of archives gave no answer");
    }
    a.message[sizeof(a.message) - 1] = a.hint[sizeof(a.hint) - 1] = '\0';
    if (a.rc < 0) {
        return a.hint[0] ? err_set_hint(e, a.rc, a.hint, "%s", a.message) : err_set(e, a.rc, "%s", a.message);
    }
    *ret = a.info;
    return 0;
}
