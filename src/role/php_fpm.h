/*
 * php-fpm as the backend of a web service (driver "php_fpm").
 *
 * Section: {"engine": "php_fpm", "name": "backend", "port": 9000, "service": ID, "versions": [VERSION],
 *           "settings": {KEY: VALUE}, "request_timeout_s": N (default 120),
 *           "session_port": N, "session_password": TEXT (no session_port: PHP's own files),
 *           "bind": IPv4 (default 0.0.0.0)}
 *   settings: max_execution_time, memory_limit, log_errors, display_errors, upload_max_filesize,
 * post_max_size, disable_functions; a value is a string as in php.ini, a number or a boolean.
 *
 * The listening socket belongs to the agent and is inherited by every php-fpm: new settings start a second
 * one on the same socket, then the first ends what it has begun; a killed one leaves its queue to its
 * successor.
 */
#pragma once

#include "role/role_driver.h"

extern const struct role_driver role_php_fpm;
