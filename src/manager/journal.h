/*
 * The manager's log: each line goes to manager.log and into a bounded queue that the reporter ships to the
 * director.  When the director is away for long, the oldest lines are dropped and the gap is said.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/json.h"
#include "base/log.h"

#define JOURNAL_MAX 1000
#define JOURNAL_BATCH 200

struct journal_line {
    int64_t service, time_ms;
    enum log_level level;
    char *line;
};
struct journal {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct journal_line lines[JOURNAL_MAX];
    int first, n;
    int64_t dropped;
    int64_t taken; /* lines given out by journal_take and not yet settled */
};

void journal_init(struct journal *j);
void journal_done(struct journal *j);
/* service 0: about the application. logger as in the log file. */
void journal_add(struct journal *j, enum log_level level, int64_t service, const char *logger,
                 const char *fmt, ...) PRINTF_LIKE(5, 6);
/* The oldest lines (at most JOURNAL_BATCH) as a JSON array for `report`; they stay until journal_settle. */
json_t *journal_take(struct journal *j);
/* The lines taken last have arrived (true) or are to be sent again (false). */
void journal_settle(struct journal *j, bool arrived);
bool journal_empty(struct journal *j);
