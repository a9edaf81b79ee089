/*
 * The simulated world: a virtual clock, a lossy network, clouds that err, a director, managers, agents and users,
 * around the real planner, the real truth and the real bookkeeping of src/engine.
 *
 * Everything is decided by one generator from one seed; arrays are walked by index, so that a seed replays exactly.
 */
#pragma once

#include "engine/bug.h"
#include "engine/constants.h"
#include "engine/fence.h"
#include "engine/have.h"
#include "engine/ledger.h"
#include "engine/plan.h"
#include "engine/truth.h"
#include "model/cloud_result.h"

#define SVC_MAX 3
#define REPLICAS_MAX 12 /* of a chunk; old ones stay until their node goes */
#define VMS_MAX 1024
#define IDS_MAX 16384
#define ROWS_MAX 16384
#define CUTS_MAX 256
#define STARTED_MAX 2048
#define JOURNAL_MAX 256
#define MSG_LATE_MAX (90 * SECOND) /* longest delay of a message */
#define DETECT_MS                                                                                            \
    (LOST_AFTER_MS + MSG_LATE_MAX + 20 * SECOND) /* a younger fault may be unknown to a planner */
#define DIRECTOR 0                               /* place of the director in the network; others: machines */

struct world;
struct message;
struct event {
    int64_t t;
    uint64_t seq;
    void (*fn)(struct world *w, struct event *e);
    int a, b;
    int64_t x, y;
    void *p; /* owned: freed after fn, which may take it and leave NULL */
};

/* ---- machines and their agents ---- */
enum killed { ALIVE, BY_FAULT, BY_ACTION };
struct vm {
    int id, svc; /* svc -1: a manager's node */
    int64_t node;
    char token[TOKEN_MAX];
    bool exists, run, hung, doubted, kill_excused, rebooting, crashloop;
    enum killed killed;
    int64_t born_ms, fault_ms, quiet_ms;
    int64_t had_ms[ROLES_MAX];   /* role was healthy until then */
    int64_t named_ms[ROLES_MAX]; /* last time that an entry named it */
    /* disk */
    struct fence fence;
    struct doc accepted, applied;
    int64_t done_epoch, done_seq, top_epoch, top_seq, boot, position, token_done;
    int n_cmds;
    struct cmd_result cmds[JOURNAL_MAX]; /* the journal; a report holds the listed and the latest */
    /* memory */
    int gen; /* +1 at every start and stop: events of before are void */
    enum health health[ROLES_MAX];
    struct id_set staged;
    uint64_t drained;
    int n_probes;
    struct probe_result probes[PROBES_MAX];
    int64_t refused_seq;
    bool refused_own;
    char refused_why[WHY_MAX];
    struct doc refused;
    int refusals;
    bool busy, synced, report_due;
    int64_t apply_ms; /* scenarios: how long the next applies take; 0: at random */
    int sync_ticks;
    int64_t n_reports, echo, echo_epoch;
    int manager; /* machine of the manager it dials; 0 = does not know */
};

/* ---- disks ---- */
#define DISKS_MAX 512
struct disk {
    bool exists, doomed, looked;
    int svc, vm; /* vm: it is attached to that machine; 0 = none */
    int64_t volume, born_ms, position;
    char token[TOKEN_MAX];
};

/* ---- managers ---- */
struct mservice {
    struct have have;
    bool pending_plan;
    int64_t planned_ms, said_ms;
};
struct mgr {
    int vm, loop;
    bool dead, ready, lying;
    int64_t nonce, epoch, lease_ms;
    int n;
    bool has_view;
    int64_t txn, view_ms;
    bool credit_ok, converged[SVC_MAX];
    struct service view[SVC_MAX];
    struct mservice s[SVC_MAX];
    struct {
        uint64_t key;
        int64_t at_ms;
    } asked[64];
    int n_asked;
};
struct view_msg {
    int64_t txn, at_ms, sent_ms;
    bool credit_ok;
    int n;
    struct service s[SVC_MAX];
};
enum call_kind {
    CALL_VIEW,
    CALL_REGISTER,
    CALL_CREATE,
    CALL_DESTROY,
    CALL_PUBLISH,
    CALL_FINISH,
    CALL_RELEASE
};
struct call {
    enum call_kind kind;
    int svc;
    int64_t epoch, nonce, sent_ms, nodes_rev, gen, node, rev, op, volume;
    int counts[ROLES_MAX];
    bool converged[SVC_MAX];
    enum fact_id fact;
    struct fact_value value;
    enum op_state outcome;
    char why[WHY_MAX];
};

