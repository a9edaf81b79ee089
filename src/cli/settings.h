/*
 * What the command line remembers between calls: ~/.conpaas/config.json (directory 0700, file 0600) with the
 * director's address, its authority and the token.  CONPAAS_CONFIG names another file; CONPAAS_URL and
 * CONPAAS_TOKEN go before what it says.
 */
#pragma once

#include <stdbool.h>

#include "base/json.h"

struct settings {
    char *path;         /* of the file */
    char *url;          /* "https://host:9999", normalised; NULL: not logged in */
    char *installation; /* name of the installation, part of the director's certificate name */
    char *ca;           /* PEM of its authority; NULL with plain http */
    char *token;        /* secret */
    char *username;
};
void settings_done(struct settings *s);

/* path NULL: CONPAAS_CONFIG or the default. A missing file is fine. ERR_FORBIDDEN when others may read it. */
int settings_load(struct settings *s, const char *path, struct err *e) WARN_UNUSED;
int settings_save(const struct settings *s, struct err *e) WARN_UNUSED;
/* An address as people type it ("host", "host:9999", "https://host/") in the one form that is stored. Plain
 * http is for this machine only. Caller frees *ret. */
int settings_url(const char *text, char **ret, struct err *e) WARN_UNUSED;
/* Replaces a member. */
void settings_set(char **member, const char *value);
