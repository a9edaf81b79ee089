/*
 * `conpaas doctor`: one check a row, each a function that looks and says what it found and how to mend it.
 */
#pragma once

#include "cli/builtin.h"

enum finding_level { FINDING_OK, FINDING_WARN, FINDING_BAD, FINDING_MAX };
STR_TABLE_DECLARE(finding_level, enum finding_level);

struct finding {
    enum finding_level level;
    char *what; /* what was found, owned */
    char *mend; /* how to mend it, owned; NULL when nothing is wrong */
};
/* Fills a finding; takes ownership of both texts. */
void finding_set(struct finding *f, enum finding_level level, char *what, char *mend);

struct doctor_check {
    const char *name; /* NULL ends the table */
    void (*look)(struct cli *cli, struct finding *ret);
};
extern const struct doctor_check doctor_checks[];

/* Parts that can be tried without the machine they are about. */
/* "6.1.0-13-amd64" is at least major.minor. */
bool doctor_kernel_is(const char *release, int major, int minor);
/* Ids that a file like /etc/subuid gives to a user in all. */
int64_t doctor_subids(const char *text, const char *user);

/* A finding for people, within the terminal's width. */
void doctor_print(const struct term *t, const char *name, const struct finding *f);
