/*
 * Help texts, made from the call table and the table of builtins.
 */
#pragma once

#include "cli/builtin.h"

/* "conpaas node add SERVICE --ROLE N ... [--supersede]"; caller frees. */
char *help_usage(const struct call *c);
/* How an argument is called in a usage line: "SERVICE", "KEY=VALUE ...", "FILE"; caller frees. */
char *help_placeholder(const struct call_param *p);

void help_overview(const struct term *t, FILE *out);
void help_noun(const struct term *t, FILE *out, const char *noun);
void help_call(const struct term *t, FILE *out, const struct call *c);
void help_builtin(const struct term *t, FILE *out, const struct builtin *b);
/* The right one of the above for words; falls back to the overview. */
/* The same to the output of this run, as JSON with --json. */
void help_print(struct cli *cli, char *const *words);
void help_words(const struct term *t, FILE *out, char *const *words);

/* What the nouns are, in the order of the overview; name NULL ends. */
struct help_noun_row {
    const char *name, *summary;
};
extern const struct help_noun_row help_nouns[];
/* Options that every command has: "--json|...", one a line. */
extern const char help_global_options[];
