/*
 * What sshd calls: which keys may come in, and then the session itself, in place of a shell.
 */
#pragma once

#include "git/config.h"

/* Prints the key's line of authorized_keys when the director knows it. Exit code. */
int session_keys(const struct git_config *c, const char *type, const char *body, struct err *e);
/* "conpaas-git -c TEXT": the forced command; what the client asked for is in SSH_ORIGINAL_COMMAND. Exit code. */
int session_run(const char *text);
