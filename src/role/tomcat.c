/*
 * Driver "tomcat".  Each process has a generation: a name of its own for its control socket and its working
 * files, so that we always ask the newest one, and two of them do not meet.
 */
#include "role/tomcat.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "role/listener.h"
#include "role/local_io.h"
#include "role/node_memory.h"
#include "role/quote.h"
#include "role/tomcat_config.h"

#define TOMCAT_USER "www-data"
#define TOMCAT_START_MS 90000
#define TOMCAT_PROBE_MS 25000
#define TOMCAT_AWAIT_MS 5000
#define TOMCAT_ANSWER_MAX 65536
/* The classes of versions that have gone may be held by something for ever: a fresh process has none of them. */
#define TOMCAT_VERSIONS_PER_PROCESS 12

struct tomcat_state {
    struct listener listener;
    char bind[16];
    int64_t port;
    char *text, *running; /* what costs a new process: of the files, of the newest process */
    int64_t generation, running_generation;
    char *former; /* running and its generation before the newest start; NULL = none */
    int64_t former_generation;
    struct section_versions versions, running_versions, former_versions;
    int started; /* versions that it has started */
};

static struct tomcat_state *state_of(struct role_engine *r)
{
    if (!r->state) {
        struct tomcat_state *s = xcalloc(1, sizeof(*s));
        s->listener.fd = -1;
        r->state = s;
    }
    return r->state;
}

/* ---- files ---- */

static int tomcat_user(struct passwd *pw, char room[4096], struct err *e)
{
    struct passwd *found = NULL;
    if (getpwnam_r(TOMCAT_USER, pw, room, 4096, &found) != 0 || !found) {
        return err_set(e, ERR_NOT_FOUND, "there is no user " TOMCAT_USER);
    }
    return 0;
}

static int tomcat_make_dir(const char *path, mode_t mode, const struct passwd *pw, struct err *e)
{
    int rc = fs_mkdirs(path, mode, e);
    if (rc == 0 &&
        (chmod(path, mode) != 0 || (geteuid() == 0 && lchown(path, pw->pw_uid, pw->pw_gid) != 0))) {
        return err_errno(e, errno, "cannot prepare %s", path);
    }
    return rc;
}

/* What its user has to write: working files, its control socket, the log of requests. */
static int tomcat_make_places(const struct role_engine *r, const struct passwd *pw, struct err *e)
{
    static const char *const below[] = {"work", "tmp"};
    _cleanup_free_ char *control = str_printf("%s/control", r->run_dir);
    _cleanup_free_ char *log = str_printf("%s/%s-access.log", r->log_dir, r->name);
    int rc = tomcat_make_dir(control, 0700, pw, e);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(below); i++) {
        _cleanup_free_ char *dir = str_printf("%s/%s", r->data_dir, below[i]);
        rc = tomcat_make_dir(dir, 0700, pw, e);
    }
    if (rc < 0) {
        return rc;
    }
    FILE *f = fopen(log, "ae");
    if (!f || (geteuid() == 0 && fchown(fileno(f), pw->pw_uid, pw->pw_gid) != 0)) {
        rc = err_errno(e, errno, "cannot make %s", log);
    }
    if (f) {
        fclose(f);
    }
    return rc;
}

static int tomcat_install(const struct role_engine *r, const char *name, const struct buf *text,
                          const struct passwd *pw, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s", r->run_dir, name);
    int rc = fs_write_atomic(path, text->data, text->len, 0400, e);
    if (rc == 0 && geteuid() == 0 && chown(path, pw->pw_uid, pw->pw_gid) != 0) {
        return err_errno(e, errno, "cannot give %s away", path);
    }
    return rc;
}

static const char tomcat_logging[] =
    "# Written by conpaas-agent; changes are lost.\n"
    "handlers = java.util.logging.ConsoleHandler\n"
    ".level = INFO\n"
    "java.util.logging.ConsoleHandler.level = INFO\n"
    "java.util.logging.ConsoleHandler.encoding = UTF-8\n"
    "java.util.logging.ConsoleHandler.formatter = org.apache.juli.OneLineFormatter\n";

