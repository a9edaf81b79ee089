/*
 * What only the root helper promises: a node is confined and limited, the network lets through what it
 * should, a crash of hostd or of LXC's monitor loses nothing, and nothing is left at the end.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "hostd/process.h"
#include "hostd/record.h"
#include "hostd_world.h"

#define WAIT_MS 20000
#define NODE_TYPE "{\"millicores\":300,\"memory_mb\":64,\"pids\":32,\"disk_mb\":%d}"

struct fixture {
    struct hostd_world w;
    int tokens;
};

/* ---- calls ---- */

static json_t *call(struct fixture *f, const char *line)
{
    struct err e = {0};
    json_t *answer = NULL;

    if (hostd_world_ask(&f->w, line, &answer, &e) < 0) {
        print_error("%s\n", e.message);
        err_done(&e);
        fail();
    }
    return answer;
}

static const char *code_of(const json_t *answer)
{
    return json_str(json_object_get(answer, "error"), "code", "ok");
}

static char *create_line(struct fixture *f, const char *token, int disk_mb)
{
    _cleanup_free_ char *type = str_printf(NODE_TYPE, disk_mb);

    f->tokens++;
    return str_printf("{\"call\":\"create\",\"token\":\"%s\",\"name\":\"node-%d\",\"type\":%s,"
                      "\"user_data\":\"{\\\"secret\\\": %d}\"}",
                      token, f->tokens, type, f->tokens);
}

/* A running node; its record in *ret. */
static void create(struct fixture *f, const char *token, int disk_mb, struct record *ret)
{
    _cleanup_free_ char *line = create_line(f, token, disk_mb);
    _cleanup_json_ json_t *a = call(f, line);
    struct err e = {0};

    assert_string_equal(code_of(a), "ok");
    if (record_read(&f->w.conf, json_str(json_object_get(a, "ok"), "id", ""), ret, &e) < 0) {
        print_error("%s\n", e.message);
        err_done(&e);
        fail();
    }
    assert_true(process_alive(ret->pid, ret->pid_start));
}

static void terminate(struct fixture *f, const char *id)
{
    _cleanup_free_ char *line = str_printf("{\"call\":\"terminate\",\"id\":\"%s\"}", id);
    _cleanup_json_ json_t *a = call(f, line);

    assert_string_equal(code_of(a), "ok");
}

/* "RUNNING", "GONE", or the error's word. */
static void state_of(struct fixture *f, const char *id, char ret[32])
{
    _cleanup_free_ char *line = str_printf("{\"call\":\"poll\",\"id\":\"%s\"}", id);
    _cleanup_json_ json_t *a = call(f, line);

    assert_true(str_copy(ret, 32, json_str(json_object_get(a, "ok"), "state", code_of(a))));
}

static void assert_state(struct fixture *f, const char *id, const char *want)
{
    char state[32];

    state_of(f, id, state);
    assert_string_equal(state, want);
}

static void wait_state(struct fixture *f, const char *id, const char *want)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    char state[32];

    do {
        state_of(f, id, state);
        (void)poll(NULL, 0, 5);
    } while (!str_eq(state, want) && clock_mono_ms() < deadline);
    assert_string_equal(state, want);
}

