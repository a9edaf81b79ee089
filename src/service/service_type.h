/*
 * What a service type is: data for the planner, a schema of settings, and one pure function that turns the
 * planner's document into sections for the engines on a node.  Linked by director, manager, simulator and CLI.
 *
 * Adding a type: a file <type>.c here, a line in service_list.c; engines it needs go to src/role/.  No line of
 * the planner names a type: what a type is like, it says with the flags below.
 */
#pragma once

#include "base/archive.h"
#include "model/state.h"

enum role_flag {
    ROLE_PURPOSE = 1 << 0,  /* users ask for nodes of it; the node's purpose never changes */
    ROLE_PACKABLE = 1 << 1, /* count 0 means: on the host node (first node of the host purpose) */
    ROLE_ENTRY = 1 << 2,    /* names targets and is published as an entry point (N, E rules) */
    ROLE_TARGET = 1 << 3,   /* is named by entries */
    ROLE_UNIQUE = 1 << 4,   /* exactly one node; published as master; moves only when lost */
    ROLE_STATEFUL = 1 << 5, /* never replaced for being sick; lost is lost only with its data considered */
    ROLE_BOOT = 1 << 6,     /* a cluster that is bootstrapped once (M rules) */
    ROLE_HOLDS = 1 << 7,    /* leaves only when the master reports held = 0 for it (D rules) */
    ROLE_PAIR = 1 << 8,     /* placed by the planner itself on two nodes as primary and replica (Z rules) */
    ROLE_SERVES_CODE = 1 << 9, /* must have a version staged before it is routed to */
    ROLE_CANARY = 1 << 10,     /* new versions and settings are tried on one node of it first (A2, S1) */
    ROLE_USES_PAIR = 1 << 11,  /* reaches the holders of the pair role: its documents list them (Z rules) */
    ROLE_USER_CODE = 1 << 13,  /* runs the service's own code: reaches what the service refers to (J rules) */
    ROLE_OPEN = 1 << 12,       /* its port is open to all, as an entry's is */
};

/* A disk of its own for each place of a role: made with the first node that fills it, given to each successor, kept
 * while the service is stopped, deleted with the place. Of purposes that are not packable. */
struct role_volume {
    const char *name;  /* engine (its section's name) whose data_dir it is; NULL = the role has none */
    int64_t megabytes; /* unless the setting says otherwise */
    const char
        *setting; /* of the type: size of volumes that are made from now on, in MB; NULL = always as above */
};

struct role_def {
    const char *name;  /* "proxy" */
    const char *title; /* "load balancer" */
    unsigned flags;
    int min, start, max; /* counts: at least, at first start, at most */
    int with;            /* a fixed role: also on every node of that purpose; -1 = no */
    int surge;           /* nodes above the want that replacing may need; 0 = 1 */
    uint16_t port;
    const uint16_t *peer_ports; /* more ports, only for those who may call it; ends with 0, NULL = none */
    const char *const
        *logs; /* names that may be read (`conpaas log --node`), NULL-terminated: "haproxy.log" */
    struct role_volume volume;
};

enum setting_kind { SETTING_INT, SETTING_SIZE, SETTING_ON_OFF, SETTING_WORDS, SETTING_PORTS };
struct setting_def {
    const char *name, *fallback, *help;
    enum setting_kind kind;
    int64_t min, max; /* int: value; size: bytes; words, ports: length of the text */
};

/* What else may go on where a command begins (K3). */
enum command_rule {
    COMMAND_BESIDE,     /* anything but what is alone */
    COMMAND_ALONE,      /* waits until nothing runs, and others wait for it */
    COMMAND_EXCLUSIVE,  /* is refused while anything runs, or waits if that is alone */
    COMMAND_INTERRUPTS, /* ends what runs; takes back what has not begun yet (K4) */
    COMMAND_RULE_MAX
};
STR_TABLE_DECLARE(command_rule, enum command_rule);

enum command_where {
    COMMAND_ON_MEMBERS, /* on all nodes that have been initialised (K5) */
    COMMAND_ON_ALL,     /* on all nodes of `role` that are up */
    COMMAND_ON_ONE,     /* on one of them: the one that is asked for, or the first that is heard */
};

/*
 * Something that must not happen twice (K rules): an operation of the facet "command" carries it, with parameters.
 * It is done by KIND.sh of the code version, or by the hook run_command of a role driver (src/role/role_driver.h).
 */
struct command_def {
    const char *name, *title; /* "run", "run the program" */
    bool internal;            /* the planner's own (init, notify): nobody can ask for it */
    enum command_where where;
    int role;           /* a purpose; not for COMMAND_ON_MEMBERS */
    const char *driver; /* name of the role driver that runs it; NULL = the script KIND.sh */
    enum command_rule rule;
    bool again; /* it may be begun again after a crash of the node; else it has ended with -1 */
    bool lasts; /* the operation ends when it has ended everywhere, with its result; else when it is begun */
    int64_t deadline_ms; /* of the operation while nothing moves; 0 = DEADLINE_CMD_MS */
};

