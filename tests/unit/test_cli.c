/*
 * The command line against a director made of the call table: what is printed (golden outputs;
 * CONPAAS_GOLDEN=1 writes them again), what is sent, exit codes, waiting, completion, the deck's client.
 */
#include "cm.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "cli/builtin.h"
#include "cli/cli.h"
#include "cli/deck.h"
#include "fake_director.h"

struct world {
    struct fake_director *director;
    char *dir, *config;
    bool in_tty, err_tty; /* what the next runs are told of their streams */
    /* of the last run */
    char *out, *err;
    int code;
};

/* ---- running ---- */

static void write_config(struct world *w, const char *token)
{
    _cleanup_free_ char *text =
        str_printf("{\"url\": \"http://127.0.0.1:%d\", \"token\": \"%s\", \"username\": \"ada\"}",
                   fake_director_port(w->director), token);
    assert_int_equal(fs_write_atomic(w->config, text, strlen(text), 0600, NULL), 0);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char dir[] = "/tmp/test-cli-XXXXXX";
    assert_non_null(mkdtemp(dir));
    setenv("TZ", "UTC", 1);
    setenv("COLUMNS", "80", 1);
    unsetenv("CONPAAS_URL");
    unsetenv("CONPAAS_TOKEN");
    unsetenv("CONPAAS_CA");
    w->dir = xstrdup(dir);
    w->config = str_printf("%s/config/config.json", dir);
    setenv("CONPAAS_CONFIG", w->config, 1);
    _cleanup_free_ char *sub = str_printf("%s/config", dir);
    assert_int_equal(fs_mkdirs(sub, 0700, NULL), 0);
    w->director = fake_director_new();
    write_config(w, FAKE_TOKEN);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    fake_director_free(w->director);
    assert_int_equal(fs_remove_tree(w->dir, NULL), 0);
    free(w->dir);
    free(w->config);
    free(w->out);
    free(w->err);
    free(w);
    return 0;
}

/* The director's port is another one in every run. */
static char *without_port(struct world *w, char *text)
{
    _cleanup_free_ char *port = str_printf("127.0.0.1:%d", fake_director_port(w->director));
    struct buf b = {0};
    const char *p = text, *at;
    while ((at = strstr(p, port))) {
        buf_add(&b, p, (size_t)(at - p));
        buf_adds(&b, "127.0.0.1:PORT");
        p = at + strlen(port);
    }
    buf_adds(&b, p);
    free(text);
    return buf_take(&b);
}

/* Runs "conpaas LINE" (or cpsclient.web when line begins so); words are parted by single spaces, `_` stands
 * for a space inside a word. */
static int run_with(struct world *w, const char *line, const char *input, bool colours)
{
    size_t out_len = 0, err_len = 0;
    char **argv = str_split(line, ' ');
    int argc = (int)strv_len(argv);
    for (char **a = argv; *a; a++) {
        for (char *c = *a; *c; c++) {
            *c = *c == '`' ? ' ' : *c;
        }
    }
    free(w->out);
    free(w->err);
    struct cli cli = {.term = {.width = 80, .utf8 = true, .now_ms = FAKE_NOW}};
    cli.term.in = fmemopen((void *)(input ? input : "\n"), input ? strlen(input) : 1, "r");
    cli.term.out = open_memstream(&w->out, &out_len);
    cli.term.err = open_memstream(&w->err, &err_len);
    cli.term.out_colour = cli.term.err_colour = colours;
    cli.term.in_tty = w->in_tty;
    cli.term.err_tty = w->err_tty;
    w->code = str_eq(argv[0], "conpaas") ? cli_main(&cli, argc, argv) : deck_main(&cli, argc, argv);
    cli_done(&cli);
    fclose(cli.term.in);
    fclose(cli.term.out);
    fclose(cli.term.err);
    strv_free(argv);
    w->out = without_port(w, w->out);
    w->err = without_port(w, w->err);
    return w->code;
}

static int run(struct world *w, const char *line)
{
    return run_with(w, line, NULL, false);
}

static void expect(struct world *w, const char *line, int code)
{
    if (run(w, line) != code) {
        fail_msg("%s: exit code %d instead of %d\n%s%s", line, w->code, code, w->out, w->err);
    }
}

static void expect_sent(struct world *w, const char *id, const char *what)
{
    _cleanup_free_ char *last = fake_director_last(w->director, id);
    if (!last || strcmp(last, what) != 0) {
        fail_msg("%s: sent %s instead of %s", id, last ? last : "nothing", what);
    }
}

static void expect_text(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("\"%s\" is not in:\n%s", part, text);
    }
}

/* ---- golden outputs ---- */

static int widest_line(const char *text)
{
    int widest = 0;
    char **lines = str_split(text, '\n');
    for (char **l = lines; *l; l++) {
        int n = term_columns(*l);
        widest = n > widest ? n : widest;
    }
    strv_free(lines);
    return widest;
}

static void expect_narrow(const char *line, const char *text)
{
    if (widest_line(text) > 80) {
        fail_msg("%s is wider than 80 columns:\n%s", line, text);
    }
}