/* Runs a program inside the node, as its root; its exit status, output in out. */
static int inside(const struct record *n, struct buf *out, const char *const *argv)
{
    _cleanup_free_ char *target = str_printf("%lld", (long long)n->pid);
    const char *full[24] = {"nsenter", "-t", target, "-U", "-m", "-n", "-p", "-u",
                            "-i",      "-C", "-S",   "0",  "-G", "0",  "--"};
    struct proc_spec spec = {.argv = full, .in = -1, .out = -1, .err = -1};
    struct err e = {0};
    int status;

    for (size_t i = 0; argv[i]; i++) {
        assert_true(15 + i < ARRAY_LEN(full) - 1);
        full[15 + i] = argv[i];
    }
    if (proc_run(&spec, NULL, WAIT_MS, 65536, out, &status, &e) < 0) {
        print_error("%s\n", e.message);
        err_done(&e);
        fail();
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#define INSIDE(n, out, ...) inside(n, out, (const char *const[]){__VA_ARGS__, NULL})

static void read_text(const char *path, struct buf *out)
{
    struct err e = {0};

    if (fs_read(path, 1 << 20, out, &e) < 0) {
        print_error("%s\n", e.message);
        err_done(&e);
        fail();
    }
}

/* ---- the node ---- */

static void check_confined(void **state)
{
    struct fixture *f = *state;
    _cleanup_buf_ struct buf status = {0}, own = {0}, data = {0};
    _cleanup_free_ char *path = NULL, *uid = NULL;
    struct record n;

    create(f, "confined", 0, &n);
    path = str_printf("/proc/%lld/status", (long long)n.pid);
    uid = str_printf("Uid:\t%lld\t", (long long)config_uid(&f->w.conf, n.index));
    read_text(path, &status);
    assert_non_null(strstr(status.data, uid));
    assert_non_null(strstr(status.data, "NoNewPrivs:\t1"));
    assert_non_null(strstr(status.data, "Seccomp:\t2"));
    assert_int_equal(INSIDE(&n, &data, "cat", "/etc/conpaas/user-data.json"), 0);
    assert_non_null(strstr(data.data, "\"secret\""));
    assert_int_equal(INSIDE(&n, &own, "stat", "-c", "%u:%g:%a", "/etc/conpaas/user-data.json"), 0);
    assert_string_equal(own.data, "0:0:400\n");
    assert_int_not_equal(INSIDE(&n, NULL, "mknod", "/tmp/x", "b", "8", "0"), 0);
    assert_int_not_equal(INSIDE(&n, NULL, "ls", f->w.conf.state), 0);
    assert_int_not_equal(INSIDE(&n, NULL, "touch", "/sys/x"), 0);
    assert_int_equal(INSIDE(&n, NULL, "touch", "/tmp/own", "/etc/own", "/run/own"), 0);
    assert_int_equal(INSIDE(&n, NULL, "chown", "33:33", "/tmp/own"), 0);
    terminate(f, n.id);
}

/* A name space below the node's own would give its programs powers in the kernel that the node does not have.
 * Its first program has tried. */
static void check_no_name_spaces(void **state)
{
    struct fixture *f = *state;
    struct record n;

    create(f, "spaces", 0, &n);
    _cleanup_free_ char *path = record_path(&f->w.conf, n.id, "console.log");
    _cleanup_buf_ struct buf said = {0};
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    do {
        buf_reset(&said);
        (void)poll(NULL, 0, 10);
    } while (
        (fs_read(path, 1 << 20, &said, NULL) < 0 || !said.data || !strstr(said.data, "test init runs")) &&
        clock_mono_ms() < deadline);
    assert_true(said.data && strstr(said.data, "user name spaces: 0 0 0"));
    terminate(f, n.id);
}

/* Two nodes do not share an uid, and the image stays as it is. */
static void check_separate(void **state)
{
    struct fixture *f = *state;
    struct record a, b;

    create(f, "sep-a", 0, &a);
    create(f, "sep-b", 0, &b);
    assert_int_not_equal(config_uid(&f->w.conf, a.index), config_uid(&f->w.conf, b.index));
    assert_int_equal(INSIDE(&a, NULL, "rm", "/usr/sbin/nginx"), 0);
    assert_int_equal(INSIDE(&b, NULL, "test", "-x", "/usr/sbin/nginx"), 0);
    assert_int_equal(INSIDE(&a, NULL, "rm", "/usr/lib/conpaas/conpaas-agent"), 0);
    assert_int_equal(INSIDE(&b, NULL, "test", "-x", "/usr/lib/conpaas/conpaas-agent"), 0);
    terminate(f, a.id);
    terminate(f, b.id);
}

/* A value of the node's control group, whichever of the two families this machine has. */
static void limit(struct fixture *f, const struct record *n, const char *v1, const char *v2, struct buf *out)
{
    _cleanup_free_ char *one =
        str_printf("/sys/fs/cgroup/%.*s/%s/%s/%s", (int)strcspn(v1, "."), v1, f->w.conf.cgroup, n->id, v1);
    _cleanup_free_ char *two = str_printf("/sys/fs/cgroup/%s/%s/%s", f->w.conf.cgroup, n->id, v2);

    read_text(fs_exists(one) ? one : two, out);
}

static void check_limits(void **state)
{
    struct fixture *f = *state;
    _cleanup_buf_ struct buf memory = {0}, cpu = {0}, pids = {0};
    struct record n;

    create(f, "limits", 0, &n);
    limit(f, &n, "memory.limit_in_bytes", "memory.max", &memory);
    limit(f, &n, "cpu.cfs_quota_us", "cpu.max", &cpu);
    limit(f, &n, "pids.max", "pids.max", &pids);
    assert_string_equal(memory.data, "67108864\n");
    assert_true(str_starts(cpu.data, "30000"));
    assert_string_equal(pids.data, "32\n");
    terminate(f, n.id);
}

/* 64 MB of disk hold no 80 MB file; without a limit they do. */
static void check_disk_limit(void **state)
{
    struct fixture *f = *state;
    _cleanup_buf_ struct buf out = {0};
    struct record n;

    create(f, "disk", 64, &n);
    assert_int_not_equal(INSIDE(&n, &out, "dd", "if=/dev/zero", "of=/var/big", "bs=1M", "count=80"), 0);
    assert_non_null(strstr(out.data, "No space left"));
    terminate(f, n.id);
    create(f, "disk", 0, &n);
    assert_int_equal(INSIDE(&n, NULL, "dd", "if=/dev/zero", "of=/var/big", "bs=1M", "count=80"), 0);
    terminate(f, n.id);
}

/* ---- the network ---- */

static int listen_on(uint32_t address, int port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(address)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 8) == 0);
    return fd;
}

