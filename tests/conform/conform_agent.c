/*
 * conpaas-agent as the first process of a node, with real engines: enrolment, documents as a whole or not at
 * all, order of managers, restarts, commands at most once, draining, logs, its size.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "agent_world.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "role_http.h"

#define SERVICE 3

#define WAIT_FOR(condition)                                                                                  \
    do {                                                                                                     \
        int64_t wait_end_ = clock_mono_ms() + 30000;                                                         \
        while (!(condition)) {                                                                               \
            if (clock_mono_ms() > wait_end_) {                                                               \
                _cleanup_json_ json_t *wait_r_ = agent_world_report(w);                                      \
                char *wait_t_ = wait_r_ ? json_dumps(wait_r_, JSON_INDENT(1)) : NULL;                        \
                fail_msg("not in time: %s\n%s", #condition, wait_t_ ? wait_t_ : "no report");                \
            }                                                                                                \
            struct timespec pause_ = {.tv_nsec = 20000000};                                                  \
            nanosleep(&pause_, NULL);                                                                        \
        }                                                                                                    \
    } while (0)

/* ---- documents ---- */

static json_t *web(int port)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:[i]}", "engine", "nginx", "name", "web", "port", port, "service",
                     SERVICE, "versions", 1);
}

static json_t *backend(const char *memory_limit)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:[i], s:{s:s}}", "engine", "php_fpm", "name", "backend", "port",
                     9000, "service", SERVICE, "versions", 1, "settings", "memory_limit", memory_limit);
}

static json_t *target(int port)
{
    return json_pack("{s:i, s:s, s:i}", "id", 1, "address", "127.0.0.1", "port", port);
}

static json_t *proxy(int port)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:[i], s:b, s:{s:[o], s:[o]}, s:i}", "engine", "haproxy",
                     "name", "proxy", "port", port, "service", SERVICE, "route", 1, "versions", 1,
                     "front_controller", 1, "targets", "web", target(8080), "backend", target(9000),
                     "request_timeout_s", 60);
}

static json_t *with(json_t *roles, const char *role, json_t *section, bool drain)
{
    json_object_set_new(roles, role, json_pack("{s:b, s:[o]}", "drain", drain, "engines", section));
    return roles;
}

static json_t *document(int epoch, int seq, json_t *roles, json_t *artifacts)
{
    return json_pack("{s:i, s:i, s:i, s:{s:i}, s:o, s:o, s:n, s:[], s:[{s:i}, {s:i, s:[s]}]}", "epoch", epoch,
                     "seq", seq, "service", SERVICE, "core", "settings", seq, "roles", roles, "artifacts",
                     artifacts, "probe", "cmds", "allow", "port", 8080, "port", 9000, "from", "127.0.0.1");
}

static json_t *version_one(struct agent_world *w)
{
    _cleanup_json_ json_t *files = json_pack(
        "{s:s, s:s, s:s, s:s}", "static.txt", "first\n", "index.php", "<?php echo 'one';", "init.sh",
        "#!/bin/sh\necho begun\nexit 3\n", "run.sh", "#!/bin/sh\necho run\nexec sleep 60\n");
    return agent_world_version(w, 1, files);
}

static json_t *version_broken(struct agent_world *w)
{
    _cleanup_json_ json_t *files = json_pack("{s:s}", "index.php", "<?php nonsense(;");
    return agent_world_version(w, 2, files);
}

/* ---- looking ---- */

static bool done(struct agent_world *w, int epoch, int seq)
{
    _cleanup_json_ json_t *r = agent_world_report(w);
    const json_t *d = json_object_get(r, "done");
    return json_int(d, "epoch", 0) == epoch && json_int(d, "seq", 0) == seq && !json_flag(r, "busy", true);
}

static bool healthy(struct agent_world *w, const char *role)
{
    _cleanup_json_ json_t *r = agent_world_report(w);
    return str_eq(json_str(json_object_get(json_object_get(r, "health"), role), "state", ""), "ok");
}

