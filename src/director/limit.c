/*
 * The table is 4096 entries in sets of 8; a full set forgets the fullest bucket, which is the one that says
 * least.
 */
#include "director/limit.h"

#include "base/str.h"

#define SETS 512
#define WAYS 8

struct bucket {
    uint64_t key; /* 0 = free */
    int64_t left; /* in units of one refill millisecond: a try costs per_ms / burst */
    int64_t at_ms;
};
struct limit {
    pthread_mutex_t lock;
    int64_t per_ms, cost;
    uint64_t salt;
    struct bucket b[SETS][WAYS];
};

struct limit *limit_new(int64_t burst, int64_t per_ms)
{
    struct limit *l = xcalloc(1, sizeof(*l));
    pthread_mutex_init(&l->lock, NULL);
    l->per_ms = per_ms;
    l->cost = per_ms / burst > 0 ? per_ms / burst : 1;
    random_bytes(&l->salt, sizeof(l->salt));
    return l;
}

void limit_free(struct limit *l)
{
    if (l) {
        pthread_mutex_destroy(&l->lock);
        free(l);
    }
}

/* FNV-1a over the salt and the key. */
static uint64_t hash(const struct limit *l, const char *key)
{
    uint64_t h = 14695981039346656037u ^ l->salt;
    for (const char *p = key; *p; p++) {
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    }
    h ^= h >> 29;
    return h ? h : 1;
}

static struct bucket *bucket_of(struct limit *l, const char *key, int64_t now_ms)
{
    uint64_t h = hash(l, key);
    struct bucket *set = l->b[h % SETS], *spare = &set[0];
    for (int i = 0; i < WAYS; i++) {
        struct bucket *b = &set[i];
        if (b->key != 0) {
            int64_t left = b->left + (now_ms - b->at_ms);
            b->left = left > l->per_ms ? l->per_ms : left;
            b->at_ms = now_ms;
        }
        if (b->key == h) {
            return b;
        }
        if (b->key == 0 || (spare->key != 0 && b->left > spare->left)) {
            spare = b;
        }
    }
    *spare = (struct bucket){.key = h, .left = l->per_ms, .at_ms = now_ms};
    return spare;
}

int limit_take(struct limit *l, const char *key, int64_t now_ms, struct err *e)
{
    pthread_mutex_lock(&l->lock);
    struct bucket *b = bucket_of(l, key, now_ms);
    int64_t missing = l->cost - b->left;
    if (missing <= 0) {
        b->left -= l->cost;
    }
    pthread_mutex_unlock(&l->lock);
    if (missing <= 0) {
        return 0;
    }
    _cleanup_free_ char *hint = str_printf("wait %lld seconds", (long long)(missing / 1000) + 1);
    return err_set_hint(e, ERR_RATE, hint, "too many tries");
}

void limit_give(struct limit *l, const char *key, int64_t now_ms)
{
    pthread_mutex_lock(&l->lock);
    struct bucket *b = bucket_of(l, key, now_ms);
    b->left = b->left + l->cost > l->per_ms ? l->per_ms : b->left + l->cost;
    pthread_mutex_unlock(&l->lock);
}

/* ---- gates ---- */

void gate_init(struct gate *g)
{
    *g = (struct gate){0};
    pthread_mutex_init(&g->lock, NULL);
}

void gate_done(struct gate *g)
{
    pthread_mutex_destroy(&g->lock);
}

int gate_enter(struct gate *g, int64_t key, int each, struct err *e)
{
    int held = 0, place = -1;
    pthread_mutex_lock(&g->lock);
    for (int i = 0; i < GATE_PLACES; i++) {
        held += g->holders[i] == key;
        place = g->holders[i] == 0 ? i : place;
    }
    bool ok = held < each && place >= 0;
    if (ok) {
        g->holders[place] = key;
    }
    pthread_mutex_unlock(&g->lock);
    return ok ? 0 : err_set_hint(e, ERR_RATE, "try again when one has ended", "too many at the same time");
}

void gate_leave(struct gate *g, int64_t key)
{
    bool left = false;
    pthread_mutex_lock(&g->lock);
    for (int i = 0; i < GATE_PLACES && !left; i++) {
        left = g->holders[i] == key;
        g->holders[i] = left ? 0 : g->holders[i];
    }
    pthread_mutex_unlock(&g->lock);
}
