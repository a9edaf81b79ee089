#include "cli/completion.h"

#include "cli/args.h"
#include "cli/deck.h"
#include "cli/help.h"
#include "cli/resolve.h"

static const char bash_script[] =
    "# bash completion for conpaas and cpsclient.web\n"
    "_conpaas() {\n"
    "    local program=$1 word=${COMP_WORDS[COMP_CWORD]} line\n"
    "    local -a asked=(\"${COMP_WORDS[@]:1:COMP_CWORD}\")\n"
    "    [[ ${program##*/} == cpsclient.web ]] && asked=(--deck \"${asked[@]}\")\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        if [[ $line == :file ]]; then\n"
    "            compopt -o default\n"
    "        elif [[ $line == \"$word\"* ]]; then\n"
    "            COMPREPLY+=(\"$(printf '%q' \"$line\")\")\n"
    "        fi\n"
    "    done < <(conpaas __complete \"${asked[@]}\" 2>/dev/null)\n"
    "    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
    "    return 0\n"
    "}\n"
    "complete -F _conpaas conpaas cpsclient.web\n";

int completion_run(struct cli *cli, char *const *words, struct err *e)
{
    if (!words[0] || !str_eq(words[0], "bash") || words[1]) {
        return err_set_hint(e, ERR_INVALID, "conpaas completion bash", "say for which shell: bash");
    }
    cli_print_text(cli, bash_script);
    return 0;
}

static void add(struct buf *out, const char *candidate, const char *prefix)
{
    if (str_starts(candidate, prefix)) {
        term_safe(out, candidate, false);
        buf_addc(out, '\n');
    }
}

/* ---- names from the director ---- */

static void add_names(struct cli *cli, const char *call, const json_t *args, const char *member,
                      const char *prefix, struct buf *out)
{
    _cleanup_json_ json_t *list = NULL;
    if (cli_list(cli, call, args, &list, NULL) < 0) {
        return;
    }
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const json_t *v = json_object_get(item, member);
        _cleanup_free_ char *text = json_is_string(v) ? xstrdup(json_string_value(v))
                                                      : str_printf("%lld", (long long)json_integer_value(v));
        add(out, text, prefix);
    }
}

static void add_things(struct cli *cli, const struct command *c, enum call_thing thing, const char *prefix,
                       struct buf *out)
{
    static const struct {
        const char *call, *member;
    } rows[THING_MAX] = {
        [THING_USER] = {"user.list", "username"},   [THING_APP] = {"app.list", "name"},
        [THING_SERVICE] = {"service.list", "name"}, [THING_NODE] = {"node.list", "id"},
        [THING_VERSION] = {"code.list", "name"},    [THING_OPERATION] = {"operation.list", "id"},
        [THING_TOKEN] = {"token.list", "name"},     [THING_JOB] = {"manifest.list", "id"},
    };
    _cleanup_json_ json_t *args = json_object();
    const char *service = json_str(c->typed, "service", NULL);
    int64_t id = 0;
    if (service && (thing == THING_VERSION || thing == THING_NODE)) {
        if (resolve(cli, THING_SERVICE, service, 0, &id, NULL) < 0) {
            return;
        }
        json_object_set_new(args, "service", json_integer(id));
    } else if (thing == THING_VERSION) {
        return;
    }
    add_names(cli, rows[thing].call, args, rows[thing].member, prefix, out);
}

/* "memory_limit=" of every setting of the service, also the roles as options. */
static void add_members(struct cli *cli, const struct command *c, const char *call, const char *member,
                        const char *before, const char *after, const char *prefix, struct buf *out)
{
    const char *service = json_str(c->typed, "service", NULL);
    int64_t id = 0;
    if (!service || resolve(cli, THING_SERVICE, service, 0, &id, NULL) < 0) {
        return;
    }
    _cleanup_json_ json_t *args = json_pack("{s:I}", "service", (json_int_t)id);
    _cleanup_json_ json_t *answer = NULL;
    if (cli_call(cli, call, args, &answer, NULL) < 0) {
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(answer, member), key, value)
    {
        _cleanup_free_ char *text = str_printf("%s%s%s", before, key, after);
        add(out, text, prefix);
    }
}

