/*
 * Values of settings: parsing of the formats that several files need.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* "8M", "128K", "1G", "512": bytes, or -1 when it is not a size. */
int64_t setting_bytes(const char *s);

#define SETTING_PORTS_MAX 32
struct setting_range {
    int64_t first, last;
};
/* "80,443,8000-8010": the number of ranges, or -1 when it is none, or too many. */
int setting_ports(const char *s, struct setting_range *ret, int max);