/* In a child: enters the node's network and tries to connect. */
static bool connects(const struct record *n, uint32_t address, int port)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        struct sockaddr_in a = {
            .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(address)};
        const struct timeval limit_ = {.tv_sec = 1};
        _cleanup_free_ char *path = str_printf("/proc/%lld/ns/net", (long long)n->pid);
        int ns = open(path, O_RDONLY | O_CLOEXEC), fd;
        if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) {
            _exit(2);
        }
        fd = socket(AF_INET, SOCK_STREAM, 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit_, sizeof(limit_));
        _exit(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? 0 : 1);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 2);
    return WEXITSTATUS(status) == 0;
}

static void check_network(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *spoof = NULL, *own = NULL;
    char address[CONFIG_ADDRESS];
    struct record a, b;
    uint32_t host = f->w.conf.network + 1;
    int port = listen_on(host, (int)f->w.conf.node_port), other = listen_on(host, 9997), node;

    create(f, "net-a", 0, &a);
    create(f, "net-b", 0, &b);
    node = listen_on(INADDR_ANY, 9996);
    assert_true(connects(&a, host, (int)f->w.conf.node_port));
    assert_false(connects(&a, host, 9997));
    assert_false(connects(&a, host, 9996));
    config_address(&f->w.conf, a.index, address);
    own = str_printf("%s/%d", address, f->w.conf.prefix);
    config_address(&f->w.conf, 200, address);
    spoof = str_printf("%s/%d", address, f->w.conf.prefix);
    /* With another address than its own, not even the node port answers. */
    assert_int_equal(INSIDE(&a, NULL, "ip", "addr", "flush", "dev", "eth0", "scope", "global"), 0);
    assert_int_equal(INSIDE(&a, NULL, "ip", "addr", "add", spoof, "dev", "eth0"), 0);
    assert_false(connects(&a, host, (int)f->w.conf.node_port));
    assert_int_equal(INSIDE(&a, NULL, "ip", "addr", "flush", "dev", "eth0", "scope", "global"), 0);
    assert_int_equal(INSIDE(&a, NULL, "ip", "addr", "add", own, "dev", "eth0"), 0);
    assert_true(connects(&a, host, (int)f->w.conf.node_port));
    /* Nor with another hardware address. */
    assert_int_equal(INSIDE(&a, NULL, "ip", "link", "set", "eth0", "address", "0a:58:0a:db:00:fe"), 0);
    assert_false(connects(&a, host, (int)f->w.conf.node_port));
    close(port);
    close(other);
    close(node);
    terminate(f, a.id);
    terminate(f, b.id);
}

/* ---- crashes ---- */

