/*
 * The files by which sshd runs: its configuration, and the user that it knows. Pure.
 */
#pragma once

#include "base/str.h"
#include "git/config.h"

/* program: our own file's path. */
void sshd_config_write(struct buf *out, const struct git_config *c, const char *program);
/* Lines of passwd and group for the one login: uid and gid are those that run sshd, the shell is our program. */
void sshd_passwd_write(struct buf *out, const struct git_config *c, const char *program, unsigned uid,
                       unsigned gid);
void sshd_group_write(struct buf *out, const struct git_config *c, unsigned gid);
