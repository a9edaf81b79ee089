/*
 * From text to manifest.  Every member has a row: its name and the function that reads it.  Nothing stops at the
 * first mistake.
 */
#include "base/nearest.h"
#include "model/names.h"
#include "service/links.h"
#include "service/manifest.h"

#define DESCRIPTION_MAX 1000
#define URL_MAX 2000

/* What is being read: a member of the manifest or of one of its services. */
struct member {
    struct manifest *m;
    struct manifest_service *s; /* NULL: of the manifest itself */
    const char *pointer;
    const char *name;
    const json_t *v;
};

struct member_row {
    const char *name;
    void (*read)(const struct member *at);
};

/* ---- kinds of values ---- */

static const char *text_of(const struct member *at)
{
    if (!json_is_string(at->v) || strlen(json_string_value(at->v)) != json_string_length(at->v)) {
        manifest_complain(at->m, at->pointer, false, NULL, "%s must be a text", at->name);
        return NULL;
    }
    return json_string_value(at->v);
}

static char *name_of(const struct member *at, int (*check)(const char *s, struct err *e))
{
    _cleanup_err_ struct err e = {0};
    const char *text = text_of(at);
    if (text && check(text, &e) < 0) {
        manifest_complain(at->m, at->pointer, false, e.hint, "%s: %s", at->name, e.message);
        return NULL;
    }
    return text ? xstrdup(text) : NULL;
}

/* Also as a text, as older manifests have it. */
static bool number_of(const json_t *v, int64_t max, int64_t *ret)
{
    if (json_is_string(v)) {
        return str_to_int(json_string_value(v), 0, max, ret) == 0;
    }
    *ret = json_integer_value(v);
    return json_is_integer(v) && *ret >= 0 && *ret <= max;
}

/* "did you mean" of a NULL-terminated list, else the list itself; caller frees. */
static char *advice(const char *word, const char *const *words)
{
    const char *near = str_nearest(word, words);
    if (near) {
        return str_printf("did you mean %s?", near);
    }
    struct buf b = {0};
    buf_adds(&b, words[0] ? "there are: " : "there are none");
    for (int i = 0; words[i]; i++) {
        buf_addf(&b, "%s%s", i ? ", " : "", words[i]);
    }
    return buf_take(&b);
}

/* ---- sources ---- */

static bool is_hex_hash(const char *s)
{
    return strlen(s) == SHA256_HEX - 1 && strspn(s, "0123456789abcdef") == SHA256_HEX - 1;
}

static bool is_url(const char *s)
{
    return str_starts(s, "https://") || str_starts(s, "http://");
}

static bool is_plain_url(const char *s)
{
    for (const char *p = s; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("\"<>\\^`{|}", *p)) {
            return false;
        }
    }
    const char *host = strstr(s, "://") + 3;
    size_t n = strcspn(host, "/?#");
    return strlen(s) <= URL_MAX && n > 0 && !memchr(host, '@', n);
}

static void source_text(const struct member *at, const char *text, struct manifest_source *ret)
{
    char *app = NULL, *service = NULL, *version = NULL;
    if (is_url(text)) {
        ret->kind = SOURCE_URL;
        if (!is_plain_url(text)) {
            manifest_complain(at->m, at->pointer, false, "for example https://example.org/shop-1.2.tar.gz",
                              "%s: this is no address that can be fetched (no blanks, no user names)",
                              at->name);
        }
    } else if (str_starts(text, "file:") && text[5]) {
        ret->kind = SOURCE_FILE;
    } else if (str_starts(text, "sha256:") && is_hex_hash(text + 7)) {
        ret->kind = SOURCE_SHA256;
        (void)str_copy(ret->sha256, sizeof(ret->sha256), text + 7);
    } else if (str_starts(text, "conpaas:") && manifest_source_version(text, &app, &service, &version) == 0) {
        ret->kind = SOURCE_VERSION;
        free(app);
        free(service);
        free(version);
    } else {
        manifest_complain(at->m, at->pointer, false,
                          "https://HOST/PATH, file:PATH, sha256:HEX or conpaas:APPLICATION/SERVICE/VERSION",
                          "%s: \"%.80s\" names no file", at->name, text);
        return;
    }
    ret->text = xstrdup(text);
    ret->pointer = xstrdup(at->pointer);
}

