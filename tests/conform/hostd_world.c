#include "hostd_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"

#define START_MS 20000
#define IMAGE_MS 1500000
#define NODES 40

static const char *need_env(const char *name, struct err *e)
{
    const char *v = getenv(name);

    if (!v) {
        (void)err_set(e, ERR_INVALID, "%s is not set; run this through meson test", name);
    }
    return v;
}

/* Path of the node image, built when it is missing. */
static int find_image(char **ret, struct err *e)
{
    const char *build = need_env("CONPAAS_IMAGE_BUILD", e);
    const char *argv[] = {build, NULL};
    struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    _cleanup_buf_ struct buf out = {0};
    char *line;
    int status, r;

    if (!build) {
        return ERR_INVALID;
    }
    r = proc_run(&spec, NULL, IMAGE_MS, 1 << 20, &out, &status, e);
    if (r < 0) {
        return r;
    }
    while (out.len > 0 && out.data[out.len - 1] == '\n') {
        out.data[--out.len] = '\0';
    }
    line = out.data ? strrchr(out.data, '\n') : NULL;
    line = line ? line + 1 : out.data;
    if (status != 0 || !line || line[0] != '/') {
        return err_set(e, ERR_FAILED, "the node image cannot be built: %s", out.data ? out.data : "");
    }
    *ret = xstrdup(line);
    return 0;
}

/* Names and numbers of its own for each process: several of these can run at once. */
static int write_config(struct hostd_world *w, const char *image, struct err *e)
{
    _cleanup_buf_ struct buf b = {0};
    int slot = (int)(getpid() % 200);

    buf_addf(&b, "[hostd]\ninstallation = conform%d\nuser = nobody\nsocket = %s/run/hostd.sock\n", slot,
             w->dir);
    buf_addf(&b, "state = %s/state\nrun = %s/run\nimage = %s\nprograms = %s/programs\n", w->dir, w->dir,
             image, w->dir);
    buf_addf(&b,
             "max_clients = 48\n[network]\nbridge = cpq%d\nsubnet = 10.219.%d.0/24\nnode_port = "
             "9998\noutside = no\n",
             slot, slot);
    buf_addf(&b, "[nodes]\nuid_base = %lld\nuid_count = %d\nmax_nodes = %d\n",
             1900000000LL + (long long)slot * (NODES + 2) * CONFIG_UIDS_PER_NODE,
             (NODES + 2) * CONFIG_UIDS_PER_NODE, NODES);
    return fs_write_atomic(w->config, b.data, b.len, 0644, e);
}

static int copy_init(struct hostd_world *w, struct err *e)
{
    const char *init = need_env("CONPAAS_TEST_INIT", e);
    _cleanup_free_ char *dir = str_printf("%s/programs", w->dir), *to = str_printf("%s/conpaas-agent", dir);
    _cleanup_buf_ struct buf b = {0};
    int r;

    if (!init) {
        return ERR_INVALID;
    }
    if ((r = fs_read(init, 64 << 20, &b, e)) < 0 || (r = fs_mkdirs(dir, 0755, e)) < 0) {
        return r;
    }
    return fs_write_atomic(to, b.data, b.len, 0755, e);
}

int hostd_world_start(struct hostd_world *w, struct err *e)
{
    char dir[] = "/var/tmp/conpaas-conform.XXXXXX";
    const char *hostd = need_env("CONPAAS_HOSTD", e);
    _cleanup_free_ char *image = NULL;
    int r = hostd ? find_image(&image, e) : ERR_INVALID;

    *w = (struct hostd_world){0};
    if (r < 0) {
        return r;
    }
    if (!mkdtemp(dir)) {
        return err_errno(e, errno, "cannot make %s", dir);
    }
    (void)chmod(dir, 0755);
    w->dir = xstrdup(dir);
    w->hostd = xstrdup(hostd);
    w->config = str_printf("%s/hostd.conf", dir);
    if ((r = write_config(w, image, e)) < 0 || (r = copy_init(w, e)) < 0 ||
        (r = config_load(w->config, &w->conf, e)) < 0) {
        return r;
    }
    return hostd_world_launch(w, e);
}

int hostd_world_connect(struct hostd_world *w)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    if (fd < 0 || !str_copy(a.sun_path, sizeof(a.sun_path), w->conf.socket) ||
        connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        return -1;
    }
    return TAKE_FD(fd);
}

