#include "cli/run.h"

#include "base/clock.h"
#include "cli/follow.h"
#include "cli/plan.h"
#include "cli/print.h"

/* ---- changes of a service ---- */

int run_change(struct cli *cli, const char *id, const json_t *args, json_t **ret_change, struct err *e)
{
    _cleanup_json_ json_t *change = NULL;
    int r = cli_call(cli, id, args, &change, e);
    if (r < 0) {
        return r;
    }
    json_t *op = json_object_get(change, "operation");
    if (json_is_object(op) && !cli->no_wait) {
        json_t *last = NULL;
        r = follow_operation(cli, op, &last, e);
        if (r < 0) {
            return r;
        }
        json_object_set_new(change, "operation", last);
        _cleanup_json_ json_t *which =
            json_pack("{s:I}", "service", (json_int_t)json_int(last, "service", 0));
        _cleanup_json_ json_t *service = NULL;
        if (cli_call(cli, "service.show", which, &service, NULL) == 0) {
            json_object_set(change, "service", service);
        }
    }
    *ret_change = TAKE_PTR(change);
    return r;
}

/* The last line: where it can be visited, or what it is now. */
static void print_result(struct cli *cli, const json_t *service)
{
    const char *url = json_str(service, "url", NULL);
    if (url) {
        struct buf safe = {0};
        term_safe(&safe, url, false);
        fprintf(cli->term.out, "%s\n", safe.data);
        buf_done(&safe);
    } else if (!cli->quiet) {
        fprintf(cli->term.out, "%s is %s\n", json_str(service, "name", "service"),
                json_str(service, "state", "?"));
    }
}

static int run_service_change(struct cli *cli, struct command *c, struct err *e)
{
    _cleanup_json_ json_t *change = NULL;
    int r = run_change(cli, c->call->id, c->args, &change, e);
    if (r < 0) {
        return r;
    }
    if (cli->json) {
        cli_print_json(cli, change);
    } else if (cli->no_wait) {
        print_object(cli, "change", change);
    } else if (r == 0) {
        print_result(cli, json_object_get(change, "service"));
    }
    return r;
}

/* ---- what takes until it is gone ---- */

struct going {
    struct progress *progress;
    int64_t since;
};

static bool going_seen(void *arg, const json_t *item)
{
    struct going *g = arg;
    _cleanup_free_ char *text =
        str_printf("%lld nodes are still to go", (long long)json_int(item, "nodes", 0));
    progress_active(g->progress, text, g->since);
    return false;
}

/* An application that was not the service's own stays, and is not waited for. */
static bool own_app_seen(void *arg, const json_t *item)
{
    return !str_eq(json_str(item, "state", ""), "EPILOGUE") || going_seen(arg, item);
}

static int wait_until_gone(struct cli *cli, const struct command *c, int64_t app, struct err *e)
{
    _cleanup_(progress_freep) struct progress *p = progress_new(cli);
    struct going g = {.progress = p, .since = clock_mono_ms()};
    struct follow f = {.until_gone = true, .app = app, .arg = &g};
    bool service = str_eq(c->call->id, "service.delete");
    if (service) {
        f.object = "service";
        f.show_call = "service.show";
        f.id = json_int(c->args, "service", 0);
        f.seen = going_seen;
        int r = follow_run(cli, p, &f, e);
        if (r < 0) {
            return r;
        }
    }
    f.object = "app";
    f.show_call = "app.show";
    f.id = app;
    f.seen = service ? own_app_seen : going_seen;
    return follow_run(cli, p, &f, e);
}

/* What the command is about: of its words the last, and what that belongs to. */
static char *typed_name(const struct command *c)
{
    const char *key = json_str(c->typed, "key", NULL);
    if (key) {
        return str_printf("key %s", key);
    }
    for (const struct call_param *p = c->call->params; p->name; p++) {
        const char *text = json_str(c->typed, p->name, NULL);
        if (text && (p->in == IN_PATH || p->positional)) {
            const struct call_param *next = p + 1;
            const char *more =
                next->name && next->in == IN_PATH ? json_str(c->typed, next->name, NULL) : NULL;
            return more ? str_printf("%s of %s", more, text) : xstrdup(text);
        }
    }
    return xstrdup(c->call->noun);
}