/* {"url", "sha256", "filename"} */
static void source_object(const struct member *at, struct manifest_source *ret)
{
    static const char *const words[] = {"url", "sha256", "filename", NULL};
    const char *key = NULL;
    json_t *v = NULL;
    if (!json_object_get(at->v, "url")) {
        manifest_complain(at->m, at->pointer, false, NULL, "%s has no url", at->name);
    }
    json_object_foreach((json_t *)at->v, key, v)
    {
        _cleanup_free_ char *pointer = json_pointer(at->pointer, key);
        _cleanup_free_ char *name = str_printf("%s.%.40s", at->name, key);
        struct member inner = {.m = at->m, .s = at->s, .pointer = pointer, .name = name, .v = v};
        _cleanup_err_ struct err e = {0};
        if (str_eq(key, "url")) {
            const char *text = text_of(&inner);
            if (text) {
                source_text(&inner, text, ret);
            }
        } else if (str_eq(key, "sha256")) {
            const char *text = text_of(&inner);
            if (text && !is_hex_hash(text)) {
                manifest_complain(at->m, pointer, false, NULL, "%s must be 64 of 0-9 a-f", name);
            } else if (text) {
                (void)str_copy(ret->sha256, sizeof(ret->sha256), text);
            }
        } else if (str_eq(key, "filename")) {
            ret->filename = name_of(&inner, name_check_file);
        } else {
            _cleanup_free_ char *hint = advice(key, words);
            manifest_complain(at->m, pointer, true, hint, "%s has no member \"%.40s\"", at->name, key);
        }
    }
}

static void read_source(const struct member *at, struct manifest_source *ret)
{
    if (json_is_object(at->v)) {
        source_object(at, ret);
        return;
    }
    const char *text = text_of(at);
    if (text) {
        source_text(at, text, ret);
    }
}

/* ---- members of a service ---- */

static void read_type(const struct member *at)
{
    const char *text = text_of(at);
    if (!text || at->s->type) {
        return; /* found before the others were read */
    }
    const char *names[32] = {NULL};
    for (size_t i = 0; service_types[i] && i + 1 < ARRAY_LEN(names); i++) {
        names[i] = service_types[i]->name;
    }
    _cleanup_free_ char *hint = advice(text, names);
    manifest_complain(at->m, at->pointer, false, hint, "there is no service type \"%.40s\"", text);
}

static void read_service_name(const struct member *at)
{
    at->s->name = name_of(at, name_check_thing);
}

static void read_cloud(const struct member *at)
{
    at->s->cloud = name_of(at, name_check_id);
}

static void read_start(const struct member *at)
{
    int64_t n = 0;
    if (json_is_boolean(at->v)) {
        at->s->run = json_is_true(at->v);
    } else if (number_of(at->v, 1, &n)) {
        at->s->run = n == 1;
    } else {
        manifest_complain(at->m, at->pointer, false, NULL, "Start must be 0 or 1");
    }
}

