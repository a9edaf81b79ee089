/*
 * Code archives between this machine and the director: whole files, streamed.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "api/encode.h"
#include "base/fs.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "model/names.h"

#define TRANSFER_MS 3600000

static int open_archive(const char *path, int *ret_fd, struct err *e)
{
    struct stat st;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return err_errno(e, errno, "%s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set_hint(e, ERR_INVALID, "pack it first: tar -C DIRECTORY -czf code.tar.gz .",
                            "%s is no regular file", path);
    }
    if (st.st_size == 0) {
        return err_set(e, ERR_INVALID, "%s is empty", path);
    }
    if (st.st_size > CALL_UPLOAD_MAX) {
        _cleanup_free_ char *size = term_bytes(st.st_size);
        return err_set(e, ERR_TOO_LARGE, "%s has %s, at most %lld MiB can be uploaded", path, size,
                       CALL_UPLOAD_MAX >> 20);
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static void on_progress(void *arg, int64_t sent, int64_t total)
{
    progress_bytes(arg, sent, total);
}

int file_send(struct cli *cli, const char *id, const json_t *more, const char *path, json_t **ret,
              struct err *e)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    _cleanup_close_ int fd = -1;
    int r = name_check_file(name, e);
    r = r < 0 ? err_wrap(e, r, "the file's name") : open_archive(path, &fd, e);
    if (r < 0) {
        return r;
    }
    _cleanup_json_ json_t *args = json_pack("{s:s}", "filename", name);
    if (more) {
        json_object_update(args, (json_t *)more);
    }
    _cleanup_call_request_ struct call_request req = {.method = NULL};
    r = call_encode(call_find(id), args, &req, e);
    r = r < 0 || cli->client ? r : cli_connect(cli, &cli->client, e);
    if (r < 0) {
        return r;
    }
    _cleanup_(progress_freep) struct progress *p = progress_new(cli);
    struct http_call http = {.method = req.method,
                             .path = req.path,
                             .body_fd = fd,
                             .use_body_fd = true,
                             .timeout_ms = TRANSFER_MS,
                             .progress = on_progress,
                             .progress_arg = p};
    r = http_do(cli->client, &http, NULL, ret, e);
    return r < 0 ? cli_explain(cli, r, e) : 0;
}

int code_send(struct cli *cli, int64_t service, const char *path, const char *description, json_t **ret,
              struct err *e)
{
    _cleanup_json_ json_t *args = json_pack("{s:I}", "service", (json_int_t)service);
    if (description) {
        json_object_set_new(args, "description", json_string(description));
    }
    return file_send(cli, "code.upload", args, path, ret, e);
}

int code_upload_run(struct cli *cli, struct command *c, struct err *e)
{
    _cleanup_json_ json_t *version = NULL;
    int r = code_send(cli, json_int(c->args, "service", 0), json_str(c->typed, "filename", ""),
                      json_str(c->args, "description", NULL), &version, e);
    if (r < 0) {
        return r;
    }
    const char *name = json_str(version, "name", "");
    if (!cli->json && !cli->quiet) {
        cli_note(cli, "%s is uploaded and not active yet: conpaas code enable %s %s", name,
                 json_str(c->typed, "service", ""), name);
        fprintf(cli->term.out, "%s\n", name);
        return 0;
    }
    print_answer(cli, c->call, version);
    return 0;
}

/* ---- download ---- */

static int version_filename(struct cli *cli, const struct command *c, char **ret, struct err *e)
{
    _cleanup_json_ json_t *args = json_pack("{s:O}", "service", json_object_get(c->args, "service"));
    _cleanup_json_ json_t *list = NULL;
    int r = cli_list(cli, "code.list", args, &list, e);
    if (r < 0) {
        return r;
    }
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        const char *name = json_str(v, "filename", "");
        if (json_int(v, "id", 0) == json_int(c->args, "version", -1) && name_check_file(name, NULL) == 0) {
            *ret = xstrdup(name);
            return 0;
        }
    }
    return err_set(e, ERR_NOT_FOUND, "there is no code version \"%s\"", json_str(c->typed, "version", ""));
}

/* Where a download goes. */
struct target {
    const char *path;
    char *part; /* complete, it becomes path; NULL: path is written as it is */
    int fd;
    bool own; /* fd is ours to close */
};

static void target_done(struct target *t)
{
    if (t->part) {
        (void)unlink(t->part);
        free(t->part);
    }
    if (t->own) {
        closep(&t->fd);
    }
}

/* A file gets its new content only when all of it is there; a pipe or a device is written to. */
static int target_open(struct target *t, const char *path, struct err *e)
{
    struct stat st;
    bool stream = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    t->path = path;
    t->own = true;
    if (stream) {
        t->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        _cleanup_free_ char *suffix = random_name(".part-", 8);
        t->part = str_printf("%s%s", path, suffix);
        t->fd = open(t->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    }
    return t->fd >= 0 ? 0 : err_errno(e, errno, "%s", path);
}

/* A file of the version's own name is never replaced unasked; --output names one to be replaced. */
static int target_finish(struct target *t, bool replace, struct err *e)
{
    if (!t->part) {
        return 0;
    }
    int r = renameat2(AT_FDCWD, t->part, AT_FDCWD, t->path, replace ? 0 : RENAME_NOREPLACE);
    if (r != 0 && errno == EINVAL) { /* this file system cannot look and rename at once */
        r = rename(t->part, t->path);
    }
    if (r != 0) {
        return errno == EEXIST ? err_set_hint(e, ERR_EXISTS, "give another name with --output",
                                              "%s exists already", t->path)
                               : err_errno(e, errno, "%s", t->path);
    }
    free(TAKE_PTR(t->part));
    return 0;
}

static int download(struct cli *cli, const struct command *c, int fd, struct err *e)
{
    _cleanup_call_request_ struct call_request req = {.method = NULL};
    int r = call_encode(c->call, c->args, &req, e);
    r = r < 0 || cli->client ? r : cli_connect(cli, &cli->client, e);
    struct http_call http = {.method = req.method,
                             .path = req.path,
                             .use_out_fd = true,
                             .out_fd = fd,
                             .max_answer = CALL_UPLOAD_MAX,
                             .timeout_ms = TRANSFER_MS};
    r = r < 0 ? r : http_do(cli->client, &http, NULL, NULL, e);
    return r < 0 ? cli_explain(cli, r, e) : 0;
}

int code_download_run(struct cli *cli, struct command *c, struct err *e)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_(target_done) struct target t = {.fd = fileno(cli->term.out)};
    bool to_stdout = str_eq(cli->output, "-");
    int r = cli->output ? 0 : version_filename(cli, c, &name, e);
    if (r < 0) {
        return r;
    }
    const char *path = cli->output ? cli->output : name;
    assert(path);
    if (!cli->output && fs_exists(path)) {
        return err_set_hint(e, ERR_EXISTS, "give another name with --output", "%s exists already", path);
    }
    r = to_stdout ? 0 : target_open(&t, path, e);
    r = r < 0 ? r : download(cli, c, t.fd, e);
    r = r < 0 ? r : target_finish(&t, cli->output != NULL, e);
    if (r == 0 && !to_stdout) {
        fprintf(cli->term.out, "%s\n", path);
    }
    return r;
}
