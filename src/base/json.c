/*
 * Strict JSON on top of jansson, and the field table.
 */
#include "base/json.h"

#include <assert.h>

#define JSON_DEPTH_MAX 64
#define JSON_STRING_MAX 4096
#define JSON_ARRAY_MAX 10000

/* Deepest nesting of brackets outside strings; cheap, before anything is built. */
static int json_depth(const char *text, size_t len)
{
    int depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return deepest;
}

static int json_check_size(const char *text, size_t len, size_t max, struct err *e)
{
    if (len > max) {
        return err_set(e, ERR_TOO_LARGE, "the JSON text has %zu bytes, at most %zu are allowed", len, max);
    }
    if (json_depth(text, len) > JSON_DEPTH_MAX) {
        return err_set(e, ERR_INVALID, "the JSON text is nested deeper than %d", JSON_DEPTH_MAX);
    }
    return 0;
}

int json_parse(const char *text, size_t len, size_t max, json_t **ret, struct err *e)
{
    int r = json_check_size(text, len, max, e);
    if (r < 0) {
        return r;
    }
    json_error_t why;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!j) {
        return err_set(e, ERR_INVALID, "not valid JSON: line %d, column %d: %s", why.line, why.column,
                       why.text);
    }
    *ret = j;
    return 0;
}

int json_parse_loose(const char *text, size_t len, size_t max, json_t **ret, int *ret_line, int *ret_column,
                     struct err *e)
{
    *ret_line = *ret_column = 1;
    int r = json_check_size(text, len, max, e);
    if (r < 0) {
        return r;
    }
    json_error_t why;
    json_t *j = json_loadb(text, len, JSON_DECODE_ANY, &why);
    if (!j) {
        *ret_line = why.line > 0 ? why.line : 1;
        *ret_column = why.column > 0 ? why.column : 1;
        return err_set(e, ERR_INVALID, "not valid JSON: %s", why.text);
    }
    *ret = j;
    return 0;
}

static char *json_dump_or_abort(const json_t *j, size_t flags)
{
    assert(j);
    char *s = json_dumps(j, flags | JSON_ENCODE_ANY);
    if (!s) {
        abort(); /* only out of memory: the library refuses texts that are not UTF-8 when they are made */
    }
    return s;
}

char *json_canonical(const json_t *j)
{
    return json_dump_or_abort(j, JSON_COMPACT | JSON_SORT_KEYS);
}

char *json_text(const json_t *j)
{
    return json_dump_or_abort(j, JSON_COMPACT);
}

/* ---- field table ---- */

static const char *const json_kind_words[] = {
    [JSON_F_STRING] = "a string", [JSON_F_INT] = "an integer",   [JSON_F_BOOL] = "true or false",
    [JSON_F_REAL] = "a number",   [JSON_F_OBJECT] = "an object", [JSON_F_ARRAY] = "an array",
    [JSON_F_ANY] = "a value",
};

static bool json_kind_fits(const json_t *v, enum json_kind kind)
{
    switch (kind) {
    case JSON_F_STRING:
        return json_is_string(v);
    case JSON_F_INT:
        return json_is_integer(v);
    case JSON_F_BOOL:
        return json_is_boolean(v);
    case JSON_F_REAL:
        return json_is_number(v);
    case JSON_F_OBJECT:
        return json_is_object(v);
    case JSON_F_ARRAY:
        return json_is_array(v);
    case JSON_F_ANY:
        return true;
    }
    return false;
}

/* The measured quantity of the limits of a field; false when the kind has none. */
static bool json_measure(const json_t *v, enum json_kind kind, int64_t *ret, const char **ret_unit)
{
    switch (kind) {
    case JSON_F_STRING:
        *ret = (int64_t)json_string_length(v);
        *ret_unit = " bytes";
        return true;
    case JSON_F_INT:
        *ret = json_integer_value(v);
        *ret_unit = "";
        return true;
    case JSON_F_OBJECT:
    case JSON_F_ARRAY:
        *ret = kind == JSON_F_OBJECT ? (int64_t)json_object_size(v) : (int64_t)json_array_size(v);
        *ret_unit = " members";
        return true;
    default:
        return false;
    }
}

static int json_check_limits(const json_t *v, const struct json_field *f, struct err *e)
{
    int64_t n = 0;
    const char *unit = "";
    if (!json_measure(v, f->kind, &n, &unit)) {
        return 0;
    }
    int64_t max = f->max                     ? f->max
                  : f->kind == JSON_F_STRING ? JSON_STRING_MAX
                  : f->kind != JSON_F_INT    ? JSON_ARRAY_MAX
                                             : INT64_MAX;
    int64_t min = f->kind == JSON_F_INT && !f->min && !f->max ? INT64_MIN : f->min;
    if (n < min) {
        return err_set(e, ERR_INVALID, "\"%s\" must be at least %lld%s", f->name, (long long)min, unit);
    }
    if (n > max) {
        return err_set(e, ERR_INVALID, "\"%s\" must be at most %lld%s", f->name, (long long)max, unit);
    }
    return 0;
}

static void json_store(const json_t *v, const struct json_field *f, void *target)
{
    char *place = (char *)target + f->offset;
    switch (f->kind) {
    case JSON_F_STRING:
        *(const char **)place = json_string_value(v);
        break;
    case JSON_F_INT:
        *(int64_t *)place = json_integer_value(v);
        break;
    case JSON_F_BOOL:
        *(bool *)place = json_is_true(v);
        break;
    case JSON_F_REAL:
        *(double *)(void *)place = json_number_value(v);
        break;
    case JSON_F_OBJECT:
    case JSON_F_ARRAY:
    case JSON_F_ANY:
        *(json_t **)place = (json_t *)v; /* borrowed; the caller may walk it with jansson's iterators */
        break;
    }
}

static int json_check_unknown(const json_t *obj, const struct json_field *fields, struct err *e)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)obj, key, value)
    {
        const struct json_field *f = fields;
        while (f->name && !str_eq(f->name, key)) {
            f++;
        }
        if (!f->name) {
            return err_set(e, ERR_INVALID, "unknown member \"%.64s\"", key);
        }
    }
    return 0;
}

int json_read(const json_t *obj, const struct json_field *fields, void *target, struct err *e)
{
    if (!json_is_object(obj)) {
        return err_set(e, ERR_INVALID, "an object is expected");
    }
    int r = json_check_unknown(obj, fields, e);
    for (const struct json_field *f = fields; r == 0 && f->name; f++) {
        const json_t *v = json_object_get(obj, f->name);
        if (!v) {
            r = f->required ? err_set(e, ERR_INVALID, "\"%s\" is missing", f->name) : 0;
        } else if (!json_kind_fits(v, f->kind)) {
            r = err_set(e, ERR_INVALID, "\"%s\" must be %s", f->name, json_kind_words[f->kind]);
        } else {
            r = json_check_limits(v, f, e);
        }
    }
    if (r < 0) {
        return r;
    }
    for (const struct json_field *f = fields; f->name; f++) {
        const json_t *v = json_object_get(obj, f->name);
        if (v) {
            json_store(v, f, target);
        }
    }
    return 0;
}

/* ---- borrowed reads ---- */

const char *json_str(const json_t *obj, const char *key, const char *fallback)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

int64_t json_int(const json_t *obj, const char *key, int64_t fallback)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool json_flag(const json_t *obj, const char *key, bool fallback)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}
