/*
 * What the files of truth share.
 */
#pragma once

#include "engine/truth.h"

/* A new effect with time, user and service filled in. */
struct effect *effect_add(struct truth *t, enum effect_kind kind);
void truth_history(struct truth *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void truth_alarm(struct truth *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Something moved: the view is new, and the operations under way have got on (O5). */
void truth_touch(struct truth *t);

/* The array that a node lives in: the service's, or with t->service NULL the application's managers. */
struct node *truth_nodes(struct truth *t, int **ret_n);
struct node *truth_node(struct truth *t, int64_t id);
/* One place that changes a status. GONE takes the node out of its array: the pointer is void then. */
void truth_set_status(struct truth *t, struct node *n, enum node_status status);
void truth_kill(struct truth *t, struct node *n, const char *why);
/* A creation came to nothing: back-off (C2). */
void truth_create_failed(struct truth *t, const char *why);
void truth_forget_replacements(struct truth *t); /* T4 */
/* The node certainly never was (B5): refund, GONE. */
void truth_never_was(struct truth *t, struct node *n, const char *why);

/* Ends an operation (O4, P5) and gives its hold back. */
void truth_end(struct truth *t, struct op *o, enum op_state outcome, const char *why, bool superseded);
struct op *truth_active(struct truth *t, enum facet f);
/* run := STOPPED without an operation (out of credit, deletion). */
void truth_stop_now(struct truth *t, const char *why);
/* Provisioning of all nodes of the array (P, V rules). */
int64_t truth_provision(struct truth *t, struct cloud_tasks *ret);
/* A node record (P1): hour 0 is paid in the same transaction. */
struct node *truth_add_node(struct truth *t, int role);

/* ---- truth_volume.c ---- */
/* Places of nodes, volumes that are missing or not needed any more, and the cloud calls that are due (U rules). */
int64_t truth_volumes(struct truth *t, struct cloud_tasks *ret);
int truth_accept_volume(struct truth *t, const struct change *c, int64_t *ret_op, struct err *e);
/* What the end of an operation on a volume means for it (O4). */
void truth_settle_volume(struct truth *t, const struct op *o);
void truth_volumes_restarted(struct truth *t);
/* U10: the volumes that the places of these counts lack. */
int truth_check_volume_room(const struct truth *t, const int counts[ROLES_MAX], struct err *e);
struct op *truth_add_op(struct truth *t, const struct change *c);
