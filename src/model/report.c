/*
 * Words of reports.
 */
#include "model/report.h"

static const char *const health_table[HEALTH_MAX] = {
    [HEALTH_NONE] = "none", [HEALTH_STARTING] = "starting", [HEALTH_OK] = "ok",
    [HEALTH_BAD] = "bad",   [HEALTH_DOWN] = "down",
};
STR_TABLE_DEFINE(health, enum health, HEALTH_MAX);

static const char *const cmd_state_table[CMD_STATE_MAX] = {
    [CMD_NONE] = "NONE",
    [CMD_RUNNING] = "RUNNING",
    [CMD_STOPPED] = "STOPPED",
    [CMD_REFUSED] = "REFUSED",
};
STR_TABLE_DEFINE(cmd_state, enum cmd_state, CMD_STATE_MAX);
