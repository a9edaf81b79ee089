#include "git/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"
#include "git/link.h"
#include "git/refs.h"
#include "git/repo.h"

#define INPUT_MAX (64 * 1024)
#define FILES_MAX 200000
#define LISTING_MAX (64LL << 20)
#define GIT_MS 120000
#define SHORT_MS 20000

/* ---- what people see ---- */

/* Others' text on its way to a terminal. */
static void say(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        (void)putc(c < ' ' && c != '\n' ? ' ' : c == 0x7f ? '?' : c, stderr);
    }
    (void)putc('\n', stderr);
}

static int refuse(const struct err *e)
{
    _cleanup_free_ char *text = str_printf("refused: %s", e->message ? e->message : "failed");
    say(text);
    if (e->hint) {
        say(e->hint);
    }
    return 1;
}

/* ---- the tree ---- */

struct listing {
    int64_t entries, bytes;
    char *submodule; /* path of the first one */
};

/* "160000 commit HASH\tPATH" is code of another repository. */
static void take_entry(struct listing *l, const char *entry)
{
    const char *tab = strchr(entry, '\t');
    l->entries++;
    if (str_starts(entry, "160000 ") && tab && !l->submodule) {
        l->submodule = xstrdup(tab + 1);
    }
}

static int read_listing(int fd, struct listing *l, struct err *e)
{
    _cleanup_buf_ struct buf b = {0};
    char chunk[16384];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        l->bytes += n;
        for (ssize_t i = 0; i < n; i++) {
            if (chunk[i]) {
                buf_addc(&b, chunk[i]);
            } else {
                take_entry(l, b.data ? b.data : "");
                buf_reset(&b);
            }
        }
        if (l->entries > FILES_MAX || l->bytes > LISTING_MAX) {
            return err_set(e, ERR_TOO_LARGE, "the tree has more than %d files", FILES_MAX);
        }
    }
    return n < 0 ? err_errno(e, errno, "git ls-tree") : 0;
}

/* A small pack can hold a tree of billions of files: the listing is cut off at a limit, and nothing else looks at the
 * tree before. */
static int check_tree(const char *commit, struct err *e)
{
    const char *argv[] = {"git", "ls-tree", "-r", "-z", "--full-tree", commit, NULL};
    _cleanup_close_ int out = -1, in = -1;
    struct listing l = {0};
    int ends[2], status = 0;
    pid_t pid = 0;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return err_errno(e, errno, "a pipe");
    }
    in = ends[0];
    out = ends[1];
    struct proc_spec spec = {.argv = argv, .in = -1, .out = out, .err = STDERR_FILENO, .new_group = true};
    int r = proc_start(&spec, &pid, e);
    if (r < 0) {
        return r;
    }
    closep(&out);
    r = read_listing(in, &l, e);
    if (r < 0) {
        (void)kill(-pid, SIGKILL);
    }
    int waited = repo_wait(pid, GIT_MS, &status, r < 0 ? NULL : e);
    r = r < 0 ? r : waited;
    if (r == 0 && status != 0) {
        r = err_set(e, ERR_INVALID, "%s is no commit", commit);
    }
    if (r == 0 && l.submodule) {
        r = err_set_hint(e, ERR_INVALID, "put its files into this repository",
                         "%s is a submodule: its code is in another repository, which is not fetched",
                         l.submodule);
    }
    free(l.submodule);
    return r;
}

/* ---- the archive ---- */

static int subject_of(const char *commit, char **ret, struct err *e)
{
    const char *argv[] = {"git", "log", "-1", "--no-show-signature", "--format=%s", commit, NULL};
    struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    _cleanup_buf_ struct buf out = {0};
    int status = 0;
    int r = proc_run(&spec, NULL, SHORT_MS, 1024, &out, &status, e);
    if (r < 0) {
        return r;
    }
    char *text = status == 0 && out.len ? buf_take(&out) : xstrdup("");
    text[strcspn(text, "\n")] = '\0';
    if (!str_is_utf8(text)) {
        *text = '\0';
    }
    *ret = text;
    return 0;
}

