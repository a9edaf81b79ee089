/*
 * INI files against a schema table.  conf_file.c cuts the file into (line, section, key, value); here the
 * entries meet the table.
 */
#include "base/conf.h"

#include <assert.h>

#include "base/conf_file.h"
#include "base/str.h"

#define CONF_STRING_MAX 4096

/* A row for every "[prefix NAME]", not for one section. */
static bool conf_is_family(const struct conf_key *k)
{
    return str_ends(k->section, " *");
}

/* Tables of families only are those of conf_each_section: their rows do have a place in the target. */
static bool conf_only_families(const struct conf_key *schema)
{
    for (const struct conf_key *k = schema; k->key; k++) {
        if (!conf_is_family(k)) {
            return false;
        }
    }
    return true;
}

static bool conf_section_fits(const struct conf_key *k, const char *section)
{
    if (!conf_is_family(k)) {
        return str_eq(k->section, section);
    }
    size_t n = strlen(k->section) - 1; /* with the blank, without the star */
    return strncmp(k->section, section, n) == 0 && section[n] != '\0';
}

static const struct conf_key *conf_find(const struct conf_key *schema, const char *section, const char *key)
{
    for (const struct conf_key *k = schema; k->key; k++) {
        if (conf_section_fits(k, section) && (!key || str_eq(k->key, key))) {
            return k;
        }
    }
    return NULL;
}

/* ---- values ---- */

union conf_value {
    const char *text;
    int64_t number;
    bool flag;
};

static int conf_parse_bool(const char *s, bool *ret)
{
    static const char *const words[2][4] = {{"no", "false", "off", "0"}, {"yes", "true", "on", "1"}};
    for (int v = 0; v < 2; v++) {
        for (size_t i = 0; i < ARRAY_LEN(words[v]); i++) {
            if (str_eq(s, words[v][i])) {
                *ret = v == 1;
                return 0;
            }
        }
    }
    return ERR_INVALID;
}

static int conf_parse_int(const struct conf_key *k, const char *s, int64_t *ret, struct err *e)
{
    bool open = k->min == 0 && k->max == 0;
    int64_t min = open ? INT64_MIN : k->min, max = open ? INT64_MAX : k->max;
    if (str_to_int(s, min, max, ret) < 0) {
        return open ? err_set(e, ERR_INVALID, "%s must be a whole number", k->key)
                    : err_set(e, ERR_INVALID, "%s must be a whole number from %lld to %lld", k->key,
                              (long long)min, (long long)max);
    }
    return 0;
}

static int conf_parse_text(const struct conf_key *k, const char *s, struct err *e)
{
    int64_t max = k->max ? k->max : CONF_STRING_MAX, len = (int64_t)strlen(s);
    if (len < k->min || len > max) {
        return err_set(e, ERR_INVALID, "%s must have %lld to %lld bytes", k->key, (long long)k->min,
                       (long long)max);
    }
    if (k->kind == CONF_PATH && *s && *s != '/') {
        return err_set(e, ERR_INVALID, "%s must be an absolute path", k->key);
    }
    return 0;
}

static int conf_parse(const struct conf_key *k, const char *s, union conf_value *ret, struct err *e)
{
    switch (k->kind) {
    case CONF_INT:
        return conf_parse_int(k, s, &ret->number, e);
    case CONF_BOOL:
        return conf_parse_bool(s, &ret->flag) < 0 ? err_set(e, ERR_INVALID, "%s must be yes or no", k->key)
                                                  : 0;
    case CONF_STRING:
    case CONF_PATH:
        ret->text = s;
        return conf_parse_text(k, s, e);
    }
    return err_set(e, ERR_INTERNAL, "%s has no kind", k->key);
}

static void conf_store(const struct conf_key *k, const union conf_value *v, void *target)
{
    char *place = (char *)target + k->offset;
    if (k->kind == CONF_INT) {
        *(int64_t *)place = v->number;
    } else if (k->kind == CONF_BOOL) {
        *(bool *)place = v->flag;
    } else {
        free(*(char **)place);
        *(char **)place = xstrdup(v->text);
    }
}

