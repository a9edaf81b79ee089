/*
 * One change of a manifest, by what every other change uses: transitions of the truth in one transaction, which
 * notes the operation in the job as well, so that neither is without the other.
 */
#include <string.h>

#include "base/clock.h"
#include "director/artifact.h"
#include "director/job.h"
#include "director/lifecycle.h"
#include "director/revision.h"
#include "director/txn.h"
#include "service/links.h"

struct doing {
    struct director *d;
    struct job *j;
    const struct manifest *m;
    const struct manifest_change *c;
    struct slot *slot;
    struct slot_service *v; /* NULL: it is to be made */
};

/* ---- steps of the record ---- */

void job_begin_step(struct job *j, const char *title, int64_t now_ms)
{
    json_t *last = json_array_get(j->steps, json_array_size(j->steps) - 1);
    if (last && str_eq(json_str(last, "state", ""), "ACTIVE")) { /* it has waited for its turn */
        if (!str_eq(json_str(last, "title", ""), title)) {
            json_object_set_new(last, "title", json_string(title));
            j->changed_ms = now_ms;
            j->dirty = true;
        }
        return;
    }
    json_array_append_new(j->steps, json_pack("{s:s, s:s, s:I, s:n}", "title", title, "state", "ACTIVE",
                                              "started", (json_int_t)now_ms, "ended"));
    j->changed_ms = now_ms;
    j->dirty = true;
}

void job_end_step(struct job *j, bool ok, int64_t now_ms)
{
    json_t *last = json_array_get(j->steps, json_array_size(j->steps) - 1);
    if (last && str_eq(json_str(last, "state", ""), "ACTIVE")) {
        json_object_set_new(last, "state", json_string(ok ? "DONE" : "FAILED"));
        json_object_set_new(last, "ended", json_integer(now_ms));
        j->changed_ms = now_ms;
        j->dirty = true;
    }
}

/* ---- changes of a want ---- */

/* Accepts and stores, with the job's row. */
static int accept_change(struct doing *k, struct txn *x, struct change *change, struct err *e)
{
    int64_t op = 0;
    x->actor = k->j->actor;
    x->call = "manifest.apply";
    x->title = k->c->title;
    int rc = truth_accept(&x->t, change, &op, e);
    if (rc < 0) {
        return rc;
    }
    if (op || x->service.gen != x->sv->row.service.gen) {
        rc = txn_note(x, x->service.id, "op", op, 0, "%s, by the manifest of %s", k->c->title, k->j->actor);
    }
    job_begin_step(k->j, k->c->title, x->now_ms);
    k->j->op = op;
    if (!op) {
        job_end_step(k->j, true, x->now_ms);
    }
    x->wrote = true;
    if (rc < 0 || (rc = store_job_save(k->d->store, k->j, e)) < 0) {
        return rc;
    }
    rc = txn_commit(x, e);
    return rc < 0 ? rc : 0;
}

static int change_facet(struct doing *k, enum facet facet, const struct want *value, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct change change = {.facet = facet, .value = *value};
    int rc = txn_begin(k->d, k->slot, k->v, &x, e);
    return rc < 0 ? rc : accept_change(k, x, &change, e);
}

/* Seals what differs from what the revision has. */
static int set_secrets(struct doing *k, struct txn *x, json_t *in, const json_t *given,
                       const struct service_type *own, struct err *e)
{
    _cleanup_json_ json_t *open = NULL;
    const char *key;
    json_t *v;
    int rc = revision_open(k->d, in, &open, e);
    json_object_foreach((json_t *)given, key, v)
    {
        const struct manifest_field *f = own ? manifest_field(own, key) : NULL;
        const char *name = f ? f->target : key, *text = json_string_value(v);
        if (rc >= 0 && text && !str_eq(json_str(open, name, NULL), text)) {
            rc = revision_secret(x, x->service.id, in, name, text, e);
        }
    }
    return rc < 0 ? rc : 0;
}

/* A reference of that name to the other service, once. */
static int link_set(json_t *links, const char *name, const struct service *other, struct err *e)
{
    const json_t *there = link_find(links, name);
    int rc = link_check_name(name, e);
    if (rc < 0 || (there && json_int(there, "service", 0) == other->id)) {
        return rc;
    }
    if (there) {
        return err_set_hint(e, ERR_INVALID, "give one of them another name: {\"service\": ..., \"as\": ...}",
                            "there is a reference %s already", name);
    }
    if (json_array_size(links) >= LINKS_MAX) {
        return err_set(e, ERR_QUOTA, "a service has at most %d references", LINKS_MAX);
    }
    json_array_append_new(links, json_pack("{s:s, s:I, s:i}", "name", name, "service", (json_int_t)other->id,
                                           "port", link_port(links, other->type)));
    return 0;
}

