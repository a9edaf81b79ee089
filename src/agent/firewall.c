/*
 * The node's own firewall: ports of roles from the addresses of the document only.  The text is made of
 * checked numbers and addresses and goes to nft on its standard input; one transaction, so there is no gap.
 */
#include <arpa/inet.h>

#include "agent/agent.h"
#include "base/proc.h"

#define MANAGER_PORT 9997

static int add_addresses(struct buf *b, const json_t *from, struct err *e)
{
    size_t i;
    json_t *v;
    json_array_foreach(from, i, v)
    {
        struct in_addr address;
        if (!json_is_string(v) || inet_pton(AF_INET, json_string_value(v), &address) != 1) {
            return err_set(e, ERR_INVALID, "an address of the document is none");
        }
        buf_addf(b, "%s %s", i ? "," : "", json_string_value(v));
    }
    buf_adds(b, " } accept\n");
    return 0;
}

static int add_rule(struct buf *b, int64_t port, const json_t *from, struct err *e)
{
    if (json_array_size(from) == 0) {
        buf_addf(b, "    tcp dport %lld drop\n", (long long)port);
        return 0;
    }
    buf_addf(b, "    tcp dport %lld ip saddr {", (long long)port);
    return add_addresses(b, from, e);
}

/* All that comes from there. */
static int add_sources(struct buf *b, const json_t *from, struct err *e)
{
    if (json_array_size(from) == 0) {
        return 0;
    }
    buf_adds(b, "    ip saddr {");
    return add_addresses(b, from, e);
}

static void add_open(struct buf *b, int64_t first, int64_t last)
{
    if (first == last) {
        buf_addf(b, "    tcp dport %lld accept\n", (long long)first);
    } else {
        buf_addf(b, "    tcp dport %lld-%lld accept\n", (long long)first, (long long)last);
    }
}

int firewall_rules(const json_t *allow, struct buf *b, struct err *e)
{
    size_t i;
    json_t *v;
    buf_adds(b, "table inet node\ndelete table inet node\ntable inet node {\n  chain input {\n"
                "    type filter hook input priority 0; policy drop;\n"
                "    iif lo accept\n    ct state established,related accept\n    meta l4proto { icmp, icmpv6 "
                "} accept\n");
    buf_addf(b, "    tcp dport %d accept\n", MANAGER_PORT);
    json_array_foreach(allow, i, v)
    {
        int64_t port = json_int(v, "port", 0), last = json_int(v, "last", port);
        const json_t *from = json_object_get(v, "from");
        if (!json_object_get(v, "port") && json_is_array(from)) { /* all ports */
            int r = add_sources(b, from, e);
            if (r < 0) {
                return r;
            }
            continue;
        }
        if (port < 1 || port > 65535 || last < port || last > 65535) {
            return err_set(e, ERR_INVALID, "a port of the document is none");
        }
        if (!json_is_array(from)) {
            add_open(b, port, last); /* to all: an entry, or what the user opened */
            continue;
        }
        int r = add_rule(b, port, from, e);
        if (r < 0) {
            return r;
        }
    }
    buf_adds(b, "  }\n}\n");
    return 0;
}

int firewall_set(const json_t *allow, struct err *e)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    _cleanup_buf_ struct buf text = {0};
    _cleanup_buf_ struct buf out = {0};
    int status = 0;
    int r = firewall_rules(allow, &text, e);
    r = r < 0 ? r : proc_run(&spec, text.data, 10000, 4096, &out, &status, e);
    if (r >= 0 && status != 0) {
        return err_set(e, ERR_FAILED, "the firewall could not be set: %.150s", out.data ? out.data : "");
    }
    return r < 0 ? r : 0;
}
