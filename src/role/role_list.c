/*
 * The list of role drivers.  ADD AN ENGINE HERE.
 */
#include "role/haproxy.h"
#include "role/manager_engine.h"
#include "role/mariadb.h"
#include "role/nginx.h"
#include "role/php_fpm.h"
#include "role/redis.h"
#include "role/role_driver.h"
#include "role/tomcat.h"

const struct role_driver *const role_drivers[] = {
    &role_mariadb, &role_redis,   &role_relay,   &role_php_fpm, &role_tomcat,
    &role_nginx,   &role_manager, &role_haproxy, NULL,
};

const struct role_driver *role_driver_find(const char *name)
{
    for (size_t i = 0; role_drivers[i]; i++) {
        if (str_eq(role_drivers[i]->name, name)) {
            return role_drivers[i];
        }
    }
    return NULL;
}
