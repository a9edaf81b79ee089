/*
 * Logging in and out: whom to trust, the password, the token.
 */
#include <errno.h>

#include "base/fs.h"
#include "cli/builtin.h"
#include "cli/trust.h"

enum { OPT_USERNAME, OPT_CA, OPT_FINGERPRINT, OPT_TRUST_AGAIN, OPT_REGISTER, OPT_MAX };
static const char *const option_names[] = {"username", "ca", "fingerprint", "trust-again!", "register", NULL};

/* Hex digits only, lower case: fingerprints come with colons, spaces and capitals. */
static char *plain_hex(const char *text)
{
    struct buf b = {0};
    for (; *text; text++) {
        char c = *text >= 'A' && *text <= 'F' ? (char)(*text + 32) : *text;
        if (c != ':' && c != ' ') {
            buf_addc(&b, c);
        }
    }
    return buf_take(&b);
}

static int check_file(const char *path, const struct authority *a, struct err *e)
{
    _cleanup_buf_ struct buf pem = {0};
    char hex[SHA256_HEX];
    int r = fs_read(path, 65536, &pem, e);
    r = r < 0 ? r : trust_fingerprint(pem.data, hex, e);
    if (r < 0) {
        return err_wrap(e, r, "%s", path);
    }
    return str_eq(hex, a->fingerprint)
               ? 0
               : err_set(e, ERR_FORBIDDEN, "the director shows another authority than the one in %s", path);
}

static int check_remembered(const struct settings *s, const struct authority *a, struct err *e)
{
    char known[SHA256_HEX];
    if (!s->ca || trust_fingerprint(s->ca, known, NULL) < 0 || str_eq(known, a->fingerprint)) {
        return 0;
    }
    return trust_explain(s, e) ? ERR_FORBIDDEN
                               : err_set(e, ERR_FORBIDDEN, "the director shows another authority now");
}

/* Decides whether the authority that the director shows is believed. */
static int check_authority(struct cli *cli, const struct settings *s, const struct authority *a,
                           const char *const values[OPT_MAX], struct err *e)
{
    if (values[OPT_CA]) {
        return check_file(values[OPT_CA], a, e);
    }
    if (values[OPT_FINGERPRINT]) {
        _cleanup_free_ char *hex = plain_hex(values[OPT_FINGERPRINT]);
        return str_eq(hex, a->fingerprint)
                   ? 0
                   : err_set(e, ERR_FORBIDDEN, "the director's authority has the fingerprint %s",
                             a->fingerprint);
    }
    if (s->ca && !values[OPT_TRUST_AGAIN]) {
        return check_remembered(s, a, e);
    }
    _cleanup_free_ char *shown = trust_show(a->fingerprint);
    cli_note(cli, "installation %s, authority SHA-256\n  %s", a->installation, shown);
    if (!cli->yes &&
        !term_confirm(&cli->term, "Is that what its administrator told you? It is trusted from now on.")) {
        return err_set(e, ERR_FORBIDDEN, "not trusted, nothing was sent");
    }
    return 0;
}

static int learn(struct cli *cli, struct settings *s, const char *const values[OPT_MAX], struct err *e)
{
    if (!str_starts(s->url, "https://")) {
        settings_set(&s->ca, NULL);
        settings_set(&s->installation, NULL);
        return 0;
    }
    struct authority a = {.ca = NULL};
    int r = trust_fetch(s->url, &a, e);
    r = r < 0 ? r : check_authority(cli, s, &a, values, e);
    if (r == 0) {
        settings_set(&s->ca, a.ca);
        settings_set(&s->installation, a.installation);
    }
    authority_done(&a);
    return r;
}

static int ask_who(struct cli *cli, const char *given, char **ret_name, char **ret_password, struct err *e)
{
    const char *known = given ? given : cli->settings.username;
    int r = 0;
    if (known) {
        *ret_name = xstrdup(known);
    } else {
        r = term_ask(&cli->term, "username", ret_name, e);
    }
    _cleanup_free_ char *prompt = r == 0 ? str_printf("password of %s", *ret_name) : NULL;
    return r < 0 ? r : term_secret(&cli->term, prompt, ret_password, e);
}

