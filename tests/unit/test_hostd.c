/*
 * The parts of hostd that need no node: configuration, what follows from an index, grammars, records, mount name spaces.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "hostd/config.h"
#include "hostd/mounts.h"
#include "hostd/process.h"
#include "hostd/record.h"

struct fixture {
    char dir[40];
    char *file;
};

static int load(struct fixture *f, const char *text, struct config *c, struct err *e)
{
    assert_int_equal(fs_write_atomic(f->file, text, strlen(text), 0600, NULL), 0);
    return config_load(f->file, c, e);
}

static void test_defaults(void **state)
{
    char text[18];
    struct config c;

    assert_int_equal(config_load(NULL, &c, NULL), 0);
    assert_string_equal(c.cgroup, "conpaas-conpaas");
    config_address(&c, 0, text);
    assert_string_equal(text, "10.88.0.1");
    config_address(&c, 1, text);
    assert_string_equal(text, "10.88.0.2");
    config_address(&c, 200, text);
    assert_string_equal(text, "10.88.0.201");
    config_mac(&c, 1, text);
    assert_string_equal(text, "0a:58:0a:58:00:02");
    config_ifname(&c, 12, text);
    assert_string_equal(text, "cps0n12");
    assert_int_equal(config_uid(&c, 2), 1000000 + 2 * 65536);
    config_done(&c);
}

static void test_bad_config(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"[hostd]\ninstallation = Big\n", "installation"},
        {"[hostd]\ninstallation = a-b\n", "installation"},
        {"[hostd]\nsocket = relative\n", "socket"},
        {"[hostd]\nstate = /a b\n", "state"},
        {"[hostd]\nstate = /a/../b\n", "state"},
        {"[hostd]\nimage = /a,b\n", "image"},
        {"[hostd]\nimage = /a:b\n", "image"},
        {"[hostd]\ninit = ../x\n", "init"},
        {"[hostd]\ninit = a b\n", "init"},
        {"[hostd]\nno_such = 1\n", "no_such"},
        {"[network]\nbridge = cps\n", "bridge"},
        {"[network]\nbridge = 0cps\n", "bridge"},
        {"[network]\nbridge = cps0n1\n", "bridge"},
        {"[network]\nsubnet = 10.88.0.0\n", "subnet"},
        {"[network]\nsubnet = 10.88.0.1/16\n", "subnet"},
        {"[network]\nsubnet = 10.88.0.0/33\n", "subnet"},
        {"[network]\nsubnet = 10.88.0.0/28\n", "max_nodes"},
        {"[network]\nsubnet = a.b.c.d/16\n", "subnet"},
        {"[network]\nnode_port = 70000\n", "node_port"},
        {"[nodes]\nuid_base = 1000\n", "uid_base"},
        {"[nodes]\nuid_count = 65536\n", "uid_count"},
        {"[nodes]\nuid_base = 4000000000\n", "uid_base"},
    };
    struct config c;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = {0};
        assert_int_equal(load(*state, bad[i].text, &c, &e), ERR_INVALID);
        if (!strstr(e.message, bad[i].says)) {
            print_error("%s -> %s\n", bad[i].text, e.message);
            fail();
        }
        err_done(&e);
    }
}

static void test_grammars(void **state)
{
    static const char *const ids[] = {
        "", "n", "nx", "x1-a", "n1/a", "n1-A", "n1.a", "../n1", "n1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    static const char *const names[] = {"", "-", "-a", "a-", "A", "a.b", "a_b", "a b", "a\n"};
    static const char *const tokens[] = {"", ".", ".a", "-a", "_a", "a b", "a/b", "a\"", "a\n", "\xc3\xa4"};
    char longest[CLOUD_NAME_MAX + 1];

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_false(record_id_ok(ids[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_false(record_name_ok(names[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        assert_false(record_token_ok(tokens[i]));
    }
    assert_true(record_id_ok("n12-ab3d5f7h") && record_name_ok("cps-u1-a3-n12") &&
                record_token_ok("Op.7_x-1"));
    memset(longest, 'a', sizeof(longest) - 1);
    longest[CLOUD_NAME_MAX] = '\0';
    assert_false(record_name_ok(longest));
    longest[CLOUD_NAME_MAX - 1] = '\0';
    assert_true(record_name_ok(longest));
}

static void test_record(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *text = str_printf("[hostd]\nstate = %s/state\n", f->dir), *dir = NULL, *file = NULL;
    struct record r = {.phase = RECORD_RUNNING,
                       .index = 3,
                       .created_ms = 5,
                       .millicores = 100,
                       .memory_mb = 64,
                       .pids = 32,
                       .disk_mb = 7,
                       .pid = 4711,
                       .pid_start = 99};
    struct record back;
    struct config c;
    int64_t pid, start;

    assert_int_equal(load(f, text, &c, NULL), 0);
    (void)str_copy(r.id, sizeof(r.id), "n3-abcdefgh");
    (void)str_copy(r.owner, sizeof(r.owner), "me");
    (void)str_copy(r.token, sizeof(r.token), "t");
    (void)str_copy(r.name, sizeof(r.name), "name");
    (void)str_copy(r.boot, sizeof(r.boot), "boot");
    (void)str_copy(r.image, sizeof(r.image), "/image");
    (void)str_copy(r.programs, sizeof(r.programs), "/programs");
    dir = record_dir(&c, r.id);
    assert_int_equal(fs_mkdirs(dir, 0700, NULL), 0);
    assert_int_equal(record_write(&c, &r, NULL), 0);
    assert_int_equal(record_read(&c, r.id, &back, NULL), 0);
    assert_memory_equal(&back, &r, sizeof(r));
    assert_true(record_read_started(&c, r.id, &pid, &start, NULL) < 0);
    assert_int_equal(record_write_started(&c, r.id, 12, 34, NULL), 0);
    assert_int_equal(record_read_started(&c, r.id, &pid, &start, NULL), 0);
    assert_true(pid == 12 && start == 34);
    /* Another node's record under this name, and half a one. */
    file = record_path(&c, "n3-abcdefgh", "record.json");
    (void)str_copy(r.id, sizeof(r.id), "n4-abcdefgh");
    assert_true(record_read(&c, "n4-abcdefgh", &back, NULL) < 0);
    assert_int_equal(fs_write_atomic(file, "{\"id\":\"n3-abcdefgh\"}", 21, 0600, NULL), 0);
    assert_true(record_read(&c, "n3-abcdefgh", &back, NULL) < 0);
    config_done(&c);
}

