#include "hostd/nodes.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "hostd/cgroup.h"
#include "hostd/launch.h"
#include "hostd/layer.h"
#include "hostd/network.h"
#include "hostd/process.h"

#define END_TIMEOUT_MS 20000

/* ---- the table; callers hold the lock ---- */

static struct node *by_token(struct hostd *h, const char *owner, const char *token)
{
    for (struct node *n = h->nodes; n; n = n->next) {
        if (str_eq(n->r.token, token) && str_eq(n->r.owner, owner)) {
            return n;
        }
    }
    return NULL;
}

static struct node *by_id(struct hostd *h, const char *id)
{
    for (struct node *n = h->nodes; n; n = n->next) {
        if (str_eq(n->r.id, id)) {
            return n;
        }
    }
    return NULL;
}

static void unlink_node(struct hostd *h, struct node *n)
{
    for (struct node **p = &h->nodes; *p; p = &(*p)->next) {
        if (*p == n) {
            *p = n->next;
            h->n_nodes--;
            free(n);
            break;
        }
    }
    (void)pthread_cond_broadcast(&h->changed);
}

static void link_node(struct hostd *h, struct node *n)
{
    n->next = h->nodes;
    h->nodes = n;
    h->n_nodes++;
}

static void set_idle(struct hostd *h, struct node *n)
{
    n->busy = false;
    (void)pthread_cond_broadcast(&h->changed);
}

static bool index_taken(const struct hostd *h, int64_t index)
{
    for (const struct node *n = h->nodes; n; n = n->next) {
        if (n->r.index == index) {
            return true;
        }
    }
    return false;
}

static int64_t free_index(const struct hostd *h)
{
    int64_t max = h->conf->max_nodes;

    for (int64_t i = 1; i <= max; i++) {
        int64_t index = (h->last_index + i - 1) % max + 1;
        if (!index_taken(h, index)) {
            return index;
        }
    }
    return 0;
}

/* ---- what others see ---- */

static void describe(const struct hostd *h, const struct record *r, struct cloud_machine *ret)
{
    *ret = (struct cloud_machine){.created_ms = r->created_ms, .state = CLOUD_M_BOOTING};
    (void)str_copy(ret->id, sizeof(ret->id), r->id);
    (void)str_copy(ret->token, sizeof(ret->token), r->token);
    config_address(h->conf, r->index, ret->address);
    if (r->phase != RECORD_CREATING) {
        /* A node that is being terminated still runs until its init is gone: others wait for that. */
        ret->state =
            str_eq(r->boot, h->boot) && process_alive(r->pid, r->pid_start) ? CLOUD_M_RUNNING : CLOUD_M_GONE;
    }
}

int nodes_find(struct hostd *h, const char *owner, const char *token, struct cloud_machine *ret,
               struct err *e)
{
    struct record r = {0};
    bool found;

    pthread_mutex_lock(&h->lock);
    struct node *n = by_token(h, owner, token);
    found = n != NULL;
    if (found) {
        r = n->r;
    }
    pthread_mutex_unlock(&h->lock);
    if (!found) {
        return err_set(e, CLOUD_NOTFOUND, "no node with token %s", token);
    }
    describe(h, &r, ret);
    return 0;
}

static int copy_record(struct hostd *h, const char *id, struct record *ret, struct err *e)
{
    struct node *n;

    pthread_mutex_lock(&h->lock);
    n = by_id(h, id);
    if (n) {
        *ret = n->r;
    }
    pthread_mutex_unlock(&h->lock);
    return n ? 0 : err_set(e, CLOUD_NOTFOUND, "no node %s", id);
}

int nodes_poll(struct hostd *h, const char *id, struct cloud_machine *ret, struct err *e)
{
    struct record r = {0};
    int rc = copy_record(h, id, &r, e);

    if (rc < 0) {
        return rc;
    }
    describe(h, &r, ret);
    return 0;
}

int nodes_init(struct hostd *h, const char *id, struct record *ret, struct err *e)
{
    struct record r = {0};
    int rc = copy_record(h, id, &r, e);

    if (rc < 0) {
        return rc;
    }
    if (r.phase != RECORD_RUNNING || !str_eq(r.boot, h->boot) || !process_alive(r.pid, r.pid_start)) {
        return err_set(e, CLOUD_CONFLICT, "node %s does not run", id);
    }
    *ret = r;
    return 0;
}