/* Everything a command prints, in a file of its own that people review. */
static void golden(struct world *w, const char *name, const char *line)
{
    w->err_tty = true; /* as people see it: what is for programs alone is not broken into lines */
    run(w, line);
    w->err_tty = false;
    _cleanup_free_ char *path = str_printf("%s/cli-%s.txt", getenv("CONPAAS_GOLDEN_DIR"), name);
    _cleanup_free_ char *text =
        str_printf("$ %s\n-- exit %d\n-- output\n%s-- errors\n%s", line, w->code, w->out, w->err);
    if (!strstr(line, "--json")) {
        expect_narrow(line, w->out);
        expect_narrow(line, w->err);
    }
    if (getenv("CONPAAS_GOLDEN")) {
        assert_int_equal(fs_write_atomic(path, text, strlen(text), 0644, NULL), 0);
        return;
    }
    _cleanup_buf_ struct buf old = {0};
    if (fs_read(path, 1 << 20, &old, NULL) < 0) {
        fail_msg("%s is missing: CONPAAS_GOLDEN=1 writes it", path);
    }
    assert_string_equal(text, old.data);
}

static void test_golden(void **state)
{
    static const struct {
        const char *name, *line;
    } rows[] = {
        {"overview", "conpaas help"},
        {"help-noun", "conpaas help node"},
        {"help-call", "conpaas node add --help"},
        {"help-builtin", "conpaas login --help"},
        {"user-show", "conpaas user"},
        {"user-list", "conpaas user list"},
        {"token-list", "conpaas tokens"},
        {"token-create", "conpaas token create ci"},
        {"credit", "conpaas credit"},
        {"app-list", "conpaas apps"},
        {"app-show", "conpaas app show shop"},
        {"service-list", "conpaas service list"},
        {"service-show", "conpaas service show shop"},
        {"service-json", "conpaas service show shop --json"},
        {"service-quiet", "conpaas service list -q"},
        {"node-list", "conpaas node list shop"},
        {"node-show", "conpaas node show 5"},
        {"node-add", "conpaas node add shop --web 1 --backend 1"},
        {"code-list", "conpaas code shop"},
        {"config", "conpaas config shop"},
        {"manifest-plan", "conpaas manifest plan -"},
        {"manifest-apply", "conpaas manifest apply -"},
        {"manifest-list", "conpaas manifest list"},
        {"manifest-show", "conpaas manifest show 31"},
        {"manifest-cancel", "conpaas manifest cancel 31"},
        {"manifest-download", "conpaas manifest download shop"},
        {"manifest-help", "conpaas manifest apply --help"},
        {"log", "conpaas log shop"},
        {"history", "conpaas history shop"},
        {"operation", "conpaas operation show 31"},
        {"operation-list", "conpaas operation list"},
        {"cloud", "conpaas cloud"},
        {"type", "conpaas types"},
        {"performance", "conpaas service performance shop"},
        {"director", "conpaas director version"},
        {"status", "conpaas director"},
        {"error-name", "conpaas service show shpo"},
        {"error-usage", "conpaas service rename shop"},
        {"error-noun", "conpaas sevrice list"},
        {"error-usage-long", "conpaas user register ada"},
        {"help-user", "conpaas help user"},
        {"help-register", "conpaas user register --help"},
        {"deck-usage", "cpsclient.web help"},
        {"deck-add-usage", "cpsclient.web http://127.0.0.1/v1/services/3 add_nodes"},
        {"deck-list-nodes", "cpsclient.web https://director.example:9999/v1/services/3 list_nodes"},
        {"deck-info", "cpsclient.web https://director.example:9999/v1/services/3 get_service_info"},
        {"deck-config", "cpsclient.web https://director.example:9999/v1/services/3 get_configuration"},
        {"deck-keys", "cpsclient.web https://director.example:9999/v1/services/3 list_authorized_keys"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        golden(*state, rows[i].name, rows[i].line);
    }
}

static void test_golden_failure(void **state)
{
    struct world *w = *state;
    fake_director_fail_next(w->director);
    golden(w, "node-add-failed", "conpaas node add shop --web 2");
    assert_int_equal(w->code, 1);
    golden(w, "operation-failed", "conpaas operation show 31");
    golden(w, "operation-list-failed", "conpaas operation list");
}

/* Programs get what is said on the error stream in one line. */
static void test_no_lines_for_programs(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas user register ada", 2);
    expect_text(
        w->err,
        "EMAIL [--first-name TEXT] [--last-name TEXT] [--affiliation TEXT] [--credit N] [--rank WORD]\n");
}

/* Help and usage of everything there is. */
static void test_help_is_narrow(void **state)
{
    struct world *w = *state;
    w->err_tty = true;
    for (const struct call *c = calls; c->id; c++) {
        _cleanup_free_ char *help = str_printf("conpaas help %s %s", c->noun, c->verb),
                            *noun = str_printf("conpaas help %s", c->noun),
                            *wrong = str_printf("conpaas %s %s --no-such-option", c->noun, c->verb);
        expect(w, help, 0);
        expect_narrow(help, w->out);
        expect(w, noun, 0);
        expect_narrow(noun, w->out);
        (void)run(w, wrong);
        expect_narrow(wrong, w->err);
    }
    for (const struct builtin *b = builtins; b->name; b++) {
        _cleanup_free_ char *help = str_printf("conpaas help %s", b->name);
        expect(w, help, 0);
        expect_narrow(help, w->out);
    }
    for (const char *const *a = deck_action_names(); *a; a++) {
        _cleanup_free_ char *help = str_printf("cpsclient.web URL %s --help", *a);
        expect(w, help, 0);
        expect_narrow(help, w->out);
    }
}

/* Lists of what has long names. */
static void test_lists_are_narrow(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *line, *call, *answer;
    } rows[] = {
        {"conpaas app list", "app.list",
         "{\"apps\":[{\"id\":12345,\"name\":\"the web shop of the department of applied things\",\"owner\":\"ada\","
         "\"state\":\"PROLOGUE\",\"error\":\"the manager did not come up: cloud somewhere has no memory left and no "
         "disk either\",\"created\":1780000000000,\"cloud\":\"opennebula-amsterdam\",\"services\":12,\"nodes\":123,"
         "\"millicredits_per_hour\":123250,\"manager\":null}]}"},
        {"conpaas code list shop", "code.list",
         "{\"versions\":[{\"id\":12345,\"service\":3,\"name\":\"code-123\",\"filename\":\"the-web-shop-of-the-"
         "department-2.4.1-beta3.tar.bz2\",\"description\":\"a new basket, and the prices are right again\","
         "\"format\":\"tar.bz2\",\"size\":1234567890,\"sha256\":\"ab\",\"created\":1789990000000,\"current\":true}]}"},
        {"conpaas token list", "token.list",
         "{\"tokens\":[{\"id\":12345,\"name\":\"continuous integration of the web shop, nightly builds\",\"created\":"
         "1789999000000,\"used\":1789999940000,\"expires\":1799000000000,\"current\":true}]}"},
        {"conpaas operation list", "operation.list",
         "{\"operations\":[{\"id\":12345,\"app\":2,\"service\":12345,\"call\":\"node.add\",\"title\":\"Add 2 web "
         "nodes, 12 backend nodes and a proxy\",\"facet\":\"counts\",\"state\":\"CANCELLED\",\"why\":\"" FAKE_WHY
         "\",\"user\":\"the_administrator_of_the_house\",\"created\":1780000000000,\"changed\":1780000000000,"
         "\"ended\":1780000000001,\"steps\":[]}]}"},
        {"conpaas history shop", "history.list",
         "{\"history\":[{\"id\":1,\"time\":1789820000000,\"service\":3,\"state\":\"ADAPTING\",\"operation\":null,"
         "\"text\":\"" FAKE_WHY "\"}]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fake_director_answer(w->director, rows[i].call, rows[i].answer);
        expect(w, rows[i].line, 0);
        expect_narrow(rows[i].line, w->out);
    }
}

/* ---- what is sent ---- */

static void test_requests(void **state)
{
    static const struct {
        const char *line, *id, *sent;
    } rows[] = {
        {"conpaas service create php my`shop --app shop --cloud local", "service.create",
         "POST /v1/services {\"type\":\"php\",\"name\":\"my shop\",\"app\":2,\"cloud\":\"local\"}"},
        {"conpaas service rename shop/shop front", "service.rename",
         "PATCH /v1/services/3 {\"name\":\"front\"}"},
        {"conpaas service start shop --no-wait", "service.start", "POST /v1/services/3/start {}"},
        {"conpaas node add shop --web 2 --supersede --no-wait", "node.add",
         "POST /v1/services/3/nodes/add {\"counts\":{\"web\":2},\"supersede\":true}"},
        {"conpaas --no-wait node remove 3 --web=1 --backend 1 --proxy 0", "node.remove",
         "POST /v1/services/3/nodes/remove {\"counts\":{\"web\":1,\"backend\":1}}"},
        {"conpaas code enable shop code-default --no-wait", "code.enable",
         "POST /v1/services/3/code/6/enable {}"},
        {"conpaas config set shop memory_limit=256M display_errors=On --no-wait", "config.set",
         "PATCH /v1/services/3/config {\"settings\":{\"memory_limit\":\"256M\",\"display_errors\":\"On\"}}"},
        {"conpaas env set shop COLOUR=red MOTTO=a=b` --no-wait", "env.set",
         "PATCH /v1/services/3/environment {\"variables\":{\"COLOUR\":\"red\",\"MOTTO\":\"a=b \"}}"},
        {"conpaas env unset shop COLOUR MOTTO --no-wait", "env.unset",
         "POST /v1/services/3/environment/unset {\"names\":[\"COLOUR\",\"MOTTO\"]}"},
        {"conpaas service link shop shop --as ME --no-wait", "service.link",
         "POST /v1/services/3/links {\"other\":3,\"as\":\"ME\"}"},
        {"conpaas service unlink shop MYSQL --no-wait", "service.unlink",
         "POST /v1/services/3/links/remove {\"name\":\"MYSQL\"}"},
        {"conpaas secret remove shop API_KEY --no-wait", "secret.remove",
         "POST /v1/services/3/secrets/remove {\"name\":\"API_KEY\"}"},
        {"conpaas user credit ada -5", "user.credit", "POST /v1/users/1/credit {\"amount\":-5}"},
        {"conpaas token revoke ci -y", "token.revoke", "DELETE /v1/tokens/9 "},
        {"conpaas code delete shop code-default --yes", "code.delete", "DELETE /v1/services/3/code/6 "},
        {"conpaas operation cancel 31", "operation.cancel", "POST /v1/operations/31/cancel "},
        {"conpaas node show 10.88.0.6", "node.show", "GET /v1/nodes/6 "},
        {"conpaas node show 5", "node.show", "GET /v1/nodes/5 "},
        {"conpaas node show n6", "node.show", "GET /v1/nodes/6 "},
        {"conpaas node show n7-awd06pm3", "node.show", "GET /v1/nodes/7 "},
        {"cpsclient.web https://director.example:9999/v1/services/3 get_node_info n4", "node.show",
         "GET /v1/nodes/4 "},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(*state, rows[i].line, 0);
        expect_sent(*state, rows[i].id, rows[i].sent);
    }
}

/* Mistakes are told before anything is sent. */
static void test_argument_errors(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"conpaas", "usage: conpaas"},
        {"conpaas node ad shop --web 1", "did you mean `conpaas node add`"},
        {"conpaas help user create", "user has no command \"create\""},
        {"conpaas help user create", "did you mean `conpaas user register`?"},
        {"conpaas help service strat", "did you mean `conpaas service start`?"},
        {"conpaas user add eve", "did you mean `conpaas user register`?"},
        {"conpaas node show n8", "there is no node \"n8\""},
        {"conpaas node add shop", "for example --web 2"},
        {"conpaas node add shop --web", "--web needs a value"},
        {"conpaas node add shop --web two", "--web needs a number"},
        {"conpaas node add shop --web 1 --web 2", "given twice"},
        {"conpaas node add", "SERVICE is missing"},
        {"conpaas app create", "NAME is missing"},
        {"conpaas app create a b", "one argument too many: \"b\""},
        {"conpaas app create 12", "\"name\""},
        {"conpaas app create shop --colour red", "has no option --colour"},
        {"conpaas config set shop memory_limit", "is no KEY=VALUE"},
        {"conpaas env set shop COLOUR", "is no NAME=VALUE"},
        {"conpaas env set shop", "NAME=VALUE ... is missing"},
        {"conpaas env set shop PATH=/tmp", "PATH is set by the platform"},
        {"conpaas env unset shop", "NAME ... is missing"},
        {"conpaas log shop --lines 0", "\"lines\" must be from 1 to 10000"},
        {"conpaas operation list --state SLEEPING", "must be one of: ACTIVE DONE FAILED CANCELLED"},
        {"conpaas user login ada", "conpaas login"},
        {"conpaas service list --timeout 0", "--timeout must be"},
        {"conpaas completion fish", "bash"},
        {"conpaas wait shop --state ASLEEP", "there is no state"},
        {"conpaas code upload shop /nonexistent/x.tar", "No such file"},
        {"conpaas code upload shop /tmp", "is no regular file"},
        {"cpsclient.web", "usage: cpsclient.web"},
        {"cpsclient.web http://127.0.0.1/v1/services/3 fly", "there is no action \"fly\""},
        {"cpsclient.web http://127.0.0.1/x list_nodes", "no address of a service"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(run(w, rows[i].line) != 0);
        expect_text(w->err, rows[i].says);
        assert_string_equal(w->out, "");
    }
}

