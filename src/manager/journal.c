#include "manager/journal.h"

#include "base/clock.h"
#include "model/text.h"

static const char *const level_names[] = {
    [LOG_ERROR] = "ERROR", [LOG_WARN] = "WARNING", [LOG_INFO] = "INFO", [LOG_DEBUG] = "DEBUG"};

void journal_init(struct journal *j)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&j->more, &attr);
    pthread_condattr_destroy(&attr);
}

static struct journal_line *line_at(struct journal *j, int i)
{
    return &j->lines[(j->first + i) % JOURNAL_MAX];
}

static void drop_first(struct journal *j)
{
    free(line_at(j, 0)->line);
    *line_at(j, 0) = (struct journal_line){0};
    j->first = (j->first + 1) % JOURNAL_MAX;
    j->n--;
    if (j->taken > 0) {
        j->taken--;
    }
}

void journal_done(struct journal *j)
{
    while (j->n > 0) {
        drop_first(j);
    }
    pthread_cond_destroy(&j->more);
    pthread_mutex_destroy(&j->lock);
}

void journal_add(struct journal *j, enum log_level level, int64_t service, const char *logger,
                 const char *fmt, ...)
{
    _cleanup_buf_ struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    struct log_ctx ctx = {.logger = logger, .service = service};
    log_at(level, &ctx, "%s", text.data);

    pthread_mutex_lock(&j->lock);
    if (j->n == JOURNAL_MAX) {
        drop_first(j);
        j->dropped++;
    }
    *line_at(j, j->n) = (struct journal_line){.service = service,
                                              .time_ms = clock_wall_ms(),
                                              .level = level,
                                              .line = str_printf("%s %s", logger, text.data)};
    j->n++;
    pthread_cond_signal(&j->more);
    pthread_mutex_unlock(&j->lock);
}

static void append_line(json_t *list, int64_t service, int64_t time_ms, enum log_level level,
                        const char *line)
{
    json_array_append_new(list, json_pack("{s:I, s:I, s:s, s:o}", "service", (json_int_t)service, "time",
                                          (json_int_t)time_ms, "level", level_names[level], "line",
                                          text_to_json(line)));
}

json_t *journal_take(struct journal *j)
{
    json_t *list = json_array();
    pthread_mutex_lock(&j->lock);
    j->taken = j->n < JOURNAL_BATCH ? j->n : JOURNAL_BATCH;
    if (j->dropped > 0) {
        _cleanup_free_ char *gap =
            str_printf("manager %lld lines are missing here, the director was away", (long long)j->dropped);
        append_line(list, 0, clock_wall_ms(), LOG_WARN, gap);
    }
    for (int i = 0; i < j->taken; i++) {
        const struct journal_line *l = line_at(j, i);
        append_line(list, l->service, l->time_ms, l->level, l->line);
    }
    pthread_mutex_unlock(&j->lock);
    return list;
}

void journal_settle(struct journal *j, bool arrived)
{
    pthread_mutex_lock(&j->lock);
    if (arrived) {
        while (j->taken > 0) {
            drop_first(j);
        }
        j->dropped = 0;
    }
    j->taken = 0;
    pthread_mutex_unlock(&j->lock);
}

bool journal_empty(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    bool empty = j->n == 0;
    pthread_mutex_unlock(&j->lock);
    return empty;
}
