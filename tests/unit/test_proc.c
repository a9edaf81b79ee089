/*
 * Child processes: what they see, how they end, what they cannot keep.
 */
#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/sandbox.h"

static int run(const char *const *argv, const char *in, int timeout_ms, struct buf *out, int *status)
{
    struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    return proc_run(&spec, in, timeout_ms, 1000, out, status, NULL);
}

static void output_and_status(void **state)
{
    _cleanup_buf_ struct buf out = {0};
    int status = -1;
    assert_int_equal(run((const char *const[]){"cat", NULL}, "in; $(id) \"text\"", 5000, &out, &status), 0);
    assert_string_equal(out.data, "in; $(id) \"text\"");
    assert_int_equal(status, 0);
    buf_reset(&out);
    const char *both[] = {"sh", "-c", "echo one; echo two >&2; exit 3", NULL};
    assert_int_equal(run(both, NULL, 5000, &out, &status), 0);
    assert_string_equal(out.data, "one\ntwo\n");
    char text[64];
    proc_status_text(status, text);
    assert_string_equal(text, "exit 3");
    buf_reset(&out);
    const char *flood[] = {"head", "-c", "300000", "/dev/zero", NULL};
    assert_int_equal(run(flood, NULL, 5000, &out, &status), 0);
    assert_int_equal(out.len, 1000);
    assert_int_equal(status, 0);
}

static void cannot_start(void **state)
{
    int status = 0;
    assert_int_equal(run((const char *const[]){"no-such-program-here", NULL}, NULL, 5000, NULL, &status),
                     ERR_NOT_FOUND);
    assert_int_equal(run((const char *const[]){"/no/such/program", NULL}, NULL, 5000, NULL, &status),
                     -ENOENT);
    assert_int_equal(run((const char *const[]){"/etc/passwd", NULL}, NULL, 5000, NULL, &status), -EACCES);
    struct proc_spec spec = {
        .argv = (const char *const[]){"true", NULL}, .dir = "/no/such/dir", .in = -1, .out = -1, .err = -1};
    pid_t pid = 0;
    assert_int_equal(proc_start(&spec, &pid, NULL), -ENOENT);
    spec.dir = NULL;
    spec.uid = 65534; /* a user without a group */
    assert_int_equal(proc_start(&spec, &pid, NULL), ERR_INTERNAL);
}

static void deadline_ends_the_group(void **state)
{
    _cleanup_buf_ struct buf out = {0};
    int status = 0;
    const char *slow[] = {"sh", "-c", "sleep 60 & echo $!; wait", NULL};
    int64_t start = clock_mono_ms();
    assert_int_equal(run(slow, NULL, 500, &out, &status), ERR_TIMEOUT);
    assert_true(clock_mono_ms() - start < 10000);
    pid_t grandchild = (pid_t)strtol(out.data, NULL, 10);
    assert_true(grandchild > 1);
    /* Killed with its group: gone or a zombie of init's soon. */
    _cleanup_free_ char *path = str_printf("/proc/%d/stat", (int)grandchild);
    for (;;) {
        _cleanup_(fclosep) FILE *f = fopen(path, "re");
        char letter = 'Z';
        if (!f || fscanf(f, "%*d (%*[^)]) %c", &letter) != 1 || letter == 'Z' || letter == 'X') {
            break;
        }
        assert_true(clock_mono_ms() - start < 10000);
        struct pollfd none = {.fd = -1};
        (void)poll(&none, 1, 10);
    }
}

static void a_kept_pipe_does_not_hold_us(void **state)
{
    _cleanup_buf_ struct buf out = {0};
    int status = 0;
    const char *leaver[] = {"sh", "-c", "sleep 20 & echo $!", NULL};
    int64_t start = clock_mono_ms();
    assert_int_equal(run(leaver, NULL, 15000, &out, &status), 0);
    assert_true(clock_mono_ms() - start < 10000);
    (void)kill((pid_t)strtol(out.data, NULL, 10), SIGKILL);
}

/* Those who write without end: the child itself, and some that it leaves behind. */
static void a_flood_does_not_hold_us(void **state)
{
    int status = 0;
    (void)alarm(60); /* what is tested here would hang */
    int64_t start = clock_mono_ms();
    assert_int_equal(run((const char *const[]){"yes", NULL}, NULL, 300, NULL, &status), ERR_TIMEOUT);
    const char *leaver[] = {"sh", "-c", "yes & yes & yes & exit 0", NULL}; /* a broken pipe ends them */
    assert_int_equal(run(leaver, NULL, 15000, NULL, &status), 0);
    assert_true(clock_mono_ms() - start < 10000);
    (void)alarm(0);
}

