/*
 * The director's memory: everything that must survive, behind one interface.  Today SQLite (WAL, every commit
 * synced); the callers see structs and transactions only.
 *
 * Writing: store_begin takes the one write lock, the store_* functions marked "in a transaction" write,
 * store_commit returns when it is durable.  Reading: any time, from any thread; inside a transaction the
 * writing thread sees its own changes, all others the last committed state, and nobody waits for a sync.
 */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#include "engine/truth.h"
#include "model/ssh_key.h"
#include "model/state.h"

struct store;

/* Opens (or makes) DIR/director.db and brings its schema up to date. A damaged database or one written by a
 * newer program is refused. installation: name used when it is made now. */
int store_open(const char *dir, const char *installation, int64_t now_ms, struct store **ret,
               struct err *e) WARN_UNUSED;
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close);

int store_begin(struct store *s, struct err *e) WARN_UNUSED;
int store_commit(struct store *s, struct err *e) WARN_UNUSED;
/* Throws the changes away; fine after a failed commit. */
void store_abort(struct store *s);

/* ---- installation ---- */
struct store_info {
    char name[64];
    int64_t incarnation; /* +1 when the database was found to be an older copy of itself */
    bool recovery;       /* ... then until an administrator reconciles nothing is created or destroyed */
};
void store_info(struct store *s, struct store_info *ret);
/* Ends recovery. In a transaction. */
int store_reconciled(struct store *s, struct err *e) WARN_UNUSED;
/* The next id of anything; durable with the transaction. */
int64_t *store_next_id(struct store *s);
int64_t store_new_id(struct store *s);
/* Notes outside the database how far it has come, so that a restored copy is recognised. */
int store_mark(struct store *s, struct err *e) WARN_UNUSED;
/* Takes or renews the lease of a loop: 1 it is ours until now_ms + for_ms, 0 another has it. Its own
 * transaction. */
int store_lease(struct store *s, const char *name, const char *holder, int64_t now_ms, int64_t for_ms,
                struct err *e) WARN_UNUSED;
void store_lease_drop(struct store *s, const char *name, const char *holder);

/* ---- users ---- */
struct user {
    int64_t id;
    char *username, *email, *password, *first_name, *last_name, *affiliation;
    bool admin, disabled;
    int64_t created_ms, balance, broke_ms;
};
void user_done(struct user *u);
#define _cleanup_user_ _cleanup_(user_done)
void users_free(struct user *u, size_t n);

/* In a transaction. ERR_EXISTS says which of the two is taken. */
int store_user_add(struct store *s, const struct user *u, int64_t *ret_id, struct err *e) WARN_UNUSED;
/* Profile, password, rank and disabled of u->id; not the balance. In a transaction. */
int store_user_update(struct store *s, const struct user *u, struct err *e) WARN_UNUSED;
/* Refused (ERR_STATE) while it owns applications. The ledger stays. In a transaction. */
int store_user_delete(struct store *s, int64_t id, struct err *e) WARN_UNUSED;
int store_user(struct store *s, int64_t id, struct user *ret, struct err *e) WARN_UNUSED;
int store_user_by_name(struct store *s, const char *username, struct user *ret, struct err *e) WARN_UNUSED;
int store_user_by_email(struct store *s, const char *email, struct user *ret, struct err *e) WARN_UNUSED;
int store_users(struct store *s, struct user **ret, size_t *ret_n, struct err *e) WARN_UNUSED;

/* ---- sessions and tokens: the secret itself is never stored ---- */
struct token {
    int64_t id, user;
    bool session; /* else an API token */
    char *name;
    int64_t created_ms, expires_ms, used_ms;
};
void token_done(struct token *t);
#define _cleanup_token_ _cleanup_(token_done)
void tokens_free(struct token *t, size_t n);

/* In a transaction. ERR_EXISTS: the user has a token of that name; ERR_QUOTA: TOKENS_MAX API tokens. Of sessions
 * the TOKENS_MAX that were used last stay. */
#define TOKENS_MAX 100
int store_token_add(struct store *s, const struct token *t, const char *secret, int64_t *ret_id,
                    struct err *e) WARN_UNUSED;
/* ERR_UNAUTHENTICATED when unknown or expired, or its user is disabled or gone. */
int store_token_find(struct store *s, const char *secret, int64_t now_ms, struct token *ret,
                     struct user *ret_user, struct err *e) WARN_UNUSED;
