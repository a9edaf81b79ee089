/*
 * The java service type.
 */
#pragma once

#include "service/service_type.h"

extern const struct service_type service_java;
/* Its first code version: one page, made by a JSP, that says the service works. */
extern const struct archive_file java_default_code[];
