/*
 * The generic service type: any program, by the five scripts of its code.
 */
#pragma once

#include "service/service_type.h"

extern const struct service_type service_generic;
/* Its first code version: five scripts that write down what they were told. */
#define GENERIC_DEFAULT_FILES 5
extern const struct archive_file generic_default_code[];