static int status_of(int port)
{
    struct http_got got;
    (void)http_once(port, "GET", "/static.txt", "X-ConPaaS-Version: 1\r\n", NULL, &got);
    http_got_done(&got);
    return got.status;
}

static json_t *both(void)
{
    return with(with(json_object(), "web", web(8080), false), "backend", backend("64M"), false);
}

/* ---- tests, in this order ---- */

static void test_enrol(void **state)
{
    struct agent_world *w = *state;
    WAIT_FOR(w->reports > 0);
    assert_int_equal(w->enrolments, 1);
    _cleanup_json_ json_t *r = agent_world_report(w);
    assert_int_equal(json_int(r, "boot", 0), 1);
    assert_int_equal(json_object_size(json_object_get(r, "applied")), 0);
}

static void test_apply(void **state)
{
    struct agent_world *w = *state;
    agent_world_give(w, document(5, 1, both(), json_pack("[o]", version_one(w))));
    WAIT_FOR(done(w, 5, 1));
    WAIT_FOR(healthy(w, "web") && healthy(w, "backend"));
    assert_int_equal(status_of(8080), 200);
    _cleanup_json_ json_t *r = agent_world_report(w);
    assert_int_equal(json_int(r, "promised", 0), 5);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(r, "staged"), 0)), 1);
    assert_int_equal(json_int(json_object_get(r, "applied"), "settings", 0), 1);
    assert_null(json_object_get(r, "refused"));
}

static void test_older_manager(void **state)
{
    struct agent_world *w = *state;
    pthread_mutex_lock(&w->lock);
    w->epoch = 4;
    pthread_mutex_unlock(&w->lock);
    agent_world_give(w, document(4, 99, json_object(), json_array()));
    int from = w->reports;
    WAIT_FOR(w->reports > from + 3);
    assert_true(done(w, 5, 1));
    assert_int_equal(status_of(8080), 200);
    /* nor a document that is not of the epoch it comes with */
    pthread_mutex_lock(&w->lock);
    w->epoch = 5;
    pthread_mutex_unlock(&w->lock);
    from = w->reports;
    WAIT_FOR(w->reports > from + 3);
    assert_true(done(w, 5, 1));
}

/* Another port for the web server, and settings that PHP does not take: neither happens. */
static void test_refused_as_a_whole(void **state)
{
    struct agent_world *w = *state;
    json_t *roles = with(with(json_object(), "web", web(8081), false), "backend", backend("much"), false);
    agent_world_give(w, document(5, 2, roles, json_pack("[o]", version_one(w))));
    WAIT_FOR(done(w, 5, 2));
    _cleanup_json_ json_t *r = agent_world_report(w);
    const json_t *refused = json_object_get(r, "refused");
    assert_int_equal(json_int(refused, "seq", 0), 2);
    assert_false(json_flag(refused, "own", true));
    assert_non_null(strstr(json_str(refused, "why", ""), "memory_limit"));
    assert_int_equal(json_int(json_object_get(r, "applied"), "settings", 0), 1);
    assert_int_equal(status_of(8080), 200);
    assert_int_equal(status_of(8081), 0);
    int from = w->reports;
    WAIT_FOR(w->reports > from + 2);
    assert_true(healthy(w, "backend"));
}

static json_t *three(int web_port, int proxy_port)
{
    json_t *roles = with(with(json_object(), "web", web(web_port), false), "backend", backend("64M"), false);
    return with(roles, "proxy", proxy(proxy_port), false);
}

