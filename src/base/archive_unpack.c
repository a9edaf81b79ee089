/*
 * Writing of members.  Every open is beneath the root and follows no link (openat2), every file is new
 * (O_EXCL): a name that passed the check but meets something unexpected fails, it never overwrites.
 */
#include "base/archive_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"

/* Makes what is missing of the directories of path, component by component. */
static int arc_make_dirs(int root, const char *path)
{
    for (const char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
        _cleanup_free_ char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(path);
        const char *base = strrchr(dir, '/');
        _cleanup_free_ char *parent = base ? xstrndup(dir, (size_t)(base - dir)) : xstrdup(".");
        _cleanup_close_ int fd = fs_open_beneath(root, parent, O_PATH | O_DIRECTORY, 0, NULL);
        if (fd < 0) {
            return fd;
        }
        if (mkdirat(fd, base ? base + 1 : dir, 0755) != 0 && errno != EEXIST) {
            return -errno;
        }
        if (!slash) {
            return 0;
        }
    }
}

/* The directory that will hold path, opened; *ret_base is the last component. */
static int arc_parent(int root, const char *path, const char **ret_base, struct err *e)
{
    const char *slash = strrchr(path, '/');
    *ret_base = slash ? slash + 1 : path;
    _cleanup_free_ char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    int fd = fs_open_beneath(root, dir, O_PATH | O_DIRECTORY, 0, NULL);
    if (fd == -ENOENT) {
        int r = arc_make_dirs(root, dir);
        fd = r < 0 ? r : fs_open_beneath(root, dir, O_PATH | O_DIRECTORY, 0, NULL);
    }
    return fd >= 0 ? fd : err_errno(e, -fd, "cannot make the directory of %.200s", path);
}

static int arc_unpack_dir(void *arg, const char *path, unsigned mode, struct err *e)
{
    struct arc_unpack *u = arg;
    int r = arc_make_dirs(u->root, path);
    if (r < 0) {
        return err_errno(e, -r, "cannot make the directory %.200s", path);
    }
    _cleanup_close_ int fd = fs_open_beneath(u->root, path, O_RDONLY | O_DIRECTORY, 0, e);
    if (fd < 0) {
        return fd;
    }
    return fchmod(fd, mode) == 0 ? 0 : err_errno(e, errno, "cannot set the mode of %.200s", path);
}

static int arc_unpack_begin(void *arg, const char *path, unsigned mode, struct err *e)
{
    struct arc_unpack *u = arg;
    const char *base = NULL;
    _cleanup_close_ int dir = arc_parent(u->root, path, &base, e);
    if (dir < 0) {
        return dir;
    }
    u->fd = openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    u->mode = mode;
    return u->fd >= 0 ? 0 : err_errno(e, errno, "cannot create %.200s", path);
}

static int arc_unpack_data(void *arg, const void *data, size_t n, struct err *e)
{
    struct arc_unpack *u = arg;
    int r = fs_write_all(u->fd, data, n);
    return r < 0 ? err_errno(e, -r, "cannot write") : 0;
}

static int arc_unpack_end(void *arg, struct err *e)
{
    struct arc_unpack *u = arg;
    int r = fchmod(u->fd, u->mode) == 0 ? 0 : err_errno(e, errno, "cannot set a file's mode");
    int fd = TAKE_FD(u->fd);
    if (close(fd) != 0 && r == 0) {
        r = err_errno(e, errno, "cannot write");
    }
    return r;
}

static int arc_unpack_symlink(void *arg, const char *path, const char *target, struct err *e)
{
    struct arc_unpack *u = arg;
    const char *base = NULL;
    _cleanup_close_ int dir = arc_parent(u->root, path, &base, e);
    if (dir < 0) {
        return dir;
    }
    return symlinkat(target, dir, base) == 0 ? 0 : err_errno(e, errno, "cannot make the link %.200s", path);
}

static int arc_unpack_hardlink(void *arg, const char *path, const char *earlier, struct err *e)
{
    struct arc_unpack *u = arg;
    const char *base = NULL, *earlier_base = NULL;
    _cleanup_close_ int dir = arc_parent(u->root, path, &base, e);
    if (dir < 0) {
        return dir;
    }
    _cleanup_close_ int from = arc_parent(u->root, earlier, &earlier_base, e);
    if (from < 0) {
        return from;
    }
    return linkat(from, earlier_base, dir, base, 0) == 0
               ? 0
               : err_errno(e, errno, "cannot make the link %.200s", path);
}

struct arc_sink arc_unpack_sink(struct arc_unpack *u)
{
    return (struct arc_sink){
        .dir = arc_unpack_dir,
        .file_begin = arc_unpack_begin,
        .file_data = arc_unpack_data,
        .file_end = arc_unpack_end,
        .symlink = arc_unpack_symlink,
        .hardlink = arc_unpack_hardlink,
        .arg = u,
    };
}
