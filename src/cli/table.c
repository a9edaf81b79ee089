#include "cli/table.h"

#include <assert.h>

#define GAP 2

struct cell {
    char *text;
    enum term_colour colour;
};
struct table {
    const struct table_column *columns;
    int n;
    struct cell *cells;
    size_t used, cap;
};

struct table *table_new(const struct table_column *columns, int n)
{
    assert(n > 0 && n <= TABLE_COLUMNS_MAX);
    struct table *t = xcalloc(1, sizeof(*t));
    t->columns = columns;
    t->n = n;
    return t;
}

void table_free(struct table *t)
{
    if (!t) {
        return;
    }
    for (size_t i = 0; i < t->used; i++) {
        free(t->cells[i].text);
    }
    free(t->cells);
    free(t);
}

void table_add(struct table *t, const char *text)
{
    if (t->used == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cells = xreallocarray(t->cells, t->cap, sizeof(*t->cells));
    }
    struct buf b = {0};
    term_safe(&b, text ? text : "", false);
    t->cells[t->used++] = (struct cell){.text = buf_take(&b)};
}

void table_take(struct table *t, char *text)
{
    table_add(t, text);
    free(text);
}

void table_colour(struct table *t, enum term_colour c)
{
    t->cells[t->used - 1].colour = c;
}

int table_rows(const struct table *t)
{
    return (int)(t->used / (size_t)t->n);
}

/* Natural width of every column; 0 hides it. */
static void natural_widths(const struct table *t, int w[TABLE_COLUMNS_MAX])
{
    for (int c = 0; c < t->n; c++) {
        int widest = 0;
        for (size_t i = (size_t)c; i < t->used; i += (size_t)t->n) {
            int n = term_columns(t->cells[i].text);
            widest = n > widest ? n : widest;
        }
        bool same = t->columns[c].same && table_rows(t) > 0;
        for (size_t i = (size_t)c; i < t->used && same; i += (size_t)t->n) {
            same = str_eq(t->cells[i].text, t->cells[c].text);
        }
        int title = (int)strlen(t->columns[c].title);
        bool hidden = (t->columns[c].optional && widest == 0) || same;
        w[c] = hidden ? 0 : widest > title ? widest : title;
    }
}

static int total_width(const struct table *t, const int w[TABLE_COLUMNS_MAX])
{
    int sum = 0;
    for (int c = 0; c < t->n; c++) {
        sum += w[c] ? w[c] + (sum ? GAP : 0) : 0;
    }
    return sum;
}

/* Takes one column at a time from the widest column that can still give. */
static void shrink_to(const struct table *t, int w[TABLE_COLUMNS_MAX], int width)
{
    for (int over = total_width(t, w) - width; over > 0; over--) {
        int widest = -1;
        for (int c = 0; c < t->n; c++) {
            int floor = t->columns[c].shrink;
            if (floor && w[c] > floor && (widest < 0 || w[c] > w[widest])) {
                widest = c;
            }
        }
        if (widest < 0) {
            return;
        }
        w[widest]--;
    }
}

static void add_cell(const struct table *t, const struct term *term, struct buf *line,
                     const struct cell *cell, int c, int width)
{
    const char *on = term_on(term, false, cell->colour);
    buf_adds(line, on);
    term_fit(term, line, cell->text, width, t->columns[c].right);
    buf_adds(line, *on ? term_off(term, false) : "");
}

/* Bytes of text that fit into `columns`, up to a space if there is one; at least one character. */
static size_t piece(const char *text, int columns)
{
    size_t len = 0, space = 0;
    while (text[len]) {
        size_t next = len + 1;
        while ((text[next] & 0xc0) == 0x80) {
            next++;
        }
        _cleanup_free_ char *part = xstrndup(text, next);
        if (term_columns(part) > columns) {
            return space ? space : len ? len : next;
        }
        space = text[len] == ' ' ? len : space;
        len = next;
    }
    return len;
}

static void print_line(const struct term *term, struct buf *line)
{
    while (line->len && line->data[line->len - 1] == ' ') {
        line->data[--line->len] = '\0';
    }
    fprintf(term->out, "%s\n", line->data ? line->data : "");
}

/* What of the last cell did not fit into its line. */
static void print_rest(const struct term *term, const char *rest, int indent, int width)
{
    while (*rest) {
        size_t n = piece(rest, width);
        struct buf line = {0};
        buf_addf(&line, "%*s%.*s", indent, "", (int)n, rest);
        print_line(term, &line);
        buf_done(&line);
        rest += n;
        rest += *rest == ' ';
    }
}

static void print_row(const struct table *t, const struct term *term, const struct cell *cells, const int *w)
{
    struct buf line = {0};
    const char *rest = "";
    int column = 0, indent = 0;
    for (int c = 0; c < t->n; c++) {
        if (!w[c]) {
            continue;
        }
        struct cell cell = cells[c];
        _cleanup_free_ char *first = NULL;
        column += line.len ? GAP : 0;
        buf_adds(&line, line.len ? "  " : "");
        if (t->columns[c].wrap && term_columns(cell.text) > w[c]) {
            size_t n = piece(cell.text, w[c]);
            first = xstrndup(cell.text, n);
            rest = cell.text + n + (cell.text[n] == ' ');
            cell.text = first;
            indent = column;
        }
        add_cell(t, term, &line, &cell, c, w[c]);
        column += w[c];
    }
    print_line(term, &line);
    print_rest(term, rest, indent, term->width - indent);
    buf_done(&line);
}

void table_print(struct table *t, const struct term *term)
{
    int w[TABLE_COLUMNS_MAX];
    natural_widths(t, w);
    shrink_to(t, w, term->width);
    struct cell head[TABLE_COLUMNS_MAX] = {0};
    for (int c = 0; c < t->n; c++) {
        head[c] = (struct cell){.text = (char *)t->columns[c].title, .colour = COLOUR_BOLD};
    }
    print_row(t, term, head, w);
    for (size_t i = 0; i + (size_t)t->n <= t->used; i += (size_t)t->n) {
        print_row(t, term, &t->cells[i], w);
    }
}