static int tomcat_write(struct role_engine *r, const struct tomcat_want *w, int64_t generation, struct err *e)
{
    struct passwd pw;
    char room[4096];
    _cleanup_buf_ struct buf server = {0}, java = {0}, logging = {0};
    buf_adds(&logging, tomcat_logging);
    int rc = tomcat_user(&pw, room, e);
    rc = rc < 0 ? rc : tomcat_config_server(r, w, generation, &server, e);
    rc = rc < 0 ? rc : tomcat_config_java(r, w, &java, e);
    rc = rc < 0 ? rc : tomcat_make_places(r, &pw, e);
    rc = rc < 0 ? rc : tomcat_install(r, "server.properties", &server, &pw, e);
    rc = rc < 0 ? rc : tomcat_install(r, "java.args", &java, &pw, e);
    return rc < 0 ? rc : tomcat_install(r, "logging.properties", &logging, &pw, e);
}

/* All that a running process cannot take over. */
static int tomcat_fixed(struct role_engine *r, const struct tomcat_want *w, struct buf *out, struct err *e)
{
    struct tomcat_want plain = *w;
    plain.versions.n = 0;
    int rc = tomcat_config_server(r, &plain, 0, out, e);
    rc = rc < 0 ? rc : tomcat_config_java(r, &plain, out, e);
    buf_addf(out, "%s\n", w->bind);
    section_environment(r->env, out);
    return rc;
}

static int tomcat_more(const struct section_versions *old, const struct section_versions *now)
{
    int more = 0;
    for (int i = 0; i < now->n; i++) {
        bool had = false;
        for (int k = 0; k < old->n; k++) {
            had = had || old->at[k] == now->at[i];
        }
        more += !had;
    }
    return more;
}

static enum role_change tomcat_change(const struct role_engine *r, const char *text)
{
    const struct tomcat_state *s = r->state;
    if (!r->pid || !str_eq(text, s->running)) {
        return CHANGE_RESTART;
    }
    if (section_versions_equal(&s->versions, &s->running_versions)) {
        return CHANGE_NONE;
    }
    int more = tomcat_more(&s->running_versions, &s->versions);
    return more && s->started + more > TOMCAT_VERSIONS_PER_PROCESS ? CHANGE_RESTART : CHANGE_RELOAD;
}

static int tomcat_configure(struct role_engine *r, const json_t *section, enum role_change *ret,
                            struct err *e)
{
    struct tomcat_want w;
    struct tomcat_state *s = state_of(r);
    _cleanup_buf_ struct buf fixed = {0};
    int rc = tomcat_want_read(section, &w, e);
    rc = rc < 0 ? rc : tomcat_fixed(r, &w, &fixed, e);
    if (rc < 0) {
        return rc;
    }
    struct section_versions before = s->versions;
    s->versions = w.versions;
    enum role_change change = tomcat_change(r, fixed.data);
    int64_t generation = change == CHANGE_RESTART ? clock_mono_ms() : s->running_generation;
    rc = change == CHANGE_NONE ? 0 : tomcat_write(r, &w, generation, e);
    if (rc < 0) {
        s->versions = before;
        return rc;
    }
    int limit_ms = (int)w.request_timeout_s * 1000;
    r->longest_ms = limit_ms > r->longest_ms ? limit_ms : r->longest_ms;
    int64_t room = node_memory_free();
    r->alone = room >= 0 && room < w.heap + TOMCAT_BESIDES_HEAP;
    (void)str_copy(s->bind, sizeof(s->bind), w.bind);
    s->port = w.port;
    s->generation = generation;
    free(s->text);
    s->text = buf_take(&fixed);
    *ret = change;
    return 0;
}

/* ---- the process ---- */

static void tomcat_release(struct role_engine *r)
{
    listener_close(&state_of(r)->listener);
}

/* What earlier generations have left: sockets of killed ones, their compiled pages. */
static void tomcat_sweep(const struct role_engine *r, int64_t generation)
{
    _cleanup_free_ char *control = str_printf("%s/control", r->run_dir);
    _cleanup_free_ char *work = str_printf("%s/work", r->data_dir);
    _cleanup_free_ char *keep = str_printf("%lld", (long long)generation);
    DIR *d = opendir(control);
    for (struct dirent *x = d ? readdir(d) : NULL; x; x = readdir(d)) {
        (void)unlinkat(dirfd(d), x->d_name, 0);
    }
    if (d) {
        closedir(d);
    }
    d = opendir(work);
    for (struct dirent *x = d ? readdir(d) : NULL; x; x = readdir(d)) {
        if (x->d_name[0] != '.' && !str_eq(x->d_name, keep)) {
            _cleanup_free_ char *path = str_printf("%s/%s", work, x->d_name);
            (void)!fs_remove_tree(path, NULL);
        }
    }
    if (d) {
        closedir(d);
    }
}

