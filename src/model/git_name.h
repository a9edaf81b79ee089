/*
 * Names of repositories as people type them behind "git@HOST:" or "ssh://git@HOST:PORT/": "shop/api", "/shop/api.git",
 * "ann/shop/api", "api", an id, or "code" (the original's only repository). Which service is meant depends on the key.
 */
#pragma once

#include "base/str.h"

#define GIT_NAME_PARTS 3

/* What each part may be compared with: names of things, user names or ids; never "..", never an option. */
struct git_name {
    int n;
    char part[GIT_NAME_PARTS][72];
};

/* ERR_INVALID with a hint that shows the forms. */
int git_name_parse(const char *s, struct git_name *ret, struct err *e) WARN_UNUSED;
/* The part is the name, or the id, or (the last part only) the name with ".git" behind it. */
bool git_name_is(const struct git_name *n, int part, const char *name, int64_t id);
/* "git@HOST:app/service" for the standard port, else "ssh://git@HOST:PORT/app/service"; caller frees. */
char *git_name_url(const char *login, const char *host, int64_t port, const char *app, const char *service);
