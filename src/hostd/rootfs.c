#include "hostd/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "hostd/disk.h"
#include "hostd/idmap.h"
#include "hostd/mounts.h"
#include "hostd/network.h"

/* The launcher's own view of mounts. */
static int own_mounts(const char *dir, struct err *e)
{
    int r = mounts_separate(dir, e);

    if (r < 0) {
        return r;
    }
    if (mount("conpaas", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0711,size=64k") < 0) {
        return err_errno(e, errno, "cannot mount a tmpfs on %s", dir);
    }
    return 0;
}

static int make_dir(const char *path, mode_t mode, int64_t uid, struct err *e)
{
    if (mkdir(path, mode) < 0 && errno != EEXIST) {
        return err_errno(e, errno, "cannot make %s", path);
    }
    if (chown(path, (uid_t)uid, (gid_t)uid) < 0 || chmod(path, mode) < 0) {
        return err_errno(e, errno, "cannot give %s to the node", path);
    }
    return 0;
}

static int make_file(const char *dir, const char *name, const char *text, mode_t mode, int64_t uid,
                     struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", dir, name);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    size_t n = strlen(text);

    if (fd < 0 || write(fd, text, n) != (ssize_t)n || fchown(fd, (uid_t)uid, (gid_t)uid) < 0 ||
        fchmod(fd, mode) < 0) {
        return err_errno(e, errno, "cannot write %s", path);
    }
    return 0;
}

/* What differs from node to node: names, resolver, the cloud's user data. */
static int first_files(const struct config *c, const struct record *n, const char *upper,
                       const char *user_data, struct err *e)
{
    _cleanup_free_ char *etc = str_printf("%s/etc", upper), *own = str_printf("%s/etc/conpaas", upper);
    _cleanup_free_ char *hostname = str_printf("%s\n", n->name);
    _cleanup_buf_ struct buf hosts = {0}, resolv = {0};
    char address[CONFIG_ADDRESS];
    int64_t uid = config_uid(c, n->index);
    int r;

    config_address(c, n->index, address);
    buf_addf(&hosts, "127.0.0.1 localhost\n%s %s\n", address, n->name);
    buf_adds(&resolv, "");
    network_resolvers(c, &resolv);
    if ((r = make_dir(upper, 0755, uid, e)) < 0 || (r = make_dir(etc, 0755, uid, e)) < 0 ||
        (r = make_dir(own, 0700, uid, e)) < 0 ||
        (r = make_file(etc, "hostname", hostname, 0644, uid, e)) < 0 ||
        (r = make_file(etc, "hosts", hosts.data, 0644, uid, e)) < 0 ||
        (r = make_file(etc, "resolv.conf", resolv.data, 0644, uid, e)) < 0) {
        return r;
    }
    return user_data[0] ? make_file(own, "user-data.json", user_data, 0400, uid, e) : 0;
}

/* Where upper and work lie: the node's directory, or a file system of its own of the wanted size. */
static int writable(const struct config *c, const struct record *n, const char *mounts, char **ret,
                    struct err *e)
{
    _cleanup_free_ char *image = record_path(c, n->id, "disk.img");
    _cleanup_free_ char *where = str_printf("%s/disk", mounts);
    int r;

    if (n->disk_mb == 0) {
        *ret = record_dir(c, n->id);
        return 0;
    }
    if (mkdir(where, 0700) < 0) {
        return err_errno(e, errno, "cannot make %s", where);
    }
    if ((r = disk_make(image, n->disk_mb, 0, e)) < 0 || (r = disk_mount(image, where, e)) < 0) {
        return r;
    }
    *ret = TAKE_PTR(where);
    return 0;
}

/* One read-only layer, seen with the node's ids. */
static int lower(const char *source, const char *target, int userns, struct err *e)
{
    _cleanup_close_ int tree = idmap_clone(source, userns, true, e);

    if (tree < 0) {
        return tree;
    }
    if (mkdir(target, 0700) < 0) {
        return err_errno(e, errno, "cannot make %s", target);
    }
    return idmap_attach(tree, target, e);
}

static int overlay(const char *mounts, const char *rw, const char *root, struct err *e)
{
    _cleanup_free_ char *options = str_printf(
        "lowerdir=%s/programs:%s/image,upperdir=%s/upper,workdir=%s/work,userxattr,index=off,metacopy=off",
        mounts, mounts, rw, rw);

    if (mkdir(root, 0755) < 0) {
        return err_errno(e, errno, "cannot make %s", root);
    }
    if (mount("overlay", root, "overlay", MS_NODEV, options) < 0) {
        return err_errno(e, errno, "cannot mount the overlay of the node (%s)", options);
    }
    return 0;
}

int rootfs_mount(const struct config *c, const struct record *n, const char *user_data, char **ret_root,
                 struct err *e)
{
    _cleanup_free_ char *mounts = str_printf("%s/mnt", c->run), *root = str_printf("%s/root", mounts);
    _cleanup_free_ char *image = str_printf("%s/image", mounts),
                        *programs = str_printf("%s/programs", mounts);
    _cleanup_free_ char *rw = NULL, *upper = NULL, *work = NULL;
    _cleanup_close_ int userns = -1;
    int64_t uid = config_uid(c, n->index);
    int r;

    if ((r = fs_mkdirs(mounts, 0711, e)) < 0 || (r = own_mounts(mounts, e)) < 0 ||
        (r = writable(c, n, mounts, &rw, e)) < 0) {
        return r;
    }
    upper = str_printf("%s/upper", rw);
    work = str_printf("%s/work", rw);
    userns = idmap_userns(uid, e);
    if (userns < 0) {
        return userns;
    }
    if ((r = first_files(c, n, upper, user_data, e)) < 0 || (r = make_dir(work, 0700, uid, e)) < 0 ||
        (r = lower(n->image, image, userns, e)) < 0 || (r = lower(n->programs, programs, userns, e)) < 0 ||
        (r = overlay(mounts, rw, root, e)) < 0) {
        return r;
    }
    *ret_root = TAKE_PTR(root);
    return 0;
}
