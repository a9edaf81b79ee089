#include "hostd/volumes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "hostd/disk.h"
#include "hostd/idmap.h"
#include "hostd/mounts.h"
#include "hostd/process.h"

#define HELPER_TIMEOUT_MS 30000
#define RECORD_BYTES 4096

struct volume {
    char id[CLOUD_ID_MAX];
    char owner[CLOUD_NAME_MAX]; /* installation; "" = made before there were any */
    int64_t created_ms;
    char token[CLOUD_TOKEN_MAX];
    char machine[CLOUD_ID_MAX]; /* "" = attached nowhere */
    char name[CLOUD_NAME_MAX];
    int64_t megabytes;
};

/* ---- records ---- */

static bool id_ok(const char *s)
{
    return s[0] == 'v' && strlen(s) <= 32 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static char *volume_path(const struct config *c, const char *id, const char *file)
{
    return str_printf("%s/volumes/%s/%s", c->state, id, file);
}

static int volume_write(const struct config *c, const struct volume *v, struct err *e)
{
    _cleanup_free_ char *path = volume_path(c, v->id, "volume.json"), *text = NULL;
    _cleanup_json_ json_t *j =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "id", v->id, "owner", v->owner, "token", v->token,
                  "machine", v->machine, "name", v->name, "megabytes", (json_int_t)v->megabytes, "created",
                  (json_int_t)v->created_ms);

    if (!j) {
        return err_set(e, ERR_INTERNAL, "the record of volume %s does not fit JSON", v->id);
    }
    text = json_text(j);
    return fs_write_atomic(path, text, strlen(text), 0600, e);
}

static int volume_read(const struct config *c, const char *id, struct volume *ret, struct err *e)
{
    _cleanup_free_ char *path = volume_path(c, id, "volume.json");
    _cleanup_json_ json_t *j = NULL;
    _cleanup_buf_ struct buf b = {0};
    struct volume v = {0};
    int r;

    if (!id_ok(id) || !fs_exists(path)) {
        return err_set(e, CLOUD_NOTFOUND, "no volume %s", id);
    }
    if ((r = fs_read(path, RECORD_BYTES, &b, e)) < 0 ||
        (r = json_parse(b.data, b.len, RECORD_BYTES, &j, e)) < 0) {
        return r;
    }
    v.megabytes = json_int(j, "megabytes", 0);
    v.created_ms = json_int(j, "created", 0);
    if (!str_copy(v.owner, sizeof(v.owner), json_str(j, "owner", "")) ||
        !str_copy(v.id, sizeof(v.id), json_str(j, "id", "")) || !str_eq(v.id, id) ||
        !str_copy(v.token, sizeof(v.token), json_str(j, "token", "")) ||
        !str_copy(v.machine, sizeof(v.machine), json_str(j, "machine", "")) ||
        !str_copy(v.name, sizeof(v.name), json_str(j, "name", "")) || v.megabytes <= 0) {
        return err_set(e, CLOUD_PERMANENT, "%s is not the record of volume %s", path, id);
    }
    *ret = v;
    return 0;
}

/* Calls f with each volume until it returns true, which is the result. */
static bool each_volume(const struct config *c, bool (*f)(void *arg, const struct volume *v), void *arg)
{
    _cleanup_free_ char *dir = str_printf("%s/volumes", c->state);
    DIR *d = opendir(dir);
    struct dirent *de;
    struct volume v;
    bool found = false;

    while (d && !found && (de = readdir(d))) {
        found = id_ok(de->d_name) && volume_read(c, de->d_name, &v, NULL) == 0 && f(arg, &v);
    }
    if (d) {
        closedir(d);
    }
    return found;
}

struct wanted {
    const char *owner, *token;
    struct volume v;
};

static bool is_wanted(void *arg, const struct volume *v)
{
    struct wanted *w = arg;

    if (!str_eq(v->token, w->token) || !str_eq(v->owner, w->owner)) {
        return false;
    }
    w->v = *v;
    return true;
}

static bool find_token(const struct config *c, const char *owner, const char *token, struct volume *ret)
{
    struct wanted w = {.owner = owner, .token = token};
    bool found = each_volume(c, is_wanted, &w);

    *ret = w.v;
    return found;
}

/* ---- loop devices ---- */

/* Calls f with the backing file of each loop device. */
static int each_loop(int (*f)(void *arg, const char *device, const char *file), void *arg)
{
    DIR *d = opendir("/sys/block");
    struct dirent *de;
    int r = 0;

    while (d && r == 0 && (de = readdir(d))) {
        _cleanup_free_ char *path = str_printf("/sys/block/%s/loop/backing_file", de->d_name);
        _cleanup_buf_ struct buf b = {0};
        if (str_starts(de->d_name, "loop") && fs_read(path, 4096, &b, NULL) == 0 && b.len > 0) {
            b.data[strcspn(b.data, "\n")] = '\0';
            r = f(arg, de->d_name, b.data);
        }
    }
    if (d) {
        closedir(d);
    }
    return r;
}

