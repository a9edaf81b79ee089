/*
 * What an agent promises and accepts (F2, F3).  Pure; used by the agent and by the simulated ones.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fence {
    int64_t promised; /* highest epoch seen */
    int64_t accepted_epoch, accepted_seq;
};
enum fence_verdict {
    FENCE_IGNORE,  /* lower epoch: forget the answer */
    FENCE_KEEP,    /* nothing newer in it */
    FENCE_PROMISE, /* epoch is new: store `promised` before anything else; no newer document */
    FENCE_ACCEPT,  /* store promise and document before acting */
};
/* epoch/seq of a manager's answer; seq 0 = no document in it. Updates f when the verdict says so. */
enum fence_verdict fence_judge(struct fence *f, int64_t epoch, int64_t seq);
