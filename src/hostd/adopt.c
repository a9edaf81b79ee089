/*
 * The return of a hostd to its nodes: which records stand for whole nodes, what a crash left half done, what
 * belongs to no node at all.  Runs before the first client is heard, in one thread.
 */
#include <dirent.h>
#include <errno.h>

#include "base/fs.h"
#include "base/log.h"
#include "hostd/cgroup.h"
#include "hostd/launch.h"
#include "hostd/layer.h"
#include "hostd/network.h"
#include "hostd/nodes.h"
#include "hostd/process.h"

static const struct log_ctx ctx = {.logger = "hostd.adopt"};

static void enter(struct hostd *h, const struct record *r)
{
    struct node *n = xcalloc(1, sizeof(*n));

    n->r = *r;
    n->next = h->nodes;
    h->nodes = n;
    h->n_nodes++;
}

/* Reads what lies below STATE/nodes into the table; a directory without a readable record gets an entry with
 * index 0, which only says what to clean up. */
static int read_records(struct hostd *h, struct err *e)
{
    _cleanup_free_ char *dir = str_printf("%s/nodes", h->conf->state);
    DIR *d = opendir(dir);
    struct dirent *de;

    if (!d) {
        return err_errno(e, errno, "cannot read %s", dir);
    }
    while ((de = readdir(d))) {
        if (!record_id_ok(de->d_name)) {
            continue;
        }
        struct record r;
        if (record_read(h->conf, de->d_name, &r, NULL) < 0) {
            r = (struct record){.phase = RECORD_DYING};
            (void)str_copy(r.id, sizeof(r.id), de->d_name);
        }
        enter(h, &r);
    }
    closedir(d);
    return 0;
}

static int64_t *indexes(const struct hostd *h, size_t *ret_n)
{
    int64_t *list = xcalloc(h->n_nodes + 1, sizeof(*list));
    size_t n = 0;

    for (const struct node *p = h->nodes; p; p = p->next) {
        if (p->r.index > 0) {
            list[n++] = p->r.index;
        }
    }
    *ret_n = n;
    return list;
}

/* True when the node of this record is whole: running, or found dead (that is for others to see and to
 * confirm by terminate). A launch whose start a crash kept us from noting is completed here. */
static bool complete(struct hostd *h, struct record *r)
{
    if (r->phase == RECORD_RUNNING) {
        return true;
    }
    if (r->phase != RECORD_CREATING || !str_eq(r->boot, h->boot) ||
        record_read_started(h->conf, r->id, &r->pid, &r->pid_start, NULL) < 0 ||
        !process_alive(r->pid, r->pid_start)) {
        return false;
    }
    r->phase = RECORD_RUNNING;
    return record_write(h->conf, r, NULL) == 0;
}

/* False: it will not go now (a process that hangs in the kernel, say). It must not keep the others from
 * serving: it stays as a node that is being terminated, and whoever terminates it tries again. */
static bool destroyed(const struct hostd *h, const struct record *r)
{
    _cleanup_err_ struct err e = {0};

    if (nodes_destroy(h->conf, r, &e) < 0) {
        log_warn(&ctx, "what is left of node %s cannot be removed yet: %s", r->id, e.message);
        return false;
    }
    return true;
}

static void settle(struct hostd *h, int *adopted, int *cleaned)
{
    struct node **p = &h->nodes;

    while (*p) {
        struct node *n = *p;
        bool whole = complete(h, &n->r);
        if (!whole && !str_eq(n->r.boot, h->boot)) {
            n->r.pid = n->r.pid_start = 0; /* the number may mean another process now */
        }
        if (!whole && destroyed(h, &n->r)) {
            *cleaned += 1;
            *p = n->next;
            h->n_nodes--;
            free(n);
            continue;
        }
        n->r.phase = whole ? n->r.phase : RECORD_DYING;
        h->last_index = n->r.index > h->last_index ? n->r.index : h->last_index;
        *adopted += whole;
        p = &n->next;
    }
}

static bool known(const struct hostd *h, const char *id)
{
    for (const struct node *n = h->nodes; n; n = n->next) {
        if (str_eq(n->r.id, id)) {
            return true;
        }
    }
    return false;
}

/* Ends processes in the installation's control groups that belong to no node of the table; those that will not
 * end get an entry. */
static int end_strangers(struct hostd *h, int *cleaned, struct err *e)
{
    _cleanup_(process_list_done) struct process_list l = {0};
    int r = process_of_node(h->conf, NULL, &l, e);

    for (size_t i = 0; r == 0 && i < l.n; i++) {
        struct record stranger = {.phase = RECORD_DYING};
        if (!process_node_id(h->conf, l.pids[i], stranger.id, sizeof(stranger.id)) || known(h, stranger.id)) {
            continue;
        }
        if (destroyed(h, &stranger)) {
            *cleaned += 1;
        } else {
            enter(h, &stranger);
        }
    }
    return r;
}

static int sweep(struct hostd *h, struct err *e)
{
    _cleanup_free_ int64_t *used = NULL;
    char **ids = xcalloc(h->n_nodes + 1, sizeof(*ids)), **layers = xcalloc(h->n_nodes + 1, sizeof(*layers));
    size_t n = 0, n_used;
    int r;

    for (struct node *p = h->nodes; p; p = p->next, n++) {
        ids[n] = p->r.id;
        layers[n] = p->r.programs;
    }
    used = indexes(h, &n_used);
    r = network_sweep(h->conf, used, n_used, e);
    r = r < 0 ? r : cgroup_sweep(h->conf, ids, n, e);
    r = r < 0 ? r : layer_prune(h->conf, layers, n, e);
    free(ids);
    free(layers);
    return r;
}

int nodes_start(struct hostd *h, int *ret_adopted, int *ret_cleaned, struct err *e)
{
    _cleanup_free_ char *nodes = str_printf("%s/nodes", h->conf->state),
                        *layers = str_printf("%s/layers", h->conf->state);
    int adopted = 0, cleaned = 0, r;

    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_mutex_init(&h->volumes, NULL);
    (void)pthread_cond_init(&h->changed, NULL);
    if ((r = record_boot(h->boot, e)) < 0 || (r = fs_mkdirs(nodes, 0700, e)) < 0 ||
        (r = fs_mkdirs(layers, 0700, e)) < 0 || (r = read_records(h, e)) < 0) {
        return r;
    }
    if ((r = network_up(h->conf, e)) < 0 || (r = cgroup_up(h->conf, e)) < 0 ||
        (r = launch_prepare(h->conf, e)) < 0) {
        return r;
    }
    settle(h, &adopted, &cleaned);
    if ((r = end_strangers(h, &cleaned, e)) < 0 || (r = sweep(h, e)) < 0) {
        return r;
    }
    *ret_adopted = adopted;
    *ret_cleaned = cleaned;
    return 0;
}

void nodes_stop(struct hostd *h)
{
    while (h->nodes) {
        struct node *n = h->nodes;
        h->nodes = n->next;
        free(n);
    }
    h->n_nodes = 0;
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->volumes);
    (void)pthread_mutex_destroy(&h->lock);
}
