/*
 * conpaas-docgen api | man: writes doc/api.md or doc/conpaas.1 from the call table to standard output.
 */
#include <ctype.h>

#include "api/objects.h"
#include "cli/args.h"
#include "cli/help.h"

/* ---- reference of the interface ---- */

static void api_params(const struct call *c)
{
    if (!c->params[0].name) {
        return;
    }
    printf("\n| argument | in | kind | |\n|---|---|---|---|\n");
    for (const struct call_param *p = c->params; p->name; p++) {
        printf("| `%s`%s | %s | %s", p->name, p->required ? "" : " (optional)", param_in_to_str(p->in),
               param_kind_to_str(p->kind));
        if (p->kind == PARAM_ID) {
            printf(" of %s %s", p->thing == THING_APP || p->thing == THING_OPERATION ? "an" : "a",
                   call_thing_to_str(p->thing));
        } else if (p->kind == PARAM_INT && p->max == INT64_MAX) {
            printf(" from %lld", (long long)p->min);
        } else if (p->kind == PARAM_INT) {
            printf(" %lld to %lld", (long long)p->min, (long long)p->max);
        } else if (p->kind == PARAM_TEXT || p->kind == PARAM_LINES || p->kind == PARAM_SECRET) {
            printf(", %lld to %lld bytes", (long long)p->min, (long long)p->max);
        } else if (p->words) {
            printf(": %s", p->words);
        }
        printf("%s%s%s | %s |\n", p->fallback ? ", default " : "", p->fallback ? p->fallback : "", "",
               p->help);
    }
}

static void api_answer(const struct call *c)
{
    if (c->answer == ANSWER_EMPTY) {
        printf("%d, empty", c->status);
    } else if (c->answer == ANSWER_FILE) {
        printf("%d, the bytes as an attachment", c->status);
    } else if (c->answer == ANSWER_EVENTS) {
        printf("%d, `text/event-stream`", c->status);
    } else if (c->list) {
        printf("%d, `{\"%s\": [`[%s](#%s)`, ...]}`", c->status, c->list, c->object, c->object);
    } else {
        printf("%d, [%s](#%s)", c->status, c->object, c->object);
    }
    printf("%s\n", c->status == 202 ? "; 200 with a null operation when it took effect at once" : "");
}

static void api_call(const struct call *c)
{
    _cleanup_free_ char *usage = help_usage(c);
    printf("\n### %s\n\n`%s %s`\n\n%s.\n", c->id, c->method, c->path, c->summary);
    if (c->detail) {
        printf("\n%s\n", c->detail);
    }
    printf("\n- for: %s\n", call_who_to_str(c->who));
    if (c->states) {
        _cleanup_free_ char *states = call_states_text(c->states);
        printf("- states of the service: %s\n", states);
    }
    printf("- kind: %s", call_class_to_str(c->class));
    if (c->on_failure != FAILURE_NONE) {
        printf("; on failure: %s", call_on_failure_to_str(c->on_failure));
    }
    printf("\n");
    if (c->body == BODY_STREAM) {
        printf("- body: the bytes themselves, `application/octet-stream`, at most %lld MiB\n",
               (long long)(c->max_body >> 20));
    }
    printf("- answer: ");
    api_answer(c);
    printf("- command: `%s`%s%s%s\n", usage, c->deck ? ", `cpsclient.web URL " : "", c->deck ? c->deck : "",
           c->deck ? "`" : "");
    api_params(c);
}

static void api_kind(const char *kind)
{
    size_t len = strcspn(kind, "[?");
    _cleanup_free_ char *name = xstrndup(kind, len);
    if (api_object_find(name)) {
        printf("%s[%s](#%s)%s", kind[len] == '[' ? "list of " : "", name, name,
               strchr(kind, '?') ? " or null" : "");
    } else {
        printf("%s%s", name, strchr(kind, '?') ? " or null" : "");
    }
}

static void write_api(void)
{
    printf("# The interface, version 1\n\n"
           "Written by `conpaas-docgen` from the call table (`src/api/calls.c`); `ninja doc` writes it "
           "again.\n\n"
           "HTTPS, port 9999 by default. The server's certificate is signed by the installation's own "
           "authority\n"
           "(`GET /v1/ca`). Requests and answers are JSON objects; unknown members are an error, null is the "
           "same as\n"
           "absent. Ids are integers above 0, times milliseconds since 1970. A caller shows who he is with\n"
           "`Authorization: Bearer TOKEN`, or with the session cookie of `user.login`.\n\n"
           "An error is `{\"error\": {\"code\": WORD, \"message\": TEXT, \"hint\": TEXT or null}}` with one "
           "of:\n\n"
           "| code | status | exit code of `conpaas` |\n|---|---|---|\n");
#define X(sym, value, word, status, exit_code) printf("| `%s` | %d | %d |\n", word, status, exit_code);
    ERR_TABLE(X)
#undef X
    printf("\nWhat belongs to somebody else is answered exactly as what does not exist.\n\n"
           "An accepted change of a service becomes an operation, which always ends: DONE, FAILED or "
           "CANCELLED. While one\n"
           "runs, another of the same kind (run state, counts, code, settings) on the service is answered "
           "`conflict`,\n"
           "unless it says `supersede`. Follow it with `operation.show` or `app.events`.\n\n## Calls\n");
    for (const struct help_noun_row *n = help_nouns; n->name; n++) {
        for (const struct call *c = calls; c->id; c++) {
            if (str_eq(c->noun, n->name)) {
                api_call(c);
            }
        }
    }
    printf("\n## Objects\n");
    for (const struct api_object *o = api_objects; o->name; o++) {
        printf("\n### %s\n\n%c%s.\n\n| member | kind | |\n|---|---|---|\n", o->name,
               toupper((unsigned char)o->summary[0]), o->summary + 1);
        for (const struct api_field *f = o->fields; f->name; f++) {
            printf("| `%s` | ", f->name);
            api_kind(f->kind);
            printf(" | %s |\n", f->help);
        }
    }
}

