/*
 * The manager of an application as an engine of its node (driver "manager"), so that it is supervised like
 * any other. Only nodes of kind "manager" have it, by a built-in document.
 *
 * Section: {"engine": "manager", "name": "manager"}
 */
#pragma once

#include "role/role_driver.h"

extern const struct role_driver role_manager;
