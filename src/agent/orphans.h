/*
 * Processes whose parent has died end up with the first process of the node.
 */
#pragma once

#include "agent/agent.h"

#define ORPHANS_MAX 256

/* Dead children that nobody has waited for yet, as last seen. */
struct orphans {
    int n;
    struct orphan {
        pid_t pid;
        int64_t born;    /* with the pid: which process this is */
        int64_t seen_ms; /* for the first time */
    } at[ORPHANS_MAX];
};

/* Looks at all of them and waits for those that are nobody's. Often enough: at each SIGCHLD. */
void orphans_reap(struct agent *a, struct orphans *o);
