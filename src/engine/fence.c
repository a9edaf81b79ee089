/*
 * Order of managers and documents at an agent.
 */
#include "engine/fence.h"

#include "engine/bug.h"

enum fence_verdict fence_judge(struct fence *f, int64_t epoch, int64_t seq)
{
    if (epoch < f->promised && !bug(NO_FENCE)) {
        return FENCE_IGNORE;
    }
    bool fresh = epoch > f->promised;
    if (fresh) {
        f->promised = epoch;
    }
    bool newer = epoch > f->accepted_epoch || (epoch == f->accepted_epoch && seq > f->accepted_seq);
    if (bug(NO_SEQ)) {
        newer = epoch != f->accepted_epoch || seq != f->accepted_seq;
    }
    if (bug(NO_FENCE)) {
        newer = epoch != f->accepted_epoch || seq > f->accepted_seq;
    }
    if (seq > 0 && newer) {
        f->accepted_epoch = epoch;
        f->accepted_seq = seq;
        return FENCE_ACCEPT;
    }
    return fresh ? FENCE_PROMISE : FENCE_KEEP;
}
