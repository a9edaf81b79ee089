/*
 * Manifests: what they would change, and the jobs that change it.
 */
#include "director/api.h"
#include "director/artifact.h"
#include "director/job.h"

/* What validate and plan look at. */
struct looking {
    struct manifest *m;
    struct present p;
    char *name;
    int64_t app;
};
static void looking_done(struct looking *l)
{
    manifest_free(l->m);
    present_done(&l->p);
    free(l->name);
}

static int look(struct api_call *c, struct looking *ret, struct err *e)
{
    const char *text = api_text(c, "manifest"), *name = api_text(c, "name");
    _cleanup_json_ json_t *files = manifest_hashes(json_object_get(c->args, "files"));
    int64_t owner = c->caller.user.id;
    ret->m = manifest_read(text, strlen(text));
    ret->name = xstrdup(name ? name : ret->m->app);
    if (json_flag(c->args, "new", false) && *ret->name) {
        char *fresh = NULL;
        int rc = manifest_fresh_name(c->d, owner, ret->name, &fresh, e);
        if (rc < 0) {
            return rc;
        }
        free(ret->name);
        ret->name = fresh;
    }
    int rc = manifest_present(c->d, owner, ret->name, ret->m, files, &ret->p, &ret->app, e);
    if (rc >= 0) {
        manifest_check(ret->m, &ret->p);
    }
    return rc;
}

static int validate(struct api_call *c, struct err *e)
{
    _cleanup_(looking_done) struct looking l = {0};
    int rc = look(c, &l, e);
    return rc < 0 ? rc : api_reply_list(c, manifest_problems_json(l.m));
}

static const char *service_of(const struct looking *l, const struct manifest_change *c)
{
    for (int i = 0; i < l->p.n; i++) {
        if (c->service && l->p.services[i].id == c->service) {
            return l->p.services[i].name;
        }
    }
    return c->index >= 0 ? l->m->services[c->index].name : NULL;
}

/* Of the files that the client says it has. */
static json_t *missing(struct api_call *c)
{
    json_t *list = json_array(), *hash;
    const char *source;
    json_object_foreach(json_object_get(c->args, "files"), source, hash)
    {
        _cleanup_upload_ struct upload u = {0};
        if (store_upload(c->d->store, c->caller.user.id, json_string_value(hash), &u, NULL) < 0) {
            json_array_append_new(list, json_string(source));
        }
    }
    return list;
}

static int plan(struct api_call *c, struct err *e)
{
    _cleanup_(looking_done) struct looking l = {0};
    _cleanup_manifest_plan_ struct manifest_plan p = {0};
    int rc = look(c, &l, e);
    if (rc < 0) {
        return rc;
    }
    if (l.m->n_problems == 0) {
        manifest_plan(l.m, &l.p, json_flag(c->args, "prune", false), &p);
    }
    json_t *changes = json_array();
    for (int i = 0; i < p.n; i++) {
        const struct manifest_change *k = &p.changes[i];
        json_array_append_new(changes,
                              json_pack("{s:s, s:s?, s:s, s:b}", "step", manifest_step_to_str(k->step),
                                        "service", service_of(&l, k), "title", k->title, "maybe", k->maybe));
    }
    json_t *o = json_pack("{s:s, s:o, s:o, s:o, s:o}", "app_name", l.name, "app",
                          l.app ? json_integer(l.app) : json_null(), "problems", manifest_problems_json(l.m),
                          "changes", changes, "missing", missing(c));
    json_object_set_new(o, "asks", manifest_asks(l.m, &l.p));
    const struct {
        const char *name;
        int64_t n;
    } numbers[] = {
        {"same", p.same},
        {"kept", p.kept},
        {"nodes_now", p.nodes_now},
        {"nodes_then", p.nodes_then},
        {"millicredits_per_hour_now", p.price_now},
        {"millicredits_per_hour_then", p.price_then},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        json_object_set_new(o, numbers[i].name, json_integer(numbers[i].n));
    }
    return api_reply(c, o);
}

static int apply(struct api_call *c, struct err *e)
{
    _cleanup_job_ struct job j = {0};
    struct job_order o = {
        .owner = c->caller.user.id,
        .actor = c->caller.user.username,
        .manifest = api_text(c, "manifest"),
        .name = api_text(c, "name"),
        .prune = json_flag(c->args, "prune", false),
        .fresh = json_flag(c->args, "new", false),
        .hashes = json_object_get(c->args, "files"),
    };
    int rc = job_apply(c->d, &o, &j, e);
    return rc < 0 ? rc : api_reply(c, object_job(&j));
}

static int download(struct api_call *c, struct err *e)
{
    json_t *m = NULL;
    int rc = manifest_of_app(c->d, call_match_id(&c->match, "app"), &m, e);
    return rc < 0 ? rc : api_reply(c, json_pack("{s:o}", "manifest", m));
}

static int upload(struct api_call *c, struct err *e)
{
    _cleanup_upload_ struct upload u = {0};
    struct artifact a = {0};
    int fd = http_body_fd(c->req);
    if (fd < 0) {
        return err_set(e, ERR_INVALID, "the request has no archive");
    }
    int rc = artifact_put(c->d, fd, &a, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_(artifact_unlockp) struct director *locked = c->d;
    if ((rc = job_keep_file(locked, c->caller.user.id, &a, api_text(c, "filename"), &u, e)) < 0) {
        return rc;
    }
    return api_reply(c, json_pack("{s:s, s:s, s:I, s:s, s:I}", "sha256", u.sha256, "filename", u.filename,
                                  "size", (json_int_t)u.size, "format", u.format, "expires",
                                  (json_int_t)u.expires_ms));
}

static int list(struct api_call *c, struct err *e)
{
    struct job_filter f = {.app = api_int(c, "app"), .limit = (int)api_int(c, "limit")};
    struct job *jobs = NULL;
    size_t n = 0;
    f.owner = f.app || c->caller.user.admin ? 0 : c->caller.user.id;
    int rc = store_jobs(c->d->store, &f, &jobs, &n, e);
    if (rc < 0) {
        return rc;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(items, object_job(&jobs[i]));
    }
    jobs_free(jobs, n);
    return api_reply_list(c, items);
}

static int show(struct api_call *c, struct err *e)
{
    _cleanup_job_ struct job j = {0};
    int rc = store_job(c->d->store, call_match_id(&c->match, "job"), &j, e);
    return rc < 0 ? rc : api_reply(c, object_job(&j));
}

static int cancel(struct api_call *c, struct err *e)
{
    int rc = job_cancel(c->d, call_match_id(&c->match, "job"), c->caller.user.username, e);
    return rc < 0 ? rc : show(c, e);
}

const struct api_row api_manifest_rows[] = {
    {"manifest.validate", validate}, {"manifest.plan", plan},     {"manifest.apply", apply},
    {"manifest.download", download}, {"manifest.upload", upload}, {"manifest.list", list},
    {"manifest.show", show},         {"manifest.cancel", cancel}, {0},
};