static int same_file(void *arg, const char *device, const char *file)
{
    return str_eq(arg, file) || (str_starts(file, arg) && str_eq(file + strlen(arg), " (deleted)"));
}

static bool disk_in_use(const struct config *c, const char *id)
{
    _cleanup_free_ char *file = volume_path(c, id, "data.img");

    return each_loop(same_file, file) != 0;
}

struct left {
    const char *prefix;
    struct buf *out;
};

static int left_one(void *arg, const char *device, const char *file)
{
    const struct left *l = arg;

    if (str_starts(file, l->prefix)) {
        buf_addf(l->out, "loop device %s on %s\n", device, file);
    }
    return 0;
}

int volumes_left(const struct config *c, struct buf *left, struct err *e)
{
    _cleanup_free_ char *prefix = str_printf("%s/", c->state);
    struct left l = {.prefix = prefix, .out = left};

    return each_loop(left_one, &l);
}

/* ---- calls ---- */

static int make_volume(struct hostd *h, const char *owner, const char *token, int64_t megabytes,
                       struct volume *v, struct err *e)
{
    _cleanup_free_ char *id = random_name("v-", 12), *dir = str_printf("%s/volumes/%s", h->conf->state, id);
    _cleanup_free_ char *file = volume_path(h->conf, id, "data.img");
    int r;

    *v = (struct volume){.megabytes = megabytes, .created_ms = clock_wall_ms()};
    (void)str_copy(v->owner, sizeof(v->owner), owner);
    (void)str_copy(v->id, sizeof(v->id), id);
    (void)str_copy(v->token, sizeof(v->token), token);
    if ((r = fs_mkdirs(dir, 0700, e)) < 0) {
        return r;
    }
    /* The record last: a directory without one is a left-over that nobody can name. */
    if ((r = disk_make(file, megabytes, 0, e)) < 0 || (r = volume_write(h->conf, v, e)) < 0) {
        return fs_remove_tree(dir, NULL) < 0 ? err_wrap(e, r, "(and %s could not be removed)", dir) : r;
    }
    return 0;
}

int volumes_create(struct hostd *h, const char *owner, const char *token, int64_t megabytes,
                   char ret_id[CLOUD_ID_MAX], struct err *e)
{
    struct volume v;
    int r = 0;

    if (!record_token_ok(token)) {
        return err_set(e, CLOUD_INVALID, "token must be of [A-Za-z0-9._-] and begin with a letter or digit");
    }
    pthread_mutex_lock(&h->volumes);
    if (!find_token(h->conf, owner, token, &v)) {
        r = make_volume(h, owner, token, megabytes, &v, e);
    }
    pthread_mutex_unlock(&h->volumes);
    if (r == 0) {
        (void)str_copy(ret_id, CLOUD_ID_MAX, v.id);
    }
    return r;
}

int volumes_find(struct hostd *h, const char *owner, const char *token, char ret_id[CLOUD_ID_MAX],
                 struct err *e)
{
    struct volume v;
    bool found;

    pthread_mutex_lock(&h->volumes);
    found = find_token(h->conf, owner, token, &v);
    pthread_mutex_unlock(&h->volumes);
    if (found) {
        (void)str_copy(ret_id, CLOUD_ID_MAX, v.id);
    }
    return found ? 0 : err_set(e, CLOUD_NOTFOUND, "no volume with this token");
}

struct listing {
    const char *owner;
    json_t *list;
};

static bool list_one(void *arg, const struct volume *v)
{
    struct listing *l = arg;

    if (str_eq(v->owner, l->owner)) {
        (void)json_array_append_new(l->list,
                                    json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", v->id, "token", v->token,
                                              "machine", v->machine, "megabytes", (json_int_t)v->megabytes,
                                              "created", (json_int_t)v->created_ms));
    }
    return false;
}

json_t *volumes_list(struct hostd *h, const char *owner)
{
    struct listing l = {.owner = owner, .list = json_array()};

    pthread_mutex_lock(&h->volumes);
    (void)each_volume(h->conf, list_one, &l);
    pthread_mutex_unlock(&h->volumes);
    return l.list;
}

static bool mounted_in(int64_t pid, const char *name)
{
    _cleanup_free_ char *path = str_printf("/proc/%lld/mountinfo", (long long)pid);
    _cleanup_free_ char *needle = str_printf(" /volumes/%s ", name);
    _cleanup_buf_ struct buf b = {0};

    return fs_read(path, 1 << 20, &b, NULL) == 0 && b.data && strstr(b.data, needle);
}

static int run_helper(const struct config *c, const char *id, bool attach, struct err *e)
{
    const char *argv[] = {"/proc/self/exe",
                          attach ? "--volume-attach" : "--volume-detach",
                          id,
                          c->path ? "--config" : NULL,
                          c->path,
                          NULL};

    return proc_run_ok(argv, HELPER_TIMEOUT_MS, e);
}

static int attach_locked(struct hostd *h, const char *id, const char *machine, const char *name,
                         struct err *e)
{
    struct record n = {0};
    struct volume v = {0};
    int r;

