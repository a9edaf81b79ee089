#include "hostd/calls.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/log.h"
#include "hostd/volumes.h"

#define USER_DATA_MAX 60000

static const struct log_ctx ctx = {.logger = "hostd"};

/* ---- codes ---- */

static const struct {
    int code;
    const char *word;
} words[] = {
#define X(sym, value, word, what) {sym, word},
    CLOUD_RESULT_TABLE(X)
#undef X
};

/* What the director should do about an error of ours. */
static int result_of(int code)
{
    switch (code) {
    case ERR_INVALID:
    case ERR_TOO_LARGE:
        return CLOUD_INVALID;
    case ERR_NOT_FOUND:
        return CLOUD_NOTFOUND;
    case ERR_CONFLICT:
    case ERR_STATE:
    case ERR_EXISTS:
        return CLOUD_CONFLICT;
    case ERR_TIMEOUT:
    case ERR_UNAVAILABLE:
    case -EAGAIN:
    case -EBUSY:
    case -EINTR:
        return CLOUD_RETRY;
    case -ENOSPC:
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
        return CLOUD_CAPACITY;
    default:
        return code <= CLOUD_RETRY && code >= CLOUD_PERMANENT ? code : CLOUD_PERMANENT;
    }
}

static char *encode(const char *key, json_t *value)
{
    _cleanup_json_ json_t *j = json_pack("{s:o}", key, value);

    return j ? json_text(j)
             : xstrdup("{\"error\":{\"code\":\"permanent\",\"message\":\"answer is no JSON\"}}");
}

char *calls_error(int code, const char *message)
{
    const char *word = "permanent";

    code = result_of(code);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (words[i].code == code) {
            word = words[i].word;
        }
    }
    /* Messages may quote what programs printed. */
    return encode("error", json_pack("{s:s, s:s}", "code", word, "message",
                                     message && str_is_utf8(message) ? message : "unreadable message"));
}

static json_t *machine_json(const struct cloud_machine *m)
{
    static const char *const states[] = {
        [CLOUD_M_BOOTING] = "BOOTING", [CLOUD_M_RUNNING] = "RUNNING", [CLOUD_M_GONE] = "GONE"};

    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", m->id, "token", m->token, "address", m->address,
                     "state", states[m->state], "created", (json_int_t)m->created_ms);
}

/* ---- the calls ---- */

struct args {
    const char *call, *owner, *token, *name, *id, *user_data, *app, *vol, *machine;
    json_t *type;
    int64_t megabytes;
};
struct type_args {
    int64_t millicores, memory_mb, pids, disk_mb;
};

#define ARG(n, k, member, need, lo, hi)                                                                      \
    {                                                                                                        \
        .name = (n), .kind = (k), .offset = offsetof(struct args, member), .required = (need), .min = (lo),  \
        .max = (hi)                                                                                          \
    }
#define CALL ARG("call", JSON_F_STRING, call, true, 1, 32)
#define TOKEN ARG("token", JSON_F_STRING, token, true, 1, CLOUD_TOKEN_MAX - 1)
#define OWNER ARG("owner", JSON_F_STRING, owner, false, 1, CLOUD_NAME_MAX - 1)
#define ID ARG("id", JSON_F_STRING, id, true, 1, CLOUD_ID_MAX - 1)
#define VOL ARG("vol", JSON_F_STRING, vol, true, 1, CLOUD_ID_MAX - 1)
#define END                                                                                                  \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }

static const struct json_field no_args[] = {CALL, END};
static const struct json_field create_args[] = {
    CALL,
    OWNER,
    TOKEN,
    ARG("name", JSON_F_STRING, name, true, 1, CLOUD_NAME_MAX - 1),
    ARG("type", JSON_F_OBJECT, type, true, 0, 8),
    ARG("user_data", JSON_F_STRING, user_data, true, 0, USER_DATA_MAX),
    ARG("app", JSON_F_STRING, app, false, 0, RECORD_APP_MAX - 1),
    END,
};
#define TYPE(n, member, lo, hi)                                                                              \
    {                                                                                                        \
        .name = (n), .kind = JSON_F_INT, .offset = offsetof(struct type_args, member), .required = true,     \
        .min = (lo), .max = (hi)                                                                             \
    }
