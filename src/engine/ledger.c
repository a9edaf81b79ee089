/*
 * Arithmetic of credits.
 */
#include "engine/ledger.h"

#include <assert.h>

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/truth_int.h"

bool ledger_can(const struct truth *t, int64_t n)
{
    return t->purse->unlimited || t->purse->balance >= n || bug(OVERDRAW);
}

static void ledger_row(struct truth *t, enum ledger_kind kind, int64_t amount, int64_t node, int64_t hour,
                       int64_t op)
{
    int64_t real = t->purse->unlimited ? 0 : amount;
    t->purse->balance += real;
    assert(t->purse->balance >= 0 || bug(OVERDRAW) || bug(CHARGE_TWICE) || bug(NO_REFUND));
    struct effect *e = effect_add(t, EFF_LEDGER);
    e->ledger = kind;
    e->amount = real;
    e->node_id = node;
    e->hour = hour;
    e->op_id = op;
}

void ledger_use(struct truth *t, struct node *n, int64_t hour)
{
    ledger_row(t, LEDGER_USE, -1, n->id, hour, 0);
    n->hours_paid = hour + 1;
    if (bug(CHARGE_TWICE) && hour == 1) {
        ledger_row(t, LEDGER_USE, -1, n->id, hour, 0);
    }
}

void ledger_refund(struct truth *t, struct node *n)
{
    if (n->hours_paid == 1) {
        n->hours_paid = 0;
        ledger_row(t, LEDGER_REFUND, 1, n->id, 0, 0);
    }
}

void ledger_hold(struct truth *t, struct op *o, int64_t n)
{
    if (n > 0) {
        o->held_credits += n;
        ledger_row(t, LEDGER_HOLD, -n, 0, o->releases++, o->id);
    }
}

void ledger_release(struct truth *t, struct op *o, int64_t n)
{
    assert(n <= o->held_credits);
    if (n > 0) {
        o->held_credits -= n;
        ledger_row(t, LEDGER_RELEASE, n, 0, o->releases++, o->id);
    }
}

int64_t ledger_due_hour(int64_t created_ms, int64_t now_ms)
{
    int64_t h = (now_ms - created_ms + LEAD_MS) / HOUR_MS;
    return h > 0 ? h : 0;
}

int64_t ledger_next_due_ms(const struct node *n)
{
    return n->created_ms + n->hours_paid * HOUR_MS - LEAD_MS;
}
