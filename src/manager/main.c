/*
 * conpaas-manager: started and watched by the agent of its own node.
 *
 * Exit 0: asked to end, or another manager is the current one (do not start again).  Other: a fault, start again.
 */
#include <getopt.h>
#include <signal.h>

#include "base/fs.h"
#include "base/log.h"
#include "manager/manager.h"

#define AGENT_PORT 9997
#define DIRECTOR_PORT 9998

static const struct log_ctx here = {.logger = "manager"};

struct arguments {
    const char *user_data, *state_dir, *log, *listen;
    int64_t port;
};
struct user_data {
    json_t *all, *director; /* director: borrowed */
    const char *installation, *kind, *ca, *name, *address, *token;
    int64_t node, app;
};

static int usage(FILE *out)
{
    fprintf(
        out,
        "Usage: conpaas-manager [--user-data FILE] [--state-dir DIR] [--log FILE] [--listen ADDRESS] [--port N]\n"
        "\n"
        "Plans and converges the services of one application. Started by conpaas-agent.\n");
    return out == stdout ? 0 : 2;
}

static int read_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"user-data", required_argument, NULL, 'u'},
        {"state-dir", required_argument, NULL, 's'},
        {"log", required_argument, NULL, 'l'},
        {"listen", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'u':
            a->user_data = optarg;
            break;
        case 's':
            a->state_dir = optarg;
            break;
        case 'l':
            a->log = optarg;
            break;
        case 'a':
            a->listen = optarg;
            break;
        case 'p':
            if (str_to_int(optarg, 0, 65535, &a->port) < 0) {
                return -1;
            }
            break;
        case 'h':
            exit(usage(stdout));
        default:
            return -1;
        }
    }
    return optind == argc ? 0 : -1;
}

static int read_user_data(const char *path, struct user_data *u, struct err *e)
{
    static const struct json_field fields[] = {
        {"installation", JSON_F_STRING, offsetof(struct user_data, installation), true, 1, 63},
        {"node", JSON_F_INT, offsetof(struct user_data, node), true, 1, INT64_MAX},
        {"app", JSON_F_INT, offsetof(struct user_data, app), true, 1, INT64_MAX},
        {"kind", JSON_F_STRING, offsetof(struct user_data, kind), true, 1, 16},
        {"director", JSON_F_OBJECT, offsetof(struct user_data, director), true, 0, 0},
        {"ca", JSON_F_STRING, offsetof(struct user_data, ca), true, 1, 65536},
        {"token", JSON_F_STRING, offsetof(struct user_data, token), false, 0, 256},
        {NULL, 0, 0, false, 0, 0},
    };
    static const struct json_field director[] = {
        {"name", JSON_F_STRING, offsetof(struct user_data, name), true, 1, 254},
        {"address", JSON_F_STRING, offsetof(struct user_data, address), true, 1, 254},
        {NULL, 0, 0, false, 0, 0},
    };
    _cleanup_buf_ struct buf text = {0};
    int r = fs_read(path, 1 << 20, &text, e);
    if (r < 0 || (r = json_parse(text.data, text.len, 1 << 20, &u->all, e)) < 0 ||
        (r = json_read(u->all, fields, u, e)) < 0 || (r = json_read(u->director, director, u, e)) < 0) {
        return err_wrap(e, r, "%s", path);
    }
    if (!str_eq(u->kind, "manager")) {
        return err_set(e, ERR_INVALID, "%s: this node is no manager's", path);
    }
    return 0;
}

/* "10.88.0.1:9998" -> port; without a port the usual one. */
static int64_t port_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    int64_t port = DIRECTOR_PORT;
    if (colon && str_to_int(colon + 1, 1, 65535, &port) < 0) {
        return DIRECTOR_PORT;
    }
    return port;
}

static void *wait_signal(void *arg)
{
    sigset_t set;
    int sig;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigwait(&set, &sig) == 0) {
        manager_end(arg, END_ASKED);
    }
    return NULL;
}

static int run(const struct manager_config *c, struct err *e)
{
    static const char *const ends[] = {[END_ASKED] = "asked to end",
                                       [END_REPLACED] = "another manager is the current one",
                                       [END_STEPPED_DOWN] = "stepped down"};
    struct manager *m = NULL;
    pthread_t signals;
    int r = manager_start(c, &m, e);
    if (r < 0) {
        return r;
    }
    r = pthread_create(&signals, NULL, wait_signal, m);
    if (r != 0) {
        manager_free(m);
        return err_errno(e, r, "thread");
    }
    log_info(&here, "version %s, node n%lld of application %lld, agents on port %u", CONPAAS_VERSION,
             (long long)c->node, (long long)c->app, (unsigned)manager_port(m));
    enum manager_end why = manager_wait(m);
    log_info(&here, "ends: %s", ends[why]);
    pthread_cancel(signals);
    pthread_join(signals, NULL);
    manager_free(m);
    return 0;
}

static int start(const struct arguments *a, struct user_data *u, struct err *e)
{
    int r = a->log ? log_to_file(a->log, LOG_DEBUG, 4 << 20, 3, e) : 0;
    if (r < 0 || (r = read_user_data(a->user_data, u, e)) < 0) {
        return r;
    }
    int64_t port = port_of(u->address);
    _cleanup_free_ char *url = str_printf("https://%s:%lld", u->name, (long long)port);
    _cleanup_free_ char *address =
        strchr(u->address, ':') ? xstrdup(u->address) : str_printf("%s:%lld", u->address, (long long)port);
    struct manager_config c = {.director_url = url,
                               .director_address = address,
                               .ca_pem = u->ca,
                               .state_dir = a->state_dir,
                               .log_path = a->log,
                               .agent_log_path = "/var/log/conpaas/agent.log",
                               .installation = u->installation,
                               .node = u->node,
                               .app = u->app,
                               .listen_address = a->listen,
                               .listen_port = (uint16_t)a->port};
    return run(&c, e);
}

int main(int argc, char **argv)
{
    struct arguments a = {.user_data = "/etc/conpaas/user-data.json",
                          .state_dir = "/var/lib/conpaas",
                          .log = "/var/log/conpaas/manager.log",
                          .listen = "0.0.0.0",
                          .port = AGENT_PORT};
    struct user_data u = {.name = "", .address = ""};
    struct err e = {0};
    sigset_t set;
    if (read_arguments(argc, argv, &a) < 0) {
        return usage(stderr);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    log_to_stderr(LOG_INFO);
    int r = start(&a, &u, &e);
    if (r < 0) {
        log_error(&here, "%s", e.message);
    }
    json_decref(u.all);
    err_done(&e);
    return r < 0 ? 1 : 0;
}
