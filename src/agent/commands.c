/*
 * Commands of documents: scripts of the code version, each at most once (K rules).  A thread a running
 * script; the journal says RUNNING before it starts and STOPPED when it is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>

#include "agent/agent.h"
#include "agent/threads.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"

#define SCRIPT_USER "www-data"

static const struct log_ctx here = {.logger = "agent.commands"};

/* A script under way; in the agent's list until it is over. */
struct script {
    struct agent *agent;
    struct script *next;
    char id[48], kind[16];
    pid_t pid;
    int interrupts;
};

static bool runs(const struct agent *a, const char *kind)
{
    for (const struct script *s = a->scripts; s; s = s->next) {
        if (!kind || str_eq(s->kind, kind)) {
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
    free(s);
}

/* The end of a script; then what had to wait for it may start. */
static void *script_thread(void *arg)
{
    struct script *s = arg;
    struct agent *a = s->agent;
    _cleanup_err_ struct err e = {0};
    int status = 0;
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR) {
    }
    int rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + (WTERMSIG(status) & 127);
    if (journal_end(a->journal, s->id, rc, &e) < 0) {
        log_warn(&here, "%s: %s", s->id, e.message);
    }
    log_info(&here, "%s ended, code %d", s->id, rc);
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

static int start_process(struct agent *a, const json_t *document, const json_t *command, struct script *s,
                         struct err *e)
{
    _cleanup_free_ char *path = script_path(a, document, s->kind);
    _cleanup_free_ char *log = str_printf("%s/script-%s.log", a->log_dir, s->kind);
    _cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    const json_t *args = json_object_get(command, "args");
    _cleanup_free_ char *text = json_is_object(args) ? json_text(args) : xstrdup("{}");
    _cleanup_free_ char *env_args = str_printf("CONPAAS_ARGS=%s", text);
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

/* With the lock: the journal says RUNNING, then the process starts, then its thread. */
static void start_script(struct agent *a, const json_t *document, const json_t *command)
{
    _cleanup_err_ struct err e = {0};
    struct script *s = xcalloc(1, sizeof(*s));
    pthread_t t;
    s->agent = a;
    (void)str_copy(s->id, sizeof(s->id), json_str(command, "id", ""));
    (void)str_copy(s->kind, sizeof(s->kind), json_str(command, "kind", ""));
    int r = journal_begin(a->journal, s->id, s->kind, CMD_RUNNING, &e);
    if (r == 0 && (r = start_process(a, document, command, s, &e)) < 0) {
        (void)!journal_end(a->journal, s->id, 127, NULL);
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
        (void)kill(-s->pid, SIGKILL);
        (void)waitpid(s->pid, NULL, 0);
        (void)!journal_end(a->journal, s->id, -1, NULL);
    }
    log_warn(&here, "%s: %s", s->id, e.message);
    free(s);
}

/* K4: the first asks the process groups to end, a second one kills them. */
static void interrupt(struct agent *a, const char *id)
{
    _cleanup_err_ struct err e = {0};
    if (journal_begin(a->journal, id, "interrupt", CMD_RUNNING, &e) < 0) {
        return;
    }
    for (struct script *s = a->scripts; s; s = s->next) {
        (void)kill(-s->pid, s->interrupts++ == 0 ? SIGTERM : SIGKILL);
    }
    (void)!journal_end(a->journal, id, 0, NULL);
}

static bool kind_is_good(const char *kind)
{
    static const char *const kinds[] = {"init", "notify", "run", "interrupt", "cleanup"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq(kind, kinds[i])) {
            return true;
        }
    }
    return false;
}

/* With the lock. */
static void consider(struct agent *a, const json_t *document, const json_t *command)
{
    const char *id = json_str(command, "id", ""), *kind = json_str(command, "kind", "");
    bool exclusive = str_eq(kind, "run") || str_eq(kind, "cleanup");
    int rc;
    if (!id[0] || journal_state(a->journal, id, &rc) != CMD_NONE) {
        return;
    }
    if (str_eq(kind, "interrupt")) {
        interrupt(a, id);
    } else if (!kind_is_good(kind) || (exclusive && runs(a, NULL) && !runs(a, "init"))) {
        (void)!journal_begin(a->journal, id, kind_is_good(kind) ? kind : "unknown", CMD_REFUSED, NULL);
    } else if (!runs(a, "init") && !(str_eq(kind, "init") && runs(a, NULL))) {
        start_script(a, document, command); /* else: later, when what runs is over (K3) */
    }
}

void commands_start(struct agent *a, const json_t *document)
{
    size_t i;
    json_t *command;
    if (json_array_size(json_object_get(document, "cmds")) == 0) {
        return;
    }
    pthread_mutex_lock(&a->lock);
    json_array_foreach(json_object_get(document, "cmds"), i, command)
    {
        consider(a, document, command);
    }
    pthread_mutex_unlock(&a->lock);
    agent_changed(a);
}

void commands_stop(struct agent *a)
{
    pthread_mutex_lock(&a->lock);
    for (struct script *s = a->scripts; s; s = s->next) {
        (void)kill(-s->pid, SIGKILL);
    }
    while (a->scripts) {
        pthread_cond_wait(&a->change, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
}
