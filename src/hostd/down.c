#include "hostd/down.h"

#include <dirent.h>
#include <errno.h>

#include "base/fs.h"
#include "hostd/cgroup.h"
#include "hostd/network.h"
#include "hostd/nodes.h"
#include "hostd/process.h"
#include "hostd/subid.h"
#include "hostd/volumes.h"

static int destroy_recorded(const struct config *c, const char *boot, struct err *e)
{
    _cleanup_free_ char *dir = str_printf("%s/nodes", c->state);
    DIR *d = opendir(dir);
    struct dirent *de;
    int r = 0;

    if (!d) {
        return errno == ENOENT ? 0 : err_errno(e, errno, "cannot read %s", dir);
    }
    while (r == 0 && (de = readdir(d))) {
        struct record n = {0};
        if (!record_id_ok(de->d_name)) {
            continue;
        }
        if (record_read(c, de->d_name, &n, NULL) < 0 || !str_eq(n.boot, boot)) {
            n.pid = n.pid_start = 0;
            (void)str_copy(n.id, sizeof(n.id), de->d_name);
        }
        n.index = 0; /* all interfaces go at once, below */
        r = nodes_destroy(c, &n, e);
    }
    closedir(d);
    return r;
}

/* Nodes whose record is lost. */
static int destroy_strangers(const struct config *c, struct err *e)
{
    _cleanup_(process_list_done) struct process_list l = {0};
    int r = process_of_node(c, NULL, &l, e);

    for (size_t i = 0; r == 0 && i < l.n; i++) {
        struct record n = {0};
        if (process_node_id(c, l.pids[i], n.id, sizeof(n.id))) {
            r = nodes_destroy(c, &n, e);
        }
    }
    return r;
}

/* LXC keeps its locks below /run/lxc/lock in directories named like ours; empty parents go with them. */
static int remove_locks(const struct config *c, struct err *e)
{
    _cleanup_free_ char *locks = str_printf("/run/lxc/lock%s", c->run);
    int r = fs_remove_tree(locks, e);

    for (char *slash = strrchr(locks, '/'); r == 0 && slash > locks + strlen("/run/lxc");
         slash = strrchr(locks, '/')) {
        *slash = '\0';
        if (rmdir(locks) < 0) {
            break;
        }
    }
    return r;
}

static int remove_run(const struct config *c, struct err *e)
{
    static const char *const files[] = {"mnt", "node.seccomp"};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(files); i++) {
        _cleanup_free_ char *path = str_printf("%s/%s", c->run, files[i]);
        r = fs_remove_tree(path, e);
    }
    (void)unlink(c->socket);
    (void)rmdir(c->run);
    return r < 0 ? r : remove_locks(c, e);
}

int down(const struct config *c, bool purge, struct err *e)
{
    char boot[RECORD_BOOT];
    int r;

    if ((r = record_boot(boot, e)) < 0 || (r = destroy_recorded(c, boot, e)) < 0 ||
        (r = destroy_strangers(c, e)) < 0 || (r = network_down(c, e)) < 0 || (r = cgroup_down(c, e)) < 0 ||
        (r = remove_run(c, e)) < 0) {
        return r;
    }
    if (!purge) {
        return 0;
    }
    r = subid_remove(c, e);
    return r < 0 ? r : fs_remove_tree(c->state, e);
}

static int mounts_left(const struct config *c, struct buf *left, struct err *e)
{
    _cleanup_free_ char *a = str_printf(" %s/", c->state), *b = str_printf(" %s/", c->run);
    _cleanup_buf_ struct buf text = {0};
    int r = fs_read("/proc/self/mountinfo", 1 << 22, &text, e);
    char **lines;

    if (r < 0) {
        return r;
    }
    lines = str_split(text.data ? text.data : "", '\n');
    for (char **l = lines; *l; l++) {
        if (strstr(*l, a) || strstr(*l, b)) {
            buf_addf(left, "mount %s\n", *l);
        }
    }
    strv_free(lines);
    return 0;
}

int down_left(const struct config *c, struct buf *left, struct err *e)
{
    _cleanup_(process_list_done) struct process_list l = {0};
    _cleanup_free_ char *locks = str_printf("/run/lxc/lock%s", c->run);
    int r;

    if ((r = process_of_node(c, NULL, &l, e)) < 0 || (r = network_left(c, left, e)) < 0 ||
        (r = cgroup_left(c, left, e)) < 0 || (r = volumes_left(c, left, e)) < 0 ||
        (r = mounts_left(c, left, e)) < 0) {
        return r;
    }
    for (size_t i = 0; i < l.n; i++) {
        buf_addf(left, "process %d\n", (int)l.pids[i]);
    }
    if (fs_exists(locks)) {
        buf_addf(left, "lock files %s\n", locks);
    }
    return 0;
}
