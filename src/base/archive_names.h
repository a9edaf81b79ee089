/*
 * The rules for names in archives, and the tree they make: pure, used by the archive files only.
 *
 * Why links cannot lead out: a member's parents are always directories of the same archive, never links,
 * and a link's target may climb only with ".." in front, at most to the root, before it descends.
 */
#pragma once

#include "base/str.h"

enum arc_type { ARC_NONE, ARC_DIR, ARC_FILE, ARC_LINK };

struct arc_node {
    char *path;
    enum arc_type type;
    bool named; /* a member of its own, not only the parent of one */
};
/* Hash table of all paths so far, parents included. */
struct arc_names {
    struct arc_node *slots;
    size_t n, cap; /* cap is a power of two */
};
void arc_names_done(struct arc_names *t);
enum arc_type arc_names_type(const struct arc_names *t, const char *path);

struct arc_rules {
    int64_t max_nodes;
    int max_depth, max_name;
};
/* "./a//b/" -> "a/b"; "" is the root itself. NULL and *ret_why for a name that is refused. Caller frees. */
char *arc_name_clean(const char *raw, const struct arc_rules *rules, const char **ret_why);
/* Adds a member and its missing parents. NULL, or why not. */
const char *arc_names_add(struct arc_names *t, const char *path, enum arc_type type,
                          const struct arc_rules *rules);
/* NULL, or why this target of a symbolic link at path is refused. */
const char *arc_target_check(const char *path, const char *target, const struct arc_rules *rules);
/* A name as it may be shown in a message: cut, without what a terminal would obey. Caller frees. */
char *arc_name_shown(const char *raw);
