/*
 * Waiting for a service's state.
 */
#include <ctype.h>
#include <errno.h>

#include "base/clock.h"
#include "cli/builtin.h"
#include "cli/follow.h"
#include "cli/print.h"
#include "cli/resolve.h"
#include "model/state.h"

struct waiting {
    struct cli *cli;
    struct progress *progress;
    const char *wanted; /* NULL: any that lasts */
    json_t *last;
    int64_t since;
};

static bool is_lasting(const char *state)
{
    return !str_eq(state, "PROLOGUE") && !str_eq(state, "ADAPTING") && !str_eq(state, "EPILOGUE");
}

static bool seen(void *arg, const json_t *item)
{
    struct waiting *w = arg;
    const char *state = json_str(item, "state", ""), *old = json_str(w->last, "state", NULL);
    int64_t now = clock_mono_ms();
    if (old && !str_eq(old, state)) {
        progress_step(w->progress, old, true, now - w->since);
        w->since = now;
    }
    json_decref(w->last);
    w->last = json_incref((json_t *)item);
    progress_active(w->progress, state, w->since);
    return w->wanted ? str_eq(state, w->wanted) || str_eq(state, "ERROR") : is_lasting(state);
}

static int report(struct waiting *w, struct err *e)
{
    const char *state = json_str(w->last, "state", ""), *name = json_str(w->last, "name", "");
    if (w->wanted && !str_eq(w->wanted, state)) {
        if (w->cli->json) {
            cli_print_json(w->cli, w->last);
        }
        cli_note(w->cli, "%s %s is in ERROR", term_mark(&w->cli->term, false), name);
        follow_why(w->cli, json_int(w->last, "id", 0), json_str(w->last, "error", "no reason was given"));
        return err_exit_code(ERR_FAILED);
    }
    if (w->cli->json) {
        cli_print_json(w->cli, w->last);
        return 0;
    }
    const char *url = json_str(w->last, "url", NULL);
    if (url || w->cli->quiet) {
        fprintf(w->cli->term.out, "%s\n", url && str_eq(state, "RUNNING") ? url : state);
    } else {
        fprintf(w->cli->term.out, "%s is %s\n", name, state);
    }
    return 0;
}

/* "running" is RUNNING; NULL: no state. */
static char *state_word(const char *text)
{
    char *word = xstrdup(text);
    for (char *c = word; *c; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    if (service_state_from_str(word) < 0 && !str_eq(word, "STABLE")) {
        free(word);
        word = NULL;
    }
    return word;
}

/* What it is now tells more than that nobody waits any longer. */
static int fail_late(const struct waiting *w, int r, struct err *e)
{
    const char *name = json_str(w->last, "name", NULL), *state = json_str(w->last, "state", "");
    const char *why = r == -EINTR ? "stopped waiting" : "the time is up";
    if (!name || (r != -EINTR && r != ERR_TIMEOUT)) {
        return r;
    }
    return w->wanted ? err_set(e, r, "%s is %s, not %s: %s", name, state, w->wanted, why)
                     : err_set(e, r, "%s is still %s: %s", name, state, why);
}

int wait_run(struct cli *cli, char *const *words, struct err *e)
{
    static const char *const names[] = {"state", NULL};
    const char *state = "RUNNING", *name = NULL;
    int r = builtin_options(words, names, &state, &name, 1, e);
    if (r < 0) {
        return r;
    }
    if (!name) {
        return err_set_hint(e, ERR_INVALID, "conpaas wait SERVICE --state RUNNING", "SERVICE is missing");
    }
    _cleanup_free_ char *word = state_word(state);
    if (!word) {
        return err_set_hint(e, ERR_INVALID, "RUNNING, STOPPED, INIT, ERROR or stable",
                            "there is no state \"%.40s\"", state);
    }
    struct waiting w = {.cli = cli, .wanted = str_eq(word, "STABLE") ? NULL : word, .since = clock_mono_ms()};
    _cleanup_(progress_freep) struct progress *p = w.progress = progress_new(cli);
    struct follow f = {.object = "service", .show_call = "service.show", .seen = seen, .arg = &w};
    r = resolve(cli, THING_SERVICE, name, 0, &f.id, e);
    _cleanup_json_ json_t *service = NULL;
    _cleanup_json_ json_t *args = json_pack("{s:I}", "service", (json_int_t)f.id);
    r = r < 0 ? r : cli_call(cli, "service.show", args, &service, e);
    f.app = json_int(service, "app", 0);
    r = r < 0 ? r : follow_run(cli, p, &f, e);
    progress_active(p, NULL, 0);
    r = r < 0 ? fail_late(&w, r, e) : report(&w, e);
    json_decref(w.last);
    return r;
}