/* ---- man page ---- */

/* Text with the characters that roff would take for itself escaped. */
static void roff(const char *text)
{
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\'')) {
            printf("\\&");
        }
        if (*text == '\\') {
            printf("\\e");
        } else if (*text == '-') {
            printf("\\-");
        } else {
            putchar(*text);
        }
        start = *text == '\n';
    }
}

static void roff_options(const char *lines)
{
    char **v = str_split(lines, '\n');
    for (char **l = v; *l; l++) {
        char *bar = strchr(*l, '|');
        if (bar) {
            *bar = '\0';
            printf(".TP\n.B ");
            roff(*l);
            printf("\n");
            roff(bar + 1);
            printf("\n");
        }
    }
    strv_free(v);
}

static void man_call(const struct call *c)
{
    _cleanup_free_ char *usage = help_usage(c);
    printf(".TP\n.B ");
    roff(usage);
    printf("\n");
    roff(c->summary);
    printf(".\n");
    if (c->detail) {
        roff(c->detail);
        printf("\n");
    }
    for (const struct call_param *p = c->params; p->name; p++) {
        if (p->in != IN_PATH && !p->positional && !p->program_only && p->kind != PARAM_SECRET) {
            _cleanup_free_ char *option =
                p->kind == PARAM_COUNTS ? xstrdup("--ROLE N") : args_option(p->name);
            printf(".br\n\\fB");
            roff(option);
            printf("\\fR: ");
            roff(p->help);
            printf("\n");
        }
    }
}

static void write_man(void)
{
    printf(".\\\" Written by conpaas-docgen from the call table; `ninja doc` writes it again.\n"
           ".TH CONPAAS 1 \"\" \"ConPaaS %s\" \"User commands\"\n"
           ".SH NAME\nconpaas, cpsclient.web \\- host applications on nodes that come and go\n"
           ".SH SYNOPSIS\n.B conpaas\n.I NOUN VERB\n[arguments] [options]\n.br\n.B cpsclient.web\n.I URL "
           "ACTION\n[options]\n"
           ".SH DESCRIPTION\n"
           "Talks to a ConPaaS director. Applications, services and the rest may be given by name or by id. "
           "A service is\n"
           "NAME, or APPLICATION/NAME where several have the name. Changes are waited for, with a line per "
           "step and the\n"
           "time it took on standard error; the last line, on standard output, is the result or the address "
           "to open.\n",
           CONPAAS_VERSION);
    printf(".SH OPTIONS\n");
    roff_options(help_global_options);
    printf(".TP\n.B \\-\\-version\nprint the version\n");
    printf(".SH COMMANDS\n");
    for (const struct builtin *b = builtins; b->name; b++) {
        if (!b->hidden) {
            printf(".TP\n.B conpaas ");
            roff(b->usage);
            printf("\n");
            roff(b->summary);
            printf(".\n");
            roff(b->detail ? b->detail : "");
            printf("%s", b->detail ? "\n" : "");
        }
    }
    for (const struct help_noun_row *n = help_nouns; n->name; n++) {
        printf(".SS %s: ", n->name);
        roff(n->summary);
        printf("\n");
        for (const struct call *c = calls; c->id; c++) {
            if (str_eq(c->noun, n->name)) {
                man_call(c);
            }
        }
    }
    printf(".SH EXIT STATUS\n0 when all went well, otherwise by the kind of error:\n");
    for (int code = 1; code < 12; code++) {
        struct buf words = {0};
#define X(sym, value, word, status, exit_code)                                                               \
    if ((exit_code) == code) {                                                                               \
        buf_addf(&words, "%s%s", words.len ? ", " : "", (word));                                             \
    }
        ERR_TABLE(X)
#undef X
        if (words.len) {
            printf(".TP\n.B %d\n", code);
            roff(words.data);
            printf("\n");
        }
        buf_done(&words);
    }
    printf(".TP\n.B 130\ninterrupted; a change that was accepted goes on\n"
           ".SH FILES\n.TP\n.I ~/.conpaas/config.json\naddress, authority and token of the director; for the "
           "owner alone\n"
           ".SH ENVIRONMENT\n.TP\n.B CONPAAS_URL\naddress of the director; goes before the file\n"
           ".TP\n.B CONPAAS_TOKEN\ntoken; goes before the file\n"
           ".TP\n.B CONPAAS_CA\nfile with the director's authority (PEM); goes before the file\n"
           ".TP\n.B CONPAAS_CONFIG\nanother file instead of ~/.conpaas/config.json\n"
           ".TP\n.B NO_COLOR\nno colours\n.TP\n.B COLUMNS\nwidth of tables\n"
           ".SH EXAMPLES\n.nf\n"
           "conpaas login https://conpaas.example.org:9999\n"
           "conpaas service create php shop\n"
           "conpaas service start shop\n"
           "conpaas code upload shop shop.tar.gz\n"
           "conpaas code enable shop code\\-1\n"
           "conpaas node add shop \\-\\-web 1 \\-\\-backend 2\n"
           ".fi\n");
}

int main(int argc, char **argv)
{
    if (argc == 2 && str_eq(argv[1], "api")) {
        write_api();
    } else if (argc == 2 && str_eq(argv[1], "man")) {
        write_man();
    } else {
        fprintf(stderr, "usage: conpaas-docgen api | man\n");
        return 2;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
