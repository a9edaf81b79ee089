/*
 * conpaas-sim: runs seeds, scenarios and planted bugs.
 */
#include <getopt.h>
#include <string.h>

#include "script.h"

int planted_bug = -1; /* see engine/bug.h */

static struct {
    int64_t seeds, start, seed, bug_seeds, at_least;
    const char *type, *bug, *scenario;
    bool one, bugs, list;
} arg = {.start = 1, .bug_seeds = 400, .at_least = 1};

static const char *const usage =
    "usage: conpaas-sim [--seeds N] [--start S] [--type php|java|mysql|generic|quorum|drain|script|vault]\n"
    "       conpaas-sim --seed N [--type T]      one seed, with a trace\n"
    "       conpaas-sim --scenarios              lists the scripted worlds: what each is about, what it catches\n"
    "       conpaas-sim --scenario NAME|all [--start S] [--seeds N] [--bug BUG]\n"
    "                                            runs it clean, where it has to pass, and with each of its mistakes\n"
    "                                            planted, where it has to fail; with a trace of the first run unless all.\n"
    "                                            With --bug only that planted run. N: 3\n"
    "       conpaas-sim --bugs [--bug BUG] [--bug-seeds N] [--at-least N]\n"
    "                                            plants each mistake and says which seed catches it;\n"
    "                                            fails when fewer than N are caught\n";

static int64_t number(const char *s)
{
    int64_t v = 0;
    if (str_to_int(s, 0, INT64_MAX / 2, &v) < 0) {
        fputs(usage, stderr);
        exit(2);
    }
    return v;
}

static void read_args(int argc, char **argv)
{
    enum { SEEDS = 1, START, TYPE, SEED, AT_LEAST, BUGS, BUG, BUG_SEEDS, SCENARIO, SCENARIOS };
    static const struct option options[] = {
        {"seeds", required_argument, NULL, SEEDS},
        {"start", required_argument, NULL, START},
        {"type", required_argument, NULL, TYPE},
        {"seed", required_argument, NULL, SEED},
        {"at-least", required_argument, NULL, AT_LEAST},
        {"bugs", no_argument, NULL, BUGS},
        {"bug", required_argument, NULL, BUG},
        {"bug-seeds", required_argument, NULL, BUG_SEEDS},
        {"scenario", required_argument, NULL, SCENARIO},
        {"scenarios", no_argument, NULL, SCENARIOS},
        {0},
    };
    int o = 0;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case SEEDS:
            arg.seeds = number(optarg);
            break;
        case START:
            arg.start = number(optarg);
            break;
        case TYPE:
            arg.type = optarg;
            break;
        case SEED:
            arg.seed = number(optarg);
            arg.one = true;
            break;
        case AT_LEAST:
            arg.at_least = number(optarg);
            break;
        case BUGS:
            arg.bugs = true;
            break;
        case BUG:
            arg.bug = optarg;
            break;
        case SCENARIO:
            arg.scenario = optarg;
            break;
        case SCENARIOS:
            arg.list = true;
            break;
        case BUG_SEEDS:
            arg.bug_seeds = number(optarg);
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind < argc || (arg.type && !sim_type(arg.type))) {
        fputs(usage, stderr);
        exit(2);
    }
}

static void print_world(const struct world *w)
{
    printf(
        "%lld events, %lld plans, %lld documents, %d machines, %lld managers, operations %lld done %lld failed %lld "
        "cancelled, %lld calls refused\n",
        (long long)w->events, (long long)w->plans, (long long)w->docs, w->n_vms, (long long)w->managers,
        (long long)w->ops_done, (long long)w->ops_failed, (long long)w->ops_cancelled,
        (long long)w->refused_calls);
}

static bool print_results(const char *calls, const int64_t seen[CLOUD_RESULTS])
{
    bool all = true;
    printf("%s:", calls);
#define X(sym, value, word, what)                                                                            \
    printf(" %s %lld,", word, (long long)seen[CLOUD_INDEX(sym)]);                                            \
    all = all && seen[CLOUD_INDEX(sym)] > 0;
    CLOUD_RESULT_TABLE(X)
#undef X
    printf("\n");
    return all;
}

/* What has happened; false: something never did. */
static bool print_seen(const struct world *w)
{
    static const char *const what[SEEN_MAX] = {
#define X(sym, text) text,
        SEEN_TABLE(X)
#undef X
    };
    bool all = true;
    for (int i = 0; i < SEEN_MAX; i++) {
        printf("%s%s %lld", i ? ", " : "", what[i], (long long)w->seen[i]);
        all = all && w->seen[i] > 0;
    }
    printf("\n");
    all = print_results("creates", w->seen_create) && all;
    return print_results("other cloud calls", w->seen_other) && all;
}

