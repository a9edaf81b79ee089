#include "hostd/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "base/str.h"

struct request {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg addr;
    } body;
    char room[256];
};

static void begin(struct request *q, uint16_t type, uint16_t flags, size_t body)
{
    *q = (struct request){.head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(body),
                                   .nlmsg_type = type,
                                   .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)}};
}

static struct rtattr *attr(struct request *q, uint16_t type, const void *data, size_t len)
{
    struct rtattr *a = (struct rtattr *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));

    a->rta_type = type;
    a->rta_len = (uint16_t)RTA_LENGTH(len);
    if (len > 0) {
        memcpy(RTA_DATA(a), data, len);
    }
    q->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
    return a;
}

/* Sends one request and reads its acknowledgement: 0 or -errno of the kernel. */
static int ask(struct request *q)
{
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    union {
        struct nlmsghdr head;
        char bytes[4096];
    } answer;
    ssize_t n;

    if (fd < 0) {
        return -errno;
    }
    if (sendto(fd, q, q->head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
        return -errno;
    }
    n = recv(fd, &answer, sizeof(answer), 0);
    if (n < 0) {
        return -errno;
    }
    if ((size_t)n < NLMSG_LENGTH(sizeof(struct nlmsgerr)) || answer.head.nlmsg_type != NLMSG_ERROR) {
        return -EPROTO;
    }
    return ((struct nlmsgerr *)NLMSG_DATA(&answer.head))->error;
}

static int make_bridge(const char *name)
{
    struct request q;
    struct rtattr *info;

    begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
    (void)attr(&q, IFLA_IFNAME, name, strlen(name) + 1);
    info = attr(&q, IFLA_LINKINFO, NULL, 0);
    (void)attr(&q, IFLA_INFO_KIND, "bridge", sizeof("bridge"));
    info->rta_len = (uint16_t)((char *)&q + q.head.nlmsg_len - (char *)info);
    return ask(&q);
}

static int bring_up(const char *name, const uint8_t mac[6])
{
    struct request q;

    begin(&q, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));
    q.body.link.ifi_flags = IFF_UP;
    q.body.link.ifi_change = IFF_UP;
    (void)attr(&q, IFLA_IFNAME, name, strlen(name) + 1);
    (void)attr(&q, IFLA_ADDRESS, mac, 6);
    return ask(&q);
}

static int add_address(const char *name, uint32_t address, int prefix)
{
    uint32_t a = htonl(address), b = htonl(address | (0xffffffffu >> prefix));
    struct request q;

    begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(struct ifaddrmsg));
    q.body.addr.ifa_family = AF_INET;
    q.body.addr.ifa_prefixlen = (uint8_t)prefix;
    q.body.addr.ifa_index = if_nametoindex(name);
    (void)attr(&q, IFA_LOCAL, &a, sizeof(a));
    (void)attr(&q, IFA_ADDRESS, &a, sizeof(a));
    (void)attr(&q, IFA_BROADCAST, &b, sizeof(b));
    return ask(&q);
}

int netlink_bridge(const char *name, const uint8_t mac[6], uint32_t address, int prefix, struct err *e)
{
    _cleanup_free_ char *is_bridge = str_printf("/sys/class/net/%s/bridge", name);
    int r = make_bridge(name);

    if (r == -EEXIST && !fs_exists(is_bridge)) {
        return err_set(e, ERR_CONFLICT, "the interface %s exists and is no bridge", name);
    }
    if (r < 0 && r != -EEXIST) {
        return err_errno(e, -r, "cannot make the bridge %s", name);
    }
    r = bring_up(name, mac);
    if (r < 0) {
        return err_errno(e, -r, "cannot bring up the bridge %s", name);
    }
    r = add_address(name, address, prefix);
    if (r < 0 && r != -EEXIST) {
        return err_errno(e, -r, "cannot give the bridge %s its address", name);
    }
    return 0;
}

int netlink_remove(const char *name, struct err *e)
{
    struct request q;
    int r;

    begin(&q, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    (void)attr(&q, IFLA_IFNAME, name, strlen(name) + 1);
    r = ask(&q);
    if (r < 0 && r != -ENODEV) {
        return err_errno(e, -r, "cannot remove the interface %s", name);
    }
    return 0;
}

bool netlink_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}
