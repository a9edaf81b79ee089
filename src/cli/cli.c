#include "cli/cli.h"

#include "api/encode.h"
#include "cli/trust.h"

void cli_done(struct cli *cli)
{
    http_client_free(cli->client);
    json_decref(cli->types);
    settings_done(&cli->settings);
    cli->client = NULL;
    cli->types = NULL;
}

int cli_load(struct cli *cli, struct err *e)
{
    if (cli->settings_loaded) {
        return 0;
    }
    int r = settings_load(&cli->settings, cli->config_path, e);
    cli->settings_loaded = r == 0;
    return r;
}

static const char *host_part(const char *url)
{
    const char *p = strstr(url, "://");
    return p ? p + 3 : url;
}

int cli_connect(struct cli *cli, struct http_client **ret, struct err *e)
{
    int r = cli_load(cli, e);
    if (r < 0) {
        return r;
    }
    const struct settings *s = &cli->settings;
    if (!s->url) {
        return err_set_hint(e, ERR_UNAUTHENTICATED, "conpaas login https://HOST:9999",
                            "you are not logged in");
    }
    struct http_client_config c = {.url = s->url, .bearer = s->token};
    _cleanup_free_ char *name = NULL;
    if (str_starts(s->url, "https://")) {
        if (!s->ca) {
            _cleanup_free_ char *hint = str_printf("conpaas login %s", s->url);
            return err_set_hint(e, ERR_UNAUTHENTICATED, hint, "the authority of %s is not known yet", s->url);
        }
        /* The certificate is good for the director's own name, however it is reached. */
        const char *port = strrchr(s->url, ':');
        name = s->installation ? str_printf("https://director.%s%s", s->installation, port) : NULL;
        c.ca_pem = s->ca;
        c.url = name ? name : s->url;
        c.connect_to = name ? host_part(s->url) : NULL;
    }
    return http_client_new(&c, ret, e);
}

/* Messages of the connection name the certificate's name of the director; people know its address. */
static void use_own_address(struct cli *cli, struct err *e)
{
    const struct settings *s = &cli->settings;
    const char *port = s->url ? strrchr(s->url, ':') : NULL;
    if (!e || !e->message || !s->installation || !port) {
        return;
    }
    _cleanup_free_ char *name = str_printf("https://director.%s%s", s->installation, port);
    char *at = strstr(e->message, name);
    if (at) {
        char *text = str_printf("%.*s%s%s", (int)(at - e->message), e->message, s->url, at + strlen(name));
        free(e->message);
        e->message = text;
    }
}

int cli_explain(struct cli *cli, int code, struct err *e)
{
    use_own_address(cli, e);
    if (code == ERR_UNAVAILABLE && trust_explain(&cli->settings, e)) {
        return ERR_FORBIDDEN;
    }
    if (code == ERR_UNAUTHENTICATED && e && !e->hint && cli->settings.url) {
        _cleanup_free_ char *hint = str_printf("conpaas login %s", cli->settings.url);
        _cleanup_free_ char *message = xstrdup(e->message ? e->message : "not logged in");
        return err_set_hint(e, code, hint, "%s", message);
    }
    return code;
}

int cli_call(struct cli *cli, const char *id, const json_t *args, json_t **ret, struct err *e)
{
    const struct call *c = call_find(id);
    _cleanup_call_request_ struct call_request req = {.method = NULL};
    _cleanup_json_ json_t *none = json_object();
    int r = call_encode(c, args ? args : none, &req, e);
    if (r < 0) {
        return r;
    }
    if (!cli->client) {
        r = cli_connect(cli, &cli->client, e);
        if (r < 0) {
            return r;
        }
    }
    struct http_call http = {.method = req.method, .path = req.path, .body = req.body};
    _cleanup_json_ json_t *answer = NULL;
    int status = 0;
    r = http_do(cli->client, &http, &status, &answer, e);
    if (r < 0) {
        return cli_explain(cli, r, e);
    }
    if (ret) {
        *ret = TAKE_PTR(answer);
    }
    return 0;
}

