#include "cli/resolve.h"

#include "base/nearest.h"

/* Where the names of a kind of thing come from. */
struct source {
    const char *call;     /* its list */
    const char *what;     /* for people */
    const char *names[3]; /* members that are compared, NULL-terminated */
    const char *see;      /* command that lists them */
};
static const struct source sources[THING_MAX] = {
    [THING_USER] = {"user.list", "user", {"username"}, "conpaas user list"},
    [THING_APP] = {"app.list", "application", {"name"}, "conpaas app list"},
    [THING_SERVICE] = {"service.list", "service", {"name"}, "conpaas service list"},
    [THING_NODE] = {"node.list", "node", {"address", "cloud_id"}, "conpaas node list"},
    [THING_VERSION] = {"code.list", "code version", {"name"}, "conpaas code list SERVICE"},
    [THING_TOKEN] = {"token.list", "token", {"name"}, "conpaas token list"},
    [THING_JOB] = {NULL, "job", {NULL}, "conpaas manifest list"},
    [THING_OPERATION] = {NULL, "operation", {NULL}, "conpaas operation list"},
};

/* ---- look-up ---- */

static bool is_named(const json_t *item, const struct source *s, const char *text)
{
    for (int i = 0; s->names[i]; i++) {
        if (str_eq(json_str(item, s->names[i], NULL), text)) {
            return true;
        }
    }
    return false;
}

/* "APPLICATION/NAME" of a service, "n12" of a node; plain name of everything else. */
static bool matches(enum call_thing thing, const json_t *item, const struct source *s, const char *text)
{
    if (is_named(item, s, text)) {
        return true;
    }
    if (thing == THING_NODE) { /* as it is called where it runs: n12 */
        _cleanup_free_ char *short_name = str_printf("n%lld", (long long)json_int(item, "id", 0));
        return str_eq(short_name, text);
    }
    const char *slash = thing == THING_SERVICE ? strrchr(text, '/') : NULL;
    if (!slash) {
        return false;
    }
    const char *app = json_str(item, "app_name", "");
    return strlen(app) == (size_t)(slash - text) && strncmp(app, text, strlen(app)) == 0 &&
           is_named(item, s, slash + 1);
}

static int fail_missing(const json_t *list, const struct source *s, const char *text, struct err *e)
{
    const char **names = xcalloc(json_array_size(list) + 1, sizeof(*names));
    size_t i, n = 0;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *name = json_str(item, s->names[0], NULL);
        if (name) {
            names[n++] = name;
        }
    }
    const char *near = str_nearest(text, names);
    _cleanup_free_ char *hint = near ? str_printf("did you mean \"%s\"? %s", near, s->see) : xstrdup(s->see);
    free(names);
    if (n == 0) {
        return err_set(e, ERR_NOT_FOUND, "there is no %s \"%s\"; there are none at all", s->what, text);
    }
    return err_set_hint(e, ERR_NOT_FOUND, hint, "there is no %s \"%s\"", s->what, text);
}

static int fail_ambiguous(const json_t *list, enum call_thing thing, const struct source *s, const char *text,
                          int n, struct err *e)
{
    struct buf all = {0};
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (matches(thing, item, s, text)) {
            const char *app = json_str(item, "app_name", NULL);
            buf_addf(&all, "%s%lld", all.len ? ", " : "", (long long)json_int(item, "id", 0));
            if (app) {
                buf_addf(&all, " (%s/%s)", app, json_str(item, s->names[0], ""));
            }
        }
    }
    _cleanup_free_ char *candidates = buf_take(&all);
    return err_set_hint(e, ERR_CONFLICT, "say which one by its id", "%d %ss match \"%s\": %s", n, s->what,
                        text, candidates);
}

static int find(struct cli *cli, enum call_thing thing, const char *text, const json_t *args, int64_t *ret,
                struct err *e)
{
    const struct source *s = &sources[thing];
    _cleanup_json_ json_t *list = NULL;
    int r = cli_list(cli, s->call, args, &list, e);
    if (r < 0) {
        return r;
    }
    size_t i;
    json_t *item;
    int n = 0;
    int64_t id = 0;
    json_array_foreach(list, i, item)
    {
        if (matches(thing, item, s, text)) {
            id = json_int(item, "id", 0);
            n++;
        }
    }
    if (n != 1) {
        return n == 0 ? fail_missing(list, s, text, e) : fail_ambiguous(list, thing, s, text, n, e);
    }
    *ret = id;
    return 0;
}

int resolve(struct cli *cli, enum call_thing thing, const char *text, int64_t service, int64_t *ret,
            struct err *e)
{
    const struct source *s = &sources[thing];
    if (*text && strspn(text, "0123456789") == strlen(text)) {
        if (str_to_int(text, 1, INT64_MAX, ret) < 0) {
            return err_set_hint(e, ERR_INVALID, s->see, "\"%.40s\" is no id of a %s", text, s->what);
        }
        return 0;
    }
    if (!s->call) {
        return err_set_hint(e, ERR_INVALID, s->see, "\"%.40s\" is no id of %s", text, s->what);
    }
    _cleanup_json_ json_t *args = json_object();
    if (thing == THING_VERSION) {
        json_object_set_new(args, "service", json_integer(service));
    }
    return find(cli, thing, text, args, ret, e);
}