static void test_probe(void **state)
{
    struct agent_world *w = *state;
    json_t *d = document(5, 3, both(), json_pack("[o, o]", version_one(w), version_broken(w)));
    json_object_set_new(d, "probe", json_pack("{s:i, s:i}", "version", 2, "op", 77));
    agent_world_give(w, d);
    WAIT_FOR(({
        _cleanup_json_ json_t *r = agent_world_report(w);
        json_array_size(json_object_get(r, "probes")) == 1;
    }));
    _cleanup_json_ json_t *r = agent_world_report(w);
    const json_t *probe = json_array_get(json_object_get(r, "probes"), 0);
    assert_int_equal(json_int(probe, "op", 0), 77);
    assert_false(json_flag(probe, "ok", true));
    assert_non_null(strstr(json_str(probe, "evidence", ""), "PHP Parse error"));
    assert_int_equal(json_array_size(json_object_get(r, "staged")), 2);
    assert_null(json_object_get(r, "refused"));
}

/* The node goes down hard and comes back while nobody is there to tell it anything. */
static void test_comes_back_alone(void **state)
{
    struct agent_world *w = *state;
    w->manager_down = true;
    (void)agent_world_stop(w, SIGKILL);
    agent_world_start(w);
    WAIT_FOR(status_of(8080) == 200);
    w->manager_down = false;
    WAIT_FOR(({
        _cleanup_json_ json_t *r = agent_world_report(w);
        json_int(r, "boot", 0) == 2;
    }));
    assert_true(done(w, 5, 3));
    WAIT_FOR(healthy(w, "web") && healthy(w, "backend"));
    assert_int_equal(w->enrolments, 1);
}

/* A killed engine is back without anybody's doing. */
static void test_engine_comes_back(void **state)
{
    struct agent_world *w = *state;
    _cleanup_free_ char *path = str_printf("%s/run/web/nginx.pid", w->root);
    _cleanup_buf_ struct buf before = {0};
    struct err e = {0};
    assert_int_equal(fs_read(path, 64, &before, &e), 0);
    char pid[24];
    snprintf(pid, sizeof(pid), "%ld", strtol(before.data, NULL, 10));
    _cleanup_free_ char *enter = str_printf("--target=%d", (int)w->pid);
    const char *const argv[] = {"nsenter", enter, "--pid", "--mount", "kill", "-9", pid, NULL};
    if (proc_run_ok(argv, 10000, &e) < 0) {
        fail_msg("%s", e.message);
    }
    WAIT_FOR(({
        _cleanup_buf_ struct buf now = {0};
        fs_read(path, 64, &now, NULL) == 0 && now.len > 0 && !str_eq(now.data, before.data) &&
            status_of(8080) == 200;
    }));
    WAIT_FOR(healthy(w, "web"));
}

/* Runs a shell command among the processes of the node. */
static void within(struct agent_world *w, const char *command)
{
    struct err e = {0};
    _cleanup_free_ char *enter = str_printf("--target=%d", (int)w->pid);
    const char *const argv[] = {"nsenter", enter, "--pid", "--mount", "sh", "-c", command, NULL};
    if (proc_run_ok(argv, 10000, &e) < 0) {
        fail_msg("%s", e.message);
    }
}

/* Processes of the node that are dead and not waited for. */
static int zombies(struct agent_world *w)
{
    int n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *x = readdir(d); x; x = readdir(d)) {
        _cleanup_free_ char *path = str_printf("/proc/%s/stat", x->d_name);
        _cleanup_buf_ struct buf text = {0};
        if (x->d_name[0] < '0' || x->d_name[0] > '9' || fs_read(path, 4096, &text, NULL) < 0 || !text.data) {
            continue;
        }
        const char *p = strrchr(text.data, ')');
        n += p && str_starts(p, ") Z ") && strtol(p + 4, NULL, 10) == w->pid;
    }
    closedir(d);
    return n;
}

/* The first process waits for whatever ends up with it, and as fast as it comes: an application that leaves
 * processes behind must not use up the numbers of the node. */
static void test_orphans(void **state)
{
    struct agent_world *w = *state;
    within(w, "i=0; while [ $i -lt 100 ]; do (true &); i=$((i + 1)); done");
    assert_true(zombies(w) >= 50);
    WAIT_FOR(zombies(w) == 0);
    assert_true(healthy(w, "web") && healthy(w, "backend"));
}

