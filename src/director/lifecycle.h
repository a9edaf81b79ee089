/*
 * Making and removing applications and services: what the call handlers and the ticker share.
 */
#pragma once

#include "director/txn.h"

/* A new application without services, in the world and the store. Returned locked. */
struct new_app {
    int64_t owner;
    const char *name, *cloud;
    const char *actor;
};
int lifecycle_new_app(struct director *d, const struct new_app *n, struct slot **ret,
                      struct err *e) WARN_UNUSED;

/* A new service in the locked application, or with slot NULL in one of its own that is made with it (and
 * returned locked in *slot). Settings, secrets, default code and the manager come in the same transaction.
 * The artifacts are locked by the caller, before the slot. */
struct new_service {
    const struct service_type *type;
    const char *name, *cloud, *actor;
    int64_t owner; /* of an own application */
};
int lifecycle_new_service(struct director *d, const struct new_service *n, struct slot **slot,
                          struct slot_service **ret, struct err *e) WARN_UNUSED;

/* The service is to go; its application too when it was made for it. Slot is locked. */
int lifecycle_delete_service(struct director *d, struct slot *s, struct slot_service *v, const char *actor,
                             struct err *e) WARN_UNUSED;
int lifecycle_delete_app(struct director *d, struct slot *s, const char *actor, struct err *e) WARN_UNUSED;
/* All its services are stopped, then its manager ends: it costs nothing any more. Slot is locked. */
int lifecycle_stop_app(struct director *d, struct slot *s, const char *actor, struct err *e) WARN_UNUSED;
/* Its manager comes back; its services stay stopped. Slot is locked. */
int lifecycle_start_app(struct director *d, struct slot *s, const char *actor, struct err *e) WARN_UNUSED;
/* Removes what was to go and has no nodes any more: services, then the application (s->gone then).
 * Idempotent; slot is locked. */
int lifecycle_sweep(struct director *d, struct slot *s, struct err *e) WARN_UNUSED;
