#include "cli/help.h"

#include <ctype.h>

#include "cli/args.h"

const struct help_noun_row help_nouns[] = {
    {"app", "applications: compositions of services"},
    {"key", "keys that may push code to an application"},
    {"service", "services: create, start, stop, look at"},
    {"node", "nodes: what a service runs on, more and fewer of them"},
    {"volume", "disks that outlive nodes"},
    {"code", "code versions: upload, enable, roll back"},
    {"git", "pushing code: where to, and what it does"},
    {"config", "settings of a service"},
    {"manifest", "whole applications in one file: check, plan, apply, download"},
    {"env", "environment variables of a service"},
    {"secret", "variables whose values are never shown"},
    {"script", "scripts of a generic service: run, interrupt, clean up"},
    {"log", "logs of services and nodes"},
    {"history", "what happened to a service"},
    {"events", "what happens in an application, live"},
    {"operation", "changes under way: follow, cancel"},
    {"credit", "credits, cost and ledger"},
    {"cloud", "clouds, instance types and prices"},
    {"type", "service types, their roles and settings"},
    {"user", "accounts"},
    {"token", "tokens for programs"},
    {"director", "the director itself"},
    {NULL, NULL},
};

const char help_global_options[] =
    "--json|print the answer as JSON\n"
    "-q, --quiet|print only what a program needs: ids, names, addresses\n"
    "-y, --yes|do not ask before what cannot be taken back; needed without a terminal\n"
    "--no-wait|return when the change is accepted, not when it is done\n"
    "--timeout SECONDS|how long to wait for a change\n"
    "--config FILE|remembered login, instead of ~/.conpaas/config.json\n"
    "-h, --help|show how a command is used";

