/*
 * One value against its row: the kinds of parameters and their limits, for the server and for the client.
 */
#include "api/validate.h"
#include "model/limits.h"
#include "model/names.h"

#define SETTINGS_MAX 32
#define SETTING_TEXT_MAX 4096
#define HASHES_MAX 64

static int check_number(const struct call_param *p, const json_t *v, int64_t min, int64_t max, struct err *e)
{
    if (!json_is_integer(v)) {
        return err_set(e, ERR_INVALID, "\"%s\" must be an integer", p->name);
    }
    json_int_t n = json_integer_value(v);
    if (n < min || n > max) {
        return max == INT64_MAX ? err_set(e, ERR_INVALID, "\"%s\" must be at least %lld, it is %lld", p->name,
                                          (long long)min, (long long)n)
                                : err_set(e, ERR_INVALID, "\"%s\" must be from %lld to %lld, it is %lld",
                                          p->name, (long long)min, (long long)max, (long long)n);
    }
    return 0;
}

static int check_secret(const struct call_param *p, const char *s, size_t len, struct err *e)
{
    if ((int64_t)len < p->min || (int64_t)len > p->max) {
        return err_set(e, ERR_INVALID, "\"%s\" must have %lld to %lld bytes", p->name, (long long)p->min,
                       (long long)p->max);
    }
    for (size_t i = 0; i < len; i++) {
        bool line = p->lines && strchr("\n\r\t", s[i]);
        if (((unsigned char)s[i] < 0x20 && !line) || s[i] == 0x7f) {
            return err_set(e, ERR_INVALID, "\"%s\" contains a control character", p->name);
        }
    }
    return 0;
}

static int check_lines(const struct call_param *p, const char *s, size_t len, struct err *e)
{
    if ((int64_t)len < p->min || (int64_t)len > p->max) {
        return err_set(e, ERR_INVALID, "\"%s\" must have %lld to %lld bytes", p->name, (long long)p->min,
                       (long long)p->max);
    }
    for (size_t i = 0; i < len; i++) {
        if (((unsigned char)s[i] < 0x20 && !strchr("\n\r\t", s[i])) || s[i] == 0x7f) {
            return err_set(e, ERR_INVALID, "\"%s\" contains a control character", p->name);
        }
    }
    return 0;
}

static int check_choice(const struct call_param *p, const char *s, struct err *e)
{
    char **words = str_split(p->words, ' ');
    bool found = false;
    for (char **w = words; *w; w++) {
        found = found || str_eq(*w, s);
    }
    strv_free(words);
    return found ? 0 : err_set(e, ERR_INVALID, "\"%s\" must be one of: %s", p->name, p->words);
}

static int check_text_kind(const struct call_param *p, const json_t *v, struct err *e)
{
    if (!json_is_string(v)) {
        return err_set(e, ERR_INVALID, "\"%s\" must be a string", p->name);
    }
    const char *s = json_string_value(v);
    size_t len = json_string_length(v);
    if (strlen(s) != len) {
        return err_set(e, ERR_INVALID, "\"%s\" contains a zero byte", p->name);
    }
    int r;
    switch (p->kind) {
    case PARAM_SECRET:
        return check_secret(p, s, len, e);
    case PARAM_LINES:
        return check_lines(p, s, len, e);
    case PARAM_CHOICE:
        return check_choice(p, s, e);
    case PARAM_USERNAME:
        r = name_check_user(s, e);
        break;
    case PARAM_NAME:
        r = name_check_thing(s, e);
        break;
    case PARAM_WORD_ID:
        r = name_check_id(s, e);
        break;
    case PARAM_EMAIL:
        r = name_check_email(s, e);
        break;
    case PARAM_FILE:
        r = name_check_file(s, e);
        break;
    default:
        r = (int64_t)len < p->min
                ? err_set(e, ERR_INVALID, "it must have at least %lld bytes", (long long)p->min)
                : name_check_text(s, (size_t)p->max, e);
        break;
    }
    return r < 0 ? err_wrap(e, r, "\"%s\"", p->name) : 0;
}

static int check_counts(const struct call_param *p, const json_t *v, struct err *e)
{
    if (!json_is_object(v) || json_object_size(v) == 0 || json_object_size(v) > ROLES_MAX) {
        return err_set_hint(e, ERR_INVALID, "for example {\"web\": 1, \"backend\": 2}",
                            "\"%s\" must be an object of 1 to %d roles and their numbers", p->name,
                            ROLES_MAX);
    }
    const char *role;
    json_t *n;
    json_object_foreach((json_t *)v, role, n)
    {
        int r = name_check_id(role, e);
        if (r < 0) {
            return err_wrap(e, r, "\"%s\"", p->name);
        }
        if (!json_is_integer(n) || json_integer_value(n) < 1 || json_integer_value(n) > NODES_MAX) {
            return err_set(e, ERR_INVALID, "\"%s\": the number of \"%s\" must be an integer from 1 to %d",
                           p->name, role, NODES_MAX);
        }
    }
    return 0;
}

