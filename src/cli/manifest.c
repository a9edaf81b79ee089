/*
 * Manifests on this machine: the text comes from a file, files that it names are sent, the job is followed.
 */
#include "service/manifest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "api/encode.h"
#include "base/clock.h"
#include "base/fs.h"
#include "cli/follow.h"
#include "cli/print.h"
#include "cli/run.h"

/* ---- the text ---- */

static int read_text(struct cli *cli, const char *path, struct buf *out, struct err *e)
{
    if (!str_eq(path, "-")) {
        return fs_read(path, MANIFEST_MAX, out, e);
    }
    char block[4096];
    size_t n;
    while ((n = fread(block, 1, sizeof(block), cli->term.in)) > 0 && out->len <= MANIFEST_MAX) {
        buf_add(out, block, n);
    }
    return out->len > MANIFEST_MAX
               ? err_set(e, ERR_TOO_LARGE, "a manifest has at most %d bytes", MANIFEST_MAX)
               : 0;
}

/* The path that a source "file:PATH" of a manifest means here; caller frees. */
static char *path_of(const char *manifest, const char *source)
{
    const char *path = source + strlen("file:");
    const char *slash = strrchr(manifest, '/');
    return *path == '/' || !slash || str_eq(manifest, "-")
               ? xstrdup(path)
               : str_printf("%.*s/%s", (int)(slash - manifest), manifest, path);
}

static int hash_file(const char *path, char hex[SHA256_HEX], struct err *e)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_free_ char *block = xmalloc(1 << 16);
    ssize_t n = 0;
    if (fd < 0) {
        return err_errno(e, errno, "%s", path);
    }
    struct sha256 *h = sha256_new();
    while ((n = read(fd, block, 1 << 16)) > 0) {
        sha256_add(h, block, (size_t)n);
    }
    sha256_final(h, hex);
    return n < 0 ? err_errno(e, errno, "%s", path) : 0;
}

static int hash_source(const char *manifest, const struct manifest_source *s, json_t *hashes, struct err *e)
{
    char hex[SHA256_HEX];
    if (s->kind != SOURCE_FILE || !s->text || json_object_get(hashes, s->text)) {
        return 0;
    }
    _cleanup_free_ char *path = path_of(manifest, s->text);
    int r = hash_file(path, hex, e);
    if (r == 0) {
        json_object_set_new(hashes, s->text, json_string(hex));
    }
    return r;
}

/* What the call is given: the text, and the hashes of the files that it names here. */
static int take_manifest(struct cli *cli, struct command *c, struct err *e)
{
    const char *path = json_str(c->typed, "manifest", "");
    _cleanup_buf_ struct buf text = {0};
    int r = read_text(cli, path, &text, e);
    if (r < 0) {
        return r;
    }
    json_t *value = text.len ? json_stringn(text.data, text.len) : json_string("\n");
    if (!value) {
        return err_set(e, ERR_INVALID, "%s is not valid UTF-8", path);
    }
    json_object_set_new(c->args, "manifest", value);
    _cleanup_(manifest_freep) struct manifest *m =
        manifest_read(json_string_value(value), strlen(json_string_value(value)));
    _cleanup_json_ json_t *hashes = json_object();
    for (int i = 0; i < m->n && r == 0; i++) {
        r = hash_source(path, &m->services[i].code, hashes, e);
    }
    if (r == 0 && json_object_size(hashes)) {
        json_object_set(c->args, "files", hashes);
    }
    return r;
}

/* ---- problems ---- */

/* "shop.json:9:15: there is no service type ..." as compilers say it. */
static int show_problems(struct cli *cli, const char *path, const json_t *problems)
{
    size_t i, n = json_array_size(problems);
    json_t *p;
    json_array_foreach((json_t *)problems, i, p)
    {
        struct buf line = {0}, safe = {0};
        buf_addf(&line, "%s:%lld:%lld: %s", path, (long long)json_int(p, "line", 0),
                 (long long)json_int(p, "column", 0), json_str(p, "message", ""));
        const char *hint = json_str(p, "hint", NULL);
        if (hint) {
            buf_addf(&line, "\n    %s", hint);
        }
        term_safe(&safe, line.data, true);
        fprintf(cli->term.err, "%s\n", safe.data);
        buf_done(&line);
        buf_done(&safe);
    }
    cli_warn(cli, "%zu problem%s", n, n == 1 ? "" : "s");
    return err_exit_code(ERR_INVALID);
}