/* ---- director ---- */
struct db { /* durable: what a backup holds */
    struct app app;
    int n;
    struct service s[SVC_MAX];
    struct purse purse;
    int64_t next_id;
    int n_rows;
};
struct row {
    enum ledger_kind kind;
    int64_t amount, node, hour, op;
};
/* What the world remembers of every node record, also after it is GONE. */
struct rec {
    int64_t node, created_ms, gone_ms;
    int svc, role, vm; /* vm 0: none known */
    enum node_status status;
    int64_t hours_paid;
    bool orphan; /* the database was set back behind its birth */
};

struct svc_truth { /* what really is, by service */
    bool served[ROLES_MAX];
    int capacity[ROLES_MAX];
    int64_t unserved_since[ROLES_MAX];
    int64_t cluster_pos, sessions, no_primary_since, crowded_since, calm_since;
    int n_chunks, chunk_n, lost_chunks;
    struct {
        int id, n, node[REPLICAS_MAX]; /* machines */
    } chunk[40];
    int64_t last_gen;
    int asked[ROLES_MAX]; /* smallest count that users have asked for lately */
    int64_t asked_ms;
};

/* What has happened in a world: a run of many seeds that lacks one of these proves less than it seems to. */
#define SEEN_TABLE(X)                                                                                        \
    X(MSG_LOST, "messages lost")                                                                             \
    X(MSG_LATE, "late")                                                                                      \
    X(MSG_DOUBLED, "doubled")                                                                                \
    X(CUT, "cuts")                                                                                           \
    X(SILENCE, "all reports withheld")                                                                       \
    X(DIED, "nodes died")                                                                                    \
    X(HUNG, "hung")                                                                                          \
    X(CRASHED, "crashed")                                                                                    \
    X(CRASHED_FOR_GOOD, "crashed for good")                                                                  \
    X(REBOOTED, "rebooted")                                                                                  \
    X(BOOT_LATE, "booted late")                                                                              \
    X(BOOT_NEVER, "never booted")                                                                            \
    X(REFUSED, "documents refused")                                                                          \
    X(MANAGER_RESTARTED, "managers restarted")                                                               \
    X(MANAGER_DEAD, "managers hung for good")                                                                \
    X(MANAGER_LIED, "lied")                                                                                  \
    X(DIRECTOR_DOWN, "director restarted")                                                                   \
    X(RESTORED, "set back")                                                                                  \
    X(BROKE, "out of credit")                                                                                \
    X(CLOUD_MUTE, "cloud calls never answered")                                                              \
    X(CLOUD_DOUBTS, "living machine once called gone")                                                       \
    X(TWIN, "machines of one token")
enum seen {
#define X(sym, what) SEEN_##sym,
    SEEN_TABLE(X)
#undef X
        SEEN_MAX
};
#define SEEN(w, sym) ((w)->seen[SEEN_##sym]++)
#define CLOUD_RESULTS 12
#define CLOUD_INDEX(result) ((result) == CLOUD_OK ? 0 : -(result)-2000)

struct profile { /* probabilities in 1/1000 */
    int loss, dup, late, cloud_bad, boot_bad, refuse, fault_every_s;
    bool idempotent_cloud,
        one_late; /* one_late: exactly one message of each kind is late, past the next decision */
    bool lying, restore, long_run;
    int64_t credit;
};

struct world {
    uint64_t seed, rng, seq;
    int64_t now;
    struct event *heap;
    int n_heap, cap_heap;
    bool trace, faults_over, dirty, by_fault;
    struct profile pf;
    int64_t faults_end, last_fault;
    char violation[256];
    int64_t events, plans, docs, managers, nodes_made, ops_done, ops_failed, ops_cancelled, refused_calls;

    struct vm *vm[VMS_MAX]; /* from 1 */
    int n_vms;
    struct disk disks[DISKS_MAX]; /* from 1 */
    int n_disks, disk_doubts;     /* so many of the next disks are made with an unknown outcome */
    struct mgr *mgr[VMS_MAX];     /* by machine */
    struct {
        int a, b;
        int64_t until;
    } cut[CUTS_MAX];
    int n_cuts;

