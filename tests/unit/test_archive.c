/*
 * Archives, friendly and hostile.  Whatever is refused must be refused by the reader in this process, where a
 * sanitizer sees what it does, by the check in its child, and by the unpacking, which must have written
 * nothing by then.  In a child a crash would pass for a refusal.
 */
#include "cm.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/archive.h"
#include "base/archive_read.h"
#include "base/fs.h"

enum packing { TAR, TAR_GZ, TAR_BZ2, TAR_XZ, ZIP, SEVEN_ZIP, CPIO };

/* One member as a test wants it. */
struct member {
    const char *name;
    unsigned type; /* AE_IF..., 0 = file */
    unsigned mode; /* 0 = 0644 */
    const char *text, *symlink, *hardlink;
    size_t size;   /* of the text; 0 = it is a string */
    size_t repeat; /* the text that many times; 0 = once */
};

struct packed {
    unsigned char *data;
    size_t len;
};

static la_ssize_t collect(struct archive *a, void *arg, const void *data, size_t n)
{
    buf_add(arg, data, n);
    return (la_ssize_t)n;
}

static void set_format(struct archive *a, enum packing p)
{
    archive_write_set_format_gnutar(a);
    switch (p) {
    case TAR_GZ:
        assert_int_equal(archive_write_add_filter_gzip(a), ARCHIVE_OK);
        break;
    case TAR_BZ2:
        assert_int_equal(archive_write_add_filter_bzip2(a), ARCHIVE_OK);
        break;
    case TAR_XZ:
        assert_int_equal(archive_write_add_filter_xz(a), ARCHIVE_OK);
        break;
    case ZIP:
        assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
        break;
    case SEVEN_ZIP:
        assert_int_equal(archive_write_set_format_7zip(a), ARCHIVE_OK);
        break;
    case CPIO:
        assert_int_equal(archive_write_set_format_cpio(a), ARCHIVE_OK);
        break;
    case TAR:
        break;
    }
}

static void add_member(struct archive *a, const struct member *m)
{
    size_t n = !m->text ? 0 : m->size ? m->size : strlen(m->text), times = m->repeat ? m->repeat : 1;
    struct archive_entry *entry = archive_entry_new();
    archive_entry_copy_pathname(entry, m->name);
    archive_entry_set_filetype(entry, m->type ? m->type : AE_IFREG);
    archive_entry_set_perm(entry, (mode_t)(m->mode ? m->mode : 0644));
    archive_entry_set_uid(entry, 4711);
    if (m->symlink) {
        archive_entry_set_filetype(entry, AE_IFLNK);
        archive_entry_copy_symlink(entry, m->symlink);
    }
    if (m->hardlink) {
        archive_entry_copy_hardlink(entry, m->hardlink);
    }
    archive_entry_set_size(entry, (la_int64_t)(n * times));
    assert_true(archive_write_header(a, entry) >= ARCHIVE_WARN);
    for (size_t i = 0; i < times && n > 0; i++) {
        assert_int_equal(archive_write_data(a, m->text, n), n);
    }
    archive_entry_free(entry);
}

static struct packed pack(enum packing p, const struct member *members, size_t n)
{
    struct buf b = {0};
    struct archive *a = archive_write_new();
    set_format(a, p);
    archive_write_set_bytes_in_last_block(a, 1);
    assert_int_equal(archive_write_open(a, &b, NULL, collect, NULL), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        add_member(a, &members[i]);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    size_t len = b.len;
    return (struct packed){.data = (unsigned char *)buf_take(&b), .len = len};
}

/* The bytes of a and then `times` more blocks, packed as they are. */
static struct packed gzip_of(const struct packed *inner, const void *block, size_t n, int times)
{
    struct buf b = {0};
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_write_set_format_raw(a);
    archive_write_add_filter_gzip(a);
    assert_int_equal(archive_write_open(a, &b, NULL, collect, NULL), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, inner->data, inner->len), inner->len);
    for (int i = 0; i < times; i++) {
        assert_int_equal(archive_write_data(a, block, n), n);
    }
    archive_entry_free(entry);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    size_t len = b.len;
    return (struct packed){.data = (unsigned char *)buf_take(&b), .len = len};
}

static int file_of(const void *data, size_t n)
{
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), n);
    return fd;
}

