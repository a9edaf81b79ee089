/*
 * Containers on this machine: asks conpaas-hostd over its socket, one connection a call (doc/PROTOCOL.md,
 * section 4).  hostd keeps the truth; this driver keeps nothing.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/str.h"
#include "cloud/cloud_driver.h"
#include "cloud/types.h"

#define LOCAL_TIMEOUT_MS 10000
#define LOCAL_ANSWER_MAX (4 << 20)

struct settings {
    char *socket, *types;
};
struct local {
    struct settings settings;
    char owner[CLOUD_NAME_MAX];
    struct cloud_type *types;
    size_t n_types;
};

static const struct conf_key keys[] = {
    {.section = "cloud *",
     .key = "socket",
     .kind = CONF_PATH,
     .offset = offsetof(struct settings, socket),
     .fallback = "/run/conpaas-hostd/hostd.sock",
     .help = "local: socket of conpaas-hostd"},
    {.section = "cloud *",
     .key = "types",
     .kind = CONF_STRING,
     .offset = offsetof(struct settings, types),
     .fallback = TYPES_DEFAULT,
     .help = "local, sim: instance types, like small:500m:512M:256p:4096d:1c; the first is the default"},
    {.key = NULL},
};

static void local_close(void *cloud)
{
    struct local *l = cloud;

    conf_free(keys, &l->settings);
    free(l->types);
    free(l);
}
DEFINE_CLEANUP(struct local *, local_close);

static int local_open(const json_t *settings, const char *installation, void **ret, struct err *e)
{
    _cleanup_(local_closep) struct local *l = xcalloc(1, sizeof(*l));
    int r = cloud_settings(keys, settings, &l->settings, e);

    if (r < 0 || (r = types_parse(l->settings.types, &l->types, &l->n_types, e)) < 0) {
        return r;
    }
    if (strlen(l->settings.socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path) ||
        !str_copy(l->owner, sizeof(l->owner), installation)) {
        return err_set(e, ERR_INVALID, "the path of the socket or the installation's name is too long");
    }
    *ret = TAKE_PTR(l);
    return 0;
}

/* ---- one question, one answer ---- */

static int connect_to(const struct local *l, struct err *e)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    if (fd < 0) {
        return err_set(e, CLOUD_RETRY, "no socket: %s", strerror(errno));
    }
    (void)str_copy(a.sun_path, sizeof(a.sun_path), l->settings.socket);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        int code = errno == EACCES || errno == EPERM ? CLOUD_AUTH : CLOUD_RETRY;
        return err_set_hint(e, code, "Is conpaas-hostd running, and for this user?", "cannot reach %s: %s",
                            l->settings.socket, strerror(errno));
    }
    return TAKE_FD(fd);
}

static bool wait_for(int fd, short events, int64_t deadline)
{
    int64_t left = deadline - clock_mono_ms();
    struct pollfd p = {.fd = fd, .events = events};
    int r;

    do {
        r = poll(&p, 1, left > 0 ? (int)left : 0);
        left = deadline - clock_mono_ms();
    } while (r < 0 && errno == EINTR && left > 0);
    return r > 0;
}

static bool send_line(int fd, const char *line, int64_t deadline)
{
    size_t n = strlen(line), at = 0;

    while (at < n) {
        ssize_t sent = send(fd, line + at, n - at, MSG_NOSIGNAL);
        if (sent > 0) {
            at += (size_t)sent;
        } else if (sent == 0 || (errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, deadline)) {
            return false;
        }
    }
    return true;
}

static bool receive_line(int fd, struct buf *out, int64_t deadline)
{
    char chunk[8192];

    while (out->len <= LOCAL_ANSWER_MAX) {
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        if (n > 0) {
            buf_add(out, chunk, (size_t)n);
            if (memchr(chunk, '\n', (size_t)n)) {
                out->len = strcspn(out->data, "\n");
                return true;
            }
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLIN, deadline)) {
            return false;
        }
    }
    return false;
}

