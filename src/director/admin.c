/*
 * Secrets are made here and printed once.
 */
#include "director/admin.h"

#include "base/clock.h"
#include "director/account.h"

void admin_help(void)
{
    puts("  admin create-user NAME [--admin] [--credit N] [--email ADDRESS]   prints a password, once\n"
         "  admin grant NAME N                                                credits; negative takes them\n"
         "  admin token NAME [TOKEN-NAME]                                     prints an API token, once\n"
         "  admin password NAME                                               prints a new password, once");
}

static int usage(struct err *e)
{
    return err_set_hint(e, ERR_INVALID, "see conpaas-director --help", "wrong arguments of admin");
}

struct new_user {
    const char *name, *email;
    int64_t credit;
    bool admin, credit_given;
};

static int parse_new_user(char **argv, struct new_user *ret, struct err *e)
{
    for (char **a = argv; *a; a++) {
        if (str_eq(*a, "--admin")) {
            ret->admin = true;
        } else if (str_eq(*a, "--credit") && a[1]) {
            if (str_to_int(*++a, 0, 1000000000, &ret->credit) < 0) {
                return err_set(e, ERR_INVALID, "--credit is a number from 0 to 1000000000");
            }
            ret->credit_given = true;
        } else if (str_eq(*a, "--email") && a[1]) {
            ret->email = *++a;
        } else if (!ret->name && (*a)[0] != '-') {
            ret->name = *a;
        } else {
            return usage(e);
        }
    }
    return ret->name ? 0 : usage(e);
}

static int create_user(struct director *d, char **argv, struct err *e)
{
    struct new_user n = {0};
    int64_t id = 0;
    int rc = parse_new_user(argv, &n, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_free_ char *email = n.email ? xstrdup(n.email) : str_printf("%s@localhost.localdomain", n.name);
    _cleanup_free_ char *password = random_name("", 20);
    struct account_new a = {
        .username = n.name,
        .email = email,
        .password = password,
        .credit = n.credit_given ? n.credit : d->config.initial_credit,
        .admin = n.admin,
    };
    if ((rc = account_register(d, &a, &id, e)) < 0) {
        return rc;
    }
    printf("%s\n", password);
    mem_wipe(password, strlen(password));
    return 0;
}

static int grant(struct director *d, char **argv, struct err *e)
{
    _cleanup_user_ struct user u = {0};
    int64_t amount = 0, balance = 0;
    if (!argv[0] || !argv[1] || argv[2] || str_to_int(argv[1], -1000000000, 1000000000, &amount) < 0) {
        return usage(e);
    }
    int rc = store_user_by_name(d->store, argv[0], &u, e);
    if (rc < 0 || (rc = store_begin(d->store, e)) < 0) {
        return rc;
    }
    if ((rc = store_grant(d->store, u.id, amount, "by the operator", clock_steady_ms(), &balance, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    if ((rc = store_commit(d->store, e)) < 0) {
        return rc;
    }
    printf("%lld\n", (long long)balance);
    return 0;
}

static int token(struct director *d, char **argv, struct err *e)
{
    _cleanup_user_ struct user u = {0};
    _cleanup_token_ struct token t = {0};
    _cleanup_free_ char *secret = NULL;
    if (!argv[0] || (argv[1] && argv[2])) {
        return usage(e);
    }
    _cleanup_free_ char *name = argv[1] ? xstrdup(argv[1]) : random_name("console ", 8);
    int rc = store_user_by_name(d->store, argv[0], &u, e);
    if (rc < 0 || (rc = account_new_token(d, u.id, name, 0, &t, &secret, e)) < 0) {
        return rc;
    }
    printf("%s\n", secret);
    mem_wipe(secret, strlen(secret));
    return 0;
}

static int password(struct director *d, char **argv, struct err *e)
{
    _cleanup_user_ struct user u = {0};
    _cleanup_free_ char *secret = random_name("", 20);
    _cleanup_free_ char *hash = NULL;
    if (!argv[0] || argv[1]) {
        return usage(e);
    }
    int rc = store_user_by_name(d->store, argv[0], &u, e);
    if (rc < 0 || (rc = account_hash(d, secret, &hash, e)) < 0 || (rc = store_begin(d->store, e)) < 0) {
        return rc;
    }
    free(u.password);
    u.password = TAKE_PTR(hash);
    if ((rc = store_user_update(d->store, &u, e)) < 0 ||
        (rc = store_tokens_delete_all(d->store, u.id, 0, e)) < 0) {
        store_abort(d->store);
        return rc;
    }
    if ((rc = store_commit(d->store, e)) < 0) {
        return rc;
    }
    printf("%s\n", secret);
    mem_wipe(secret, strlen(secret));
    return 0;
}

static const struct {
    const char *verb;
    int (*run)(struct director *d, char **argv, struct err *e);
} commands[] = {
    {"create-user", create_user},
    {"grant", grant},
    {"token", token},
    {"password", password},
};

int admin_run(const char *config_path, char **argv, struct err *e)
{
    for (size_t i = 0; argv[0] && i < ARRAY_LEN(commands); i++) {
        if (str_eq(commands[i].verb, argv[0])) {
            struct director d;
            int rc = director_open(&d, config_path, e);
            rc = rc < 0 ? rc : commands[i].run(&d, argv + 1, e);
            director_stop(&d);
            return rc;
        }
    }
    return usage(e);
}
