/*
 * Where the values of a JSON text stand, so that a complaint about a value can name its line and column as a
 * complaint about the syntax does.  A second walk over a text that the parser has taken already; values are named
 * by JSON pointers ("/Services/1/Type").
 */
#pragma once

#include "base/json.h"

struct json_place {
    int line, column; /* from 1, in characters */
};

struct json_places;

/* text is valid JSON (json_parse, or at least jansson, took it). Members that stand twice in one object are counted
 * and keep the place of the first: json_places_twice. */
struct json_places *json_places_new(const char *text, size_t len);
void json_places_free(struct json_places *p);
DEFINE_CLEANUP(struct json_places *, json_places_free);

/* Of the value; of the nearest value around it when there is none. */
struct json_place json_places_value(const struct json_places *p, const char *pointer);
/* Of the member's name; of the value where that has none (the text's, an element of a list). */
struct json_place json_places_name(const struct json_places *p, const char *pointer);
/* The i-th member that repeats an earlier one: its pointer and place; false at the end. */
bool json_places_twice(const struct json_places *p, size_t i, const char **ret_pointer,
                       struct json_place *ret);

/* A pointer to a member or element: pointer + "/" + name, escaped. Caller frees. */
char *json_pointer(const char *pointer, const char *name);