static void test_exit_codes(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas service show 99", 5);
    expect(w, "conpaas service show nothing", 5);
    expect(w, "conpaas app show", 2);
    write_config(w, "wrong");
    expect(w, "conpaas service list", 3);
    expect_text(w->err, "conpaas login");
    expect(w, "conpaas service list --json", 3);
    expect_text(w->err, "{\"error\":{\"code\":\"unauthenticated\"");
    write_config(w, FAKE_TOKEN);
    setenv("CONPAAS_URL", "http://127.0.0.1:1", 1);
    expect(w, "conpaas service list", 9);
    unsetenv("CONPAAS_URL");
}

/* Whatever is asked for, the way to log in is named. */
static void test_not_logged_in(void **state)
{
    struct world *w = *state;
    static const char *const lines[] = {
        "conpaas service list", "conpaas wait shop",
        "conpaas events 2",     "conpaas code list shop",
        "conpaas node show 12", "conpaas code download 3 7 --output /dev/null",
        "conpaas logout",       "cpsclient.web https://director.example:9999/v1/services/3 list_nodes"};
    assert_int_equal(unlink(w->config), 0);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        expect(w, lines[i], 3);
        expect_text(w->err, "conpaas login https://HOST:9999");
    }
}

static void test_ambiguous_name(void **state)
{
    struct world *w = *state;
    fake_director_two_services(w->director, true);
    expect(w, "conpaas service show shop", 6);
    expect_text(w->err, "2 services match \"shop\": 3 (shop/shop), 12 (blog/shop)");
    expect(w, "conpaas service show shop/shop", 0);
    expect(w, "conpaas service show 3", 0);
}

