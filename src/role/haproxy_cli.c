/*
 * Commands to a running HAProxy.  Every name that is sent is made here of numbers, addresses and dots.
 */
#include "role/haproxy_cli.h"

#include <stdlib.h>

#include "role/local_io.h"

#define CLI_TIMEOUT_MS 5000
#define CLI_ANSWER_MAX (4 * 1024 * 1024)
#define CLI_CHUNK 12000 /* a command and its payload must fit into one buffer of 16 kB */

int haproxy_ask(const char *socket, const char *command, struct buf *out, struct err *e)
{
    _cleanup_buf_ struct buf own = {0}, line = {0};
    struct buf *to = out ? out : &own;
    struct local_addr a = {.path = socket};
    buf_addf(&line, "%s\n", command);
    int r = local_ask(&a, line.data, CLI_ANSWER_MAX, CLI_TIMEOUT_MS, to, e);
    if (r < 0) {
        return err_wrap(e, r, "haproxy's socket");
    }
    buf_adds(to, "");
    while (to->len > 0 && (to->data[to->len - 1] == '\n' || to->data[to->len - 1] == ' ')) {
        to->data[--to->len] = '\0';
    }
    return 0;
}

int haproxy_do(const char *socket, const char *command, const char *expect, struct err *e)
{
    _cleanup_buf_ struct buf out = {0};
    int r = haproxy_ask(socket, command, &out, e);
    if (r < 0) {
        return r;
    }
    if (out.len == 0 || (expect && str_starts(out.data, expect))) {
        return 0;
    }
    return err_set(e, ERR_FAILED, "haproxy refused \"%.80s\": %.200s", command, out.data);
}

/* ---- tables in answers ---- */

/* The n-th field of a line (fields separated by sep), copied; "" when there is none. */
static void cli_field(const char *line, size_t len, char sep, int n, char *ret, size_t size)
{
    const char *p = line, *end = line + len;
    for (; n > 0 && p < end; n--) {
        const char *q = memchr(p, sep, (size_t)(end - p));
        p = q ? q + 1 : end;
    }
    const char *q = memchr(p, sep, (size_t)(end - p));
    size_t have = (size_t)((q ? q : end) - p);
    if (have >= size) {
        have = size - 1;
    }
    memcpy(ret, p, have);
    ret[have] = '\0';
}

static size_t cli_line(const char *p)
{
    return strcspn(p, "\n");
}

static const char *cli_next(const char *p, size_t len)
{
    return p[len] ? p + len + 1 : NULL;
}

int haproxy_worker(const char *socket, int64_t *ret_pid, struct err *e)
{
    _cleanup_buf_ struct buf out = {0};
    int r = haproxy_ask(socket, "show info", &out, e);
    if (r < 0) {
        return r;
    }
    const char *at = strstr(out.data, "\nPid: ");
    if (!at) {
        return err_set(e, ERR_FAILED, "haproxy's answer to \"show info\" has no pid");
    }
    *ret_pid = strtoll(at + 6, NULL, 10);
    return 0;
}

/* Columns of "show servers state", version 1. */
enum { STATE_BACKEND = 1, STATE_NAME = 3, STATE_ADMIN = 6, STATE_WEIGHT = 7 };
#define ADMIN_MAINT (1 | 4) /* by command, by configuration */
#define ADMIN_DRAIN 0x18    /* said by us, or by a server this one tracks */

int haproxy_list(const char *socket, struct haproxy_servers *ret, struct err *e)
{
    _cleanup_buf_ struct buf out = {0};
    int r = haproxy_ask(socket, "show servers state", &out, e);
    if (r < 0) {
        return r;
    }
    *ret = (struct haproxy_servers){0};
    const char *p = strchr(out.data, '\n'); /* the first line is the version */
    for (p = p ? p + 1 : NULL; p && ret->n < (int)ARRAY_LEN(ret->at);) {
        size_t len = cli_line(p);
        if (len > 0 && p[0] != '#') {
            struct haproxy_server *s = &ret->at[ret->n++];
            char number[24];
            cli_field(p, len, ' ', STATE_BACKEND, s->backend, sizeof(s->backend));
            cli_field(p, len, ' ', STATE_NAME, s->name, sizeof(s->name));
            cli_field(p, len, ' ', STATE_ADMIN, number, sizeof(number));
            s->maint = strtol(number, NULL, 10) & ADMIN_MAINT;
            s->drain = strtol(number, NULL, 10) & ADMIN_DRAIN;
            cli_field(p, len, ' ', STATE_WEIGHT, number, sizeof(number));
            s->weight = (int)strtol(number, NULL, 10);
        }
        p = cli_next(p, len);
    }
    return 0;
}