static char *new_dir(void)
{
    char *dir = xstrdup("/tmp/test-archive-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static size_t entries_in(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *entry = readdir(d); entry; entry = readdir(d)) {
        n += entry->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

static char *path_in(const char *dir, const char *name)
{
    return str_printf("%s/%s", dir, name);
}

static void assert_text(const char *dir, const char *name, const char *text)
{
    _cleanup_free_ char *path = path_in(dir, name);
    _cleanup_buf_ struct buf b = {0};
    assert_int_equal(fs_read(path, 1 << 20, &b, NULL), 0);
    assert_string_equal(b.len ? b.data : "", text);
}

static unsigned mode_of(const char *dir, const char *name)
{
    _cleanup_free_ char *path = path_in(dir, name);
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

/* The reader in this process: 0, or ERR_INVALID with a message. */
static int walk(const void *data, size_t n, const struct archive_limits *limits, struct err *e)
{
    _cleanup_close_ int fd = file_of(data, n);
    struct archive_info info = {.members = -7};
    int r = arc_walk(fd, limits, NULL, &info, e);
    assert_true((r == 0 && info.members >= 0) || (r == ERR_INVALID && info.members == -7));
    return r;
}

static void assert_refusal(int r, const struct err *e, const char *word)
{
    if (r != ERR_INVALID || !strstr(e->message, word)) {
        fail_msg("expected \"%s\", got %d: %s", word, r, e->message ? e->message : "(accepted)");
    }
}

/* Refused three times, with nothing written; the message contains `word`. */
static void refused_limits(const void *data, size_t n, const struct archive_limits *limits, const char *word)
{
    _cleanup_close_ int fd = file_of(data, n);
    struct archive_info info = {.members = -7};
    _cleanup_err_ struct err here = {0}, e = {0};
    assert_refusal(walk(data, n, limits, &here), &here, word);
    assert_refusal(archive_check(fd, limits, &info, &e), &e, word);
    assert_string_equal(e.message, here.message); /* the child has come to the same end, not to a bad one */
    assert_int_equal(info.members, -7);
    _cleanup_free_ char *dir = new_dir();
    assert_int_equal(archive_extract(fd, dir, 0, 0, limits, NULL), ERR_INVALID);
    assert_int_equal(entries_in(dir), 0);
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
}

static void refused(const void *data, size_t n, const char *word)
{
    refused_limits(data, n, NULL, word);
}

static void refused_members(enum packing p, const struct member *m, size_t n, const char *word)
{
    struct packed a = pack(p, m, n);
    refused(a.data, a.len, word);
    free(a.data);
}

/* ---- what is accepted ---- */

static const struct member site[] = {
    {.name = "./", .type = AE_IFDIR, .mode = 0700},
    {.name = "./index.php", .text = "<?php", .mode = 04755},
    {.name = "lib/", .type = AE_IFDIR, .mode = 0},
    {.name = "lib/deep//./er/a.txt", .text = "hello", .mode = 0666},
    {.name = "empty", .text = ""},
    {.name = "gr\xc3\xbc\xc3\x9f.txt", .text = "utf-8"},
};

static void every_format_unpacks(void **state)
{
    static const struct {
        enum packing packing;
        const char *word;
    } rows[] = {{TAR, "tar"}, {TAR_GZ, "tar.gz"}, {TAR_BZ2, "tar.bz2"}, {TAR_XZ, "tar.xz"}, {ZIP, "zip"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct packed a = pack(rows[i].packing, site, ARRAY_LEN(site));
        _cleanup_close_ int fd = file_of(a.data, a.len);
        _cleanup_err_ struct err e = {0};
        struct archive_info info = {0};
        if (archive_check(fd, NULL, &info, &e) != 0) {
            fail_msg("%s: %s", rows[i].word, e.message);
        }
        assert_string_equal(info.format, rows[i].word);
        assert_int_equal(info.members, ARRAY_LEN(site));
        assert_int_equal(info.bytes, 15);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), (off_t)a.len); /* the caller's offset is left alone */
        _cleanup_free_ char *dir = new_dir();
        if (archive_extract(fd, dir, 0, 0, NULL, &e) != 0) {
            fail_msg("%s: %s", rows[i].word, e.message);
        }
        assert_text(dir, "index.php", "<?php");
        assert_text(dir, "lib/deep/er/a.txt", "hello");
        assert_text(dir, "empty", "");
        assert_text(dir, "gr\xc3\xbc\xc3\x9f.txt", "utf-8");
        assert_int_equal(mode_of(dir, "index.php"), 0755); /* no set-user-id */
        assert_int_equal(mode_of(dir, "lib/deep/er/a.txt"), 0644);
        assert_int_equal(fs_remove_tree(dir, NULL), 0);
        free(a.data);
    }
}

static void links_inside_the_tree(void **state)
{
    static const struct member m[] = {
        {.name = "data/real.txt", .text = "content"},
        {.name = "data/link.txt", .symlink = "real.txt"},
        {.name = "up/and/over", .symlink = "../../data/link.txt"},
        {.name = "all", .symlink = "./data"},
        {.name = "dangling", .symlink = "nowhere/yet"},
        {.name = "hard.txt", .hardlink = "data/real.txt"},
    };
    struct packed a = pack(TAR, m, ARRAY_LEN(m));
    _cleanup_close_ int fd = file_of(a.data, a.len);
    _cleanup_err_ struct err e = {0};
    _cleanup_free_ char *dir = new_dir();
    if (archive_extract(fd, dir, 0, 0, NULL, &e) != 0) {
        fail_msg("%s", e.message);
    }
    assert_text(dir, "up/and/over", "content");
    assert_text(dir, "all/link.txt", "content");
    assert_text(dir, "hard.txt", "content");
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
    free(a.data);
}

static void unpacks_as_somebody(void **state)
{
    if (geteuid() != 0) {
        skip();
    }
    struct packed a = pack(TAR_GZ, site, ARRAY_LEN(site));
    _cleanup_close_ int fd = file_of(a.data, a.len);
    _cleanup_free_ char *dir = new_dir(), *path = path_in(dir, "lib/deep/er/a.txt");
    _cleanup_err_ struct err e = {0};
    if (archive_extract(fd, dir, 65534, 65533, NULL, &e) != 0) {
        fail_msg("%s", e.message);
    }
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_uid, 65534);
    assert_int_equal(st.st_gid, 65533);
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
    free(a.data);
}

static void only_into_an_empty_directory(void **state)
{
    struct packed a = pack(TAR, site, ARRAY_LEN(site));
    _cleanup_close_ int fd = file_of(a.data, a.len);
    _cleanup_free_ char *dir = new_dir(), *path = path_in(dir, "here");
    assert_int_equal(fs_write_atomic(path, "x", 1, 0600, NULL), 0);
    assert_int_equal(archive_extract(fd, dir, 0, 0, NULL, NULL), ERR_EXISTS);
    assert_int_equal(archive_extract(fd, "/nonexistent/dir", 0, 0, NULL, NULL), -ENOENT);
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
    free(a.data);
}

/* ---- names and links ---- */

static void names_that_lead_out(void **state)
{
    static const struct {
        const char *name, *word;
    } rows[] = {
        {"../../../../etc/cron.d/x", ".."},
        {"a/../../b", ".."},
        {"a/..", ".."},
        {"..", ".."},
        {"/etc/passwd", "absolute"},
        {"//etc/passwd", "absolute"},
        {"a\\..\\..\\b", "backslash"},
        {"C:\\x", "backslash"},
        {"\xc0\xae\xc0\xae/x", "UTF-8"}, /* overlong dots */
        {"\xe0\x80\xaf", "UTF-8"},
        {"a\nb", "control"},
        {"a\x1b[31m", "control"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct member m[] = {{.name = "first.txt", .text = "x"}, {.name = rows[i].name, .text = "x"}};
        refused_members(TAR, m, 2, rows[i].word);
        if (!strchr(rows[i].name, '\\') && rows[i].name[0] != '\xc0' && rows[i].name[0] != '\xe0') {
            refused_members(ZIP, m, 2, rows[i].word); /* the library's writer changes the others */
        }
    }
}

/* A zip with any name bytes: written with letters, then patched in both directories. */
static void zip_names_that_lead_out(void **state)
{
    static const struct {
        const char *letters, *bytes;
    } rows[] = {{"QQQQQQQQ", "..\\..\\ab"},
                {"QQQQQQQQ", "/etc/abc"},
                {"QQQQQQQQ", "../../ab"},
                {"QQQQQQQQ", "\xc0\xae\xc0\xae/abc"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct member m[] = {{.name = rows[i].letters, .text = "x"}};
        struct packed a = pack(ZIP, m, 1);
        size_t n = strlen(rows[i].letters), patched = 0;
        for (size_t k = 0; k + n <= a.len; k++) {
            if (memcmp(a.data + k, rows[i].letters, n) == 0) {
                memcpy(a.data + k, rows[i].bytes, n);
                patched++;
            }
        }
        assert_int_equal(patched, 2);
        _cleanup_close_ int fd = file_of(a.data, a.len);
        struct archive_info info;
        _cleanup_err_ struct err e = {0};
        _cleanup_free_ char *dir = new_dir();
        int r = archive_check(fd, NULL, &info, &e);
        if (strchr(rows[i].bytes, '\\') && r == 0) {
            /* A reader may take backslashes for slashes; then ".." must have been seen. */
            fail_msg("accepted backslashes");
        }
        assert_int_equal(r, ERR_INVALID);
        assert_int_equal(archive_extract(fd, dir, 0, 0, NULL, NULL), ERR_INVALID);
        assert_int_equal(entries_in(dir), 0);
        assert_int_equal(fs_remove_tree(dir, NULL), 0);
        free(a.data);
    }
}

static void symlinks_that_lead_out(void **state)
{
    static const struct {
        const char *name, *target;
    } rows[] = {
        {"link", "/etc"},      {"link", ".."},          {"a/link", "../.."},     {"a/link", "../../x"},
        {"link", "a/../../x"}, {"link", "a/.."},        {"link", "./../x"},      {"link", "\\etc"},
        {"link", "a\nb"},      {"a/b/c", "../../../x"}, {"a/link", ".././../x"}, {"a/link", "b/../c"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct member m[] = {{.name = rows[i].name, .symlink = rows[i].target}};
        refused_members(TAR, m, 1, "link's target");
        refused_members(ZIP, m, 1, "link's target");
    }
}

static void writing_through_links(void **state)
{
    const struct member through[] = {
        {.name = "d/x", .text = "x"}, {.name = "link", .symlink = "d"}, {.name = "link/evil", .text = "x"}};
    refused_members(TAR, through, 3, "not a directory");
    const struct member replaced[] = {{.name = "link", .symlink = "d"}, {.name = "link", .text = "x"}};
    refused_members(TAR, replaced, 2, "twice");
    const struct member dir_replaced[] = {{.name = "d/x", .text = "x"}, {.name = "d", .symlink = "e"}};
    refused_members(TAR, dir_replaced, 2, "twice");
    const struct member file_as_dir[] = {{.name = "f", .text = "x"}, {.name = "f/g", .text = "x"}};
    refused_members(TAR, file_as_dir, 2, "not a directory");
    const struct member twice[] = {{.name = "f", .text = "x"}, {.name = "./f", .text = "y"}};
    refused_members(TAR, twice, 2, "twice");
}

static void hard_links_that_lead_out(void **state)
{
    static const char *const targets[] = {"/etc/shadow", "../x", "missing", "link", "dir", "self"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const struct member m[] = {{.name = "link", .symlink = "x"},
                                   {.name = "dir/", .type = AE_IFDIR, .mode = 0755},
                                   {.name = "self", .hardlink = targets[i]}};
        refused_members(TAR, m, 3, "hard link");
    }
}

/* Out of its own directory into the one beside it, which is there and belongs to another application. */
static void another_applications_files(void **state)
{
    _cleanup_free_ char *data = new_dir(), *own = path_in(data, "a1"), *other = path_in(data, "a2");
    _cleanup_free_ char *secret = path_in(other, "secret.txt"), *absolute = path_in(data, "a2/secret.txt");
    assert_int_equal(fs_mkdirs(own, 0755, NULL), 0);
    assert_int_equal(fs_mkdirs(other, 0755, NULL), 0);
    assert_int_equal(fs_write_atomic(secret, "theirs", 6, 0644, NULL), 0);
    const struct member rows[][2] = {
        {{.name = "../a2/secret.txt", .text = "mine"}},
        {{.name = "link", .symlink = "../a2/secret.txt"}, {.name = "link", .text = "mine"}},
        {{.name = "dir", .symlink = "../a2"}, {.name = "dir/secret.txt", .text = "mine"}},
        {{.name = "link", .symlink = absolute}},
        {{.name = absolute, .text = "mine"}},
        {{.name = "hard", .hardlink = "../a2/secret.txt"}},
        {{.name = "hard", .hardlink = absolute}, {.name = "hard", .text = "mine"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct packed a = pack(TAR, rows[i], rows[i][1].name ? 2 : 1);
        _cleanup_close_ int fd = file_of(a.data, a.len);
        assert_int_equal(archive_extract(fd, own, 0, 0, NULL, NULL), ERR_INVALID);
        assert_int_equal(entries_in(own), 0);
        free(a.data);
    }
    struct stat st;
    assert_text(data, "a2/secret.txt", "theirs");
    assert_int_equal(stat(secret, &st), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(fs_remove_tree(data, NULL), 0);
}

static void special_members(void **state)
{
    static const unsigned types[] = {AE_IFCHR, AE_IFBLK, AE_IFIFO};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct member m[] = {{.name = "ok", .text = "x"}, {.name = "dev", .type = types[i]}};
        refused_members(TAR, m, 2, "neither a file");
    }
}

/* The entry of the n-th member in a zip's directory. */
static unsigned char *zip_entry(const struct packed *a, int n)
{
    unsigned char *p = memmem(a->data, a->len, "PK\1\2", 4);
    for (; n > 0; n--) {
        assert_non_null(p);
        p = memmem(p + 4, a->len - (size_t)(p + 4 - a->data), "PK\1\2", 4);
    }
    assert_non_null(p);
    return p;
}

/* A zip says what a member is in the upper half of its attributes; it can say all that a disk can. */
static void special_members_of_a_zip(void **state)
{
    static const unsigned kinds[] = {S_IFSOCK, S_IFCHR, S_IFBLK}; /* a fifo is read as a file */
    const struct member m[] = {{.name = "ok", .text = "x"}, {.name = "odd", .text = "y"}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct packed a = pack(ZIP, m, 2);
        unsigned char *entry = zip_entry(&a, 1);
        unsigned mode = kinds[i] | 0644;
        entry[40] = (unsigned char)(mode & 0xff);
        entry[41] = (unsigned char)(mode >> 8);
        refused(a.data, a.len, "neither a file");
        free(a.data);
    }
}

static void encrypted_members(void **state)
{
    const struct member m[] = {{.name = "secret", .text = "x"}};
    struct packed a = pack(ZIP, m, 1);
    a.data[6] |= 1; /* the flag, in both directories */
    zip_entry(&a, 0)[8] |= 1;
    refused(a.data, a.len, "it is encrypted");
    free(a.data);
}

static void names_of_nothing(void **state)
{
    static const char *const names[] = {".", ".//."};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct member file[] = {{.name = names[i], .text = "x"}};
        refused_members(TAR, file, 1, "the name is empty");
        const struct member link[] = {{.name = names[i], .symlink = "x"}};
        refused_members(TAR, link, 1, "the name is empty");
    }
    const struct member nowhere[] = {{.name = "link", .symlink = ""}};
    refused_members(ZIP, nowhere, 1, "link");
}

/* ---- limits ---- */

static void bombs(void **state)
{
    _cleanup_free_ char *block = xcalloc(1, 65537);
    memset(block, 'z', 65536);
    const struct member big[] = {{.name = "bomb", .text = block, .repeat = 64}};
    const struct archive_limits file = {.max_file = 3 << 20}, total = {.max_bytes = 3 << 20};
    static const enum packing kinds[] = {TAR_GZ, TAR_BZ2, TAR_XZ, ZIP};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct packed a = pack(kinds[i], big, 1);
        assert_true(a.len < 65536);
        refused_limits(a.data, a.len, &file, "too large");
        refused_limits(a.data, a.len, &total, "too many bytes");
        free(a.data);
    }
}

/* What is no member is limited too: zeros behind the end of the tar, 65 MiB of them in 64 kB. */
static void a_bomb_of_padding(void **state)
{
    struct packed a = pack(TAR, site, ARRAY_LEN(site));
    _cleanup_free_ char *zeros = xcalloc(1, 1 << 20);
    struct packed packed = gzip_of(&a, zeros, 1 << 20, 65);
    const struct archive_limits small = {.max_bytes = 100};
    _cleanup_err_ struct err e = {0};
    assert_true(packed.len < 1 << 17);
    assert_refusal(walk(packed.data, packed.len, &small, &e), &e, "unpacks to more than");
    free(packed.data);
    free(a.data);
}

/* An archive in an archive is a file like any other: it is not opened. */
static void a_zip_in_a_zip(void **state)
{
    const struct member evil[] = {{.name = "../../x", .text = "x"}};
    struct packed inner = pack(ZIP, evil, 1);
    const struct member outer[] = {{.name = "inner.zip", .text = (char *)inner.data, .size = inner.len}};
    static const enum packing kinds[] = {ZIP, TAR_GZ};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct packed a = pack(kinds[i], outer, 1);
        _cleanup_close_ int fd = file_of(a.data, a.len);
        _cleanup_free_ char *dir = new_dir(), *path = path_in(dir, "inner.zip");
        _cleanup_buf_ struct buf b = {0};
        assert_int_equal(archive_extract(fd, dir, 0, 0, NULL, NULL), 0);
        assert_int_equal(entries_in(dir), 1);
        assert_int_equal(fs_read(path, 1 << 20, &b, NULL), 0);
        assert_int_equal(b.len, inner.len);
        assert_memory_equal(b.data, inner.data, b.len);
        assert_int_equal(fs_remove_tree(dir, NULL), 0);
        free(a.data);
    }
    free(inner.data);
}

static void unset_limits(void **state)
{
    const struct archive_limits l = arc_limits(NULL),
                                some = arc_limits(&(struct archive_limits){.max_file = 7});
    assert_int_equal(l.max_bytes, 2LL << 30);
    assert_int_equal(l.max_file, 1LL << 30);
    assert_int_equal(l.max_members, 200000);
    assert_int_equal(l.max_depth, 64);
    assert_int_equal(l.max_name, 1024);
    assert_int_equal(some.max_file, 7);
    assert_int_equal(some.max_bytes, l.max_bytes);
}

static void many_members(void **state)
{
    _cleanup_free_ struct member *m = xcalloc(300, sizeof(*m));
    char names[300][16];
    for (size_t i = 0; i < 300; i++) {
        snprintf(names[i], sizeof(names[i]), "f%zu", i);
        m[i] = (struct member){.name = names[i], .text = ""};
    }
    const struct archive_limits few = {.max_members = 299}, enough = {.max_members = 300};
    struct packed a = pack(TAR_GZ, m, 300);
    refused_limits(a.data, a.len, &few, "too many members");
    _cleanup_close_ int fd = file_of(a.data, a.len);
    struct archive_info info;
    assert_int_equal(archive_check(fd, &enough, &info, NULL), 0);
    free(a.data);
    /* Directories that are only implied count too. */
    const struct member deep[] = {{.name = "1/2/3/4/5/6/7/8/9/x", .text = ""}};
    const struct archive_limits nodes = {.max_members = 5};
    a = pack(TAR, deep, 1);
    refused_limits(a.data, a.len, &nodes, "too many members");
    /* A directory may be named again, but not for ever. */
    const struct member same[] = {{.name = "d/", .type = AE_IFDIR, .mode = 0755},
                                  {.name = "d/", .type = AE_IFDIR, .mode = 0755},
                                  {.name = "d/", .type = AE_IFDIR, .mode = 0755}};
    const struct archive_limits two = {.max_members = 2};
    struct packed again = pack(TAR, same, 3);
    assert_int_equal(walk(again.data, again.len, NULL, NULL), 0);
    refused_limits(again.data, again.len, &two, "too many members");
    free(again.data);
    const struct archive_limits shallow = {.max_depth = 9};
    refused_limits(a.data, a.len, &shallow, "too many components");
    free(a.data);
}

static void long_names(void **state)
{
    _cleanup_free_ char *name = xcalloc(1, 100001);
    for (size_t i = 0; i < 100000; i++) {
        name[i] = i % 100 == 99 ? '/' : 'n';
    }
    const struct member huge[] = {{.name = name, .text = "x"}};
    refused_members(TAR, huge, 1, "too long");
    name[1000] = '\0';
    memset(name, 'n', 300);
    const struct member component[] = {{.name = name, .text = "x"}};
    refused_members(TAR, component, 1, "component");
    _cleanup_buf_ struct buf deep = {0};
    for (int i = 0; i < 100; i++) {
        buf_adds(&deep, "d/");
    }
    const struct member nested[] = {{.name = deep.data, .text = "x"}};
    refused_members(TAR, nested, 1, "too many components");
}

/* ---- damage ---- */

static void truncated(void **state)
{
    static const struct member m[] = {{.name = "a.txt", .text = "0123456789abcdef", .repeat = 300},
                                      {.name = "b.txt", .text = "zweite Datei", .repeat = 90}};
    static const enum packing kinds[] = {TAR, TAR_GZ, TAR_BZ2, TAR_XZ, ZIP};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct packed a = pack(kinds[i], m, ARRAY_LEN(m));
        for (size_t step = 1; step < 24; step++) {
            size_t len = step < 12 ? a.len - step * (kinds[i] == TAR ? 200 : 1) : a.len * (step - 12) / 12;
            if (len == 0) {
                continue;
            }
            if (walk(a.data, len, NULL, NULL) != ERR_INVALID) {
                fail_msg("kind %d cut to %zu of %zu bytes was accepted", (int)kinds[i], len, a.len);
            }
        }
        refused(a.data, a.len / 2, "");
        free(a.data);
    }
    refused("", 0, "empty");
}

static void trailing_data(void **state)
{
    static const enum packing kinds[] = {TAR, TAR_GZ, TAR_BZ2, TAR_XZ, ZIP};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct packed a = pack(kinds[i], site, ARRAY_LEN(site));
        const char *word = kinds[i] == TAR || kinds[i] == TAR_XZ ? "" : "behind";
        _cleanup_buf_ struct buf b = {0};
        buf_add(&b, a.data, a.len);
        buf_add(&b, "x", 1);
        refused(b.data, b.len, word);
        buf_reset(&b); /* a whole second archive */
        buf_add(&b, a.data, a.len);
        buf_add(&b, a.data, a.len);
        if (kinds[i] == ZIP) {
            buf_adds(&b, "!");
        }
        refused(b.data, b.len, word);
        free(a.data);
    }
    struct packed a = pack(TAR, site, ARRAY_LEN(site));
    _cleanup_buf_ struct buf b = {0};
    char block[512] = {0};
    buf_add(&b, a.data, a.len);
    for (int i = 0; i < 30; i++) { /* zero blocks are how tapes end */
        buf_add(&b, block, sizeof(block));
    }
    _cleanup_close_ int fd = file_of(b.data, b.len);
    struct archive_info info;
    assert_int_equal(archive_check(fd, NULL, &info, NULL), 0);
    block[511] = 1;
    buf_add(&b, block, sizeof(block));
    refused(b.data, b.len, "behind");
    free(a.data);
}

static void wrong_checksums(void **state)
{
    /* Stored, not deflated, by its size: then only the checksum can tell. */
    struct packed a = pack(TAR_GZ, site, ARRAY_LEN(site));
    a.data[a.len - 8] ^= 1;
    refused(a.data, a.len, "gzip checksum");
    a.data[a.len - 8] ^= 1;
    a.data[a.len - 1] ^= 1;
    refused(a.data, a.len, "gzip checksum");
    free(a.data);
    a = pack(ZIP, site, ARRAY_LEN(site));
    unsigned char *p = memmem(a.data, a.len, "hello", 5);
    if (p) {
        *p = 'j';
        refused(a.data, a.len, "CRC");
    } else { /* deflated: the checksum in the directory is changed */
        p = memmem(a.data, a.len, "PK\1\2", 4);
        assert_non_null(p);
        while (memcmp(p + 46, "lib/deep", 8) != 0) {
            p = memmem(p + 4, a.len - (size_t)(p + 4 - a.data), "PK\1\2", 4);
            assert_non_null(p);
        }
        p[16] ^= 1;
        refused(a.data, a.len, "");
    }
    free(a.data);
    a = pack(TAR_XZ, site, ARRAY_LEN(site));
    a.data[a.len / 2] ^= 0x40;
    refused(a.data, a.len, "");
    free(a.data);
}

static void fix_tar_checksum(unsigned char *header)
{
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++) {
        sum += header[i];
    }
    char text[8];
    snprintf(text, sizeof(text), "%06o", sum & 0777777);
    memcpy(header + 148, text, 7);
}

