/*
 * conpaas-hostd: the only root process of ConPaaS and the only user of liblxc, the bridge, nft and mounts.
 * It does what the director, an ordinary user, asks over a socket, and keeps no opinion of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "hostd/down.h"
#include "hostd/launch.h"
#include "hostd/server.h"
#include "hostd/subid.h"
#include "hostd/volumes.h"

static const struct log_ctx ctx = {.logger = "hostd"};

static const char usage[] =
    "Usage: conpaas-hostd [--config FILE] [ACTION]\n"
    "  (no action)     serve until SIGTERM; nodes keep running afterwards\n"
    "  --down          end all nodes and remove whatever hostd made, but keep volumes\n"
    "  --purge         as --down, and remove the state directory\n"
    "  --left          list what is on this machine of the installation; exit 1 if anything is\n"
    "  --check-config  read the configuration and exit\n"
    "  --dump-config   print all keys with their defaults and meaning\n"
    "  --version, --help\n";

enum action {
    SERVE,
    DOWN,
    PURGE,
    LEFT,
    CHECK,
    DUMP,
    VERSION,
    HELP,
    NODE_START,
    VOLUME_ATTACH,
    VOLUME_DETACH
};
struct options {
    const char *config, *id;
    enum action action;
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"down", no_argument, NULL, DOWN},
    {"purge", no_argument, NULL, PURGE},
    {"left", no_argument, NULL, LEFT},
    {"check-config", no_argument, NULL, CHECK},
    {"dump-config", no_argument, NULL, DUMP},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {"node-start", required_argument, NULL, NODE_START},       /* the launcher, see launch.h */
    {"volume-attach", required_argument, NULL, VOLUME_ATTACH}, /* see volumes.h */
    {"volume-detach", required_argument, NULL, VOLUME_DETACH},
    {NULL, 0, NULL, 0},
};

static int read_options(int argc, char **argv, struct options *o)
{
    int c;

    while ((c = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'h':
            o->action = HELP;
            break;
        case '?':
            return -1;
        default:
            o->action = (enum action)c;
            o->id = optarg;
        }
    }
    return optind == argc ? 0 : -1;
}

/* One hostd an installation: held until the process ends. */
static int take_lock(const struct config *c, int *ret, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/lock", c->state);
    int r = fs_mkdirs(c->state, 0700, e), fd;

    if (r < 0) {
        return r;
    }
    if (chmod(c->state, 0700) < 0) {
        return err_errno(e, errno, "cannot restrict %s", c->state);
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return err_errno(e, errno, "cannot open %s", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        (void)close(fd);
        return err_set_hint(e, ERR_CONFLICT, "Stop it first.",
                            "a conpaas-hostd of the installation %s is running", c->installation);
    }
    *ret = fd;
    return 0;
}

/* Nodes inherit our limits; engines want many descriptors. */
static void raise_limits(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
}

static int serve(const struct config *c, struct err *e)
{
    struct hostd h = {.conf = c};
    _cleanup_close_ int lock = -1, stop = -1;
    int adopted = 0, cleaned = 0, r;
    bool added = false;
    sigset_t set;

    /* Blocked before any thread exists; the signal then is a readable descriptor. */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    stop = signalfd(-1, &set, SFD_CLOEXEC);
    if (stop < 0) {
        return err_errno(e, errno, "cannot watch signals");
    }
    raise_limits();
    if ((r = take_lock(c, &lock, e)) < 0 || (r = fs_mkdirs(c->run, 0711, e)) < 0 ||
        (r = subid_ensure(c, &added, e)) < 0) {
        return r;
    }
    if (added) {
        log_info(&ctx, "added root:%lld:%lld to /etc/subuid and /etc/subgid", (long long)c->uid_base,
                 (long long)c->uid_count);
    }
    r = nodes_start(&h, &adopted, &cleaned, e);
    if (r == 0) {
        log_info(&ctx, "installation %s: nodes adopted=%d left-overs removed=%d", c->installation, adopted,
                 cleaned);
        r = server_run(&h, stop, e);
        log_info(&ctx, "stopped; nodes keep running");
    }
    nodes_stop(&h);
    return r;
}

static int take_down(const struct config *c, bool purge, struct err *e)
{
    _cleanup_close_ int lock = -1;
    int r = take_lock(c, &lock, e);

    return r < 0 ? r : down(c, purge, e);
}

static int show_left(const struct config *c, struct err *e)
{
    _cleanup_buf_ struct buf left = {0};
    int r = down_left(c, &left, e);

    if (r < 0) {
        return r;
    }
    (void)fputs(left.data ? left.data : "", stdout);
    return left.len > 0;
}

static int act(const struct options *o, const struct config *c, struct err *e)
{
    switch (o->action) {
    case DOWN:
        return take_down(c, false, e);
    case PURGE:
        return take_down(c, true, e);
    case LEFT:
        return show_left(c, e);
    case NODE_START:
        return launch_main(c, o->id, e);
    case VOLUME_ATTACH:
        return volumes_helper(c, o->id, true, e);
    case VOLUME_DETACH:
        return volumes_helper(c, o->id, false, e);
    case SERVE:
        return serve(c, e);
    default:
        return 0;
    }
}

int main(int argc, char **argv)
{
    _cleanup_err_ struct err e = {0};
    struct options o = {0};
    struct config c = {0};
    int r;

    if (read_options(argc, argv, &o) < 0 || o.action == HELP) {
        (void)fputs(usage, o.action == HELP ? stdout : stderr);
        return o.action == HELP ? 0 : 2;
    }
    if (o.action == DUMP || o.action == VERSION) {
        o.action == DUMP ? config_dump(stdout) : (void)puts("conpaas-hostd " CONPAAS_VERSION);
        return 0;
    }
    (void)umask(022);
    r = config_load(o.config, &c, &e);
    if (r == 0 && o.action != CHECK && geteuid() != 0) {
        r = err_set(&e, ERR_FORBIDDEN, "needs root");
    }
    if (r == 0) {
        log_to_stderr((enum log_level)c.log_level);
        r = act(&o, &c, &e);
    }
    if (r < 0) {
        (void)fprintf(stderr, "conpaas-hostd: %s%s%s\n", e.message, e.hint ? " " : "", e.hint ? e.hint : "");
    }
    if (o.action == VOLUME_ATTACH || o.action == VOLUME_DETACH) {
        _exit(r < 0); /* we are in a node's name spaces now: run nothing more there */
    }
    config_done(&c);
    return r < 0 ? 1 : r;
}
