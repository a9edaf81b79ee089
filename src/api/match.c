#include "api/match.h"

/* One segment of the path: [*p, end) moves behind the slash. Returns its length, -1 at the end of the path.
 */
static int next_segment(const char **p, const char **ret_start)
{
    if (**p != '/') {
        return -1;
    }
    *ret_start = *p + 1;
    size_t len = strcspn(*ret_start, "/");
    *p = *ret_start + len;
    return (int)len;
}

static bool is_placeholder(const char *seg, int len)
{
    return len > 2 && seg[0] == '{' && seg[len - 1] == '}';
}

/* True when the path has the pattern's shape; the texts of its ids go to ids. */
static bool path_fits(const char *pattern, const char *path, char *ids[CALL_PATH_IDS], int *ret_n)
{
    int n = 0;
    for (;;) {
        const char *a = NULL, *b = NULL;
        int la = next_segment(&pattern, &a), lb = next_segment(&path, &b);
        if (la < 0 || lb < 0) {
            *ret_n = n;
            return la < 0 && lb < 0;
        }
        if (is_placeholder(a, la)) {
            if (n == CALL_PATH_IDS) {
                return false;
            }
            free(ids[n]);
            ids[n++] = xstrndup(b, (size_t)lb);
        } else if (la != lb || strncmp(a, b, (size_t)la) != 0) {
            return false;
        }
    }
}

static char *placeholder_name(const char *pattern, int nth)
{
    const char *p = pattern;
    while ((p = strchr(p, '{'))) {
        p++;
        if (nth-- == 0) {
            return xstrndup(p, strcspn(p, "}"));
        }
    }
    return NULL;
}

static int read_ids(const struct call *c, char *ids[CALL_PATH_IDS], int n, struct call_match *m,
                    struct err *e)
{
    for (int i = 0; i < n; i++) {
        if (str_to_int(ids[i], 1, INT64_MAX, &m->ids[i]) < 0) {
            _cleanup_free_ char *name = placeholder_name(c->path, i);
            return err_set(e, ERR_INVALID, "\"%.40s\" is not the id of a %s: it must be an integer above 0",
                           ids[i], name);
        }
    }
    m->call = c;
    m->n_ids = n;
    return 0;
}

int call_match(const char *method, const char *path, struct call_match *ret, struct err *e)
{
    char *ids[CALL_PATH_IDS] = {NULL};
    struct buf others = {0};
    struct call_match m = {.call = NULL};
    int r = 0;
    for (const struct call *c = calls; c->id && !m.call && r == 0; c++) {
        int n = 0;
        if (!path_fits(c->path, path, ids, &n)) {
            continue;
        }
        if (str_eq(c->method, method)) {
            r = read_ids(c, ids, n, &m, e);
        } else {
            buf_addf(&others, "%s%s", others.len ? ", " : "", c->method);
        }
    }
    if (r == 0 && !m.call) {
        r = others.len ? err_set_hint(e, ERR_METHOD, others.data, "%.16s is not possible here", method)
                       : err_set_hint(e, ERR_NOT_FOUND, "the calls there are: doc/api.md",
                                      "there is no call %.16s %.200s", method, path);
    }
    for (int i = 0; i < CALL_PATH_IDS; i++) {
        free(ids[i]);
    }
    buf_done(&others);
    if (r == 0) {
        *ret = m;
    }
    return r;
}

int64_t call_match_id(const struct call_match *m, const char *name)
{
    for (int i = 0; i < m->n_ids; i++) {
        _cleanup_free_ char *own = placeholder_name(m->call->path, i);
        if (str_eq(own, name)) {
            return m->ids[i];
        }
    }
    return 0;
}
