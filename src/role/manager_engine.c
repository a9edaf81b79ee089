/*
 * conpaas-manager as a supervised engine.
 */
#include "role/manager_engine.h"

#include <signal.h>

static const char *const manager_logs[] = {"-output.log", NULL};

static int manager_configure(struct role_engine *r, const json_t *section, enum role_change *ret,
                             struct err *e)
{
    *ret = r->pid ? CHANGE_NONE : CHANGE_RESTART;
    return 0;
}

static int manager_command(const struct role_engine *r, struct role_command *ret, struct err *e)
{
    *ret = (struct role_command){
        .argv = {"/usr/lib/conpaas/conpaas-manager"},
        .log = "manager-output.log",
    };
    return 0;
}

const struct role_driver role_manager = {
    .name = "manager",
    .stop_signal = SIGTERM,
    .stop_timeout_ms = 5000,
    .logs = manager_logs,
    .configure = manager_configure,
    .command = manager_command,
};