static bool command_is(struct agent_world *w, const char *id, const char *state, int rc)
{
    _cleanup_json_ json_t *r = agent_world_report(w);
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(r, "cmds"), i, c)
    {
        if (str_eq(json_str(c, "id", ""), id)) {
            return str_eq(json_str(c, "state", ""), state) && (rc < 0 || json_int(c, "rc", -1) == rc);
        }
    }
    return false;
}

static int begun(struct agent_world *w, const char *name)
{
    _cleanup_free_ char *path = str_printf("%s/log/%s", w->root, name);
    _cleanup_buf_ struct buf text = {0};
    int n = 0;
    (void)!fs_read(path, 65536, &text, NULL);
    for (const char *p = text.data; p && (p = strchr(p, '\n')); p++) {
        n++;
    }
    return n;
}

static json_t *team(int64_t version)
{
    return json_pack("{s:i, s:s, s:s, s:s, s:I, s:[{s:i, s:s, s:s}, {s:i, s:s, s:s}]}", "id", 9, "ip",
                     "10.9.0.9", "role", "node", "master", "10.9.0.8", "version", (json_int_t)version,
                     "agents", "id", 8, "ip", "10.9.0.8", "role", "master", "id", 9, "ip", "10.9.0.9", "role",
                     "node");
}

static json_t *of_version(json_t *d, int64_t version, json_t *commands)
{
    json_object_set_new(d, "cmds", commands);
    json_object_set_new(d, "team", team(version));
    return d;
}

static json_t *with_commands(json_t *d, json_t *commands)
{
    return of_version(d, 1, commands);
}

static json_t *command(const char *id, const char *kind, const char *rule)
{
    return json_pack("{s:s, s:s, s:s, s:n, s:s, s:b}", "id", id, "kind", kind, "parameters", "", "driver",
                     "rule", rule, "again", 0);
}

static void test_commands(void **state)
{
    struct agent_world *w = *state;
    json_t *init = json_pack("[o]", command("init:1", "init", "alone"));
    agent_world_give(w, with_commands(document(5, 4, both(), json_pack("[o]", version_one(w))), init));
    WAIT_FOR(command_is(w, "init:1", "STOPPED", 3));
    assert_int_equal(begun(w, "script-init.log"), 1);
    /* the same again, and one that lasts */
    json_t *more =
        json_pack("[o, o]", command("init:1", "init", "alone"), command("run#1", "run", "exclusive"));
    agent_world_give(w, with_commands(document(5, 5, both(), json_pack("[o]", version_one(w))), more));
    WAIT_FOR(command_is(w, "run#1", "RUNNING", -1));
    json_t *second = json_pack("[o]", command("run#2", "run", "exclusive"));
    agent_world_give(w, with_commands(document(5, 6, both(), json_pack("[o]", version_one(w))), second));
    WAIT_FOR(command_is(w, "run#2", "REFUSED", -1));
    assert_int_equal(begun(w, "script-init.log"), 1);
    /* a crash of the node: never again */
    (void)agent_world_stop(w, SIGKILL);
    agent_world_start(w);
    WAIT_FOR(command_is(w, "run#1", "STOPPED", -1));
    json_t *again =
        json_pack("[o, o]", command("run#1", "run", "exclusive"), command("run#3", "run", "exclusive"));
    agent_world_give(w, with_commands(document(5, 7, both(), json_pack("[o]", version_one(w))), again));
    WAIT_FOR(command_is(w, "run#3", "RUNNING", -1));
    assert_int_equal(begun(w, "script-run.log"), 2);
    json_t *stop = json_pack("[o]", command("interrupt#4", "interrupt", "interrupts"));
    agent_world_give(w, with_commands(document(5, 8, both(), json_pack("[o]", version_one(w))), stop));
    WAIT_FOR(command_is(w, "run#3", "STOPPED", 128 + SIGTERM));
}

