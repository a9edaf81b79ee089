/*
 * What an address of the network is for: whom a program that fetches for others may talk to.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

/* NULL for a public unicast address, else what it is instead: "private", "loopback", "link-local" ... Addresses that
 * carry an IPv4 address (v4-mapped, NAT64, 6to4) are judged by that one. */
const char *address_special(const struct sockaddr *sa);

/* "10.0.0.0/8", "127.0.0.1", "fd00::/8": whether the text is one, and whether it holds the address. */
bool address_is_network(const char *text);
bool address_in(const struct sockaddr *sa, const char *network);

/* "192.0.2.1" or "2001:db8::1"; caller frees. */
char *address_text(const struct sockaddr *sa);
int address_port(const struct sockaddr *sa);
