/*
 * What there is, as the pure planner of manifests wants it; and the way back, a running application as a manifest.
 */
#include "director/job.h"
#include "director/revision.h"

#include <string.h>

/* ---- sources ---- */

static json_t *known(const char *sha256, const char *filename, int64_t size, const char *format)
{
    return json_pack("{s:s, s:s, s:I, s:s}", "sha256", sha256, "filename", filename, "size", (json_int_t)size,
                     "format", format);
}

static json_t *unknown(const char *why, const char *hint)
{
    return json_pack("{s:s, s:s?}", "why", why, "hint", hint);
}

static bool is_called(const char *text, const char *name, int64_t id)
{
    _cleanup_free_ char *number = str_printf("%lld", (long long)id);
    return str_eq(text, name) || str_eq(text, number);
}

/* The owner's application of this name, or id. Locked. */
static int find_app(struct director *d, int64_t owner, const char *text, struct slot **ret)
{
    size_t n = 0;
    struct slot **all = world_all(d->world, owner, &n), *found = NULL;
    for (size_t i = 0; i < n; i++) {
        slot_lock(all[i]);
        if (!found && !all[i]->gone && is_called(text, all[i]->row.app.name, all[i]->id)) {
            found = all[i];
        } else {
            slot_put(all[i]);
        }
    }
    free(all);
    *ret = found;
    return found ? 0 : ERR_NOT_FOUND;
}

static json_t *find_version(struct director *d, const struct service *v, const char *text)
{
    struct version *list = NULL;
    size_t n = 0;
    json_t *ret = NULL;
    if (store_versions(d->store, v->id, &list, &n, NULL) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < n && !ret; i++) {
        if (text ? is_called(text, list[i].name, list[i].id) : list[i].id == v->want.code) {
            ret = known(list[i].sha256, list[i].filename, list[i].size, list[i].format);
        }
    }
    versions_free(list, n);
    return ret;
}

static json_t *look_up_version(struct director *d, int64_t owner, const char *source)
{
    _cleanup_free_ char *app = NULL;
    _cleanup_free_ char *service = NULL;
    _cleanup_free_ char *version = NULL;
    _cleanup_slot_ struct slot *s = NULL;
    if (manifest_source_version(source, &app, &service, &version) < 0) {
        return NULL;
    }
    json_t *ret = NULL;
    if (find_app(d, owner, app, &s) == 0) {
        for (int i = 0; i < s->n && !ret; i++) {
            const struct service *v = &s->services[i]->row.service;
            ret = is_called(service, v->name, v->id) ? find_version(d, v, version) : NULL;
        }
    }
    _cleanup_free_ char *why = str_printf("you have no code version %.200s", source + strlen("conpaas:"));
    return ret ? ret : unknown(why, "conpaas code list SERVICE");
}

static json_t *look_up_hash(struct director *d, int64_t owner, const char *sha256)
{
    _cleanup_upload_ struct upload u = {0};
    _cleanup_err_ struct err e = {0};
    return store_upload(d->store, owner, sha256, &u, &e) < 0 ? unknown(e.message, "send it again: file:PATH")
                                                             : known(u.sha256, u.filename, u.size, u.format);
}

static void look_up(struct director *d, int64_t owner, const struct manifest_source *s, json_t *files)
{
    json_t *found = NULL;
    if (s->kind == SOURCE_NONE || !s->text || json_object_get(files, s->text)) {
        return;
    }
    if (s->kind == SOURCE_VERSION) {
        found = look_up_version(d, owner, s->text);
    } else if (s->kind == SOURCE_SHA256) {
        found = look_up_hash(d, owner, s->sha256);
    } else if (s->kind == SOURCE_URL && s->sha256[0]) { /* it may be here already */
        _cleanup_json_ json_t *here = look_up_hash(d, owner, s->sha256);
        found = json_object_get(here, "sha256") ? json_incref(here) : NULL;
    }
    if (found) {
        json_object_set_new(files, s->text, found);
    }
}

json_t *manifest_hashes(const json_t *hashes)
{
    json_t *files = json_object();
    const char *source;
    json_t *hash;
    json_object_foreach((json_t *)hashes, source, hash)
    {
        const char *slash = strrchr(source, '/'), *colon = strchr(source, ':');
        const char *name = slash ? slash + 1 : colon ? colon + 1 : source;
        if (str_starts(source, "file:")) {
            json_object_set_new(files, source,
                                known(json_string_value(hash), *name ? name : "archive", 0, ""));
        }
    }
    return files;
}

