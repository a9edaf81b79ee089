#include "hostd/network.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "hostd/netlink.h"

#define NFT_TIMEOUT_MS 15000

/* Every word that gets into the rules is a number of ours or a name checked by config.c. */
static int nft(const char *rules, struct err *e)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    const struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    _cleanup_buf_ struct buf out = {0};
    char text[64];
    int status, r = proc_run(&spec, rules, NFT_TIMEOUT_MS, 4096, &out, &status, e);

    if (r < 0) {
        return r;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        proc_status_text(status, text);
        return err_set(e, ERR_FAILED, "nft refused the rules (%s): %s", text, out.data ? out.data : "");
    }
    return 0;
}

static void add_element(const struct config *c, struct buf *b, int64_t index)
{
    char name[CONFIG_IFNAME], mac[18], address[CONFIG_ADDRESS];

    config_ifname(c, index, name);
    config_mac(c, index, mac);
    config_address(c, index, address);
    buf_addf(b, "\"%s\" . %s . %s", name, mac, address);
}

static void add_bridge_table(const struct config *c, struct buf *b)
{
    buf_addf(b, "table bridge %s\ndelete table bridge %s\ntable bridge %s {\n", c->table, c->table, c->table);
    buf_adds(b, "  set nodes {\n    type ifname . ether_addr . ipv4_addr\n    elements = { ");
    for (int64_t i = 1; i <= c->max_nodes; i++) {
        buf_adds(b, i > 1 ? ", " : "");
        add_element(c, b, i);
    }
    buf_adds(b, " }\n");
    buf_addf(b,
             "  }\n  chain source {\n    type filter hook prerouting priority -300; policy accept;\n"
             "    iifname != \"%sn*\" accept\n"
             "    ether type ip iifname . ether saddr . ip saddr @nodes accept\n"
             "    ether type arp iifname . ether saddr . arp saddr ip @nodes accept\n"
             "    counter drop\n  }\n}\n",
             c->bridge);
}

static void add_inet_table(const struct config *c, struct buf *b)
{
    char gateway[CONFIG_ADDRESS];

    config_address(c, 0, gateway);
    buf_addf(b, "table inet %s\ndelete table inet %s\ntable inet %s {\n", c->table, c->table, c->table);
    buf_addf(b,
             "  chain input {\n    type filter hook input priority filter; policy accept;\n"
             "    iifname != \"%s\" accept\n"
             "    ct state established,related accept\n"
             "    ip daddr %s tcp dport %d accept\n"
             "    ip daddr %s icmp type echo-request accept\n"
             "    counter reject with icmpx admin-prohibited\n  }\n",
             c->bridge, gateway, (int)c->node_port, gateway);
    buf_addf(b,
             "  chain forward {\n    type filter hook forward priority filter; policy accept;\n"
             "    iifname \"%s\" oifname \"%s\" accept\n"
             "    oifname \"%s\" ct state established,related accept\n"
             "    oifname \"%s\" counter drop\n",
             c->bridge, c->bridge, c->bridge, c->bridge);
    buf_addf(b, "    iifname \"%s\" %s\n  }\n", c->bridge,
             c->outside ? "meta nfproto ipv4 accept" : "counter drop");
    if (c->outside) {
        buf_addf(b,
                 "  chain outside {\n    type nat hook postrouting priority srcnat; policy accept;\n"
                 "    iifname \"%s\" oifname != \"%s\" ip saddr %s masquerade\n  }\n",
                 c->bridge, c->bridge, c->subnet);
    }
    buf_adds(b, "}\n");
}

/* Name of the interface of the default route; false when there is none. */
static bool default_route(char name[CONFIG_IFNAME])
{
    _cleanup_buf_ struct buf b = {0};
    bool found = false;
    char **lines;

    if (fs_read("/proc/net/route", 1 << 20, &b, NULL) < 0) {
        return false;
    }
    lines = str_split(b.data ? b.data : "", '\n');
    for (char **l = lines; *l && !found; l++) {
        char **f = str_split(*l, '\t'); /* interface, destination, gateway, flags, ..., mask at 7 */
        found = strv_len(f) > 7 && str_eq(f[1], "00000000") && str_eq(f[7], "00000000") &&
                str_copy(name, CONFIG_IFNAME, f[0]);
        strv_free(f);
    }
    strv_free(lines);
    return found;
}

static int forwarding_of(const char *ifname)
{
    _cleanup_free_ char *path = str_printf("/proc/sys/net/ipv4/conf/%s/forwarding", ifname);
    _cleanup_buf_ struct buf b = {0};

    return fs_read(path, 16, &b, NULL) < 0 ? -1 : b.data[0] == '1';
}

static int set_forwarding(const char *ifname, bool on, struct err *e)
{
    _cleanup_free_ char *path = str_printf("/proc/sys/net/ipv4/conf/%s/forwarding", ifname);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, on ? "1\n" : "0\n", 2) != 2) {
        return err_errno(e, errno, "cannot set forwarding of %s", ifname);
    }
    return 0;
}

/* Forwarding is switched on for the bridge and, if need be, the interface of the default route; never for
 * the whole machine.  The file remembers what to take back. */
static int forward(const struct config *c, struct err *e)
{
    _cleanup_free_ char *memory = str_printf("%s/forwarding", c->state);
    char uplink[CONFIG_IFNAME];
    int r;

    if (!c->outside) {
        return set_forwarding(c->bridge, false, e);
    }
    r = set_forwarding(c->bridge, true, e);
    if (r < 0 || !default_route(uplink) || forwarding_of(uplink) != 0) {
        return r;
    }
    r = fs_write_atomic(memory, uplink, strlen(uplink), 0600, e);
    return r < 0 ? r : set_forwarding(uplink, true, e);
}