int manifest_validate_run(struct cli *cli, struct command *c, struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    int r = take_manifest(cli, c, e);
    r = r < 0 ? r : cli_call(cli, c->call->id, c->args, &answer, e);
    if (r < 0) {
        return r;
    }
    const json_t *problems = json_object_get(answer, "problems");
    if (cli->json) {
        cli_print_json(cli, answer);
        return json_array_size(problems) ? err_exit_code(ERR_INVALID) : 0;
    }
    if (json_array_size(problems)) {
        return show_problems(cli, json_str(c->typed, "manifest", ""), problems);
    }
    if (!cli->quiet) {
        fprintf(cli->term.out, "%s is a valid manifest\n", json_str(c->typed, "manifest", ""));
    }
    return 0;
}

/* ---- the plan ---- */

static char sign_of(const char *step)
{
    static const struct {
        const char *step;
        char sign;
    } rows[] = {{"make_app", '+'}, {"make_service", '+'}, {"start", '+'}, {"stop", '-'},
                {"delete", '-'},   {"wait", '.'},         {"fetch", '.'}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq(rows[i].step, step)) {
            return rows[i].sign;
        }
    }
    return '~';
}

static void print_line(FILE *out, char sign, const char *text)
{
    struct buf safe = {0};
    term_safe(&safe, text, false);
    fprintf(out, "  %c %s\n", sign, safe.data);
    buf_done(&safe);
}

static void print_plan(struct cli *cli, FILE *out, const json_t *plan)
{
    size_t i;
    json_t *c;
    const json_t *changes = json_object_get(plan, "changes");
    json_array_foreach((json_t *)changes, i, c)
    {
        const char *title = json_str(c, "title", "");
        _cleanup_free_ char *text = json_flag(c, "maybe", false)
                                        ? str_printf("%s, to see whether it has changed", title)
                                        : xstrdup(title);
        print_line(out, sign_of(json_str(c, "step", "")), text);
    }
    if (json_array_size(changes) == 0) {
        print_line(out, '=', "nothing changes");
    }
    if (json_int(plan, "kept", 0)) {
        _cleanup_free_ char *text = str_printf("%lld not in the manifest: left alone (--prune removes)",
                                               (long long)json_int(plan, "kept", 0));
        print_line(out, '=', text);
    }
    _cleanup_free_ char *now = term_milli(json_int(plan, "millicredits_per_hour_now", 0));
    _cleanup_free_ char *then = term_milli(json_int(plan, "millicredits_per_hour_then", 0));
    fprintf(out, "nodes %lld -> %lld, credits per hour %s -> %s\n", (long long)json_int(plan, "nodes_now", 0),
            (long long)json_int(plan, "nodes_then", 0), now, then);
}

int manifest_plan_run(struct cli *cli, struct command *c, struct err *e)
{
    _cleanup_json_ json_t *plan = NULL;
    int r = take_manifest(cli, c, e);
    r = r < 0 ? r : cli_call(cli, c->call->id, c->args, &plan, e);
    if (r < 0) {
        return r;
    }
    const json_t *problems = json_object_get(plan, "problems");
    if (cli->json) {
        cli_print_json(cli, plan);
        return json_array_size(problems) ? err_exit_code(ERR_INVALID) : 0;
    }
    if (json_array_size(problems)) {
        return show_problems(cli, json_str(c->typed, "manifest", ""), problems);
    }
    print_plan(cli, cli->term.out, plan);
    return 0;
}

/* ---- apply ---- */

static int send_missing(struct cli *cli, struct command *c, const json_t *plan, struct err *e)
{
    size_t i;
    json_t *source;
    json_array_foreach(json_object_get(plan, "missing"), i, source)
    {
        _cleanup_free_ char *path = path_of(json_str(c->typed, "manifest", ""), json_string_value(source));
        _cleanup_json_ json_t *sent = NULL;
        int r = file_send(cli, "manifest.upload", NULL, path, &sent, e);
        if (r < 0) {
            return r;
        }
        cli_note(cli, "%s is sent", path);
        /* it may have been written meanwhile: what was sent is what counts */
        json_object_set(json_object_get(c->args, "files"), json_string_value(source),
                        json_object_get(sent, "sha256"));
    }
    return 0;
}

