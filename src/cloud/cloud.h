/*
 * Clouds as the director sees them: machines, types, prices, results.  See cloud_driver.h to write one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/json.h"
#include "model/cloud_result.h"

#define CLOUD_ID_MAX 96
#define CLOUD_NAME_MAX 64
#define CLOUD_TOKEN_MAX 64
#define CLOUD_ADDRESS_MAX 64
#define CLOUD_USER_DATA_MAX 60000

const char *cloud_result_word(int result);
int cloud_result_from_word(const char *word); /* CLOUD_PERMANENT for an unknown word */

#define CLOUD_CAN_VOLUMES 1u
#define CLOUD_CAN_REBOOT 2u

struct cloud_type {
    char name[CLOUD_NAME_MAX]; /* "small" */
    int64_t millicores, memory_mb, pids, disk_mb;
    int64_t millicredits_per_hour; /* price; 1000 = one credit */
};

enum cloud_machine_state { CLOUD_M_BOOTING, CLOUD_M_RUNNING, CLOUD_M_GONE };
struct cloud_machine {
    char id[CLOUD_ID_MAX];
    char token[CLOUD_TOKEN_MAX];
    char address[CLOUD_ADDRESS_MAX]; /* "" until known */
    enum cloud_machine_state state;
    int64_t created_ms; /* wall clock of the cloud */
};

struct cloud_volume {
    char id[CLOUD_ID_MAX];
    char token[CLOUD_TOKEN_MAX];
    char machine[CLOUD_ID_MAX]; /* "" = attached nowhere */
    int64_t megabytes, created_ms;
};

struct cloud_spec {
    char token[CLOUD_TOKEN_MAX]; /* idempotency; also a tag */
    char name[CLOUD_NAME_MAX];   /* human, e.g. "cps-u1-a3-n12"; [a-z0-9-] */
    char type[CLOUD_NAME_MAX];   /* "" = the cloud's default type */
    const char *user_data;       /* text handed to the machine: the agent's enrolment (JSON) */
};

/* A configured cloud: driver and its open handle. */
struct cloud {
    char name[CLOUD_NAME_MAX];
    const struct cloud_driver *driver;
    void *handle;
};

/* All drivers, in order; ends with NULL. */
extern const struct cloud_driver *const cloud_drivers[];
const struct cloud_driver *cloud_driver_find(const char *name);
/* Opens a cloud from its section ("driver" names the row). Unknown driver or key: ERR_INVALID. */
int cloud_open(const char *name, const json_t *settings, const char *installation, struct cloud *ret,
               struct err *e) WARN_UNUSED;
void cloud_close(struct cloud *c);

/*
 * The sim cloud's script (driver "sim"): the n-th call of a kind does what it is told.
 * setting `script`: "create:2=quota create:3=unknown+ create:*=retry list:1=hang poll:5=lose".
 * Outcome words are those above; "unknown+" makes the machine and says unknown, "late+" makes it later,
 * "lose" kills the machine, "lie" reports a wrong state once.
 */
