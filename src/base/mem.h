/*
 * Memory and ownership.  Allocation aborts when memory is out (requests and queues have hard limits
 * instead); ownership is shown by the cleanup attribute and TAKE_PTR, never by goto chains.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t size);

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Hands the pointer over and leaves NULL behind. */
#define TAKE_PTR(p)                                                                                          \
    ({                                                                                                       \
        __typeof__(p) *take_p_ = &(p);                                                                       \
        __typeof__(p) take_v_ = *take_p_;                                                                    \
        *take_p_ = NULL;                                                                                     \
        take_v_;                                                                                             \
    })
/* The same for a file descriptor: leaves -1 behind. */
#define TAKE_FD(fd)                                                                                          \
    ({                                                                                                       \
        int *take_p_ = &(fd);                                                                                \
        int take_v_ = *take_p_;                                                                              \
        *take_p_ = -1;                                                                                       \
        take_v_;                                                                                             \
    })

/* Defines void xp(T **p), for use as _cleanup_(xp). */
#define DEFINE_CLEANUP(T, free_func)                                                                         \
    static inline void free_func##p(T *p)                                                                    \
    {                                                                                                        \
        if (*p) {                                                                                            \
            free_func(*p);                                                                                   \
            *p = NULL;                                                                                       \
        }                                                                                                    \
    }                                                                                                        \
    struct semicolon_after_macro_

static inline void freep(void *p)
{
    free(*(void **)p);
    *(void **)p = NULL;
}
static inline void closep(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}
static inline void fclosep(FILE **f)
{
    if (*f) {
        fclose(*f);
        *f = NULL;
    }
}
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Overwrites a secret before its memory is given back; the compiler may not drop it. */
void mem_wipe(void *p, size_t n);
/* Equality in time that depends on n only. */
int mem_equal_secret(const void *a, const void *b, size_t n);
