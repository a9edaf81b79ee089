/*
 * What hostd knows of one node, kept in STATE/nodes/ID/record.json.  The record is written before anything
 * of the node exists and removed after the last of it is gone, so that a crash at any point leaves either a
 * whole node or one that can be cleaned up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"
#include "cloud/cloud.h"
#include "hostd/config.h"

#define RECORD_APP_MAX 32
#define RECORD_BOOT 40

enum record_phase { RECORD_CREATING, RECORD_RUNNING, RECORD_DYING, RECORD_PHASE_MAX };
STR_TABLE_DECLARE(record_phase, enum record_phase);

struct record {
    char id[CLOUD_ID_MAX];
    char owner[CLOUD_NAME_MAX];  /* the director's installation; "" = none named */
    char token[CLOUD_TOKEN_MAX]; /* unique for the owner */
    char name[CLOUD_NAME_MAX];
    char app[RECORD_APP_MAX]; /* tag for separating tenants; "" = none */
    char boot[RECORD_BOOT];   /* the machine's boot in which pid means something */
    char image[256];          /* rootfs the node stands on */
    char programs[256];       /* programs layer */
    enum record_phase phase;
    int64_t index, created_ms;
    int64_t millicores, memory_mb, pids, disk_mb;
    int64_t pid, pid_start; /* its init; 0 before the start */
};

char *record_dir(const struct config *c, const char *id); /* caller frees */
/* File `file` of the node's directory; caller frees. */
char *record_path(const struct config *c, const char *id, const char *file);
int record_write(const struct config *c, const struct record *r, struct err *e) WARN_UNUSED;
int record_read(const struct config *c, const char *id, struct record *ret, struct err *e) WARN_UNUSED;

/* A started init, as the launcher leaves it for us in STATE/nodes/ID/started.json. */
int record_write_started(const struct config *c, const char *id, int64_t pid, int64_t start,
                         struct err *e) WARN_UNUSED;
int record_read_started(const struct config *c, const char *id, int64_t *ret_pid, int64_t *ret_start,
                        struct err *e) WARN_UNUSED;

/* Grammars of what comes from outside. */
bool record_id_ok(const char *s);    /* n12-ab3d5f */
bool record_token_ok(const char *s); /* 1 to 63 of [A-Za-z0-9._-], not beginning with . or - */
bool record_name_ok(const char *s);  /* host name label: 1 to 63 of [a-z0-9-], no - at the ends */

/* The machine's boot id. */
int record_boot(char ret[RECORD_BOOT], struct err *e) WARN_UNUSED;