/* ---- waiting ---- */

static void test_last_line_is_the_url(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas node add shop --web 2", 0);
    assert_string_equal(w->out, "http://10.88.0.4/\n");
    expect_text(
        w->err,
        "plan: +2 web (4 -> 6 nodes)\n      +2 credits per hour, +1,440 per month; 9,994 left, enough for 59 days");
    expect_text(w->err, "nodes are up");
    expect_text(w->err, "done in 8.4 s");
    expect(w, "conpaas node add shop --web 2 --quiet", 0);
    assert_string_equal(w->out, "http://10.88.0.4/\n");
    assert_string_equal(w->err, "");
    expect(w, "conpaas service stop shop", 0);
    assert_string_equal(w->out, "shop is STOPPED\n");
}

static void test_json_of_a_change(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas node add shop --web 2 --json", 0);
    assert_string_equal(w->err, "");
    _cleanup_json_ json_t *j = json_loads(w->out, 0, NULL);
    assert_string_equal(json_str(json_object_get(j, "operation"), "state", ""), "DONE");
    assert_int_equal(json_int(json_object_get(j, "service"), "nodes", 0), 6);
    fake_director_fail_next(w->director);
    expect(w, "conpaas node add shop --web 2 --json", 1);
    _cleanup_json_ json_t *failed = json_loads(w->out, 0, NULL);
    assert_string_equal(json_str(json_object_get(failed, "operation"), "state", ""), "FAILED");
}

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part)) {
        n++;
    }
    return n;
}

