/*
 * One change of the truth: a transition of src/engine/truth.h on copies, written to the store in one
 * transaction, and only then put in place and told to those who wait.
 */
#pragma once

#include "director/world.h"

struct txn {
    struct director *d;
    struct slot *slot;
    struct slot_service *sv; /* NULL: the application alone */
    struct truth t;          /* for the truth_* functions */
    struct app app;          /* the copies they work on */
    struct service service;
    struct purse purse, purse_before;
    struct effects out;
    const char *actor, *call, *title; /* of an operation that is accepted in it; borrowed */
    bool wrote; /* the caller wrote rows of its own: commit even when the copies are as before */
    int64_t now_ms;
    bool open;
};

/* The slot is locked by the caller until after commit or abort. Heap: txn_free aborts what is still open. */
int txn_begin(struct director *d, struct slot *slot, struct slot_service *sv, struct txn **ret,
              struct err *e) WARN_UNUSED;
/* 1 something was stored, 0 only memory changed. On an error nothing has changed. */
int txn_commit(struct txn *x, struct err *e) WARN_UNUSED;
void txn_free(struct txn *x);
DEFINE_CLEANUP(struct txn *, txn_free);
/* A line of history of this application, in the transaction. service 0: of the application. */
int txn_note(struct txn *x, int64_t service, const char *kind, int64_t op, int64_t node, const char *fmt, ...)
    PRINTF_LIKE(6, 7);