static void add_variables(struct cli *cli, const struct command *c, const char *after, const char *prefix,
                          struct buf *out)
{
    const char *service = json_str(c->typed, "service", NULL);
    int64_t id = 0;
    if (!service || resolve(cli, THING_SERVICE, service, 0, &id, NULL) < 0) {
        return;
    }
    _cleanup_json_ json_t *args = json_pack("{s:I}", "service", (json_int_t)id);
    _cleanup_json_ json_t *list = NULL;
    size_t i;
    json_t *v;
    if (cli_list(cli, "env.list", args, &list, NULL) < 0) {
        return;
    }
    json_array_foreach(list, i, v)
    {
        _cleanup_free_ char *text = str_printf("%s%s", json_str(v, "name", ""), after);
        if (str_eq(json_str(v, "origin", ""), "user")) {
            add(out, text, prefix);
        }
    }
}

static void add_list(const json_t *list, const char *prefix, struct buf *out)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        add(out, json_is_string(item) ? json_string_value(item) : "", prefix);
    }
}

/* Logs of the node that is named, else of the service's manager. */
static void add_logs(struct cli *cli, const struct command *c, const char *prefix, struct buf *out)
{
    const char *service = json_str(c->typed, "service", NULL), *node = json_str(c->typed, "node", NULL);
    int64_t id = 0;
    if (!service ||
        resolve(cli, node ? THING_NODE : THING_SERVICE, node ? node : service, 0, &id, NULL) < 0) {
        return;
    }
    _cleanup_json_ json_t *args = json_pack("{s:I}", node ? "node" : "service", (json_int_t)id);
    _cleanup_json_ json_t *answer = NULL;
    if (cli_call(cli, node ? "node.show" : "log.show", args, &answer, NULL) == 0) {
        add_list(json_object_get(answer, node ? "logs" : "names"), prefix, out);
    }
}

static void add_values(struct cli *cli, const struct command *c, const struct call_param *p,
                       const char *prefix, struct buf *out)
{
    if (p->kind == PARAM_ID) {
        add_things(cli, c, p->thing, prefix, out);
    } else if (p->kind == PARAM_CHOICE) {
        char **words = str_split(p->words, ' ');
        for (char **w = words; *w; w++) {
            add(out, *w, prefix);
        }
        strv_free(words);
    } else if ((p->kind == PARAM_FILE && p->positional) || p->from_file) {
        buf_adds(out, ":file\n");
    } else if (p->kind == PARAM_SETTINGS) {
        add_members(cli, c, "config.show", "settings", "", "=", prefix, out);
    } else if (p->kind == PARAM_VARIABLES || p->kind == PARAM_VARIABLE_NAMES) {
        add_variables(cli, c, p->kind == PARAM_VARIABLES ? "=" : "", prefix, out);
    } else if (str_eq(c->call->id, "log.show") && str_eq(p->name, "name")) {
        add_logs(cli, c, prefix, out);
    } else if (str_eq(p->name, "cloud")) {
        add_names(cli, "cloud.list", NULL, "name", prefix, out);
    } else if (str_eq(p->name, "type")) {
        add_names(cli, "type.list", NULL, "name", prefix, out);
    }
}

/* ---- what stands where ---- */

static void add_global_options(const char *prefix, struct buf *out)
{
    static const char *const global[] = {"--json", "--quiet", "--yes", "--no-wait", "--timeout", "--help"};
    for (size_t i = 0; i < ARRAY_LEN(global); i++) {
        add(out, global[i], prefix);
    }
}

static void add_options(struct cli *cli, const struct command *c, const char *prefix, struct buf *out)
{
    for (const struct call_param *p = c->call->params; p->name; p++) {
        if (p->in == IN_PATH || p->positional || p->program_only || p->kind == PARAM_SECRET) {
            continue;
        }
        if (p->kind == PARAM_COUNTS) {
            add_members(cli, c, "service.show", "counts", "--", "", prefix, out);
            continue;
        }
        _cleanup_free_ char *option = args_option(p->name);
        add(out, option, prefix);
    }
    add_global_options(prefix, out);
}

static const struct call_param *option_of(const struct call *c, const char *word)
{
    for (const struct call_param *p = c->params; p->name; p++) {
        _cleanup_free_ char *option = args_option(p->name);
        if (str_eq(option, word) && p->kind != PARAM_BOOL) {
            return p;
        }
    }
    return NULL;
}

