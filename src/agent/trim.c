/*
 * Text pages of libraries are private mappings of files that nobody writes to, so dropping them loses
 * nothing; what the next call needs comes back from the page cache with minor faults (some 30 to 60 a call).
 */
#include "agent/trim.h"

#include <malloc.h>
#include <sys/mman.h>

#include "base/str.h"

static void trim_line(const char *line)
{
    unsigned long from = 0, to = 0;
    char rights[8] = "", file[2] = "";
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %1s", &from, &to, rights, file) == 4 && file[0] == '/' &&
        str_eq(rights, "r-xp")) {
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