static void test_failure_says_why(void **state)
{
    struct world *w = *state;
    fake_director_fail_next(w->director);
    expect(w, "conpaas node add shop --web 2", 1);
    expect_text(w->err, "why: " FAKE_WHY);
    expect_text(w->err, "last log lines of node 14:");
    assert_int_equal(count_of(w->err, "node 14 did not come up"), 1);
    assert_string_equal(w->out, "");
    fake_director_fail_next(w->director);
    expect(w, "conpaas node add shop --web 2 --quiet", 1);
    assert_string_equal(w->err, "why: " FAKE_WHY "\n");
    expect(w, "conpaas operation show 31", 0);
    assert_null(strstr(w->out, ": FAILED"));
}

/* The line of history that ends a failed operation is no step that was done. */
static void test_failure_in_the_history(void **state)
{
    struct world *w = *state;
    fake_director_tell_history(w->director);
    fake_director_fail_next(w->director);
    expect(w, "conpaas node add shop --web 2", 1);
    expect_text(w->err, "✓ a line of history");
    assert_null(strstr(w->err, ": FAILED"));
    assert_int_equal(count_of(w->err, "node 14 did not come up"), 1);
}

static void test_no_wait(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas service start shop --no-wait", 0);
    assert_string_equal(w->out, "operation 31\n");
    expect(w, "conpaas service start shop --no-wait --quiet", 0);
    assert_string_equal(w->out, "31\n");
    assert_string_equal(w->err, "");
}

static void test_wait(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas wait shop", 0);
    assert_string_equal(w->out, "http://10.88.0.4/\n");
    fake_director_set_state(w->director, "ERROR");
    expect(w, "conpaas wait shop", 1);
    expect_text(w->err, "shop is in ERROR\nwhy: no node came up\nlast log lines of the manager:\n");
    expect(w, "conpaas wait shop --quiet", 1);
    assert_string_equal(w->err, "why: no node came up\n");
    expect(w, "conpaas wait shop --json", 1);
    expect_text(w->out, "\"state\": \"ERROR\"");
    expect(w, "conpaas wait shop --state ERROR", 0);
    expect(w, "conpaas wait shop --state stable", 0);
    expect(w, "conpaas wait shop --state error", 0);
    expect(w, "conpaas wait shop --state Stable", 0);
    fake_director_set_state(w->director, "ADAPTING");
    expect(w, "conpaas wait shop --timeout 1", 10);
    expect_text(w->err, "shop is ADAPTING, not RUNNING: the time is up");
    expect(w, "conpaas wait shop --state stable --timeout 1", 10);
    expect_text(w->err, "shop is still ADAPTING: the time is up");
}

/* What cannot be taken back needs a yes: of somebody at a terminal, or on the command line. */
static void test_one_way_needs_a_yes(void **state)
{
    struct world *w = *state;
    static const char *const lines[] = {
        "conpaas service delete shop", "conpaas app delete shop",  "conpaas code delete shop code-default",
        "conpaas token revoke ci",     "conpaas user delete root", "conpaas director reconcile"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(run_with(w, lines[i], "y\n", false), 2);
        expect_text(w->err, "this cannot be taken back; say --yes");
        assert_string_equal(w->out, "");
    }
    w->in_tty = true; /* the question could not be seen */
    assert_int_equal(run_with(w, lines[0], "y\n", false), 2);
    w->err_tty = true;
    assert_int_equal(run_with(w, lines[3], "n\n", false), 6);
    expect_text(w->err, "nothing was done");
    assert_null(fake_director_last(w->director, "service.delete"));
    assert_null(fake_director_last(w->director, "token.revoke"));
    assert_int_equal(run_with(w, lines[3], "y\n", false), 0);
    expect_sent(w, "token.revoke", "DELETE /v1/tokens/9 ");
}

static void test_delete_waits_until_gone(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas service delete shop --yes", 0);
    assert_string_equal(w->out, "shop is deleted\n");
    expect_sent(w, "service.delete", "DELETE /v1/services/3 ");
}

/* An application of its own goes with the service, a little later: its name is free again when this returns. */
static void test_delete_waits_for_the_application(void **state)
{
    struct world *w = *state;
    fake_director_app_lingers(w->director, 2);
    expect(w, "conpaas service delete shop --yes", 0);
    assert_true(fake_director_app_is_gone(w->director));
    assert_string_equal(w->out, "shop is deleted\n");
}

static void test_delete_leaves_the_application(void **state)
{
    struct world *w = *state;
    fake_director_app_lingers(w->director, -1);
    expect(w, "conpaas service delete shop --yes --timeout 20", 0);
    assert_string_equal(w->out, "shop is deleted\n");
}

