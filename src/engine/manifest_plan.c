/*
 * Per service in the order of the file: made, then its files, settings, counts and code, then started; what is to stop
 * is stopped before it is changed. Services that go, go last.
 */
#include "engine/manifest_plan.h"

#include <string.h>

static const char *const manifest_step_table[MANIFEST_STEP_MAX] = {
    [STEP_MAKE_APP] = "make_app", [STEP_MAKE_SERVICE] = "make_service",
    [STEP_FETCH] = "fetch",       [STEP_VERSION] = "version",
    [STEP_SETTINGS] = "settings", [STEP_COUNTS] = "counts",
    [STEP_CODE] = "code",         [STEP_START] = "start",
    [STEP_WAIT] = "wait",         [STEP_STOP] = "stop",
    [STEP_DELETE] = "delete",
};
STR_TABLE_DEFINE(manifest_step, enum manifest_step, MANIFEST_STEP_MAX);

void present_done(struct present *p)
{
    for (int i = 0; i < p->n; i++) {
        json_decref(p->services[i].settings);
        json_decref(p->services[i].environment);
        json_decref(p->services[i].secrets);
        json_decref(p->services[i].own);
        json_decref(p->services[i].links);
        free(p->services[i].versions);
    }
    json_decref(p->files);
    *p = (struct present){0};
}

void manifest_plan_done(struct manifest_plan *p)
{
    for (int i = 0; i < p->n; i++) {
        free(p->changes[i].title);
    }
    free(p->changes);
    *p = (struct manifest_plan){0};
}

/* ---- looking things up ---- */

static const struct present_service *find_present(const struct present *p, const char *name)
{
    for (int i = 0; name && i < p->n; i++) {
        if (str_eq(p->services[i].name, name)) {
            return &p->services[i];
        }
    }
    return NULL;
}

static int find_cloud(const struct present *p, const char *name)
{
    for (int i = 0; i < p->n_clouds; i++) {
        if (str_eq(name, "default") ? p->clouds[i].is_default : str_eq(p->clouds[i].name, name)) {
            return i;
        }
    }
    return -1;
}

static int64_t price_of(const struct present *p, const char *cloud)
{
    int i = find_cloud(p, cloud && *cloud ? cloud : "default");
    return i < 0 ? 0 : p->clouds[i].price;
}

/* Counts that the service shall have: what the manifest says, else what it has, else its type's. */
static void wanted_counts(const struct manifest_service *s, const struct present_service *have,
                          int ret[ROLES_MAX])
{
    memset(ret, 0, sizeof(int) * ROLES_MAX);
    for (int r = 0; r < s->type->n_roles; r++) {
        const struct role_def *d = &s->type->roles[r];
        int own = d->flags & ROLE_PURPOSE ? d->start : 0;
        ret[r] = s->counted[r] ? s->counts[r] : have ? have->want.counts[r] : own;
    }
}

/* ---- what is wrong in view of what there is ---- */

static void check_source(struct manifest *m, const struct present *p, const struct manifest_source *s)
{
    if (s->kind == SOURCE_NONE || !s->text) {
        return;
    }
    const json_t *known = json_object_get(p->files, s->text);
    if (s->kind == SOURCE_FILE && !known) {
        manifest_complain(m, s->pointer, false,
                          "apply the manifest with `conpaas manifest apply`, which sends it",
                          "the director has no file \"%.80s\"", s->text + strlen("file:"));
        return;
    }
    const char *why = json_str(known, "why", NULL);
    const char *sha256 = json_str(known, "sha256", "");
    if (why) {
        manifest_complain(m, s->pointer, false, json_str(known, "hint", NULL), "%s", why);
    } else if (known && s->sha256[0] && !str_eq(s->sha256, sha256)) {
        manifest_complain(m, s->pointer, false, NULL, "the content of %.80s has SHA-256 %s", s->text, sha256);
    }
}

static void check_service(struct manifest *m, const struct present *p, const struct manifest_service *s)
{
    const struct present_service *have = find_present(p, s->name);
    _cleanup_free_ char *clouds = json_pointer(s->pointer, "Cloud");
    if (s->cloud && find_cloud(p, s->cloud) < 0) {
        manifest_complain(m, clouds, false, "conpaas cloud list", "there is no cloud \"%s\"", s->cloud);
    }
    if (!s->type) {
        return;
    }
    if (have && have->type != s->type) {
        _cleanup_free_ char *pointer = json_pointer(s->pointer, "Type");
        manifest_complain(m, pointer, false, "give it another name, or delete the one that is there",
                          "\"%s\" is a service of type %s already", s->name, have->type->name);
        return;
    }
    if (have && have->deleting) {
        manifest_complain(m, s->pointer, false, "wait until it is gone", "\"%s\" is being deleted", s->name);
    }
    int counts[ROLES_MAX];
    _cleanup_err_ struct err e = {0};
    wanted_counts(s, have, counts);
    if (service_type_check_counts(s->type, counts, &e) < 0) {
        _cleanup_free_ char *pointer = json_pointer(s->pointer, "StartupInstances");
        manifest_complain(m, pointer, false, e.hint, "%s", e.message);
    }
    check_source(m, p, &s->code);
}