/* What a type adds to a service in a manifest (doc/MANIFEST.md): a member and what it means. */
enum manifest_kind {
    MANIFEST_CODE,   /* a file: becomes the active code version */
    MANIFEST_SECRET, /* a text, or null to be asked for: becomes one of the type's own secrets */
    MANIFEST_KIND_MAX
};
STR_TABLE_DECLARE(manifest_kind, enum manifest_kind);
struct manifest_field {
    const char *name, *help; /* "Archive" */
    enum manifest_kind kind;
    const char *target; /* MANIFEST_SECRET: which of `secrets` */
};

/* Everything the section function may look at. */
struct section_in {
    const struct service *service;
    const struct node *node;
    const struct doc *doc;
    const json_t *settings; /* values of doc->settings, complete: every key of the schema */
    const json_t *secrets;  /* of the service: {"session_password": ...} */
};

/* What the services that refer to this one get (J1). */
struct export_in {
    const struct service *service;
    const json_t *secrets; /* as in section_in, of its good settings */
    int port;              /* of the relay on the other one's nodes, 0 = the type has none */
};

/* An account of the service's own, whose password people may set; else it is random. */
struct service_account {
    const char *name;   /* "mysqldb" */
    const char *secret; /* one of the type's secrets */
};

struct service_type {
    const char *name, *title, *summary, *icon;
    const char *scheme; /* of the address of an entry point, which then names the port too; NULL = "http" */
    const struct role_def *roles;
    int n_roles;
    int host;         /* index of the purpose that packable roles go to */
    int default_role; /* of `add_nodes` without a role */
    bool code;        /* has code versions */
    bool volumes;     /* users may give volumes to its nodes, at /media/NAME (U rules) */
    bool scripts;     /* code is run by commands: init, run, interrupt, cleanup, notify (K rules) */
    const struct command_def *commands; /* with scripts: script_commands, more may follow */
    int n_commands;
    const struct setting_def *settings;
    int n_settings;
    const struct archive_file *default_code; /* "code-default" */
    int n_default_code;
    const struct manifest_field *manifest;
    int n_manifest;
    const char *const *secrets; /* names of random secrets that the director makes for each service */
    const struct service_account *accounts; /* ends with a NULL name; NULL = none */

    uint16_t relay_port; /* who refers to it reaches one of its servers there, on 127.0.0.1; 0 = no relay */
    /* {"variables": {"HOST": TEXT}, "secrets": {"PASSWORD": TEXT}, "targets": [{"id", "address", "port"}]}: names get the
     * reference's name in front; targets are where the relay leads. Pure, of records and facts alone. NULL: HOST and
     * ADDRESSES of its nodes. */
    json_t *(*exports)(const struct export_in *in);
    /* Grammar of counts beyond min and max; NULL: none. e says which rule and what to do. */
    int (*check_counts)(const int counts[ROLES_MAX], struct err *e);
    /* The engines of `role` on this node: a JSON array of sections, each {"engine": ..., "name": ...}. Pure. */
    json_t *(*sections)(const struct section_in *in, int role);
    /* Who of doc->callers may reach the ports of `role` on this node: adds node ids; entry ports are open to all.
     * NULL: all of them. */
    void (*peers)(const struct section_in *in, int role, struct id_set *ret);
    /* Adds to `allow` of the document what is not the port of a role: {"port": N, "last": M, "from": null}, open to
     * all, or {"from": [ADDRESS]}, all ports. NULL: nothing. Pure. */
    void (*allow)(const struct section_in *in, json_t *list);
};

/* All types, in order; ends with NULL. */
extern const struct service_type *const service_types[];
const struct service_type *service_type_find(const char *name);
int service_type_role(const struct service_type *t, const char *role); /* index or -1 */
bool service_type_has_volumes(const struct service_type *t);           /* of roles or of users */
/* Size of a new volume of the role under settings (complete values; NULL = the type's default). */
int64_t service_type_volume_mb(const struct service_type *t, int role, const json_t *settings);
bool service_type_has(const struct service_type *t, int role, unsigned flag);

/* NULL: the type has no such command. */
const struct command_def *service_type_command(const struct service_type *t, const char *name);
/* The five of types with scripts: init, notify, run, interrupt, cleanup. */
#define SCRIPT_COMMANDS 5
extern const struct command_def script_commands[SCRIPT_COMMANDS];

/* min, max and the type's own grammar. */
int service_type_check_counts(const struct service_type *t, const int counts[ROLES_MAX],
                              struct err *e) WARN_UNUSED;
/* Checks given against the schema and merges it over base (NULL: defaults). Unknown keys and bad values:
 * ERR_INVALID naming the key, the value and what is accepted. Caller owns *ret. */
int service_type_settings(const struct service_type *t, const json_t *base, const json_t *given, json_t **ret,
                          struct err *e) WARN_UNUSED;
/* [{"id", "address", "port"}] of the published entry points. */
json_t *service_type_entries(const struct service *s, int port);
/* `allow` of a document: [{"port": 9000, "from": ["10.88.0.4"]}] for all roles of doc. */
json_t *service_type_allow(const struct section_in *in);
