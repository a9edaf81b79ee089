/*
 * Driver "php_fpm".  fpm.conf names the listening socket by its address; php-fpm finds the inherited
 * descriptor of that address in FPM_SOCKETS.  Each start has sockets of its own for status and for trying
 * versions, so that we always ask the newest one, also while all its children are busy.
 */
#include "role/php_fpm.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "role/fcgi.h"
#include "role/listener.h"
#include "role/php_config.h"
#include "role/section.h"

#define PROBE_TIMEOUT_MS 25000
#define PROBE_AWAIT_MS 5000

struct fpm_state {
    struct listener listener;
    char *text,
        *running; /* configuration without the names of its own sockets: of the files, of the newest process */
    int64_t generation, running_generation; /* of those sockets */
    char bind[16];
    int64_t port;
    char *former; /* running and its generation before the newest start; NULL = none */
    int64_t former_generation;
};

static struct fpm_state *state_of(struct role_engine *r)
{
    if (!r->state) {
        struct fpm_state *s = xcalloc(1, sizeof(*s));
        s->listener.fd = -1;
        r->state = s;
    }
    return r->state;
}

static char *fpm_path(const struct role_engine *r, const char *name)
{
    return str_printf("%s/%s", r->run_dir, name);
}

/* PHP's own error log is written by the children. */
static int fpm_make_log(const struct role_engine *r, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s-php.log", r->log_dir, r->name);
    struct passwd pw, *found = NULL;
    char room[4096];
    if (getpwnam_r("www-data", &pw, room, sizeof(room), &found) != 0 || !found) {
        return err_set(e, ERR_NOT_FOUND, "there is no user www-data");
    }
    FILE *f = fopen(path, "ae");
    if (!f || (geteuid() == 0 && fchown(fileno(f), pw.pw_uid, pw.pw_gid) != 0)) {
        int why = errno;
        if (f) {
            fclose(f);
        }
        return err_errno(e, why, "cannot make %s", path);
    }
    fclose(f);
    return 0;
}

/* Both files under a candidate's name, looked at by php-fpm itself, then in place. */
static int fpm_install(struct role_engine *r, const char *conf, const char *ini, struct err *e)
{
    _cleanup_free_ char *conf_new = fpm_path(r, "fpm.conf.new"), *ini_new = fpm_path(r, "php.ini.new");
    _cleanup_free_ char *conf_path = fpm_path(r, "fpm.conf"), *ini_path = fpm_path(r, "php.ini");
    const char *const argv[] = {"php-fpm8.2", "-t", "-y", conf_new, "-c", ini_new, NULL};
    int rc = fs_write_atomic(conf_new, conf, strlen(conf), 0600, e);
    rc = rc < 0 ? rc : fs_write_atomic(ini_new, ini, strlen(ini), 0600, e);
    if (rc == 0 && (rc = proc_run_ok(argv, 15000, e)) < 0) {
        rc = err_wrap(e, rc == ERR_FAILED ? ERR_INVALID : rc, "settings: php-fpm does not accept them");
    }
    (void)unlink(conf_new);
    (void)unlink(ini_new);
    rc = rc < 0 ? rc : fs_write_atomic(conf_path, conf, strlen(conf), 0600, e);
    return rc < 0 ? rc : fs_write_atomic(ini_path, ini, strlen(ini), 0600, e);
}

/* Writes the files; sockets of their own only when they differ from what runs. */
static int fpm_write(struct role_engine *r, const struct php_want *w, const char *ini, bool same,
                     struct err *e)
{
    struct fpm_state *s = state_of(r);
    _cleanup_buf_ struct buf conf = {0};
    int64_t generation = same ? s->running_generation : clock_mono_ms();
    int rc = php_config_fpm(r, w, generation, &conf, e);
    rc = rc < 0 ? rc : fpm_install(r, conf.data, ini, e);
    if (rc == 0) {
        s->generation = generation;
        (void)str_copy(s->bind, sizeof(s->bind), w->bind);
        s->port = w->port;
    }
    return rc;
}

static int fpm_configure(struct role_engine *r, const json_t *section, enum role_change *ret, struct err *e)
{
    struct php_want w;
    struct fpm_state *s = state_of(r);
    _cleanup_buf_ struct buf plain = {0}, ini = {0};
    int rc = php_want_read(section, &w, e);
    rc = rc < 0 ? rc : php_config_fpm(r, &w, 0, &plain, e);
    rc = rc < 0 ? rc : php_config_ini(r, &w, &ini, e);
    rc = rc < 0 ? rc : fpm_make_log(r, e);
    if (rc < 0) {
        return rc;
    }
    buf_adds(&plain, ini.data);
    section_environment(r->env, &plain); /* another one is another process, with sockets of its own */
    int limit_ms = (int)w.request_timeout_s * 1000;
    r->longest_ms =
        limit_ms > r->longest_ms ? limit_ms : r->longest_ms; /* the old process has its own limit */
    bool same = r->pid && str_eq(plain.data, s->running);    /* also when an older section is taken back */
    rc = r->pid && str_eq(plain.data, s->text) ? 0 : fpm_write(r, &w, ini.data, same, e);
    if (rc < 0) {
        return rc;
    }
    free(s->text);
    s->text = buf_take(&plain);
    *ret = same ? CHANGE_NONE : CHANGE_RESTART;
    return 0;
}

