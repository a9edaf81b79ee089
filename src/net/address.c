/*
 * The tables follow the registries of special-purpose addresses (RFC 6890 and those after it).  What is not global
 * unicast is special: a new range is refused until it is known.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/str.h"

/* An address of either family: 16 bytes, IPv4 in the last four of a v4-mapped one. */
struct bits {
    unsigned char b[16];
    bool v4;
};

struct range {
    const char *network, *what;
};

static const struct range special[] = {
    {"0.0.0.0/8", "unspecified"},
    {"10.0.0.0/8", "private"},
    {"100.64.0.0/10", "shared (carrier's)"},
    {"127.0.0.0/8", "loopback"},
    {"169.254.0.0/16", "link-local"},
    {"172.16.0.0/12", "private"},
    {"192.0.0.0/24", "reserved"},
    {"192.0.2.0/24", "for documentation"},
    {"192.31.196.0/24", "reserved"},
    {"192.52.193.0/24", "reserved"},
    {"192.88.99.0/24", "a relay's"},
    {"192.168.0.0/16", "private"},
    {"192.175.48.0/24", "reserved"},
    {"198.18.0.0/15", "for benchmarks"},
    {"198.51.100.0/24", "for documentation"},
    {"203.0.113.0/24", "for documentation"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved"},
    {"::/128", "unspecified"},
    {"::1/128", "loopback"},
    {"fc00::/7", "private"},
    {"fe80::/10", "link-local"},
    {"fec0::/10", "site-local"},
    {"ff00::/8", "multicast"},
    {"2001::/23", "reserved"},
    {"2001:db8::/32", "for documentation"},
    {"3fff::/20", "for documentation"},
};

static bool bits_of_v4(const void *four, struct bits *ret)
{
    *ret = (struct bits){.v4 = true};
    ret->b[10] = ret->b[11] = 0xff;
    memcpy(&ret->b[12], four, 4);
    return true;
}

static bool bits_of(const struct sockaddr *sa, struct bits *ret)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        return bits_of_v4(&in.sin_addr, ret);
    }
    if (sa->sa_family != AF_INET6) {
        return false;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, sa, sizeof(in6));
    *ret = (struct bits){.v4 = false};
    memcpy(ret->b, &in6.sin6_addr, 16);
    return true;
}

/* The IPv4 address inside an IPv6 one. */
static bool inner_v4(const struct bits *a, struct bits *ret)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char compatible[12] = {0};
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const unsigned char local_nat64[6] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};
    static const unsigned char six_to_four[2] = {0x20, 0x02};
    if (memcmp(a->b, mapped, 12) == 0 || memcmp(a->b, nat64, 12) == 0 ||
        memcmp(a->b, local_nat64, sizeof(local_nat64)) == 0) {
        return bits_of_v4(&a->b[12], ret);
    }
    if (memcmp(a->b, compatible, 12) == 0 && (a->b[12] || a->b[13] || a->b[14])) {
        return bits_of_v4(&a->b[12], ret);
    }
    return memcmp(a->b, six_to_four, 2) == 0 && bits_of_v4(&a->b[2], ret);
}

static bool parse_network(const char *text, struct bits *ret, int *ret_len)
{
    const char *slash = strchr(text, '/');
    _cleanup_free_ char *address = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);
    struct in_addr v4;
    struct in6_addr v6;
    int64_t len = 0;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        (void)bits_of_v4(&v4, ret);
    } else if (inet_pton(AF_INET6, address, &v6) == 1) {
        *ret = (struct bits){.v4 = false};
        memcpy(ret->b, &v6, 16);
    } else {
        return false;
    }
    int all = ret->v4 ? 32 : 128;
    if (slash && str_to_int(slash + 1, 0, all, &len) < 0) {
        return false;
    }
    *ret_len = slash ? (int)len : all;
    return true;
}

static bool bits_in(const struct bits *a, const char *network)
{
    struct bits n;
    int len = 0;
    if (!parse_network(network, &n, &len) || n.v4 != a->v4) {
        return false;
    }
    len += n.v4 ? 96 : 0;
    for (int i = 0; i < len; i++) {
        int mask = 0x80 >> (i % 8);
        if ((a->b[i / 8] & mask) != (n.b[i / 8] & mask)) {
            return false;
        }
    }
    return true;
}

static const char *special_bits(const struct bits *a)
{
    struct bits inner;
    if (!a->v4 && inner_v4(a, &inner)) {
        const char *what = special_bits(&inner);
        return what ? what : "a translated address";
    }
    for (size_t i = 0; i < ARRAY_LEN(special); i++) {
        if (bits_in(a, special[i].network)) {
            return special[i].what;
        }
    }
    return a->v4 || bits_in(a, "2000::/3") ? NULL : "reserved"; /* global unicast is 2000::/3 */
}

const char *address_special(const struct sockaddr *sa)
{
    struct bits a;
    return bits_of(sa, &a) ? special_bits(&a) : "of another kind of network";
}

bool address_is_network(const char *text)
{
    struct bits n;
    int len = 0;
    return parse_network(text, &n, &len);
}

bool address_in(const struct sockaddr *sa, const char *network)
{
    struct bits a, inner;
    if (!bits_of(sa, &a)) {
        return false;
    }
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (!a.v4 && memcmp(a.b, mapped, 12) == 0 && bits_of_v4(&a.b[12], &inner)) {
        a = inner;
    }
    return bits_in(&a, network);
}

char *address_text(const struct sockaddr *sa)
{
    char text[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (sa->sa_family == AF_INET) {
        memcpy(&in, sa, sizeof(in));
        (void)!inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
    } else if (sa->sa_family == AF_INET6) {
        memcpy(&in6, sa, sizeof(in6));
        (void)!inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
    }
    return xstrdup(text);
}

int address_port(const struct sockaddr *sa)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (sa->sa_family == AF_INET) {
        memcpy(&in, sa, sizeof(in));
        return ntohs(in.sin_port);
    }
    if (sa->sa_family == AF_INET6) {
        memcpy(&in6, sa, sizeof(in6));
        return ntohs(in6.sin6_port);
    }
    return 0;
}