/* *ret is the answer's "ok". lost: the result when the question went out and no answer came back. */
static int ask(const struct local *l, json_t *question, int lost, json_t **ret, struct err *e)
{
    _cleanup_json_ json_t *q = question, *answer = NULL;
    _cleanup_free_ char *text = q ? json_text(q) : NULL;
    _cleanup_free_ char *line = text ? str_printf("%s\n", text) : NULL;
    _cleanup_buf_ struct buf in = {0};
    int64_t deadline = clock_mono_ms() + LOCAL_TIMEOUT_MS;
    _cleanup_close_ int fd = -1;

    if (!line) {
        return err_set(e, CLOUD_INVALID, "the call holds text that is not UTF-8");
    }
    fd = connect_to(l, e);
    if (fd < 0) {
        return fd;
    }
    if (!send_line(fd, line, deadline) || !receive_line(fd, &in, deadline)) {
        mem_wipe(line, strlen(line));
        return err_set(e, lost, "conpaas-hostd did not answer in time");
    }
    mem_wipe(line, strlen(line));
    mem_wipe(text, strlen(text));
    if (json_parse(in.data, in.len, LOCAL_ANSWER_MAX, &answer, NULL) < 0 || !json_is_object(answer)) {
        return err_set(e, lost, "conpaas-hostd's answer is no JSON object");
    }
    const json_t *error = json_object_get(answer, "error");
    if (error) {
        return err_set(e, cloud_result_from_word(json_str(error, "code", "")), "%s",
                       json_str(error, "message", ""));
    }
    *ret = json_incref(json_object_get(answer, "ok"));
    return *ret ? 0 : err_set(e, lost, "conpaas-hostd's answer has neither ok nor error");
}

static int read_machine(const json_t *j, struct cloud_machine *ret, struct err *e)
{
    const char *state = json_str(j, "state", "");
    struct cloud_machine m = {.created_ms = json_int(j, "created", 0)};

    m.state = str_eq(state, "RUNNING")   ? CLOUD_M_RUNNING
              : str_eq(state, "BOOTING") ? CLOUD_M_BOOTING
                                         : CLOUD_M_GONE;
    if ((m.state == CLOUD_M_GONE && !str_eq(state, "GONE")) ||
        !str_copy(m.id, sizeof(m.id), json_str(j, "id", "")) || !m.id[0] ||
        !str_copy(m.token, sizeof(m.token), json_str(j, "token", "")) ||
        !str_copy(m.address, sizeof(m.address), json_str(j, "address", ""))) {
        return err_set(e, CLOUD_UNKNOWN, "conpaas-hostd describes a machine in an odd way");
    }
    *ret = m;
    return 0;
}

static int ask_machine(const struct local *l, json_t *question, int lost, struct cloud_machine *ret,
                       struct err *e)
{
    _cleanup_json_ json_t *ok = NULL;
    int r = ask(l, question, lost, &ok, e);

    return r < 0 ? r : read_machine(ok, ret, e);
}

static int ask_nothing(const struct local *l, json_t *question, struct err *e)
{
    _cleanup_json_ json_t *ok = NULL;

    return ask(l, question, CLOUD_RETRY, &ok, e);
}

/* ---- the calls ---- */

static int local_types(void *cloud, const struct cloud_type **ret, size_t *ret_n, struct err *e)
{
    const struct local *l = cloud;

    *ret = l->types;
    *ret_n = l->n_types;
    return 0;
}

static int local_create(void *cloud, const struct cloud_spec *spec, struct cloud_machine *ret, struct err *e)
{
    const struct local *l = cloud;
    const struct cloud_type *t = types_find(l->types, l->n_types, spec->type);
    int r = cloud_spec_check(spec, e);

    if (r < 0) {
        return r;
    }
    if (!t) {
        return err_set(e, CLOUD_INVALID, "no instance type %s", spec->type);
    }
    return ask_machine(l,
                       json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:I, s:I, s:I, s:I}}", "call", "create",
                                 "owner", l->owner, "token", spec->token, "name", spec->name, "user_data",
                                 spec->user_data ? spec->user_data : "", "type", "millicores",
                                 (json_int_t)t->millicores, "memory_mb", (json_int_t)t->memory_mb, "pids",
                                 (json_int_t)t->pids, "disk_mb", (json_int_t)t->disk_mb),
                       CLOUD_UNKNOWN, ret, e);
}

static int local_find(void *cloud, const char *token, struct cloud_machine *ret, struct err *e)
{
    const struct local *l = cloud;

    return ask_machine(l, json_pack("{s:s, s:s, s:s}", "call", "find", "owner", l->owner, "token", token),
                       CLOUD_RETRY, ret, e);
}

static int local_list(void *cloud, struct cloud_machine **ret, size_t *ret_n, struct err *e)
{
    const struct local *l = cloud;
    _cleanup_free_ struct cloud_machine *list = NULL;
    _cleanup_json_ json_t *ok = NULL;
    int r = ask(l, json_pack("{s:s, s:s}", "call", "list", "owner", l->owner), CLOUD_RETRY, &ok, e);
    size_t n;

    if (r < 0) {
        return r;
    }
    n = json_array_size(ok);
    list = xcalloc(n + 1, sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        r = read_machine(json_array_get(ok, i), &list[i], e);
        if (r < 0) {
            return r;
        }
    }
    *ret = TAKE_PTR(list);
    *ret_n = n;
    return 0;
}