static int cli_column(const char *csv, const char *field)
{
    size_t len = cli_line(csv);
    char name[64];
    for (int i = 0; i < 128; i++) {
        cli_field(csv, len, ',', i, name, sizeof(name));
        if (str_eq(name, field)) {
            return i;
        }
    }
    return -1;
}

int64_t haproxy_stat(const char *csv, const char *proxy, const char *server, const char *field)
{
    int column = cli_column(csv, field);
    for (const char *p = csv; p && column >= 0;) {
        size_t len = cli_line(p);
        char a[64], b[64];
        cli_field(p, len, ',', 0, a, sizeof(a));
        cli_field(p, len, ',', 1, b, sizeof(b));
        if (str_eq(a, proxy) && str_eq(b, server)) {
            cli_field(p, len, ',', column, a, sizeof(a));
            return a[0] ? strtoll(a, NULL, 10) : -1;
        }
        p = cli_next(p, len);
    }
    return -1;
}

/* ---- maps ---- */

/* Sends the lines in pieces that end at a line's end. */
static int cli_map_fill(const char *socket, const char *map, int64_t version, const char *text, struct err *e)
{
    _cleanup_buf_ struct buf command = {0};
    while (*text) {
        size_t n = strlen(text);
        if (n > CLI_CHUNK) {
            for (n = CLI_CHUNK; n > 0 && text[n - 1] != '\n'; n--) {
            }
            if (n == 0) {
                return err_set(e, ERR_TOO_LARGE, "a path is too long for the proxy");
            }
        }
        buf_reset(&command);
        buf_addf(&command, "add map @%lld %s <<\n", (long long)version, map);
        buf_add(&command, text, n);
        int r = haproxy_do(socket, command.data, NULL, e); /* its last newline ends the payload */
        if (r < 0) {
            return r;
        }
        text += n;
    }
    return 0;
}

int haproxy_set_map(const char *socket, const char *map, const char *text, struct err *e)
{
    static const char made[] = "New version created: ";
    _cleanup_buf_ struct buf out = {0}, command = {0};
    buf_addf(&command, "prepare map %s", map);
    int r = haproxy_ask(socket, command.data, &out, e);
    if (r < 0) {
        return r;
    }
    if (!str_starts(out.data, made)) {
        return err_set(e, ERR_FAILED, "haproxy made no new version of a map: %.200s", out.data);
    }
    int64_t version = strtoll(out.data + sizeof(made) - 1, NULL, 10);
    r = cli_map_fill(socket, map, version, text, e);
    buf_reset(&command);
    buf_addf(&command, "%s map @%lld %s", r < 0 ? "clear" : "commit", (long long)version, map);
    int r2 = haproxy_do(socket, command.data, NULL, r < 0 ? NULL : e);
    return r < 0 ? r : r2;
}

/* ---- servers ---- */

void haproxy_server_name(const struct section_target *t, char ret[HAPROXY_NAME_MAX])
{
    snprintf(ret, HAPROXY_NAME_MAX, "n%lld-%s-%d", (long long)t->id, t->address, t->port);
}

static const struct haproxy_server *cli_find(const struct haproxy_servers *all, const char *backend,
                                             const char *name)
{
    for (int i = 0; i < all->n; i++) {
        if (str_eq(all->at[i].backend, backend) && str_eq(all->at[i].name, name)) {
            return &all->at[i];
        }
    }
    return NULL;
}

