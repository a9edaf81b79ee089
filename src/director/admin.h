/*
 * Commands on the director's host, by its user or root: the first administrator, credit, tokens.  They write
 * to the database themselves and work while the director runs.
 */
#pragma once

#include "base/err.h"

/* argv after "admin". Prints results to stdout. */
int admin_run(const char *config_path, char **argv, struct err *e) WARN_UNUSED;
void admin_help(void);
