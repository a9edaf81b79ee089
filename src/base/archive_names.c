/*
 * Names in archives.
 */
#include "base/archive_names.h"

#include <limits.h>

#define ARC_SHOWN_MAX 120

/* ---- one name ---- */

static const char *arc_text_check(const char *s, size_t max)
{
    size_t n = strlen(s);
    if (n == 0) {
        return "the name is empty";
    }
    if (n > max) {
        return "the name is too long";
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f) {
            return "the name contains a control character";
        }
        if (c == '\\') {
            return "the name contains a backslash";
        }
    }
    if (!str_is_utf8(s)) {
        return "the name is not UTF-8";
    }
    return s[0] == '/' ? "the name is absolute" : NULL;
}

char *arc_name_clean(const char *raw, const struct arc_rules *rules, const char **ret_why)
{
    *ret_why = arc_text_check(raw, (size_t)rules->max_name);
    if (*ret_why) {
        return NULL;
    }
    _cleanup_buf_ struct buf b = {0};
    int depth = 0;
    for (const char *p = raw; *p;) {
        size_t n = strcspn(p, "/");
        bool empty = n == 0 || (n == 1 && p[0] == '.');
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            *ret_why = "the name contains \"..\"";
        } else if (n > NAME_MAX) {
            *ret_why = "a component of the name is too long";
        } else if (!empty && ++depth > rules->max_depth) {
            *ret_why = "the name has too many components";
        }
        if (*ret_why) {
            return NULL;
        }
        if (!empty) {
            buf_addf(&b, "%s%.*s", b.len ? "/" : "", (int)n, p);
        }
        p += n + (p[n] == '/');
    }
    return buf_take(&b);
}

char *arc_name_shown(const char *raw)
{
    struct buf b = {0};
    bool utf8 = str_is_utf8(raw);
    for (const char *p = raw; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (b.len >= ARC_SHOWN_MAX && (c & 0xC0) != 0x80) { /* not inside a sequence */
            buf_adds(&b, "...");
            break;
        }
        buf_addc(&b, c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8) ? '?' : *p);
    }
    return buf_take(&b);
}

const char *arc_target_check(const char *path, const char *target, const struct arc_rules *rules)
{
    if (arc_text_check(target, (size_t)rules->max_name)) {
        return target[0] == '/' ? "the link's target is absolute" : "the link's target is malformed";
    }
    int up = 0, depth = 0;
    bool descended = false;
    for (const char *p = path; *p; p++) {
        depth += *p == '/';
    }
    for (const char *p = target; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            if (descended || ++up > depth) {
                return "the link's target leaves the archive's tree, or climbs after it has descended";
            }
        } else if (n > 0 && !(n == 1 && p[0] == '.')) {
            descended = true;
        }
        p += n + (p[n] == '/');
    }
    return NULL;
}

/* ---- the tree ---- */

void arc_names_done(struct arc_names *t)
{
    for (size_t i = 0; i < t->cap; i++) {
        free(t->slots[i].path);
    }
    free(t->slots);
    *t = (struct arc_names){0};
}

static size_t arc_hash(const char *s)
{
    uint64_t h = 14695981039346656037ULL; /* FNV-1a; the member limit bounds what collisions can cost */
    for (; *s; s++) {
        h = (h ^ (unsigned char)*s) * 1099511628211ULL;
    }
    return (size_t)(h ^ h >> 29);
}

static struct arc_node *arc_slot(const struct arc_names *t, const char *path)
{
    size_t i = arc_hash(path) & (t->cap - 1);
    while (t->slots[i].path && strcmp(t->slots[i].path, path) != 0) {
        i = (i + 1) & (t->cap - 1);
    }
    return &t->slots[i];
}

static void arc_grow(struct arc_names *t)
{
    struct arc_names bigger = {.n = t->n, .cap = t->cap ? t->cap * 2 : 256};
    bigger.slots = xcalloc(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < t->cap; i++) {
        if (t->slots[i].path) {
            *arc_slot(&bigger, t->slots[i].path) = t->slots[i];
        }
    }
    free(t->slots);
    *t = bigger;
}

enum arc_type arc_names_type(const struct arc_names *t, const char *path)
{
    return t->cap ? arc_slot(t, path)->type : ARC_NONE;
}

static const char *arc_insert(struct arc_names *t, const char *path, enum arc_type type, bool named,
                              const struct arc_rules *rules)
{
    if (2 * (t->n + 1) > t->cap) {
        arc_grow(t);
    }
    struct arc_node *node = arc_slot(t, path);
    if (node->path) {
        if (node->type != ARC_DIR) {
            return named ? "the name occurs twice" : "a parent of it is not a directory";
        }
        if (type != ARC_DIR) {
            return "the name occurs twice";
        }
        node->named = node->named || named;
        return NULL;
    }
    if ((int64_t)t->n >= rules->max_nodes) {
        return "the archive has too many members";
    }
    *node = (struct arc_node){.path = xstrdup(path), .type = type, .named = named};
    t->n++;
    return NULL;
}

const char *arc_names_add(struct arc_names *t, const char *path, enum arc_type type,
                          const struct arc_rules *rules)
{
    const char *why = NULL;
    for (const char *slash = strchr(path, '/'); slash && !why; slash = strchr(slash + 1, '/')) {
        _cleanup_free_ char *parent = xstrndup(path, (size_t)(slash - path));
        why = arc_insert(t, parent, ARC_DIR, false, rules);
    }
    return why ? why : arc_insert(t, path, type, true, rules);
}
