#include "hostd/record.h"

#include <ctype.h>
#include <stddef.h>

#include "base/fs.h"

#define RECORD_BYTES 16384

static const char *const record_phase_table[RECORD_PHASE_MAX] = {
    [RECORD_CREATING] = "creating",
    [RECORD_RUNNING] = "running",
    [RECORD_DYING] = "dying",
};
STR_TABLE_DEFINE(record_phase, enum record_phase, RECORD_PHASE_MAX);

struct stored {
    const char *id, *owner, *token, *name, *app, *boot, *image, *programs, *phase;
    int64_t index, created, millicores, memory_mb, pids, disk_mb, pid, pid_start;
};

#define FIELD(n, k, member, need, lo, hi)                                                                    \
    {                                                                                                        \
        .name = (n), .kind = (k), .offset = offsetof(struct stored, member), .required = (need),             \
        .min = (lo), .max = (hi)                                                                             \
    }

static const struct json_field fields[] = {
    FIELD("id", JSON_F_STRING, id, true, 1, CLOUD_ID_MAX - 1),
    FIELD("owner", JSON_F_STRING, owner, true, 0, CLOUD_NAME_MAX - 1),
    FIELD("token", JSON_F_STRING, token, true, 1, CLOUD_TOKEN_MAX - 1),
    FIELD("name", JSON_F_STRING, name, true, 1, CLOUD_NAME_MAX - 1),
    FIELD("app", JSON_F_STRING, app, true, 0, RECORD_APP_MAX - 1),
    FIELD("boot", JSON_F_STRING, boot, true, 1, RECORD_BOOT - 1),
    FIELD("image", JSON_F_STRING, image, true, 1, 255),
    FIELD("programs", JSON_F_STRING, programs, true, 1, 255),
    FIELD("phase", JSON_F_STRING, phase, true, 1, 16),
    FIELD("index", JSON_F_INT, index, true, 1, 99999),
    FIELD("created", JSON_F_INT, created, true, 0, INT64_MAX),
    FIELD("millicores", JSON_F_INT, millicores, true, 1, INT32_MAX),
    FIELD("memory_mb", JSON_F_INT, memory_mb, true, 1, INT32_MAX),
    FIELD("pids", JSON_F_INT, pids, true, 1, INT32_MAX),
    FIELD("disk_mb", JSON_F_INT, disk_mb, true, 0, INT32_MAX),
    FIELD("pid", JSON_F_INT, pid, true, 0, INT32_MAX),
    FIELD("pid_start", JSON_F_INT, pid_start, true, 0, INT64_MAX),
    {.name = NULL},
};

char *record_dir(const struct config *c, const char *id)
{
    return str_printf("%s/nodes/%s", c->state, id);
}

char *record_path(const struct config *c, const char *id, const char *file)
{
    return str_printf("%s/nodes/%s/%s", c->state, id, file);
}

int record_write(const struct config *c, const struct record *r, struct err *e)
{
    _cleanup_json_ json_t *j = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", r->id,
        "owner", r->owner, "token", r->token, "name", r->name, "app", r->app, "boot", r->boot, "image",
        r->image, "programs", r->programs, "phase", record_phase_to_str(r->phase), "index",
        (json_int_t)r->index, "created", (json_int_t)r->created_ms, "millicores", (json_int_t)r->millicores,
        "memory_mb", (json_int_t)r->memory_mb, "pids", (json_int_t)r->pids, "disk_mb", (json_int_t)r->disk_mb,
        "pid", (json_int_t)r->pid, "pid_start", (json_int_t)r->pid_start);
    _cleanup_free_ char *path = record_path(c, r->id, "record.json");
    _cleanup_free_ char *text = NULL;

    if (!j) {
        return err_set(e, ERR_INTERNAL, "the record of node %s does not fit JSON", r->id);
    }
    text = json_text(j);
    return fs_write_atomic(path, text, strlen(text), 0600, e);
}

