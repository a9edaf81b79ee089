/*
 * The configuration of conpaas-git: conpaas-git --dump-config prints it with its help texts.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct git_config {
    char *path; /* of the file itself */
    char *socket, *dir, *listen, *login, *sshd;
    int64_t port, push_max_mb, repository_max_mb, session_seconds;
};

int git_config_load(const char *path, struct git_config *ret, struct err *e) WARN_UNUSED;
void git_config_done(struct git_config *c);
void git_config_dump(FILE *out);
