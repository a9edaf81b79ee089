/*
 * An asker waits on the application's condition; the manager's long poll is woken by the same.
 */
#include "director/questions.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "director/director.h"

#define ANSWER_MS 10000
#define LOG_MAX (2 << 20)
#define LINES_MAX 500
#define LINE_MAX_BYTES 4096

static void forget(struct slot *s, const struct question *q)
{
    for (int i = 0; i < s->n_questions; i++) {
        if (s->questions[i] == q) {
            s->questions[i] = s->questions[--s->n_questions];
            return;
        }
    }
}

int questions_ask(struct director *d, struct slot *s, struct question *q, const struct http_request *req,
                  struct err *e)
{
    if (s->n_questions == QUERIES_OPEN_MAX) {
        return err_set(e, ERR_RATE, "too many questions to this application at once");
    }
    int64_t until = clock_mono_ms() + ANSWER_MS;
    q->id = atomic_fetch_add(&d->next_question, 1);
    q->born_ms = clock_mono_ms();
    s->questions[s->n_questions++] = q;
    slot_pulse(s);
    while (!q->answered && !s->gone && clock_mono_ms() < until && !http_stopping(req)) {
        slot_wait(s, until);
    }
    forget(s, q);
    if (q->answered && !q->error) {
        return 0;
    }
    _cleanup_free_ char *why = TAKE_PTR(q->error);
    free(TAKE_PTR(q->text));
    return why ? err_set(e, ERR_UNAVAILABLE, "node %lld: %s", (long long)q->node, why)
               : err_set_hint(e, ERR_UNAVAILABLE, "is the application's manager up? See `conpaas app show`",
                              "node %lld has not answered within %d seconds", (long long)q->node,
                              ANSWER_MS / 1000);
}

bool questions_waiting(const struct slot *s, int64_t epoch)
{
    for (int i = 0; i < s->n_questions; i++) {
        if (s->questions[i]->given_epoch != epoch && !s->questions[i]->answered) {
            return true;
        }
    }
    return false;
}

json_t *questions_give(struct slot *s, int64_t epoch)
{
    json_t *list = json_array();
    for (int i = 0; i < s->n_questions; i++) {
        struct question *q = s->questions[i];
        if (q->given_epoch != epoch && !q->answered) {
            q->given_epoch = epoch;
            json_array_append_new(list, json_pack("{s:I, s:I, s:s, s:s, s:I}", "id", (json_int_t)q->id,
                                                  "node", (json_int_t)q->node, "kind", q->kind, "name",
                                                  q->name, "lines", (json_int_t)q->lines));
        }
    }
    return list;
}

void questions_answer(struct slot *s, int64_t id, const char *text, const char *error)
{
    struct question *q = slot_question(s, id);
    if (q && !q->answered) {
        q->answered = true;
        q->text = error ? NULL : xstrdup(text ? text : "");
        q->error = error ? xstrdup(error) : NULL;
        slot_pulse(s);
    }
}

/* ---- reported lines ---- */

char *questions_log_path(const struct director *d, int64_t service)
{
    return str_printf("%s/logs/service-%lld.log", d->config.data_dir, (long long)service);
}

static void append(const struct director *d, int64_t service, const struct buf *text)
{
    _cleanup_free_ char *path = questions_log_path(d, service);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    if (fd < 0 || write(fd, text->data, text->len) < 0) {
        return; /* for people; a full disk is told elsewhere */
    }
    if (fstat(fd, &st) == 0 && st.st_size > LOG_MAX) {
        _cleanup_free_ char *old = str_printf("%s.1", path);
        (void)!rename(path, old);
    }
}

void questions_forget_lines(const struct director *d, int64_t service)
{
    _cleanup_free_ char *path = questions_log_path(d, service);
    _cleanup_free_ char *old = str_printf("%s.1", path);
    (void)unlink(path);
    (void)unlink(old);
}

/* Upper-case letters, as the levels are. */
static const char *level_of(const json_t *j)
{
    const char *level = json_str(j, "level", "INFO");
    size_t n = strspn(level, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return n > 0 && n <= 8 && level[n] == '\0' ? level : "INFO";
}

/* Control characters of a manager do not get into a terminal, and a line has an end. */
static void add_text(struct buf *out, const char *text)
{
    size_t n = strlen(text) < LINE_MAX_BYTES ? strlen(text) : LINE_MAX_BYTES;
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) { /* never half a character */
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i], next = (unsigned char)text[i + 1];
        bool c1 = c == 0xc2 && next >= 0x80 && next <= 0x9f;
        if (c1) {
            buf_adds(out, "  ");
            i++;
        } else {
            buf_addc(out, c < ' ' || c == 127 ? ' ' : text[i]);
        }
    }
}

/* "2026-11-24 04:05:06,789 INFO text" */
static void add_line(struct buf *out, const json_t *j)
{
    int64_t ms = json_int(j, "time", 0);
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char stamp[32] = "";
    if (gmtime_r(&seconds, &tm)) {
        (void)strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
    }
    buf_addf(out, "%s,%03d %s ", stamp, (int)(ms % 1000 < 0 ? 0 : ms % 1000), level_of(j));
    add_text(out, json_str(j, "line", ""));
    buf_addc(out, '\n');
}

void questions_keep_lines(struct director *d, struct slot *s, const json_t *lines)
{
    struct buf text[SERVICES_MAX] = {0};
    size_t i;
    json_t *j;
    json_array_foreach(lines, i, j)
    {
        int64_t service = json_int(j, "service", 0);
        for (int k = 0; k < s->n && i < LINES_MAX; k++) {
            if (service == 0 || service == s->services[k]->row.service.id) {
                add_line(&text[k], j);
            }
        }
    }
    for (int k = 0; k < s->n; k++) {
        if (text[k].len) {
            append(d, s->services[k]->row.service.id, &text[k]);
        }
        buf_done(&text[k]);
    }
}
