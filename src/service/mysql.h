/*
 * Type "mysql".
 */
#pragma once

#include "service/service_type.h"

extern const struct service_type service_mysql;
