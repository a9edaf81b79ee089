/*
 * Files: bounded reads, atomic durable writes, opens beneath a directory.  Removing trees is fs_tree.c.
 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define FS_CHUNK 65536

int fs_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return err_errno(e, errno, "cannot open %s", path);
    }
    _cleanup_buf_ struct buf b = {0};
    _cleanup_free_ char *chunk = xmalloc(FS_CHUNK);
    for (;;) {
        ssize_t n = read(fd, chunk, FS_CHUNK);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(e, errno, "cannot read %s", path);
        }
        if ((size_t)n > max - b.len) {
            return err_set(e, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
        }
        buf_add(&b, chunk, (size_t)n);
        if (n == 0) {
            break;
        }
    }
    buf_add(out, b.data, b.len);
    return 0;
}

int fs_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static char *fs_dirname(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return xstrdup(".");
    }
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* Fills the new file fd and makes its content durable. */
static int fs_fill(int fd, const void *data, size_t len, mode_t mode)
{
    int r = fs_write_all(fd, data, len);
    if (r == 0 && fchmod(fd, mode) != 0) {
        r = -errno;
    }
    if (r == 0 && fsync(fd) != 0) {
        r = -errno;
    }
    return r;
}

int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
    _cleanup_free_ char *dir = fs_dirname(path);
    _cleanup_free_ char *suffix = random_name(".tmp-", 12);
    _cleanup_free_ char *temporary = str_printf("%s%s", path, suffix);
    _cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0) {
        return err_errno(e, errno, "cannot open the directory %s", dir);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_errno(e, errno, "cannot create %s", temporary);
    }
    int r = fs_fill(fd, data, len, mode);
    if (close(fd) != 0 && r == 0) {
        r = -errno;
    }
    if (r == 0 && rename(temporary, path) != 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlink(temporary);
        return err_errno(e, -r, "cannot write %s", path);
    }
    if (fsync(dirfd) != 0) {
        return err_errno(e, errno, "cannot make %s durable", path);
    }
    return 0;
}

int fs_mkdirs(const char *path, mode_t mode, struct err *e)
{
    _cleanup_free_ char *work = xstrdup(path);
    for (char *p = work; *p; p++) {
        if (p == work || *p != '/' || p[-1] == '/') {
            continue;
        }
        *p = '\0';
        if (mkdir(work, mode) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES) {
            return err_errno(e, errno, "cannot create the directory %s", work);
        }
        *p = '/';
    }
    struct stat st;
    if (mkdir(work, mode) != 0) {
        int why = errno;
        if (stat(work, &st) != 0 || !S_ISDIR(st.st_mode)) {
            return err_errno(e, why, "cannot create the directory %s", path);
        }
    }
    return 0;
}

int fs_open_beneath(int dirfd, const char *rel, int flags, mode_t mode, struct err *e)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode & 07777 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, dirfd, rel, &how, sizeof(how));
        if (fd >= 0) {
            return (int)fd;
        }
        /* EAGAIN: a rename raced with the walk; somebody who does nothing else must not hold us. */
        if (errno != EINTR && (errno != EAGAIN || tries >= 100)) {
            return err_errno(e, errno, "cannot open %.256s", rel);
        }
    }
}

int fs_copy_fd(int from, int to, int64_t max, int64_t *ret_n, struct err *e)
{
    _cleanup_free_ char *chunk = xmalloc(FS_CHUNK);
    int64_t total = 0;
    for (;;) {
        ssize_t n = read(from, chunk, FS_CHUNK);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(e, errno, "cannot read while copying");
        }
        if (n == 0) {
            break;
        }
        if (max >= 0 && n > max - total) {
            return err_set(e, ERR_TOO_LARGE, "more than %lld bytes", (long long)max);
        }
        int r = fs_write_all(to, chunk, (size_t)n);
        if (r < 0) {
            return err_errno(e, -r, "cannot write while copying");
        }
        total += n;
    }
    if (ret_n) {
        *ret_n = total;
    }
    return 0;
}

/* Where the last `lines` lines of the text begin. */
static size_t fs_tail_start(const char *text, size_t len, int lines)
{
    if (lines <= 0) {
        return len;
    }
    size_t at = len > 0 && text[len - 1] == '\n' ? len - 1 : len;
    while (at > 0) {
        if (text[at - 1] == '\n' && --lines == 0) {
            return at;
        }
        at--;
    }
    return 0;
}

int fs_tail(const char *path, int lines, size_t max_bytes, struct buf *out, struct err *e)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return err_errno(e, errno, "cannot open %s", path);
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return err_set(e, ERR_INVALID, "%s is not a regular file", path);
    }
    size_t want = (uint64_t)st.st_size < max_bytes ? (size_t)st.st_size : max_bytes;
    off_t base = st.st_size - (off_t)want;
    _cleanup_free_ char *text = xmalloc(want);
    size_t len = 0;
    while (len < want) {
        ssize_t n = pread(fd, text + len, want - len, base + (off_t)len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(e, errno, "cannot read %s", path);
        }
        if (n == 0) {
            break; /* cut while we read it */
        }
        len += (size_t)n;
    }
    size_t start = fs_tail_start(text, len, lines);
    buf_add(out, text + start, len - start);
    return 0;
}

bool fs_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}
