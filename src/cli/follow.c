#include "cli/follow.h"

#include <errno.h>

#include "api/encode.h"
#include "base/clock.h"
#include "cli/watch.h"

#define ASK_EVERY_MS 15000
#define AGAIN_MS 500
#define IDLE_MS 60000

struct state {
    struct cli *cli;
    struct progress *progress;
    const struct follow *f;
    int64_t after; /* last history line that was seen; -1 = none */
    bool ended, away;
};

/* ---- one event ---- */

static int on_event(void *arg, const char *event, const char *id, const char *data)
{
    struct state *s = arg;
    _cleanup_json_ json_t *j = NULL;
    if (!event || json_parse(data, strlen(data), 1 << 20, &j, NULL) < 0) {
        return 0;
    }
    int64_t item = json_int(j, "id", 0);
    if (str_eq(event, "history")) {
        s->after = item > s->after ? item : s->after;
        if (s->f->history) {
            s->f->history(s->f->arg, j);
        }
    } else if (str_eq(event, s->f->object) && item == s->f->id) {
        s->ended = s->f->seen(s->f->arg, j);
    } else if (str_eq(event, "gone") && item == s->f->id && str_eq(json_str(j, "kind", ""), s->f->object)) {
        s->ended = s->f->until_gone;
        return 1;
    }
    return s->ended;
}

/* ---- asking ---- */

static bool is_passing(int code)
{
    return code == ERR_UNAVAILABLE || code == ERR_TIMEOUT || code == ERR_RATE;
}

static int ask(struct state *s, struct err *e)
{
    _cleanup_json_ json_t *args = json_object();
    _cleanup_json_ json_t *item = NULL;
    json_object_set_new(args, s->f->object, json_integer(s->f->id));
    int r = cli_call(s->cli, s->f->show_call, args, &item, e);
    if (r == ERR_NOT_FOUND && s->f->until_gone) {
        s->ended = true;
        return 0;
    }
    if (r < 0) {
        return r;
    }
    s->ended = s->f->seen(s->f->arg, item);
    return 0;
}

static int listen(struct state *s, struct http_client *client, struct err *e)
{
    _cleanup_json_ json_t *args = json_pack("{s:I}", "app", (json_int_t)s->f->app);
    if (s->after >= 0) {
        json_object_set_new(args, "after", json_integer(s->after));
    }
    _cleanup_call_request_ struct call_request req = {.method = NULL};
    int r = call_encode(call_find("app.events"), args, &req, e);
    return r < 0 ? r : http_events(client, req.path, IDLE_MS, on_event, s, e);
}

/* A director that cannot be reached is worth a word, once. */
static int tell_away(struct state *s, int r)
{
    if (r < 0 && is_passing(r) && !s->away) {
        s->away = true;
        progress_note(s->progress, "the director does not answer; the change goes on, trying again");
    } else if (r == 0 && s->away) {
        s->away = false;
        progress_note(s->progress, "the director answers again");
    }
    return r < 0 && is_passing(r) ? 0 : r;
}

static int fail_late(const struct state *s, bool signalled, struct err *e)
{
    if (signalled) {
        return err_set(e, -EINTR, "stopped waiting; it goes on");
    }
    return err_set(e, ERR_TIMEOUT, "stopped waiting, the time is up; it goes on");
}

int follow_run(struct cli *cli, struct progress *p, const struct follow *f, struct err *e)
{
    struct state s = {.cli = cli, .progress = p, .f = f, .after = -1};
    _cleanup_(http_client_freep) struct http_client *stream = NULL;
    int r = cli_connect(cli, &stream, e);
    if (r < 0) {
        return r;
    }
    int64_t deadline = clock_mono_ms() + (cli->timeout_ms ? cli->timeout_ms : FOLLOW_TIMEOUT_MS);
    _cleanup_(watch_freep) struct watch *w = watch_new(stream, ASK_EVERY_MS, deadline, progress_tick, p);
    for (;;) {
        r = tell_away(&s, ask(&s, e));
        if (r < 0 || s.ended) {
            return r;
        }
        if (watch_signalled(w) || watch_expired(w)) {
            return fail_late(&s, watch_signalled(w), e);
        }
        watch_continue(w);
        _cleanup_err_ struct err stream_error = {0};
        r = listen(&s, stream, &stream_error);
        if (s.ended) {
            return 0;
        }
        bool ticked = r == ERR_UNAVAILABLE && strstr(stream_error.message, "interrupted");
        if (!ticked) {
            watch_pause(w, AGAIN_MS); /* ended or broken: not at once again */
        }
    }
}

/* ---- operations ---- */

struct op_state {
    struct cli *cli;
    struct progress *progress;
    json_t *op;
    size_t steps_shown;
    int64_t last_line; /* clock_mono_ms */
};

static bool is_over(const json_t *op)
{
    const char *state = json_str(op, "state", "ACTIVE");
    return !str_eq(state, "ACTIVE");
}

bool follow_repeats_end(const json_t *op, const char *text)
{
    return str_eq(text, json_str(op, "why", NULL)) || strstr(text, ": FAILED") || strstr(text, ": CANCELLED");
}