/* The account first, for those who have none yet. */
static int register_first(struct cli *cli, const char *email, const char *username, const char *password,
                          struct err *e)
{
    _cleanup_json_ json_t *args =
        json_pack("{s:s,s:s,s:s}", "username", username, "email", email, "password", password);
    settings_set(&cli->settings.token, NULL);
    return args ? cli_call(cli, "user.register", args, NULL, e)
                : err_set(e, ERR_INVALID, "user name, e-mail or password is not valid UTF-8");
}

static int log_in(struct cli *cli, const char *username, const char *password, struct err *e)
{
    _cleanup_json_ json_t *args = json_pack("{s:s,s:s}", "username", username, "password", password);
    _cleanup_json_ json_t *answer = NULL;
    if (!args) {
        return err_set(e, ERR_INVALID, "user name or password is not valid UTF-8");
    }
    settings_set(&cli->settings.token, NULL); /* an old token must not go along */
    int r = cli_call(cli, "user.login", args, &answer, e);
    if (r < 0) {
        return r;
    }
    const char *token = json_str(answer, "token", NULL);
    if (!token) {
        return err_set(e, ERR_INTERNAL, "the director gave no token");
    }
    settings_set(&cli->settings.token, token);
    settings_set(&cli->settings.username, username);
    r = settings_save(&cli->settings, e);
    if (r < 0) {
        return r;
    }
    _cleanup_free_ char *credit = term_number(json_int(json_object_get(answer, "user"), "credit", 0));
    if (cli->json) {
        cli_print_json(cli, json_object_get(answer, "user"));
    } else if (!cli->quiet) {
        fprintf(cli->term.out, "logged in as %s at %s, %s credits\n", username, cli->settings.url, credit);
    }
    return 0;
}

int login_run(struct cli *cli, char *const *words, struct err *e)
{
    const char *values[OPT_MAX] = {NULL}, *url = NULL;
    _cleanup_free_ char *normal = NULL, *username = NULL;
    char *password = NULL;
    int r = builtin_options(words, option_names, values, &url, 1, e);
    r = r < 0 ? r : cli_load(cli, e);
    if (r < 0) {
        return r;
    }
    struct settings *s = &cli->settings;
    if (!url && !s->url) {
        return err_set_hint(e, ERR_INVALID, "conpaas login https://HOST:9999", "say which director");
    }
    r = settings_url(url ? url : s->url, &normal, e);
    if (r < 0) {
        return r;
    }
    if (!str_eq(normal, s->url)) { /* another director: nothing of the old one holds */
        settings_set(&s->url, normal);
        settings_set(&s->ca, NULL);
        settings_set(&s->token, NULL);
        settings_set(&s->username, NULL);
    }
    r = learn(cli, s, values, e);
    r = r < 0 ? r : ask_who(cli, values[OPT_USERNAME], &username, &password, e);
    if (r == 0 && values[OPT_REGISTER]) {
        r = register_first(cli, values[OPT_REGISTER], username, password, e);
    }
    r = r < 0 ? r : log_in(cli, username, password, e);
    if (password) {
        mem_wipe(password, strlen(password));
        free(password);
    }
    return r;
}

int logout_run(struct cli *cli, char *const *words, struct err *e)
{
    int r = builtin_options(words, (const char *const[]){NULL}, NULL, NULL, 0, e);
    r = r < 0 ? r : cli_load(cli, e);
    if (r < 0) {
        return r;
    }
    if (!cli->settings.token) {
        const char *url = cli->settings.url;
        _cleanup_free_ char *hint = str_printf("conpaas login %s", url ? url : "https://HOST:9999");
        return err_set_hint(e, ERR_UNAUTHENTICATED, hint, "you are not logged in");
    }
    _cleanup_err_ struct err why = {0};
    int told = cli_call(cli, "user.logout", NULL, NULL, &why);
    settings_set(&cli->settings.token, NULL);
    r = settings_save(&cli->settings, e);
    if (r < 0) {
        return r;
    }
    if (told < 0 && told != ERR_UNAUTHENTICATED) {
        return err_set(e, told, "the token is forgotten here, but the director could not be told: %s",
                       why.message);
    }
    if (!cli->quiet && !cli->json) {
        fprintf(cli->term.out, "logged out\n");
    }
    return 0;
}