/* ---- scripts ---- */

static json_t *version_scripts(struct agent_world *w, int version)
{
    _cleanup_free_ char *init = str_printf("#!/bin/sh\necho init %d >>%s/told\n", version, w->root);
    _cleanup_free_ char *run =
        str_printf("#!/bin/bash\n{ pwd; printf '[%%s]' \"$@\"; echo; env | sort; cat \"$AGENTS_FILE\"; } "
                   ">%s/told-by-run\necho out; echo err >&2\n"
                   "[[ ${1:-} != stay ]] || exec sleep 1000\n"
                   "[[ ${1:-} != leave ]] || { setsid sleep 2000 & sleep 2000 & }\n",
                   w->root);
    _cleanup_json_ json_t *files = json_pack("{s:s, s:s, s:s}", "init.sh", init, "run.sh", run,
                                             "interrupt.sh", "#!/bin/sh\nexec sleep ${1:-0}\n");
    return agent_world_version(w, version, files);
}

static bool told(struct agent_world *w, const char *file, const char *what)
{
    _cleanup_free_ char *path = str_printf("%s/%s", w->root, file);
    _cleanup_buf_ struct buf text = {0};
    return fs_read(path, 65536, &text, NULL) == 0 && text.data && strstr(text.data, what);
}

static int sleepers(struct agent_world *w)
{
    static const char look[] = "pgrep -c -f '^sleep [12]000'";
    char path[64];
    snprintf(path, sizeof(path), "--target=%d", w->pid);
    const char *const argv[] = {"nsenter", path, "--pid", "--mount", "sh", "-c", look, NULL};
    const struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    _cleanup_buf_ struct buf out = {0};
    int status = 0;
    assert_int_equal(proc_run(&spec, NULL, 5000, 1024, &out, &status, NULL), 0);
    return out.data ? (int)strtol(out.data, NULL, 10) : 0;
}

static json_t *run_with(const char *id, const char *parameters)
{
    json_t *c = command(id, "run", "exclusive");
    json_object_set_new(c, "parameters", json_string(parameters));
    return c;
}

static json_t *interrupt_with(const char *id, const char *parameters)
{
    json_t *c = command(id, "interrupt", "interrupts");
    json_object_set_new(c, "parameters", json_string(parameters));
    return c;
}

static json_t *scripts_document(struct agent_world *w, int seq, int version, json_t *commands)
{
    json_t *d = of_version(
        document(5, 100 + seq, both(), json_pack("[o, o]", version_one(w), version_scripts(w, version))),
        version, commands);
    json_object_set_new(d, "env", json_pack("{s:s, s:s}", "COLOUR", "red", "MY_IP", "stolen"));
    return d;
}

/* What a script is told, and where what it says goes. */
static void test_script_surroundings(void **state)
{
    struct agent_world *w = *state;
    static const char *const words[] = {"\n[run][two][*]\n",
                                        "\nMY_IP=10.9.0.9\n",
                                        "\nMY_ROLE=node\n",
                                        "\nMY_ID=9\n",
                                        "\nMASTER_IP=10.9.0.8\n",
                                        "\nCONPAAS_COMMAND=run#10\n",
                                        "\nHOME=/root\n",
                                        "\nCOLOUR=red\n",
                                        "\nPATH=/usr/local/sbin:",
                                        "\nLANG=C.UTF-8\n",
                                        "[{\"ip\":\"10.9.0.8\",\"role\":\"master\",\"id\":8},"};
    agent_world_give(w, scripts_document(w, 9, 5,
                                         json_pack("[o, o]", command("init:5", "init", "alone"),
                                                   run_with("run#10", " run  two\t*"))));
    WAIT_FOR(command_is(w, "run#10", "STOPPED", 0));
    assert_true(told(w, "told", "init 5\n"));
    assert_true(told(w, "told-by-run", "/root\n"));
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!told(w, "told-by-run", words[i])) {
            fail_msg("the script was not told \"%s\"", words[i]);
        }
    }
    assert_true(told(w, "log/agent.out", "out\n") && told(w, "log/script-run.log", "err\n"));
    assert_false(told(w, "log/agent.out", "err\n"));
    assert_true(told(w, "log/agent.err", "err\n"));
}