/* hostd's output, of all its lives: looked through at the end. */
static char *said_path(const struct hostd_world *w)
{
    return str_printf("%s/hostd.out", w->dir);
}

/* What it said goes to our output; a sanitizer's finding is left over. */
static void check_said(struct hostd_world *w, struct buf *left)
{
    _cleanup_free_ char *path = said_path(w);
    _cleanup_buf_ struct buf said = {0};
    if (fs_read(path, 16 << 20, &said, NULL) < 0 || !said.data) {
        return;
    }
    fputs(said.data, stderr);
    if (strstr(said.data, "runtime error:") || strstr(said.data, "Sanitizer")) {
        buf_adds(left, "hostd's output has a finding of a sanitizer\n");
    }
}

int hostd_world_launch(struct hostd_world *w, struct err *e)
{
    const char *argv[] = {w->hostd, "--config", w->config, NULL};
    _cleanup_free_ char *said = said_path(w);
    _cleanup_close_ int out = open(said, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0) {
        return err_errno(e, errno, "%s", said);
    }
    struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = out};
    int64_t deadline = clock_mono_ms() + START_MS;
    int r = proc_start(&spec, &w->pid, e), status;

    if (r < 0) {
        return r;
    }
    while (clock_mono_ms() < deadline) {
        /* It has to answer: a child of a killed hostd may still hold the old socket for a moment. */
        _cleanup_json_ json_t *hello = NULL;
        if (hostd_world_ask(w, "{\"call\":\"hello\"}", &hello, NULL) == 0) {
            return 0;
        }
        if (waitpid(w->pid, &status, WNOHANG) == w->pid) {
            _cleanup_buf_ struct buf left = {0};
            w->pid = 0;
            check_said(w, &left);
            return err_set(e, ERR_FAILED, "hostd ended while it started (status %d)", status);
        }
        (void)poll(NULL, 0, 10);
    }
    return err_set(e, ERR_TIMEOUT, "hostd does not listen");
}

int hostd_world_kill(struct hostd_world *w, int signal)
{
    int status = 0;

    if (w->pid > 0) {
        (void)kill(w->pid, signal);
        (void)waitpid(w->pid, &status, 0);
        w->pid = 0;
    }
    return status;
}

int hostd_world_run(struct hostd_world *w, const char *action, struct buf *out)
{
    const char *argv[] = {w->hostd, "--config", w->config, action, NULL};
    struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    int status;

    if (proc_run(&spec, NULL, 120000, 65536, out, &status, NULL) < 0) {
        return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void hostd_world_end(struct hostd_world *w, struct buf *left)
{
    int r = 0;

    if (!w->dir) {
        return;
    }
    if (hostd_world_kill(w, SIGTERM) != 0) {
        buf_adds(left, "hostd did not end with status 0 on SIGTERM\n");
    }
    if (w->conf.state) {
        r = hostd_world_run(w, "--purge", left);
        r = r == 0 ? hostd_world_run(w, "--left", left) : r;
        if (fs_exists(w->conf.state) || fs_exists(w->conf.run)) {
            buf_addf(left, "%s or %s\n", w->conf.state, w->conf.run);
        }
    }
    if (r != 0) {
        buf_addf(left, "--purge or --left: status %d\n", r);
    }
    check_said(w, left);
    if (fs_remove_tree(w->dir, NULL) < 0) {
        buf_addf(left, "%s\n", w->dir);
    }
    config_done(&w->conf);
    free(w->dir);
    free(w->config);
    free(w->hostd);
    *w = (struct hostd_world){0};
}

int hostd_world_ask(struct hostd_world *w, const char *line, json_t **ret, struct err *e)
{
    _cleanup_close_ int fd = hostd_world_connect(w);
    _cleanup_free_ char *text = str_printf("%s\n", line);
    _cleanup_buf_ struct buf in = {0};
    char chunk[4096];

    if (fd < 0 || send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) {
        return err_errno(e, errno, "cannot ask hostd");
    }
    while (!in.data || !memchr(in.data, '\n', in.len)) {
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        if (n <= 0) {
            return err_set(e, ERR_FAILED, "hostd closed the connection");
        }
        buf_add(&in, chunk, (size_t)n);
    }
    return json_parse(in.data, in.len, 1 << 22, ret, e);
}
