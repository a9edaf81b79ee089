/*
 * One line per step with a mark and its duration; on a terminal the running step is shown live.  Silent with
 * --quiet and --json.
 */
#pragma once

#include "cli/cli.h"

struct progress;
struct progress *progress_new(struct cli *cli);
void progress_free(struct progress *p);
DEFINE_CLEANUP(struct progress *, progress_free);
/* A step that ended. */
void progress_step(struct progress *p, const char *title, bool ok, int64_t took_ms);
/* What runs now, since when (clock_mono_ms); NULL: nothing in particular. */
void progress_active(struct progress *p, const char *title, int64_t since);
/* Redraws the live line; safe from another thread. */
void progress_tick(void *progress);
/* A line in between. */
void progress_note(struct progress *p, const char *text);
/* Bytes of a transfer: a bar on a terminal, nothing elsewhere. */
void progress_bytes(struct progress *p, int64_t done, int64_t total);
