#include "cli/print.h"

#define LABEL_WIDTH 12

enum term_colour print_state_colour(const char *state)
{
    static const struct {
        const char *word;
        enum term_colour colour;
    } rows[] = {
        {"RUNNING", COLOUR_OK},    {"DONE", COLOUR_OK},       {"UP", COLOUR_OK},
        {"ok", COLOUR_OK},         {"ERROR", COLOUR_BAD},     {"FAILED", COLOUR_BAD},
        {"bad", COLOUR_BAD},       {"down", COLOUR_BAD},      {"PROLOGUE", COLOUR_BUSY},
        {"ADAPTING", COLOUR_BUSY}, {"EPILOGUE", COLOUR_BUSY}, {"ACTIVE", COLOUR_BUSY},
        {"INTENT", COLOUR_BUSY},   {"ASKED", COLOUR_BUSY},    {"BOOTING", COLOUR_BUSY},
        {"UNSURE", COLOUR_BUSY},   {"DYING", COLOUR_BUSY},    {"starting", COLOUR_BUSY},
        {"STOPPED", COLOUR_OFF},   {"INIT", COLOUR_OFF},      {"CANCELLED", COLOUR_OFF},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq(rows[i].word, state)) {
            return rows[i].colour;
        }
    }
    return COLOUR_NONE;
}

/* ---- values ---- */

static char *words_text(const json_t *list)
{
    struct buf b = {0};
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        buf_addf(&b, "%s%s", i ? " " : "", json_is_string(item) ? json_string_value(item) : "?");
    }
    return buf_take(&b);
}

static char *counts_text(const json_t *counts)
{
    struct buf b = {0};
    const char *role;
    json_t *n;
    json_object_foreach((json_t *)counts, role, n)
    {
        buf_addf(&b, "%s%s %lld", b.len ? ", " : "", role, (long long)json_integer_value(n));
    }
    return buf_take(&b);
}

/* The worst of a node's roles, with its reason. */
static char *health_text(const json_t *health)
{
    static const char *const worst_first[] = {"bad", "down", "starting", "none", "ok"};
    for (size_t w = 0; w < ARRAY_LEN(worst_first); w++) {
        const char *role;
        json_t *h;
        json_object_foreach((json_t *)health, role, h)
        {
            const char *why = json_str(h, "why", NULL);
            if (str_eq(json_str(h, "state", ""), worst_first[w])) {
                return why ? str_printf("%s: %s: %s", worst_first[w], role, why) : xstrdup(worst_first[w]);
            }
        }
    }
    return xstrdup("");
}

static char *text_of(const json_t *v)
{
    if (json_is_string(v)) {
        return xstrdup(json_string_value(v));
    }
    return json_text(v);
}

char *print_value(const json_t *v, enum print_format format, int64_t now_ms)
{
    int64_t n = json_integer_value(v);
    if (!v || json_is_null(v)) {
        return xstrdup("");
    }
    switch (format) {
    case FORMAT_INT:
        return str_printf("%lld", (long long)n);
    case FORMAT_NUMBER:
        return term_number(n);
    case FORMAT_TIME:
        return term_time(n);
    case FORMAT_AGE:
        return term_age(n, now_ms);
    case FORMAT_RATE:
        return term_milli(n);
    case FORMAT_BYTES:
        return term_bytes(n);
    case FORMAT_MARK:
        return xstrdup(json_is_true(v) ? "*" : "");
    case FORMAT_YES:
        return xstrdup(json_is_true(v) ? "yes" : "no");
    case FORMAT_WORDS:
        return words_text(v);
    case FORMAT_COUNTS:
        return counts_text(v);
    case FORMAT_HEALTH:
        return health_text(v);
    case FORMAT_RATIO:
        return str_printf("%.2f", json_number_value(v));
    default:
        return text_of(v);
    }
}

/* ---- tables and facts ---- */

static const struct print_view *view_of(const char *object)
{
    for (const struct print_view *v = print_views; v->object; v++) {
        if (str_eq(v->object, object)) {
            return v;
        }
    }
    return NULL;
}

