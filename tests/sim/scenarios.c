/*
 * Runs scenarios: clean, where each has to pass, and with its planted bugs, where it has to fail.
 */
#include <stdio.h>
#include <string.h>

#include "script.h"

static const struct scenario *const themes[] = {scen_entries, scen_order,    scen_data,
                                                scen_manager, scen_director, scen_volumes};

/* ---- one run ---- */

static void add_services(struct world *w, const struct scenario *sc)
{
    char types[64];
    (void)str_copy(types, sizeof types, sc->services);
    char *rest = types;
    for (char *name = NULL; (name = strsep(&rest, " ")) != NULL;) {
        int k = w->db.n;
        world_add(w, sim_type(name));
        struct service *s = &w->db.s[k];
        memcpy(s->want.counts, sc->counts[k], sizeof s->want.counts);
        memcpy(s->good.counts, sc->counts[k], sizeof s->good.counts);
    }
}

/* Until everything runs and has been quiet for a moment. */
static void settle(struct world *w)
{
    RUN(w, 1);
    for (int k = 0; k < w->db.n; k++) {
        EXPECT(w, user_run(w, k, RUN_RUNNING) == 0);
    }
    UNTIL(w, 900, unconverged(w) == NULL);
    RUN(w, 30);
    EXPECT(w, unconverged(w) == NULL);
}

/* bug: -1 = none. Returns whether something was violated. */
static bool run(struct world *w, const struct scenario *sc, int bug, int seed, bool trace, char why[256])
{
    world_init(w, (uint64_t)seed, trace);
    script_init(w);
    add_services(w, sc);
    if (sc->credit) {
        w->pf.credit = sc->credit;
    }
    world_start(w);
    if (!sc->stopped) {
        settle(w);
    }
    planted_bug = bug;
    if (!w->violation[0]) {
        SAY(w, "---- %s", sc->name);
        sc->play(w);
        SAY(w, "---- it is over: everything has to converge");
    }
    script_done(w);
    w->boot_ms = w->n_cloud_says = 0;
    cuts_end(w);
    w->faults_over = true;
    w->faults_end = w->now;
    world_run(w);
    planted_bug = -1;
    bool violated = w->violation[0] != '\0';
    (void)str_copy(why, 256, w->violation);
    world_done(w);
    return violated;
}

/* ---- all runs of a scenario ---- */

static int run_clean(struct world *w, const struct scenario *sc, int start, int seeds, bool trace)
{
    char why[256];
    for (int seed = start; seed < start + seeds; seed++) {
        if (run(w, sc, -1, seed, trace && seed == start, why)) {
            printf("FAILED     %-26s seed %d: %s\n", sc->name, seed, why);
            return 1;
        }
    }
    printf("ok         %-26s %s: %s\n", sc->name, sc->rule, sc->hole);
    return 0;
}

static int run_planted(struct world *w, const struct scenario *sc, int bug, int start, int seeds, bool trace)
{
    char why[256] = "", first[256] = "";
    for (int seed = start; seed < start + seeds; seed++) {
        if (!run(w, sc, bug, seed, trace && seed == start, why)) {
            printf("NOT CAUGHT %-26s seed %d: %s\n", sc->name, seed, bugs[bug].name);
            return 1;
        }
        (void)str_copy(first, sizeof first, seed == start ? why : first);
    }
    printf("caught     %-26s %s: %s\n", sc->name, bugs[bug].name, first);
    return 0;
}

static int run_scenario(struct world *w, const struct scenario *sc, const char *bug, int start, int seeds,
                        bool trace)
{
    int wrong = bug ? 0 : run_clean(w, sc, start, seeds, trace);
    for (size_t i = 0; i < ARRAY_LEN(sc->bugs) && sc->bugs[i]; i++) {
        int b = sc->bugs[i] - 1;
        if (!bug || str_eq(bug, bugs[b].name)) {
            wrong += run_planted(w, sc, b, start, seeds, trace && bug);
        }
    }
    (void)fflush(stdout);
    return wrong;
}

/* Every mistake of engine/bug.h has a scenario that is to catch it. */
static int check_bugs(void)
{
    int wrong = 0;
    for (int b = 0; b < BUG_MAX; b++) {
        bool found = false;
        for (size_t t = 0; t < ARRAY_LEN(themes); t++) {
            for (const struct scenario *sc = themes[t]; sc->name; sc++) {
                for (size_t i = 0; i < ARRAY_LEN(sc->bugs); i++) {
                    found = found || sc->bugs[i] == b + 1;
                }
            }
        }
        if (!found) {
            printf("NO SCENARIO for %s: %s\n", bugs[b].name, bugs[b].what);
            wrong++;
        }
    }
    return wrong;
}

int scenarios_run(const char *name, const char *bug, int start, int seeds, bool trace)
{
    struct world *w = xmalloc(sizeof *w);
    int wrong = 0, n = 0;
    for (size_t t = 0; t < ARRAY_LEN(themes); t++) {
        for (const struct scenario *sc = themes[t]; sc->name; sc++) {
            if (str_eq(name, "all") || str_eq(name, sc->name)) {
                wrong += run_scenario(w, sc, bug, start, seeds, trace);
                n++;
            }
        }
    }
    if (str_eq(name, "all") && !bug) {
        wrong += check_bugs();
    }
    printf("%d scenarios, %d runs went wrong\n", n, wrong);
    free(w);
    return n == 0 ? -1 : wrong;
}

void scenarios_list(void)
{
    for (size_t t = 0; t < ARRAY_LEN(themes); t++) {
        for (const struct scenario *sc = themes[t]; sc->name; sc++) {
            printf("%-26s %-8s %-14s %s\n", sc->name, sc->services, sc->rule, sc->hole);
            for (size_t i = 0; i < ARRAY_LEN(sc->bugs) && sc->bugs[i]; i++) {
                printf("%26s catches %s: %s\n", "", bugs[sc->bugs[i] - 1].name, bugs[sc->bugs[i] - 1].what);
            }
        }
    }
}
