/*
 * The php service type.
 */
#pragma once

#include "service/service_type.h"

extern const struct service_type service_php;
/* Its first code version: one page that says the service works. */
extern const struct archive_file php_default_code[];
