/*
 * Opening and closing, clouds.
 */
#include "director/director.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "director/artifact.h"
#include "director/dispatch.h"
#include "director/git_link.h"
#include "director/job.h"
#include "director/node_api.h"
#include "director/provision.h"
#include "director/ticker.h"

static const struct log_ctx here = {.logger = "director"};

/* ---- clouds ---- */

static int open_cloud(void *arg, const char *name, const json_t *keys, struct err *e)
{
    struct director *d = arg;
    if (d->n_clouds == CLOUDS_MAX) {
        return err_set(e, ERR_INVALID, "more than %d clouds", CLOUDS_MAX);
    }
    struct director_cloud *c = &d->clouds[d->n_clouds];
    _cleanup_err_ struct err why = {0};
    *c = (struct director_cloud){0};
    if (!str_copy(c->name, sizeof(c->name), name)) {
        return err_set(e, ERR_INVALID, "the name is too long");
    }
    (void)str_copy(c->driver, sizeof(c->driver), json_str(keys, "driver", ""));
    int rc = cloud_open(name, keys, d->info.name, &c->cloud, &why);
    if (rc < 0) {
        return err_set(e, ERR_INVALID, "%s", why.message);
    }
    d->n_clouds++;
    rc = c->cloud.driver->types(c->cloud.handle, &c->types, &c->n_types, &why);
    if (rc >= 0 && c->n_types > 0 && c->types[0].millicredits_per_hour != 1000) {
        return err_set_hint(e, ERR_INVALID, "give its first type the price 1c",
                            "all nodes are of type %s, the first, and are charged one credit an hour",
                            c->types[0].name);
    }
    c->available = rc >= 0;
    if (rc < 0) {
        c->reason = xstrdup(why.message ? why.message : cloud_result_word(rc));
        log_warn(&here, "cloud %s: %s", name, c->reason);
    }
    return 0;
}

struct director_cloud *director_cloud(struct director *d, const char *name)
{
    for (int i = 0; i < d->n_clouds; i++) {
        if (str_eq(d->clouds[i].name, name)) {
            return &d->clouds[i];
        }
    }
    return NULL;
}

const char *director_type(struct director *d, const char *cloud, const char *type)
{
    const struct director_cloud *c = *type ? NULL : director_cloud(d, cloud);
    return c && c->n_types > 0 ? c->types[0].name : type;
}

int64_t director_price(struct director *d, const char *cloud, const char *type)
{
    const struct director_cloud *c = director_cloud(d, cloud);
    for (size_t i = 0; c && i < c->n_types; i++) {
        if (!*type || str_eq(c->types[i].name, type)) {
            return c->types[i].millicredits_per_hour;
        }
    }
    return 1000;
}

int director_pick_cloud(struct director *d, const char *name, const char **ret, struct err *e)
{
    if (!name || str_eq(name, "default")) {
        name = d->config.default_cloud && *d->config.default_cloud ? d->config.default_cloud
               : d->n_clouds                                       ? d->clouds[0].name
                                                                   : "";
    }
    const struct director_cloud *c = director_cloud(d, name);
    if (!c) {
        _cleanup_buf_ struct buf known = {0};
        for (int i = 0; i < d->n_clouds; i++) {
            buf_addf(&known, "%s%s", i ? ", " : "", d->clouds[i].name);
        }
        return err_set(e, ERR_INVALID, "there is no cloud %s; there are: %s", name,
                       known.len ? known.data : "none");
    }
    if (!c->available) {
        return err_set(e, ERR_UNAVAILABLE, "cloud %s is not available: %s", name, c->reason);
    }
    *ret = c->name;
    return 0;
}

/* ---- names and addresses ---- */

static bool is_address(const char *s)
{
    struct in6_addr any;
    return inet_pton(AF_INET, s, &any) == 1 || inet_pton(AF_INET6, s, &any) == 1;
}

