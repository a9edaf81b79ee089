#include "hostd/subid.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"
#include "base/str.h"

#define SUBID_BYTES (1 << 20)

static const char *const files[] = {"/etc/subuid", "/etc/subgid"};

static bool newuidmap_installed(void)
{
    return access("/usr/bin/newuidmap", X_OK) == 0 || access("/bin/newuidmap", X_OK) == 0 ||
           access("/usr/local/bin/newuidmap", X_OK) == 0;
}

/* True if a line `root:START:COUNT` covers the range. */
static bool covers(const char *line, const struct config *c)
{
    char **f = str_split(line, ':');
    int64_t start, count;
    bool yes = strv_len(f) == 3 && (str_eq(f[0], "root") || str_eq(f[0], "0")) &&
               str_to_int(f[1], 0, UINT32_MAX, &start) == 0 && str_to_int(f[2], 1, UINT32_MAX, &count) == 0 &&
               start <= c->uid_base && start + count >= c->uid_base + c->uid_count;

    strv_free(f);
    return yes;
}

static int ensure(const struct config *c, const char *file, bool *added, struct err *e)
{
    _cleanup_buf_ struct buf b = {0};
    _cleanup_free_ char *line = NULL;
    _cleanup_close_ int fd = -1;
    bool have = false;
    char **lines;

    if (fs_exists(file)) {
        int r = fs_read(file, SUBID_BYTES, &b, e);
        if (r < 0) {
            return r;
        }
    }
    lines = str_split(b.data ? b.data : "", '\n');
    for (char **l = lines; *l && !have; l++) {
        have = covers(*l, c);
    }
    strv_free(lines);
    if (have) {
        return 0;
    }
    line = str_printf("%sroot:%lld:%lld\n", b.data && b.len > 0 && b.data[b.len - 1] != '\n' ? "\n" : "",
                      (long long)c->uid_base, (long long)c->uid_count);
    fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line)) {
        return err_errno(e, errno, "cannot add root's range to %s", file);
    }
    *added = true;
    return 0;
}

int subid_ensure(const struct config *c, bool *ret_added, struct err *e)
{
    bool added = false;
    int r = 0;

    for (size_t i = 0; r == 0 && newuidmap_installed() && i < ARRAY_LEN(files); i++) {
        r = ensure(c, files[i], &added, e);
    }
    if (r == 0) {
        *ret_added = added;
    }
    return r;
}

int subid_remove(const struct config *c, struct err *e)
{
    _cleanup_free_ char *ours = str_printf("root:%lld:%lld", (long long)c->uid_base, (long long)c->uid_count);

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        _cleanup_buf_ struct buf b = {0}, out = {0};
        bool found = false;
        char **lines;
        if (!fs_exists(files[i])) {
            continue;
        }
        int r = fs_read(files[i], SUBID_BYTES, &b, e);
        if (r < 0) {
            return r;
        }
        lines = str_split(b.data ? b.data : "", '\n');
        for (char **l = lines; *l; l++) {
            if (str_eq(*l, ours)) {
                found = true;
            } else if (l[1] || **l) {
                buf_addf(&out, "%s\n", *l);
            }
        }
        strv_free(lines);
        r = found ? fs_write_atomic(files[i], out.data ? out.data : "", out.len, 0644, e) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
