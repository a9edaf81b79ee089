#include "cli/show.h"

#include "cli/follow.h"
#include "cli/plan.h"

void show_history(struct cli *cli, const json_t *list)
{
    static const struct table_column columns[] = {
        {.title = "TIME"}, {"STATE", .optional = true}, {"WHAT", .shrink = 20, .wrap = true}};
    if (json_array_size(list) == 0) {
        cli_note(cli, "Nothing has happened yet.");
        return;
    }
    _cleanup_(table_freep) struct table *t = table_new(columns, 3);
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        table_take(t, term_time(json_int(item, "time", 0)));
        table_add(t, json_str(item, "state", ""));
        table_colour(t, print_state_colour(json_str(item, "state", "")));
        table_add(t, json_str(item, "text", ""));
    }
    table_print(t, &cli->term);
}

static void add_instance_type(struct table *t, const json_t *cloud, const json_t *type, bool first)
{
    const char *star = json_flag(cloud, "default", false) ? " *" : "";
    table_take(t, first ? str_printf("%s%s", json_str(cloud, "name", ""), star) : xstrdup(""));
    const char *type_star = json_flag(type, "default", false) ? " *" : "";
    table_take(t, type ? str_printf("%s%s", json_str(type, "name", ""), type_star) : xstrdup(""));
    table_take(t, type ? term_milli(json_int(type, "millicores", 0)) : xstrdup(""));
    table_take(t, type ? str_printf("%lld MB", (long long)json_int(type, "memory_mb", 0)) : xstrdup(""));
    table_take(t, type ? str_printf("%lld MB", (long long)json_int(type, "disk_mb", 0)) : xstrdup(""));
    table_take(t, type ? term_milli(json_int(type, "millicredits_per_hour", 0)) : xstrdup(""));
    bool available = json_flag(cloud, "available", false);
    table_add(t, !first ? "" : available ? "available" : json_str(cloud, "reason", "not available"));
    table_colour(t, available ? COLOUR_OK : COLOUR_BAD);
}

void show_clouds(struct cli *cli, const json_t *list)
{
    static const struct table_column columns[] = {
        {.title = "CLOUD"},
        {.title = "TYPE"},
        {"CORES", .right = true},
        {"MEMORY", .right = true},
        {"DISK", .right = true},
        {"CREDITS/H", .right = true},
        {"STATUS", .shrink = 12, .wrap = true},
    };
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_LEN(columns));
    size_t i, k;
    json_t *cloud, *type;
    json_array_foreach(list, i, cloud)
    {
        const json_t *types = json_object_get(cloud, "types");
        if (json_array_size(types) == 0) {
            add_instance_type(t, cloud, NULL, true);
        }
        json_array_foreach(types, k, type)
        {
            add_instance_type(t, cloud, type, k == 0);
        }
    }
    table_print(t, &cli->term);
    cli_note(cli, "* is used when you name none.");
}

void show_types(struct cli *cli, const json_t *list)
{
    static const struct table_column columns[] = {{.title = "TYPE"},
                                                  {"ROLES", .shrink = 16},
                                                  {"SETTINGS", .right = true},
                                                  {"WHAT", .shrink = 16, .wrap = true}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_LEN(columns));
    size_t i, k;
    json_t *type, *role;
    json_array_foreach(list, i, type)
    {
        struct buf roles = {0};
        json_array_foreach(json_object_get(type, "roles"), k, role)
        {
            buf_addf(&roles, "%s%s", k ? " " : "", json_str(role, "name", ""));
        }
        table_add(t, json_str(type, "name", ""));
        table_take(t, buf_take(&roles));
        table_take(t, str_printf("%zu", json_array_size(json_object_get(type, "settings"))));
        table_add(t, json_str(type, "summary", ""));
    }
    table_print(t, &cli->term);
}