/* ---- the process ---- */

static void fpm_release(struct role_engine *r)
{
    listener_close(&state_of(r)->listener);
}

/* Sockets of earlier generations that were killed. */
static void fpm_sweep(const struct role_engine *r, int64_t generation)
{
    _cleanup_free_ char *keep = str_printf("-%lld.sock", (long long)generation);
    DIR *d = opendir(r->run_dir);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        bool ours = str_starts(entry->d_name, "status-") || str_starts(entry->d_name, "probe-");
        if (ours && !str_ends(entry->d_name, keep)) {
            (void)unlinkat(dirfd(d), entry->d_name, 0);
        }
    }
    if (d) {
        closedir(d);
    }
}

static int fpm_command(const struct role_engine *r, struct role_command *ret, struct err *e)
{
    struct fpm_state *s = r->state;
    free(s->former);
    s->former = NULL;
    int rc = listener_open(&s->listener, s->bind, (int)s->port, e);
    if (rc < 0) {
        return rc;
    }
    if (!r->pid) {
        fpm_sweep(r, s->generation);
    }
    s->former = s->running;
    s->former_generation = s->running_generation;
    s->running = xstrdup(s->text);
    s->running_generation = s->generation;
    *ret = (struct role_command){.keep = s->listener.fd};
    ret->text[0] = fpm_path(r, "fpm.conf");
    ret->text[1] = fpm_path(r, "php.ini");
    ret->text[2] = str_printf("FPM_SOCKETS=%s=%d", s->listener.name, s->listener.fd);
    const char *const argv[] = {"php-fpm8.2", "-F", "-y", ret->text[0], "-c", ret->text[1]};
    memcpy(ret->argv, argv, sizeof(argv));
    ret->env = ret->text[2];
    snprintf(ret->log, sizeof(ret->log), "%.50s-error.log", r->name);
    return 0;
}

static void fpm_undo(struct role_engine *r)
{
    struct fpm_state *s = state_of(r);
    if (s->former) {
        free(s->running);
        s->running = TAKE_PTR(s->former);
        s->running_generation = s->former_generation;
    }
}

/* ---- status ---- */

static int fpm_status(struct role_engine *r, json_t **ret, struct err *e)
{
    struct fpm_state *s = state_of(r);
    _cleanup_free_ char *path = php_config_socket(r, "status", s->running_generation);
    const struct fcgi_param params[] = {
        {"REQUEST_METHOD", "GET"},      {"SCRIPT_NAME", "/status"},
        {"SCRIPT_FILENAME", "/status"}, {"QUERY_STRING", "json"},
        {"REQUEST_URI", "/status"},     {"SERVER_PROTOCOL", "HTTP/1.1"},
        {"CONTENT_LENGTH", "0"},        {NULL, NULL},
    };
    struct local_addr where = {.path = path};
    _cleanup_(fcgi_answer_done) struct fcgi_answer a = {0};
    int rc = fcgi_get(&where, params, 16384, 1000, &a, e);
    if (rc == 0 && a.status != 200) {
        rc = err_set(e, ERR_FAILED, "status %d", a.status);
    }
    rc = rc < 0 ? rc : json_parse(a.body.data, a.body.len, 16384, ret, e);
    return rc < 0 ? err_wrap(e, rc, "php-fpm does not answer") : 0;
}

static int fpm_check(struct role_engine *r, struct err *e)
{
    _cleanup_json_ json_t *status = NULL;
    return fpm_status(r, &status, e);
}

static int fpm_busy(struct role_engine *r)
{
    _cleanup_json_ json_t *status = NULL;
    if (fpm_status(r, &status, NULL) < 0) {
        return 0;
    }
    return (int)(json_int(status, "active processes", 0) + json_int(status, "listen queue", 0));
}

static int fpm_metrics(struct role_engine *r, json_t *out)
{
    static const char *const names[][2] = {
        {"accepted conn", "requests"},    {"active processes", "active"},
        {"listen queue", "queue"},        {"slow requests", "slow"},
        {"total processes", "processes"}, {"max children reached", "saturated"},
    };
    _cleanup_json_ json_t *status = NULL;
    int rc = fpm_status(r, &status, NULL);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(names); i++) {
        json_object_set_new(out, names[i][1], json_integer(json_int(status, names[i][0], 0)));
    }
    return rc;
}