static int unforward(const struct config *c, struct err *e)
{
    _cleanup_free_ char *memory = str_printf("%s/forwarding", c->state);
    _cleanup_buf_ struct buf uplink = {0};

    if (!fs_exists(memory) || fs_read(memory, CONFIG_IFNAME, &uplink, NULL) < 0) {
        return 0;
    }
    if (uplink.len > 0 && !strchr(uplink.data, '/') && netlink_exists(uplink.data)) {
        int r = set_forwarding(uplink.data, false, e);
        if (r < 0) {
            return r;
        }
    }
    (void)unlink(memory);
    return 0;
}

int network_up(const struct config *c, struct err *e)
{
    _cleanup_buf_ struct buf rules = {0};
    uint8_t mac[6];
    int r;

    config_mac_bytes(c, 0, mac);
    /* The rules come first: no node ever sends without them. */
    add_bridge_table(c, &rules);
    add_inet_table(c, &rules);
    r = nft(rules.data, e);
    if (r < 0) {
        return err_wrap(e, r, "network of the nodes");
    }
    r = netlink_bridge(c->bridge, mac, c->network + 1, c->prefix, e);
    return r < 0 ? r : forward(c, e);
}

int network_remove(const struct config *c, int64_t index, struct err *e)
{
    char name[CONFIG_IFNAME];

    config_ifname(c, index, name);
    return netlink_remove(name, e);
}

static bool listed(int64_t index, const int64_t *indexes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (indexes[i] == index) {
            return true;
        }
    }
    return false;
}

/* Calls f for each interface of ours on this machine. */
static int each_interface(const struct config *c,
                          int (*f)(void *arg, const char *name, int64_t index, struct err *e), void *arg,
                          struct err *e)
{
    _cleanup_free_ char *prefix = str_printf("%sn", c->bridge);
    DIR *d = opendir("/sys/class/net");
    struct dirent *de;
    int64_t index;
    int r = 0;

    if (!d) {
        return err_errno(e, errno, "cannot list the interfaces");
    }
    while (r >= 0 && (de = readdir(d))) {
        if (str_starts(de->d_name, prefix) &&
            str_to_int(de->d_name + strlen(prefix), 0, 99999, &index) == 0) {
            r = f(arg, de->d_name, index, e);
        }
    }
    closedir(d);
    return r < 0 ? r : 0;
}

struct sweep {
    const int64_t *indexes;
    size_t n;
    struct buf *left;
};

static int sweep_one(void *arg, const char *name, int64_t index, struct err *e)
{
    struct sweep *s = arg;

    if (s->left) {
        buf_addf(s->left, "interface %s\n", name);
        return 0;
    }
    return listed(index, s->indexes, s->n) ? 0 : netlink_remove(name, e);
}

int network_sweep(const struct config *c, const int64_t *indexes, size_t n, struct err *e)
{
    struct sweep s = {.indexes = indexes, .n = n};

    return each_interface(c, sweep_one, &s, e);
}

int network_down(const struct config *c, struct err *e)
{
    _cleanup_buf_ struct buf rules = {0};
    int r = network_sweep(c, NULL, 0, e);

    if (r < 0 || (r = netlink_remove(c->bridge, e)) < 0 || (r = unforward(c, e)) < 0) {
        return r;
    }
    buf_addf(&rules, "table bridge %s\ndelete table bridge %s\ntable inet %s\ndelete table inet %s\n",
             c->table, c->table, c->table, c->table);
    return nft(rules.data, e);
}

static int tables_left(const struct config *c, struct buf *left, struct err *e)
{
    static const char *const argv[] = {"nft", "list", "tables", NULL};
    const struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    _cleanup_buf_ struct buf out = {0};
    int status, r = proc_run(&spec, NULL, NFT_TIMEOUT_MS, 65536, &out, &status, e);
    char **lines;

    if (r < 0) {
        return r;
    }
    lines = str_split(out.data ? out.data : "", '\n');
    for (char **l = lines; *l; l++) {
        const char *name = strrchr(*l, ' ');
        if (name && str_eq(name + 1, c->table)) {
            buf_addf(left, "nft %s\n", *l);
        }
    }
    strv_free(lines);
    return 0;
}

int network_left(const struct config *c, struct buf *left, struct err *e)
{
    struct sweep s = {.left = left};
    int r = each_interface(c, sweep_one, &s, e);

    if (r < 0) {
        return r;
    }
    if (netlink_exists(c->bridge)) {
        buf_addf(left, "bridge %s\n", c->bridge);
    }
    return tables_left(c, left, e);
}

void network_resolvers(const struct config *c, struct buf *out)
{
    _cleanup_buf_ struct buf host = {0};
    char **lines;
    int n = 0;

    if (!c->outside || fs_read("/etc/resolv.conf", 65536, &host, NULL) < 0) {
        return;
    }
    lines = str_split(host.data ? host.data : "", '\n');
    for (char **l = lines; *l && n < 3; l++) {
        char address[64];
        struct in_addr a;
        if (sscanf(*l, "nameserver %63s", address) == 1 && inet_pton(AF_INET, address, &a) == 1 &&
            (ntohl(a.s_addr) >> 24) != 127) {
            buf_addf(out, "nameserver %s\n", address);
            n++;
        }
    }
    strv_free(lines);
}
