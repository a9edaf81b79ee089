#include "git/refs.h"

#include <string.h>

static const char *const branches[] = {"main", "master"};

void refs_done(struct refs *r)
{
    buf_done(&r->kept);
}

static bool is_hash(const char *s)
{
    size_t n = strlen(s);
    return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n;
}

static bool is_zero(const char *s)
{
    return strspn(s, "0") == strlen(s);
}

static const char *deployed_branch(const char *ref)
{
    for (size_t i = 0; i < ARRAY_LEN(branches); i++) {
        if (str_starts(ref, "refs/heads/") && str_eq(ref + strlen("refs/heads/"), branches[i])) {
            return branches[i];
        }
    }
    return NULL;
}

/* Names of refs are chosen by others and end on a terminal. */
static void add_kept(struct buf *b, const char *ref)
{
    const char *name = strchr(ref + strlen("refs/"), '/') + 1;
    buf_adds(b, b->len ? ", " : "");
    for (; *name; name++) {
        buf_addc(b, *name > ' ' && *name < 127 ? *name : '?');
    }
}

static int take_deployed(struct refs *r, const char *branch, const char *new, struct err *e)
{
    if (is_zero(new)) {
        return err_set(e, ERR_FORBIDDEN, "the branch %s is what is deployed: it cannot be deleted", branch);
    }
    if (r->deploy[0]) {
        return err_set(e, ERR_FORBIDDEN, "main and master are both deployed: push one of them");
    }
    (void)str_copy(r->deploy, sizeof(r->deploy), new);
    (void)str_copy(r->branch, sizeof(r->branch), branch);
    return 0;
}

static int take_line(struct refs *r, char *const *word, struct err *e)
{
    if (strv_len(word) != 3 || !is_hash(word[0]) || !is_hash(word[1])) {
        return err_set(e, ERR_INVALID, "git says something that is not understood");
    }
    const char *ref = word[2], *branch = deployed_branch(ref);
    if (branch) {
        return take_deployed(r, branch, word[1], e);
    }
    if (!str_starts(ref, "refs/heads/") && !str_starts(ref, "refs/tags/")) {
        return err_set(e, ERR_FORBIDDEN, "only branches and tags are kept here");
    }
    if (!is_zero(word[1])) {
        add_kept(&r->kept, ref);
    }
    return 0;
}

int refs_parse(const char *text, struct refs *ret, struct err *e)
{
    _cleanup_(refs_done) struct refs r = {.deploy = ""};
    char **lines = str_split(text, '\n');
    int rc = strv_len(lines) > REFS_PUSH_MAX + 1
                 ? err_set(e, ERR_FORBIDDEN, "a push may change at most %d branches and tags", REFS_PUSH_MAX)
                 : 0;
    for (size_t i = 0; lines[i] && rc == 0; i++) {
        char **words = *lines[i] ? str_split(lines[i], ' ') : NULL;
        rc = words ? take_line(&r, words, e) : 0;
        strv_free(words);
    }
    strv_free(lines);
    if (rc == 0) {
        *ret = r;
        r = (struct refs){.deploy = ""};
    }
    return rc;
}