/* More or less data than the directory says: of a stored member, whose data nothing else delimits. */
static void lying_zip_sizes(void **state)
{
    static const int lies[] = {-1, 1, 100};
    const struct member m[] = {{.name = "f", .text = "hello"}, {.name = "g", .text = "second"}};
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        struct packed a = pack(ZIP, m, 2);
        zip_entry(&a, 0)[24] = (unsigned char)(5 + lies[i]);
        refused(a.data, a.len, "");
        free(a.data);
    }
}

static void lying_tar_sizes(void **state)
{
    static const struct {
        unsigned char size[12];
        const char *word;
    } rows[] = {
        {"77777777777", "too large"},                                                   /* 8 GiB */
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}, ""}, /* -16 */
        {{0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, ""},          /* 2^63 - 1 */
        {{0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}, ""},                                  /* beyond 64 bits */
        {"-0000000005", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct member m[] = {{.name = "f", .text = "hello"}, {.name = "g", .text = "second"}};
        struct packed a = pack(TAR, m, 2);
        memcpy(a.data + 124, rows[i].size, 12);
        fix_tar_checksum(a.data);
        refused(a.data, a.len, rows[i].word);
        free(a.data);
    }
}

static void other_formats(void **state)
{
    refused_members(SEVEN_ZIP, site, ARRAY_LEN(site), "");
    refused_members(CPIO, site + 1, 1, "");
    refused("just some text, no archive at all\n", 34, "");
    char zeros[10240] = {0};
    struct archive_info info = {0};
    _cleanup_close_ int fd = file_of(zeros, sizeof(zeros)); /* a tar without members is one */
    int r = archive_check(fd, NULL, &info, NULL);
    assert_true(r == 0 ? info.members == 0 : r == ERR_INVALID);
    /* A packed archive inside a packed archive is not unpacked twice. */
    struct packed inner = pack(TAR_GZ, site, ARRAY_LEN(site)), twice = gzip_of(&inner, NULL, 0, 0);
    refused(twice.data, twice.len, "");
    free(twice.data);
    free(inner.data);
    int pipe_ends[2];
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    _cleanup_err_ struct err e = {0};
    assert_refusal(archive_check(pipe_ends[0], NULL, &info, &e), &e, "not a regular file");
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* Each byte of a small archive changed, one at a time: accepted or refused, never anything else, and never
 * anything outside. */
static void every_byte_flipped(void **state)
{
    const struct member m[] = {{.name = "d/a.txt", .text = "hello"}, {.name = "l", .symlink = "d/a.txt"}};
    static const enum packing kinds[] = {TAR, TAR_GZ, TAR_BZ2, TAR_XZ, ZIP};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct packed a = pack(kinds[k], m, ARRAY_LEN(m));
        for (size_t i = 0; i < a.len; i++) {
            a.data[i] ^= 0x55;
            (void)walk(a.data, a.len, NULL, NULL);
            a.data[i] ^= 0x55;
        }
        free(a.data);
    }
}

