/*
 * Tools of the conformance tests of role drivers.
 */
#include "role_tools.h"

#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fs.h"

int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

json_t *target(int id, int port)
{
    return json_pack("{s:i, s:s, s:i}", "id", id, "address", "127.0.0.1", "port", port);
}

int apply_to(struct engine *g, json_t *section, enum role_change *ret, struct err *e)
{
    enum role_change change = CHANGE_NONE;
    int r = engine_configure(g, section, &change, e);
    r = r < 0 ? r : engine_switch(g, section, change, e);
    json_decref(section);
    if (ret) {
        *ret = change;
    }
    return r;
}

struct engine_status engine_now(struct engine *g)
{
    struct engine_status s;
    engine_status(g, &s);
    return s;
}

void expect_at(int port, const struct expectation *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct http_got got;
        (void)http_once(port, x[i].method, x[i].target, x[i].headers ? x[i].headers : "", x[i].body, &got);
        if (got.status != x[i].status || (x[i].contains && !strstr(got.body.data, x[i].contains)) ||
            (x[i].location && !str_eq(got.location, x[i].location))) {
            fail_msg("%s %s: status %d (wanted %d), location \"%s\", body:\n%s\n(wanted: %s)", x[i].method,
                     x[i].target, got.status, x[i].status, got.location, got.body.data ? got.body.data : "",
                     x[i].contains);
        }
        http_got_done(&got);
    }
}

void no_failures(struct load *l, const char *what)
{
    load_stop(l);
    print_message("   %-44s %6ld requests, %ld failed\n", what, atomic_load(&l->done),
                  atomic_load(&l->failed));
    if (atomic_load(&l->failed) != 0) {
        fail_msg("%s: %ld of %ld requests failed, first: %s", what, atomic_load(&l->failed),
                 atomic_load(&l->done), l->first_failure);
    }
}

void breathe(struct load *l, long requests)
{
    long from = atomic_load(&l->done);
    WAIT_FOR(atomic_load(&l->done) - from >= requests);
}

/* Process and mount namespaces of our own: whatever becomes of this test, its engines end with it. */
int within_namespace(int (*f)(int, char **), int argc, char **argv)
{
    int status = 0;
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("proc", "/proc", "proc", 0, NULL) != 0) {
            _exit(77);
        }
        exit(f(argc, argv));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        print_message("skipped: no namespaces here\n");
        return 77;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int need_engines(const char *const *files)
{
    for (; *files; files++) {
        if (!fs_exists(*files)) {
            print_message("skipped: %s is not installed\n", *files);
            return 77;
        }
    }
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        return 77;
    }
    return 0;
}
