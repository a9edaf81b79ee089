/*
 * Machines that carry our tag and that no record wants (V5).
 */
#include <string.h>

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/truth.h"

int leak_pick(const struct leak_machine *m, int n, bool *kill, struct err *e)
{
    int picked = 0;
    for (int i = 0; i < n; i++) {
        bool unwanted = !m[i].known || m[i].record_gone || m[i].other_cloud_id;
        kill[i] = unwanted && m[i].age_ms > LEAK_AGE_MS && !bug(NO_LEAKS);
        picked += kill[i];
    }
    /* a wrong database must not empty a cloud; one or two are no rout even among few */
    if (picked > 5 || (picked > 2 && picked * 5 > n)) {
        memset(kill, 0, (size_t)n * sizeof *kill);
        return err_set_hint(e, ERR_QUOTA, "look at them, then reconcile",
                            "%d of %d machines belong to no record: too many to be collected at once", picked,
                            n);
    }
    return picked;
}