/* A change of user takes the wish for a signal away: the cage has to make it afterwards. */
static void a_caged_child_ends_with_its_parent(void **state)
{
    const struct sandbox_limits l = {
        .uid = geteuid() == 0 ? 65534 : 0, .cpu_seconds = 10, .memory = 64 << 20, .file_size = 1};
    pid_t pid = fork();
    if (pid == 0) {
        int sig = 0;
        bool caged = sandbox_enter(&l, NULL, 0) == 0 && prctl(PR_GET_PDEATHSIG, &sig) == 0;
        _exit(caged && sig == SIGKILL ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void nothing_leaks_into_children(void **state)
{
    _cleanup_close_ int leaky = open("/dev/null", O_RDONLY); /* without O_CLOEXEC on purpose */
    assert_true(leaky >= 3);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    _cleanup_buf_ struct buf out = {0};
    int status = 0;
    const char *list[] = {"sh", "-c",
                          "for f in /proc/self/fd/*; do echo ${f##*/}; done | sort -n | head -4; "
                          "grep -E 'SigBlk|SigIgn' /proc/self/status",
                          NULL};
    assert_int_equal(run(list, NULL, 5000, &out, &status), 0);
    _cleanup_free_ char *number = str_printf("\n%d\n", leaky);
    assert_true(leaky < 4 || !strstr(out.data, number));
    print_message("%s", out.data); /* says which signal it was */
    assert_non_null(strstr(out.data, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(out.data, "SigIgn:\t0000000000000000"));
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
}

static void environment_directory_user(void **state)
{
    _cleanup_buf_ struct buf out = {0};
    int status = 0;
    const char *const env[] = {"A=1", "PATH=/usr/bin:/bin", NULL};
    struct proc_spec spec = {.argv =
                                 (const char *const[]){"sh", "-c", "echo $A $HOME; pwd; id -u; id -G", NULL},
                             .env = env,
                             .dir = "/usr",
                             .in = -1,
                             .out = -1,
                             .err = -1};
    if (geteuid() == 0) {
        spec.uid = spec.gid = 65534;
    }
    assert_int_equal(proc_run(&spec, NULL, 5000, 1000, &out, &status, NULL), 0);
    assert_true(str_starts(out.data, "1\n/usr\n"));
    if (geteuid() == 0) {
        assert_string_equal(out.data, "1\n/usr\n65534\n65534\n");
    }
}

static void the_common_case(void **state)
{
    _cleanup_err_ struct err e = {0};
    assert_int_equal(proc_run_ok((const char *const[]){"true", NULL}, 5000, &e), 0);
    const char *bad[] = {"sh", "-c", "echo it broke; exit 9", NULL};
    assert_int_equal(proc_run_ok(bad, 5000, &e), ERR_FAILED);
    assert_string_equal(e.message, "sh: exit 9: it broke");
    const char *killed[] = {"sh", "-c", "kill -9 $$", NULL};
    assert_int_equal(proc_run_ok(killed, 5000, &e), ERR_FAILED);
    assert_string_equal(e.message, "sh: signal 9 (Killed)");
}

static void descriptors_in_each_others_place(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct proc_spec spec = {.argv = (const char *const[]){"sh", "-c", "echo out; echo err >&2", NULL},
                             .in = -1,
                             .out = ends[1],
                             .err = ends[1]};
    pid_t pid = 0;
    assert_int_equal(proc_start(&spec, &pid, NULL), 0);
    close(ends[1]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    char text[64] = {0};
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "out\nerr\n");
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status),
        cmocka_unit_test(cannot_start),
        cmocka_unit_test(deadline_ends_the_group),
        cmocka_unit_test(a_kept_pipe_does_not_hold_us),
        cmocka_unit_test(a_flood_does_not_hold_us),
        cmocka_unit_test(a_caged_child_ends_with_its_parent),
        cmocka_unit_test(nothing_leaks_into_children),
        cmocka_unit_test(environment_directory_user),
        cmocka_unit_test(the_common_case),
        cmocka_unit_test(descriptors_in_each_others_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