static int64_t app_of(struct cli *cli, const struct command *c)
{
    _cleanup_json_ json_t *service = NULL;
    _cleanup_json_ json_t *args = json_pack("{s:O?}", "service", json_object_get(c->args, "service"));
    int64_t app = json_int(c->args, "app", 0);
    if (!app && cli_call(cli, "service.show", args, &service, NULL) == 0) {
        app = json_int(service, "app", 0);
    }
    return app;
}

static int run_delete(struct cli *cli, struct command *c, struct err *e)
{
    bool slow = str_eq(c->call->id, "app.delete") || str_eq(c->call->id, "service.delete");
    int64_t app = slow && !cli->no_wait ? app_of(cli, c) : 0;
    int r = cli_call(cli, c->call->id, c->args, NULL, e);
    if (r == 0 && app) {
        r = wait_until_gone(cli, c, app, e);
    }
    if (r < 0) {
        return r;
    }
    if (cli->json) {
        _cleanup_json_ json_t *j = json_object();
        cli_print_json(cli, j);
    } else if (!cli->quiet) {
        _cleanup_free_ char *name = typed_name(c);
        const char *done = str_eq(c->call->verb, "revoke")   ? "revoked"
                           : str_eq(c->call->verb, "remove") ? "removed"
                                                             : "deleted";
        fprintf(cli->term.out, "%s is %s\n", name, slow && !app ? "being deleted" : done);
    }
    return 0;
}

/* A script that means it says so: nobody is there to be asked. */
static int ask_first(struct cli *cli, const struct command *c, struct err *e)
{
    if (cli->yes || c->call->class != CLASS_ONE_WAY) {
        return 0;
    }
    if (!cli->term.in_tty || !cli->term.err_tty) {
        return err_set(e, ERR_INVALID, "this cannot be taken back; say --yes");
    }
    _cleanup_free_ char *name = typed_name(c);
    _cleanup_free_ char *question =
        str_eq(c->call->id, "director.reconcile")
            ? xstrdup("Have the managers reported, and are the director's records right?")
            : str_printf("%s: %s. This cannot be taken back. Go on?", c->call->summary, name);
    return term_confirm(&cli->term, question) ? 0 : err_set(e, ERR_CONFLICT, "nothing was done");
}

/* ---- the rest ---- */

static int run_plain(struct cli *cli, struct command *c, struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    int r = cli_call(cli, c->call->id, c->args, &answer, e);
    if (r < 0) {
        return r;
    }
    if (c->call->answer == ANSWER_JSON) {
        print_answer(cli, c->call, answer);
    } else if (cli->json) {
        fprintf(cli->term.out, "{}\n");
    } else if (!cli->quiet) {
        fprintf(cli->term.out, "done\n");
    }
    return 0;
}

/* A row per call that needs more than a request and its answer. */
static const struct {
    const char *id;
    int (*run)(struct cli *cli, struct command *c, struct err *e);
} own_ways[] = {
    {"code.upload", code_upload_run},
    {"code.download", code_download_run},
    {"app.events", events_run},
    {"manifest.validate", manifest_validate_run},
    {"manifest.plan", manifest_plan_run},
    {"manifest.apply", manifest_apply_run},
    {"manifest.upload", manifest_upload_run},
    {"manifest.download", manifest_download_run},
};

int run_command(struct cli *cli, struct command *c, struct err *e)
{
    int r = ask_first(cli, c, e);
    if (r < 0) {
        return r;
    }
    plan_show(cli, c);
    for (size_t i = 0; i < ARRAY_LEN(own_ways); i++) {
        if (str_eq(own_ways[i].id, c->call->id)) {
            return own_ways[i].run(cli, c, e);
        }
    }
    if (str_eq(c->call->object, "change")) {
        return run_service_change(cli, c, e);
    }
    if (str_eq(c->call->method, "DELETE")) {
        return run_delete(cli, c, e);
    }
    return run_plain(cli, c, e);
}
