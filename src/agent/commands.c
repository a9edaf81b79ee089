/*
 * Commands of documents, each at most once (K rules): scripts of the code version, or hooks of role drivers.  A
 * thread a running command; the journal says RUNNING before it starts and STOPPED when it is over.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "agent/agent.h"
#include "agent/script.h"
#include "agent/threads.h"
#include "base/fs.h"
#include "base/log.h"

#define KILLED (128 + SIGKILL)

static const struct log_ctx here = {.logger = "agent.commands"};

enum rule { BESIDE, ALONE, EXCLUSIVE, INTERRUPTS };

/* A command under way; in the agent's list until it is over. */
struct script {
    struct agent *agent;
    struct script *next;
    char id[48], kind[16], parameters[PARAMETERS_MAX];
    enum rule rule;
    json_t *document;             /* that asked for it */
    pid_t pid;                    /* of the script while it runs; 0: not yet, or a driver runs it */
    struct script_process output; /* of a script that has ended */
    int interrupts;
    struct role_engine engine; /* the driver's copy */
    int stop_fd;               /* the driver is to end it; -1: it is a script */
};

static bool runs(const struct agent *a, int rule)
{
    for (const struct script *s = a->scripts; s; s = s->next) {
        if (rule < 0 || (int)s->rule == rule) {
            return true;
        }
    }
    return false;
}

static void script_free(struct script *s)
{
    engine_copy_done(&s->engine);
    closep(&s->stop_fd);
    json_decref(s->document);
    free(s);
}

/* Out of the list: what had to wait may start. */
static void leave(struct script *s)
{
    struct agent *a = s->agent;
    pthread_mutex_lock(&a->lock);
    for (struct script **p = &a->scripts; *p; p = &(*p)->next) {
        if (*p == s) {
            *p = s->next;
            break;
        }
    }
    pthread_cond_broadcast(&a->change);
    _cleanup_json_ json_t *document = a->stopping ? NULL : json_incref(a->applied);
    pthread_mutex_unlock(&a->lock);
    agent_changed(a);
    if (document) {
        commands_start(a, document);
    }
}

/* ---- drivers ---- */

static int take_engine(struct script *s, const char *driver, struct err *e)
{
    struct agent *a = s->agent;
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

/* ---- scripts ---- */

/* With the lock. */
static void end_early(struct script *s, int signal)
{
    if (s->stop_fd >= 0) {
        (void)eventfd_write(s->stop_fd, 1);
    } else if (s->pid > 0) {
        (void)kill(-s->pid, signal);
    }
}

/* All but `but`; those that have been asked before are killed. */
static void end_others(struct agent *a, const struct script *but, bool kill_all)
{
    pthread_mutex_lock(&a->lock);
    for (struct script *s = a->scripts; s; s = s->next) {
        if (s != but) {
            end_early(s, s->interrupts++ > 0 || kill_all ? SIGKILL : SIGTERM);
        }
    }
    pthread_mutex_unlock(&a->lock);
}

static bool others_run(struct agent *a, const struct script *but)
{
    pthread_mutex_lock(&a->lock);
    bool run = false;
    for (const struct script *s = a->scripts; s; s = s->next) {
        run = run || s != but;
    }
    pthread_mutex_unlock(&a->lock);
    return run;
}

/* A version begins: nothing of the one before stays. False when the agent ends meanwhile. */
static bool end_former(struct script *s)
{
    struct agent *a = s->agent;
    bool goes_on = true;
    end_others(a, s, false);
    while ((goes_on = script_end_left(a)) &&
           others_run(a, s)) { /* the running ones too: they bear the same mark */
        struct pollfd end = {.fd = a->stop_fd, .events = POLLIN};
        (void)poll(&end, 1, 50);
    }
    return goes_on;
}

/* An exit code. */
static int run_script(struct script *s, char **ret_text)
{
    struct agent *a = s->agent;
    _cleanup_err_ struct err e = {0};
    struct script_process p = {.pid = 0};
    if (s->rule == ALONE && !end_former(s)) {
        return -1;
    }
    int r = s->id[0] ? script_start(a, s->document, s->id, s->kind, s->parameters, &p, &e)
                     : script_set_version(a, json_int(s->document, "service", 0),
                                          json_int(json_object_get(s->document, "team"), "version", 0), &e);
    if (r < 0 || p.pid == 0) {
        *ret_text = r < 0 ? xstrdup(e.message) : NULL;
        return r < 0 ? 127 : 0; /* a script that is not there has nothing to do */
    }
    pthread_mutex_lock(&a->lock);
    s->pid = p.pid;
    if (s->interrupts > 0 || a->stopping) {
        end_early(s, SIGKILL);
    }
    pthread_mutex_unlock(&a->lock);
    int rc = script_wait(&p);
    pthread_mutex_lock(&a->lock);
    s->pid = 0;
    pthread_mutex_unlock(&a->lock);
    script_note_ended(a, s->kind, p.pid);
    s->output = p;
    return rc;
}

/* K4: all that is still alive is asked to end; who has been asked before and is still there is killed. */
static void end_left(struct agent *a, const struct script *but)
{
    end_others(a, but, false);
    (void)script_signal_left(a, a->left_asked ? SIGKILL : SIGTERM, false);
    a->left_asked = true;
}

/* A command from its begin to its end; then what had to wait for it may start. */
static void *script_thread(void *arg)
{
    struct script *s = arg;
    struct agent *a = s->agent;
    _cleanup_err_ struct err e = {0};
    _cleanup_free_ char *text = NULL;
    int rc = s->stop_fd >= 0 ? run_in_driver(s, &text) : run_script(s, &text);
    if (s->rule == INTERRUPTS && rc != KILLED) {
        end_left(a, s);
    }
    if (s->id[0] && journal_end(a->journal, s->id, rc, text, &e) < 0) {
        log_warn(&here, "%s: %s", s->id, e.message);
    }
    log_info(&here, "%s ended, code %d%s%s", s->id[0] ? s->id : "change of version", rc,
             text && text[0] ? ": " : "", text ? text : "");
    leave(s);
    if (s->output.pid > 0) {
        script_finish(&s->output);
    }
    script_free(s);
    return NULL;
}

/* ---- what to start ---- */

static enum rule rule_of(const json_t *command)
{
    static const char *const words[] = {
        [BESIDE] = "beside", [ALONE] = "alone", [EXCLUSIVE] = "exclusive", [INTERRUPTS] = "interrupts"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(json_str(command, "rule", ""), words[i])) {
            return (enum rule)i;
        }
    }
    return BESIDE;
}