static void relaunch(struct fixture *f)
{
    struct err e = {0};

    if (hostd_world_launch(&f->w, &e) < 0) {
        print_error("%s\n", e.message);
        err_done(&e);
        fail();
    }
}

static void check_readoption(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *line = create_line(f, "adopt", 0);
    struct record n, dead;

    create(f, "adopt", 0, &n);
    create(f, "dead", 0, &dead);
    assert_true(WIFSIGNALED(hostd_world_kill(&f->w, SIGKILL)));
    assert_int_equal(kill((pid_t)dead.pid, SIGKILL), 0);
    relaunch(f);
    assert_state(f, n.id, "RUNNING");
    wait_state(f, dead.id, "GONE");
    _cleanup_json_ json_t *again = call(f, line);
    assert_string_equal(json_str(json_object_get(again, "ok"), "id", ""), n.id);
    assert_int_equal(hostd_world_kill(&f->w, SIGTERM), 0);
    assert_true(process_alive(n.pid, n.pid_start));
    relaunch(f);
    assert_state(f, n.id, "RUNNING");
    terminate(f, n.id);
    terminate(f, dead.id);
    assert_false(process_alive(n.pid, n.pid_start));
    assert_state(f, n.id, "not_found");
}

/* The first nodes of a new build, all at once: each has all the programs. */
#define CROWD 6
#define PROGRAMS 8

struct first {
    struct fixture *f;
    pthread_t thread;
    char *line;
    json_t *answer;
};

static void *create_first(void *arg)
{
    struct first *x = arg;

    return hostd_world_ask(&x->f->w, x->line, &x->answer, NULL) < 0 ? arg : NULL;
}

static void check_first_nodes_at_once(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *filler = xcalloc(1, 1 << 20);
    struct first x[CROWD];

    for (int i = 0; i < PROGRAMS; i++) {
        _cleanup_free_ char *path = str_printf("%s/program-%d", f->w.conf.programs, i);
        filler[0] = (char)i;
        assert_int_equal(fs_write_atomic(path, filler, 1 << 20, 0755, NULL), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        _cleanup_free_ char *token = str_printf("first-%d", i);
        x[i] = (struct first){.f = f, .line = create_line(f, token, 0)};
        assert_int_equal(pthread_create(&x[i].thread, NULL, create_first, &x[i]), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(x[i].thread, &failed), 0);
        assert_null(failed);
    }
    for (int i = 0; i < CROWD; i++) {
        _cleanup_buf_ struct buf out = {0};
        struct record n;
        assert_string_equal(code_of(x[i].answer), "ok");
        assert_int_equal(
            record_read(&f->w.conf, json_str(json_object_get(x[i].answer, "ok"), "id", ""), &n, NULL), 0);
        assert_int_equal(INSIDE(&n, &out, "sh", "-c", "cat /usr/lib/conpaas/program-* | wc -c"), 0);
        assert_int_equal(strtol(out.data, NULL, 10), PROGRAMS << 20);
        terminate(f, n.id);
        json_decref(x[i].answer);
        free(x[i].line);
    }
}

/* Kills hostd at many moments of a create. Afterwards the node either is there as a whole or not at all, and
 * a second create gives a whole one. */
static void check_crash_in_create(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 24; i++) {
        _cleanup_free_ char *token = str_printf("crash-%d", i), *line = create_line(f, token, 0);
        _cleanup_free_ char *text = str_printf("%s\n", line);
        struct record n;
        int fd = hostd_world_connect(&f->w);
        assert_true(fd >= 0 && send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
        (void)poll(NULL, 0, i * 4); /* the moment: what is tested, not a wait for something */
        (void)hostd_world_kill(&f->w, SIGKILL);
        close(fd);
        relaunch(f);
        create(f, token, 0, &n);
        assert_state(f, n.id, "RUNNING");
        terminate(f, n.id);
    }
    _cleanup_json_ json_t *list = call(f, "{\"call\":\"list\"}");
    assert_int_equal(json_array_size(json_object_get(list, "ok")), 0);
}

static void check_crash_in_terminate(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 12; i++) {
        _cleanup_free_ char *token = str_printf("end-%d", i), *line = NULL;
        struct record n;
        int fd;
        create(f, token, 0, &n);
        line = str_printf("{\"call\":\"terminate\",\"id\":\"%s\"}\n", n.id);
        fd = hostd_world_connect(&f->w);
        assert_true(fd >= 0 && send(fd, line, strlen(line), MSG_NOSIGNAL) > 0);
        (void)poll(NULL, 0, i * 3);
        (void)hostd_world_kill(&f->w, SIGKILL);
        close(fd);
        relaunch(f);
        terminate(f, n.id);
        assert_false(process_alive(n.pid, n.pid_start));
        assert_state(f, n.id, "not_found");
    }
}

