/*
 * The daemon: writes sshd's files, runs it, removes repositories of services that are gone.
 */
#pragma once

#include "git/config.h"

/* Until SIGTERM, then everything that it started ends. Must not be root. */
int daemon_run(const struct git_config *c, struct err *e) WARN_UNUSED;