static void read_count(const struct member *at, const char *role, const char *pointer, const json_t *v)
{
    const struct service_type *t = at->s->type;
    const char *names[ROLES_MAX + 1] = {NULL};
    int n_names = 0, r = service_type_role(t, role);
    for (int i = 0; i < t->n_roles; i++) {
        if (t->roles[i].flags & ROLE_PURPOSE) {
            names[n_names++] = t->roles[i].name;
        }
    }
    if (r < 0 || !(t->roles[r].flags & ROLE_PURPOSE)) {
        _cleanup_free_ char *hint = advice(role, names);
        manifest_complain(at->m, pointer, true, hint, "%s has no role \"%.40s\" that nodes can be asked for",
                          t->title, role);
        return;
    }
    int64_t n = 0;
    const struct role_def *d = &t->roles[r];
    if (!number_of(v, NODES_MAX, &n) || n < d->min || n > d->max) {
        manifest_complain(at->m, pointer, false, NULL, "%s: the number of nodes must be from %d to %d",
                          d->name, d->min, d->max);
        return;
    }
    at->s->counted[r] = true;
    at->s->counts[r] = (int)n;
}

static void read_counts(const struct member *at)
{
    const char *role = NULL;
    json_t *v = NULL;
    if (!json_is_object(at->v)) {
        manifest_complain(at->m, at->pointer, false, "for example {\"backend\": 2}",
                          "StartupInstances must be an object: role -> number");
        return;
    }
    json_object_foreach((json_t *)at->v, role, v)
    {
        _cleanup_free_ char *pointer = json_pointer(at->pointer, role);
        if (at->s->type) {
            read_count(at, role, pointer, v);
        }
    }
}

static void read_setting(const struct member *at, const char *key, const char *pointer, json_t *v)
{
    const struct service_type *t = at->s->type;
    _cleanup_json_ json_t *one = json_pack("{s:O}", key, v);
    _cleanup_json_ json_t *all = NULL;
    _cleanup_err_ struct err e = {0};
    const char **names = xcalloc((size_t)t->n_settings + 1, sizeof(*names));
    bool known = false;
    for (int i = 0; i < t->n_settings; i++) {
        names[i] = t->settings[i].name;
        known = known || str_eq(names[i], key);
    }
    if (!known) {
        _cleanup_free_ char *hint = advice(key, names);
        manifest_complain(at->m, pointer, true, hint, "%s has no setting \"%.64s\"", t->title, key);
    } else if (service_type_settings(t, NULL, one, &all, &e) < 0) {
        _cleanup_free_ char *hint = e.hint ? str_printf("it must be %s", e.hint) : NULL;
        manifest_complain(at->m, pointer, false, hint, "%s", e.message);
    } else {
        at->s->settings = at->s->settings ? at->s->settings : json_object();
        json_object_set(at->s->settings, key, json_object_get(all, key));
    }
    free(names);
}

static void read_settings(const struct member *at)
{
    const char *key = NULL;
    json_t *v = NULL;
    if (!json_is_object(at->v)) {
        manifest_complain(at->m, at->pointer, false, "for example {\"memory_limit\": \"256M\"}",
                          "Settings must be an object: name -> value");
        return;
    }
    json_object_foreach((json_t *)at->v, key, v)
    {
        _cleanup_free_ char *pointer = json_pointer(at->pointer, key);
        if (at->s->type) {
            read_setting(at, key, pointer, v);
        }
    }
}

static void read_variable(const struct member *at, const char *key, const char *pointer, json_t *v)
{
    _cleanup_err_ struct err e = {0};
    const char *text = json_string_value(v);
    size_t len = json_string_length(v);
    if (name_check_variable(key, &e) < 0) {
        manifest_complain(at->m, pointer, true, e.hint, "%s", e.message);
    } else if (!text || strlen(text) != len || len > VARIABLE_TEXT_MAX) {
        manifest_complain(at->m, pointer, false, NULL, "%s must be a text of at most %d bytes", key,
                          VARIABLE_TEXT_MAX);
    } else {
        at->s->environment = at->s->environment ? at->s->environment : json_object();
        json_object_set(at->s->environment, key, v);
    }
}

static void read_environment(const struct member *at)
{
    const char *key = NULL;
    json_t *v = NULL;
    if (!json_is_object(at->v)) {
        manifest_complain(at->m, at->pointer, false, "for example {\"COLOUR\": \"red\"}",
                          "Environment must be an object: NAME -> text");
        return;
    }
    json_object_foreach((json_t *)at->v, key, v)
    {
        _cleanup_free_ char *pointer = json_pointer(at->pointer, key);
        read_variable(at, key, pointer, v);
    }
}

