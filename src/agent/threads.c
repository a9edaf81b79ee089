#include "agent/threads.h"

#include <signal.h>

#define THREADS_STACK (512 * 1024) /* address space; only what is touched is memory */

int threads_start(pthread_t *ret, void *(*f)(void *arg), void *arg, struct err *e)
{
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREADS_STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(ret, &attr, f, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc ? err_errno(e, rc, "cannot start a thread") : 0;
}
