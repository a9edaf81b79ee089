/*
 * The whole of `conpaas`: global options, then a builtin or a row of the call table.
 */
#include <errno.h>

#include "cli/args.h"
#include "cli/builtin.h"
#include "cli/help.h"
#include "cli/run.h"

static int run_row(struct cli *cli, char *const *words, struct err *e)
{
    const struct call *call = NULL;
    int used = 0;
    int r = args_find_call(words, &call, &used, e);
    if (r < 0) {
        return r;
    }
    /* Logging in needs more than the row: trust first, and the token is kept. */
    if (str_eq(call->id, "user.login")) {
        return err_set_hint(e, ERR_INVALID, "conpaas login URL --username NAME",
                            "log in with `conpaas login`");
    }
    if (str_eq(call->id, "user.logout")) {
        return logout_run(cli, words + used, e);
    }
    struct command c = {.call = NULL};
    r = args_parse(call, words + used, &c, e);
    r = r < 0 ? r : args_resolve(cli, &c, e);
    r = r < 0 ? r : run_command(cli, &c, e);
    command_done(&c);
    return r;
}

static int run_words(struct cli *cli, char *const *words, struct err *e)
{
    const struct builtin *b = words[0] ? builtin_find(words[0]) : NULL;
    if (words[0] && str_eq(words[0], "--version")) {
        fprintf(cli->term.out, "conpaas %s\n", CONPAAS_VERSION);
        return 0;
    }
    if (!words[0] || (cli->help && !b)) {
        bool asked = cli->help;
        help_words(&cli->term, asked ? cli->term.out : cli->term.err, words);
        return asked ? 0 : err_exit_code(ERR_INVALID);
    }
    if (b && cli->help && !b->hidden) {
        help_builtin(&cli->term, cli->term.out, b);
        return 0;
    }
    return b ? b->run(cli, words + 1, e) : run_row(cli, words, e);
}

/* What follows __complete is somebody's half-typed line: its options are not ours. */
static int complete_words(struct cli *cli, int argc, char **argv, struct err *e)
{
    char **words = xcalloc((size_t)argc, sizeof(*words));
    for (int i = 2; i < argc; i++) {
        words[i - 2] = argv[i];
    }
    int r = complete_run(cli, words, e);
    free(words);
    return r;
}

int cli_main(struct cli *cli, int argc, char **argv)
{
    _cleanup_err_ struct err e = {0};
    char **words = NULL;
    int r;
    if (argc > 1 && str_eq(argv[1], "__complete")) {
        r = complete_words(cli, argc, argv, &e);
    } else {
        r = args_global(cli, argc, argv, &words, &e);
        r = r < 0 ? r : run_words(cli, words, &e);
    }
    free(words);
    if (r >= 0) {
        return r;
    }
    int code = cli_report(cli, r, &e);
    return r == -EINTR ? EXIT_INTERRUPTED : code;
}