int cli_list(struct cli *cli, const char *id, const json_t *args, json_t **ret_answer, struct err *e)
{
    int r = cli_call(cli, id, args, ret_answer, e);
    if (r < 0) {
        return r;
    }
    const char *member = call_find(id)->list;
    json_t *list = json_object_get(*ret_answer, member);
    if (!json_is_array(list)) {
        return err_set(e, ERR_INTERNAL, "the answer to %s has no list \"%s\"", id, member);
    }
    json_incref(list);
    json_decref(*ret_answer);
    *ret_answer = list;
    return 0;
}

/* Text on the error stream behind `at` columns: broken into lines for people, as it is for programs. */
static void say_text(struct cli *cli, const char *text, int at, bool usage)
{
    const struct term *t = &cli->term;
    struct buf safe = {0};
    term_safe(&safe, text, true);
    if (!t->err_tty) {
        fprintf(t->err, "%s\n", safe.data);
        buf_done(&safe);
        return;
    }
    char **lines = str_split(safe.data, '\n');
    for (char **l = lines; *l; l++) {
        int indent = (int)strspn(*l, " ") + (l == lines && at ? at : 2);
        (usage ? term_wrap_usage : term_wrap)(t, t->err, *l, l == lines ? at : 0, indent);
    }
    strv_free(lines);
    buf_done(&safe);
}

static void say(struct cli *cli, const char *fmt, va_list ap)
{
    struct buf b = {0};
    buf_vaddf(&b, fmt, ap);
    say_text(cli, b.data, 0, false);
    buf_done(&b);
}

void cli_note(struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!cli->quiet && !cli->json) {
        say(cli, fmt, ap);
    }
    va_end(ap);
}

void cli_warn(struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!cli->json && !cli->silent) {
        say(cli, fmt, ap);
    }
    va_end(ap);
}

static void report_json(struct cli *cli, int code, const struct err *e)
{
    _cleanup_json_ json_t *j = json_pack("{s:{s:s,s:s,s:s?}}", "error", "code", err_word(code), "message",
                                         e->message ? e->message : err_word(code), "hint", e->hint);
    _cleanup_free_ char *text = j ? json_text(j) : NULL;
    fprintf(cli->term.err, "%s\n", text ? text : "{\"error\": {\"code\": \"internal\"}}");
}

int cli_report(struct cli *cli, int code, const struct err *e)
{
    if (cli->json) {
        report_json(cli, code, e);
        return err_exit_code(code);
    }
    fprintf(cli->term.err, "%sERROR:%s ", term_on(&cli->term, true, COLOUR_BAD), term_off(&cli->term, true));
    say_text(cli, e->message ? e->message : err_word(code), (int)strlen("ERROR: "), false);
    if (e->hint) {
        static const char *const commands[] = {"conpaas ", "cpsclient.web ", "sudo ", "chmod ", "usage: "};
        bool command = false;
        for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
            command = command || str_starts(e->hint, commands[i]);
        }
        const char *before = command ? "  try: " : "  ";
        fputs(before, cli->term.err);
        say_text(cli, e->hint, (int)strlen(before), command);
    }
    return err_exit_code(code);
}

void cli_print_json(struct cli *cli, const json_t *j)
{
    char *text =
        json_dumps(j, JSON_INDENT(2) | JSON_ENCODE_ANY | (cli->term.out_tty ? JSON_ENSURE_ASCII : 0U));
    fprintf(cli->term.out, "%s\n", text ? text : "null");
    free(text);
}

void cli_print_text(struct cli *cli, const char *text)
{
    if (!cli->json) {
        fputs(text, cli->term.out);
        return;
    }
    _cleanup_json_ json_t *j = json_pack("{s:s}", "text", text);
    cli_print_json(cli, j);
}
