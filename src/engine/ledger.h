/*
 * Arithmetic of credits (B rules): every function changes the purse and emits the ledger row that says so, or changes
 * nothing.  The balance is the sum of all rows and never negative; rows of users who are not charged have amount 0.
 */
#pragma once

#include "engine/truth.h"

/* Can n credits be taken? */
bool ledger_can(const struct truth *t, int64_t n);
/* Takes one credit for hour `hour` of the node and counts it as paid. The caller has asked ledger_can. */
void ledger_use(struct truth *t, struct node *n, int64_t hour);
/* Gives hour 0 of a node back that certainly never was (B5). Once: the node is no longer paid. */
void ledger_refund(struct truth *t, struct node *n);
void ledger_hold(struct truth *t, struct op *o, int64_t n);
/* Gives back n of the operation's hold. */
void ledger_release(struct truth *t, struct op *o, int64_t n);
/* Index of the last hour that must be reserved by now (B2). */
int64_t ledger_due_hour(int64_t created_ms, int64_t now_ms);
/* When the next hour after `hours_paid` is due. */
int64_t ledger_next_due_ms(const struct node *n);
