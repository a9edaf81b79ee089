/*
 * Text that others wrote (logs, error messages of engines, names of files), on its way into JSON.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"

/* The same text in UTF-8 without NUL. A byte that does not belong there is shown as "\xHH"; a character that was cut
 * off at the end is left out. Caller frees. */
char *text_clean(const char *s, size_t len);
/* As a JSON string, never NULL; s may be NULL. */
json_t *text_to_json(const char *s);