/* Every field of the rows that fill something; a wrong default is our bug. */
static void conf_set_defaults(const struct conf_key *schema, bool families, void *target)
{
    for (const struct conf_key *k = schema; k->key; k++) {
        if (conf_is_family(k) != families) {
            continue;
        }
        char *place = (char *)target + k->offset;
        if (k->kind == CONF_STRING || k->kind == CONF_PATH) {
            *(char **)place = k->fallback ? xstrdup(k->fallback) : NULL;
        } else if (k->kind == CONF_INT) {
            int64_t number = 0;
            int r = k->fallback ? str_to_int(k->fallback, INT64_MIN, INT64_MAX, &number) : 0;
            assert(r == 0);
            (void)r;
            *(int64_t *)place = number;
        } else {
            bool flag = false;
            int r = k->fallback ? conf_parse_bool(k->fallback, &flag) : 0;
            assert(r == 0);
            (void)r;
            *(bool *)place = flag;
        }
    }
}

/* ---- exported ---- */

static int conf_apply(const struct conf_file *file, const struct conf_entry *entry,
                      const struct conf_key *schema, bool families, void *target, struct err *e)
{
    const struct conf_key *k = conf_find(schema, entry->section, entry->key);
    if (!k && !conf_find(schema, entry->section, NULL)) {
        return err_set(e, ERR_INVALID, "%s:%d: unknown section [%s]", file->path, entry->line,
                       entry->section);
    }
    if (!entry->key) {
        return 0;
    }
    if (!k) {
        return err_set(e, ERR_INVALID, "%s:%d: unknown key %s in section [%s]", file->path, entry->line,
                       entry->key, entry->section);
    }
    union conf_value v = {0};
    int r = conf_parse(k, entry->value, &v, e);
    if (r < 0) {
        return err_wrap(e, r, "%s:%d", file->path, entry->line);
    }
    if (conf_is_family(k) == families) {
        conf_store(k, &v, target);
    }
    return 0;
}

int conf_load(const char *path, const struct conf_key *schema, void *target, struct err *e)
{
    conf_set_defaults(schema, false, target);
    if (!path) {
        return 0;
    }
    _cleanup_(conf_file_done) struct conf_file file = {0};
    int r = conf_file_read(path, &file, e);
    for (size_t i = 0; r == 0 && i < file.n; i++) {
        r = conf_apply(&file, &file.entries[i], schema, false, target, e);
    }
    if (r < 0) {
        conf_free(schema, target);
    }
    return r;
}

void conf_free(const struct conf_key *schema, void *target)
{
    bool families = conf_only_families(schema);
    for (const struct conf_key *k = schema; k->key; k++) {
        if (conf_is_family(k) == families && (k->kind == CONF_STRING || k->kind == CONF_PATH)) {
            char **place = (char **)(void *)((char *)target + k->offset);
            free(*place);
            *place = NULL;
        }
    }
}

void conf_dump(const struct conf_key *schema, FILE *out)
{
    const char *section = "";
    for (const struct conf_key *k = schema; k->key; k++) {
        if (!str_eq(section, k->section)) {
            section = k->section;
            fprintf(out, "\n[%s]\n", section);
        }
        fprintf(out, "# %s", k->help ? k->help : "");
        if (k->kind == CONF_INT && (k->min || k->max)) {
            fprintf(out, " (%lld to %lld)", (long long)k->min, (long long)k->max);
        }
        fprintf(out, "\n%s%s = %s\n", k->fallback ? "" : "#", k->key, k->fallback ? k->fallback : "");
    }
}

/* Entries [first, ...) of one section; *ret_next is where the following section starts. */
static int conf_one_section(const struct conf_file *file, size_t first, const struct conf_key *schema,
                            void *target, size_t *ret_next, struct err *e)
{
    size_t i = first;
    int r = 0;
    for (; r == 0 && i < file->n && str_eq(file->entries[i].section, file->entries[first].section); i++) {
        r = conf_apply(file, &file->entries[i], schema, true, target, e);
    }
    *ret_next = i;
    return r;
}

int conf_each_section(const char *path, const char *prefix, const struct conf_key *schema, size_t size,
                      int (*f)(void *arg, const char *name, void *target, struct err *e), void *arg,
                      struct err *e)
{
    assert(conf_only_families(schema));
    _cleanup_(conf_file_done) struct conf_file file = {0};
    int r = conf_file_read(path, &file, e);
    _cleanup_free_ char *start = str_printf("%s ", prefix);
    for (size_t i = 0; r == 0 && i < file.n;) {
        if (!str_starts(file.entries[i].section, start)) {
            i++;
            continue;
        }
        const char *name = file.entries[i].section + strlen(start);
        _cleanup_free_ void *target = xcalloc(1, size);
        conf_set_defaults(schema, true, target);
        r = conf_one_section(&file, i, schema, target, &i, e);
        if (r < 0) {
            conf_free(schema, target);
            return r;
        }
        r = f(arg, name, target, e);
    }
    return r;
}
