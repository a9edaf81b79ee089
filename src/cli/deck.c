#include "cli/deck.h"

#include <errno.h>

#include "base/fs.h"
#include "base/nearest.h"
#include "cli/help.h"
#include "cli/print.h"
#include "cli/resolve.h"
#include "cli/run.h"

#define VALUES_MAX 8

struct deck {
    struct cli *cli;
    int64_t id;
    json_t *service;
    const struct deck_action *action;
};

/* "-p, --proxy" of an action; letter and name. */
struct deck_option {
    char letter;
    const char *name, *value, *help;
};

struct deck_action {
    const char *name, *summary, *arguments;
    const struct deck_option options[5];
    const char *type; /* only services of this type have it; NULL: all */
    int (*run)(struct deck *d, const char *const *values, char *const *rest, struct err *e);
};

static int add_nodes(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int remove_nodes(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int get_log(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int get_configuration(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int get_node_info(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int get_service_history(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int get_service_info(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int get_service_performance(struct deck *d, const char *const *values, char *const *rest,
                                   struct err *e);
static int list_code_versions(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int list_nodes(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int list_volumes(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int create_volume(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int delete_volume(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int start_or_stop(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int update_configuration(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int upload_code_version(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int list_authorized_keys(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int upload_authorized_key(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int run_script(struct deck *d, const char *const *values, char *const *rest, struct err *e);
static int get_script_status(struct deck *d, const char *const *values, char *const *rest, struct err *e);

#define ROLE_OPTIONS(verb)                                                                                   \
    {                                                                                                        \
        {'p', "proxy", "N", "proxy nodes to " verb}, {'w', "web", "N", "web nodes to " verb},                \
            {'b', "backend", "N", "backend nodes to " verb},                                                 \
            {'n', "count", "N", "nodes of the service's usual role to " verb},                               \
    }
#define PARAMETERS                                                                                           \
    {                                                                                                        \
        {'p', "parameters", "TEXT", "arguments of the script, split at blanks"},                             \
    }

// clang-format off
static const struct deck_action actions[] = {
    {.name = "add_nodes", .summary = "add nodes to the service", .options = ROLE_OPTIONS("add"),
     .run = add_nodes},
    {.name = "cleanup", .summary = "run cleanup.sh on every node", .options = PARAMETERS, .type = "generic",
     .run = run_script},
    {.name = "create_volume", .summary = "make a volume and attach it to a node", .arguments = "NAME MEGABYTES NODE",
     .run = create_volume},
    {.name = "delete_volume", .summary = "delete a volume with its files", .arguments = "NAME", .run = delete_volume},
    {.name = "get_configuration", .summary = "show the settings and the active code version",
     .run = get_configuration},
    {.name = "get_log", .summary = "show the manager's log", .run = get_log,
     .options = {{'n', "lines", "N", "the last N lines (100)"}}},
    {.name = "get_node_info", .summary = "show a node", .arguments = "NODE", .run = get_node_info},
    {.name = "get_script_status", .summary = "show how the scripts stand on each node", .type = "generic",
     .run = get_script_status},
    {.name = "get_service_history", .summary = "show what happened to the service",
     .run = get_service_history},
    {.name = "get_service_info", .summary = "show state and type of the service", .run = get_service_info},
    {.name = "get_service_performance", .summary = "show request rate, errors and response time",
     .run = get_service_performance},
    {.name = "help", .summary = "show this list", .run = NULL},
    {.name = "interrupt", .summary = "run interrupt.sh on every node, end what still runs", .options = PARAMETERS,
     .type = "generic", .run = run_script},
    {.name = "list_authorized_keys", .summary = "list the keys that may push code",
     .run = list_authorized_keys},
    {.name = "list_code_versions", .summary = "list the code versions", .run = list_code_versions},
    {.name = "list_nodes", .summary = "list nodes and their roles", .run = list_nodes},
    {.name = "list_volumes", .summary = "list volumes and their nodes", .run = list_volumes},
    {.name = "remove_nodes", .summary = "remove nodes from the service", .options = ROLE_OPTIONS("remove"),
     .run = remove_nodes},
    {.name = "run", .summary = "run run.sh on every node", .options = PARAMETERS, .type = "generic", .run = run_script},
    {.name = "shutdown", .summary = "stop the service", .run = start_or_stop},
    {.name = "startup", .summary = "start the service", .run = start_or_stop},
    {.name = "update_java_configuration", .summary = "make a code version the active one, change settings",
     .type = "java",
     .arguments = "[KEY=VALUE ...]", .options = {{'c', "code", "VERSION", "code version to make active"}},
     .run = update_configuration},
    {.name = "update_php_configuration", .summary = "make a code version the active one, change settings",
     .type = "php",
     .arguments = "[KEY=VALUE ...]", .options = {{'c', "code", "VERSION", "code version to make active"}},
     .run = update_configuration},
    {.name = "upload_authorized_key", .summary = "allow a key to push code", .arguments = "FILE",
     .run = upload_authorized_key},
    {.name = "upload_code_version", .summary = "upload an archive as a new code version", .arguments = "FILE",
     .options = {{'d', "description", "TEXT", "one line about it"}}, .run = upload_code_version},
};
// clang-format on

const char *const *deck_action_names(void)
{
    static const char *const names[] = {
        "add_nodes",
        "cleanup",
        "create_volume",
        "delete_volume",
        "get_configuration",
        "get_log",
        "get_node_info",
        "get_script_status",
        "get_service_history",
        "get_service_info",
        "get_service_performance",
        "help",
        "interrupt",
        "list_authorized_keys",
        "list_code_versions",
        "list_nodes",
        "list_volumes",
        "remove_nodes",
        "run",
        "shutdown",
        "startup",
        "update_java_configuration",
        "update_php_configuration",
        "upload_authorized_key",
        "upload_code_version",
        NULL,
    };
    return names;
}

/* ---- usage ---- */

static void print_usage(FILE *out)
{
    fprintf(out, "usage: cpsclient.web URL ACTION [options]\n\n"
                 "URL is the address of a service, as `conpaas service show` prints it.\n\nActions:\n");
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        fprintf(out, "  %-26s %s\n", actions[i].name, actions[i].summary);
    }
    fprintf(out, "\n`cpsclient.web URL ACTION --help` shows the options of an action.\n"
                 "Log in with `conpaas login`.\n");
}

static void print_action_usage(FILE *out, const struct deck_action *a)
{
    const struct deck_option *o = a->options;
    fprintf(out, "usage: cpsclient.web URL %s%s%s%s\n\n%s\n\n", a->name, o->name ? " [options]" : "",
            a->arguments ? " " : "", a->arguments ? a->arguments : "", a->summary);
    fprintf(out, "  %-26s show this text\n", "-h, --help");
    for (; o->name; o++) {
        _cleanup_free_ char *left = str_printf("-%c, --%s %s", o->letter, o->name, o->value);
        fprintf(out, "  %-26s %s\n", left, o->help);
    }
}

/* ---- actions ---- */

static json_t *of_service(const struct deck *d)
{
    return json_pack("{s:I}", "service", (json_int_t)d->id);
}

/* Silent on success; what failed says why. */
static int change(struct deck *d, const char *id, const json_t *args, struct err *e)
{
    _cleanup_json_ json_t *result = NULL;
    d->cli->quiet = d->cli->silent = true;
    int r = run_change(d->cli, id, args, &result, e);
    if (r > 0) {
        const json_t *op = json_object_get(result, "operation");
        return err_set(e, ERR_FAILED, "%s: %s", json_str(op, "title", id),
                       json_str(op, "why", "no reason was given"));
    }
    return r;
}

static int change_nodes(struct deck *d, const char *const *values, const char *id, struct err *e)
{
    _cleanup_json_ json_t *args = of_service(d);
    json_t *counts = json_object();
    json_object_set_new(args, "counts", counts);
    for (int i = 0; d->action->options[i].name; i++) {
        int64_t n = 0;
        if (values[i] && str_to_int(values[i], 0, 64, &n) < 0) {
            return err_set(e, ERR_INVALID, "--%s needs a number from 0 to 64, not \"%.40s\"",
                           d->action->options[i].name, values[i]);
        }
        if (n > 0) {
            json_object_set_new(counts, d->action->options[i].name, json_integer(n));
        }
    }
    if (json_object_size(counts) == 0) {
        print_action_usage(d->cli->term.out, d->action);
        return err_exit_code(ERR_INVALID);
    }
    return change(d, id, args, e);
}

static int add_nodes(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    return change_nodes(d, values, "node.add", e);
}

static int remove_nodes(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    return change_nodes(d, values, "node.remove", e);
}

static int start_or_stop(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    _cleanup_json_ json_t *args = of_service(d);
    return change(d, str_eq(d->action->name, "startup") ? "service.start" : "service.stop", args, e);
}

/* A call about the service that only shows something. */
static int show(struct deck *d, const char *id, json_t *args, struct err *e)
{
    _cleanup_json_ json_t *own = args ? args : of_service(d);
    _cleanup_json_ json_t *answer = NULL;
    int r = cli_call(d->cli, id, own, &answer, e);
    if (r == 0) {
        print_answer(d->cli, call_find(id), answer);
    }
    return r;
}

static int get_script_status(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    return show(d, "script.status", NULL, e);
}

/* run, interrupt, cleanup */
static int run_script(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    _cleanup_json_ json_t *args = of_service(d);
    _cleanup_free_ char *id = str_printf("script.%s", d->action->name);
    if (values[0]) {
        json_object_set_new(args, "parameters", json_string(values[0]));
    }
    return change(d, id, args, e);
}

static int get_log(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    json_t *args = of_service(d);
    int64_t lines = 100;
    if (values[0] && str_to_int(values[0], 1, 10000, &lines) < 0) {
        json_decref(args);
        return err_set(e, ERR_INVALID, "--lines needs a number from 1 to 10000");
    }
    json_object_set_new(args, "lines", json_integer(lines));
    return show(d, "log.show", args, e);
}

static int get_configuration(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    return show(d, "config.show", NULL, e);
}

static int get_service_history(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    return show(d, "history.list", NULL, e);
}

static int get_service_performance(struct deck *d, const char *const *values, char *const *rest,
                                   struct err *e)
{
    return show(d, "service.performance", NULL, e);
}

static int list_code_versions(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    return show(d, "code.list", NULL, e);
}

static int get_node_info(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    int64_t node = 0;
    if (!rest[0]) {
        return err_set_hint(e, ERR_INVALID, "cpsclient.web URL list_nodes", "NODE is missing");
    }
    int r = resolve(d->cli, THING_NODE, rest[0], d->id, &node, e);
    return r < 0 ? r : show(d, "node.show", json_pack("{s:I}", "node", (json_int_t)node), e);
}

static int list_volumes(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    return show(d, "volume.list", NULL, e);
}

static int create_volume(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    _cleanup_json_ json_t *args = of_service(d);
    int64_t megabytes = 0, node = 0;
    if (!rest[0] || !rest[1] || !rest[2]) {
        print_action_usage(d->cli->term.out, d->action);
        return err_exit_code(ERR_INVALID);
    }
    if (str_to_int(rest[1], 1, 1 << 30, &megabytes) < 0) {
        return err_set(e, ERR_INVALID, "MEGABYTES is a number above 0, not \"%.40s\"", rest[1]);
    }
    int r = resolve(d->cli, THING_NODE, rest[2], d->id, &node, e);
    json_object_set_new(args, "volume", json_string(rest[0]));
    json_object_set_new(args, "size", json_integer(megabytes));
    json_object_set_new(args, "node", json_integer(node));
    return r < 0 ? r : change(d, "volume.create", args, e);
}

static int delete_volume(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    _cleanup_json_ json_t *args = of_service(d);
    if (!rest[0]) {
        return err_set_hint(e, ERR_INVALID, "cpsclient.web URL list_volumes", "NAME is missing");
    }
    json_object_set_new(args, "volume", json_string(rest[0]));
    return change(d, "volume.delete", args, e);
}

static int get_service_info(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    if (d->cli->json) {
        cli_print_json(d->cli, d->service);
        return 0;
    }
    _cleanup_free_ char *type = xstrdup(json_str(d->service, "type", ""));
    for (char *c = type; *c; c++) {
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
    }
    print_label(d->cli, "state", "%s", json_str(d->service, "state", ""));
    print_label(d->cli, "type", "%s", type);
    if (json_str(d->service, "error", NULL)) {
        print_label(d->cli, "why", "%s", json_str(d->service, "error", ""));
    }
    return 0;
}

/* Roles that users ask nodes for, upper case, in the order of the service's counts. */
static char *upper_roles(const struct deck *d, const json_t *node)
{
    struct buf b = {0};
    const char *role;
    json_t *count, *own;
    json_object_foreach(json_object_get(d->service, "counts"), role, count)
    {
        size_t i;
        json_array_foreach(json_object_get(node, "roles"), i, own)
        {
            if (str_eq(json_string_value(own), role)) {
                buf_addf(&b, "%s%s", b.len ? " " : "", role);
            }
        }
    }
    char *text = buf_take(&b);
    for (char *c = text; *c; c++) {
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
    }
    return text;
}

static int list_nodes(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    static const struct table_column columns[] = {{.title = "Service Node"}, {.title = "Role(s)"}};
    _cleanup_json_ json_t *args = of_service(d);
    _cleanup_json_ json_t *nodes = NULL;
    int r = cli_list(d->cli, "node.list", args, &nodes, e);
    if (r < 0) {
        return r;
    }
    if (d->cli->json) {
        cli_print_json(d->cli, nodes);
        return 0;
    }
    _cleanup_(table_freep) struct table *t = table_new(columns, 2);
    size_t i;
    json_t *node;
    json_array_foreach(nodes, i, node)
    {
        const char *cloud_id = json_str(node, "cloud_id", NULL);
        table_take(t, cloud_id ? xstrdup(cloud_id) : str_printf("%lld", (long long)json_int(node, "id", 0)));
        table_take(t, upper_roles(d, node));
    }
    table_print(t, &d->cli->term);
    return 0;
}

static int update_configuration(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    if (!values[0] && !rest[0]) {
        print_action_usage(d->cli->term.out, d->action);
        return err_exit_code(ERR_INVALID);
    }
    if (rest[0]) {
        struct command c = {.call = NULL};
        size_t n = strv_len(rest);
        char **words = xcalloc(n + 2, sizeof(*words));
        _cleanup_free_ char *id = str_printf("%lld", (long long)d->id);
        words[0] = id;
        for (size_t i = 0; i < n; i++) {
            words[i + 1] = rest[i];
        }
        int r = args_parse(call_find("config.set"), words, &c, e);
        free(words);
        r = r < 0 ? r : args_resolve(d->cli, &c, e);
        r = r < 0 ? r : change(d, "config.set", c.args, e);
        command_done(&c);
        if (r != 0 || !values[0]) {
            return r;
        }
    }
    _cleanup_json_ json_t *args = of_service(d);
    int64_t version = 0;
    int r = resolve(d->cli, THING_VERSION, values[0], d->id, &version, e);
    json_object_set_new(args, "version", json_integer(version));
    return r < 0 ? r : change(d, "code.enable", args, e);
}

static int upload_code_version(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    if (!rest[0]) {
        return err_set_hint(e, ERR_INVALID, "cpsclient.web URL upload_code_version FILE", "FILE is missing");
    }
    _cleanup_json_ json_t *version = NULL;
    int r = code_send(d->cli, d->id, rest[0], values[0], &version, e);
    if (r == 0) {
        fprintf(d->cli->term.out, "%s\n", json_str(version, "name", ""));
    }
    return r;
}

static json_t *of_app(const struct deck *d)
{
    return json_pack("{s:I}", "app", (json_int_t)json_int(d->service, "app", 0));
}

/* As in an authorized_keys file. */
static int list_authorized_keys(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    _cleanup_json_ json_t *answer = NULL, *args = of_app(d);
    int r = cli_call(d->cli, "key.list", args, &answer, e);
    size_t i;
    json_t *k;
    json_array_foreach(json_object_get(answer, "keys"), i, k)
    {
        fprintf(d->cli->term.out, "%s %s %s\n", json_str(k, "type", ""), json_str(k, "key", ""),
                json_str(k, "comment", ""));
    }
    return r;
}

static int upload_authorized_key(struct deck *d, const char *const *values, char *const *rest, struct err *e)
{
    if (!rest[0]) {
        return err_set_hint(e, ERR_INVALID, "cpsclient.web URL upload_authorized_key FILE",
                            "FILE is missing");
    }
    _cleanup_buf_ struct buf text = {0};
    _cleanup_json_ json_t *answer = NULL, *args = of_app(d);
    int r = fs_read(rest[0], 65536, &text, e);
    if (r < 0) {
        return r;
    }
    if (!text.data || !str_is_utf8(text.data)) {
        return err_set(e, ERR_INVALID, "%s holds no public key", rest[0]);
    }
    json_object_set_new(args, "keys", json_string(text.data));
    r = cli_call(d->cli, "key.add", args, &answer, e);
    if (r == 0) {
        fprintf(d->cli->term.out, "%lld key(s) added\n", (long long)json_int(answer, "added", 0));
    }
    return r;
}

/* Some actions belong to one type of service. */
static int check_offered(const struct deck *d, struct err *e)
{
    if (!d->action->type || str_eq(d->action->type, json_str(d->service, "type", ""))) {
        return 0;
    }
    return err_set(e, ERR_INVALID, "%s: not offered by a %s service", d->action->name,
                   json_str(d->service, "type", "?"));
}

/* ---- the program ---- */

static const struct deck_action *find_action(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (str_eq(actions[i].name, name)) {
            return &actions[i];
        }
    }
    return NULL;
}

/* The id at the end of a service's address. Everything is asked of the director that one is logged in to, so
 * that the token never goes elsewhere; the address must be one of its own. */
static int find_service(struct deck *d, const char *url, struct err *e)
{
    const char *mark = strstr(url, "/v1/services/");
    _cleanup_free_ char *digits = mark ? xstrndup(mark + 13, strcspn(mark + 13, "/")) : NULL;
    if (!digits || str_to_int(digits, 1, INT64_MAX, &d->id) < 0) {
        return err_set_hint(e, ERR_INVALID, "`conpaas service show NAME` prints it",
                            "\"%.100s\" is no address of a service", url);
    }
    _cleanup_json_ json_t *args = of_service(d);
    int r = cli_call(d->cli, "service.show", args, &d->service, e);
    if (r < 0) {
        return r;
    }
    _cleanup_free_ char *start = xstrndup(url, (size_t)(mark - url)), *normal = NULL;
    r = settings_url(start, &normal, e);
    if (r < 0) {
        return r;
    }
    bool own = str_eq(normal, d->cli->settings.url),
         told = str_starts(json_str(d->service, "address", ""), normal);
    if (!own && !told) {
        _cleanup_free_ char *hint = str_printf("conpaas login %s", normal);
        return err_set_hint(e, ERR_UNAUTHENTICATED, hint, "you are logged in at %s, not at %s",
                            d->cli->settings.url, normal);
    }
    return 0;
}

static int deck_option(const struct deck_action *a, char *const *words, int *i, const char **values,
                       struct err *e)
{
    const char *w = words[*i];
    size_t len = strcspn(w, "=");
    for (int k = 0; a->options[k].name; k++) {
        bool letter = len == 2 && w[1] == a->options[k].letter;
        bool name = str_starts(w, "--") && strlen(a->options[k].name) == len - 2 &&
                    strncmp(w + 2, a->options[k].name, len - 2) == 0;
        if (!letter && !name) {
            continue;
        }
        values[k] = w[len] ? w + len + 1 : words[*i + 1];
        *i += !w[len];
        return values[k] ? 0 : err_set(e, ERR_INVALID, "%s needs a value", w);
    }
    return err_set(e, ERR_INVALID, "%s has no option %.60s", a->name, w);
}

static int run_action(struct deck *d, char *const *words, struct err *e)
{
    const char *values[VALUES_MAX] = {NULL};
    char **rest = xcalloc(strv_len(words) + 1, sizeof(*rest));
    int n = 0, r = 0;
    for (int i = 0; words[i] && r == 0; i++) {
        if (words[i][0] == '-' && words[i][1]) {
            r = deck_option(d->action, words, &i, values, e);
        } else {
            rest[n++] = words[i];
        }
    }
    if (r == 0 && n > 0 && !d->action->arguments) {
        r = err_set(e, ERR_INVALID, "%s takes no argument \"%.60s\"", d->action->name, rest[0]);
    }
    r = r < 0 ? r : check_offered(d, e);
    r = r < 0 ? r : d->action->run(d, values, rest, e);
    free(rest);
    return r;
}

static int deck_run(struct cli *cli, char *const *words, struct err *e)
{
    bool bare_help = words[0] && str_eq(words[0], "help");
    if (!words[0] || bare_help || !words[1]) {
        print_usage(bare_help || cli->help ? cli->term.out : cli->term.err);
        return bare_help || cli->help ? 0 : err_exit_code(ERR_INVALID);
    }
    struct deck d = {.cli = cli, .action = find_action(words[1])};
    if (!d.action) {
        const char *near = str_nearest(words[1], deck_action_names());
        _cleanup_free_ char *hint =
            near ? str_printf("did you mean %s?", near) : xstrdup("cpsclient.web URL help");
        return err_set_hint(e, ERR_INVALID, hint, "there is no action \"%.60s\"", words[1]);
    }
    if (!d.action->run) {
        print_usage(cli->term.out);
        return 0;
    }
    if (cli->help || (d.action->run == add_nodes && !words[2]) ||
        (d.action->run == remove_nodes && !words[2])) {
        print_action_usage(cli->term.out, d.action);
        return cli->help ? 0 : err_exit_code(ERR_INVALID);
    }
    int r = find_service(&d, words[0], e);
    r = r < 0 ? r : run_action(&d, words + 2, e);
    json_decref(d.service);
    return r;
}

int deck_main(struct cli *cli, int argc, char **argv)
{
    _cleanup_err_ struct err e = {0};
    char **words = NULL;
    int r = args_global(cli, argc, argv, &words, &e);
    r = r < 0 ? r : deck_run(cli, words, &e);
    free(words);
    return r < 0 ? cli_report(cli, r, &e) : r;
}
