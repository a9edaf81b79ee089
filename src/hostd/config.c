#include "hostd/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <stddef.h>

#include "base/conf.h"
#include "base/str.h"

#define KEY(sec, name, k, field, def, ...)                                                                   \
    {                                                                                                        \
        .section = (sec), .key = (name), .kind = (k), .offset = offsetof(struct config, field),              \
        .fallback = (def), __VA_ARGS__                                                                       \
    }

static const struct conf_key schema[] = {
    KEY("hostd", "installation", CONF_STRING, installation, "conpaas", .min = 1, .max = 16,
        .help = "Name of the installation: [a-z][a-z0-9]*; tags cgroups and nft tables"),
    KEY("hostd", "user", CONF_STRING, user, "conpaas", .help = "User who may connect besides root"),
    KEY("hostd", "socket", CONF_PATH, socket, "/run/conpaas-hostd/hostd.sock",
        .help = "Socket of the director's calls"),
    KEY("hostd", "state", CONF_PATH, state, "/var/lib/conpaas/hostd",
        .help = "Records and disks of the nodes; one installation a directory"),
    KEY("hostd", "run", CONF_PATH, run, "/run/conpaas-hostd",
        .help = "Mount points and generated files; gone after a reboot"),
    KEY("hostd", "image", CONF_PATH, image, "/var/lib/conpaas/images/current",
        .help = "Node image as image/build prints it: holds rootfs and READY"),
    KEY("hostd", "programs", CONF_PATH, programs, "/usr/lib/conpaas/node",
        .help = "Directory of conpaas-agent and conpaas-manager; /usr/lib/conpaas in every node"),
    KEY("hostd", "init", CONF_STRING, init, "conpaas-agent", .min = 1, .max = 64,
        .help = "First program of a node, a file of `programs`"),
    KEY("hostd", "max_clients", CONF_INT, max_clients, "32", .min = 1, .max = 256,
        .help = "Connections served at once"),
    KEY("hostd", "log_level", CONF_INT, log_level, "2", .min = 0, .max = 3,
        .help = "0 errors, 1 warnings, 2 information, 3 debugging"),
    KEY("hostd", "apparmor", CONF_STRING, apparmor, "unconfined", .min = 1, .max = 64,
        .help = "AppArmor profile of the nodes, where AppArmor is on"),
    KEY("network", "bridge", CONF_STRING, bridge, "cps0", .min = 2, .max = 8,
        .help = "Bridge of the nodes: letters, then digits; made and removed by hostd"),
    KEY("network", "subnet", CONF_STRING, subnet, "10.88.0.0/16",
        .help = "Addresses of the nodes; the first is the host's"),
    KEY("network", "node_port", CONF_INT, node_port, "9998", .min = 1, .max = 65535,
        .help = "Port of the director that nodes may reach on the host; no other"),
    KEY("network", "outside", CONF_BOOL, outside, "true",
        .help = "Nodes reach the world behind this machine's address"),
    KEY("nodes", "uid_base", CONF_INT, uid_base, "1000000", .min = 65536, .max = 4000000000,
        .help = "First uid and gid that nodes are given; each has 65536"),
    KEY("nodes", "uid_count", CONF_INT, uid_count, "655360000", .min = CONFIG_UIDS_PER_NODE,
        .max = 4000000000, .help = "How many uids and gids from there on belong to nodes"),
    KEY("nodes", "max_nodes", CONF_INT, max_nodes, "200", .min = 1, .max = 8000,
        .help = "Nodes at once; further ones are refused for lack of capacity"),
    {.key = NULL},
};

static int check_name(const char *key, const char *s, size_t max, struct err *e)
{
    size_t n = strlen(s);

    if (n == 0 || n > max || !islower((unsigned char)s[0])) {
        return err_set(e, ERR_INVALID, "%s must be 1 to %zu of [a-z0-9], beginning with a letter", key, max);
    }
    for (const char *p = s; *p; p++) {
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p)) {
            return err_set(e, ERR_INVALID, "%s must be of [a-z0-9]", key);
        }
    }
    return 0;
}

/* Letters, then digits: then no bridge's name is the beginning of another bridge's interfaces. */
static int check_bridge(const char *s, struct err *e)
{
    size_t n = strlen(s), letters = strspn(s, "abcdefghijklmnopqrstuvwxyz");

    if (n > 8 || letters == 0 || letters == n || strspn(s + letters, "0123456789") != n - letters) {
        return err_set(e, ERR_INVALID, "bridge must be letters, then digits, at most 8 in all");
    }
    return 0;
}

static int check_path(const char *key, const char *s, struct err *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@";

    if (s[0] != '/' || strspn(s, allowed) != strlen(s) || strlen(s) > 200 || strstr(s, "/../")) {
        return err_set(e, ERR_INVALID, "%s must be an absolute path of [A-Za-z0-9/._+@-]", key);
    }
    return 0;
}