/* Ready at once and, if believed, healthy: the planner names only what its agent called healthy; checks go
 * on. */
static int cli_enable(const char *socket, const struct haproxy_backend *b, const char *name, struct err *e)
{
    static const char *const steps[][2] = {
        {"set server", "state ready"}, {"set server", "health up"}, {"enable health", ""}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        _cleanup_free_ char *command = str_printf("%s %s/%s %s", steps[i][0], b->name, name, steps[i][1]);
        int r = i == 1 && !b->believed ? 0 : haproxy_do(socket, command, NULL, e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int cli_add(const char *socket, const struct haproxy_backend *b, const struct section_target *t,
                   const struct haproxy_server *known, struct err *e)
{
    char name[HAPROXY_NAME_MAX];
    _cleanup_buf_ struct buf command = {0};
    haproxy_server_name(t, name);
    if (!known) {
        buf_addf(&command, "add server %s/%s %s:%d weight %d %s", b->name, name, t->address, t->port,
                 t->weight, b->options);
        int r = haproxy_do(socket, command.data, "New server registered", e);
        if (r < 0) {
            return r;
        }
    } else if (known->weight != t->weight) {
        buf_addf(&command, "set server %s/%s weight %d", b->name, name, t->weight);
        int r = haproxy_do(socket, command.data, NULL, e);
        if (r < 0) {
            return r;
        }
    }
    return !known || known->maint || known->drain ? cli_enable(socket, b, name, e) : 0;
}

static bool cli_wanted(const struct section_targets *want, const char *name)
{
    for (int i = 0; i < want->n; i++) {
        char wanted[HAPROXY_NAME_MAX];
        haproxy_server_name(&want->at[i], wanted);
        if (str_eq(wanted, name)) {
            return true;
        }
    }
    return false;
}

int haproxy_sync_servers(const char *socket, const struct haproxy_backend *b,
                         const struct section_targets *want, int *ret_left, struct err *e)
{
    _cleanup_free_ struct haproxy_servers *all = xcalloc(1, sizeof(*all));
    int r = haproxy_list(socket, all, e);
    for (int i = 0; i < want->n && r >= 0; i++) {
        char name[HAPROXY_NAME_MAX];
        haproxy_server_name(&want->at[i], name);
        r = cli_add(socket, b, &want->at[i], cli_find(all, b->name, name), e);
    }
    for (int i = 0; i < all->n && r >= 0; i++) {
        const struct haproxy_server *s = &all->at[i];
        if (!str_eq(s->backend, b->name) || cli_wanted(want, s->name)) {
            continue;
        }
        ++*ret_left;
        if (!s->maint && !s->drain) {
            _cleanup_free_ char *command =
                str_printf("set server %s/%s state %s", b->name, s->name, b->drains ? "drain" : "maint");
            r = haproxy_do(socket, command, NULL, e);
        }
    }
    return r;
}

int haproxy_sweep(const char *socket, struct err *e)
{
    _cleanup_free_ struct haproxy_servers *all = xcalloc(1, sizeof(*all));
    int r = haproxy_list(socket, all, e);
    if (r < 0) {
        return r;
    }
    _cleanup_buf_ struct buf csv = {0};
    int left = 0;
    for (int i = 0; i < all->n; i++) {
        const struct haproxy_server *s = &all->at[i];
        if (s->drain && !s->maint) {
            r = csv.data ? 0 : haproxy_ask(socket, "show stat", &csv, NULL);
            bool idle = r == 0 && haproxy_stat(csv.data, s->backend, s->name, "scur") == 0;
            _cleanup_free_ char *command = str_printf("set server %s/%s state maint", s->backend, s->name);
            if (!idle || haproxy_do(socket, command, NULL, NULL) < 0) {
                left++;
                continue;
            }
        }
        if (s->maint || s->drain) {
            _cleanup_free_ char *command = str_printf("del server %s/%s", s->backend, s->name);
            left += haproxy_do(socket, command, "Server deleted", NULL) < 0;
        }
    }
    return left;
}