static void check_killed_monitor(void **state)
{
    struct fixture *f = *state;
    struct record n;
    int64_t monitor;

    create(f, "monitor", 0, &n);
    monitor = process_parent(n.pid);
    assert_true(monitor > 1 && kill((pid_t)monitor, SIGKILL) == 0);
    while (process_parent(n.pid) == monitor) {
        (void)poll(NULL, 0, 5);
    }
    /* A program in it still answers: it is not just dying slowly. */
    assert_int_equal(INSIDE(&n, NULL, "true"), 0);
    assert_state(f, n.id, "RUNNING");
    terminate(f, n.id);
    assert_false(process_alive(n.pid, n.pid_start));
}

/* A record that cannot be read, and one of another boot. */
static void check_odd_records(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *record = NULL, *junk = record_dir(&f->w.conf, "n39-zzzzzzzz");
    _cleanup_free_ char *junk_file = record_path(&f->w.conf, "n39-zzzzzzzz", "record.json");
    struct record n;

    create(f, "odd", 0, &n);
    (void)hostd_world_kill(&f->w, SIGKILL);
    assert_int_equal(mkdir(junk, 0700), 0);
    assert_int_equal(fs_write_atomic(junk_file, "{\"id\": 3", 8, 0600, NULL), 0);
    record = record_path(&f->w.conf, n.id, "record.json");
    (void)str_copy(n.boot, sizeof(n.boot), "another-boot");
    assert_int_equal(record_write(&f->w.conf, &n, NULL), 0);
    relaunch(f);
    assert_false(fs_exists(junk));
    assert_state(f, n.id, "GONE");
    terminate(f, n.id);
    assert_false(process_alive(n.pid, n.pid_start));
    assert_false(fs_exists(record));
}

/* What cannot be removed now (a mount point in the way stands for any reason) keeps nobody from serving. */
static void check_stubborn_left_over(void **state)
{
    struct fixture *f = *state;
    const char *id = "n38-zzzzzzzz";
    _cleanup_free_ char *junk = record_dir(&f->w.conf, id), *upper = record_path(&f->w.conf, id, "upper");
    struct record n;

    (void)hostd_world_kill(&f->w, SIGKILL);
    assert_int_equal(fs_mkdirs(upper, 0700, NULL), 0);
    assert_int_equal(mount("none", upper, "tmpfs", 0, NULL), 0);
    relaunch(f);
    create(f, "beside", 0, &n);
    terminate(f, n.id);
    assert_state(f, id, "GONE");
    assert_true(fs_exists(junk));
    assert_int_equal(umount(upper), 0);
    terminate(f, id);
    assert_false(fs_exists(junk));
}

/* ---- the socket ---- */

#define BAD_TYPE(name, millicores)                                                                           \
    ("{\"call\":\"create\",\"token\":\"a\",\"name\":\"" name "\",\"type\":{\"millicores\":" millicores       \
     ",\"memory_mb\":64,\"pids\":32,\"disk_mb\":0},\"user_data\":\"\"}")

static void check_bad_lines(void **state)
{
    static const char *const lines[] = {
        "",
        "{",
        "[]",
        "null",
        "3",
        "\"hello\"",
        "{}",
        "{\"call\":\"hello\",\"call\":\"hello\"}",
        "{\"call\":\"no_such\"}",
        "{\"call\":\"hello\",\"x\":1}",
        "{\"call\":3}",
        "{\"call\":\"poll\"}",
        "{\"call\":\"poll\",\"id\":7}",
        "{\"call\":\"find\",\"token\":\"\"}",
        "{\"call\":\"create\",\"token\":\"a\",\"name\":\"b\",\"type\":{},\"user_data\":\"\"}",
        BAD_TYPE("b", "-1"),
        "{\"call\":\"create\",\"token\":\"a\\u0000b\",\"name\":\"b\",\"type\":{},\"user_data\":\"\"}",
        BAD_TYPE("../x", "100"),
        "{\"call\":\"vol_attach\",\"vol\":\"../x\",\"machine\":\"n1\",\"name\":\"../../etc\"}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        _cleanup_json_ json_t *a = call(f, lines[i]);
        assert_string_equal(code_of(a), "invalid");
    }
}