static void make_tar(void **state)
{
    const struct archive_file files[] = {{"index.html", "<p>hello</p>\n"}, {"sub/empty.txt", ""}};
    void *tar = NULL, *again = NULL;
    size_t n = 0, n2 = 0;
    assert_int_equal(archive_make_tar(files, 2, &tar, &n, NULL), 0);
    assert_int_equal(archive_make_tar(files, 2, &again, &n2, NULL), 0);
    assert_int_equal(n, n2);
    assert_memory_equal(tar, again, n);
    _cleanup_close_ int fd = file_of(tar, n);
    struct archive_info info = {0};
    _cleanup_err_ struct err e = {0};
    if (archive_check(fd, NULL, &info, &e) != 0) {
        fail_msg("%s", e.message);
    }
    assert_string_equal(info.format, "tar");
    assert_int_equal(info.members, 2);
    _cleanup_free_ char *dir = new_dir();
    assert_int_equal(archive_extract(fd, dir, 0, 0, NULL, NULL), 0);
    assert_text(dir, "index.html", "<p>hello</p>\n");
    assert_text(dir, "sub/empty.txt", "");
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
    free(tar);
    free(again);
    const struct archive_file bad[] = {{"../x", ""}};
    assert_int_equal(archive_make_tar(bad, 1, &tar, &n, NULL), ERR_INVALID);
}

