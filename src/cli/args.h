/*
 * From words to a call: NOUN VERB, arguments by position, --options, all by the call table.
 */
#pragma once

#include "cli/cli.h"

struct command {
    const struct call *call;
    json_t *args;  /* by name, ids resolved; counts and settings collected. owned */
    json_t *typed; /* what the user typed for each, as text; for messages. owned */
};
void command_done(struct command *c);

/* Takes the options that every command has out of argv (argv[0] is skipped) and leaves the other words, a
 * NULL-terminated list that the caller frees; the words themselves are borrowed. */
int args_global(struct cli *cli, int argc, char **argv, char ***ret_words, struct err *e) WARN_UNUSED;
/* The row that the words begin with, and how many of them it took. Plural nouns and "application" are
 * understood. */
int args_find_call(char *const *words, const struct call **ret, int *ret_used, struct err *e) WARN_UNUSED;
/* The rest of the words as arguments of the call. Names are not yet looked up: typed only. Missing ones are
 * refused. */
int args_parse(const struct call *call, char *const *words, struct command *ret, struct err *e) WARN_UNUSED;
/* Names to ids, texts to values, secrets asked for: fills args. */
int args_resolve(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;

/* The canonical noun for what was typed ("applications" -> "app"), or NULL. */
/* Error with advice unless there is such a noun and, unless NULL, such a verb of it. */
int args_check_command(const char *noun, const char *verb, struct err *e) WARN_UNUSED;
const char *args_noun(const char *word);
/* Several words, each another one: KEY=VALUE, or names. */
bool args_takes_many(const struct call_param *p);
/* The option as it is typed: "first_name" -> "--first-name"; caller frees. */
char *args_option(const char *name);