static struct script *script_new(struct agent *a, const json_t *document, const json_t *command)
{
    struct script *s = xcalloc(1, sizeof(*s));
    s->agent = a;
    s->stop_fd = -1;
    s->rule = rule_of(command);
    s->document = json_incref((json_t *)document);
    (void)str_copy(s->id, sizeof(s->id), json_str(command, "id", ""));
    (void)str_copy(s->kind, sizeof(s->kind), json_str(command, "kind", ""));
    (void)str_copy(s->parameters, sizeof(s->parameters), json_str(command, "parameters", ""));
    return s;
}

/* With the lock. */
static int start_thread(struct script *s, struct err *e)
{
    struct agent *a = s->agent;
    pthread_t t;
    s->next = a->scripts;
    a->scripts = s;
    int r = threads_start(&t, script_thread, s, e);
    if (r < 0) {
        a->scripts = s->next;
        return r;
    }
    pthread_detach(t);
    return 0;
}

/* With the lock: the journal says RUNNING, then its thread starts. */
static void start_command(struct agent *a, const json_t *document, const json_t *command)
{
    _cleanup_err_ struct err e = {0};
    struct script *s = script_new(a, document, command);
    const char *driver = json_str(command, "driver", NULL);
    int r = journal_begin(a->journal, s->id, s->kind, CMD_RUNNING, &e);
    bool begun = r == 0;
    a->left_asked = a->left_asked && s->rule == INTERRUPTS;
    if (r == 0 && json_flag(command, "again", false)) {
        r = journal_allow_again(a->journal, s->id, &e);
    }
    r = r == 0 && driver ? take_engine(s, driver, &e) : r;
    r = r == 0 ? start_thread(s, &e) : r;
    if (r == 0) {
        return;
    }
    if (begun) {
        (void)!journal_end(a->journal, s->id, 127, e.message, NULL);
    }
    log_warn(&here, "%s: %s", s->id, e.message);
    script_free(s);
}

/* K4: while interrupt.sh runs, another one kills everything at once. With the lock; it is given up for a moment. */
static void kill_everything(struct agent *a, const char *id, const char *kind)
{
    if (journal_begin(a->journal, id, kind, CMD_RUNNING, NULL) < 0) {
        return;
    }
    for (struct script *s = a->scripts; s; s = s->next) {
        s->interrupts++;
        end_early(s, SIGKILL);
    }
    pthread_mutex_unlock(&a->lock);
    (void)script_signal_left(a, SIGKILL, false);
    pthread_mutex_lock(&a->lock);
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
    enum rule rule = rule_of(command);
    int rc;
    if (!id[0] || !kind_is_good(kind) || a->stopping || journal_state(a->journal, id, &rc) != CMD_NONE) {
        return;
    }
    if (rule == INTERRUPTS && runs(a, INTERRUPTS)) {
        kill_everything(a, id, kind);
    } else if (rule == EXCLUSIVE && runs(a, -1) && !runs(a, ALONE)) {
        (void)!journal_begin(a->journal, id, kind, CMD_REFUSED, NULL);
    } else if (rule == INTERRUPTS || !runs(a, ALONE)) {
        start_command(a, document, command); /* else: later, when what is alone is over (K3) */
    }
}

/* A version that was installed here before is current again: its init runs never twice, but what the other one left
 * goes all the same. With the lock. */
static void switch_version(struct agent *a, const json_t *document)
{
    const json_t *team = json_object_get(document, "team");
    int64_t version = json_int(team, "version", 0), now = script_version(a);
    _cleanup_free_ char *init = str_printf("init:%lld", (long long)version);
    _cleanup_err_ struct err e = {0};
    int rc;
    if (!team || version == 0 || now == 0 || now == version || runs(a, ALONE) || a->stopping ||
        journal_state(a->journal, init, &rc) == CMD_NONE) {
        return;
    }
    _cleanup_json_ json_t *command = json_pack("{s:s, s:s}", "kind", "switch", "rule", "alone");
    struct script *s = script_new(a, document, command);
    if (start_thread(s, &e) < 0) {
        log_warn(&here, "%s", e.message);
        script_free(s);
    }
}

/* What a driver still does and nobody wants any more: its operation was cancelled. With the lock. */
static void end_cancelled(struct agent *a, const json_t *commands)
{
    for (struct script *s = a->scripts; s; s = s->next) {
        bool listed = s->stop_fd < 0;
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
    switch_version(a, document);
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
        s->interrupts++;
        end_early(s, SIGKILL);
    }
    while (a->scripts) {
        pthread_cond_wait(&a->change, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
}
