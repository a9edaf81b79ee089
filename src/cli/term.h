/*
 * The terminal: where output goes, colours, width, text made safe to show, questions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/str.h"

enum term_colour { COLOUR_NONE, COLOUR_OK, COLOUR_BUSY, COLOUR_BAD, COLOUR_OFF, COLOUR_BOLD };

struct term {
    FILE *in, *out, *err;
    bool in_tty, out_tty, err_tty;
    bool out_colour, err_colour;
    bool utf8;      /* marks and ellipses beyond ASCII may be shown */
    int width;      /* columns of tables; 80 unless the terminal or COLUMNS says otherwise */
    int64_t now_ms; /* the wall clock that ages are told by; 0 = the real one (tests set it) */
};

/* Standard streams, looked at once: terminals, NO_COLOR, TERM=dumb, COLUMNS, locale. */
void term_init(struct term *t);

int64_t term_now(const struct term *t);
/* Escape sequences, "" without colours. */
const char *term_on(const struct term *t, bool err, enum term_colour c);
const char *term_off(const struct term *t, bool err);
/* Mark of a step that went well or failed. */
const char *term_mark(const struct term *t, bool ok);

/* Appends text with everything replaced that could move the cursor, change the terminal or turn the reading
 * direction; keep_lines lets newlines and tabs through. Invalid UTF-8 becomes '?'. */
void term_safe(struct buf *out, const char *text, bool keep_lines);
/* Columns that a UTF-8 text takes (wide characters count two). */
int term_columns(const char *text);
/* Appends text cut or padded to exactly `columns`; a cut shows an ellipsis. */
void term_fit(const struct term *t, struct buf *out, const char *text, int columns, bool right);

/* Prints one line of safe text and ends it; what does not fit goes on in further lines at `indent`. at: columns of the
 * line that are used up. Words are not broken; those of a usage are what stands in brackets. */
void term_wrap(const struct term *t, FILE *out, const char *text, int at, int indent);
void term_wrap_usage(const struct term *t, FILE *out, const char *text, int at, int indent);

/* Asks a yes or no question on the terminal; true without asking when there is nobody to ask. */
bool term_confirm(struct term *t, const char *question);
/* Reads a secret: from the terminal without echo, else the first line of the input. Caller wipes and frees
 * *ret. */
int term_secret(struct term *t, const char *prompt, char **ret, struct err *e) WARN_UNUSED;
/* The same, but without a terminal all of the input counts, at most max bytes, less one newline at its end. */
int term_secret_lines(struct term *t, const char *prompt, size_t max, char **ret, struct err *e) WARN_UNUSED;
/* Reads a line of text; only when the input is a terminal. Caller frees *ret. */
int term_ask(struct term *t, const char *prompt, char **ret, struct err *e) WARN_UNUSED;

/* "8.4 s", "2 min 5 s", "1 h 3 min" */
char *term_duration(int64_t ms);
/* "28 min", "2 d": how long ago */
char *term_age(int64_t then_ms, int64_t now_ms);
/* "1,440" */
char *term_number(int64_t n);
/* Thousandths without needless zeros: "1", "0.25" */
char *term_milli(int64_t n);
/* "12.3 MB" */
char *term_bytes(int64_t n);
/* "2026-11-24 04:05:06" in the local zone */
char *term_time(int64_t wall_ms);