static enum term_colour colour_of(enum print_format format, const char *text)
{
    if (format == FORMAT_STATE) {
        return print_state_colour(text);
    }
    if (format == FORMAT_HEALTH) {
        return str_starts(text, "bad") || str_starts(text, "down") ? COLOUR_BAD : print_state_colour(text);
    }
    return COLOUR_NONE;
}

static void print_list(struct cli *cli, const struct print_view *v, const json_t *list)
{
    struct table_column columns[TABLE_COLUMNS_MAX];
    int n = 0;
    while (v->columns[n].member) {
        columns[n] = v->columns[n].column;
        n++;
    }
    if (json_array_size(list) == 0) {
        cli_note(cli, "%s", v->none);
        return;
    }
    _cleanup_(table_freep) struct table *t = table_new(columns, n);
    int64_t now = term_now(&cli->term);
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        for (int c = 0; c < n; c++) {
            char *text = print_value(json_object_get(item, v->columns[c].member), v->columns[c].format, now);
            enum term_colour colour = colour_of(v->columns[c].format, text);
            table_take(t, text);
            table_colour(t, colour);
        }
    }
    table_print(t, &cli->term);
}

void print_label(struct cli *cli, const char *label, const char *fmt, ...)
{
    struct buf b = {0}, safe = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    term_safe(&safe, b.data, false);
    const struct term *t = &cli->term;
    fprintf(t->out, "%s%-*s%s ", term_on(t, false, COLOUR_OFF), LABEL_WIDTH, label, term_off(t, false));
    term_wrap(t, t->out, safe.data, LABEL_WIDTH + 1, LABEL_WIDTH + 1);
    buf_done(&b);
    buf_done(&safe);
}

static void print_facts(struct cli *cli, const struct print_view *v, const json_t *item)
{
    int64_t now = term_now(&cli->term);
    for (const struct print_fact *f = v->facts; f->label; f++) {
        const json_t *value = json_object_get(item, f->member);
        _cleanup_free_ char *text = print_value(value, f->format, now);
        if (*text && f->format == FORMAT_TIME) {
            _cleanup_free_ char *age = term_age(json_integer_value(value), now);
            print_label(cli, f->label, "%s (%s ago)", text, age);
        } else if (*text && f->format == FORMAT_RATE) {
            print_label(cli, f->label, "%s credit%s per hour", text, str_eq(text, "1") ? "" : "s");
        } else if (*text) {
            print_label(cli, f->label, "%s", text);
        }
    }
}

static void print_quiet(struct cli *cli, const struct print_view *v, const json_t *item)
{
    const json_t *value = v->quiet ? json_object_get(item, v->quiet) : NULL;
    value = json_is_object(value) ? json_object_get(value, "id") : value;
    if (!value || json_is_null(value)) {
        return;
    }
    _cleanup_free_ char *text = text_of(value);
    struct buf safe = {0};
    term_safe(&safe, text, true);
    fprintf(cli->term.out, "%s%s", safe.data, safe.len && safe.data[safe.len - 1] == '\n' ? "" : "\n");
    buf_done(&safe);
}

void print_object(struct cli *cli, const char *object, const json_t *item)
{
    const struct print_view *v = view_of(object);
    if (cli->quiet) {
        print_quiet(cli, v, item);
    } else if (v->print) {
        v->print(cli, item);
    } else {
        print_facts(cli, v, item);
    }
}

void print_answer(struct cli *cli, const struct call *c, const json_t *answer)
{
    if (cli->json) {
        cli_print_json(cli, answer);
        return;
    }
    if (!c->list) {
        print_object(cli, c->object, answer);
        return;
    }
    const struct print_view *v = view_of(c->object);
    const json_t *list = json_object_get(answer, c->list);
    size_t i;
    json_t *item;
    if (cli->quiet) {
        json_array_foreach(list, i, item)
        {
            print_quiet(cli, v, item);
        }
    } else if (v->columns[0].member) {
        print_list(cli, v, list);
    } else {
        v->print(cli, list);
    }
}