static int read_subnet(struct config *c, struct err *e)
{
    const char *slash = strchr(c->subnet, '/');
    char text[CONFIG_ADDRESS];
    struct in_addr a;
    int64_t prefix;
    uint32_t mask;

    if (!slash || (size_t)(slash - c->subnet) >= sizeof(text) || str_to_int(slash + 1, 8, 28, &prefix) < 0) {
        return err_set(e, ERR_INVALID, "subnet must be like 10.88.0.0/16, with 8 to 28 bits");
    }
    memcpy(text, c->subnet, (size_t)(slash - c->subnet));
    text[slash - c->subnet] = '\0';
    if (inet_pton(AF_INET, text, &a) != 1) {
        return err_set(e, ERR_INVALID, "subnet has no valid address: %s", text);
    }
    mask = ~(uint32_t)0 << (32 - prefix);
    c->network = ntohl(a.s_addr);
    c->prefix = (int)prefix;
    if (c->network & ~mask) {
        return err_set(e, ERR_INVALID, "subnet %s has bits beyond its prefix", c->subnet);
    }
    if (c->max_nodes > (int64_t)(~mask) - 2) {
        return err_set(e, ERR_INVALID, "subnet %s has no room for max_nodes = %lld", c->subnet,
                       (long long)c->max_nodes);
    }
    return 0;
}

static int check(struct config *c, struct err *e)
{
    int r;

    if ((r = check_name("installation", c->installation, 16, e)) < 0 ||
        (r = check_bridge(c->bridge, e)) < 0 || (r = check_path("socket", c->socket, e)) < 0 ||
        (r = check_path("state", c->state, e)) < 0 || (r = check_path("run", c->run, e)) < 0 ||
        (r = check_path("image", c->image, e)) < 0 || (r = check_path("programs", c->programs, e)) < 0 ||
        (r = read_subnet(c, e)) < 0) {
        return r;
    }
    if (strchr(c->init, '/') || c->init[0] == '.' || strchr(c->init, ' ')) {
        return err_set(e, ERR_INVALID, "init must be the name of a file in `programs`");
    }
    if (c->uid_count < (c->max_nodes + 1) * CONFIG_UIDS_PER_NODE) {
        return err_set(e, ERR_INVALID, "uid_count is too small for max_nodes: %lld are needed",
                       (long long)(c->max_nodes + 1) * CONFIG_UIDS_PER_NODE);
    }
    if (c->uid_base + c->uid_count > (int64_t)UINT32_MAX) {
        return err_set(e, ERR_INVALID, "uid_base + uid_count is beyond the largest uid");
    }
    return 0;
}

int config_load(const char *path, struct config *ret, struct err *e)
{
    struct config c = {0};
    int r = conf_load(path, schema, &c, e);

    if (r < 0) {
        return r;
    }
    r = check(&c, e);
    if (r < 0) {
        conf_free(schema, &c);
        return path ? err_wrap(e, r, "%s", path) : r;
    }
    c.path = path ? xstrdup(path) : NULL;
    c.cgroup = str_printf("conpaas-%s", c.installation);
    c.table = str_printf("conpaas_%s", c.installation);
    *ret = c;
    return 0;
}

void config_done(struct config *c)
{
    conf_free(schema, c);
    free(c->path);
    free(c->cgroup);
    free(c->table);
    *c = (struct config){0};
}

void config_dump(FILE *out)
{
    conf_dump(schema, out);
}

static uint32_t address_of(const struct config *c, int64_t index)
{
    return c->network + 1 + (uint32_t)index;
}

void config_address(const struct config *c, int64_t index, char ret[CONFIG_ADDRESS])
{
    struct in_addr a = {.s_addr = htonl(address_of(c, index))};

    (void)inet_ntop(AF_INET, &a, ret, CONFIG_ADDRESS);
}

/* Locally administered, derived from the address: unique on the bridge without any book-keeping. */
void config_mac_bytes(const struct config *c, int64_t index, uint8_t ret[6])
{
    uint32_t a = address_of(c, index);

    ret[0] = 0x0a;
    ret[1] = 0x58;
    for (int i = 0; i < 4; i++) {
        ret[2 + i] = (uint8_t)(a >> (24 - 8 * i));
    }
}

void config_mac(const struct config *c, int64_t index, char ret[18])
{
    uint8_t b[6];

    config_mac_bytes(c, index, b);
    (void)snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

void config_ifname(const struct config *c, int64_t index, char ret[CONFIG_IFNAME])
{
    (void)snprintf(ret, CONFIG_IFNAME, "%.8sn%d", c->bridge, (int)(index % 100000));
}

int64_t config_uid(const struct config *c, int64_t index)
{
    return c->uid_base + index * CONFIG_UIDS_PER_NODE;
}
