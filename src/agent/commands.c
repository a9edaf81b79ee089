/*
 * Commands of documents, each at most once (K rules): scripts of the code version, or hooks of role drivers.  A
 * thread a running command; the journal says RUNNING before it starts and STOPPED when it is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "agent/agent.h"
#include "agent/threads.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"

#define SCRIPT_USER "www-data"

static const struct log_ctx here = {.logger = "agent.commands"};

/* A command under way; in the agent's list until it is over. */
struct script {
    struct agent *agent;
    struct script *next;
    char id[48], kind[16], parameters[PARAMETERS_MAX];
    bool alone;
    pid_t pid; /* 0: a driver runs it */
    int interrupts;
    struct role_engine engine; /* the driver's copy */
    int stop_fd;               /* the driver is to end it */
};

static bool runs(const struct agent *a, bool alone)
{
    for (const struct script *s = a->scripts; s; s = s->next) {
        if (!alone || s->alone) {
            return true;
        }
    }
    return false;
}

static void forget(struct agent *a, struct script *s)
{
    pthread_mutex_lock(&a->lock);
    for (struct script **p = &a->scripts; *p; p = &(*p)->next) {
        if (*p == s) {
            *p = s->next;
            break;
        }
    }
    pthread_cond_broadcast(&a->change);
    pthread_mutex_unlock(&a->lock);
    engine_copy_done(&s->engine);
    closep(&s->stop_fd);
    free(s);
}

static int wait_for_process(const struct script *s)
{
    int status = 0;
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + (WTERMSIG(status) & 127);
}

static int run_in_driver(const struct script *s, char **ret_text)
{
    _cleanup_err_ struct err e = {0};
    _cleanup_free_ char *dir = str_printf("%s/command-XXXXXX", s->agent->state_dir);
    struct role_run x = {
        .id = s->id, .kind = s->kind, .parameters = s->parameters, .dir = dir, .stop_fd = s->stop_fd};
    int r = mkdtemp(dir) ? 0 : err_errno(&e, errno, "%s", dir);
    if (r == 0) {
        r = s->engine.driver->run_command(&s->engine, &x, &e);
        (void)!fs_remove_tree(dir, NULL);
    }
    *ret_text = xstrdup(r < 0 ? e.message : x.text);
    return r < 0 ? 1 : 0;
}

/* The end of a command; then what had to wait for it may start. */
static void *script_thread(void *arg)
{
    struct script *s = arg;
    struct agent *a = s->agent;
    _cleanup_err_ struct err e = {0};
    _cleanup_free_ char *text = NULL;
    int rc = s->pid ? wait_for_process(s) : run_in_driver(s, &text);
    if (journal_end(a->journal, s->id, rc, text, &e) < 0) {
        log_warn(&here, "%s: %s", s->id, e.message);
    }
    log_info(&here, "%s ended, code %d%s%s", s->id, rc, text && text[0] ? ": " : "", text ? text : "");
    forget(a, s);
    pthread_mutex_lock(&a->lock);
    _cleanup_json_ json_t *document = a->stopping ? NULL : json_incref(a->applied);
    pthread_mutex_unlock(&a->lock);
    agent_changed(a);
    if (document) {
        commands_start(a, document);
    }
    return NULL;
}

/* KIND.sh of the newest version of the document. Caller frees. */
static char *script_path(const struct agent *a, const json_t *document, const char *kind)
{
    int64_t newest = 0;
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(document, "artifacts"), i, v)
    {
        int64_t version = json_int(v, "version", 0);
        newest = version > newest ? version : newest;
    }
    return str_printf("%s/%lld/%lld/%s.sh", a->code_root, (long long)json_int(document, "service", 0),
                      (long long)newest, kind);
}

static int start_process(struct agent *a, const json_t *document, struct script *s, struct err *e)
{
    _cleanup_free_ char *path = script_path(a, document, s->kind);
    _cleanup_free_ char *log = str_printf("%s/script-%s.log", a->log_dir, s->kind);
    _cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    _cleanup_free_ char *env_args = str_printf("CONPAAS_PARAMETERS=%s", s->parameters);
    _cleanup_free_ char *env_id = str_printf("CONPAAS_COMMAND=%s", s->id);
    _cleanup_close_ int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool x = access(path, X_OK) == 0;
    /* Archives made elsewhere than on Unix have no execute bits. */
    const char *const argv[] = {x ? path : "/bin/sh", x ? NULL : path, NULL};
    const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                               "LANG=C.UTF-8", env_args, env_id, NULL};
    struct passwd pw, *user = NULL;
    char room[4096];
    if (out < 0) {
        return err_errno(e, errno, "%s", log);
    }
    if (getpwnam_r(SCRIPT_USER, &pw, room, sizeof(room), &user) != 0 || !user) {
        return err_set(e, ERR_NOT_FOUND, "there is no user " SCRIPT_USER);
    }
    const struct proc_spec spec = {.argv = argv,
                                   .env = env,
                                   .dir = dir,
                                   .uid = geteuid() == 0 ? pw.pw_uid : 0,
                                   .gid = geteuid() == 0 ? pw.pw_gid : 0,
                                   .in = -1,
                                   .out = out,
                                   .err = out,
                                   .new_group = true};
    return proc_start(&spec, &s->pid, e);
}

