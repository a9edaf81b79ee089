/*
 * Files: limits, atomic writes, opens that cannot leave, trees that somebody hostile has made.
 */
#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fs.h"

static char *dir;

static int make_dir(void **state)
{
    dir = xstrdup("/tmp/test-fs-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    int r = fs_remove_tree(dir, NULL);
    bool gone = !fs_exists(dir);
    free(dir);
    return r == 0 && gone ? 0 : -1;
}

static void write_and_read(void **state)
{
    _cleanup_free_ char *path = str_printf("%s/file", dir);
    _cleanup_buf_ struct buf b = {0};
    assert_int_equal(fs_write_atomic(path, "hello", 5, 0640, NULL), 0);
    assert_int_equal(fs_write_atomic(path, "second", 6, 0600, NULL), 0);
    assert_int_equal(fs_read(path, 6, &b, NULL), 0);
    assert_string_equal(b.data, "second");
    assert_int_equal(fs_read(path, 5, &b, NULL), ERR_TOO_LARGE);
    assert_int_equal(b.len, 6); /* untouched by the failure */
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    _cleanup_free_ char *missing = str_printf("%s/no/file", dir);
    assert_int_equal(fs_write_atomic(missing, "x", 1, 0600, NULL), -ENOENT);
    assert_int_equal(fs_read(missing, 9, &b, NULL), -ENOENT);
    /* The target is a directory: refused, and no temporary file is left. */
    assert_true(fs_write_atomic(dir, "x", 1, 0600, NULL) < 0);
    _cleanup_free_ char *deep = str_printf("%s/a/b//c/", dir);
    assert_int_equal(fs_mkdirs(deep, 0700, NULL), 0);
    assert_int_equal(fs_mkdirs(deep, 0700, NULL), 0);
    _cleanup_free_ char *below_file = str_printf("%s/file/x", dir);
    assert_true(fs_mkdirs(below_file, 0700, NULL) < 0);
}

static void open_beneath(void **state)
{
    _cleanup_free_ char *sub = str_printf("%s/sub", dir), *in = str_printf("%s/sub/in", dir);
    _cleanup_free_ char *link = str_printf("%s/sub/link", dir), *out = str_printf("%s/sub/out", dir);
    assert_int_equal(fs_mkdirs(sub, 0700, NULL), 0);
    assert_int_equal(fs_write_atomic(in, "x", 1, 0600, NULL), 0);
    assert_int_equal(symlink("in", link), 0);
    assert_int_equal(symlink("/etc", out), 0);
    _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    static const char *const bad[] = {
        "../x", "/etc/passwd", "sub/link", "sub/out/passwd", "sub/../../etc/passwd", "..", ""};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_true(fs_open_beneath(fd, bad[i], O_RDONLY, 0, NULL) < 0);
    }
    _cleanup_close_ int good = fs_open_beneath(fd, "sub/in", O_RDONLY, 0, NULL);
    assert_true(good >= 0);
    assert_true(fcntl(good, F_GETFD) & FD_CLOEXEC);
    _cleanup_close_ int fresh = fs_open_beneath(fd, "sub/new", O_WRONLY | O_CREAT | O_EXCL, 0644, NULL);
    assert_true(fresh >= 0);
}

static void remove_leaves_links_targets(void **state)
{
    _cleanup_free_ char *keep = str_printf("%s/keep", dir), *kept = str_printf("%s/keep/file", dir);
    _cleanup_free_ char *tree = str_printf("%s/tree", dir), *link = str_printf("%s/tree/link", dir);
    _cleanup_free_ char *closed = str_printf("%s/tree/closed/x", dir),
                        *top = str_printf("%s/tree/closed", dir);
    assert_int_equal(fs_mkdirs(keep, 0700, NULL), 0);
    assert_int_equal(fs_write_atomic(kept, "x", 1, 0600, NULL), 0);
    assert_int_equal(fs_mkdirs(closed, 0700, NULL), 0);
    assert_int_equal(chmod(top, 0), 0);
    assert_int_equal(symlink(keep, link), 0);
    assert_int_equal(fs_remove_tree(tree, NULL), 0);
    assert_false(fs_exists(tree));
    assert_true(fs_exists(kept));
    assert_int_equal(symlink(keep, tree), 0); /* the tree itself a link */
    assert_int_equal(fs_remove_tree(tree, NULL), 0);
    assert_true(fs_exists(kept));
    assert_int_equal(fs_remove_tree(tree, NULL), 0); /* nothing there */
}

/* Deeper than any path may be long, and than there are descriptors. */
static void remove_very_deep(void **state)
{
    _cleanup_free_ char *tree = str_printf("%s/deep", dir);
    assert_int_equal(mkdir(tree, 0700), 0);
    int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(fd, "d", 0700), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(fs_remove_tree(tree, NULL), 0);
    assert_false(fs_exists(tree));
}

static void copies(void **state)
{
    _cleanup_close_ int from = memfd_create("from", MFD_CLOEXEC), to = memfd_create("to", MFD_CLOEXEC);
    assert_int_equal(write(from, "0123456789", 10), 10);
    int64_t n = 0;
    assert_int_equal(lseek(from, 2, SEEK_SET), 2);
    assert_int_equal(fs_copy_fd(from, to, 8, &n, NULL), 0);
    assert_int_equal(n, 8);
    assert_int_equal(lseek(from, 0, SEEK_SET), 0);
    assert_int_equal(fs_copy_fd(from, to, 9, &n, NULL), ERR_TOO_LARGE);
}

static void tails(void **state)
{
    _cleanup_free_ char *path = str_printf("%s/log", dir);
    static const struct {
        const char *text;
        int lines;
        size_t max;
        const char *want;
    } rows[] = {
        {"a\nb\nc\n", 2, 100, "b\nc\n"}, {"a\nb\nc", 2, 100, "b\nc"},
        {"a\nb\n", 9, 100, "a\nb\n"},    {"", 3, 100, ""},
        {"a\n\n\n", 2, 100, "\n\n"},     {"aaaa\nbbbb\n", 9, 5, "bbbb\n"},
        {"a\nb\n", 0, 100, ""},          {"a\nb\n", -1, 100, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_buf_ struct buf b = {0};
        assert_int_equal(fs_write_atomic(path, rows[i].text, strlen(rows[i].text), 0600, NULL), 0);
        assert_int_equal(fs_tail(path, rows[i].lines, rows[i].max, &b, NULL), 0);
        assert_string_equal(b.data ? b.data : "", rows[i].want);
    }
    _cleanup_buf_ struct buf b = {0};
    assert_int_equal(fs_tail(dir, 3, 100, &b, NULL), ERR_INVALID);
    assert_int_equal(fs_tail("/dev/zero", 3, 100, &b, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(write_and_read, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(open_beneath, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(remove_leaves_links_targets, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(remove_very_deep, make_dir, remove_dir),
        cmocka_unit_test(copies),
        cmocka_unit_test_setup_teardown(tails, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
