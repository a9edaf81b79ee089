/*
 * The child's cage: rlimits, descriptors, user, no_new_privs and a seccomp filter.
 */
#include "base/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#elif !defined(__cppcheck__)
#error "the sandbox does not know this processor's system calls"
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_MEMORY_LIMIT 0 /* the sanitizer reserves terabytes */
#else
#define SANDBOX_MEMORY_LIMIT 1
#endif

static int sandbox_rlimit(int what, uint64_t value)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)what, &limit) != 0) {
        return -errno;
    }
    if (limit.rlim_max != RLIM_INFINITY && value > limit.rlim_max) {
        value = limit.rlim_max;
    }
    limit.rlim_cur = limit.rlim_max = value;
    return setrlimit((__rlimit_resource_t)what, &limit) == 0 ? 0 : -errno;
}

/* Address space of the process now: a daemon has the stacks of its threads mapped. */
static int64_t sandbox_mapped(void)
{
    char text[64] = {0};
    _cleanup_close_ int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    return n > 0 ? strtoll(text, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}

static int sandbox_resources(const struct sandbox_limits *l)
{
    int r = sandbox_rlimit(RLIMIT_CPU, (uint64_t)l->cpu_seconds);
    r = r < 0 ? r : sandbox_rlimit(RLIMIT_FSIZE, (uint64_t)l->file_size);
    r = r < 0 ? r : sandbox_rlimit(RLIMIT_CORE, 0);
    r = r < 0 ? r : sandbox_rlimit(RLIMIT_NOFILE, 64);
    if (SANDBOX_MEMORY_LIMIT && r == 0) {
        r = sandbox_rlimit(RLIMIT_AS, (uint64_t)(sandbox_mapped() + l->memory));
    }
    return r;
}

static int sandbox_descriptors(const int *keep, int n_keep)
{
    int high[4] = {-1, -1, -1, -1};
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0) {
        return -errno;
    }
    for (int i = 0; i < n_keep; i++) {
        high[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, 3 + n_keep);
        if (high[i] < 0) {
            return -errno;
        }
    }
    if (dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0) {
        return -errno;
    }
    for (int i = 0; i < n_keep; i++) {
        if (dup2(high[i], 3 + i) < 0) {
            return -errno;
        }
    }
    return syscall(SYS_close_range, (unsigned)(3 + n_keep), ~0U, 0U) == 0 ? 0 : -errno;
}

/* By raw system call, as this is the only thread and the library's wrappers would look for others. */
static int sandbox_user(const struct sandbox_limits *l)
{
    if (l->uid == 0) {
        return 0;
    }
    gid_t gid = l->gid ? l->gid : (gid_t)l->uid;
    bool already = geteuid() == l->uid && getegid() == gid;
    if (already && getuid() == l->uid) {
        return 0;
    }
    if (syscall(SYS_setgroups, 0, NULL) != 0 || syscall(SYS_setresgid, gid, gid, gid) != 0 ||
        syscall(SYS_setresuid, l->uid, l->uid, l->uid) != 0) {
        return -errno;
    }
    return 0;
}

#define SANDBOX_DENY(call)                                                                                   \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                                   \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* What can reach beyond this process's own files. */
static int sandbox_filter(void)
{
    static const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#if defined(__x86_64__)
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), /* the x32 names of the same calls */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
        SANDBOX_DENY(socket),
        SANDBOX_DENY(socketpair),
        SANDBOX_DENY(connect),
        SANDBOX_DENY(execve),
        SANDBOX_DENY(execveat),
        SANDBOX_DENY(clone),
        SANDBOX_DENY(clone3),
        SANDBOX_DENY(ptrace),
        SANDBOX_DENY(process_vm_readv),
        SANDBOX_DENY(process_vm_writev),
        SANDBOX_DENY(pidfd_getfd),
        SANDBOX_DENY(kill),
        SANDBOX_DENY(tkill),
        SANDBOX_DENY(pidfd_send_signal),
        SANDBOX_DENY(unshare),
        SANDBOX_DENY(setns),
        SANDBOX_DENY(mount),
        SANDBOX_DENY(umount2),
        SANDBOX_DENY(move_mount),
        SANDBOX_DENY(open_by_handle_at),
        SANDBOX_DENY(mknodat),
        SANDBOX_DENY(bpf),
        SANDBOX_DENY(io_uring_setup),
        SANDBOX_DENY(userfaultfd),
        SANDBOX_DENY(perf_event_open),
        SANDBOX_DENY(keyctl),
        SANDBOX_DENY(add_key),
        SANDBOX_DENY(init_module),
        SANDBOX_DENY(finit_module),
        SANDBOX_DENY(kexec_load),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = (struct sock_filter *)code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : -errno;
}

int sandbox_enter(const struct sandbox_limits *l, const int *keep, int n_keep)
{
    assert(n_keep >= 0 && n_keep <= 4);
    for (int i = 1; i < NSIG; i++) {
        (void)signal(i, i == SIGXFSZ ? SIG_IGN : SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int r = sandbox_descriptors(keep, n_keep);
    r = r < 0 ? r : sandbox_resources(l);
    r = r < 0 ? r : sandbox_user(l);
    /* Not before the change of user, which takes it back. */
    if (r == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)) {
        r = -errno;
    }
    return r < 0 ? r : sandbox_filter();
}