/* A value that is never shown; null: to be asked for. */
static bool read_secret(const struct member *at, const char *key, const char *pointer, json_t *v,
                        json_t **all)
{
    const char *text = json_string_value(v);
    size_t len = json_string_length(v);
    if (!json_is_null(v) && (!text || strlen(text) != len || len == 0 || len > VARIABLE_TEXT_MAX)) {
        manifest_complain(at->m, pointer, false, "null: it is asked for",
                          "%s must be a text of 1 to %d bytes, or null", key, VARIABLE_TEXT_MAX);
        return false;
    }
    *all = *all ? *all : json_object();
    json_object_set(*all, key, v);
    return true;
}

static void read_secrets(const struct member *at)
{
    const char *key = NULL;
    json_t *v = NULL;
    if (!json_is_object(at->v)) {
        manifest_complain(at->m, at->pointer, false, "for example {\"API_KEY\": null}",
                          "Secrets must be an object: NAME -> text or null");
        return;
    }
    json_object_foreach((json_t *)at->v, key, v)
    {
        _cleanup_free_ char *pointer = json_pointer(at->pointer, key);
        _cleanup_err_ struct err e = {0};
        if (name_check_variable(key, &e) < 0) {
            manifest_complain(at->m, pointer, true, e.hint, "%s", e.message);
        } else {
            (void)read_secret(at, key, pointer, v, &at->s->secrets);
        }
    }
}

static void read_reference(const struct member *at, const char *pointer, const json_t *v)
{
    static const char *const words[] = {"service", "as", NULL};
    const char *service = json_is_string(v) ? json_string_value(v) : json_str(v, "service", NULL),
               *key = NULL;
    json_t *value = NULL;
    if (!service || at->s->n_references == SERVICES_MAX) {
        manifest_complain(at->m, pointer, false,
                          "\"database\", or {\"service\": \"database\", \"as\": \"DB\"}",
                          "a reference names a service");
        return;
    }
    json_object_foreach((json_t *)v, key, value)
    {
        _cleanup_free_ char *child = json_pointer(pointer, key);
        if (!str_eq(key, words[0]) && !str_eq(key, words[1])) {
            _cleanup_free_ char *hint = advice(key, words);
            manifest_complain(at->m, child, true, hint, "a reference has no member \"%.40s\"", key);
        }
    }
    const char *as = json_str(v, "as", NULL);
    _cleanup_err_ struct err e = {0};
    if (as && link_check_name(as, &e) < 0) {
        manifest_complain(at->m, pointer, false, e.hint, "%s", e.message);
    }
    struct manifest_reference *r = &at->s->references[at->s->n_references++];
    *r = (struct manifest_reference){.service = xstrdup(service), .pointer = xstrdup(pointer)};
    r->as = as ? xstrdup(as) : NULL;
}

static void read_references(const struct member *at)
{
    size_t i;
    json_t *v;
    if (!json_is_array(at->v)) {
        manifest_complain(at->m, at->pointer, false, "for example [\"database\"]",
                          "References must be a list of services");
        return;
    }
    json_array_foreach((json_t *)at->v, i, v)
    {
        _cleanup_free_ char *index = str_printf("%zu", i);
        _cleanup_free_ char *pointer = json_pointer(at->pointer, index);
        read_reference(at, pointer, v);
    }
}

static const struct member_row service_rows[] = {
    {"Type", read_type},
    {"ServiceName", read_service_name},
    {"Cloud", read_cloud},
    {"Start", read_start},
    {"StartupInstances", read_counts},
    {"Settings", read_settings},
    {"Environment", read_environment},
    {"Secrets", read_secrets},
    {"References", read_references},
};

