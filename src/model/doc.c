/*
 * Sets of ids and comparison of documents.
 */
#include "model/doc.h"

#include <assert.h>
#include <string.h>

bool doc_equal(const struct doc *a, const struct doc *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Index of the first id that is not below `id`. */
static int64_t set_place(const struct id_set *s, int64_t id)
{
    int64_t i = 0;
    while (i < s->n && s->id[i] < id) {
        i++;
    }
    return i;
}

bool set_has(const struct id_set *s, int64_t id)
{
    int64_t i = set_place(s, id);
    return i < s->n && s->id[i] == id;
}

void set_add(struct id_set *s, int64_t id)
{
    int64_t i = set_place(s, id);
    if (i < s->n && s->id[i] == id) {
        return;
    }
    assert(s->n < NODES_MAX);
    memmove(&s->id[i + 1], &s->id[i], (size_t)(s->n - i) * sizeof s->id[0]);
    s->id[i] = id;
    s->n++;
}

void set_remove(struct id_set *s, int64_t id)
{
    int64_t i = set_place(s, id);
    if (i == s->n || s->id[i] != id) {
        return;
    }
    memmove(&s->id[i], &s->id[i + 1], (size_t)(s->n - i - 1) * sizeof s->id[0]);
    s->id[--s->n] = 0;
}

bool set_equal(const struct id_set *a, const struct id_set *b)
{
    return a->n == b->n && memcmp(a->id, b->id, (size_t)a->n * sizeof a->id[0]) == 0;
}