/* K4: what is left gets SIGTERM when interrupt.sh is over; a second interrupt meanwhile kills everything. */
static void test_script_interrupts(void **state)
{
    struct agent_world *w = *state;
    agent_world_give(w, scripts_document(w, 10, 5, json_pack("[o]", run_with("run#11", "leave"))));
    WAIT_FOR(command_is(w, "run#11", "STOPPED", 0));
    assert_int_equal(sleepers(w), 2);
    agent_world_give(
        w, scripts_document(w, 11, 5, json_pack("[o]", command("interrupt#12", "interrupt", "interrupts"))));
    WAIT_FOR(command_is(w, "interrupt#12", "STOPPED", 0));
    WAIT_FOR(sleepers(w) == 0);

    agent_world_give(w, scripts_document(w, 12, 5, json_pack("[o]", run_with("run#13", "stay"))));
    WAIT_FOR(command_is(w, "run#13", "RUNNING", -1) && sleepers(w) == 1);
    agent_world_give(w, scripts_document(w, 13, 5, json_pack("[o]", interrupt_with("interrupt#14", "500"))));
    WAIT_FOR(command_is(w, "interrupt#14", "RUNNING", -1));
    assert_true(command_is(w, "run#13", "RUNNING", -1));
    agent_world_give(w, scripts_document(w, 14, 5, json_pack("[o]", interrupt_with("interrupt#15", "500"))));
    WAIT_FOR(command_is(w, "interrupt#15", "STOPPED", 0));
    WAIT_FOR(command_is(w, "run#13", "STOPPED", 128 + SIGKILL));
    WAIT_FOR(command_is(w, "interrupt#14", "STOPPED", 128 + SIGKILL));
    assert_int_equal(sleepers(w), 0);
}

/* A new version begins with nothing of the old one; an old one that is current again, too, without its init. */
static void test_script_versions(void **state)
{
    struct agent_world *w = *state;
    agent_world_give(w, scripts_document(w, 15, 5, json_pack("[o]", run_with("run#16", "leave"))));
    WAIT_FOR(command_is(w, "run#16", "STOPPED", 0));
    agent_world_give(w, scripts_document(w, 16, 5, json_pack("[o]", run_with("run#17", "stay"))));
    WAIT_FOR(command_is(w, "run#17", "RUNNING", -1) && sleepers(w) == 3);
    agent_world_give(w, scripts_document(w, 17, 6, json_pack("[o]", command("init:6", "init", "alone"))));
    WAIT_FOR(command_is(w, "init:6", "STOPPED", 0));
    assert_int_equal(sleepers(w), 0);
    assert_true(command_is(w, "run#17", "STOPPED", 128 + SIGTERM));
    agent_world_give(w, scripts_document(w, 18, 6, json_pack("[o]", run_with("run#18", "leave"))));
    WAIT_FOR(command_is(w, "run#18", "STOPPED", 0));
    agent_world_give(w, scripts_document(w, 19, 5, json_pack("[o]", command("init:5", "init", "alone"))));
    WAIT_FOR(sleepers(w) == 0);
    agent_world_give(w, scripts_document(w, 20, 5, json_pack("[o]", run_with("run#19", "x"))));
    WAIT_FOR(command_is(w, "run#19", "STOPPED", 0));
    assert_true(told(w, "told", "init 5\ninit 6\n"));
    assert_false(told(w, "told", "init 6\ninit 5\n"));
}

