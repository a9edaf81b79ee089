/*
 * A director made of the call table, for tests of the command line: plain HTTP on the loopback, one service,
 * canned answers that are checked against the objects of the interface, operations that go on only while
 * somebody listens.
 */
#pragma once

#include "api/calls.h"
#include "base/json.h"

#define FAKE_NOW 1790000000000LL /* its clock stands still: 2026-09-21 14:13:20 UTC */
#define FAKE_TOKEN "tok-0123456789"

/* Why an operation fails, as long as directors write it. */
#define FAKE_WHY                                                                                             \
    "node 14 did not come up: cloud local has no memory left (61 MB free, 256 MB needed by a small "         \
    "node); node 13 had failed before, so it is not tried again"

struct fake_director;
struct fake_director *fake_director_new(void);
/* With TLS: a new authority of its own, a certificate for director.INSTALLATION, on this port (0: any free one). */
struct fake_director *fake_director_new_tls(const char *installation, int port);
const char *fake_director_ca(const struct fake_director *f);
void fake_director_free(struct fake_director *f);
int fake_director_port(const struct fake_director *f);

/* Streams stay silent and open, operations do not go on, until the director restarts. */
void fake_director_freeze(struct fake_director *f, bool on);
/* Stops answering and starts again on the same port, with the same authority. */
void fake_director_restart(struct fake_director *f);
/* The next operation ends FAILED. */
void fake_director_fail_next(struct fake_director *f);
/* Operations tell no steps; the stream tells lines of history instead. */
void fake_director_tell_history(struct fake_director *f);
/* Once its service is deleted the application is still there, on its way out, for so many looks at it; with -1 it
 * stays. Without this it goes with the service. */
void fake_director_app_lingers(struct fake_director *f, int looks);
bool fake_director_app_is_gone(struct fake_director *f);
/* The service's state and, for ERROR, why. */
void fake_director_set_state(struct fake_director *f, const char *state);
/* Lists hold a second service of the same name in another application. */
void fake_director_two_services(struct fake_director *f, bool on);
/* Answers to `id` become this text instead of the canned one; NULL again takes it away. */
void fake_director_answer(struct fake_director *f, const char *id, const char *json);
/* The last request of this call as "METHOD PATH?QUERY BODY"; NULL when there was none. Caller frees. */
char *fake_director_last(struct fake_director *f, const char *id);
/* How many requests of any kind came. */
int fake_director_count(struct fake_director *f);
