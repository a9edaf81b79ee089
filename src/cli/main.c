/*
 * `conpaas`, and `cpsclient.web` under its other name.
 */
#include <locale.h>

#include "cli/cli.h"
#include "cli/deck.h"

int main(int argc, char **argv)
{
    struct cli cli = {.json = false};
    const char *slash = strrchr(argv[0], '/');
    setlocale(LC_CTYPE, "");
    term_init(&cli.term);
    int code = str_eq(slash ? slash + 1 : argv[0], "cpsclient.web") ? deck_main(&cli, argc, argv)
                                                                    : cli_main(&cli, argc, argv);
    cli_done(&cli);
    if (fflush(stdout) != 0 && code == 0) {
        fprintf(stderr, "ERROR: the output could not be written\n");
        code = 1;
    }
    return code;
}
