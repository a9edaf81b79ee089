/*
 * Running a command that is a row of the call table: plan, question, request, waiting, answer.
 */
#pragma once

#include "cli/args.h"

/* Exit code, or a negative code with e set. */
int run_command(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;
/* Sends a call whose answer is a "change" and waits for its operation, unless --no-wait; prints nothing of
 * the answer. *ret_change (owned by the caller) has the last state of both. Exit code, or a negative code. */
int run_change(struct cli *cli, const char *id, const json_t *args, json_t **ret_change,
               struct err *e) WARN_UNUSED;

/* In code_file.c: uploading and downloading. */
int code_upload_run(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;
int code_download_run(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;
/* Sends the file at path by a call that takes one; args: its others, may be NULL. */
int file_send(struct cli *cli, const char *id, const json_t *args, const char *path, json_t **ret,
              struct err *e) WARN_UNUSED;
/* In manifest.c. */
int manifest_validate_run(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;
int manifest_plan_run(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;
int manifest_apply_run(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;
int manifest_upload_run(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;
int manifest_download_run(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;
/* Sends the archive at path; *ret is the version. */
int code_send(struct cli *cli, int64_t service, const char *path, const char *description, json_t **ret,
              struct err *e) WARN_UNUSED;
/* In events.c: the live stream. */
int events_run(struct cli *cli, struct command *c, struct err *e) WARN_UNUSED;
