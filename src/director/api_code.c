/*
 * Code versions and settings.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "director/api.h"
#include "director/code.h"
#include "director/revision.h"
#include "director/script_state.h"

/* Before the archive is copied and checked; code_add has the last word. */
static int check_room(struct api_call *c, int fd, struct err *e)
{
    struct stat st;
    int64_t app = 0;
    int rc = store_service_app(c->d->store, call_match_id(&c->match, "service"), &app, e);
    if (rc < 0) {
        return rc;
    }
    return fstat(fd, &st) < 0 ? err_errno(e, errno, "the upload cannot be read")
                              : code_check_quota(c->d, app, st.st_size, e);
}

static int code_upload(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    struct artifact a = {0};
    int fd = http_body_fd(c->req);
    if (fd < 0) {
        return err_set(e, ERR_INVALID, "the request has no archive");
    }
    int rc = check_room(c, fd, e);
    if (rc < 0 || (rc = artifact_put(c->d, fd, &a, e)) < 0) { /* slow, without the application's lock */
        return rc;
    }
    _cleanup_(artifact_unlockp) struct director *locked = c->d; /* until the version is stored */
    if ((rc = api_service(c, &s, &v, e)) < 0) {
        return rc;
    }
    if (!v->row.service.type->code || v->row.service.deleting) {
        return err_set(e, ERR_STATE, "the service takes no code");
    }
    _cleanup_free_ char *name = random_name("code-", 6);
    _cleanup_version_ struct version code = {0};
    struct code_new n = {
        .artifact = &a,
        .name = name,
        .filename = api_text(c, "filename"),
        .description = api_text(c, "description"),
        .actor = c->caller.user.username,
    };
    rc = code_add(c->d, s, v, &n, &code, e);
    return rc < 0 ? rc : api_reply(c, object_version(&code, 0));
}

static int code_list(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    struct version *list = NULL;
    size_t n = 0;
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 || (rc = store_versions(c->d->store, v->row.service.id, &list, &n, e)) < 0) {
        return rc;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(items, object_version(&list[i], v->row.service.want.code));
    }
    versions_free(list, n);
    return api_reply_list(c, items);
}

static int version_of(struct api_call *c, struct version *ret, struct err *e)
{
    return store_version(c->d->store, call_match_id(&c->match, "service"),
                         call_match_id(&c->match, "version"), ret, e);
}

static int code_download(struct api_call *c, struct err *e)
{
    _cleanup_version_ struct version v = {0};
    int fd = -1;
    int rc = version_of(c, &v, e);
    if (rc < 0 || (rc = artifact_open(c->d, v.sha256, &fd, e)) < 0) {
        return rc;
    }
    return http_reply_file(c->req, fd, "application/octet-stream", v.filename);
}

static int code_enable(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_version_ struct version code = {0};
    struct slot_service *v = NULL;
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 || (rc = version_of(c, &code, e)) < 0 || (rc = txn_begin(c->d, s, v, &x, e)) < 0) {
        return rc;
    }
    struct script_state scripts;
    script_state(v, &scripts);
    if (v->row.service.type->scripts && scripts.running > 0 && code.id != v->row.service.want.code) {
        return err_set_hint(e, ERR_STATE, "conpaas script status, conpaas script interrupt",
                            "scripts still running somewhere, wait or interrupt first");
    }
    _cleanup_free_ char *title = str_printf("activate %s", code.name);
    struct change change = {.facet = FACET_CODE, .value.code = code.id};
    return api_accept(c, x, &change, title, e);
}

static bool in_use(const struct service *v, int64_t version)
{
    bool used = v->want.code == version || v->good.code == version;
    for (int i = 0; i < v->n_ops; i++) {
        used = used || (v->ops[i].facet == FACET_CODE && v->ops[i].value.code == version);
    }
    return used;
}

static int code_delete(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_version_ struct version code = {0};
    struct slot_service *v = NULL;
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 || (rc = version_of(c, &code, e)) < 0) {
        return rc;
    }
    if (in_use(&v->row.service, code.id)) {
        return err_set_hint(e, ERR_STATE, "enable another version first", "%s is the active version",
                            code.name);
    }
    if ((rc = txn_begin(c->d, s, v, &x, e)) < 0 ||
        (rc = store_version_delete(c->d->store, code.service, code.id, e)) < 0 ||
        (rc = txn_note(x, code.service, "code", 0, 0, "%s deleted by %s", code.name,
                       c->caller.user.username)) < 0 ||
        (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    return api_reply_empty(c);
}

const struct api_row api_code_rows[] = {
    {"code.upload", code_upload}, {"code.list", code_list},     {"code.download", code_download},
    {"code.enable", code_enable}, {"code.delete", code_delete}, {0},
};

/* ---- settings ---- */

static int config_show(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_version_ struct version code = {0};
    struct slot_service *v = NULL;
    json_t *values = NULL;
    int rc = api_service(c, &s, &v, e);
    const struct want *w = rc < 0 ? NULL : &v->row.service.want;
    if (rc < 0 || (rc = store_settings(c->d->store, v->row.service.id, w->settings, &values, e)) < 0) {
        return rc;
    }
    (void)!store_version(c->d->store, v->row.service.id, w->code, &code, NULL);
    return api_reply(c,
                     json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "service", (json_int_t)v->row.service.id,
                               "generation", (json_int_t)v->row.service.gen, "revision",
                               (json_int_t)w->settings, "code", w->code ? json_integer(w->code) : json_null(),
                               "code_name", object_text(code.name), "settings", values));
}

/* The revision that says these values. */
static int revision_of(struct api_call *c, struct txn *x, int64_t *ret, struct err *e)
{
    _cleanup_revision_ struct revision r = {0};
    json_t *values = NULL;
    int rc = revision_load(c->d, &x->service, &r, e);
    if (rc < 0 || (rc = service_type_settings(x->service.type, r.settings,
                                              json_object_get(c->args, "settings"), &values, e)) < 0) {
        return rc;
    }
    json_decref(r.settings);
    r.settings = values;
    return revision_save(x, &r, ret, e);
}

static int config_set(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_buf_ struct buf title = {0};
    struct slot_service *v = NULL;
    struct change change = {.facet = FACET_SETTINGS};
    int rc = api_service(c, &s, &v, e);
    if (rc < 0 || (rc = txn_begin(c->d, s, v, &x, e)) < 0 ||
        (rc = revision_of(c, x, &change.value.settings, e)) < 0) {
        return rc;
    }
    const char *key;
    json_t *value;
    buf_adds(&title, "set");
    json_object_foreach(json_object_get(c->args, "settings"), key, value)
    {
        buf_addf(&title, "%s %s", title.len > 3 ? "," : "", key);
    }
    return api_accept(c, x, &change, title.data, e);
}

const struct api_row api_config_rows[] = {{"config.show", config_show}, {"config.set", config_set}, {0}};
