/*
 * Fetching a file from an address that a user has named.  The address is nobody's friend: only what the rules allow
 * is connected to, and what counts is the address of the connection itself, not what a name said a moment before.
 * Blocks; for threads of its own.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct fetch_rules {
    const char
        *hosts; /* names by blanks: "example.org", "*.example.org" (those below it), "*"; "none": nothing */
    const char *ports;    /* by blanks: "443 8443" */
    const char *networks; /* that may be reached although they are not public, by blanks; NULL or "": none */
    bool http;            /* also without TLS */
    const char *ca_file;  /* authorities, PEM; NULL or "": the system's */
    int64_t max_bytes;
    int64_t timeout_ms; /* of one attempt */
    int attempts;
    int64_t pause_ms; /* between attempts */
};

/* The address's own part of the rules: scheme, host, port, form. ERR_FORBIDDEN or ERR_INVALID says which. Pure. */
int fetch_check_url(const struct fetch_rules *r, const char *url, struct err *e) WARN_UNUSED;

/* Writes the file to fd (from its start; cut before every attempt). stop becomes true: ends with ERR_UNAVAILABLE.
 * Refusals are not tried again; a peer that does not answer, is overloaded or breaks off is. */
int fetch_file(const struct fetch_rules *r, const char *url, int fd, const atomic_bool *stop,
               struct err *e) WARN_UNUSED;

/* Whether the rules allow a connection to this address (struct sockaddr); e says why not. Pure. */
struct sockaddr;
int fetch_check_address(const struct fetch_rules *r, const struct sockaddr *sa, struct err *e) WARN_UNUSED;
