/*
 * The hooks of all repositories: pre-receive decides about a push and hands it over, post-receive turns HEAD. They run
 * as children of git receive-pack, in its quarantine; nothing of a pushed tree is ever run.
 */
#pragma once

#include "git/config.h"

/* What the session tells its hooks. */
#define HOOK_ENV_CONFIG "CONPAAS_GIT_CONFIG"
#define HOOK_ENV_TYPE "CONPAAS_GIT_TYPE"
#define HOOK_ENV_KEY "CONPAAS_GIT_KEY"
#define HOOK_ENV_SERVICE "CONPAAS_GIT_SERVICE"

/* Exit code; prints to the pusher. */
int hook_pre_receive(void);
int hook_post_receive(void);
