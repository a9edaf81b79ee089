/*
 * The one place that knows what names may look like; everything that reads a name from outside asks here.
 */
#pragma once

#include "base/err.h"

/* Users: [a-z][a-z0-9_-]{0,31}. */
int name_check_user(const char *s, struct err *e) WARN_UNUSED;
/* Applications and services: 1-64 bytes of UTF-8 letters, digits, space, '.', '_', '-', '(' and ')'; begins with a
 * letter or digit, does not end in a space, is not only digits (so that a name is never taken for an id). */
int name_check_thing(const char *s, struct err *e) WARN_UNUSED;
/* Volumes, instance types, clouds, roles: [A-Za-z0-9][A-Za-z0-9_-]{0,63}. */
int name_check_id(const char *s, struct err *e) WARN_UNUSED;
/* Something@something, at most 254 bytes, no spaces, control characters or quotes; compared in lower case. */
int name_check_email(const char *s, struct err *e) WARN_UNUSED;
/* An environment variable that users may set: a letter or '_', then letters, digits, '_', at most 64; none that says
 * how programs are found, loaded and started, and none that the platform sets itself. */
int name_check_variable(const char *s, struct err *e) WARN_UNUSED;
/* A file name without directory: 1-255 bytes, printable UTF-8, no '/', not "." or "..". */
int name_check_file(const char *s, struct err *e) WARN_UNUSED;
/* Free text of one line (description, affiliation): at most max bytes of printable UTF-8, may be empty. */
int name_check_text(const char *s, size_t max, struct err *e) WARN_UNUSED;