static const struct service_type *type_of(const struct manifest *m, const struct present *p, const char *name)
{
    const struct present_service *have = find_present(p, name);
    for (int i = 0; i < m->n; i++) {
        if (str_eq(m->services[i].name, name)) {
            return m->services[i].type;
        }
    }
    return have ? have->type : NULL;
}

static void check_references(struct manifest *m, const struct present *p, const struct manifest_service *s)
{
    for (int i = 0; i < s->n_references; i++) {
        const struct manifest_reference *r = &s->references[i];
        const struct present_service *have = find_present(p, r->service);
        bool named = false, runs = have && have->want.run == RUN_RUNNING;
        for (int k = 0; k < m->n; k++) {
            bool it = str_eq(m->services[k].name, r->service);
            named = named || it;
            runs = it ? m->services[k].run : runs;
        }
        if ((named || have) && s->run && !runs) {
            manifest_complain(m, r->pointer, false, "start it too, or neither",
                              "it refers to %s, which is not to run", r->service);
        }
        if (!named && !have) {
            manifest_complain(m, r->pointer, false, NULL,
                              "there is no service \"%.64s\" in the manifest or the application", r->service);
        }
    }
}

static void check_room(struct manifest *m, const struct present *p)
{
    int n = p->n;
    for (int i = 0; i < m->n; i++) {
        n += !find_present(p, m->services[i].name);
    }
    if (n > SERVICES_MAX) {
        manifest_complain(m, "/Services", false, NULL,
                          "an application has at most %d services; this makes %d", SERVICES_MAX, n);
    }
}

void manifest_check(struct manifest *m, const struct present *p)
{
    for (int i = 0; i < m->n; i++) {
        check_service(m, p, &m->services[i]);
        check_references(m, p, &m->services[i]);
    }
    check_room(m, p);
    manifest_sort_problems(m);
}

/* ---- the list ---- */

struct making {
    const struct manifest *m;
    const struct present *p;
    struct manifest_plan *out;
    int index;
    const struct manifest_service *s;
    const struct present_service *have; /* NULL: to be made */
};

static struct manifest_change *add(struct making *k, enum manifest_step step, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static struct manifest_change *add(struct making *k, enum manifest_step step, const char *fmt, ...)
{
    struct manifest_plan *out = k->out;
    if (out->n == out->cap) {
        out->cap = out->cap ? 2 * out->cap : 16;
        out->changes = xreallocarray(out->changes, (size_t)out->cap, sizeof(*out->changes));
    }
    struct buf title = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&title, fmt, ap);
    va_end(ap);
    struct manifest_change *c = &out->changes[out->n++];
    *c = (struct manifest_change){.step = step, .index = k->s ? k->index : -1, .title = buf_take(&title)};
    c->service = k->have ? k->have->id : 0;
    return c;
}

static const struct present_version *version_with(const struct present_service *have, const char *sha256)
{
    const struct present_version *found = NULL;
    for (int i = 0; have && i < have->n_versions; i++) {
        const struct present_version *v = &have->versions[i];
        if (str_eq(v->sha256, sha256) && (!found || v->id == have->want.code)) {
            found = v;
        }
    }
    return found;
}

static void add_activate(struct making *k, int64_t version, const char *what)
{
    add(k, STEP_CODE, "activate %s in %s", what, k->s->name)->version = version;
}

static void plan_code(struct making *k)
{
    const struct manifest_source *s = &k->s->code;
    if (s->kind == SOURCE_NONE) {
        return;
    }
    const json_t *known = json_object_get(k->p->files, s->text);
    const char *sha256 = json_str(known, "sha256", s->sha256);
    const struct present_version *v = *sha256 ? version_with(k->have, sha256) : NULL;
    _cleanup_free_ char *filename = manifest_source_filename(s);
    const char *name = json_str(known, "filename", filename);
    if (v) {
        if (v->id != k->have->want.code) {
            add_activate(k, v->id, name);
        }
        return;
    }
    if (!known) {
        struct manifest_change *c = add(k, STEP_FETCH, "fetch %s for %s", s->text, k->s->name);
        c->source = s;
        c->maybe = k->have && !*sha256; /* it may be what is active already */
        if (c->maybe) {
            return;
        }
    }
    struct manifest_change *c = add(k, STEP_VERSION, "new code version of %s from %s", k->s->name, name);
    c->source = s;
    (void)str_copy(c->sha256, sizeof(c->sha256), sha256);
    add_activate(k, 0, name);
}

