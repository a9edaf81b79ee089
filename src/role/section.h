/*
 * Members that several engines' sections have in common, read strictly: a wrong kind, an address that is none
 * or a number out of its range is ERR_INVALID that names the member.
 */
#pragma once

#include "base/json.h"

#define SECTION_TARGETS_MAX 64
#define SECTION_VERSIONS_MAX 64

struct section_target {
    int64_t id;
    char address[16]; /* IPv4 */
    int port;
    int weight; /* 1-256 */
};
struct section_targets {
    int n;
    struct section_target at[SECTION_TARGETS_MAX];
};
struct section_versions {
    int n;
    int64_t at[SECTION_VERSIONS_MAX]; /* ascending */
};

/* One {"id", "address", "port", "weight"}. */
int section_target(const json_t *j, const char *what, struct section_target *ret, struct err *e) WARN_UNUSED;
/* j NULL or an array of targets with different ids. */
int section_targets(const json_t *j, const char *what, struct section_targets *ret,
                    struct err *e) WARN_UNUSED;
/* j NULL or an array of positive integers; repeats are taken once. */
int section_versions(const json_t *j, struct section_versions *ret, struct err *e) WARN_UNUSED;
bool section_versions_equal(const struct section_versions *a, const struct section_versions *b);
void section_versions_add(struct section_versions *v, int64_t version);
/* Adds a line that is another one when the environment is: for texts that tell whether a process is the wanted one.
 * An empty one adds nothing. */
void section_environment(const json_t *env, struct buf *out);
/* s is a dotted IPv4 address. */
bool section_is_ipv4(const char *s);
