/*
 * cpsclient.web URL ACTION [options]: the client of the original, for one service.
 */
#pragma once

#include "cli/cli.h"

/* The whole program under this name. */
int deck_main(struct cli *cli, int argc, char **argv);
/* The 17 actions and help, in alphabetical order; ends with NULL. */
const char *const *deck_action_names(void);
