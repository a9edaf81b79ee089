/*
 * Control group version 2, then version 1.
 */
#include "role/node_memory.h"

#include "base/fs.h"
#include "base/str.h"

#define NODE_MEMORY_UNLIMITED ((int64_t)1 << 50)

static int64_t node_memory_number(const char *path, const char *key)
{
    _cleanup_buf_ struct buf text = {0};
    if (fs_read(path, 65536, &text, NULL) < 0 || !text.data) {
        return -1;
    }
    const char *at = text.data;
    if (key) {
        _cleanup_free_ char *line = str_printf("\n%s ", key);
        at = strstr(text.data, line);
        at = at ? at + strlen(line) : NULL;
    }
    char *end = NULL;
    long long n = at ? strtoll(at, &end, 10) : -1;
    return at && end != at && n >= 0 && n < NODE_MEMORY_UNLIMITED ? n : -1;
}

int64_t node_memory_limit(void)
{
    int64_t v2 = node_memory_number("/sys/fs/cgroup/memory.max", NULL);
    return v2 >= 0 ? v2 : node_memory_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", NULL);
}

int64_t node_memory_free(void)
{
    int64_t limit = node_memory_limit();
    int64_t used = node_memory_number("/sys/fs/cgroup/memory.current", NULL);
    int64_t cache = node_memory_number("/sys/fs/cgroup/memory.stat", "inactive_file");
    if (used < 0) {
        used = node_memory_number("/sys/fs/cgroup/memory/memory.usage_in_bytes", NULL);
        cache = node_memory_number("/sys/fs/cgroup/memory/memory.stat", "total_inactive_file");
    }
    if (limit < 0 || used < 0) {
        return -1;
    }
    int64_t left = limit - used + (cache > 0 ? cache : 0);
    return left > 0 ? left : 0;
}
