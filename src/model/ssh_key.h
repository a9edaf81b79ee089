/*
 * Public keys as in authorized_keys: "ssh-ed25519 AAAA... comment". Options in front are refused.
 */
#pragma once

#include "base/err.h"

#define SSH_KEY_BODY_MAX 1500 /* RSA of 8192 bits */
#define SSH_KEY_COMMENT_MAX 128

struct ssh_key {
    char type[48], body[SSH_KEY_BODY_MAX], comment[SSH_KEY_COMMENT_MAX];
};

/* One line without its newline. ERR_INVALID says what is wrong with it. A comment that is too long is cut. */
int ssh_key_parse(const char *line, struct ssh_key *ret, struct err *e) WARN_UNUSED;
