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

static void print_version(struct cli *cli)
{
    if (!cli->json) {
        fprintf(cli->term.out, "conpaas %s\n", CONPAAS_VERSION);
        return;
    }
    _cleanup_json_ json_t *j = json_pack("{s:s}", "version", CONPAAS_VERSION);
    cli_print_json(cli, j);
}

static int run_words(struct cli *cli, char *const *words, struct err *e)
{
    const struct builtin *b = words[0] ? builtin_find(words[0]) : NULL;
    if (words[0] && str_eq(words[0], "--version")) {
        print_version(cli);
        return 0;
    }
    if (cli->help && !(b && b->hidden)) {
        help_print(cli, words);
        return 0;
    }
    if (!words[0] && cli->json) {
        return err_set_hint(e, ERR_INVALID, "conpaas help", "say what to do");
    }
    if (!words[0]) {
        help_words(&cli->term, cli->term.err, words);
        return err_exit_code(ERR_INVALID);
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
