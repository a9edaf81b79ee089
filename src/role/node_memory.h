/*
 * What memory this node has and may still use, by its control group.
 */
#pragma once

#include <stdint.h>

/* Bytes; -1: nobody limits it, or it cannot be told. */
int64_t node_memory_limit(void);
/* Limit without what is in use (pages that only cache files are free). -1 as above. */
int64_t node_memory_free(void);
