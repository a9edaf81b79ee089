/*
 * One table for the daemon; the keys of the clouds come from the drivers' own tables.
 */
#include "director/config.h"

#include "cloud/cloud_driver.h"

#define D "director"
#define C "credit"
#define L "limits"
#define F "fetch"
#define G "git"
#define AT(member) offsetof(struct config, member)

static const struct conf_key keys[] = {
    {D, "data_dir", CONF_PATH, AT(data_dir), "/var/lib/conpaas", 0, 0,
     "database, certificate authority, code archives"},
    {D, "user", CONF_STRING, AT(user), "conpaas", 0, 64, "becomes this user when started as root"},
    {D, "listen", CONF_STRING, AT(listen), "0.0.0.0", 0, 64, "address for users"},
    {D, "port", CONF_INT, AT(port), "9999", 0, 65535, "port for users; 0: any free one"},
    {D, "host_names", CONF_STRING, AT(host_names), "localhost 127.0.0.1", 0, 0,
     "names and addresses for the certificate, separated by blanks; the first one is told to people"},
    {D, "url", CONF_STRING, AT(url), NULL, 0, 256,
     "how people reach it; without it, made of the first host name and the port"},
    {D, "node_listen", CONF_STRING, AT(node_listen), "0.0.0.0", 0, 64, "address for nodes"},
    {D, "node_port", CONF_INT, AT(node_port), "9998", 0, 65535, "port for nodes; 0: any free one"},
    {D, "node_address", CONF_STRING, AT(node_address), NULL, 0, 128,
     "ADDRESS or ADDRESS:PORT under which nodes reach the director; without it, the first host name that is "
     "an address"},
    {D, "installation", CONF_STRING, AT(installation), NULL, 0, 40,
     "name of the installation, a-z 0-9 -, used when the data directory is new; without it, a random one"},
    {D, "web_dir", CONF_PATH, AT(web_dir), "/usr/share/conpaas/web", 0, 0, "files of the page"},
    {D, "default_cloud", CONF_STRING, AT(default_cloud), NULL, 0, 64,
     "without it, the first one of this file"},
    {D, "log_file", CONF_PATH, AT(log_file), NULL, 0, 0, "without it, standard error"},
    {D, "log_level", CONF_STRING, AT(log_level), "info", 0, 8, "error, warn, info or debug"},
    {D, "provision_threads", CONF_INT, AT(provision_threads), "4", 1, 64, "calls to clouds at the same time"},
    {C, "registration", CONF_BOOL, AT(registration), "yes", 0, 0, "anybody may make an account"},
    {C, "initial_credit", CONF_INT, AT(initial_credit), "50", 0, 1000000000,
     "of a new account that asks for nothing else"},
    {C, "max_credit", CONF_INT, AT(max_credit), "50", 0, 1000000000, "most that a new account may ask for"},
    {L, "session_hours", CONF_INT, AT(session_hours), "12", 1, 8760,
     "a session of the page ends when unused for so long"},
    {L, "token_days", CONF_INT, AT(token_days), "30", 1, 3650,
     "a login of the command line ends after so many days"},
    {L, "logins_per_minute", CONF_INT, AT(logins_per_minute), "20", 1, 100000,
     "tries for each address and each account"},
    {L, "registrations_per_hour", CONF_INT, AT(registrations_per_hour), "60", 1, 100000,
     "new accounts for each address"},
    {L, "code_quota_mb", CONF_INT, AT(code_quota_mb), "2048", 1, 1048576, "code archives of one application"},
    {F, "hosts", CONF_STRING, AT(fetch_hosts), "*", 0, 0,
     "from where files that manifests name are fetched: host names by blanks, *.example.org for those below it, "
     "* for all, none"},
    {F, "ports", CONF_STRING, AT(fetch_ports), "443", 0, 0, "their ports, by blanks"},
    {F, "http", CONF_BOOL, AT(fetch_http), "no", 0, 0, "also without TLS"},
    {F, "networks", CONF_STRING, AT(fetch_networks), NULL, 0, 0,
     "addresses and networks (10.1.0.0/16 fd00::/8) by blanks that may be reached although they are not public"},
    {F, "ca_file", CONF_PATH, AT(fetch_ca_file), NULL, 0, 0,
     "authorities that are trusted (PEM); without it, those of the system"},
    {F, "max_mb", CONF_INT, AT(fetch_max_mb), "512", 1, 65536, "largest file"},
    {F, "timeout_s", CONF_INT, AT(fetch_timeout_s), "600", 1, 86400, "longest time of one attempt"},
    {F, "attempts", CONF_INT, AT(fetch_attempts), "5", 1, 100,
     "when the other side does not answer or is overloaded"},
    {F, "pause_s", CONF_INT, AT(fetch_pause_s), "5", 0, 3600, "between two attempts"},
    {L, "apps_per_user", CONF_INT, AT(apps_per_user), "100", 1, 100000, "applications of one user"},
    {L, "volume_max_mb", CONF_INT, AT(volume_max_mb), "20480", 1, 1 << 30, "largest volume"},
    {L, "volumes_user_mb", CONF_INT, AT(volumes_user_mb), "102400", 1, 1 << 30,
     "all volumes of one user, those of his nodes too"},
    {G, "socket", CONF_PATH, AT(git_socket), NULL, 0, 0,
     "socket of conpaas-git; without it, code cannot be pushed"},
    {G, "user", CONF_STRING, AT(git_user), "conpaas-git", 0, 64, "who may use the socket"},
    {G, "host", CONF_STRING, AT(git_host), NULL, 0, 256,
     "name or address that people push to; without it, the first host name"},
    {G, "port", CONF_INT, AT(git_port), "2222", 1, 65535, "port that people push to"},
    {G, "login", CONF_STRING, AT(git_login), "git", 1, 32, "name in front of the @, as in git.conf"},
    {0},
};