static int tomcat_command(const struct role_engine *r, struct role_command *ret, struct err *e)
{
    struct tomcat_state *s = r->state;
    free(s->former);
    s->former = NULL;
    int rc = listener_open(&s->listener, s->bind, (int)s->port, e);
    if (rc < 0) {
        return rc;
    }
    if (!r->pid) {
        tomcat_sweep(r, s->generation);
    }
    s->former = s->running;
    s->former_generation = s->running_generation;
    s->running = xstrdup(s->text);
    s->running_generation = s->generation;
    s->former_versions = s->running_versions;
    s->running_versions = s->versions;
    s->started = s->versions.n;
    *ret = (struct role_command){
        .user = TOMCAT_USER, .keep = s->listener.fd, .keep_is_stdin = true, .env = "MALLOC_ARENA_MAX=2"};
    ret->text[0] = str_printf("@%s/java.args", r->run_dir);
    ret->text[1] = str_printf("%s/server.properties", r->run_dir);
    const char *const argv[] = {"java", ret->text[0], "conpaas.Server", ret->text[1]};
    memcpy(ret->argv, argv, sizeof(argv));
    snprintf(ret->log, sizeof(ret->log), "%.50s-catalina.log", r->name);
    return 0;
}

static void tomcat_undo(struct role_engine *r)
{
    struct tomcat_state *s = state_of(r);
    if (s->former) {
        free(s->running);
        s->running = TAKE_PTR(s->former);
        s->running_generation = s->former_generation;
        s->running_versions = s->former_versions;
        s->started = s->running_versions.n;
    }
}

/* ---- questions ---- */

/* The body of a 200 answer; another status is an error that says it. status may be NULL. */
static int tomcat_get(struct role_engine *r, const char *target, int64_t version, int timeout_ms, int *status,
                      struct buf *body, struct err *e)
{
    _cleanup_free_ char *path = tomcat_config_socket(r, state_of(r)->running_generation);
    _cleanup_free_ char *line =
        version ? str_printf("X-ConPaaS-Version: %lld\r\n", (long long)version) : xstrdup("");
    _cleanup_free_ char *request =
        str_printf("GET %s HTTP/1.0\r\nHost: localhost\r\nUser-Agent: conpaas-probe\r\n%s\r\n", target, line);
    struct local_addr where = {.path = path};
    _cleanup_buf_ struct buf raw = {0};
    int rc = local_ask(&where, request, TOMCAT_ANSWER_MAX, timeout_ms, &raw, e);
    buf_adds(&raw, "");
    if (rc < 0) {
        return rc;
    }
    const char *end = strstr(raw.data, "\r\n\r\n");
    bool http = str_starts(raw.data, "HTTP/1.") && raw.len > 12;
    int code = http ? (int)strtol(raw.data + 9, NULL, 10) : 0;
    if (!end || code < 100) {
        return err_set(e, ERR_FAILED, "the answer is no HTTP");
    }
    if (status) {
        *status = code;
    } else if (code != 200) {
        return err_set(e, ERR_FAILED, "HTTP status %d", code);
    }
    buf_adds(body, end + 4);
    return 0;
}

static int tomcat_ask(struct role_engine *r, const char *target, int timeout_ms, json_t **ret, struct err *e)
{
    _cleanup_buf_ struct buf body = {0};
    int rc = tomcat_get(r, target, 0, timeout_ms, NULL, &body, e);
    rc = rc < 0 ? rc : json_parse(body.data, body.len, TOMCAT_ANSWER_MAX, ret, e);
    return rc < 0 ? err_wrap(e, rc, "tomcat does not answer") : 0;
}

/* New versions are started, others end with their last request. One that does not start is no error here: whoever
 * tries it will hear. */
static int tomcat_reload(struct role_engine *r, struct err *e)
{
    struct tomcat_state *s = state_of(r);
    _cleanup_buf_ struct buf target = {0};
    _cleanup_json_ json_t *answer = NULL;
    buf_adds(&target, "/.conpaas/versions?");
    tomcat_config_versions(&s->versions, &target);
    int rc = tomcat_ask(r, target.data, TOMCAT_START_MS, &answer, e);
    if (rc == 0) {
        s->started += tomcat_more(&s->running_versions, &s->versions);
        s->running_versions = s->versions;
    }
    return rc;
}