static int take_engine(struct agent *a, const char *driver, struct script *s, struct err *e)
{
    for (int i = 0; i < a->n_engines; i++) {
        const struct role_driver *d = engine_driver(a->engines[i].engine);
        if (str_eq(d->name, driver) && d->run_command) {
            engine_copy(a->engines[i].engine, &s->engine);
            s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            return s->stop_fd < 0 ? err_errno(e, errno, "eventfd") : 0;
        }
    }
    return err_set(e, ERR_NOT_FOUND, "there is no %s here that could %s", driver, s->kind);
}

static struct script *script_new(struct agent *a, const json_t *command)
{
    struct script *s = xcalloc(1, sizeof(*s));
    s->agent = a;
    s->stop_fd = -1;
    s->alone = str_eq(json_str(command, "rule", ""), "alone");
    (void)str_copy(s->id, sizeof(s->id), json_str(command, "id", ""));
    (void)str_copy(s->kind, sizeof(s->kind), json_str(command, "kind", ""));
    (void)str_copy(s->parameters, sizeof(s->parameters), json_str(command, "parameters", ""));
    return s;
}

/* With the lock: the journal says RUNNING, then the process starts, then its thread. */
static void start_script(struct agent *a, const json_t *document, const json_t *command)
{
    _cleanup_err_ struct err e = {0};
    struct script *s = script_new(a, command);
    const char *driver = json_str(command, "driver", NULL);
    bool begun = false;
    pthread_t t;
    int r = journal_begin(a->journal, s->id, s->kind, CMD_RUNNING, &e);
    begun = r == 0;
    if (r == 0 && json_flag(command, "again", false)) {
        r = journal_allow_again(a->journal, s->id, &e);
    }
    if (r == 0) {
        r = driver ? take_engine(a, driver, s, &e) : start_process(a, document, s, &e);
    }
    if (r == 0) {
        s->next = a->scripts;
        a->scripts = s;
        r = threads_start(&t, script_thread, s, &e);
        if (r == 0) {
            pthread_detach(t);
            return;
        }
        a->scripts = s->next;
        if (s->pid) {
            (void)kill(-s->pid, SIGKILL);
            (void)waitpid(s->pid, NULL, 0);
        }
    }
    if (begun) {
        (void)!journal_end(a->journal, s->id, 127, e.message, NULL);
    }
    log_warn(&here, "%s: %s", s->id, e.message);
    engine_copy_done(&s->engine);
    closep(&s->stop_fd);
    free(s);
}

static void end_early(struct script *s, int signal)
{
    if (s->pid) {
        (void)kill(-s->pid, signal);
    } else {
        (void)eventfd_write(s->stop_fd, 1);
    }
}

/* K4: the first asks the process groups to end, a second one kills them. */
static void interrupt(struct agent *a, const char *id, const char *kind)
{
    _cleanup_err_ struct err e = {0};
    if (journal_begin(a->journal, id, kind, CMD_RUNNING, &e) < 0) {
        return;
    }
    for (struct script *s = a->scripts; s; s = s->next) {
        end_early(s, s->interrupts++ == 0 ? SIGTERM : SIGKILL);
    }
    (void)!journal_end(a->journal, id, 0, NULL, NULL);
}

/* It becomes part of a path. */
static bool kind_is_good(const char *kind)
{
    return kind[0] && strspn(kind, "abcdefghijklmnopqrstuvwxyz_") == strlen(kind);
}

/* With the lock. */
static void consider(struct agent *a, const json_t *document, const json_t *command)
{
    const char *id = json_str(command, "id", ""), *kind = json_str(command, "kind", "");
    const char *rule = json_str(command, "rule", "");
    int rc;
    if (!id[0] || !kind_is_good(kind) || journal_state(a->journal, id, &rc) != CMD_NONE) {
        return;
    }
    if (str_eq(rule, "interrupts")) {
        interrupt(a, id, kind);
    } else if (str_eq(rule, "exclusive") && runs(a, false) && !runs(a, true)) {
        (void)!journal_begin(a->journal, id, kind, CMD_REFUSED, NULL);
    } else if (!runs(a, true) && !(str_eq(rule, "alone") && runs(a, false))) {
        start_script(a, document, command); /* else: later, when what runs is over (K3) */
    }
}

/* What a driver still does and nobody wants any more: its operation was cancelled. With the lock. */
static void end_cancelled(struct agent *a, const json_t *commands)
{
    for (struct script *s = a->scripts; s; s = s->next) {
        bool listed = s->pid != 0;
        for (size_t i = 0; i < json_array_size(commands) && !listed; i++) {
            listed = str_eq(json_str(json_array_get(commands, i), "id", ""), s->id);
        }
        if (!listed) {
            end_early(s, SIGTERM);
        }
    }
}

void commands_start(struct agent *a, const json_t *document)
{
    const json_t *commands = json_object_get(document, "cmds");
    size_t i;
    json_t *command;
    pthread_mutex_lock(&a->lock);
    end_cancelled(a, commands);
    json_array_foreach(commands, i, command)
    {
        consider(a, document, command);
    }
    pthread_mutex_unlock(&a->lock);
    if (json_array_size(commands) > 0) {
        agent_changed(a);
    }
}

void commands_stop(struct agent *a)
{
    pthread_mutex_lock(&a->lock);
    for (struct script *s = a->scripts; s; s = s->next) {
        end_early(s, SIGKILL);
    }
    while (a->scripts) {
        pthread_cond_wait(&a->change, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
}
