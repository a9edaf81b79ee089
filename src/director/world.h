/*
 * Applications in memory, and the one way to change them: a transaction on a copy, stored before anybody sees
 * it.
 *
 * Locks, in this order: an application's (slot), then the store's write lock (inside a transaction), and the
 * world's list, which is only held for look-ups.  Nothing slow happens under any of them but the commit
 * itself.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "store/store.h"

struct director;

#define QUERIES_OPEN_MAX 16

/* A question of a user that a node answers through its manager. */
struct question {
    int64_t id, node, lines, born_ms;
    int64_t given_epoch; /* of the manager that has it */
    char kind[16], name[128];
    bool answered;
    char *text, *error; /* owned by the asker after the answer */
};

/* What the manager last said about a service: for people, no truth. */
struct live {
    json_t *performance; /* owned; see the manager's summary */
    int64_t at_ms;
};

struct slot_service {
    struct service_row row;
    struct live live;
    int64_t due_ms; /* next tick; 0 = now */
};

struct slot {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* txn, reports, questions, answers */
    atomic_int refs;
    int64_t id, owner; /* never change: may be read without the lock */
    bool gone;         /* removed: let it go */
    struct app_row row;
    int n;
    struct slot_service *services[SERVICES_MAX];
    int64_t due_ms; /* of the manager */
    uint64_t pulse; /* +1 whenever something that people see may have changed */
    int n_questions;
    struct question *questions[QUERIES_OPEN_MAX]; /* owned by the askers */
};

struct world;
struct world *world_new(void);
void world_free(struct world *w);
int world_load(struct world *w, struct store *s, struct err *e) WARN_UNUSED;

/* Each returns the application locked and referenced; slot_put gives it back. ERR_NOT_FOUND otherwise. */
int world_app(struct world *w, int64_t app, struct slot **ret, struct err *e) WARN_UNUSED;
int world_service(struct world *w, int64_t service, struct slot **ret, struct slot_service **ret_service,
                  struct err *e) WARN_UNUSED;
void slot_put(struct slot *s);
void slot_putp(struct slot **s);
#define _cleanup_slot_ _cleanup_(slot_putp)
/* References without the lock, for streams and workers. */
struct slot *slot_ref(struct slot *s);
void slot_unref(struct slot *s);
void slot_lock(struct slot *s);
void slot_unlock(struct slot *s);
/* Waits for `changed` until the monotonic time; lock is held. */
void slot_wait(struct slot *s, int64_t until_mono_ms);
/* Something that people see may have changed. Lock is held. */
void slot_pulse(struct slot *s);

/* All applications of an owner (0: of everybody) in the order of their ids, referenced, not locked. Free the
 * array after unref. */
struct slot **world_all(struct world *w, int64_t owner, size_t *ret_n);
/* Adds a new application, which must be stored already. */
void world_add(struct world *w, struct slot *s);
void world_remove(struct world *w, struct slot *s); /* lock is held */
struct slot *slot_new(const struct app_row *row);
/* Adds a service that is stored already. Lock is held. */
void slot_add_service(struct world *w, struct slot *s, struct slot_service *v);
void slot_remove_service(struct world *w, struct slot *s, struct slot_service *v);
struct slot_service *slot_service(struct slot *s, int64_t id);
struct question *slot_question(struct slot *s, int64_t id);
/* Everything of nobody's interest: 1 when the application has no nodes and no services with nodes. */
bool slot_is_empty(const struct slot *s);
