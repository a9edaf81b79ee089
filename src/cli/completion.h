/*
 * Completion: a script for bash that asks `conpaas __complete`, which knows the table and asks the director
 * for names.
 */
#pragma once

#include "cli/builtin.h"

/* Candidates for the last of words (which may be empty), one a line; ":file" alone asks the shell for files.
 * words are those after "conpaas". */
void completion_candidates(struct cli *cli, char *const *words, struct buf *out);
/* The same for cpsclient.web. */
void completion_deck(struct cli *cli, char *const *words, struct buf *out);
