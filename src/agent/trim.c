/*
 * Text pages of libraries are private mappings of files that nobody writes to, so dropping them loses
 * nothing; what the next call needs comes back from the page cache with minor faults (some 30 to 60 a call).
 */
#include "agent/trim.h"

#include <malloc.h>
#include <sys/mman.h>

#include "base/str.h"

/* "FROM-TO r-xp OFFSET DEVICE INODE   /PATH" */
static void trim_line(const char *line)
{
    char *dash = NULL, *blank = NULL;
    unsigned long from = strtoul(line, &dash, 16);
    unsigned long to = *dash == '-' ? strtoul(dash + 1, &blank, 16) : 0;
    if (to > from && str_starts(blank, " r-xp ") && strchr(blank, '/')) {
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): the number is an address, as /proc says */
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

void trim_memory(void)
{
    char line[512];
    (void)malloc_trim(0);
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof(line), f)) {
        trim_line(line);
    }
    if (f) {
        fclose(f);
    }
}
