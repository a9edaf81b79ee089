/*
 * php-fpm.conf and php.ini as text (private to the driver "php_fpm").
 */
#pragma once

#include "role/role_driver.h"

struct php_want {
    const char *bind, *session_password; /* borrowed */
    int64_t port, service, request_timeout_s, session_port;
    const json_t *settings; /* borrowed; only known keys, every value checked by php_config_ini */
};
int php_want_read(const json_t *section, struct php_want *ret, struct err *e) WARN_UNUSED;
/* Path of the socket for "status" or "probe" of the process of that generation. Caller frees. */
char *php_config_socket(const struct role_engine *r, const char *what, int64_t generation);
int php_config_fpm(const struct role_engine *r, const struct php_want *w, int64_t generation, struct buf *out,
                   struct err *e) WARN_UNUSED;
/* A setting that is unknown or badly written: ERR_INVALID, "settings: ...". */
int php_config_ini(const struct role_engine *r, const struct php_want *w, struct buf *out,
                   struct err *e) WARN_UNUSED;
