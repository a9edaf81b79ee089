/*
 * One script of the code version: KIND.sh, as root, with the environment of doc/SCRIPTS.md, in a process group of
 * its own.  And what scripts have left running behind them.
 */
#pragma once

#include <sys/types.h>

#include "base/json.h"

struct agent;

struct script_process {
    pid_t pid;   /* leader of its group and session; 0 = there is no such script */
    int pid_fd;  /* of it */
    int pipe[2]; /* what it says: output, errors; -1 = closed by all who had it */
    int log[3];  /* output, errors, both of this kind of script */
};

/* Writes the file of agents, makes the version of the document's team the current one, starts the script. id as in
 * the journal. 0 with pid 0 when the version has no such script. Without the agent's lock. */
int script_start(struct agent *a, const json_t *document, const char *id, const char *kind,
                 const char *parameters, struct script_process *ret, struct err *e) WARN_UNUSED;
/* Writes down what it says until it has ended: its exit code, 128 + a signal. */
int script_wait(struct script_process *p);
/* Goes on writing what processes say that it left behind, until the last has ended; frees. */
void script_finish(struct script_process *p);

/* The version whose scripts ran last on this node; 0 = none. */
int64_t script_version(const struct agent *a);
int script_set_version(struct agent *a, int64_t service, int64_t version, struct err *e) WARN_UNUSED;

/* A script has ended; whoever is still in its session is one of its left-overs. Takes the agent's lock. */
void script_note_ended(struct agent *a, const char *kind, pid_t session);
/* Sends a signal to every process group that a script has started and that is still there; init: those of init.sh
 * too. Returns how many processes that were. signal 0 only counts. Takes the agent's lock for a moment. */
int script_signal_left(struct agent *a, int signal, bool init);
/* Ends all that is left, gracefully at first; false when the agent is to end meanwhile. */
bool script_end_left(struct agent *a);

/* "agent.out", "agent.err", "script-KIND.log". */
bool script_is_log(const char *name);
