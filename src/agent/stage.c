/*
 * Code versions on this node: fetched by hash, unpacked as the web user under another name, then renamed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "base/fs.h"
#include "base/proc.h"

#define WEB_USER "www-data"
#define UNPACK_MS 300000

static int fetch(struct agent *a, const char *sha256, int64_t size, int fd, struct err *e)
{
    _cleanup_(wire_freep) struct wire *c = NULL;
    int r = identity_director(a, &c, e);
    if (r < 0) {
        return r;
    }
    _cleanup_free_ char *path = str_printf("/node/v1/artifacts/%s", sha256);
    struct http_call call = {.method = "GET",
                             .path = path,
                             .timeout_ms = 300000,
                             .out_fd = fd,
                             .use_out_fd = true,
                             .max_answer = size};
    return wire_do(c, &call, NULL, NULL, e);
}

static int verify(int fd, const char *sha256, struct err *e)
{
    char hex[SHA256_HEX];
    char block[16384];
    struct sha256 *h = sha256_new();
    ssize_t n = 0;
    for (off_t at = 0; (n = pread(fd, block, sizeof block, at)) > 0; at += n) {
        sha256_add(h, block, (size_t)n);
    }
    sha256_final(h, hex);
    if (n < 0 || !str_eq(hex, sha256)) {
        return err_set(e, ERR_FAILED, "the archive that arrived is not the one that was asked for");
    }
    return 0;
}

/* The helper beside our own program, so that a build directory works like a node. */
static char *unpack_program(void)
{
    char self[256];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    return str_printf("%.*s/conpaas-unpack", slash ? (int)(slash - self) : 0, self);
}

static int run_unpack(int fd, const char *dir, uid_t uid, gid_t gid, struct err *e)
{
    _cleanup_free_ char *program = unpack_program(), *user = str_printf("%u", uid),
                        *group = str_printf("%u", gid);
    _cleanup_buf_ struct buf out = {0};
    const char *const argv[] = {program, dir, user, group, NULL};
    const struct proc_spec spec = {.argv = argv, .in = fd, .out = -1, .err = -1};
    int status = 0;
    int r = proc_run_fd(&spec, fd, UNPACK_MS, 4096, &out, &status, e);
    if (r >= 0 && status != 0) {
        return err_set(e, ERR_INVALID, "%.200s", out.data ? out.data : "the archive could not be unpacked");
    }
    return r < 0 ? r : 0;
}

static int unpack(int fd, const char *dir, struct err *e)
{
    const struct passwd *web = getpwnam(WEB_USER);
    _cleanup_free_ char *part = str_printf("%s.part", dir);
    uid_t uid = web ? web->pw_uid : 0;
    gid_t gid = web ? web->pw_gid : 0;
    int r = fs_remove_tree(part, e);
    r = r < 0 ? r : fs_mkdirs(part, 0755, e);
    if (r == 0 && web && chown(part, uid, gid) != 0) {
        r = err_errno(e, errno, "%s", part);
    }
    r = r < 0 ? r : run_unpack(fd, part, uid, gid, e);
    if (r >= 0 && rename(part, dir) != 0) {
        r = err_errno(e, errno, "%s", dir);
    }
    if (r < 0) {
        (void)!fs_remove_tree(part, NULL);
    }
    return r;
}

static int stage_one(struct agent *a, int64_t service, const json_t *artifact, struct err *e)
{
    int64_t version = json_int(artifact, "version", 0);
    const char *sha256 = json_str(artifact, "sha256", "");
    _cleanup_free_ char *root = str_printf("%s/%lld", a->code_root, (long long)service);
    _cleanup_free_ char *dir = str_printf("%s/%lld", root, (long long)version);
    if (fs_exists(dir)) {
        return 0;
    }
    int r = fs_mkdirs(root, 0755, e);
    if (r < 0) {
        return r;
    }
    _cleanup_close_ int fd = open(a->state_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_errno(e, errno, "%s", a->state_dir);
    }
    r = fetch(a, sha256, json_int(artifact, "size", 0) + 1, fd, e);
    r = r < 0 ? r : verify(fd, sha256, e);
    if (r == 0 && lseek(fd, 0, SEEK_SET) != 0) {
        r = err_errno(e, errno, "seek");
    }
    r = r < 0 ? r : unpack(fd, dir, e);
    return r < 0 ? err_wrap(e, r, "version %lld", (long long)version) : 0;
}

int stage_document(struct agent *a, const json_t *document, struct err *e)
{
    int64_t service = json_int(document, "service", 0);
    size_t i;
    json_t *artifact;
    json_array_foreach(json_object_get(document, "artifacts"), i, artifact)
    {
        int r = stage_one(a, service, artifact, e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static bool listed(const json_t *document, int64_t version)
{
    size_t i;
    json_t *artifact;
    json_array_foreach(json_object_get(document, "artifacts"), i, artifact)
    {
        if (json_int(artifact, "version", 0) == version) {
            return true;
        }
    }
    return false;
}

/* Calls f for every complete version below the service's directory. */
static void each_version(struct agent *a, int64_t service,
                         void (*f)(void *arg, const char *path, int64_t version), void *arg)
{
    _cleanup_free_ char *root = str_printf("%s/%lld", a->code_root, (long long)service);
    DIR *d = opendir(root);
    for (struct dirent *x = d ? readdir(d) : NULL; x; x = readdir(d)) {
        int64_t version;
        if (str_to_int(x->d_name, 1, INT64_MAX, &version) == 0) {
            _cleanup_free_ char *path = str_printf("%s/%s", root, x->d_name);
            f(arg, path, version);
        }
    }
    if (d) {
        closedir(d);
    }
}

static void drop(void *arg, const char *path, int64_t version)
{
    if (!listed(arg, version)) {
        (void)!fs_remove_tree(path, NULL);
    }
}

void stage_drop(struct agent *a, const json_t *document)
{
    each_version(a, json_int(document, "service", 0), drop, (void *)document);
}

static void note(void *arg, const char *path, int64_t version)
{
    (void)path;
    set_add(arg, version);
}

json_t *stage_list(struct agent *a)
{
    struct id_set set = {0};
    each_version(a, a->service, note, &set);
    json_t *list = json_array();
    for (int64_t i = 0; i < set.n; i++) {
        json_array_append_new(list, json_integer(set.id[i]));
    }
    return list;
}
