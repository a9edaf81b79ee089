/*
 * The script of a sim cloud: which effect the n-th call of a kind has.  Grammar at the end of cloud.h.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum sim_kind { SIM_CREATE, SIM_FIND, SIM_LIST, SIM_POLL, SIM_TERMINATE, SIM_KIND_MAX };
STR_TABLE_DECLARE(sim_kind, enum sim_kind);

enum sim_effect {
    SIM_DO,            /* as asked */
    SIM_FAIL,          /* nothing happens, the result is said */
    SIM_MAKE_AND_FAIL, /* "WORD+": it happens, the result is said all the same */
    SIM_LATE,          /* "late+": it happens later, CLOUD_UNKNOWN is said */
    SIM_HANG,          /* nothing happens, the answer takes its time */
    SIM_LOSE,          /* the machine dies */
    SIM_LIE,           /* a wrong state is told once */
};

struct sim_rule;
struct sim_script {
    struct sim_rule *rules;
    size_t n;
    int64_t calls[SIM_KIND_MAX];
};

int sim_script_parse(const char *text, struct sim_script *ret, struct err *e) WARN_UNUSED;
void sim_script_done(struct sim_script *s);
/* Counts one call of this kind and gives its effect. *ret_result is set for the effects that say a result of
 * the script's. */
enum sim_effect sim_script_next(struct sim_script *s, enum sim_kind kind, int *ret_result);
