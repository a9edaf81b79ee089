/*
 * What must not happen twice (K rules): an entry for each command, on disk before its script starts.
 *
 * After a crash of the agent or the node an entry that says RUNNING becomes STOPPED -1: it is never run
 * again, unless its type allows that.
 */
#pragma once

#include "base/json.h"
#include "model/report.h"

#define JOURNAL_MAX 64 /* entries kept; the oldest that has ended goes first */

struct journal;
int journal_open(const char *path, struct journal **ret, struct err *e) WARN_UNUSED;
void journal_close(struct journal *j);

/* CMD_NONE for an unknown id. */
enum cmd_state journal_state(struct journal *j, const char *id, int *ret_rc);
/* Durable when it returns 0. An id that is there already: ERR_EXISTS. state: CMD_RUNNING or CMD_REFUSED. */
int journal_begin(struct journal *j, const char *id, const char *kind, enum cmd_state state,
                  struct err *e) WARN_UNUSED;
/* Of one that has begun: after a crash it may be begun again. Durable when it returns 0. */
int journal_allow_again(struct journal *j, const char *id, struct err *e) WARN_UNUSED;
/* text: what came of it; NULL = nothing to say. */
int journal_end(struct journal *j, const char *id, int rc, const char *text, struct err *e) WARN_UNUSED;
/* As in a report, at most CMDS_MAX: [{id, state, rc, text}]: of the document's commands ([{id, ...}] or NULL) those
 * that are known, then the newest. Caller owns. */
json_t *journal_report(struct journal *j, const json_t *commands);
/* The last command of each kind that has begun: {KIND: {id, state, rc}}. Caller owns. */
json_t *journal_kinds(struct journal *j);