static int tomcat_check(struct role_engine *r, struct err *e)
{
    _cleanup_json_ json_t *status = NULL;
    return tomcat_ask(r, "/.conpaas/status", 1000, &status, e);
}

static int tomcat_busy(struct role_engine *r)
{
    _cleanup_json_ json_t *status = NULL;
    return tomcat_ask(r, "/.conpaas/status", 1000, &status, NULL) < 0 ? 0
                                                                      : (int)json_int(status, "active", 0);
}

static int tomcat_metrics(struct role_engine *r, json_t *out)
{
    static const char *const names[] = {"requests", "errors", "active", "threads", "heap_kb", "heap_max_kb"};
    _cleanup_json_ json_t *status = NULL;
    int rc = tomcat_ask(r, "/.conpaas/status", 1000, &status, NULL);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(names); i++) {
        json_object_set_new(out, names[i], json_integer(json_int(status, names[i], 0)));
    }
    double n = (double)json_int(status, "requests", 0);
    json_object_set_new(out, "mean_ms", json_real(n > 0 ? (double)json_int(status, "busy_ms", 0) / n : 0));
    return rc;
}

/* ---- trying a version ---- */

/* One that has just been started answers soon. */
static void tomcat_await(struct role_engine *r)
{
    int64_t end = clock_mono_ms() + TOMCAT_AWAIT_MS;
    while (tomcat_check(r, NULL) < 0 && clock_mono_ms() < end) {
        struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
}

static int tomcat_version(struct role_engine *r, int64_t version, json_t **ret, struct err *e)
{
    char key[24];
    _cleanup_json_ json_t *status = NULL;
    snprintf(key, sizeof(key), "%lld", (long long)version);
    int rc = tomcat_ask(r, "/.conpaas/status", 5000, &status, e);
    const json_t *v = rc == 0 ? json_object_get(json_object_get(status, "versions"), key) : NULL;
    if (rc == 0 && !v) {
        return err_set(e, ERR_NOT_FOUND, "version %lld is not staged here", (long long)version);
    }
    if (rc == 0) {
        *ret = json_incref((json_t *)v);
    }
    return rc;
}

static int tomcat_try_version(struct role_engine *r, int64_t version, struct err *e)
{
    tomcat_await(r);
    _cleanup_json_ json_t *v = NULL, *after = NULL;
    _cleanup_buf_ struct buf body = {0};
    int status = 0;
    int rc = tomcat_version(r, version, &v, e);
    if (rc < 0) {
        return rc;
    }
    if (json_str(v, "why", "")[0]) {
        return err_set(e, ERR_FAILED, "the application did not start as it should: %s",
                       json_str(v, "why", ""));
    }
    rc = tomcat_get(r, "/", version, TOMCAT_PROBE_MS, &status, &body, e);
    if (rc < 0) {
        return err_wrap(e, rc, "\"/\" gives no answer");
    }
    if (status >= 500) {
        rc = tomcat_version(r, version, &after, NULL);
        const char *thrown = rc == 0 ? json_str(after, "error", "") : "";
        return err_set(e, ERR_FAILED, "\"/\" is answered with HTTP status %d%s%s", status,
                       thrown[0] ? ": " : "", thrown);
    }
    if (status == 404) {
        (void)err_set(e, 0, "the version has no page for \"/\": it will be answered 404");
    }
    return 0;
}

static void tomcat_forget(struct role_engine *r)
{
    struct tomcat_state *s = r->state;
    if (s) {
        listener_close(&s->listener);
        free(s->text);
        free(s->running);
        free(s->former);
        free(s);
        r->state = NULL;
    }
}

static const char *const tomcat_logs[] = {"-access.log", "-catalina.log", NULL};

const struct role_driver role_tomcat = {
    .name = "tomcat",
    .stop_signal = SIGTERM,
    .stop_timeout_ms = 125000,
    .logs = tomcat_logs,
    .user_code = true,
    .start_ms = TOMCAT_START_MS,
    .overlap = true,
    .configure = tomcat_configure,
    .command = tomcat_command,
    .undo = tomcat_undo,
    .reload = tomcat_reload,
    .check = tomcat_check,
    .busy = tomcat_busy,
    .try_version = tomcat_try_version,
    .metrics = tomcat_metrics,
    .release = tomcat_release,
    .forget = tomcat_forget,
};
