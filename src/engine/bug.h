/*
 * Planted bugs: deliberate mistakes that only the simulator's own build of the engine can switch on, to show that its
 * invariants catch them.  Everywhere else bug(X) is the constant false and no trace of it is compiled.
 */
#pragma once

#include <stdbool.h>

/* X(symbol, what is wrong) */
#define BUG_TABLE(X)                                                                                         \
    X(NO_FENCE, "agents accept documents of a fenced manager (F2)")                                          \
    X(NO_SEQ, "agents accept older documents of the same manager (F3)")                                      \
    X(SAME_EPOCH, "a manager that restarts on its node keeps its epoch (F1)")                                \
    X(CLAIM_BUSY, "a node is claimed while it applies a document of before (F4)")                            \
    X(OLD_REPORTS, "reports out of order are believed (F5)")                                                 \
    X(APPLIED_ONLY, "preconditions look at the reported document only (F7)")                                 \
    X(PUBLISH_FORGOTTEN, "publishes under way are not reckoned with (F9)")                                   \
    X(PUBLISH_BLIND, "a publish under way is not taken back (F9)")                                           \
    X(DOOM_FORGOTTEN, "a destroy that was sent is forgotten (F10)")                                          \
    X(NO_CAS_CREATE, "a create is not compared with what it was decided on (F11)")                           \
    X(TWIN_ENROLS, "a second machine with the token of a node is let in (F12)")                              \
    X(ONE_OBSERVER, "lost needs the manager only (L1)")                                                      \
    X(NO_UP_AT, "a fresh node is judged by the manager's start (L1)")                                        \
    X(BLAME_CONTENT, "refused settings make the node sick (L3)")                                             \
    X(MASTER_BY_ORD, "a returning older node displaces the master (G1)")                                     \
    X(NO_WARMUP, "plans before every node has reported (W1)")                                                \
    X(NO_STEP_DOWN, "a manager that reaches no agent stays (W2)")                                            \
    X(NAME_UNAPPLIED, "names targets that have not applied their role (N1)")                                 \
    X(WHOLE_HASH, "names only targets that have applied all that they were sent (N1)")                       \
    X(SHRINK_FIRST, "unnames a moving target before its successors serve (N2, N4)")                          \
    X(ONE_IS_ENOUGH, "one good target is enough to drop the others (N3)")                                    \
    X(KEEP_BLIND, "names are kept for a version that their nodes do not have (N4)")                          \
    X(UNNAMES_UNCLAIMED, "unnames what only the director hears before it is replaced (N8)")                  \
    X(NO_CALLERS, "names targets whose firewall does not know the proxy yet (N6)")                           \
    X(STALE_ENTRY, "lists a proxy on its old document (E2)")                                                 \
    X(UNDRAINED, "drops a role while it is named or drains (R2, R3)")                                        \
    X(DRAINS_NAMED, "drains what an entry is told to name in the same plan (R2)")                            \
    X(DRAIN_FORGOTTEN, "a node that restarts forgets that it drains (R3)")                                   \
    X(DESTROY_NAMED, "destroys a node that a proxy may name (X3)")                                           \
    X(LOST_NOW, "destroys a lost node before its replacement serves (X5)")                                   \
    X(DROP_EARLY, "drops the old version at the flip (A1, A5)")                                              \
    X(FLIP_UNSTAGED, "flips before all targets have the version (A3)")                                       \
    X(FORGET_UNKNOWN, "ignores what an unseen proxy may route to (A6)")                                      \
    X(NO_PROBE, "flips without a probe (A2)")                                                                \
    X(PROBE_REUSED, "the result of an earlier try of a version counts (A2)")                                 \
    X(DRAIN_IGNORED, "removes a holder of data that still counts (D3)")                                      \
    X(DRAIN_SELF, "a holder moves its data away itself, or not at all (D1)")                                 \
    X(BOOT_UNPUBLISHED, "bootstraps before the fact is read back (P4, M1)")                                  \
    X(SPENT_TOKEN, "a bootstrap that fell over is waited for (M3)")                                          \
    X(RECOVER_PARTIAL, "recovers although a member is unseen (M5)")                                          \
    X(RECOVER_ANY, "recovers from any member (M5)")                                                          \
    X(JOINER_EMPTY, "a joiner is taken for empty although it may have joined (M5)")                          \
    X(BARE_BLOCKS, "a member that has data and no role blocks a recovery (M5)")                              \
    X(JOIN_ALL, "all members join at once (M6)")                                                             \
    X(JOINER_FORGOTTEN, "a joiner that is not heard is not counted (M6)")                                    \
    X(RERUN, "a script is started again after a reboot (K2)")                                                \
    X(CMD_BESIDE, "scripts run from documents that the fence refuses (K1)")                                  \
    X(CMD_BEFORE_MASTER, "scripts begin before there is a master (K8)")                                      \
    X(CMD_HASTY, "a command that lasts is done when it has begun (K7)")                                      \
    X(MASTER_MOVES, "the master moves while the old one lives (K6)")                                         \
    X(PRIMARY_HASTY, "the primary is handed to a replica that is not in step (Z4)")                          \
    X(PRIMARY_DROPPED, "the primary's node goes before its role was handed over (Z5)")                       \
    X(PRIMARY_STUCK, "a lost primary is not replaced before it is destroyed (Z6)")                           \
    X(PAIR_FLAPS, "a holder that gives its role up is told to keep it while it does so (Z5)")                \
    X(REFS_STALE, "nodes keep what they were told of the services that theirs refers to (J1)")               \
    X(NO_START_ORDER, "a start does not wait for the services that it refers to (J2)")                       \
    X(NO_DEADLINE, "operations never time out (O5)")                                                         \
    X(NO_DIRECTOR_FENCE, "the director obeys a replaced manager (F1)")                                       \
    X(OVERDRAW, "the balance may become negative (B1)")                                                      \
    X(CHARGE_TWICE, "an hour is charged twice (B1)")                                                         \
    X(NO_REFUND, "a node that never was is charged (B5)")                                                    \
    X(HOLD_FORGOTTEN, "a hold is not given back when its operation ends (B8)")                               \
    X(NO_FIND, "a create of unknown outcome is repeated without a look (V2)")                                \
    X(ASKED_AGAIN, "a director that restarts repeats the creates that were under way (P2)")                  \
    X(NO_LEAKS, "leaks are not collected (V5)")                                                              \
    X(NO_SURGE, "the director makes as many nodes as a manager asks for (T3)")                               \
    X(JUNK_FACTS, "facts of any shape are stored (T2)")                                                      \
    X(NO_LIMIT, "nodes are replaced without end (T4)")                                                       \
    X(RECOVERY_ACTS, "a restored director destroys before it was reconciled (T7)")                           \
    X(VOLUME_EAGER, "a volume is attached elsewhere before it is known to be detached (U4)")                 \
    X(VOLUME_RELEASED, "a volume is detached while a document may name it (U4)")                             \
    X(VOLUME_FORGOTTEN, "the volume of a lost node is not given to its successor (U1)")                      \
    X(VOLUME_DROPPED, "volumes are deleted when a service stops (U7)")                                       \
    X(VOLUME_TWICE, "a volume of unknown outcome is made again without a look (U2)")                         \
    X(VOLUME_UNSEEN, "a cluster decides before all volumes of it are seen (U8)")                             \
    X(VOLUME_LATE, "a role starts before its volume is there (U5)")

enum bug {
#define X(sym, what) BUG_##sym,
    BUG_TABLE(X)
#undef X
        BUG_MAX
};

#ifdef PLANTED_BUGS
extern int planted_bug; /* -1 = none; set by the simulator before a run */
#define bug(sym) (planted_bug == BUG_##sym)
#else
#define bug(sym) false
#endif