void nodes_list(struct hostd *h, const char *owner, struct cloud_machine **ret, size_t *ret_n)
{
    struct record *copy;
    struct cloud_machine *list;
    size_t n = 0;

    pthread_mutex_lock(&h->lock);
    copy = xcalloc(h->n_nodes + 1, sizeof(*copy));
    for (const struct node *p = h->nodes; p; p = p->next) {
        if (!owner || str_eq(p->r.owner, owner)) {
            copy[n++] = p->r;
        }
    }
    pthread_mutex_unlock(&h->lock);
    list = xcalloc(n + 1, sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        describe(h, &copy[i], &list[i]);
    }
    free(copy);
    *ret = list;
    *ret_n = n;
}

/* ---- destroy ---- */

static void remove_lxc_lock(const struct config *c, const char *id)
{
    _cleanup_free_ char *path = str_printf("/run/lxc/lock%s/.%s", c->run, id);

    (void)unlink(path);
}

int nodes_destroy(const struct config *c, const struct record *r, struct err *e)
{
    _cleanup_free_ char *dir = record_dir(c, r->id);
    _cleanup_free_ char *upper = record_path(c, r->id, "upper"), *work = record_path(c, r->id, "work");
    _cleanup_free_ char *disk = record_path(c, r->id, "disk.img");
    int rc = process_end_node(c, r->id, r->pid, r->pid_start, END_TIMEOUT_MS, e);

    if (rc < 0 || (rc = cgroup_remove_node(c, r->id, e)) < 0 ||
        (rc = r->index > 0 ? network_remove(c, r->index, e) : 0) < 0) {
        return rc;
    }
    remove_lxc_lock(c, r->id);
    /* The record goes last: until then a crash finds the rest again. */
    if ((rc = fs_remove_tree(upper, e)) < 0 || (rc = fs_remove_tree(work, e)) < 0 ||
        (rc = fs_remove_tree(disk, e)) < 0) {
        return rc;
    }
    return fs_remove_tree(dir, e);
}

int nodes_terminate(struct hostd *h, const char *id, struct err *e)
{
    struct record copy;
    struct node *n;
    int rc;

    pthread_mutex_lock(&h->lock);
    while ((n = by_id(h, id)) && n->busy) {
        pthread_cond_wait(&h->changed, &h->lock);
    }
    if (!n) {
        pthread_mutex_unlock(&h->lock);
        return 0;
    }
    n->busy = true;
    n->r.phase = RECORD_DYING;
    /* Of another boot: its pid now means some other process. */
    if (!str_eq(n->r.boot, h->boot)) {
        n->r.pid = n->r.pid_start = 0;
    }
    copy = n->r;
    pthread_mutex_unlock(&h->lock);

    rc = record_write(h->conf, &copy, e);
    rc = rc < 0 ? rc : nodes_destroy(h->conf, &copy, e);

    pthread_mutex_lock(&h->lock);
    if (rc < 0) {
        set_idle(h, n);
    } else {
        unlink_node(h, n);
    }
    pthread_mutex_unlock(&h->lock);
    return rc < 0 ? err_wrap(e, rc, "terminating node %s", id) : 0;
}

/* ---- create ---- */

/* The rootfs of the configured image, with links resolved: the record says which tree the node stands on. */
static int find_image(const struct config *c, struct record *r, struct err *e)
{
    _cleanup_free_ char *ready = str_printf("%s/READY", c->image), *tree = str_printf("%s/rootfs", c->image);
    _cleanup_free_ char *real = realpath(tree, NULL);

    if (!real || !fs_exists(ready)) {
        return err_set_hint(e, CLOUD_RETRY, "Build it with image/build.",
                            "there is no complete node image in %s", c->image);
    }
    return str_copy(r->image, sizeof(r->image), real)
               ? 0
               : err_set(e, CLOUD_PERMANENT, "the path of the image is too long");
}