static int check_settings(const struct call_param *p, const json_t *v, struct err *e)
{
    if (!json_is_object(v) || json_object_size(v) == 0 || json_object_size(v) > SETTINGS_MAX) {
        return err_set(e, ERR_INVALID, "\"%s\" must be an object of 1 to %d settings", p->name, SETTINGS_MAX);
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)v, key, value)
    {
        int r = name_check_id(key, e);
        if (r < 0) {
            return err_wrap(e, r, "\"%s\"", p->name);
        }
        bool fits = json_is_integer(value) || json_is_boolean(value) ||
                    (json_is_string(value) && json_string_length(value) <= SETTING_TEXT_MAX &&
                     strlen(json_string_value(value)) == json_string_length(value));
        if (!fits) {
            return err_set(
                e, ERR_INVALID,
                "\"%s\": the value of \"%s\" must be a text of at most %d bytes, an integer or a bool",
                p->name, key, SETTING_TEXT_MAX);
        }
    }
    return 0;
}

static int check_variables(const struct call_param *p, const json_t *v, struct err *e)
{
    if (!json_is_object(v) || json_object_size(v) == 0 || json_object_size(v) > VARIABLES_MAX) {
        return err_set_hint(e, ERR_INVALID, "for example {\"COLOUR\": \"red\"}",
                            "\"%s\" must be an object of 1 to %d variables", p->name, VARIABLES_MAX);
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)v, name, value)
    {
        const struct call_param one = {.name = name, .kind = PARAM_LINES, .max = VARIABLE_TEXT_MAX};
        int r = name_check_variable(name, e);
        r = r < 0 ? err_wrap(e, r, "\"%s\"", p->name) : check_text_kind(&one, value, e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int check_variable_names(const struct call_param *p, const json_t *v, struct err *e)
{
    if (!json_is_array(v) || json_array_size(v) == 0 || json_array_size(v) > VARIABLES_MAX) {
        return err_set_hint(e, ERR_INVALID, "for example [\"COLOUR\"]",
                            "\"%s\" must be an array of 1 to %d names", p->name, VARIABLES_MAX);
    }
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)v, i, name)
    {
        if (!json_is_string(name) || strlen(json_string_value(name)) != json_string_length(name) ||
            json_string_length(name) > NAME_MAX_LEN) {
            return err_set(e, ERR_INVALID, "\"%s\" must be an array of names", p->name);
        }
    }
    return 0;
}

static int check_hashes(const struct call_param *p, const json_t *v, struct err *e)
{
    const char *key;
    json_t *value;
    if (!json_is_object(v) || json_object_size(v) > HASHES_MAX) {
        return err_set(e, ERR_INVALID, "\"%s\" must be an object of at most %d members", p->name, HASHES_MAX);
    }
    json_object_foreach((json_t *)v, key, value)
    {
        const char *hash = json_is_string(value) ? json_string_value(value) : "";
        if (strlen(key) > SETTING_TEXT_MAX || json_string_length(value) != SHA256_HEX - 1 ||
            strspn(hash, "0123456789abcdef") != SHA256_HEX - 1) {
            return err_set(e, ERR_INVALID, "\"%s\": \"%.80s\" has no SHA-256", p->name, key);
        }
    }
    return 0;
}

int call_param_check(const struct call_param *p, const json_t *v, struct err *e)
{
    switch (p->kind) {
    case PARAM_ID:
        return check_number(p, v, 1, INT64_MAX, e);
    case PARAM_INT:
        return check_number(p, v, p->min, p->max, e);
    case PARAM_BOOL:
        return json_is_boolean(v) ? 0 : err_set(e, ERR_INVALID, "\"%s\" must be true or false", p->name);
    case PARAM_COUNTS:
        return check_counts(p, v, e);
    case PARAM_SETTINGS:
        return check_settings(p, v, e);
    case PARAM_HASHES:
        return check_hashes(p, v, e);
    case PARAM_VARIABLES:
        return check_variables(p, v, e);
    case PARAM_VARIABLE_NAMES:
        return check_variable_names(p, v, e);
    default:
        return check_text_kind(p, v, e);
    }
}

static int parse_bool(const struct call_param *p, const char *text, json_t **ret, struct err *e)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(words[i], text)) {
            *ret = json_boolean(i % 2);
            return 0;
        }
    }
    return err_set(e, ERR_INVALID, "\"%s\" must be true or false", p->name);
}

int call_param_parse(const struct call_param *p, const char *text, json_t **ret, struct err *e)
{
    _cleanup_json_ json_t *v = NULL;
    int64_t n = 0;
    int r = 0;
    switch (p->kind) {
    case PARAM_ID:
    case PARAM_INT:
        if (str_to_int(text, INT64_MIN, INT64_MAX, &n) < 0) {
            return err_set(e, ERR_INVALID, "\"%s\" must be an integer, it is \"%.40s\"", p->name, text);
        }
        v = json_integer(n);
        break;
    case PARAM_BOOL:
        r = parse_bool(p, text, &v, e);
        break;
    case PARAM_COUNTS:
    case PARAM_SETTINGS:
    case PARAM_HASHES:
    case PARAM_VARIABLES:
        return err_set(e, ERR_INVALID, "\"%s\" must be an object", p->name);
    case PARAM_VARIABLE_NAMES:
        return err_set(e, ERR_INVALID, "\"%s\" must be an array", p->name);
    default:
        v = str_is_utf8(text) ? json_string(text) : NULL;
        if (!v) {
            return err_set(e, ERR_INVALID, "\"%s\" is not valid UTF-8", p->name);
        }
        break;
    }
    r = r < 0 ? r : call_param_check(p, v, e);
    if (r == 0) {
        *ret = TAKE_PTR(v);
    }
    return r;
}
