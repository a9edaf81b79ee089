/*
 * conpaas-agent: first process of a node.  Enrols, brings back what the last document says, then serves its
 * manager.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <net/if.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "agent/orphans.h"
#include "agent/threads.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

static const struct log_ctx here = {.logger = "agent"};

struct arguments {
    const char *user_data, *state_dir, *code_root, *run_root, *log_dir, *volumes_root, *media_root,
        *cache_dir;
};

static int usage(FILE *out)
{
    fprintf(
        out,
        "Usage: conpaas-agent [--user-data FILE] [--state-dir DIR] [--code-root DIR] [--run-root DIR] "
        "[--log-dir DIR] [--volumes-root DIR] [--media-root DIR] [--cache-dir DIR]\n\nFirst process of a ConPaaS node. Started by the node's machine.\n");
    return out == stdout ? 0 : 2;
}

static int read_arguments(int argc, char **argv, struct arguments *x)
{
    static const struct option options[] = {
        {"user-data", required_argument, NULL, 'u'},
        {"state-dir", required_argument, NULL, 's'},
        {"code-root", required_argument, NULL, 'c'},
        {"run-root", required_argument, NULL, 'r'},
        {"log-dir", required_argument, NULL, 'l'},
        {"volumes-root", required_argument, NULL, 'v'},
        {"media-root", required_argument, NULL, 'm'},
        {"cache-dir", required_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'u':
            x->user_data = optarg;
            break;
        case 's':
            x->state_dir = optarg;
            break;
        case 'c':
            x->code_root = optarg;
            break;
        case 'v':
            x->volumes_root = optarg;
            break;
        case 'm':
            x->media_root = optarg;
            break;
        case 'r':
            x->run_root = optarg;
            break;
        case 'l':
            x->log_dir = optarg;
            break;
        case 'a':
            x->cache_dir = optarg;
            break;
        case 'h':
            exit(usage(stdout));
        default:
            return -1;
        }
    }
    return optind == argc ? 0 : -1;
}

/* A fresh machine's surroundings, as far as the cloud has not made them. */
static void make_surroundings(void)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = {.ifr_name = "lo"};
    if (s >= 0 && ioctl(s, SIOCGIFFLAGS, &lo) == 0 && !(lo.ifr_flags & IFF_UP)) {
        lo.ifr_flags |= IFF_UP;
        (void)ioctl(s, SIOCSIFFLAGS, &lo);
    }
    closep(&s);
    if (setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1) != 0) {
        log_warn(&here, "no memory for PATH");
    }
}

static void wait_for_end(struct agent *a, const sigset_t *set)
{
    struct orphans o = {0};
    for (;;) {
        const struct timespec look = {.tv_nsec = 500 * 1000 * 1000};
        int sig = sigtimedwait(set, NULL, &look);
        if (sig == SIGTERM || sig == SIGINT || sig == SIGPWR) {
            log_info(&here, "asked to end by signal %d", sig);
            return;
        }
        orphans_reap(a, &o);
    }
}

/* ---- life ---- */

/* False when asked to end meanwhile. */
static bool enrol(struct agent *a, const sigset_t *set)
{
    for (int64_t wait = 500;;) {
        _cleanup_err_ struct err e = {0};
        if (identity_enrol(a, &e) >= 0) {
            return true;
        }
        log_warn(&here, "no certificate yet: %s", e.message);
        const struct timespec pause = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
        int sig = sigtimedwait(set, NULL, &pause);
        if (sig == SIGTERM || sig == SIGINT || sig == SIGPWR) {
            return false;
        }
        wait = wait < 10000 ? wait * 2 : wait;
    }
}

/* The built-in document of a manager's node. */
static json_t *manager_document(void)
{
    return json_pack("{s:{s:{s:b, s:[{s:s, s:s}]}}, s:[]}", "roles", "manager", "drain", 0, "engines",
                     "engine", "manager", "name", "manager", "allow");
}