/* 1 when store_token_find would find it still, 0 when not. */
int store_token_live(struct store *s, int64_t id, int64_t now_ms, struct err *e) WARN_UNUSED;
int store_token_used(struct store *s, int64_t id, int64_t now_ms, int64_t expires_ms,
                     struct err *e) WARN_UNUSED;
/* In a transaction; deleting a missing one is ERR_NOT_FOUND. */
int store_token_delete(struct store *s, int64_t user, int64_t id, struct err *e) WARN_UNUSED;
int store_token_user(struct store *s, int64_t id, int64_t *ret_user, struct err *e) WARN_UNUSED;
/* All of a user but one (0: all). In a transaction. */
int store_tokens_delete_all(struct store *s, int64_t user, int64_t except, struct err *e) WARN_UNUSED;
int store_tokens_expire(struct store *s, int64_t now_ms, struct err *e) WARN_UNUSED;
int store_tokens(struct store *s, int64_t user, struct token **ret, size_t *ret_n, struct err *e) WARN_UNUSED;

/* ---- keys that may push code ---- */
struct key_row {
    int64_t id, created_ms;
    struct ssh_key key;
};
#define KEYS_MAX 100 /* of one application */
/* In a transaction. 1: added, 0: the application has it already. ERR_QUOTA: KEYS_MAX. */
int store_key_add(struct store *s, int64_t app, const struct ssh_key *key, int64_t now_ms,
                  struct err *e) WARN_UNUSED;
/* In a transaction. By body or comment. ERR_NOT_FOUND; ERR_CONFLICT: several have this comment. */
int store_key_remove(struct store *s, int64_t app, const char *which, struct err *e) WARN_UNUSED;
/* In the order in which they came; caller frees *ret. */
int store_keys(struct store *s, int64_t app, struct key_row **ret, size_t *ret_n, struct err *e) WARN_UNUSED;

/* The applications to which it may push, in the order of their ids; caller frees *ret. */
int store_key_apps(struct store *s, const char *type, const char *body, int64_t **ret, size_t *ret_n,
                   struct err *e) WARN_UNUSED;

/* ---- pushes ---- */
/* The version came from this commit. In a transaction. */
int store_push_add(struct store *s, int64_t service, int64_t version, const char *commit,
                   struct err *e) WARN_UNUSED;
/* 1 and the version that a commit became, 0 when there is none (any more). */
int store_push_find(struct store *s, int64_t service, const char *commit, int64_t *ret_version,
                    struct err *e) WARN_UNUSED;
/* Whether a push makes its version the active one; true when nothing was said. */
int store_git_deploy(struct store *s, int64_t service, bool *ret, struct err *e) WARN_UNUSED;
/* In a transaction. */
int store_git_set_deploy(struct store *s, int64_t service, bool deploy, struct err *e) WARN_UNUSED;

/* ---- applications and services ---- */
struct app_row {
    struct app app;
    bool own; /* made for one service, goes with it */
    int64_t created_ms;
};
struct service_row {
    struct service service;
    int64_t created_ms, state_ms; /* state_ms: since when it is in its state */
};
/* Every application, each with its services (heap, owned by the receiver through take). Stops at the first
 * non-zero of take. */
int store_load(struct store *s,
               int (*take)(void *arg, struct app_row *app, struct service_row **services, int n,
                           struct err *e),
               void *arg, struct err *e) WARN_UNUSED;
/* All in a transaction. */
int store_app_add(struct store *s, const struct app_row *a, struct err *e) WARN_UNUSED;
int store_app_rename(struct store *s, int64_t id, const char *name, struct err *e) WARN_UNUSED;
int store_app_delete(struct store *s, int64_t id, struct err *e) WARN_UNUSED;
int store_service_add(struct store *s, const struct service_row *v, struct err *e) WARN_UNUSED;
int store_service_rename(struct store *s, int64_t id, const char *name, struct err *e) WARN_UNUSED;
int store_service_delete(struct store *s, int64_t id, struct err *e) WARN_UNUSED;
int store_service_app(struct store *s, int64_t service, int64_t *ret_app, struct err *e) WARN_UNUSED;
int store_app_owner(struct store *s, int64_t app, int64_t *ret_user, struct err *e) WARN_UNUSED;

/* Writes what differs between before and after, and the effects: rows of the ledger with the balance,
 * history, operations, nodes. service NULL: the application alone. Returns 1 when anything was written. In a
 * transaction. */