/* A plan is shown only of what can be: the director says what is wrong with the rest. */
static void test_plan(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *line, *plan;
    } rows[] = {
        {"conpaas node remove shop --web 1 --no-wait", "plan: -1 web (4 -> 3 nodes)\n"},
        {"conpaas node add shop --web 31 --count 1 --no-wait", "plan: +31 web, +1 nodes (3 -> 35 nodes)\n"},
        {"conpaas node add shop --web 2 --no-wait", NULL},        /* 33 are too many */
        {"conpaas node remove shop --backend 3 --no-wait", NULL}, /* there are 2 */
        {"conpaas node remove shop --proxy 1 --no-wait", NULL},   /* one must remain */
        {"conpaas node add shop --wbe 1 --no-wait", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(w, rows[i].line, 0);
        if (rows[i].plan) {
            expect_text(w->err, rows[i].plan);
        } else if (strstr(w->err, "plan:")) {
            fail_msg("%s: %s", rows[i].line, w->err);
        }
    }
}

/* ---- --json of what is only text ---- */

static void test_json_of_texts(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *line, *member, *part;
    } rows[] = {
        {"conpaas --version --json", "version", CONPAAS_VERSION},
        {"conpaas help --json", "text", "usage: conpaas NOUN VERB"},
        {"conpaas help node --json", "text", "conpaas node add SERVICE"},
        {"conpaas help node add --json", "text", "usage: conpaas node add"},
        {"conpaas node add --help --json", "text", "usage: conpaas node add"},
        {"conpaas wait --help --json", "text", "usage: conpaas wait"},
        {"conpaas completion bash --json", "text", "complete -F _conpaas"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(run_with(w, rows[i].line, NULL, true), 0);
        _cleanup_json_ json_t *j = json_loads(w->out, 0, NULL);
        expect_text(json_str(j, rows[i].member, ""), rows[i].part);
        assert_null(strchr(json_str(j, rows[i].member, ""), '\033'));
        assert_int_equal(json_object_size(j), 1);
    }
    expect(w, "conpaas --json", 2);
    expect_text(w->err, "{\"error\":{\"code\":\"invalid\"");
}

static void test_events(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas events shop --timeout 1", 0);
    expect_text(w->out, "2026-09-21 14:13:20 shop: all roles run\n");
    expect(w, "conpaas events shop --timeout 1 --json", 0);
    expect_text(w->out, "{\"event\":\"history\",\"data\":{\"id\":40,");
}

/* ---- files ---- */

static void test_upload_and_download(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *path = str_printf("%s/my-shop.tar.gz", w->dir),
                        *saved = str_printf("%s/saved", w->dir);
    _cleanup_free_ char *line = str_printf("conpaas code upload shop %s --description new`one", path);
    _cleanup_free_ char *get = str_printf("conpaas code download shop code-1 --output %s", saved);
    assert_int_equal(fs_write_atomic(path, "not really", 10, 0600, NULL), 0);
    expect(w, line, 0);
    assert_string_equal(w->out, "code-2\n");
    expect_text(w->err, "conpaas code enable shop code-2");
    expect_sent(w, "code.upload",
                "POST /v1/services/3/code "
                "{\"service\":3,\"filename\":\"my-shop.tar.gz\",\"description\":\"new one\"}");
    expect(w, get, 0);
    _cleanup_buf_ struct buf text = {0};
    assert_int_equal(fs_read(saved, 100, &text, NULL), 0);
    assert_string_equal(text.data, "archive");
}

