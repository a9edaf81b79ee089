/*
 * A thread for each file that is fetched, a few at a time.  What comes out goes through the same checks as an upload
 * and is kept for its owner, so that a restart between fetching and using it loses nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "director/artifact.h"
#include "director/job.h"
#include "net/fetch.h"

#define FETCHES_MAX 4

struct fetching {
    struct director *d;
    pthread_t thread;
    int64_t job, owner; /* job 0: free */
    char *source, *filename;
    atomic_bool done;
    int rc;
    struct err why;
    json_t *found;
};
struct job_fetches {
    struct fetching f[FETCHES_MAX]; /* only the thread of jobs touches the list */
};

int job_keep_file(struct director *d, int64_t owner, const struct artifact *a, const char *filename,
                  struct upload *ret, struct err *e)
{
    int64_t now = clock_steady_ms(), used = 0, quota = d->config.code_quota_mb * 1024 * 1024;
    _cleanup_upload_ struct upload u = {.filename = xstrdup(filename),
                                        .format = xstrdup(a->format),
                                        .size = a->size,
                                        .expires_ms = now + UPLOAD_KEPT_MS};
    (void)str_copy(u.sha256, sizeof(u.sha256), a->sha256);
    int rc = store_upload_bytes(d->store, owner, &used, e);
    if (rc >= 0 && used + a->size > quota) {
        return err_set_hint(e, ERR_QUOTA, "they are forgotten after a day",
                            "your files that no service uses have %lld MB, at most %lld MB are allowed",
                            (long long)((used + a->size) >> 20), (long long)d->config.code_quota_mb);
    }
    if (rc < 0 || (rc = store_begin(d->store, e)) < 0) {
        return rc;
    }
    if ((rc = store_upload_add(d->store, owner, &u, now, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    if ((rc = store_commit(d->store, e)) < 0) {
        return rc;
    }
    *ret = u;
    u = (struct upload){0};
    return 0;
}

static int open_spool(struct director *d, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/spool", d->config.data_dir);
    int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? err_errno(e, errno, "%s", path) : fd;
}

static void rules_of(const struct director *d, struct fetch_rules *ret)
{
    const struct config *c = &d->config;
    *ret = (struct fetch_rules){
        .hosts = c->fetch_hosts,
        .ports = c->fetch_ports,
        .networks = c->fetch_networks,
        .http = c->fetch_http,
        .ca_file = c->fetch_ca_file,
        .max_bytes = c->fetch_max_mb << 20,
        .timeout_ms = c->fetch_timeout_s * 1000,
        .attempts = (int)c->fetch_attempts,
        .pause_ms = c->fetch_pause_s * 1000,
    };
}

static int fetch_one(struct fetching *f, struct err *e)
{
    struct director *d = f->d;
    struct fetch_rules rules;
    struct artifact a = {0};
    _cleanup_upload_ struct upload u = {0};
    _cleanup_close_ int fd = open_spool(d, e);
    rules_of(d, &rules);
    int rc = fd < 0 ? fd : fetch_file(&rules, f->source, fd, &d->stopping, e);
    if (rc < 0) {
        return rc;
    }
    if ((rc = artifact_put(d, fd, &a, e)) < 0) {
        return err_wrap(e, rc, "what %.200s holds", f->source);
    }
    _cleanup_(artifact_unlockp) struct director *locked = d;
    if ((rc = job_keep_file(locked, f->owner, &a, f->filename, &u, e)) < 0) {
        return rc;
    }
    f->found = json_pack("{s:s, s:s, s:I, s:s}", "sha256", u.sha256, "filename", u.filename, "size",
                         (json_int_t)u.size, "format", u.format);
    return 0;
}

static void *fetch_main(void *arg)
{
    struct fetching *f = arg;
    struct log_ctx ctx = {.logger = "director.fetch"};
    f->rc = fetch_one(f, &f->why);
    if (f->rc < 0) {
        log_warn(&ctx, "job %lld: %s", (long long)f->job, f->why.message);
    } else {
        log_info(&ctx, "job %lld: %s fetched", (long long)f->job, f->source);
    }
    atomic_store(&f->done, true);
    jobs_wake(f->d);
    return NULL;
}

static void forget(struct fetching *f)
{
    free(f->source);
    free(f->filename);
    json_decref(f->found);
    err_done(&f->why);
    *f = (struct fetching){0};
}

static struct fetching *find(struct director *d, int64_t job)
{
    for (int i = 0; d->fetches && i < FETCHES_MAX; i++) {
        if (d->fetches->f[i].job == job) {
            return &d->fetches->f[i];
        }
    }
    return NULL;
}

int job_fetch_poll(struct director *d, const struct job *j, char **ret_source, json_t **ret, struct err *e)
{
    struct fetching *f = find(d, j->id);
    if (!f) {
        return -ENOENT;
    }
    if (!atomic_load(&f->done)) {
        return 1;
    }
    pthread_join(f->thread, NULL);
    int rc = f->rc;
    if (rc < 0) {
        rc = err_set_hint(e, rc, f->why.hint, "%s", f->why.message);
    } else {
        *ret_source = xstrdup(f->source);
        *ret = json_incref(f->found);
    }
    forget(f);
    return rc < 0 ? rc : 0;
}

int job_fetch_start(struct director *d, const struct job *j, const struct manifest_source *s, struct err *e)
{
    d->fetches = d->fetches ? d->fetches : xcalloc(1, sizeof(*d->fetches));
    struct fetching *f = find(d, 0);
    if (!f) {
        return 1; /* others first */
    }
    *f = (struct fetching){.d = d, .job = j->id, .owner = j->owner};
    f->source = xstrdup(s->text);
    f->filename = manifest_source_filename(s);
    int rc = pthread_create(&f->thread, NULL, fetch_main, f);
    if (rc != 0) {
        forget(f);
        return err_errno(e, rc, "a thread that fetches");
    }
    return 0;
}

void job_fetch_stop(struct director *d)
{
    for (int i = 0; d->fetches && i < FETCHES_MAX; i++) {
        if (d->fetches->f[i].job) {
            pthread_join(d->fetches->f[i].thread, NULL);
            forget(&d->fetches->f[i]);
        }
    }
    free(d->fetches);
    d->fetches = NULL;
}