#define SCHEMA_MAX 256

/* The daemon's table, then "cloud *" with driver and every driver's keys, each once, as text. */
struct schema {
    int n;
    struct conf_key all[SCHEMA_MAX];
    int n_cloud;
    struct conf_key cloud[SCHEMA_MAX];
};

static void add_cloud_key(struct schema *s, const char *key, const char *fallback, const char *help)
{
    for (int i = 0; i < s->n_cloud; i++) {
        if (str_eq(s->cloud[i].key, key)) {
            return;
        }
    }
    if (s->n_cloud < SCHEMA_MAX - 1 && s->n < SCHEMA_MAX - 1) {
        struct conf_key k = {"cloud *", key, CONF_STRING, (size_t)s->n_cloud * sizeof(char *),
                             NULL,      0,   0,           help};
        s->cloud[s->n_cloud++] = k;
        k.fallback = fallback;
        s->all[s->n++] = k;
    }
}

static struct schema *schema_new(void)
{
    struct schema *s = xcalloc(1, sizeof(*s));
    for (const struct conf_key *k = keys; k->key; k++) {
        s->all[s->n++] = *k;
    }
    add_cloud_key(s, "driver", NULL, "local or sim; the keys of the drivers follow");
    for (const struct cloud_driver *const *d = cloud_drivers; *d; d++) {
        for (const struct conf_key *k = (*d)->config; k && k->key; k++) {
            add_cloud_key(s, k->key, NULL, k->help);
        }
    }
    return s;
}

int config_load(const char *path, struct config *ret, struct err *e)
{
    _cleanup_free_ struct schema *s = schema_new();
    return conf_load(path, s->all, ret, e);
}

void config_done(struct config *c)
{
    conf_free(keys, c);
}

void config_dump(FILE *out)
{
    _cleanup_free_ struct schema *s = schema_new();
    conf_dump(s->all, out);
}

struct each {
    const struct schema *s;
    int (*f)(void *arg, const char *name, const json_t *keys, struct err *e);
    void *arg;
};

static int one_cloud(void *arg, const char *name, void *target, struct err *e)
{
    struct each *each = arg;
    char **values = target;
    _cleanup_json_ json_t *j = json_object();
    for (int i = 0; i < each->s->n_cloud; i++) {
        if (values[i]) {
            json_object_set_new(j, each->s->cloud[i].key, json_string(values[i]));
        }
    }
    int rc = each->f(each->arg, name, j, e);
    conf_free(each->s->cloud, target);
    return rc < 0 ? err_wrap(e, rc, "[cloud %s]", name) : 0;
}

int config_each_cloud(const char *path,
                      int (*f)(void *arg, const char *name, const json_t *keys, struct err *e), void *arg,
                      struct err *e)
{
    _cleanup_free_ struct schema *s = schema_new();
    struct each each = {.s = s, .f = f, .arg = arg};
    return conf_each_section(path, "cloud", s->cloud, (size_t)s->n_cloud * sizeof(char *), one_cloud, &each,
                             e);
}