char *help_placeholder(const struct call_param *p)
{
    if (p->kind == PARAM_SETTINGS) {
        return xstrdup("KEY=VALUE ...");
    }
    if (p->kind == PARAM_VARIABLES) {
        return xstrdup("NAME=VALUE ...");
    }
    if (p->kind == PARAM_VARIABLE_NAMES) {
        return xstrdup("NAME ...");
    }
    if ((p->kind == PARAM_FILE && p->positional) || p->from_file) {
        return xstrdup("FILE");
    }
    char *s = xstrdup(p->name);
    for (char *c = s; *c; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    return s;
}

static const char *value_word(const struct call_param *p)
{
    static const char *const words[PARAM_KIND_MAX] = {
        [PARAM_ID] = "ID",        [PARAM_INT] = "N",         [PARAM_TEXT] = "TEXT",
        [PARAM_LINES] = "TEXT",   [PARAM_USERNAME] = "NAME", [PARAM_NAME] = "NAME",
        [PARAM_WORD_ID] = "NAME", [PARAM_EMAIL] = "ADDRESS", [PARAM_FILE] = "NAME",
        [PARAM_CHOICE] = "WORD",
    };
    return p->kind == PARAM_ID && p->thing != THING_OPERATION ? "NAME"
           : words[p->kind]                                   ? words[p->kind]
                                                              : "VALUE";
}

static bool is_option(const struct call_param *p)
{
    return p->in != IN_PATH && !p->positional && !p->program_only && p->kind != PARAM_SECRET;
}

/* "--ROLE N ..." or "--name WORD" */
static char *option_text(const struct call_param *p)
{
    if (p->kind == PARAM_COUNTS) {
        return xstrdup("--ROLE N ...");
    }
    _cleanup_free_ char *option = args_option(p->name);
    _cleanup_free_ char *letter = p->letter ? str_printf("-%c, ", p->letter) : xstrdup("");
    return p->kind == PARAM_BOOL ? xstrdup(option) : str_printf("%s%s %s", letter, option, value_word(p));
}

char *help_usage(const struct call *c)
{
    struct buf b = {0};
    buf_addf(&b, c->bare ? "conpaas %s [%s]" : "conpaas %s %s", c->noun, c->verb);
    for (const struct call_param *p = c->params; p->name; p++) {
        if (p->in == IN_PATH || p->positional) {
            _cleanup_free_ char *name = help_placeholder(p);
            buf_addf(&b, p->required ? " %s" : " [%s]", name);
        }
    }
    for (const struct call_param *p = c->params; p->name; p++) {
        if (is_option(p)) {
            _cleanup_free_ char *text = option_text(p);
            const char *plain = p->letter ? strstr(text, "--") : text;
            buf_addf(&b, p->required ? " %s" : " [%s]", plain);
        }
    }
    return buf_take(&b);
}

/* "  left   right", the right part wrapped at the width. */
static void print_pair(const struct term *t, FILE *out, const char *left, int column, const char *right)
{
    fprintf(out, "  %s", left);
    int at = 2 + term_columns(left);
    if (at > column - 2) {
        fprintf(out, "\n");
        at = 0;
    }
    int room = (t->width > 100 ? 100 : t->width) - column;
    fprintf(out, "%*s", column - at, "");
    for (const char *p = right; *p;) {
        size_t len = strlen(p);
        if ((int)len > room) {
            for (len = (size_t)room; len > 0 && p[len] != ' '; len--) {
            }
            len = len ? len : (size_t)room;
        }
        fprintf(out, "%.*s\n", (int)len, p);
        p += len;
        p += *p == ' ';
        if (*p) {
            fprintf(out, "%*s", column, "");
        }
    }
}

static void print_title(const struct term *t, FILE *out, const char *title)
{
    bool err = out == t->err;
    fprintf(out, "%s%s%s\n", term_on(t, err, COLOUR_BOLD), title, term_off(t, err));
}

static void print_usage(const struct term *t, FILE *out, const char *usage)
{
    static const char before[] = "usage: ";
    fputs(before, out);
    term_wrap_usage(t, out, usage, (int)strlen(before), (int)strlen(before) + 4);
}

/* Lines "left|right". */
static void print_option_lines(const struct term *t, FILE *out, const char *lines)
{
    char **v = str_split(lines, '\n');
    for (char **l = v; *l; l++) {
        char *bar = strchr(*l, '|');
        if (bar) {
            *bar = '\0';
            print_pair(t, out, *l, 24, bar + 1);
        }
    }
    strv_free(v);
}

/* A command of the shell; one that is too long goes on in the next line. */
static void print_command(const struct term *t, FILE *out, const char *command)
{
    int indent = 2;
    while (indent + term_columns(command) > t->width) {
        size_t n = strlen(command), room = (size_t)(t->width - indent) - strlen(" \\");
        for (n = n > room ? room : n; n > 0 && command[n] != ' '; n--) {
        }
        if (n == 0) {
            break;
        }
        fprintf(out, "%*s%.*s \\\n", indent, "", (int)n, command);
        command += n + 1;
        indent = 6;
    }
    fprintf(out, "%*s%s\n", indent, "", command);
}

static void print_commands(const struct term *t, FILE *out, const char *text)
{
    char **v = str_split(text, '\n');
    for (char **l = v; *l; l++) {
        print_command(t, out, *l);
    }
    strv_free(v);
}

void help_overview(const struct term *t, FILE *out)
{
    fprintf(out, "conpaas: host applications on nodes that come and go\n\n");
    fprintf(out, "usage: conpaas NOUN VERB [arguments] [options]\n\n");
    print_title(t, out, "Nouns");
    for (const struct help_noun_row *n = help_nouns; n->name; n++) {
        print_pair(t, out, n->name, 15, n->summary);
    }
    fprintf(out, "\n");
    print_title(t, out, "Commands");
    for (const struct builtin *b = builtins; b->name; b++) {
        if (!b->hidden) {
            print_pair(t, out, b->name, 15, b->summary);
        }
    }
    fprintf(out, "\n");
    print_title(t, out, "Options of every command");
    print_option_lines(t, out, help_global_options);
    fprintf(out, "\n");
    print_title(t, out, "First steps");
    print_commands(t, out,
                   "conpaas login https://HOST:9999\n"
                   "conpaas service create php shop\n"
                   "conpaas service start shop\n"
                   "conpaas code upload shop shop.tar.gz\n"
                   "conpaas code enable shop code-1\n"
                   "conpaas node add shop --web 2");
    fprintf(out, "\n`conpaas help NOUN` and `conpaas help NOUN VERB` tell more. Applications,\n"
                 "services and the rest may be given by name or by id.\n");
}

void help_noun(const struct term *t, FILE *out, const char *noun)
{
    for (const struct help_noun_row *n = help_nouns; n->name; n++) {
        if (str_eq(n->name, noun)) {
            fprintf(out, "conpaas %s: %s\n\n", noun, n->summary);
        }
    }
    for (const struct call *c = calls; c->id; c++) {
        if (str_eq(c->noun, noun)) {
            _cleanup_free_ char *usage = help_usage(c);
            fputs(term_on(t, out == t->err, COLOUR_BOLD), out);
            term_wrap_usage(t, out, usage, 0, 10);
            fprintf(out, "%s      %s\n", term_off(t, out == t->err), c->summary);
        }
    }
    fprintf(out, "\n`conpaas help %s VERB` tells more about one.\n", noun);
}

static void print_arguments(const struct term *t, FILE *out, const struct call *c)
{
    bool any = false;
    for (const struct call_param *p = c->params; p->name; p++) {
        bool position = p->in == IN_PATH || p->positional;
        if (!position && !is_option(p)) {
            continue;
        }
        if (!any) {
            fprintf(out, "\n");
            print_title(t, out, "Arguments and options");
            any = true;
        }
        _cleanup_free_ char *left = position ? help_placeholder(p) : option_text(p);
        struct buf right = {0};
        buf_adds(&right, p->help);
        if (p->words) {
            buf_addf(&right, " (%s)", p->words);
        }
        if (p->fallback && !str_eq(p->fallback, "false")) {
            buf_addf(&right, " (%s)", p->fallback);
        }
        print_pair(t, out, left, 24, right.data);
        buf_done(&right);
    }
}

void help_call(const struct term *t, FILE *out, const struct call *c)
{
    _cleanup_free_ char *usage = help_usage(c);
    print_usage(t, out, usage);
    fprintf(out, "\n%s.\n", c->summary);
    if (c->detail) {
        fprintf(out, "\n%s\n", c->detail);
    }
    if (c->states) {
        _cleanup_free_ char *states = call_states_text(c->states);
        _cleanup_free_ char *text = str_printf("Possible while the service is %s.", states);
        fputc('\n', out);
        term_wrap(t, out, text, 0, 0);
    }
    print_arguments(t, out, c);
    if (c->answer == ANSWER_FILE) {
        print_pair(t, out, "-o, --output FILE", 24, "where to write it; `-` is standard output");
    }
    fprintf(out, "\n");
    print_title(t, out, "Examples");
    print_commands(t, out, c->example);
}

void help_builtin(const struct term *t, FILE *out, const struct builtin *b)
{
    _cleanup_free_ char *usage = str_printf("conpaas %s", b->usage);
    print_usage(t, out, usage);
    fprintf(out, "\n%s.\n", b->summary);
    if (b->detail) {
        fprintf(out, "\n%s\n", b->detail);
    }
    if (b->options) {
        fprintf(out, "\n");
        print_title(t, out, "Options");
        print_option_lines(t, out, b->options);
    }
    fprintf(out, "\n");
    print_title(t, out, "Examples");
    print_commands(t, out, b->example);
}

void help_words(const struct term *t, FILE *out, char *const *words)
{
    const struct builtin *b = words[0] ? builtin_find(words[0]) : NULL;
    const char *noun = words[0] ? args_noun(words[0]) : NULL;
    const struct call *c = noun && words[1] ? call_find_command(noun, words[1]) : NULL;
    if (b) {
        help_builtin(t, out, b);
    } else if (c) {
        help_call(t, out, c);
    } else if (noun) {
        help_noun(t, out, noun);
    } else {
        help_overview(t, out);
    }
}

void help_print(struct cli *cli, char *const *words)
{
    char *text = NULL;
    size_t len = 0;
    if (!cli->json) {
        help_words(&cli->term, cli->term.out, words);
        return;
    }
    struct term plain = cli->term;
    plain.out_colour = false;
    FILE *f = open_memstream(&text, &len);
    help_words(&plain, f, words);
    fclose(f);
    cli_print_text(cli, text);
    free(text);
}

int help_run(struct cli *cli, char *const *words, struct err *e)
{
    int r = words[0] && !builtin_find(words[0]) ? args_check_command(words[0], words[1], e) : 0;
    if (r < 0) {
        return r;
    }
    help_print(cli, words);
    return 0;
}