/* Those that differ from what it has, or from the type's defaults. */
static void add_settings(const struct making *k, struct buf *words)
{
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach(k->s->settings, key, v)
    {
        const struct setting_def *d = k->s->type->settings;
        const char *has = k->have ? json_str(k->have->settings, key, "") : NULL;
        for (int i = 0; !has && i < k->s->type->n_settings; i++) {
            has = str_eq(d[i].name, key) ? d[i].fallback : NULL;
        }
        if (!str_eq(has, json_string_value(v))) {
            buf_addf(words, "%s%s %s", words->len ? ", " : "", key, json_string_value(v));
        }
    }
}

/* Values of variables are not repeated to people: some hold what others should not read. */
static void add_environment(const struct making *k, struct buf *words)
{
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach(k->s->environment, key, v)
    {
        const json_t *has = k->have ? json_object_get(k->have->environment, key) : NULL;
        if (!has || !json_equal(has, v)) {
            buf_addf(words, "%s%s", words->len ? ", " : "", key);
        }
    }
}

/* Members of `given` that are texts and differ from what it has. */
static void add_secrets(const json_t *given, const json_t *have, const struct service_type *own,
                        struct buf *words)
{
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach((json_t *)given, key, v)
    {
        const struct manifest_field *f = own ? manifest_field(own, key) : NULL;
        const json_t *has = json_object_get(have, f ? f->target : key);
        if (json_is_string(v) && (!has || !json_equal(has, v))) {
            buf_addf(words, "%s%s", words->len ? ", " : "", key);
        }
    }
}

static bool has_link(const struct present_service *have, const char *name, int64_t service)
{
    size_t i;
    json_t *link;
    json_array_foreach(have ? have->links : NULL, i, link)
    {
        if (str_eq(json_str(link, "name", ""), name) && json_int(link, "service", 0) == service) {
            return true;
        }
    }
    return false;
}

static void add_references(const struct making *k, struct buf *words)
{
    for (int i = 0; i < k->s->n_references; i++) {
        const struct manifest_reference *r = &k->s->references[i];
        const struct present_service *other = find_present(k->p, r->service);
        const struct service_type *t = type_of(k->m, k->p, r->service);
        _cleanup_free_ char *name = t ? manifest_reference_name(r, t) : NULL;
        if (name && (!other || !has_link(k->have, name, other->id))) {
            buf_addf(words, "%sreference to %s", words->len ? ", " : "", r->service);
        }
    }
}

static void add_asks(const struct manifest_service *s, const json_t *given, const json_t *have, bool own,
                     json_t *list)
{
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach((json_t *)given, key, v)
    {
        const struct manifest_field *f = own ? manifest_field(s->type, key) : NULL;
        if (json_is_null(v) && !json_object_get(have, f ? f->target : key)) {
            json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "service", s->name, "member",
                                                  own ? key : "Secrets", "name", key));
        }
    }
}

json_t *manifest_asks(const struct manifest *m, const struct present *p)
{
    json_t *list = json_array();
    for (int i = 0; i < m->n; i++) {
        const struct manifest_service *s = &m->services[i];
        const struct present_service *have = find_present(p, s->name);
        if (s->type && s->name) {
            add_asks(s, s->secrets, have ? have->secrets : NULL, false, list);
            add_asks(s, s->own, have ? have->own : NULL, true, list);
        }
    }
    return list;
}

static void plan_settings(struct making *k)
{
    struct buf words = {0};
    add_settings(k, &words);
    add_environment(k, &words);
    add_secrets(k->s->secrets, k->have ? k->have->secrets : NULL, NULL, &words);
    add_secrets(k->s->own, k->have ? k->have->own : NULL, k->s->type, &words);
    add_references(k, &words);
    if (words.len) {
        add(k, STEP_SETTINGS, "set %s of %s", words.data, k->s->name);
    }
    buf_done(&words);
}

static void plan_counts(struct making *k)
{
    int wanted[ROLES_MAX], now[ROLES_MAX];
    struct buf words = {0};
    const struct manifest_service of_type = {.type = k->s->type};
    wanted_counts(k->s, k->have, wanted);
    wanted_counts(&of_type, k->have, now);
    for (int r = 0; r < k->s->type->n_roles; r++) {
        if (wanted[r] != now[r]) {
            buf_addf(&words, "%s%s %d -> %d", words.len ? ", " : "", k->s->type->roles[r].name, now[r],
                     wanted[r]);
        }
    }
    if (words.len) {
        struct manifest_change *c = add(k, STEP_COUNTS, "nodes of %s: %s", k->s->name, words.data);
        memcpy(c->counts, wanted, sizeof(c->counts));
    }
    buf_done(&words);
}

