/*
 * The agent of a node: what its parts share.  One of it a process; passed down, never global.
 *
 * Threads: main (PID 1: signals, orphans), apply (one document at a time), poll and tell (to the manager),
 * beat (to the director), and one for each engine.
 */
#pragma once

#include <pthread.h>

#include "agent/engine.h"
#include "agent/journal.h"
#include "agent/wire.h"
#include "engine/fence.h"

#define AGENT_ENGINES_MAX 16
#define AGENT_PROBES_MAX 4

/* An engine of a role in the document that is applied. */
struct agent_engine {
    char role[NAME_MAX_LEN];
    struct engine *engine;
};

struct script;
#define SCRIPTS_LEFT_MAX 32
/* A script that has ended; some of its session may be alive. */
struct script_left {
    pid_t session;
    bool init;
};

struct agent {
    /* where things are */
    char *state_dir, *data_root, *code_root, *log_dir, *run_root, *volumes_root, *media_root, *cache_dir;
    /* who we are: user data and certificate */
    json_t *user_data; /* owned; the texts below are borrowed from it */
    const char *installation, *kind, *ca, *director_name, *director_address, *token;
    int64_t node, app;
    char *key_pem;
    int stop_fd; /* eventfd: readable when the agent ends */

    pthread_mutex_t lock;  /* everything below */
    pthread_cond_t change; /* something below changed */
    bool stopping;
    char *cert_pem;
    int64_t cert_rev;      /* +1 at each renewal */
    int64_t renew_look_ms; /* of the beat thread alone */
    bool ask;              /* the director should be asked for the manager now */
    struct fence fence;
    int64_t boot, n, service;
    int64_t done_epoch, done_seq;
    json_t *accepted, *applied; /* documents; NULL = none yet */
    bool busy;
    struct {
        int64_t seq;
        bool own;
        char why[WHY_MAX];
        json_t *core;
    } refused;
    int refusals;
    int n_engines;
    struct agent_engine engines[AGENT_ENGINES_MAX];
    int n_probes;
    struct probe_result probes[AGENT_PROBES_MAX];
    struct journal *journal;
    struct script *scripts; /* under way (commands.c) */
    bool left_asked;        /* what scripts left behind has been asked to end (thread of an interrupt) */
    int n_left;
    struct script_left left[SCRIPTS_LEFT_MAX];
    uint64_t told, changes;                               /* the tell thread reports when changes is ahead */
    char firewall_why[WHY_MAX];                           /* why the firewall could not be set; "" = it is */
    char manager_name[300], manager_address[ADDRESS_MAX]; /* "" = unknown */
};

/* Something that the manager should hear of. Takes the lock. */
void agent_changed(struct agent *a);

/* identity.c: reads user data, makes the key at the first boot, enrols until there is a certificate. */
int identity_read(struct agent *a, const char *path, struct err *e) WARN_UNUSED;
int identity_enrol(struct agent *a, struct err *e) WARN_UNUSED;
int identity_director(struct agent *a, struct wire **ret, struct err *e) WARN_UNUSED;
/* Gets a new certificate when the present one is 30 of its 90 days old; looks at most once an hour. c: to the
 * director. */
int identity_renew(struct agent *a, struct wire *c, struct err *e) WARN_UNUSED;

/* stage.c: makes the versions of a document available below code_root/SERVICE, or drops what is not in it. */
int stage_document(struct agent *a, const json_t *document, struct err *e) WARN_UNUSED;
void stage_drop(struct agent *a, const json_t *document);
json_t *stage_list(struct agent *a); /* ids of complete versions, ascending; with the lock */

/* volumes.c: those of the document are there and have their names; engines that are given one start after this. */
int volumes_prepare(struct agent *a, const json_t *document, struct err *e) WARN_UNUSED;
/* The volume that is the engine's data directory; NULL = it has none. Caller frees. */
char *volumes_data_root(const struct agent *a, const json_t *document, const char *engine);
/* Those of before that are not in document lose their names, and their users end. */
int volumes_leave(struct agent *a, const json_t *before, const json_t *document, struct err *e) WARN_UNUSED;
/* Ends every process that has something open on the file system of place. */
int volumes_end_users(const char *place, struct err *e) WARN_UNUSED;

/* memory.c: promise and documents on disk. */
int memory_load(struct agent *a, struct err *e) WARN_UNUSED;
int memory_promise(struct agent *a, struct err *e) WARN_UNUSED;
int memory_document(struct agent *a, const char *name, const json_t *document, struct err *e) WARN_UNUSED;

/* apply.c */
void *apply_thread(void *arg);
/* A document that is to be applied now, in this thread. own: the node's fault, not the content's. */
int apply_document(struct agent *a, const json_t *document, bool *ret_own, struct err *e) WARN_UNUSED;
void apply_stop(struct agent *a);

/* commands.c: starts what the document asks for and is not in the journal (K rules); again after each end. */
void commands_start(struct agent *a, const json_t *document);
/* Ends what runs; waits. */
void commands_stop(struct agent *a);

/* report.c: caller owns the result. Takes the lock. */
json_t *report_make(struct agent *a);

/* firewall.c: ports of roles only from those who may call them. `allow` of the document. */
int firewall_set(const json_t *allow, struct err *e) WARN_UNUSED;
/* The rules as text (for the test). */
int firewall_rules(const json_t *allow, struct buf *out, struct err *e) WARN_UNUSED;

/* logs.c: the end of a log from the allow-list of the engines; rotation. */
int logs_tail(struct agent *a, const char *name, int lines, struct buf *out, struct err *e) WARN_UNUSED;
void logs_rotate(struct agent *a);

/* link.c */
void *link_poll_thread(void *arg);
void *link_tell_thread(void *arg);
void *link_beat_thread(void *arg);
