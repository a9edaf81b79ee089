/*
 * All service types, in the order in which people see them.
 */
#include "service/generic.h"
#include "service/java.h"
#include "service/mysql.h"
#include "service/php.h"
#include "service/service_type.h"

const struct service_type *const service_types[] = {
    &service_php, &service_java, &service_mysql, &service_generic, NULL,
};