struct truth_save {
    const struct app *app_before, *app_after;
    const struct service *service_before, *service_after;
    const struct effects *effects;
    const struct purse *purse_before, *purse;
    int64_t now_ms;
    const char *actor, *call, *title; /* of operations accepted now; NULL: the system's own */
};
int store_save(struct store *s, const struct truth_save *t, struct err *e) WARN_UNUSED;
/* The owner's account. In a transaction. */
int store_purse(struct store *s, int64_t user, struct purse *ret, struct err *e) WARN_UNUSED;

/* ---- operations and nodes, also ended ones ---- */
struct op_row {
    struct op op;
    int64_t app, service, ended_ms;
    char *call, *title, *actor; /* "" = the system's own */
};
void op_row_done(struct op_row *o);
#define _cleanup_op_row_ _cleanup_(op_row_done)
void op_rows_free(struct op_row *o, size_t n);
/* op.value and op.targets are not filled in. */
int store_op(struct store *s, int64_t id, struct op_row *ret, struct err *e) WARN_UNUSED;
/* Newest first; of one service, of one application, or of all of an owner's (the others 0). state NULL: all.
 */
struct op_filter {
    int64_t service, app, owner;
    const char *state;
    int limit;
};
int store_ops(struct store *s, const struct op_filter *f, struct op_row **ret, size_t *ret_n,
              struct err *e) WARN_UNUSED;

struct node_row {
    struct node node; /* role is not set: see role */
    int64_t app, service;
    char role[NAME_MAX_LEN]; /* "" = manager */
};
int store_node(struct store *s, int64_t id, struct node_row *ret, struct err *e) WARN_UNUSED;
int store_node_by_token(struct store *s, const char *token, struct node_row *ret, struct err *e) WARN_UNUSED;

struct volume_row {
    struct volume volume; /* role is not set: see role */
    int64_t app, service;
    char role[NAME_MAX_LEN]; /* "" = has no place */
};
int store_volume(struct store *s, int64_t id, struct volume_row *ret, struct err *e) WARN_UNUSED;
int store_volume_by_token(struct store *s, const char *token, struct volume_row *ret,
                          struct err *e) WARN_UNUSED;
/* Megabytes of all volumes of a user that are not GONE. In a transaction. */
int store_volumes_mb(struct store *s, int64_t owner, int64_t *ret, struct err *e) WARN_UNUSED;

/* ---- ledger ---- */
struct ledger_row {
    int64_t id, user, amount, node, hour, op, app, at_ms;
    char kind[16];
    char *text;
};
void ledger_rows_free(struct ledger_row *r, size_t n);
/* In a transaction. Taking more than there is takes what there is; *ret_balance may be NULL. */
int store_grant(struct store *s, int64_t user, int64_t amount, const char *text, int64_t now_ms,
                int64_t *ret_balance, struct err *e) WARN_UNUSED;
/* Newest first, ids below before (0 = from the newest). */
int store_ledger(struct store *s, int64_t user, int64_t before, int limit, struct ledger_row **ret,
                 size_t *ret_n, struct err *e) WARN_UNUSED;
/* Compares every balance with the sum of its rows: ERR_FAILED names the first user that differs. */
int store_ledger_check(struct store *s, struct err *e) WARN_UNUSED;

/* ---- history and events ---- */
struct event {
    int64_t app, id, at_ms, service, op, node;
    char kind[16];  /* "state" "op" "node" "note" "code" ... */
    char state[16]; /* of the service, "" = none */
    char *text;
};
void events_free(struct event *ev, size_t n);
/* In a transaction; *ret_id is the id it got. */
int store_event_add(struct store *s, const struct event *ev, int64_t *ret_id, struct err *e) WARN_UNUSED;
/* Ids above after, oldest first; service 0 = all of the application. */
int store_events_after(struct store *s, int64_t app, int64_t service, int64_t after, int limit,
                       struct event **ret, size_t *ret_n, struct err *e) WARN_UNUSED;
/* The newest `limit` with ids below before (0 = from the newest), newest first. only_kind NULL = all. */
int store_events_before(struct store *s, int64_t app, int64_t service, int64_t before, const char *only_kind,
                        int limit, struct event **ret, size_t *ret_n, struct err *e) WARN_UNUSED;
/* What was noted of a service in a span of time, oldest first, at most 200. */
int store_events_between(struct store *s, int64_t app, int64_t service, int64_t from_ms, int64_t to_ms,
                         struct event **ret, size_t *ret_n, struct err *e) WARN_UNUSED;