/* Where the value of a question belongs in the manifest. */
static void put_answer(json_t *manifest, const json_t *question, const char *text)
{
    const char *service = json_str(question, "service", ""), *member = json_str(question, "member", "");
    const char *name = json_str(question, "name", "");
    size_t i;
    json_t *s;
    json_array_foreach(json_object_get(manifest, "Services"), i, s)
    {
        if (str_eq(json_str(s, "ServiceName", json_str(s, "Type", "")), service)) {
            json_t *in = str_eq(member, "Secrets") ? json_object_get(s, "Secrets") : s;
            json_object_set_new(in, name, json_string(text));
        }
    }
}

/* Secrets that are null in the manifest and not there yet. */
static int ask_secrets(struct cli *cli, struct command *c, const json_t *plan, struct err *e)
{
    const json_t *asks = json_object_get(plan, "asks");
    const char *text = json_str(c->args, "manifest", "");
    _cleanup_json_ json_t *manifest = NULL;
    size_t i;
    json_t *q;
    int r = json_array_size(asks) ? json_parse(text, strlen(text), MANIFEST_MAX, &manifest, e) : 0;
    json_array_foreach((json_t *)asks, i, q)
    {
        _cleanup_free_ char *prompt =
            str_printf("%s of %s", json_str(q, "name", ""), json_str(q, "service", ""));
        char *value = NULL;
        r = r < 0 ? r : term_secret(&cli->term, prompt, &value, e);
        if (value) {
            put_answer(manifest, q, value);
            mem_wipe(value, strlen(value));
            free(value);
        }
    }
    if (r == 0 && manifest) {
        char *filled = json_text(manifest);
        json_object_set_new(c->args, "manifest", json_string(filled));
        mem_wipe(filled, strlen(filled));
        free(filled);
    }
    return r;
}

struct job_state {
    struct progress *progress;
    json_t *job;
    size_t shown;
    int64_t since;
};

static bool job_seen(void *arg, const json_t *item)
{
    struct job_state *s = arg;
    json_decref(s->job);
    s->job = json_incref((json_t *)item);
    const json_t *steps = json_object_get(item, "steps");
    for (; s->shown < json_array_size(steps); s->shown++) {
        const json_t *step = json_array_get(steps, s->shown);
        const char *state = json_str(step, "state", "ACTIVE"), *title = json_str(step, "title", "");
        if (str_eq(state, "ACTIVE")) {
            progress_active(s->progress, title, s->since);
            break;
        }
        progress_step(s->progress, title, str_eq(state, "DONE"),
                      json_int(step, "ended", 0) - json_int(step, "started", 0));
        s->since = clock_mono_ms();
    }
    return !str_eq(json_str(item, "state", "ACTIVE"), "ACTIVE");
}

/* Where its services can be visited. */
static void print_urls(struct cli *cli, int64_t app)
{
    _cleanup_json_ json_t *list = NULL;
    _cleanup_json_ json_t *args = json_pack("{s:I}", "app", (json_int_t)app);
    size_t i;
    json_t *v;
    if (cli_list(cli, "service.list", args, &list, NULL) < 0) {
        return;
    }
    json_array_foreach(list, i, v)
    {
        const char *url = json_str(v, "url", NULL);
        if (url) {
            struct buf line = {0};
            term_safe(&line, json_str(v, "name", ""), false);
            if (cli->quiet) {
                buf_reset(&line);
            } else {
                buf_adds(&line, ": ");
            }
            term_safe(&line, url, false);
            fprintf(cli->term.out, "%s\n", line.data);
            buf_done(&line);
        }
    }
}

