/*
 * What a client asks for over ssh, and what sshd says of it. Pure.
 */
#pragma once

#include "model/ssh_key.h"

enum git_service { GIT_UPLOAD_PACK, GIT_RECEIVE_PACK };

struct git_command {
    enum git_service service;
    char name[256]; /* of the repository, as typed */
};
/* "git-upload-pack 'shop/api.git'" and nothing else: one of two programs (also written "git upload-pack"), one argument
 * in single quotes that is no option and holds no quote. ERR_INVALID, ERR_FORBIDDEN. NULL: no command was given. */
int git_command_parse(const char *text, struct git_command *ret, struct err *e) WARN_UNUSED;

/* "session TYPE KEY CONFIG": the forced command of a key's line. */
struct git_session {
    struct ssh_key key;
    const char *config; /* the rest of the text */
};
int git_session_parse(const char *text, struct git_session *ret, struct err *e) WARN_UNUSED;
/* The line of authorized_keys for it; caller frees. config: as git_config_load admits it. */
char *git_session_line(const struct ssh_key *key, const char *config);