int store_event_last(struct store *s, int64_t app, int64_t *ret_id, struct err *e) WARN_UNUSED;
int store_alarm(struct store *s, int64_t app, int64_t now_ms, const char *text, struct err *e) WARN_UNUSED;
int store_alarms(struct store *s, int limit, struct event **ret, size_t *ret_n, struct err *e) WARN_UNUSED;

/* ---- code versions, artifacts, settings, secrets ---- */
struct version {
    int64_t id, service, size, created_ms;
    char *name, *filename, *description, *format;
    char sha256[SHA256_HEX];
};
void version_done(struct version *v);
#define _cleanup_version_ _cleanup_(version_done)
void versions_free(struct version *v, size_t n);
/* Notes the artifact as well. ERR_EXISTS: the name is taken. In a transaction. */
int store_version_add(struct store *s, const struct version *v, struct err *e) WARN_UNUSED;
int store_version(struct store *s, int64_t service, int64_t id, struct version *ret,
                  struct err *e) WARN_UNUSED;
/* Newest first. */
int store_versions(struct store *s, int64_t service, struct version **ret, size_t *ret_n,
                   struct err *e) WARN_UNUSED;
int store_version_delete(struct store *s, int64_t service, int64_t id, struct err *e) WARN_UNUSED;
/* Bytes of all versions of an application. */
int store_code_bytes(struct store *s, int64_t app, int64_t *ret, struct err *e) WARN_UNUSED;
/* 1 when a version of the application uses it, else 0. */
int store_app_uses(struct store *s, int64_t app, const char *sha256, struct err *e) WARN_UNUSED;
/* 1 when a version has, or had until the last collection, these bytes. */
int store_artifact_known(struct store *s, const char *sha256, struct err *e) WARN_UNUSED;
/* Calls f for each artifact that no version uses; they are forgotten when f returns 0. In a transaction. */
int store_artifacts_unused(struct store *s, int (*f)(void *arg, const char *sha256), void *arg,
                           struct err *e) WARN_UNUSED;

/* One revision of what the settings facet owns: all that nodes take up together (S rules). A change of any of it is a
 * new revision. */
struct revision {
    json_t *settings; /* {KEY: VALUE} of the type's schema */
    json_t *env;      /* {NAME: TEXT}: environment variables */
    json_t *secrets;  /* {NAME: ID of a sealed value}: environment variables that are never shown */
    json_t *own;      /* the same: the type's own secrets */
    json_t *links;    /* [{"name", "service", "port"}]: the services it refers to */
    char *startup;    /* text of the startup script; "" = none */
};
void revision_done(struct revision *r);
#define _cleanup_revision_ _cleanup_(revision_done)
/* Everything empty. */
struct revision revision_new(void);
/* Deep enough to change the copy. */
struct revision revision_copy(const struct revision *r);
bool revision_equal(const struct revision *a, const struct revision *b);
/* In a transaction. */
int store_revision_add(struct store *s, int64_t service, int64_t rev, const struct revision *r,
                       int64_t now_ms, struct err *e) WARN_UNUSED;
/* Caller owns *ret. */
int store_revision(struct store *s, int64_t service, int64_t rev, struct revision *ret,
                   struct err *e) WARN_UNUSED;
/* Its settings alone. Caller owns *ret. */
int store_settings(struct store *s, int64_t service, int64_t rev, json_t **ret, struct err *e) WARN_UNUSED;
int store_settings_last(struct store *s, int64_t service, int64_t *ret_rev, struct err *e) WARN_UNUSED;
/* Forgets revisions below `below` and every sealed value that no revision names any more. In a transaction. */
int store_revisions_drop(struct store *s, int64_t service, int64_t below, struct err *e) WARN_UNUSED;

/* Sealed values of secrets; the store never sees what they say. In a transaction. */
int store_sealed_add(struct store *s, int64_t id, int64_t service, const char *name, const char *key_id,
                     const char *value, int64_t now_ms, struct err *e) WARN_UNUSED;
struct sealed {
    int64_t id, service, created_ms;
    char name[NAME_MAX_LEN + 1];
    char *value;
};
void sealed_done(struct sealed *v);
#define _cleanup_sealed_ _cleanup_(sealed_done)
int store_sealed(struct store *s, int64_t id, struct sealed *ret, struct err *e) WARN_UNUSED;
/* How many were sealed with another key. */
int store_sealed_by_others(struct store *s, const char *key_id, int64_t *ret_n, struct err *e) WARN_UNUSED;
/* Secrets that a program before schema 4 stored readable: calls f for each (it returns 0 or a negative code) and forgets
 * them. Their number. In a transaction. */