static size_t files_in(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *entry = readdir(d); entry; entry = readdir(d)) {
        n += entry->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

/* A download that fails takes nothing away: neither the file of before nor what is no file at all. */
static void test_failed_download(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *saved = str_printf("%s/saved", w->dir), *fifo = str_printf("%s/fifo", w->dir);
    _cleanup_free_ char *get = str_printf("conpaas code download 3 1 --output %s", saved);
    _cleanup_free_ char *get_fifo = str_printf("conpaas code download 3 1 --output %s", fifo);
    _cleanup_buf_ struct buf text = {0};
    struct stat st;
    assert_int_equal(fs_write_atomic(saved, "old", 3, 0600, NULL), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    _cleanup_close_ int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    size_t before = files_in(w->dir);
    write_config(w, "stale");
    expect(w, get, 3);
    expect(w, get_fifo, 3);
    assert_int_equal(fs_read(saved, 100, &text, NULL), 0);
    assert_string_equal(text.data, "old");
    assert_int_equal(stat(fifo, &st), 0);
    assert_int_equal(files_in(w->dir), before);
    write_config(w, FAKE_TOKEN);
    expect(w, get, 0);
    expect(w, get_fifo, 0);
    buf_reset(&text);
    assert_int_equal(fs_read(saved, 100, &text, NULL), 0);
    assert_string_equal(text.data, "archive");
    char piped[16] = "";
    assert_int_equal(read(reader, piped, sizeof(piped)), strlen("archive"));
    assert_string_equal(piped, "archive");
    assert_int_equal(files_in(w->dir), before);
}

/* Without --output the version's own name is taken, and nothing is replaced. */
static void test_download_replaces_nothing(void **state)
{
    struct world *w = *state;
    _cleanup_close_ int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(chdir(w->dir), 0);
    expect(w, "conpaas code download shop code-1", 0);
    _cleanup_free_ char *name = xstrndup(w->out, strcspn(w->out, "\n"));
    assert_true(fs_exists(name));
    expect(w, "conpaas code download shop code-1", err_exit_code(ERR_EXISTS));
    expect_text(w->err, "exists already");
    assert_int_equal(files_in("."), 2); /* it and the configuration's directory */
    assert_int_equal(fchdir(here), 0);
}

/* A remembered address that is none must be told of, in whatever is asked. */
static void test_spoilt_address(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *url;
        int code;
        const char *word; /* doctor's */
    } rows[] = {{"ftp://somewhere", 2, "ftp://somewhere"},
                {"http://elsewhere.example.org", 2, "plain http"},
                {"", 2, "no host"},
                {"nonsense", 3, "https://nonsense:9999"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *text = str_printf("{\"url\": \"%s\", \"token\": \"t\"}", rows[i].url);
        assert_int_equal(fs_write_atomic(w->config, text, strlen(text), 0600, NULL), 0);
        expect(w, "conpaas service list", rows[i].code);
        (void)run(w, "conpaas doctor");
        expect_text(w->out, rows[i].word);
        expect(w, "cpsclient.web http://127.0.0.1:1/v1/services/3 list_nodes", rows[i].code);
    }
}

static void test_empty_file_is_refused(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *path = str_printf("%s/empty.tar", w->dir);
    _cleanup_free_ char *line = str_printf("conpaas code upload shop %s", path);
    assert_int_equal(fs_write_atomic(path, "", 0, 0600, NULL), 0);
    expect(w, line, 2);
    expect_text(w->err, "is empty");
}

/* ---- logging in ---- */

static void test_login(void **state)
{
    struct world *w = *state;
    struct stat st;
    _cleanup_free_ char *line =
        str_printf("conpaas login http://127.0.0.1:%d/ --username ada", fake_director_port(w->director));
    assert_int_equal(unlink(w->config), 0);
    assert_int_equal(run_with(w, line, "wrong horse\n", false), 3);
    assert_int_equal(run_with(w, line, "correct horse\n", false), 0);
    assert_string_equal(w->out, "logged in as ada at http://127.0.0.1:PORT, 9,994 credits\n");
    assert_int_equal(stat(w->config, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    expect(w, "conpaas user -q", 0);
    assert_string_equal(w->out, "ada\n");
    expect(w, "conpaas logout", 0);
    expect(w, "conpaas user", 3);
}

static void test_config_must_be_private(void **state)
{
    struct world *w = *state;
    assert_int_equal(chmod(w->config, 0644), 0);
    expect(w, "conpaas user", 4);
    expect_text(w->err, "chmod 600");
}

static void test_token_stays_with_its_director(void **state)
{
    struct world *w = *state;
    struct fake_director *other = fake_director_new();
    _cleanup_free_ char *url = str_printf("http://127.0.0.1:%d", fake_director_port(other));
    setenv("CONPAAS_URL", url, 1);
    expect(w, "conpaas user", 3);
    setenv("CONPAAS_TOKEN", FAKE_TOKEN, 1);
    expect(w, "conpaas user", 0);
    unsetenv("CONPAAS_TOKEN");
    unsetenv("CONPAAS_URL");
    _cleanup_free_ char *line = str_printf("cpsclient.web %s/v1/services/3 list_nodes", url);
    int before = fake_director_count(other);
    expect(w, line, 3);
    expect_text(w->err, "you are logged in at");
    assert_int_equal(fake_director_count(other), before);
    fake_director_free(other);
}

static void test_no_plain_http_elsewhere(void **state)
{
    expect(*state, "conpaas login http://example.org", 2);
    expect_text(((struct world *)*state)->err, "plain http would send your password");
}

/* ---- terminals ---- */

static void test_colours_only_on_terminals(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas service list", 0);
    assert_null(strchr(w->out, '\033'));
    assert_int_equal(run_with(w, "conpaas service list", NULL, true), 0);
    assert_non_null(strstr(w->out, "\033[32mRUNNING\033[0m"));
}

static void test_director_cannot_drive_the_terminal(void **state)
{
    struct world *w = *state;
    expect(w, "conpaas log shop", 0);
    assert_null(strchr(w->out, '\033'));
    assert_null(strstr(w->out, "\xe2\x80\xae"));
}

static void test_odd_answers(void **state)
{
    struct world *w = *state;
    fake_director_answer(w->director, "node.list", "{\"nodes\":[]}");
    expect(w, "conpaas node list", 0);
    assert_string_equal(w->err, "There are no nodes.\n");
    expect(w, "conpaas node list --quiet", 0);
    assert_string_equal(w->err, "");
}

/* ---- completion ---- */

static void test_completion(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *line, *out;
    } rows[] = {
        {"conpaas __complete se", "service\nsecret\n"},
        {"conpaas __complete service sta", "start\n"},
        {"conpaas __complete service start ", "shop\n"},
        {"conpaas __complete service start x", ""},
        {"conpaas __complete log s", "show\nshop\n"},
        {"conpaas __complete code enable shop code-d", "code-default\n"},
        {"conpaas __complete code upload shop ", ":file\n"},
        {"conpaas __complete node add shop --w", "--web\n"},
        {"conpaas __complete node add shop --web 1 --b", "--backend\n"},
        {"conpaas __complete config set shop mem", "memory_limit=\n"},
        {"conpaas __complete config set shop memory_limit=1 dis", "display_errors=\n"},
        {"conpaas __complete env set shop CO", "COLOUR=\n"},
        {"conpaas __complete env unset shop X CO", "COLOUR\n"},
        {"conpaas __complete service create ", "php\n"},
        {"conpaas __complete service create php x --cloud e", "ec2\n"},
        {"conpaas __complete service create php x --app ", "shop\n"},
        {"conpaas __complete operation list --state D", "DONE\n"},
        {"conpaas __complete wait s", "shop\n"},
        {"conpaas __complete wait shop --st", "--state\n"},
        {"conpaas __complete wait shop --state ", "INIT\nRUNNING\nSTOPPED\nERROR\nstable\n"},
        {"conpaas __complete wait shop --state S", "STOPPED\n"},
        {"conpaas __complete log shop --name ", "manager.log\n"},
        {"conpaas __complete log show shop --node 5 --name ha", "haproxy.log\nhaproxy-access.log\n"},
        {"conpaas __complete log shop --node n5 --name ag", "agent.log\n"},
        {"conpaas __complete help node a", "add\n"},
        {"conpaas __complete completion ", "bash\n"},
        {"conpaas __complete --deck x list_n", "list_nodes\n"},
        {"conpaas __complete --deck https://director.example:9999/v1/services/3 upload_c",
         "upload_code_version\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(w, rows[i].line, 0);
        if (strcmp(w->out, rows[i].out) != 0) {
            fail_msg("%s: \"%s\" instead of \"%s\"", rows[i].line, w->out, rows[i].out);
        }
    }
}

/* ---- the deck's client ---- */

#define DECK "cpsclient.web https://director.example:9999/v1/services/3 "

static void test_deck_changes(void **state)
{
    struct world *w = *state;
    expect(w, DECK "add_nodes -w 1 -b 2", 0);
    assert_string_equal(w->out, "");
    assert_string_equal(w->err, "");
    expect_sent(w, "node.add", "POST /v1/services/3/nodes/add {\"counts\":{\"web\":1,\"backend\":2}}");
    expect(w, DECK "remove_nodes --web 1", 0);
    expect_sent(w, "node.remove", "POST /v1/services/3/nodes/remove {\"counts\":{\"web\":1}}");
    expect(w, DECK "update_php_configuration -c code-default", 0);
    expect_sent(w, "code.enable", "POST /v1/services/3/code/6/enable {}");
    expect(w, DECK "update_php_configuration memory_limit=64M", 0);
    expect_sent(w, "config.set", "PATCH /v1/services/3/config {\"settings\":{\"memory_limit\":\"64M\"}}");
    expect(w, DECK "shutdown", 0);
    expect(w, DECK "startup", 0);
    fake_director_fail_next(w->director);
    expect(w, DECK "add_nodes -p 1", 1);
    assert_string_equal(w->err, "ERROR: Add 2 nodes: " FAKE_WHY "\n");
}

static void test_deck_not_offered(void **state)
{
    struct world *w = *state;
    assert_true(run(w, DECK "update_java_configuration") != 0);
    expect_text(w->err, "not offered by a php service");
}

static void test_deck_keys(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *path = str_printf("%s/id.pub", w->dir);
    _cleanup_free_ char *line = str_printf(DECK "upload_authorized_key %s", path);
    assert_int_equal(fs_write_atomic(path, "ssh-ed25519 AAAA ann@laptop\n", 28, 0600, NULL), 0);
    expect(w, line, 0);
    assert_string_equal(w->out, "1 key(s) added\n");
    assert_true(run(w, DECK "upload_authorized_key") != 0);
    assert_true(run(w, DECK "upload_authorized_key /nonexistent") != 0);
    expect(w, DECK "list_authorized_keys", 0);
    assert_string_equal(w->out, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyOfAnn ann@laptop\n");
}

static void test_deck_has_every_action(void **state)
{
    struct world *w = *state;
    int n = 0;
    for (const char *const *a = deck_action_names(); *a; a++, n++) {
        _cleanup_free_ char *line = str_printf(DECK "%s --help", *a);
        expect(w, line, 0);
        expect_text(w->out, "usage: cpsclient.web URL");
    }
    assert_int_equal(n, 25); /* 24 and help */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_golden),
        T(test_golden_failure),
        T(test_no_lines_for_programs),
        T(test_help_is_narrow),
        T(test_lists_are_narrow),
        T(test_requests),
        T(test_argument_errors),
        T(test_exit_codes),
        T(test_not_logged_in),
        T(test_ambiguous_name),
        T(test_last_line_is_the_url),
        T(test_json_of_a_change),
        T(test_failure_says_why),
        T(test_failure_in_the_history),
        T(test_no_wait),
        T(test_wait),
        T(test_one_way_needs_a_yes),
        T(test_delete_waits_until_gone),
        T(test_delete_waits_for_the_application),
        T(test_delete_leaves_the_application),
        T(test_plan),
        T(test_json_of_texts),
        T(test_events),
        T(test_upload_and_download),
        T(test_failed_download),
        T(test_download_replaces_nothing),
        T(test_spoilt_address),
        T(test_empty_file_is_refused),
        T(test_login),
        T(test_config_must_be_private),
        T(test_token_stays_with_its_director),
        T(test_no_plain_http_elsewhere),
        T(test_colours_only_on_terminals),
        T(test_director_cannot_drive_the_terminal),
        T(test_odd_answers),
        T(test_completion),
        T(test_deck_changes),
        T(test_deck_not_offered),
        T(test_deck_keys),
        T(test_deck_has_every_action),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