/* In a file without a name: it is gone with us. Filters of .gitattributes have no definition here and do not run. */
static int make_archive(const struct git_config *c, const char *commit, int *ret, struct err *e)
{
    _cleanup_free_ char *spool = str_printf("%s/spool", c->dir);
    _cleanup_close_ int fd = open(spool, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_errno(e, errno, "%s", spool);
    }
    const char *argv[] = {"git", "archive", "--format=tar.gz", commit, NULL};
    struct proc_spec spec = {.argv = argv, .in = -1, .out = fd, .err = STDERR_FILENO, .new_group = true};
    pid_t pid = 0;
    int status = 0;
    int r = proc_start(&spec, &pid, e);
    if (r < 0 || (r = repo_wait(pid, GIT_MS, &status, e)) < 0) {
        return r;
    }
    if (status != 0) {
        char how[64];
        proc_status_text(status, how);
        return err_set(e, ERR_FAILED, "the tree could not be packed: git archive, %s", how);
    }
    *ret = TAKE_FD(fd);
    return 0;
}

/* ---- the push ---- */

static void tell_result(const json_t *ok)
{
    const char *version = json_str(ok, "version", ""), *url = json_str(ok, "url", NULL);
    const char *name = json_str(ok, "name", ""), *state = json_str(ok, "state", "");
    _cleanup_free_ char *text = NULL;
    if (!json_flag(ok, "deployed", false)) {
        text = str_printf("%s is stored; to activate it: conpaas code enable %s %s", version, name, version);
    } else if (url) {
        text = str_printf("%s is active:\n%s", version, url);
    } else {
        text = str_printf("%s is active; %s is %s: conpaas service start %s", version, name, state, name);
    }
    say(text);
}

static int hand_over(const struct git_config *c, const struct refs *refs, struct err *e)
{
    _cleanup_director_link_ struct director_link link = {.fd = -1};
    _cleanup_json_ json_t *ok = NULL;
    _cleanup_free_ char *subject = NULL;
    _cleanup_close_ int archive = -1;
    const char *type = getenv(HOOK_ENV_TYPE), *key = getenv(HOOK_ENV_KEY), *of = getenv(HOOK_ENV_SERVICE);
    int64_t service = 0;
    int r = of ? str_to_int(of, 1, INT64_MAX, &service) : ERR_INVALID;
    if (r < 0 || !type || !key) {
        return err_set(e, ERR_INTERNAL, "this hook is started by conpaas-git only");
    }
    if ((r = check_tree(refs->deploy, e)) < 0 || (r = subject_of(refs->deploy, &subject, e)) < 0 ||
        (r = make_archive(c, refs->deploy, &archive, e)) < 0 || (r = director_link_open(c, &link, e)) < 0) {
        return r;
    }
    json_t *call = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "call", "push", "type", type, "key", key,
                             "service", (json_int_t)service, "commit", refs->deploy, "subject", subject);
    r = director_link_call(&link, call, archive, say, &ok, e);
    if (r == 0) {
        tell_result(ok);
    }
    return r;
}

static int read_refs(struct refs *ret, struct err *e)
{
    _cleanup_buf_ struct buf in = {0};
    char chunk[4096];
    ssize_t n;
    while (in.len <= INPUT_MAX && (n = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0) {
        buf_add(&in, chunk, (size_t)n);
    }
    return in.len > INPUT_MAX ? err_set(e, ERR_TOO_LARGE, "too many branches and tags in one push")
                              : refs_parse(in.data ? in.data : "", ret, e);
}

int hook_pre_receive(void)
{
    _cleanup_err_ struct err e = {0};
    _cleanup_(refs_done) struct refs refs = {.deploy = ""};
    struct git_config c = {0};
    const char *path = getenv(HOOK_ENV_CONFIG);
    int r = path ? git_config_load(path, &c, &e)
                 : err_set(&e, ERR_INTERNAL, "this hook is started by conpaas-git");
    if (r == 0) {
        r = read_refs(&refs, &e);
    }
    if (r == 0 && refs.kept.len) {
        _cleanup_free_ char *text =
            str_printf("kept, not deployed: %s (main and master are)", refs.kept.data);
        say(text);
    }
    if (r == 0 && refs.deploy[0]) {
        r = hand_over(&c, &refs, &e);
    }
    git_config_done(&c);
    return r < 0 ? refuse(&e) : 0;
}

/* A clone checks out what was deployed last. */
int hook_post_receive(void)
{
    _cleanup_(refs_done) struct refs refs = {.deploy = ""};
    if (read_refs(&refs, NULL) == 0 && refs.deploy[0]) {
        _cleanup_free_ char *ref = str_printf("refs/heads/%s", refs.branch);
        const char *argv[] = {"git", "symbolic-ref", "HEAD", ref, NULL};
        return proc_run_ok(argv, SHORT_MS, NULL) < 0;
    }
    return 0;
}