/* Steps end in order; the first that runs is shown live. */
static void show_steps(struct op_state *s)
{
    const json_t *steps = json_object_get(s->op, "steps");
    for (; s->steps_shown < json_array_size(steps); s->steps_shown++) {
        const json_t *step = json_array_get(steps, s->steps_shown);
        const char *state = json_str(step, "state", "ACTIVE"), *title = json_str(step, "title", "");
        if (str_eq(state, "ACTIVE")) {
            progress_active(s->progress, title, s->last_line);
            return;
        }
        if (!follow_repeats_end(s->op, title)) {
            progress_step(s->progress, title, str_eq(state, "DONE"),
                          json_int(step, "ended", 0) - json_int(step, "started", 0));
        }
        s->last_line = clock_mono_ms();
    }
    progress_active(s->progress, json_str(s->op, "title", ""), s->last_line);
}

static bool op_seen(void *arg, const json_t *item)
{
    struct op_state *s = arg;
    json_decref(s->op);
    s->op = json_incref((json_t *)item);
    show_steps(s);
    return is_over(item);
}

/* Directors that tell no steps tell history. */
static void op_history(void *arg, const json_t *line)
{
    struct op_state *s = arg;
    bool own = json_int(line, "operation", 0) == json_int(s->op, "id", -1);
    bool of_app = !json_int(line, "operation", 0) && !json_int(line, "service", 0); /* the manager's node */
    const char *text = json_str(line, "text", "");
    if (json_array_size(json_object_get(s->op, "steps")) > 0 || (!own && !of_app) ||
        follow_repeats_end(s->op, text)) {
        return;
    }
    int64_t now = clock_mono_ms();
    progress_step(s->progress, text, !str_eq(json_str(line, "state", ""), "ERROR"), now - s->last_line);
    s->last_line = now;
}

/* "node 12" in a reason: the part that failed. */
static int64_t node_in(const char *why)
{
    const char *p = why;
    int64_t id = 0;
    while ((p = strstr(p, "node "))) {
        p += 5;
        _cleanup_free_ char *digits = xstrndup(p, strspn(p, "0123456789"));
        if (str_to_int(digits, 1, INT64_MAX, &id) == 0) {
            return id;
        }
    }
    return 0;
}

static void show_log(struct cli *cli, int64_t service, int64_t node)
{
    _cleanup_json_ json_t *log = NULL;
    _cleanup_json_ json_t *args = json_pack("{s:I,s:i}", "service", (json_int_t)service, "lines", 10);
    if (node) {
        json_object_set_new(args, "node", json_integer(node));
    }
    int r = cli_call(cli, "log.show", args, &log, NULL);
    if (r < 0 && node) { /* the node is gone, most likely: the manager saw it go */
        node = 0;
        json_object_del(args, "node");
        r = cli_call(cli, "log.show", args, &log, NULL);
    }
    if (r < 0) {
        return;
    }
    const char *text = json_str(log, "text", "");
    if (!*text) {
        return;
    }
    _cleanup_free_ char *of = node ? str_printf("node %lld", (long long)node) : xstrdup("the manager");
    cli_note(cli, "last log lines of %s:", of);
    char **lines = str_split(text, '\n');
    for (char **l = lines; *l; l++) {
        if (**l) {
            cli_note(cli, "    %s", *l);
        }
    }
    strv_free(lines);
}

void follow_why(struct cli *cli, int64_t service, const char *why)
{
    cli_warn(cli, "why: %s", why);
    if (service && !cli->quiet && !cli->json) {
        show_log(cli, service, node_in(why));
    }
}

static int end_operation(struct cli *cli, const json_t *op)
{
    const char *state = json_str(op, "state", ""), *title = json_str(op, "title", "operation");
    const struct term *t = &cli->term;
    int64_t took_ms = json_int(op, "ended", 0) - json_int(op, "created", 0);
    _cleanup_free_ char *took = term_duration(took_ms > 0 ? took_ms : 0);
    bool ok = str_eq(state, "DONE");
    if (ok) {
        cli_note(cli, "%s %s: done in %s", term_mark(t, true), title, took);
        if (json_str(op, "why", NULL)) {
            cli_note(cli, "note: %s", json_str(op, "why", ""));
        }
        return 0;
    }
    cli_note(cli, "%s %s: %s after %s", term_mark(t, false), title,
             str_eq(state, "FAILED") ? "failed" : "cancelled", took);
    follow_why(cli, str_eq(state, "FAILED") ? json_int(op, "service", 0) : 0,
               json_str(op, "why", "no reason was given"));
    return err_exit_code(ERR_FAILED);
}

int follow_operation(struct cli *cli, const json_t *op, json_t **ret_op, struct err *e)
{
    _cleanup_(progress_freep) struct progress *p = progress_new(cli);
    struct op_state s = {.cli = cli, .progress = p, .last_line = clock_mono_ms()};
    s.op = json_incref((json_t *)op);
    struct follow f = {.object = "operation",
                       .show_call = "operation.show",
                       .seen = op_seen,
                       .history = op_history,
                       .arg = &s};
    f.id = json_int(op, "id", 0);
    f.app = json_int(op, "app", 0);
    int r = is_over(op) ? 0 : follow_run(cli, p, &f, e);
    progress_active(p, NULL, 0);
    if (r < 0) {
        json_decref(s.op);
        if ((r == -EINTR || r == ERR_TIMEOUT) && e) {
            _cleanup_free_ char *hint = str_printf("conpaas operation show %lld", (long long)f.id);
            _cleanup_free_ char *message = xstrdup(e->message ? e->message : "");
            return err_set_hint(e, r, hint, "%s", message);
        }
        return r;
    }
    r = end_operation(cli, s.op);
    *ret_op = s.op;
    return r;
}