int store_plain_secrets(struct store *s,
                        int (*f)(void *arg, int64_t service, const char *name, const char *value), void *arg,
                        struct err *e) WARN_UNUSED;
/* `own` of every revision of the service names the sealed value. In a transaction. */
int store_revisions_own(struct store *s, int64_t service, const char *name, int64_t id,
                        struct err *e) WARN_UNUSED;
/* Nothing that was deleted stays readable in the database's files. */
int store_scrub(struct store *s, struct err *e) WARN_UNUSED;

/* ---- jobs: manifests that are applied ---- */
struct job {
    int64_t id, owner, app, op; /* op: the operation it waits for, 0 = none */
    char *app_name;
    enum op_state state;
    char *manifest; /* its text, sealed; "" when the job has ended */
    bool prune;
    json_t *files; /* what addresses held: see struct present */
    json_t *steps; /* [{"title", "state", "started", "ended"}] */
    char *why, *actor;
    int64_t created_ms, changed_ms, ended_ms;
    bool dirty; /* memory: something of it is not stored yet */
};
void job_done(struct job *j);
#define _cleanup_job_ _cleanup_(job_done)
void jobs_free(struct job *j, size_t n);
/* Both in a transaction; save writes what changes in its life. */
int store_job_add(struct store *s, const struct job *j, struct err *e) WARN_UNUSED;
int store_job_save(struct store *s, const struct job *j, struct err *e) WARN_UNUSED;
int store_job(struct store *s, int64_t id, struct job *ret, struct err *e) WARN_UNUSED;
/* Newest first; of an owner, of an application (0: of all), only those under way. */
struct job_filter {
    int64_t owner, app;
    bool active;
    int limit;
};
int store_jobs(struct store *s, const struct job_filter *f, struct job **ret, size_t *ret_n,
               struct err *e) WARN_UNUSED;

/* A file of a user that no version needs to use yet: kept until it expires. */
struct upload {
    char sha256[SHA256_HEX];
    char *filename, *format;
    int64_t size, expires_ms;
};
void upload_done(struct upload *u);
#define _cleanup_upload_ _cleanup_(upload_done)
/* In a transaction; notes the artifact as well. The same again lasts longer. */
int store_upload_add(struct store *s, int64_t owner, const struct upload *u, int64_t now_ms,
                     struct err *e) WARN_UNUSED;
/* By content: one that he sent, or the code of a service of his. ERR_NOT_FOUND. */
int store_upload(struct store *s, int64_t owner, const char *sha256, struct upload *ret,
                 struct err *e) WARN_UNUSED;
int store_upload_bytes(struct store *s, int64_t owner, int64_t *ret, struct err *e) WARN_UNUSED;
/* In a transaction. */
int store_uploads_expire(struct store *s, int64_t now_ms, struct err *e) WARN_UNUSED;

/* ---- certificates and enrolment ---- */
struct certificate {
    char serial[64], name[256];
    int64_t node, issued_ms, not_after_ms, revoked_ms;
};
int store_certificate_add(struct store *s, const struct certificate *c, struct err *e) WARN_UNUSED;
/* ERR_NOT_FOUND when this installation never made it. */
int store_certificate(struct store *s, const char *serial, struct certificate *ret,
                      struct err *e) WARN_UNUSED;
/* How many of a node (0: of the director) were made since then. */
int store_certificates_since(struct store *s, int64_t node, int64_t since_ms, int64_t *ret_n,
                             struct err *e) WARN_UNUSED;
int store_certificates_revoke(struct store *s, int64_t node, int64_t now_ms, struct err *e) WARN_UNUSED;

struct enrolment {
    int64_t node, used_ms;
    char *key_id, *certificate; /* NULL while unused */
};
void enrolment_done(struct enrolment *n);
#define _cleanup_enrolment_ _cleanup_(enrolment_done)
/* In a transaction; repeating it with the same token is fine. */
int store_enrolment_add(struct store *s, int64_t node, const char *token, struct err *e) WARN_UNUSED;
/* ERR_FORBIDDEN for a token that is not the node's. */
int store_enrolment(struct store *s, int64_t node, const char *token, struct enrolment *ret,
                    struct err *e) WARN_UNUSED;
int store_enrolment_use(struct store *s, int64_t node, const char *key_id, const char *certificate,
                        int64_t now_ms, struct err *e) WARN_UNUSED;