static const struct json_field type_fields[] = {
    TYPE("millicores", millicores, 10, 1000000),
    TYPE("memory_mb", memory_mb, 16, 16 << 20),
    TYPE("pids", pids, 8, 1 << 20),
    TYPE("disk_mb", disk_mb, 0, 16 << 20),
    END,
};
static const struct json_field token_args[] = {CALL, OWNER, TOKEN, END};
static const struct json_field list_args[] = {CALL, OWNER, END};
static const struct json_field id_args[] = {CALL, ID, END};
static const struct json_field vol_create_args[] = {
    CALL, OWNER, TOKEN, ARG("megabytes", JSON_F_INT, megabytes, true, 1, 16 << 20), END};
static const struct json_field vol_attach_args[] = {
    CALL, VOL, ARG("machine", JSON_F_STRING, machine, true, 1, CLOUD_ID_MAX - 1),
    ARG("name", JSON_F_STRING, name, true, 1, CLOUD_NAME_MAX - 1), END};
static const struct json_field vol_args[] = {CALL, VOL, END};

static int call_hello(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    size_t n;

    pthread_mutex_lock(&h->lock);
    n = h->n_nodes;
    pthread_mutex_unlock(&h->lock);
    *ret = json_pack("{s:s, s:s, s:s, s:I}", "version", CONPAAS_VERSION, "installation",
                     h->conf->installation, "image", h->conf->image, "nodes", (json_int_t)n);
    return 0;
}

static int check_create(const struct args *a, struct type_args *t, struct err *e)
{
    if (!record_token_ok(a->token)) {
        return err_set(e, CLOUD_INVALID, "token must be of [A-Za-z0-9._-] and begin with a letter or digit");
    }
    if (!record_name_ok(a->name)) {
        return err_set(e, CLOUD_INVALID, "name must be of [a-z0-9-], without - at its ends");
    }
    if (a->owner && !record_name_ok(a->owner)) {
        return err_set(e, CLOUD_INVALID, "owner must be of [a-z0-9-]");
    }
    if (a->app && a->app[0] && !record_name_ok(a->app)) {
        return err_set(e, CLOUD_INVALID, "app must be of [a-z0-9-]");
    }
    return json_read(a->type, type_fields, t, e);
}

static int call_create(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    struct type_args t = {0};
    struct cloud_machine m;
    int r = check_create(a, &t, e);

    if (r < 0) {
        return r;
    }
    const struct node_spec spec = {.owner = a->owner ? a->owner : "",
                                   .token = a->token,
                                   .name = a->name,
                                   .app = a->app ? a->app : "",
                                   .user_data = a->user_data,
                                   .millicores = t.millicores,
                                   .memory_mb = t.memory_mb,
                                   .pids = t.pids,
                                   .disk_mb = t.disk_mb};
    r = nodes_create(h, &spec, &m, e);
    if (r < 0) {
        return r;
    }
    *ret = machine_json(&m);
    return 0;
}

static int call_find(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    struct cloud_machine m;
    int r = nodes_find(h, a->owner ? a->owner : "", a->token, &m, e);

    if (r == 0) {
        *ret = machine_json(&m);
    }
    return r;
}

static int call_list(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    _cleanup_free_ struct cloud_machine *list = NULL;
    json_t *array = json_array();
    size_t n;

    nodes_list(h, a->owner, &list, &n);
    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(array, machine_json(&list[i]));
    }
    *ret = array;
    return 0;
}

static int call_poll(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    struct cloud_machine m;
    int r = nodes_poll(h, a->id, &m, e);

    if (r == 0) {
        *ret = machine_json(&m);
    }
    return r;
}

static int call_terminate(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    int r;

    if (!record_id_ok(a->id)) {
        *ret = json_object(); /* no node ever had such an id: it is gone */
        return 0;
    }
    r = nodes_terminate(h, a->id, e);
    if (r == 0) {
        *ret = json_object();
    }
    return r;
}

static int call_vol_create(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    char id[CLOUD_ID_MAX];
    int r = a->owner && !record_name_ok(a->owner)
                ? err_set(e, CLOUD_INVALID, "owner must be of [a-z0-9-]")
                : volumes_create(h, a->owner ? a->owner : "", a->token, a->megabytes, id, e);

    if (r == 0) {
        *ret = json_pack("{s:s}", "id", id);
    }
    return r;
}

static int call_vol_find(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    char id[CLOUD_ID_MAX];
    int r = volumes_find(h, a->owner ? a->owner : "", a->token, id, e);

    if (r == 0) {
        *ret = json_pack("{s:s}", "id", id);
    }
    return r;
}

