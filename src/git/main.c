/*
 * conpaas-git: a daemon by its options, a shell by -c, a hook by its name.
 */
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/str.h"
#include "git/daemon.h"
#include "git/hook.h"
#include "git/session.h"

#define CONFIG_DEFAULT "/etc/conpaas/git.conf"

static int help(void)
{
    (void)puts("conpaas-git [--config FILE]            runs sshd for pushes\n"
               "conpaas-git [--config FILE] keys TYPE KEY   prints the key's line when it may push\n"
               "conpaas-git --dump-config | --version | --help");
    return 0;
}

static int act(const char *path, char **words, struct err *e)
{
    struct git_config c = {0};
    int r = git_config_load(path, &c, e);
    if (r < 0) {
        return r;
    }
    if (!words[0]) {
        log_to_stderr(LOG_INFO);
        r = daemon_run(&c, e);
    } else if (str_eq(words[0], "keys") && words[1] && words[2] && !words[3]) {
        r = session_keys(&c, words[1], words[2], e);
    } else {
        r = err_set(e, ERR_INVALID, "unknown argument %s", words[0]);
    }
    git_config_done(&c);
    return r;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'f'},
        {"dump-config", no_argument, NULL, 'd'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = CONFIG_DEFAULT, *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    _cleanup_err_ struct err e = {0};
    int o;
    (void)umask(077);
    if (str_eq(name, "pre-receive") || str_eq(name, "post-receive")) {
        return str_eq(name, "pre-receive") ? hook_pre_receive() : hook_post_receive();
    }
    if (argc == 3 && str_eq(argv[1], "-c")) { /* sshd takes us for the login's shell */
        return session_run(argv[2]);
    }
    while ((o = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        switch (o) {
        case 'f':
            path = optarg;
            break;
        case 'd':
            git_config_dump(stdout);
            return 0;
        case 'v':
            (void)puts("conpaas-git " CONPAAS_VERSION);
            return 0;
        case 'h':
            return help();
        default:
            return 2;
        }
    }
    int r = act(path, argv + optind, &e);
    if (r < 0) {
        (void)fprintf(stderr, "conpaas-git: %s%s%s\n", e.message ? e.message : "failed", e.hint ? "\n  " : "",
                      e.hint ? e.hint : "");
    }
    return r < 0 ? err_exit_code(r) : 0;
}