static bool of_another_type(const char *name)
{
    for (size_t i = 0; service_types[i]; i++) {
        if (manifest_field(service_types[i], name)) {
            return true;
        }
    }
    return false;
}

static void unknown_member(const struct member *at)
{
    const struct service_type *t = at->s->type;
    const char *words[64] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(service_rows); i++) {
        words[n++] = service_rows[i].name;
    }
    for (int i = 0; t && i < t->n_manifest && n + 1 < ARRAY_LEN(words); i++) {
        words[n++] = t->manifest[i].name;
    }
    if (!t && of_another_type(at->name)) {
        return; /* the type is the mistake */
    }
    _cleanup_free_ char *hint = advice(at->name, words);
    if (of_another_type(at->name)) {
        manifest_complain(at->m, at->pointer, true, NULL, "%s takes no %s", t->title, at->name);
        return;
    }
    manifest_complain(at->m, at->pointer, true, hint, "a service has no member \"%.40s\"", at->name);
}

static void read_field(const struct member *at, const struct manifest_field *f)
{
    switch (f->kind) {
    case MANIFEST_CODE:
        read_source(at, &at->s->code);
        break;
    case MANIFEST_SECRET:
        (void)read_secret(at, at->name, at->pointer, (json_t *)at->v, &at->s->own);
        break;
    case MANIFEST_KIND_MAX:
        break;
    }
}

static void read_service_member(const struct member *at)
{
    for (size_t i = 0; i < ARRAY_LEN(service_rows); i++) {
        if (str_eq(service_rows[i].name, at->name)) {
            service_rows[i].read(at);
            return;
        }
    }
    const struct manifest_field *f = manifest_field(at->s->type, at->name);
    if (f) {
        read_field(at, f);
    } else {
        unknown_member(at);
    }
}

static void check_name(struct manifest *m, struct manifest_service *s)
{
    _cleanup_free_ char *pointer = json_pointer(s->pointer, "ServiceName");
    if (!s->name && s->type) {
        s->name = xstrdup(s->type->name);
    }
    for (struct manifest_service *o = m->services; s->name && o != s; o++) {
        if (str_eq(o->name, s->name)) {
            manifest_complain(m, pointer, false, "give each a ServiceName of its own",
                              "two services are called \"%s\"", s->name);
            return;
        }
    }
}

static void read_service(struct manifest *m, const char *pointer, const json_t *v)
{
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(v)) {
        manifest_complain(m, pointer, false, NULL, "a service must be an object");
        return;
    }
    if (m->n == SERVICES_MAX) {
        manifest_complain(m, pointer, false, NULL, "an application has at most %d services", SERVICES_MAX);
        return;
    }
    struct manifest_service *s = &m->services[m->n++];
    s->pointer = xstrdup(pointer);
    s->run = true;
    s->type = service_type_find(json_str(v, "Type", ""));
    if (!json_object_get(v, "Type")) {
        manifest_complain(m, pointer, false, "for example \"Type\": \"php\"", "the service has no Type");
    }
    json_object_foreach((json_t *)v, key, value)
    {
        _cleanup_free_ char *child = json_pointer(pointer, key);
        read_service_member(&(struct member){.m = m, .s = s, .pointer = child, .name = key, .v = value});
    }
    check_name(m, s);
}

/* ---- the manifest ---- */

static void read_app(const struct member *at)
{
    at->m->app = name_of(at, name_check_thing);
}

static void read_description(const struct member *at)
{
    _cleanup_err_ struct err e = {0};
    const char *text = text_of(at);
    if (text && name_check_text(text, DESCRIPTION_MAX, &e) < 0) {
        manifest_complain(at->m, at->pointer, false, e.hint, "Description: %s", e.message);
    } else if (text) {
        at->m->description = xstrdup(text);
    }
}

