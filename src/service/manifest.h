/*
 * A manifest: an application in one JSON text (doc/MANIFEST.md).  Reading it finds every problem at once, each with
 * its line and column; what could be understood is there even so, for the checks against what there is.
 */
#pragma once

#include "base/json_places.h"
#include "service/service_type.h"

#define MANIFEST_MAX (256 * 1024)
#define MANIFEST_PROBLEMS_MAX 200

struct manifest_problem {
    struct json_place place;
    char *message, *hint; /* hint may be NULL */
};

enum source_kind { SOURCE_NONE, SOURCE_URL, SOURCE_FILE, SOURCE_SHA256, SOURCE_VERSION };
/* A file that the manifest names. */
struct manifest_source {
    enum source_kind kind;
    char *text; /* as it was written: also the key under which its content is known (struct present) */
    char sha256[SHA256_HEX]; /* what the content must be; "" = anything */
    char *filename;          /* of the version; NULL: made of the source */
    char *pointer;           /* where it stands */
};

/* The service gets what another one exports, under this name. */
struct manifest_reference {
    char *service, *as; /* as: NULL = the other's type in capital letters */
    char *pointer;
};

struct manifest_service {
    const struct service_type *type; /* NULL: a problem */
    char *name, *cloud;              /* cloud may be NULL */
    char *pointer;                   /* "/Services/1" */
    bool run;
    bool counted[ROLES_MAX]; /* roles that it says something of */
    int counts[ROLES_MAX];
    json_t *settings;    /* those given, as texts; NULL: none */
    json_t *environment; /* NAME -> text; NULL: none */
    json_t *secrets;     /* NAME -> text, or null to be asked for; NULL: none */
    json_t *own;         /* the same of the type's own: name of the member -> text or null */
    int n_references;
    struct manifest_reference references[SERVICES_MAX];
    struct manifest_source code;
};

struct manifest {
    char *app, *description; /* app "" = a problem; description may be NULL */
    int n;
    struct manifest_service services[SERVICES_MAX];
    int order[SERVICES_MAX]; /* those that are referred to first, else as in the text */
    struct json_places *places;
    int n_problems;
    struct manifest_problem problems[MANIFEST_PROBLEMS_MAX];
};
void manifest_free(struct manifest *m);
DEFINE_CLEANUP(struct manifest *, manifest_free);

/* Never NULL: what is wrong with the text stands among the problems, in the order of the text. */
struct manifest *manifest_read(const char *text, size_t len);
/* One more problem, at the value of the pointer (or, with name, at the member's name). */
void manifest_complain(struct manifest *m, const char *pointer, bool name, const char *hint, const char *fmt,
                       ...) PRINTF_LIKE(5, 6);
void manifest_sort_problems(struct manifest *m);
/* [{"line", "column", "message", "hint"}] */
json_t *manifest_problems_json(const struct manifest *m);

/* The member of the type, or NULL; and the name of a reference, caller frees. */
const struct manifest_field *manifest_field(const struct service_type *t, const char *name);
char *manifest_reference_name(const struct manifest_reference *r, const struct service_type *other);
/* A file name for a source: its own, the last part of the address, or "archive". Caller frees. */
char *manifest_source_filename(const struct manifest_source *s);
/* conpaas:APPLICATION/SERVICE[/VERSION] in its parts, all owned by the caller; version NULL: the active one. */
int manifest_source_version(const char *text, char **ret_app, char **ret_service,
                            char **ret_version) WARN_UNUSED;
