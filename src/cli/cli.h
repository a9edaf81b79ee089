/*
 * One run of the command line: options that every command has, what is remembered, the connection, the
 * streams.
 */
#pragma once

#include "api/calls.h"
#include "cli/settings.h"
#include "cli/term.h"
#include "net/http_client.h"

#define EXIT_INTERRUPTED 130

struct cli {
    struct term term;
    /* options of every command */
    bool json, quiet, yes, no_wait, help;
    bool silent;        /* not even why something failed: the caller tells it */
    int64_t timeout_ms; /* for waiting; 0 = default */
    const char *config_path;
    const char *output; /* --output FILE of downloads */
    /* state */
    struct settings settings;
    bool settings_loaded;
    struct http_client *client;
    json_t *types; /* service types, once asked for */
};
void cli_done(struct cli *cli);

/* The whole program: argv as in main, exit code back. Streams and widths are those of term. */
int cli_main(struct cli *cli, int argc, char **argv);

/* Loads what is remembered, once. */
int cli_load(struct cli *cli, struct err *e) WARN_UNUSED;
/* A connection for another thread or a stream; ERR_UNAUTHENTICATED with advice when there is no address yet.
 */
int cli_connect(struct cli *cli, struct http_client **ret, struct err *e) WARN_UNUSED;
/* Calls by the table: id and arguments by name. Caller owns *ret (NULL allowed). A changed authority is
 * explained. */
int cli_call(struct cli *cli, const char *id, const json_t *args, json_t **ret, struct err *e) WARN_UNUSED;
/* A list answer's array, borrowed from *ret_answer, which the caller owns. */
int cli_list(struct cli *cli, const char *id, const json_t *args, json_t **ret_answer,
             struct err *e) WARN_UNUSED;
/* For a request that was made by hand: turns a failed verification into its explanation. */
int cli_explain(struct cli *cli, int code, struct err *e);

/* A line for people on the error stream; silent with --quiet and --json. */
void cli_note(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Why something failed: with --quiet too. */
void cli_warn(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Prints an error as this run wants it and gives the exit code. */
int cli_report(struct cli *cli, int code, const struct err *e);
/* A text that is a whole answer, to the output. */
void cli_print_text(struct cli *cli, const char *text);
/* JSON to the output, for --json. */
void cli_print_json(struct cli *cli, const json_t *j);
