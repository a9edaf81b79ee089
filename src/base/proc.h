/*
 * Child processes: argv only, never a shell; every descriptor of ours is O_CLOEXEC; deadlines.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct proc_spec {
    const char *const *argv; /* argv[0] is a path or found in PATH; NULL-terminated */
    const char *const *env;  /* NULL: inherited */
    const char *dir;         /* NULL: inherited */
    uid_t uid;               /* 0 = do not change; else setgroups(0)+setgid+setuid before exec */
    gid_t gid;
    int in, out, err; /* descriptors for 0, 1, 2; -1 = /dev/null */
    bool new_group;   /* own process group (and session) */
    int keep;         /* one more descriptor that the child gets under its own number; 0 = none */
};

/* Starts it; *ret_pid is to be waited for by the caller. An exec failure is reported here, not as an exit. */
int proc_start(const struct proc_spec *spec, pid_t *ret_pid, struct err *e) WARN_UNUSED;

/* Runs to the end: at most timeout_ms, then SIGKILL to its group and ERR_TIMEOUT. stdout and stderr are
 * captured together into out (at most max_out bytes, the rest is dropped; out may be NULL). in may be
 * NULL or a text for stdin. *ret_status as from waitpid. Non-zero exit is no error of this function. */
int proc_run(const struct proc_spec *spec, const char *in, int timeout_ms, size_t max_out, struct buf *out,
             int *ret_status, struct err *e) WARN_UNUSED;
/* The same with an open file as stdin, read from where it stands. */
int proc_run_fd(const struct proc_spec *spec, int in_fd, int timeout_ms, size_t max_out, struct buf *out,
                int *ret_status, struct err *e) WARN_UNUSED;
/* The common case: exit 0 or an error that carries the last lines of output. */
int proc_run_ok(const char *const *argv, int timeout_ms, struct err *e) WARN_UNUSED;
/* "exit 3", "signal 9 (Killed)". out is a static-size text of 64 bytes. */
void proc_status_text(int status, char out[64]);
