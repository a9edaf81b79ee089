#include "api/objects.h"

#define FIELDS(...)                                                                                          \
    (const struct api_field[])                                                                               \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
            NULL, NULL, NULL                                                                                 \
        }                                                                                                    \
    }

// clang-format off
const struct api_object api_objects[] = {
    {"director", "what answers here",
     FIELDS({"version", "text", "of the software"}, {"api", "integer", "version of this interface: 1"},
            {"installation", "text", "name of the installation"},
            {"now", "time", "the director's clock, to compare with one's own"},
            {"registration", "bool", "anybody may make an account"},
            {"max_credit", "integer", "most credits that a new account may ask for"},
            {"git", "text?", "HOST:PORT to push code to; null: not offered"})},
    {"authority", "the installation's certificate authority",
     FIELDS({"installation", "text", "its name"}, {"certificate", "text", "PEM"},
            {"fingerprint", "text", "SHA-256 of the certificate, lower-case hex"})},
    {"user", "an account",
     FIELDS({"id", "integer", ""}, {"username", "text", ""}, {"email", "text", ""},
            {"first_name", "text", "may be empty"}, {"last_name", "text", "may be empty"},
            {"affiliation", "text", "may be empty"}, {"rank", "word", "user or admin"},
            {"credit", "integer", "credits that are left and not reserved"}, {"created", "time", ""})},
    {"login", "a new session",
     FIELDS({"token", "text?", "secret; null when it was set as a cookie"},
            {"user", "user", "who is logged in"})},
    {"token", "a way to log in without a password",
     FIELDS({"id", "integer", ""}, {"name", "text", ""}, {"created", "time", ""},
            {"used", "time?", "last use, to the minute"}, {"expires", "time?", "null: never"},
            {"current", "bool", "this request used it"})},
    {"new_token", "a token as it is told once",
     FIELDS({"id", "integer", ""}, {"name", "text", ""}, {"token", "text", "secret, not shown again"},
            {"expires", "time?", "null: never"})},
    {"credit", "an account's credits",
     FIELDS({"balance", "integer", "left and not reserved"},
            {"held", "integer", "reserved by running operations"},
            {"millicredits_per_hour", "integer", "what all nodes cost now"},
            {"out_since", "time?", "credit ran out then: everything stops"},
            {"entries", "entry[]", "the ledger, newest first"})},
    {"entry", "one line of the ledger; never changed",
     FIELDS({"id", "integer", ""}, {"time", "time", ""}, {"kind", "word", "grant use refund hold release"},
            {"amount", "integer", "credits, negative when they leave the account"}, {"app", "integer?", ""},
            {"node", "integer?", "whose hour it was"}, {"operation", "integer?", ""},
            {"text", "text", "a line for people"})},
    {"key", "a public key that may push code to an application",
     FIELDS({"id", "integer", ""}, {"type", "word", "ssh-ed25519, ssh-rsa ..."}, {"key", "text", "base64"},
            {"comment", "text", "may be empty"}, {"created", "time", ""})},
    {"git", "where a service's code is pushed to",
     FIELDS({"service", "integer", ""}, {"url", "text?", "to clone; null: pushing is not offered here"},
            {"deploy", "bool", "a push is activated at once"},
            {"keys", "integer", "how many keys may push"})},
    {"added_keys", "what was added", FIELDS({"added", "integer", "keys that were not there before"})},
    {"app", "an application",
     FIELDS({"id", "integer", ""}, {"name", "text", ""}, {"owner", "text", "user name"},
            {"state", "word", "INIT PROLOGUE RUNNING EPILOGUE STOPPED ERROR: of its manager"},
            {"error", "text?", "why it is in ERROR"}, {"created", "time", ""},
            {"cloud", "text", "where its manager runs"}, {"services", "integer", "how many"},
            {"nodes", "integer", "how many, the manager's too"},
            {"millicredits_per_hour", "integer", "of all its nodes"},
            {"manager", "node?", "the manager's node"})},
    {"service", "a service",
     FIELDS({"id", "integer", "of the installation"}, {"app", "integer", ""}, {"app_name", "text", ""},
            {"sid", "integer", "counts from 1 in the application"}, {"name", "text", ""},
            {"type", "word", ""}, {"state", "word", "INIT PROLOGUE RUNNING ADAPTING EPILOGUE STOPPED ERROR"},
            {"error", "text?", "why it is in ERROR"}, {"cloud", "text", "where new nodes are made"},
            {"created", "time", ""}, {"changed", "time", "when its state changed last"},
            {"generation", "integer", "of the want; counts accepted changes"},
            {"converged", "bool", "what runs is what was asked for"},
            {"counts", "object", "role -> nodes asked for; 0: on the first node"},
            {"nodes", "integer", "how many there are"}, {"url", "text?", "what visitors open"},
            {"address", "text", "of the service in this interface, for cpsclient.web"},
            {"code", "integer?", "version that is asked for"}, {"code_name", "text?", ""},
            {"millicredits_per_hour", "integer", "of its nodes"},
            {"operations", "operation[]", "those under way"})},
    {"node", "a machine or container of a service or of an application's manager",
     FIELDS(
         {"id", "integer", ""}, {"app", "integer", ""}, {"service", "integer?", "null: the manager's node"},
         {"kind", "word", "manager or agent"}, {"roles", "list", "names of roles, what it does now"},
         {"status", "word", "INTENT ASKED UNSURE BOOTING UP DYING GONE"},
         {"health", "object", "role -> {state: none starting ok bad down, why: text or null}"},
         {"cloud", "text", ""}, {"type", "text", "instance type"},
         {"cloud_id", "text?", "the cloud's name for it"}, {"address", "text?", ""}, {"created", "time", ""},
         {"up", "time?", "when its agent came"}, {"hours", "integer", "charged so far"},
         {"millicredits_per_hour", "integer", ""}, {"logs", "list", "names for log.show"},
         {"is_master", "bool?", "it is the master of its service; null: that has none"})},
    {"volume", "a disk that outlives nodes",
     FIELDS({"id", "integer", ""}, {"app", "integer", ""}, {"service", "integer", ""},
            {"app_name", "text", ""}, {"service_name", "text", ""}, {"name", "text", ""},
            {"megabytes", "integer", ""}, {"state", "word", "INTENT ASKED UNSURE AVAILABLE ATTACHING ATTACHED DETACHING DELETING"},
            {"node", "integer?", "that it is attached to, or being attached"},
            {"path", "text?", "of its files on the node; null: attached to none"},
            {"role", "text?", "whose own data it is; null: a user made it"},
            {"cloud", "text", ""}, {"cloud_id", "text?", "the cloud's name for it"}, {"created", "time", ""},
            {"error", "text?", "what went wrong with it last"})},
    {"script", "a script on a node",
     FIELDS({"node", "integer", ""}, {"role", "word", ""}, {"is_master", "bool", ""}, {"script", "text", "init.sh, notify.sh ..."},
            {"state", "word", "NONE (never started) RUNNING STOPPED"},
            {"code", "integer?", "with which it ended; -1: the node went down meanwhile"},
            {"status", "text", "the same for people"})},
    {"version", "a code version",
     FIELDS({"id", "integer", ""}, {"service", "integer", ""}, {"name", "text", "code-default, code-3"},
            {"filename", "text", "as it was uploaded"}, {"description", "text", "may be empty"},
            {"format", "word", "tar tar.gz tar.bz2 tar.xz zip"}, {"size", "integer", "bytes of the archive"},
            {"sha256", "text", ""}, {"created", "time", ""}, {"current", "bool", "it is asked for"})},
    {"operation", "one accepted change; it always ends",
     FIELDS(
         {"id", "integer", ""}, {"app", "integer", ""}, {"service", "integer", ""},
         {"call", "word", "id of the call that asked for it"}, {"title", "text", "what it does, for people"},
         {"facet", "word", "run counts code settings cmd volume"}, {"state", "word", "ACTIVE DONE FAILED CANCELLED"},
         {"why", "text?", "reason of FAILED and CANCELLED; a remark on DONE"}, {"user", "text?", "who asked; null: the system"},
         {"created", "time", ""}, {"changed", "time", "last progress"}, {"ended", "time?", ""},
         {"steps", "step[]", "what it has done so far, oldest first"})},
    {"step", "part of an operation",
     FIELDS({"title", "text", "what is done, for people"}, {"state", "word", "ACTIVE DONE FAILED"},
            {"started", "time", ""}, {"ended", "time?", ""})},
    {"change", "answer to a change of a service",
     FIELDS({"operation", "operation?", "null: it took effect at once"},
            {"service", "service", "as it is now"})},
    {"config", "what a service is set to",
     FIELDS({"service", "integer", ""}, {"generation", "integer", "of the want"},
            {"revision", "integer", "of the settings"}, {"code", "integer?", "version that is asked for"},
            {"code_name", "text?", ""}, {"settings", "object", "every setting of the type and its value"})},
    {"variable", "an environment variable of a service",
     FIELDS({"name", "text", ""}, {"value", "text?", "null: it is a secret"},
            {"origin", "word", "user, secret, or the name of the reference that it comes from"})},
    {"secret", "a secret of a service; its value is never shown",
     FIELDS({"name", "text", "of the variable"}, {"set", "time", "when it got its value"})},
    {"log", "the end of a log",
     FIELDS({"name", "text", "which one"}, {"names", "list", "names that may be asked for here"},
            {"text", "text", "lines, oldest first"})},
    {"history", "one line of what happened",
     FIELDS({"id", "integer", "counts up"}, {"time", "time", ""},
            {"service", "integer?", "null: of the application"},
            {"state", "word?", "state that began with it"}, {"operation", "integer?", ""},
            {"text", "text", "a line for people"})},
    {"problem", "something that is wrong with a manifest",
     FIELDS({"line", "integer", "from 1"}, {"column", "integer", "from 1, in characters"}, {"message", "text", ""},
            {"hint", "text?", "what to do"})},
    {"manifest_plan", "what applying a manifest would change",
     FIELDS({"app_name", "text", "of the application"}, {"app", "integer?", "null: it is made"},
            {"problems", "problem[]", "while there are any nothing is planned"},
            {"changes", "planned_change[]", "in the order in which they are made"},
            {"missing", "list", "files of the client's machine that it has to send first"},
            {"asks", "question[]", "secrets that have no value yet"},
            {"same", "integer", "services that stay as they are"},
            {"kept", "integer", "services that are not in the manifest and stay"},
            {"nodes_now", "integer", "as asked for, the manager's too"}, {"nodes_then", "integer", ""},
            {"millicredits_per_hour_now", "integer", ""}, {"millicredits_per_hour_then", "integer", ""})},
    {"question", "a secret that a manifest leaves open",
     FIELDS({"service", "text", "name"}, {"member", "word", "Secrets, or the member itself"}, {"name", "word", "of the secret"})},
    {"planned_change", "one change that a manifest makes",
     FIELDS({"step", "word", "make_app make_service fetch version settings counts code start wait stop delete"},
            {"service", "text?", "name"}, {"title", "text", "what it does, for people"},
            {"maybe", "bool", "a look whether there is something new"})},
    {"job", "a manifest that is or was applied; it always ends",
     FIELDS({"id", "integer", ""}, {"app", "integer", ""}, {"app_name", "text", ""},
            {"state", "word", "ACTIVE DONE FAILED CANCELLED"}, {"why", "text?", "reason of FAILED and CANCELLED"},
            {"prune", "bool", "services that are not in the manifest go"}, {"user", "text", "who asked"},
            {"created", "time", ""}, {"changed", "time", "last progress"}, {"ended", "time?", ""},
            {"steps", "step[]", "what it has done so far, oldest first"})},
    {"upload", "a file that manifests may name",
     FIELDS({"sha256", "text", "\"sha256:\" and this names it"}, {"filename", "text", ""}, {"size", "integer", "bytes"},
            {"format", "word", "tar tar.gz tar.bz2 tar.xz zip"}, {"expires", "time", "unless a service uses it"})},
    {"manifest", "an application as a manifest", FIELDS({"manifest", "object", "see doc/MANIFEST.md"})},
    {"cloud", "where nodes can be made",
     FIELDS({"name", "text", ""}, {"driver", "word", ""}, {"default", "bool", "used when none is named"},
            {"available", "bool", ""}, {"reason", "text?", "why it is not available"},
            {"types", "instance_type[]", ""})},
    {"instance_type", "a size of node",
     FIELDS({"name", "text", ""}, {"default", "bool", ""}, {"millicores", "integer", "1000 = one core"},
            {"memory_mb", "integer", ""}, {"disk_mb", "integer", ""},
            {"millicredits_per_hour", "integer", "1000 = one credit"})},
    {"service_type", "a kind of service",
     FIELDS({"name", "word", ""}, {"title", "text", ""}, {"summary", "text", ""}, {"icon", "word", ""},
            {"code", "bool", "it has code versions"}, {"default_role", "word", "what `count` means"},
            {"roles", "role[]", "what nodes can be asked for"}, {"settings", "setting[]", ""},
            {"manifest", "manifest_field[]", "what a manifest may say of it besides"})},
    {"manifest_field", "a member that a service type adds to manifests",
     FIELDS({"name", "word", ""}, {"kind", "word", "code: a file that becomes the active version; secret: a text that is never shown"}, {"help", "text", ""})},
    {"role", "what a node does for a service",
     FIELDS({"name", "word", ""}, {"title", "text", ""}, {"min", "integer", ""},
            {"start", "integer", "at first start"}, {"max", "integer", ""})},
    {"setting", "a setting of a service type",
     FIELDS({"name", "word", ""}, {"kind", "word", "int size on_off words"}, {"default", "text", ""},
            {"min", "integer", ""}, {"max", "integer", ""}, {"help", "text", ""})},
    {"performance", "figures of the last ten seconds or so",
     FIELDS({"time", "time?", "of the newest sample; null: none yet"},
            {"request_rate", "real", "requests per second"}, {"error_rate", "real", "answers 5xx per second"},
            {"throughput", "real", "bytes per second"}, {"response_time", "real", "milliseconds, mean"})},
    {"status", "health of the director",
     FIELDS({"version", "text", ""}, {"installation", "text", ""},
            {"incarnation", "integer", "raised by every restore"},
            {"recovery", "bool", "restored and not yet reconciled: nothing is created or destroyed"},
            {"started", "time", ""}, {"users", "integer", ""}, {"apps", "integer", ""},
            {"services", "integer", ""}, {"nodes", "integer", ""}, {"alarms", "alarm[]", "newest first"})},
    {"alarm", "something an administrator should look at",
     FIELDS({"time", "time", ""}, {"text", "text", ""})},
    {.name = NULL},
};
// clang-format on