static int end_job(struct cli *cli, const json_t *job)
{
    const char *state = json_str(job, "state", "");
    if (cli->json) {
        cli_print_json(cli, job);
        return str_eq(state, "DONE") ? 0 : err_exit_code(ERR_FAILED);
    }
    if (str_eq(state, "DONE")) {
        int64_t took_ms = json_int(job, "ended", 0) - json_int(job, "created", 0);
        _cleanup_free_ char *took = term_duration(took_ms > 0 ? took_ms : 0);
        cli_note(cli, "%s %s: done in %s", term_mark(&cli->term, true), json_str(job, "app_name", ""), took);
        print_urls(cli, json_int(job, "app", 0));
        return 0;
    }
    cli_note(cli, "%s %s: %s; what was done stays, apply it again to go on", term_mark(&cli->term, false),
             json_str(job, "app_name", ""), str_eq(state, "FAILED") ? "failed" : "cancelled");
    cli_warn(cli, "why: %s", json_str(job, "why", "no reason was given"));
    return err_exit_code(ERR_FAILED);
}

static int follow_job(struct cli *cli, const json_t *job, struct err *e)
{
    _cleanup_(progress_freep) struct progress *p = progress_new(cli);
    struct job_state s = {.progress = p, .since = clock_mono_ms()};
    struct follow f = {.object = "job", .show_call = "manifest.show", .seen = job_seen, .arg = &s};
    f.id = json_int(job, "id", 0);
    f.app = json_int(job, "app", 0);
    int r = job_seen(&s, job) ? 0 : follow_run(cli, p, &f, e);
    progress_active(p, NULL, 0);
    if (r == -EINTR || r == ERR_TIMEOUT) {
        _cleanup_free_ char *hint = str_printf("conpaas manifest show %lld", (long long)f.id);
        _cleanup_free_ char *message = xstrdup(e && e->message ? e->message : "");
        r = err_set_hint(e, r, hint, "%s", message);
    }
    r = r < 0 ? r : end_job(cli, s.job);
    json_decref(s.job);
    return r;
}

int manifest_apply_run(struct cli *cli, struct command *c, struct err *e)
{
    _cleanup_json_ json_t *plan = NULL;
    _cleanup_json_ json_t *job = NULL;
    int r = take_manifest(cli, c, e);
    r = r < 0 ? r : cli_call(cli, "manifest.plan", c->args, &plan, e);
    if (r < 0) {
        return r;
    }
    const json_t *problems = json_object_get(plan, "problems");
    if (json_array_size(problems)) {
        if (cli->json) {
            cli_print_json(cli, plan);
            return err_exit_code(ERR_INVALID);
        }
        return show_problems(cli, json_str(c->typed, "manifest", ""), problems);
    }
    if (!cli->quiet && !cli->json) {
        print_plan(cli, cli->term.err, plan);
    }
    r = ask_secrets(cli, c, plan, e);
    r = r < 0 ? r : send_missing(cli, c, plan, e);
    r = r < 0 ? r : cli_call(cli, c->call->id, c->args, &job, e);
    if (r < 0) {
        return r;
    }
    if (cli->no_wait) {
        print_answer(cli, c->call, job);
        return 0;
    }
    return follow_job(cli, job, e);
}

/* ---- up and down ---- */

int manifest_upload_run(struct cli *cli, struct command *c, struct err *e)
{
    _cleanup_json_ json_t *sent = NULL;
    int r = file_send(cli, c->call->id, NULL, json_str(c->typed, "filename", ""), &sent, e);
    if (r == 0) {
        print_answer(cli, c->call, sent);
    }
    return r;
}

int manifest_download_run(struct cli *cli, struct command *c, struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    int r = cli_call(cli, c->call->id, c->args, &answer, e);
    if (r < 0) {
        return r;
    }
    json_t *m = json_object_get(answer, "manifest");
    if (!cli->output || str_eq(cli->output, "-")) {
        cli_print_json(cli, m);
        return 0;
    }
    char *dump = json_dumps(m, JSON_INDENT(2));
    _cleanup_free_ char *text = str_printf("%s\n", dump ? dump : "{}");
    free(dump);
    r = fs_write_atomic(cli->output, text, strlen(text), 0644, e);
    if (r == 0) {
        fprintf(cli->term.out, "%s\n", cli->output);
    }
    return r < 0 ? r : 0;
}
