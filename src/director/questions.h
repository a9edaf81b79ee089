/*
 * Questions of users that nodes answer (the tail of a log): director -> manager -> agent and back.  And the
 * lines that managers report, kept per service.
 */
#pragma once

#include "director/world.h"
#include "net/http_server.h"

/* Waits for the answer at most 10 s: ERR_UNAVAILABLE then. The slot is locked, and unlocked while it waits.
 * On success q->text is the caller's. */
int questions_ask(struct director *d, struct slot *s, struct question *q, const struct http_request *req,
                  struct err *e) WARN_UNUSED;
/* Those that the manager of this epoch has not got yet; they count as given. Slot is locked. */
json_t *questions_give(struct slot *s, int64_t epoch);
bool questions_waiting(const struct slot *s, int64_t epoch);
/* text or error, both borrowed. Unknown ids are ignored. */
void questions_answer(struct slot *s, int64_t id, const char *text, const char *error);

/* Appends lines [{service, time, level, line}] of a report. Slot is locked. */
void questions_keep_lines(struct director *d, struct slot *s, const json_t *lines);
/* The service is gone. */
void questions_forget_lines(const struct director *d, int64_t service);
/* Caller frees. */
char *questions_log_path(const struct director *d, int64_t service);
