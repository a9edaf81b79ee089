/*
 * What answers look like: the objects of the API, member by member.  The reference and the tests are made
 * from it; the director's handlers must answer exactly these members (absent things are null, not left out).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct api_field {
    const char *name; /* NULL ends the list */
    const char *kind; /* "integer" "text" "bool" "time" "word" "object" "list" or the name of an object;
                         "NAME[]" is a list of objects, a trailing "?" allows null */
    const char *help;
};
struct api_object {
    const char *name, *summary;
    const struct api_field *fields;
};
/* Ends with a row whose name is NULL. */
extern const struct api_object api_objects[];
const struct api_object *api_object_find(const char *name);
/* Checks that v has exactly the members of the object, each of its kind, nested ones too. For tests of both
 * sides. */
int api_object_check(const char *name, const json_t *v, struct err *e) WARN_UNUSED;
