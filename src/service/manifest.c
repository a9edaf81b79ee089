/*
 * What a manifest is made of, its problems, its sources.
 */
#include "service/manifest.h"

static void source_done(struct manifest_source *s)
{
    free(s->text);
    free(s->filename);
    free(s->pointer);
}

void manifest_free(struct manifest *m)
{
    if (!m) {
        return;
    }
    for (int i = 0; i < m->n; i++) {
        struct manifest_service *s = &m->services[i];
        free(s->name);
        free(s->cloud);
        free(s->pointer);
        json_decref(s->settings);
        json_decref(s->environment);
        json_decref(s->secrets);
        json_decref(s->own);
        for (int k = 0; k < s->n_references; k++) {
            free(s->references[k].service);
            free(s->references[k].as);
            free(s->references[k].pointer);
        }
        source_done(&s->code);
    }
    for (int i = 0; i < m->n_problems; i++) {
        free(m->problems[i].message);
        free(m->problems[i].hint);
    }
    json_places_free(m->places);
    free(m->app);
    free(m->description);
    free(m);
}

void manifest_complain(struct manifest *m, const char *pointer, bool name, const char *hint, const char *fmt,
                       ...)
{
    if (m->n_problems == MANIFEST_PROBLEMS_MAX) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    struct buf text = {0};
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    struct manifest_problem *p = &m->problems[m->n_problems++];
    p->message = buf_take(&text);
    p->hint = hint ? xstrdup(hint) : NULL;
    p->place = !m->places ? (struct json_place){1, 1}
               : name     ? json_places_name(m->places, pointer)
                          : json_places_value(m->places, pointer);
}

static int by_place(const void *a, const void *b)
{
    const struct manifest_problem *x = a, *y = b;
    return x->place.line != y->place.line ? x->place.line - y->place.line : x->place.column - y->place.column;
}

void manifest_sort_problems(struct manifest *m)
{
    qsort(m->problems, (size_t)m->n_problems, sizeof(m->problems[0]), by_place);
}

json_t *manifest_problems_json(const struct manifest *m)
{
    json_t *list = json_array();
    for (int i = 0; i < m->n_problems; i++) {
        const struct manifest_problem *p = &m->problems[i];
        json_array_append_new(list, json_pack("{s:i, s:i, s:s, s:s?}", "line", p->place.line, "column",
                                              p->place.column, "message", p->message, "hint", p->hint));
    }
    return list;
}

const struct manifest_field *manifest_field(const struct service_type *t, const char *name)
{
    for (int i = 0; t && i < t->n_manifest; i++) {
        if (str_eq(t->manifest[i].name, name)) {
            return &t->manifest[i];
        }
    }
    return NULL;
}

char *manifest_reference_name(const struct manifest_reference *r, const struct service_type *other)
{
    char *name = xstrdup(r->as ? r->as : other->name);
    for (char *p = name; *p && !r->as; p++) {
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    }
    return name;
}

/* ---- sources ---- */

char *manifest_source_filename(const struct manifest_source *s)
{
    if (s->filename) {
        return xstrdup(s->filename);
    }
    if (s->kind != SOURCE_URL && s->kind != SOURCE_FILE) {
        return xstrdup("archive");
    }
    size_t len = strcspn(s->text, "?#");
    _cleanup_free_ char *path = xstrndup(s->text, len);
    const char *slash = strrchr(path, '/');
    const char *colon = strchr(path, ':');
    const char *last = slash ? slash + 1 : colon ? colon + 1 : path;
    bool host = s->kind == SOURCE_URL && slash && slash > path && slash[-1] == '/'; /* https://host */
    struct buf b = {0};
    for (const char *c = host ? "" : last; *c && b.len < 100; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                     strchr("._-+", *c);
        buf_addc(&b, plain ? *c : '_');
    }
    if (b.len == 0 || b.data[0] == '.') {
        buf_reset(&b);
        buf_adds(&b, "archive");
    }
    return buf_take(&b);
}

int manifest_source_version(const char *text, char **ret_app, char **ret_service, char **ret_version)
{
    char **parts = str_split(text + strlen("conpaas:"), '/');
    size_t n = strv_len(parts);
    bool ok = n == 2 || n == 3;
    for (size_t i = 0; i < n; i++) {
        ok = ok && *parts[i];
    }
    if (ok) {
        *ret_app = xstrdup(parts[0]);
        *ret_service = xstrdup(parts[1]);
        *ret_version = n == 3 ? xstrdup(parts[2]) : NULL;
    }
    strv_free(parts);
    return ok ? 0 : ERR_INVALID;
}
