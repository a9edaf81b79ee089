/*
 * First program of a node in the conformance tests: says whether it could make a user name space of its own,
 * reaps what dies, ends on SIGTERM.  Static, so that it runs in any root.
 */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* In children, since a success cannot be taken back. */
static int succeeds(int (*f)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(f() == 0);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static int by_unshare(void)
{
    return unshare(CLONE_NEWUSER);
}

static int by_clone(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        _exit(0);
    }
    return pid < 0 ? -1 : 0;
}

static int by_clone3(void)
{
    struct clone_args a = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &a, sizeof(a));

    if (pid == 0) {
        _exit(0);
    }
    return pid < 0 ? -1 : 0;
}

int main(void)
{
    sigset_t set;
    int sig = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    (void)printf("user name spaces: %d %d %d\n", succeeds(by_unshare), succeeds(by_clone),
                 succeeds(by_clone3));
    (void)puts("test init runs");
    (void)fflush(stdout);
    for (;;) {
        if (sigwait(&set, &sig) == 0 && sig == SIGTERM) {
            return 0;
        }
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
}
