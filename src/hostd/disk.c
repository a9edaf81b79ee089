#include "hostd/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"

#define MKFS_TIMEOUT_MS 60000
#define LOOP_TRIES 64

static int make_at(const char *path, int64_t megabytes, int64_t uid, struct err *e)
{
    _cleanup_free_ char *options =
        str_printf("lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=%lld:%lld", (long long)uid,
                   (long long)uid);
    const char *argv[] = {"mkfs.ext4", "-q", "-F", "-m0", "-E", options, path, NULL};
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)megabytes << 20) < 0) {
        return err_errno(e, errno, "cannot make the disk %s", path);
    }
    return proc_run_ok(argv, MKFS_TIMEOUT_MS, e);
}

int disk_make(const char *path, int64_t megabytes, int64_t uid, struct err *e)
{
    _cleanup_free_ char *tmp = str_printf("%s.new", path);
    int r;

    if (fs_exists(path)) {
        return 0;
    }
    r = make_at(tmp, megabytes, uid, e);
    if (r < 0) {
        (void)unlink(tmp);
        return r;
    }
    return rename(tmp, path) < 0 ? err_errno(e, errno, "cannot put the disk %s in place", path) : 0;
}

/* Another process may take the free device first: ask again then. Returns the loop device's descriptor. */
static int loop_for(int file, char name[32], struct err *e)
{
    _cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

    if (control < 0) {
        return err_set_hint(e, -errno, "A disk limit needs loop devices: modprobe loop.",
                            "cannot open /dev/loop-control: %s", strerror(errno));
    }
    for (int i = 0; i < LOOP_TRIES; i++) {
        struct loop_config lc = {.fd = (uint32_t)file, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
        int number = ioctl(control, LOOP_CTL_GET_FREE), dev;
        if (number < 0) {
            return err_errno(e, errno, "no free loop device");
        }
        (void)snprintf(name, 32, "/dev/loop%d", number);
        dev = open(name, O_RDWR | O_CLOEXEC);
        if (dev < 0) {
            return err_errno(e, errno, "cannot open %s", name);
        }
        if (ioctl(dev, LOOP_CONFIGURE, &lc) == 0) {
            return dev;
        }
        int why = errno;
        closep(&dev);
        if (why != EBUSY) {
            return err_errno(e, why, "cannot set up %s", name);
        }
    }
    return err_set(e, -EAGAIN, "other processes keep taking the free loop devices");
}

int disk_mount(const char *path, const char *where, struct err *e)
{
    _cleanup_close_ int file = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC), dev = -1;
    char name[32];

    if (file < 0) {
        return err_errno(e, errno, "cannot open the disk %s", path);
    }
    dev = loop_for(file, name, e);
    if (dev < 0) {
        return dev;
    }
    /* Errors of the file system must not stop the machine: the node's disk turns read-only. */
    if (mount(name, where, "ext4", MS_NODEV, "errors=remount-ro,discard") < 0) {
        return err_errno(e, errno, "cannot mount the disk %s", path);
    }
    return 0;
}
