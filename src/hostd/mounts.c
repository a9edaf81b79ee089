#include "hostd/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"

/* <sys/mount.h> and <linux/mount.h> exclude each other in this C library. */
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);

/* A process whose working directory is outside of its root climbs to the top of the name space. */
static int climb(const char *inside, struct err *e)
{
    struct stat here, above;

    if (chdir("/") < 0 || chroot(inside) < 0) {
        return err_errno(e, errno, "cannot leave the chroot through %s", inside);
    }
    for (;;) {
        if (stat(".", &here) < 0 || stat("..", &above) < 0) {
            return err_errno(e, errno, "cannot look above the chroot");
        }
        if (here.st_ino == above.st_ino && here.st_dev == above.st_dev) {
            return 0;
        }
        if (chdir("..") < 0) {
            return err_errno(e, errno, "cannot go above the chroot");
        }
    }
}

static int raise_root(const char *inside, struct err *e)
{
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), tree = -1;
    int r;

    if (root < 0) {
        return err_errno(e, errno, "cannot open the root directory");
    }
    if ((r = climb(inside, e)) < 0) {
        return r;
    }
    if (mount("", ".", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        return err_errno(e, errno, "cannot separate the mounts from the host's");
    }
    tree = (int)syscall(SYS_open_tree, root, "",
                        AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0 || syscall(SYS_move_mount, tree, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
        fchdir(tree) < 0 || chroot(".") < 0 || chdir("/") < 0) {
        return err_errno(e, errno, "cannot make the chroot the root of a mount name space");
    }
    return 0;
}

int mounts_separate(const char *inside, struct err *e)
{
    if (unshare(CLONE_NEWNS) < 0) {
        return err_errno(e, errno, "cannot make a mount name space");
    }
    if (mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0) {
        return 0;
    }
    return errno == EINVAL ? raise_root(inside, e)
                           : err_errno(e, errno, "cannot separate the mounts from the host's");
}
