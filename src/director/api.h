/*
 * Handlers of the call table.  dispatch.c has authenticated the caller, checked ownership of everything that
 * is named and the arguments before one runs; it answers with the table's status.
 */
#pragma once

#include "api/match.h"
#include "director/account.h"
#include "director/objects.h"
#include "director/txn.h"

struct api_call {
    struct director *d;
    struct http_request *req;
    struct call_match match;
    struct caller caller;
    json_t *args;   /* flat, complete and checked */
    char *address;  /* of the peer, for limits */
    bool uploading; /* holds one of the director's uploads */
};

typedef int (*api_handler)(struct api_call *c, struct err *e);
struct api_row {
    const char *id; /* of the call table; NULL ends */
    api_handler handle;
};
/* NULL: a call without a handler, which a test refuses. */
api_handler api_find(const char *id);

/* Argument by name; 0, NULL or fallback when absent. */
int64_t api_int(const struct api_call *c, const char *name);
const char *api_text(const struct api_call *c, const char *name);
/* Answers with the call's status; takes body. */
int api_reply(struct api_call *c, json_t *body);
/* {"LIST": items} by the table; takes items. */
int api_reply_list(struct api_call *c, json_t *items);
int api_reply_empty(struct api_call *c);

/* The service of the path, locked, in one of the call's legal states. */
int api_service(struct api_call *c, struct slot **ret, struct slot_service **ret_service,
                struct err *e) WARN_UNUSED;
/* Accepts a change and answers {operation, service}. x is committed; title as in operations. */
int api_accept(struct api_call *c, struct txn *x, struct change *change, const char *title,
               struct err *e) WARN_UNUSED;

/* References between services (api_env.c). */
int api_link(struct api_call *c, struct err *e);
int api_unlink(struct api_call *c, struct err *e);
/* ERR_STATE naming the services (only those that run) that refer to this one. */
int api_check_users(struct api_call *c, struct slot *s, int64_t service, bool running, const char *hint,
                    struct err *e) WARN_UNUSED;
/* ERR_STATE when one that v refers to is not running (J2). */
int api_check_references(struct api_call *c, struct slot *s, const struct service *v,
                         struct err *e) WARN_UNUSED;

/* Ownership of a thing, as the dispatcher checks it. service: for THING_VERSION. The same ERR_NOT_FOUND for
 * what does not exist and what is somebody else's. */
int api_check_thing(struct director *d, const struct caller *who, enum call_thing thing, int64_t id,
                    int64_t service, struct err *e) WARN_UNUSED;

extern const struct api_row api_user_rows[], api_token_rows[], api_credit_rows[], api_app_rows[],
    api_key_rows[], api_git_rows[], api_service_rows[], api_node_rows[], api_volume_rows[], api_code_rows[],
    api_config_rows[], api_env_rows[], api_secret_rows[], api_log_rows[], api_script_rows[],
    api_history_rows[], api_operation_rows[], api_director_rows[], api_catalog_rows[], api_manifest_rows[];