static void read_services(const struct member *at)
{
    size_t i;
    json_t *v;
    if (!json_is_array(at->v)) {
        manifest_complain(at->m, at->pointer, false, NULL, "Services must be a list");
        return;
    }
    json_array_foreach((json_t *)at->v, i, v)
    {
        _cleanup_free_ char *index = str_printf("%zu", i);
        _cleanup_free_ char *pointer = json_pointer(at->pointer, index);
        read_service(at->m, pointer, v);
    }
}

static const struct member_row rows[] = {
    {"Application", read_app},
    {"Description", read_description},
    {"Services", read_services},
};

static void read_member(const struct member *at)
{
    const char *words[ARRAY_LEN(rows) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        words[i] = rows[i].name;
        if (str_eq(rows[i].name, at->name)) {
            rows[i].read(at);
            return;
        }
    }
    _cleanup_free_ char *hint = advice(at->name, words);
    manifest_complain(at->m, at->pointer, true, hint, "a manifest has no member \"%.40s\"", at->name);
}

static int index_of(const struct manifest *m, const char *name)
{
    for (int i = 0; i < m->n; i++) {
        if (str_eq(m->services[i].name, name)) {
            return i;
        }
    }
    return -1;
}

/* Those that it refers to, then itself. state: 0 not yet, 1 under way, 2 done. */
static void visit(struct manifest *m, int i, int state[SERVICES_MAX], int *n)
{
    struct manifest_service *s = &m->services[i];
    state[i] = 1;
    for (int k = 0; k < s->n_references; k++) {
        int other = index_of(m, s->references[k].service);
        if (other >= 0 && state[other] == 1) {
            manifest_complain(m, s->references[k].pointer, false, NULL,
                              "the services refer to each other in a circle");
        } else if (other >= 0 && state[other] == 0) {
            visit(m, other, state, n);
        }
    }
    state[i] = 2;
    m->order[(*n)++] = i;
}

static void put_in_order(struct manifest *m)
{
    int state[SERVICES_MAX] = {0}, n = 0;
    for (int i = 0; i < m->n; i++) {
        if (state[i] == 0) {
            visit(m, i, state, &n);
        }
    }
}

static void read_all(struct manifest *m, const json_t *j)
{
    const char *key = NULL, *pointer = NULL;
    json_t *v = NULL;
    struct json_place place;
    if (!json_is_object(j)) {
        manifest_complain(m, "", false, "{\"Application\": \"shop\", \"Services\": []}",
                          "a manifest must be a JSON object");
        return;
    }
    if (!json_object_get(j, "Application")) {
        manifest_complain(m, "", false, "\"Application\": \"shop\"", "the manifest has no Application");
    }
    json_object_foreach((json_t *)j, key, v)
    {
        _cleanup_free_ char *child = json_pointer("", key);
        read_member(&(struct member){.m = m, .pointer = child, .name = key, .v = v});
    }
    for (size_t i = 0; json_places_twice(m->places, i, &pointer, &place); i++) {
        if (m->n_problems < MANIFEST_PROBLEMS_MAX) {
            manifest_complain(m, pointer, true, NULL, "\"%.60s\" stands here twice",
                              strrchr(pointer, '/') + 1);
            m->problems[m->n_problems - 1].place = place;
        }
    }
}

struct manifest *manifest_read(const char *text, size_t len)
{
    struct manifest *m = xcalloc(1, sizeof(*m));
    _cleanup_json_ json_t *j = NULL;
    _cleanup_err_ struct err e = {0};
    struct json_place at;
    if (json_parse_loose(text, len, MANIFEST_MAX, &j, &at.line, &at.column, &e) < 0) {
        manifest_complain(m, "", false, e.hint, "%s", e.message);
        m->problems[0].place = at;
    } else {
        m->places = json_places_new(text, len);
        read_all(m, j);
        put_in_order(m);
    }
    if (!m->app) {
        m->app = xstrdup("");
    }
    manifest_sort_problems(m);
    return m;
}