static int set_references(const struct doing *k, const struct manifest_service *s, json_t *links,
                          struct err *e)
{
    for (int i = 0; i < s->n_references; i++) {
        const struct manifest_reference *r = &s->references[i];
        for (int n = 0; n < k->slot->n; n++) {
            const struct service *other = &k->slot->services[n]->row.service;
            if (str_eq(other->name, r->service)) {
                _cleanup_free_ char *name = manifest_reference_name(r, other->type);
                int rc = link_set(links, name, other, e);
                if (rc < 0) {
                    return rc;
                }
            }
        }
    }
    return 0;
}

static int do_settings(struct doing *k, struct err *e)
{
    const struct manifest_service *s = &k->m->services[k->c->index];
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_revision_ struct revision r = {0};
    json_t *values = NULL;
    struct change change = {.facet = FACET_SETTINGS};
    int rc = revision_load(k->d, &k->v->row.service, &r, e);
    if (rc < 0 ||
        (s->settings && (rc = service_type_settings(s->type, r.settings, s->settings, &values, e)) < 0)) {
        return rc;
    }
    if (values) {
        json_decref(r.settings);
        r.settings = values;
    }
    if (s->environment) {
        json_object_update(r.env, s->environment);
    }
    if ((rc = set_references(k, s, r.links, e)) < 0 || (rc = txn_begin(k->d, k->slot, k->v, &x, e)) < 0 ||
        (rc = set_secrets(k, x, r.secrets, s->secrets, NULL, e)) < 0 ||
        (rc = set_secrets(k, x, r.own, s->own, s->type, e)) < 0 || (rc = revision_check(&r, e)) < 0 ||
        (rc = revision_save(x, &r, &change.value.settings, e)) < 0) {
        return rc;
    }
    return accept_change(k, x, &change, e);
}

static int do_counts(struct doing *k, struct err *e)
{
    struct want want = {0};
    memcpy(want.counts, k->c->counts, sizeof(want.counts));
    return change_facet(k, FACET_COUNTS, &want, e);
}

/* ---- the others ---- */

static int done_now(struct doing *k, struct err *e)
{
    int64_t now = clock_steady_ms();
    int rc = store_begin(k->d->store, e);
    if (rc < 0) {
        return rc;
    }
    job_begin_step(k->j, k->c->title, now);
    job_end_step(k->j, true, now);
    if ((rc = store_job_save(k->d->store, k->j, e)) < 0) {
        store_abort(k->d->store);
        return rc;
    }
    rc = store_commit(k->d->store, e);
    slot_pulse(k->slot);
    return rc < 0 ? rc : 0;
}

static int do_make(struct doing *k, struct err *e)
{
    const struct manifest_service *s = &k->m->services[k->c->index];
    struct slot_service *v = NULL;
    struct new_service n = {
        .type = s->type,
        .name = s->name,
        .cloud = str_eq(s->cloud, "default") ? NULL : s->cloud,
        .actor = k->j->actor,
        .owner = k->j->owner,
    };
    int rc = lifecycle_new_service(k->d, &n, &k->slot, &v, e);
    return rc < 0 ? rc : done_now(k, e);
}