    if ((r = volume_read(h->conf, id, &v, e)) < 0 || (r = nodes_init(h, machine, &n, e)) < 0) {
        return r;
    }
    if (str_eq(v.machine, machine) && str_eq(v.name, name) && mounted_in(n.pid, name)) {
        return 0;
    }
    if (disk_in_use(h->conf, id)) {
        return err_set(e, CLOUD_CONFLICT, "volume %s is still in use by node %s", id, v.machine);
    }
    if (mounted_in(n.pid, name)) {
        return err_set(e, CLOUD_CONFLICT, "node %s has another volume at /volumes/%s", machine, name);
    }
    (void)str_copy(v.machine, sizeof(v.machine), machine);
    (void)str_copy(v.name, sizeof(v.name), name);
    r = volume_write(h->conf, &v, e);
    return r < 0 ? r : run_helper(h->conf, id, true, e);
}

int volumes_attach(struct hostd *h, const char *id, const char *machine, const char *name, struct err *e)
{
    int r;

    if (!record_name_ok(name)) {
        return err_set(e, CLOUD_INVALID, "name must be of [a-z0-9-], without - at its ends");
    }
    pthread_mutex_lock(&h->volumes);
    r = attach_locked(h, id, machine, name, e);
    pthread_mutex_unlock(&h->volumes);
    return r;
}

static int detach_locked(struct hostd *h, const char *id, struct err *e)
{
    struct record n = {0};
    struct volume v = {0};
    _cleanup_err_ struct err why = {0};
    int r = volume_read(h->conf, id, &v, e);

    if (r < 0 || v.machine[0] == '\0') {
        return r;
    }
    if (nodes_init(h, v.machine, &n, NULL) == 0 && mounted_in(n.pid, v.name) &&
        run_helper(h->conf, id, false, &why) < 0) {
        return err_set(e, CLOUD_CONFLICT, "volume %s cannot be detached: %s", id, why.message);
    }
    v.machine[0] = v.name[0] = '\0';
    return volume_write(h->conf, &v, e);
}

int volumes_detach(struct hostd *h, const char *id, struct err *e)
{
    int r;

    pthread_mutex_lock(&h->volumes);
    r = detach_locked(h, id, e);
    pthread_mutex_unlock(&h->volumes);
    return r;
}

int volumes_delete(struct hostd *h, const char *id, struct err *e)
{
    struct volume v;
    int r;

    pthread_mutex_lock(&h->volumes);
    r = volume_read(h->conf, id, &v, e);
    if (r == CLOUD_NOTFOUND) {
        r = 0;
    } else if (r == 0 && disk_in_use(h->conf, id)) {
        r = err_set(e, CLOUD_CONFLICT, "volume %s is attached to node %s", id, v.machine);
    } else if (r == 0) {
        _cleanup_free_ char *dir = str_printf("%s/volumes/%s", h->conf->state, id);
        r = fs_remove_tree(dir, e);
    }
    pthread_mutex_unlock(&h->volumes);
    return r;
}

/* ---- the helper process ---- */

/* Becomes root of the node, in its mounts. */
static int enter_node(const struct record *n, struct err *e)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, (pid_t)n->pid, 0);

    if (fd < 0 || !process_alive(n->pid, n->pid_start)) {
        return err_set(e, CLOUD_CONFLICT, "node %s does not run", n->id);
    }
    if (setns(fd, CLONE_NEWUSER | CLONE_NEWNS) < 0 || setgid(0) < 0 || setuid(0) < 0) {
        return err_errno(e, errno, "cannot enter node %s", n->id);
    }
    return 0;
}

/* A detached clone of the volume's file system with the node's ids. */
static int volume_tree(const struct config *c, const struct volume *v, const struct record *n, struct err *e)
{
    _cleanup_free_ char *file = volume_path(c, v->id, "data.img"), *where = str_printf("%s/mnt", c->run);
    _cleanup_close_ int userns = -1;
    int r;

    if ((r = mounts_separate(where, e)) < 0 || (r = disk_mount(file, where, e)) < 0) {
        return r;
    }
    userns = idmap_userns(config_uid(c, n->index), e);
    return userns < 0 ? userns : idmap_clone(where, userns, false, e);
}

int volumes_helper(const struct config *c, const char *id, bool attach, struct err *e)
{
    _cleanup_free_ char *where = NULL;
    _cleanup_close_ int tree = -1;
    struct volume v;
    struct record n;
    int r;

    if ((r = volume_read(c, id, &v, e)) < 0 || (r = record_read(c, v.machine, &n, e)) < 0) {
        return r;
    }
    where = str_printf("/volumes/%s", v.name);
    if (attach && (tree = volume_tree(c, &v, &n, e)) < 0) {
        return tree;
    }
    r = enter_node(&n, e);
    if (r < 0) {
        return r;
    }
    if (!attach) {
        return umount2(where, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT
                   ? err_errno(e, errno, "cannot unmount it in the node")
                   : 0;
    }
    r = fs_mkdirs(where, 0755, e);
    return r < 0 ? r : idmap_attach(tree, where, e);
}
