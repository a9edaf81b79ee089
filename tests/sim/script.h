/*
 * Scenarios: scripted worlds, one for each race that random seeds find once in hundreds of runs or never.
 *
 * A scenario is a row (struct scenario) with a function that is called once its services run. It moves the virtual clock
 * itself, holds messages back at gates, breaks things, and asserts what it expects; the general invariants are checked
 * all the while. Afterwards the runner opens every gate and the world has to converge.
 *
 * RUN, UNTIL, HOLDS and EXPECT end the scenario (they return from it) at the first violation.
 */
#pragma once

#include "sim.h"

struct scenario {
    const char *name;
    const char *hole; /* what once went wrong, or would: in words */
    const char *rule; /* closes it: numbers as in the planner's comments */
    const char *
        services; /* types of its services: "php", "php quorum"; what a throw-away type stands for is in hole */
    int counts[SVC_MAX][ROLES_MAX];
    bool stopped;   /* the scenario itself starts the services */
    int64_t credit; /* 0: plenty */
    int bugs
        [6]; /* planted mistakes (1 + enum bug), each of which this very scenario has to catch; 0 ends the list */
    void (*play)(struct world *w);
};
#define CATCHES(...)                                                                                         \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define BUG(sym) (BUG_##sym + 1)

/* By theme, each ends with a row without a name. */
extern const struct scenario scen_entries[], scen_order[], scen_data[], scen_manager[], scen_director[],
    scen_volumes[];

/* ---- scenarios.c: the runner ---- */
void scenarios_list(void);
/* name "all": every one. Each runs clean, where it must pass, and with each of its bugs, where it must fail. A bug (NULL:
 * all of the row) restricts that to one planted run. With trace what happens is printed. Returns how many went wrong. */
int scenarios_run(const char *name, const char *bug, int start, int seeds, bool trace);

/* ---- time ---- */
#define EXPECT(w, cond)                                                                                      \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            bad(w, "expected: %s", #cond);                                                                   \
        }                                                                                                    \
        if ((w)->violation[0]) {                                                                             \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)
/* Goes on until goal is true, at most that long; `always` has to be true after each event on the way. */
#define UNTIL_HOLDING(w, seconds, goal, always)                                                              \
    do {                                                                                                     \
        int64_t end_ = (w)->now + (seconds)*SECOND;                                                          \
        while (!(goal) && world_step(w, end_)) {                                                             \
            EXPECT(w, always);                                                                               \
        }                                                                                                    \
        EXPECT(w, goal);                                                                                     \
    } while (0)
#define UNTIL(w, seconds, goal) UNTIL_HOLDING(w, seconds, goal, true)
/* For that long, after every event. */
#define HOLDS(w, seconds, always)                                                                            \
    do {                                                                                                     \
        int64_t end_ = (w)->now + (seconds)*SECOND;                                                          \
        EXPECT(w, always);                                                                                   \
        while (world_step(w, end_)) {                                                                        \
            EXPECT(w, always);                                                                               \
        }                                                                                                    \
        EXPECT(w, always);                                                                                   \
    } while (0)
#define RUN(w, seconds) HOLDS(w, seconds, true)

/* ---- gates: what matches waits there until the gate is opened, or is lost ---- */
#define ANY (-1)
struct gate {
    enum msg_kind kind;
    int from, to; /* machines; DIRECTOR; ANY */
    /* NULL: all. Among those of this kind, between these two. */
    bool (*match)(const struct world *w, const struct message *m);
    bool count_only; /* lets them pass */
    /* state */
    bool closed;
    int hits;
};
struct gate *gate_close(struct world *w, enum msg_kind kind, int from, int to,
                        bool (*match)(const struct world *w, const struct message *m));
void gate_let_pass(struct gate *g);              /* later ones pass; those that wait go on waiting */
void gate_open(struct world *w, struct gate *g); /* delivers what waits, in the order it was sent */
void gate_lose(struct world *w, struct gate *g); /* ... or throws it away */
struct gate *gate_count(struct world *w, enum msg_kind kind, int from, int to,
                        bool (*match)(const struct world *w, const struct message *m));
bool with_doc(const struct world *w, const struct message *m);  /* MSG_ANSWER that carries a document */
bool is_create(const struct world *w, const struct message *m); /* MSG_CALL ... */
bool is_destroy(const struct world *w, const struct message *m);
bool is_publish(const struct world *w, const struct message *m);
bool is_finish(const struct world *w, const struct message *m);
void script_init(struct world *w);
void script_done(struct world *w); /* opens all gates */

/* ---- who is who; NULL and 0 are fine wherever a machine is expected ---- */
enum { PROXY, WEB, BACKEND, SESSIONS }; /* roles of php */
enum { MEMBER, BALANCER };              /* of quorum */
enum { MASTER, HOLDER };                /* of drain */
enum { SCRIPT_MASTER, SCRIPT_NODE };    /* of script */
struct vm *nth(struct world *w, int role,
               int k);                        /* of service 0: k-th living node of that purpose, by ordinal */
struct vm *newest(struct world *w, int role); /* ... the one with the highest ordinal */
struct vm *twin_of(struct world *w, const struct vm *v); /* another machine of the same record */
struct vm *manager_vm(struct world *w);
enum node_status status_of(struct world *w, const struct vm *v);
int living(struct world *w, int svc, int role);   /* records that are neither DYING nor GONE */
int machines(const struct world *w, int svc);     /* that exist; svc ANY: of all services, without managers */
bool listed(struct world *w, const struct vm *v); /* published as an entry */
bool names(const struct vm *proxy, int role, const struct vm *v);
bool leads(struct world *w, const struct vm *proxy); /* what it names works, in every class */
bool serves(const struct vm *v, int role);           /* its applied document says so, and it does not drain */
bool op_active(const struct world *w, enum facet f);
const struct cmd_result *journal_of(const struct vm *v, const char *prefix);

/* ---- users; a refusal is a violation ---- */
void ask_counts(struct world *w, int a, int b, int c);
void ask_run(struct world *w, enum run run);
void ask_code(struct world *w, int64_t version, bool good);
void ask_settings(struct world *w, int64_t settings, bool good);
void ask_cmd(struct world *w, const char *kind);
void ask_cancel(struct world *w, enum facet f);

/* ---- faults ---- */
void die(struct world *w, struct vm *v);
void hang(struct world *w, struct vm *v, int64_t seconds);
void wake(struct world *w, struct vm *v);
void crash(struct world *w, struct vm *v, int role, bool loop);
void reboot(struct world *w, struct vm *v, int64_t seconds);
