#include "manager/calls.h"

void calls_init(struct calls *c)
{
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->more, NULL);
}

void calls_done(struct calls *c)
{
    calls_clear(c);
    pthread_cond_destroy(&c->more);
    pthread_mutex_destroy(&c->lock);
}

bool calls_push(struct calls *c, const struct queued_call *call)
{
    pthread_mutex_lock(&c->lock);
    bool room = !c->closed && c->n < CALLS_MAX;
    if (room) {
        c->items[(c->first + c->n) % CALLS_MAX] = *call;
        c->n++;
        pthread_cond_signal(&c->more);
    }
    pthread_mutex_unlock(&c->lock);
    if (!room) {
        json_decref(call->body);
    }
    return room;
}

static struct queued_call take_first(struct calls *c)
{
    struct queued_call call = c->items[c->first];
    c->items[c->first] = (struct queued_call){0};
    c->first = (c->first + 1) % CALLS_MAX;
    c->n--;
    return call;
}

bool calls_pop(struct calls *c, struct queued_call *ret)
{
    pthread_mutex_lock(&c->lock);
    while (c->n == 0 && !c->closed) {
        pthread_cond_wait(&c->more, &c->lock);
    }
    bool got = !c->closed;
    if (got) {
        *ret = take_first(c);
    }
    pthread_mutex_unlock(&c->lock);
    return got;
}

void calls_clear(struct calls *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->n > 0) {
        json_decref(take_first(c).body);
    }
    pthread_mutex_unlock(&c->lock);
}

void calls_close(struct calls *c)
{
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    pthread_cond_broadcast(&c->more);
    pthread_mutex_unlock(&c->lock);
}
