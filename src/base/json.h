/*
 * JSON: jansson with cleanup, strict parsing (duplicate keys and trailing text refused, depth and size
 * limited), and the field table by which every object from outside is read: name, kind, limits.
 * Unknown members are an error.
 */
#pragma once

#include <jansson.h>

#include "base/str.h"

#define _cleanup_json_ _cleanup_(json_decrefp) /* the function is jansson's own */

/* Whole text is one JSON value; at most max bytes. */
int json_parse(const char *text, size_t len, size_t max, json_t **ret, struct err *e) WARN_UNUSED;
/* The same for texts that people write: members that stand twice are taken (the last one counts; json_places_twice
 * tells of them), and where a mistake of the syntax is. */
int json_parse_loose(const char *text, size_t len, size_t max, json_t **ret, int *ret_line, int *ret_column,
                     struct err *e) WARN_UNUSED;
/* Compact, sorted keys: the canonical form (hashes, comparison). Caller frees. */
char *json_canonical(const json_t *j);
char *json_text(const json_t *j); /* compact, insertion order; caller frees */

enum json_kind {
    JSON_F_STRING, /* const char **, borrowed from the object */
    JSON_F_INT,    /* int64_t * */
    JSON_F_BOOL,   /* bool * */
    JSON_F_REAL,   /* double *, accepts integers */
    JSON_F_OBJECT, /* json_t **, borrowed */
    JSON_F_ARRAY,  /* json_t **, borrowed */
    JSON_F_ANY,    /* json_t **, borrowed */
};
struct json_field {
    const char *name; /* NULL ends the table */
    enum json_kind kind;
    size_t offset; /* into the target struct */
    bool required;
    int64_t min, max; /* int: value; string: length in bytes; array/object: members. max 0 = the default
                         limit (string 4096, array 10000, int no limit) */
};
/* Fills target by the table; members absent leave their field untouched. Unknown member, wrong kind,
 * out of limits: ERR_INVALID naming the member. */
int json_read(const json_t *obj, const struct json_field *fields, void *target, struct err *e) WARN_UNUSED;

/* Borrowed reads with defaults, for objects we made ourselves. */
const char *json_str(const json_t *obj, const char *key, const char *fallback);
int64_t json_int(const json_t *obj, const char *key, int64_t fallback);
bool json_flag(const json_t *obj, const char *key, bool fallback);
