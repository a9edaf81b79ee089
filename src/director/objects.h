/*
 * The objects of the API (src/api/objects.c) made from the truth.  Every function returns a new reference;
 * those that take a slot need it locked.
 */
#pragma once

#include "director/director.h"

json_t *object_time(int64_t ms);    /* null for 0 */
json_t *object_text(const char *s); /* null for NULL and "" */
json_t *object_user(const struct user *u);
json_t *object_app(struct director *d, struct slot *s);
json_t *object_service(struct director *d, struct slot *s, struct slot_service *v);
json_t *object_node(struct director *d, struct slot *s, struct slot_service *v, const struct node *n);
json_t *object_operation(struct director *d, struct slot *s, const struct op_row *o);
json_t *object_version(const struct version *v, int64_t current);
json_t *object_job(const struct job *j);
json_t *object_history(const struct event *ev);
json_t *object_token(const struct token *t, int64_t current);
json_t *object_volume(const struct slot *s, const struct slot_service *v, const struct volume *volume);
json_t *object_key(const struct key_row *k);
json_t *object_cloud(struct director *d, const struct director_cloud *c);
json_t *object_type(const struct service_type *t);
/* Millicredits an hour of all nodes. */
int64_t object_price_app(struct director *d, const struct slot *s);
int64_t object_price_service(struct director *d, const struct slot_service *v);
