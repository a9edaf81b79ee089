/*
 * Grammars of names.
 */
#include "model/names.h"

#include <string.h>

#include "base/str.h"

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_alnum(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z') || is_digit(c);
}

int name_check_user(const char *s, struct err *e)
{
    static const char hint[] =
        "1 to 32 characters: small letters, digits, '_' and '-', beginning with a letter";
    size_t n = s ? strlen(s) : 0;
    bool ok = n >= 1 && n <= 32 && is_lower(s[0]);
    for (size_t i = 1; ok && i < n; i++) {
        ok = is_lower(s[i]) || is_digit(s[i]) || s[i] == '_' || s[i] == '-';
    }
    return ok ? 0 : err_set_hint(e, ERR_INVALID, hint, "not a user name: \"%.64s\"", s ? s : "");
}

/* Next code point of valid UTF-8; moves *s. */
static uint32_t next_point(const char **s)
{
    const unsigned char *p = (const unsigned char *)*s;
    int more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? p[0] : more == 1 ? p[0] & 0x1fu : more == 2 ? p[0] & 0x0fu : p[0] & 0x07u;
    for (int i = 1; i <= more; i++) {
        c = c << 6 | (p[i] & 0x3fu);
    }
    *s += more + 1;
    return c;
}

/* Ranges above ASCII that hold no letters or digits: spaces, marks of direction, symbols, private use, tags. */
static const struct {
    uint32_t from, to;
} not_letters[] = {
    {0x80, 0xbf},       {0xd7, 0xd7},       {0xf7, 0xf7},        {0x2000, 0x2bff}, {0x3000, 0x3004},
    {0x3008, 0x3020},   {0xd800, 0xf8ff},   {0xfe00, 0xfe6f},    {0xfeff, 0xff0f}, {0xfff0, 0xffff},
    {0x1d000, 0x1d3ff}, {0x1f000, 0x1ffff}, {0xe0000, 0x10ffff},
};

static bool is_letter_point(uint32_t c)
{
    if (c < 0x80) {
        return is_alnum((char)c);
    }
    for (size_t i = 0; i < ARRAY_LEN(not_letters); i++) {
        if (c >= not_letters[i].from && c <= not_letters[i].to) {
            return false;
        }
    }
    return true;
}

int name_check_thing(const char *s, struct err *e)
{
    static const char hint[] =
        "1 to 64 bytes: letters, digits, space and . _ - ( ), beginning with a letter or digit,"
        " not ending in a space, not only digits";
    size_t n = s ? strlen(s) : 0;
    bool ok = n >= 1 && n <= 64 && str_is_utf8(s) && s[n - 1] != ' ';
    bool only_digits = true, first = true;
    for (const char *p = s; ok && *p; first = false) {
        uint32_t c = next_point(&p);
        bool other = c < 0x80 && strchr(" ._-()", (int)c) != NULL;
        ok = is_letter_point(c) || (other && !first);
        only_digits = only_digits && c < 0x80 && is_digit((char)c);
    }
    return ok && !only_digits ? 0 : err_set_hint(e, ERR_INVALID, hint, "not a name: \"%.64s\"", s ? s : "");
}

int name_check_id(const char *s, struct err *e)
{
    static const char hint[] =
        "1 to 64 characters: letters, digits, '_' and '-', beginning with a letter or digit";
    size_t n = s ? strlen(s) : 0;
    bool ok = n >= 1 && n <= 64 && is_alnum(s[0]);
    for (size_t i = 1; ok && i < n; i++) {
        ok = is_alnum(s[i]) || s[i] == '_' || s[i] == '-';
    }
    return ok ? 0 : err_set_hint(e, ERR_INVALID, hint, "not a valid name: \"%.64s\"", s ? s : "");
}

int name_check_email(const char *s, struct err *e)
{
    size_t n = s ? strlen(s) : 0;
    const char *at = s ? strchr(s, '@') : NULL;
    bool ok = n >= 3 && n <= 254 && at && at != s && at[1] && !strchr(at + 1, '@') && str_is_utf8(s);
    for (size_t i = 0; ok && i < n; i++) {
        ok = (unsigned char)s[i] > ' ' && s[i] != 0x7f && !strchr("\"'<>`\\,;", s[i]);
    }
    return ok ? 0
              : err_set_hint(e, ERR_INVALID, "like name@example.org, at most 254 bytes",
                             "not an e-mail address: \"%.64s\"", s ? s : "");
}

/* No control characters, C1 and marks of direction among them. */
static bool is_printable(const char *s)
{
    if (!str_is_utf8(s)) {
        return false;
    }
    while (*s) {
        uint32_t c = next_point(&s);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
            (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff) {
            return false;
        }
    }
    return true;
}

int name_check_file(const char *s, struct err *e)
{
    size_t n = s ? strlen(s) : 0;
    bool ok = n >= 1 && n <= 255 && !strchr(s, '/') && !str_eq(s, ".") && !str_eq(s, "..") && is_printable(s);
    return ok ? 0
              : err_set_hint(e, ERR_INVALID, "a file name without directory, 1 to 255 printable bytes",
                             "not a file name");
}

int name_check_text(const char *s, size_t max, struct err *e)
{
    if (!s || !is_printable(s)) {
        return err_set_hint(e, ERR_INVALID, "one line of printable text",
                            "the text has characters that cannot be shown");
    }
    if (strlen(s) > max) {
        return err_set(e, ERR_INVALID, "the text has %zu bytes, at most %zu are allowed", strlen(s), max);
    }
    return 0;
}

/* A '*' at the end stands for anything. */
static const char *const reserved_variables[] = {
    "PATH",       "LD_*",
    "HOME",       "USER",
    "LOGNAME",    "SHELL",
    "PWD",        "IFS",
    "ENV",        "BASH_*",
    "GLIBC_*",    "MALLOC_*",
    "GCONV_PATH", "FPM_*",
    "PHPRC",      "PHP_INI_SCAN_DIR",
    "PHP_VALUE",  "PHP_ADMIN_VALUE",
    "CATALINA_*", "JAVA_HOME",
    "CONPAAS_*",  "MY_IP",
    "MY_ROLE",    "MASTER_IP",
};

static bool is_reserved(const char *s)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved_variables); i++) {
        const char *r = reserved_variables[i];
        size_t n = strlen(r);
        if (r[n - 1] == '*' ? strncmp(s, r, n - 1) == 0 : str_eq(s, r)) {
            return true;
        }
    }
    return false;
}

int name_check_variable(const char *s, struct err *e)
{
    static const char hint[] = "1 to 64 letters, digits and '_', not beginning with a digit";
    size_t n = s ? strlen(s) : 0;
    bool ok = n >= 1 && n <= 64 && !is_digit(s[0]);
    for (size_t i = 0; ok && i < n; i++) {
        ok = is_alnum(s[i]) || s[i] == '_';
    }
    if (!ok) {
        return err_set_hint(e, ERR_INVALID, hint, "not the name of a variable: \"%.80s\"", s ? s : "");
    }
    return is_reserved(s) ? err_set_hint(e, ERR_INVALID, "choose another name",
                                         "the variable %s is set by the platform", s)
                          : 0;
}
