/*
 * Tables that fit the width of the terminal: columns that may shrink give way, the others never do.
 */
#pragma once

#include "cli/term.h"

struct table_column {
    const char *title;
    bool right;    /* figures */
    int shrink;    /* may become this narrow; 0 = never narrower than its content */
    bool optional; /* left out when every cell is empty */
    bool same;     /* left out when every cell is the same */
    bool wrap;     /* the last column: goes on in further lines instead of being cut */
};
#define TABLE_COLUMNS_MAX 12

struct table;
struct table *table_new(const struct table_column *columns, int n);
void table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free);
/* Cells are added from left to right, row by row; text is copied and made safe. NULL is an empty cell. */
void table_add(struct table *t, const char *text);
/* As table_add, takes ownership of text. */
void table_take(struct table *t, char *text);
/* Colour of the cell that was added last. */
void table_colour(struct table *t, enum term_colour c);
int table_rows(const struct table *t);
void table_print(struct table *t, const struct term *term);
