/*
 * Deadlines on local sockets.
 */
#include "role/local_io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"

static int local_wait(int fd, short events, int64_t deadline_ms, struct err *e)
{
    for (;;) {
        int64_t left = deadline_ms - clock_mono_ms();
        if (left <= 0) {
            return err_set(e, ERR_TIMEOUT, "no answer in time");
        }
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, (int)(left > 60000 ? 60000 : left));
        if (n > 0) {
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return err_errno(e, errno, "poll");
        }
    }
}

static int local_address(const struct local_addr *a, struct sockaddr_storage *ret, socklen_t *ret_len,
                         struct err *e)
{
    *ret = (struct sockaddr_storage){0};
    if (a->path) {
        struct sockaddr_un *un = (struct sockaddr_un *)ret;
        un->sun_family = AF_UNIX;
        if (!str_copy(un->sun_path, sizeof(un->sun_path), a->path)) {
            return err_set(e, ERR_INVALID, "the path of the socket is too long: %s", a->path);
        }
        *ret_len = sizeof(*un);
        return AF_UNIX;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)a->port);
    if (inet_pton(AF_INET, a->address, &in->sin_addr) != 1) {
        return err_set(e, ERR_INVALID, "%s is no IPv4 address", a->address);
    }
    *ret_len = sizeof(*in);
    return AF_INET;
}

int local_connect(const struct local_addr *a, int64_t deadline_ms, struct err *e)
{
    struct sockaddr_storage addr;
    socklen_t len = 0;
    int family = local_address(a, &addr, &len, e);
    if (family < 0) {
        return family;
    }
    _cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_errno(e, errno, "socket");
    }
    if (connect(fd, (struct sockaddr *)&addr, len) != 0) {
        if (errno != EINPROGRESS && errno != EINTR) {
            return err_errno(e, errno, "connect");
        }
        int r = local_wait(fd, POLLOUT, deadline_ms, e);
        if (r < 0) {
            return r;
        }
        int why = 0;
        socklen_t n = sizeof(why);
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) != 0 || why) {
            return err_errno(e, why ? why : errno, "connect");
        }
    }
    return TAKE_FD(fd);
}

int local_send(int fd, const void *p, size_t n, int64_t deadline_ms, struct err *e)
{
    const char *at = p;
    while (n > 0) {
        ssize_t done = send(fd, at, n, MSG_NOSIGNAL);
        if (done < 0 && errno == EAGAIN) {
            int r = local_wait(fd, POLLOUT, deadline_ms, e);
            if (r < 0) {
                return r;
            }
        } else if (done < 0 && errno != EINTR) {
            return err_errno(e, errno, "send");
        } else if (done > 0) {
            at += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

int local_recv(int fd, void *p, size_t n, int64_t deadline_ms, struct err *e)
{
    for (;;) {
        ssize_t done = recv(fd, p, n, 0);
        if (done >= 0) {
            return (int)done;
        }
        if (errno == EAGAIN) {
            int r = local_wait(fd, POLLIN, deadline_ms, e);
            if (r < 0) {
                return r;
            }
        } else if (errno != EINTR) {
            return err_errno(e, errno, "receive");
        }
    }
}

int local_ask(const struct local_addr *a, const char *text, size_t max, int timeout_ms, struct buf *out,
              struct err *e)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    _cleanup_close_ int fd = local_connect(a, deadline, e);
    if (fd < 0) {
        return fd;
    }
    int r = local_send(fd, text, strlen(text), deadline, e);
    char chunk[4096];
    while (r >= 0 && out->len < max) {
        r = local_recv(fd, chunk, sizeof(chunk), deadline, e);
        if (r <= 0) {
            break;
        }
        buf_add(out, chunk, (size_t)r);
    }
    return r < 0 ? r : 0;
}