static json_t *ask(struct agent_world *w, const char *name)
{
    pthread_mutex_lock(&w->lock);
    json_decref(w->answer);
    w->answer = NULL;
    w->query = json_pack("{s:i, s:s, s:s, s:i}", "id", 1, "kind", "log", "name", name, "lines", 5);
    pthread_cond_broadcast(&w->change);
    pthread_mutex_unlock(&w->lock);
    WAIT_FOR(({
        pthread_mutex_lock(&w->lock);
        bool have = w->answer != NULL;
        pthread_mutex_unlock(&w->lock);
        have;
    }));
    return json_incref(w->answer);
}

static void test_logs(void **state)
{
    struct agent_world *w = *state;
    _cleanup_json_ json_t *good = ask(w, "web-access.log");
    assert_non_null(strstr(json_str(good, "text", ""), "GET /static.txt"));
    static const char *const bad[] = {"../user-data.json", "/etc/passwd", "key.pem", "-access.log", ""};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_json_ json_t *answer = ask(w, bad[i]);
        assert_null(json_object_get(answer, "text"));
        assert_non_null(json_str(answer, "error", NULL));
    }
}

static void test_wrong_artifact(void **state)
{
    struct agent_world *w = *state;
    _cleanup_json_ json_t *files = json_pack("{s:s}", "a.txt", "a\n");
    json_t *artifact = agent_world_version(w, 9, files);
    _cleanup_free_ char *path = str_printf("%s/artifact-9.tar", w->root);
    _cleanup_buf_ struct buf text = {0};
    struct err e = {0};
    assert_int_equal(fs_read(path, 1 << 20, &text, &e), 0);
    text.data[0] ^= 1; /* on the way */
    assert_int_equal(fs_write_atomic(path, text.data, text.len, 0644, &e), 0);
    agent_world_give(w, document(5, 9, both(), json_pack("[o, o]", version_one(w), artifact)));
    WAIT_FOR(done(w, 5, 9));
    _cleanup_json_ json_t *r = agent_world_report(w);
    assert_true(json_flag(json_object_get(r, "refused"), "own", false));
    assert_int_equal(json_array_size(json_object_get(r, "staged")), 1);
    assert_int_equal(status_of(8080), 200);
}

static void test_drain_and_empty(void **state)
{
    struct agent_world *w = *state;
    json_t *roles = with(with(json_object(), "web", web(8080), true), "backend", backend("64M"), false);
    agent_world_give(w, document(5, 10, roles, json_pack("[o]", version_one(w))));
    WAIT_FOR(({
        _cleanup_json_ json_t *r = agent_world_report(w);
        json_t *d = json_object_get(r, "drained");
        json_array_size(d) == 1 && str_eq(json_string_value(json_array_get(d, 0)), "web");
    }));
    agent_world_give(w, document(5, 11, json_object(), json_array()));
    WAIT_FOR(done(w, 5, 11));
    assert_int_equal(status_of(8080), 0);
    _cleanup_json_ json_t *r = agent_world_report(w);
    assert_int_equal(json_array_size(json_object_get(r, "staged")), 0);
    assert_int_equal(json_object_size(json_object_get(r, "health")), 0);
}

