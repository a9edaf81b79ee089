/*
 * A small world for the manager's test: a director that decides with src/engine/truth and answers over real TLS on
 * the loopback, a cloud that makes a machine at once, and an agent thread for each machine that polls the manager
 * and does what its documents say.
 */
#pragma once

#include "engine/truth.h"
#include "manager/manager.h"

/* What a version that does not run leaves; longer than a reason may be, and the cut is inside of a character. */
#define WORLD_EVIDENCE                                                                                       \
    "HTTP 500: it does not run"                                                                              \
    "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"

struct world;

/* Directory for key and certificate of the manager; must exist. */
struct world *world_new(const char *state_dir);
void world_free(struct world *w);
/* Configuration for a manager in this world; borrowed from it. */
const struct manager_config *world_config(const struct world *w);
/* Where the agents find the manager now; 0 = nowhere. */
void world_set_manager_port(struct world *w, uint16_t port);

/* A change by the user; the id of its operation. Asserts that it is accepted. */
int64_t world_change(struct world *w, const struct change *c);
/* A new code version. */
void world_add_version(struct world *w, int64_t id);
/* Waits at most ms until the operation has ended; its state (OP_ACTIVE when the time is up). */
enum op_state world_wait_op(struct world *w, int64_t op, int ms, char why[WHY_MAX]);
/* Waits at most ms until pred holds. */
bool world_wait(struct world *w, bool (*pred)(const struct service *s, void *arg), void *arg, int ms);
struct service world_service(struct world *w); /* a copy */
/* Another manager takes over the application, or none does: the present epoch is worth nothing. */
void world_fence(struct world *w, bool still_current);
int64_t world_epoch(struct world *w);
/* The director stops answering, or answers again. */
void world_mute(struct world *w, bool on);
/* Requests of one path that were answered with success. */
int64_t world_count(struct world *w, const char *path);
/* True when a line containing text was shipped, or is within LOGGED_MS: lines come after what they tell. */
#define LOGGED_MS 20000
bool world_logged(struct world *w, const char *text);
/* The roles that a node's agent runs now, bits. */
uint64_t world_roles(struct world *w, int64_t node);
int64_t world_routes(struct world *w, int64_t node);
/* That agent's probes fail from now on. */
void world_break_version(struct world *w, int64_t version);
