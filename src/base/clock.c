/*
 * The two clocks.  Only the base of the steady clock is kept, set once.
 */
#include "base/clock.h"

#include <pthread.h>

#include "base/mem.h"

static pthread_once_t clock_once = PTHREAD_ONCE_INIT;
static int64_t clock_base; /* wall minus monotonic at the first call; constant after that */

static int64_t clock_read(clockid_t id)
{
    struct timespec ts;
    if (clock_gettime(id, &ts) != 0) {
        abort();
    }
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void clock_set_base(void)
{
    clock_base = clock_wall_ms() - clock_mono_ms();
}

int64_t clock_wall_ms(void)
{
    return clock_read(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

int64_t clock_steady_ms(void)
{
    pthread_once(&clock_once, clock_set_base);
    return clock_base + clock_mono_ms();
}

void clock_iso(int64_t wall_ms, char out[24])
{
    time_t seconds = (time_t)(wall_ms / 1000 - (wall_ms % 1000 < 0));
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || tm.tm_year > 8099 || tm.tm_year < -1900 ||
        strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        snprintf(out, 24, "invalid");
    }
}
