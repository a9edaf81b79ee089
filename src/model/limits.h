/*
 * Sizes of the plain structs that the engine works on.  They are hard limits of the product as well: the
 * call table and the director refuse more before anything is written.  The simulator is built with smaller ones
 * (-DNODES_MAX=...), for speed.
 */
#pragma once

#include <stdint.h>

#ifndef NODES_MAX
#define NODES_MAX 64 /* nodes of one service */
#endif
#ifndef ROLES_MAX
#define ROLES_MAX 8 /* roles of one service type */
#endif
#define OPS_MAX 16 /* operations of one service that are under way */
#ifndef CMDS_MAX
#define CMDS_MAX 16 /* commands in one document */
#endif
#ifndef VOLUMES_MAX
#define VOLUMES_MAX 64 /* volumes of one service */
#endif
#define PENDING_MAX 8       /* documents sent to a node and not yet answered (F8) */
#define PROBES_MAX 4        /* probe results that a node remembers */
#define SERVICES_MAX 16     /* services of one application */
#define MANAGER_NODES_MAX 8 /* the manager's node, and those being replaced */

#define VARIABLES_MAX 64         /* environment variables of one service, secrets counted too */
#define VARIABLE_TEXT_MAX 8192   /* bytes of one */
#define VARIABLES_TEXT_MAX 32768 /* of all of a service */

#define NAME_MAX_LEN 64
#ifndef WHY_MAX
#define WHY_MAX 256
#endif
#define PARAMETERS_MAX 512 /* of a command, with the end of the text */
#define TOKEN_MAX 64
#define CLOUD_REF_MAX 96
#define ADDRESS_MAX 64

/* A set of ids: ascending, without repeats, unused places zero, so that equal sets are equal bytes. */
struct id_set {
    int64_t n;
    int64_t id[NODES_MAX];
};