static int do_version(struct doing *k, struct err *e)
{
    const json_t *file = json_object_get(k->j->files, k->c->source->text);
    struct service *v = &k->v->row.service;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_upload_ struct upload u = {0};
    int64_t used = 0;
    const char *sha256 = k->c->sha256[0] ? k->c->sha256 : json_str(file, "sha256", "");
    int rc = store_upload(k->d->store, k->j->owner, sha256, &u, e);
    if (rc < 0 || (rc = store_code_bytes(k->d->store, k->j->app, &used, e)) < 0) {
        return rc;
    }
    if (used + u.size > k->d->config.code_quota_mb << 20) {
        return err_set_hint(e, ERR_QUOTA, "delete versions that are not needed",
                            "the code of the application would have %lld MB, at most %lld MB are allowed",
                            (long long)((used + u.size) >> 20), (long long)k->d->config.code_quota_mb);
    }
    _cleanup_version_ struct version code = {
        .service = v->id,
        .size = u.size,
        .created_ms = clock_steady_ms(),
        .name = random_name("code-", 6),
        .filename = k->c->source->filename ? xstrdup(k->c->source->filename) : xstrdup(u.filename),
        .description = xstrdup("from a manifest"),
        .format = xstrdup(u.format),
    };
    (void)str_copy(code.sha256, sizeof(code.sha256), sha256);
    if ((rc = txn_begin(k->d, k->slot, k->v, &x, e)) < 0) {
        return rc;
    }
    code.id = store_new_id(k->d->store);
    job_begin_step(k->j, k->c->title, x->now_ms);
    job_end_step(k->j, true, x->now_ms);
    if ((rc = store_version_add(k->d->store, &code, e)) < 0 ||
        (rc = txn_note(x, v->id, "code", 0, 0, "%s from the manifest of %s (%s)", code.name, k->j->actor,
                       code.filename)) < 0 ||
        (rc = store_job_save(k->d->store, k->j, e)) < 0 || (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    return 0;
}

static int do_fetch(struct doing *k, struct err *e)
{
    int rc = job_fetch_start(k->d, k->j, k->c->source, e);
    if (rc == 0) {
        job_begin_step(k->j, k->c->title, clock_steady_ms());
    }
    return rc < 0 ? rc : 1;
}

static int do_delete(struct doing *k, struct err *e)
{
    int rc = lifecycle_delete_service(k->d, k->slot, k->v, k->j->actor, e);
    return rc < 0 ? rc : done_now(k, e);
}

/* Under way by somebody's hand: it ends, or it is in ERROR and nothing more comes of it. */
static int do_wait(const struct doing *k, struct err *e)
{
    const struct service *v = &k->v->row.service;
    if (v->state == SERVICE_ERROR) {
        return err_set(e, ERR_FAILED, "%s is in ERROR: %s", v->name, v->error_why);
    }
    return 1;
}

static int do_step(struct doing *k, struct err *e)
{
    switch (k->c->step) {
    case STEP_MAKE_SERVICE:
        return do_make(k, e);
    case STEP_FETCH:
        return do_fetch(k, e);
    case STEP_VERSION:
        return do_version(k, e);
    case STEP_SETTINGS:
        return do_settings(k, e);
    case STEP_COUNTS:
        return do_counts(k, e);
    case STEP_CODE:
        return change_facet(k, FACET_CODE, &(struct want){.code = k->c->version}, e);
    case STEP_START:
        return change_facet(k, FACET_RUN, &(struct want){.run = RUN_RUNNING}, e);
    case STEP_STOP:
        return change_facet(k, FACET_RUN, &(struct want){.run = RUN_STOPPED}, e);
    case STEP_DELETE:
        return do_delete(k, e);
    case STEP_WAIT:
        return do_wait(k, e);
    case STEP_MAKE_APP:
    case MANIFEST_STEP_MAX:
        break;
    }
    return err_set(e, ERR_GONE, "the application is gone");
}

/* Nothing of the kind can be accepted before what is under way has ended. */
static bool is_passing(const struct doing *k, int rc)
{
    enum service_state s = k->v ? k->v->row.service.state : SERVICE_INIT;
    bool moving = s == SERVICE_PROLOGUE || s == SERVICE_EPILOGUE || (k->v && k->v->row.service.n_nodes > 0);
    return rc == ERR_CONFLICT || (rc == ERR_STATE && moving && s != SERVICE_ERROR);
}

int job_step(struct director *d, struct job *j, const struct manifest *m, const struct manifest_change *c,
             struct err *e)
{
    struct doing k = {.d = d, .j = j, .m = m, .c = c};
    /* the order of the locks: artifacts before applications */
    _cleanup_(artifact_unlockp) struct director *locked =
        c->step == STEP_MAKE_SERVICE || c->step == STEP_VERSION ? artifact_lock(d) : NULL;
    _cleanup_slot_ struct slot *s = NULL;
    int rc = world_app(d->world, j->app, &s, e);
    if (rc < 0) {
        return err_set(e, ERR_GONE, "the application is gone");
    }
    k.slot = s;
    k.v = c->service ? slot_service(s, c->service) : NULL;
    if (c->service && !k.v) {
        return 1; /* it has gone since: compare again */
    }
    rc = do_step(&k, e);
    if (rc < 0 && is_passing(&k, rc)) {
        err_done(e);
        *e = (struct err){0};
        return 1;
    }
    (void)locked;
    return rc;
}
