#include "cli/args.h"

#include "api/validate.h"
#include "base/nearest.h"
#include "cli/builtin.h"
#include "cli/help.h"
#include "cli/resolve.h"
#include "model/names.h"

void command_done(struct command *c)
{
    json_decref(c->args);
    json_decref(c->typed);
    *c = (struct command){.call = NULL};
}

/* ---- options that every command has ---- */

static bool take_flag(struct cli *cli, const char *word)
{
    const struct {
        const char *name, *letter;
        bool *flag;
    } flags[] = {
        {"--json", NULL, &cli->json}, {"--quiet", "-q", &cli->quiet},     {"--yes", "-y", &cli->yes},
        {"--help", "-h", &cli->help}, {"--no-wait", NULL, &cli->no_wait},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (str_eq(word, flags[i].name) || (flags[i].letter && str_eq(word, flags[i].letter))) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

/* Value of "--name VALUE" or "--name=VALUE"; moves *i behind it. 1 when it was the option. */
static int take_value(int argc, char **argv, int *i, const char *name, const char **ret, struct err *e)
{
    const char *word = argv[*i];
    size_t n = strlen(name);
    if (strncmp(word, name, n) != 0 || (word[n] && word[n] != '=')) {
        return 0;
    }
    if (!word[n] && *i + 1 >= argc) {
        return err_set(e, ERR_INVALID, "%s needs a value", name);
    }
    *ret = word[n] ? word + n + 1 : argv[++*i];
    return 1;
}

static int take_valued(struct cli *cli, int argc, char **argv, int *i, struct err *e)
{
    const char *timeout = NULL;
    int64_t seconds = 0;
    int r = take_value(argc, argv, i, "--config", &cli->config_path, e);
    r = r ? r : take_value(argc, argv, i, "--output", &cli->output, e);
    r = r ? r : take_value(argc, argv, i, "-o", &cli->output, e);
    r = r ? r : take_value(argc, argv, i, "--timeout", &timeout, e);
    if (r > 0 && timeout) {
        if (str_to_int(timeout, 1, 86400, &seconds) < 0) {
            return err_set(e, ERR_INVALID, "--timeout must be 1 to 86400 seconds, it is \"%.40s\"", timeout);
        }
        cli->timeout_ms = seconds * 1000;
    }
    return r;
}

int args_global(struct cli *cli, int argc, char **argv, char ***ret_words, struct err *e)
{
    char **words = xcalloc((size_t)argc + 1, sizeof(*words));
    int n = 0;
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        if (ended || argv[i][0] != '-') {
            words[n++] = argv[i];
            continue;
        }
        ended = str_eq(argv[i], "--");
        if (!ended && take_flag(cli, argv[i])) {
            continue;
        }
        int r = ended ? 0 : take_valued(cli, argc, argv, &i, e);
        if (r < 0) {
            free(words);
            return r;
        }
        if (r == 0) {
            words[n++] = argv[i];
        }
    }
    *ret_words = words;
    return 0;
}

/* ---- noun and verb ---- */

const char *args_noun(const char *word)
{
    _cleanup_free_ char *single = xstrdup(word);
    size_t len = strlen(single);
    if (len > 1 && single[len - 1] == 's' && !call_find_command(word, NULL)) {
        single[len - 1] = '\0';
    }
    const char *noun = str_eq(single, "application") ? "app" : single;
    for (const struct call *c = calls; c->id; c++) {
        if (str_eq(c->noun, noun) || str_eq(c->noun, word)) {
            return c->noun;
        }
    }
    return NULL;
}

static int fail_noun(const char *word, struct err *e)
{
    const char *words[128];
    size_t n = 0;
    for (const struct call *c = calls; c->id && n < 100; c++) {
        words[n++] = c->noun;
    }
    for (const struct builtin *b = builtins; b->name; b++) {
        words[n++] = b->name;
    }
    words[n] = NULL;
    const char *near = str_nearest(word, words);
    _cleanup_free_ char *hint =
        near ? str_printf("did you mean `conpaas %s`? `conpaas help` lists all commands", near)
             : xstrdup("conpaas help");
    return err_set_hint(e, ERR_INVALID, hint, "there is no command \"%.60s\"", word);
}

/* Words of other programs for the same. */
static const char *other_word(const char *noun, const char *word)
{
    static const struct {
        const char *word, *ours;
    } rows[] = {{"create", "register"}, {"add", "register"}, {"add", "create"},       {"new", "create"},
                {"create", "add"},      {"new", "register"}, {"terminate", "delete"}, {"remove", "delete"},
                {"rm", "delete"},       {"rm", "remove"},    {"delete", "remove"},    {"delete", "revoke"},
                {"remove", "revoke"},   {"ls", "list"},      {"get", "show"},         {"info", "show"}};
    for (size_t i = 0; word && i < ARRAY_LEN(rows); i++) {
        if (str_eq(rows[i].word, word) && call_find_command(noun, rows[i].ours)) {
            return rows[i].ours;
        }
    }
    return NULL;
}

static int fail_verb(const char *noun, const char *word, struct err *e)
{
    struct buf verbs = {0};
    for (const struct call *c = calls; c->id; c++) {
        if (str_eq(c->noun, noun)) {
            buf_addf(&verbs, "%s%s", verbs.len ? ", " : "", c->verb);
        }
    }
    _cleanup_free_ char *all = buf_take(&verbs);
    char **list = str_split(all, ' ');
    for (char **v = list; *v; v++) {
        (*v)[strcspn(*v, ",")] = '\0';
    }
    const char *near = other_word(noun, word);
    near = word && !near ? str_nearest(word, (const char *const *)list) : near;
    _cleanup_free_ char *hint = near ? str_printf("did you mean `conpaas %s %s`?", noun, near)
                                     : str_printf("conpaas %s --help", noun);
    strv_free(list);
    return word ? err_set_hint(e, ERR_INVALID, hint, "%s has no command \"%.60s\", only: %s", noun, word, all)
                : err_set_hint(e, ERR_INVALID, hint, "say what to do with %s: %s", noun, all);
}

int args_check_command(const char *word, const char *verb, struct err *e)
{
    const char *noun = args_noun(word);
    if (!noun) {
        return fail_noun(word, e);
    }
    return verb && !call_find_command(noun, verb) ? fail_verb(noun, verb, e) : 0;
}

int args_find_call(char *const *words, const struct call **ret, int *ret_used, struct err *e)
{
    const char *noun = args_noun(words[0]);
    if (!noun) {
        return fail_noun(words[0], e);
    }
    const struct call *c = words[1] ? call_find_command(noun, words[1]) : NULL;
    int used = 2;
    if (!c) {
        c = call_find_command(noun, NULL);
        used = 1;
    }
    if (!c) {
        return fail_verb(noun, words[1], e);
    }
    /* `conpaas node ad shop --web 1`: more words than the bare verb takes, so the first was meant as a verb.
     */
    int takes = 0, given = 0;
    for (const struct call_param *p = c->params; p->name; p++) {
        takes += p->in == IN_PATH || p->positional;
    }
    while (words[1 + given] && words[1 + given][0] != '-') {
        given++;
    }
    if (used == 1 && given > takes) {
        return fail_verb(noun, words[1], e);
    }
    *ret = c;
    *ret_used = used;
    return 0;
}

/* ---- arguments ---- */

char *args_option(const char *name)
{
    char *s = str_printf("--%s", name);
    for (char *p = s; *p; p++) {
        *p = *p == '_' ? '-' : *p;
    }
    return s;
}

static int fail_usage(const struct call *c, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int fail_usage(const struct call *c, struct err *e, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    _cleanup_free_ char *message = buf_take(&b), *usage = help_usage(c);
    return err_set_hint(e, ERR_INVALID, usage, "%s", message);
}

static bool by_position(const struct call_param *p)
{
    return p->in == IN_PATH || p->positional;
}

static const struct call_param *find_option(const struct call *c, const char *name, size_t len)
{
    for (const struct call_param *p = c->params; p->name; p++) {
        _cleanup_free_ char *option = args_option(p->name);
        bool secret = p->kind == PARAM_SECRET, object = p->kind == PARAM_COUNTS || args_takes_many(p);
        if (!p->program_only && !secret && !object && strlen(option) == len &&
            strncmp(option, name, len) == 0) {
            return p;
        }
        if (p->letter && len == 2 && name[0] == '-' && name[1] == p->letter) {
            return p;
        }
    }
    return NULL;
}

static const struct call_param *find_kind(const struct call *c, enum param_kind kind)
{
    for (const struct call_param *p = c->params; p->name; p++) {
        if (p->kind == kind) {
            return p;
        }
    }
    return NULL;
}

/* --ROLE N of a call that takes counts. */
static int take_count(const struct call_param *p, const char *role, const char *value, struct command *ret,
                      struct err *e)
{
    int64_t n = 0;
    if (name_check_id(role, e) < 0 || str_to_int(value, 0, 64, &n) < 0) {
        return fail_usage(ret->call, e, "--%.40s needs a number from 0 to 64, not \"%.40s\"", role, value);
    }
    json_t *counts = json_object_get(ret->args, p->name);
    if (!counts) {
        counts = json_object();
        json_object_set_new(ret->args, p->name, counts);
    }
    if (json_object_get(counts, role)) {
        return fail_usage(ret->call, e, "--%.40s is given twice", role);
    }
    if (n > 0) {
        json_object_set_new(counts, role, json_integer(n));
    }
    return 0;
}

bool args_takes_many(const struct call_param *p)
{
    return p->kind == PARAM_SETTINGS || p->kind == PARAM_VARIABLES || p->kind == PARAM_VARIABLE_NAMES;
}

/* One of several names. */
static int take_name(const struct call_param *p, const char *word, struct command *ret, struct err *e)
{
    json_t *names = json_object_get(ret->args, p->name), *name = json_string(word);
    if (!name) {
        return fail_usage(ret->call, e, "\"%s\" is not valid UTF-8", p->name);
    }
    if (!names) {
        names = json_array();
        json_object_set_new(ret->args, p->name, names);
    }
    json_array_append_new(names, name);
    return 0;
}

static int take_setting(const struct call_param *p, const char *word, struct command *ret, struct err *e)
{
    const char *eq = strchr(word, '=');
    if (!eq || eq == word) {
        return fail_usage(ret->call, e, "\"%.60s\" is no %s=VALUE", word,
                          p->kind == PARAM_SETTINGS ? "KEY" : "NAME");
    }
    json_t *settings = json_object_get(ret->args, p->name);
    if (!settings) {
        settings = json_object();
        json_object_set_new(ret->args, p->name, settings);
    }
    _cleanup_free_ char *key = xstrndup(word, (size_t)(eq - word));
    json_t *value = json_string(eq + 1);
    if (!value || json_object_set_new(settings, key, value) < 0) {
        return fail_usage(ret->call, e, "the value of \"%.60s\" is not valid UTF-8", key);
    }
    return 0;
}

static int set_typed(struct command *c, const struct call_param *p, const char *text, struct err *e)
{
    if (json_object_get(c->typed, p->name)) {
        return fail_usage(c->call, e, "\"%s\" is given twice", p->name);
    }
    json_t *v = json_string(text);
    if (!v) {
        return fail_usage(c->call, e, "\"%s\" is not valid UTF-8", p->name);
    }
    json_object_set_new(c->typed, p->name, v);
    return 0;
}

/* One option with its value; *i is the index of the word. */
static int take_option(struct command *ret, char *const *words, int *i, struct err *e)
{
    const char *word = words[*i];
    size_t len = strcspn(word, "=");
    const struct call_param *p = find_option(ret->call, word, len);
    const struct call_param *counts = find_kind(ret->call, PARAM_COUNTS);
    bool count = !p && counts && str_starts(word, "--") && len > 2;
    if (!p && !count) {
        return fail_usage(ret->call, e, "%s %s has no option %.*s", ret->call->noun, ret->call->verb,
                          (int)(len > 60 ? 60 : len), word);
    }
    const char *value = word[len] ? word + len + 1 : NULL;
    if (!value && p && p->kind == PARAM_BOOL) {
        value = "true";
    } else if (!value) {
        if (!words[*i + 1]) {
            return fail_usage(ret->call, e, "%.60s needs a value", word);
        }
        value = words[++*i];
    }
    if (count) {
        _cleanup_free_ char *role = xstrndup(word + 2, len - 2);
        return take_count(counts, role, value, ret, e);
    }
    return set_typed(ret, p, value, e);
}

/* The next argument by position that has no value yet. */
static const struct call_param *next_position(const struct command *c)
{
    for (const struct call_param *p = c->call->params; p->name; p++) {
        if (by_position(p) && (args_takes_many(p) || !json_object_get(c->typed, p->name))) {
            return p;
        }
    }
    return NULL;
}

static int take_word(struct command *ret, const char *word, struct err *e)
{
    const struct call_param *p = next_position(ret);
    if (!p) {
        return fail_usage(ret->call, e, "there is one argument too many: \"%.60s\"", word);
    }
    if (p->kind == PARAM_VARIABLE_NAMES) {
        return take_name(p, word, ret, e);
    }
    return args_takes_many(p) ? take_setting(p, word, ret, e) : set_typed(ret, p, word, e);
}

static int check_missing(const struct command *c, struct err *e)
{
    for (const struct call_param *p = c->call->params; p->name; p++) {
        const json_t *many = json_object_get(c->args, p->name);
        bool there =
            json_object_get(c->typed, p->name) || json_object_size(many) > 0 || json_array_size(many) > 0;
        if (!p->required || there || p->kind == PARAM_SECRET) {
            continue;
        }
        if (p->kind == PARAM_COUNTS) {
            return fail_usage(c->call, e, "say how many nodes of which role, for example --web 2");
        }
        _cleanup_free_ char *name = help_placeholder(p);
        return fail_usage(c->call, e, "%s is missing: %s", name, p->help);
    }
    return 0;
}

int args_parse(const struct call *call, char *const *words, struct command *ret, struct err *e)
{
    *ret = (struct command){.call = call, .args = json_object(), .typed = json_object()};
    bool ended = false;
    int r = 0;
    for (int i = 0; words[i] && r == 0; i++) {
        const char *w = words[i];
        bool number = w[0] == '-' && w[1] >= '0' && w[1] <= '9';
        if (!ended && str_eq(w, "--")) {
            ended = true;
        } else if (!ended && w[0] == '-' && w[1] && !number) {
            r = take_option(ret, words, &i, e);
        } else {
            r = take_word(ret, w, e);
        }
    }
    r = r < 0 ? r : check_missing(ret, e);
    if (r < 0) {
        command_done(ret);
    }
    return r;
}

/* ---- values ---- */

static int ask_secret(struct cli *cli, const struct call_param *p, json_t **ret, struct err *e)
{
    _cleanup_free_ char *prompt =
        str_printf("%s%s", p->name, str_eq(p->name, "password") || str_eq(p->name, "old") ? "" : " password");
    char *text = NULL, *again = NULL;
    int r = p->lines ? term_secret_lines(&cli->term, p->name, (size_t)p->max + 1, &text, e)
                     : term_secret(&cli->term, prompt, &text, e);
    if (r == 0 && p->min >= 8 && cli->term.in_tty) { /* a new one: typed twice */
        r = term_secret(&cli->term, "the same again", &again, e);
        if (r == 0 && !str_eq(text, again)) {
            r = err_set(e, ERR_INVALID, "the two are not the same");
        }
    }
    r = r < 0 ? r : call_param_parse(p, text, ret, e);
    if (text) {
        mem_wipe(text, strlen(text));
    }
    if (again) {
        mem_wipe(again, strlen(again));
    }
    free(text);
    free(again);
    return r;
}

static int resolve_one(struct cli *cli, struct command *c, const struct call_param *p, struct err *e)
{
    const char *text = json_str(c->typed, p->name, NULL);
    json_t *v = NULL;
    int64_t id = 0;
    int r = 0;
    if (!text) {
        if (p->kind != PARAM_SECRET || !p->required) {
            return 0;
        }
        r = ask_secret(cli, p, &v, e);
    } else if (p->kind == PARAM_ID) {
        r = resolve(cli, p->thing, text, json_int(c->args, "service", 0), &id, e);
        v = json_integer(id);
    } else {
        r = call_param_parse(p, text, &v, e);
    }
    if (r < 0) {
        json_decref(v);
        return r;
    }
    json_object_set_new(c->args, p->name, v);
    return 0;
}

int args_resolve(struct cli *cli, struct command *c, struct err *e)
{
    for (const struct call_param *p = c->call->params; p->name; p++) {
        /* A path on this machine, not a name: code_file.c looks at it. */
        if ((p->kind == PARAM_FILE && p->positional) || p->from_file) {
            continue;
        }
        int r = resolve_one(cli, c, p, e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
