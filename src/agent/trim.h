/*
 * Gives memory back that an idle agent does not need.
 */
#pragma once

/* Free heap to the kernel, and program text that was read from files back to the page cache: it is mapped
 * again, a page at a time, when it is run. Safe at any moment, from any thread. */
void trim_memory(void);
