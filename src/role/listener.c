/*
 * Listening sockets of the agent.
 */
#include "role/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/fs.h"

#define LISTENER_BACKLOG 1024

int listener_open(struct listener *l, const char *address, int port, struct err *e)
{
    _cleanup_free_ char *name = str_printf("%s:%d", address, port);
    if (l->fd >= 0 && str_eq(name, l->name)) {
        return 0;
    }
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    if (fd < 0 || inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, LISTENER_BACKLOG) != 0) {
        return err_errno(e, errno, "cannot listen on %s", name);
    }
    listener_close(l);
    l->fd = TAKE_FD(fd);
    l->name = TAKE_PTR(name);
    return 0;
}

void listener_close(struct listener *l)
{
    if (l->fd >= 0) {
        closep(&l->fd);
    }
    free(l->name);
    l->fd = -1;
    l->name = NULL;
}
