#include "hostd/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

#define IDMAP_RANGE 65536
static const char too_old[] =
    "Id-mapped mounts below an overlay need Linux 5.19 or newer (Debian 12 has 6.1).";

static int write_map(pid_t pid, const char *file, int64_t base)
{
    _cleanup_free_ char *path = str_printf("/proc/%d/%s", (int)pid, file);
    _cleanup_free_ char *map = str_printf("0 %lld %d\n", (long long)base, IDMAP_RANGE);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, map, strlen(map)) < 0 ? -errno : 0;
}

/* The child only has to exist while its name space is opened: it holds nothing else, and goes with its parent. */
static _Noreturn void hold_userns(unsigned ready)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close_range(0, ready - 1, 0);
    (void)close_range(ready + 1, ~0U, 0);
    char c = unshare(CLONE_NEWUSER) == 0 ? 0 : (char)errno;

    if (write((int)ready, &c, 1) == 1) {
        for (;;) {
            (void)pause();
        }
    }
    _exit(1);
}

static int open_userns(pid_t child, int ready, int64_t base, struct err *e)
{
    _cleanup_free_ char *path = str_printf("/proc/%d/ns/user", (int)child);
    char code = 0;
    int r, fd;

    if (read(ready, &code, 1) != 1 || code != 0) {
        return err_errno(e, code ? code : EPIPE, "cannot make a user name space");
    }
    if ((r = write_map(child, "uid_map", base)) < 0 || (r = write_map(child, "gid_map", base)) < 0) {
        return err_errno(e, -r, "cannot map the uids from %lld on", (long long)base);
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_errno(e, errno, "cannot open the user name space") : fd;
}

int idmap_userns(int64_t base, struct err *e)
{
    _cleanup_close_ int rd = -1, wr = -1;
    int ends[2], fd;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        return err_errno(e, errno, "cannot make a pipe");
    }
    rd = ends[0];
    wr = ends[1];
    child = fork();
    if (child == 0) {
        hold_userns((unsigned)wr);
    }
    if (child < 0) {
        return err_errno(e, errno, "cannot fork");
    }
    closep(&wr);
    fd = open_userns(child, rd, base, e);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return fd;
}

int idmap_clone(const char *path, int userns, bool read_only, struct err *e)
{
    struct mount_attr attr = {
        .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0),
        .userns_fd = (uint64_t)userns,
    };
    _cleanup_close_ int tree =
        (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (tree < 0) {
        return err_errno(e, errno, "cannot clone the mount of %s", path);
    }
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
        int why = errno;
        if (why == EINVAL || why == ENOSYS) {
            return err_set_hint(e, -why, too_old, "%s cannot be mounted with shifted ids: %s", path,
                                strerror(why));
        }
        return err_errno(e, why, "cannot shift the ids of %s", path);
    }
    return TAKE_FD(tree);
}

int idmap_attach(int tree, const char *path, struct err *e)
{
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        return err_errno(e, errno, "cannot attach a mount at %s", path);
    }
    return 0;
}
