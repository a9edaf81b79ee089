/*
 * Commands that are no row of the call table: they work on this machine, or combine several calls.
 */
#pragma once

#include "cli/cli.h"

struct builtin {
    const char *name;    /* NULL ends the table */
    const char *usage;   /* behind "conpaas " */
    const char *summary; /* as in struct call */
    const char *detail;
    const char *options; /* "--ca FILE|what it does", one a line; may be NULL */
    const char *example;
    bool hidden; /* not in overviews */
    /* words: those after the name, without global options, NULL-terminated. Returns an exit code, or a
     * negative code with e set. */
    int (*run)(struct cli *cli, char *const *words, struct err *e);
};
extern const struct builtin builtins[];
const struct builtin *builtin_find(const char *name);

int login_run(struct cli *cli, char *const *words, struct err *e) WARN_UNUSED;
int logout_run(struct cli *cli, char *const *words, struct err *e) WARN_UNUSED;
int wait_run(struct cli *cli, char *const *words, struct err *e) WARN_UNUSED;
int doctor_run(struct cli *cli, char *const *words, struct err *e) WARN_UNUSED;
int completion_run(struct cli *cli, char *const *words, struct err *e) WARN_UNUSED;
int complete_run(struct cli *cli, char *const *words, struct err *e) WARN_UNUSED;
int help_run(struct cli *cli, char *const *words, struct err *e) WARN_UNUSED;

/* Reads the options of a builtin: "--name VALUE" or "--name=VALUE" into values[i] by names[i]
 * (NULL-terminated; a name that ends in '!' is a flag and gets "true"), at most max other words into rest. */
int builtin_options(char *const *words, const char *const *names, const char **values, const char **rest,
                    int max, struct err *e) WARN_UNUSED;