/* Random bytes, and good lines with some bytes changed: an answer each, and hostd lives. */
static void check_random_lines(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 20261124;
    int fd = hostd_world_connect(&f->w);
    _cleanup_free_ char *junk = xmalloc(400);

    assert_true(fd >= 0);
    for (int i = 0; i < 3000; i++) {
        _cleanup_free_ char *good = str_printf("{\"call\":\"poll\",\"id\":\"n%d-aaaaaaaa\"}", i % 40);
        size_t n = i % 2 ? strlen(good) : 1 + (size_t)(rand_r(&seed) % 300);
        char c = 0;
        if (i % 2) {
            memcpy(junk, good, n);
        }
        for (size_t k = 0; k < (i % 2 ? 2 : n); k++) {
            junk[i % 2 ? (size_t)rand_r(&seed) % n : k] = (char)(rand_r(&seed) & 0xff);
        }
        for (size_t k = 0; k < n; k++) {
            junk[k] = junk[k] == '\n' ? ' ' : junk[k];
        }
        junk[n] = '\n';
        assert_int_equal(send(fd, junk, n + 1, MSG_NOSIGNAL), n + 1);
        while (c != '\n') {
            assert_int_equal(recv(fd, &c, 1, 0), 1);
        }
    }
    close(fd);
    _cleanup_json_ json_t *a = call(f, "{\"call\":\"hello\"}");
    assert_string_equal(code_of(a), "ok");
}

static void check_long_line(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *text = xmalloc(80000);
    _cleanup_buf_ struct buf in = {0};
    char chunk[512];
    ssize_t n;
    int fd = hostd_world_connect(&f->w);

    memset(text, 'x', 80000);
    assert_true(fd >= 0);
    (void)send(fd, text, 80000, MSG_NOSIGNAL);
    while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
        buf_add(&in, chunk, (size_t)n);
    }
    close(fd);
    assert_true(in.data == NULL || strstr(in.data, "64 KiB") != NULL);
}

/* Another user than root and the configured one is turned away, by the file's mode or by name. */
static void check_other_user(void **state)
{
    struct fixture *f = *state;
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        char c;
        int fd;
        if (setgid(54321) < 0 || setuid(54321) < 0) {
            _exit(2);
        }
        fd = hostd_world_connect(&f->w);
        _exit(fd >= 0 && send(fd, "{\"call\":\"hello\"}\n", 17, MSG_NOSIGNAL) == 17 && recv(fd, &c, 1, 0) == 1
                  ? 1
                  : 0);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* One hostd an installation: --down beside a running one is refused. */
static void check_second_hostd(void **state)
{
    struct fixture *f = *state;
    _cleanup_buf_ struct buf out = {0};

    assert_int_equal(hostd_world_run(&f->w, "--down", &out), 1);
    assert_non_null(strstr(out.data, "is running"));
}

/* ---- volumes ---- */

static void check_volume_data(void **state)
{
    struct fixture *f = *state;
    _cleanup_json_ json_t *v = call(f, "{\"call\":\"vol_create\",\"token\":\"vd\",\"megabytes\":32}");
    _cleanup_free_ char *id = xstrdup(json_str(json_object_get(v, "ok"), "id", "")), *line = NULL,
                        *detach = NULL;
    _cleanup_buf_ struct buf text = {0}, own = {0};
    struct record a, b;

    create(f, "vol-a", 0, &a);
    create(f, "vol-b", 0, &b);
    line =
        str_printf("{\"call\":\"vol_attach\",\"vol\":\"%s\",\"machine\":\"%s\",\"name\":\"data\"}", id, a.id);
    detach = str_printf("{\"call\":\"vol_detach\",\"vol\":\"%s\"}", id);
    _cleanup_json_ json_t *one = call(f, line);
    assert_string_equal(code_of(one), "ok");
    assert_int_equal(INSIDE(&a, NULL, "cp", "/etc/hostname", "/volumes/data/kept"), 0);
    assert_int_equal(INSIDE(&a, NULL, "chown", "33:33", "/volumes/data/kept"), 0);
    _cleanup_json_ json_t *two = call(f, detach);
    assert_string_equal(code_of(two), "ok");
    free(line);
    line =
        str_printf("{\"call\":\"vol_attach\",\"vol\":\"%s\",\"machine\":\"%s\",\"name\":\"data\"}", id, b.id);
    _cleanup_json_ json_t *three = call(f, line);
    assert_string_equal(code_of(three), "ok");
    assert_int_equal(INSIDE(&b, &text, "cat", "/volumes/data/kept"), 0);
    assert_true(str_starts(text.data, a.name));
    assert_int_equal(INSIDE(&b, &own, "stat", "-c", "%u:%g", "/volumes/data/kept"), 0);
    assert_string_equal(own.data, "33:33\n");
    terminate(f, a.id);
    terminate(f, b.id);
}

/* ---- all of it ---- */

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct err e = {0};
    int r;

    *state = f;
    r = hostd_world_start(&f->w, &e);
    if (r < 0) {
        print_error("%s\n", e.message);
        err_done(&e);
    }
    return r < 0 ? -1 : 0;
}

