/*
 * Cuts an INI file into entries, in place.
 */
#include "base/conf_file.h"

#include "base/fs.h"
#include "base/str.h"

#define CONF_FILE_MAX (1 << 20)
#define CONF_NAME_MAX 128

struct conf_reader {
    struct conf_file *file;
    const char *section;  /* the one we are in */
    size_t section_start; /* its first entry */
    int line;
};

static bool conf_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static char *conf_trim(char *s)
{
    while (conf_blank(*s)) {
        s++;
    }
    size_t n = strlen(s);
    while (n > 0 && conf_blank(s[n - 1])) {
        s[--n] = '\0';
    }
    return s;
}

static bool conf_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

/* One word, or two with one blank between them when a family name is allowed. */
static bool conf_name_ok(const char *s, bool family)
{
    size_t n = strlen(s), blanks = 0;
    if (n == 0 || n > CONF_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool inner_blank = family && s[i] == ' ' && i > 0 && i + 1 < n && ++blanks == 1;
        if (!conf_name_char(s[i]) && !inner_blank) {
            return false;
        }
    }
    return true;
}

static int conf_fail(const struct conf_reader *r, struct err *e, const char *what, const char *name)
{
    return err_set(e, ERR_INVALID, "%s:%d: %s%.128s", r->file->path, r->line, what, name);
}

static void conf_add(struct conf_reader *r, const char *key, const char *value)
{
    struct conf_file *f = r->file;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 32;
        f->entries = xreallocarray(f->entries, f->cap, sizeof(*f->entries));
    }
    f->entries[f->n++] =
        (struct conf_entry){.line = r->line, .section = r->section, .key = key, .value = value};
}

static int conf_section_line(struct conf_reader *r, char *s, struct err *e)
{
    size_t n = strlen(s);
    if (s[n - 1] != ']') {
        return conf_fail(r, e, "a section ends with ]: ", s);
    }
    s[n - 1] = '\0';
    char *name = conf_trim(s + 1);
    if (!conf_name_ok(name, true)) {
        return conf_fail(r, e, "bad section name: ", name);
    }
    for (size_t i = 0; i < r->file->n; i++) {
        if (str_eq(r->file->entries[i].section, name)) {
            return conf_fail(r, e, "repeated section: ", name);
        }
    }
    r->section = name;
    r->section_start = r->file->n;
    conf_add(r, NULL, NULL);
    return 0;
}

static int conf_value(struct conf_reader *r, char *s, const char **ret, struct err *e)
{
    for (const char *p = s; *p; p++) {
        if ((unsigned char)*p < 0x20 && *p != '\t') {
            return conf_fail(r, e, "control character in a value", "");
        }
    }
    if (!str_is_utf8(s)) {
        return conf_fail(r, e, "a value is not UTF-8", "");
    }
    size_t n = strlen(s);
    if (s[0] == '"') {
        if (n < 2 || s[n - 1] != '"') {
            return conf_fail(r, e, "a quoted value ends with a quote", "");
        }
        s[n - 1] = '\0';
        s++;
    }
    *ret = s;
    return 0;
}

static int conf_key_line(struct conf_reader *r, char *s, struct err *e)
{
    char *equals = strchr(s, '=');
    if (!equals) {
        return conf_fail(r, e, "neither [section] nor key = value: ", s);
    }
    if (!r->section) {
        return conf_fail(r, e, "a key before the first [section]: ", s);
    }
    *equals = '\0';
    const char *key = conf_trim(s), *value = NULL;
    if (!conf_name_ok(key, false)) {
        return conf_fail(r, e, "bad key: ", key);
    }
    for (size_t i = r->section_start; i < r->file->n; i++) {
        if (r->file->entries[i].key && str_eq(r->file->entries[i].key, key)) {
            return conf_fail(r, e, "repeated key: ", key);
        }
    }
    int code = conf_value(r, conf_trim(equals + 1), &value, e);
    if (code == 0) {
        conf_add(r, key, value);
    }
    return code;
}

static int conf_line(struct conf_reader *r, char *line, struct err *e)
{
    char *s = conf_trim(line);
    if (*s == '\0' || *s == '#' || *s == ';') {
        return 0;
    }
    return *s == '[' ? conf_section_line(r, s, e) : conf_key_line(r, s, e);
}

int conf_file_read(const char *path, struct conf_file *ret, struct err *e)
{
    _cleanup_buf_ struct buf text = {0};
    int r = fs_read(path, CONF_FILE_MAX, &text, e);
    if (r < 0) {
        return r;
    }
    *ret = (struct conf_file){.path = xstrdup(path)};
    struct conf_reader reader = {.file = ret};
    size_t len = text.len;
    ret->text = buf_take(&text);
    if (strlen(ret->text) != len) {
        return err_set(e, ERR_INVALID, "%s contains a NUL byte", path);
    }
    for (char *line = ret->text; line && r == 0;) {
        char *end = strchr(line, '\n');
        if (end) {
            *end = '\0';
        }
        reader.line++;
        r = conf_line(&reader, line, e);
        line = end ? end + 1 : NULL;
    }
    return r;
}

void conf_file_done(struct conf_file *f)
{
    free(f->path);
    free(f->text);
    free(f->entries);
    *f = (struct conf_file){0};
}