    struct db db, backup;
    int64_t backup_ms;
    struct row rows[ROWS_MAX];
    int64_t row_sum;
    struct rec recs[VMS_MAX * 2];
    int n_recs;
    int rec_of[IDS_MAX];
    bool dir_down, recovery, view_due;
    int dir_inc;
    int64_t dir_up_ms, tokens, reconciled_ms;
    int64_t refs;          /* what the references of service 0 resolve to: every manager sees the same */
    const char *refs_wait; /* which of them is not there yet; NULL = all are */
    bool refs_failed;
    int64_t versions[SVC_MAX], settings[SVC_MAX];          /* counters of users */
    uint64_t bad_versions[SVC_MAX], bad_settings[SVC_MAX]; /* bit = number mod 64 */
    int64_t leak_calls[VMS_MAX];

    struct svc_truth truth[SVC_MAX];
    /* Scenarios (script.h): NULL and 0 in seeds. filter may look at messages; returns true to swallow one. */
    bool (*filter)(struct world *w, const struct message *m);
    struct script *script;
    int64_t boot_ms; /* how long machines boot; 0: at random, -1: for ever */
    struct {
        int result;
        int64_t makes_ms; /* when the machine appears; -1: never */
    } cloud_says[4];      /* outcomes of the next creations */
    int n_cloud_says;
    struct op ended[FACET_MAX]; /* the last one of each facet */
    int64_t refused_docs;
    int64_t seen[SEEN_MAX], seen_create[CLOUD_RESULTS],
        seen_other[CLOUD_RESULTS];         /* cloud calls by outcome */
    int64_t silent_until;                  /* no report of any node arrives */
    int64_t creates, destroys, bootstraps; /* accepted by the director, seen on machines */
    bool late_done[8];
    int n_started;
    struct {
        int vm;
        char id[48];
    } started[STARTED_MAX];
};

