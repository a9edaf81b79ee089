/*
 * Words and look-ups of the call table.
 */
#include "api/calls.h"

#include "model/state.h"

static const char *const call_thing_table[THING_MAX] = {
    [THING_USER] = "user",   [THING_APP] = "app",         [THING_SERVICE] = "service",
    [THING_NODE] = "node",   [THING_VERSION] = "version", [THING_OPERATION] = "operation",
    [THING_TOKEN] = "token", [THING_JOB] = "job",
};
STR_TABLE_DEFINE(call_thing, enum call_thing, THING_MAX);
static const char *const call_who_table[WHO_MAX] = {
    [WHO_ANYONE] = "anyone",
    [WHO_USER] = "user",
    [WHO_OWNER] = "owner",
    [WHO_ADMIN] = "administrator",
};
STR_TABLE_DEFINE(call_who, enum call_who, WHO_MAX);
static const char *const call_class_table[CLASS_MAX] = {
    [CLASS_READ] = "read",       [CLASS_CHANGE] = "change", [CLASS_OVERRIDE] = "override",
    [CLASS_ONE_WAY] = "one-way", [CLASS_POLICY] = "policy",
};
STR_TABLE_DEFINE(call_class, enum call_class, CLASS_MAX);
static const char *const call_on_failure_table[FAILURE_MAX] = {
    [FAILURE_NONE] = "none",
    [FAILURE_REVERT] = "revert",
    [FAILURE_STAY] = "stay",
    [FAILURE_RETRY] = "retry",
};
STR_TABLE_DEFINE(call_on_failure, enum call_on_failure, FAILURE_MAX);
static const char *const param_in_table[PARAM_IN_MAX] = {
    [IN_PATH] = "path",
    [IN_QUERY] = "query",
    [IN_BODY] = "body",
};
STR_TABLE_DEFINE(param_in, enum param_in, PARAM_IN_MAX);
static const char *const param_kind_table[PARAM_KIND_MAX] = {
    [PARAM_ID] = "id",
    [PARAM_INT] = "integer",
    [PARAM_BOOL] = "bool",
    [PARAM_TEXT] = "text",
    [PARAM_LINES] = "lines",
    [PARAM_SECRET] = "secret",
    [PARAM_USERNAME] = "user name",
    [PARAM_NAME] = "name",
    [PARAM_WORD_ID] = "word",
    [PARAM_EMAIL] = "e-mail",
    [PARAM_FILE] = "file name",
    [PARAM_HASHES] = "hashes",
    [PARAM_CHOICE] = "choice",
    [PARAM_COUNTS] = "counts",
    [PARAM_SETTINGS] = "settings",
    [PARAM_VARIABLES] = "variables",
    [PARAM_VARIABLE_NAMES] = "names of variables",
};
STR_TABLE_DEFINE(param_kind, enum param_kind, PARAM_KIND_MAX);
static const char *const answer_kind_table[ANSWER_MAX] = {
    [ANSWER_JSON] = "JSON",
    [ANSWER_EMPTY] = "empty",
    [ANSWER_FILE] = "file",
    [ANSWER_EVENTS] = "events",
};
STR_TABLE_DEFINE(answer_kind, enum answer_kind, ANSWER_MAX);

/* ---- look-ups ---- */

const struct call *call_find(const char *id)
{
    for (const struct call *c = calls; c->id; c++) {
        if (str_eq(c->id, id)) {
            return c;
        }
    }
    return NULL;
}

const struct call *call_find_command(const char *noun, const char *verb)
{
    for (const struct call *c = calls; c->id; c++) {
        if (str_eq(c->noun, noun) && (verb ? str_eq(c->verb, verb) : c->bare)) {
            return c;
        }
    }
    return NULL;
}

const struct call *call_find_deck(const char *action)
{
    for (const struct call *c = calls; c->id; c++) {
        if (c->deck && str_eq(c->deck, action)) {
            return c;
        }
    }
    return NULL;
}

const struct call_param *call_param_find(const struct call *c, const char *name)
{
    for (const struct call_param *p = c->params; p->name; p++) {
        if (str_eq(p->name, name)) {
            return p;
        }
    }
    return NULL;
}

char *call_states_text(unsigned states)
{
    struct buf b = {0};
    for (int s = 0; s < SERVICE_STATE_MAX; s++) {
        if (states & IN_STATE(s)) {
            unsigned later = states >> s >> 1;
            buf_addf(&b, "%s%s",
                     b.len == 0 ? ""
                     : later    ? ", "
                                : " or ",
                     service_state_to_str((enum service_state)s));
        }
    }
    return buf_take(&b);
}

int call_check_state(const struct call *c, int state, struct err *e)
{
    if (!c->states || c->states & IN_STATE(state)) {
        return 0;
    }
    _cleanup_free_ char *legal = call_states_text(c->states);
    const char *hint = NULL;
    if (state == SERVICE_PROLOGUE || state == SERVICE_ADAPTING || state == SERVICE_EPILOGUE) {
        hint = "`conpaas wait SERVICE --state stable` returns when the change is over";
    } else if (c->states & IN_STATE(SERVICE_STOPPED)) {
        hint = "stop it first: conpaas service stop SERVICE";
    } else if (c->states & IN_STATE(SERVICE_RUNNING)) {
        hint = "start it first: conpaas service start SERVICE";
    }
    return err_set_hint(e, ERR_STATE, hint, "%s is possible in state %s, the service is in state %s", c->id,
                        legal, service_state_to_str((enum service_state)state));
}