static void print_ledger(struct cli *cli, const json_t *entries)
{
    static const struct table_column columns[] = {{.title = "TIME"},
                                                  {"CREDITS", .right = true},
                                                  {.title = "KIND"},
                                                  {"NODE", .right = true, .optional = true},
                                                  {"WHAT", .shrink = 16, .wrap = true}};
    _cleanup_(table_freep) struct table *t = table_new(columns, ARRAY_LEN(columns));
    size_t i;
    json_t *entry;
    json_array_foreach(entries, i, entry)
    {
        int64_t amount = json_int(entry, "amount", 0);
        _cleanup_free_ char *number = term_number(amount);
        table_take(t, term_time(json_int(entry, "time", 0)));
        table_take(t, str_printf("%s%s", amount > 0 ? "+" : "", number));
        table_add(t, json_str(entry, "kind", ""));
        table_take(t, print_value(json_object_get(entry, "node"), FORMAT_INT, 0));
        table_add(t, json_str(entry, "text", ""));
    }
    if (table_rows(t) > 0) {
        fprintf(cli->term.out, "\n");
        table_print(t, &cli->term);
    }
}

void show_credit(struct cli *cli, const json_t *credit)
{
    int64_t balance = json_int(credit, "balance", 0), rate = json_int(credit, "millicredits_per_hour", 0);
    _cleanup_free_ char *left = term_number(balance), *cost = term_milli(rate);
    print_label(cli, "credits", "%s", left);
    if (json_int(credit, "held", 0) > 0) {
        _cleanup_free_ char *held = term_number(json_int(credit, "held", 0));
        print_label(cli, "reserved", "%s", held);
    }
    print_label(cli, "cost", "%s per hour", cost);
    if (json_int(credit, "out_since", 0) > 0) {
        _cleanup_free_ char *since = term_time(json_int(credit, "out_since", 0));
        print_label(cli, "why", "out of credit since %s: everything is stopped until you get more", since);
    }
    if (rate > 0) {
        _cleanup_free_ char *time = plan_time_left(balance, rate);
        print_label(cli, "enough for", "%s", time);
    }
    print_ledger(cli, json_object_get(credit, "entries"));
}

/* The address as this user reaches the director, whatever the director believes its own name to be. */
static char *service_address(struct cli *cli, const json_t *service)
{
    return cli->settings.url
               ? str_printf("%s/v1/services/%lld", cli->settings.url, (long long)json_int(service, "id", 0))
               : xstrdup(json_str(service, "address", ""));
}

void show_service(struct cli *cli, const json_t *service)
{
    int64_t now = term_now(&cli->term);
    const struct term *t = &cli->term;
    const char *state = json_str(service, "state", "?");
    _cleanup_free_ char *since = term_age(json_int(service, "changed", now), now);
    _cleanup_free_ char *counts = print_value(json_object_get(service, "counts"), FORMAT_COUNTS, now);
    _cleanup_free_ char *cost = term_milli(json_int(service, "millicredits_per_hour", 0));
    _cleanup_free_ char *address = service_address(cli, service);
    size_t i;
    json_t *op;
    print_label(cli, "service", "%s (id %lld)", json_str(service, "name", ""),
                (long long)json_int(service, "id", 0));
    print_label(cli, "application", "%s (id %lld)", json_str(service, "app_name", ""),
                (long long)json_int(service, "app", 0));
    print_label(cli, "type", "%s", json_str(service, "type", ""));
    fprintf(t->out, "%s%-12s%s %s%s%s for %s\n", term_on(t, false, COLOUR_OFF), "state", term_off(t, false),
            term_on(t, false, print_state_colour(state)), state, term_off(t, false), since);
    if (json_str(service, "error", NULL)) {
        print_label(cli, "why", "%s", json_str(service, "error", ""));
    }
    json_array_foreach(json_object_get(service, "operations"), i, op)
    {
        print_label(cli, "under way", "%s (operation %lld)", json_str(op, "title", ""),
                    (long long)json_int(op, "id", 0));
    }
    print_label(cli, "nodes", "%lld (%s; 0: on the first node)", (long long)json_int(service, "nodes", 0),
                counts);
    print_label(cli, "code", "%s", json_str(service, "code_name", "none"));
    print_label(cli, "cloud", "%s", json_str(service, "cloud", ""));
    print_label(cli, "cost", "%s credit%s per hour", cost, str_eq(cost, "1") ? "" : "s");
    print_label(cli, "address", "%s", address);
    if (json_str(service, "url", NULL)) {
        print_label(cli, "url", "%s", json_str(service, "url", ""));
    }
}

