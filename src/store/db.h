/*
 * One SQLite connection: the only place that talks to the library.  SQL is always static text with bound
 * parameters; prepared statements are kept by the address of their text.  Used inside src/store only.
 */
#pragma once

#include <sqlite3.h>

#include "base/json.h"

#define DB_CACHE 256

struct db {
    sqlite3 *h;
    int n;
    struct {
        const char *sql;
        sqlite3_stmt *stmt;
        bool busy;
    } cache[DB_CACHE];
};

int db_open(struct db *db, const char *path, bool read_only, struct err *e) WARN_UNUSED;
void db_close(struct db *db);
/* The last failure of the connection as an error; returns its code. */
int db_error(struct db *db, int rc, const char *what, struct err *e);

/*
 * kinds says how the arguments are bound: 'i' int64_t, 's' const char * (NULL becomes NULL), 'j' const json_t
 * * (its canonical text).  exec runs a statement without rows and returns the number of changed rows; a
 * broken unique constraint is ERR_EXISTS.
 */
int db_exec(struct db *db, struct err *e, const char *sql, const char *kinds, ...);
/* Calls row for each row until it returns non-zero; returns the number of rows seen, or a negative code. */
typedef int (*db_row)(void *arg, sqlite3_stmt *row);
int db_query(struct db *db, struct err *e, db_row row, void *arg, const char *sql, const char *kinds, ...);
/* One integer of one row: 1 and *ret, or 0 when there is no row. */
int db_int(struct db *db, struct err *e, int64_t *ret, const char *sql, const char *kinds, ...);
/* Several statements without parameters or rows (migrations, pragmas). */
int db_script(struct db *db, const char *sql, struct err *e) WARN_UNUSED;

/* Columns: text is "" for NULL; dup gives NULL for NULL. */
const char *db_text(sqlite3_stmt *row, int col);
char *db_dup(sqlite3_stmt *row, int col);
void db_copy(sqlite3_stmt *row, int col, char *dst, size_t size);
/* The JSON of a column; NULL when it is no JSON (a damaged row). Caller owns it. */
json_t *db_json(sqlite3_stmt *row, int col);
#define DB_INT(row, col) ((int64_t)sqlite3_column_int64(row, col))
