/*
 * What a cloud has to offer, for those who write one.  Callers include cloud.h.
 *
 * Calls are short and have no loops, retries or sleeps inside: retry, back-off, deadlines and rate limits
 * live once, in the director's provisioning.  Every call may block on the network for at most its own timeout
 * (10 s) and may be made from several threads at once.  Adding a cloud: one file here, one row in
 * cloud_list.c.
 */
#pragma once

#include "base/json.h"
#include "cloud/cloud.h"

struct cloud_driver {
    const char *name;    /* "local", "sim", "ec2" */
    const char *summary; /* one line for `conpaas cloud list` */
    /* Keys of its [cloud NAME] section besides `driver`; ends with key NULL. */
    const struct conf_key *config;
    uint32_t capabilities; /* CLOUD_CAN_* */
    /* Its list is cheap: machines that ended are looked for in it every second, besides the polls. */
    bool watched;

    /* settings: the section's keys as a JSON object. Checks them completely. */
    int (*open)(const json_t *settings, const char *installation, void **ret, struct err *e);
    void (*close)(void *cloud);

    /* Instance types with prices; borrowed, valid until close. */
    int (*types)(void *cloud, const struct cloud_type **ret, size_t *ret_n, struct err *e);
    /* Creates one machine. Idempotent by spec->token: a second call returns the first machine. On success
     * ret->id is set; the machine may still be booting. */
    int (*create)(void *cloud, const struct cloud_spec *spec, struct cloud_machine *ret, struct err *e);
    /* The machine made for a token: CLOUD_NOTFOUND when there is (as far as the cloud knows yet) none. */
    int (*find)(void *cloud, const char *token, struct cloud_machine *ret, struct err *e);
    /* All machines that carry this installation's tag and no others. Caller frees *ret. */
    int (*list)(void *cloud, struct cloud_machine **ret, size_t *ret_n, struct err *e);
    int (*poll)(void *cloud, const char *id, struct cloud_machine *ret, struct err *e);
    /* Idempotent; CLOUD_OK also when it is already gone. GONE is seen by poll (NOTFOUND or CLOUD_M_GONE). */
    int (*terminate)(void *cloud, const char *id, struct err *e);

    /* Volumes; NULL = unsupported, all of them together. Ids are the cloud's. Create is idempotent by token; a volume
     * is attached to one machine at a time: CLOUD_CONFLICT. The dead hold nothing. */
    int (*vol_create)(void *cloud, const char *token, int64_t megabytes, char id[CLOUD_ID_MAX],
                      struct err *e);
    /* As find: CLOUD_NOTFOUND when there is (yet) none. */
    int (*vol_find)(void *cloud, const char *token, char id[CLOUD_ID_MAX], struct err *e);
    /* All volumes of this installation and no others. Caller frees *ret. */
    int (*vol_list)(void *cloud, struct cloud_volume **ret, size_t *ret_n, struct err *e);
    int (*vol_attach)(void *cloud, const char *vol, const char *machine, const char *name, struct err *e);
    int (*vol_detach)(void *cloud, const char *vol, struct err *e);
    int (*vol_delete)(void *cloud, const char *vol, struct err *e);
};

/* For drivers: reads settings (text as from a file, or JSON values) by the driver's key table into target,
 * with its fallbacks; unknown keys (besides driver) and bad values are ERR_INVALID. Strings in target are
 * owned by it: conf_free. */
int cloud_settings(const struct conf_key *schema, const json_t *settings, void *target,
                   struct err *e) WARN_UNUSED;
/* For drivers: token, name and user data are within the grammars every cloud can take. CLOUD_INVALID. */
int cloud_spec_check(const struct cloud_spec *s, struct err *e) WARN_UNUSED;

extern const struct cloud_driver cloud_local;
extern const struct cloud_driver cloud_sim;
