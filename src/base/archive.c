/*
 * Archives from the caller's side: the child that reads them, what it says, and packing a small tar.
 *
 * The child says one line through a pipe: "ok FORMAT MEMBERS BYTES" or "no CODE MESSAGE". It has read
 * hostile bytes, so the line is taken apart as carefully as they are.
 */
#include "base/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/archive_names.h"
#include "base/archive_read.h"
#include "base/archive_unpack.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/sandbox.h"

#define ARC_CPU_SECONDS 300
#define ARC_WALL_MS 900000
#define ARC_MEMORY (512LL << 20)
#define ARC_REPORT_MAX 4096
#define ARC_NOBODY 65534
#define ARC_EXIT_UNCAGED 101

/* What the child is to do. */
struct arc_job {
    int fd, root; /* root -1: only check */
    uid_t uid;
    gid_t gid;
    struct archive_limits limits;
};

/* ---- the child ---- */

static int arc_job_run(const struct arc_job *job, int fd, int root, struct archive_info *ret, struct err *e)
{
    int r = arc_walk(fd, &job->limits, NULL, ret, e);
    if (r < 0 || job->root < 0) {
        return r;
    }
    struct arc_unpack u = {.root = root, .fd = -1};
    struct arc_sink sink = arc_unpack_sink(&u);
    r = arc_walk(fd, &job->limits, &sink, ret, e);
    if (r == 0 && syncfs(root) != 0) {
        r = err_errno(e, errno, "cannot make the files durable");
    }
    return r;
}

static _Noreturn void arc_child(const struct arc_job *job, int report)
{
    const int keep[3] = {report, job->fd, job->root};
    struct sandbox_limits cage = {
        .uid = job->uid,
        .gid = job->gid,
        .cpu_seconds = ARC_CPU_SECONDS,
        .memory = ARC_MEMORY,
        .file_size = job->limits.max_file,
    };
    if (job->root < 0 && geteuid() == 0) {
        cage.uid = cage.gid = ARC_NOBODY; /* reading an open file needs no user at all */
    }
    struct archive_info info = {0};
    struct err e = {0};
    struct buf b = {0};
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* names are UTF-8, and nothing has to be converted */
    if (sandbox_enter(&cage, keep, job->root >= 0 ? 3 : 2) < 0) {
        _exit(ARC_EXIT_UNCAGED); /* which descriptor is which is not known here: say nothing */
    }
    int r = arc_job_run(job, 4, job->root >= 0 ? 5 : -1, &info, &e);
    if (r < 0) {
        buf_addf(&b, "no %d %.2000s\n", r, e.message ? e.message : "");
    } else {
        buf_addf(&b, "ok %s %lld %lld\n", info.format, (long long)info.members, (long long)info.bytes);
    }
    (void)!fs_write_all(3, b.data, b.len); /* who does not hear it takes the archive for unreadable */
    _exit(r < 0);
}

/* ---- the parent ---- */

/* Until the child closes the pipe; false when the time is up or it says too much. */
static bool arc_listen(int fd, int64_t deadline, struct buf *out)
{
    char chunk[512];
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || out->len > ARC_REPORT_MAX) {
            return false;
        }
        ssize_t k = read(fd, chunk, sizeof(chunk));
        if (k > 0) {
            buf_add(out, chunk, (size_t)k);
        } else if (k == 0 || errno != EINTR) {
            return k == 0;
        }
    }
}

/* Cuts the next word off *s. */
static char *arc_word(char **s)
{
    char *word = *s, *end = strchr(word, ' ');
    if (end) {
        *end = '\0';
        *s = end + 1;
    } else {
        *s = word + strlen(word);
    }
    return word;
}

static int arc_parse_ok(char *s, struct archive_info *ret)
{
    struct archive_info info = {0};
    if (!str_copy(info.format, sizeof(info.format), arc_word(&s)) ||
        str_to_int(arc_word(&s), 0, INT64_MAX, &info.members) < 0 ||
        str_to_int(arc_word(&s), 0, INT64_MAX, &info.bytes) < 0 || *s) {
        return ERR_INTERNAL;
    }
    *ret = info;
    return 0;
}

static int arc_parse(struct buf *report, struct archive_info *ret, struct err *e)
{
    char *s = report->data ? report->data : NULL;
    size_t n = report->len;
    if (!s || n < 4 || strlen(s) != n || s[n - 1] != '\n') {
        return err_set(e, ERR_INVALID, "the archive could not be read");
    }
    s[n - 1] = '\0';
    const char *verdict = arc_word(&s);
    int64_t code = 0;
    if (str_eq(verdict, "ok") && arc_parse_ok(s, ret) == 0) {
        return 0;
    }
    if (str_eq(verdict, "no") && str_to_int(arc_word(&s), -2000, -1, &code) == 0) {
        for (char *p = s; *p; p++) {
            *p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
        }
        return err_set(e, (int)code, "%s", str_is_utf8(s) ? s : "the archive could not be read");
    }
    return err_set(e, ERR_INVALID, "the archive could not be read");
}