void show_app(struct cli *cli, const json_t *app)
{
    const json_t *manager = json_object_get(app, "manager");
    _cleanup_free_ char *cost = term_milli(json_int(app, "millicredits_per_hour", 0));
    _cleanup_free_ char *created = term_time(json_int(app, "created", 0));
    print_label(cli, "application", "%s (id %lld)", json_str(app, "name", ""),
                (long long)json_int(app, "id", 0));
    print_label(cli, "owner", "%s", json_str(app, "owner", ""));
    print_label(cli, "state", "%s", json_str(app, "state", ""));
    if (json_str(app, "error", NULL)) {
        print_label(cli, "why", "%s", json_str(app, "error", ""));
    }
    if (json_is_object(manager)) {
        print_label(cli, "manager", "node %lld, %s, %s", (long long)json_int(manager, "id", 0),
                    json_str(manager, "status", ""), json_str(manager, "address", "no address yet"));
    }
    print_label(cli, "services", "%lld", (long long)json_int(app, "services", 0));
    print_label(cli, "nodes", "%lld", (long long)json_int(app, "nodes", 0));
    print_label(cli, "cloud", "%s", json_str(app, "cloud", ""));
    print_label(cli, "cost", "%s credit%s per hour", cost, str_eq(cost, "1") ? "" : "s");
    print_label(cli, "created", "%s", created);
}

/* What an operation or a job has done. */
static void show_steps(struct cli *cli, const json_t *op)
{
    const struct term *t = &cli->term;
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(op, "steps"), i, step)
    {
        const char *state = json_str(step, "state", "");
        if (follow_repeats_end(op, json_str(step, "title", ""))) {
            continue;
        }
        int64_t from = json_int(step, "started", 0), to = json_int(step, "ended", term_now(&cli->term));
        _cleanup_free_ char *time = term_duration(to > from ? to - from : 0);
        struct buf title = {0};
        term_safe(&title, json_str(step, "title", ""), false);
        struct buf line = {0};
        term_fit(t, &line, title.data, 60, false);
        fprintf(t->out, "  %s %s %9s\n", str_eq(state, "ACTIVE") ? "-" : term_mark(t, str_eq(state, "DONE")),
                line.data, time);
        buf_done(&title);
        buf_done(&line);
    }
}

void show_operation(struct cli *cli, const json_t *op)
{
    int64_t started = json_int(op, "created", 0), ended = json_int(op, "ended", term_now(&cli->term));
    _cleanup_free_ char *when = term_time(started),
                        *took = term_duration(ended > started ? ended - started : 0);
    print_label(cli, "operation", "%lld: %s", (long long)json_int(op, "id", 0), json_str(op, "title", ""));
    print_label(cli, "service", "%lld", (long long)json_int(op, "service", 0));
    print_label(cli, "state", "%s", json_str(op, "state", ""));
    if (json_str(op, "why", NULL)) {
        print_label(cli, "why", "%s", json_str(op, "why", ""));
    }
    print_label(cli, "by", "%s", json_str(op, "user", "the system"));
    print_label(cli, "accepted", "%s", when);
    print_label(cli, "took", "%s", took);
    show_steps(cli, op);
}

