/*
 * Bare repositories by the id of their service, and git itself: argv only, an environment of our own, limits.
 */
#pragma once

#include <sys/types.h>

#include "base/str.h"
#include "git/config.h"

/* DIR/repos/ID.git; caller frees. */
char *repo_path(const struct git_config *c, int64_t service);
/* Makes the directories below dir. */
int repo_dirs(const struct git_config *c, struct err *e) WARN_UNUSED;
/* One push to a repository at a time: waits at most `seconds` (0: not at all), ERR_CONFLICT. The lock is held as long
 * as the descriptor is open. */
int repo_lock(const struct git_config *c, int64_t service, unsigned seconds, struct err *e) WARN_UNUSED;
bool repo_is_there(const struct git_config *c, int64_t service);
/* Makes it when it is not there. The lock is held. */
int repo_make(const struct git_config *c, int64_t service, struct err *e) WARN_UNUSED;
/* Bytes on the disk. */
int64_t repo_bytes(const struct git_config *c, int64_t service);
/* Removes repositories of services that are not listed (a JSON list of ids asked for by `ask` after the repositories
 * were looked up). */
int repo_sweep(const struct git_config *c, struct err *e) WARN_UNUSED;

/* Limits of this process and all it starts. */
int repo_limits(const struct git_config *c, struct err *e) WARN_UNUSED;
/* Environment of git: nothing of ours but more ("NAME=value", NULL-terminated). Caller: strv_free. */
char **repo_env(const struct git_config *c, const char *const *more);
/* Serves the client on 0, 1, 2. program: "upload-pack" or "receive-pack". Returns git's exit code, 0 to 255. */
int repo_serve(const struct git_config *c, int64_t service, const char *program, int64_t max_input,
               const char *const *more_env, struct err *e) WARN_UNUSED;
/* Waits for a child; ends its group when the time is up: ERR_TIMEOUT. */
int repo_wait(pid_t pid, int64_t timeout_ms, int *ret_status, struct err *e) WARN_UNUSED;
