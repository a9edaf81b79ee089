#include "cli/progress.h"

#include <pthread.h>

#include "base/clock.h"

#define TITLE_COLUMNS 60
#define BAR_COLUMNS 30
#define BAR_EVERY_MS 100

struct progress {
    struct cli *cli;
    bool shown, live;
    pthread_mutex_t lock;
    char *active;
    int64_t since, bar_drawn, bar_done;
    bool dirty; /* the terminal's line holds something of ours */
};

struct progress *progress_new(struct cli *cli)
{
    struct progress *p = xcalloc(1, sizeof(*p));
    p->cli = cli;
    p->shown = !cli->quiet && !cli->json;
    p->live = p->shown && cli->term.err_tty && cli->term.err_colour;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

static void clear_line(struct progress *p)
{
    if (p->dirty) {
        fputs("\r\033[K", p->cli->term.err);
        p->dirty = false;
    }
}

void progress_free(struct progress *p)
{
    if (!p) {
        return;
    }
    clear_line(p);
    fflush(p->cli->term.err);
    free(p->active);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static void draw_live(struct progress *p)
{
    if (!p->live || !p->active) {
        return;
    }
    const struct term *t = &p->cli->term;
    _cleanup_free_ char *time = term_duration(clock_mono_ms() - p->since);
    struct buf line = {0};
    term_fit(t, &line, p->active, TITLE_COLUMNS < t->width - 20 ? TITLE_COLUMNS : t->width - 20, false);
    clear_line(p);
    fprintf(t->err, "%s  %s %s  %s%s", term_on(t, true, COLOUR_BUSY), t->utf8 ? "…" : "-", line.data, time,
            term_off(t, true));
    fflush(t->err);
    p->dirty = true;
    buf_done(&line);
}

static void print_step(struct progress *p, const char *title, bool ok, int64_t took_ms)
{
    const struct term *t = &p->cli->term;
    _cleanup_free_ char *time = term_duration(took_ms);
    struct buf safe = {0}, line = {0};
    term_safe(&safe, title, false);
    term_fit(t, &line, safe.data, TITLE_COLUMNS, false);
    clear_line(p);
    fprintf(t->err, "  %s%s%s %s %9s\n", term_on(t, true, ok ? COLOUR_OK : COLOUR_BAD), term_mark(t, ok),
            term_off(t, true), line.data, time);
    buf_done(&safe);
    buf_done(&line);
}

void progress_step(struct progress *p, const char *title, bool ok, int64_t took_ms)
{
    if (!p->shown) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    print_step(p, title, ok, took_ms < 0 ? 0 : took_ms);
    draw_live(p);
    fflush(p->cli->term.err);
    pthread_mutex_unlock(&p->lock);
}

void progress_active(struct progress *p, const char *title, int64_t since)
{
    pthread_mutex_lock(&p->lock);
    struct buf safe = {0};
    term_safe(&safe, title ? title : "", false);
    free(p->active);
    p->active = title ? buf_take(&safe) : NULL;
    p->since = since;
    if (p->active) {
        draw_live(p);
    } else {
        clear_line(p);
    }
    pthread_mutex_unlock(&p->lock);
    buf_done(&safe);
}

void progress_tick(void *progress)
{
    struct progress *p = progress;
    pthread_mutex_lock(&p->lock);
    draw_live(p);
    pthread_mutex_unlock(&p->lock);
}

void progress_note(struct progress *p, const char *text)
{
    pthread_mutex_lock(&p->lock);
    clear_line(p);
    cli_note(p->cli, "%s", text);
    draw_live(p);
    pthread_mutex_unlock(&p->lock);
}

void progress_bytes(struct progress *p, int64_t done, int64_t total)
{
    int64_t now = clock_mono_ms();
    if (!p->live || total <= 0 || done == p->bar_done ||
        (done < total && now - p->bar_drawn < BAR_EVERY_MS)) {
        return;
    }
    p->bar_done = done;
    p->bar_drawn = now;
    int filled = (int)(done * BAR_COLUMNS / total);
    const struct term *t = &p->cli->term;
    _cleanup_free_ char *have = term_bytes(done), *all = term_bytes(total);
    struct buf bar = {0};
    for (int i = 0; i < BAR_COLUMNS; i++) {
        buf_adds(&bar, t->utf8 ? (i < filled ? "█" : "░") : (i < filled ? "#" : "."));
    }
    clear_line(p);
    fprintf(t->err, "  %s %3d %%  %s of %s", bar.data, (int)(done * 100 / total), have, all);
    fflush(t->err);
    p->dirty = true;
    buf_done(&bar);
}