static bool runs(const struct present_service *have)
{
    return have && have->want.run == RUN_RUNNING;
}

static bool is_moving(const struct present_service *have)
{
    return have->state == SERVICE_PROLOGUE || have->state == SERVICE_EPILOGUE || have->state == SERVICE_ERROR;
}

static void plan_service(struct making *k)
{
    int before = k->out->n;
    if (!k->have) {
        add(k, STEP_MAKE_SERVICE, "make service %s (%s)", k->s->name, k->s->type->name);
    }
    if (runs(k->have) && !k->s->run) {
        add(k, STEP_STOP, "stop %s", k->s->name);
    }
    if (k->have && is_moving(k->have) && (runs(k->have) ? k->s->run : k->have->state == SERVICE_EPILOGUE)) {
        add(k, STEP_WAIT, "wait for %s", k->s->name);
    }
    plan_settings(k);
    plan_counts(k);
    plan_code(k);
    if (!runs(k->have) && k->s->run) {
        add(k, STEP_START, "start %s", k->s->name);
    }
    k->out->same += k->out->n == before;
}

static bool is_named(const struct manifest *m, const char *name)
{
    for (int i = 0; i < m->n; i++) {
        if (str_eq(m->services[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* The last that came goes first. */
static void plan_prune(struct making *k, bool prune)
{
    k->s = NULL;
    for (int i = k->p->n - 1; i >= 0; i--) {
        k->have = &k->p->services[i];
        if (is_named(k->m, k->have->name)) {
            continue;
        }
        if (!prune) {
            k->out->kept++;
            continue;
        }
        if (runs(k->have)) {
            add(k, STEP_STOP, "stop %s, which is not in the manifest", k->have->name);
        }
        if (!k->have->deleting) {
            add(k, STEP_DELETE, "delete %s, which is not in the manifest", k->have->name);
        } else {
            add(k, STEP_WAIT, "wait until %s is gone", k->have->name);
        }
    }
    k->have = NULL;
}

static int64_t sum(const int counts[ROLES_MAX])
{
    int64_t n = 0;
    for (int r = 0; r < ROLES_MAX; r++) {
        n += counts[r];
    }
    return n;
}

/* By what is wanted: nodes on their way count as if they were there. */
static void plan_price(struct making *k, bool prune)
{
    struct manifest_plan *out = k->out;
    bool any = false;
    int64_t manager = price_of(k->p, k->p->cloud);
    for (int i = 0; i < k->p->n; i++) {
        const struct present_service *have = &k->p->services[i];
        int64_t n = runs(have) ? sum(have->want.counts) : 0;
        bool stays = n && !is_named(k->m, have->name) && !prune;
        out->nodes_now += n;
        out->price_now += n * price_of(k->p, have->cloud);
        out->nodes_then += stays ? n : 0;
        out->price_then += stays ? n * price_of(k->p, have->cloud) : 0;
    }
    for (int i = 0; i < k->m->n; i++) {
        const struct manifest_service *s = &k->m->services[i];
        const struct present_service *have = find_present(k->p, s->name);
        int counts[ROLES_MAX];
        any = true;
        if (s->run) {
            wanted_counts(s, have, counts);
            out->nodes_then += sum(counts);
            out->price_then += sum(counts) * price_of(k->p, have       ? have->cloud
                                                            : s->cloud ? s->cloud
                                                                       : k->p->cloud);
        }
    }
    bool starts = any && !k->p->exists; /* the first service of an application brings its manager */
    for (int i = 0; i < out->n; i++) {
        starts = starts || out->changes[i].step == STEP_START ||
                 (out->changes[i].step == STEP_MAKE_SERVICE && k->p->n == 0);
    }
    out->nodes_now += k->p->manager;
    out->price_now += k->p->manager ? manager : 0;
    out->nodes_then += k->p->manager || starts;
    out->price_then += k->p->manager || starts ? manager : 0;
}

void manifest_plan(const struct manifest *m, const struct present *p, bool prune, struct manifest_plan *ret)
{
    struct making k = {.m = m, .p = p, .out = ret};
    *ret = (struct manifest_plan){0};
    if (!p->exists) {
        add(&k, STEP_MAKE_APP, "make application %s", m->app);
    }
    for (int i = 0; i < m->n; i++) {
        k.index = m->order[i];
        k.s = &m->services[k.index];
        k.have = find_present(p, k.s->name);
        plan_service(&k);
    }
    plan_prune(&k, prune);
    plan_price(&k, prune);
}
