/*
 * Objects that need more than a row of columns or facts.  item is the object, or the list for history, cloud
 * and service_type.
 */
#pragma once

#include "cli/print.h"

void show_history(struct cli *cli, const json_t *list);
void show_clouds(struct cli *cli, const json_t *list);
void show_types(struct cli *cli, const json_t *list);
void show_credit(struct cli *cli, const json_t *credit);
void show_service(struct cli *cli, const json_t *service);
void show_app(struct cli *cli, const json_t *app);
void show_job(struct cli *cli, const json_t *job);
void show_operation(struct cli *cli, const json_t *op);
void show_config(struct cli *cli, const json_t *config);
void show_log(struct cli *cli, const json_t *log);
void show_authority(struct cli *cli, const json_t *authority);
void show_status(struct cli *cli, const json_t *status);
void show_new_token(struct cli *cli, const json_t *token);
void show_change(struct cli *cli, const json_t *change);
void show_login(struct cli *cli, const json_t *login);
