/*
 * What all clouds have in common: result words, opening from a section, settings and names.
 */
#include "cloud/cloud.h"

#include <ctype.h>

#include "base/str.h"
#include "cloud/cloud_driver.h"

static const struct {
    int result;
    const char *word;
} results[] = {
#define X(sym, value, word, what) {sym, word},
    CLOUD_RESULT_TABLE(X)
#undef X
};

const char *cloud_result_word(int result)
{
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        if (results[i].result == (result > 0 ? 0 : result)) {
            return results[i].word;
        }
    }
    return "permanent";
}

int cloud_result_from_word(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        if (str_eq(results[i].word, word)) {
            return results[i].result;
        }
    }
    return CLOUD_PERMANENT;
}

static bool of(const char *s, const char *set, size_t max)
{
    size_t n = strlen(s);

    return n > 0 && n < max && strspn(s, set) == n;
}

int cloud_spec_check(const struct cloud_spec *s, struct err *e)
{
    if (!of(s->token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", CLOUD_TOKEN_MAX) ||
        !isalnum((unsigned char)s->token[0])) {
        return err_set(e, CLOUD_INVALID, "a token is 1 to %d of [A-Za-z0-9._-], a letter or digit first",
                       CLOUD_TOKEN_MAX - 1);
    }
    if (!of(s->name, "abcdefghijklmnopqrstuvwxyz0123456789-", CLOUD_NAME_MAX) || s->name[0] == '-' ||
        s->name[strlen(s->name) - 1] == '-') {
        return err_set(e, CLOUD_INVALID, "the name of a machine is 1 to %d of [a-z0-9-], no - at its ends",
                       CLOUD_NAME_MAX - 1);
    }
    if (s->user_data && strlen(s->user_data) > CLOUD_USER_DATA_MAX) {
        return err_set(e, CLOUD_INVALID, "user data is at most %d bytes", CLOUD_USER_DATA_MAX);
    }
    return 0;
}

/* ---- settings ---- */

static int setting_text(const struct conf_key *k, const char *text, void *target, struct err *e)
{
    char *place = (char *)target + k->offset;
    int64_t n, max = k->max ? k->max : INT64_MAX;

    switch (k->kind) {
    case CONF_INT:
        if (str_to_int(text, k->min, max, &n) < 0) {
            return err_set(e, ERR_INVALID, "%s must be a whole number from %lld to %lld", k->key,
                           (long long)k->min, (long long)max);
        }
        *(int64_t *)place = n;
        return 0;
    case CONF_BOOL:
        if (!str_eq(text, "yes") && !str_eq(text, "no") && !str_eq(text, "true") && !str_eq(text, "false")) {
            return err_set(e, ERR_INVALID, "%s must be yes or no", k->key);
        }
        *(bool *)place = text[0] == 'y' || text[0] == 't';
        return 0;
    default:
        if ((int64_t)strlen(text) > max || (k->kind == CONF_PATH && text[0] != '/')) {
            return err_set(e, ERR_INVALID, "%s %s", k->key,
                           k->kind == CONF_PATH ? "must be an absolute path" : "is too long");
        }
        free(*(char **)place);
        *(char **)place = xstrdup(text);
        return 0;
    }
}

static const struct conf_key *find_key(const struct conf_key *schema, const char *name)
{
    for (const struct conf_key *k = schema; k && k->key; k++) {
        if (str_eq(k->key, name)) {
            return k;
        }
    }
    return NULL;
}

/* Values come as text from a file, or as JSON values of the fitting kind. */
static int setting_json(const struct conf_key *k, const json_t *v, void *target, struct err *e)
{
    _cleanup_free_ char *number =
        json_is_integer(v) ? str_printf("%lld", (long long)json_integer_value(v)) : NULL;

    if (json_is_string(v)) {
        return setting_text(k, json_string_value(v), target, e);
    }
    if (number) {
        return setting_text(k, number, target, e);
    }
    if (json_is_boolean(v)) {
        return setting_text(k, json_is_true(v) ? "yes" : "no", target, e);
    }
    return err_set(e, ERR_INVALID, "%s must be a text, a number, yes or no", k->key);
}

int cloud_settings(const struct conf_key *schema, const json_t *settings, void *target, struct err *e)
{
    _cleanup_json_ json_t *all = json_deep_copy(settings);
    const char *name;
    json_t *v;
    int r = 0;

    for (const struct conf_key *k = schema; r == 0 && k->key; k++) {
        r = k->fallback ? setting_text(k, k->fallback, target, e) : 0;
    }
    json_object_foreach(all, name, v)
    {
        const struct conf_key *k = find_key(schema, name);
        if (r < 0) {
            break;
        }
        if (str_eq(name, "driver")) {
            continue;
        }
        r = k ? setting_json(k, v, target, e) : err_set(e, ERR_INVALID, "this driver has no key %s", name);
    }
    if (r < 0) {
        conf_free(schema, target);
    }
    return r;
}

/* ---- open and close ---- */

int cloud_open(const char *name, const json_t *settings, const char *installation, struct cloud *ret,
               struct err *e)
{
    const char *driver = json_str(settings, "driver", "");
    struct cloud c = {.driver = cloud_driver_find(driver)};
    int r;

    if (!str_copy(c.name, sizeof(c.name), name) ||
        !of(name, "abcdefghijklmnopqrstuvwxyz0123456789-_", CLOUD_NAME_MAX)) {
        return err_set(e, ERR_INVALID, "the name of a cloud is 1 to %d of [a-z0-9_-]", CLOUD_NAME_MAX - 1);
    }
    if (!c.driver) {
        return err_set(e, ERR_INVALID, "cloud %s: no driver \"%s\"", name, driver);
    }
    if (!of(installation, "abcdefghijklmnopqrstuvwxyz0123456789-", CLOUD_NAME_MAX)) {
        return err_set(e, ERR_INVALID, "the installation's name is of [a-z0-9-]");
    }
    r = c.driver->open(settings, installation, &c.handle, e);
    if (r < 0) {
        return err_wrap(e, r, "cloud %s", name);
    }
    *ret = c;
    return 0;
}

void cloud_close(struct cloud *c)
{
    if (c->driver && c->driver->close) {
        c->driver->close(c->handle);
    }
    *c = (struct cloud){0};
}
