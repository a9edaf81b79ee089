/*
 * The lines of an INI file, before any meaning: used by conf.c only.
 *
 * "[section]" or "[family name]", "key = value", comments from "#" or ";" at the start of a line. A value
 * may stand in double quotes (taken off), which keeps blanks at its ends. No line continues another.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct conf_entry {
    int line;
    const char *section;     /* never NULL */
    const char *key, *value; /* both NULL in the entry that stands for the section's own line */
};
struct conf_file {
    char *path, *text; /* entries point into text */
    struct conf_entry *entries;
    size_t n, cap;
};

/* Refused: a repeated section, a repeated key, a key outside a section, NUL, control characters, names
 * outside [A-Za-z0-9_.-], more than 1 MiB. The message names file and line. */
int conf_file_read(const char *path, struct conf_file *ret, struct err *e) WARN_UNUSED;
void conf_file_done(struct conf_file *f);
