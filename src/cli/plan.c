#include "cli/plan.h"

#define HOURS_PER_MONTH 720

char *plan_time_left(int64_t credits, int64_t millicredits_per_hour)
{
    int64_t hours = credits * 1000 / millicredits_per_hour;
    return hours < 48 ? str_printf("%lld hours", (long long)hours)
                      : str_printf("%lld days", (long long)(hours / 24));
}

/* Price of the type that a cloud uses when none is named; -1 when it cannot be told. */
static int64_t default_price(struct cli *cli, const char *cloud_name)
{
    _cleanup_json_ json_t *clouds = NULL;
    if (cli_list(cli, "cloud.list", NULL, &clouds, NULL) < 0) {
        return -1;
    }
    size_t i, k;
    json_t *cloud, *type;
    json_array_foreach(clouds, i, cloud)
    {
        bool wanted =
            cloud_name ? str_eq(json_str(cloud, "name", ""), cloud_name) : json_flag(cloud, "default", false);
        json_array_foreach(json_object_get(cloud, "types"), k, type)
        {
            if (wanted && json_flag(type, "default", false)) {
                return json_int(type, "millicredits_per_hour", -1);
            }
        }
    }
    return -1;
}

static int64_t sum_counts(const json_t *counts)
{
    int64_t sum = 0;
    const char *role;
    json_t *n;
    json_object_foreach((json_t *)counts, role, n)
    {
        sum += json_integer_value(n);
    }
    return sum;
}

static char *counts_words(const json_t *counts, char sign)
{
    struct buf b = {0};
    const char *role;
    json_t *n;
    json_object_foreach((json_t *)counts, role, n)
    {
        buf_addf(&b, "%s%c%lld %s", b.len ? ", " : "", sign, (long long)json_integer_value(n),
                 str_eq(role, "count") ? "nodes" : role);
    }
    return buf_take(&b);
}

/* "+2 credits per hour, +1,440 per month; 9,994 left, enough for 83 days" */
static char *cost_text(struct cli *cli, int64_t difference)
{
    _cleanup_free_ char *hour = term_milli(difference), *month = term_milli(difference * HOURS_PER_MONTH);
    const char *sign = difference > 0 ? "+" : "";
    struct buf b = {0};
    buf_addf(&b, "%s%s credit%s per hour, %s%s per month", sign, hour,
             str_eq(hour, "1") || str_eq(hour, "-1") ? "" : "s", sign, month);
    _cleanup_json_ json_t *credit = NULL;
    _cleanup_json_ json_t *args = json_pack("{s:i}", "limit", 1);
    if (cli_call(cli, "credit.show", args, &credit, NULL) == 0) {
        int64_t balance = json_int(credit, "balance", 0);
        int64_t rate = json_int(credit, "millicredits_per_hour", 0) + difference;
        _cleanup_free_ char *left = term_number(balance);
        buf_addf(&b, "; %s left", left);
        if (rate > 0) {
            _cleanup_free_ char *time = plan_time_left(balance, rate);
            buf_addf(&b, ", enough for %s", time);
        }
    }
    return buf_take(&b);
}

static const json_t *types_of(struct cli *cli)
{
    if (!cli->types && cli_list(cli, "type.list", NULL, &cli->types, NULL) < 0) {
        json_decref(cli->types);
        cli->types = NULL;
    }
    return cli->types;
}

static const json_t *named(const json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (str_eq(json_str(item, "name", ""), name)) {
            return item;
        }
    }
    return NULL;
}

/* Whether the service's type has these roles and can have as many nodes of each. */
static bool is_possible(struct cli *cli, const json_t *service, const json_t *counts, int sign)
{
    const json_t *type = named(types_of(cli), json_str(service, "type", ""));
    const json_t *have = json_object_get(service, "counts");
    const char *name;
    json_t *n;
    json_object_foreach((json_t *)counts, name, n)
    {
        const char *own = str_eq(name, "count") ? json_str(type, "default_role", name) : name;
        const json_t *role = named(json_object_get(type, "roles"), own);
        int64_t after = json_int(have, own, 0) + sign * json_integer_value(n);
        if (!role || after < json_int(role, "min", 0) || after > json_int(role, "max", INT64_MAX)) {
            return false;
        }
    }
    return true;
}

static void plan_nodes(struct cli *cli, const struct command *c, bool add)
{
    _cleanup_json_ json_t *args = json_pack("{s:O}", "service", json_object_get(c->args, "service"));
    _cleanup_json_ json_t *service = NULL;
    if (cli_call(cli, "service.show", args, &service, NULL) < 0) {
        return;
    }
    const json_t *counts = json_object_get(c->args, "counts");
    if (!is_possible(cli, service, counts, add ? 1 : -1)) {
        return; /* the director says what is wrong with it */
    }
    int64_t change = sum_counts(counts) * (add ? 1 : -1);
    int64_t now = sum_counts(json_object_get(service, "counts"));
    long long after = now + change;
    int64_t price = default_price(cli, json_str(service, "cloud", NULL));
    _cleanup_free_ char *words = counts_words(counts, add ? '+' : '-');
    _cleanup_free_ char *cost = price >= 0 ? cost_text(cli, change * price) : NULL;
    cli_note(cli, "plan: %s (%lld -> %lld nodes)%s%s", words, (long long)now, after, cost ? "\n      " : "",
             cost ? cost : "");
}

static void plan_start(struct cli *cli, const struct command *c)
{
    _cleanup_json_ json_t *args = json_pack("{s:O}", "service", json_object_get(c->args, "service"));
    _cleanup_json_ json_t *service = NULL;
    if (cli_call(cli, "service.show", args, &service, NULL) < 0) {
        return;
    }
    int64_t nodes = sum_counts(json_object_get(service, "counts"));
    const char *cloud = json_str(c->args, "cloud", json_str(service, "cloud", NULL));
    int64_t price = default_price(cli, cloud);
    _cleanup_free_ char *cost = price >= 0 ? cost_text(cli, nodes * price) : NULL;
    cli_note(cli, "plan: start %lld node%s%s%s", (long long)nodes, nodes == 1 ? "" : "s",
             cost ? "\n      " : "", cost ? cost : "");
}

/* A service of its own application, or the first of one, brings a manager. */
static void plan_create(struct cli *cli, const struct command *c)
{
    json_t *app = json_object_get(c->args, "app");
    if (app) {
        _cleanup_json_ json_t *args = json_pack("{s:O}", "app", app);
        _cleanup_json_ json_t *a = NULL;
        if (cli_call(cli, "app.show", args, &a, NULL) < 0 || json_is_object(json_object_get(a, "manager"))) {
            return;
        }
    }
    int64_t price = default_price(cli, json_str(c->args, "cloud", NULL));
    if (price >= 0) {
        _cleanup_free_ char *cost = cost_text(cli, price);
        cli_note(cli, "plan: a node for the application's manager\n      %s", cost);
    }
}

void plan_show(struct cli *cli, const struct command *c)
{
    if (cli->quiet || cli->json) {
        return;
    }
    if (str_eq(c->call->id, "node.add") || str_eq(c->call->id, "node.remove")) {
        plan_nodes(cli, c, str_eq(c->call->id, "node.add"));
    } else if (str_eq(c->call->id, "service.start")) {
        plan_start(cli, c);
    } else if (str_eq(c->call->id, "service.create")) {
        plan_create(cli, c);
    }
}