static bool take(const struct stored *s, struct record *r)
{
    int phase = record_phase_from_str(s->phase);

    r->phase = phase < 0 ? RECORD_DYING : (enum record_phase)phase;
    r->index = s->index;
    r->created_ms = s->created;
    r->millicores = s->millicores;
    r->memory_mb = s->memory_mb;
    r->pids = s->pids;
    r->disk_mb = s->disk_mb;
    r->pid = s->pid;
    r->pid_start = s->pid_start;
    return phase >= 0 && str_copy(r->id, sizeof(r->id), s->id) &&
           str_copy(r->owner, sizeof(r->owner), s->owner) && str_copy(r->token, sizeof(r->token), s->token) &&
           str_copy(r->name, sizeof(r->name), s->name) && str_copy(r->app, sizeof(r->app), s->app) &&
           str_copy(r->boot, sizeof(r->boot), s->boot) && str_copy(r->image, sizeof(r->image), s->image) &&
           str_copy(r->programs, sizeof(r->programs), s->programs);
}

static int read_object(const char *path, json_t **ret, struct err *e)
{
    _cleanup_buf_ struct buf b = {0};
    int r = fs_read(path, RECORD_BYTES, &b, e);

    return r < 0 ? r : json_parse(b.data ? b.data : "", b.len, RECORD_BYTES, ret, e);
}

int record_read(const struct config *c, const char *id, struct record *ret, struct err *e)
{
    _cleanup_free_ char *path = record_path(c, id, "record.json");
    _cleanup_json_ json_t *j = NULL;
    struct stored s = {0};
    struct record r = {0};
    int rc = read_object(path, &j, e);

    if (rc < 0 || (rc = json_read(j, fields, &s, e)) < 0) {
        return err_wrap(e, rc, "%s", path);
    }
    if (!take(&s, &r) || !str_eq(r.id, id)) {
        return err_set(e, ERR_INVALID, "%s is not the record of node %s", path, id);
    }
    *ret = r;
    return 0;
}

int record_write_started(const struct config *c, const char *id, int64_t pid, int64_t start, struct err *e)
{
    _cleanup_free_ char *path = record_path(c, id, "started.json");
    _cleanup_free_ char *text = str_printf("{\"pid\":%lld,\"start\":%lld}", (long long)pid, (long long)start);

    return fs_write_atomic(path, text, strlen(text), 0600, e);
}

int record_read_started(const struct config *c, const char *id, int64_t *ret_pid, int64_t *ret_start,
                        struct err *e)
{
    _cleanup_free_ char *path = record_path(c, id, "started.json");
    _cleanup_json_ json_t *j = NULL;
    int r = read_object(path, &j, e);

    if (r < 0) {
        return r;
    }
    *ret_pid = json_int(j, "pid", 0);
    *ret_start = json_int(j, "start", 0);
    return *ret_pid > 0 && *ret_start > 0 ? 0 : err_set(e, ERR_INVALID, "%s names no process", path);
}

static bool of(const char *s, const char *set, size_t min, size_t max)
{
    size_t n = strlen(s);

    return n >= min && n <= max && strspn(s, set) == n;
}

bool record_id_ok(const char *s)
{
    return s[0] == 'n' && isdigit((unsigned char)s[1]) &&
           of(s, "abcdefghijklmnopqrstuvwxyz0123456789-", 3, 32);
}

bool record_token_ok(const char *s)
{
    return isalnum((unsigned char)s[0]) &&
           of(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", 1, CLOUD_TOKEN_MAX - 1);
}

bool record_name_ok(const char *s)
{
    return s[0] != '-' && of(s, "abcdefghijklmnopqrstuvwxyz0123456789-", 1, CLOUD_NAME_MAX - 1) &&
           s[strlen(s) - 1] != '-';
}

int record_boot(char ret[RECORD_BOOT], struct err *e)
{
    _cleanup_buf_ struct buf b = {0};
    int r = fs_read("/proc/sys/kernel/random/boot_id", 64, &b, e);

    if (r < 0) {
        return r;
    }
    b.data[strcspn(b.data, "\n")] = '\0';
    return str_copy(ret, RECORD_BOOT, b.data) ? 0 : err_set(e, ERR_INTERNAL, "odd boot id");
}
