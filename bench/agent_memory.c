/*
 * How much memory an idle agent takes: conpaas-agent as first process of name spaces of its own, enrolled, its
 * document applied, its manager's long poll open, no engine running.  A figure of a build without sanitizers.
 */
#include "unit/cm.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "conform/agent_world.h"

#define LIMIT_KB 5120
#define SETTLE_BEATS 3 /* the agent gives memory back after each */
#define SAMPLE_MS 250

static int samples = 80;

static const char *const figures[] = {"VmRSS:", "RssAnon:", "RssFile:", "VmHWM:", "VmSize:", "Threads:"};

struct range {
    long least, most, last;
};

static void pause_ms(int ms)
{
    const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&ts, NULL);
}

/* Takes what /proc says of the process into the ranges. */
static void sample(pid_t pid, struct range *ranges)
{
    char line[256];
    _cleanup_free_ char *path = str_printf("/proc/%d/status", (int)pid);
    _cleanup_(fclosep) FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f)) {
        for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
            if (str_starts(line, figures[i])) {
                long n = strtol(line + strlen(figures[i]), NULL, 10);
                ranges[i].least = !ranges[i].most || n < ranges[i].least ? n : ranges[i].least;
                ranges[i].most = n > ranges[i].most ? n : ranges[i].most;
                ranges[i].last = n;
            }
        }
    }
}

static bool applied(struct agent_world *w)
{
    _cleanup_json_ json_t *r = agent_world_report(w);
    return json_int(json_object_get(r, "done"), "seq", 0) == 1 && !json_flag(r, "busy", true);
}

static int beats_of(struct agent_world *w)
{
    pthread_mutex_lock(&w->lock);
    int n = w->beats;
    pthread_mutex_unlock(&w->lock);
    return n;
}

/* Until the agent has applied its document and is idle. */
static void settle(struct agent_world *w)
{
    int64_t end = clock_mono_ms() + 60000;
    int first = -1;
    while (first < 0 || beats_of(w) < first + SETTLE_BEATS) {
        if (clock_mono_ms() > end || waitpid(w->pid, NULL, WNOHANG) != 0) {
            fail_msg("the agent does not come to rest");
        }
        first = first < 0 && applied(w) ? beats_of(w) : first;
        pause_ms(50);
    }
}

static void idle_agent(void **state)
{
    struct agent_world w;
    struct range ranges[ARRAY_LEN(figures)] = {0};
    agent_world_init(&w, getenv("CONPAAS_AGENT"));
    agent_world_give(&w, json_pack("{s:i, s:i, s:i, s:{}, s:{}, s:[], s:n, s:[], s:[]}", "epoch", 5, "seq", 1,
                                   "service", 3, "core", "roles", "artifacts", "probe", "cmds", "allow"));
    agent_world_start(&w);
    settle(&w);
    for (int i = 0; i < samples; i++) {
        sample(w.pid, ranges);
        pause_ms(SAMPLE_MS);
    }
    printf("idle agent, %d samples in %d s\n", samples, samples * SAMPLE_MS / 1000);
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        printf("  %-10s %6ld to %6ld%s\n", figures[i], ranges[i].least, ranges[i].most,
               str_eq(figures[i], "Threads:") ? "" : " kB");
    }
    printf("  %s the limit of %d kB resident\n", ranges[0].most < LIMIT_KB ? "below" : "ABOVE", LIMIT_KB);
    (void)agent_world_stop(&w, SIGKILL);
    agent_world_done(&w);
    assert_true(ranges[0].least > 0 && ranges[0].most < LIMIT_KB);
}

int main(int argc, char **argv)
{
    samples = argc > 1 ? (int)strtol(argv[1], NULL, 10) : samples;
    if (samples < 1 || geteuid() != 0 || !getenv("CONPAAS_AGENT") || !agent_world_enter()) {
        fprintf(stderr, "needs root, name spaces and CONPAAS_AGENT: sudo make bench\n");
        return 77;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(idle_agent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
