#include "cloud/types.h"

#include "base/str.h"

static bool name_ok(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n < CLOUD_NAME_MAX && s[0] >= 'a' && s[0] <= 'z' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* "1", "1.5", "0.25" credits as thousandths. */
static int parse_credits(const char *s, int64_t *ret)
{
    const char *dot = strchr(s, '.');
    _cleanup_free_ char *whole = dot ? xstrndup(s, (size_t)(dot - s)) : xstrdup(s);
    int64_t units, fraction = 0;
    size_t digits = dot ? strlen(dot + 1) : 0;

    if (str_to_int(whole, 0, 1000000, &units) < 0 || (dot && (digits == 0 || digits > 3)) ||
        (dot && str_to_int(dot + 1, 0, 999, &fraction) < 0)) {
        return ERR_INVALID;
    }
    for (; dot && digits < 3; digits++) {
        fraction *= 10;
    }
    *ret = units * 1000 + fraction;
    return 0;
}

static int parse_part(const char *part, struct cloud_type *t)
{
    size_t n = strlen(part);
    _cleanup_free_ char *number = n > 1 ? xstrndup(part, n - 1) : NULL;

    if (!number) {
        return ERR_INVALID;
    }
    switch (part[n - 1]) {
    case 'm':
        return str_to_int(number, 10, 1000000, &t->millicores);
    case 'M':
        return str_to_int(number, 16, 16 << 20, &t->memory_mb);
    case 'p':
        return str_to_int(number, 8, 1 << 20, &t->pids);
    case 'd':
        return str_to_int(number, 0, 16 << 20, &t->disk_mb);
    case 'c':
        return parse_credits(number, &t->millicredits_per_hour);
    default:
        return ERR_INVALID;
    }
}

static int parse_type(const char *word, struct cloud_type *ret, struct err *e)
{
    struct cloud_type t = {.millicredits_per_hour = -1};
    char **parts = str_split(word, ':');
    int r = name_ok(parts[0]) && str_copy(t.name, sizeof(t.name), parts[0]) ? 0 : ERR_INVALID;

    for (char **p = parts + 1; r == 0 && *p; p++) {
        r = parse_part(*p, &t);
    }
    strv_free(parts);
    if (r < 0 || !t.millicores || !t.memory_mb || !t.pids || t.millicredits_per_hour < 0) {
        return err_set_hint(e, ERR_INVALID, "Write a type like small:500m:512M:256p:4096d:1c.",
                            "bad instance type \"%s\"", word);
    }
    *ret = t;
    return 0;
}

int types_parse(const char *text, struct cloud_type **ret, size_t *ret_n, struct err *e)
{
    _cleanup_free_ struct cloud_type *list = xcalloc(TYPES_MAX, sizeof(*list));
    char **words = str_split(text, ' ');
    size_t n = 0;
    int r = 0;

    for (char **w = words; r == 0 && *w; w++) {
        if (!**w) {
            continue;
        }
        if (n == TYPES_MAX) {
            r = err_set(e, ERR_INVALID, "more than %d instance types", TYPES_MAX);
            break;
        }
        r = parse_type(*w, &list[n], e);
        if (r == 0 && n > 0 && types_find(list, n, list[n].name)) {
            r = err_set(e, ERR_INVALID, "instance type %s is given twice", list[n].name);
        }
        n++;
    }
    strv_free(words);
    if (r == 0 && n == 0) {
        r = err_set(e, ERR_INVALID, "a cloud needs at least one instance type");
    }
    if (r == 0) {
        *ret = TAKE_PTR(list);
        *ret_n = n;
    }
    return r;
}

const struct cloud_type *types_find(const struct cloud_type *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (!name[0] || str_eq(list[i].name, name)) {
            return &list[i];
        }
    }
    return NULL;
}
