/*
 * First program of a node in the conformance tests: reaps what dies, ends on SIGTERM.  Static, so that it
 * runs in any root.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

int main(void)
{
    sigset_t set;
    int sig = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
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
