/*
 * What the conformance tests of role drivers share: ports, waiting, loads that may not fail, namespaces.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/engine.h"
#include "base/clock.h"
#include "role_http.h"

#define WAIT_FOR_MS(condition, ms)                                                                           \
    do {                                                                                                     \
        int64_t wait_end_ = clock_mono_ms() + (ms);                                                          \
        while (!(condition)) {                                                                               \
            if (clock_mono_ms() > wait_end_) {                                                               \
                fail_msg("not in time: %s", #condition);                                                     \
            }                                                                                                \
            struct timespec pause_ = {.tv_nsec = 20000000};                                                  \
            nanosleep(&pause_, NULL);                                                                        \
        }                                                                                                    \
    } while (0)
#define WAIT_FOR(condition) WAIT_FOR_MS(condition, 20000)

int free_port(void);
/* {"id", "address", "port"} of an engine on loopback. */
json_t *target(int id, int port);
/* Configures and switches; the section is taken over. ret may be NULL. */
int apply_to(struct engine *g, json_t *section, enum role_change *ret, struct err *e);
struct engine_status engine_now(struct engine *g);
/* Waits until the load has made so many more requests. */
void breathe(struct load *l, long requests);
/* Stops the load; one failed request fails the test. */
void no_failures(struct load *l, const char *what);
struct expectation {
    const char *method, *target, *headers, *body;
    int status;
    const char *contains, *location;
};
/* Each is asked for at that port and answered so. */
void expect_at(int port, const struct expectation *x, size_t n);
/* Process and mount namespaces of our own: whatever becomes of a test, its engines end with it. 77 = skipped. */
int within_namespace(int (*f)(int, char **), int argc, char **argv);
/* What of these files is missing, said; 77 then, or when we are not root, else 0. */
int need_engines(const char *const *files);