/* status is -1 when somebody else has collected the child. */
static int arc_explain(bool complete, int status, struct buf *report, struct archive_info *ret, struct err *e)
{
    if (!complete) {
        return err_set(e, ERR_INVALID, "the archive takes too long to read");
    }
    if (status != -1 && WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        return sig == SIGXCPU || sig == SIGKILL
                   ? err_set(e, ERR_INVALID, "the archive takes too much time or memory to read")
                   : err_set(e, ERR_INVALID, "the archive reader ended with signal %d", sig);
    }
    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == ARC_EXIT_UNCAGED) {
        return err_set(e, ERR_INTERNAL, "the archive reader could not be locked up");
    }
    return arc_parse(report, ret, e);
}

static int arc_run(const struct arc_job *job, struct archive_info *ret, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_errno(e, errno, "cannot make a pipe");
    }
    _cleanup_close_ int mine = ends[0], child_end = ends[1];
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        arc_child(job, child_end);
    }
    int why = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        return err_errno(e, why, "cannot fork");
    }
    closep(&child_end);
    _cleanup_buf_ struct buf report = {0};
    bool complete = arc_listen(mine, clock_mono_ms() + ARC_WALL_MS, &report);
    if (!complete) {
        (void)kill(pid, SIGKILL);
    }
    int status = 0;
    pid_t got = 0;
    while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
    }
    return arc_explain(complete, got == pid ? status : -1, &report, ret, e);
}

int archive_check(int fd, const struct archive_limits *limits, struct archive_info *ret, struct err *e)
{
    struct arc_job job = {.fd = fd, .root = -1, .limits = arc_limits(limits)};
    return arc_run(&job, ret, e);
}

static int arc_is_empty(int dirfd, struct err *e)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        int why = errno;
        closep(&fd);
        return err_errno(e, why, "cannot read the directory to unpack into");
    }
    bool empty = true;
    for (const struct dirent *entry = readdir(d); entry && empty; entry = readdir(d)) {
        empty = str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..");
    }
    closedir(d);
    return empty ? 0 : err_set(e, ERR_EXISTS, "the directory to unpack into is not empty");
}

int archive_extract(int fd, const char *dir, uid_t uid, gid_t gid, const struct archive_limits *limits,
                    struct err *e)
{
    _cleanup_close_ int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        return err_errno(e, errno, "cannot open %s", dir);
    }
    int r = arc_is_empty(root, e);
    if (r < 0) {
        return r;
    }
    if (uid != 0 && geteuid() == 0 && fchown(root, uid, gid ? gid : (gid_t)uid) != 0) {
        return err_errno(e, errno, "cannot give %s to user %u", dir, (unsigned)uid);
    }
    struct arc_job job = {.fd = fd, .root = root, .uid = uid, .gid = gid, .limits = arc_limits(limits)};
    struct archive_info info = {0};
    return arc_run(&job, &info, e);
}

/* ---- packing ---- */

static la_ssize_t arc_pack_write(struct archive *a, void *arg, const void *data, size_t n)
{
    buf_add(arg, data, n);
    return (la_ssize_t)n;
}

static int arc_pack_file(struct archive *a, const struct archive_file *file)
{
    size_t n = strlen(file->text);
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, file->name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)n);
    archive_entry_set_mtime(entry, 0, 0); /* the same files make the same bytes, and so the same hash */
    int r = archive_write_header(a, entry);
    archive_entry_free(entry);
    if (r == ARCHIVE_OK && n > 0 && archive_write_data(a, file->text, n) != (la_ssize_t)n) {
        r = ARCHIVE_FATAL;
    }
    return r;
}

int archive_make_tar(const struct archive_file *files, size_t n, void **ret, size_t *ret_len, struct err *e)
{
    const struct archive_limits l = arc_limits(NULL);
    const struct arc_rules rules = {
        .max_nodes = l.max_members, .max_depth = l.max_depth, .max_name = l.max_name};
    _cleanup_buf_ struct buf out = {0};
    struct archive *a = archive_write_new();
    int r = archive_write_set_format_ustar(a);
    r = r < 0 ? r : archive_write_set_bytes_in_last_block(a, 1);
    r = r < 0 ? r : archive_write_open(a, &out, NULL, arc_pack_write, NULL);
    const char *why = NULL;
    for (size_t i = 0; r == ARCHIVE_OK && !why && i < n; i++) {
        _cleanup_free_ char *clean = arc_name_clean(files[i].name, &rules, &why);
        r = why ? r : arc_pack_file(a, &files[i]);
    }
    r = r < 0 ? r : archive_write_close(a);
    int code = why               ? err_set(e, ERR_INVALID, "cannot pack: %s", why)
               : r != ARCHIVE_OK ? err_set(e, ERR_INTERNAL, "cannot pack: %s", archive_error_string(a))
                                 : 0;
    archive_write_free(a);
    if (code < 0) {
        return code;
    }
    *ret_len = out.len;
    *ret = buf_take(&out);
    return 0;
}