static char *with_port(const char *host, int port)
{
    return str_printf(strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

static bool has_port(const char *s)
{
    const char *colon = strrchr(s, ':');
    return colon && (s[0] == '[' ? strstr(s, "]:") != NULL : strchr(s, ':') == colon);
}

DEFINE_CLEANUP(char **, strv_free);

/* Ports may have been chosen by the kernel, so this comes after the listeners. */
static void make_addresses(struct director *d)
{
    _cleanup_(strv_freep) char **names = str_split(d->config.host_names, ' ');
    const char *first = names[0] && *names[0] ? names[0] : "localhost", *numeric = "127.0.0.1";
    for (size_t i = 0; names[i]; i++) {
        if (is_address(names[i])) {
            numeric = names[i];
            break;
        }
    }
    _cleanup_free_ char *own = with_port(first, http_server_port(d->users));
    const char *url = d->config.url;
    d->url = url && *url ? xstrndup(url, strlen(url) - (str_ends(url, "/") ? 1 : 0))
                         : str_printf("https://%s", own);
    const char *node = d->config.node_address && *d->config.node_address ? d->config.node_address : numeric;
    d->node_address = has_port(node) ? xstrdup(node) : with_port(node, http_server_port(d->nodes));
    d->node_name = xstrdup(ca_director_name(d->ca));
}

/* ---- open ---- */

static char *installation_name(const struct config *c)
{
    return c->installation && *c->installation ? xstrdup(c->installation) : random_name("c", 7);
}

int director_open(struct director *d, const char *config_path, struct err *e)
{
    *d = (struct director){
        .config_path = config_path, .started_ms = clock_steady_ms(), .lock_fd = -1, .reader.sock = -1};
    int rc = config_load(config_path, &d->config, e);
    if (rc < 0) {
        return rc;
    }
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&d->tick_lock, NULL);
    pthread_mutex_init(&d->artifacts, NULL);
    gate_init(&d->uploads);
    pthread_cond_init(&d->tick, &attr);
    pthread_condattr_destroy(&attr);
    sem_init(&d->hashing, 0, cpus > 3 ? (unsigned)(cpus / 2) : 1);
    atomic_init(&d->next_question, 1);
    d->open = true;
    if ((rc = fs_mkdirs(d->config.data_dir, 0700, e)) < 0) {
        return rc;
    }
    _cleanup_free_ char *name = installation_name(&d->config);
    rc = store_open(d->config.data_dir, name, clock_steady_ms(), &d->store, e);
    if (rc < 0) {
        return rc;
    }
    store_info(d->store, &d->info);
    atomic_store(&d->recovery, d->info.recovery);
    return 0;
}

/* Two directors in one data directory would both believe their memory. */
static int lock_dir(struct director *d, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/lock", d->config.data_dir);
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        return err_errno(e, errno, "%s", path);
    }
    return flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0
               ? err_set(e, ERR_CONFLICT, "another director runs with data directory %s", d->config.data_dir)
               : 0;
}

static int listen_users(struct director *d, const char *cert, struct err *e)
{
    _cleanup_free_ char *spool = str_printf("%s/spool", d->config.data_dir);
    struct http_server_config c = {
        .address = d->config.listen,
        .port = (uint16_t)d->config.port,
        .key_pem = ca_server_key(d->ca),
        .cert_pem = cert,
        .spool_dir = spool,
        .handler = {.admit = dispatch_admit, .handle = dispatch_handle, .arg = d},
    };
    return http_server_start(&c, &d->users, e);
}

static int listen_nodes(struct director *d, const char *cert, struct err *e)
{
    struct http_server_config c = {
        .address = d->config.node_listen,
        .port = (uint16_t)d->config.node_port,
        .key_pem = ca_server_key(d->ca),
        .cert_pem = cert,
        .ca_pem = ca_certificate(d->ca),
        .need_client_cert = true,
        .optional_cert = node_api_open_path,
        .max_connections = 4096,
        .handler = {.admit = node_api_admit, .handle = node_api_handle, .arg = d},
    };
    return http_server_start(&c, &d->nodes, e);
}