/* What is there at the end of a traced run. */
static void print_nodes(struct world *w)
{
    for (int i = 1; i <= w->n_vms; i++) {
        const struct vm *v = w->vm[i];
        if (!v->exists) {
            continue;
        }
        const struct rec *r = rec_find(w, v->node);
        printf("machine %d node %lld service %d %s%s%s manager %d health", i, (long long)v->node, v->svc,
               r ? node_status_to_str(r->status) : "?", v->run ? "" : " off", v->hung ? " hangs" : "",
               v->manager);
        for (int k = 0; k < ROLES_MAX; k++) {
            printf(" %s", health_to_str(v->health[k]));
        }
        const struct mgr *m = w->mgr[i];
        printf("%s", m ? m->dead    ? " (manager, dead)"
                         : m->ready ? " (manager)"
                                    : " (manager, starting)"
                       : "");
        printf("%s position %lld\n", v->busy ? " busy" : "", (long long)v->position);
    }
    for (int k = 0; k < w->db.n; k++) {
        const struct service *s = &w->db.s[k];
        printf("service %d %s %s entries %lld primary %lld cluster %lld fails %d %s\n", k, s->type->name,
               service_state_to_str(s->state), (long long)s->facts[FACT_ENTRIES].v.ids.n,
               (long long)s->facts[FACT_PRIMARY].v.node, (long long)s->facts[FACT_CLUSTER].v.state, s->fails,
               s->error_why);
    }
}

static int run_one(void)
{
    struct world *w = xmalloc(sizeof *w);
    world_init(w, (uint64_t)arg.seed, true);
    world_add_random(w, arg.type);
    profile_random(w);
    world_start(w);
    world_run(w);
    print_nodes(w);
    print_world(w);
    int failed = w->violation[0] != '\0';
    printf("seed %lld: %s\n", (long long)arg.seed, failed ? w->violation : "ok");
    world_done(w);
    free(w);
    return failed;
}

static void add_seen(struct world *sum, const struct world *w)
{
    for (int i = 0; i < SEEN_MAX; i++) {
        sum->seen[i] += w->seen[i];
    }
    for (int i = 0; i < CLOUD_RESULTS; i++) {
        sum->seen_create[i] += w->seen_create[i];
        sum->seen_other[i] += w->seen_other[i];
    }
}

static int run_seeds(void)
{
    struct world *w = xmalloc(sizeof *w), *sum = xcalloc(1, sizeof *sum);
    int failed = 0;
    int64_t hours = 0;
    for (int64_t i = arg.start; i < arg.start + arg.seeds; i++) {
        world_init(w, (uint64_t)i, false);
        world_add_random(w, arg.type);
        profile_random(w);
        world_start(w);
        world_run(w);
        if (w->violation[0]) {
            failed++;
            printf("seed %lld: %s\n", (long long)i, w->violation);
            (void)fflush(stdout);
        }
        sum->events += w->events;
        sum->plans += w->plans;
        sum->docs += w->docs;
        sum->n_vms += w->n_vms;
        sum->managers += w->managers;
        sum->ops_done += w->ops_done;
        sum->ops_failed += w->ops_failed;
        sum->ops_cancelled += w->ops_cancelled;
        sum->refused_calls += w->refused_calls;
        add_seen(sum, w);
        hours += w->now;
        world_done(w);
    }
    printf("%lld seeds, %d with a violation, %.1f virtual hours\n", (long long)arg.seeds, failed,
           (double)hours / (double)HOUR_MS);
    print_world(sum);
    bool poor = !print_seen(sum) && arg.seeds >= 400;
    if (poor) {
        printf("some of this never happened: these seeds prove less than they should\n");
    }
    free(w);
    free(sum);
    return failed != 0 || poor;
}

static int run_scenarios(void)
{
    bool all = str_eq(arg.scenario, "all");
    int wrong = scenarios_run(arg.scenario, arg.bug, (int)arg.start, arg.seeds ? (int)arg.seeds : 3, !all);
    if (wrong < 0) {
        (void)fprintf(stderr, "no scenario %s%s%s; --scenarios lists them\n", arg.scenario,
                      arg.bug ? " with bug " : "", arg.bug ? arg.bug : "");
        return 2;
    }
    return wrong > 0;
}

int main(int argc, char **argv)
{
    read_args(argc, argv);
    if (arg.list) {
        scenarios_list();
        return 0;
    }
    if (arg.scenario) {
        return run_scenarios();
    }
    if (arg.bugs || arg.bug) {
        int caught = bugs_run(arg.bug, (int)arg.bug_seeds);
        printf("%d caught\n", caught);
        return caught < arg.at_least;
    }
    arg.seeds = arg.seeds ? arg.seeds : 100;
    return arg.one ? run_one() : run_seeds();
}