static int find_programs(const struct config *c, struct record *r, struct err *e)
{
    _cleanup_free_ char *layer = NULL;
    int rc = layer_make(c, &layer, e);

    if (rc < 0) {
        return rc;
    }
    return str_copy(r->programs, sizeof(r->programs), layer)
               ? 0
               : err_set(e, CLOUD_PERMANENT, "the state path is too long");
}

/* Everything from the first write on; the record exists before anything else does. */
static int bring_up(struct hostd *h, struct record *r, const char *user_data, struct err *e)
{
    _cleanup_free_ char *dir = record_dir(h->conf, r->id);
    int rc;

    if (mkdir(dir, 0700) < 0) {
        return err_errno(e, errno, "cannot make %s", dir);
    }
    if ((rc = record_write(h->conf, r, e)) < 0 ||
        (rc = launch_node(h->conf, r->id, user_data, &r->pid, &r->pid_start, e)) < 0) {
        return rc;
    }
    r->phase = RECORD_RUNNING;
    return record_write(h->conf, r, e);
}

static int make_node(struct hostd *h, struct record *r, const char *user_data, struct err *e)
{
    _cleanup_err_ struct err undo = {0};
    int rc;

    if ((rc = find_image(h->conf, r, e)) < 0 || (rc = find_programs(h->conf, r, e)) < 0 ||
        (rc = bring_up(h, r, user_data, e)) >= 0) {
        return rc;
    }
    if (nodes_destroy(h->conf, r, &undo) < 0) {
        return err_wrap(e, rc, "(and its parts could not be removed: %s)", undo.message);
    }
    return rc;
}

/* A new, busy entry of the table, or NULL when no index is free. Caller holds the lock. */
static struct node *enter(struct hostd *h, const struct node_spec *s)
{
    _cleanup_free_ char *tail = random_name("-", 8), *id = NULL;
    int64_t index = free_index(h);
    struct node *n;

    if (index == 0) {
        return NULL;
    }
    id = str_printf("n%lld%s", (long long)index, tail);
    n = xcalloc(1, sizeof(*n));
    n->busy = true;
    n->r = (struct record){.phase = RECORD_CREATING,
                           .index = index,
                           .created_ms = clock_wall_ms(),
                           .millicores = s->millicores,
                           .memory_mb = s->memory_mb,
                           .pids = s->pids,
                           .disk_mb = s->disk_mb};
    (void)str_copy(n->r.id, sizeof(n->r.id), id);
    (void)str_copy(n->r.owner, sizeof(n->r.owner), s->owner);
    (void)str_copy(n->r.token, sizeof(n->r.token), s->token);
    (void)str_copy(n->r.name, sizeof(n->r.name), s->name);
    (void)str_copy(n->r.app, sizeof(n->r.app), s->app);
    (void)str_copy(n->r.boot, sizeof(n->r.boot), h->boot);
    h->last_index = index;
    link_node(h, n);
    return n;
}

int nodes_create(struct hostd *h, const struct node_spec *spec, struct cloud_machine *ret, struct err *e)
{
    struct record copy;
    struct node *n;
    int rc;

    pthread_mutex_lock(&h->lock);
    while ((n = by_token(h, spec->owner, spec->token)) && n->busy) {
        pthread_cond_wait(&h->changed, &h->lock);
    }
    if (n) {
        copy = n->r;
        pthread_mutex_unlock(&h->lock);
        describe(h, &copy, ret);
        return 0;
    }
    n = enter(h, spec);
    if (!n) {
        pthread_mutex_unlock(&h->lock);
        return err_set(e, CLOUD_CAPACITY, "this machine runs the %lld nodes it may",
                       (long long)h->conf->max_nodes);
    }
    copy = n->r;
    pthread_mutex_unlock(&h->lock);

    rc = make_node(h, &copy, spec->user_data, e);

    pthread_mutex_lock(&h->lock);
    if (rc < 0) {
        unlink_node(h, n);
    } else {
        n->r = copy;
        set_idle(h, n);
    }
    pthread_mutex_unlock(&h->lock);
    if (rc < 0) {
        return rc;
    }
    describe(h, &copy, ret);
    return 0;
}
