/*
 * Settings of a service: checked against the type's schema.
 */
#include "service/settings.h"

#include <string.h>

#include "service/service_type.h"

int64_t setting_bytes(const char *s)
{
    static const struct {
        char unit;
        int64_t factor;
    } units[] = {{'K', 1024}, {'M', 1024 * 1024}, {'G', 1024 * 1024 * 1024}};
    size_t n = strlen(s);
    if (n == 0 || n > 12) {
        return -1;
    }
    int64_t factor = 1;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if ((s[n - 1] & ~0x20) == units[i].unit) {
            factor = units[i].factor;
            n--;
            break;
        }
    }
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return -1;
        }
        v = v * 10 + (s[i] - '0');
    }
    return n == 0 || v > INT64_MAX / factor ? -1 : v * factor;
}

static bool is_words(const char *s, const struct setting_def *d)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++) {
        bool ok = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                  (s[i] >= '0' && s[i] <= '9') || s[i] == '_' || s[i] == ',' || s[i] == ' ';
        if (!ok) {
            return false;
        }
    }
    return (int64_t)n >= d->min && (int64_t)n <= d->max;
}

int setting_ports(const char *s, struct setting_range *ret, int max)
{
    int n = 0;
    for (const char *p = s; *(p += strspn(p, ", ")); p += strcspn(p, ", ")) {
        size_t len = strcspn(p, ", "), dash = strcspn(p, "-, ");
        _cleanup_free_ char *first = xstrndup(p, dash);
        _cleanup_free_ char *last = dash < len ? xstrndup(p + dash + 1, len - dash - 1) : xstrdup(first);
        struct setting_range r;
        if (n == max || str_to_int(first, 1, 65535, &r.first) < 0 ||
            str_to_int(last, r.first, 65535, &r.last) < 0) {
            return -1;
        }
        ret[n++] = r;
    }
    return n;
}

/* The value in its canonical form (a new string), or NULL. */
static json_t *setting_value(const struct setting_def *d, const json_t *v)
{
    char number[24];
    const char *s = json_string_value(v);
    if (json_is_integer(v) && (d->kind == SETTING_INT || d->kind == SETTING_SIZE)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        s = number;
    }
    if (json_is_boolean(v) && d->kind == SETTING_ON_OFF) {
        return json_string(json_is_true(v) ? "On" : "Off");
    }
    if (!s) {
        return NULL;
    }
    int64_t n = 0;
    switch (d->kind) {
    case SETTING_INT:
        return str_to_int(s, d->min, d->max, &n) < 0 ? NULL : json_string(s);
    case SETTING_SIZE:
        n = setting_bytes(s);
        return n < d->min || n > d->max ? NULL : json_string(s);
    case SETTING_ON_OFF:
        return strcasecmp(s, "on") == 0    ? json_string("On")
               : strcasecmp(s, "off") == 0 ? json_string("Off")
                                           : NULL;
    case SETTING_WORDS:
        return is_words(s, d) ? json_string(s) : NULL;
    case SETTING_PORTS: {
        struct setting_range ports[SETTING_PORTS_MAX];
        return setting_ports(s, ports, SETTING_PORTS_MAX) >= 0 && (int64_t)strlen(s) <= d->max
                   ? json_string(s)
                   : NULL;
    }
    }
    return NULL;
}

static int setting_refuse(const struct setting_def *d, const json_t *v, struct err *e)
{
    _cleanup_free_ char *given = json_is_string(v) ? xstrdup(json_string_value(v)) : json_text(v);
    _cleanup_free_ char *hint = NULL;
    switch (d->kind) {
    case SETTING_INT:
        hint = str_printf("a whole number from %lld to %lld", (long long)d->min, (long long)d->max);
        break;
    case SETTING_SIZE:
        hint = str_printf("a number of bytes, or one with K, M or G behind it, from %lld to %lld bytes",
                          (long long)d->min, (long long)d->max);
        break;
    case SETTING_ON_OFF:
        hint = xstrdup("On or Off");
        break;
    case SETTING_WORDS:
        hint = str_printf("letters, digits, '_', ',' and spaces, at most %lld", (long long)d->max);
        break;
    case SETTING_PORTS:
        hint = str_printf("at most %d ports or ranges, by comma: 80,443,8000-8010", SETTING_PORTS_MAX);
        break;
    }
    return err_set_hint(e, ERR_INVALID, hint, "%s can not be \"%.80s\"", d->name, given);
}

static const struct setting_def *setting_find(const struct service_type *t, const char *name)
{
    for (int i = 0; i < t->n_settings; i++) {
        if (str_eq(t->settings[i].name, name)) {
            return &t->settings[i];
        }
    }
    return NULL;
}

static int settings_given(const struct service_type *t, const json_t *given, json_t *all, struct err *e)
{
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach((json_t *)given, key, v)
    {
        const struct setting_def *d = setting_find(t, key);
        if (!d) {
            return err_set_hint(e, ERR_INVALID, "`conpaas config show SERVICE` lists the settings there are",
                                "%s has no setting \"%.64s\"", t->title, key);
        }
        json_t *value = setting_value(d, v);
        if (!value) {
            return setting_refuse(d, v, e);
        }
        json_object_set_new(all, d->name, value);
    }
    return 0;
}

int service_type_settings(const struct service_type *t, const json_t *base, const json_t *given, json_t **ret,
                          struct err *e)
{
    _cleanup_json_ json_t *all = json_object();
    for (int i = 0; i < t->n_settings; i++) {
        const char *v = json_str(base, t->settings[i].name, t->settings[i].fallback);
        json_object_set_new(all, t->settings[i].name, json_string(v));
    }
    if (given && !json_is_object(given)) {
        return err_set(e, ERR_INVALID, "settings are an object: {name: value, ...}");
    }
    int r = settings_given(t, given, all, e);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(all);
    return 0;
}