static void add_arguments(struct cli *cli, const struct call *call, char *const *words, struct buf *out)
{
    struct command c = {.call = call, .args = json_object(), .typed = json_object()};
    size_t n = strv_len(words);
    const char *last = words[n - 1], *before = n > 1 ? words[n - 2] : "";
    const struct call_param *option = option_of(call, before), *next = call->params;
    for (size_t i = 0; i + 1 < n; i++) {
        if (words[i][0] == '-') {
            const struct call_param *p = option_of(call, words[i]);
            if (p && i + 2 < n) {
                json_object_set_new(c.typed, p->name, json_string(words[++i]));
            }
            continue;
        }
        while (next->name && !(next->in == IN_PATH || next->positional)) {
            next++;
        }
        if (next->name) {
            json_object_set_new(c.typed, next->name, json_string(words[i]));
            next += !args_takes_many(next);
        }
    }
    while (next->name && !(next->in == IN_PATH || next->positional)) {
        next++;
    }
    if (option) {
        add_values(cli, &c, option, last, out);
    } else if (last[0] == '-') {
        add_options(cli, &c, last, out);
    } else if (next->name) {
        add_values(cli, &c, next, last, out);
    }
    command_done(&c);
}

static void add_verbs(const char *noun, const char *prefix, struct buf *out)
{
    for (const struct call *c = calls; c->id; c++) {
        if (str_eq(c->noun, noun)) {
            add(out, c->verb, prefix);
        }
    }
}

static void add_nouns(const char *prefix, struct buf *out)
{
    for (const struct help_noun_row *n = help_nouns; n->name; n++) {
        add(out, n->name, prefix);
    }
    for (const struct builtin *b = builtins; b->name; b++) {
        if (!b->hidden) {
            add(out, b->name, prefix);
        }
    }
}

/* Behind `wait`; n words, the last one half-typed. */
static void add_of_wait(struct cli *cli, char *const *words, size_t n, struct buf *out)
{
    static const char *const states[] = {"INIT", "RUNNING", "STOPPED", "ERROR", "stable"};
    struct command c = {.typed = json_object()};
    const char *last = words[n - 1];
    if (str_eq(words[n - 2], "--state")) {
        for (size_t i = 0; i < ARRAY_LEN(states); i++) {
            add(out, states[i], last);
        }
    } else if (last[0] == '-') {
        add(out, "--state", last);
        add_global_options(last, out);
    } else if (n == 2) {
        add_things(cli, &c, THING_SERVICE, last, out);
    }
    command_done(&c);
}

void completion_candidates(struct cli *cli, char *const *words, struct buf *out)
{
    size_t n = strv_len(words);
    const char *noun = n > 0 ? args_noun(words[0]) : NULL;
    if (n <= 1) {
        add_nouns(n ? words[0] : "", out);
    } else if (str_eq(words[0], "wait")) {
        add_of_wait(cli, words, n, out);
    } else if (str_eq(words[0], "completion")) {
        add(out, "bash", words[n - 1]);
    } else if (str_eq(words[0], "help") && n <= 3) {
        if (n == 2) {
            add_nouns(words[1], out);
        } else if (args_noun(words[1])) {
            add_verbs(args_noun(words[1]), words[2], out);
        }
    } else if (noun) {
        const struct call *c = n > 2 ? call_find_command(noun, words[1]) : NULL;
        const struct call *bare = call_find_command(noun, NULL);
        if (n == 2) {
            add_verbs(noun, words[1], out);
        }
        if (c) {
            add_arguments(cli, c, words + 2, out);
        } else if (bare) {
            add_arguments(cli, bare, words + 1, out);
        }
    }
}

void completion_deck(struct cli *cli, char *const *words, struct buf *out)
{
    size_t n = strv_len(words);
    if (n == 1 && cli_load(cli, NULL) == 0) {
        _cleanup_json_ json_t *list = NULL;
        size_t i;
        json_t *service;
        if (cli_list(cli, "service.list", NULL, &list, NULL) < 0) {
            return;
        }
        json_array_foreach(list, i, service)
        {
            add(out, json_str(service, "address", ""), words[0]);
        }
    } else if (n == 2) {
        for (const char *const *a = deck_action_names(); *a; a++) {
            add(out, *a, words[1]);
        }
    } else if (n == 3 && str_eq(words[1], "upload_code_version")) {
        buf_adds(out, ":file\n");
    }
}

int complete_run(struct cli *cli, char *const *words, struct err *e)
{
    struct buf out = {0};
    if (words[0] && str_eq(words[0], "--deck")) {
        completion_deck(cli, words + 1, &out);
    } else {
        completion_candidates(cli, words, &out);
    }
    fputs(out.data ? out.data : "", cli->term.out);
    buf_done(&out);
    return 0;
}
