/*
 * A watchman beside a call that blocks: wakes it at a deadline, at a tick, and when the user presses Ctrl-C.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/http_client.h"

struct watch;
/* Interrupts client (http_client_interrupt) after every tick_ms, at deadline (clock_mono_ms; 0 = none) and at
 * SIGINT or SIGTERM. Calls on_second(arg) once a second from its own thread when that is not NULL. The
 * signals are blocked in the calling thread until watch_free. */
struct watch *watch_new(struct http_client *client, int tick_ms, int64_t deadline, void (*on_second)(void *),
                        void *arg);
void watch_free(struct watch *w);
DEFINE_CLEANUP(struct watch *, watch_free);
/* Why the client was interrupted last. */
bool watch_signalled(const struct watch *w);
bool watch_expired(const struct watch *w);
/* Lets the client work again after an interrupt; the next tick is a full one. */
void watch_continue(struct watch *w);
/* Waits, at most ms; returns early at a signal or the deadline. */
void watch_pause(struct watch *w, int ms);