/* ---- world.c ---- */
void world_init(struct world *w, uint64_t seed, bool trace); /* no services yet */
void world_add(struct world *w, const struct service_type *type);
void world_add_random(struct world *w, const char *type); /* type NULL: any */
/* Profile is set by then. Runs until converged after the faults, or a violation. */
void world_start(struct world *w);
void world_run(struct world *w);
bool world_step(struct world *w, int64_t end); /* one event; false: none until then, or a violation */
void world_done(struct world *w);
void profile_random(struct world *w);
const char *unconverged(struct world *w);
struct event *at(struct world *w, int64_t in_ms, void (*fn)(struct world *, struct event *), int a, int b);
void bad(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void say(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void say_doc(struct world *w, const char *what, int64_t node, int64_t epoch, int64_t seq,
             const struct doc *d);
#define SAY(w, ...)                                                                                          \
    do {                                                                                                     \
        if ((w)->trace) {                                                                                    \
            say(w, __VA_ARGS__);                                                                             \
        }                                                                                                    \
    } while (0)
int rnd(struct world *w, int n); /* 0 .. n-1 */
bool chance(struct world *w, int per_mille);
int64_t between(struct world *w, int64_t lo_ms, int64_t hi_ms);

/* ---- net.c: one-way messages ---- */
enum msg_kind { MSG_REPORT, MSG_ANSWER, MSG_CALL, MSG_VIEW, MSG_BEAT, MSG_BEAT_REPLY };
struct message {
    enum msg_kind kind;
    int from, to; /* machines, or DIRECTOR */
    void (*fn)(struct world *w, struct event *e);
    int a, b;
    int64_t x;
    const void *payload; /* NULL with size 0 */
    size_t size;
};
void msg(struct world *w, enum msg_kind kind, int from, int to, void (*fn)(struct world *, struct event *),
         int a, int b, int64_t x, const void *payload, size_t size);
void cut(struct world *w, int a, int b, int64_t ms);
bool is_cut(const struct world *w, int a, int b);
bool was_cut(const struct world *w, int a, int b); /* also so lately that a planner may go by it */
void cuts_end(struct world *w);

/* ---- cloud.c ---- */
void cloud_do(struct world *w, int svc, const struct cloud_task *t);
void cloud_kill(struct world *w, int vm);
struct vm *cloud_make(struct world *w, const char *token, int64_t node, int svc);

/* ---- disks.c ---- */
void disk_do(struct world *w, int svc, const struct cloud_task *t);
struct disk *disk_of(struct world *w, int64_t volume);
bool disks_there(struct world *w, const struct vm *v, const struct doc *d); /* attached to that machine */
void disks_applied(struct world *w, struct vm *v, const struct doc *old, const struct doc *d);
void disk_keep(struct world *w, const struct vm *v); /* the machine's position is on its disk */
void disks_check_start(struct world *w, const struct vm *v, bool first);
void disks_doomed(struct world *w, int svc, const struct volume *v);
void disks_check(struct world *w);

/* ---- agent.c ---- */
struct agent_answer {
    int64_t epoch, echo, seq;
    struct doc doc;
};
void agent_start(struct world *w, struct vm *v);
void agent_on_answer(struct world *w, struct event *e);
void agent_on_beat_reply(struct world *w, struct event *e);
void agent_poke(struct world *w, struct vm *v); /* something changed: report soon */
void agent_reset(struct vm *v);
void agent_begin_role(struct world *w, struct vm *v, int role);
bool vm_works(const struct vm *v);
bool vm_alive(const struct vm *v, int gen);
/* ---- agent_apply.c ---- */
void agent_begin_apply(struct world *w, struct vm *v);
void agent_start_drain(struct world *w, struct vm *v, int role);
void agent_run_cmds(struct world *w, struct vm *v, const struct doc *doc);
/* ---- agent_data.c: clusters, chunks, sessions ---- */
void cluster_mode(struct world *w, struct vm *v);
void data_tick(struct world *w, struct event *e);
void data_drop(struct world *w, struct vm *v, bool by_action);
void data_held(struct world *w, struct vm *v, struct report *r);

/* ---- director.c ---- */
void dir_start(struct world *w);
void dir_crash(struct world *w, int64_t ms);
void dir_restore(struct world *w);
void dir_on_call(struct world *w, struct event *e);
void dir_on_beat(struct world *w, struct event *e);
void dir_begin(struct world *w, int svc, struct truth *t, struct effects *x); /* svc -1: the application */
void dir_commit(struct world *w, int svc, struct truth *t);
void dir_cloud_reply(struct world *w, struct event *e);
struct rec *rec_find(struct world *w, int64_t node);
struct vm *vm_of(struct world *w, int64_t node); /* the machine of a record, also of one that is gone; NULL */
int vm_from_cloud_id(const char *cloud_id);

/* ---- manager.c ---- */
void mgr_start(struct world *w, int vm);
void mgr_restart(struct world *w, int vm); /* the process alone */
void mgr_on_reply(struct world *w, struct event *e);
void mgr_on_epoch(struct world *w, struct event *e);
void mgr_on_report(struct world *w, struct event *e);
struct report_msg {
    int64_t node, echo;
    int svc;
    struct report r;
};
struct mgr *mgr_current(struct world *w);

/* ---- users.c, faults.c ---- */
void users_settle(struct world *w);
void user_step(struct world *w, struct event *e);
int user_cancel(struct world *w, int svc, enum facet f);
int user_accept(struct world *w, int svc, const struct change *c, int64_t *ret_op);
int user_counts(struct world *w, int svc, const int counts[ROLES_MAX]);
int user_run(struct world *w, int svc, enum run run);
int user_code(struct world *w, int svc, bool good);
int user_settings(struct world *w, int svc, bool good);
void fault_step(struct world *w, struct event *e);
void faults_stop(struct world *w, struct event *e);
void fault(struct world *w); /* this event is a fault */
void take_backup(struct world *w);
void cut_all(struct world *w, int manager, int64_t ms); /* from all nodes */
void vm_mark_fault(struct world *w, struct vm *v);
void vm_die(struct world *w, struct vm *v, enum killed why);
void vm_hang(struct world *w, struct vm *v, int64_t ms);
void vm_unhang(struct world *w, struct vm *v);
void vm_crash(struct world *w, struct vm *v, int role, bool loop);
void vm_reboot(struct world *w, struct vm *v, int64_t ms);

/* ---- check.c ---- */
void check(struct world *w);
void check_slow(struct world *w); /* every few seconds of virtual time */
bool is_lying(struct world *w);   /* a manager of this world lies, or has lied */
void check_create(struct world *w, int svc);
void check_destroy(struct world *w, int svc, int64_t node, const char *why, bool lying);
void check_publish(struct world *w, int svc, enum fact_id fact, const struct fact_value *v);
bool role_works(const struct world *w, const struct vm *v, int role, int64_t version);

/* ---- types.c ---- */
extern const struct service_type type_quorum, type_drain, type_script, type_vault;
const struct service_type *sim_type(const char *name);
int type_entry(const struct service_type *t);
int type_with(const struct service_type *t, unsigned flag); /* first role with the flag, -1 */

/* ---- bugs.c ---- */
struct bug_text {
    const char *name, *what;
};
extern const struct bug_text bugs[BUG_MAX]; /* by enum bug */
/* name NULL: all; returns how many were caught within max_seeds. */
int bugs_run(const char *name, int max_seeds);