/* ---- trying a version ---- */

/* The first lines that say what went wrong, on one line. */
static char *fpm_evidence(const struct fcgi_answer *a)
{
    struct buf out = {0};
    const char *from = a->errors.len ? a->errors.data : a->body.data;
    buf_addf(&out, "HTTP status %d", a->status);
    for (size_t i = 0, n = 0; from && from[i] && n < 180; i++) {
        if (i == 0) {
            buf_adds(&out, ": ");
        }
        unsigned char c = (unsigned char)from[i];
        if (c >= 0x20 && c != 0x7f) {
            buf_addc(&out, from[i]);
            n++;
        } else if (out.data[out.len - 1] != ' ') {
            buf_addc(&out, ' ');
        }
    }
    return buf_take(&out);
}

static bool fpm_is_fatal(const struct fcgi_answer *a)
{
    static const char *const words[] = {"PHP Fatal error", "PHP Parse error", "PHP Compile error",
                                        "PHP Core error"};
    for (size_t i = 0; a->errors.data && i < ARRAY_LEN(words); i++) {
        if (strstr(a->errors.data, words[i])) {
            return true;
        }
    }
    return a->status >= 500;
}

/* One that has just been started, or ended a moment ago, answers soon. */
static void fpm_await(struct role_engine *r)
{
    int64_t end = clock_mono_ms() + PROBE_AWAIT_MS;
    while (fpm_check(r, NULL) < 0 && clock_mono_ms() < end) {
        struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
}

static int fpm_try_script(struct role_engine *r, const char *root, const char *script, struct err *e)
{
    fpm_await(r);
    _cleanup_free_ char *path = php_config_socket(r, "probe", state_of(r)->running_generation);
    const struct fcgi_param params[] = {
        {"REQUEST_METHOD", "GET"},        {"SCRIPT_NAME", "/index.php"}, {"SCRIPT_FILENAME", script},
        {"DOCUMENT_ROOT", root},          {"REQUEST_URI", "/"},          {"QUERY_STRING", ""},
        {"SERVER_PROTOCOL", "HTTP/1.1"},  {"SERVER_NAME", "localhost"},  {"SERVER_PORT", "80"},
        {"REMOTE_ADDR", "127.0.0.1"},     {"HTTP_HOST", "localhost"},    {"HTTP_USER_AGENT", "conpaas-probe"},
        {"GATEWAY_INTERFACE", "CGI/1.1"}, {"CONTENT_LENGTH", "0"},       {NULL, NULL},
    };
    struct local_addr where = {.path = path};
    _cleanup_(fcgi_answer_done) struct fcgi_answer a = {0};
    int rc = fcgi_get(&where, params, 8192, PROBE_TIMEOUT_MS, &a, e);
    if (rc < 0) {
        return err_wrap(e, rc, "/index.php gives no answer");
    }
    if (fpm_is_fatal(&a)) {
        _cleanup_free_ char *evidence = fpm_evidence(&a);
        return err_set(e, ERR_FAILED, "%s", evidence);
    }
    return 0;
}

static int fpm_try_version(struct role_engine *r, int64_t version, struct err *e)
{
    _cleanup_free_ char *root = str_printf("%s/%lld", r->code_dir, (long long)version);
    _cleanup_free_ char *script = str_printf("%s/index.php", root), *page = str_printf("%s/index.html", root);
    if (!fs_exists(root)) {
        return err_set(e, ERR_NOT_FOUND, "version %lld is not staged here", (long long)version);
    }
    if (fs_exists(script)) {
        return fpm_try_script(r, root, script, e);
    }
    if (!fs_exists(page)) {
        (void)err_set(e, 0, "the version has neither index.php nor index.html: \"/\" will be answered 404");
    }
    return 0;
}

static void fpm_forget(struct role_engine *r)
{
    struct fpm_state *s = r->state;
    if (s) {
        listener_close(&s->listener);
        free(s->text);
        free(s->running);
        free(s->former);
        free(s);
        r->state = NULL;
    }
}

static const char *const fpm_logs[] = {"-access.log", "-error.log", "-php.log", "-slow.log", NULL};

const struct role_driver role_php_fpm = {
    .name = "php_fpm",
    .stop_signal = SIGQUIT,
    .stop_timeout_ms = 125000,
    .logs = fpm_logs,
    .user_code = true,
    .overlap = true,
    .configure = fpm_configure,
    .command = fpm_command,
    .undo = fpm_undo,
    .check = fpm_check,
    .busy = fpm_busy,
    .try_version = fpm_try_version,
    .metrics = fpm_metrics,
    .release = fpm_release,
    .forget = fpm_forget,
};
