/*
 * THE call table: one row is an API request, a command of the command line, its help text and its page in the
 * reference.  The director's router, argument checks and authorisation, `conpaas`, completion and doc/api.md
 * are all made from it; tests/unit/test_calls.c fails on a row with a hole.
 *
 * Adding a call: a row in calls.c (and, for a new kind of answer, an object in objects.c), a handler in
 * src/director/api_<noun>.c, a printer row in src/cli/print_table.c if the standard table or list of facts is
 * not enough.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* What an id in an argument names.  The director checks that the caller owns it (or is an administrator),
 * wherever it stands: path, query or body.  A thing of somebody else is answered exactly as a missing one. */
enum call_thing {
    THING_NONE,
    THING_USER,
    THING_APP,
    THING_SERVICE,
    THING_NODE,
    THING_VERSION, /* of the service in the same path */
    THING_OPERATION,
    THING_TOKEN,
    THING_JOB,
    THING_MAX
};
STR_TABLE_DECLARE(call_thing, enum call_thing); /* "app": also the argument's name */

enum call_who {
    WHO_UNSET,  /* a hole: the table test fails */
    WHO_ANYONE, /* no credentials needed */
    WHO_USER,   /* any user; sees and changes only what is his own */
    WHO_OWNER,  /* owner of the thing in the path, or an administrator */
    WHO_ADMIN,  /* rank administrator */
    WHO_MAX
};
STR_TABLE_DECLARE(call_who, enum call_who);

enum call_class {
    CLASS_UNSET,
    CLASS_READ,     /* changes nothing */
    CLASS_CHANGE,   /* an accepted change of a want: becomes an operation, refused while one on its facet runs
                     */
    CLASS_OVERRIDE, /* ends running operations (CANCELLED) and goes first */
    CLASS_ONE_WAY,  /* cannot be taken back; clients ask first */
    CLASS_POLICY,   /* takes effect at once, touches no node */
    CLASS_MAX
};
STR_TABLE_DECLARE(call_class, enum call_class);

enum call_on_failure {
    FAILURE_NONE,   /* no operation, nothing to undo */
    FAILURE_REVERT, /* last good content again, as a new generation; new nodes are destroyed */
    FAILURE_STAY,   /* what was reached stays */
    FAILURE_RETRY,  /* tried until it works or is overridden */
    FAILURE_MAX
};
STR_TABLE_DECLARE(call_on_failure, enum call_on_failure);

enum param_in { IN_PATH, IN_QUERY, IN_BODY, PARAM_IN_MAX };
STR_TABLE_DECLARE(param_in, enum param_in);

enum param_kind {
    PARAM_UNSET,
    PARAM_ID,             /* integer above 0; `thing` says of what. Everything in a path is one */
    PARAM_INT,            /* in [min, max] */
    PARAM_BOOL,           /* true, false; in a query and on the command line also yes no on off 1 0 */
    PARAM_TEXT,           /* one line, min to max bytes of printable UTF-8 */
    PARAM_LINES,          /* like PARAM_TEXT, but any number of lines */
    PARAM_SECRET,         /* min to max bytes, never logged, shown or put on a command line */
    PARAM_USERNAME,       /* name_check_user */
    PARAM_NAME,           /* name_check_thing: applications, services, tokens */
    PARAM_WORD_ID,        /* name_check_id: clouds, service types, roles */
    PARAM_EMAIL,          /* name_check_email */
    PARAM_FILE,           /* name_check_file: a file name without directory */
    PARAM_CHOICE,         /* one of `words` */
    PARAM_COUNTS,         /* object: role or "count" (the default role) -> 1..64 */
    PARAM_SETTINGS,       /* object: 1..32 members, text, integers or booleans; checked by the service type */
    PARAM_VARIABLES,      /* object: environment variable -> text of any lines, 1..64 */
    PARAM_VARIABLE_NAMES, /* array of their names, 1..64 */
    PARAM_HASHES,         /* object: source of a file in a manifest -> its SHA-256, at most 64 */
    PARAM_KIND_MAX
};
STR_TABLE_DECLARE(param_kind, enum param_kind);

struct call_param {
    const char *name; /* NULL ends the list */
    enum param_in in;
    enum param_kind kind;
    bool required;
    int64_t min, max;      /* INT: value; TEXT, SECRET: bytes */
    enum call_thing thing; /* ID */
    const char *words;     /* CHOICE: separated by single spaces */
    const char *fallback;  /* filled in when absent, as text; NULL: stays absent */
    const char *help;
    /* command line */
    bool positional;   /* by position instead of --name; path arguments always are, first */
    bool program_only; /* clients set it; no option of its own */
    bool from_file;    /* a file is named, its content is the value */
    bool lines;        /* SECRET: any number of lines; without a terminal all of the input is read */
    char letter;       /* short option, 0 = none */
};

enum body_kind { BODY_NONE, BODY_JSON, BODY_STREAM };
enum answer_kind { ANSWER_UNSET, ANSWER_JSON, ANSWER_EMPTY, ANSWER_FILE, ANSWER_EVENTS, ANSWER_MAX };
STR_TABLE_DECLARE(answer_kind, enum answer_kind);

#define IN_STATE(s) (1u << (s))
#define CALL_PARAMS_MAX 10

struct call {
    const char *id;     /* "service.start" */
    const char *method; /* GET POST PATCH DELETE */
    const char *path;   /* "/v1/services/{service}/start"; a {name} is a PARAM_ID of that name */
    enum call_who who;
    const char *noun, *verb; /* command: conpaas NOUN VERB */
    bool bare;               /* conpaas NOUN alone means this verb (one a noun) */
    const char *deck;        /* action of the deck's client, NULL: none */
    unsigned states;         /* IN_STATE(SERVICE_...) of the service in the path; 0 = any */
    enum call_class class;
    enum call_on_failure on_failure;
    enum body_kind body;
    int64_t max_body; /* BODY_STREAM: bytes; BODY_JSON is limited to CALL_JSON_MAX */
    int status;       /* of the normal answer: 200, 201, 202 or 204 */
    enum answer_kind answer;
    const char *object; /* ANSWER_JSON: row of api_objects */
    const char *list;   /* answer is {LIST: [object, ...]}; NULL: the object itself */
    bool guarded; /* can be used to guess a secret: the director limits its rate by address and account */
    const char *summary; /* one line, begins with a capital, no full stop */
    const char *detail;  /* more lines for help and reference, may be NULL */
    const char *example; /* command lines, one a line */
    struct call_param params[CALL_PARAMS_MAX + 1];
};

#define CALL_JSON_MAX (1 << 20)
#define CALL_UPLOAD_MAX (512LL << 20)

/* All calls, in the order of the reference; ends with a row whose id is NULL. */
extern const struct call calls[];

const struct call *call_find(const char *id);
/* verb NULL: the noun's bare call. NULL when there is none. */
const struct call *call_find_command(const char *noun, const char *verb);
const struct call *call_find_deck(const char *action);
const struct call_param *call_param_find(const struct call *c, const char *name);
/* "INIT or STOPPED" of a mask of states, for messages; caller frees. */
char *call_states_text(unsigned states);
/* ERR_STATE with the states in which it would be legal and the present one, when `state` is none of them. */
int call_check_state(const struct call *c, int state, struct err *e) WARN_UNUSED;
