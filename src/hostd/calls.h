/*
 * The calls of the socket: one JSON object in, one out.  A call is a row of the table in calls.c.
 */
#pragma once

#include "hostd/nodes.h"

#define CALLS_LINE_MAX 65536

/* Answers one line (without its newline); never fails: a bad line gets an error object. Caller frees the
 * answer, which has no newline. */
char *calls_answer(struct hostd *h, const char *line, size_t len);
/* The answer for an error: {"error": {"code": CLOUD RESULT WORD, "message": TEXT}}. */
char *calls_error(int code, const char *message);