/* The nodes the last check left running must go too. */
static int take_down(void **state)
{
    struct fixture *f = *state;
    _cleanup_buf_ struct buf left = {0};

    hostd_world_end(&f->w, &left);
    free(f);
    if (left.len > 0) {
        print_error("left on this machine:\n%s", left.data);
    }
    return left.len > 0 ? -1 : 0;
}

static void check_left_says_so(void **state)
{
    struct fixture *f = *state;
    _cleanup_buf_ struct buf left = {0};
    struct record n;

    create(f, "stays", 32, &n);
    assert_int_equal(hostd_world_run(&f->w, "--left", &left), 1);
    assert_non_null(strstr(left.data, "process "));
    assert_non_null(strstr(left.data, "interface "));
    assert_non_null(strstr(left.data, "bridge "));
    assert_non_null(strstr(left.data, "nft table inet "));
    assert_non_null(strstr(left.data, "nft table bridge "));
    assert_non_null(strstr(left.data, "cgroup "));
    assert_non_null(strstr(left.data, "loop device "));
}

static const struct CMUnitTest checks[] = {
    cmocka_unit_test(check_confined),
    cmocka_unit_test(check_no_name_spaces),
    cmocka_unit_test(check_separate),
    cmocka_unit_test(check_limits),
    cmocka_unit_test(check_disk_limit),
    cmocka_unit_test(check_network),
    cmocka_unit_test(check_readoption),
    cmocka_unit_test(check_crash_in_create),
    cmocka_unit_test(check_crash_in_terminate),
    cmocka_unit_test(check_killed_monitor),
    cmocka_unit_test(check_first_nodes_at_once),
    cmocka_unit_test(check_odd_records),
    cmocka_unit_test(check_stubborn_left_over),
    cmocka_unit_test(check_bad_lines),
    cmocka_unit_test(check_random_lines),
    cmocka_unit_test(check_long_line),
    cmocka_unit_test(check_other_user),
    cmocka_unit_test(check_second_hostd),
    cmocka_unit_test(check_volume_data),
    cmocka_unit_test(check_left_says_so),
};

/* Not by cmocka's group fixtures: a failed take-down must be seen in the exit status. */
int main(void)
{
    struct CMUnitTest list[ARRAY_LEN(checks)];
    void *state = NULL;
    int failed;

    if (geteuid() != 0) {
        print_error("containers need root\n");
        return 1;
    }
    if (set_up(&state) < 0) {
        (void)take_down(&state);
        return 1;
    }
    memcpy(list, checks, sizeof(list));
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        list[i].initial_state = state;
    }
    failed = _cmocka_run_group_tests("hostd", list, ARRAY_LEN(list), NULL, NULL);
    return take_down(&state) < 0 || failed > 0;
}
