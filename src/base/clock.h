/*
 * The two clocks, in milliseconds.  Nothing in src/engine reads them: time is an argument there.
 */
#pragma once

#include <stdint.h>

int64_t clock_wall_ms(void); /* since 1970, may step */
int64_t clock_mono_ms(void); /* never steps */
/* Wall time at the first call plus monotonic time since: a wall clock that does not step while the
 * process lives. */
int64_t clock_steady_ms(void);
/* "2026-11-24T04:05:06Z" of a wall time; out holds 24 bytes. */
void clock_iso(int64_t wall_ms, char out[24]);