#define NUMBER_MAX 98 /* "shop (98)" */

int manifest_fresh_name(struct director *d, int64_t owner, const char *name, char **ret, struct err *e)
{
    for (int i = 1; i <= NUMBER_MAX; i++) {
        _cleanup_free_ char *tried = i == 1 ? xstrdup(name) : str_printf("%s (%d)", name, i);
        _cleanup_slot_ struct slot *s = NULL;
        if (find_app(d, owner, tried, &s) < 0) {
            *ret = TAKE_PTR(tried);
            return 0;
        }
    }
    return err_set(e, ERR_EXISTS, "%s and all names with a number up to (%d) are taken", name, NUMBER_MAX);
}

/* ---- the present ---- */

static void add_clouds(struct director *d, struct present *p)
{
    const char *chosen = NULL;
    (void)!director_pick_cloud(d, NULL, &chosen, NULL);
    for (int i = 0; i < d->n_clouds && i < (int)ARRAY_LEN(p->clouds); i++) {
        if (d->clouds[i].available) {
            (void)str_copy(p->clouds[p->n_clouds].name, sizeof(p->clouds[0].name), d->clouds[i].name);
            p->clouds[p->n_clouds].price = director_price(d, d->clouds[i].name, "");
            p->clouds[p->n_clouds].is_default = str_eq(chosen, d->clouds[i].name);
            p->n_clouds++;
        }
    }
}

static int add_service(struct director *d, const struct service *v, struct present_service *ret,
                       struct err *e)
{
    _cleanup_revision_ struct revision r = {0};
    struct version *list = NULL;
    size_t n = 0;
    int rc = revision_load(d, v, &r, e);
    if (rc < 0 || (rc = store_versions(d->store, v->id, &list, &n, e)) < 0) {
        return rc;
    }
    *ret = (struct present_service){.id = v->id, .type = v->type, .state = v->state, .want = v->want};
    ret->deleting = v->deleting;
    (void)str_copy(ret->name, sizeof(ret->name), v->name);
    (void)str_copy(ret->cloud, sizeof(ret->cloud), v->cloud);
    (void)str_copy(ret->why, sizeof(ret->why), v->in_error ? v->error_why : "");
    ret->settings = json_incref(r.settings);
    ret->environment = json_incref(r.env);
    ret->links = json_incref(r.links);
    ret->versions = xcalloc(n ? n : 1, sizeof(*ret->versions));
    for (size_t i = 0; i < n; i++) {
        ret->versions[i].id = list[i].id;
        (void)str_copy(ret->versions[i].sha256, sizeof(ret->versions[i].sha256), list[i].sha256);
    }
    ret->n_versions = (int)n;
    versions_free(list, n);
    rc = revision_open(d, r.secrets, &ret->secrets, e);
    return rc < 0 ? rc : revision_open(d, r.own, &ret->own, e);
}

static int add_app(struct director *d, int64_t owner, const char *name, struct present *p, int64_t *ret_app,
                   struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    if (find_app(d, owner, name, &s) < 0) {
        return 0;
    }
    int rc = s->row.app.deleting
                 ? err_set_hint(e, ERR_STATE, "wait until it is gone, or give the new one another name",
                                "application %s is being deleted", name)
                 : 0;
    p->exists = true;
    p->manager = s->row.app.manager_wanted;
    (void)str_copy(p->cloud, sizeof(p->cloud), s->row.app.cloud);
    *ret_app = s->id;
    for (int i = 0; i < s->n && rc >= 0; i++) {
        rc = add_service(d, &s->services[i]->row.service, &p->services[p->n], e);
        p->n++; /* also what is half filled: present_done frees it */
    }
    return rc;
}

int manifest_present(struct director *d, int64_t owner, const char *name, const struct manifest *m,
                     const json_t *files, struct present *ret, int64_t *ret_app, struct err *e)
{
    struct present p = {.files = files ? json_deep_copy(files) : json_object()};
    int64_t app = 0;
    add_clouds(d, &p);
    int rc = add_app(d, owner, name, &p, &app, e);
    if (rc < 0) {
        present_done(&p);
        return rc;
    }
    for (int i = 0; i < m->n; i++) {
        look_up(d, owner, &m->services[i].code, p.files);
    }
    *ret = p;
    *ret_app = app;
    return 0;
}

