/*
 * Uploads come as an unlinked spool file; they are copied and hashed at the same time, checked, and renamed.
 */
#include "director/artifact.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/archive.h"
#include "base/fs.h"

#define COPY_BLOCK 65536

struct director *artifact_lock(struct director *d)
{
    pthread_mutex_lock(&d->artifacts);
    return d;
}

void artifact_unlockp(struct director **d)
{
    if (*d) {
        pthread_mutex_unlock(&(*d)->artifacts);
        *d = NULL;
    }
}

static char *dir_of(const struct director *d)
{
    return str_printf("%s/artifacts", d->config.data_dir);
}

static bool is_hash(const char *s)
{
    return strlen(s) == SHA256_HEX - 1 && strspn(s, "0123456789abcdef") == SHA256_HEX - 1;
}

static void sweep(const char *dir)
{
    DIR *dp = opendir(dir);
    struct dirent *entry;
    while (dp && (entry = readdir(dp))) {
        if (str_starts(entry->d_name, ".new-")) {
            (void)unlinkat(dirfd(dp), entry->d_name, 0);
        }
    }
    if (dp) {
        closedir(dp);
    }
}

int artifact_init(struct director *d, struct err *e)
{
    _cleanup_free_ char *dir = dir_of(d);
    _cleanup_free_ char *spool = str_printf("%s/spool", d->config.data_dir);
    _cleanup_free_ char *logs = str_printf("%s/logs", d->config.data_dir);
    int rc = fs_mkdirs(dir, 0700, e);
    if (rc < 0 || (rc = fs_mkdirs(spool, 0700, e)) < 0 || (rc = fs_mkdirs(logs, 0700, e)) < 0) {
        return rc;
    }
    sweep(dir);
    return 0;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno != EINTR) {
            return -errno;
        }
        if (w > 0) {
            p += w;
            n -= (size_t)w;
        }
    }
    return 0;
}

static int copy_hashed(int from, int to, struct artifact *ret, struct err *e)
{
    struct sha256 *h = sha256_new();
    _cleanup_free_ char *block = xmalloc(COPY_BLOCK);
    off_t at = 0;
    ssize_t n = 0;
    int rc = 0;
    while (rc == 0 && (n = pread(from, block, COPY_BLOCK, at)) > 0) {
        sha256_add(h, block, (size_t)n);
        rc = write_all(to, block, (size_t)n);
        at += n;
    }
    sha256_final(h, ret->sha256);
    ret->size = at;
    if (n < 0) {
        return err_errno(e, errno, "the upload cannot be read");
    }
    return rc < 0 ? err_errno(e, -rc, "the archive cannot be stored") : 0;
}

/* The name is new, or names the same bytes already. */
static int put_in_place(const char *dir, int fd, const char *temporary, const char *sha256, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", dir, sha256);
    if (fsync(fd) < 0 || rename(temporary, path) < 0) {
        return err_errno(e, errno, "the archive cannot be stored");
    }
    _cleanup_close_ int dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dfd < 0 || fsync(dfd) < 0 ? err_errno(e, errno, "%s", dir) : 0;
}

static int make_temporary(const char *dir, char **ret_path, int *ret_fd, struct err *e)
{
    _cleanup_free_ char *name = random_name(".new-", 16);
    _cleanup_free_ char *path = str_printf("%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_errno(e, errno, "%s", path);
    }
    *ret_fd = fd;
    *ret_path = TAKE_PTR(path);
    return 0;
}

int artifact_put(struct director *d, int fd, struct artifact *ret, struct err *e)
{
    _cleanup_free_ char *dir = dir_of(d);
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int copy = -1;
    struct archive_info info = {0};
    struct artifact a = {0};
    int rc = reader_check(&d->reader, fd, &info, e);
    if (rc < 0 || (rc = make_temporary(dir, &path, &copy, e)) < 0) {
        return rc;
    }
    assert(path);
    rc = copy_hashed(fd, copy, &a, e);
    struct director *locked = rc < 0 ? NULL : artifact_lock(d);
    if (rc >= 0) {
        rc = put_in_place(dir, copy, path, a.sha256, e);
    }
    if (rc < 0) {
        (void)unlink(path);
        artifact_unlockp(&locked);
        return rc;
    }
    (void)str_copy(a.format, sizeof(a.format), info.format);
    *ret = a;
    return 0;
}

int artifact_put_default(struct director *d, const struct service_type *t, struct artifact *ret,
                         struct err *e)
{
    _cleanup_free_ char *dir = dir_of(d);
    _cleanup_free_ char *path = NULL;
    _cleanup_free_ void *tar = NULL;
    _cleanup_close_ int fd = -1;
    size_t len = 0;
    struct artifact a = {.format = "tar"};
    int rc = archive_make_tar(t->default_code, (size_t)t->n_default_code, &tar, &len, e);
    if (rc < 0) {
        return rc;
    }
    sha256_hex(tar, len, a.sha256);
    a.size = (int64_t)len;
    _cleanup_free_ char *there = str_printf("%s/%s", dir, a.sha256);
    if (!fs_exists(there)) {
        if ((rc = make_temporary(dir, &path, &fd, e)) < 0) {
            return rc;
        }
        assert(path);
        rc = write_all(fd, tar, len);
        rc = rc < 0 ? err_errno(e, -rc, "%s", path) : put_in_place(dir, fd, path, a.sha256, e);
        if (rc < 0) {
            (void)unlink(path);
            return rc;
        }
    }
    *ret = a;
    return 0;
}

int artifact_open(struct director *d, const char *sha256, int *ret_fd, struct err *e)
{
    if (!is_hash(sha256)) {
        return err_set(e, ERR_INVALID, "not a SHA-256");
    }
    _cleanup_free_ char *path = str_printf("%s/artifacts/%s", d->config.data_dir, sha256);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return err_errno(e, errno, "artifact %s", sha256);
    }
    *ret_fd = fd;
    return 0;
}

static int remove_one(void *arg, const char *sha256)
{
    struct director *d = arg;
    _cleanup_free_ char *path = str_printf("%s/artifacts/%s", d->config.data_dir, sha256);
    return is_hash(sha256) && (unlink(path) == 0 || errno == ENOENT) ? 0 : -1;
}

/* Files that no commit came to refer to: uploads refused after they were stored, or cut by a crash. Nobody
 * is between the two while the lock is held. */
static int collect_strays(struct director *d, struct err *e)
{
    _cleanup_free_ char *dir = dir_of(d);
    DIR *dp = opendir(dir);
    struct dirent *entry;
    int rc = dp ? 0 : err_errno(e, errno, "%s", dir);
    while (dp && rc >= 0 && (entry = readdir(dp))) {
        rc = is_hash(entry->d_name) ? store_artifact_known(d->store, entry->d_name, e) : 1;
        if (rc == 0) {
            (void)unlinkat(dirfd(dp), entry->d_name, 0);
        }
    }
    if (dp) {
        closedir(dp);
    }
    return rc < 0 ? rc : 0;
}

int artifact_collect(struct director *d, struct err *e)
{
    _cleanup_(artifact_unlockp) struct director *locked = artifact_lock(d);
    int rc = collect_strays(d, e);
    if (rc < 0 || (rc = store_begin(d->store, e)) < 0) {
        return rc;
    }
    if ((rc = store_artifacts_unused(d->store, remove_one, d, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    return store_commit(locked->store, e);
}
