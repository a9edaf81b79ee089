#include "hostd/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/str.h"

#define LAYER_FILES 32
#define LAYER_FILE_BYTES (256LL << 20)

struct program {
    char *name;
    int fd;
};
struct programs {
    struct program list[LAYER_FILES];
    size_t n;
};

static void programs_done(struct programs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->list[i].name);
        closep(&p->list[i].fd);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct program *)a)->name, ((const struct program *)b)->name);
}

/* Opens every regular file of the programs directory. */
static int programs_open(const struct config *c, struct programs *ret, struct err *e)
{
    DIR *d = opendir(c->programs);
    struct dirent *de;
    int r = 0;

    if (!d) {
        return err_errno(e, errno, "cannot read the programs directory %s", c->programs);
    }
    while (r == 0 && (de = readdir(d))) {
        struct stat st;
        int fd;
        if (de->d_name[0] == '.') {
            continue;
        }
        fd = openat(dirfd(d), de->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
            closep(&fd);
            continue;
        }
        if (ret->n == LAYER_FILES) {
            closep(&fd);
            r = err_set(e, ERR_INVALID, "%s holds more than %d files", c->programs, LAYER_FILES);
            continue;
        }
        ret->list[ret->n++] = (struct program){.name = xstrdup(de->d_name), .fd = fd};
    }
    closedir(d);
    qsort(ret->list, ret->n, sizeof(ret->list[0]), by_name);
    return r;
}

/* Hash over names and contents. */
static int programs_hash(const struct programs *p, char hex[SHA256_HEX], struct err *e)
{
    struct sha256 *h = sha256_new();
    _cleanup_free_ char *chunk = xmalloc(65536);
    ssize_t n = 0;

    for (size_t i = 0; i < p->n && n >= 0; i++) {
        sha256_add(h, p->list[i].name, strlen(p->list[i].name) + 1);
        while ((n = read(p->list[i].fd, chunk, 65536)) > 0) {
            sha256_add(h, chunk, (size_t)n);
        }
        if (n == 0 && lseek(p->list[i].fd, 0, SEEK_SET) < 0) {
            n = -1;
        }
    }
    sha256_final(h, hex);
    return n < 0 ? err_errno(e, errno, "cannot read the programs") : 0;
}

static int copy_one(const struct program *p, const char *dir, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", dir, p->name);
    _cleanup_close_ int out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    int64_t n;
    int r;

    if (out < 0) {
        return err_errno(e, errno, "cannot write %s", path);
    }
    r = fs_copy_fd(p->fd, out, LAYER_FILE_BYTES, &n, e);
    if (r < 0) {
        return r;
    }
    return fchmod(out, 0755) < 0 || fsync(out) < 0 ? err_errno(e, errno, "cannot write %s", path) : 0;
}

static int fill(const struct programs *p, const char *tmp, struct err *e)
{
    _cleanup_free_ char *dir = str_printf("%s/usr/lib/conpaas", tmp);
    int r = fs_mkdirs(dir, 0755, e);

    for (size_t i = 0; r == 0 && i < p->n; i++) {
        r = copy_one(&p->list[i], dir, e);
    }
    return r;
}

/* In a directory of our own, put in place as a whole: other threads may be building the same layer. */
static int build(const struct config *c, const struct programs *p, const char *final, struct err *e)
{
    _cleanup_free_ char *tmp = str_printf("%s/layers/new.XXXXXX", c->state);
    int r;

    if (!mkdtemp(tmp)) {
        return err_errno(e, errno, "cannot make a directory for the programs layer");
    }
    r = chmod(tmp, 0755) < 0 ? err_errno(e, errno, "cannot open up the programs layer") : fill(p, tmp, e);
    if (r < 0 || rename(tmp, final) < 0) {
        bool other_was_first = r == 0 && (errno == EEXIST || errno == ENOTEMPTY);
        r = r < 0 || other_was_first ? r : err_errno(e, errno, "cannot put the programs layer in place");
        (void)!fs_remove_tree(tmp, NULL);
    }
    return r;
}

int layer_make(const struct config *c, char **ret, struct err *e)
{
    _cleanup_(programs_done) struct programs p = {0};
    _cleanup_free_ char *final = NULL, *init = str_printf("%s/%s", c->programs, c->init);
    char hex[SHA256_HEX];
    int r;

    if (access(init, X_OK) < 0) {
        return err_errno(e, errno, "the nodes' first program %s", init);
    }
    if ((r = programs_open(c, &p, e)) < 0 || (r = programs_hash(&p, hex, e)) < 0) {
        return r;
    }
    hex[16] = '\0';
    final = str_printf("%s/layers/%s", c->state, hex);
    if (fs_exists(final)) {
        *ret = TAKE_PTR(final);
        return 0;
    }
    if ((r = build(c, &p, final, e)) < 0) {
        return r;
    }
    *ret = TAKE_PTR(final);
    return 0;
}

int layer_prune(const struct config *c, char *const *used, size_t n, struct err *e)
{
    _cleanup_free_ char *dir = str_printf("%s/layers", c->state);
    DIR *d = opendir(dir);
    struct dirent *de;
    int r = 0;

    if (!d) {
        return errno == ENOENT ? 0 : err_errno(e, errno, "cannot read %s", dir);
    }
    while (r == 0 && (de = readdir(d))) {
        _cleanup_free_ char *path = str_printf("%s/%s", dir, de->d_name);
        bool keep = de->d_name[0] == '.';
        for (size_t i = 0; i < n && !keep; i++) {
            keep = str_eq(used[i], path);
        }
        r = keep ? 0 : fs_remove_tree(path, e);
    }
    closedir(d);
    return r;
}
