/*
 * Values of settings: parsing of the formats that several files need.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* "8M", "128K", "1G", "512": bytes, or -1 when it is not a size. */
int64_t setting_bytes(const char *s);
