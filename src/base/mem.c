/*
 * Allocation that never returns NULL, and secrets.
 */
#include "base/mem.h"

#include <stdint.h>

static void *mem_check(void *p)
{
    if (!p) {
        static const char text[] = "out of memory\n";
        ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
        (void)ignored;
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return mem_check(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
    return mem_check(n && size ? calloc(n, size) : calloc(1, 1));
}

void *xrealloc(void *p, size_t size)
{
    return mem_check(realloc(p, size ? size : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(n, size, &total)) {
        mem_check(NULL);
    }
    return xrealloc(p, total);
}

char *xstrdup(const char *s)
{
    return mem_check(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
    return mem_check(strndup(s, n));
}

void *xmemdup(const void *p, size_t size)
{
    void *copy = xmalloc(size);
    if (size) {
        memcpy(copy, p, size);
    }
    return copy;
}

void mem_wipe(void *p, size_t n)
{
    if (p && n) {
        explicit_bzero(p, n);
    }
}

int mem_equal_secret(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < n; i++) {
        diff = (uint8_t)(diff | (x[i] ^ y[i]));
    }
    return diff == 0;
}
