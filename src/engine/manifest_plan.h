/*
 * A manifest against what there is: the ordered changes that make it so.  Pure; computed again before every step
 * of a job, so that an empty list is the end (doc/PLANNER.md section 15).
 */
#pragma once

#include "service/manifest.h"

/* A code version that a service has. */
struct present_version {
    int64_t id;
    char sha256[SHA256_HEX];
};
struct present_service {
    int64_t id;
    char name[NAME_MAX_LEN + 1], cloud[NAME_MAX_LEN];
    const struct service_type *type;
    enum service_state state;
    struct want want;
    bool deleting;
    char why[WHY_MAX];   /* of ERROR */
    json_t *settings;    /* complete. owned */
    json_t *environment; /* owned */
    json_t *secrets;     /* NAME -> text. owned */
    json_t *own;         /* the type's own: name -> text. owned */
    json_t *links;       /* [{"name", "service": id}]. owned */
    int n_versions;
    struct present_version *versions; /* owned */
};
struct present {
    bool exists;
    bool manager;             /* wanted: costs a node */
    char cloud[NAME_MAX_LEN]; /* of the application */
    int n;
    struct present_service services[SERVICES_MAX];
    int n_clouds;
    struct {
        char name[NAME_MAX_LEN];
        int64_t price; /* millicredits an hour of a node */
        bool is_default;
    } clouds[16];
    /* What sources are known to hold: text of the source -> {"sha256", "filename", "size"}, or {"why"} when there is no
     * such thing. Addresses that were not fetched yet are absent. owned */
    json_t *files;
};
void present_done(struct present *p);
#define _cleanup_present_ _cleanup_(present_done)

enum manifest_step {
    STEP_MAKE_APP,
    STEP_MAKE_SERVICE,
    STEP_FETCH,    /* source */
    STEP_VERSION,  /* sha256 becomes a version */
    STEP_SETTINGS, /* settings, environment, secrets, references of the manifest's service */
    STEP_COUNTS,   /* counts */
    STEP_CODE,     /* version; 0: the one that STEP_VERSION makes */
    STEP_START,
    STEP_WAIT, /* somebody has started or stopped it: until that has ended */
    STEP_STOP,
    STEP_DELETE,
    MANIFEST_STEP_MAX
};
STR_TABLE_DECLARE(manifest_step, enum manifest_step);

struct manifest_change {
    enum manifest_step step;
    int index;       /* of the manifest's service; -1: of none */
    int64_t service; /* id; 0: it is not there yet */
    bool maybe;      /* a look whether something has changed, no change in itself */
    char *title;     /* for people */
    int counts[ROLES_MAX];
    int64_t version;
    char sha256[SHA256_HEX];
    const struct manifest_source *source; /* borrowed from the manifest */
};
struct manifest_plan {
    int n, cap;
    struct manifest_change *changes;
    int same;                      /* services of the manifest that stay as they are */
    int kept;                      /* services that are not in the manifest and stay */
    int64_t nodes_now, nodes_then; /* as wanted, the manager too */
    int64_t price_now, price_then; /* millicredits an hour */
};
void manifest_plan_done(struct manifest_plan *p);
#define _cleanup_manifest_plan_ _cleanup_(manifest_plan_done)

/* What is wrong with the manifest only in view of what there is: adds to its problems. */
void manifest_check(struct manifest *m, const struct present *p);
/* Secrets without a value, in the manifest and in what there is: [{"service", "member", "name"}]. Caller owns it. */
json_t *manifest_asks(const struct manifest *m, const struct present *p);
/* m has no problems. prune: services that are not in it go. */
void manifest_plan(const struct manifest *m, const struct present *p, bool prune, struct manifest_plan *ret);
