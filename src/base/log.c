/*
 * Log lines.  One mutex guards the destination; a line is formatted outside it and written with one
 * write(2), so that lines of several processes on one file do not mix.  Times are UTC.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"

#define LOG_LINE_MAX 8192

/* Where lines go: the one piece of state the house style allows to be global. */
static struct {
    pthread_mutex_t lock;
    enum log_level level;
    int fd; /* -1 = stderr */
    char *path;
    int64_t size, max_bytes;
    int keep;
    void (*tap)(void *arg, enum log_level level, const char *line);
    void *tap_arg;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO, .fd = -1};

static const char *const log_level_words[] = {
    [LOG_ERROR] = "ERROR", [LOG_WARN] = "WARNING", [LOG_INFO] = "INFO", [LOG_DEBUG] = "DEBUG"};

static int log_open(const char *path, int64_t *ret_size)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) {
        return -errno;
    }
    struct stat st;
    *ret_size = fstat(fd, &st) == 0 ? st.st_size : 0;
    return fd;
}

/* Caller holds the lock. */
static void log_set_destination(int fd, char *path)
{
    if (log_state.fd >= 0) {
        close(log_state.fd);
    }
    free(log_state.path);
    log_state.fd = fd;
    log_state.path = path;
}

void log_to_stderr(enum log_level level)
{
    pthread_mutex_lock(&log_state.lock);
    log_set_destination(-1, NULL);
    log_state.level = level;
    pthread_mutex_unlock(&log_state.lock);
}

int log_to_file(const char *path, enum log_level level, int64_t max_bytes, int keep, struct err *e)
{
    int64_t size = 0;
    int fd = log_open(path, &size);
    if (fd < 0) {
        return err_errno(e, -fd, "cannot open the log file %s", path);
    }
    pthread_mutex_lock(&log_state.lock);
    log_set_destination(fd, xstrdup(path));
    log_state.level = level;
    log_state.size = size;
    log_state.max_bytes = max_bytes;
    log_state.keep = keep;
    pthread_mutex_unlock(&log_state.lock);
    return 0;
}

void log_set_tap(void (*tap)(void *arg, enum log_level level, const char *line), void *arg)
{
    pthread_mutex_lock(&log_state.lock);
    log_state.tap = tap;
    log_state.tap_arg = arg;
    pthread_mutex_unlock(&log_state.lock);
}

/* path.keep is dropped, path.i becomes path.i+1, path becomes path.1.  Caller holds the lock. A failure
 * leaves the old file in use: losing a rotation is better than losing lines. */
static void log_rotate(void)
{
    for (int i = log_state.keep - 1; i >= 0; i--) {
        _cleanup_free_ char *from = i == 0 ? xstrdup(log_state.path) : str_printf("%s.%d", log_state.path, i);
        _cleanup_free_ char *to = str_printf("%s.%d", log_state.path, i + 1);
        (void)rename(from, to);
    }
    if (log_state.keep <= 0) {
        (void)unlink(log_state.path);
    }
    int64_t size = 0;
    int fd = log_open(log_state.path, &size);
    if (fd >= 0) {
        close(log_state.fd);
        log_state.fd = fd;
    }
    log_state.size = size;
}

/* Text from outside must not start a line of its own or reach a terminal as a control sequence. */
static void log_add_clean(struct buf *b, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f) {
            buf_addf(b, c == '\n' ? "\\n" : "\\x%02x", c);
        } else {
            buf_addc(b, *s);
        }
    }
}

static void log_add_prefix(struct buf *b, enum log_level level, const struct log_ctx *ctx)
{
    int64_t now = clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;
    char stamp[32] = "0000-00-00 00:00:00";
    if (gmtime_r(&seconds, &tm)) {
        strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
    }
    buf_addf(b, "%s,%03d %s %s ", stamp, (int)(now % 1000), log_level_words[level],
             ctx && ctx->logger ? ctx->logger : "conpaas");
}

static void log_add_fields(struct buf *b, const struct log_ctx *ctx)
{
    if (!ctx) {
        return;
    }
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {{"app", ctx->app}, {"service", ctx->service}, {"node", ctx->node}, {"op", ctx->op}};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].value) {
            buf_addf(b, " %s=%lld", fields[i].name, (long long)fields[i].value);
        }
    }
}

/* Caller holds the lock. */
static void log_write(const char *line, size_t len)
{
    int fd = log_state.fd >= 0 ? log_state.fd : STDERR_FILENO;
    while (len > 0) {
        ssize_t n = write(fd, line, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* a full disk must not stop the program */
        }
        log_state.size += n;
        line += n;
        len -= (size_t)n;
    }
}

void log_at(enum log_level level, const struct log_ctx *ctx, const char *fmt, ...)
{
    pthread_mutex_lock(&log_state.lock);
    bool wanted = level <= log_state.level;
    pthread_mutex_unlock(&log_state.lock);
    if (!wanted) {
        return;
    }
    _cleanup_buf_ struct buf message = {0}, line = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&message, fmt, ap);
    va_end(ap);
    if (message.len > LOG_LINE_MAX) {
        message.len = LOG_LINE_MAX;
        message.data[LOG_LINE_MAX] = '\0';
        buf_adds(&message, "...");
    }
    log_add_prefix(&line, level, ctx);
    log_add_clean(&line, message.data);
    log_add_fields(&line, ctx);

    pthread_mutex_lock(&log_state.lock);
    if (log_state.tap) {
        log_state.tap(log_state.tap_arg, level, line.data);
    }
    buf_addc(&line, '\n');
    if (log_state.path && log_state.max_bytes > 0 && log_state.size > 0 &&
        log_state.size + (int64_t)line.len > log_state.max_bytes) {
        log_rotate();
    }
    log_write(line.data, line.len);
    pthread_mutex_unlock(&log_state.lock);
}

bool log_allowed(struct log_limit *l, int burst, int64_t per_ms)
{
    int64_t now = clock_mono_ms();
    if (l->count == 0 || now - l->window_start_ms >= per_ms) {
        l->window_start_ms = now;
        l->count = 0;
    }
    if (l->count >= burst) {
        return false;
    }
    l->count++;
    return true;
}
