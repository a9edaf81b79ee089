/*
 * A walk without recursion on the C stack beyond the nesting, which the parser has limited.
 */
#include "base/json_places.h"

#include <assert.h>

struct json_places {
    json_t *value, *name; /* pointer -> [line, column] */
    json_t *twice;        /* [[pointer, line, column]] */
};

struct walk {
    struct json_places *p;
    const char *at, *end;
    int line, column;
};

char *json_pointer(const char *pointer, const char *name)
{
    struct buf b = {0};
    buf_adds(&b, pointer);
    buf_addc(&b, '/');
    for (const char *c = name; *c; c++) {
        if (*c == '~' || *c == '/') {
            buf_adds(&b, *c == '~' ? "~0" : "~1");
        } else {
            buf_addc(&b, *c);
        }
    }
    return buf_take(&b);
}

static void step(struct walk *w)
{
    unsigned char c = (unsigned char)*w->at++;
    if (c == '\n') {
        w->line++;
        w->column = 1;
    } else if ((c & 0xc0) != 0x80) { /* not inside a character */
        w->column++;
    }
}

static void skip_blanks(struct walk *w)
{
    while (w->at < w->end && strchr(" \t\r\n", *w->at) && *w->at) {
        step(w);
    }
}

static json_t *here(const struct walk *w)
{
    return json_pack("[i, i]", w->line, w->column);
}

/* The string at this point as the parser reads it; caller frees. */
static char *take_string(struct walk *w)
{
    const char *from = w->at;
    step(w);
    while (w->at < w->end && *w->at != '"') {
        if (*w->at == '\\') {
            step(w);
        }
        if (w->at < w->end) {
            step(w);
        }
    }
    if (w->at < w->end) {
        step(w);
    }
    json_t *s = json_loadb(from, (size_t)(w->at - from), JSON_DECODE_ANY, NULL);
    char *text = xstrdup(json_is_string(s) ? json_string_value(s) : "");
    json_decref(s);
    return text;
}

static void walk_value(struct walk *w, const char *pointer);

/* One "name": value; false when a bracket that was expected is missing, which valid text does not do. */
static void walk_member(struct walk *w, const char *pointer)
{
    _cleanup_json_ json_t *place = here(w);
    _cleanup_free_ char *name = take_string(w);
    _cleanup_free_ char *child = json_pointer(pointer, name);
    if (json_object_get(w->p->name, child)) {
        json_array_append_new(
            w->p->twice, json_pack("[s, O, O]", child, json_array_get(place, 0), json_array_get(place, 1)));
        free(child);
        child = json_pointer(pointer, "\001twice"); /* its inside is nobody's */
    } else {
        json_object_set(w->p->name, child, place);
    }
    skip_blanks(w);
    if (w->at < w->end && *w->at == ':') {
        step(w);
    }
    walk_value(w, child);
}

static void walk_many(struct walk *w, const char *pointer, char close)
{
    bool object = close == '}';
    step(w);
    skip_blanks(w);
    for (int i = 0; w->at < w->end && *w->at != close; i++) {
        const char *before = w->at;
        if (object) {
            walk_member(w, pointer);
        } else {
            _cleanup_free_ char *index = str_printf("%d", i);
            _cleanup_free_ char *child = json_pointer(pointer, index);
            walk_value(w, child);
        }
        skip_blanks(w);
        if (w->at < w->end && *w->at == ',') {
            step(w);
            skip_blanks(w);
        }
        if (w->at == before) {
            step(w); /* not valid after all: get on */
        }
    }
    if (w->at < w->end) {
        step(w);
    }
}

static void walk_value(struct walk *w, const char *pointer)
{
    skip_blanks(w);
    if (w->at >= w->end) {
        return;
    }
    if (!json_object_get(w->p->value, pointer)) {
        json_object_set_new(w->p->value, pointer, here(w));
    }
    if (*w->at == '{' || *w->at == '[') {
        walk_many(w, pointer, *w->at == '{' ? '}' : ']');
    } else if (*w->at == '"') {
        free(take_string(w));
    } else {
        while (w->at < w->end && !strchr(",]} \t\r\n", *w->at)) {
            step(w);
        }
    }
}

struct json_places *json_places_new(const char *text, size_t len)
{
    struct json_places *p = xcalloc(1, sizeof(*p));
    p->value = json_object();
    p->name = json_object();
    p->twice = json_array();
    struct walk w = {.p = p, .at = text, .end = text + len, .line = 1, .column = 1};
    walk_value(&w, "");
    return p;
}

void json_places_free(struct json_places *p)
{
    if (p) {
        json_decref(p->value);
        json_decref(p->name);
        json_decref(p->twice);
        free(p);
    }
}

static struct json_place place_of(const json_t *j, size_t first)
{
    return (struct json_place){.line = (int)json_integer_value(json_array_get(j, first)),
                               .column = (int)json_integer_value(json_array_get(j, first + 1))};
}

struct json_place json_places_value(const struct json_places *p, const char *pointer)
{
    _cleanup_free_ char *around = xstrdup(pointer);
    const json_t *j = json_object_get(p->value, around);
    while (!j) {
        char *slash = strrchr(around, '/');
        if (!slash) {
            return (struct json_place){1, 1};
        }
        *slash = '\0';
        j = json_object_get(p->value, around);
    }
    return place_of(j, 0);
}

struct json_place json_places_name(const struct json_places *p, const char *pointer)
{
    const json_t *j = json_object_get(p->name, pointer);
    return j ? place_of(j, 0) : json_places_value(p, pointer);
}

bool json_places_twice(const struct json_places *p, size_t i, const char **ret_pointer,
                       struct json_place *ret)
{
    const json_t *j = json_array_get(p->twice, i);
    if (!j) {
        return false;
    }
    *ret_pointer = json_string_value(json_array_get(j, 0));
    *ret = place_of(j, 1);
    return true;
}
