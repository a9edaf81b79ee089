/*
 * All drivers of clouds.
 */
#include "base/str.h"
#include "cloud/cloud_driver.h"

const struct cloud_driver *const cloud_drivers[] = {
    &cloud_local,
    &cloud_sim,
    NULL,
};

const struct cloud_driver *cloud_driver_find(const char *name)
{
    for (const struct cloud_driver *const *d = cloud_drivers; *d; d++) {
        if (str_eq((*d)->name, name)) {
            return *d;
        }
    }
    return NULL;
}