static void bring_back(struct agent *a)
{
    _cleanup_err_ struct err e = {0};
    bool own;
    if (str_eq(a->kind, "manager")) {
        a->applied = manager_document();
    }
    if (a->applied && apply_document(a, a->applied, &own, &e) < 0) {
        log_error(&here, "the last document: %s", e.message);
    } else if (a->applied && a->accepted &&
               json_int(a->accepted, "epoch", 0) == json_int(a->applied, "epoch", 0) &&
               json_int(a->accepted, "seq", 0) == json_int(a->applied, "seq", 0)) {
        commands_start(a, a->applied); /* those of a newer one when that is applied */
    }
}

static int open_agent(struct agent *a, const struct arguments *x, struct err *e)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->change, &attr);
    pthread_condattr_destroy(&attr);
    a->state_dir = xstrdup(x->state_dir);
    a->code_root = xstrdup(x->code_root);
    a->run_root = xstrdup(x->run_root);
    a->log_dir = xstrdup(x->log_dir);
    a->cache_dir = xstrdup(x->cache_dir);
    a->data_root = str_printf("%s/data", x->state_dir);
    a->volumes_root = xstrdup(x->volumes_root);
    a->media_root = xstrdup(x->media_root);
    a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = fs_mkdirs(a->state_dir, 0711, e);
    r = r < 0 ? r : fs_mkdirs(a->code_root, 0755, e);
    r = r < 0 ? r : identity_read(a, x->user_data, e);
    r = r < 0 ? r : memory_load(a, e);
    _cleanup_free_ char *journal = str_printf("%s/journal.json", a->state_dir);
    return r < 0 ? r : journal_open(journal, &a->journal, e);
}

/* Before the first connection: one that was made before the kernel tracks connections is cut by the first
 * rules. */
static void close_ports(void)
{
    _cleanup_err_ struct err e = {0};
    _cleanup_json_ json_t *none = json_array();
    if (firewall_set(none, &e) < 0) {
        log_warn(&here, "%s", e.message);
    }
}

static int run(struct agent *a, const sigset_t *set, struct err *e)
{
    void *(*const threads[])(void *) = {apply_thread, link_poll_thread, link_tell_thread, link_beat_thread};
    pthread_t t[ARRAY_LEN(threads)];
    bool manager = str_eq(a->kind, "manager");
    close_ports();
    if (!enrol(a, set)) {
        return 0;
    }
    bring_back(a);
    log_info(&here, "node %lld is at work", (long long)a->node);
    size_t first = manager ? 3 : 0; /* a manager's node has no manager of its own */
    for (size_t i = first; i < ARRAY_LEN(threads); i++) {
        int r = threads_start(&t[i], threads[i], a, e);
        if (r < 0) {
            return r;
        }
    }
    wait_for_end(a, set);
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    (void)eventfd_write(a->stop_fd, 1);
    pthread_cond_broadcast(&a->change);
    pthread_mutex_unlock(&a->lock);
    for (size_t i = first; i < ARRAY_LEN(threads); i++) {
        pthread_join(t[i], NULL);
    }
    commands_stop(a);
    apply_stop(a);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments x = {"/etc/conpaas/user-data.json",
                          "/var/lib/conpaas",
                          "/var/lib/conpaas/code",
                          "/run/conpaas",
                          "/var/log/conpaas",
                          "/volumes",
                          "/media",
                          "/var/cache/cpsagent"};
    static struct agent a;
    _cleanup_err_ struct err e = {0};
    sigset_t set;
    if (read_arguments(argc, argv, &x) < 0) {
        return usage(stderr);
    }
    mallopt(M_ARENA_MAX, 1);
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    make_surroundings();
    _cleanup_free_ char *log = str_printf("%s/agent.log", x.log_dir);
    int r = fs_mkdirs(x.log_dir, 0755, &e);
    r = r < 0 ? r : log_to_file(log, LOG_INFO, 4 << 20, 2, &e);
    r = r < 0 ? r : open_agent(&a, &x, &e);
    r = r < 0 ? r : run(&a, &set, &e);
    if (r < 0) {
        log_error(&here, "%s", e.message);
        fprintf(stderr, "conpaas-agent: %s\n", e.message);
    }
    return r < 0 ? 1 : 0;
}
