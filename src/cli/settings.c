#include "cli/settings.h"

#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>

#include "base/fs.h"

#define CONFIG_MAX 65536
#define DEFAULT_PORT 9999

void settings_set(char **member, const char *value)
{
    char *copy = value && *value ? xstrdup(value) : NULL;
    if (*member) {
        mem_wipe(*member, strlen(*member));
        free(*member);
    }
    *member = copy;
}

void settings_done(struct settings *s)
{
    settings_set(&s->path, NULL);
    settings_set(&s->url, NULL);
    settings_set(&s->installation, NULL);
    settings_set(&s->ca, NULL);
    settings_set(&s->token, NULL);
    settings_set(&s->username, NULL);
}

static char *default_path(void)
{
    const char *path = getenv("CONPAAS_CONFIG"), *home = getenv("HOME");
    if (path && *path) {
        return xstrdup(path);
    }
    if (!home || !*home) {
        const struct passwd *pw = getpwuid(getuid());
        home = pw ? pw->pw_dir : "/";
    }
    return str_printf("%s/.conpaas/config.json", home);
}

/* The file's members, borrowed from its JSON. */
struct stored {
    const char *url, *installation, *ca, *token, *username;
};
static const struct json_field stored_fields[] = {
    {.name = "url", .kind = JSON_F_STRING, .offset = offsetof(struct stored, url), .max = 300},
    {.name = "installation",
     .kind = JSON_F_STRING,
     .offset = offsetof(struct stored, installation),
     .max = 64},
    {.name = "ca", .kind = JSON_F_STRING, .offset = offsetof(struct stored, ca), .max = 16384},
    {.name = "token", .kind = JSON_F_STRING, .offset = offsetof(struct stored, token), .max = 300},
    {.name = "username", .kind = JSON_F_STRING, .offset = offsetof(struct stored, username), .max = 64},
    {.name = NULL},
};

static int read_file(struct settings *s, struct err *e)
{
    struct stat st;
    if (stat(s->path, &st) < 0) {
        return errno == ENOENT ? 0 : err_errno(e, errno, "%s", s->path);
    }
    if (st.st_mode & 077) {
        _cleanup_free_ char *hint = str_printf("chmod 600 %s", s->path);
        return err_set_hint(e, ERR_FORBIDDEN, hint, "%s holds a secret, but others may read it", s->path);
    }
    _cleanup_buf_ struct buf text = {0};
    _cleanup_json_ json_t *j = NULL;
    int r = fs_read(s->path, CONFIG_MAX, &text, e);
    r = r < 0 ? r : json_parse(text.data, text.len, CONFIG_MAX, &j, e);
    mem_wipe(text.data, text.len);
    struct stored v = {.url = NULL};
    _cleanup_free_ char *url = NULL;
    r = r < 0 ? r : json_read(j, stored_fields, &v, e);
    r = r < 0 || !v.url ? r : settings_url(v.url, &url, e);
    if (r < 0) {
        return err_wrap(e, r, "%s", s->path);
    }
    settings_set(&s->url, url);
    settings_set(&s->installation, v.installation);
    settings_set(&s->ca, v.ca);
    settings_set(&s->token, v.token);
    settings_set(&s->username, v.username);
    return 0;
}

/* A token goes only to the director that gave it: another address from the environment comes without. */
static int apply_environment(struct settings *s, struct err *e)
{
    const char *url = getenv("CONPAAS_URL"), *token = getenv("CONPAAS_TOKEN"), *ca = getenv("CONPAAS_CA");
    if (url && *url) {
        _cleanup_free_ char *normal = NULL;
        int r = settings_url(url, &normal, e);
        if (r < 0) {
            return err_wrap(e, r, "CONPAAS_URL");
        }
        if (!str_eq(normal, s->url)) {
            settings_set(&s->url, normal);
            settings_set(&s->token, NULL);
            settings_set(&s->username, NULL);
        }
    }
    if (token && *token) {
        settings_set(&s->token, token);
    }
    if (ca && *ca) {
        _cleanup_buf_ struct buf pem = {0};
        int r = fs_read(ca, 16384, &pem, e);
        if (r < 0) {
            return err_wrap(e, r, "CONPAAS_CA");
        }
        settings_set(&s->ca, pem.data);
    }
    return 0;
}

int settings_load(struct settings *s, const char *path, struct err *e)
{
    *s = (struct settings){.path = path ? xstrdup(path) : default_path()};
    int r = read_file(s, e);
    return r < 0 ? r : apply_environment(s, e);
}

int settings_save(const struct settings *s, struct err *e)
{
    const char *slash = strrchr(s->path, '/');
    if (slash && slash != s->path) {
        _cleanup_free_ char *dir = xstrndup(s->path, (size_t)(slash - s->path));
        int r = fs_exists(dir) ? 0 : fs_mkdirs(dir, 0700, e);
        if (r < 0) {
            return r;
        }
    }
    _cleanup_json_ json_t *j = json_object();
    const struct {
        const char *name, *value;
    } members[] = {{"url", s->url},
                   {"installation", s->installation},
                   {"ca", s->ca},
                   {"token", s->token},
                   {"username", s->username}};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (members[i].value) {
            json_object_set_new(j, members[i].name, json_string(members[i].value));
        }
    }
    char *text = json_dumps(j, JSON_INDENT(2));
    int r = fs_write_atomic(s->path, text, strlen(text), 0600, e);
    mem_wipe(text, strlen(text));
    free(text);
    return r;
}

static bool is_this_machine(const char *host)
{
    return str_eq(host, "localhost") || str_starts(host, "127.") || str_eq(host, "[::1]");
}

/* Splits HOST[:PORT]; brackets around an address with colons stay with it. */
static int split_host(const char *text, size_t len, char **ret_host, int64_t *port, struct err *e)
{
    _cleanup_free_ char *host = xstrndup(text, len);
    char *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');
    if (colon && (!bracket || colon > bracket)) {
        if (str_to_int(colon + 1, 1, 65535, port) < 0) {
            return err_set(e, ERR_INVALID, "\"%.20s\" is no port", colon + 1);
        }
        *colon = '\0';
    }
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    if (!*host || strspn(host, allowed) != strlen(host) || (strchr(host, ':') && host[0] != '[')) {
        return err_set(e, ERR_INVALID, "\"%.100s\" is no host name or address", host);
    }
    *ret_host = TAKE_PTR(host);
    return 0;
}

int settings_url(const char *text, char **ret, struct err *e)
{
    bool plain = str_starts(text, "http://");
    const char *scheme = strstr(text, "://");
    if (scheme && !plain && !str_starts(text, "https://")) {
        return err_set_hint(e, ERR_INVALID, "for example https://conpaas.example.org:9999",
                            "\"%.100s\" is not an https address", text);
    }
    const char *start = scheme ? scheme + 3 : text;
    _cleanup_free_ char *host = NULL;
    int64_t port = DEFAULT_PORT;
    int r = split_host(start, strcspn(start, "/?#"), &host, &port, e);
    if (r < 0) {
        return r;
    }
    if (plain && !is_this_machine(host)) {
        return err_set_hint(e, ERR_INVALID, "use https://",
                            "plain http would send your password readable through the network");
    }
    *ret = str_printf("%s://%s:%lld", plain ? "http" : "https", host, (long long)port);
    return 0;
}
