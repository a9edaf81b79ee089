/*
 * What /proc says, tolerant of processes that vanish while we look.
 */
#include "agent/proc_stat.h"

#include <ctype.h>
#include <dirent.h>
#include <unistd.h>

#include "base/fs.h"

struct stat_sum {
    int64_t rss_pages, ticks, n;
};

static bool stat_one(const char *pid, pid_t session, struct stat_sum *sum)
{
    _cleanup_free_ char *path = str_printf("/proc/%s/stat", pid);
    _cleanup_buf_ struct buf text = {0};
    if (fs_read(path, 4096, &text, NULL) < 0 || !text.data) {
        return false;
    }
    /* Fields after the name, which may hold anything: 3 is the state. */
    enum { SESSION = 6, UTIME = 14, STIME = 15, RSS = 24 };
    int64_t field[RSS + 1] = {0};
    char *p = strrchr(text.data, ')');
    if (!p || strlen(p) < 4) {
        return false;
    }
    p += 3;
    for (int i = 4; i <= RSS; i++) {
        field[i] = strtoll(p, &p, 10);
    }
    if (session == 0 || field[SESSION] == session) {
        sum->rss_pages += field[RSS];
        sum->ticks += field[UTIME] + field[STIME];
        sum->n++;
    }
    return true;
}

static void stat_all(pid_t session, struct stat_sum *sum)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            (void)stat_one(entry->d_name, session, sum);
        }
    }
    if (d) {
        closedir(d);
    }
}

void proc_stat_group(pid_t leader, json_t *out)
{
    struct stat_sum sum = {0};
    stat_all(leader, &sum);
    long page_kb = sysconf(_SC_PAGESIZE) / 1024, hz = sysconf(_SC_CLK_TCK);
    json_object_set_new(out, "rss_kb", json_integer(sum.rss_pages * page_kb));
    json_object_set_new(out, "cpu_ms", json_integer(sum.ticks * 1000 / hz));
    json_object_set_new(out, "processes", json_integer(sum.n));
}

static int64_t stat_number(const char *path)
{
    _cleanup_buf_ struct buf text = {0};
    int64_t n = -1;
    if (fs_read(path, 256, &text, NULL) == 0 && text.data) {
        text.data[strcspn(text.data, "\n")] = '\0';
        if (str_to_int(text.data, 0, INT64_MAX, &n) < 0) {
            n = -1;
        }
    }
    return n;
}

void proc_stat_node(json_t *out)
{
    struct stat_sum all = {0}, own = {0};
    _cleanup_buf_ struct buf load = {0};
    char self[24];
    stat_all(0, &all);
    snprintf(self, sizeof(self), "%d", (int)getpid());
    (void)stat_one(self, 0, &own);
    long page_kb = sysconf(_SC_PAGESIZE) / 1024, hz = sysconf(_SC_CLK_TCK);
    json_object_set_new(out, "cpu_ms", json_integer(all.ticks * 1000 / hz));
    json_object_set_new(out, "memory_kb", json_integer(all.rss_pages * page_kb));
    json_object_set_new(out, "processes", json_integer(all.n));
    json_object_set_new(out, "agent_rss_kb", json_integer(own.rss_pages * page_kb));
    int64_t limit = stat_number("/sys/fs/cgroup/memory.max");
    limit = limit >= 0 ? limit : stat_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    if (limit > 0 && limit < INT64_MAX / 2) {
        json_object_set_new(out, "memory_limit_kb", json_integer(limit / 1024));
    }
    if (fs_read("/proc/loadavg", 128, &load, NULL) == 0 && load.data) {
        json_object_set_new(out, "load1", json_real(strtod(load.data, NULL)));
    }
}
