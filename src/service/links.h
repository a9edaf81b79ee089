/*
 * References between the services of an application: what one exports, and what another one gets of it.  Pure.
 *
 * A link is {"name": "DB", "service": ID, "port": 3306}: the variables of the other service begin with the name, and
 * where that has several servers, a relay on 127.0.0.1:port of each node that runs the service's own code finds one that
 * works, so that a change of them changes no variable.
 */
#pragma once

#include "service/service_type.h"

#define LINKS_MAX 8
#define LINK_NAME_MAX 24

/* A capital letter, then capital letters, digits and '_', at most LINK_NAME_MAX. */
int link_check_name(const char *name, struct err *e) WARN_UNUSED;
/* The link of that name, or NULL. */
const json_t *link_find(const json_t *links, const char *name);
/* The port for a new link to a service of that type: the type's own, or the next that no other link has; 0 = no
 * relay. */
int link_port(const json_t *links, const struct service_type *type);
/* What `service` exports to a link: {"name", "port", "variables": {NAME_X: TEXT}, "secrets": {...}, "targets": [...] or
 * none}. secrets: its own ones. service NULL (it is gone): empty. Caller owns it. */
json_t *link_resolve(const json_t *link, const struct service *service, const json_t *secrets);
/* Adds the variables of all that was resolved to env; a name that is there already stays. */
void link_variables(const json_t *resolved, json_t *env);
/* Appends the sections of the relays. */
void link_sections(const json_t *resolved, json_t *sections);