/* What one line of smaps_rollup says, in kB. */
static long memory_of(pid_t pid, const char *what)
{
    char line[256];
    _cleanup_free_ char *path = str_printf("/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "re");
    long kb = -1;
    while (f && fgets(line, sizeof(line), f)) {
        if (str_starts(line, what)) {
            kb = strtol(line + strlen(what), NULL, 10);
        }
    }
    if (f) {
        fclose(f);
    }
    return kb;
}

static void test_size(void **state)
{
    struct agent_world *w = *state;
    agent_world_give(w, document(5, 12, both(), json_pack("[o]", version_one(w))));
    WAIT_FOR(done(w, 5, 12));
    WAIT_FOR(healthy(w, "web") && healthy(w, "backend"));
    int beats = w->beats;
    WAIT_FOR(w->beats >= beats + 2);
    long most = 0, least = LONG_MAX;
    for (int i = 0; i < 20; i++) {
        long rss = memory_of(w->pid, "Rss:");
        most = rss > most ? rss : most;
        least = rss < least ? rss : least;
        struct timespec pause = {.tv_nsec = 250000000};
        nanosleep(&pause, NULL);
    }
    print_message("   agent with two engines: rss %ld-%ld kB, pss %ld kB, anonymous %ld kB\n", least, most,
                  memory_of(w->pid, "Pss:"), memory_of(w->pid, "Anonymous:"));
#ifndef __SANITIZE_ADDRESS__
    assert_true(most < 5 * 1024);
#endif
}

/* The proxy, switched last, does not get the port it wants: the web server, switched before, returns to its old one. */
static void test_switched_back(void **state)
{
    struct agent_world *w = *state;
    agent_world_give(w, document(5, 13, three(8080, 8090), json_pack("[o]", version_one(w))));
    WAIT_FOR(done(w, 5, 13) && healthy(w, "proxy"));
    agent_world_give(w, document(5, 14, three(8082, 9000), json_pack("[o]", version_one(w))));
    WAIT_FOR(done(w, 5, 14));
    _cleanup_json_ json_t *r = agent_world_report(w);
    assert_int_equal(json_int(json_object_get(r, "refused"), "seq", 0), 14);
    assert_int_equal(json_int(json_object_get(r, "applied"), "settings", 0), 13);
    WAIT_FOR(status_of(8080) == 200 && status_of(8082) == 0);
    WAIT_FOR(healthy(w, "web") && healthy(w, "backend") && healthy(w, "proxy"));
    agent_world_give(w, document(5, 15, both(), json_pack("[o]", version_one(w))));
    WAIT_FOR(done(w, 5, 15));
}

static void test_renewal(void **state)
{
    struct agent_world *w = *state;
    (void)agent_world_stop(w, SIGKILL);
    _cleanup_free_ char *cert = str_printf("%s/state/cert.pem", w->root);
    assert_int_equal(unlink(cert), 0);
    w->cert_days = 20;
    int before = w->renewals;
    agent_world_start(w); /* same key, same token: the lost reply of an enrolment */
    WAIT_FOR(w->renewals > before);
    WAIT_FOR(({
        _cleanup_json_ json_t *r = agent_world_report(w);
        json_int(r, "boot", 0) == 4;
    }));
    assert_int_equal(w->enrolments, 2);
    int reports = w->reports;
    WAIT_FOR(w->reports > reports + 2);
}

static void test_ends_in_order(void **state)
{
    struct agent_world *w = *state;
    WAIT_FOR(status_of(8080) == 200);
    int64_t begin = clock_mono_ms();
    int status = agent_world_stop(w, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    print_message("   orderly end took %lld ms\n", (long long)(clock_mono_ms() - begin));
    assert_true(clock_mono_ms() - begin < 10000);
}

static int set_up(void **state)
{
    struct agent_world *w = xcalloc(1, sizeof(*w));
    agent_world_init(w, getenv("CONPAAS_AGENT"));
    agent_world_start(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    agent_world_done(*state);
    free(*state);
    return 0;
}

int main(int argc, char **argv)
{
    if (geteuid() != 0 || !getenv("CONPAAS_AGENT") || !fs_exists("/usr/sbin/nginx") ||
        !fs_exists("/usr/sbin/php-fpm8.2") || !agent_world_enter()) {
        print_message("skipped: needs root, network namespaces, nginx, php-fpm and CONPAAS_AGENT\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enrol),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_older_manager),
        cmocka_unit_test(test_refused_as_a_whole),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_comes_back_alone),
        cmocka_unit_test(test_engine_comes_back),
        cmocka_unit_test(test_orphans),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_wrong_artifact),
        cmocka_unit_test(test_drain_and_empty),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_switched_back),
        cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_script_surroundings),
        cmocka_unit_test(test_script_interrupts),
        cmocka_unit_test(test_script_versions),
        cmocka_unit_test(test_ends_in_order),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
