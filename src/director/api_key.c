/*
 * Keys that may push code to an application.
 */
#include "base/clock.h"
#include "director/api.h"

static int key_list(struct api_call *c, struct err *e)
{
    struct key_row *k = NULL;
    size_t n = 0;
    int rc = store_keys(c->d->store, call_match_id(&c->match, "app"), &k, &n, e);
    if (rc < 0) {
        return rc;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, object_key(&k[i]));
    }
    free(k);
    return api_reply_list(c, list);
}

/* All lines or none; empty ones and remarks are skipped. */
static int add_lines(struct api_call *c, int64_t app, int64_t *ret_added, struct err *e)
{
    char **lines = str_split(api_text(c, "keys"), '\n');
    int rc = 0;
    *ret_added = 0;
    for (int i = 0; lines[i] && rc >= 0; i++) {
        char *l = lines[i];
        struct ssh_key key;
        size_t len = strlen(l);
        if (len > 0 && l[len - 1] == '\r') {
            l[len - 1] = '\0';
        }
        if (!*l || *l == '#') {
            continue;
        }
        rc = ssh_key_parse(l, &key, e);
        rc = rc < 0 ? err_wrap(e, rc, "line %d", i + 1)
                    : store_key_add(c->d->store, app, &key, clock_steady_ms(), e);
        *ret_added += rc > 0;
    }
    strv_free(lines);
    return rc < 0 ? rc : 0;
}

static int key_add(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    int64_t added = 0;
    int rc = world_app(c->d->world, call_match_id(&c->match, "app"), &s, e);
    if (rc < 0 || (rc = txn_begin(c->d, s, NULL, &x, e)) < 0 || (rc = add_lines(c, s->id, &added, e)) < 0 ||
        (rc = txn_note(x, 0, "note", 0, 0, "%lld key(s) that may push code added by %s", (long long)added,
                       c->caller.user.username)) < 0) {
        return rc;
    }
    rc = txn_commit(x, e);
    return rc < 0 ? rc : api_reply(c, json_pack("{s:I}", "added", (json_int_t)added));
}

/* A line of the .pub file names its key as well. */
static int key_remove(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct ssh_key key;
    const char *which = ssh_key_parse(api_text(c, "key"), &key, NULL) == 0 ? key.body : api_text(c, "key");
    int rc = world_app(c->d->world, call_match_id(&c->match, "app"), &s, e);
    if (rc < 0 || (rc = txn_begin(c->d, s, NULL, &x, e)) < 0 ||
        (rc = store_key_remove(c->d->store, s->id, which, e)) < 0 ||
        (rc = txn_note(x, 0, "note", 0, 0, "a key that may push code removed by %s",
                       c->caller.user.username)) < 0) {
        return rc;
    }
    rc = txn_commit(x, e);
    return rc < 0 ? rc : api_reply_empty(c);
}

const struct api_row api_key_rows[] = {
    {"key.list", key_list},
    {"key.add", key_add},
    {"key.remove", key_remove},
    {0},
};