const struct api_object *api_object_find(const char *name)
{
    for (const struct api_object *o = api_objects; o->name; o++) {
        if (str_eq(o->name, name)) {
            return o;
        }
    }
    return NULL;
}

/* Kinds that are no objects; false when the word is none of them. */
static bool simple_kind_fits(const char *kind, size_t len, const json_t *v, bool *ret_fits)
{
    static const struct {
        const char *word;
        bool integer, text, boolean, object, list, real;
    } kinds[] = {
        {.word = "integer", .integer = true}, {.word = "time", .integer = true},
        {.word = "text", .text = true},       {.word = "word", .text = true},
        {.word = "bool", .boolean = true},    {.word = "object", .object = true},
        {.word = "list", .list = true},       {.word = "real", .real = true},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strlen(kinds[i].word) == len && strncmp(kinds[i].word, kind, len) == 0) {
            *ret_fits = (kinds[i].integer && json_is_integer(v)) || (kinds[i].text && json_is_string(v)) ||
                        (kinds[i].boolean && json_is_boolean(v)) || (kinds[i].object && json_is_object(v)) ||
                        (kinds[i].list && json_is_array(v)) || (kinds[i].real && json_is_number(v));
            return true;
        }
    }
    return false;
}

static int check_field(const char *object, const struct api_field *f, const json_t *v, struct err *e)
{
    size_t len = strlen(f->kind);
    bool optional = f->kind[len - 1] == '?';
    len -= optional;
    if (optional && json_is_null(v)) {
        return 0;
    }
    bool fits = false;
    if (simple_kind_fits(f->kind, len, v, &fits)) {
        return fits ? 0 : err_set(e, ERR_INVALID, "%s.%s is not of kind %s", object, f->name, f->kind);
    }
    bool list = len > 2 && f->kind[len - 1] == ']';
    _cleanup_free_ char *name = xstrndup(f->kind, len - (list ? 2 : 0));
    if (!list) {
        return api_object_check(name, v, e);
    }
    if (!json_is_array(v)) {
        return err_set(e, ERR_INVALID, "%s.%s is not a list", object, f->name);
    }
    size_t i;
    json_t *item;
    json_array_foreach(v, i, item)
    {
        int r = api_object_check(name, item, e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static bool field_known(const struct api_object *o, const char *name)
{
    for (const struct api_field *f = o->fields; f->name; f++) {
        if (str_eq(f->name, name)) {
            return true;
        }
    }
    return false;
}

int api_object_check(const char *name, const json_t *v, struct err *e)
{
    const struct api_object *o = api_object_find(name);
    if (!o) {
        return err_set(e, ERR_INTERNAL, "there is no object \"%s\"", name);
    }
    if (!json_is_object(v)) {
        return err_set(e, ERR_INVALID, "%s is not an object", name);
    }
    for (const struct api_field *f = o->fields; f->name; f++) {
        const json_t *member = json_object_get(v, f->name);
        if (!member) {
            return err_set(e, ERR_INVALID, "%s.%s is missing", name, f->name);
        }
        int r = check_field(name, f, member, e);
        if (r < 0) {
            return r;
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)v, key, value)
    {
        if (!field_known(o, key)) {
            return err_set(e, ERR_INVALID, "%s.%s is not in the reference", name, key);
        }
    }
    return 0;
}