int main(void)
{
    assert(setlocale(LC_CTYPE, "C.UTF-8")); /* as the child does: names are UTF-8 */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_unpacks),
        cmocka_unit_test(links_inside_the_tree),
        cmocka_unit_test(unpacks_as_somebody),
        cmocka_unit_test(only_into_an_empty_directory),
        cmocka_unit_test(names_that_lead_out),
        cmocka_unit_test(zip_names_that_lead_out),
        cmocka_unit_test(symlinks_that_lead_out),
        cmocka_unit_test(writing_through_links),
        cmocka_unit_test(hard_links_that_lead_out),
        cmocka_unit_test(another_applications_files),
        cmocka_unit_test(special_members),
        cmocka_unit_test(special_members_of_a_zip),
        cmocka_unit_test(encrypted_members),
        cmocka_unit_test(names_of_nothing),
        cmocka_unit_test(bombs),
        cmocka_unit_test(a_bomb_of_padding),
        cmocka_unit_test(a_zip_in_a_zip),
        cmocka_unit_test(unset_limits),
        cmocka_unit_test(many_members),
        cmocka_unit_test(long_names),
        cmocka_unit_test(truncated),
        cmocka_unit_test(trailing_data),
        cmocka_unit_test(wrong_checksums),
        cmocka_unit_test(lying_tar_sizes),
        cmocka_unit_test(lying_zip_sizes),
        cmocka_unit_test(other_formats),
        cmocka_unit_test(every_byte_flipped),
        cmocka_unit_test(make_tar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
