/*
 * Jobs: manifests that are being applied.  A thread takes every job that is under way, compares its manifest with
 * what there is, carries out the first difference as an ordinary change, and comes back when that has ended. All it
 * knows is stored, so a restart of the director only makes it compare again.
 */
#pragma once

#include "director/director.h"
#include "engine/manifest_plan.h"

struct jobs;

int jobs_start(struct director *d, struct err *e) WARN_UNUSED;
void jobs_stop(struct director *d);
/* Something may have moved. */
void jobs_wake(struct director *d);

/* The application (made when it is missing) and the job, in the store; *ret is what store_job gives. fresh: never
 * one that exists, a taken name gets a number. name: instead of the manifest's, may be NULL. ERR_INVALID tells the
 * first problem. */
struct job_order {
    int64_t owner;
    const char *actor, *manifest, *name;
    bool prune, fresh;
    const json_t *hashes; /* of files of the client's machine: source -> SHA-256; may be NULL */
};
int job_apply(struct director *d, const struct job_order *o, struct job *ret, struct err *e) WARN_UNUSED;
int job_cancel(struct director *d, int64_t id, const char *actor, struct err *e) WARN_UNUSED;

/* ---- shared by the files of jobs ---- */

/* What a client says of its own files, as `files` of manifest_present. Caller owns it. */
json_t *manifest_hashes(const json_t *hashes);
/* A name that no application of the owner has: name, name (2) ... Caller frees *ret. */
int manifest_fresh_name(struct director *d, int64_t owner, const char *name, char **ret,
                        struct err *e) WARN_UNUSED;

/* What there is, for the application of this owner and name; app 0 in *ret_app: there is none. files: those the job knows
 * already (may be NULL). */
int manifest_present(struct director *d, int64_t owner, const char *name, const struct manifest *m,
                     const json_t *files, struct present *ret, int64_t *ret_app, struct err *e) WARN_UNUSED;
/* A running application as a manifest. Caller owns *ret. */
int manifest_of_app(struct director *d, int64_t app, json_t **ret, struct err *e) WARN_UNUSED;

/* One change of the job. 0: done, or its operation is j->op; 1: not now, look again later. */
int job_step(struct director *d, struct job *j, const struct manifest *m, const struct manifest_change *c,
             struct err *e) WARN_UNUSED;
/* Notes in j->steps; the caller stores. */
void job_begin_step(struct job *j, const char *title, int64_t now_ms);
void job_end_step(struct job *j, bool ok, int64_t now_ms);

/* A file that j needs is being fetched in a thread of its own. 1: still; 0: *ret is what it held (caller owns) and it
 * is forgotten; -ENOENT: nothing is under way, or the error of the fetch. */
int job_fetch_poll(struct director *d, const struct job *j, char **ret_source, json_t **ret, struct err *e);
int job_fetch_start(struct director *d, const struct job *j, const struct manifest_source *s,
                    struct err *e) WARN_UNUSED;
void job_fetch_stop(struct director *d);
/* What is kept of an uploaded or fetched file for its owner. The artifact was just put: its lock is held. */
#define UPLOAD_KEPT_MS (24 * 3600 * 1000LL)
struct artifact;
int job_keep_file(struct director *d, int64_t owner, const struct artifact *a, const char *filename,
                  struct upload *ret, struct err *e) WARN_UNUSED;