void show_job(struct cli *cli, const json_t *job)
{
    int64_t started = json_int(job, "created", 0), ended = json_int(job, "ended", term_now(&cli->term));
    _cleanup_free_ char *when = term_time(started),
                        *took = term_duration(ended > started ? ended - started : 0);
    print_label(cli, "job", "%lld", (long long)json_int(job, "id", 0));
    print_label(cli, "application", "%s", json_str(job, "app_name", ""));
    print_label(cli, "state", "%s", json_str(job, "state", ""));
    if (json_str(job, "why", NULL)) {
        print_label(cli, "why", "%s", json_str(job, "why", ""));
    }
    print_label(cli, "by", "%s", json_str(job, "user", ""));
    print_label(cli, "accepted", "%s", when);
    print_label(cli, "took", "%s", took);
    show_steps(cli, job);
}

void show_config(struct cli *cli, const json_t *config)
{
    print_label(cli, "code", "%s", json_str(config, "code_name", "none"));
    static const struct table_column columns[] = {{.title = "SETTING"},
                                                  {"VALUE", .shrink = 20, .wrap = true}};
    _cleanup_(table_freep) struct table *t = table_new(columns, 2);
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(config, "settings"), key, value)
    {
        table_add(t, key);
        table_take(t, print_value(value, FORMAT_TEXT, 0));
    }
    fprintf(cli->term.out, "\n");
    table_print(t, &cli->term);
}

void show_log(struct cli *cli, const json_t *log)
{
    struct buf safe = {0};
    term_safe(&safe, json_str(log, "text", ""), true);
    bool ends = safe.len == 0 || safe.data[safe.len - 1] == '\n';
    fprintf(cli->term.out, "%s%s", safe.data, ends ? "" : "\n");
    buf_done(&safe);
}

void show_authority(struct cli *cli, const json_t *authority)
{
    struct buf pem = {0};
    term_safe(&pem, json_str(authority, "certificate", ""), true);
    fprintf(cli->term.out, "%s", pem.data);
    buf_done(&pem);
    cli_note(cli, "installation %s, SHA-256 %s", json_str(authority, "installation", ""),
             json_str(authority, "fingerprint", ""));
}

void show_status(struct cli *cli, const json_t *status)
{
    _cleanup_free_ char *started = term_time(json_int(status, "started", 0));
    print_label(cli, "version", "%s", json_str(status, "version", ""));
    print_label(cli, "installation", "%s (incarnation %lld)", json_str(status, "installation", ""),
                (long long)json_int(status, "incarnation", 0));
    print_label(cli, "mode", "%s",
                json_flag(status, "recovery", false)
                    ? "recovery: nothing is created or destroyed until `conpaas director reconcile`"
                    : "normal");
    print_label(cli, "started", "%s", started);
    static const char *const figures[] = {"users", "apps", "services", "nodes"};
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        print_label(cli, figures[i], "%lld", (long long)json_int(status, figures[i], 0));
    }
    size_t i;
    json_t *alarm;
    json_array_foreach(json_object_get(status, "alarms"), i, alarm)
    {
        _cleanup_free_ char *time = term_time(json_int(alarm, "time", 0));
        print_label(cli, "alarm", "%s %s", time, json_str(alarm, "text", ""));
    }
}

void show_new_token(struct cli *cli, const json_t *token)
{
    cli_note(cli, "token %s (id %lld); it is shown only now:", json_str(token, "name", ""),
             (long long)json_int(token, "id", 0));
    fprintf(cli->term.out, "%s\n", json_str(token, "token", ""));
}

void show_change(struct cli *cli, const json_t *change)
{
    const json_t *op = json_object_get(change, "operation");
    const char *title = json_str(op, "title", "accepted");
    if (json_is_object(op)) {
        fprintf(cli->term.out, "operation %lld\n", (long long)json_int(op, "id", 0));
        cli_note(cli, "%s: it goes on; follow it with `conpaas operation show %lld`", title,
                 (long long)json_int(op, "id", 0));
    } else {
        fprintf(cli->term.out, "done\n");
    }
}

void show_login(struct cli *cli, const json_t *login)
{
    print_label(cli, "user", "%s", json_str(json_object_get(login, "user"), "username", ""));
}
