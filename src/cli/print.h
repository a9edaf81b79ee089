/*
 * Answers for people: a table for a list, facts for one thing.  What is shown of which object stands in
 * print_table.c; --json and --quiet are dealt with here for all of them.
 */
#pragma once

#include "cli/cli.h"
#include "cli/table.h"

enum print_format {
    FORMAT_TEXT,
    FORMAT_INT,
    FORMAT_NUMBER, /* 1,440 */
    FORMAT_STATE,  /* coloured word */
    FORMAT_TIME,
    FORMAT_AGE,  /* time -> how long ago */
    FORMAT_RATE, /* millicredits -> credits per hour */
    FORMAT_BYTES,
    FORMAT_MARK,   /* bool -> * */
    FORMAT_YES,    /* bool -> yes or no */
    FORMAT_WORDS,  /* list of texts */
    FORMAT_COUNTS, /* object -> "proxy 1, web 2" */
    FORMAT_HEALTH, /* object of a node -> worst word and why */
    FORMAT_RATIO,  /* real with two digits */
};

struct print_column {
    struct table_column column;
    const char *member; /* of the object */
    enum print_format format;
};
struct print_fact {
    const char *label;
    const char *member;
    enum print_format format;
};
#define PRINT_FACTS_MAX 20

struct print_view {
    const char *object; /* row of api_objects; NULL ends the table */
    const char *quiet;  /* member that --quiet prints */
    const char *none;   /* sentence for an empty list */
    struct print_column columns[TABLE_COLUMNS_MAX + 1];
    struct print_fact facts[PRINT_FACTS_MAX + 1]; /* absent (null) members are left out */
    /* Instead of columns and facts; NULL: the standard. item is the object or the list. */
    void (*print)(struct cli *cli, const json_t *item);
};
extern const struct print_view print_views[];

/* Prints the answer of a call as this run wants it. */
void print_answer(struct cli *cli, const struct call *c, const json_t *answer);
/* One object by its view, for those who have no answer at hand. */
void print_object(struct cli *cli, const char *object, const json_t *item);
/* One value; caller frees. now is the clock for ages. */
char *print_value(const json_t *v, enum print_format format, int64_t now_ms);
enum term_colour print_state_colour(const char *state);
void print_label(struct cli *cli, const char *label, const char *fmt, ...) PRINTF_LIKE(3, 4);
