/*
 * Removing a tree that somebody else may have made (declared in fs.h): no link is followed, and neither
 * depth nor breadth of the tree costs more than a fixed number of descriptors and a fixed stack.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"

#define TREE_DEPTH 32

static int tree_empty(int top, int dir, int depth);

static bool tree_is_dot(const char *name)
{
    return str_eq(name, ".") || str_eq(name, "..");
}

/* Opens the directory name of parent without following a link; gives itself the right to, if need be. */
static int tree_open(int parent, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(parent, name, flags);
    if (fd >= 0 || errno != EACCES) {
        return fd >= 0 ? fd : -errno;
    }
    _cleanup_close_ int path_fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (path_fd < 0) {
        return -errno;
    }
    _cleanup_free_ char *self = str_printf("/proc/self/fd/%d", path_fd);
    if (chmod(self, 0700) != 0) {
        return -errno;
    }
    fd = openat(parent, name, flags);
    return fd >= 0 ? fd : -errno;
}

/* Below TREE_DEPTH a directory is moved up beside the others of the top, to be emptied from there. */
static int tree_hoist(int top, int dir, const char *name)
{
    _cleanup_free_ char *fresh = random_name(".removed-", 16);
    return renameat(dir, name, top, fresh) == 0 ? 0 : -errno;
}

static int tree_remove_entry(int top, int dir, const char *name, int depth)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {
        return -errno;
    }
    if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != ENOTEMPTY && errno != EEXIST) {
        return -errno;
    }
    if (depth >= TREE_DEPTH) {
        return tree_hoist(top, dir, name);
    }
    _cleanup_close_ int fd = tree_open(dir, name);
    if (fd < 0) {
        return fd;
    }
    int r = tree_empty(top, fd, depth + 1);
    if (r < 0) {
        return r;
    }
    return unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* One pass over a directory; *ret_seen tells whether it held anything. */
static int tree_pass(int top, int dir, int depth, bool *ret_seen)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    DIR *d = fdopendir(fd);
    if (!d) {
        int why = errno;
        close(fd);
        return -why;
    }
    int r = 0;
    *ret_seen = false;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(d);
        if (!entry) {
            r = -errno;
            break;
        }
        if (!tree_is_dot(entry->d_name)) {
            *ret_seen = true;
            r = tree_remove_entry(top, dir, entry->d_name, depth);
            if (r < 0) {
                break;
            }
        }
    }
    closedir(d);
    return r;
}

/* Passes until nothing is left: hoisted directories appear in the top while it is read. */
static int tree_empty(int top, int dir, int depth)
{
    bool seen = true;
    while (seen) {
        int r = tree_pass(top, dir, depth, &seen);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int fs_remove_tree(const char *path, struct err *e)
{
    if (unlink(path) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {
        return err_errno(e, errno, "cannot remove %s", path);
    }
    _cleanup_close_ int top = tree_open(AT_FDCWD, path);
    int r = top < 0 ? top : tree_empty(top, top, 0);
    if (r == 0 && rmdir(path) != 0 && errno != ENOENT) {
        r = -errno;
    }
    return r < 0 && r != -ENOENT ? err_errno(e, -r, "cannot remove %s", path) : 0;
}