/* ---- the way back ---- */

/* What differs from the type's defaults. */
static json_t *own_settings(const struct service_type *t, const json_t *all)
{
    json_t *own = json_object();
    for (int i = 0; i < t->n_settings; i++) {
        const char *v = json_str(all, t->settings[i].name, t->settings[i].fallback);
        if (!str_eq(v, t->settings[i].fallback)) {
            json_object_set_new(own, t->settings[i].name, json_string(v));
        }
    }
    return own;
}

static json_t *counts_of(const struct service *v)
{
    json_t *counts = json_object();
    for (int r = 0; r < v->type->n_roles; r++) {
        if (v->type->roles[r].flags & ROLE_PURPOSE) {
            json_object_set_new(counts, v->type->roles[r].name, json_integer(v->want.counts[r]));
        }
    }
    return counts;
}

static const char *code_member(const struct service_type *t)
{
    for (int i = 0; i < t->n_manifest; i++) {
        if (t->manifest[i].kind == MANIFEST_CODE) {
            return t->manifest[i].name;
        }
    }
    return NULL;
}

/* Its first version is every service's own and is not named. */
static void put_code(struct director *d, const struct slot *s, const struct service *v, json_t *o)
{
    _cleanup_version_ struct version code = {0};
    const char *member = code_member(v->type);
    if (!member || store_version(d->store, v->id, v->want.code, &code, NULL) < 0 ||
        str_eq(code.name, "code-default")) {
        return;
    }
    _cleanup_free_ char *url = str_printf("conpaas:%s/%s/%s", s->row.app.name, v->name, code.name);
    json_object_set_new(
        o, member,
        json_pack("{s:s, s:s, s:s}", "url", url, "sha256", code.sha256, "filename", code.filename));
}

/* Their names alone: null is asked for. */
static void put_secrets(const struct revision *r, json_t *o)
{
    const char *name;
    json_t *id;
    _cleanup_json_ json_t *all = json_object();
    json_object_foreach(r->secrets, name, id)
    {
        json_object_set_new(all, name, json_null());
    }
    if (json_object_size(all)) {
        json_object_set(o, "Secrets", all);
    }
}

static void put_references(const struct slot *s, const struct revision *r, json_t *o)
{
    size_t i;
    json_t *link;
    _cleanup_json_ json_t *all = json_array();
    json_array_foreach(r->links, i, link)
    {
        for (int k = 0; k < s->n; k++) {
            const struct service *other = &s->services[k]->row.service;
            if (other->id == json_int(link, "service", 0)) {
                json_array_append_new(
                    all, json_pack("{s:s, s:s}", "service", other->name, "as", json_str(link, "name", "")));
            }
        }
    }
    if (json_array_size(all)) {
        json_object_set(o, "References", all);
    }
}

static int put_service(struct director *d, const struct slot *s, const struct service *v, json_t *list,
                       struct err *e)
{
    _cleanup_revision_ struct revision r = {0};
    int rc = revision_load(d, v, &r, e);
    if (rc < 0) {
        return rc;
    }
    json_t *o =
        json_pack("{s:s, s:s, s:s}", "Type", v->type->name, "ServiceName", v->name, "Cloud", v->cloud);
    json_object_set_new(o, "Start", json_integer(v->want.run == RUN_RUNNING));
    json_object_set_new(o, "StartupInstances", counts_of(v));
    _cleanup_json_ json_t *settings = own_settings(v->type, r.settings);
    if (json_object_size(settings)) {
        json_object_set(o, "Settings", settings);
    }
    if (json_object_size(r.env)) {
        json_object_set(o, "Environment", r.env);
    }
    put_secrets(&r, o);
    put_references(s, &r, o);
    put_code(d, s, v, o);
    json_array_append_new(list, o);
    return 0;
}

int manifest_of_app(struct director *d, int64_t app, json_t **ret, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    int rc = world_app(d->world, app, &s, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_json_ json_t *list = json_array();
    for (int i = 0; i < s->n && rc >= 0; i++) {
        if (!s->services[i]->row.service.deleting) {
            rc = put_service(d, s, &s->services[i]->row.service, list, e);
        }
    }
    if (rc < 0) {
        return rc;
    }
    *ret = json_pack("{s:s, s:O}", "Application", s->row.app.name, "Services", list);
    return 0;
}
