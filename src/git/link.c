#include "git/link.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES (1 << 20)

int director_link_open(const struct git_config *c, struct director_link *ret, struct err *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!str_copy(a.sun_path, sizeof(a.sun_path), c->socket)) {
        return err_set(e, ERR_INVALID, "the socket's path %s is too long", c->socket);
    }
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        return err_set_hint(e, ERR_UNAVAILABLE, "try again in a moment", "ConPaaS does not answer");
    }
    *ret = (struct director_link){.fd = TAKE_FD(fd)};
    return 0;
}

void director_link_done(struct director_link *l)
{
    closep(&l->fd);
    buf_done(&l->in);
}

/* The descriptor goes with the first byte. */
static int send_line(int to, const char *text, size_t n, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = "";
    struct iovec iov = {.iov_base = (char *)text, .iov_len = n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    while (iov.iov_len > 0) {
        ssize_t sent = sendmsg(to, &m, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return -1;
        }
        iov.iov_base = (char *)iov.iov_base + sent;
        iov.iov_len -= (size_t)sent;
        m.msg_control = NULL;
        m.msg_controllen = 0;
    }
    return 0;
}

/* The next line as JSON. */
static int next_line(struct director_link *l, json_t **ret, struct err *e)
{
    const char *nl;
    while (!(nl = l->in.len ? memchr(l->in.data, '\n', l->in.len) : NULL)) {
        char chunk[4096];
        ssize_t n = recv(l->fd, chunk, sizeof(chunk), 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || l->in.len > LINE_MAX_BYTES) {
            return err_set_hint(e, ERR_UNAVAILABLE, "`conpaas code list SERVICE` shows what became of it",
                                "the connection to ConPaaS has ended");
        }
        buf_add(&l->in, chunk, (size_t)n);
    }
    size_t len = (size_t)(nl - l->in.data);
    int r = json_parse(l->in.data, len, LINE_MAX_BYTES, ret, e);
    memmove(l->in.data, l->in.data + len + 1, l->in.len - len - 1);
    l->in.len -= len + 1;
    return r;
}

int director_link_call(struct director_link *l, json_t *call, int fd, void (*on_line)(const char *text),
                       json_t **ret, struct err *e)
{
    _cleanup_free_ char *text = json_text(call);
    _cleanup_free_ char *line = str_printf("%s\n", text);
    json_decref(call);
    if (send_line(l->fd, line, strlen(line), fd) < 0) {
        return err_set_hint(e, ERR_UNAVAILABLE, "try again in a moment", "ConPaaS does not answer");
    }
    for (;;) {
        _cleanup_json_ json_t *j = NULL;
        int r = next_line(l, &j, e);
        if (r < 0) {
            return r;
        }
        const json_t *error = json_object_get(j, "error");
        if (error) {
            const char *hint = json_str(error, "hint", NULL), *message = json_str(error, "message", "failed");
            int code = err_from_word(json_str(error, "code", ""));
            return hint ? err_set_hint(e, code, hint, "%s", message) : err_set(e, code, "%s", message);
        }
        if (json_str(j, "line", NULL)) {
            if (on_line) {
                on_line(json_str(j, "line", ""));
            }
            continue;
        }
        if (ret) {
            *ret = json_incref(json_object_get(j, "ok"));
        }
        return 0;
    }
}
