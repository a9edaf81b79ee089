/*
 * conpaas-director: arguments, privileges, signals.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "director/admin.h"
#include "director/director.h"
#include "director/notify.h"

#define CONFIG_DEFAULT "/etc/conpaas/director.conf"

static const struct log_ctx here = {.logger = "director"};

static int help(void)
{
    puts("conpaas-director [--config FILE] [--foreground]    runs the director\n"
         "conpaas-director [--config FILE] admin ...         commands on its host\n"
         "conpaas-director --dump-config | --version | --help\n");
    admin_help();
    return 0;
}

/* Root makes the data directory for the configured user and becomes that user. */
static int drop_root(const struct config *c, struct err *e)
{
    if (getuid() != 0 || !c->user || !*c->user) {
        return 0;
    }
    errno = 0;
    const struct passwd *pw = getpwnam(c->user);
    if (!pw) {
        return err_set_hint(e, ERR_INVALID, "make the user, or set another one in [director] user",
                            "there is no user %s on this host", c->user);
    }
    int rc = fs_mkdirs(c->data_dir, 0700, e);
    if (rc < 0) {
        return rc;
    }
    struct stat st;
    if (stat(c->data_dir, &st) < 0 || (st.st_uid == 0 && chown(c->data_dir, pw->pw_uid, pw->pw_gid) < 0)) {
        return err_errno(e, errno, "%s", c->data_dir);
    }
    if (initgroups(pw->pw_name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0) {
        return err_errno(e, errno, "cannot become user %s", c->user);
    }
    return 0;
}

static int open_log(const struct config *c, struct err *e)
{
    static const char *const levels[] = {
        [LOG_ERROR] = "error",
        [LOG_WARN] = "warn",
        [LOG_INFO] = "info",
        [LOG_DEBUG] = "debug",
    };
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (!str_eq(levels[i], c->log_level)) {
            continue;
        }
        if (c->log_file && *c->log_file) {
            return log_to_file(c->log_file, (enum log_level)i, 16 << 20, 8, e);
        }
        log_to_stderr((enum log_level)i);
        return 0;
    }
    return err_set(e, ERR_INVALID, "log_level is one of error, warn, info, debug");
}

/* Before anything else: who we are. The rest reads the configuration again as that user. */
static int prepare(const char *path, bool with_log, struct err *e)
{
    struct config c = {0};
    int rc = config_load(path, &c, e);
    if (rc < 0) {
        return rc;
    }
    rc = drop_root(&c, e);
    rc = rc < 0 || !with_log ? rc : open_log(&c, e);
    config_done(&c);
    return rc;
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int serve(const char *path, struct err *e)
{
    sigset_t set;
    int sig = 0;
    struct director *d = xcalloc(1, sizeof(*d));
    block_signals(&set);
    int rc = director_open(d, path, e);
    rc = rc < 0 ? rc : director_start(d, e);
    if (rc >= 0) {
        notify("READY=1");
        do {
            (void)sigwait(&set, &sig);
        } while (sig == SIGHUP);
        notify("STOPPING=1");
        log_info(&here, "stopping");
    }
    if (rc >= 0 && atomic_load(&d->reader.gone)) {
        rc = err_set(e, ERR_FAILED, "the reader of archives is gone: start anew");
    }
    director_stop(d);
    free(d);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"foreground", no_argument, NULL, 'f'},
        {"dump-config", no_argument, NULL, 'd'},  {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    const char *path = fs_exists(CONFIG_DEFAULT) ? CONFIG_DEFAULT : NULL;
    _cleanup_err_ struct err e = {0};
    int o;
    umask(077);
    log_to_stderr(LOG_INFO);
    while ((o = getopt_long(argc, argv, "+c:fdvh", options, NULL)) != -1) {
        switch (o) {
        case 'c':
            path = optarg;
            break;
        case 'f':
            break; /* it never leaves the foreground; supervisors like to say so */
        case 'd':
            config_dump(stdout);
            return 0;
        case 'v':
            puts("conpaas-director " CONPAAS_VERSION);
            return 0;
        case 'h':
            return help();
        default:
            return 2;
        }
    }
    bool admin = argv[optind] && str_eq(argv[optind], "admin");
    int rc = argv[optind] && !admin ? err_set(&e, ERR_INVALID, "unknown argument %s", argv[optind])
                                    : prepare(path, !admin, &e);
    if (rc >= 0) {
        rc = admin ? admin_run(path, argv + optind + 1, &e) : serve(path, &e);
    }
    if (rc < 0) {
        fprintf(stderr, "conpaas-director: %s%s%s\n", e.message, e.hint ? "\n  " : "", e.hint ? e.hint : "");
    }
    return rc < 0 ? err_exit_code(rc) : 0;
}
