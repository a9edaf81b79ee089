/*
 * Planted bugs: each mistake of engine/bug.h is switched on in turn, and seeds are run until an invariant catches it.
 * This judges the invariants, not the planner.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

const struct bug_text bugs[BUG_MAX] = {
#define X(sym, text) {#sym, text},
    BUG_TABLE(X)
#undef X
};

/* The first seed that catches it, 0 = none; why says what was violated. */
static int64_t catch_bug(struct world *w, int max_seeds, char *why, size_t size)
{
    int64_t caught = 0;
    for (int64_t seed = 1; seed <= max_seeds && !caught; seed++) {
        world_init(w, (uint64_t)seed, false);
        world_add_random(w, NULL);
        profile_random(w);
        world_start(w);
        world_run(w);
        if (w->violation[0]) {
            caught = seed;
            (void)str_copy(why, size, w->violation);
        }
        world_done(w);
    }
    return caught;
}

int bugs_run(const char *name, int max_seeds)
{
    struct world *w = xmalloc(sizeof *w);
    int caught = 0;
    for (int b = 0; b < BUG_MAX; b++) {
        char why[256] = "";
        if (name && !str_eq(name, bugs[b].name)) {
            continue;
        }
        planted_bug = b;
        int64_t seed = catch_bug(w, max_seeds, why, sizeof why);
        planted_bug = -1;
        caught += seed > 0;
        if (seed > 0) {
            printf("caught     %-18s by seed %lld: %s\n", bugs[b].name, (long long)seed, why);
        } else {
            printf("not caught %-18s in %d seeds: %s\n", bugs[b].name, max_seeds, bugs[b].what);
        }
        (void)fflush(stdout);
    }
    free(w);
    return caught;
}