static int local_poll(void *cloud, const char *id, struct cloud_machine *ret, struct err *e)
{
    return ask_machine(cloud, json_pack("{s:s, s:s}", "call", "poll", "id", id), CLOUD_RETRY, ret, e);
}

static int local_terminate(void *cloud, const char *id, struct err *e)
{
    return ask_nothing(cloud, json_pack("{s:s, s:s}", "call", "terminate", "id", id), e);
}

static int local_vol_create(void *cloud, const char *token, int64_t megabytes, char id[CLOUD_ID_MAX],
                            struct err *e)
{
    const struct local *l = cloud;
    _cleanup_json_ json_t *ok = NULL;
    int r = ask(l,
                json_pack("{s:s, s:s, s:s, s:I}", "call", "vol_create", "owner", l->owner, "token", token,
                          "megabytes", (json_int_t)megabytes),
                CLOUD_RETRY, &ok, e);

    if (r < 0) {
        return r;
    }
    return str_copy(id, CLOUD_ID_MAX, json_str(ok, "id", "")) && id[0]
               ? 0
               : err_set(e, CLOUD_UNKNOWN, "conpaas-hostd names no volume");
}

static int local_vol_find(void *cloud, const char *token, char id[CLOUD_ID_MAX], struct err *e)
{
    const struct local *l = cloud;
    _cleanup_json_ json_t *ok = NULL;
    int r = ask(l, json_pack("{s:s, s:s, s:s}", "call", "vol_find", "owner", l->owner, "token", token),
                CLOUD_RETRY, &ok, e);

    if (r < 0) {
        return r;
    }
    return str_copy(id, CLOUD_ID_MAX, json_str(ok, "id", "")) && id[0]
               ? 0
               : err_set(e, CLOUD_UNKNOWN, "conpaas-hostd names no volume");
}

static int read_volume(const json_t *j, struct cloud_volume *ret, struct err *e)
{
    struct cloud_volume v = {.megabytes = json_int(j, "megabytes", 0),
                             .created_ms = json_int(j, "created", 0)};

    if (!str_copy(v.id, sizeof(v.id), json_str(j, "id", "")) || !v.id[0] ||
        !str_copy(v.token, sizeof(v.token), json_str(j, "token", "")) ||
        !str_copy(v.machine, sizeof(v.machine), json_str(j, "machine", ""))) {
        return err_set(e, CLOUD_UNKNOWN, "conpaas-hostd describes a volume in an odd way");
    }
    *ret = v;
    return 0;
}

static int local_vol_list(void *cloud, struct cloud_volume **ret, size_t *ret_n, struct err *e)
{
    const struct local *l = cloud;
    _cleanup_free_ struct cloud_volume *list = NULL;
    _cleanup_json_ json_t *ok = NULL;
    int r = ask(l, json_pack("{s:s, s:s}", "call", "vol_list", "owner", l->owner), CLOUD_RETRY, &ok, e);
    size_t n;

    if (r < 0) {
        return r;
    }
    n = json_array_size(ok);
    list = xcalloc(n + 1, sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        r = read_volume(json_array_get(ok, i), &list[i], e);
        if (r < 0) {
            return r;
        }
    }
    *ret = TAKE_PTR(list);
    *ret_n = n;
    return 0;
}

static int local_vol_attach(void *cloud, const char *vol, const char *machine, const char *name,
                            struct err *e)
{
    return ask_nothing(
        cloud,
        json_pack("{s:s, s:s, s:s, s:s}", "call", "vol_attach", "vol", vol, "machine", machine, "name", name),
        e);
}

static int local_vol_detach(void *cloud, const char *vol, struct err *e)
{
    return ask_nothing(cloud, json_pack("{s:s, s:s}", "call", "vol_detach", "vol", vol), e);
}

static int local_vol_delete(void *cloud, const char *vol, struct err *e)
{
    return ask_nothing(cloud, json_pack("{s:s, s:s}", "call", "vol_delete", "vol", vol), e);
}

const struct cloud_driver cloud_local = {
    .name = "local",
    .summary = "containers on this machine",
    .config = keys,
    .capabilities = CLOUD_CAN_VOLUMES,
    .watched = true,
    .open = local_open,
    .close = local_close,
    .types = local_types,
    .create = local_create,
    .find = local_find,
    .list = local_list,
    .poll = local_poll,
    .terminate = local_terminate,
    .vol_create = local_vol_create,
    .vol_find = local_vol_find,
    .vol_list = local_vol_list,
    .vol_attach = local_vol_attach,
    .vol_detach = local_vol_detach,
    .vol_delete = local_vol_delete,
};
