/*
 * Short conversations with an engine on this machine: one connection, a deadline, an answer of limited size.
 */
#pragma once

#include "base/str.h"

/* Where an engine listens: path of a unix socket, or (path NULL) an IPv4 address and port. */
struct local_addr {
    const char *path;
    const char *address;
    int port;
};
/* Connected, non-blocking descriptor, or negative. deadline_ms: clock_mono_ms() at which it gives up. */
int local_connect(const struct local_addr *a, int64_t deadline_ms, struct err *e) WARN_UNUSED;
int local_send(int fd, const void *p, size_t n, int64_t deadline_ms, struct err *e) WARN_UNUSED;
/* Reads what is there, waits for at least one byte: number of bytes, 0 at the end of the stream, or negative.
 */
int local_recv(int fd, void *p, size_t n, int64_t deadline_ms, struct err *e) WARN_UNUSED;
/* Sends text, reads until the other side closes or max bytes are there. */
int local_ask(const struct local_addr *a, const char *text, size_t max, int timeout_ms, struct buf *out,
              struct err *e) WARN_UNUSED;
