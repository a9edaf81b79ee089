/*
 * Users: legal and illegal commands, at any time.  A refused one must change nothing.
 */
#include <string.h>

#include "sim.h"

int user_accept(struct world *w, int svc, const struct change *c, int64_t *ret_op)
{
    struct truth t;
    struct effects x;
    struct service before = w->db.s[svc];
    struct purse purse = w->db.purse;
    int64_t op = 0;
    dir_begin(w, svc, &t, &x);
    _cleanup_err_ struct err e = {0};
    int r = truth_accept(&t, c, &op, &e);
    SAY(w, "user: service %d %s: %s", svc, facet_to_str(c->facet), r < 0 ? e.message : "accepted");
    if (r < 0) {
        w->refused_calls++;
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): a copy of the whole */
        bool same = memcmp(&before, &w->db.s[svc], sizeof before) == 0 &&
                    purse.balance == w->db.purse.balance && x.n == 0;
        if (!same) {
            bad(w, "O9 a refused change has changed something: %s", e.message);
        }
        effects_done(&x);
        return r;
    }
    for (int k = 0; k < ROLES_MAX; k++) {
        struct svc_truth *s = &w->truth[svc];
        bool old = w->now - s->asked_ms > DETECT_MS, less = w->db.s[svc].want.counts[k] < s->asked[k];
        s->asked[k] = old || less ? w->db.s[svc].want.counts[k] : s->asked[k];
    }
    w->truth[svc].asked_ms = w->now;
    dir_commit(w, svc, &t);
    if (ret_op) {
        *ret_op = op;
    }
    return 0;
}

int user_counts(struct world *w, int svc, const int counts[ROLES_MAX])
{
    struct change c = {.facet = FACET_COUNTS, .supersede = rnd(w, 2)};
    memcpy(c.value.counts, counts, sizeof c.value.counts);
    return user_accept(w, svc, &c, NULL);
}

int user_run(struct world *w, int svc, enum run run)
{
    struct change c = {.facet = FACET_RUN, .value.run = run};
    return user_accept(w, svc, &c, NULL);
}

int user_code(struct world *w, int svc, bool good)
{
    struct change c = {.facet = FACET_CODE, .supersede = rnd(w, 2)};
    c.value.code = ++w->versions[svc];
    uint64_t bit = 1ull << (c.value.code % 64);
    uint64_t *bits = &w->bad_versions[svc];
    *bits = good ? *bits & ~bit : *bits | bit;
    return user_accept(w, svc, &c, NULL);
}

int user_settings(struct world *w, int svc, bool good)
{
    struct change c = {.facet = FACET_SETTINGS, .supersede = rnd(w, 2)};
    c.value.settings = ++w->settings[svc];
    uint64_t bit = 1ull << (c.value.settings % 64);
    uint64_t *bits = &w->bad_settings[svc];
    *bits = good ? *bits & ~bit : *bits | bit;
    return user_accept(w, svc, &c, NULL);
}

static void change_counts(struct world *w, int svc)
{
    const struct service *s = &w->db.s[svc];
    int counts[ROLES_MAX];
    static const int steps[] = {-2, -1, 1, 1, 2};
    memcpy(counts, s->want.counts, sizeof counts);
    for (int n = 1 + rnd(w, 2); n > 0; n--) {
        int r = rnd(w, s->type->n_roles);
        int v = counts[r] + steps[rnd(w, 5)];
        counts[r] = v < 0 ? 0 : v > 3 ? 3 : v;
    }
    (void)user_counts(w, svc, counts);
}

/* The operation that owns the facet; FACET_MAX: any. */
int user_cancel(struct world *w, int svc, enum facet f)
{
    struct service *s = &w->db.s[svc];
    struct truth t;
    struct effects x;
    int64_t op = f == FACET_MAX && s->n_ops > 0 ? s->ops[rnd(w, s->n_ops)].id : 0;
    for (int i = 0; i < s->n_ops; i++) {
        op = s->ops[i].facet == f ? s->ops[i].id : op;
    }
    dir_begin(w, svc, &t, &x);
    int r = truth_cancel(&t, op, "by the user", NULL);
    if (r == 0) {
        dir_commit(w, svc, &t);
    }
    effects_done(&x);
    return r;
}

static void command(struct world *w, int svc)
{
    const struct service_type *t = w->db.s[svc].type;
    struct change c = {.facet = FACET_CMD};
    if (t->n_commands > 0) {
        const struct command_def *d = &t->commands[rnd(w, t->n_commands)];
        bool run = d->internal && t->scripts; /* nobody may ask for init; most people run their program */
        (void)str_copy(c.kind, sizeof c.kind, run ? "run" : d->name);
    }
    (void)user_accept(w, svc, &c, NULL);
}

/* At the end of a seed every version and setting that is wanted works, so that the world can converge. */
static void settle_bits(struct world *w, int svc)
{
    const struct service *s = &w->db.s[svc];
    bool changing = s->want.code != s->good.code || s->want.settings != s->good.settings;
    if (!changing) {
        w->bad_settings[svc] &= ~(1ull << (s->want.settings % 64));
        w->bad_versions[svc] &= ~(1ull << (s->want.code % 64));
    }
}

void users_settle(struct world *w)
{
    for (int k = 0; k < w->db.n; k++) {
        settle_bits(w, k);
    }
}

static bool bad_luck(struct world *w, int svc)
{
    return w->db.s[svc].want.run == RUN_RUNNING && rnd(w, 4) == 0;
}

static void running_user(struct world *w, int k)
{
    int x = rnd(w, 28);
    if (x < 12) {
        change_counts(w, k);
    } else if (x < 17) {
        (void)user_code(w, k, !bad_luck(w, k));
    } else if (x < 20) {
        (void)user_settings(w, k, !bad_luck(w, k));
    } else if (x < 23) {
        (void)user_cancel(w, k, FACET_MAX);
    } else if (x < 26) {
        command(w, k);
    } else if (x < 27) {
        (void)user_run(w, k, RUN_STOPPED);
    } else {
        (void)user_run(w, k, RUN_RUNNING); /* illegal */
    }
}

void user_step(struct world *w, struct event *e)
{
    int k = e->a;
    if (w->now > w->faults_end + 30 * SECOND) {
        settle_bits(w, k);
        return;
    }
    static const int64_t pause[][2] = {{1, 20}, {5, 60}, {20, 200}, {100, 400}};
    int i = rnd(w, 4);
    (void)at(w, between(w, pause[i][0] * SECOND, pause[i][1] * SECOND), user_step, k, 0);
    if (w->dir_down || w->recovery) {
        return;
    }
    settle_bits(w, k);
    if (w->db.s[k].want.run == RUN_RUNNING) {
        running_user(w, k);
    } else if (rnd(w, 10)) {
        (void)user_run(w, k, RUN_RUNNING);
    } else if (rnd(w, 2)) {
        (void)user_code(w, k, true);
    } else {
        change_counts(w, k); /* illegal */
    }
}