static int call_vol_list(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    *ret = volumes_list(h, a->owner ? a->owner : "");
    return 0;
}

static int call_vol_attach(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    int r = volumes_attach(h, a->vol, a->machine, a->name, e);

    if (r == 0) {
        *ret = json_object();
    }
    return r;
}

static int call_vol_detach(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    int r = volumes_detach(h, a->vol, e);

    if (r == 0) {
        *ret = json_object();
    }
    return r;
}

static int call_vol_delete(struct hostd *h, const struct args *a, json_t **ret, struct err *e)
{
    int r = volumes_delete(h, a->vol, e);

    if (r == 0) {
        *ret = json_object();
    }
    return r;
}

/* f sets *ret to the object or array of "ok" on success. It may block for as long as LXC takes. */
static const struct call {
    const char *name;
    const struct json_field *args;
    int (*f)(struct hostd *h, const struct args *a, json_t **ret, struct err *e);
    bool changes; /* logged at info */
} calls[] = {
    {.name = "hello", .args = no_args, .f = call_hello},
    {.name = "create", .args = create_args, .f = call_create, .changes = true},
    {.name = "find", .args = token_args, .f = call_find},
    {.name = "list", .args = list_args, .f = call_list},
    {.name = "poll", .args = id_args, .f = call_poll},
    {.name = "terminate", .args = id_args, .f = call_terminate, .changes = true},
    {.name = "vol_create", .args = vol_create_args, .f = call_vol_create, .changes = true},
    {.name = "vol_find", .args = token_args, .f = call_vol_find},
    {.name = "vol_list", .args = list_args, .f = call_vol_list},
    {.name = "vol_attach", .args = vol_attach_args, .f = call_vol_attach, .changes = true},
    {.name = "vol_detach", .args = vol_args, .f = call_vol_detach, .changes = true},
    {.name = "vol_delete", .args = vol_args, .f = call_vol_delete, .changes = true},
};

static const struct call *find_call(const json_t *request)
{
    const char *name = json_str(request, "call", "");

    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (str_eq(calls[i].name, name)) {
            return &calls[i];
        }
    }
    return NULL;
}

/* ret_id: the node or volume a call is about, for the log; only when its arguments could be read. */
static int run(struct hostd *h, const char *line, size_t len, json_t **ret, const struct call **ret_call,
               char ret_id[CLOUD_ID_MAX], struct err *e)
{
    _cleanup_json_ json_t *request = NULL;
    struct args a = {0};
    int r = json_parse(line, len, CALLS_LINE_MAX, &request, e);

    if (r < 0) {
        return r;
    }
    if (!json_is_object(request)) {
        return err_set(e, CLOUD_INVALID, "a call is a JSON object");
    }
    *ret_call = find_call(request);
    if (!*ret_call) {
        return err_set(e, CLOUD_INVALID, "no such call");
    }
    r = json_read(request, (*ret_call)->args, &a, e);
    if (r < 0) {
        return r;
    }
    if (a.id || a.vol) {
        (void)str_copy(ret_id, CLOUD_ID_MAX, a.id ? a.id : a.vol);
        for (char *p = ret_id; *p; p++) {
            *p = *p < ' ' || *p == 127 ? '?' : *p; /* one line an event */
        }
    }
    return (*ret_call)->f(h, &a, ret, e);
}

char *calls_answer(struct hostd *h, const char *line, size_t len)
{
    _cleanup_err_ struct err e = {0};
    const struct call *call = NULL;
    int64_t begun = clock_mono_ms();
    json_t *ok = NULL;
    char id[CLOUD_ID_MAX] = "-";
    int r = run(h, line, len, &ok, &call, id, &e);

    if (r < 0) {
        log_at(call && call->changes ? LOG_WARN : LOG_DEBUG, &ctx, "%s refused id=%s: %s",
               call ? call->name : "call", id, e.message);
        return calls_error(r, e.message);
    }
    assert(call); /* only a call of the table can succeed */
    log_at(call->changes ? LOG_INFO : LOG_DEBUG, &ctx, "%s done id=%s address=%s ms=%lld", call->name,
           json_str(ok, "id", id), json_str(ok, "address", "-"), (long long)(clock_mono_ms() - begun));
    return encode("ok", ok);
}