static void test_process(void **state)
{
    int64_t start = process_start(getpid());

    assert_true(start > 0);
    assert_true(process_alive(getpid(), start));
    assert_false(process_alive(getpid(), start + 1));
    assert_false(process_alive(0, start));
    assert_false(process_alive(-1, start));
    assert_int_equal(process_parent(getpid()), getppid());
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    (void)str_copy(f->dir, sizeof(f->dir), "/tmp/conpaas-unit.XXXXXX");
    if (!mkdtemp(f->dir)) {
        return -1;
    }
    f->file = str_printf("%s/hostd.conf", f->dir);
    *state = f;
    return 0;
}

static int take_down(void **state)
{
    struct fixture *f = *state;
    int r = fs_remove_tree(f->dir, NULL);

    free(f->file);
    free(f);
    return r;
}

/* In the child: the number of the step that failed, 0 = none. */
static int separate_in_chroot(const char *dir)
{
    struct err e = {0};
    struct stat before, after;

    if (chroot(dir) < 0 || chdir("/") < 0 || stat("/", &before) < 0) {
        return 1;
    }
    if (mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0) {
        return 2; /* then this tests nothing: a chroot's root is no mount */
    }
    if (mounts_separate("/inside", &e) < 0) {
        return 3;
    }
    if (stat("/", &after) < 0 || after.st_ino != before.st_ino || access("/inside", F_OK) < 0) {
        return 4;
    }
    return mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? 5 : 0; /* it is one now */
}

static void test_mounts_in_chroot(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *inside = str_printf("%s/inside", f->dir);
    int status = 0;

    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(mkdir(inside, 0700), 0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(separate_in_chroot(f->dir));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(access(inside, F_OK), 0); /* our own view is the one of before */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_bad_config),
        cmocka_unit_test(test_grammars), cmocka_unit_test(test_record),
        cmocka_unit_test(test_process),  cmocka_unit_test(test_mounts_in_chroot),
    };

    return cmocka_run_group_tests_name("hostd", tests, set_up, take_down);
}
