#include "hostd/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/fs.h"

#define BUSY_TRIES 50
#define BUSY_PAUSE_MS 20

struct hierarchy {
    bool unified;
    const char *mount;
};

/* Calls f for every cgroup mount of this machine. */
static int each_hierarchy(int (*f)(const void *arg, const struct hierarchy *h, struct err *e),
                          const void *arg, struct err *e)
{
    _cleanup_buf_ struct buf b = {0};
    char **lines;
    int r = fs_read("/proc/self/mounts", 1 << 20, &b, e);

    if (r < 0) {
        return r;
    }
    lines = str_split(b.data, '\n');
    r = 0;
    for (char **l = lines; *l && r >= 0; l++) {
        char where[256], type[32];
        if (sscanf(*l, "%*s %255s %31s", where, type) == 2 && str_starts(type, "cgroup")) {
            struct hierarchy h = {.unified = str_eq(type, "cgroup2"), .mount = where};
            r = f(arg, &h, e);
        }
    }
    strv_free(lines);
    return r < 0 ? r : 0;
}

static int write_text(const char *dir, const char *file, const char *text)
{
    _cleanup_free_ char *path = str_printf("%s/%s", dir, file);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int delegate(const void *arg, const struct hierarchy *h, struct err *e)
{
    static const char *const controllers[] = {"+cpu", "+memory", "+pids"};
    const struct config *c = arg;
    _cleanup_free_ char *dir = str_printf("%s/%s", h->mount, c->cgroup);
    _cleanup_free_ char *list = str_printf("%s/cgroup.controllers", h->mount);
    _cleanup_buf_ struct buf have = {0};

    if (!h->unified) {
        return 0;
    }
    if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
        return err_errno(e, errno, "cannot make the control group %s", dir);
    }
    if (fs_read(list, 4096, &have, NULL) < 0 || !have.data) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
        /* A controller bound to a v1 hierarchy is not listed here, and not needed. */
        if (strstr(have.data, controllers[i] + 1)) {
            (void)write_text(h->mount, "cgroup.subtree_control", controllers[i]);
            (void)write_text(dir, "cgroup.subtree_control", controllers[i]);
        }
    }
    return 0;
}

int cgroup_up(const struct config *c, struct err *e)
{
    return each_hierarchy(delegate, c, e);
}

/* A group whose last process has just died can still be busy for a moment. */
static int remove_dir(const char *path, struct err *e)
{
    for (int i = 0; i < BUSY_TRIES; i++) {
        if (rmdir(path) == 0 || errno == ENOENT) {
            return 0;
        }
        if (errno != EBUSY) {
            break;
        }
        (void)poll(NULL, 0, BUSY_PAUSE_MS);
    }
    return err_errno(e, errno, "cannot remove the control group %s", path);
}

static int remove_groups(const char *path, int depth, struct err *e)
{
    DIR *d = opendir(path);
    struct dirent *de;
    int r = 0;

    if (!d) {
        return errno == ENOENT ? 0 : err_errno(e, errno, "cannot read the control group %s", path);
    }
    while (r == 0 && depth < 32 && (de = readdir(d))) {
        if (de->d_type == DT_DIR && de->d_name[0] != '.') {
            _cleanup_free_ char *sub = str_printf("%s/%s", path, de->d_name);
            r = remove_groups(sub, depth + 1, e);
        }
    }
    closedir(d);
    return r < 0 ? r : remove_dir(path, e);
}

/* Takes one node's groups away, or (id NULL) those of all nodes that are not kept. */
struct removal {
    const struct config *c;
    const char *id;
    char *const *keep;
    size_t n_keep;
};

/* LXC names groups ID, ID.monitor and, when those exist, adds -1, -2 ... */
static bool is_nodes(const char *name, const char *id)
{
    size_t n = strlen(id);

    return strncmp(name, id, n) == 0 && (name[n] == '\0' || name[n] == '.' || name[n] == '-');
}

static bool chosen(const char *name, const struct removal *rm)
{
    if (rm->id) {
        return is_nodes(name, rm->id);
    }
    for (size_t i = 0; i < rm->n_keep; i++) {
        if (is_nodes(name, rm->keep[i])) {
            return false;
        }
    }
    return name[0] == 'n';
}

static int remove_node_in(const void *arg, const struct hierarchy *h, struct err *e)
{
    const struct removal *rm = arg;
    _cleanup_free_ char *dir = str_printf("%s/%s", h->mount, rm->c->cgroup);
    DIR *d = opendir(dir);
    struct dirent *de;
    int r = 0;

    if (!d) {
        return 0;
    }
    while (r == 0 && (de = readdir(d))) {
        if (de->d_type == DT_DIR && chosen(de->d_name, rm)) {
            _cleanup_free_ char *sub = str_printf("%s/%s", dir, de->d_name);
            r = remove_groups(sub, 0, e);
        }
    }
    closedir(d);
    return r;
}

int cgroup_remove_node(const struct config *c, const char *id, struct err *e)
{
    struct removal rm = {.c = c, .id = id};

    return each_hierarchy(remove_node_in, &rm, e);
}

int cgroup_sweep(const struct config *c, char *const *ids, size_t n, struct err *e)
{
    struct removal rm = {.c = c, .keep = ids, .n_keep = n};

    return each_hierarchy(remove_node_in, &rm, e);
}

static int down_in(const void *arg, const struct hierarchy *h, struct err *e)
{
    const struct config *c = arg;
    _cleanup_free_ char *dir = str_printf("%s/%s", h->mount, c->cgroup);

    return remove_groups(dir, 0, e);
}

int cgroup_down(const struct config *c, struct err *e)
{
    return each_hierarchy(down_in, c, e);
}

struct left {
    const struct config *c;
    struct buf *out;
};

static int left_in(const void *arg, const struct hierarchy *h, struct err *e)
{
    const struct left *l = arg;
    _cleanup_free_ char *dir = str_printf("%s/%s", h->mount, l->c->cgroup);

    if (fs_exists(dir)) {
        buf_addf(l->out, "cgroup %s\n", dir);
    }
    return 0;
}

int cgroup_left(const struct config *c, struct buf *left, struct err *e)
{
    struct left l = {.c = c, .out = left};

    return each_hierarchy(left_in, &l, e);
}

bool cgroup_v1_has(const char *controller, const char *file)
{
    _cleanup_free_ char *path = str_printf("/sys/fs/cgroup/%s/%s", controller, file);

    return fs_exists(path);
}

struct question {
    const struct config *c;
    const char *file;
};

static int v2_has(const void *arg, const struct hierarchy *h, struct err *e)
{
    const struct question *q = arg;
    _cleanup_free_ char *path = str_printf("%s/%s/%s", h->mount, q->c->cgroup, q->file);

    /* A negative result ends the walk: found. */
    return h->unified && fs_exists(path) ? -EEXIST : 0;
}

bool cgroup_v2_has(const struct config *c, const char *file)
{
    struct question q = {.c = c, .file = file};

    return each_hierarchy(v2_has, &q, NULL) == -EEXIST;
}
