#include "cli/builtin.h"

// clang-format off
const struct builtin builtins[] = {
    {
        .name = "login",
        .usage = "login [URL] [--username NAME] [--register EMAIL] [--ca FILE]",
        .summary = "Log in to a director and remember it",
        .detail = "Without --ca or --fingerprint the director's certificate authority is asked\n"
                  "for once and its fingerprint shown; from then on nobody else is trusted. The\n"
                  "password is asked for, or read from the first line of standard input.",
        .options = "--username NAME|who you are; asked for when absent\n"
                   "--register EMAIL|make the account first, with this e-mail address\n"
                   "--ca FILE|certificate of the authority (PEM) that the director must have\n"
                   "--fingerprint HEX|SHA-256 that the authority must have\n"
                   "--trust-again|forget the authority that was remembered for this address",
        .example = "conpaas login https://conpaas.example.org:9999 --username ada",
        .run = login_run,
    },
    {
        .name = "logout",
        .usage = "logout",
        .summary = "End the session and forget its token",
        .detail = "The address and the authority of the director stay remembered.",
        .example = "conpaas logout",
        .run = logout_run,
    },
    {
        .name = "wait",
        .usage = "wait SERVICE [--state STATE] [--timeout SECONDS]",
        .summary = "Wait until a service is in a state",
        .detail = "Without --state, RUNNING. Ends with a failure when the service is in ERROR\n"
                  "instead, or when the time is up (1,860 s).",
        .options = "--state STATE|INIT, RUNNING, STOPPED, ERROR, or `stable` for any of them",
        .example = "conpaas wait shop --state STOPPED --timeout 60",
        .run = wait_run,
    },
    {
        .name = "doctor",
        .usage = "doctor",
        .summary = "Check this machine, and say how to mend what is wrong",
        .detail = "Kernel, user namespaces, cgroups, programs, ports, git, disk, memory, clock,\n"
                  "names, ids. Ends with 1 when something is wrong.",
        .example = "conpaas doctor",
        .run = doctor_run,
    },
    {
        .name = "completion",
        .usage = "completion bash",
        .summary = "Print a completion script for bash that knows your names",
        .example = "conpaas completion bash > /etc/bash_completion.d/conpaas",
        .run = completion_run,
    },
    {
        .name = "help",
        .usage = "help [NOUN [VERB]]",
        .summary = "Show commands, or how one is used",
        .example = "conpaas help node add",
        .run = help_run,
    },
    {
        .name = "__complete",
        .usage = "__complete WORDS",
        .summary = "Print what could come next",
        .hidden = true,
        .example = "conpaas __complete service st",
        .run = complete_run,
    },
    {.name = NULL},
};
// clang-format on

const struct builtin *builtin_find(const char *name)
{
    for (const struct builtin *b = builtins; b->name; b++) {
        if (str_eq(b->name, name)) {
            return b;
        }
    }
    return NULL;
}

/* Index of the option that the word is, -1 for none; *ret_flag: it takes no value. */
static int find_option(const char *const *names, const char *word, size_t len, bool *ret_flag)
{
    for (int i = 0; names[i]; i++) {
        size_t n = strlen(names[i]);
        *ret_flag = names[i][n - 1] == '!';
        n -= *ret_flag;
        if (n == len - 2 && strncmp(names[i], word + 2, n) == 0) {
            return i;
        }
    }
    return -1;
}

int builtin_options(char *const *words, const char *const *names, const char **values, const char **rest,
                    int max, struct err *e)
{
    int n = 0;
    for (int i = 0; words[i]; i++) {
        const char *w = words[i];
        if (!str_starts(w, "--")) {
            if (n == max) {
                return err_set(e, ERR_INVALID, "there is one argument too many: \"%.60s\"", w);
            }
            rest[n++] = w;
            continue;
        }
        size_t len = strcspn(w, "=");
        bool flag = false;
        int k = find_option(names, w, len, &flag);
        if (k < 0) {
            return err_set(e, ERR_INVALID, "there is no option %.60s here", w);
        }
        if (flag) {
            values[k] = "true";
        } else if (w[len]) {
            values[k] = w + len + 1;
        } else if (words[i + 1]) {
            values[k] = words[++i];
        } else {
            return err_set(e, ERR_INVALID, "%.60s needs a value", w);
        }
    }
    return 0;
}
