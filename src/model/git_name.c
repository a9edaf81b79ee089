#include "model/git_name.h"

#include <stdio.h>

#include "model/names.h"

static const char forms[] = "APPLICATION/SERVICE, as `conpaas git show SERVICE` prints it";

/* Everything that can be named is of this grammar, ids are digits. */
static bool is_part(const char *s)
{
    int64_t id = 0;
    return name_check_thing(s, NULL) == 0 || str_to_int(s, 1, INT64_MAX, &id) == 0;
}

int git_name_parse(const char *s, struct git_name *ret, struct err *e)
{
    struct git_name n = {0};
    size_t skip = *s == '/' ? 1 : 0, len = strlen(s);
    len -= len > skip && s[len - 1] == '/';
    _cleanup_free_ char *text = xstrndup(s + skip, len - skip);
    char **parts = str_split(text, '/');
    bool ok = strv_len(parts) <= GIT_NAME_PARTS;
    for (size_t i = 0; ok && parts[i]; i++) {
        ok = is_part(parts[i]) && str_copy(n.part[n.n++], sizeof(n.part[0]), parts[i]);
    }
    strv_free(parts);
    if (!ok || n.n == 0) {
        return err_set_hint(e, ERR_INVALID, forms, "this is no name of a repository");
    }
    *ret = n;
    return 0;
}

static bool is_id(const char *s, size_t len, int64_t id)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)id);
    return id != 0 && strlen(text) == len && strncmp(text, s, len) == 0;
}

bool git_name_is(const struct git_name *n, int part, const char *name, int64_t id)
{
    const char *s = n->part[part];
    size_t len = strlen(s);
    if (str_eq(s, name) || is_id(s, len, id)) {
        return true;
    }
    bool suffix = part == n->n - 1 && len > 4 && str_ends(s, ".git");
    len -= 4;
    return suffix && ((strlen(name) == len && strncmp(name, s, len) == 0) || is_id(s, len, id));
}

/* What a URL keeps as it is; git decodes the rest. */
static void add_segment(struct buf *b, const char *s, bool encode)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (; *s; s++) {
        if (!encode || strchr(plain, *s)) {
            buf_addc(b, *s);
        } else {
            buf_addf(b, "%%%02X", (unsigned)(unsigned char)*s);
        }
    }
}

char *git_name_url(const char *login, const char *host, int64_t port, const char *app, const char *service)
{
    struct buf b = {0};
    bool url = port != 22 || strchr(host, ':');
    bool six = strchr(host, ':') && host[0] != '[';
    if (url) {
        buf_addf(&b, "ssh://%s@%s%s%s:%lld/", login, six ? "[" : "", host, six ? "]" : "", (long long)port);
    } else {
        buf_addf(&b, "%s@%s:", login, host);
    }
    add_segment(&b, app, url);
    buf_addc(&b, '/');
    add_segment(&b, service, url);
    return buf_take(&b);
}