static int open_parts(struct director *d, struct err *e)
{
    int rc = reader_start(&d->reader, e); /* first: before any thread */
    if (rc < 0 || (rc = lock_dir(d, e)) < 0 || (rc = store_ledger_check(d->store, e)) < 0 ||
        (rc = ca_open(d->config.data_dir, d->store, d->config.host_names, clock_steady_ms(), &d->ca, e)) <
            0 ||
        (rc = seal_open(&d->seal, d->config.data_dir, d->store, e)) < 0 || (rc = artifact_init(d, e)) < 0) {
        return rc;
    }
    if (d->config_path && (rc = config_each_cloud(d->config_path, open_cloud, d, e)) < 0) {
        return rc;
    }
    d->world = world_new();
    d->login_limit = limit_new(d->config.logins_per_minute, 60000);
    d->register_limit = limit_new(d->config.registrations_per_hour, 3600000);
    return world_load(d->world, d->store, e);
}

int director_start(struct director *d, struct err *e)
{
    int rc = open_parts(d, e);
    if (rc < 0 || (rc = ticker_restarted(d, e)) < 0) {
        return rc;
    }
    _cleanup_free_ char *cert = ca_server_certificate(d->ca);
    /* nobody is served before the addresses are known: the listeners answer only when `ready` */
    if ((rc = listen_nodes(d, cert, e)) < 0 || (rc = listen_users(d, cert, e)) < 0) {
        return rc;
    }
    make_addresses(d);
    if ((rc = jobs_start(d, e)) < 0) {
        return rc;
    }
    atomic_store(&d->ready, true);
    if ((rc = provision_start(d, e)) < 0 || (rc = ticker_start(d, e)) < 0 ||
        (rc = git_link_start(d, e)) < 0) {
        return rc;
    }
    log_info(&here, "installation %s (incarnation %lld) at %s, nodes at %s", d->info.name,
             (long long)d->info.incarnation, d->url, d->node_address);
    if (atomic_load(&d->recovery)) {
        log_warn(&here,
                 "ALARM the database was restored: nothing is created or destroyed until `conpaas director"
                 " reconcile`");
    }
    return 0;
}

void director_wake(struct director *d)
{
    pthread_mutex_lock(&d->tick_lock);
    d->woken = true;
    pthread_cond_signal(&d->tick);
    pthread_mutex_unlock(&d->tick_lock);
    jobs_wake(d);
}

/* ---- close ---- */

static void wake_waiters(struct director *d)
{
    size_t n = 0;
    struct slot **all = world_all(d->world, 0, &n);
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        slot_pulse(all[i]);
        slot_put(all[i]);
    }
    free(all);
}

static void stop_listeners(struct director *d)
{
    if (d->world) {
        wake_waiters(d);
    }
    if (d->users) {
        http_server_stop(d->users);
    }
    if (d->nodes) {
        http_server_stop(d->nodes);
    }
    d->users = d->nodes = NULL;
}

static void close_clouds(struct director *d)
{
    for (int i = 0; i < d->n_clouds; i++) {
        cloud_close(&d->clouds[i].cloud);
        free(d->clouds[i].reason);
    }
    d->n_clouds = 0;
}

void director_stop(struct director *d)
{
    if (!d->open) {
        return;
    }
    atomic_store(&d->stopping, true);
    director_wake(d);
    stop_listeners(d);
    git_link_stop(d);
    ticker_stop(d);
    provision_stop(d);
    jobs_stop(d);
    if (d->store && d->lock_fd >= 0 && store_mark(d->store, NULL) < 0) {
        log_warn(&here, "the mark beside the database could not be written");
    }
    world_free(d->world);
    close_clouds(d);
    ca_free(d->ca);
    seal_done(&d->seal);
    store_close(d->store);
    limit_free(d->login_limit);
    limit_free(d->register_limit);
    free(d->url);
    free(d->node_name);
    free(d->node_address);
    config_done(&d->config);
    closep(&d->lock_fd);
    reader_stop(&d->reader);
    sem_destroy(&d->hashing);
    pthread_cond_destroy(&d->tick);
    pthread_mutex_destroy(&d->tick_lock);
    pthread_mutex_destroy(&d->artifacts);
    gate_done(&d->uploads);
    *d = (struct director){.lock_fd = -1, .reader.sock = -1};
}
