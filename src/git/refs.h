/*
 * What the updates of one push mean. Pure.
 */
#pragma once

#include "base/str.h"

#define REFS_PUSH_MAX 100

struct refs {
    char deploy[72]; /* commit to deploy, "" = none */
    char branch[16]; /* "main" or "master" */
    struct buf kept; /* "feature, v1.2": stored only, safe to show */
};
void refs_done(struct refs *r);
/* Lines "OLD NEW REF\n" as git gives them to pre-receive. ERR_FORBIDDEN: the whole push is refused. */
int refs_parse(const char *text, struct refs *ret, struct err *e) WARN_UNUSED;
