/*
 * Which service a key and the name of a repository mean. Names of applications are unique for each user only: the key
 * says whose are meant.
 */
#pragma once

#include "director/director.h"
#include "model/ssh_key.h"

struct git_target {
    int64_t app, service;
    char name[2 * NAME_MAX_LEN + 2]; /* "application/service" */
};

/* 1 when some application has this key, else 0. */
int git_key_known(struct director *d, const struct ssh_key *key, struct err *e) WARN_UNUSED;
/* ERR_NOT_FOUND for what does not exist and for what the key may not push to, alike; ERR_CONFLICT when several are
 * meant. Hints list what the key may push to. */
int git_resolve(struct director *d, const struct ssh_key *key, const char *name, struct git_target *ret,
                struct err *e) WARN_UNUSED;
/* The key may push to this service now: its application, and who pushes (the key's comment), caller frees. */
int git_may_push(struct director *d, const struct ssh_key *key, int64_t service, int64_t *ret_app,
                 char **ret_actor, struct err *e) WARN_UNUSED;
/* "HOST:PORT" that people use; NULL when pushing is not offered. Caller frees. */
char *git_address(const struct director *d);
/* What people clone; NULL likewise. Caller frees. */
char *git_url(const struct director *d, const char *app, const char *service);
